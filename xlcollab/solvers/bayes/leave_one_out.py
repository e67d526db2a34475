"""What each rating would have been predicted to be without it, from one fit: the leave-one-out residuals.

Given the other side, q(x_u) is a Bayesian linear regression, and taking one rating out of a regression divides its
residual by 1 − h, h its leverage (Allen 1974). A rating pulls at both sides: with s² the posterior variance of
b_u + b_i + p_u·q_i (`intervals.moments`), the leverage is taken to be h = τ w_u w_i s², so that the residual without
the rating is e / (1 − h) and its predictive variance s² / (1 − h) + 1 / (τ w_u w_i). What a rating adds to priors and
features stays in, so that the errors come out too small: by nothing to speak of on MovieLens 100k, by some per cent
where ratings are few. Models of different size are ordered as on held-out ratings, which is what this is for.

From draws of the posterior comes the same, with their mean, their variance and the mean of their noise. To count each
draw with 1 / p(y | draw) instead (importance sampling, Gelfand 1996) promises too much: draws that fit the rating as
badly as they would without it are not among a hundred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.solvers.bayes.fold_in import Gaussians
from xlcollab.solvers.bayes.intervals import PROBABILITIES, moments
from xlcollab.solvers.bayes.variational import Posterior

__all__ = ["LeftOut", "LeftOutOfDraws", "Sample", "leave_one_out", "noise_variance", "predicted"]

HIGHEST_LEVERAGE = 0.95
HIGHEST_LEVERAGE_OF_DRAWS = 0.5  # draws that spread more than that jump between answers, whatever the one rating says


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the training ratings, as positions and standardised values (N,)."""

    user_idx: IndexArray
    item_idx: IndexArray
    values: FloatArray


@dataclass(frozen=True, eq=False)
class LeftOut:
    """``residual`` (N,) y − ŷ without the rating itself and ``sd`` (N,), its predictive standard deviation, in σ."""

    residual: FloatArray
    sd: FloatArray

    @property
    def rmse(self) -> float:
        """The root of the mean squared residual."""
        return float(np.sqrt(np.mean(self.residual**2)))

    @property
    def quantiles(self) -> FloatArray:
        """Those of residual / sd at `PROBABILITIES` (199,)."""
        quantiles: FloatArray = np.quantile(self.residual / self.sd, PROBABILITIES)
        return quantiles


def leave_one_out(posterior: Posterior, sample: Sample) -> LeftOut:
    """The residuals of N training ratings."""
    mean, variance = predicted(posterior, sample)
    return _without(sample, mean, variance, noise_variance(posterior, sample), HIGHEST_LEVERAGE)


def _without(
    sample: Sample, mean: FloatArray, variance: FloatArray, noise: FloatArray, highest_leverage: float
) -> LeftOut:
    """From what is predicted with each rating itself, all (N,)."""
    left = 1.0 - np.minimum(variance / noise, highest_leverage)
    return LeftOut((sample.values - mean) / left, np.sqrt(variance / left + noise))


def predicted(posterior: Posterior, sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (N,) of the sampled ratings, without the noise."""
    users, items = (Gaussians(side.mean, side.covariance) for side in (posterior.users, posterior.items))
    return moments(users, items, sample.user_idx, sample.item_idx)


def noise_variance(posterior: Posterior, sample: Sample) -> FloatArray:
    """1 / (τ w_u w_i) of each sampled rating (N,)."""
    users, items = posterior.users.noise[sample.user_idx], posterior.items.noise[sample.item_idx]
    noise: FloatArray = 1.0 / (posterior.precision * users * items)
    return noise


class LeftOutOfDraws:
    """What draws say of each sampled rating without it, and how far they spread, `add` by `add`."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._sum, self._squares, self._noise = np.zeros((3, len(sample.values)))
        self._count = 0

    def add(self, state: Posterior) -> None:
        """One more draw, whose unknowns are the means of ``state``."""
        sample, k = self._sample, state.n_factors
        p, q = state.users.mean[sample.user_idx], state.items.mean[sample.item_idx]
        drawn = p[:, k] + q[:, k] + np.einsum("nk,nk->n", p[:, :k], q[:, :k])
        self._sum += drawn
        self._squares += drawn**2
        self._noise += noise_variance(state, sample)
        self._count += 1

    @property
    def spread(self) -> float:
        """The mean variance of the predictions over the draws."""
        return float(self._moments[1].mean())

    @property
    def left_out(self) -> LeftOut:
        """Residuals and their predictive standard deviations."""
        return _without(self._sample, *self._moments, self._noise / self._count, HIGHEST_LEVERAGE_OF_DRAWS)

    @property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (N,) over the draws."""
        mean = self._sum / self._count
        return mean, np.maximum(self._squares / self._count - mean**2, 0.0)
