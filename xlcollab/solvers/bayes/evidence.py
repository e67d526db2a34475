"""The evidence lower bound, E log p(ratings, unknowns) − E log q(unknowns): what every step of `variational` raises.

It is too loose to choose the number of factors by (it charges for the dependence between users and items that the
factorised posterior leaves out, and prefers half as many factors as predict best); it shows that the updates are
right, and when they have arrived.
"""

from __future__ import annotations

import numpy as np
from scipy.special import digamma, gammaln

from xlcollab.arrays import FloatArray
from xlcollab.solvers.bayes.variational import (
    FEATURE_RATE,
    FEATURE_SHAPE,
    PRIOR_ROWS,
    Posterior,
    Side,
    prior_scatter,
    row_scatter,
    weight_scatter,
)

__all__ = ["bound"]


def bound(posterior: Posterior) -> float:
    """The bound in nats, up to a constant that depends on neither the posterior nor the number of factors.

    τ stands at its best value, where τ Σ w_u w_i E[e²] = N.
    """
    total = 0.5 * posterior.observations.n_ratings * (np.log(posterior.precision) - np.log(2 * np.pi) - 1.0)
    for side in (posterior.users, posterior.items):
        total += _unknowns(side) + _weights(side) + _noise(side) + _prior(side)
    return float(total)


def _unknowns(side: Side) -> float:
    """E log p(x | C) − E log q(x) over the rows of one side."""
    d, K = side.mean.shape
    log_det = np.linalg.slogdet(side.precision)[1]
    S = side.covariance
    log_volume = float((np.log(S[:, 0, 0]) if K == 1 else np.linalg.slogdet(S)[1]).sum())
    return float(0.5 * (d * (log_det + K) + log_volume - np.sum(side.precision * row_scatter(side))))


def _weights(side: Side) -> float:
    """E log p(C, γ) − E log q(C, γ)."""
    R, K = side.weights.shape
    if R == 0:
        return 0.0
    log_det = np.linalg.slogdet(side.precision)[1] + np.linalg.slogdet(side.weight_covariance)[1]
    shape = FEATURE_SHAPE + 0.5 * K
    rate = shape / side.weight_precision
    log_gamma = digamma(shape) - np.log(rate)
    gaussian = 0.5 * (K * log_gamma.sum() + R * (log_det + K) + K * np.log(side.weight_share).sum())
    gaussian -= 0.5 * float(np.sum(side.precision * weight_scatter(side)))
    prior_rate = FEATURE_RATE * side.features.scales**2
    return float(gaussian + _gamma(FEATURE_SHAPE, prior_rate, shape, rate, side.weight_precision, log_gamma))


def _noise(side: Side) -> float:
    """Half of E log w for each rating, and E log p(w) − E log q(w)."""
    alpha = side.noise_shape
    shape = side.gamma_shape
    rate = shape / side.noise
    likelihood = 0.5 * float(side.order.counts @ side.log_noise)
    return likelihood + _gamma(alpha, alpha, shape, rate, side.noise, side.log_noise)


def _prior(side: Side) -> float:
    """The logarithm of p(Λ), without its constant."""
    log_det = np.linalg.slogdet(side.precision)[1]
    scatter = prior_scatter(len(side.precision))
    return float(0.5 * (PRIOR_ROWS * log_det - np.sum(side.precision * scatter)))


def _gamma(
    prior_shape: float,
    prior_rate: FloatArray | float,
    shape: FloatArray | float,
    rate: FloatArray,
    mean: FloatArray,
    log_mean: FloatArray,
) -> float:
    """Σ E log p − E log q for Gamma distributed unknowns with the given mean and mean of the logarithm."""
    prior = prior_shape * np.log(prior_rate) - gammaln(prior_shape) + (prior_shape - 1.0) * log_mean - prior_rate * mean
    entropy = shape - np.log(rate) + gammaln(shape) + (1.0 - shape) * digamma(shape)
    return float(np.sum(prior + entropy))
