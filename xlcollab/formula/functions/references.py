"""References that are computed: INDEX, OFFSET and INDIRECT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula import ops
from xlcollab.formula.functions.declare import (
    ExcelError,
    Table,
    carried_errors,
    combined,
    known,
)
from xlcollab.formula.functions.lookup import pick
from xlcollab.formula.functions.searching import option
from xlcollab.formula.parse import parse
from xlcollab.formula.ranges import Range, Uneven
from xlcollab.formula.syntax import Name, Reference
from xlcollab.formula.values import REF, VALUE, Scalar, Values, constant_error, decode, encode

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()

Ints = NDArray[np.int64]


@TABLE.add("INDEX", "XVV?V?", contextual=True)
def index(
    context: Evaluator, what: Operand, row: Values, col: Values | None = None, area: Values | None = None
) -> Operand:
    """The cell in a row and column, counted from 1; the whole row or column with 0. A reference where it can be one."""
    if not isinstance(what, Values):
        which = int(option(area, 1.0)) - 1
        if not 0 <= which < len(what):
            return constant_error(REF)
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
        return constant_error(VALUE)
    whole = [bool((at == 0).all()) for at in (rows, cols)]
    if any(bool((at == 0).any()) != w for at, w in zip((rows, cols), whole, strict=True)):
        raise Uneven("INDEX gives whole rows or columns in some cells of a block and single cells in others")
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
        raise Uneven("INDEX gives whole rows or columns of an array that differ between the cells of a block")
    r, c = int(rows.item()), int(cols.item())
    if r > values.shape[2] or c > values.shape[3]:
        return constant_error(REF)
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
        return constant_error(VALUE)
    try:
        down, across = _offsets(rows, 0), _offsets(cols, 0)
        tall = _offsets(height, base[0].height) if height is not None else np.full((1, 1), base[0].height)
        wide = _offsets(width, base[0].width) if width is not None else np.full((1, 1), base[0].width)
    except ExcelError as error:
        return _known_error(error.kind, rows, cols)
    if (tall != tall.flat[0]).any() or (wide != wide.flat[0]).any():
        raise Uneven("OFFSET gives ranges of different size in the cells of a block")
    h, w = int(tall.flat[0]), int(wide.flat[0])
    if h == 0 or w == 0:
        return constant_error(REF)
    down, across = down + min(h + 1, 0), across + min(w + 1, 0)
    return (base[0].part(down, across, abs(h), abs(w)),)


def _known_error(kind: int, *args: Values) -> Values:
    """The errors of arguments, where they differ between the cells of the block."""
    stopped = combined(carried_errors(arg) for arg in args if arg.known)
    if stopped is None or not (stopped != 0).all():
        raise Uneven("OFFSET has arguments that are errors in some cells of a block")
    return Values(np.full(stopped.shape, np.nan), stopped) if stopped.any() else constant_error(kind)


@TABLE.add("INDIRECT", "VV?", contextual=True)
def indirect(context: Evaluator, text: Values, a1: Values | None = None) -> Operand:
    """The reference that a text spells; #REF! where it spells none."""
    if not text.known:
        raise FormulaError("INDIRECT from a text that depends on the changing cells is not supported")
    if option(a1, 1.0) == 0:
        raise FormulaError("INDIRECT in R1C1 notation is not supported")
    spelled = decode(text)[:, :, 0, 0]
    found = [[_spelled(context, item) for item in row] for row in spelled]
    first = next((f for row in found for f in row if f is not None), None)
    if first is None:
        return constant_error(REF)
    alike = (first.sheet, first.height, first.width)
    if any(f is not None and (f.sheet, f.height, f.width) != alike for row in found for f in row):
        raise Uneven("INDIRECT spells ranges of different size or sheet in the cells of a block")
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
