"""The largest of many scores, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from xlcollab.model import FloatArray, IntArray

__all__ = ["blocks_of", "largest"]

CELLS = 1 << 21  # scores in memory at a time: 16 MB


def largest(scores: FloatArray, n: int) -> IntArray:
    """Where the ``n`` largest of each row of (d, columns) stand, largest first: positions (d, min(n, columns)).

    Of equal scores the one that stands further left comes first. Expects no NaN; −∞ comes last.
    """
    columns = scores.shape[1]
    n = max(0, min(n, columns))
    if n == 0:
        return np.zeros((len(scores), 0), dtype=np.int32)
    if n < columns:
        at = np.sort(np.argpartition(scores, columns - n, axis=1)[:, columns - n :], axis=1)
    else:
        at = np.broadcast_to(np.arange(columns), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, at, axis=1), axis=1, kind="stable")
    return np.take_along_axis(at, order, axis=1).astype(np.int32)


def blocks_of(rows: IntArray, columns: int) -> Iterator[IntArray]:
    """The positions ``rows`` (d,) in blocks for which d × columns scores can be in memory at once."""
    size = max(1, CELLS // max(columns, 1))
    return (rows[at : at + size] for at in range(0, len(rows), size))
