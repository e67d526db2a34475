import numpy as np
import pytest

from xlcollab.errors import FitError
from xlcollab.model import Model
from xlcollab.solvers.torch_lr_find import RangeTest, read_range_test, valley
from xlcollab.solvers.torch_network import Network
from xlcollab.solvers.torch_sgd import TorchSolver


@pytest.mark.parametrize("solver", [TorchSolver(), TorchSolver(network=Network(layers=(8,)))])
def test_a_rate_between_too_slow_and_too_wild_is_suggested(lesson_ratings, solver):
    found = solver.lr_find(lesson_ratings, Model(5, True, (0.5, 5.5)))
    assert 1e-5 < found.suggestion < 1


def test_the_table_holds_the_ramp(lesson_ratings):
    found = TorchSolver().lr_find(lesson_ratings, first=1e-6, last=1e-2, steps=50)
    assert list(found.table) == ["lr", "loss"]
    assert len(found.table) == 50
    assert found.rates[0] == pytest.approx(1e-6)
    np.testing.assert_allclose(found.rates[1:] / found.rates[:-1], 10 ** (4 / 50))


def test_the_run_ends_when_the_loss_has_grown_fourfold(lesson_ratings):
    found = TorchSolver().lr_find(lesson_ratings, Model(5, True), last=1e4)
    assert len(found.rates) < 100


def test_a_suggested_rate_trains(lesson_ratings):
    rate = TorchSolver().lr_find(lesson_ratings).suggestion
    model = TorchSolver().default_model(lesson_ratings)
    history = TorchSolver(lr=rate, epochs=20).solve(lesson_ratings, model).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_the_valley_is_half_way_down_the_fall():
    assert valley([5.0] * 6 + [4.0, 3.0, 2.0, 1.0, 0.5] + [9.0] * 3) in {7, 8}


def test_a_loss_that_only_grows_is_an_error_by_name():
    test = RangeTest(100)
    test.rates, test.losses = [1e-7] * 12, [float("nan")] * 12
    with pytest.raises(FitError, match="start from a lower one"):
        read_range_test(test)
