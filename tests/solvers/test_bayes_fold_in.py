from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contracts import planted

from xlcollab.fitting import Fit, fit, load
from xlcollab.ratings import Ratings
from xlcollab.solvers.base import FoldsIn
from xlcollab.solvers.bayes.fold_in import Gaussians, RowPrior, Rows, fold_in
from xlcollab.solvers.bayes.gauge import turns
from xlcollab.solvers.bayes.intervals import moments


@pytest.fixture(scope="module")
def made() -> Fit:
    return fit(planted(150, 60, rank=2, noise=0.4)[0], n_factors=2)


def one_row(ratings: Ratings, user: int) -> tuple[np.ndarray, np.ndarray]:
    at = ratings.user_idx == user
    return ratings.item_idx[at], ratings.values[at]


# The gauge ------------------------------------------------------------------------------------------------------------


def test_turning_keeps_the_distribution_of_every_prediction() -> None:
    g = np.random.default_rng(0)
    halves = [0.3 * g.normal(size=(size, 4, 4)) for size in (9, 7)]
    sides = [Gaussians(g.normal(size=half.shape[:2]), half @ half.swapaxes(1, 2)) for half in halves]
    factors, of_users, of_items = turns(sides[0].mean, sides[1].mean, mean=3.2, scale=1.7)
    users, items = of_users.of_gaussians(sides[0]), of_items.of_gaussians(sides[1])
    np.testing.assert_allclose(users.mean, np.column_stack([factors.user_factors, factors.user_bias]), atol=1e-12)
    np.testing.assert_allclose(items.mean, np.column_stack([factors.item_factors, factors.item_bias]), atol=1e-12)
    pairs = [idx.ravel().astype(np.int32) for idx in np.indices((9, 7))]
    before, after = moments(*sides, *pairs), moments(users, items, *pairs)
    np.testing.assert_allclose(factors.mean + after[0], 3.2 + 1.7 * before[0], rtol=1e-10)
    np.testing.assert_allclose(after[1], 1.7**2 * before[1], rtol=1e-8)


def test_factors_that_vanished_are_left_out_of_the_turn() -> None:
    g = np.random.default_rng(0)
    users, items = g.normal(size=(9, 4)), g.normal(size=(7, 4))
    users[:, 1] = items[:, 1] = 0.0
    factors, of_users, _ = turns(users, items, mean=0.0, scale=1.0)
    np.testing.assert_allclose(of_users.of_points(users)[:, :3], factors.user_factors, atol=1e-7)
    assert np.isfinite(of_users.matrix).all()


# Folding in -----------------------------------------------------------------------------------------------------------


def test_a_bayesian_solver_can_fold_in(made: Fit) -> None:
    assert isinstance(made.uncertainty, FoldsIn)


def test_a_row_is_the_regression_on_the_other_side() -> None:
    """Noise known and items known exactly: ridge regression in closed form."""
    g = np.random.default_rng(0)
    items = Gaussians(g.normal(size=(20, 3)), np.zeros((20, 3, 3)))
    never = RowPrior(np.zeros(3), np.eye(3), np.zeros((5, 3)), 1.0, 1e12)
    others = Rows(items, g.uniform(0.5, 2, 20), never)
    prior = RowPrior(g.normal(size=3), np.diag([1.0, 2.0, 3.0]), 0.1 * g.normal(size=(20, 3)), 0.7, 1e12)
    own = Rows(Gaussians(np.zeros((5, 3)), np.tile(np.eye(3), (5, 1, 1))), np.ones(5), prior)
    positions, values = np.array([3, 8, 11, 19], np.int32), g.normal(size=4)
    row = fold_in(own, others, 0.25, positions, values)
    z = np.column_stack([items.mean[positions, :2], np.ones(4)])
    weights = np.diag(1 / (0.7 * others.noise[positions]))
    covariance = np.linalg.inv(np.diag([1, 1 / 2, 1 / 3]) + z.T @ weights @ z)
    start = np.diag([1, 1 / 2, 1 / 3]) @ (prior.centre + prior.filled[positions].sum(axis=0) / 2)
    right = start + z.T @ weights @ (values - 0.25 - items.mean[positions, 2])
    np.testing.assert_allclose(row.mean, covariance @ right, rtol=1e-9)
    np.testing.assert_allclose(row.covariance, covariance, rtol=1e-9)
    assert row.noise == pytest.approx(0.7)


def test_who_was_there_is_folded_in_where_the_fit_has_them(made: Fit) -> None:
    for kind, other, fold, at in (
        ("users", "item_idx", made.uncertainty.fold_in_user, made.ratings.user_idx == 4),
        ("items", "user_idx", made.uncertainty.fold_in_item, made.ratings.item_idx == 4),
    ):
        fitted = getattr(made.uncertainty, kind)
        row = fold(getattr(made.ratings, other)[at], made.ratings.values[at])
        np.testing.assert_allclose(row.mean, fitted.gaussians.mean[4], atol=0.02)
        np.testing.assert_allclose(row.covariance, fitted.gaussians.covariance[4], rtol=0.05, atol=1e-3)
        assert row.noise == pytest.approx(fitted.noise[4], rel=0.05)


def test_a_newcomer_is_predicted_nearly_as_by_fitting_with_them() -> None:
    full, _ = planted(150, 60, rank=2, noise=0.4)
    others = full.select(full.user_idx != 7)
    without = fit(
        replace(
            others, users=full.users[:7] + full.users[8:], user_idx=np.unique(others.user_idx, return_inverse=True)[1]
        ),
        n_factors=2,
    )
    idx, values = one_row(full, 7)
    row = without.uncertainty.fold_in_user(idx, values)
    factors = without.factors
    folded = factors.mean + row.mean[2] + factors.item_bias + factors.item_factors @ row.mean[:2]
    fitted = fit(full, n_factors=2).predict_matrix(clip=False)[7]
    assert np.sqrt(np.mean((folded - fitted) ** 2)) < 0.08
    assert np.std(fitted) > 0.4


def test_more_ratings_make_a_newcomer_surer(made: Fit) -> None:
    idx, values = one_row(made.ratings, 4)
    spreads = [
        np.trace(made.uncertainty.fold_in_user(idx[:count], values[:count]).covariance) for count in (0, 1, 5, 20)
    ]
    assert spreads == sorted(spreads, reverse=True)


def test_a_loud_newcomer_gets_more_noise(made: Fit) -> None:
    idx, values = one_row(made.ratings, 4)
    loud = values + 2.0 * np.random.default_rng(0).normal(size=len(values))
    quiet = made.uncertainty.fold_in_user(idx, values)
    assert made.uncertainty.fold_in_user(idx, loud).noise > 2 * quiet.noise


def test_the_noise_of_users_and_of_items_multiply_to_that_of_a_rating(made: Fit) -> None:
    sure = made.uncertainty
    louder = replace(sure, items=replace(sure.items, noise=4 * sure.items.noise))
    users, items = np.arange(60, dtype=np.int32), np.arange(60, dtype=np.int32)
    more = louder.sd(users, items) ** 2 - sure.sd(users, items) ** 2
    np.testing.assert_allclose(more, 3 * sure.users.noise[users] * sure.items.noise[items])


def test_the_sd_of_a_folded_in_user_is_that_of_one_who_was_there(made: Fit) -> None:
    items = np.arange(60, dtype=np.int32)
    row = made.uncertainty.fold_in_user(*one_row(made.ratings, 4))
    there = made.uncertainty.sd(np.full(60, 4, np.int32), items)
    np.testing.assert_allclose(made.uncertainty.sd_of_user(row, items), there, rtol=0.03)


# Someone of whom nothing is known -------------------------------------------------------------------------------------


def test_position_minus_one_is_someone_like_the_others(made: Fit) -> None:
    """Its predictive variance is that of a pair drawn at random, around the average of all."""
    sd = made.uncertainty.sd(np.array([-1], np.int32), np.array([-1], np.int32))[0]
    assert sd == pytest.approx(made.ratings.values.std(), rel=0.1)
    known = made.uncertainty.sd(np.arange(150, dtype=np.int32), np.full(150, 3, np.int32))
    assert made.uncertainty.sd(np.array([-1], np.int32), np.array([3], np.int32))[0] > 1.2 * known.mean()


def test_without_a_rating_a_newcomer_is_the_average(made: Fit) -> None:
    row = made.uncertainty.fold_in_item(np.array([], np.int32), np.array([]))
    np.testing.assert_allclose(row.mean, 0, atol=1e-12)
    users = np.arange(150, dtype=np.int32)
    unseen = made.uncertainty.sd(users, np.full(150, -1, np.int32))
    np.testing.assert_allclose(made.uncertainty.sd_of_item(row, users), unseen)


def test_a_loaded_fit_folds_in_as_before(made: Fit, tmp_path: Path) -> None:
    made.save(tmp_path / "model.xlc")
    again = load(tmp_path / "model.xlc").uncertainty
    newcomer = one_row(made.ratings, 4)
    for mine, other in zip(again.fold_in_user(*newcomer), made.uncertainty.fold_in_user(*newcomer), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_the_unrated_tell_nothing_when_folding_in(made: Fit) -> None:
    ratings = made.ratings
    wider = replace(ratings, items=("unseen", *ratings.items), item_idx=ratings.item_idx + 1)
    with pytest.warns(match="no rating"):
        other = fit(wider, n_factors=2)
    assert (other.uncertainty.users.prior.filled[0] == 0).all()
    assert other.uncertainty.users.prior.filled[1:].any(axis=1).all()
