"""Sums, counts and products over ranges.

In a range only numbers count: texts, TRUE and empty cells are passed over, and an error anywhere is the result. A value
written into the formula counts for what arithmetic makes of it: SUM("3",TRUE) is 4. The SUMX… family and SUMPRODUCT
differ, see there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import product_sum, sum_squares
from xlcollab.formula.functions.declare import (
    Counted,
    Table,
    combined,
    counted,
    finish,
    gathered,
    known,
)
from xlcollab.formula.tape import Slot
from xlcollab.formula.values import BLANK, DIV0, NA, NUMBER, TEXT, VALUE, Kinds, Values, constant_error

TABLE = Table()


def summed(part: Counted) -> Any:
    """Σ of what counts, (R, C, 1, 1)."""
    return ops.total(ops.where_number(part.mask, part.num))


@TABLE.add("SUM", "R*")
def sum_(*args: Values) -> Values:
    """Σ x."""
    parts = [counted(a) for a in args]
    total = summed(parts[0])
    for part in parts[1:]:
        total = ops.add(total, summed(part))
    return finish(total, combined(p.errors for p in parts))


@TABLE.add("SUMSQ", "R*")
def sumsq(*args: Values) -> Values:
    """Σ x²."""
    parts = [counted(a) for a in args]
    squares = [sum_squares(ops.where_number(p.mask, p.num)) for p in parts]
    total = squares[0]
    for one in squares[1:]:
        total = ops.add(total, one)
    return finish(total, combined(p.errors for p in parts))


@TABLE.add("PRODUCT", "R*")
def product(*args: Values) -> Values:
    """Π x, multiplied in pairs, pairs of pairs …; 0 where nothing counts."""
    all_of = gathered(args)
    one = ops.full(1.0)
    x = all_of.num if all_of.mask is None else ops.select(all_of.mask, all_of.num, one)
    x = moves.flat(x)
    while (n := x.shape[3]) > 1:
        half = n // 2
        left, right = moves.cut(x, 0, half), moves.cut(x, half, 2 * half)
        pairs = ops.multiply(left, right)
        x = moves.concatenate([pairs, moves.cut(x, n - 1, n)], 3) if n % 2 else pairs
    count = all_of.count
    nothing = count == 0 if known(count) else None
    if nothing is not None and nothing.any():
        x = ops.select(np.broadcast_to(nothing, (*x.shape[:2], 1, 1)), ops.full(0.0), x)
    return finish(x, all_of.errors)


def mean(part: Counted) -> Any:
    """Σ x / n, NaN where nothing counts."""
    return ops.divide(summed(part), part.count)


@TABLE.add("AVERAGE", "R*")
def average(*args: Values) -> Values:
    """The mean of what counts; #DIV/0! where nothing does."""
    part = gathered(args)
    return finish(mean(part), part.errors, DIV0)


@TABLE.add("COUNT", "R*")
def count(*args: Values) -> Values:
    """How many numbers there are; of values written into the formula, how many can be read as numbers."""
    total: Any = ops.full(0.0)
    for arg in args:
        if arg.from_range or arg.shape[2:] != (1, 1):
            total = ops.add(total, _count_numbers(arg))
        else:
            # An error in a reference is passed over, and so is one that is written out.
            total = ops.add(total, np.isfinite(arg.numbers).astype(float) if known(arg.num) else ops.full(1.0))
    return Values(total)


def _count_numbers(arg: Values) -> Any:
    if not isinstance(arg.num, Slot):
        return _count_kind(arg, lambda kinds: kinds == NUMBER)

    def counted_now(num: NDArray[np.float64], kinds: Kinds) -> Any:
        return ((kinds == NUMBER) & ~np.isnan(num)).sum((2, 3), keepdims=True).astype(float)

    return ops.opaque(counted_now, arg.num, arg.kinds_or_slot)


def _count_kind(arg: Values, wanted: Any) -> Any:
    if isinstance(arg.kind, Slot):
        return ops.opaque(lambda kinds: wanted(kinds).sum((2, 3), keepdims=True).astype(float), arg.kind)
    return wanted(arg.kinds).sum((2, 3), keepdims=True).astype(float)


@TABLE.add("COUNTA", "R*")
def counta(*args: Values) -> Values:
    """How many cells are not empty: texts, TRUE, errors and "" count."""
    total: Any = ops.full(0.0)
    for arg in args:
        total = ops.add(total, _count_kind(arg, lambda kinds: kinds != BLANK))
    return Values(total)


@TABLE.add("COUNTBLANK", "R", stepwise=True)
def countblank(values: Values) -> Values:
    """How many cells are empty or hold ""."""
    kinds = values.kinds
    empty = kinds == BLANK
    if values.text is not None:
        empty = empty | ((kinds == TEXT) & (values.text == ""))
    return Values(empty.sum((2, 3), keepdims=True).astype(float))


@TABLE.add("MIN", "R*")
def min_(*args: Values) -> Values:
    """The least of what counts; 0 where nothing does."""
    part = gathered(args)
    return finish(moves.extreme(part.num, part.mask, False), part.errors)


@TABLE.add("MAX", "R*")
def max_(*args: Values) -> Values:
    """The largest of what counts; 0 where nothing does."""
    part = gathered(args)
    return finish(moves.extreme(part.num, part.mask, True), part.errors)


@TABLE.add("SUMPRODUCT", "A*")
def sumproduct(*args: Values) -> Values:
    """Σ x y z …, with all that is not a number as 0, TRUE too; #VALUE! where the sizes differ."""
    if len({a.shape[2:] for a in args}) != 1:
        return constant_error(VALUE)
    parts = [counted(a, coerce_scalars=False) for a in args]
    factors = [ops.where_number(p.mask, p.num) for p in parts]
    errors = combined(p.errors for p in parts)
    if len(factors) == 1:
        return finish(ops.total(factors[0]), errors)
    head = factors[0]
    for factor in factors[1:-1]:
        head = ops.multiply(head, factor)
    last = factors[-1]
    return finish(sum_squares(head) if head is last else product_sum(head, last), errors)


def pairs(a: Values, b: Values) -> tuple[Any, Any, Any, Kinds | None]:
    """Two ranges of equal size for the SUMX… functions: (x, y, which pairs count, errors).

    A pair with an empty cell, a text or TRUE on either side does not count at all, unlike in SUMPRODUCT. Measured: the
    course workbook's bias!V42 is 0.319467 only with that rule.
    """
    parts = [counted(v, coerce_scalars=False) for v in (a, b)]
    masks = [p.mask for p in parts if p.mask is not None]
    if not masks:
        mask = None
    elif all(map(known, masks)):
        mask = masks[0] if len(masks) == 1 else masks[0] & masks[1]
    else:
        mask = ops.opaque(lambda *m: np.logical_and.reduce([x != 0 for x in m]).astype(float), *masks)
    return parts[0].num, parts[1].num, mask, combined(p.errors for p in parts)


def _unequal(a: Values, b: Values) -> bool:
    return a.shape[2:] != b.shape[2:]


_NOT_ALIKE = constant_error(NA)


@TABLE.add("SUMXMY2", "AA")
def sumxmy2(a: Values, b: Values) -> Values:
    """Σ (x - y)²; #N/A where the sizes differ."""
    if _unequal(a, b):
        return _NOT_ALIKE
    x, y, mask, errors = pairs(a, b)
    return finish(sum_squares(ops.where_number(mask, ops.subtract(x, y))), errors)


@TABLE.add("SUMX2MY2", "AA")
def sumx2my2(a: Values, b: Values) -> Values:
    """Σ (x² - y²)."""
    if _unequal(a, b):
        return _NOT_ALIKE
    x, y, mask, errors = pairs(a, b)
    difference = ops.subtract(ops.multiply(x, x), ops.multiply(y, y))
    return finish(ops.total(ops.where_number(mask, difference)), errors)


@TABLE.add("SUMX2PY2", "AA")
def sumx2py2(a: Values, b: Values) -> Values:
    """Σ (x² + y²)."""
    if _unequal(a, b):
        return _NOT_ALIKE
    x, y, mask, errors = pairs(a, b)
    both = ops.add(sum_squares(ops.where_number(mask, x)), sum_squares(ops.where_number(mask, y)))
    return finish(both, errors)
