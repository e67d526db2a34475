import pytest

from xlcollab.solvers.torch_schedule import Constant, Exponential, OneCycle


def test_one_cycle_starts_low_peaks_after_a_quarter_and_ends_at_almost_nothing():
    cycle = OneCycle(0.005)
    assert cycle.at(0, 400) == pytest.approx((0.005 / 25, 0.95))
    assert cycle.at(100, 400) == pytest.approx((0.005, 0.85))
    assert cycle.at(400, 400) == pytest.approx((0.005 / 1e5, 0.95))


def test_one_cycle_is_half_way_in_the_middle_of_each_phase():
    cycle = OneCycle(1.0, div=2.0, div_final=4.0, warm_up=0.5, momentum=(0.9, 0.7, 0.8))
    assert cycle.at(25, 100) == pytest.approx((0.75, 0.8))
    assert cycle.at(75, 100) == pytest.approx((0.625, 0.75))


def test_one_cycle_rises_then_falls():
    rates = [OneCycle(0.01).at(step, 200)[0] for step in range(200)]
    assert rates[:51] == sorted(rates[:51])
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_a_constant_schedule_stays():
    assert {Constant(0.1, 0.8).at(step, 10) for step in range(10)} == {(0.1, 0.8)}


def test_an_exponential_ramp_grows_by_the_same_factor_whatever_the_length_of_the_run():
    ramp = Exponential(1e-4, 1.0, over=4)
    assert [ramp.at(step, 1000)[0] for step in range(5)] == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
