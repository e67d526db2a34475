"""Where to start: a table with its blanks filled in, cut down to k factors by its singular value decomposition.

The blanks get what row and column means say of them, and, for variety between starts, noise of ``spread`` times the
standard deviation that the known ratings have around those means. From such a start the least minimum is hit far more
often, and in half the iterations, than from random factors: on the lesson's 15×15 with biases 99% of starts for spread
½, 93% for 1, 80% for 2, and 76% for random factors; but a cluster of starts may miss the same minimum, hence several
spreads.

Where filling would need too much memory, the same decomposition is taken of means plus sparse residuals, by a few
subspace iterations from a random start, whose incompleteness gives the variety.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.model import Factors, Model

__all__ = ["first_factors"]

_MOST_CELLS = 400_000
_SUBSPACE_PASSES = 3
_MARGIN = 0.02
"""Ratings at the ends of a ``y_range`` are taken this fraction of it inside: there the linear predictor is finite."""


def first_factors(
    model: Model,
    user_idx: IndexArray,
    item_idx: IndexArray,
    values: FloatArray,
    shape: tuple[int, int],
    generator: np.random.Generator,
    spread: float,
) -> Factors:
    """Factors to start from, for N ratings in a table of ``shape`` (m, n). √S goes to each side."""
    linear = _unlinked(model, values)
    mean, by_user, by_item = _means(user_idx, item_idx, linear, shape)
    rest = linear - (mean + by_user[user_idx] + by_item[item_idx])
    # Without biases the means are part of what the factors must say: the matrix [b_u + μ, 1] [1, b_i]ᵀ.
    left = np.column_stack([by_user + mean, np.ones(shape[0])])
    right = np.column_stack([np.ones(shape[1]), by_item])
    if model.biased:
        left, right = left[:, :0], right[:, :0]
    rank = min(model.n_factors, *shape)
    if shape[0] * shape[1] <= _MOST_CELLS:
        filled = generator.normal(0.0, spread * float(rest.std()), shape) if spread else np.zeros(shape)
        filled[user_idx, item_idx] = rest
        P, Q = _top(filled + left @ right.T, rank)
    else:
        P, Q = _top_of_sparse(user_idx, item_idx, rest, left, right, rank, generator)
    missing = model.n_factors - rank
    P, Q = np.pad(P, ((0, 0), (0, missing))), np.pad(Q, ((0, 0), (0, missing)))
    if not model.biased:
        return Factors(P, Q, np.zeros(shape[0]), np.zeros(shape[1]))
    return Factors(P, Q, by_user, by_item, mean)


def _unlinked(model: Model, values: FloatArray) -> FloatArray:
    """The linear predictor that the link would turn into ``values``."""
    if model.y_range is None:
        return values
    low, high = model.y_range
    share = np.clip((values - low) / (high - low), _MARGIN, 1 - _MARGIN)
    return np.log(share / (1 - share))


def _means(
    user_idx: IndexArray, item_idx: IndexArray, values: FloatArray, shape: tuple[int, int]
) -> tuple[float, FloatArray, FloatArray]:
    """μ, b_u (m,), b_i (n,): the mean, then item means of what is left, then user means of what is left of that."""
    mean = float(values.mean())
    rest = values - mean
    by_item = _mean_by(item_idx, rest, shape[1])
    return mean, _mean_by(user_idx, rest - by_item[item_idx], shape[0]), by_item


def _mean_by(index: IndexArray, values: FloatArray, size: int) -> FloatArray:
    return np.bincount(index, values, size) / np.maximum(np.bincount(index, minlength=size), 1)


def _top(matrix: FloatArray, rank: int) -> tuple[FloatArray, FloatArray]:
    left, singular, right = np.linalg.svd(matrix, full_matrices=False)
    root = np.sqrt(singular[:rank])
    return left[:, :rank] * root, right[:rank].T * root


def _top_of_sparse(
    user_idx: IndexArray,
    item_idx: IndexArray,
    rest: FloatArray,
    left: FloatArray,
    right: FloatArray,
    rank: int,
    generator: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """`_top` of left·rightᵀ + the sparse residuals, approximately.

    Halko, Martinsson & Tropp, SIAM Rev. 53 (2011) 217.
    """
    from scipy.sparse import coo_array

    sparse: Any = coo_array((rest, (user_idx, item_idx)), shape=(left.shape[0], right.shape[0])).tocsr()
    basis = generator.normal(size=(right.shape[0], rank))
    for _ in range(_SUBSPACE_PASSES):
        image = np.linalg.qr(sparse @ basis + left @ (right.T @ basis))[0]  # (m, rank)
        basis = np.linalg.qr(sparse.T @ image + right @ (left.T @ image))[0]  # (n, rank)
    P, small = _top(sparse @ basis + left @ (right.T @ basis), rank)
    return P, basis @ small
