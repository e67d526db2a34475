"""The functions of dynamic arrays: SEQUENCE, FILTER, SORT, UNIQUE, and those that cut and join arrays.

They choose elements and compute nothing, so that what is chosen by constant criteria keeps its derivative. The size of
the result has to be the same in all cells of a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves
from xlcollab.formula.functions.declare import Refusal, Table, error_of, joined, omitted
from xlcollab.formula.functions.lookup import pick
from xlcollab.formula.functions.searching import class_of, folded, option
from xlcollab.formula.ranges import Uneven
from xlcollab.formula.values import CALC, VALUE, Scalar, Values, constant, constant_error, decode
from xlcollab.xlsx.cells import ErrorValue

TABLE = Table()

Ints = NDArray[np.int64]


def _known(values: Values) -> Values:
    if not values.known:
        raise Refusal("has no derivative by criteria that depend on the changing cells")
    return values


def _whole(value: Values | None, default: float) -> int:
    return int(np.floor(option(None if omitted(value) else value, default)))


def _lines(values: Values, rows: Sequence[int] | Ints, cols: Sequence[int] | Ints) -> Values:
    """The rows and columns at some positions from 0; -1 gives #N/A."""
    r, c = np.asarray(rows, np.int64)[:, None], np.asarray(cols, np.int64)[None, :]
    at = np.where((r >= 0) & (c >= 0), r * values.shape[3] + c, -1)[None, None].astype(float)
    return pick(values, Values(at))


def _per_cell(values: Values, by: Values, choose: Callable[[list[list[Scalar]]], Sequence[int]], down: bool) -> Values:
    """The rows (columns) of ``values`` that ``choose`` picks by the criteria that each cell of the block sees."""
    criteria = decode(_known(by))
    chosen = [[choose(cell.tolist()) for cell in row] for row in criteria]
    if len({len(one) for row in chosen for one in row}) != 1:
        raise Uneven("gives results of different size in the cells of a block")
    height, width = values.shape[2:]
    lines = np.array(chosen, np.int64)
    if not lines.size:
        return constant_error(CALC)
    if down:
        at = lines[..., :, None] * width + np.arange(width)
    else:
        at = lines[..., None, :] + width * np.arange(height)[:, None]
    return pick(values, Values(at.astype(float)))


@TABLE.add("SEQUENCE", "VV?V?V?", stepwise=True)
def sequence(
    rows: Values, cols: Values | None = None, start: Values | None = None, step: Values | None = None
) -> Values:
    """``start``, ``start + step`` …, row by row."""
    height, width = _whole(rows, 1.0), _whole(cols, 1.0)
    if height < 1 or width < 1:
        return constant_error(CALC)
    places = np.arange(float(height * width)).reshape(1, 1, height, width)
    first, by = (constant(1.0) if v is None or omitted(v) else v for v in (start, step))
    return Values(first.numbers + by.numbers * places)


@TABLE.add("FILTER", "AAV?")
def filter_(values: Values, include: Values, otherwise: Values | None = None) -> Values:
    """The rows (columns) for which ``include`` is true; without any ``otherwise``, or #CALC!."""
    down = include.shape[3] == 1 and include.shape[2] == values.shape[2]
    if not down and include.shape[2:] != (1, values.shape[3]):
        return constant_error(VALUE)
    stopped = error_of(_known(include))
    texts = any(isinstance(value, str) for value in decode(include).flat)
    if (stopped is not None or texts) and include.shape[:2] != (1, 1):
        raise Uneven("has criteria that are no truth values in some cells of a block")
    if stopped is not None:
        return constant_error(int(stopped[stopped < 0][0]))
    if texts:
        return constant_error(VALUE)
    found = _per_cell(values, include, lambda cell: [i for i, held in enumerate(_flat(cell)) if held], down)
    empty = found.known and (found.kinds == CALC).all() and found.shape[2:] == (1, 1)
    return otherwise if empty and otherwise is not None else found


def _flat(rows: Iterable[Iterable[Scalar]]) -> list[Scalar]:
    return [item for row in rows for item in row]


def _sorted(keys: Sequence[Sequence[Scalar]], falling: Sequence[bool]) -> list[int]:
    """The order of rows of keys: numbers, texts, truth values, errors, and empty cells last either way."""
    order = list(range(len(keys)))
    for k in reversed(range(len(falling))):
        column = [row[k] for row in keys]
        ranked = [(class_of(value), folded(value)) for value in column]
        filled = sorted((i for i in order if column[i] is not None), key=ranked.__getitem__, reverse=falling[k])
        order = filled + [i for i in order if column[i] is None]
    return order


@TABLE.add("SORT", "AA?A?V?")
def sort(
    values: Values, index: Values | None = None, order: Values | None = None, across: Values | None = None
) -> Values:
    """The rows (columns) in the order of the one at ``index`` (or several); ``order`` -1 from the largest."""
    down = not option(across, 0.0)
    at = [int(k) - 1 for k in _constants(index)] or [0]
    falling = [sign < 0 for sign in _constants(order)] or [False]
    if not all(0 <= k < values.shape[3 if down else 2] for k in at) or len(falling) not in (1, len(at)):
        return constant_error(VALUE)

    def choose(cell: list[list[Scalar]]) -> list[int]:
        lines = cell if down else list(zip(*cell, strict=True))
        return _sorted([[line[k] for k in at] for line in lines], falling * (len(at) // len(falling)))

    return _per_cell(values, values, choose, down)


def _constants(value: Values | None) -> list[float]:
    """The numbers of an option that may be an array, the same for all cells of the block."""
    if value is None or omitted(value):
        return []
    if _known(value).shape[:2] != (1, 1):
        raise Uneven("has different options in the cells of a block")
    return [float(x) for x in value.numbers.flat]


@TABLE.add("SORTBY", "AA*")
def sortby(values: Values, *by: Values) -> Values:
    """The rows (columns) in the order of other columns (rows): SORTBY(array, by, order, by, order …)."""
    down = by[0].shape[3] == 1 and by[0].shape[2] == values.shape[2]
    size = (values.shape[2], 1) if down else (1, values.shape[3])
    if any(one.shape[2:] != size for one in by[::2]):
        return constant_error(VALUE)
    falling = [option(order, 1.0) < 0 for order in by[1::2]] + [False] * (len(by) % 2)
    keys = joined([_known(one) for one in by[::2]], 3 if down else 2)

    def choose(cell: list[list[Scalar]]) -> list[int]:
        return _sorted(cell if down else list(zip(*cell, strict=True)), falling)

    return _per_cell(values, keys, choose, down)


@TABLE.add("UNIQUE", "AV?V?")
def unique(values: Values, across: Values | None = None, once: Values | None = None) -> Values:
    """The rows (columns) that differ, each once; with ``once`` those that occur only once."""
    down, only_once = not option(across, 0.0), bool(option(once, 0.0))

    def choose(cell: list[list[Scalar]]) -> list[int]:
        lines = cell if down else [list(line) for line in zip(*cell, strict=True)]
        keys = [tuple((type(x) is bool, x.casefold() if isinstance(x, str) else x) for x in line) for line in lines]
        places: dict[Any, list[int]] = {}
        for i, key in enumerate(keys):
            places.setdefault(key, []).append(i)
        return [found[0] for found in places.values() if not only_once or len(found) == 1]

    return _per_cell(values, values, choose, down)


def _ends(name: str, kept: Callable[[int, int], range]) -> None:
    @TABLE.add(name, "AV?V?")
    def call(values: Values, rows: Values | None = None, cols: Values | None = None) -> Values:
        height, width = values.shape[2:]
        down = range(height) if omitted(rows) else kept(_whole(rows, 0.0), height)
        across = range(width) if omitted(cols) else kept(_whole(cols, 0.0), width)
        return _lines(values, list(down), list(across)) if down and across else constant_error(CALC)


_ends("TAKE", lambda n, size: range(min(n, size)) if n >= 0 else range(max(0, size + n), size))
_ends("DROP", lambda n, size: range(n, size) if n >= 0 else range(max(0, size + n)))


def _chosen_lines(name: str, down: bool) -> None:
    @TABLE.add(name, "AV*")
    def call(values: Values, *which: Values) -> Values:
        size = values.shape[2 if down else 3]
        places = [int(np.trunc(at)) for one in which for at in _constants(one)]
        if any(not 1 <= abs(at) <= size for at in places):
            return constant_error(VALUE)
        lines = [at - 1 if at > 0 else size + at for at in places]
        return _lines(values, lines, range(values.shape[3])) if down else _lines(values, range(values.shape[2]), lines)


_chosen_lines("CHOOSEROWS", True)
_chosen_lines("CHOOSECOLS", False)


def _stacked(name: str, axis: int) -> None:
    @TABLE.add(name, "A*")
    def call(*args: Values) -> Values:
        other = 5 - axis
        size = max(arg.shape[other] for arg in args)
        parts = [_padded(arg, size, other) for arg in args]
        return joined(parts, axis)


def _padded(values: Values, size: int, axis: int) -> Values:
    """``values`` with #N/A added up to a size along one axis."""
    if values.shape[axis] == size:
        return values
    at = [*range(values.shape[axis]), *[-1] * (size - values.shape[axis])]
    if axis == 2:
        return _lines(values, at, range(values.shape[3]))
    return _lines(values, range(values.shape[2]), at)


_stacked("VSTACK", 2)
_stacked("HSTACK", 3)


def _in_a_line(name: str, down: bool) -> None:
    @TABLE.add(name, "AV?V?")
    def call(values: Values, ignore: Values | None = None, by_column: Values | None = None) -> Values:
        skip = _whole(ignore, 0.0)
        if option(by_column, 0.0):
            values = values.map(lambda part: moves.permute(part, (0, 1, 3, 2)))
        flat = values.map(moves.flat)
        if skip:
            flat = _per_cell(flat, flat, lambda cell: _kept(cell[0], skip), False)
        return flat.map(lambda part: moves.permute(part, (0, 1, 3, 2))) if down else flat


def _kept(row: Sequence[Scalar], skip: int) -> list[int]:
    """The places without empty cells (1), errors (2) or both (3)."""
    blanks, errors = skip in (1, 3), skip in (2, 3)
    return [i for i, x in enumerate(row) if not ((blanks and x is None) or (errors and isinstance(x, ErrorValue)))]


_in_a_line("TOROW", False)
_in_a_line("TOCOL", True)
