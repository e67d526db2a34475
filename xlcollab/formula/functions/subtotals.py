"""SUBTOTAL and AGGREGATE: an aggregate, by number, that passes over subtotals, hidden rows or errors.

Source: Microsoft, "SUBTOTAL function" and "AGGREGATE function". What is passed over counts as an empty cell, so that
values and derivatives are those of the aggregate itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import functions, ops
from xlcollab.formula.functions.declare import Refusal, Table
from xlcollab.formula.functions.logic import failed
from xlcollab.formula.functions.searching import option
from xlcollab.formula.ranges import Range
from xlcollab.formula.syntax import calls
from xlcollab.formula.values import BLANK, VALUE, Values, constant_error

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()

_AGGREGATES = """
    AVERAGE COUNT COUNTA MAX MIN PRODUCT STDEV.S STDEV.P SUM VAR.S VAR.P MEDIAN MODE.SNGL LARGE SMALL PERCENTILE.INC
    QUARTILE.INC PERCENTILE.EXC QUARTILE.EXC
"""
_COUNT = 19
_OF_REFERENCES = 11  # the numbers that SUBTOTAL knows
_WITH_RANK = 14  # from here on one range or array, and k
_NESTING = frozenset({"SUBTOTAL", "AGGREGATE"})


@TABLE.add("SUBTOTAL", "VX*", contextual=True)
def subtotal(context: Evaluator, number: Values, *ranges: Operand) -> Values:
    """The aggregate 1 to 11 without the subtotals among the cells; 101 to 111 without hidden rows too."""
    which = int(option(number, 0.0))
    hidden = which > 100
    which -= 100 * hidden
    areas = [area for one in ranges if not isinstance(one, Values) for area in one]
    if not 1 <= which <= _OF_REFERENCES or any(isinstance(one, Values) for one in ranges):
        return constant_error(VALUE)
    return _aggregate(which, [_without(context, area, True, hidden, not hidden) for area in areas])


@TABLE.add("AGGREGATE", "VVX*", contextual=True)
def aggregate(context: Evaluator, number: Values, options: Values, *ranges: Operand) -> Values:
    """The aggregate 1 to 19; options 0 to 3 leave out subtotals, 1, 3, 5 and 7 hidden rows, 2, 3, 6 and 7 errors."""
    which, how = int(option(number, 0.0)), int(option(options, 0.0))
    if not (1 <= which <= _COUNT and 0 <= how <= 7):
        return constant_error(VALUE)
    ranked = which >= _WITH_RANK
    if ranked and len(ranges) != 2:
        return constant_error(VALUE)
    if not ranked and any(isinstance(one, Values) for one in ranges):
        return constant_error(VALUE)  # only the functions with a rank take arrays
    found: list[Values] = []
    for one in ranges[:1] if ranked else ranges:
        if isinstance(one, Values):
            parts = [one]
        else:
            parts = [_without(context, area, how < 4, how in (1, 3, 5, 7)) for area in one]
        found += [_without_errors(part) if how in (2, 3, 6, 7) else part for part in parts]
    return _aggregate(which, found, [context.one_value(ranges[1])] if ranked else [])


def _aggregate(which: int, parts: list[Values], rank: list[Values] | None = None) -> Values:
    function = functions.load(_AGGREGATES.split()[which - 1])
    assert function is not None
    return function.call(*parts, *(rank or []))  # type: ignore[no-any-return]


def _without(context: Evaluator, area: Range, nested: bool, hidden: bool, by_filter_only: bool = False) -> Values:
    """A range with the cells of subtotals, or those in hidden rows, as if they were empty.

    Raises `FormulaError` where only rows hidden by a filter are to be passed over and some are hidden: the file does
    not say of a row what hid it.
    """
    sheets = context.sheets
    area = sheets.clipped(area)
    values = context.read((area,))
    out: set[int] = set()
    rows = sheets.hidden_rows(area.sheet)
    if rows and (hidden or by_filter_only):
        hull = area.hull
        out = {row for row in rows if hull.first_row <= row <= hull.last_row}
        if out and by_filter_only:
            raise Refusal("counts rows of which some are hidden, by a filter or by hand; use 101 to 111 instead")
    passed = np.isin(area.rows[:, :, None, None] + np.arange(area.height)[:, None], list(out))
    if nested:
        passed = passed | _subtotals(context, area)
    return _emptied(values, passed)


def _subtotals(context: Evaluator, area: Range) -> NDArray[np.bool_]:
    """Which cells of the range hold subtotals themselves, (R, C, h, w) or what broadcasts to it."""
    rows = area.rows[:, :, None, None] + np.arange(area.height)[:, None]
    cols = area.cols[:, :, None, None] + np.arange(area.width)
    found = np.zeros(np.broadcast_shapes(rows.shape, cols.shape), bool)
    for block in context.sheets.blocks(area.sheet):
        if block.area.clip(area.hull) is None or not any(name in block.formula.upper() for name in _NESTING):
            continue
        if _NESTING & calls(block.tree):
            own = block.area
            found |= (rows >= own.first_row) & (rows <= own.last_row) & (cols >= own.first_col) & (cols <= own.last_col)
    return found


def _without_errors(values: Values) -> Values:
    return _emptied(values, failed(values))


def _emptied(values: Values, where: Any) -> Values:
    """The values with empty cells where a mask is set."""
    if isinstance(where, np.ndarray) and not where.any():
        return values
    num = ops.select(where, ops.full(0.0), values.num)
    kind = ops.opaque(lambda w, k: np.where(w != 0, np.int8(BLANK), k).astype(np.int8), where, values.kinds_or_slot)
    if isinstance(kind, np.ndarray):
        kind = np.broadcast_to(kind, num.shape)
    return Values(num, kind, values.text, from_range=True)
