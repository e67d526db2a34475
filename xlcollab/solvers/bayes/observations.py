"""The ratings as the Bayesian solver reads them: standardised, and in both orders, user by user and item by item.

Memory: 32 bytes a rating for the two orders together (an index and a value in each, and the ones that both share).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from xlcollab.arrays import FloatArray, IndexArray

__all__ = ["Observations", "Order"]

BLOCK = 4096  # rows squared at a time, so that the squares of all ratings are never held


@dataclass(frozen=True, eq=False)
class Order:
    """One side's ratings, row by row: the rows are users and the columns items, or the other way round.

    ``filled`` (rows, columns) holds a 1 in each rated cell, ``values`` y = (r − μ) / σ in the same cells; the two share
    their index arrays.
    """

    filled: sp.csr_matrix
    values: sp.csr_matrix

    @property
    def n_rows(self) -> int:
        """How many users (or items) there are."""
        return int(self.filled.shape[0])

    @cached_property
    def counts(self) -> FloatArray:
        """How many ratings each row has (rows,)."""
        return np.diff(self.filled.indptr).astype(float)

    def sums_of_squares(self, weights: FloatArray) -> FloatArray:
        """Σ_j w_j y_j² over the cells of each row (rows,); ``weights`` (columns,) belong to the other side."""
        sums = np.empty(self.n_rows)
        for start in range(0, self.n_rows, BLOCK):
            block = self.values[start : start + BLOCK]  # a copy, which may be squared in place
            block.data **= 2
            sums[start : start + BLOCK] = block @ weights
        return sums


@dataclass(frozen=True, eq=False)
class Observations:
    """N ratings of m users and n items, standardised: y = (r − μ) / σ with their mean μ and standard deviation σ."""

    by_user: Order
    by_item: Order
    mean: float
    scale: float

    @classmethod
    def from_arrays(
        cls, user_idx: IndexArray, item_idx: IndexArray, values: FloatArray, n_users: int, n_items: int
    ) -> Observations:
        """Sort N triplets (positions from 0, each pair at most once, not all values equal) both ways."""
        mean, scale = float(np.mean(values)), float(np.std(values))
        ones = np.ones(len(values))
        by_user = sp.csr_matrix(((values - mean) / scale, (user_idx, item_idx)), shape=(n_users, n_items))
        return cls(_order(by_user, ones), _order(by_user.T.tocsr(), ones), mean, scale)

    @property
    def n_ratings(self) -> int:
        """N."""
        return int(self.by_user.values.nnz)


def _order(values: sp.csr_matrix, ones: FloatArray) -> Order:
    filled = sp.csr_matrix((ones, values.indices, values.indptr), shape=values.shape)
    return Order(filled, values)
