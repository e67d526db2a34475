import numpy as np
import pytest

from xlcollab.model import Model, predict_all
from xlcollab.solvers.starts import first_factors


def triplets(m, n, fill, seed=0):
    g = np.random.default_rng(seed)
    users, items = (index.astype(np.int32) for index in np.nonzero(g.random((m, n)) < fill))
    return users, items, g.integers(2, 11, len(users)) / 2


def start(model, given, shape, spread, seed=0):
    return first_factors(model, *given, shape, np.random.default_rng(seed), spread)


@pytest.mark.parametrize("biased", [False, True])
def test_of_a_full_table_is_its_truncated_svd(biased):
    users, items, values = triplets(8, 6, 2.0)
    table = values.reshape(8, 6)
    means = table.mean(axis=1, keepdims=True) + table.mean(axis=0) - table.mean() if biased else 0
    left, s, right = np.linalg.svd(table - means)
    expected = means + (left[:, :3] * s[:3]) @ right[:3]
    model = Model(3, biased)
    np.testing.assert_allclose(predict_all(model, start(model, (users, items, values), (8, 6), 0.0)), expected)


def test_without_noise_does_not_depend_on_the_seed():
    given = triplets(8, 6, 0.7)
    one, two = (start(Model(3), given, (8, 6), 0.0, seed).user_factors for seed in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_with_noise_depends_on_the_seed_alone():
    given = triplets(8, 6, 0.7)
    one, same, other = (start(Model(3), given, (8, 6), 1.0, seed).user_factors for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other)


@pytest.mark.parametrize("biased", [False, True])
def test_of_a_large_table_is_nearly_the_svd_of_its_means_and_residuals(biased):
    shape = (900, 700)  # above the size that is filled in full
    given = triplets(*shape, 0.01)
    model = Model(3, biased)
    sparse = start(model, given, shape, 1.0)
    users, items, values = given
    error = predict_all(model, sparse)[users, items] - values
    assert error.std() < values.std()


def test_for_a_range_starts_from_the_unsqueezed_ratings():
    users, items, values = triplets(8, 6, 2.0)
    model = Model(6, y_range=(-0.5, 6))
    np.testing.assert_allclose(
        predict_all(model, start(model, (users, items, values), (8, 6), 0.0))[users, items], values
    )


def test_ratings_at_the_ends_of_a_range_start_inside_it():
    users, items, values = triplets(8, 6, 2.0)
    f = start(Model(3, y_range=(1, 5)), (users, items, values), (8, 6), 0.0)
    assert np.isfinite(f.user_factors).all()


def test_more_factors_than_the_table_holds_are_zero():
    f = start(Model(5), triplets(4, 3, 2.0), (4, 3), 0.0)
    assert f.user_factors.shape == (4, 5)
    assert not f.user_factors[:, 3:].any()
