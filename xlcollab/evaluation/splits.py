"""Ways to hold ratings out: each is an immutable value whose ``split(ratings)`` yields pairs (train, valid).

================  =====================================================  =============================================
here              holds out                                              known elsewhere as
================  =====================================================  =============================================
`ShuffleSplit`    a random part of the ratings, as often as wanted       Surprise and scikit-learn: ShuffleSplit
`KFold`           each of k parts in turn                                Surprise and scikit-learn: KFold
`LeaveOneOut`     each single rating in turn                             scikit-learn: LeaveOneOut
`ByUser`          some ratings of each user, at random or the latest;    LensKit: sample_users, crossfold_users;
                  k > 1: of the users of each of k parts in turn         ``n=1``: Surprise's LeaveOneOut
``valid_pct=1``   all ratings of the users of each part: new users       scikit-learn: GroupKFold
`ByTime`          the latest of all ratings, or those since a moment     LensKit: split_global_time
`GivenSplits`     what the caller gives, files (u1.base, u1.test) too    Surprise: PredefinedKFold
`PositionSplits`  what a splitter of scikit-learn does, taken as it is   scikit-learn: anything with ``get_n_splits``
================  =====================================================  =============================================

Both parts of a pair know the same labels, in the same places, so that positions mean the same in both; only those of
`GivenSplits` may hold labels in ``valid`` that ``train`` does not know, and these stand behind the known ones. The same
seed gives the same pairs. A part that would be empty is an `OptionError`.
"""

from __future__ import annotations

import datetime as dt
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np

from xlcollab.arrays import BoolArray, IndexArray, IntArray
from xlcollab.errors import OptionError
from xlcollab.fitting import refuse_other_types
from xlcollab.rating_files import as_ratings
from xlcollab.ratings import Label, Ratings
from xlcollab.settings import is_real, whole_number

__all__ = [
    "ByTime",
    "ByUser",
    "GivenSplits",
    "KFold",
    "LeaveOneOut",
    "Pair",
    "PositionSplits",
    "ShuffleSplit",
    "Splits",
    "as_splits",
]

Pair: TypeAlias = tuple[Ratings, Ratings]
"""(train, valid)."""


class Splits(Protocol):
    """A way to hold ratings out."""

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """The pairs (train, valid), one after the other."""
        ...


@dataclass(frozen=True)
class ShuffleSplit:
    """A random ``valid_pct`` of the ratings, ``n_splits`` times anew: the s-th is ``ratings.split(seed=seed + s)``."""

    valid_pct: float = 0.2
    n_splits: int = 1
    seed: int = 0

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`."""
        whole_number("n_splits", self.n_splits, 1)
        whole_number("seed", self.seed, 0)
        for number in range(self.n_splits):
            yield ratings.split(self.valid_pct, self.seed + number)


@dataclass(frozen=True)
class KFold:
    """The ratings dealt into ``k`` parts at random, as equal as can be; each is held out once."""

    k: int = 5
    seed: int = 0

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`."""
        whole_number("k", self.k, 2)
        if self.k > len(ratings):
            raise OptionError(f"{len(ratings)} ratings cannot be dealt into {self.k} parts; choose a smaller k.")
        part = _dealt(len(ratings), self.k, self.seed)
        for number in range(self.k):
            yield _parted(ratings, part == number)


@dataclass(frozen=True)
class LeaveOneOut:
    """Each rating in turn: as many fits as there are ratings. For one rating of each user see `ByUser`."""

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`."""
        if len(ratings) < 2:
            raise OptionError("To leave one rating out takes two at the least.")
        for at in range(len(ratings)):
            yield _parted(ratings, np.arange(len(ratings)) == at)


@dataclass(frozen=True)
class ByUser:
    """Some ratings of each user, who keeps one at the least; or all ratings of some users.

    Parameters
    ----------
    valid_pct, n
        The part of a user's ratings that is held out, rounded to whole ratings (0.2 where neither is given); or their
        number, where users with n ratings or fewer keep them all. ``valid_pct=1`` holds out whole users, whom nothing
        is then known of: that takes a ``k`` of 2 or more.
    k
        1: of all users at once, one pair. More: the users are dealt into k parts, and of each part in turn.
    last
        A user's latest ratings by their timestamps, in place of random ones.
    seed
        For the choice of ratings, and for the parts.
    """

    valid_pct: float | None = None
    n: int | None = None
    k: int = 1
    last: bool = False
    seed: int = 0

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`."""
        self._check(ratings)
        generator = np.random.default_rng(self.seed)
        order = _times(ratings) if self.last else generator.permutation(len(ratings))
        latest_first = np.lexsort((-np.arange(len(ratings)), -order, ratings.user_idx))  # user by user
        starts = np.cumsum(ratings.user_counts) - ratings.user_counts  # (m,)
        rank = np.empty(len(ratings), dtype=np.int64)
        rank[latest_first] = np.arange(len(ratings)) - starts[ratings.user_idx[latest_first]]
        chosen = rank < self._quota(ratings.user_counts)[ratings.user_idx]
        part = _dealt(ratings.n_users, self.k, self.seed)[ratings.user_idx]
        for number in range(self.k):
            yield _parted(ratings, chosen & (part == number))

    def _quota(self, counts: IntArray) -> IntArray:
        """How many ratings of each user are held out (m,)."""
        if self.n is not None:
            return np.where(counts > self.n, np.int64(self.n), np.int64(0))
        share = 0.2 if self.valid_pct is None else self.valid_pct
        if share == 1:
            return counts
        quota: IntArray = np.rint(np.minimum(share * counts, counts - 1)).astype(np.int64)
        return quota

    def _check(self, ratings: Ratings) -> None:
        whole_number("k", self.k, 1)
        whole_number("seed", self.seed, 0)
        if self.n is not None:
            whole_number("n", self.n, 1)
        if self.n is not None and self.valid_pct is not None:
            raise OptionError("Pass n, how many ratings of each user to hold out, or valid_pct, which part; not both.")
        if self.valid_pct is not None and not (is_real(self.valid_pct) and 0 < self.valid_pct <= 1):
            raise OptionError(f"valid_pct is {self.valid_pct!r}; it is a part of a user's ratings, above 0, at most 1.")
        if self.valid_pct == 1 and self.k == 1:
            raise OptionError("valid_pct=1 holds out all ratings of a user: pass k=2 or more, so that others are left.")
        if self.k > ratings.n_users:
            raise OptionError(f"{ratings.n_users} users cannot be dealt into {self.k} parts; choose a smaller k.")


@dataclass(frozen=True)
class ByTime:
    """The latest ratings of all, by their timestamps: a ``valid_pct`` of them (0.2), or those ``since`` a moment.

    ``since`` is in seconds since 1970, or a date, datetime or ISO text (UTC where it names no zone). Of ratings of the
    same second the ones that stand later count as later.
    """

    valid_pct: float | None = None
    since: float | str | dt.date | np.datetime64 | None = None

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`."""
        times = _times(ratings)
        if self.since is not None and self.valid_pct is not None:
            raise OptionError("Pass the moment since which to hold ratings out, or valid_pct, which part; not both.")
        if self.since is not None:
            yield _parted(ratings, times >= _seconds(self.since))
            return
        share = 0.2 if self.valid_pct is None else self.valid_pct
        if not (is_real(share) and 0 < share < 1):
            raise OptionError(f"valid_pct is {share!r}; it is a part of the ratings, between 0 and 1.")
        latest = np.zeros(len(ratings), dtype=bool)
        latest[np.argsort(times, kind="stable")[len(ratings) - max(1, int(share * len(ratings))) :]] = True
        yield _parted(ratings, latest)


class GivenSplits:
    """Pairs (train, valid) that are given: paths, DataFrames or `Ratings`. What ``split`` is given is not looked at.

    >>> GivenSplits(("u1.base", "u1.test"), ("u2.base", "u2.test"))  # doctest: +SKIP
    """

    def __init__(self, *pairs: tuple[Any, Any]) -> None:
        if not pairs:
            raise OptionError("GivenSplits takes pairs of ratings, (train, valid), one at the least.")
        self.pairs = pairs

    def __repr__(self) -> str:
        return f"<GivenSplits: {len(self.pairs)} pair{'' if len(self.pairs) == 1 else 's'}>"

    def split(self, ratings: Ratings | None = None) -> Iterator[Pair]:  # noqa: ARG002 -- part of the protocol
        """`Splits.split`."""
        for train, valid in self.pairs:
            yield _aligned(as_ratings(train), as_ratings(valid))


@dataclass(frozen=True)
class PositionSplits:
    """A scikit-learn ``splitter``, which deals in positions: of X the pairs, of y the ratings, of groups the users."""

    splitter: Any

    def split(self, ratings: Ratings) -> Iterator[Pair]:
        """`Splits.split`; both parts are in the order of ``ratings``, and what is in neither takes no part."""
        X = np.column_stack([ratings.user_idx, ratings.item_idx])
        with _groups_ignored():
            pairs = iter(self.splitter.split(X, ratings.values, ratings.user_idx))
        while True:
            with _groups_ignored():
                parts = next(pairs, None)
            if parts is None:
                return
            train, valid = (ratings.select(_positions(part, len(ratings))) for part in parts)
            if not (len(train) and len(valid)):
                raise OptionError(f"{self.splitter!r} leaves a part of the ratings empty; choose another split.")
            yield train, valid


def as_splits(splits: Splits | int | None, *, otherwise: Splits, seed: int = 0) -> Splits:
    """Splits from what people pass: splits, a splitter of scikit-learn, or a number of folds."""
    if splits is None:
        return otherwise
    if hasattr(splits, "get_n_splits"):
        return PositionSplits(splits)
    if isinstance(splits, str) or not (isinstance(splits, int | np.integer) or hasattr(splits, "split")):
        raise OptionError(f"splits is {splits!r}; it is a number of folds, or a way to split such as KFold(5).")
    return KFold(int(splits), seed) if isinstance(splits, int | np.integer) else splits


@contextmanager
def _groups_ignored() -> Iterator[None]:
    """Without the warning of splitters that have no use for groups."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The groups parameter is ignored")
        yield


def _positions(part: Any, count: int) -> BoolArray:
    """Which of ``count`` ratings belong to a part, given by positions or by a mask."""
    chosen = np.zeros(count, dtype=bool)
    chosen[np.asarray(part)] = True
    return chosen


def _aligned(train: Ratings, valid: Ratings) -> Pair:
    """The pair with ``valid`` counted in the labels of ``train``, those that are new behind the known ones."""
    refuse_other_types(train, valid)
    users, user_idx = _extended(train.users, valid.users, train.user_position(valid.users))
    items, item_idx = _extended(train.items, valid.items, train.item_position(valid.items))
    return train, replace(
        valid, users=users, items=items, user_idx=user_idx[valid.user_idx], item_idx=item_idx[valid.item_idx]
    )


def _extended(
    known: tuple[Label, ...], labels: Sequence[Label], positions: IndexArray
) -> tuple[tuple[Label, ...], IndexArray]:
    """Known labels with the new ones behind, and the position of each of ``labels`` among all of these."""
    new = np.flatnonzero(positions < 0)
    at = positions.copy()
    at[new] = len(known) + np.arange(len(new))
    return (*known, *(labels[position] for position in new.tolist())), at


def _parted(ratings: Ratings, held_out: BoolArray) -> Pair:
    if not held_out.any():
        raise OptionError("This split would hold out no rating. Hold out more, or choose another one.")
    if held_out.all():
        raise OptionError(f"Holding out all {len(ratings)} ratings would leave none to train on.")
    return ratings.select(~held_out), ratings.select(held_out)


def _dealt(n: int, k: int, seed: int) -> IntArray:
    """The part, from 0, that each of n is dealt into (n,)."""
    whole_number("seed", seed, 0)
    return np.random.default_rng(seed).permutation(np.arange(n) % k)


def _times(ratings: Ratings) -> IntArray:
    if ratings.timestamps is None:
        raise OptionError("These ratings have no timestamps. Read them with a column of times, or split another way.")
    return ratings.timestamps


def _seconds(since: float | str | dt.date | np.datetime64) -> float:
    """The moment in seconds since 1970, NaN refused."""
    import pandas as pd

    try:
        seconds = float(since) if is_real(since) else pd.Timestamp(since).timestamp()
    except (TypeError, ValueError):
        seconds = math.nan
    if math.isnan(seconds):
        raise OptionError(f"since is {since!r}; it is seconds since 1970, a date, or a text such as '2020-06-01'.")
    return seconds
