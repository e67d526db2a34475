"""COUNTIF, SUMIF, AVERAGEIF and those with several conditions.

A condition is a value to be equal to, or a text with an operator in front: ">=10", "<>x", "=". Texts match without
regard to case, and with wildcards: ? is one sign, * any number of them, ~ takes the wildcard behind it literally. An
empty text matches cells that are empty or hold ""; "=" only those that are empty, "<>" all others. Source: Microsoft,
"COUNTIF function".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.functions.aggregate import mean, summed
from xlcollab.formula.functions.declare import Counted, Table, finish, known
from xlcollab.formula.tape import Slot
from xlcollab.formula.values import (
    BLANK,
    BOOL,
    DIV0,
    NUMBER,
    TEXT,
    VALUE,
    Kinds,
    Scalar,
    Values,
    constant_error,
    decode,
    error_kind,
    number_from_text,
)
from xlcollab.xlsx.cells import ErrorValue

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()

_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)?(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


class Cells(NamedTuple):
    """The values of a range for one cell of the block, flattened."""

    num: NDArray[np.float64]
    kind: Kinds
    text: NDArray[Any]


def wildcard(pattern: str) -> re.Pattern[str] | None:
    """A pattern with ? * and ~ as a regular expression; None where it has none of them."""
    if not any(sign in pattern for sign in "?*~"):
        return None
    out = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "~":
            out.append(re.escape(next(signs, "~")))
        else:
            out.append({"?": ".", "*": ".*"}.get(sign, re.escape(sign)))
    return re.compile("".join(out), re.IGNORECASE | re.DOTALL)


def matching(cells: Cells, condition: Scalar) -> Any:
    """Which cells meet a condition."""
    if condition is None:
        condition = 0.0
    if isinstance(condition, ErrorValue):
        return cells.kind == error_kind(condition)
    if not isinstance(condition, str):
        return _compared(cells, "=", condition)
    match = _CONDITION.fullmatch(condition)
    assert match is not None
    sign, wanted = match[1] or "=", match[2]
    if wanted == "":
        return _empty(cells, match[1])
    if sign == "<>":
        return ~matching(cells, "=" + wanted)
    value = _read(wanted)
    return _text(cells, sign, value) if isinstance(value, str) else _compared(cells, sign, value)


def _compared(cells: Cells, sign: str, value: float | bool) -> Any:
    """Cells of the value's own class; a text that reads as the number is equal to it too."""
    alike = cells.kind == (BOOL if isinstance(value, bool) else NUMBER)
    if sign == "=" and not isinstance(value, bool):
        alike |= cells.kind == TEXT
    return alike & _COMPARE[sign](cells.num, float(value))


def _read(text: str) -> float | str | bool:
    if text.upper() in ("TRUE", "FALSE"):
        return text.upper() == "TRUE"
    found = number_from_text(text)
    return text if np.isnan(found) else found


def _empty(cells: Cells, sign: str | None) -> Any:
    empty = cells.kind == BLANK
    if sign == "=":
        return empty
    if sign == "<>":
        return ~empty
    if sign is None:
        return empty | ((cells.kind == TEXT) & (cells.text == ""))
    return np.zeros(empty.shape, bool)


def _text(cells: Cells, sign: str, wanted: str) -> Any:
    is_text = cells.kind == TEXT
    found = np.zeros(is_text.shape, bool)
    pattern = wildcard(wanted) if sign == "=" else None
    folded = wanted.casefold()
    for i in np.flatnonzero(is_text):
        text = cells.text[i]
        if pattern is not None:
            found[i] = pattern.fullmatch(text) is not None
        else:
            found[i] = _COMPARE[sign](text.casefold(), folded)
    return found


def meets(values: Values, condition: Values) -> Any:
    """Which elements of the range meet the condition: bool array, or slot where it depends on the changing cells."""
    if values.known and condition.known:
        return _meets(values, condition)
    parts = [part for v in (values, condition) for part in (v.num, v.kinds_or_slot, v.text_or_blank)]
    return ops.opaque(lambda *a: _meets(Values(*a[:3]), Values(*a[3:])).astype(float), *parts)


def _meets(values: Values, condition: Values) -> Any:
    batch = np.broadcast_shapes(values.shape[:2], condition.shape[:2])
    conditions: Any = np.broadcast_to(decode(condition)[:, :, 0, 0], batch)
    found = np.empty((*batch, *values.shape[2:]), bool)
    seen: dict[tuple[int, int, type, Scalar], Any] = {}
    rows, cols = values.shape[:2]
    for i, j in np.ndindex(*batch):
        at = (i if rows > 1 else 0, j if cols > 1 else 0)
        key = (*at, type(conditions[i, j]), conditions[i, j])
        if key not in seen:
            cells = Cells(*(part[at].ravel() for part in (values.numbers, values.kinds, values.texts)))
            seen[key] = matching(cells, conditions[i, j]).reshape(values.shape[2:])
        found[i, j] = seen[key]
    return found


def _all_meet(context: Evaluator, args: tuple[Any, ...]) -> tuple[Any, bool]:
    """The mask of what meets all of (range, condition) pairs; and whether the ranges are of one size."""
    ranges = [_read_range(context, args[k]) for k in range(0, len(args), 2)]
    if len({r.shape[2:] for r in ranges}) != 1:
        return None, False
    masks = [meets(r, args[2 * k + 1]) for k, r in enumerate(ranges)]
    if all(map(known, masks)):
        return np.logical_and.reduce(np.broadcast_arrays(*masks)), True
    return ops.opaque(
        lambda *m: np.logical_and.reduce(np.broadcast_arrays(*(x != 0 for x in m))).astype(float), *masks
    ), True


def _read_range(context: Evaluator, operand: Operand) -> Values:
    return operand if isinstance(operand, Values) else context.read(operand)


_WRONG_SIZE = constant_error(VALUE)


def _count(mask: Any) -> Any:
    return ops.total(mask) if isinstance(mask, Slot) else mask.sum((2, 3), keepdims=True).astype(float)


@TABLE.add("COUNTIF", "XV", contextual=True)
def countif(context: Evaluator, where: Operand, condition: Values) -> Values:
    """How many cells meet the condition; several conditions in an array give several counts."""
    values = _read_range(context, where)
    if condition.shape[2:] == (1, 1):
        return Values(_count(meets(values, condition)))
    height, width = condition.shape[2:]
    counts = [[_count(meets(values, _element(condition, i, j))) for j in range(width)] for i in range(height)]
    return Values(moves.concatenate([moves.concatenate(row, 3) for row in counts], 2))


def _element(values: Values, i: int, j: int) -> Values:
    return values.map(lambda part: part[:, :, i : i + 1, j : j + 1])


@TABLE.add("COUNTIFS", "(XV)*", contextual=True)
def countifs(context: Evaluator, *args: Any) -> Values:
    """How many places meet all conditions."""
    mask, alike = _all_meet(context, args)
    return Values(_count(mask)) if alike else _WRONG_SIZE


def _chosen(values: Values, mask: Any) -> Counted:
    """The numbers at the places of a mask, and an error among them."""
    if not known(values.kind) and values.kind is not None:
        both = ops.opaque(lambda m, k: ((m != 0) & (k == NUMBER)).astype(float), mask, values.kind)
        return Counted(values.num, both, None)
    if values.kind is None:
        return Counted(values.num, mask, None)
    kinds = values.kinds
    numbers = kinds == NUMBER
    if not known(mask):
        return Counted(values.num, ops.opaque(lambda m: ((m != 0) & numbers).astype(float), mask), None)
    errors = None
    if (kinds < 0).any():
        inside = np.where(mask, np.minimum(kinds, np.int8(0)), np.int8(0))
        row = inside.reshape(*inside.shape[:2], -1)
        errors = np.take_along_axis(row, (row < 0).argmax(-1)[..., None], -1)[..., None]
    return Counted(values.num, mask & numbers, errors)


def _sum_range(context: Evaluator, where: Operand, target: Operand | None) -> tuple[Values, Values]:
    """The range with the conditions and the one to sum, which has the first one's size wherever it is said to end."""
    if target is None or isinstance(where, Values) or isinstance(target, Values):
        values = _read_range(context, where)
        return values, values if target is None else _read_range(context, target)
    clipped = context.sheets.clipped(where[0])
    zero = np.zeros((1, 1), np.int64)
    same_size = target[0].part(zero, zero, clipped.height, clipped.width)
    return context.read((clipped,)), context.read((same_size,))


@TABLE.add("SUMIF", "XVX?", contextual=True)
def sumif(context: Evaluator, where: Operand, condition: Values, target: Operand | None = None) -> Values:
    """Σ of the target's numbers where the range meets the condition."""
    values, terms = _sum_range(context, where, target)
    if condition.shape[2:] == (1, 1):
        part = _chosen(terms, meets(values, condition))
        return finish(summed(part), part.errors)
    height, width = condition.shape[2:]
    sums = [
        [summed(_chosen(terms, meets(values, _element(condition, i, j)))) for j in range(width)] for i in range(height)
    ]
    return finish(moves.concatenate([moves.concatenate(row, 3) for row in sums], 2))


@TABLE.add("AVERAGEIF", "XVX?", contextual=True)
def averageif(context: Evaluator, where: Operand, condition: Values, target: Operand | None = None) -> Values:
    """The mean of the target's numbers where the range meets the condition; #DIV/0! where there is none."""
    values, terms = _sum_range(context, where, target)
    part = _chosen(terms, meets(values, condition))
    return finish(mean(part), part.errors, DIV0)


def _with_several(name: str, compute: Callable[[Counted], Any], otherwise: int = DIV0) -> None:
    @TABLE.add(name, "X(XV)*", contextual=True)
    def call(context: Evaluator, target: Operand, *args: Any) -> Values:
        mask, alike = _all_meet(context, args)
        terms = _read_range(context, target)
        if not alike or terms.shape[2:] != mask.shape[2:]:
            return _WRONG_SIZE
        part = _chosen(terms, mask)
        return finish(compute(part), part.errors, otherwise)


_with_several("SUMIFS", summed)
_with_several("AVERAGEIFS", mean)
_with_several("MAXIFS", lambda part: moves.extreme(part.num, part.mask, True))
_with_several("MINIFS", lambda part: moves.extreme(part.num, part.mask, False))
