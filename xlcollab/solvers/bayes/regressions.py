"""Many Bayesian linear regressions at once: every user's on the items' factors, or every item's on the users'.

Each row's system is K × K; a block of rows (`observations.Block`) is a few array operations.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from xlcollab.arrays import FloatArray
from xlcollab.solvers.bayes.observations import TableArray

if TYPE_CHECKING:
    from xlcollab.solvers.bayes.variational import Side

__all__ = ["Regressions", "inverse", "regressions"]

DIRECT = 8  # the largest matrices that are eliminated entry by entry


class Regressions(NamedTuple):
    """The Bayesian linear regressions of a block of B rows: x has precision matrix and linear term as here.

    With z = (q, 1) the regressors of a rating and b its offset: ``gram`` Σ_j w_j E[z zᵀ] (B, K, K), ``pull``
    Σ_j w_j (E[z] y − E[z b]) (B, K) and ``squares`` Σ_j w_j E[(y − b)²] (B,).
    """

    rows: slice
    precision: FloatArray  # (B, K, K)
    right: FloatArray  # (B, K)
    gram: FloatArray
    pull: FloatArray
    squares: FloatArray

    def squared_error(self, x: FloatArray) -> FloatArray:
        """Σ_j w_j E[(y − x·z − b)²] (B,) at the given x (B, K)."""
        error: FloatArray = self.squares - 2.0 * np.einsum("dk,dk->d", x, self.pull)
        error += np.einsum("dk,dk->d", x, (self.gram @ x[:, :, None])[:, :, 0])
        return error


def regressions(side: Side, other: Side, precision: float) -> Iterator[Regressions]:
    """What every row's ratings say of it, given the other side.

    The posterior precision is Λ + τ w Σ_j w_j E[z zᵀ] and the linear term Λ·prior mean + τ w Σ_j w_j (E[z] y − E[z b]).
    """
    k = side.n_factors
    v, vv = _regressors(other, side.order.table_type)  # (columns, K + 1) as (q, b, 1), (columns, T)
    v *= other.noise[:, None]
    vv *= other.noise[:, None].astype(vv.dtype)
    place = _places(k + 2)
    z = np.delete(np.arange(k + 2), k)  # where q and 1 stand in v, and k is where b does
    of_z = place[np.ix_(z, z)]
    prior = side.prior_mean @ side.precision
    for block in side.order.blocks:
        moments, linear = block.total(vv), block.values @ v  # (B, T), (B, K + 1)
        gram = moments[:, of_z]  # (B, K, K)
        pull = linear[:, z] - moments[:, place[z, k]]
        scale = precision * side.noise[block.rows]
        yield Regressions(
            block.rows,
            side.precision + scale[:, None, None] * gram,
            prior[block.rows] + scale[:, None] * pull,
            gram,
            pull,
            block.squares @ other.noise - 2.0 * linear[:, k] + moments[:, place[k, k]],
        )


def _regressors(side: Side, table_type: type[np.float32 | np.float64]) -> tuple[FloatArray, TableArray]:
    """What the other side's regressions see: v = (p, b, 1) (d, K + 1), and the upper triangle of E[v vᵀ] (d, T)."""
    d, K = side.mean.shape
    v = np.column_stack([side.mean, np.ones(d)])
    place = _places(K + 1)
    vv = np.empty((d, place[K, K] + 1), table_type)
    for a in range(K + 1):
        row = vv[:, place[a, a] : place[a, K] + 1]
        np.multiply(v[:, a, None], v[:, a:], out=row, casting="same_kind")
        row[:, : K - a] += side.covariance[:, a : a + 1, a:].reshape(d, K - a)  # the constant has none
    return v, vv


@lru_cache(maxsize=64)
def _places(size: int) -> npt.NDArray[np.intp]:
    """Where each entry of a symmetric matrix (size, size) stands in its upper triangle, packed row by row."""
    place = np.empty((size, size), dtype=np.intp)
    first, second = np.triu_indices(size)
    place[first, second] = place[second, first] = np.arange(first.size)
    return place


def inverse(matrices: FloatArray) -> FloatArray:
    """Of each symmetric positive definite matrix (B, K, K), without a call of LAPACK for each of them.

    In halves by Schur's complement (Banachiewicz 1937), so that most of the work is products:

        [A  C ]⁻¹   [A⁻¹ + W S Wᵀ   −W S]
        [Cᵀ D ]   = [    −S Wᵀ        S ],     W = A⁻¹ C,  S = (D − Cᵀ W)⁻¹
    """
    K = matrices.shape[1]
    if K <= DIRECT:
        return _eliminated(matrices)
    made, half = np.empty_like(matrices), K // 2
    first, cross = inverse(matrices[:, :half, :half]), matrices[:, :half, half:]
    W = first @ cross
    S = inverse(matrices[:, half:, half:] - cross.swapaxes(1, 2) @ W)
    WS = W @ S
    made[:, half:, half:] = S
    made[:, :half, half:] = -WS
    made[:, half:, :half] = -WS.swapaxes(1, 2)
    made[:, :half, :half] = first + WS @ W.swapaxes(1, 2)
    return made


def _eliminated(matrices: FloatArray) -> FloatArray:
    """The same by Gauss and Jordan, in steps over all matrices; positive definite ones need no pivots."""
    work = np.array(matrices.transpose(1, 2, 0), order="C")  # (K, K, B)
    for k in range(len(work)):
        row, column = work[k] / work[k, k], work[:, k].copy()
        inverse_pivot = 1.0 / work[k, k]
        work -= column[:, None] * row
        work[k], work[:, k] = row, -inverse_pivot * column
        work[k, k] = inverse_pivot
    return np.ascontiguousarray(work.transpose(2, 0, 1))
