"""Integers in a nonlinear model: branch and bound over its relaxations (Land & Doig 1960; Dakin 1965).

Each subproblem is the model without its integer requirements, between tighter bounds. Its optimum bounds what integer
points in there can reach; a variable that came out fractional splits it in two. The search dives along the nearer child
and, when a dive ends, goes on with the subproblem of the best bound.

The relaxations are solved by local methods. Where the model is convex their optima are bounds and the gap is a proof;
elsewhere they are good guesses, and the message says that it is only as good as that.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from xlcollab.excel_solver.model import Sense
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.watch import Watch

__all__ = ["Relaxation", "branch_and_bound", "gap_sentence"]

Relaxation = Callable[[Problem, Floats | None, bool], Outcome]
"""(problem between tighter bounds, point to start from, whether it is the first) → its optimum without integers."""

_WHOLE = 1e-6  # a value this close to a whole number is one: Solver's own precision
_PROVED = 1e-9


@dataclass(frozen=True, eq=False)
class _Node:
    """A subproblem: ``bound`` is what its parent's optimum says of it, ``x`` that optimum."""

    bound: float
    lower: Floats
    upper: Floats
    x: Floats


def branch_and_bound(problem: Problem, relax: Relaxation, watch: Watch) -> Outcome:
    """The best integer point of ``problem`` by Solver's tolerance and limits."""
    root = relax(problem, None, True)
    if root.x is None:
        return root
    tree = _Tree(problem, relax, watch, root)
    code = root.code if root.code.is_limit else None
    with watch.until_stopped():
        tree.begin()
        code = code or tree.search()
    code = watch.stopped or code
    if tree.best is None:
        detail = f"No integer point was found in {tree.nodes} subproblems."
        code = code or (Code.ITERATION_LIMIT if tree.unsettled else Code.INFEASIBLE)
        return Outcome(code, detail=detail, evaluations=tree.evaluations)
    if root.code.is_limit:  # its point bounds nothing
        return Outcome(root.code, tree.best, tree.value, f"{tree.nodes} subproblems.", tree.evaluations)
    bound = min([tree.best_merit, *tree.open_bounds(), *tree.unsettled])
    gap = (tree.best_merit - bound) / max(abs(tree.best_merit), 1e-10)
    if code is None and tree.unsettled and gap > max(problem.model.options.tolerance, _PROVED):
        code = Code.ITERATION_LIMIT
    elif code is None:
        code = Code.SOLVED if gap <= _PROVED else Code.WITHIN_TOLERANCE
    detail = f"{tree.nodes} subproblems."
    if problem.model.sense is not Sense.VALUE:
        detail += f" {gap_sentence(gap, problem.sign * bound)}"
    return Outcome(code, tree.best, tree.value, detail, tree.evaluations)


def gap_sentence(gap: float, bound: float) -> str:
    """How good the answer is, and what that rests on."""
    if gap <= _PROVED:
        return "No better integer point exists if the model is convex."
    return f"If the model is convex no integer point is better than {bound:.10g}, {gap:.2%} away."


class _Tree:
    """The open subproblems and the best integer point so far; merits are to be minimised."""

    def __init__(self, problem: Problem, relax: Relaxation, watch: Watch, root: Outcome) -> None:
        self.problem = problem
        self.nodes = 1
        self.evaluations = root.evaluations
        self.best: Floats | None = None
        self.best_merit = np.inf
        self.value: float | None = None
        self.unsettled: list[float] = []  # bounds of subproblems that a limit left without an optimum
        self._relax = relax
        self._watch = watch
        self._found = 0
        self._ticket = itertools.count()
        self._heap: list[tuple[float, int, _Node]] = []
        self._dive: _Node | None = None
        self._root = root

    def begin(self) -> None:
        """Split the relaxation's optimum, and round it for a first integer point."""
        assert self._root.x is not None
        self._expand(_Node(-np.inf, self.problem.lower, self.problem.upper, self._root.x), self._root)
        self._round(self._root.x)

    def open_bounds(self) -> list[float]:
        """The bounds of the subproblems that were not looked at."""
        rest = [node.bound for _, _, node in self._heap]
        return rest + ([self._dive.bound] if self._dive is not None else [])

    def search(self) -> Code | None:
        """Work off subproblems until none can be better by more than the tolerance; returns the limit that was hit."""
        options = self.problem.model.options
        while True:
            if self._found >= options.max_feasible:
                return Code.FEASIBLE_LIMIT
            node = self._next()
            if node is None:
                return None
            if self.nodes >= options.max_subproblems:
                self._push(node)
                return Code.SUBPROBLEM_LIMIT
            self.nodes += 1
            self._watch.check(self.nodes, lambda: self.value)
            between = replace(self.problem, lower=node.lower, upper=node.upper)
            outcome = self._relax(between, np.clip(node.x, node.lower, node.upper), False)
            self.evaluations += outcome.evaluations
            if outcome.code in (Code.STOPPED, Code.TIME_LIMIT):
                self._push(node)
                return outcome.code
            if outcome.x is not None and outcome.value is not None:
                self._expand(node, outcome)
            elif outcome.code.is_limit:
                self.unsettled.append(node.bound)

    def _next(self) -> _Node | None:
        """The child that the dive goes on with, else the open subproblem of the best bound; None when all are done."""
        node, self._dive = self._dive, None
        if node is None and self._heap:
            node = heapq.heappop(self._heap)[2]
            if self._hopeless(node.bound):  # then all the others are, too; they stay as bounds
                self._push(node)
                return None
        if node is not None and self._hopeless(node.bound):
            self._push(node)
            return self._next()
        return node

    def _hopeless(self, bound: float) -> bool:
        tolerance = max(self.problem.model.options.tolerance, _PROVED)
        return bound >= self.best_merit - tolerance * max(abs(self.best_merit), 1e-10)

    def _push(self, node: _Node) -> None:
        heapq.heappush(self._heap, (node.bound, next(self._ticket), node))

    def _expand(self, node: _Node, outcome: Outcome) -> None:
        """Keep an integer optimum, or split at the most fractional variable; a point at a limit bounds nothing."""
        assert outcome.x is not None
        assert outcome.value is not None
        x, limited = outcome.x, outcome.code.is_limit
        merit = node.bound if limited else max(self.problem.merit(outcome.value), node.bound)
        away = np.where(self.problem.integer, np.abs(x - np.round(x)), 0.0)
        if away.max() <= _WHOLE:
            if limited:
                self.unsettled.append(node.bound)
            if not self._keep(np.where(self.problem.integer, np.round(x), x)):
                self._round(x)
            return
        j = int(np.argmax(away))
        below, above = node.upper.copy(), node.lower.copy()
        below[j], above[j] = np.floor(x[j]), np.floor(x[j]) + 1
        children = [_Node(merit, node.lower, below, x), _Node(merit, above, node.upper, x)]
        if x[j] - np.floor(x[j]) > 0.5:
            children.reverse()
        for child in children[::-1]:
            if (child.lower <= child.upper).all():
                if self._dive is not None:
                    self._push(self._dive)
                self._dive = child

    def _keep(self, x: Floats) -> bool:
        """Whether ``x`` meets the rows; it is the new best point if it is better."""
        outputs = self.problem.program.values(x)
        self.evaluations += 1
        if not np.isfinite(outputs[0]) or not self.problem.holds(outputs):
            return False
        self._found += 1
        merit = self.problem.merit(float(outputs[0]))
        if merit < self.best_merit:
            self.best, self.best_merit, self.value = x, merit, float(outputs[0])
        return True

    def _round(self, x: Floats) -> None:
        """A first integer point: the relaxation's optimum with its integers rounded, the others solved anew."""
        whole = np.clip(np.round(x), self.problem.lower, self.problem.upper)
        fixed = np.where(self.problem.integer, whole, x)
        if self._keep(fixed) or self.problem.integer.all():
            return
        lower = np.where(self.problem.integer, whole, self.problem.lower)
        upper = np.where(self.problem.integer, whole, self.problem.upper)
        outcome = self._relax(replace(self.problem, lower=lower, upper=upper), fixed, False)
        self.evaluations += outcome.evaluations
        if outcome.x is not None:
            self._keep(np.where(self.problem.integer, whole, outcome.x))
