"""The largest of many scores, row by row, and the best items that each user has not rated yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray, IntArray
from xlcollab.settings import whole_number

__all__ = ["Seen", "best_unseen", "blocks_of", "largest", "ranks"]

CELLS = 1 << 21  # scores in memory at a time: 16 MB

Pairs = tuple[IndexArray, IndexArray]


def largest(scores: FloatArray, n: int) -> IndexArray:
    """Where the ``n`` largest of each row of (d, columns) stand, largest first: positions (d, min(n, columns)).

    Of equal scores the one that stands further left comes first. Expects no NaN; −∞ comes last.
    """
    columns = scores.shape[1]
    n = max(0, min(n, columns))
    if n == 0:
        return np.zeros((len(scores), 0), dtype=np.int32)
    if n < columns:
        at = np.argpartition(scores, columns - n, axis=1)[:, columns - n :]
        _take_leftmost(at, scores)
        at = np.sort(at, axis=1)
    else:
        at = np.broadcast_to(np.arange(columns), scores.shape)
    order = np.argsort(-np.take_along_axis(scores, at, axis=1), axis=1, kind="stable")
    return np.take_along_axis(at, order, axis=1).astype(np.int32)


def _take_leftmost(at: IntArray, scores: FloatArray) -> None:
    """Put the leftmost of equal scores into ``at`` where a partition chose among more than it had room for."""
    least = np.take_along_axis(scores, at, axis=1).min(axis=1, keepdims=True)
    n = at.shape[1]
    for row in np.flatnonzero(np.count_nonzero(scores >= least, axis=1) > n):
        above, equal = np.flatnonzero(scores[row] > least[row]), np.flatnonzero(scores[row] == least[row])
        at[row] = np.concatenate([above, equal[: n - len(above)]])


def blocks_of(rows: IndexArray, columns: int) -> Iterator[IndexArray]:
    """The positions ``rows`` (d,) in blocks for which d × columns scores can be in memory at once."""
    size = max(1, CELLS // max(columns, 1))
    return (rows[at : at + size] for at in range(0, len(rows), size))


@dataclass(frozen=True, eq=False)
class Seen:
    """The items that each user has rated: those of user u are ``items[ends[u]:ends[u + 1]]``."""

    items: IndexArray
    ends: IntArray

    @classmethod
    def of(cls, pairs: Sequence[Pairs], n_users: int) -> Seen:
        """From columns of user and item positions; a pair with a −1 in it is nobody's, and left out."""
        users, items = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        known = (users >= 0) & (items >= 0)
        users, items = users[known], items[known]
        order = np.argsort(users, kind="stable")
        return cls(items[order], np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_users))]))

    def cells(self, users: IndexArray) -> Pairs:
        """(row, item) of all that the users (d,) have rated; row counts within ``users``."""
        counts = self.ends[users + 1] - self.ends[users]
        rows = np.repeat(np.arange(len(users), dtype=np.int32), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.items[np.repeat(self.ends[users], counts) + within]


def ranks(rows: IndexArray) -> IndexArray:
    """The rank of each entry, from 1, within the run of equal ``rows`` (N,) that it stands in; rows ascend."""
    return (np.arange(len(rows)) - np.searchsorted(rows, rows) + 1).astype(np.int32)


def best_unseen(
    score: Callable[[IndexArray], FloatArray],
    seen: Seen | None,
    users: IndexArray,
    n_items: int,
    n: int,
    among: IndexArray | None = None,
) -> tuple[IndexArray, IndexArray]:
    """The ``n`` items with the highest scores that each of ``users`` (d,) has not seen, user by user, best first.

    ``score`` gives the scores (block, n_items) of a block of users. Returns (row, item) of (N,) each, row within
    ``users``; a user who has seen nearly all gets fewer than n. Without ``seen`` every item is a candidate, or every
    one that stands ``among`` these.
    """
    n = whole_number("n", n, 0)
    found: list[Pairs] = [(np.zeros(0, dtype=np.int32),) * 2]
    done = 0
    barred = None if among is None else np.setdiff1d(np.arange(n_items), among)
    for block in blocks_of(users, n_items):
        scores = np.array(score(block))
        if barred is not None:
            scores[:, barred] = -np.inf
        if seen is not None:
            scores[seen.cells(block)] = -np.inf
        at = largest(scores, n)
        left = np.isfinite(np.take_along_axis(scores, at, axis=1))
        found.append((np.nonzero(left)[0].astype(np.int32) + done, at[left]))
        done += len(block)
    rows, items = (np.concatenate([pair[side] for pair in found]) for side in (0, 1))
    return rows, items
