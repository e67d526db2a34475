"""Finding things: MATCH and the lookups, INDEX, OFFSET and INDIRECT, and where references lie.

Positions that are known keep what they point to differentiable: VLOOKUP of a constant key in a table of changing cells
is one of those cells. Positions that depend on the changing cells are searched for at each evaluation.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula import moves, ops
from xlcollab.formula.functions.criteria import wildcard
from xlcollab.formula.functions.declare import ExcelError, Table, carried_errors, combined, each, known, number
from xlcollab.formula.functions.logic import choose_between
from xlcollab.formula.parse import parse
from xlcollab.formula.ranges import Range
from xlcollab.formula.syntax import Name, Reference
from xlcollab.formula.values import NA, NUMBER, REF, VALUE, Kinds, Scalar, Values, decode, encode, error_kind
from xlcollab.xlsx.cells import ErrorValue, column_letters, quote_sheet

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()

Ints = NDArray[np.int64]


def _class_of(value: Scalar) -> int:
    """Values are found only among those of their own class: numbers, texts, truth values."""
    if isinstance(value, ErrorValue):
        return 3
    if isinstance(value, bool):
        return 2
    return 1 if isinstance(value, str) else 0


def _folded(value: Scalar) -> Any:
    return value.casefold() if isinstance(value, str) else value


class _Column:
    """A row or column to be searched, prepared once for many keys."""

    def __init__(self, items: list[Scalar]) -> None:
        self.items = items
        self.first: dict[tuple[int, Any], int] = {}
        self.last: dict[tuple[int, Any], int] = {}
        for i, item in enumerate(items):
            if item is not None:
                key = (_class_of(item), _folded(item))
                self.first.setdefault(key, i)
                self.last[key] = i
        self._sorted: dict[int, tuple[list[Any], list[int]]] = {}

    def exact(self, key: Scalar, wild: bool = True, backwards: bool = False) -> int:
        """The first (or last) item that equals the key; -1 where there is none."""
        if wild and isinstance(key, str) and (pattern := wildcard(key)) is not None:
            places = range(len(self.items) - 1, -1, -1) if backwards else range(len(self.items))
            found = (i for i in places if isinstance(item := self.items[i], str) and pattern.fullmatch(item))
            return next(found, -1)
        return (self.last if backwards else self.first).get((_class_of(key), _folded(key)), -1)

    def _alike(self, kind: int) -> tuple[list[Any], list[int]]:
        if kind not in self._sorted:
            places = [i for i, item in enumerate(self.items) if item is not None and _class_of(item) == kind]
            self._sorted[kind] = ([_folded(self.items[i]) for i in places], places)
        return self._sorted[kind]

    def ascending(self, key: Scalar) -> int:
        """By bisection of ascending items, as Excel does: the last one not above the key; -1 where all are."""
        values, places = self._alike(_class_of(key))
        at = bisect_right(values, _folded(key))
        return places[at - 1] if at else -1

    def descending(self, key: Scalar) -> int:
        """Of descending items the last one not below the key; -1 where the first already is."""
        values, places = self._alike(_class_of(key))
        found = -1
        for value, place in zip(values, places, strict=True):
            if value < _folded(key):
                break
            found = place
        return found

    def nearest(self, key: Scalar, larger: bool, backwards: bool = False) -> int:
        """An equal item, else the next smaller (or larger) one of items in any order."""
        at = self.exact(key, wild=False, backwards=backwards)
        if at >= 0:
            return at
        values, places = self._alike(_class_of(key))
        wanted = _folded(key)
        rest = [(v, i) for v, i in zip(values, places, strict=True) if (v > wanted if larger else v < wanted)]
        if not rest:
            return -1
        best = min(v for v, _ in rest) if larger else max(v for v, _ in rest)
        return next(i for v, i in rest if v == best)


def _search(keys: Values, line: Values, find: Callable[[_Column, Scalar], int]) -> Values:
    """The position from 0 of each key in the line that its cell sees, #N/A where it is not found."""
    batch = np.broadcast_shapes(keys.shape[:2], line.shape[:2])
    wanted: Any = np.broadcast_to(decode(keys), (*batch, *keys.shape[2:]))
    lines = decode(line)
    columns: dict[tuple[int, int], _Column] = {}
    num = np.full(wanted.shape, np.nan)
    kind = np.zeros(wanted.shape, np.int8)
    for at in np.ndindex(*wanted.shape):
        place = (at[0] if line.shape[0] > 1 else 0, at[1] if line.shape[1] > 1 else 0)
        if place not in columns:
            columns[place] = _Column(lines[place].ravel().tolist())
        key = wanted[at]
        if isinstance(key, ErrorValue):
            kind[at] = error_kind(key)
            continue
        found = find(columns[place], 0.0 if key is None else key)
        num[at], kind[at] = (found, NUMBER) if found >= 0 else (np.nan, NA)
    return Values(num, kind if kind.any() else None)


def _finder(mode: float) -> Callable[[_Column, Scalar], int]:
    if mode == 0:
        return lambda column, key: column.exact(key)
    return (lambda column, key: column.ascending(key)) if mode > 0 else (lambda column, key: column.descending(key))


def _one(value: Values | None, default: float) -> float:
    """An option that has to be the same constant for all cells of the block."""
    if value is None:
        return default
    if not value.known:
        raise FormulaError("has no derivative by an option that depends on the changing cells")
    first = value.numbers.flat[0]
    if (value.numbers != first).any():
        raise FormulaError("has different options in the cells of one block")
    return float(first)


def _line(values: Values) -> Values | None:
    """A single row or column; None for anything else."""
    return values if 1 in values.shape[2:] else None


@TABLE.add("MATCH", "VAV?", contextual=True)
def match(context: Evaluator, key: Values, line: Values, mode: Values | None = None) -> Values:
    """The position from 1; mode 1 (ascending, the default), 0 (exact, with wildcards) or -1 (descending)."""
    if _line(line) is None:
        return _error(NA)
    find = _finder(_one(mode, 1.0))
    return context.traced(lambda k, v: _plus_one(_search(k, v, find)), key, line)


def _plus_one(values: Values) -> Values:
    return Values(values.numbers + 1.0, values.kind)


@TABLE.add("XMATCH", "VAV?V?", contextual=True)
def xmatch(
    context: Evaluator, key: Values, line: Values, mode: Values | None = None, order: Values | None = None
) -> Values:
    """The position from 1; mode 0 exact, -1 or next smaller, 1 or next larger, 2 wildcards."""
    find = _x_finder(_one(mode, 0.0), _one(order, 1.0))
    return context.traced(lambda k, v: _plus_one(_search(k, v, find)), key, line)


def _x_finder(mode: float, order: float) -> Callable[[_Column, Scalar], int]:
    backwards = order == -1
    if mode in (0, 2):
        return lambda column, key: column.exact(key, wild=mode == 2, backwards=backwards)
    return lambda column, key: column.nearest(key, larger=mode == 1, backwards=backwards)


def _error(kind: int) -> Values:
    return Values(ops.full(np.nan), np.full((1, 1, 1, 1), kind, np.int8))


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
    find = _finder(1.0 if _one(nearest, 1.0) else 0.0)
    found = context.traced(lambda k, v: _search(k, v, find), key, line)
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
    find = _finder(1.0)
    found = context.traced(lambda k, v: _search(k, v, find), key, line)
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
    find = _x_finder(_one(mode, 0.0), _one(order, 1.0))
    found = context.traced(lambda k, v: _search(k, v, find), key, line)
    height, width = result.shape[2:]
    down = line.shape[3] == 1 and line.shape[2] == height
    if down and width > 1:
        found = Values(ops.opaque(lambda at: at * width + np.arange(width), found.num), _wide(found.kind))
    elif not down and height > 1:
        found = Values(ops.opaque(lambda at: at + width * np.arange(height)[:, None], found.num), _wide(found.kind))
    picked = pick(result, found)
    if otherwise is None:
        return picked
    if known(found.num):
        missing: Any = np.isnan(found.numbers)
    else:
        missing = ops.opaque(lambda at: np.isnan(at).astype(float), found.num)
    return choose_between(missing, None, otherwise, picked)


def _wide(kind: Any) -> Kinds | None:
    return kind if known(kind) else None


@TABLE.add("INDEX", "XVV?V?", contextual=True)
def index(
    context: Evaluator, what: Operand, row: Values, col: Values | None = None, area: Values | None = None
) -> Operand:
    """The cell in a row and column, counted from 1; the whole row or column with 0. A reference where it can be one."""
    if not isinstance(what, Values):
        which = int(_one(area, 1.0)) - 1
        if not 0 <= which < len(what):
            return _error(REF)
        what = (context.sheets.clipped(what[which]),)
        height, width = what[0].height, what[0].width
    else:
        height, width = what.shape[2:]
    if col is None:
        row, col = (
            (encode([[1.0]]), row) if height == 1 and width > 1 else (row, encode([[1.0 if width == 1 else 0.0]]))
        )
    scalar = row.shape[2:] == (1, 1) and col.shape[2:] == (1, 1)
    if row.known and col.known and scalar:
        stopped = combined((carried_errors(row), carried_errors(col)))
        if stopped is None:
            rows, cols = (np.trunc(v.numbers[:, :, 0, 0]).astype(np.int64) for v in (row, col))
            if not isinstance(what, Values):
                return _index_of_range(what[0], rows, cols)
            if not (rows == 0).any() and not (cols == 0).any():
                return _index_of_values(what, row, col)
            return _whole_line(what, rows, cols)
    values = what if isinstance(what, Values) else context.read(what)
    return _index_of_values(values, row, col)


def _index_of_range(found: Range, rows: Ints, cols: Ints) -> Operand:
    """A part of a range; #REF! for cells of the block whose row or column is outside."""
    if (rows < 0).any() or (cols < 0).any():
        return _error(VALUE)
    whole = [bool((at == 0).all()) for at in (rows, cols)]
    if any(bool((at == 0).any()) != w for at, w in zip((rows, cols), whole, strict=True)):
        raise FormulaError("INDEX gives whole rows or columns in some cells of a block and single cells in others")
    inside = (rows <= found.height) & (cols <= found.width)
    height, width = (found.height if whole[0] else 1), (found.width if whole[1] else 1)
    far = np.int64(1 << 40)
    down = np.where(inside, np.maximum(rows - 1, 0), far)
    return (found.part(down, np.maximum(cols - 1, 0), height, width),)


def _index_of_values(values: Values, row: Values, col: Values) -> Values:
    height, width = values.shape[2:]

    def place(r: Any, c: Any) -> Any:
        r, c = np.trunc(r), np.trunc(c)
        inside = (r >= 1) & (r <= height) & (c >= 1) & (c <= width)
        return np.where(inside, (r - 1) * width + c - 1, -1.0)

    position = ops.opaque(place, row.num, col.num)
    errors = combined((carried_errors(row), carried_errors(col))) if known(position) else None
    return pick(values, Values(position, None if errors is None else np.broadcast_to(errors, position.shape)), REF)


def _whole_line(values: Values, rows: Ints, cols: Ints) -> Values:
    if rows.size > 1 or cols.size > 1:
        raise FormulaError("INDEX gives whole rows or columns of an array that differ between the cells of a block")
    r, c = int(rows.item()), int(cols.item())
    if r > values.shape[2] or c > values.shape[3]:
        return _error(REF)
    down = slice(None) if r == 0 else slice(r - 1, r)
    across = slice(None) if c == 0 else slice(c - 1, c)
    return values.map(
        lambda part: part[:, :, down, across] if known(part) else part.tape.view(part, lambda a: a[:, :, down, across])
    )


def _offsets(value: Values | None, default: float) -> Ints:
    """A known whole number for each cell of the block, (R, C)."""
    if value is None:
        return np.full((1, 1), int(default))
    if not value.known:
        raise FormulaError("OFFSET by amounts that depend on the changing cells is not supported; INDEX and CHOOSE are")
    if carried_errors(value) is not None:
        raise ExcelError(VALUE)
    return np.trunc(value.numbers[:, :, 0, 0]).astype(np.int64)


@TABLE.add("OFFSET", "XVVV?V?")
def offset(
    base: Operand,
    rows: Values,
    cols: Values,
    height: Values | None = None,
    width: Values | None = None,
) -> Operand:
    """A reference moved down and across, and resized; #REF! off the sheet."""
    if isinstance(base, Values):
        return _error(VALUE)
    try:
        down, across = _offsets(rows, 0), _offsets(cols, 0)
        tall = _offsets(height, base[0].height) if height is not None else np.full((1, 1), base[0].height)
        wide = _offsets(width, base[0].width) if width is not None else np.full((1, 1), base[0].width)
    except ExcelError as error:
        return _known_error(error.kind, rows, cols)
    if (tall != tall.flat[0]).any() or (wide != wide.flat[0]).any():
        raise FormulaError("OFFSET gives ranges of different size in the cells of a block")
    h, w = int(tall.flat[0]), int(wide.flat[0])
    if h == 0 or w == 0:
        return _error(REF)
    down, across = down + min(h + 1, 0), across + min(w + 1, 0)
    return (base[0].part(down, across, abs(h), abs(w)),)


def _known_error(kind: int, *args: Values) -> Values:
    """The errors of arguments, where they differ between the cells of the block."""
    stopped = combined(carried_errors(arg) for arg in args if arg.known)
    if stopped is None or not (stopped != 0).all():
        raise FormulaError("OFFSET has arguments that are errors in some cells of a block")
    return Values(np.full(stopped.shape, np.nan), stopped) if stopped.any() else _error(kind)


@TABLE.add("INDIRECT", "VV?", contextual=True)
def indirect(context: Evaluator, text: Values, a1: Values | None = None) -> Operand:
    """The reference that a text spells; #REF! where it spells none."""
    if not text.known:
        raise FormulaError("INDIRECT from a text that depends on the changing cells is not supported")
    if _one(a1, 1.0) == 0:
        raise FormulaError("INDIRECT in R1C1 notation is not supported")
    spelled = decode(text)[:, :, 0, 0]
    found = [[_spelled(context, item) for item in row] for row in spelled]
    first = next((f for row in found for f in row if f is not None), None)
    if first is None:
        return _error(REF)
    alike = (first.sheet, first.height, first.width)
    if any(f is not None and (f.sheet, f.height, f.width) != alike for row in found for f in row):
        raise FormulaError("INDIRECT spells ranges of different size or sheet in the cells of a block")
    rows = np.array([[0 if f is None else int(f.rows.flat[0]) for f in row] for row in found])
    cols = np.array([[0 if f is None else int(f.cols.flat[0]) for f in row] for row in found])
    return (Range(first.sheet, rows, cols, first.height, first.width),)


def _spelled(context: Evaluator, item: Scalar) -> Range | None:
    from xlcollab.formula.sheets import Missing

    if not isinstance(item, str):
        return None
    try:
        tree = parse(item)
        if isinstance(tree, Name):
            tree, frame = context.sheets.definition(tree, context.frame)
        else:
            frame = context.frame.moved_to(1, 1)
        if not isinstance(tree, Reference):
            return None
        corner = frame._replace(area=frame.area._replace(first_row=1, first_col=1, last_row=1, last_col=1))
        return context.sheets.references(tree, corner)[0]
    except (Missing, FormulaError):
        return None


@TABLE.add("ROW", "X?", contextual=True)
def row_(context: Evaluator, where: Operand | None = None) -> Values:
    """The row of a reference, or of the formula; a column of rows for a taller range."""
    if where is None:
        return Values(context.frame.rows[:, :, None, None].astype(float))
    if isinstance(where, Values):
        return _error(VALUE)
    found = where[0]
    count = found.height if context.array else 1
    return Values((found.rows[:, :, None, None] + np.arange(count)[:, None]).astype(float))


@TABLE.add("COLUMN", "X?", contextual=True)
def column_(context: Evaluator, where: Operand | None = None) -> Values:
    """The column of a reference, or of the formula."""
    if where is None:
        return Values(context.frame.cols[:, :, None, None].astype(float))
    if isinstance(where, Values):
        return _error(VALUE)
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
    return _error(VALUE) if isinstance(where, Values) else encode([[float(len(where))]])


def _address(row: Scalar, col: Scalar, kind: Scalar = 1.0, a1: Scalar = True, sheet: Scalar = "") -> str:
    r, c, k = int(number(row)), int(number(col)), int(number(kind))
    if not (1 <= r <= 1_048_576 and 1 <= c <= 16_384 and 1 <= k <= 4):
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
