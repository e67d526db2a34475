"""The objective and the rows at a point, for engines that walk: counted, cached, with a wall where formulas fail.

Engines minimise a *merit*: the objective cell times the sign of the sense or, where the objective grows with a sum of
squares and with nothing else (an RMSE), half that sum, which is smooth where the root is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from xlcollab.excel_solver.problem import Floats, Problem, Residuals
from xlcollab.excel_solver.watch import Watch

__all__ = ["BadStart", "Diverged", "Evaluator", "Point"]

_INFINITE = 1e30  # an objective beyond this runs away; Excel calls the same "do not converge"
_WALL = 4.0  # how steeply the objective rises beyond a point where a formula is an error, in multiples of the slope


class Diverged(Exception):  # noqa: N818 — no error: it becomes code 4
    """The objective goes to infinity."""


class BadStart(Exception):  # noqa: N818 — no error: it becomes code 9, or the next start is tried
    """The objective is an error value at the first point of a descent."""


class Point(NamedTuple):
    """A feasible point, its merit and the merit's gradient."""

    x: Floats
    merit: float
    gradient: Floats


class Evaluator:
    """See the module's docstring. ``best`` is the best feasible point of all that were evaluated, in any descent."""

    def __init__(self, problem: Problem, watch: Watch, residuals: Residuals | None = None) -> None:
        self.problem = problem
        self.residuals = residuals or problem.residuals
        self.evaluations = 0
        self.best: Point | None = None
        self._watch = watch
        self._first = np.zeros(len(problem.program.linear))
        self._first[0] = problem.sign
        self._current: Point | None = None
        self._at: Floats | None = None
        self._outputs: Floats = np.zeros(0)
        self._jacobian: Any = None

    def begin(self) -> None:
        """Forget where the last descent was: the next point starts another one."""
        self._current = None

    def merit(self, x: Floats) -> tuple[float, Floats]:
        """The merit and its gradient (n,).

        Beyond a point where the objective is an error (LN of a negative number) the merit rises as a wall whose height
        sends a line search back to about a tenth of its step. Raises `BadStart` if the first point is beyond it,
        `Diverged` where the objective is below −1e30, and `Stopped`.
        """
        self.evaluations += 1
        self._watch.check(self.evaluations, self._shown)
        if self.residuals is not None:
            value, gradient = self.residuals.value_and_gradient(x)
        else:
            value, gradient = self.problem.program.value_and_gradient(x, self._first)
        if value < -_INFINITE:
            if len(self.problem.rows) and not self.problem.holds(self.outputs(x)):
                return self._wall(x)  # only a step too far: what the rows allow may well have an end
            raise Diverged
        rows_fail = len(self.problem.rows) and not np.isfinite(self.problem.rows.values(self.outputs(x))).all()
        if rows_fail or not np.isfinite(value):
            return self._wall(x)
        if not np.isfinite(gradient).all():  # looked at first: nan_to_num takes half as long as the gradient
            gradient = np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0)
        point = Point(x.copy(), float(value), gradient)
        if self._current is None or point.merit < self._current.merit:
            self._current = point
        if len(self.problem.rows) == 0 and (self.best is None or point.merit < self.best.merit):
            self.best = point
        return point.merit, point.gradient

    def _wall(self, x: Floats) -> tuple[float, Floats]:
        if self._current is None:
            raise BadStart
        step = x - self._current.x
        with np.errstate(over="ignore", invalid="ignore"):
            slope = abs(float(self._current.gradient @ step))
            length = float(step @ step)
        slope = (slope if slope < _INFINITE else _INFINITE) + 1e-12 * (1.0 + abs(self._current.merit))
        outwards = step / length if 0 < length < np.inf else np.zeros_like(step)
        return self._current.merit + _WALL * slope, 2 * _WALL * slope * outwards

    def gradient(self, x: Floats) -> Floats:
        """The merit's gradient, for differences: ``x`` may lie a little outside the bounds, and is never the best."""
        self.evaluations += 1
        self._watch.check(self.evaluations, self._shown)
        if self.residuals is not None:
            return self.residuals.value_and_gradient(x)[1]
        return self.problem.program.value_and_gradient(x, self._first)[1]

    def outputs(self, x: Floats) -> Floats:
        """All outputs of the sheet (m,), NaN where a cell is an error."""
        if self._at is None or not np.array_equal(self._at, x):
            self._watch.check(self.evaluations, self._shown)
            self.evaluations += 1
            self._outputs = self.problem.program.values(x)
            self._at, self._jacobian = x.copy(), None
        return self._outputs

    def jacobian(self, x: Floats) -> Any:
        """∂out/∂x (m, n), dense or sparse, 0 where a derivative is no number."""
        self.outputs(x)
        if self._jacobian is None:
            jacobian = self.problem.program.jacobian(x)
            data = jacobian if isinstance(jacobian, np.ndarray) else jacobian.data
            np.nan_to_num(data, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
            self._jacobian = jacobian
        return self._jacobian

    def consider(self, x: Floats, merit: float) -> bool:
        """Keep ``x`` as the best point if it meets the rows and is better; whether it meets them."""
        if not self.problem.holds(self.outputs(x)) or not np.isfinite(merit):
            return False
        if self.best is None or merit < self.best.merit:
            self.best = Point(x.copy(), merit, np.zeros(0))
        return True

    def objective(self, x: Floats) -> float:
        """The objective cell itself."""
        return float(self.outputs(x)[0])

    def _shown(self) -> float | None:
        """The objective cell at the best point so far."""
        return None if self.best is None else float(self.problem.program.values(self.best.x)[0])
