"""Pairs of which a network knows one side only: the mean of what it predicts for that side.

A dot product has an average user to predict with; a network has none. So the rating of an unknown user for item i is
the mean of its predictions for i over the users that it knows (256 of them, evenly spaced, where there are more).
"""

from __future__ import annotations

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.solvers.base import Predictor

__all__ = ["predicted_somehow"]

OTHERS = 256


def predicted_somehow(
    predictor: Predictor, user_idx: IndexArray, item_idx: IndexArray, shape: tuple[int, int], mean: float
) -> FloatArray:
    """r̂ (N,) for pairs of positions, −1 where unknown; ``shape`` is (users, items). Two unknowns get ``mean``."""
    values = np.full(len(user_idx), mean)
    user_known, item_known = user_idx >= 0, item_idx >= 0
    known = user_known & item_known
    values[known] = predictor.predict_pairs(user_idx[known], item_idx[known])
    for at, side, others in (
        (np.flatnonzero(item_known & ~user_known), item_idx, shape[0]),
        (np.flatnonzero(user_known & ~item_known), user_idx, shape[1]),
    ):
        if not at.size:
            continue
        distinct, which = np.unique(side[at], return_inverse=True)
        some = np.linspace(0, others - 1, min(others, OTHERS)).astype(np.int32)
        own, other = np.repeat(distinct, len(some)), np.tile(some, len(distinct))
        pairs = (other, own) if side is item_idx else (own, other)
        values[at] = predictor.predict_pairs(*pairs).reshape(len(distinct), len(some)).mean(axis=1)[which]
    return values
