"""What each rating would have been predicted to be without it, from one fit: the leave-one-out residuals.

Given the other side, q(x_u) is a Bayesian linear regression, and taking one rating out of a regression divides its
residual by 1 − h, h its leverage (Allen 1974). A rating pulls at both sides: with s² the posterior variance of
b_u + b_i + p_u·q_i (`intervals.moments`), the leverage is taken to be h = τ w_u w_i s², so that the residual without
the rating is e / (1 − h) and its predictive variance s² / (1 − h) + 1 / (τ w_u w_i). What a rating adds to priors and
features stays in, so that the errors come out too small: by nothing to speak of on MovieLens 100k, by some per cent
where ratings are few. Models of different size are ordered as on held-out ratings, which is what this is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xlcollab.model import FloatArray, IntArray
from xlcollab.solvers.bayes.fold_in import Gaussians
from xlcollab.solvers.bayes.intervals import PROBABILITIES, moments
from xlcollab.solvers.bayes.variational import Posterior

__all__ = ["LeftOut", "Sample", "leave_one_out"]

HIGHEST_LEVERAGE = 0.95


@dataclass(frozen=True, eq=False)
class Sample:
    """Some of the training ratings, as positions and standardised values (N,)."""

    user_idx: IntArray
    item_idx: IntArray
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
    users, items = posterior.users, posterior.items
    mean, variance = moments(
        Gaussians(users.mean, users.covariance),
        Gaussians(items.mean, items.covariance),
        sample.user_idx,
        sample.item_idx,
    )
    noise = 1.0 / (posterior.precision * users.noise[sample.user_idx] * items.noise[sample.item_idx])
    left = 1.0 - np.minimum(variance / noise, HIGHEST_LEVERAGE)
    return LeftOut((sample.values - mean) / left, np.sqrt(variance / left + noise))
