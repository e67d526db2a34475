"""Where descents start: the saved cells first, then seeded random points of the same size.

The number of starts follows the Bayesian stopping rule for multistart (Boender & Rinnooy Kan 1987, Mathematical
Programming 37:59): having seen w different minima in k starts, the expected number of minima is w(k−1)/(k−w−2); when
that is less than w + ½, further starts are not expected to find another one. If every start ends in the same minimum
that takes seven of them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xlcollab.excel_solver.problem import Floats, Problem

__all__ = ["DEFAULT_STARTS", "Minima", "starts", "typical_size"]

DEFAULT_STARTS = 10
"""When the model does not ask for multistart. One descent of the lesson's models misses the least minimum from 1 in
10 random starts; ten miss it in less than one of a million."""

_SAME = 1e-6  # merits that differ by less, relatively, belong to one minimum
_ALIKE = 1e3  # changing cells of one area within this ratio are taken to be of one kind


def typical_size(problem: Problem) -> Floats:
    """How large each variable typically is, (n,): the root mean square of its area, or its own size in a mixed one."""
    size = np.abs(problem.start)
    typical = np.ones_like(size)
    for area in np.unique(problem.area):
        members = problem.area == area
        found = size[members & (size > 0)]
        if found.size == 0:
            continue
        alike = found.max() <= _ALIKE * found.min()
        rms = float(np.sqrt(np.mean(found**2)))
        typical[members] = rms if alike else np.where(size[members] > 0, size[members], rms)
    return typical


def starts(problem: Problem, seed: int, *, saved: bool = True) -> Iterator[Floats]:
    """Start points without end, each inside its bounds; the first is the saved one unless ``saved`` is off.

    A variable with two bounds is drawn uniformly between them, within ±10 times its typical size. Others are drawn in
    turn around the mean of their area with its spread, and around the saved value with the typical size.
    """
    rng = np.random.default_rng(seed)
    if saved:
        yield problem.start
    typical = typical_size(problem)
    centre, spread = problem.start.copy(), typical.copy()
    for area in np.unique(problem.area):
        members = problem.area == area
        centre[members] = problem.start[members].mean()
        sd = float(problem.start[members].std())
        spread[members] = sd if sd > 0 else typical[members]
    lower, upper = problem.lower, problem.upper
    boxed = np.isfinite(lower) & np.isfinite(upper)
    low = np.where(boxed, np.maximum(lower, problem.start - 10 * typical), 0.0)
    high = np.where(boxed, np.minimum(upper, problem.start + 10 * typical), 0.0)
    while True:
        for middle, width in ((centre, spread), (problem.start, typical)):
            x = middle + width * rng.standard_normal(problem.n)
            x = np.where(x < lower, 2 * lower - x, x)  # reflected: clipping would start half of them on the bound
            x = np.where(boxed, rng.uniform(low, high), x)
            yield np.clip(x, lower, upper)


class Minima:
    """The different minima that descents ended in, and whether more of them are to be expected.

    ``unfinished`` counts the descents that were cut off before a minimum; each is taken to lead to one of its own.
    """

    def __init__(self) -> None:
        self.found: list[float] = []
        self.starts = 0
        self.unfinished = 0

    def add(self, merit: float, *, finished: bool = True) -> None:
        """A descent that ended with ``merit``."""
        self.starts += 1
        if not finished:
            self.unfinished += 1
        elif not any(abs(merit - known) <= _SAME * max(abs(merit), abs(known), 1e-12) for known in self.found):
            self.found.append(merit)

    @property
    def complete(self) -> bool:
        """Whether the stopping rule of the module's docstring is met."""
        w, k = len(self.found) + self.unfinished, self.starts
        return k > w + 2 and w * (k - 1) / (k - w - 2) <= w + 0.5
