"""Gibbs sampling from the posterior that `variational` approximates (Salakhutdinov & Mnih 2008; Simm et al. 2015).

Each step draws one group of unknowns given all others, so that in the long run the draws come from the joint posterior,
with the dependence between users and items that factorised Gaussians leave out. The model is the same but for the prior
of the variances, which may be wider where one averages: every factor and bias has a standard deviation of its own,

    Λ = diag(λ),    λ_a^{-1/2} ~ half-Cauchy(A_a),    A_a² the variance that the variational fit expects,

whose mass near 0 switches off factors that are not there, and whose tail leaves strong ones alone (Gelman 2006). The
shapes α of the noise by row stay where the variational fit put them.
"""

from __future__ import annotations

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.solvers.bayes.distil import Average, split
from xlcollab.solvers.bayes.leave_one_out import LeftOut, LeftOutOfDraws, predicted
from xlcollab.solvers.bayes.regressions import regressions
from xlcollab.solvers.bayes.variational import (
    FEATURE_RATE,
    FEATURE_SHAPE,
    LEAST_NOISE,
    Posterior,
    Side,
    add_factors,
    holding,
    prior_variances,
    snapshot,
    spread_out,
)
from xlcollab.solvers.bayes.watch import Watch

__all__ = ["draw", "first_draw", "sample"]

# Factors more than the variational fit chose: so many, but no more than there are ratings for each user and item. The
# mean of draws does not overfit by them, but would follow the prior where there are more factors than ratings.
EXTRA = 12
BURN, DRAWS = 20, 100
REPORT = 10  # draws between reports


def sample(posterior: Posterior, watch: Watch, rank: int, *, at_most: bool) -> tuple[Posterior, LeftOut]:
    """The mean of the variational fit and of draws, half of each, distilled into ``rank`` factors (or fewer).

    Either errs in a way of its own: the variational fit leaves dependence out, the mean of draws has some noise left.
    Comes with the leave-one-out residuals of that mean. Where the caller stops, the answer is of the draws so far.
    """
    state = first_draw(posterior, EXTRA if at_most else 0)
    average, judged = Average(), LeftOutOfDraws(watch.sample)
    best, left_out = posterior, watch.left_out(posterior)
    fitted = split(posterior.users.mean, posterior.items.mean), left_out
    watch.task = "sampling"
    for count in range(1, BURN + DRAWS + 1):
        draw(state)
        watch.sweeps += 1
        if count > BURN:
            watch.draws += 1
            average.add(split(state.users.mean, state.items.mean))
            judged.add(state)
        if count % REPORT == 0:
            if watch.draws:
                both = average.beside(fitted[0])
                best = holding(posterior, *both.distilled(rank, at_most=at_most))
                left_out = _mean(fitted[1], judged.left_out)
            watch.report(best, left_out)
        if watch.stopped:
            break
    if best is not posterior:
        spread_out(best)
        _, variance = predicted(best, watch.sample)
        for side in (best.users, best.items):
            side.covariance *= judged.spread / float(variance.mean())
    return best, left_out


def _mean(one: LeftOut, other: LeftOut) -> LeftOut:
    """Half of each prediction, with the spread of the other."""
    return LeftOut(0.5 * (one.residual + other.residual), other.sd)


def first_draw(posterior: Posterior, extra: int) -> Posterior:
    """A state of the sampler: the posterior means, known exactly, and up to ``extra`` factors. The posterior stays."""
    state = snapshot(posterior)
    d, n, k = state.users.n_rows, state.items.n_rows, state.n_factors
    extra = max(0, min(extra, state.observations.n_ratings // (d + n), d - 1 - k, n - 1 - k))
    add_factors(state, state.rng.normal(0.0, 0.3, (d, extra)))
    for side in (state.users, state.items):
        side.covariance[:] = 0.0
    return state


def draw(state: Posterior) -> None:
    """Draw every unknown once, in place: the items given the users, then the users given the items."""
    for side, other in ((state.items, state.users), (state.users, state.items)):
        error = _draw_rows(side, other, state.precision, state.rng)
        _draw_prior(side, state.rng)
        rate = side.noise_shape + 0.5 * state.precision * error
        side.noise = state.rng.standard_gamma(side.noise_shape + 0.5 * side.order.counts) / rate
        total = float(side.noise @ error)
        state.precision = state.rng.standard_gamma(0.5 * state.observations.n_ratings) / (0.5 * total)


def _draw_rows(side: Side, other: Side, precision: float, rng: np.random.Generator) -> FloatArray:
    """Every row's x; Σ_j w_j (y − x·z − b)² for each (d,)."""
    error = np.empty(side.n_rows)
    for block in regressions(side, other, precision):
        half = np.linalg.cholesky(block.precision)  # L Lᵀ; x = L⁻ᵀ (L⁻¹ right + ε)
        forward = np.linalg.solve(half, block.right[:, :, None])
        forward += rng.standard_normal(forward.shape)
        x = np.linalg.solve(half.swapaxes(1, 2), forward)[:, :, 0]
        side.mean[block.rows] = x
        error[block.rows] = block.squared_error(x)
    return np.maximum(error, LEAST_NOISE * side.order.counts)


def _draw_prior(side: Side, rng: np.random.Generator) -> None:
    """C, γ, Λ and ν."""
    d, K = side.mean.shape
    vectors, R = side.features.vectors, side.features.rank
    precision = np.diagonal(side.precision)  # λ (K,)
    share = 1.0 / (1.0 + side.weight_precision)
    side.weights = share[:, None] * (vectors.T @ (side.mean - side.centre))
    side.weights += np.sqrt(share[:, None] / precision) * rng.standard_normal((R, K))
    rate = FEATURE_RATE * side.features.scales**2 + 0.5 * side.weights**2 @ precision
    side.weight_precision = rng.standard_gamma(FEATURE_SHAPE + 0.5 * K, R) / rate
    explained = vectors @ side.weights
    middle = (side.mean - explained).mean(axis=0)
    squares = ((side.mean - explained - middle) ** 2).sum(axis=0) + side.weight_precision @ side.weights**2
    precision = _draw_precisions(precision, squares, d - 1 + R, rng)
    side.precision = np.diag(precision)
    side.centre = middle + rng.standard_normal(K) / np.sqrt(d * precision)
    side.prior_mean = side.centre + explained


def _draw_precisions(precision: FloatArray, squares: FloatArray, count: int, rng: np.random.Generator) -> FloatArray:
    """λ (K,) given the last ones, and the sums of ``count`` squares whose expected values are 1 / λ.

    The half-Cauchy is a mixture (Wand et al. 2011): λ ~ Gamma(½, z) with z ~ Gamma(½, A⁻²), drawn one after the other.
    """
    K = len(precision)
    mixing = rng.standard_exponential(K) / (precision + 1.0 / prior_variances(K))
    drawn: FloatArray = rng.standard_gamma(0.5 * (count + 1), K) / (0.5 * squares + mixing)
    return drawn
