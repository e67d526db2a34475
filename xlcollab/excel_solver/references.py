"""References in stored Solver names → areas of the workbook.

A reference may join several areas by commas, name a defined name instead, quote its sheet, or be broken: ``#REF!``
where its cell was deleted. Loads no NumPy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from xlcollab.errors import SolverModelError, XlcollabError
from xlcollab.xlsx.cells import Area

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["find_sheet", "is_number", "reference_areas", "to_number"]

_SHEET = r"(?:'(?P<quoted>(?:[^']|'')+)'|(?P<plain>[^'!,()\[\]]+))!"
_PIECE = re.compile(rf"(?:{_SHEET})?(?P<ref>[^!]+)")
_PIECES = re.compile(r"(?:'(?:[^']|'')*'|[^',])+")
_CELL, _COLUMN, _ROW = r"\$?[A-Za-z]{1,3}\$?\d{1,7}", r"\$?[A-Za-z]{1,3}", r"\$?\d{1,7}"
_AREA = re.compile(rf"{_CELL}(:{_CELL})?|{_COLUMN}:{_COLUMN}|{_ROW}:{_ROW}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?%?")
_MOST_CELLS = 2_000_000  # more is a slip: whole columns, not a model
_MAX_DEPTH = 20  # defined names that name each other; Excel does not store circles, other programs might


def reference_areas(
    book: Workbook, text: str, sheet: str, what: str, *, depth: int = 0
) -> tuple[tuple[str, Area], ...]:
    """The areas (sheet, `Area`) that a stored reference means: areas joined by commas, or the defined name of some.

    ``sheet`` is where the model is stored: the home of references without a sheet and of sheet-local names; ``what``
    says for the error whose reference this is. Raises `SolverModelError` for ``#REF!``, other workbooks, formulas, no
    cell at all, and more cells than any model has.
    """
    if "#REF!" in text.upper():
        raise SolverModelError(
            f"On sheet {sheet!r} {what} reads {text}: a cell that it named was deleted. "
            "Choose it again in Excel's Solver dialog and save.",
            sheet=sheet,
        )
    areas: list[tuple[str, Area]] = []
    for piece in _PIECES.findall(_without_brackets(text.strip())):
        areas.extend(_piece_areas(book, piece.strip(), sheet, what, depth))
    if not areas:
        raise SolverModelError(
            f"On sheet {sheet!r} {what} reads {text!r}, which is no cell. Choose it again in Excel's Solver dialog and "
            "save.",
            sheet=sheet,
        )
    size = sum(area.height * area.width for _, area in areas)
    if size > _MOST_CELLS:
        raise SolverModelError(
            f"On sheet {sheet!r} {what} reads {text}, which is {size:,} cells. Name those that are meant in Excel's "
            "Solver dialog and save.",
            sheet=sheet,
        )
    return tuple(areas)


def _piece_areas(book: Workbook, piece: str, sheet: str, what: str, depth: int) -> Iterable[tuple[str, Area]]:
    match = _PIECE.fullmatch(piece)
    named = match and (match["quoted"] or match["plain"])
    home = find_sheet(book, named.replace("''", "'") if named else sheet)
    if match and home is not None:
        if _AREA.fullmatch(match["ref"]):
            try:
                return [(home, Area.parse(match["ref"]))]
            except XlcollabError as error:
                raise SolverModelError(error.message, sheet=sheet) from error
        defined = book.names.find(match["ref"], home)
        if defined is not None and depth < _MAX_DEPTH:
            return reference_areas(book, defined.text.strip().removeprefix("="), home, what, depth=depth + 1)
    reason = "which is in another workbook" if "[" in piece else "which is no cell of this workbook"
    raise SolverModelError(
        f"On sheet {sheet!r} {what} names {piece}, {reason}. Choose it again in Excel's Solver dialog and save.",
        sheet=sheet,
    )


def find_sheet(book: Workbook, name: str) -> str | None:
    """A sheet's name as the book spells it, whatever the case of ``name``; None where there is no such sheet."""
    return next((sheet.name for sheet in book.sheets if sheet.name.lower() == name.lower()), None)


def is_number(text: str) -> bool:
    """Whether a stored text is a plain finite number, the American way, perhaps with a percent sign."""
    match = _NUMBER.fullmatch(text.strip())
    return match is not None and math.isfinite(float(match[0].removesuffix("%")))


def to_number(text: str | None, default: float) -> float:
    """The number that a stored text is, or ``default`` where it is missing or no number."""
    if text is None or not is_number(text):
        return default
    text = text.strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _without_brackets(text: str) -> str:
    return text[1:-1] if text.startswith("(") and text.endswith(")") else text
