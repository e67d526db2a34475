"""Where new factors begin: along the directions in which what is not explained yet varies most.

With E the residuals y − b_u − b_i − p_u·q_i, one power step of alternating regressions leads there from random ones,

    P = D_u⁻¹ E Q,    Q = D_i⁻¹ Eᵀ P,        D = diag(number of ratings + 1 / τ),

as subspace iteration does for singular vectors (Halko, Martinsson & Tropp 2011), in less time than a sweep takes.
Random factors need sweeps to turn towards what can be learned, and seem worth nothing until then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from xlcollab.arrays import FloatArray

if TYPE_CHECKING:
    from xlcollab.solvers.bayes.variational import Posterior

__all__ = ["leading_directions"]

SPREAD = 0.3  # of a new factor over the users
CELLS = 1 << 14  # ratings whose factors are in memory at a time


def leading_directions(posterior: Posterior, count: int) -> FloatArray:
    """New factors of the users (d, count); those beyond the number of users or items are random."""
    rng, residuals = posterior.rng, _residuals(posterior)
    by_user, by_item = (
        1.0 / (side.order.counts + 1.0 / posterior.precision) for side in (posterior.users, posterior.items)
    )
    d, n = residuals.shape
    some = min(count, d, n)
    Q = rng.standard_normal((n, some))
    P = by_user[:, None] * (residuals @ Q)
    Q = np.linalg.qr(by_item[:, None] * (residuals.T @ P))[0]
    P = np.linalg.qr(by_user[:, None] * (residuals @ Q))[0]
    return SPREAD * np.hstack([np.sqrt(d) * P, rng.standard_normal((d, count - some))])


def _residuals(posterior: Posterior) -> sp.csr_matrix:
    """E (users, items), 0 where nothing is rated."""
    users, items, k = posterior.users, posterior.items, posterior.n_factors
    values = posterior.observations.by_user.values
    left = sp.csr_matrix((values.data.copy(), values.indices, values.indptr), shape=values.shape)
    row_idx = np.repeat(np.arange(users.n_rows, dtype=values.indices.dtype), np.diff(values.indptr))
    for start in range(0, values.nnz, CELLS):
        cells = slice(start, start + CELLS)
        x, z = users.mean[row_idx[cells]], items.mean[values.indices[cells]]
        left.data[cells] -= x[:, k] + z[:, k] + np.einsum("nk,nk->n", x[:, :k], z[:, :k])
    return left
