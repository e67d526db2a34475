"""How good the lists are that a fit recommends: each held-out user's best n items against what was held out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from xlcollab import metrics
from xlcollab.answers.ranking import ranks
from xlcollab.arrays import FloatArray, IndexArray, IntArray
from xlcollab.fitting import Fit
from xlcollab.ratings import Ratings
from xlcollab.settings import whole_number

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True)
class Ranking:
    """Means over users of the measures of their lists of ``n`` (`metrics`), and the catalogue coverage of all lists.

    The lists are those of `Fit.recommend`, without what was rated in training. An item is relevant to a user whose
    held-out rating of it is ``relevant`` or more; one without a held-out rating counts as not relevant, so that
    precision and the like are lower bounds. The gain of a relevant item for nDCG is its rating above the lowest of the
    scale; nothing else gains. ``users`` is over how many users the means are: those with a training rating and a
    relevant held-out one. Without any, the measures are NaN.
    """

    n: int
    relevant: float
    users: int
    precision: float
    recall: float
    ndcg: float
    map: float
    coverage: float


def rank(fit: Fit, valid: Ratings, *, n: int = 10, relevant: float | None = None) -> Ranking:
    """Measure the lists of ``fit`` by held-out ratings.

    ``relevant`` None is three quarters up the scale of the training ratings: 4 of 1 to 5, as is usual there. A relevant
    item that the fit does not know cannot be recommended and counts as missed.
    """
    n = whole_number("n", n, 1)
    low, high = fit.ratings.scale
    threshold = low + 0.75 * (high - low) if relevant is None else float(relevant)
    user_idx, item_idx = fit.ratings.positions(valid)
    good = (valid.values >= threshold) & (valid.values > low)
    good &= (user_idx >= 0) & (fit.ratings.user_counts[user_idx] > 0)
    users, row = np.unique(user_idx[good], return_inverse=True)  # (d,), (N,)
    if not len(users):
        return Ranking(n, threshold, 0, *5 * [float("nan")])
    gains = valid.values[good] - low
    listed = _listed(fit, users, n)
    gained = _gained(listed, row, item_idx[good], gains, fit.ratings.n_items)
    hits, n_relevant = gained > 0, np.bincount(row)
    return Ranking(
        n=n,
        relevant=threshold,
        users=len(users),
        precision=float(metrics.precision(hits, np.maximum((listed >= 0).sum(axis=1), 1)).mean()),
        recall=float(metrics.recall(hits, n_relevant).mean()),
        ndcg=float(metrics.ndcg(gained, _ideal(row, gains, n_relevant, n)).mean()),
        map=float(metrics.average_precision(hits, n_relevant).mean()),
        coverage=metrics.coverage(listed, fit.ratings.n_items),
    )


def _listed(fit: Fit, users: IndexArray, n: int) -> IntArray:
    """The items recommended to each of d users, best first, −1 for places that stay empty (d, n)."""
    rows, items = replace(fit, valid=None).recommend_positions(users, n)
    listed = np.full((len(users), n), -1, dtype=np.int64)
    listed[rows, ranks(rows) - 1] = items
    return listed


def _gained(listed: IntArray, row: IntArray, item_idx: IndexArray, gains: FloatArray, n_items: int) -> FloatArray:
    """The gain of each listed item (d, n): that of its held-out rating, 0 where there is none."""
    known = np.flatnonzero(item_idx >= 0)
    if not known.size:
        return np.zeros(listed.shape)
    wanted = row[known] * n_items + item_idx[known]
    known, wanted = known[np.argsort(wanted)], np.sort(wanted)
    cell = np.arange(len(listed))[:, None] * n_items + listed
    at = np.minimum(np.searchsorted(wanted, cell), len(wanted) - 1)
    return np.where((listed >= 0) & (wanted[at] == cell), gains[known[at]], 0.0)


def _ideal(row: IntArray, gains: FloatArray, n_relevant: IntArray, n: int) -> FloatArray:
    """The gains of the best list of each user, greatest first (d, n)."""
    order = np.lexsort((-gains, row))
    place = np.arange(len(row)) - (np.cumsum(n_relevant) - n_relevant)[row[order]]
    ideal = np.zeros((len(n_relevant), n))
    first = place < n
    ideal[row[order][first], place[first]] = gains[order][first]
    return ideal
