from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlcollab.errors import OptionError
from xlcollab.fitting import Fit, fit, load
from xlcollab.model import Model
from xlcollab.progress import Progress
from xlcollab.ratings import Ratings
from xlcollab.solvers.base import Status
from xlcollab.solvers.bayes import sampling
from xlcollab.solvers.bayes.distil import WIDTH, Average, split
from xlcollab.solvers.bayes.filled import spectrum
from xlcollab.solvers.bayes.leave_one_out import LeftOutOfDraws, Sample
from xlcollab.solvers.bayes.observations import Observations
from xlcollab.solvers.bayes.variational import (
    FACTOR_VARIANCE,
    Posterior,
    _update_rows,
    add_factors,
    holding,
    spread_out,
    start,
    sweep,
)


def planted(m: int = 80, n: int = 50, rank: int = 5, noise: float = 1.0) -> tuple[Ratings, Ratings]:
    """Ratings with a known structure: (those to fit, the others with noise of their own)."""
    g = np.random.default_rng(0)
    table = 3 + 0.4 * g.normal(size=(m, 1)) + 0.4 * g.normal(size=n)
    table += g.normal(size=(m, rank)) @ g.normal(size=(rank, n)) * 0.8 / np.sqrt(rank)
    table += noise * g.normal(size=(m, n))
    filled = g.random((m, n)) < 0.3
    train = Ratings(tuple(range(m)), tuple(range(n)), *np.nonzero(filled), table[filled])
    user_idx, item_idx = np.nonzero(~filled)
    return train, replace(train, user_idx=user_idx, item_idx=item_idx, values=table[~filled])


def posterior(m: int = 20, n: int = 15, factors: int = 2, rank: int = 4, sweeps: int = 10) -> Posterior:
    g = np.random.default_rng(0)
    user_idx, item_idx = (idx.astype(np.int32) for idx in np.nonzero(g.random((m, n)) < 0.6))
    table = g.normal(size=(m, 1)) + g.normal(size=n) + g.normal(size=(m, 2)) @ g.normal(size=(2, n))
    values = 3 + table[user_idx, item_idx] + 0.5 * g.normal(size=len(user_idx))
    observations = Observations.from_arrays(user_idx, item_idx, values, m, n)
    features = spectrum(observations.by_user, rank, g), spectrum(observations.by_item, rank, g)
    made = start(observations, features, g)
    add_factors(made, 0.3 * g.normal(size=(made.users.n_rows, factors)))
    for _ in range(sweeps):
        sweep(made)
    return made


@pytest.fixture(scope="module")
def fits() -> tuple[Fit, Fit, Ratings]:
    train, rest = planted()
    return fit(train, valid=rest), fit(train, valid=rest, quality="best"), rest


# What comes out -------------------------------------------------------------------------------------------------------


def test_best_predicts_better(fits: tuple[Fit, Fit, Ratings]) -> None:
    good, best, _ = fits
    assert best.valid_rmse < good.valid_rmse - 0.003
    assert good.valid_rmse < 1.27  # of which the noise is 1
    assert best.valid_rmse < 1.265
    assert best.converged


def test_best_is_one_model_of_factors(fits: tuple[Fit, Fit, Ratings]) -> None:
    _, best, _ = fits
    k = best.model.n_factors
    assert not best.model.at_most
    assert best.factors.user_factors.shape == (80, k)
    assert best.factors.item_factors.shape == (50, k)
    assert k <= 25
    assert f"{k} factors" in best.message
    assert "draws" in best.message


def test_intervals_of_best_hold_what_they_promise(fits: tuple[Fit, Fit, Ratings]) -> None:
    _, best, rest = fits
    low, high = best.interval_positions(rest.user_idx, rest.item_idx, clip=False)
    assert np.mean((low <= rest.values) & (rest.values <= high)) == pytest.approx(0.8, abs=0.025)


def test_best_says_how_well_it_predicts_before_anyone_looks(fits: tuple[Fit, Fit, Ratings]) -> None:
    """Cells that were left out of the fit err as the leave-one-out residuals of the draws say, or a little more."""
    _, best, _ = fits
    assert best.records[-1]["left_out_rmse"] == pytest.approx(best.valid_rmse, rel=0.06)


@pytest.mark.parametrize("n_factors", [0, 1])
def test_what_best_says_is_of_the_model_that_it_gives(n_factors: int) -> None:
    """Not of more factors than were asked for: those would explain what the model leaves as error."""
    train, rest = planted(m=15, n=12, rank=3)
    made = fit(train, valid=rest, n_factors=n_factors, quality="best")
    assert made.rmse < made.records[-1]["left_out_rmse"] < 1.15 * made.valid_rmse


@pytest.mark.filterwarnings("ignore::xlcollab.errors.UnratedLabelWarning")
@pytest.mark.parametrize(("size", "filled"), [(40, 0.03), (60, 0.05), (150, 0.02)])
def test_where_ratings_are_few_best_promises_no_more_than_good(size: int, filled: float) -> None:
    g = np.random.default_rng(0)
    table = 3 + 0.4 * g.normal(size=(size, 1)) + 0.4 * g.normal(size=size) + 0.9 * g.normal(size=(size, size))
    cells = g.random((size, size)) < filled
    train = Ratings(tuple(range(size)), tuple(range(size)), *np.nonzero(cells), table[cells])
    user_idx, item_idx = np.nonzero(~cells)
    rest = replace(train, user_idx=user_idx, item_idx=item_idx, values=table[~cells])
    good, best = (fit(train, valid=rest, quality=quality) for quality in ("good", "best"))
    assert best.records[-1]["left_out_rmse"] > 0.97 * good.records[-1]["left_out_rmse"]
    assert best.valid_rmse < 1.02 * good.valid_rmse


def test_best_folds_in_and_is_saved(fits: tuple[Fit, Fit, Ratings], tmp_path: Path) -> None:
    _, best, _ = fits
    best.save(tmp_path / "best.xlc")
    again = load(tmp_path / "best.xlc")
    assert again.predict_interval(3, 4) == best.predict_interval(3, 4)
    at = best.ratings.user_idx == 5
    row = again.uncertainty.fold_in_user(best.ratings.item_idx[at], best.ratings.values[at])
    folded = best.mean + row.mean[-1] + best.factors.item_bias + best.factors.item_factors @ row.mean[:-1]
    assert np.corrcoef(folded, best.predict_matrix(clip=False)[5])[0, 1] > 0.95


def test_a_named_number_of_factors_is_the_number_after_distilling() -> None:
    train, _ = planted(m=50, n=30)
    made = fit(train, n_factors=3, quality="best")
    assert made.model == Model(3, biased=True)


def test_where_one_fit_finds_no_factor_worth_its_place_draws_average_over_having_some(lesson_ratings: Ratings) -> None:
    good, best = fit(lesson_ratings), fit(lesson_ratings, quality="best")
    assert good.model.n_factors == 0
    assert 0 < best.model.n_factors < 14
    between = best.predict_matrix() - good.predict_matrix()
    assert 0.005 < np.sqrt(np.mean(between**2)) < 0.3
    assert fit(lesson_ratings, quality="best", n_factors=0).model.n_factors == 0


@pytest.mark.parametrize(("m", "n"), [(1, 6), (6, 1), (2, 2), (3, 2)])
def test_tables_too_small_for_factors_are_sampled_all_the_same(m: int, n: int) -> None:
    cells = np.indices((m, n)).reshape(2, -1)
    values = 1.0 + (cells[0] + 2 * cells[1]) % 5
    made = fit(Ratings(tuple(range(m)), tuple(range(n)), *cells, values), quality="best")
    assert "draws" in made.message
    assert np.isfinite(made.predict_matrix()).all()
    assert made.model.n_factors <= min(m, n) - 1


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    train, _ = planted(m=40, n=30)
    one, two, other = (fit(train, n_factors=2, quality="best", seed=seed).predict_matrix() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("calls", [1, 5, 9])
def test_stopping_keeps_what_was_drawn(calls: int) -> None:
    seen: list[Progress] = []

    def stop(progress: Progress) -> bool:
        seen.append(progress)
        return progress.task.startswith("sampling") and sum(p.task == progress.task for p in seen) == calls

    made = fit(planted(m=40, n=30)[0], n_factors=2, quality="best", on_progress=stop)
    assert made.status is Status.STOPPED
    assert seen[-1].done == made.iterations
    assert np.isfinite(made.predict_matrix()).all()
    assert np.isfinite(made.predict_interval(3, 4)).all()


@pytest.mark.parametrize("quality", ["Best", "", None])
def test_another_quality_is_refused(quality: Any) -> None:
    with pytest.raises(OptionError, match=r"quality.*'good' or 'best'"):
        fit(planted(m=20, n=10)[0], quality=quality)


# The sampler ----------------------------------------------------------------------------------------------------------


def test_rows_are_drawn_from_the_regression_on_the_other_side() -> None:
    state = posterior()
    state.items.covariance[:] = 0.0
    expected = replace(state.users, mean=state.users.mean.copy(), covariance=state.users.covariance.copy())
    _update_rows(expected, state.items, state.precision)
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(1500):
        sampling._draw_rows(state.users, state.items, state.precision, rng)
        draws.append(state.users.mean.copy())
    sd = np.sqrt(np.diagonal(expected.covariance, axis1=1, axis2=2))
    np.testing.assert_allclose(np.mean(draws, axis=0), expected.mean, atol=5 * sd.max() / np.sqrt(1500))
    np.testing.assert_allclose(np.cov(np.array(draws)[:, 3].T), expected.covariance[3], atol=0.12 * sd[3].max() ** 2)


def test_the_squared_errors_that_noise_is_drawn_from_are_those_of_the_draw() -> None:
    state = posterior()
    state.items.covariance[:] = 0.0
    error = sampling._draw_rows(state.users, state.items, state.precision, np.random.default_rng(1))
    cells, k = state.observations.by_user.values.tocoo(), state.n_factors
    p, q = state.users.mean[cells.row], state.items.mean[cells.col]
    residual = cells.data - p[:, k] - q[:, k] - (p[:, :k] * q[:, :k]).sum(axis=1)
    expected = np.bincount(cells.row, state.items.noise[cells.col] * residual**2, minlength=20)
    np.testing.assert_allclose(error, expected, rtol=1e-9)


def test_the_prior_of_many_rows_is_drawn_around_what_they_are() -> None:
    state = posterior(m=400, n=30)
    rng, variances, middles = np.random.default_rng(1), [], []
    for _ in range(500):
        sampling._draw_prior(state.users, rng)
        rest = state.users.mean - state.users.prior_mean
        variances.append([1 / np.diag(state.users.precision), (rest**2).mean(axis=0)])
        middles.append(state.users.prior_mean.mean(axis=0))
    prior, rows = np.mean(variances, axis=0)
    np.testing.assert_allclose(prior, rows, rtol=0.05)
    np.testing.assert_allclose(np.mean(middles, axis=0), state.users.mean.mean(axis=0), atol=0.02)


def test_before_any_square_is_seen_standard_deviations_are_half_cauchy() -> None:
    """|t| of one degree of freedom: half lie below the scale, three quarters below tan(3 π / 8) of it."""
    rng, precision = np.random.default_rng(1), np.ones(3000)
    for _ in range(200):
        precision = sampling._draw_precisions(precision, np.zeros(3000), 0, rng)
    sd = 1 / np.sqrt(precision[:-1] * FACTOR_VARIANCE)
    assert np.mean(sd < 1.0) == pytest.approx(0.5, abs=0.04)
    assert np.mean(sd < np.tan(3 * np.pi / 8)) == pytest.approx(0.75, abs=0.04)


def test_standard_deviations_are_drawn_from_their_posterior() -> None:
    """Its mean by quadrature over the density: squares of six normal numbers times a half-Cauchy."""
    total, count = 0.9, 6
    rng, precision, drawn = np.random.default_rng(1), np.ones(500), []
    for _ in range(300):
        precision = sampling._draw_precisions(precision, np.full(500, total), count, rng)
        drawn.append(1 / np.sqrt(precision[:-1]))
    sd = np.linspace(1e-3, 20, 200_001)
    density = sd**-count * np.exp(-0.5 * total / sd**2) / (1 + sd**2 / FACTOR_VARIANCE)
    assert np.mean(drawn[50:]) == pytest.approx(np.sum(sd * density) / np.sum(density), rel=0.01)


def test_the_first_draw_leaves_the_posterior_alone() -> None:
    made = posterior()
    before = made.users.mean.copy(), made.users.covariance.copy(), made.precision
    state = sampling.first_draw(made, 12)
    sampling.draw(state)
    assert state.n_factors == 2 + made.observations.n_ratings // (20 + 15)
    assert sampling.first_draw(made, 3).n_factors == 5
    assert sampling.first_draw(made, 0).n_factors == 2
    np.testing.assert_array_equal(made.users.mean, before[0])
    np.testing.assert_array_equal(made.users.covariance, before[1])
    assert made.precision == before[2]


def test_left_out_of_draws_is_what_fitting_without_the_rating_gives() -> None:
    """A bias of one user, items known: the exact leave-one-out posterior is at hand."""
    made = posterior(factors=0, rank=0)
    users, items, tau = made.users, made.items, made.precision
    items.covariance[:] = 0.0
    row = users.order.values[2]
    sample = Sample(np.full(row.nnz, 2, np.int32), row.indices, row.data)
    judged, rng = LeftOutOfDraws(sample), np.random.default_rng(0)
    for _ in range(2000):
        sampling._draw_rows(users, items, tau, rng)
        judged.add(made)
    weights = tau * users.noise[2] * items.noise[row.indices]
    found = judged.left_out
    rest = row.data - items.mean[row.indices, 0]
    for at in range(row.nnz):
        others = np.arange(row.nnz) != at
        precision = users.precision[0, 0] + weights[others].sum()
        bias = (users.precision[0, 0] * users.prior_mean[2, 0] + weights[others] @ rest[others]) / precision
        assert found.residual[at] == pytest.approx(rest[at] - bias, abs=0.05)
        assert found.sd[at] == pytest.approx(np.sqrt(1 / precision + 1 / weights[at]), rel=0.05)


# Distilling -----------------------------------------------------------------------------------------------------------


def table(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    return users[:, -1:] + items[:, -1] + users[:, :-1] @ items[:, :-1].T


def test_a_mean_of_predictors_is_distilled_without_loss_where_the_rank_allows() -> None:
    g = np.random.default_rng(0)
    average, mean = Average(), np.zeros((30, 20))
    for _ in range(4):
        users, items = g.normal(size=(30, 4)) + 0.5, g.normal(size=(20, 4)) - 0.3
        average.add(split(users, items))
        mean += table(users, items) / 4
    np.testing.assert_allclose(table(*average.distilled(12, at_most=False)), mean, atol=1e-10)
    np.testing.assert_allclose(table(*average.distilled(15, at_most=False)), mean, atol=1e-10)
    assert average.distilled(15, at_most=False)[0].shape == (30, 16)


def test_the_least_rank_that_leaves_nothing_to_speak_of_is_taken() -> None:
    g = np.random.default_rng(0)
    P, Q = np.linalg.qr(g.normal(size=(30, 5)))[0], np.linalg.qr(g.normal(size=(20, 5)))[0]
    P -= P.mean(axis=0)
    Q -= Q.mean(axis=0)
    P *= np.array([50.0, 20.0, 5.0, 0.1, 0.01])
    average = Average()
    average.add(split(np.column_stack([P, np.zeros(30)]), np.column_stack([Q, np.zeros(20)])))
    users, items = average.distilled(10, at_most=True)
    assert users.shape == (30, 4)
    assert np.sqrt(np.mean((table(users, items) - P @ Q.T) ** 2)) < 0.01
    assert average.distilled(2, at_most=True)[0].shape == (30, 3)


def test_many_draws_are_compressed_on_the_way() -> None:
    g = np.random.default_rng(0)
    P, Q = g.normal(size=(250, 3)), g.normal(size=(220, 3))
    average, mean = Average(), np.zeros((250, 220))
    for _ in range(150):
        users = np.column_stack([P + 0.1 * g.normal(size=P.shape), g.normal(size=250)])
        items = np.column_stack([Q + 0.1 * g.normal(size=Q.shape), g.normal(size=220)])
        average.add(split(users, items))
        mean += table(users, items) / 150
    made = average.distilled(WIDTH, at_most=True)
    assert made[0].shape[1] - 1 < WIDTH
    assert np.sqrt(np.mean((table(*made) - mean) ** 2)) < 0.03
    assert mean.std() > 1


def test_half_of_the_mean_and_half_of_another_leaves_the_mean_as_it_is() -> None:
    g = np.random.default_rng(0)
    sides = [(g.normal(size=(9, 3)), g.normal(size=(8, 3))) for _ in range(3)]
    average = Average()
    for one in sides[:2]:
        average.add(split(*one))
    both = average.beside(split(*sides[2]))
    tables = [table(*one) for one in sides]
    half = 0.25 * tables[0] + 0.25 * tables[1] + 0.5 * tables[2]
    np.testing.assert_allclose(table(*both.distilled(6, at_most=False)), half, atol=1e-10)
    np.testing.assert_allclose(table(*average.distilled(6, at_most=False)), np.mean(tables[:2], axis=0), atol=1e-10)


def test_means_that_are_held_get_the_spread_that_a_fit_would_give_them() -> None:
    made = posterior(sweeps=60)
    held = holding(made, made.users.mean, made.items.mean)
    spread_out(held, 30)
    np.testing.assert_array_equal(held.users.mean, made.users.mean)
    np.testing.assert_allclose(held.users.covariance, made.users.covariance, rtol=0.2, atol=0.01)
    np.testing.assert_allclose(np.diag(held.items.precision), np.diag(made.items.precision), rtol=0.2)
