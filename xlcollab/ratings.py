"""Ratings: who rated what and how, as triplets of positions with the labels kept aside.

Labels outside, positions inside: ``users[user_idx[t]]`` rated ``items[item_idx[t]]`` with ``values[t]``. A rating takes
16 bytes, 24 with its timestamp, however many there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.arrays import BoolArray, FloatArray, IndexArray, IntArray
from xlcollab.errors import OptionError, RatingsError
from xlcollab.labels import Label, match_names, missing_labels, refuse_other_labels
from xlcollab.reading.coding import (
    Column,
    Where,
    code_labels,
    first_appearance,
    merge_duplicates,
    positions_of,
    rating_values,
)
from xlcollab.reading.grid import Spot
from xlcollab.settings import is_real, whole_number

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.reading.crosstab import Crosstab, LongTable

__all__ = ["Label", "Ratings", "Source"]


@dataclass(frozen=True)
class Source:
    """Where ratings were read: the file, in a workbook the sheet and range, and ``kind``: 'crosstab' or 'long'."""

    path: str
    sheet: str | None
    range: str | None
    kind: str


@dataclass(frozen=True, eq=False, repr=False)
class Ratings:
    """N ratings of n items by m users.

    ``users`` (m) and ``items`` (n) are the labels: of a crosstab in the order of its rows and columns, of a long table
    in ascending order where they can be compared, else as they appear. ``user_idx`` and ``item_idx`` (N, int32) are
    positions in them, ``values`` (N, float64) the ratings, all finite; ``timestamps`` (N, int64) are seconds since 1970
    where they are known. The order of the ratings is that of the file. The arrays are read-only. No user rates an item
    twice; a user or an item may be without any rating.

    ``user_names`` and ``item_names`` give labels a name to show, ``user_title`` and ``item_title`` say what the labels
    are ("userId"). Make ratings with `xlcollab.read_ratings`, `from_frame`, `from_crosstab_frame` or `from_arrays`,
    which check what they are given; this constructor does not.
    """

    users: tuple[Label, ...]
    items: tuple[Label, ...]
    user_idx: IndexArray
    item_idx: IndexArray
    values: FloatArray
    user_names: Mapping[Label, str] = field(default_factory=dict)
    item_names: Mapping[Label, str] = field(default_factory=dict)
    source: Source | None = None
    timestamps: IntArray | None = None
    user_title: str = "user"
    item_title: str = "item"

    def __post_init__(self) -> None:
        for name, dtype in (("user_idx", "i4"), ("item_idx", "i4"), ("values", "f8"), ("timestamps", "i8")):
            given = getattr(self, name)
            if given is not None:
                array = np.ascontiguousarray(given, dtype).view()
                array.flags.writeable = False
                object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        size = f"{self.n_users} users × {self.n_items} items, {len(self)} ratings"
        scale = f" from {self.scale[0]:.10g} to {self.scale[1]:.10g}" if len(self) else ""
        return f"<Ratings: {size}{scale}>"

    @property
    def n_users(self) -> int:
        """The number of users, m."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """The number of items, n."""
        return len(self.items)

    @cached_property
    def mean(self) -> float:
        """The mean rating, μ; NaN without ratings."""
        return float(self.values.mean()) if len(self) else float("nan")

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating given. Raises `RatingsError` without ratings."""
        if not len(self):
            raise RatingsError("There are no ratings, so that they have no scale.")
        return float(self.values.min()), float(self.values.max())

    @cached_property
    def user_counts(self) -> IntArray:
        """The number of ratings of each user (m,)."""
        return np.bincount(self.user_idx, minlength=self.n_users)

    @cached_property
    def item_counts(self) -> IntArray:
        """The number of ratings of each item (n,)."""
        return np.bincount(self.item_idx, minlength=self.n_items)

    def mask(self) -> BoolArray:
        """Which cells of the crosstab hold a rating (m, n)."""
        mask = np.zeros((self.n_users, self.n_items), dtype=bool)
        mask[self.user_idx, self.item_idx] = True
        return mask

    def dense(self) -> FloatArray:
        """The crosstab as an array (m, n); NaN where a user has not rated an item."""
        dense = np.full((self.n_users, self.n_items), np.nan)
        dense[self.user_idx, self.item_idx] = self.values
        return dense

    def user_position(self, labels: Any) -> IndexArray:
        """The positions (int32) of user labels, -1 where a label is not known; a single label gives an array of one."""
        return positions_of(labels, self._user_positions)

    def item_position(self, labels: Any) -> IndexArray:
        """The positions (int32) of item labels, -1 where a label is not known; a single label gives an array of one."""
        return positions_of(labels, self._item_positions)

    def positions(self, other: Ratings) -> tuple[IndexArray, IndexArray]:
        """The positions, among these labels, of the user and the item of each of ``other``'s ratings; -1 if unknown."""
        return self.user_position(other.users)[other.user_idx], self.item_position(other.items)[other.item_idx]

    def holds(self, other: Ratings) -> BoolArray:
        """Which of ``other``'s ratings (N,) are of a user and an item whose rating is among these too."""
        user_idx, item_idx = (idx.astype(np.int64) for idx in self.positions(other))
        own = self.user_idx * np.int64(self.n_items) + self.item_idx
        return (user_idx >= 0) & (item_idx >= 0) & np.isin(user_idx * self.n_items + item_idx, own)

    @cached_property
    def _user_positions(self) -> dict[Label, int]:
        return {label: position for position, label in enumerate(self.users)}

    @cached_property
    def _item_positions(self) -> dict[Label, int]:
        return {label: position for position, label in enumerate(self.items)}

    # Made from --------------------------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        users: Sequence[Label] | np.ndarray[Any, Any],
        items: Sequence[Label] | np.ndarray[Any, Any],
        values: Sequence[float] | np.ndarray[Any, Any],
        timestamps: Sequence[Any] | np.ndarray[Any, Any] | pd.Index[Any] | pd.Series[Any] | None = None,
        *,
        duplicates: str = "error",
    ) -> Ratings:
        """Ratings from columns of equal length: user labels, item labels, numbers, and moments.

        These are seconds since 1970, dates or ISO texts (UTC where they name no zone). Raises `CellValueError` for a
        value that is no finite number, `RatingsError` for a label that is none (`Label`) or a timestamp that is none,
        and `DuplicateError` where a user rates an item twice, unless ``duplicates`` says to keep the 'last' or the
        'mean'.
        """
        times = None if timestamps is None else _seconds(timestamps)
        return cls._from_columns(users, items, values, times, _row_name, duplicates)

    @classmethod
    def from_frame(
        cls,
        df: pd.DataFrame,
        user: object = None,
        item: object = None,
        rating: object = None,
        timestamp: object = None,
        duplicates: str = "error",
    ) -> Ratings:
        """Ratings from a long DataFrame, one row a rating.

        Columns are given by name or by position. Those not given are found by name (userId, movie_id, score, …), and
        failing that are the first three that are left: user, item, rating. Raises what `from_arrays` raises; timestamps
        that are none are left out where their column was not given.
        """
        from xlcollab.reading.frames import columns_of, frame_columns, no_time

        at = columns_of(df, user=user, item=item, rating=rating, timestamp=timestamp)
        users, items, values, times, where = frame_columns(df, at)
        if timestamp is not None and at.timestamp is not None and times is None:
            raise no_time(df.iloc[:, at.timestamp], where)
        made = cls._from_columns(users, items, values, times, where, duplicates)
        return replace(made, user_title=str(df.columns[at.user]), item_title=str(df.columns[at.item]))

    @classmethod
    def from_crosstab_frame(cls, df: pd.DataFrame) -> Ratings:
        """Ratings from a DataFrame with users down its index and items across its columns; NaN is not rated.

        A first column called "userId" or the like is taken for the index. Raises `CellValueError` for text and
        infinity, `DuplicateError` for labels that repeat.
        """
        from xlcollab.reading.frames import crosstab_parts

        users, items, dense, titles = crosstab_parts(df)
        refuse_other_labels("user", users)
        refuse_other_labels("item", items)
        rows, cols = np.nonzero(~np.isnan(dense))
        positions = rows.astype(np.int32), cols.astype(np.int32)
        return cls(users, items, *positions, dense[rows, cols], user_title=titles[0], item_title=titles[1])

    @classmethod
    def from_table(cls, table: Crosstab | LongTable, *, path: str = "", duplicates: str = "error") -> Ratings:
        """Ratings from a table that `xlcollab.reading.crosstab` or `xlcollab.reading.tables` found in a file."""
        if table.problem is not None:
            raise table.problem
        source = Source(path, table.sheet, table.range if table.sheet is not None else None, table.kind)
        made = cls._from_long(table, duplicates) if table.kind == "long" else cls._from_crosstab(table, duplicates)
        return replace(made, source=source, user_title=table.user_title, item_title=table.item_title)

    @classmethod
    def _from_columns(
        cls, users: Column, items: Column, values: Column, timestamps: Column | None, where: Where, duplicates: str
    ) -> Ratings:
        lengths = {len(column) for column in (users, items, values, timestamps) if column is not None}
        if len(lengths) > 1:
            raise RatingsError("Users, items and ratings are not equally many.")
        user_labels, user_idx = code_labels(users)
        item_labels, item_idx = code_labels(items)
        for role, labels, idx in (("user", user_labels, user_idx), ("item", item_labels, item_idx)):
            if missing := missing_labels(labels):
                row = int(np.flatnonzero(np.isin(idx, missing))[0])
                raise RatingsError(f"{where(row).text} has no {role}. Fill it in, or leave the row out.")
            refuse_other_labels(role, labels)
        floats = rating_values(values, where)

        def describe(_: int, second: int) -> str:
            user, item = user_labels[user_idx[second]], item_labels[item_idx[second]]
            return f"both rate item {item!r} for user {user!r}"

        keep, floats = merge_duplicates(user_idx, item_idx, floats, duplicates, describe, where)
        times = None if timestamps is None else np.asarray(timestamps, dtype=np.int64)
        if keep is not None:
            user_idx, item_idx, floats = user_idx[keep], item_idx[keep], floats[keep]
            times = None if times is None else times[keep]
        return cls(user_labels, item_labels, user_idx, item_idx, floats, timestamps=times)

    @classmethod
    def _from_long(cls, table: LongTable, duplicates: str) -> Ratings:
        columns = (table.user_column, table.item_column, table.rating_column, table.timestamp_column)
        return cls._from_columns(*columns, table.spot, duplicates)

    @classmethod
    def _from_crosstab(cls, table: Crosstab, duplicates: str) -> Ratings:
        dense = np.array(table.values, dtype=np.float64).reshape(len(table.users), len(table.items))  # None → NaN
        rows, cols = (idx.astype(np.int32) for idx in np.nonzero(~np.isnan(dense)))
        values = dense[rows, cols]
        problem = table.repeated_label("user") or table.repeated_label("item")
        if problem is None:
            return cls(table.users, table.items, rows, cols, values)
        if duplicates == "error":
            raise problem
        # Rows or columns of one label become one, in the place of the first.
        users, items = tuple(dict.fromkeys(table.users)), tuple(dict.fromkeys(table.items))
        user_at = positions_of(table.users, {label: at for at, label in enumerate(users)})
        item_at = positions_of(table.items, {label: at for at, label in enumerate(items)})
        user_idx, item_idx = user_at[rows], item_at[cols]
        keep, values = merge_duplicates(user_idx, item_idx, values, duplicates, lambda *_: "", _row_name)
        kept = slice(None) if keep is None else keep
        return cls(users, items, user_idx[kept], item_idx[kept], values[kept])

    # Made into --------------------------------------------------------------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """A long DataFrame, one row a rating: user, item, rating, and timestamp where it is known."""
        import pandas as pd

        from xlcollab.reading.frames import label_index

        titles = [self.user_title, self.item_title, "rating"]
        users, items = label_index(self.users).take(self.user_idx), label_index(self.items).take(self.item_idx)
        columns: list[Any] = [users, items, self.values]
        if self.timestamps is not None:
            titles.append("timestamp")
            columns.append(self.timestamps)
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.columns = pd.Index(titles)  # not before: both columns of labels may have one title
        return frame

    def crosstab_frame(self) -> pd.DataFrame:
        """The crosstab as a DataFrame, users down its index and items across its columns; NaN is not rated."""
        import pandas as pd

        from xlcollab.reading.frames import label_index

        users, items = label_index(self.users, self.user_title), label_index(self.items, self.item_title)
        return pd.DataFrame(self.dense(), index=users, columns=items)

    def crosstab(self, n_users: int | None = None, n_items: int | None = None) -> Ratings:
        """Only the ratings of the ``n_users`` most active users for the ``n_items`` most rated items.

        The lesson's rule: users and items are chosen apart, by the number of their ratings among all; of equals the one
        that appears first in the ratings stays. Labels keep their order. None keeps all of them.
        """
        users = _most_rated(self.user_counts, self.user_idx, "n_users", n_users)
        items = _most_rated(self.item_counts, self.item_idx, "n_items", n_items)
        new_user, new_item = _renumbered(users, self.n_users), _renumbered(items, self.n_items)
        user_idx, item_idx = new_user[self.user_idx], new_item[self.item_idx]
        kept = np.flatnonzero((user_idx >= 0) & (item_idx >= 0))
        return replace(
            self,
            users=tuple(self.users[at] for at in users),
            items=tuple(self.items[at] for at in items),
            user_idx=user_idx[kept],
            item_idx=item_idx[kept],
            values=self.values[kept],
            timestamps=None if self.timestamps is None else self.timestamps[kept],
        )

    def select(self, which: BoolArray | IntArray | Sequence[int]) -> Ratings:
        """Some of the ratings, by a mask (N,) or by positions; all users and items stay, so that positions hold."""
        at = np.asarray(which)
        if at.size == 0:
            at = at.astype(np.int64)  # an empty list is an array of floats, which cannot index
        return replace(
            self,
            user_idx=self.user_idx[at],
            item_idx=self.item_idx[at],
            values=self.values[at],
            timestamps=None if self.timestamps is None else self.timestamps[at],
        )

    def split(self, valid_pct: float = 0.2, seed: int = 42) -> tuple[Ratings, Ratings]:
        """(train, valid): a random ``valid_pct`` of the ratings held out, at least one; both know all users and items.

        Raises `OptionError` where nothing would be left to train on.
        """
        if not (is_real(valid_pct) and 0 < valid_pct < 1):
            raise OptionError(f"valid_pct is {valid_pct!r}; it is a part of the ratings, between 0 and 1.")
        held_out = max(1, int(valid_pct * len(self)))
        if held_out >= len(self):
            raise OptionError(f"Holding out {valid_pct:g} of {len(self)} ratings would leave none to train on.")
        order = np.random.default_rng(whole_number("seed", seed, 0)).permutation(len(self))
        return self.select(np.sort(order[held_out:])), self.select(np.sort(order[:held_out]))

    def with_names(
        self, *, user_names: Mapping[Label, str] | None = None, item_names: Mapping[Label, str] | None = None
    ) -> Ratings:
        """The same ratings with names beside their labels; names of unknown labels are left out."""
        return replace(
            self,
            user_names=self.user_names if user_names is None else match_names(self.users, user_names),
            item_names=self.item_names if item_names is None else match_names(self.items, item_names),
        )

    def equals(self, other: Ratings) -> bool:
        """Whether both say the same: the same users and items in whatever order, and the same rating of each pair."""
        if len(self) != len(other) or set(self.users) != set(other.users) or set(self.items) != set(other.items):
            return False
        user_idx, item_idx = self.positions(other)
        mine, its = np.lexsort((self.item_idx, self.user_idx)), np.lexsort((item_idx, user_idx))
        return (
            np.array_equal(self.user_idx[mine], user_idx[its])
            and np.array_equal(self.item_idx[mine], item_idx[its])
            and np.array_equal(self.values[mine], other.values[its])
        )


def _seconds(timestamps: Any) -> IntArray:
    """A column of timestamps in seconds since 1970. Raises `RatingsError` for the first that is none."""
    array = np.asarray(timestamps)
    if array.dtype.kind in "iu":
        return array.astype(np.int64)
    import pandas as pd

    from xlcollab.reading.frames import no_time, seconds

    column = pd.Series(timestamps, name=None)
    times = seconds(column)
    if times is None:
        raise no_time(column, _row_name)
    return times


def _row_name(row: int) -> Spot:
    return Spot(f"Row {row}")


def _most_rated(counts: IntArray, codes: IndexArray, name: str, n: int | None) -> IntArray:
    """The positions of the n greatest counts, in ascending order; ties go to the first to appear."""
    if n is None or whole_number(name, n, 1) >= len(counts):
        return np.arange(len(counts))
    order = np.lexsort((first_appearance(codes, len(counts)), -counts))
    return np.sort(order[:n])


def _renumbered(kept: IntArray, n: int) -> IndexArray:
    """The new position of each of n old ones, -1 for those that are not kept."""
    new = np.full(n, -1, dtype=np.int32)
    new[kept] = np.arange(len(kept), dtype=np.int32)
    return new
