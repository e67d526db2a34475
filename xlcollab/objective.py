"""Ratings + model + penalty → cost, exact gradient and residuals; RMSE.

    cost = ½ Σ (r̂_ui − r_ui)² + ½ λ (‖P‖² + ‖Q‖²) + ½ λ_b (‖b_u‖² + ‖b_i‖²)

over the N ratings there are. μ carries no penalty: with biases under a penalty it is a parameter like the others,
without a penalty the biases hold it and it is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from xlcollab import metrics
from xlcollab.arrays import FloatArray
from xlcollab.model import Factors, Model, predict_all, predict_pairs

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["WILD", "Objective", "overshoot", "rmse"]

WILD = 5.0
"""An `overshoot` of more says that nothing holds the blank cells: the factors are too many for the ratings."""

_DENSE_CELLS = 65_536
"""Up to this many cells the residuals are scattered into a full (m, n) matrix, which is quicker than a sparse one."""

_MOST_LOOKED_AT = 2_000_000


def rmse(model: Model, factors: Factors, ratings: Ratings) -> float:
    """Root mean squared error over the ratings, √(Σ(r̂ − r)² / N), in their units; NaN without ratings."""
    return metrics.rmse(predict_pairs(model, factors, ratings.user_idx, ratings.item_idx), ratings.values)


def overshoot(model: Model, factors: Factors, ratings: Ratings) -> float:
    """How far the wildest prediction lies beyond the scale of the ratings, in widths of that scale; 0 where none does.

    Five factors on the 15×15 give 0.1; at 10 and more nothing holds the blank cells. Of a large table every s-th user
    is looked at.
    """
    low, high = ratings.scale
    step = 1 + ratings.n_users * ratings.n_items // _MOST_LOOKED_AT
    some = Factors(
        factors.user_factors[::step], factors.item_factors, factors.user_bias[::step], factors.item_bias, factors.mean
    )
    predicted = predict_all(model, some)
    beyond = max(float(predicted.max()) - high, low - float(predicted.min()), 0.0)
    return beyond / (high - low)


@dataclass(frozen=True, eq=False)
class Objective:
    """The cost as a function of one vector x that holds all parameters: P and Q row by row, b_u, b_i, μ if free."""

    ratings: Ratings
    model: Model
    penalty: float = 0.0
    bias_penalty: float = 0.0

    @property
    def free_mean(self) -> bool:
        """Whether μ is a parameter."""
        return self.model.biased and (self.penalty > 0 or self.bias_penalty > 0)

    @property
    def size(self) -> int:
        """The length of x."""
        members = self.ratings.n_users + self.ratings.n_items
        return members * (self.model.n_factors + self.model.biased) + self.free_mean

    def pack(self, factors: Factors) -> FloatArray:
        """The vector of these factors; a μ that is not free goes into the item biases."""
        parts = [factors.user_factors.ravel(), factors.item_factors.ravel()]
        if self.model.biased:
            parts += [factors.user_bias, factors.item_bias + (0.0 if self.free_mean else factors.mean)]
        if self.free_mean:
            parts.append(np.array([factors.mean]))
        return np.concatenate(parts)

    def unpack(self, x: FloatArray) -> Factors:
        """The factors of this vector, as views of it."""
        m, n, k = self.ratings.n_users, self.ratings.n_items, self.model.n_factors
        factors, rest = (m + n) * k, x[(m + n) * k :]
        P, Q = x[: m * k].reshape(m, k), x[m * k : factors].reshape(n, k)
        if not self.model.biased:
            return Factors(P, Q, np.zeros(m), np.zeros(n))
        return Factors(P, Q, rest[:m], rest[m : m + n], float(rest[m + n]) if self.free_mean else 0.0)

    def residuals(self, x: FloatArray) -> FloatArray:
        """r̂ − r for each rating (N,), in the order of the ratings."""
        return self._predicted(self.unpack(x)) - self.ratings.values

    def cost(self, x: FloatArray) -> float:
        """The cost at x."""
        error = self.residuals(x)
        return 0.5 * float(error @ error) + self._penalty(self.unpack(x))

    def value_and_gradient(self, x: FloatArray) -> tuple[float, FloatArray]:
        """The cost at x and its gradient, exact, in the layout of x."""
        at = self.unpack(x)
        predicted = self._predicted(at)
        error = predicted - self.ratings.values
        slope = error * self._link_slope(predicted)  # ∂cost/∂(linear predictor), (N,)
        by_user = self._matrix(slope)  # (m, n)
        parts = [
            (by_user @ at.item_factors + self.penalty * at.user_factors).ravel(),
            (by_user.T @ at.user_factors + self.penalty * at.item_factors).ravel(),
        ]
        if self.model.biased:
            m, n = self.ratings.n_users, self.ratings.n_items
            parts.append(np.bincount(self.ratings.user_idx, slope, m) + self.bias_penalty * at.user_bias)
            parts.append(np.bincount(self.ratings.item_idx, slope, n) + self.bias_penalty * at.item_bias)
        if self.free_mean:
            parts.append(np.array([slope.sum()]))
        return 0.5 * float(error @ error) + self._penalty(at), np.concatenate(parts)

    def _predicted(self, at: Factors) -> FloatArray:
        return predict_pairs(self.model, at, self.ratings.user_idx, self.ratings.item_idx)

    def _link_slope(self, predicted: FloatArray) -> FloatArray | float:
        """dr̂/dx of the link, from r̂ itself: 1, or (r̂ − low)(high − r̂) / (high − low)."""
        if self.model.y_range is None:
            return 1.0
        low, high = self.model.y_range
        return (predicted - low) * (high - predicted) / (high - low)

    def _penalty(self, at: Factors) -> float:
        factors = float(np.sum(at.user_factors**2) + np.sum(at.item_factors**2))
        biases = float(at.user_bias @ at.user_bias + at.item_bias @ at.item_bias)
        return 0.5 * (self.penalty * factors + self.bias_penalty * biases)

    def _matrix(self, values: FloatArray) -> Any:
        """One value a rating as an (m, n) matrix, dense or sparse, for ``@``."""
        m, n = self.ratings.n_users, self.ratings.n_items
        if m * n <= _DENSE_CELLS:
            matrix = np.zeros((m, n))
            matrix[self.ratings.user_idx, self.ratings.item_idx] = values
            return matrix
        from scipy.sparse import csr_array

        order, row_ends = self._by_user
        return csr_array((values[order], self.ratings.item_idx[order], row_ends), shape=(m, n))

    @cached_property
    def _by_user(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """The order of the ratings (N,) by user, and where each user's begin and end in it (m + 1,)."""
        row_ends = np.concatenate([[0], np.cumsum(self.ratings.user_counts)])
        return np.argsort(self.ratings.user_idx, kind="stable"), row_ends
