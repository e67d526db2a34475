"""Two ways of doing one thing, timed against each other in one run.

Times differ from machine to machine and from minute to minute; ratios of runs that take turns hardly do. The least time
of each side is the one that other programs disturbed least.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

Work = Callable[[], object]


class Ratio(NamedTuple):
    """The seconds of each run of both sides."""

    name: str
    ours: list[float]
    theirs: list[float]

    @property
    def of_least(self) -> float:
        """How many times longer their fastest run took than ours."""
        return min(self.theirs) / min(self.ours)

    @property
    def of_medians(self) -> float:
        return statistics.median(self.theirs) / statistics.median(self.ours)

    def __str__(self) -> str:
        ours, theirs = self.ours, self.theirs
        return (
            f"{self.name}: {self.of_least:.1f} times as fast"
            f" (least {min(ours):.3f} s against {min(theirs):.3f} s;"
            f" median {statistics.median(ours):.3f} s against {statistics.median(theirs):.3f} s)"
        )


def ratio(name: str, ours: Work, theirs: Work, *, repeats: int = 3) -> Ratio:
    """Run both in turns, print one line, and return the figures. What a run returns is thrown away."""
    mine: list[float] = []
    others: list[float] = []
    for _ in range(repeats):
        mine.append(seconds(ours))
        others.append(seconds(theirs))
    result = Ratio(name, mine, others)
    print(result, flush=True)
    return result


def seconds(work: Work) -> float:
    """How long one run takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
