"""What depends on the order of numbers: medians, quantiles, ranks, the most frequent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xlcollab.formula import moves, ops
from xlcollab.formula.functions.declare import Counted, Table, combined, counted, finish, gathered, lift
from xlcollab.formula.ranges import Uneven
from xlcollab.formula.values import NA, Values

TABLE = Table()


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
    counts = _counts(part)
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
    counts = _counts(part)
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


@TABLE.add("PERCENTRANK PERCENTRANK.INC", "AVV?", stepwise=True)
def percentrank(values: Values, x: Values, digits: Values | None = None) -> Values:
    """The share of the numbers below x, in proportion between two of them, cut to 3 digits; #N/A outside of them."""
    row = _Ordered(counted(values))
    size = np.broadcast_to(row.count, (*row.row.shape[:2], 1, 1))
    batch = np.broadcast_shapes(row.row.shape[:2], x.shape[:2])
    found = np.full((*batch, 1, 1), np.nan)
    for i, j in np.ndindex(*batch):
        n = int(np.broadcast_to(size, found.shape)[i, j, 0, 0])
        numbers = np.broadcast_to(row.row, (*batch, *row.row.shape[2:]))[i, j, 0, :n]
        at = float(np.broadcast_to(x.numbers, found.shape)[i, j, 0, 0])
        if n > 1 and numbers[0] <= at <= numbers[-1]:
            first = np.searchsorted(numbers, at)  # of equal numbers the first
            below = first if numbers[first] == at else float(np.interp(at, numbers, np.arange(n)))
            found[i, j] = below / (n - 1)
    scale = 10.0 ** (3.0 if digits is None else np.trunc(digits.numbers))
    return finish(np.floor(found * scale + 1e-9) / scale, row.errors, NA)


@TABLE.add("FREQUENCY", "AA", stepwise=True)
def frequency(values: Values, bounds: Values) -> Values:
    """How many numbers are at most each bound and above the one before it, and how many above all: a column."""
    part, limits = counted(values), counted(bounds)
    if part.num.shape[:2] != (1, 1) or limits.num.shape[:2] != (1, 1):
        raise Uneven("counts ranges that differ between the cells of a block")
    numbers, edges = (p.num[0, 0][_counts(p)[0, 0]] for p in (part, limits))
    order = np.argsort(edges, kind="stable")
    place = np.searchsorted(edges[order], numbers, side="left")
    counts = np.bincount(place, minlength=len(edges) + 1).astype(float)
    found = np.r_[np.empty(len(edges)), counts[-1]]
    found[order] = counts[:-1]
    return finish(found[None, None, :, None], combined((part.errors, limits.errors)))


def _counts(part: Counted) -> Any:
    return np.ones(part.num.shape, bool) if part.mask is None else np.broadcast_to(part.mask, part.num.shape)
