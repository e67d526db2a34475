import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.model import Factors, Model, predict_pairs
from xlcollab.solvers.peel import average, peel, put_back


def pairs(m, n, count, seed):
    g = np.random.default_rng(seed)
    users, items = np.divmod(g.permutation(m * n)[:count], n)
    return users.astype(np.int32), items.astype(np.int32), g.integers(2, 11, count) / 2


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 4), st.integers(0, 2**31))
def test_what_remains_is_the_largest_part_with_enough_ratings_each(m, n, fill, width, seed):
    users, items, _ = pairs(m, n, int(fill * m * n), seed)
    left = peel(users, items, (m, n), width)
    keep = left.ratings
    np.testing.assert_array_equal(keep, left.users[users] & left.items[items])
    assert (np.bincount(users[keep], minlength=m)[left.users] > width).all()
    assert (np.bincount(items[keep], minlength=n)[left.items] > width).all()
    # One at a time, in whatever order, leaves the same.
    kept_users, kept_items = set(range(m)), set(range(n))
    while True:
        inside = [(u, i) for u, i in zip(users, items, strict=True) if u in kept_users and i in kept_items]
        poor = [u for u in kept_users if sum(u == a for a, _ in inside) <= width]
        poor_items = [i for i in kept_items if sum(i == b for _, b in inside) <= width]
        if poor:
            kept_users.remove(poor[0])
        elif poor_items:
            kept_items.remove(poor_items[0])
        else:
            break
    assert kept_users == set(np.flatnonzero(left.users))
    assert kept_items == set(np.flatnonzero(left.items))


def test_everybody_stays_where_all_have_enough():
    users, items, _ = pairs(6, 5, 30, 0)
    assert peel(users, items, (6, 5), 4).ratings.all()


def some_factors(m, n, k, biased, seed=0):
    g = np.random.default_rng(seed)
    return Factors(g.normal(size=(m, k)), g.normal(size=(n, k)), g.normal(size=m) * biased, g.normal(size=n) * biased)


@pytest.mark.parametrize("biased", [False, True])
def test_who_comes_back_is_fitted_exactly(biased):
    users, items, values = pairs(30, 20, 200, 1)
    model = Model(4, biased)
    left = peel(users, items, (30, 20), 4 + biased)
    assert 0 < left.ratings.sum() < 200
    core = some_factors(int(left.users.sum()), int(left.items.sum()), 4, biased)
    whole = put_back(model, average(core, left), left, users, items, values)
    error = predict_pairs(model, whole, users, items) - values
    assert np.abs(error[~left.ratings]).max() < 1e-6
    np.testing.assert_array_equal(whole.user_factors[left.users], core.user_factors)
    np.testing.assert_array_equal(whole.item_bias[left.items], core.item_bias)


@pytest.mark.parametrize("biased", [False, True])
def test_who_has_no_rating_becomes_the_average(biased):
    users, items, values = pairs(8, 7, 56, 2)
    known = (users != 3) & (items != 5)
    users, items, values = users[known], items[known], values[known]
    left = peel(users, items, (8, 7), 3)
    core = some_factors(7, 6, 3, biased)
    whole = put_back(Model(3, biased), average(core, left), left, users, items, values)
    np.testing.assert_allclose(whole.user_factors[3], core.user_factors.mean(axis=0))
    np.testing.assert_allclose(whole.item_factors[5], core.item_factors.mean(axis=0))
    assert whole.user_bias[3] == pytest.approx(core.user_bias.mean())


def test_the_exact_fit_is_the_nearest_one():
    model, core = Model(3), some_factors(6, 5, 3, False)
    users = np.array([0] * 2, np.int32)
    items, values = np.array([1, 4], np.int32), np.array([3.0, 4.5])
    left = peel(users, items, (6, 5), 3)._replace(items=np.ones(5, bool))
    whole = put_back(model, core, left._replace(rounds=left.rounds[:1]), users, items, values)
    A, before = core.item_factors[items], core.user_factors[0]
    nearest = before + np.linalg.pinv(A) @ (values - A @ before)
    np.testing.assert_allclose(whole.user_factors[0], nearest, atol=1e-7)
