from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from xlcollab.solvers.bayes.directions import leading_directions
from xlcollab.solvers.bayes.evidence import bound
from xlcollab.solvers.bayes.filled import spectrum
from xlcollab.solvers.bayes.fold_in import Gaussians
from xlcollab.solvers.bayes.intervals import moments
from xlcollab.solvers.bayes.leave_one_out import Sample, leave_one_out
from xlcollab.solvers.bayes.observations import Observations
from xlcollab.solvers.bayes.regressions import inverse
from xlcollab.solvers.bayes.variational import (
    Posterior,
    _gamma_shape,
    _update_rows,
    add_factors,
    snapshot,
    start,
    sweep,
)


def observed(m: int = 20, n: int = 15, fill: float = 0.5, seed: int = 0) -> Observations:
    g = np.random.default_rng(seed)
    user_idx, item_idx = np.nonzero(g.random((m, n)) < fill)
    table = g.normal(size=(m, 1)) + g.normal(size=n) + g.normal(size=(m, 2)) @ g.normal(size=(2, n))
    values = 3 + table[user_idx, item_idx] + 0.5 * g.normal(size=len(user_idx))
    return Observations.from_arrays(user_idx.astype(np.int32), item_idx.astype(np.int32), values, m, n)


def posterior(observations: Observations, factors: int = 2, rank: int = 5, sweeps: int = 3, seed: int = 0) -> Posterior:
    rng = np.random.default_rng(seed)
    features = spectrum(observations.by_user, rank, rng), spectrum(observations.by_item, rank, rng)
    made = start(observations, features, rng)
    add_factors(made, 0.3 * rng.normal(size=(made.users.n_rows, factors)))
    for _ in range(sweeps):
        sweep(made)
    return made


@given(seed=st.integers(0, 50), factors=st.integers(0, 4), rank=st.integers(0, 6), fill=st.floats(0.3, 1.0))
def test_every_sweep_raises_the_evidence_bound(seed: int, factors: int, rank: int, fill: float) -> None:
    made = posterior(observed(fill=fill, seed=seed), factors, rank, sweeps=1, seed=seed)
    before = bound(made)
    for _ in range(6):
        sweep(made)
        after = bound(made)
        assert after >= before - 1e-7 * abs(before)
        before = after


def test_the_bound_is_the_mean_of_what_it_says_over_draws_of_the_posterior() -> None:
    """E log p(y | x, w) by Monte Carlo, against the closed form behind τ: τ Σ w w E e² = N."""
    made = posterior(observed())
    users, items, k = made.users, made.items, made.n_factors
    g = np.random.default_rng(3)
    table = made.observations.by_user.values.tocoo()
    total, draws = 0.0, 400
    for _ in range(draws):
        p, q = (
            side.mean + np.einsum("dab,db->da", np.linalg.cholesky(side.covariance), g.normal(size=side.mean.shape))
            for side in (users, items)
        )
        at = p[table.row], q[table.col]
        predicted = at[0][:, k] + at[1][:, k] + (at[0][:, :k] * at[1][:, :k]).sum(axis=1)
        total += float(users.noise[table.row] * items.noise[table.col] @ (table.data - predicted) ** 2) / draws
    assert made.precision * total == pytest.approx(made.observations.n_ratings, rel=0.02)


def test_a_row_is_the_bayesian_regression_on_the_other_side() -> None:
    made = posterior(observed())
    users, items, k = made.users, made.items, made.n_factors
    tau = made.precision
    _update_rows(users, items, tau)
    row = 4
    precision, right = users.precision.copy(), users.precision @ users.prior_mean[row]
    for column, y in zip(users.order.values[row].indices, users.order.values[row].data, strict=True):
        weight = tau * users.noise[row] * items.noise[column]
        z = np.append(items.mean[column, :k], 1.0)
        covariance = np.zeros((k + 1, k + 1))
        covariance[:k, :k] = items.covariance[column][:k, :k]
        precision += weight * (np.outer(z, z) + covariance)
        of_bias = np.append(items.covariance[column][:k, k], 0.0)  # the bias varies together with the factors
        right += weight * (z * (y - items.mean[column, k]) - of_bias)
    np.testing.assert_allclose(users.covariance[row], np.linalg.inv(precision), rtol=1e-10)
    np.testing.assert_allclose(users.mean[row], np.linalg.solve(precision, right), rtol=1e-10)


def test_rows_in_blocks_are_the_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = posterior(observed())
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.ROWS", 3)
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.CELLS", 20)
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.TILE_COLUMNS", 4)
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.TILE_CELLS", 5)
    blocks = posterior(observed())
    assert len(blocks.observations.by_user.blocks) > 6
    assert any(len(block.tiles) > 2 for block in blocks.observations.by_user.blocks)
    assert blocks.observations.by_user.table_type is np.float32
    np.testing.assert_allclose(blocks.users.mean, whole.users.mean, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(blocks.precision, whole.precision, rtol=1e-6)
    assert blocks.precision == pytest.approx(whole.precision)


@given(shape=st.floats(0.6, 500.0), spread=st.floats(0.001, 1.0))
def test_the_shape_of_the_noise_is_the_maximum(shape: float, spread: float) -> None:
    statistic = -1.0 - spread
    found = _gamma_shape(shape, statistic)

    def cost(log_shape: float) -> float:
        a = np.exp(log_shape)
        return float(gammaln(a) - a * np.log(a) - a * statistic)

    best = np.exp(minimize_scalar(cost, bounds=(np.log(0.5), np.log(1e4)), method="bounded", options={"xatol": 1e-9}).x)
    assert found == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize("size", [1, 2, 8, 9, 17, 33])
def test_many_small_matrices_are_inverted_as_lapack_would(size: int) -> None:
    half = np.random.default_rng(size).normal(size=(30, size, size + 5))
    matrices = 1e4 * half @ half.swapaxes(1, 2) + 0.1 * np.eye(size)  # of a row with many ratings and a wide prior
    before = matrices.copy()
    made = inverse(matrices)
    np.testing.assert_allclose(made @ matrices, np.tile(np.eye(size), (30, 1, 1)), atol=1e-9)
    np.testing.assert_allclose(made, np.linalg.inv(matrices), rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(matrices, before)


# New factors ----------------------------------------------------------------------------------------------------------


def test_new_factors_begin_where_most_is_left_to_explain() -> None:
    g = np.random.default_rng(2)
    p, q = g.normal(size=(60, 2)), g.normal(size=(40, 2))
    user_idx, item_idx = (idx.astype(np.int32) for idx in np.nonzero(g.random((60, 40)) < 0.5))
    values = 3 + (p[user_idx] * q[item_idx]).sum(axis=1) + 0.3 * g.normal(size=len(user_idx))
    made = posterior(Observations.from_arrays(user_idx, item_idx, values, 60, 40), factors=0)
    found = leading_directions(made, 2)
    assert np.std(found, axis=0) == pytest.approx([0.3, 0.3], rel=0.1)
    basis = np.linalg.qr(found)[0]
    assert np.linalg.norm(basis.T @ p) > 0.95 * np.linalg.norm(p)
    add_factors(made, found)
    for _ in range(10):
        sweep(made)
    left = leading_directions(made, 2)  # noise alone by now
    assert np.linalg.norm(np.linalg.qr(left)[0].T @ p) < 0.5 * np.linalg.norm(p)


@pytest.mark.parametrize("count", [0, 14, 40])
def test_more_new_factors_than_items_begin_somewhere(count: int) -> None:
    found = leading_directions(posterior(observed()), count)
    assert found.shape == (20, count)
    assert np.all(np.std(found, axis=0) > 0.05)


def test_a_snapshot_stays_as_it_was() -> None:
    made = posterior(observed())
    kept = snapshot(made)
    before = kept.users.mean.copy(), kept.items.covariance.copy(), kept.users.noise.copy(), kept.precision
    add_factors(made, np.ones((20, 1)))
    sweep(made)
    np.testing.assert_array_equal(kept.users.mean, before[0])
    np.testing.assert_array_equal(kept.items.covariance, before[1])
    np.testing.assert_array_equal(kept.users.noise, before[2])
    assert kept.precision == before[3]


def test_observations_are_standardised_and_the_same_in_both_orders() -> None:
    made = observed()
    assert made.by_user.values.data.mean() == pytest.approx(0, abs=1e-12)
    assert made.by_user.values.data.std() == pytest.approx(1)
    np.testing.assert_array_equal(made.by_item.values.toarray(), made.by_user.values.toarray().T)
    np.testing.assert_array_equal(made.by_item.counts, (made.by_user.values.toarray() != 0).sum(axis=0))


def test_blocks_are_all_rows_and_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.CELLS", 20)
    order = observed().by_item
    np.testing.assert_array_equal(np.vstack([block.values.toarray() for block in order.blocks]), order.values.toarray())
    for block in order.blocks:
        (tile,) = block.tiles
        assert block.values.nnz <= 20 or block.rows.stop == block.rows.start + 1
        assert np.shares_memory(block.values.data, order.values.data)
        assert np.shares_memory(tile.filled.indices, order.values.indices)


@pytest.mark.parametrize(("columns", "cells", "most"), [(1, 1, 15), (7, 1, 2), (1, 50, 2), (1000, 1, 1), (1, 10**6, 1)])
def test_tiles_are_all_columns_and_leave_the_total_as_it_is(
    monkeypatch: pytest.MonkeyPatch, columns: int, cells: int, most: int
) -> None:
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.TILE_COLUMNS", columns)
    monkeypatch.setattr("xlcollab.solvers.bayes.observations.TILE_CELLS", cells)
    order = observed().by_user
    (block,) = order.blocks
    assert len(block.tiles) == most
    filled = order.values.toarray() != 0
    np.testing.assert_array_equal(np.hstack([tile.filled.toarray() for tile in block.tiles]), filled)
    table = np.random.default_rng(0).normal(size=(filled.shape[1], 3))
    np.testing.assert_allclose(block.total(table), filled @ table, rtol=1e-12, atol=1e-12)


# Features -------------------------------------------------------------------------------------------------------------


def test_features_are_the_leading_singular_vectors_of_the_scaled_table() -> None:
    order = observed(40, 30, 0.3).by_user
    filled = (order.values.toarray() != 0).astype(float)
    scaled = filled / np.sqrt(filled.sum(1, keepdims=True)) / filled.sum(0) ** 0.25
    left, singular, _ = np.linalg.svd(scaled)
    made = spectrum(order, 30, np.random.default_rng(0))
    assert made.rank == 30
    np.testing.assert_allclose(np.abs((made.vectors * left[:, :30]).sum(axis=0))[:20], 1, rtol=1e-6)
    np.testing.assert_allclose(made.scales / made.scales[0], singular / singular[0], rtol=1e-6)
    assert np.mean(((made.vectors * made.scales) ** 2).sum(axis=1)) == pytest.approx(1)


def test_features_see_which_cells_are_filled_and_not_with_what() -> None:
    one = observed()
    other = Observations.from_arrays(
        *(idx.astype(np.int32) for idx in one.by_user.values.nonzero()),
        np.random.default_rng(5).random(one.n_ratings),
        20,
        15,
    )
    made = [spectrum(each.by_item, 5, np.random.default_rng(0)).vectors for each in (one, other)]
    np.testing.assert_array_equal(made[0], made[1])


def test_a_table_of_low_rank_has_no_more_features_than_its_rank() -> None:
    full = np.nonzero(np.ones((6, 5)))
    order = Observations.from_arrays(full[0].astype(np.int32), full[1].astype(np.int32), np.arange(30.0), 6, 5).by_user
    assert spectrum(order, 4, np.random.default_rng(0)).rank == 1
    assert spectrum(order, 0, np.random.default_rng(0)).rank == 0


# Moments and left-out ratings -----------------------------------------------------------------------------------------


def test_moments_are_those_of_draws() -> None:
    g = np.random.default_rng(0)
    root = 0.3 * g.normal(size=(2, 1, 4, 4))
    users, items = (Gaussians(g.normal(size=(1, 4)), half @ half.swapaxes(1, 2)) for half in root)
    mean, variance = moments(users, items, np.array([0], np.int32), np.array([0], np.int32))
    p, q = (g.multivariate_normal(each.mean[0], each.covariance[0], size=400_000) for each in (users, items))
    draws = p[:, 3] + q[:, 3] + (p[:, :3] * q[:, :3]).sum(axis=1)
    assert mean[0] == pytest.approx(draws.mean(), abs=0.01)
    assert variance[0] == pytest.approx(draws.var(), rel=0.01)


def test_moments_are_as_exact_in_large_units() -> None:
    """With factors in √unit and biases in the unit, as a fit of prices has them."""
    g = np.random.default_rng(1)
    root = 0.3 * g.normal(size=(2, 1, 4, 4))
    one = [Gaussians(g.normal(size=(1, 4)), half @ half.swapaxes(1, 2)) for half in root]
    at, unit = np.array([0], np.int32), 1e90
    size = unit ** np.array([0.5, 0.5, 0.5, 1.0])
    large = [Gaussians(each.mean * size, each.covariance * np.outer(size, size)) for each in one]
    (mean, variance), (in_units, squared) = moments(*one, at, at), moments(*large, at, at)
    np.testing.assert_allclose(in_units / unit, mean, rtol=1e-12)
    np.testing.assert_allclose(squared / unit / unit, variance, rtol=1e-12)


def test_left_out_residuals_of_a_regression_are_those_of_fitting_without_the_rating() -> None:
    """One user, items known exactly: the leverage formula is exact."""
    made = posterior(observed(), factors=0, rank=0, sweeps=5)
    items, users, tau = made.items, made.users, made.precision
    items.covariance[:] = 0.0
    _update_rows(users, items, tau)
    row = users.order.values[2]
    sample = Sample(np.full(row.nnz, 2, np.int32), row.indices, row.data)
    found = leave_one_out(made, sample)
    weights = tau * users.noise[2] * items.noise[row.indices]
    rest = row.data - items.mean[row.indices, 0]
    for at in range(row.nnz):
        others = np.arange(row.nnz) != at
        precision = users.precision[0, 0] + weights[others].sum()
        bias = (users.precision[0, 0] * users.prior_mean[2, 0] + weights[others] @ rest[others]) / precision
        assert found.residual[at] == pytest.approx(rest[at] - bias)
        assert found.sd[at] == pytest.approx(np.sqrt(1 / precision + 1 / weights[at]))
