"""From the sweeps' numbers to the fit's: the gauge in which factors go into cells, and the units of the ratings.

The sweeps work on standardised ratings, y = (r − r̄) / σ, and leave their unknowns x = (p, b) wherever they started.
The factors that a fit shows are the canonical ones (`model.canonical`), with Σ b_u = Σ b_i = 0 and μ the mean of all
predictions. From one to the other each side is turned and shifted,

    x ↦ A (x − x̄),        x̄ (K,) the mean over the side's rows, A (K, K) the same for all of them,

so that means and covariances of users and items, and those of users and items to come, can be taken along, and every
prediction keeps its distribution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.model import Factors, Model, canonical
from xlcollab.solvers.bayes.fold_in import Gaussians

__all__ = ["Turn", "turns"]

NEGLIGIBLE = 1e-10  # of the largest: factors this small predict nothing, and their turn cannot be told


@dataclass(frozen=True, eq=False)
class Turn:
    """x ↦ A (x − x̄) for the rows of one side: ``centre`` x̄ (K,) and ``matrix`` A (K, K)."""

    centre: FloatArray
    matrix: FloatArray

    def of_points(self, x: FloatArray) -> FloatArray:
        """Points (…, K)."""
        return self.of_directions(x - self.centre)

    def of_directions(self, x: FloatArray) -> FloatArray:
        """Differences of points (…, K)."""
        turned: FloatArray = x @ self.matrix.T
        return turned

    def of_covariances(self, covariance: FloatArray) -> FloatArray:
        """Covariances (…, K, K)."""
        turned: FloatArray = self.matrix @ covariance @ self.matrix.T
        return turned

    def of_gaussians(self, rows: Gaussians) -> Gaussians:
        """Both."""
        return Gaussians(self.of_points(rows.mean), self.of_covariances(rows.covariance))


def turns(users: FloatArray, items: FloatArray, mean: float, scale: float) -> tuple[Factors, Turn, Turn]:
    """The canonical factors of users (m, K) and items (n, K), and the turns that lead there.

    ``mean`` and ``scale`` are r̄ and σ.
    """
    k, root = users.shape[1] - 1, np.sqrt(scale)
    P, Q = root * users[:, :k], root * items[:, :k]
    raw = Factors(P, Q, scale * users[:, k], scale * items[:, k])
    made = canonical(Model(k, biased=True), raw)
    level = float(made.item_bias.mean())
    made = replace(made, item_bias=made.item_bias - level, mean=made.mean + level + mean)
    return made, _turn(users, Q, made.item_factors, scale), _turn(items, P, made.user_factors, scale)


def _turn(own: FloatArray, other: FloatArray, other_turned: FloatArray, scale: float) -> Turn:
    """The turn of a side whose partner's factors ``other`` (d', k) become ``other_turned``, both in rating units.

    P Qᵀ stays as it is for centred P and Q, hence P ↦ P (Qᵀ Q') S⁻¹ with S = Q'ᵀ Q', which is diagonal; and what p
    says of the average item goes into the bias.
    """
    K, root = own.shape[1], np.sqrt(scale)
    average = other.mean(axis=0)
    size = np.sum(other_turned**2, axis=0)  # (k,)
    told = size > NEGLIGIBLE * max(size.max(initial=0.0), np.finfo(float).tiny)
    inverse = np.where(told, 1.0 / np.where(told, size, 1.0), 0.0)
    matrix = np.zeros((K, K))
    matrix[: K - 1, : K - 1] = root * (inverse[:, None] * (other_turned.T @ (other - average)))
    matrix[K - 1, : K - 1] = root * average
    matrix[K - 1, K - 1] = scale
    return Turn(own.mean(axis=0), matrix)
