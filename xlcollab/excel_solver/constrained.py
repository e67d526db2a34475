"""One descent under general constraints, from a start to a local minimum that meets them.

* SLSQP (Kraft 1988) with exact Jacobians while variables and rows are few: its dense quadratic programs grow with the
  cube of their number.
* Beyond that an augmented Lagrangian over L-BFGS-B (Conn, Gould & Toint 1991; Andreani, Birgin, Martínez & Schuverdt
  2007), written for two-sided rows: with Π the projection on [low, high], each step minimises

      merit(x) + ρ/2·‖c(x) + λ/ρ − Π(c(x) + λ/ρ)‖²,   then   λ ← ρ·(c + λ/ρ − Π(c + λ/ρ)).

Rows are divided by the size of their gradient at the start, variables by their typical size, so that a constraint in
millions and one in percent count alike. First-order optimality is judged by the same test whatever ended the descent:
the least residual of the Lagrangian's gradient over multipliers of the right sign.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import Bounds, lsq_linear, minimize

from xlcollab.excel_solver.descent import Local, projected_gradient
from xlcollab.excel_solver.evaluator import Evaluator
from xlcollab.excel_solver.problem import Floats

__all__ = ["descend_constrained", "restore"]

_DENSE = 400  # variables and rows together, up to which SLSQP is used
_OUTER = 40  # augmented Lagrangian steps
_STATIONARY = 1e-5
_AT_BOUND = 1e-9
_ACTIVE = 1e-6  # a row this close to its limit, relatively, is held by it


def descend_constrained(
    evaluator: Evaluator, x: Floats, scale: Floats, iterations: int, convergence: float
) -> Local | None:
    """A local minimum that meets the rows, or None where none was found from ``x``."""
    scaled = _Scaled(evaluator, x, scale)
    solver = _slsqp if scaled.size <= _DENSE else _augmented_lagrangian
    end = None
    for attempt in range(3):
        evaluator.begin()
        x, limited = solver(scaled, x, iterations, convergence)
        merit, gradient = evaluator.merit(x)
        if evaluator.consider(x, merit):
            end = Local(x, merit, _is_stationary(evaluator, x, merit, gradient), limited)
            break
        x = restore(evaluator, x, scale) if attempt == 0 else x
        solver = _augmented_lagrangian
    return end


class _Scaled:
    """Merit and rows in scaled variables z = x/scale, rows divided by their gradients, the merit by its size."""

    def __init__(self, evaluator: Evaluator, x: Floats, scale: Floats) -> None:
        problem = evaluator.problem
        self.evaluator, self.problem, self.scale = evaluator, problem, scale
        merit, gradient = evaluator.merit(x)
        self.merit_size = max(abs(merit), float(np.abs(gradient * scale).max(initial=0.0)), 1e-12)
        jacobian = self.raw_jacobian(x)
        lengths = np.sqrt(
            np.asarray(jacobian.multiply(jacobian).sum(axis=1) if _sparse(jacobian) else (jacobian**2).sum(1))
        )
        self.row_size = np.where(lengths.ravel() > 1e-12, lengths.ravel(), 1.0)
        self.low, self.high = problem.rows.low / self.row_size, problem.rows.high / self.row_size
        self.bounds = Bounds(problem.lower / scale, problem.upper / scale)
        self._last_rows = np.nan_to_num(problem.rows.values(evaluator.outputs(x))) / self.row_size

    @property
    def size(self) -> int:
        return self.problem.n + len(self.problem.rows)

    def point(self, z: Floats) -> Floats:
        return np.clip(z * self.scale, self.problem.lower, self.problem.upper)

    def merit(self, z: Floats) -> tuple[float, Floats]:
        value, gradient = self.evaluator.merit(self.point(z))
        return value / self.merit_size, gradient * self.scale / self.merit_size

    def rows(self, z: Floats) -> Floats:
        """Rows (p,); where they are errors the last ones that were not, as the merit's wall sends the search back."""
        c = self.problem.rows.values(self.evaluator.outputs(self.point(z))) / self.row_size
        if np.isfinite(c).all():
            self._last_rows = c
        return self._last_rows

    def raw_jacobian(self, x: Floats) -> Any:
        jacobian = self.problem.rows.jacobian(self.evaluator.jacobian(x))
        return jacobian.multiply(self.scale[None]).tocsr() if _sparse(jacobian) else jacobian * self.scale

    def jacobian(self, z: Floats) -> Any:
        jacobian = self.raw_jacobian(self.point(z))
        if _sparse(jacobian):
            return jacobian.multiply(1.0 / self.row_size[:, None]).tocsr()
        return jacobian / self.row_size[:, None]


def _sparse(matrix: Any) -> bool:
    return not isinstance(matrix, np.ndarray)


def _dense(matrix: Any) -> Floats:
    return np.asarray(matrix.toarray() if _sparse(matrix) else matrix)


def _slsqp(scaled: _Scaled, x: Floats, iterations: int, convergence: float) -> tuple[Floats, bool]:
    low, high = scaled.low, scaled.high
    equal = low == high
    below, above = ~equal & np.isfinite(low), ~equal & np.isfinite(high)
    constraints: list[Any] = []
    if equal.any():
        constraints.append(
            {
                "type": "eq",
                "fun": lambda z: scaled.rows(z)[equal] - low[equal],
                "jac": lambda z: _dense(scaled.jacobian(z)[equal]),
            }
        )
    if below.any() or above.any():
        constraints.append(
            {
                "type": "ineq",
                "fun": lambda z: np.r_[scaled.rows(z)[below] - low[below], high[above] - scaled.rows(z)[above]],
                "jac": lambda z: np.vstack([_dense(scaled.jacobian(z))[below], -_dense(scaled.jacobian(z))[above]]),
            }
        )
    options: Any = {"maxiter": min(iterations, 100 + 10 * scaled.size), "ftol": 1e-8 * convergence}
    result = minimize(
        scaled.merit,
        x / scaled.scale,
        jac=True,
        method="SLSQP",
        bounds=scaled.bounds,
        constraints=constraints,
        options=options,
    )
    z = np.where(np.isfinite(result.x), result.x, x / scaled.scale)
    return scaled.point(z), result.get("status") == 9 and result.nit >= iterations


def _augmented_lagrangian(scaled: _Scaled, x: Floats, iterations: int, convergence: float) -> tuple[Floats, bool]:
    z, low, high = x / scaled.scale, scaled.low, scaled.high
    multipliers = np.zeros(len(low))
    penalty, missed_before, done = 10.0, np.inf, 0

    def lagrangian(point: Floats) -> tuple[float, Floats]:
        value, gradient = scaled.merit(point)
        shifted = scaled.rows(point) + multipliers / penalty
        beyond = shifted - np.clip(shifted, low, high)
        return value + penalty / 2 * float(beyond @ beyond), gradient + penalty * (scaled.jacobian(point).T @ beyond)

    for outer in range(_OUTER):
        result = minimize(
            lagrangian,
            z,
            jac=True,
            method="L-BFGS-B",
            bounds=scaled.bounds,
            options={"maxcor": 20, "maxiter": 1000, "ftol": 1e-8 * convergence, "gtol": max(1e-9, 1e-3 * 0.2**outer)},
        )
        z, done = result.x, done + int(result.nit)
        c = scaled.rows(z)
        shifted = c + multipliers / penalty
        change = penalty * (shifted - np.clip(shifted, low, high)) - multipliers
        missed = float(np.abs(c - np.clip(c, low, high)).max(initial=0.0))
        multipliers = multipliers + change
        if missed <= 1e-9 and np.abs(change).max(initial=0.0) <= 1e-7 * max(1.0, np.abs(multipliers).max(initial=0.0)):
            break
        if done >= iterations:
            return scaled.point(z), True
        if missed > 0.25 * missed_before and penalty < 1e9:
            penalty *= 10
        missed_before = missed
    return scaled.point(z), False


def restore(evaluator: Evaluator, x: Floats, scale: Floats) -> Floats:
    """The point near ``x`` that misses the rows least: L-BFGS-B on the sum of their squared misses."""
    scaled = _Scaled(evaluator, x, scale)

    def misses(z: Floats) -> tuple[float, Floats]:
        c = scaled.rows(z)
        beyond = c - np.clip(c, scaled.low, scaled.high)
        return float(beyond @ beyond) / 2, scaled.jacobian(z).T @ beyond

    result = minimize(
        misses,
        x / scale,
        jac=True,
        method="L-BFGS-B",
        bounds=scaled.bounds,
        options={"maxcor": 20, "maxiter": 1000, "ftol": 1e-16, "gtol": 1e-10},
    )
    return scaled.point(result.x)


def _is_stationary(evaluator: Evaluator, x: Floats, merit: float, gradient: Floats) -> bool:
    """First-order optimality (Karush, Kuhn and Tucker), relative to the sizes of variables and merit."""
    problem = evaluator.problem
    c = problem.rows.values(evaluator.outputs(x))
    near = _ACTIVE * np.maximum(1.0, np.abs(c))
    at_low, at_high = c <= problem.rows.low + near, c >= problem.rows.high - near
    active = at_low | at_high
    near_bound = _AT_BOUND * np.maximum(1.0, np.abs(x))
    free = (x > problem.lower + near_bound) & (x < problem.upper - near_bound)
    if active.any() and free.any():
        size = np.maximum(1.0, np.abs(x))
        jacobian = _dense(problem.rows.jacobian(evaluator.jacobian(x))[np.flatnonzero(active)])
        sides = (np.where(at_high, -np.inf, 0.0)[active], np.where(at_low, np.inf, 0.0)[active])
        # gradient = Jᵀy: y ≤ 0 at an upper limit, y ≥ 0 at a lower one, any sign at an equality
        y = lsq_linear((jacobian * size).T[free], (gradient * size)[free], bounds=sides).x
        gradient = gradient - jacobian.T @ y
    pushed = np.abs(projected_gradient(evaluator, x, gradient)) * np.maximum(1.0, np.abs(x))
    return bool(pushed.max(initial=0.0) <= _STATIONARY * max(1.0, abs(merit)))
