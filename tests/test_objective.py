from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.model import Factors, Model, predict_pairs
from xlcollab.objective import Objective, overshoot, rmse
from xlcollab.ratings import Ratings

models = st.builds(Model, st.integers(1, 3), st.booleans(), st.sampled_from([None, (-0.5, 6.0)])) | st.just(
    Model(0, True)
)
penalties = st.sampled_from([(0.0, 0.0), (0.7, 0.7), (2.0, 0.0), (0.5, 3.0)])
seeds = st.integers(0, 2**31)


def some_ratings(m, n, fill, seed):
    g = np.random.default_rng(seed)
    cells = g.permutation(m * n)[: max(2, int(fill * m * n))]
    users, items = np.divmod(cells, n)
    return Ratings(tuple(range(m)), tuple(range(n)), users, items, g.integers(2, 11, len(cells)) / 2)


def slopes(function, x, step=1e-5):
    """Central differences, whose error is of the order of step²."""
    return np.array([(function(x + step * e) - function(x - step * e)) / (2 * step) for e in np.eye(len(x))])


@given(st.integers(1, 5), st.integers(1, 5), models, penalties, seeds)
def test_gradient_is_that_of_central_differences(m, n, model, penalty, seed):
    objective = Objective(some_ratings(m, n, 0.6, seed), model, *penalty)
    x = np.random.default_rng(seed).normal(size=objective.size)
    value, gradient = objective.value_and_gradient(x)
    assert value == pytest.approx(objective.cost(x), rel=1e-13)
    np.testing.assert_allclose(gradient, slopes(objective.cost, x), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", [Model(3), Model(3, True), Model(3, True, (-0.5, 6))])
def test_gradient_of_a_sparse_table_is_that_of_central_differences(model):
    objective = Objective(some_ratings(400, 300, 0.01, 1), model, 0.3, 0.2)
    g = np.random.default_rng(1)
    x, towards = g.normal(size=objective.size), g.normal(size=objective.size)
    slope = (objective.cost(x + 1e-5 * towards) - objective.cost(x - 1e-5 * towards)) / 2e-5
    assert objective.value_and_gradient(x)[1] @ towards == pytest.approx(slope, rel=1e-8)


def test_cost_is_half_the_squares_plus_the_penalties():
    ratings, model = some_ratings(4, 3, 0.7, 2), Model(2, biased=True)
    objective = Objective(ratings, model, 0.5, 0.25)
    x = np.random.default_rng(2).normal(size=objective.size)
    f = objective.unpack(x)
    error = predict_pairs(model, f, ratings.user_idx, ratings.item_idx) - ratings.values
    np.testing.assert_allclose(objective.residuals(x), error)
    expected = (error**2).sum() + 0.5 * ((f.user_factors**2).sum() + (f.item_factors**2).sum())
    expected += 0.25 * ((f.user_bias**2).sum() + (f.item_bias**2).sum())
    assert objective.cost(x) == pytest.approx(expected / 2)


def test_the_mean_is_free_only_where_biases_are_penalised():
    ratings = some_ratings(4, 3, 0.7, 2)
    assert [Objective(ratings, Model(2, biased), penalty).size for biased in (False, True) for penalty in (0.0, 1.0)] == [  # noqa: E501
        14, 14, 21, 22,
    ]  # fmt: skip


@given(st.integers(1, 5), st.integers(1, 5), models, penalties, seeds)
def test_factors_survive_the_vector(m, n, model, penalty, seed):
    objective = Objective(some_ratings(m, n, 0.6, seed), model, *penalty)
    x = np.random.default_rng(seed).normal(size=objective.size)
    np.testing.assert_array_equal(objective.pack(objective.unpack(x)), x)


def test_a_mean_that_is_not_free_is_folded_into_the_item_biases():
    objective = Objective(some_ratings(3, 2, 1, 0), Model(1, biased=True))
    f = objective.unpack(objective.pack(Factors(np.ones((3, 1)), np.ones((2, 1)), np.zeros(3), np.zeros(2), 3.5)))
    np.testing.assert_array_equal(f.item_bias, [3.5, 3.5])
    assert f.mean == 0


def test_errors_are_those_of_the_definitions():
    ratings = Ratings(("a", "b"), (1, 2), [0, 1, 1], [0, 0, 1], [3, 4, 5])
    f = Factors(np.array([[2.0], [4.0]]), np.array([[1.0], [2.0]]), np.zeros(2), np.zeros(2))
    assert rmse(Model(1), f, ratings) == pytest.approx(np.sqrt((1 + 0 + 9) / 3))


def test_errors_over_no_ratings_are_nan():
    none = Ratings(("a",), (1,), [], [], [])
    f = Factors(np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), np.zeros(1))
    assert np.isnan(rmse(Model(1), f, none))


def test_overshoot_counts_widths_of_the_scale():
    ratings = Ratings(("a", "b"), (1, 2), [0, 1], [0, 1], [1, 5])
    f = Factors(np.array([[1.0], [3.0]]), np.array([[1.0], [5.0]]), np.zeros(2), np.zeros(2))
    assert overshoot(Model(1), f, ratings) == pytest.approx((15 - 5) / 4)
    assert overshoot(Model(1), replace(f, user_factors=-f.user_factors), ratings) == pytest.approx((1 - -15) / 4)
    assert overshoot(Model(1, y_range=(1, 5)), f, ratings) == 0
