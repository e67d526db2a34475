"""Smooth nonlinear models: several descents from seeded starts, the best of them polished.

Excel's GRG Nonlinear walks once from the present cells with gradients by differences. Here every start is a descent
with exact gradients, and unless one start is asked for there are several: a local minimum is not an answer when the
next one costs milliseconds. With "Use Multistart" on, population and seed are the stored ones, as is "Require Bounds".
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np

from xlcollab.excel_solver.constrained import descend_constrained, restore
from xlcollab.excel_solver.descent import Local, descend, polish
from xlcollab.excel_solver.evaluator import BadStart, Diverged, Evaluator
from xlcollab.excel_solver.linear import linear_rows, nearest_point
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.starts import DEFAULT_STARTS, Minima, starts, typical_size
from xlcollab.excel_solver.watch import Watch

__all__ = ["number_of_starts", "solve_nonlinear"]

_WORK = 400_000  # cells to compute at one point × starts: beyond that a model gets fewer starts than the default
_AS_GOOD = 1e-9  # relative: a point that is proved to be stationary is taken before one that is better by less
_MAX_DESCENT = 2000  # iterations of one descent before it is asked whether another start is better


def number_of_starts(problem: Problem, restarts: int | None) -> int:
    """How many descents to run at most: asked for, stored with the model, or the default, fewer for huge models."""
    options = problem.model.options
    if restarts is not None:
        return restarts
    if options.multistart:
        population = int(options.population)
        return population if population >= 10 else min(200, 10 * problem.n)
    return int(np.clip(_WORK // (problem.program.size + problem.n), 1, DEFAULT_STARTS))


def solve_nonlinear(
    problem: Problem,
    watch: Watch,
    *,
    restarts: int | None = None,
    seed: int = 0,
    evaluator: Evaluator | None = None,
    start: Floats | None = None,
    first_only: bool = False,
) -> Outcome:
    """The outcome of a model without integers; ``start`` takes the place of the saved cells.

    ``evaluator`` may bring another merit than the objective; ``first_only`` ends the search with the first descent that
    meets the rows. The outcome's value is the objective cell.
    """
    options = problem.model.options
    if options.multistart and options.require_bounds and restarts is None and not problem.bounded:
        return Outcome(Code.BOUNDS_MISSING, detail="Multistart is on and Require Bounds on Variables too.")
    evaluator = evaluator or Evaluator(problem, watch)
    most = number_of_starts(problem, restarts)
    search = _Search(problem, evaluator, watch, seed or int(options.seed), most, start)
    search.first_only = first_only
    try:
        with watch.until_stopped():
            search.run()
    except Diverged:
        return Outcome(Code.UNBOUNDED, evaluations=evaluator.evaluations)
    code = watch.stopped
    if evaluator.best is None:
        nearest = search.nearest if search.nearest is not None else problem.start
        return Outcome(code or Code.INFEASIBLE, detail=_missed(problem, nearest), evaluations=evaluator.evaluations)
    x = evaluator.best.x if code is not None or search.best is None else search.best.x
    value = float(problem.program.values(x)[0])
    return Outcome(code or search.code(), x, value, search.sentence(), evaluator.evaluations)


class _Search:
    """The descents of one model, and what is known of its minima."""

    def __init__(
        self, problem: Problem, evaluator: Evaluator, watch: Watch, seed: int, most: int, start: Floats | None
    ) -> None:
        self.problem = problem
        self.evaluator = evaluator
        self.minima = Minima()
        self.best: Local | None = None
        self.nearest: Floats | None = None
        self.first_only = False
        self._watch = watch
        found = linear_rows(problem)
        self._linear = None if found is None else replace(found[0], integer=np.zeros(problem.n, bool))
        self._seed = seed
        self._most = most
        self._start = start
        self._scale = typical_size(problem) if problem.model.options.scaling else np.ones(problem.n)
        self._iterations = min(int(problem.model.options.iterations), _MAX_DESCENT)
        self._convergence = problem.model.options.convergence
        self._every_minimum = problem.model.options.multistart  # its stopping rule counts the minima found

    def run(self) -> None:
        """Descend from one start after the other until no better minimum is expected, then polish the best."""
        points = starts(self.problem, self._seed)
        saved = next(points)
        for x in chain([saved if self._start is None else self._start], points):
            self._descend(x)
            enough = self.first_only and self.best is not None
            if enough or self.minima.complete or self.minima.starts >= self._most:
                break
        if self.best is not None:
            self._finish(self.best)

    def _descend(self, x: Floats) -> None:
        local = self._local(x)
        if local is None:
            self.minima.starts += 1
            return
        self.minima.add(local.merit, finished=local.finished)
        if self.best is None or local.merit < self.best.merit or self._as_good_and_proved(local, self.best):
            self.best = local

    def _as_good_and_proved(self, local: Local, best: Local) -> bool:
        as_good = local.merit - best.merit <= _AS_GOOD * max(abs(best.merit), 1e-10)
        return as_good and local.stationary and not best.stationary

    def _local(self, x: Floats) -> Local | None:
        """The local minimum near ``x``; None where formulas fail there, or no point that meets the rows was found."""
        try:
            if len(self.problem.rows) == 0:
                to_beat = np.inf if self.best is None or self._every_minimum else self.best.merit
                return descend(self.evaluator, x, self._scale, self._iterations, self._convergence, to_beat)
            if self._linear is not None:
                x = nearest_point(self._linear, x, self._watch)
            found = descend_constrained(self.evaluator, x, self._scale, self._iterations, self._convergence)
        except BadStart:
            return None
        if found is None and self.nearest is None:
            self.nearest = restore(self.evaluator, x, self._scale)
        return found

    def _finish(self, local: Local) -> None:
        """The best descent to its end: on from the limit that every start was given, then Newton steps."""
        if len(self.problem.rows):
            return
        allowed = int(self.problem.model.options.iterations)
        if local.limited and allowed > self._iterations:
            local = descend(self.evaluator, local.x, self._scale, min(allowed, 20 * _MAX_DESCENT), self._convergence)
        if allowed > self._iterations or not local.limited:
            local = polish(self.evaluator, local)
        self.best = local

    def code(self) -> Code:
        """How it ended, when nothing cut it short."""
        best = self.best
        if best is None or best.limited:
            return Code.ITERATION_LIMIT
        if self.problem.model.options.multistart and self.minima.complete:
            return Code.GLOBAL_IN_PROBABILITY
        if best.stationary:
            return Code.SOLVED
        return Code.NO_IMPROVEMENT if best.failed else Code.CONVERGED

    def sentence(self) -> str:
        """What the descents say about the answer."""
        found, ran, unfinished = len(self.minima.found), self.minima.starts, self.minima.unfinished
        others = [_counted(found, "local optimum", "local optima")] if found else []
        others += [_counted(unfinished, "unfinished descent", "unfinished descents")] if unfinished else []
        parts = []
        if found + unfinished > 1:
            parts.append(f"It is the best of {' and '.join(others)} from {ran} starts.")
        elif ran > 1 and found:
            parts.append(f"All {ran} starts ended in it.")
        if self.best is not None and self.best.crawling:
            parts.append(
                "The objective still falls, ever more slowly; if it has no minimum, bounds or a penalty give it one."
            )
        if not self.problem.program.smooth:
            parts.append("The formulas have kinks or jumps, so that a better point may exist.")
        return " ".join(parts)


def _counted(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def _missed(problem: Problem, x: Floats) -> str:
    """Which rows are missed at ``x``, worst first."""
    excess = problem.excess(problem.program.values(x))
    worst = [row for row in np.argsort(-excess)[:6] if excess[row] > 0]
    names = ", ".join(f"{problem.rows.labels[row]} (by {excess[row]:.4g})" for row in worst)
    return f"The nearest point found misses {names}." if names else ""
