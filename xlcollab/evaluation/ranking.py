"""How good the lists are that a fit would recommend: each held-out user's best n items against what was held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from xlcollab.coding import FloatArray, IndexArray
from xlcollab.errors import OptionError
from xlcollab.evaluation import metrics
from xlcollab.evaluation.splits import aligned
from xlcollab.fitting import Fit
from xlcollab.model import predict_all
from xlcollab.ratings import Ratings

__all__ = ["Ranking", "rank"]

_CELLS = 4_000_000
"""Predictions held at a time: 32 MB."""


@dataclass(frozen=True)
class Ranking:
    """Means over users of the measures of their lists of ``n`` (`metrics`), and the catalogue coverage of all lists.

    A list holds the items of the training ratings that its user has not rated there, best first by unclipped
    prediction. An item is relevant to a user whose held-out rating of it is ``relevant`` or more; one without a
    held-out rating counts as not relevant, so that measures are lower bounds. The gain of a relevant item for nDCG is
    its rating above the lowest of the scale; nothing else gains. ``users`` is over how many users the means are: those
    with a training rating and a relevant held-out one. Without any, the measures are NaN.
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
    item without a training rating cannot be recommended and counts as missed.
    """
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise OptionError(f"n is {n!r}; the length of a list is a whole number, 1 or more.")
    train, valid = aligned(fit.ratings, valid)
    low, high = train.scale
    threshold = low + 0.75 * (high - low) if relevant is None else float(relevant)
    good = (valid.values >= threshold) & (valid.values > low) & np.isin(valid.user_idx, train.user_idx)
    wanted = valid.select(good)
    users, n_relevant = np.unique(wanted.user_idx, return_counts=True)
    if not len(users):
        return Ranking(int(n), threshold, 0, *5 * [float("nan")])
    gains = replace(wanted, values=wanted.values - low)
    parts = [_lists(fit, block, gains, int(n)) for block in _blocks(users, train.n_items)]
    listed, gained, ideal = (np.vstack(columns) for columns in zip(*parts, strict=True))
    hits = gained > 0
    return Ranking(
        n=int(n),
        relevant=threshold,
        users=len(users),
        precision=float(metrics.precision(hits, (listed >= 0).sum(axis=1)).mean()),
        recall=float(metrics.recall(hits, n_relevant).mean()),
        ndcg=float(metrics.ndcg(gained, ideal).mean()),
        map=float(metrics.average_precision(hits, n_relevant).mean()),
        coverage=metrics.coverage(listed, int(np.count_nonzero(train.item_counts))),
    )


def _blocks(users: IndexArray, n_items: int) -> Iterator[IndexArray]:
    step = max(1, _CELLS // n_items)
    return (users[start : start + step] for start in range(0, len(users), step))


def _lists(fit: Fit, users: IndexArray, wanted: Ratings, n: int) -> tuple[FloatArray, ...]:
    """Of each user the listed items, −1 for empty places, their gains and those of the best list, (users, n) each."""
    scores = _scores(fit, users)
    row = np.full(wanted.n_users, -1)
    row[users] = np.arange(len(users))
    of_rows = row[: fit.ratings.n_users][fit.ratings.user_idx]
    seen = of_rows >= 0
    scores[of_rows[seen], fit.ratings.item_idx[seen]] = -np.inf
    scores[:, fit.ratings.item_counts == 0] = -np.inf
    gains = np.zeros((len(users), wanted.n_items))
    here = row[wanted.user_idx] >= 0
    gains[row[wanted.user_idx[here]], wanted.item_idx[here]] = wanted.values[here]
    best = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    kept = np.isfinite(np.take_along_axis(scores, best, axis=1))
    listed = np.where(kept, best, -1)
    gained = np.where(kept, np.take_along_axis(gains, best, axis=1), 0.0)
    ideal = -np.sort(-gains, axis=1)[:, :n]
    return tuple(_padded(part, n, empty) for part, empty in ((listed, -1), (gained, 0), (ideal, 0)))


def _scores(fit: Fit, users: IndexArray) -> FloatArray:
    """Unclipped predictions of all items of the fit for some users (users, n items)."""
    if fit.predictor is None:
        P, b_u = fit.factors.user_factors[users], fit.factors.user_bias[users]
        return predict_all(fit.model, replace(fit.factors, user_factors=P, user_bias=b_u))
    grid = np.meshgrid(users, np.arange(fit.ratings.n_items), indexing="ij")
    rows, columns = (idx.ravel().astype(np.int32) for idx in grid)
    return fit.predict_positions(rows, columns, clip=False).reshape(grid[0].shape)


def _padded(part: FloatArray, n: int, empty: int) -> FloatArray:
    return np.pad(part, ((0, 0), (0, n - part.shape[1])), constant_values=empty)
