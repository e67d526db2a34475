"""Searches for integers in slices of time: which point is kept, and how long the slices are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import OptimizeResult
from scipy.sparse import csr_array

from xlcollab.excel_solver import linear
from xlcollab.excel_solver.linear import LinearForm, minimise
from xlcollab.excel_solver.model import SolverOptions
from xlcollab.excel_solver.outcome import Code
from xlcollab.excel_solver.watch import Stopped, Watch

CUT_OFF = "Time limit reached. (HiGHS Status 13)"
FORM = LinearForm(
    c=np.ones(1),
    A=csr_array((0, 1)),
    low=np.zeros(0),
    high=np.zeros(0),
    lower=np.zeros(1),
    upper=np.ones(1),
    integer=np.ones(1, bool),
)


class Clock(Watch):
    """A watch whose time passes only while HiGHS' stand-in runs."""

    def __init__(self, limit: float | None, stops_after: int = 100) -> None:
        super().__init__(SolverOptions())
        self.limit = limit
        self.slices: list[float] = []
        self._stops_after = stops_after

    def seconds_left(self) -> float | None:
        return None if self.limit is None else self.limit - sum(self.slices)

    def wait_for(self, work: Any) -> Any:
        if len(self.slices) == self._stops_after:
            raise Stopped(Code.STOPPED)
        return work()


@pytest.fixture
def search(monkeypatch):
    """`search(clock, *ends)`: minimise with slices that end so: with an objective, None for no point, or 'proof'."""

    def run(clock: Clock, *ends: float | str | None) -> Any:
        def milp(*_: object, options: dict[str, float], **__: object) -> OptimizeResult:
            clock.slices.append(options["time_limit"])
            end = ends[min(len(clock.slices), len(ends)) - 1]
            if end == "proof":
                return OptimizeResult(status=0, x=np.zeros(1), fun=0.0, message="Optimization terminated successfully.")
            return OptimizeResult(status=1, x=None if end is None else np.ones(1), fun=end, message=CUT_OFF)

        monkeypatch.setattr(linear, "milp", milp)
        return minimise(FORM, clock)

    return run


def test_slices_grow_until_one_ends_with_a_proof(search) -> None:
    clock = Clock(None)
    assert search(clock, 5.0, 4.0, "proof").fun == 0.0
    assert len(clock.slices) == 3
    assert clock.slices[0] < clock.slices[1] < clock.slices[2]


def test_a_later_slice_with_a_worse_point_or_none_does_not_replace_a_better_one(search) -> None:
    assert search(Clock(None, stops_after=3), 5.0, 7.0, None).fun == 5.0
    assert search(Clock(None, stops_after=3), None, 7.0, 6.0).fun == 6.0


def test_a_stop_before_any_point_is_handed_on(search) -> None:
    with pytest.raises(Stopped):
        search(Clock(None, stops_after=2), None)


@pytest.mark.parametrize("slices", [0.5, 1.5, 4.0, 30.0])
def test_slices_fill_the_time_limit_and_the_last_one_is_not_the_shortest(search, slices: float) -> None:
    clock = Clock(slices * linear._SLICE)
    assert search(clock, 5.0).fun == 5.0
    assert sum(clock.slices) == pytest.approx(clock.limit)
    assert clock.slices[-1] == max(clock.slices)
