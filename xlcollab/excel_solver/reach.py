"""The objective cell is to become a value: of all points where it does, one near the present cells.

With one changing cell and no constraints that is a root, found by bracketing outwards from the present value and
Brent's method (Brent 1973). Otherwise the value is one more constraint, and the descent minimises the distance to the
present cells, each change measured by the typical size of its cell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from xlcollab.excel_solver.evaluator import Evaluator
from xlcollab.excel_solver.nonlinear import solve_nonlinear
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import NONE, Floats, Problem, Rows
from xlcollab.excel_solver.starts import typical_size
from xlcollab.excel_solver.watch import Watch

__all__ = ["Distance", "aim", "solve_aimed", "solve_value"]

_DOUBLINGS = 60  # of the bracket's width, from a tenth of the typical size


def solve_value(problem: Problem, watch: Watch, *, restarts: int | None = None, seed: int = 0) -> Outcome:
    """The outcome of a "Value Of" model without integers."""
    if problem.n == 1 and len(problem.rows) == 0:
        found = _root(problem, watch)
        if found is not None:
            return found
    return solve_aimed(aim(problem), watch, restarts=restarts, seed=seed)


def solve_aimed(
    aimed: Problem, watch: Watch, *, restarts: int | None = None, seed: int = 0, start: Floats | None = None
) -> Outcome:
    """The outcome of a problem that `aim` made, by descents in the distance to the present cells."""
    evaluator = Evaluator(aimed, watch, residuals=Distance(aimed.start, typical_size(aimed)))
    outcome = solve_nonlinear(
        aimed, watch, restarts=restarts, seed=seed, start=start, evaluator=evaluator, first_only=True
    )
    if outcome.code in (Code.CONVERGED, Code.NO_IMPROVEMENT):
        return replace(outcome, code=Code.SOLVED, detail="")  # the value is reached; that others lie nearer is no flaw
    return outcome


def aim(problem: Problem) -> Problem:
    """The problem with "the objective has its value" as its last row."""
    rows, target = problem.rows, problem.model.target
    aimed = Rows(
        left=np.r_[rows.left, 0],
        right=np.r_[rows.right, -1],
        low=np.r_[rows.low, target],
        high=np.r_[rows.high, target],
        source=np.r_[rows.source, NONE],
        labels=(*rows.labels, f"{problem.objective_name} = {target:g}"),
    )
    return replace(problem, rows=aimed)


class Distance:
    """½Σ((x−x₀)/size)², as residuals."""

    def __init__(self, origin: Floats, size: Floats) -> None:
        self._origin, self._size = origin, size

    def values(self, x: Floats) -> Floats:
        """(x−x₀)/size, (n,)."""
        return (x - self._origin) / self._size

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """Half the squared distance and its gradient (n,)."""
        r = self.values(x)
        return float(r @ r) / 2, r / self._size

    def jacobian(self, x: Floats) -> Floats:  # noqa: ARG002 — the same everywhere
        """Diagonal, (n, n)."""
        return np.diag(1.0 / self._size)


def _root(problem: Problem, watch: Watch) -> Outcome | None:
    """The nearest change of sign of f(x) − target around the present value; None where none was found."""
    evaluations = 0
    target, lower, upper = problem.model.target, float(problem.lower[0]), float(problem.upper[0])

    def miss(x: float) -> float:
        nonlocal evaluations
        evaluations += 1
        watch.check(evaluations)
        return float(problem.program.values(np.array([x]))[0]) - target

    bracket = _bracket(miss, float(problem.start[0]), lower, upper, float(typical_size(problem)[0]) / 10)
    if bracket is None:
        return None
    x = bracket[0] if bracket[0] == bracket[1] else float(brentq(miss, *bracket, xtol=1e-15, rtol=1e-15))
    value = miss(x) + target
    if abs(value - target) > problem.model.options.precision * max(1.0, abs(target)):
        return None  # a pole, not a root
    return Outcome(Code.SOLVED, np.array([x]), value, evaluations=evaluations)


def _bracket(
    miss: Callable[[float], float], start: float, lower: float, upper: float, width: float
) -> tuple[float, float] | None:
    """Two neighbouring points between which ``miss`` changes sign, looking further and further to both sides."""
    here = miss(start)
    if here == 0:
        return start, start
    edges = {-1.0: (start, here), 1.0: (start, here)}
    for step in range(_DOUBLINGS):
        for side, (x, at) in list(edges.items()):
            beyond = min(max(start + side * width * 2.0**step, lower), upper)
            value = miss(beyond)
            if np.isfinite(value):
                if value == 0:
                    return beyond, beyond
                if np.isfinite(at) and (value > 0) != (at > 0):
                    return min(x, beyond), max(x, beyond)
                edges[side] = beyond, value
    return None
