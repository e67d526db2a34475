"""What which cells are filled says about a user or an item: spectral features of the 0/1 table of rated cells.

People choose what they rate, so that the choice alone tells of their taste. SVD++ (Koren 2008) sums a learned vector
over the items that a user rated, divided by √(their number); here the same information enters as a linear prior mean
(Lim & Teh 2007; Macau, Simm et al. 2015), on both sides, and is reduced to the leading singular vectors of the scaled
table

    X = D_r^{-1/2} W D_c^{-1/4},        W (rows, columns) = 1 where rated, D_r and D_c the numbers of ratings,

whose rows have about the same length however many ratings they have, and in which what everybody rates counts less.
Only the cells that a fit is given are looked at, never a held-out one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from xlcollab.arrays import FloatArray
from xlcollab.solvers.bayes.observations import Order

__all__ = ["Spectrum", "continued", "spectrum"]

OVERSAMPLING = 10
POWER_STEPS = 2
BLOCK = 1 << 15  # rows of the longer side whose products are in memory at a time


@dataclass(frozen=True, eq=False)
class Spectrum:
    """``vectors`` (rows, R) with orthonormal columns, and their singular values ``scales`` (R,), largest first.

    The scales are those of X multiplied so that the mean squared length of its rows is 1.
    """

    vectors: FloatArray
    scales: FloatArray

    @property
    def rank(self) -> int:
        """R."""
        return int(self.scales.size)


def spectrum(order: Order, rank: int, rng: np.random.Generator) -> Spectrum:
    """The leading ``rank`` left singular vectors of X for the rows of ``order``; fewer where X has fewer.

    Subspace iteration from a random start (Halko, Martinsson & Tropp 2011) on whichever of X Xᵀ and Xᵀ X is the
    smaller, so that a million rows on the other side cost no memory. The leading directions are exact to many digits,
    the last few of a flat spectrum approximate, which costs nothing here: each is weighed by what it explains.
    """
    rank = min(rank, *order.values.shape)
    if rank <= 0:
        return Spectrum(np.zeros((order.n_rows, 0)), np.zeros(0))
    table = _scaled(order.values)
    rows_are_fewer = table.shape[0] <= table.shape[1]
    tall = sp.csr_matrix(table.T) if rows_are_fewer else table
    width = min(rank + OVERSAMPLING, tall.shape[1])
    basis = rng.standard_normal((tall.shape[1], width))
    for _ in range(POWER_STEPS):
        basis = _orthonormal(_gram_times(tall, basis))
    values, turn = np.linalg.eigh(basis.T @ _gram_times(tall, basis))  # smallest first
    kept = [at for at in range(len(values) - 1, -1, -1) if values[at] > 1e-12 * values[-1]][:rank]
    vectors, scales = basis @ turn[:, kept], np.sqrt(values[kept])
    if not rows_are_fewer:
        vectors = _orthonormal(tall @ (vectors / scales))
    return Spectrum(vectors, scales / _length(table))


def _gram_times(tall: sp.csr_matrix, block: FloatArray) -> FloatArray:
    """AᵀA B, by some rows of A at a time."""
    product = np.zeros_like(block)
    for start in range(0, tall.shape[0], BLOCK):
        some = tall[start : start + BLOCK]
        product += some.T @ (some @ block)
    return product


def _orthonormal(block: FloatArray) -> FloatArray:
    """A basis of the columns, by the eigenvectors of their Gram matrix: for tall blocks far cheaper than QR.

    The basis nearest to the columns, each to its own (Löwdin), where they are independent. Twice, since the first time
    leaves errors of the condition number squared (as CholeskyQR2, Yamamoto et al. 2015).
    """
    for _ in range(2):
        values, turn = np.linalg.eigh(block.T @ block)
        kept = values > 1e-14 * values[-1]
        root = turn[:, kept] / np.sqrt(values[kept])
        block = block @ (root @ turn.T if kept.all() else root)
    return block


def continued(order: Order, features: Spectrum, weights: FloatArray) -> FloatArray:
    """What filling each column's cell says of a row that X does not have: g (columns, K), given weights C (R, K).

    A row x of X has the feature U_r = x V S⁻¹ with V = Xᵀ U S⁻¹ (Nyström), so that Cᵀ f = x Xᵀ U S⁻² C for a further
    row x as well; and x is |J|^{-½} D_c^{-¼} in the cells J that it fills.
    """
    table = _scaled(order.values)
    scales = features.scales * _length(table)
    told: FloatArray = table.T @ (features.vectors @ (weights / scales[:, None] ** 2))
    return told * _by_column(order.values)[:, None] ** -0.25


def _scaled(rated: sp.csr_matrix) -> sp.csr_matrix:
    """X, from which cells a table holds."""
    by_row = np.maximum(np.diff(rated.indptr), 1).astype(float)
    values = np.repeat(by_row**-0.5, np.diff(rated.indptr)) * (_by_column(rated) ** -0.25)[rated.indices]
    return sp.csr_matrix((values, rated.indices, rated.indptr), shape=rated.shape)


def _by_column(rated: sp.csr_matrix) -> FloatArray:
    """How many cells of each column are filled, 1 at the least (columns,)."""
    return np.maximum(np.bincount(rated.indices, minlength=rated.shape[1]), 1).astype(float)


def _length(table: sp.csr_matrix) -> float:
    """The root of the mean squared length of the rows."""
    return float(np.sqrt(table.data @ table.data / table.shape[0]))
