"""How sure a prediction is: its standard deviation from the posterior, its quantiles from the training ratings.

The variance of a rating not seen yet is that of b_u + b_i + p_u·q_i under the factorised posterior, plus the noise of
that user and that item. The shape is not assumed: how far ratings lie from their predictions, in standard deviations,
is taken from the left-out training ratings (`leave_one_out`), so that an 80% interval is one that holds 80% of those.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xlcollab.model import FloatArray, IntArray

__all__ = ["PROBABILITIES", "BayesUncertainty", "Gaussians", "moments"]

PROBABILITIES = np.linspace(0.005, 0.995, 199)  # of the quantiles that are kept
BLOCK = 1 << 14  # pairs whose K × K covariances are in memory at a time


class Gaussians(NamedTuple):
    """The posterior of one side: ``mean`` (d, K) of x = (p, b), and ``covariance`` (d, K, K)."""

    mean: FloatArray
    covariance: FloatArray


def moments(
    users: Gaussians, items: Gaussians, user_idx: IntArray, item_idx: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (N,) of b_u + b_i + p_u·q_i for N pairs, users and items independent, without the noise.

    Var(p·q) = qᵀ S_u q + pᵀ S_i p + tr(S_u S_i) at the means p and q, with the biases as one more entry on each side.
    """
    k = users.mean.shape[1] - 1
    mean, variance = np.empty(len(user_idx)), np.empty(len(user_idx))
    for block in _blocks(len(user_idx)):
        u, i = user_idx[block], item_idx[block]
        p, q = users.mean[u], items.mean[i]  # (block, K), copies
        S_u, S_i = users.covariance[u], items.covariance[i]  # (block, K, K)
        mean[block] = p[:, k] + q[:, k] + np.einsum("nk,nk->n", p[:, :k], q[:, :k])
        p[:, k] = q[:, k] = 1.0  # from here on each is what the other's x is multiplied by
        variance[block] = np.einsum("na,nab,nb->n", q, S_u, q) + np.einsum("na,nab,nb->n", p, S_i, p)
        variance[block] += np.einsum("nab,nab->n", S_u[:, :k, :k], S_i[:, :k, :k])
    return mean, variance


def _blocks(n: int) -> Iterator[slice]:
    return (slice(at, min(at + BLOCK, n)) for at in range(0, n, BLOCK))


@dataclass(frozen=True, eq=False)
class BayesUncertainty:
    """The predictive distribution of every pair, in the units of the ratings.

    ``scale`` is σ, by which ratings were divided before the fit; ``user_noise`` (m,) and ``item_noise`` (n,) multiply
    to the noise variance of a pair in units of σ²; ``quantiles`` (199,) are those of (r − r̂) / sd at `PROBABILITIES`.
    """

    users: Gaussians
    items: Gaussians
    user_noise: FloatArray
    item_noise: FloatArray
    quantiles: FloatArray
    scale: float

    def sd(self, user_idx: IntArray, item_idx: IntArray) -> FloatArray:
        """Standard deviation of the predictive distribution, noise included, (N,)."""
        _, variance = moments(self.users, self.items, user_idx, item_idx)
        return self.scale * np.sqrt(variance + self.user_noise[user_idx] * self.item_noise[item_idx])

    def quantile(self, probability: float) -> float:
        """How many standard deviations above its prediction a rating lies at most, with that probability."""
        return float(np.interp(probability, PROBABILITIES, self.quantiles))

    def arrays(self) -> Mapping[str, FloatArray]:
        """What a model file must hold; `from_arrays` is the way back."""
        return {
            "users_mean": self.users.mean,
            "users_covariance": self.users.covariance,
            "items_mean": self.items.mean,
            "items_covariance": self.items.covariance,
            "user_noise": self.user_noise,
            "item_noise": self.item_noise,
            "quantiles": self.quantiles,
            "scale": np.array([self.scale]),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> BayesUncertainty:
        """From what `arrays` gave."""
        return cls(
            users=Gaussians(arrays["users_mean"], arrays["users_covariance"]),
            items=Gaussians(arrays["items_mean"], arrays["items_covariance"]),
            user_noise=arrays["user_noise"],
            item_noise=arrays["item_noise"],
            quantiles=arrays["quantiles"],
            scale=float(arrays["scale"][0]),
        )
