"""Many integers, linear constraints, a nonlinear objective: outer approximation by integer programs.

The objective f is replaced by planes: each evaluated point x_k adds f(x_k) + ∇f(x_k)·(x − x_k) ≤ η, HiGHS minimises η
over the integer points, and its answer is the next point (Duran & Grossmann 1986; Fletcher & Leyffer 1994). Where f is
convex the planes lie below it: η is a bound, and the method ends with a proof. A plane that lies above a point which
was evaluated before shows that f is not convex; then the planes are given up, and the linear program is followed
downhill from several points, within a shrinking number of changed cells when the whole step does not pay.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array, hstack, vstack

from xlcollab.excel_solver.branch_and_bound import gap_sentence
from xlcollab.excel_solver.linear import LinearForm, linear_rows, minimise
from xlcollab.excel_solver.nonlinear import solve_nonlinear
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.watch import Watch

__all__ = ["solve_outer"]

_PLANES = 200  # at most; each is one integer program
_NODES = 2000  # subproblems of one integer program: its bound counts even where it is cut off
_DESCENTS = 8  # from different points, where the objective is not convex
_STEPS = 60  # integer programs of one such descent
_PROBES = 8  # random points that are looked at before planes are trusted
_AROUND = 10.0  # how far from the relaxation they lie, where bounds do not say
_PROVED = 1e-9


@dataclass(frozen=True, eq=False)
class _Plane:
    """A point (n,), the merit there, and its gradient (n,)."""

    x: Floats
    merit: float
    gradient: Floats

    def at(self, x: Floats) -> float:
        return self.merit + float(self.gradient @ (x - self.x))


def solve_outer(problem: Problem, watch: Watch, *, seed: int = 0) -> Outcome:
    """The outcome of a model with integers, affine rows and a nonlinear objective."""
    search = _Search(problem, watch, seed)
    with watch.until_stopped():
        search.run()
    code = watch.stopped
    if search.best is None:
        return Outcome(code or Code.INFEASIBLE, evaluations=search.evaluations)
    best, bound = search.best, search.bound
    gap = (best.merit - bound) / max(abs(best.merit), 1e-10)
    if code is None:
        code = Code.SOLVED if gap <= _PROVED else Code.WITHIN_TOLERANCE
        if gap > max(problem.model.options.tolerance, _PROVED):
            code = Code.CONVERGED
    detail = f"{search.programs} integer programs. "
    if np.isfinite(bound):
        detail += gap_sentence(max(gap, 0.0), problem.sign * bound)
    else:
        detail += "The objective is not convex, so that nothing is known of how good the best integer point is."
    return Outcome(code, best.x, problem.sign * best.merit, detail, search.evaluations)


class _Search:
    def __init__(self, problem: Problem, watch: Watch, seed: int) -> None:
        self.problem = problem
        self.best: _Plane | None = None
        self.bound = -np.inf
        self.programs = 0
        self.evaluations = 0
        self._watch = watch
        self._rng = np.random.default_rng(seed)
        found = linear_rows(problem)
        self._form = found[0] if found is not None else _without_rows(problem)
        self._first = np.zeros(len(problem.program.linear))
        self._first[0] = problem.sign
        self._planes: list[_Plane] = []

    def run(self) -> None:
        """Planes while they can be trusted, descents after that."""
        relaxed = self._relaxation()
        if not self._curves_down(relaxed) and self._approximate(relaxed):
            return
        self.bound = -np.inf
        self._descend(relaxed)

    def _relaxation(self) -> _Plane | None:
        """The optimum without integers: a first plane, and a first bound if the model is convex."""
        continuous = replace(self.problem, integer=np.zeros(self.problem.n, bool))
        outcome = solve_nonlinear(continuous, self._watch, restarts=1)
        self.evaluations += outcome.evaluations
        if outcome.x is None or outcome.value is None:
            return None
        if outcome.code is Code.SOLVED:
            self.bound = self.problem.sign * outcome.value
        return self._plane(outcome.x)

    def _curves_down(self, relaxed: _Plane | None) -> bool:
        """Whether random points between the bounds show at once that the objective is not convex."""
        if relaxed is None:
            return False
        low = np.maximum(self.problem.lower, relaxed.x - _AROUND)
        high = np.minimum(self.problem.upper, relaxed.x + _AROUND)
        for _ in range(_PROBES):
            probe = self._plane(self._rng.uniform(low, high))
            if np.isfinite(probe.merit) and self._bends(probe, (relaxed, *self._planes)):
                return True
            self._planes.append(probe)
        self._planes.clear()
        return False

    def _plane(self, x: Floats) -> _Plane:
        self.evaluations += 1
        merit, gradient = self.problem.program.value_and_gradient(x, self._first)
        return _Plane(x, merit, np.nan_to_num(gradient))

    def _whole(self, x: Floats) -> _Plane | None:
        """An integer point from the answer of an integer program, its other variables chosen anew; kept if best."""
        integer = self.problem.integer
        x = np.where(integer, np.round(x), x)
        if not integer.all():
            lower = np.where(integer, x, self.problem.lower)
            upper = np.where(integer, x, self.problem.upper)
            fixed = replace(self.problem, lower=lower, upper=upper, integer=np.zeros_like(integer))
            outcome = solve_nonlinear(fixed, self._watch, restarts=1, start=x)
            self.evaluations += outcome.evaluations
            x = x if outcome.x is None else np.where(integer, x, outcome.x)
        if not self.problem.holds(self.problem.program.values(x)):
            return None
        plane = self._plane(x)
        if np.isfinite(plane.merit) and (self.best is None or plane.merit < self.best.merit):
            self.best = plane
        return plane

    def _approximate(self, relaxed: _Plane | None) -> bool:
        """Outer approximation; False where the objective turns out not to be convex, or planes do not settle it."""
        if relaxed is not None:
            self._planes.append(relaxed)
        tolerance = max(self.problem.model.options.tolerance, _PROVED)
        for _ in range(_PLANES):
            x, bound = self._lowest()
            self.bound = max(self.bound, bound)
            plane = None if x is None else self._whole(x)
            if plane is None or self.best is None:
                return False
            if self.best.merit - self.bound <= tolerance * max(abs(self.best.merit), 1e-10):
                self.bound = min(self.bound, self.best.merit)
                return True
            if self._bends(plane, self._planes):
                return False
            self._planes.append(plane)
        return True

    def _bends(self, plane: _Plane, others: Iterable[_Plane]) -> bool:
        """Whether a plane lies above a point that was evaluated."""
        for other in others:
            slack = 1e-6 * max(1.0, abs(plane.merit), abs(other.merit))
            if plane.at(other.x) > other.merit + slack or other.at(plane.x) > plane.merit + slack:
                return True
        return False

    def _lowest(self) -> tuple[Floats | None, float]:
        """The integer point where the highest plane is lowest, and how low that is at least."""
        form, n = self._form, self.problem.n
        planes = csr_array(np.array([p.gradient for p in self._planes]).reshape(-1, n))
        heights = np.array([p.gradient @ p.x - p.merit for p in self._planes])
        k = len(heights)
        below = csr_array(np.full((k, 1), -1.0))
        lowest = self.bound if np.isfinite(self.bound) else -1e20
        master = LinearForm(
            c=np.r_[np.zeros(n), 1.0],
            A=csr_array(vstack([hstack([form.A, csr_array((form.A.shape[0], 1))]), hstack([planes, below])])),
            low=np.r_[form.low, np.full(k, -np.inf)],
            high=np.r_[form.high, heights],
            lower=np.r_[form.lower, lowest],
            upper=np.r_[form.upper, np.inf],
            integer=np.r_[form.integer, False],
        )
        self.programs += 1
        self._watch.check(self.programs)
        result = minimise(master, self._watch, nodes=_NODES)
        if result.x is None:
            return None, -np.inf
        bound = result.get("mip_dual_bound")
        return result.x[:n], float(result.fun if bound is None else bound)

    def _descend(self, relaxed: _Plane | None) -> None:
        """Follow linear programs downhill from the best point, from the relaxation and from random corners."""
        directions = [] if relaxed is None else [relaxed.gradient]
        while len(directions) < _DESCENTS:
            directions.append(self._rng.standard_normal(self.problem.n))
        if self.best is not None:
            self._follow(self.best)
        for direction in directions:
            x = self._step(direction)
            plane = None if x is None else self._whole(x)
            if plane is not None:
                self._follow(plane)

    def _follow(self, plane: _Plane) -> None:
        reach = float(self.problem.n)
        for _ in range(_STEPS):
            x = self._step(plane.gradient, plane.x, reach)
            changed = 0.0 if x is None else float(np.count_nonzero(np.round(x) != np.round(plane.x)))
            if x is None or changed == 0:
                return
            following = self._whole(x)
            if following is not None and following.merit < plane.merit - 1e-12 * abs(plane.merit):
                plane, reach = following, max(reach, 2 * changed)
            else:
                reach = changed // 2
                if reach < 2:
                    return

    def _step(self, gradient: Floats, x: Floats | None = None, reach: float = np.inf) -> Floats | None:
        """The integer point that goes furthest down ``gradient``, no more than ``reach`` binaries away from ``x``."""
        form = replace(self._form, c=gradient)
        binary = form.integer & (form.lower >= 0) & (form.upper <= 1)
        if x is not None and reach < self.problem.n and binary.any():
            away = np.where(binary, np.where(x > 0.5, -1.0, 1.0), 0.0)
            ones = float((binary & (x > 0.5)).sum())
            form = replace(
                form,
                A=csr_array(vstack([form.A, csr_array(away[None])])),
                low=np.r_[form.low, -np.inf],
                high=np.r_[form.high, reach - ones],
            )
        self.programs += 1
        self._watch.check(self.programs)
        result = minimise(form, self._watch, nodes=_NODES)
        return None if result.x is None else np.asarray(result.x)


def _without_rows(problem: Problem) -> LinearForm:
    nothing = np.zeros(0)
    A = csr_array((0, problem.n))
    return LinearForm(np.zeros(problem.n), A, nothing, nothing, problem.lower, problem.upper, problem.integer)
