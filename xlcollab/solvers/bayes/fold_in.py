"""A user or item that was not there when the model was fitted, from a few ratings and without fitting again.

Given the other side, the unknowns x = (p, b) of one row are a Bayesian linear regression, as in every sweep of
`variational`; here it is solved once, for a row whose ratings have told nothing to the other side yet:

    x ~ N(m, V),  m = ν + |J|^{-½} Σ_{j∈J} g_j,        J the cells rated, g_j (K,) what filling cell j tells of the row
    r_j = μ + b_j + x·(q_j, 1) + ε_j,                  ε_j ~ N(0, s c_j)
    1 / s ~ Gamma(α, α / s₀)

with the covariances of the other side's (q_j, b_j) taken into account and s found in turn with x. The g_j are the
features of which cells are filled (`filled`), continued to a new row: the role of the implicit item factors of SVD++
(Koren 2008). For an item the sides change places.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray

__all__ = ["Gaussians", "Row", "RowPrior", "Rows", "fold_in"]

STEPS = 30  # in turn x and s; a handful are enough
TOLERANCE = 1e-6  # relative, of s


class Gaussians(NamedTuple):
    """The posterior of one side: ``mean`` (d, K) of x = (p, b), and ``covariance`` (d, K, K)."""

    mean: FloatArray
    covariance: FloatArray

    @property
    def average(self) -> Gaussians:
        """Mean (K,) and covariance (K, K) of one of whom nothing is known but that it is like these."""
        centre = self.mean.mean(axis=0)
        spread = (self.mean - centre).T @ (self.mean - centre) / len(self.mean) + self.covariance.mean(axis=0)
        return Gaussians(centre, spread)


class Row(NamedTuple):
    """One user or item: the mean (K,) and covariance (K, K) of x = (p, b), and its noise (`Rows`).

    ``pulls`` (N, K) are what each of its ratings adds to the mean.
    """

    mean: FloatArray
    covariance: FloatArray
    noise: float
    pulls: FloatArray


@dataclass(frozen=True, eq=False)
class RowPrior:
    """What is known of a row of one side from which cells it fills alone.

    ``centre`` is ν (K,), ``covariance`` V (K, K), ``filled`` the g_j (d', K) by row of the other side; ``noise`` s₀ and
    ``noise_shape`` α.
    """

    centre: FloatArray
    covariance: FloatArray
    filled: FloatArray
    noise: float
    noise_shape: float


@dataclass(frozen=True, eq=False)
class Rows:
    """One side in the gauge and units of the fit's factors: x = (p, b) of each row, and the noise of its ratings.

    ``noise`` (d,): a user's and an item's multiply to the noise variance of the pair. ``prior`` is that of a row
    not seen yet.
    """

    gaussians: Gaussians
    noise: FloatArray
    prior: RowPrior

    PARTS: ClassVar[tuple[str, ...]] = (
        *("mean", "covariance", "noise"),
        *("prior_centre", "prior_covariance", "prior_filled", "prior_noise"),
    )

    @property
    def average(self) -> Row:
        """A row of which nothing is known but that it is one like these: their mean, spread and mean noise."""
        mean, covariance = self.gaussians.average
        return Row(mean, covariance, float(self.noise.mean()), np.zeros((0, len(mean))))

    def with_row(self, row: Row) -> Rows:
        """These rows and one more behind them."""
        mean = np.concatenate([self.gaussians.mean, row.mean[None]])
        covariance = np.concatenate([self.gaussians.covariance, row.covariance[None]])
        return replace(self, gaussians=Gaussians(mean, covariance), noise=np.append(self.noise, row.noise))

    def arrays(self) -> Mapping[str, FloatArray]:
        """The `PARTS` that a model file must hold."""
        prior = self.prior
        noise = np.array([prior.noise, prior.noise_shape])
        parts = (*self.gaussians, self.noise, prior.centre, prior.covariance, prior.filled, noise)
        return dict(zip(self.PARTS, parts, strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> Rows:
        """From what `arrays` gave."""
        mean, covariance, noise, centre, spread, filled, prior_noise = (arrays[part] for part in cls.PARTS)
        prior = RowPrior(centre, spread, filled, float(prior_noise[0]), float(prior_noise[1]))
        return cls(Gaussians(mean, covariance), noise, prior)


def fold_in(own: Rows, other: Rows, level: float, positions: IndexArray, values: FloatArray) -> Row:
    """The posterior of a new row of ``own`` that rated the ``other`` rows ``positions`` (N,) with ``values`` (N,).

    ``level`` is μ. Without a rating it is the average row.
    """
    if not len(positions):
        return own.average
    K, prior = own.gaussians.mean.shape[1], own.prior
    other_mean, other_covariance = other.gaussians.mean[positions], other.gaussians.covariance[positions]
    z = np.concatenate([other_mean[:, : K - 1], np.ones((len(positions), 1))], axis=1)  # (N, K)
    y = values - level - other_mean[:, K - 1]
    weights = 1.0 / other.noise[positions]
    uncertain = np.tensordot(weights, other_covariance, axes=1)  # (K, K); the last row and column are the bias's
    of_bias = uncertain[:, K - 1] * (np.arange(K) < K - 1)
    gram = (z * weights[:, None]).T @ z
    gram[: K - 1, : K - 1] += uncertain[: K - 1, : K - 1]
    linear = z.T @ (weights * y) - of_bias
    square = float(weights @ (y * y)) + uncertain[K - 1, K - 1]
    start = prior.centre + prior.filled[positions].sum(axis=0) / np.sqrt(len(positions))
    noise, shape = prior.noise, prior.noise_shape
    for _ in range(STEPS):
        # (V⁻¹ + G)⁻¹ = (1 + V G)⁻¹ V, which holds for a V without inverse too: one of a factor that has died out
        right = np.column_stack([prior.covariance, start + prior.covariance @ (linear / noise)])
        solved = np.linalg.solve(np.eye(K) + prior.covariance @ (gram / noise), right)
        covariance, mean = solved[:, :K], solved[:, K]
        error = square - 2.0 * linear @ mean + mean @ gram @ mean + np.sum(covariance * gram)  # Σ_j E ε_j² / c_j
        before, noise = noise, (shape * prior.noise + 0.5 * error) / (shape + 0.5 * len(positions))
        if abs(noise - before) < TOLERANCE * before:
            break
    pulls = (z * (weights * y / noise)[:, None]) @ covariance
    return Row(mean, covariance, float(noise), pulls)
