"""VLOOKUP and its family: find a key, answer from beside it.

A key that is known keeps what it points to differentiable: VLOOKUP of a constant key in a table of changing cells is
one of those cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.functions.declare import Table, carried_errors, combined, error_of, known, omitted
from xlcollab.formula.functions.logic import choose_between
from xlcollab.formula.functions.searching import finder, option, search, x_finder
from xlcollab.formula.values import NA, REF, VALUE, Kinds, Values, constant_error, encode

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator

TABLE = Table()


def pick(values: Values, position: Values, missing: int = NA) -> Values:
    """The elements at positions from 0 in row order; ``missing`` outside, and errors of the position."""
    num = moves.take(values.num, position.num)
    parts: list[Any] = []
    for part in (values.kind, values.text):
        if part is None:
            parts.append(None)
        else:
            parts.append(ops.opaque(lambda v, at: _taken(np.broadcast_to(v, values.shape), at), part, position.num))
    kind, text = parts
    if known(position.num):
        outside = (position.numbers < 0) | (position.numbers >= values.shape[2] * values.shape[3])
        stopped = combined((carried_errors(position), np.where(outside, np.int8(missing), np.int8(0))))
        if stopped is not None and stopped.any():
            num = ops.select(stopped == 0, num, ops.full(np.nan))
            kind = ops.opaque(lambda k: np.where(stopped != 0, stopped, k).astype(np.int8), _or_numbers(kind))
    return Values(num, kind, text, from_range=values.from_range)


def _or_numbers(kind: Any) -> Any:
    return np.zeros((1, 1, 1, 1), np.int8) if kind is None else kind


def _taken(part: NDArray[Any], position: NDArray[np.float64]) -> NDArray[Any]:
    """`moves.take` for kinds and texts; the first element where the position is outside."""
    length = part.shape[2] * part.shape[3]
    at = np.where((position >= 0) & (position < length), position, 0).astype(np.int64)
    shape = (*np.broadcast_shapes(part.shape[:2], at.shape[:2]), *at.shape[2:])
    cell = np.arange(part.shape[0] * part.shape[1]).reshape(*part.shape[:2], 1, 1)
    taken: NDArray[Any] = np.ascontiguousarray(part).ravel()[np.broadcast_to(cell * length + at, shape)]
    return taken


def _lookup_in_table(
    context: Evaluator, key: Values, table: Values, index: Values, nearest: Values | None, down: bool
) -> Values:
    """VLOOKUP and HLOOKUP: search the first column (row), take from another of the same row (column)."""
    height, width = table.shape[2:]
    line = table.map(lambda part: _part(part, down))
    find = finder(1.0 if option(nearest, 1.0) else 0.0)
    found = context.traced(lambda k, v: search(k, v, find), key, line)
    count = width if down else height

    def place(at: Any, which: Any) -> Any:
        which = np.floor(which) - 1.0
        which = np.where((which >= 0) & (which < count), which, np.nan)
        return at * width + which if down else which * width + at

    position = ops.opaque(place, found.num, index.num)
    if not known(position):
        return pick(table, Values(position))
    errors = combined((carried_errors(found), carried_errors(index)))
    which = index.numbers
    wrong = np.where(which < 1, np.int8(VALUE), np.where(which >= count + 1, np.int8(REF), np.int8(0)))
    stopped = combined((errors, wrong if wrong.any() else None))
    kind = None if stopped is None else np.broadcast_to(stopped, position.shape)
    return pick(table, Values(np.where(np.isnan(position), -1.0, position), kind))


def _part(part: Any, down: bool) -> Any:
    """The first column, or row."""
    look: Callable[[Any], Any] = (lambda a: a[:, :, :, :1]) if down else (lambda a: a[:, :, :1, :])
    return look(part) if known(part) else part.tape.view(part, look)


@TABLE.add("VLOOKUP", "VAVV?", contextual=True)
def vlookup(context: Evaluator, key: Values, table: Values, index: Values, nearest: Values | None = None) -> Values:
    """From the row whose first cell matches the key, the cell in column ``index``."""
    return _lookup_in_table(context, key, table, index, nearest, True)


@TABLE.add("HLOOKUP", "VAVV?", contextual=True)
def hlookup(context: Evaluator, key: Values, table: Values, index: Values, nearest: Values | None = None) -> Values:
    """From the column whose first cell matches the key, the cell in row ``index``."""
    return _lookup_in_table(context, key, table, index, nearest, False)


@TABLE.add("LOOKUP", "VAA?", contextual=True)
def lookup(context: Evaluator, key: Values, line: Values, result: Values | None = None) -> Values:
    """The nearest match in an ascending row or column, answered from the same place of another.

    Of a table the longer side's first line is searched, and its last one answers.
    """
    if result is None and 1 not in line.shape[2:]:
        down = line.shape[2] >= line.shape[3]
        index = line.shape[3] if down else line.shape[2]
        return _lookup_in_table(context, key, line, encode([[float(index)]]), None, down)
    find = finder(1.0)
    found = context.traced(lambda k, v: search(k, v, find), key, line)
    return pick(line if result is None else result, found)


@TABLE.add("XLOOKUP", "VAAV?V?V?", contextual=True)
def xlookup(
    context: Evaluator,
    key: Values,
    line: Values,
    result: Values,
    otherwise: Values | None = None,
    mode: Values | None = None,
    order: Values | None = None,
) -> Values:
    """From ``result`` the row (column) at the place of the key in ``line``; ``otherwise`` where it is not there."""
    find = x_finder(option(mode, 0.0), option(order, 1.0))
    height, width = result.shape[2:]
    down = line.shape[2:] == (height, 1)
    if find is None or not (down or line.shape[2:] == (1, width)):
        return constant_error(VALUE)
    found = context.traced(lambda k, v: search(k, v, find), key, line)
    if down and width > 1:
        found = Values(ops.opaque(lambda at: at * width + np.arange(width), found.num), _wide(found.kind))
    elif not down and height > 1:
        found = Values(ops.opaque(lambda at: at + width * np.arange(height)[:, None], found.num), _wide(found.kind))
    picked = pick(result, found)
    if otherwise is None or omitted(otherwise):
        return picked
    if known(found.num):
        missing: Any = np.isnan(found.numbers)
        if (carried := error_of(key)) is not None:
            missing = missing & (carried == 0)  # an error as the key is the answer
    else:
        missing = ops.opaque(lambda at: np.isnan(at).astype(float), found.num)
    return choose_between(missing, None, otherwise, picked)


def _wide(kind: Any) -> Kinds | None:
    return kind if known(kind) else None
