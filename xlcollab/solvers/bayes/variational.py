"""Variational Bayes for biased matrix factorisation, with noise by row and priors learned from the data.

The model, for user u and item i with own unknowns x_u = (p_u, b_u) and x_i = (q_i, b_i) of length K = k + 1:

    r_ui = μ + b_u + b_i + p_u·q_i + ε_ui,          ε_ui ~ N(0, 1 / (τ w_u w_i))
    x_u  = ν + Cᵀ f_u + e_u,                        e_u ~ N(0, Λ⁻¹)          (and the same for items)
    C_r  ~ N(0, (γ_r Λ)⁻¹),                         γ_r ~ Gamma(a₀, b₀ s_r²)
    w_u  ~ Gamma(α, α)                              mean 1
    Λ⁻¹  as if 16 further rows had been seen, whose factors and biases have variances of 0.05 and 0.15

f_u are the spectral features of which cells are filled (`filled`), s_r their scales. The posterior is approximated by
independent factors q(x_u), q(x_i), q(C), q(γ_r) and q(w) (Lim & Teh 2007; the rating noise by row as in
Lakshminarayanan, Bouchard & Archambeau 2011; the features as in Simm et al. 2015), and ν, Λ, α and τ are set where
the bound is highest, so that there is nothing to tune. Λ is a full matrix: then the bound hardly depends on the
gauge (P, Q) → (P A, Q A⁻ᵀ), and no slow turning of the axes towards the ones that a diagonal prior likes is needed.
Each step raises the evidence bound (`evidence`).

Shapes: d rows on the side at hand (users or items), k factors, K = k + 1, R features.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import digamma, polygamma

from xlcollab.arrays import FloatArray
from xlcollab.solvers.bayes.filled import Spectrum
from xlcollab.solvers.bayes.observations import Observations, Order
from xlcollab.solvers.bayes.regressions import inverse, regressions

__all__ = [
    "FACTOR_VARIANCE",
    "FEATURE_RATE",
    "FEATURE_SHAPE",
    "LEAST_NOISE",
    "PRIOR_ROWS",
    "Posterior",
    "Side",
    "add_factors",
    "holding",
    "prior_scatter",
    "prior_variances",
    "row_scatter",
    "snapshot",
    "spread_out",
    "start",
    "sweep",
    "weight_scatter",
]

FEATURE_SHAPE, FEATURE_RATE = 2.0, 1.0  # a₀, b₀: γ_r s_r² is about 2 before any data; weak, K observations each follow
# Keeps the variances of a table of a few rows from following single ratings. Chosen by cross-validation on some 500
# dense crosstabs of 10 to 40 users and items, drawn at random from MovieLens 100k, and on held-out parts of u1.base and
# of the MovieLens sample, which want factors to vary less.
PRIOR_ROWS, FACTOR_VARIANCE, BIAS_VARIANCE = 16.0, 0.05, 0.15
LEAST_NOISE = 1e-6  # variance, in that of the ratings: below it, what is left of squared errors is rounding
NOISE_SHAPES = (0.5, 1e4)  # α: from noise of every size to the same noise for all


@dataclass(eq=False)
class Side:
    """The posterior of the users, or of the items, and their priors."""

    order: Order
    features: Spectrum
    mean: FloatArray  # (d, K), of x = (p, b)
    covariance: FloatArray  # (d, K, K)
    prior_mean: FloatArray  # (d, K), ν + Cᵀ f
    centre: FloatArray  # ν (K,)
    precision: FloatArray  # Λ (K, K)
    weights: FloatArray  # E C (R, K)
    weight_share: FloatArray  # (R,), the covariance of C_r as a share of …
    weight_covariance: FloatArray  # … this (K, K): Λ⁻¹ as it stood when q(C) was updated
    weight_precision: FloatArray  # E γ (R,)
    noise: FloatArray  # E w (d,), the precision of a row's ratings relative to all
    log_noise: FloatArray  # E log w (d,)
    gamma_shape: FloatArray  # (d,), of q(w)
    noise_shape: float = 5.0  # α

    @property
    def n_rows(self) -> int:
        """The number of rows, d."""
        return int(self.mean.shape[0])

    @property
    def n_factors(self) -> int:
        """The number of factors, k."""
        return int(self.mean.shape[1]) - 1


@dataclass(eq=False)
class Posterior:
    """All that is known: both sides, and the precision τ of the noise."""

    observations: Observations
    users: Side
    items: Side
    precision: float  # τ
    rng: np.random.Generator = field(repr=False)

    @property
    def n_factors(self) -> int:
        """The number of factors, k."""
        return self.users.n_factors


def start(observations: Observations, features: tuple[Spectrum, Spectrum], rng: np.random.Generator) -> Posterior:
    """Before any data: no factors, biases 0 with a wide prior, noise as large as the ratings' own spread."""
    return Posterior(
        observations,
        users=_no_factors(observations.by_user, features[0]),
        items=_no_factors(observations.by_item, features[1]),
        precision=1.0,
        rng=rng,
    )


def _no_factors(order: Order, features: Spectrum) -> Side:
    d, R = order.n_rows, features.rank
    return Side(
        order,
        features,
        mean=np.zeros((d, 1)),
        covariance=np.zeros((d, 1, 1)),
        prior_mean=np.zeros((d, 1)),
        centre=np.zeros(1),
        precision=2.0 * np.eye(1),
        weights=np.zeros((R, 1)),
        weight_share=np.zeros(R),
        weight_covariance=np.eye(1),
        weight_precision=FEATURE_SHAPE / (FEATURE_RATE * features.scales**2),
        noise=np.ones(d),
        log_noise=np.zeros(d),
        gamma_shape=np.ones(d),
    )


def add_factors(posterior: Posterior, users: FloatArray) -> None:
    """Append factors with the users' means (d, count); the items follow in the next sweep, which begins there."""
    count = users.shape[1]
    for side in (posterior.users, posterior.items):
        k = side.n_factors
        at = np.full(count, k)  # before the bias, which is last
        side.mean = np.insert(side.mean, at, users if side is posterior.users else 0.0, axis=1)
        side.prior_mean = np.insert(side.prior_mean, at, 0.0, axis=1)
        side.covariance = np.insert(np.insert(side.covariance, at, 0.0, axis=1), at, 0.0, axis=2)
        side.centre = np.insert(side.centre, at, 0.0)
        side.weights = np.insert(side.weights, at, 0.0, axis=1)
        side.precision = np.insert(np.insert(side.precision, at, 0.0, axis=0), at, 0.0, axis=1)
        new = np.arange(k, k + count)
        side.precision[new, new] = 1.0  # wide: the fit would confirm a tight prior, and the factor never grow


def sweep(posterior: Posterior) -> None:
    """Update every factor of the posterior once: the items given the users, then the users given the items."""
    _update(posterior, posterior.items, posterior.users)
    _update(posterior, posterior.users, posterior.items)


def holding(posterior: Posterior, users: FloatArray, items: FloatArray) -> Posterior:
    """The posterior with other means of x, users (m, K) and items (n, K), as if they were known exactly."""
    return replace(posterior, users=_holding(posterior.users, users), items=_holding(posterior.items, items))


def _holding(side: Side, mean: FloatArray) -> Side:
    d, K = mean.shape
    made = replace(
        side,
        mean=mean,
        covariance=np.zeros((d, K, K)),
        prior_mean=np.tile(mean.mean(axis=0), (d, 1)),
        centre=mean.mean(axis=0),
        precision=np.eye(K),
        weights=np.zeros((side.features.rank, K)),
    )
    _update_prior(made)
    return made


def spread_out(posterior: Posterior, times: int = 5) -> None:
    """Covariances and priors that belong to the means as they stand; means and noise are held."""
    for _ in range(times):
        for side, other in ((posterior.items, posterior.users), (posterior.users, posterior.items)):
            for block in regressions(side, other, posterior.precision):
                side.covariance[block.rows] = inverse(block.precision)
            _update_prior(side)


def _update(posterior: Posterior, side: Side, other: Side) -> None:
    squared_error = _update_rows(side, other, posterior.precision)  # (d,), Σ_j w_j E e² over the row's ratings
    _update_prior(side)
    shape = side.gamma_shape = side.noise_shape + 0.5 * side.order.counts
    rate = side.noise_shape + 0.5 * posterior.precision * squared_error
    side.noise, side.log_noise = shape / rate, digamma(shape) - np.log(rate)
    side.noise_shape = _gamma_shape(side.noise_shape, float(np.mean(side.log_noise - side.noise)))
    posterior.precision = posterior.observations.n_ratings / float(side.noise @ squared_error)


def _update_rows(side: Side, other: Side, precision: float) -> FloatArray:
    """q(x) of every row, in closed form (`regressions`). Returns Σ_j w_j E[(y − x·z − b)²] for each row (d,)."""
    error = np.empty(side.n_rows)
    for block in regressions(side, other, precision):
        covariance = inverse(block.precision)
        x = (covariance @ block.right[:, :, None])[:, :, 0]
        side.covariance[block.rows], side.mean[block.rows] = covariance, x
        error[block.rows] = block.squared_error(x) + np.einsum("dab,dab->d", covariance, block.gram)
    return np.maximum(error, LEAST_NOISE * side.order.counts)


def _update_prior(side: Side) -> None:
    """q(C) and q(γ), then ν and Λ where the bound is highest."""
    d, K = side.mean.shape
    vectors, R = side.features.vectors, side.features.rank
    share = side.weight_share = 1.0 / (1.0 + side.weight_precision)
    side.weight_covariance = np.asarray(np.linalg.inv(side.precision), dtype=float)
    side.weights = share[:, None] * (vectors.T @ (side.mean - side.centre))
    size = np.einsum("rk,rk->r", side.weights @ side.precision, side.weights) + K * share
    side.weight_precision = (FEATURE_SHAPE + 0.5 * K) / (FEATURE_RATE * side.features.scales**2 + 0.5 * size)
    explained = vectors @ side.weights
    side.centre = (side.mean - explained).mean(axis=0)
    side.prior_mean = side.centre + explained
    scatter = row_scatter(side) + weight_scatter(side)
    scatter += prior_scatter(K)
    side.precision = np.linalg.inv(scatter / (d + R + PRIOR_ROWS))


def prior_variances(K: int) -> FloatArray:
    """Of factors and biases before any rating is seen (K,)."""
    return np.append(np.full(K - 1, FACTOR_VARIANCE), BIAS_VARIANCE)


def prior_scatter(K: int) -> FloatArray:
    """Of the rows that are taken as seen before any other (K, K)."""
    return PRIOR_ROWS * np.diag(prior_variances(K))


def row_scatter(side: Side) -> FloatArray:
    """Σ_u E[e_u e_uᵀ] (K, K), e_u the part of x_u that the prior mean does not explain."""
    rest = side.mean - side.prior_mean
    explained = float(side.weight_share.sum()) * side.weight_covariance  # by features whose weights are uncertain
    scatter: FloatArray = rest.T @ rest + side.covariance.sum(axis=0) + explained
    return scatter


def weight_scatter(side: Side) -> FloatArray:
    """Σ_r E[γ_r C_r C_rᵀ] (K, K)."""
    gamma = side.weight_precision
    return side.weights.T @ (gamma[:, None] * side.weights) + (gamma @ side.weight_share) * side.weight_covariance


def _gamma_shape(shape: float, statistic: float) -> float:
    """The α that maximises α log α − log Γ(α) + α·statistic, by Newton's method in log α.

    ``statistic`` is mean(E log w − E w), at most −1.
    """
    for _ in range(50):
        slope = np.log(shape) + 1.0 - digamma(shape) + statistic
        curvature = shape * (1.0 / shape - polygamma(1, shape)) + slope
        step = float(np.clip(-slope / curvature if curvature < 0 else np.sign(slope), -1.0, 1.0))
        shape = float(np.clip(shape * np.exp(step), *NOISE_SHAPES))
        if abs(step) < 1e-8 or shape in NOISE_SHAPES:
            break
    return shape


def snapshot(posterior: Posterior) -> Posterior:
    """A copy that further sweeps of the original leave alone; the observations are shared."""
    users, items = (
        replace(side, mean=side.mean.copy(), covariance=side.covariance.copy())  # the two that are written in place
        for side in (posterior.users, posterior.items)
    )
    return replace(posterior, users=users, items=items)
