"""Statistics of ranges: variance, covariance, regression, order.

Of ranges only numbers count; for two ranges a pair counts when both of its cells hold a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import product_sum, sum_squares
from xlcollab.formula.functions.aggregate import mean, pairs
from xlcollab.formula.functions.declare import (
    Counted,
    Table,
    combined,
    counted,
    finish,
    first_error,
    gathered,
    known,
    lift,
)
from xlcollab.formula.functions.elementary import absolute, exp, log, sqrt
from xlcollab.formula.values import DIV0, NA, NUM, Values, constant_error

TABLE = Table()


def _deviations(part: Counted) -> Any:
    """X minus its mean, 0 where nothing counts."""
    return ops.where_number(part.mask, ops.subtract(part.num, mean(part)))


def _variance(part: Counted, lost: float) -> Any:
    """Σ (x - x̄)² / (n - lost); NaN where n is not larger."""
    degrees_of_freedom = ops.subtract(part.count, ops.full(lost))
    squares = sum_squares(_deviations(part))
    if known(degrees_of_freedom):
        degrees_of_freedom = np.maximum(degrees_of_freedom, 0.0)
    return ops.divide(squares, degrees_of_freedom)


def _spread(names: str, lost: float, root: bool) -> None:
    @TABLE.add(names, "R*")
    def call(*args: Values) -> Values:
        part = gathered(args)
        variance = _variance(part, lost)
        return finish(sqrt(variance) if root else variance, part.errors, DIV0)


_spread("STDEV STDEV.S", 1.0, True)
_spread("STDEVP STDEV.P", 0.0, True)
_spread("VAR VAR.S", 1.0, False)
_spread("VARP VAR.P", 0.0, False)


@TABLE.add("DEVSQ", "R*")
def devsq(*args: Values) -> Values:
    """Σ (x - x̄)²."""
    part = gathered(args)
    return finish(sum_squares(_deviations(part)), part.errors, NUM)


@TABLE.add("AVEDEV", "R*")
def avedev(*args: Values) -> Values:
    """The mean of |x - x̄|."""
    part = gathered(args)
    return finish(ops.divide(ops.total(absolute(_deviations(part))), part.count), part.errors, NUM)


@TABLE.add("GEOMEAN", "R*")
def geomean(*args: Values) -> Values:
    """(Π x)^(1/n); #NUM! where one is not positive."""
    part = gathered(args)
    logs = log(part.num if part.mask is None else ops.select(part.mask, part.num, ops.full(1.0)))
    return finish(exp(ops.divide(ops.total(ops.where_number(part.mask, logs)), part.count)), part.errors)


@TABLE.add("HARMEAN", "R*")
def harmean(*args: Values) -> Values:
    """N / Σ 1/x; #NUM! where one is not positive."""
    part = gathered(args)
    x = part.num if part.mask is None else ops.select(part.mask, part.num, ops.full(1.0))
    inverse = ops.divide(ops.full(1.0), ops.select(_positive(x), x, ops.full(np.nan)))
    return finish(ops.divide(part.count, ops.total(ops.where_number(part.mask, inverse))), part.errors)


def _positive(x: Any) -> Any:
    found = ops.opaque(lambda v: (v > 0).astype(float), x)
    return found != 0 if known(found) else found


def _moment(part: Counted, order: int) -> tuple[Any, Any]:
    """Σ ((x - x̄)/s)^order and n, with s of the sample."""
    deviations = _deviations(part)
    s = sqrt(_variance(part, 1.0))
    standardised = ops.divide(deviations, s)
    power = standardised
    for _ in range(order - 1):
        power = ops.multiply(power, standardised)
    return ops.total(power), part.count


@TABLE.add("SKEW", "R*")
def skew(*args: Values) -> Values:
    """N / ((n-1)(n-2)) Σ ((x - x̄)/s)³."""
    part = gathered(args)
    third, n = _moment(part, 3)
    return finish(ops.multiply(third, _ratio(n, (n - 1) * (n - 2))), part.errors, DIV0)


@TABLE.add("KURT", "R*")
def kurt(*args: Values) -> Values:
    """N(n+1)/((n-1)(n-2)(n-3)) Σ ((x - x̄)/s)⁴ - 3(n-1)²/((n-2)(n-3))."""
    part = gathered(args)
    fourth, n = _moment(part, 4)
    factor = _ratio(n * (n + 1), (n - 1) * (n - 2) * (n - 3))
    return finish(
        ops.subtract(ops.multiply(fourth, factor), _ratio(3 * (n - 1) ** 2, (n - 2) * (n - 3))), part.errors, DIV0
    )


def _ratio(a: Any, b: Any) -> Any:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), np.nan)


@TABLE.add("STANDARDIZE", "VVV")
def standardize(x: Values, centre: Values, deviation: Values) -> Values:
    """(x - centre) / deviation."""
    return lift(lambda v, m, s: ops.divide(ops.subtract(v, m), _valid_deviation(s)), x, centre, deviation)


def _valid_deviation(s: Any) -> Any:
    return ops.select(_positive(s), s, ops.full(np.nan))


class _Pairs:
    """Two ranges of equal length, centred: what covariance and regression are made of."""

    def __init__(self, a: Values, b: Values) -> None:
        x, y, mask, self.errors = pairs(a, b)
        self.n = Counted(x, mask, None).count
        self.mean_x = mean(Counted(x, mask, None)) if mask is not None else mean(Counted(x, None, None))
        self.mean_y = mean(Counted(y, mask, None))
        self.x = ops.where_number(mask, ops.subtract(x, self.mean_x))
        self.y = ops.where_number(mask, ops.subtract(y, self.mean_y))

    @property
    def xy(self) -> Any:
        return product_sum(self.x, self.y)

    @property
    def xx(self) -> Any:
        return sum_squares(self.x)

    @property
    def yy(self) -> Any:
        return sum_squares(self.y)

    @property
    def slope(self) -> Any:
        return ops.divide(self.xy, self.xx)


def _of_pairs(names: str, compute: Callable[[_Pairs], Any]) -> None:
    @TABLE.add(names, "AA")
    def call(a: Values, b: Values) -> Values:
        if a.shape[2] * a.shape[3] != b.shape[2] * b.shape[3]:
            return constant_error(NA)
        found = _Pairs(a.map(moves.flat), b.map(moves.flat))
        return finish(compute(found), found.errors, DIV0)


_of_pairs("COVAR COVARIANCE.P", lambda p: ops.divide(p.xy, p.n))
_of_pairs("COVARIANCE.S", lambda p: ops.divide(p.xy, ops.subtract(p.n, ops.full(1.0))))
_of_pairs("CORREL PEARSON", lambda p: ops.divide(p.xy, sqrt(ops.multiply(p.xx, p.yy))))
_of_pairs("RSQ", lambda p: ops.divide(ops.multiply(p.xy, p.xy), ops.multiply(p.xx, p.yy)))
# Known ys come first in all of these.
_of_pairs("SLOPE", lambda p: ops.divide(p.xy, p.yy))
_of_pairs("INTERCEPT", lambda p: ops.subtract(p.mean_x, ops.multiply(ops.divide(p.xy, p.yy), p.mean_y)))
_of_pairs(
    "STEYX",
    lambda p: sqrt(
        ops.divide(ops.subtract(p.xx, ops.divide(ops.multiply(p.xy, p.xy), p.yy)), ops.subtract(p.n, ops.full(2.0)))
    ),
)


@TABLE.add("FORECAST FORECAST.LINEAR", "VAA")
def forecast(at: Values, ys: Values, xs: Values) -> Values:
    """The regression line of ys on xs, at one x."""
    p = _Pairs(ys.map(moves.flat), xs.map(moves.flat))
    slope = ops.divide(p.xy, p.yy)
    line = ops.add(p.mean_x, ops.multiply(slope, ops.subtract(at.num, p.mean_y)))
    return finish(line, p.errors, DIV0)


class _Ordered:
    """The counted numbers of a range in ascending order."""

    def __init__(self, part: Counted) -> None:
        self.errors = part.errors
        self.row = moves.ordered(part.num, part.mask)
        self.count = part.count

    def at(self, position: Any) -> Any:
        """The element at a position from 0, between two of them in proportion; NaN outside."""
        low = ops.opaque(np.floor, position)
        high = ops.opaque(lambda p, n: np.where(p == n - 1.0, p, np.floor(p) + 1.0), position, self.count)
        a, b = moves.take(self.row, low), moves.take(self.row, high)
        return ops.add(a, ops.multiply(ops.subtract(position, low), ops.subtract(b, a)))


@TABLE.add("MEDIAN", "R*")
def median(*args: Values) -> Values:
    """The number in the middle, or the mean of the two there."""
    row = _Ordered(gathered(args))
    middle = ops.multiply(ops.subtract(row.count, ops.full(1.0)), ops.full(0.5))
    return finish(row.at(middle), row.errors)


def _kth(largest: bool) -> Callable[..., Values]:
    def call(values: Values, k: Values) -> Values:
        row = _Ordered(counted(values))
        which = ops.opaque(np.ceil, k.num)
        position = ops.subtract(row.count, which) if largest else ops.subtract(which, ops.full(1.0))
        found = moves.take(row.row, position)
        return finish(found, row.errors)

    return call


TABLE.add("LARGE", "AV")(_kth(True))
TABLE.add("SMALL", "AV")(_kth(False))


def _percentile(values: Values, share: Values, exclusive: bool) -> Values:
    row = _Ordered(counted(values))
    if exclusive:
        position = ops.subtract(ops.multiply(share.num, ops.add(row.count, ops.full(1.0))), ops.full(1.0))
    else:
        position = ops.multiply(share.num, ops.subtract(row.count, ops.full(1.0)))
    return finish(row.at(position), row.errors)


@TABLE.add("PERCENTILE PERCENTILE.INC", "AV")
def percentile(values: Values, share: Values) -> Values:
    """The number below which a share lies, 0 to 1."""
    return _percentile(values, share, False)


@TABLE.add("PERCENTILE.EXC", "AV")
def percentile_exc(values: Values, share: Values) -> Values:
    """The same, from 1/(n+1) to n/(n+1)."""
    return _percentile(values, share, True)


@TABLE.add("QUARTILE QUARTILE.INC", "AV")
def quartile(values: Values, quarter: Values) -> Values:
    """Minimum, quartiles, maximum: 0 to 4."""
    share = lift(lambda q: ops.divide(ops.opaque(np.floor, q), ops.full(4.0)), quarter)
    return _percentile(values, share, False)


@TABLE.add("QUARTILE.EXC", "AV")
def quartile_exc(values: Values, quarter: Values) -> Values:
    """The same, without minimum and maximum."""
    share = lift(lambda q: ops.divide(ops.opaque(np.floor, q), ops.full(4.0)), quarter)
    return _percentile(values, share, True)


def _rank(x: Values, values: Values, order: Values | None, average: bool) -> Values:
    part = counted(values)
    counts = np.ones(part.num.shape, bool) if part.mask is None else np.broadcast_to(part.mask, part.num.shape)
    up = np.zeros((1, 1, 1, 1), bool) if order is None else order.numbers != 0
    better = np.where(up, part.num < x.num, part.num > x.num) & counts
    same = (part.num == x.num) & counts
    ahead = better.sum((2, 3), keepdims=True).astype(float)
    ties = same.sum((2, 3), keepdims=True)
    found = ahead + 1 + ((ties - 1) / 2 if average else 0)
    missing = np.where(ties == 0, np.int8(NA), np.int8(0))
    return finish(found, combined((part.errors, missing if missing.any() else None)))


@TABLE.add("RANK RANK.EQ", "VRV?", stepwise=True)
def rank(x: Values, values: Values, order: Values | None = None) -> Values:
    """How many are larger (smaller, with an order), plus one; #N/A where x is not among them."""
    return _rank(x, values, order, False)


@TABLE.add("RANK.AVG", "VRV?", stepwise=True)
def rank_avg(x: Values, values: Values, order: Values | None = None) -> Values:
    """The same; equal numbers share the mean of their ranks."""
    return _rank(x, values, order, True)


@TABLE.add("MODE MODE.SNGL", "R*", stepwise=True)
def mode(*args: Values) -> Values:
    """The number that occurs most often, the first of several; #N/A where none does twice."""
    part = gathered(args)
    counts = np.ones(part.num.shape, bool) if part.mask is None else np.broadcast_to(part.mask, part.num.shape)
    found = np.full((*part.num.shape[:2], 1, 1), np.nan)
    for i, j in np.ndindex(part.num.shape[:2]):
        seen: dict[float, int] = {}
        for v in part.num[i, j][counts[i, j]].tolist():
            seen[v] = seen.get(v, 0) + 1
        if seen and max(seen.values()) > 1:
            found[i, j] = max(seen, key=lambda v: seen[v])
    return finish(found, part.errors, NA)


@TABLE.add("TRIMMEAN", "AV")
def trimmean(values: Values, share: Values) -> Values:
    """The mean without a share of the numbers, half of it at either end."""
    row = _Ordered(counted(values))
    cut = np.floor(row.count * share.numbers / 2 + 1e-12)
    place = np.arange(row.row.shape[3])[None, None, None, :]
    kept = (place >= cut) & (place < row.count - cut)
    total = ops.total(ops.select(kept, row.row, ops.full(0.0)))
    return finish(ops.divide(total, row.count - 2 * cut), row.errors)


def _a_values(values: Values) -> Counted:
    """What AVERAGEA and its like count: texts are 0 and TRUE is 1, in ranges too."""
    if values.kind is None or not known(values.kind):
        return Counted(values.num, None, None)
    kinds = values.kinds
    num = values.num
    text = kinds == 3
    if text.any():
        num = ops.select(text, ops.full(0.0), num)
    errors = first_error(kinds) if (kinds < 0).any() else None
    empty = kinds == 2
    return Counted(num, ~empty if empty.any() else None, errors)


def _a_family(name: str, compute: Callable[[Counted], Any], otherwise: int = DIV0) -> None:
    @TABLE.add(name, "R*")
    def call(*args: Values) -> Values:
        parts = [_a_values(a) for a in args]
        masks = [np.ones(p.num.shape, bool) if p.mask is None else np.broadcast_to(p.mask, p.num.shape) for p in parts]
        num = moves.concatenate([moves.flat(p.num) for p in parts], 3)
        mask = np.concatenate([m.reshape(*m.shape[:2], 1, -1) for m in masks], 3)
        part = Counted(num, None if mask.all() else mask, combined(p.errors for p in parts))
        return finish(compute(part), part.errors, otherwise)


_a_family("AVERAGEA", mean)
_a_family("MAXA", lambda p: moves.extreme(p.num, p.mask, True))
_a_family("MINA", lambda p: moves.extreme(p.num, p.mask, False))
_a_family("VARA", lambda p: _variance(p, 1.0))
_a_family("VARPA", lambda p: _variance(p, 0.0))
_a_family("STDEVA", lambda p: sqrt(_variance(p, 1.0)))
_a_family("STDEVPA", lambda p: sqrt(_variance(p, 0.0)))
