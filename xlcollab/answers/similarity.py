"""How alike two items (or two users) are: the cosine of the angle between their factors.

    cos(i, j) = q_i·q_j / (‖q_i‖ ‖q_j‖)

from −1 (opposite tastes) over 0 (nothing in common) to 1 (the same direction). Biases do not count: two films that
please the same people are alike, even if one is better. The cosine depends on the axes that the factors stand in;
`xlcollab.model.canonical` fixes those, so that the same fit gives the same cosines. Factors of length 0 have no
direction, and their cosine with all others is 0.
"""

from __future__ import annotations

import numpy as np

from xlcollab.answers.ranking import blocks_of, largest
from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import FitError
from xlcollab.settings import whole_number

__all__ = ["most_similar"]


def most_similar(vectors: FloatArray, n: int, rows: IndexArray | None = None) -> tuple[IndexArray, FloatArray]:
    """The ``n`` rows of ``vectors`` (d, k) that are most like each of ``rows`` (all of them where None).

    Positions (r, top) and cosines (r, top), best first, with top = min(n, d − 1): nobody is listed as like themselves.
    Works in blocks: the d × d matrix is never there at once. Raises `FitError` where k is 0.
    """
    n = whole_number("n", n, 0)
    d, k = vectors.shape
    if k == 0:
        raise FitError("The fit has biases alone: without factors nobody is more alike than others. Fit some factors.")
    rows = np.arange(d, dtype=np.int32) if rows is None else rows
    top = max(0, min(n, d - 1))  # of nobody nobody is alike
    unit = _directions(vectors)
    positions, cosines = np.empty((len(rows), top), dtype=np.int32), np.empty((len(rows), top))
    done = 0
    for block in blocks_of(rows, d):
        scores = unit[block] @ unit.T  # (block, d)
        scores[np.arange(len(block)), block] = -np.inf
        at = largest(scores, top)
        here = slice(done, done + len(block))
        positions[here], cosines[here] = at, np.clip(np.take_along_axis(scores, at, axis=1), -1.0, 1.0)
        done += len(block)
    return positions, cosines


def _directions(vectors: FloatArray) -> FloatArray:
    """Each row divided by its length; rows of zeros stay."""
    scaled = vectors / np.maximum(np.abs(vectors).max(axis=1, keepdims=True), np.finfo(float).tiny)  # no overflow
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    directions: FloatArray = scaled / np.where(length > 0, length, 1.0)
    return directions
