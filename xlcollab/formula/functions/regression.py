"""Covariance, correlation and the straight line: a pair counts when both of its cells hold a number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import product_sum, sum_squares
from xlcollab.formula.functions.aggregate import mean, pairs
from xlcollab.formula.functions.declare import Counted, Table, finish
from xlcollab.formula.functions.elementary import sqrt
from xlcollab.formula.values import DIV0, NA, Values, constant_error

TABLE = Table()


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
