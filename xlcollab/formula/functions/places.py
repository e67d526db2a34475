"""Where references lie: ROW, COLUMN, ROWS, COLUMNS, AREAS, and ADDRESS, which spells one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.formula.functions.declare import ExcelError, Table, each, number
from xlcollab.formula.values import VALUE, Scalar, Values, constant_error, encode
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, column_letters, quote_sheet

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()


@TABLE.add("ROW", "X?", contextual=True)
def row_(context: Evaluator, where: Operand | None = None) -> Values:
    """The row of a reference, or of the formula; a column of rows for a taller range."""
    if where is None:
        return Values(context.frame.rows[:, :, None, None].astype(float))
    if isinstance(where, Values):
        return constant_error(VALUE)
    found = where[0]
    count = found.height if context.array else 1
    return Values((found.rows[:, :, None, None] + np.arange(count)[:, None]).astype(float))


@TABLE.add("COLUMN", "X?", contextual=True)
def column_(context: Evaluator, where: Operand | None = None) -> Values:
    """The column of a reference, or of the formula."""
    if where is None:
        return Values(context.frame.cols[:, :, None, None].astype(float))
    if isinstance(where, Values):
        return constant_error(VALUE)
    found = where[0]
    count = found.width if context.array else 1
    return Values((found.cols[:, :, None, None] + np.arange(count)).astype(float))


@TABLE.add("ROWS", "X")
def rows_(where: Operand) -> Values:
    """How many rows a range or array has."""
    return encode([[float(where.shape[2] if isinstance(where, Values) else where[0].height)]])


@TABLE.add("COLUMNS", "X")
def columns_(where: Operand) -> Values:
    """How many columns a range or array has."""
    return encode([[float(where.shape[3] if isinstance(where, Values) else where[0].width)]])


@TABLE.add("AREAS", "X")
def areas(where: Operand) -> Values:
    """How many areas a reference has."""
    return constant_error(VALUE) if isinstance(where, Values) else encode([[float(len(where))]])


def _address(row: Scalar, col: Scalar, kind: Scalar = 1.0, a1: Scalar = True, sheet: Scalar = "") -> str:
    r, c, k = int(number(row)), int(number(col)), int(number(kind))
    if not (1 <= r <= MAX_ROW and 1 <= c <= MAX_COL and 1 <= k <= 4):
        raise ExcelError(VALUE)
    if a1:
        text = ("$" if k in (1, 3) else "") + column_letters(c) + ("$" if k in (1, 2) else "") + str(r)
    else:
        text = (f"R{r}" if k in (1, 2) else f"R[{r}]") + (f"C{c}" if k in (1, 3) else f"C[{c}]")
    prefix = quote_sheet(str(sheet)) + "!" if sheet else ""
    return prefix + re.sub(r"\[0\]", "", text)


@TABLE.add("ADDRESS", "VVV?V?V?", stepwise=True)
def address_(*args: Values) -> Values:
    """A reference as text."""
    return each(_address, *args)
