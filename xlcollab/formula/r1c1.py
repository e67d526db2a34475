"""A1 ↔ R1C1: the form in which all cells that were filled from one formula read the same.

``=A1*$B$2`` in C3 and ``=A2*$B$2`` in C4 are both ``RC[-2]*R2C2`` there. Excel's own R1C1 notation is used, so that the
relative form can be read by people too.
"""

from __future__ import annotations

import re

from xlcollab.errors import FormulaError
from xlcollab.formula.parse import read_corner
from xlcollab.formula.tokens import tokenise
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, column_letters

__all__ = ["from_r1c1", "to_r1c1"]

_COPIED = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
_R1C1 = re.compile(
    r"(?<![\w.\\\]])(?:R(?P<row>\[-?\d+\]|\d*)C(?P<col>\[-?\d+\]|\d*)|R(?P<rows>\[-?\d+\]|\d+)(?=:R)"
    r"|(?<=:)R(?P<rows2>\[-?\d+\]|\d+)|C(?P<cols>\[-?\d+\]|\d+)(?=:C)|(?<=:)C(?P<cols2>\[-?\d+\]|\d+))(?![\w.(\\\[])"
)


def to_r1c1(formula: str, row: int, col: int) -> str:
    """('A1*$B$2', 3, 3) → 'R[-2]C[-2]*R2C2'.

    Raises `FormulaError` where the formula cannot be read.
    """
    out: list[str] = []
    position = 0
    for token in tokenise(formula):
        if token.kind in ("cell", "columns", "rows"):
            out += (formula[position : token.start], _relative(token.text, row, col))
            position = token.start + len(token.text)
    return "".join(out) + formula[position:]


def _relative(reference: str, row: int, col: int) -> str:
    """'$B2' in row 3 → 'R[-1]C2'; what lies beyond the sheet's edge is a name and stays."""
    halves = []
    for text in reference.split(":"):
        corner = read_corner(text)
        if corner is None:
            return reference
        at_row = at_col = ""
        if corner.row is not None:
            at_row = f"R{corner.row}" if corner.row_fixed else f"R[{corner.row - row}]"
        if corner.col is not None:
            at_col = f"C{corner.col}" if corner.col_fixed else f"C[{corner.col - col}]"
        if at_row and at_col:  # Excel writes RC for R[0]C[0], and R[0]:R[2] for whole rows
            at_row, at_col = at_row.replace("[0]", ""), at_col.replace("[0]", "")
        halves.append(at_row + at_col)
    return ":".join(halves)


def from_r1c1(formula: str, row: int, col: int) -> str:
    """('R[-2]C[-2]*R2C2', 3, 3) → 'A1*$B$2': the inverse of `to_r1c1`."""
    out = []
    position = 0
    for copied in _COPIED.finditer(formula):
        out.append(_replaced(formula[position : copied.start()], row, col))
        out.append(copied[0])
        position = copied.end()
    out.append(_replaced(formula[position:], row, col))
    return "".join(out)


def _replaced(text: str, row: int, col: int) -> str:
    def a1(match: re.Match[str]) -> str:
        if match["row"] is not None:
            return _half(match["col"], col, MAX_COL, True) + _half(match["row"], row, MAX_ROW, False)
        rows = match["rows"] or match["rows2"]
        if rows:
            return _half(rows, row, MAX_ROW, False)
        return _half(match["cols"] or match["cols2"], col, MAX_COL, True)

    return _R1C1.sub(a1, text)


def _half(text: str, home: int, limit: int, is_col: bool) -> str:
    """'[-2]', '2' or '' → '$B' or '7'."""
    fixed = bool(text) and not text.startswith("[")
    at = int(text) if fixed else home + int(text.strip("[]") or 0)
    if not 1 <= at <= limit:
        raise FormulaError(f"The relative reference {text} leaves the sheet.")
    return ("$" if fixed else "") + (column_letters(at) if is_col else str(at))
