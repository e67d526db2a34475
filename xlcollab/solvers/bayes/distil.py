"""Many models in one: the mean of many dot-plus-bias predictors, as one dot-plus-bias model of few factors.

The mean of S predictors b_u + b_i + p_u·q_i is a table of rank S k + 2 at most. Its biases are averaged as they are; of
the rest, X = mean of P Qᵀ with P and Q centred, the best approximation by few factors is the truncated singular
value decomposition (Eckart & Young 1936). X itself is never formed: it is kept as L Rᵀ and compressed whenever further
draws have made it wide.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from xlcollab.arrays import FloatArray

__all__ = ["Average", "Split", "split"]

WIDTH = 96  # columns of L and R that are kept; the truncated ones carry the noise of single draws
NEGLIGIBLE = 0.015  # root mean square over all cells of what the distilled factors leave out, in sd of the ratings


class Split(NamedTuple):
    """A predictor b_u + b_i + L Rᵀ with the column means of L (m, r) and R (n, r) taken into the biases."""

    left: FloatArray
    right: FloatArray
    user_bias: FloatArray
    item_bias: FloatArray


def split(users: FloatArray, items: FloatArray) -> Split:
    """The predictor of x = (p, b) of users (m, K) and items (n, K)."""
    P, Q, b_u, b_i = users[:, :-1], items[:, :-1], users[:, -1], items[:, -1]
    p_mean, q_mean = P.mean(axis=0), Q.mean(axis=0)
    P, Q = P - p_mean, Q - q_mean
    return Split(P, Q, b_u + P @ q_mean, b_i + Q @ p_mean + p_mean @ q_mean)


class Average:
    """The mean of predictors, `add` by `add`."""

    def __init__(self) -> None:
        self._sum: Split | None = None
        self._count = 0.0

    def add(self, one: Split, weight: float = 1.0) -> None:
        """One more predictor, counted ``weight`` times."""
        left, b_u, b_i = (weight * part for part in (one.left, one.user_bias, one.item_bias))
        right = one.right
        if self._sum is not None:
            left, right = np.hstack([self._sum.left, left]), np.hstack([self._sum.right, right])
            b_u, b_i = self._sum.user_bias + b_u, self._sum.item_bias + b_i
        if left.shape[1] > 2 * WIDTH:
            left, right = (side[:, :WIDTH] for side in _decomposed(left, right)[:2])
        self._sum = Split(left, right, b_u, b_i)
        self._count += weight

    def beside(self, one: Split) -> Average:
        """Half of the mean so far, and half of ``one``."""
        both = Average()
        both._sum, both._count = self._sum, self._count
        both.add(one, self._count)
        return both

    def distilled(self, rank: int, *, at_most: bool) -> tuple[FloatArray, FloatArray]:
        """Users (m, rank + 1) and items (n, rank + 1) of the model of that rank which is nearest to the mean.

        With ``at_most`` of the least rank, no higher, that leaves out less than `NEGLIGIBLE`.
        """
        if self._sum is None:
            raise ValueError("no predictor was added")
        left, right, singular = _decomposed(self._sum.left / self._count, self._sum.right)
        if at_most:
            beyond = np.append(np.cumsum(singular[::-1] ** 2)[::-1], 0.0)  # (r + 1,), squares from each rank on
            enough = np.flatnonzero(beyond <= NEGLIGIBLE**2 * len(left) * len(right))
            rank = min(rank, int(enough[0]))
        missing = ((0, 0), (0, max(rank - singular.size, 0)))  # of a rank higher than the table's: zeros
        root = np.sqrt(singular)
        P, Q = (np.pad((side * scale)[:, :rank], missing) for side, scale in ((left, 1 / root), (right, root)))
        users = np.column_stack([P, self._sum.user_bias / self._count])
        return users, np.column_stack([Q, self._sum.item_bias / self._count])


def _decomposed(left: FloatArray, right: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """L Rᵀ = (U S) Vᵀ, singular values falling: U S (m, r), V (n, r) and the diagonal of S (r,), those above 0."""
    left_basis, left_upper = np.linalg.qr(left)
    right_basis, right_upper = np.linalg.qr(right)
    u, singular, vt = np.linalg.svd(left_upper @ right_upper.T, full_matrices=False)
    kept = singular > 1e-12 * singular.max(initial=np.finfo(float).tiny)
    u, singular, vt = u[:, kept], singular[kept], vt[kept]
    return left_basis @ (u * singular), right_basis @ vt.T, singular
