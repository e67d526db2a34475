import numpy as np
import pytest

from xlcollab.errors import DamagedFileError, FitError, OptionError
from xlcollab.model import Model
from xlcollab.solvers.torch_network import Network, TrainedNetwork
from xlcollab.solvers.torch_sgd import TorchSolver

MODEL = Model(5, y_range=(0.5, 5.5))
NETWORK = Network(layers=(8, 4), dropout=0.1, embedding_dropout=0.05)
SOLVER = TorchSolver(epochs=30, lr=0.02, weight_decay=0.1, network=NETWORK)


@pytest.fixture(scope="module")
def solution(lesson_ratings):
    return SOLVER.solve(lesson_ratings, MODEL, seed=3)


def test_a_network_learns_more_than_the_mean(lesson_ratings, solution):
    predicted = solution.predictor.predict_pairs(lesson_ratings.user_idx, lesson_ratings.item_idx)
    assert np.sqrt(np.mean((predicted - lesson_ratings.values) ** 2)) < 0.95 * lesson_ratings.values.std()


def test_its_predictions_stay_within_the_range(solution):
    everything = np.divmod(np.arange(225), 15)
    predicted = solution.predictor.predict_pairs(*everything)
    assert predicted.shape == (225,)
    assert predicted.min() > 0.5
    assert predicted.max() < 5.5


def test_the_same_seed_gives_the_same_network(lesson_ratings, solution):
    again = SOLVER.solve(lesson_ratings, MODEL, seed=3)
    for name, array in again.predictor.arrays().items():
        np.testing.assert_array_equal(array, solution.predictor.arrays()[name])


def test_asking_for_its_factors_is_an_error_by_name(solution):
    with pytest.raises(FitError, match=r"network, layers 8-4, range 0\.5 to 5\.5: it has no factors, and no mirror"):
        _ = solution.factors.user_factors
    assert repr(solution.factors) == "NoFactors('network, layers 8-4, range 0.5 to 5.5')"


def test_a_network_comes_back_from_its_arrays(solution):
    arrays = dict(solution.predictor.arrays())
    again = TrainedNetwork.restore(NETWORK, MODEL, 15, 15, arrays)
    pairs = np.arange(15), np.arange(15)
    np.testing.assert_array_equal(again.predict_pairs(*pairs), solution.predictor.predict_pairs(*pairs))


def test_arrays_of_another_network_are_refused(solution):
    with pytest.raises(DamagedFileError, match="do not fit a network, layers 8"):
        TrainedNetwork.restore(Network(layers=(8,)), MODEL, 15, 15, solution.predictor.arrays())


def test_without_layers_named_there_is_one_as_wide_as_the_factors():
    assert Network().describe(Model(50)) == "network, layers 50"


@pytest.mark.parametrize(
    "options",
    [
        {"layers": (0,)},
        {"layers": (5, -1)},
        {"user_size": 0},
        {"layers": (5, 5), "dropout": (0.1,)},
        {"dropout": (0.1,)},
    ],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(OptionError):
        Network(**options)


@pytest.mark.parametrize(
    "option",
    [
        {"layers": (7,)}, {"dropout": 0.3}, {"embedding_dropout": 0.3}, {"batch_norm": False}, {"user_size": 3},
        {"item_size": 3},
    ],
)  # fmt: skip
def test_every_setting_moves_the_result(lesson_ratings, option):
    plain, other = (
        TorchSolver(epochs=2, network=network).solve(lesson_ratings, MODEL).history[-1]["train_loss"]
        for network in (Network(layers=(8,)), Network(**{"layers": (8,)} | option))
    )
    assert plain != other


def test_batch_norm_of_a_single_rating_is_an_error_by_name(lesson_ratings):
    with pytest.raises(FitError, match="batch_norm=False"):
        TorchSolver(network=Network()).solve(lesson_ratings.select(np.arange(206) == 0), MODEL)
