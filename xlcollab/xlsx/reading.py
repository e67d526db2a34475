"""Cells as a person sees them: numbers, text, dates, errors and formulas, made from the tokens of one sheet part."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from xlcollab.errors import DamagedFileError, XlcollabError
from xlcollab.xlsx.calendar import to_date
from xlcollab.xlsx.cells import Area, Cell, CellValue, ErrorValue, Formula, address
from xlcollab.xlsx.markup import unescape_string
from xlcollab.xlsx.scan import Token, cut_rows, parse_tokens, row_tokens
from xlcollab.xlsx.translate import FilledFormula

__all__ = ["CellReader", "SheetCells", "array_area", "collector_paused", "has_formula", "read_cells"]


@dataclass(frozen=True)
class SheetCells:
    """The cells of one sheet by (row, column), and the ranges of its array formulas."""

    cells: dict[tuple[int, int], Cell]
    array_areas: list[Area]

    def take(self, values: Mapping[tuple[int, int], CellValue], reader: CellReader) -> bool:
        """Follow a patch of the part, if it puts numbers into cells that stand in it; whether it does."""
        new: dict[tuple[int, int], Cell] = {}
        for place, value in values.items():
            old = self.cells.get(place)
            if old is None or isinstance(value, bool) or not isinstance(value, (int, float)):
                return False
            whole = float(value).is_integer() and abs(value) < 1e15  # what a reader makes of the digits
            new[place] = reader.number(int(value) if whole else float(value), old.formula, old.style)
        self.cells.update(new)
        return True


@dataclass(frozen=True)
class CellReader:
    """What a sheet part refers to: the shared strings, which styles are dates, and where the calendar starts."""

    sheet: str
    part: str
    strings: Callable[[], Sequence[str]]
    date_styles: frozenset[int] = frozenset()
    date1904: bool = False

    def cell(self, token: Token, formula: Formula | None) -> Cell:
        """The cell that a token stands for."""
        row, col, style, kind, _, text = token
        if text is None:
            return Cell(None, formula, style)
        if kind == "n":
            number = _number(text)
            if isinstance(number, str):
                return Cell(number, formula, style)
            return self.number(number, formula, style)
        try:
            return Cell(self._typed(kind, text), formula, style)
        except (ValueError, IndexError) as error:
            raise DamagedFileError(
                f"{self.sheet}!{address(row, col)} is damaged: '{text}' is no value of the type '{kind}'. "
                "Open and save the workbook in Excel.",
                sheet=self.sheet,
                cell=address(row, col),
            ) from error

    def number(self, number: int | float, formula: Formula | None, style: int) -> Cell:
        """A cell with a number in it, which its style may show as a date."""
        shown = to_date(number, self.date1904) if style in self.date_styles else number
        return Cell(shown, formula, style, number)

    def shared(self, number: int) -> str:
        """A shared text by its number. Raises `IndexError` where there is none."""
        if number < 0:
            raise IndexError(number)
        return self.strings()[number]

    def _typed(self, kind: str, text: str) -> CellValue:
        if kind == "s":
            return self.shared(int(text))
        if kind in ("str", "inlineStr"):
            return unescape_string(text)
        if kind == "b":
            return text.strip() in ("1", "true")
        if kind == "e":
            return ErrorValue(text)
        if kind == "d":
            if "T" not in text:
                return dt.date.fromisoformat(text)
            return dt.datetime.fromisoformat(text).replace(tzinfo=None)  # cells know no time zones
        raise ValueError(kind)


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """The collector walks every new tuple again and again: half of the time that a large sheet takes to read."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@collector_paused()
def read_cells(data: bytes, reader: CellReader) -> SheetCells:
    """Every cell element of a sheet part, blank ones with a style included.

    Raises `DamagedFileError` for XML that cannot be read and for values that are none, naming the cell.
    """
    cells: dict[tuple[int, int], Cell] = {}
    array_areas: list[Area] = []
    shared: dict[str, tuple[int, int, FilledFormula]] = {}
    early: list[Token] = []  # cells that share a formula which stands further down: cells may come in any order
    for token in _tokens(data, reader.part):
        formula = None
        if has_formula(token):
            formula = _formula(token, shared, array_areas)
            if formula is None:
                early.append(token)
        cells[token[:2]] = reader.cell(token, formula)
    for token in early:
        formula = _formula(token, shared, array_areas)
        if formula is None:
            place = address(*token[:2])
            raise DamagedFileError(
                f"{reader.sheet}!{place} shares a formula that the sheet has not. Open and save it in Excel.",
                sheet=reader.sheet,
                cell=place,
            )
        cells[token[:2]] = reader.cell(token, formula)
    return SheetCells(cells, array_areas)


def _tokens(data: bytes, part: str) -> list[Token]:
    rows = cut_rows(data)
    if rows is None:
        return parse_tokens(data, part)
    tokens: list[Token] = []
    for row in rows:
        try:
            found = row_tokens(row)
        except ValueError:  # a column beyond the last, which the parser's way names
            found = None
        if found is None:
            return parse_tokens(data, part)
        tokens += found
    return tokens


def has_formula(token: Token) -> bool:
    """Whether a cell has a formula; an <f> without text and attributes is none."""
    return token[4] is not None and (token[4][0] or token[4][1]) != ""


def array_area(token: Token) -> Area | None:
    """The range of the array formula or data table that a cell begins; None for any other cell."""
    if token[4] is None or token[4][0].get("t") not in ("array", "dataTable"):
        return None
    own = address(*token[:2])
    try:
        return Area.parse(token[4][0].get("ref", own))
    except XlcollabError:
        return Area.parse(own)  # no range at all: then it is at least the cell's own formula


def _formula(
    token: Token, shared: dict[str, tuple[int, int, FilledFormula]], array_areas: list[Area]
) -> Formula | None:
    """The formula of a cell; None where it shares one that was not met so far."""
    row, col = token[:2]
    assert token[4] is not None
    attributes, text = token[4]
    kind = attributes.get("t", "normal")
    if kind == "shared":
        index = attributes.get("si", "")
        if text:
            if "ref" in attributes:
                shared[index] = (row, col, FilledFormula(text))
            return Formula(text)
        if index not in shared:
            return None
        first_row, first_col, filled = shared[index]
        return Formula(partial(filled.moved, row - first_row, col - first_col))
    area = array_area(token)
    if area is not None:
        array_areas.append(area)
        if kind == "array":
            return Formula(text, area)
        # Excel shows a data table as {=TABLE(row input, column input)}; it stores the inputs as attributes.
        return Formula(f"TABLE({attributes.get('r1', '')},{attributes.get('r2', '')})", area)
    return Formula(text)


def _number(text: str) -> int | float | ErrorValue:
    try:
        if text.isdigit() or (text[0] == "-" and text[1:].isdigit()):
            return int(text)
        number = float(text)
    except ValueError:
        return ErrorValue("#NUM!")  # some programs write NaN or INF, which Excel has no number for
    return number if abs(number) < float("inf") else ErrorValue("#NUM!")
