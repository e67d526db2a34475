"""A1 → R1C1: the form in which all cells that were filled from one formula read the same.

``=A1*$B$2`` in C3 and ``=A2*$B$2`` in C4 are both ``RC[-2]*R2C2`` there. Excel's own R1C1 notation is used, so that the
relative form can be read by people too.
"""

from __future__ import annotations

from xlcollab.formula.parse import read_corner
from xlcollab.formula.tokens import tokenise

__all__ = ["to_r1c1"]


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
