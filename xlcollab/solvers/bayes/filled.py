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

from xlcollab.model import FloatArray
from xlcollab.solvers.bayes.observations import Order

__all__ = ["Spectrum", "continued", "spectrum"]

OVERSAMPLING = 10
POWER_STEPS = 2


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

    A randomised range finder with two power steps (Halko, Martinsson & Tropp 2011): the leading directions are exact to
    many digits, the last few of a flat spectrum approximate, which costs nothing here: each is weighed by what it
    explains.
    """
    rank = min(rank, *order.filled.shape)
    if rank <= 0:
        return Spectrum(np.zeros((order.n_rows, 0)), np.zeros(0))
    table = _scaled(order.filled)
    width = min(rank + OVERSAMPLING, *table.shape)
    sample = table @ rng.standard_normal((table.shape[1], width))
    for _ in range(POWER_STEPS):
        basis, _ = np.linalg.qr(table.T @ sample)
        sample = table @ basis
    basis, _ = np.linalg.qr(sample)  # (rows, width)
    left, scales, _ = np.linalg.svd((table.T @ basis).T, full_matrices=False)
    kept = int(np.count_nonzero(scales[:rank] > 1e-6 * scales[0]))
    length = np.sqrt(table.multiply(table).sum() / order.n_rows)
    return Spectrum(basis @ left[:, :kept], scales[:kept] / length)


def continued(order: Order, vectors: FloatArray, weights: FloatArray) -> FloatArray:
    """What filling each column's cell says of a row that X does not have: g (columns, K), given weights C (R, K).

    A row x of X has the feature U_r = x V S⁻¹ with V = Xᵀ U S⁻¹ (Nyström), so that Cᵀ f = x Xᵀ U S⁻² C for a further
    row x as well; and x is |J|^{-½} D_c^{-¼} in the cells J that it fills.
    """
    table = _scaled(order.filled)
    right = table.T @ vectors  # (columns, R), V S
    by_column = np.maximum(np.bincount(order.filled.indices, minlength=order.filled.shape[1]), 1).astype(float)
    told: FloatArray = right @ (weights / np.sum(right**2, axis=0)[:, None])
    return told * by_column[:, None] ** -0.25


def _scaled(filled: sp.csr_matrix) -> sp.csr_matrix:
    by_row = np.maximum(np.diff(filled.indptr), 1).astype(float)
    by_column = np.maximum(np.bincount(filled.indices, minlength=filled.shape[1]), 1).astype(float)
    return sp.csr_matrix(sp.diags(by_row**-0.5) @ filled @ sp.diags(by_column**-0.25))
