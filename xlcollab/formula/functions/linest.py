"""Least squares with one or more regressors: LINEST and TREND, and LOGEST and GROWTH on the logarithms of y.

β = (XᵀX)⁻¹Xᵀy of centred X and y, and the intercept ȳ - x̄β; without an intercept nothing is centred. Rows are
observations where y is a column, columns where it is a row. Source: Microsoft, "LINEST function".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import inverse, matmul
from xlcollab.formula.functions.declare import Refusal, Table, combined, finish, known, omitted
from xlcollab.formula.functions.elementary import exp, log
from xlcollab.formula.functions.matrix import not_numbers
from xlcollab.formula.functions.searching import option
from xlcollab.formula.values import NUM, REF, Kinds, Values, constant_error

TABLE = Table()


class _Line(NamedTuple):
    """β (R, C, k, 1), the intercept (R, C, 1, 1), whether observations are columns, and the errors of the data."""

    slopes: Any
    intercept: Any
    across: bool
    errors: Kinds | None


def _turned(x: Any) -> Any:
    return moves.permute(x, (0, 1, 3, 2))


def _counted_from_one(shape: tuple[int, ...]) -> Values:
    """The regressor where none is given, 1, 2, 3 and so on."""
    return Values(np.arange(1.0, shape[2] * shape[3] + 1).reshape(1, 1, *shape[2:]))


def _fitted(y: Any, ys: Values, xs: Values | None, const: Values | None) -> _Line | None:
    """The line through ``y``, which are the numbers of ``ys`` or their logarithms; None where the sizes differ."""
    across = ys.shape[2] == 1 and ys.shape[3] > 1
    given = _counted_from_one(ys.shape) if xs is None or omitted(xs) else xs
    x = given.num
    if ys.shape[2:] == given.shape[2:] and 1 not in ys.shape[2:]:  # of two tables of one size all cells are one row
        y, x, across = moves.flat(y), moves.flat(x), True
    if across:
        y, x = _turned(y), _turned(x)
    if y.shape[3] != 1 or x.shape[2] != y.shape[2]:
        return None
    errors = combined((not_numbers(ys), not_numbers(given)))
    mean_x, mean_y = ops.full(0.0), ops.full(0.0)
    if const is None or omitted(const) or option(const, 1.0):
        n = ops.full(float(y.shape[2]))
        mean_x, mean_y = ops.divide(ops.total(x, (2,)), n), ops.divide(ops.total(y, (2,)), n)
    centred_x, centred_y = ops.subtract(x, mean_x), ops.subtract(y, mean_y)
    if x.shape[3] > 1 and known(centred_x) and _depend(np.asarray(centred_x)):
        raise Refusal("has regressors of which one follows from the others, so that the coefficients are not unique")
    turned = _turned(centred_x)
    slopes = matmul(inverse(matmul(turned, centred_x)), matmul(turned, centred_y))
    products = ops.multiply(_turned(slopes), mean_x)
    return _Line(slopes, ops.subtract(mean_y, ops.total(products)), across, errors)


def _depend(x: NDArray[np.float64]) -> bool:
    """Whether a column of any of the matrices (…, n, k) is a combination of the others; sizes do not matter."""
    length = np.linalg.norm(x, axis=-2, keepdims=True)
    scaled = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return bool(np.isfinite(x).all() and (np.linalg.matrix_rank(scaled) < x.shape[-1]).any())


def _estimates(names: str, into: Callable[[Any], Any], out_of: Callable[[Any], Any]) -> None:
    @TABLE.add(names, "AA?V?V?")
    def call(ys: Values, xs: Values | None = None, const: Values | None = None, stats: Values | None = None) -> Values:
        if stats is not None and option(stats, 0.0):
            raise Refusal("has no statistics here, only the coefficients; leave its last argument out")
        line = _fitted(into(ys.num), ys, xs, const)
        if line is None:
            return constant_error(REF)
        k = line.slopes.shape[2]
        backwards = moves.take(_turned(line.slopes), np.arange(k)[::-1].reshape(1, 1, 1, k))
        return finish(out_of(moves.concatenate([backwards, line.intercept], 3)), line.errors, NUM)


def _predictions(names: str, into: Callable[[Any], Any], out_of: Callable[[Any], Any]) -> None:
    @TABLE.add(names, "AA?A?V?")
    def call(ys: Values, xs: Values | None = None, at: Values | None = None, const: Values | None = None) -> Values:
        line = _fitted(into(ys.num), ys, xs, const)
        if at is None or omitted(at):
            at = _counted_from_one(ys.shape) if xs is None or omitted(xs) else xs
        if line is None:
            return constant_error(REF)
        k, shape = line.slopes.shape[2], at.shape
        x = at.num
        if k == 1:
            x = moves.permute(moves.flat(x), (0, 1, 3, 2))
        elif line.across:
            x = _turned(x)
        if x.shape[3] != k:
            return constant_error(REF)
        found = ops.add(matmul(x, line.slopes), line.intercept)
        if k == 1:
            found = moves.reshape(found, (*found.shape[:2], *shape[2:]))
        elif line.across:
            found = _turned(found)
        return finish(out_of(found), combined((line.errors, not_numbers(at))), NUM)


def _same(x: Any) -> Any:
    return x


_estimates("LINEST", _same, _same)
_estimates("LOGEST", log, exp)
_predictions("TREND", _same, _same)
_predictions("GROWTH", log, exp)
