"""Users and items with too few ratings to matter to an unpenalised least-squares fit, set aside and put back.

A user with no more ratings than the q parameters of a row can be fitted exactly whatever the items' factors are (in
general position), and so adds nothing to the least cost; likewise an item. Taking them away can leave others with too
few, and so on: what remains is the (q + 1)-core of the graph of ratings. The cost is minimised over the core; then
those set aside come back in reverse order, each fitted exactly to its own ratings, and of all exact fits the one
nearest to the average member. One without any rating becomes the average member.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from xlcollab.arrays import BoolArray, FloatArray, IndexArray
from xlcollab.model import Factors, Model

__all__ = ["Peeled", "average", "peel", "put_back"]

_RIDGE = 1e-10
"""Relative to the trace of a member's normal matrix: enough to choose the nearest fit, too little to move it."""


class Peeled(NamedTuple):
    """What is left, and what was taken off in which order."""

    users: BoolArray  # (m,) in the core
    items: BoolArray  # (n,) in the core
    ratings: BoolArray  # (N,) in the core
    rounds: list[tuple[bool, BoolArray]]  # (is it users?, which of them), in the order of going


def peel(user_idx: IndexArray, item_idx: IndexArray, shape: tuple[int, int], width: int) -> Peeled:
    """The core in which every user and every item has more than ``width`` ratings; it may be empty."""
    alive = (np.ones(shape[0], bool), np.ones(shape[1], bool))
    index = (user_idx, item_idx)
    kept = np.ones(len(user_idx), bool)
    rounds: list[tuple[bool, BoolArray]] = []
    quiet = 0
    while quiet < 2:
        side = len(rounds) % 2  # users, items, users, …
        counts = np.bincount(index[side][kept], minlength=shape[side])
        going = alive[side] & (counts <= width)
        rounds.append((side == 0, going))
        quiet = 0 if going.any() else quiet + 1
        alive[side][going] = False
        kept &= alive[side][index[side]]
    return Peeled(*alive, kept, rounds)


def average(core: Factors, peeled: Peeled) -> Factors:
    """Factors of all users and items: those of the core, which stand in the same order, and the core's average."""

    def spread(rows: FloatArray, into: BoolArray) -> FloatArray:
        whole = np.broadcast_to(rows.mean(axis=0), (len(into), *rows.shape[1:])).copy()
        whole[into] = rows
        return whole

    return Factors(
        spread(core.user_factors, peeled.users),
        spread(core.item_factors, peeled.items),
        spread(core.user_bias, peeled.users),
        spread(core.item_bias, peeled.items),
        core.mean,
    )


def put_back(
    model: Model, whole: Factors, peeled: Peeled, user_idx: IndexArray, item_idx: IndexArray, values: FloatArray
) -> Factors:
    """The factors with those set aside fitted to their ratings, in the reverse order of their going.

    ``whole`` holds all users and items: the core as it is to stay, and for each of the others the place to which its
    exact fit is to be the nearest. μ is 0.
    """
    known = [peeled.users.copy(), peeled.items.copy()]
    index = (user_idx, item_idx)
    for is_users, gone in reversed(peeled.rounds):
        if not gone.any():
            continue
        side, other = (0, 1) if is_users else (1, 0)
        use = gone[index[side]] & known[other][index[other]]
        # Seen from the side that comes back, it is always users who do.
        view = whole if is_users else whole.transposed()
        view = _with_fitted(model, view, gone, index[side][use], index[other][use], values[use])
        whole = view if is_users else view.transposed()
        known[side] |= gone
    return whole


def _with_fitted(
    model: Model,
    whole: Factors,
    gone: BoolArray,
    user_idx: IndexArray,
    item_idx: IndexArray,
    values: FloatArray,
) -> Factors:
    """``whole`` with the users in ``gone`` fitted to these ratings: exactly, and as near as can be to where they were.

    With z₀ where a user was, A the rows [q, 1] of its items and y what they are to explain, z = z₀ + Aᵀ(AAᵀ)⁺(y − A
    z₀), computed as z₀ + (AᵀA + ε)⁻¹Aᵀ(y − A z₀) for all of them at once.
    """
    from scipy.sparse import csr_array

    k, q, size = model.n_factors, model.n_factors + model.biased, int(gone.sum())
    A = np.hstack([whole.item_factors, np.ones((len(whole.item_factors), int(model.biased)))])  # (n, q)
    before = np.hstack([whole.user_factors, whole.user_bias[:, None]])[gone, :q]  # z₀ (size, q)
    row = (np.cumsum(gone) - 1)[user_idx]
    rest = values - whole.item_bias[item_idx] - np.einsum("na,na->n", A[item_idx], before[row])
    shape = (size, len(A))
    normal = csr_array((np.ones(len(row)), (row, item_idx)), shape=shape) @ (A[:, :, None] * A[:, None, :]).reshape(
        -1, q * q
    )
    normal = normal.reshape(size, q, q)
    trace = np.einsum("gaa->g", normal)
    normal[:, np.arange(q), np.arange(q)] += (_RIDGE * trace + (trace == 0))[:, None]
    pull = csr_array((rest, (row, item_idx)), shape=shape) @ A  # (size, q)
    z = before + np.linalg.solve(normal, pull[:, :, None])[:, :, 0]
    factors, bias = whole.user_factors.copy(), whole.user_bias.copy()
    factors[gone] = z[:, :k]
    if model.biased:
        bias[gone] = z[:, k]
    return replace(whole, user_factors=factors, user_bias=bias)
