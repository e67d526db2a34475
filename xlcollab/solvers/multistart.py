"""Several seeded starts, one after the other, until the least has been reached often enough; and how to say so."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle, islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlcollab.model import Factors
from xlcollab.objective import WILD
from xlcollab.progress import OnProgress, Progress
from xlcollab.solvers.base import Status
from xlcollab.solvers.descents import Descent, Way

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["EXACT", "Effort", "Search"]

EXACT = "Every rating is hit exactly: the factors can hold all there is to explain."

_SPREADS = (0.5, 1.0, 2.0)
"""Noise of the starts: the first has none, the others take these in turn."""
_SAME = 1e-6
"""Two starts ended in the same minimum where their costs differ by less than this fraction."""


class Effort(NamedTuple):
    """How many starts: at least, at most, and how often the least is to be reached."""

    least: int
    most: int
    agreeing: int


class Search:
    """The starts of one fit: ``run`` makes them, and the attributes say what came of it."""

    def __init__(
        self,
        way: Way,
        first: Callable[[np.random.Generator, float], Factors],
        effort: Effort,
        ratings: Ratings,
        seed: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._way, self._first, self._effort = way, first, effort
        self._seed, self._on_progress = seed, on_progress
        self._n_ratings = len(ratings)
        self._nothing = 1e-16 * float(np.sum(ratings.values**2))  # a cost so small that every rating is hit
        self._least = (np.inf, np.inf)  # cost and RMSE of the best point seen
        self.stopped = False
        self.found: list[Descent] = []
        self.history: list[dict[str, float]] = []

    @property
    def best(self) -> Descent:
        """Where the best start led to."""
        return min(self.found, key=lambda descent: descent.cost)

    @property
    def reached(self) -> int:
        """How many starts led there."""
        limit = self.best.cost * (1 + _SAME) + self._nothing
        return sum(descent.cost <= limit for descent in self.found)

    @property
    def iterations(self) -> int:
        """Iterations of all starts together."""
        return sum(descent.iterations for descent in self.found)

    def run(self) -> None:
        """Make the starts. The s-th depends on the seed and s alone, not on how many there are."""
        least, most, agreeing = self._effort
        for start, spread in enumerate([0.0, *islice(cycle(_SPREADS), most - 1)]):
            first = self._first(np.random.default_rng([self._seed, start]), spread)
            self.found.append(self._way.descend(first, self._reporter(start)))
            if self.stopped or self.best.cost <= self._nothing:
                return
            if start + 1 >= least and self.reached >= agreeing:
                return

    def _reporter(self, start: int) -> Callable[[float, float], bool]:
        def report(cost: float, squares: float) -> bool:
            rmse = float(np.sqrt(squares / self._n_ratings))
            self.history.append({"iteration": len(self.history) + 1, "start": start + 1, "rmse": rmse, "cost": cost})
            self._least = min(self._least, (cost, rmse))
            if self._on_progress is not None:
                progress = Progress("fitting", start, self._effort.least, self._least[1])
                self.stopped = self.stopped or bool(self._on_progress(progress))
            return self.stopped

        return report

    def ending(self, beyond: float, *, proof: str) -> tuple[Status, str]:
        """How it ended, and the sentence that says so.

        ``beyond`` is how far the wildest prediction lies beyond the scale, in its widths; ``proof`` says why
        the first start is the global minimum, and is empty where that is not known.
        """
        best, starts = self.best, len(self.found)
        least = f"the least of {starts} starts, reached by {self.reached}" if starts > 1 else "from one start"
        wild = f"Nothing holds some blank cells: they are predicted {beyond:.0f} scale widths off the scale."
        if self.stopped:
            return Status.STOPPED, f"Stopped on request: {least}."
        if best.cost <= self._nothing:
            return Status.CONVERGED, EXACT
        if beyond > WILD and (best.slow or not best.converged):
            return Status.UNBOUNDED, f"No minimum was found: the error keeps falling, {least}. {wild}"
        if not best.converged:
            return Status.LIMIT, f"The iteration limit came before a minimum: {least}."
        wild = f" {wild}" if beyond > WILD else ""
        if proof:
            return Status.CONVERGED, f"Minimum found: {proof}, so it is the least there is.{wild}"
        found = "Converged: further steps gain next to nothing" if best.slow else "Minimum found"
        return Status.CONVERGED, f"{found}: {least}.{wild}"
