"""Columns of labels and numbers → arrays: labels become positions, values finite floats, duplicates are merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from xlcollab.arrays import FloatArray, IndexArray, IntArray
from xlcollab.errors import CellValueError, DuplicateError, OptionError
from xlcollab.labels import Label, is_many, plain_label, sorted_labels
from xlcollab.reading.grid import Spot

__all__ = [
    "DUPLICATES",
    "Column",
    "Where",
    "code_labels",
    "first_appearance",
    "is_number",
    "merge_duplicates",
    "positions_of",
    "rating_values",
]

Column = Sequence[Any] | npt.NDArray[Any]

Where = Callable[[int], Spot]
"""How a message calls the place of a column's t-th entry."""

DUPLICATES: Final = ("error", "last", "mean")


def code_labels(column: Column) -> tuple[tuple[Label, ...], IndexArray]:
    """The distinct labels of a column (`sorted_labels`), and the position of each entry among them (N, int32)."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu" and len(column):
        return _code_integers(column)
    if isinstance(column, np.ndarray) and column.dtype == object:
        return _code_objects(column)
    entries = column.tolist() if isinstance(column, np.ndarray) else column
    plain = {entry: plain_label(entry) for entry in dict.fromkeys(entries)}
    labels = sorted_labels(dict.fromkeys(plain.values()))
    position = {label: at for at, label in enumerate(labels)}
    coded = {entry: position[label] for entry, label in plain.items()}
    return tuple(labels), np.fromiter(map(coded.__getitem__, entries), np.int32, count=len(entries))


def _code_integers(column: npt.NDArray[Any]) -> tuple[tuple[Label, ...], IndexArray]:
    lowest, highest = int(column.min()), int(column.max())
    if highest - lowest > 4 * len(column) + 1000 or highest > np.iinfo(np.int64).max:
        distinct, codes = np.unique(column, return_inverse=True)
        return tuple(distinct.tolist()), codes.astype(np.int32)
    # Ids lie close together as a rule: a table with a place for each is ten times faster than sorting.
    shifted = column.astype(np.int64) - lowest
    present = np.zeros(highest - lowest + 1, dtype=bool)
    present[shifted] = True
    rank = np.cumsum(present, dtype=np.int32) - 1
    return tuple((np.flatnonzero(present) + lowest).tolist()), rank[shifted]


def _code_objects(column: npt.NDArray[Any]) -> tuple[tuple[Label, ...], IndexArray]:
    """By pandas, whose frames and files such columns come from: a third of the time that looking each up takes."""
    import pandas as pd

    codes, distinct = pd.factorize(column, use_na_sentinel=False)
    labels = list(map(plain_label, distinct.tolist()))
    position = {label: at for at, label in enumerate(sorted_labels(dict.fromkeys(labels)))}
    return tuple(position), np.array([position[label] for label in labels], dtype=np.int32)[codes]


def positions_of(labels: object, known: Mapping[Label, int]) -> IndexArray:
    """The positions (int32) of labels in any sequence, -1 where one is not known; a single label gives one position.

    What is not known as it stands may be so as it is kept (`plain_label`): "u1 " is "u1".
    """
    several: Any = labels if is_many(labels) else [labels]
    to_list = getattr(several, "tolist", None)  # NumPy and pandas: entries become Python's own numbers
    listed = to_list() if to_list is not None else list(several)
    positions = np.fromiter((known.get(label, -1) for label in listed), np.int32, count=len(listed))
    for at in np.flatnonzero(positions < 0).tolist():
        positions[at] = known.get(plain_label(listed[at]), -1)
    return positions


def rating_values(column: Column, where: Where) -> FloatArray:
    """A column of ratings as finite floats. Raises `CellValueError` for the first that is none."""
    array = np.asarray(column)
    # NumPy takes True for 1 among numbers.
    has_bool = not isinstance(column, np.ndarray) and bool in set(map(type, column))
    if has_bool or array.dtype.kind not in "iuf":
        for at, value in enumerate(column):
            if not is_number(value):
                raise _wrong_value(where(at), value.item() if isinstance(value, np.generic) else value)
    values = array.astype(np.float64)
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise _wrong_value(where(int(wrong[0])), float(values[wrong[0]]))
    return values


def is_number(value: object) -> bool:
    """Whether it is a number, which a truth value is not; databases and parquet files hold decimals."""
    return isinstance(value, int | float | np.number | Decimal) and not isinstance(value, bool)


def _wrong_value(spot: Spot, value: object) -> CellValueError:
    return CellValueError(
        f"{spot.text} holds {value!r} as a rating; ratings are finite numbers. Correct it, or leave the row out.",
        sheet=spot.sheet,
        cell=spot.cell,
    )


def first_appearance(codes: IndexArray, n: int) -> IntArray:
    """For each of n positions the first index in ``codes`` where it stands, N where it does not (n,)."""
    first = np.full(n, len(codes), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)  # of repeated indices the last assignment stays
    return first


def merge_duplicates(
    user_idx: IndexArray,
    item_idx: IndexArray,
    values: FloatArray,
    policy: str,
    describe: Callable[[int, int], str],
    where: Where,
) -> tuple[IntArray | None, FloatArray]:
    """Which ratings to keep (None: all of them), and the values (N,), so that no user rates an item twice.

    Under the policy 'last' the last of several stays, under 'mean' it takes the mean of them all. Under 'error' they
    are a `DuplicateError`; ``describe`` says of two entries what they share.
    """
    if policy not in DUPLICATES:
        raise OptionError(f"duplicates is {policy!r}; it can be 'error', 'last' or 'mean'.")
    if len(values) < 2:
        return None, values
    keys = user_idx.astype(np.int64) * (int(item_idx.max()) + 1) + item_idx
    ordered = np.sort(keys)
    if not (ordered[1:] == ordered[:-1]).any():
        return None, values
    order = np.argsort(keys, kind="stable")
    repeated = keys[order[1:]] == keys[order[:-1]]
    if policy == "error":
        at = int(np.flatnonzero(repeated)[np.argmin(order[1:][repeated])])
        raise duplicate_error(describe, where, int(order[at]), int(order[at + 1]))
    group = np.concatenate([[0], np.cumsum(~repeated)])
    last = order[np.concatenate([~repeated, [True]])]
    if policy == "mean":
        values = values.copy()
        values[last] = np.bincount(group, weights=values[order]) / np.bincount(group)
    return np.sort(last), values


def duplicate_error(describe: Callable[[int, int], str], where: Where, first: int, second: int) -> DuplicateError:
    """The error for two entries that are the same user, item or rating."""
    spot = where(second)
    return DuplicateError(
        f"{where(first).text} and {spot.text} {describe(first, second)}. "
        "Delete one of them, or pass duplicates='last' or 'mean' to read_ratings or Ratings.from_frame (--duplicates).",
        sheet=spot.sheet,
        cell=spot.cell,
    )
