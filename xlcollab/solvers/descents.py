"""The three ways down that ``solver="scipy"`` has, under one small interface: factors in, a `Descent` out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.model import Factors, Model
from xlcollab.objective import Objective

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["LARGE", "LBFGS", "Descent", "Projected", "Report", "Way", "best_method"]

LARGE = 20_000
"""Ratings above which a start costs seconds."""

_ENOUGH, _ENOUGH_LARGE = 1e-6, 5e-6
"""Five steps in a row that lower the cost by less than this fraction end a start."""

_NEWTON_WORK = 5e6
"""Multiplications for one exact Hessian above which the trust region is quicker: from 40 × 40 with five factors."""

_MOST_NORMAL_NUMBERS = 50_000_000
"""Variable projection holds a q × q matrix for each member; with more numbers than that (0.4 GB) L-BFGS holds less."""

Report: TypeAlias = Callable[[float, float], bool]
"""Called with the cost and Σe² after each iteration; True stops."""


class Descent(NamedTuple):
    """Where one start led to. ``slow`` marks an end by lack of progress rather than at a minimum."""

    factors: Factors
    cost: float
    converged: bool
    slow: bool
    iterations: int


class Way(Protocol):
    """A way down, for one table of ratings and one model."""

    def descend(self, first: Factors, report: Report) -> Descent:
        """From ``first`` to a minimum; ``report(cost, Σe²)`` after each iteration, True stops."""
        ...


def best_method(model: Model, shape: tuple[int, int], *, penalised: bool) -> str:
    """The quickest way for a table of this shape."""
    q, n, m = model.n_factors + model.biased, min(shape), max(shape)
    if model.y_range is not None or (m + n) * q**2 > _MOST_NORMAL_NUMBERS:
        return "l-bfgs-b"
    small = m * q * (max(n - q, 0) * q) ** 2 <= _NEWTON_WORK
    return "newton" if small and not penalised else "trust-region"


class Projected:
    """Variable projection, by Newton's method (`varpro`) or by a trust region (`trust_region`).

    Newton's method wants the smaller side as the columns, whose parameters are the variables; the trust region the side
    with fewer ratings a member.
    """

    def __init__(
        self,
        model: Model,
        pairs: tuple[IndexArray, IndexArray, FloatArray],
        shape: tuple[int, int],
        *,
        newton: bool,
        penalty: float,
        bias_penalty: float,
        max_iterations: int,
    ) -> None:
        self._swap = (shape[0] < shape[1]) == newton
        rows, columns, values = pairs
        (m, n) = shape
        if self._swap:
            rows, columns, (m, n) = columns, rows, (n, m)
        self._rank = max(min(model.n_factors, m - model.biased, n - model.biased), 0)  # what the table can hold
        self._width = model.n_factors
        self._max_iterations = max_iterations
        self._biased, self._penalised = model.biased, penalty > 0
        self._table: Any
        self._minimise: Any
        if newton:
            from xlcollab.solvers import varpro

            weight, rating = np.zeros((m, n)), np.zeros((m, n))
            weight[rows, columns], rating[rows, columns] = 1.0, values
            self._table, self._minimise = varpro.Table(weight, rating, self._rank, model.biased), varpro.minimise
        else:
            from xlcollab.solvers import reduced, trust_region  # scipy.sparse costs a tenth of a second to import

            self._table = reduced.SparseTable.of(
                rows, columns, values, (m, n), self._rank, model.biased, penalty, bias_penalty
            )
            enough = _ENOUGH_LARGE if len(values) > LARGE else _ENOUGH
            self._minimise = partial(trust_region.minimise, enough=enough)

    def descend(self, first: Factors, report: Report) -> Descent:
        """`Way.descend`."""
        if self._swap:
            first = first.transposed()
        minimum = self._minimise(
            self._table,
            first.item_factors[:, : self._rank],
            first.item_bias + first.mean,
            max_iterations=self._max_iterations,
            report=report,
        )
        factors = self._factors(minimum)
        cost = float(minimum.point.cost)
        return Descent(
            factors.transposed() if self._swap else factors, cost, minimum.converged, minimum.slow, minimum.iterations
        )

    def _factors(self, minimum: Any) -> Factors:
        """The parameters at the minimum. Under a penalty μ takes the means of both biases, which lowers the cost."""
        z, V, c, k = minimum.point.z, minimum.point.V, minimum.point.c, self._rank
        missing = ((0, 0), (0, self._width - k))
        factors = Factors(np.pad(z[:, :k], missing), np.pad(V, missing), np.zeros(len(z)), np.zeros(len(c)))
        if not self._biased:
            return factors
        if not self._penalised:
            return replace(factors, user_bias=z[:, k], item_bias=c)
        a, mean = z[:, k], float(z[:, k].mean() + c.mean())
        return replace(factors, user_bias=a - a.mean(), item_bias=c - c.mean(), mean=mean)


class LBFGS:
    """`scipy.optimize.minimize(method="L-BFGS-B")` over all parameters, with the exact gradient of `Objective`.

    Liu & Nocedal, Math. Program. 45 (1989) 503; Zhu, Byrd, Lu & Nocedal, ACM TOMS 23 (1997) 550.
    """

    def __init__(
        self, ratings: Ratings, model: Model, *, penalty: float, bias_penalty: float, max_iterations: int
    ) -> None:
        self._objective = Objective(ratings, model, penalty, bias_penalty)
        self._max_iterations = max_iterations

    def descend(self, first: Factors, report: Report) -> Descent:
        """`Way.descend`."""
        from scipy.optimize import minimize  # a third of a second to import

        objective = self._objective

        def after_iteration(intermediate_result: Any) -> None:
            cost = float(intermediate_result.fun)
            squares = 2 * cost
            if objective.penalty or objective.bias_penalty:
                squares = float(np.sum(objective.residuals(intermediate_result.x) ** 2))
            if report(cost, squares):
                raise StopIteration

        end = minimize(
            objective.value_and_gradient,
            objective.pack(first),
            jac=True,
            method="L-BFGS-B",
            callback=after_iteration,
            options={"maxiter": self._max_iterations, "maxfun": 10 * self._max_iterations, "ftol": 1e-13, "gtol": 1e-7},
        )
        factors = objective.unpack(np.asarray(end.x))
        return Descent(factors, float(end.fun), bool(end.status == 0), False, int(end.nit))
