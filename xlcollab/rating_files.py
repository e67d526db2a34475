"""Ratings in and out of files, and from whatever else people have."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xlcollab.errors import FileError, OptionError, RatingsError
from xlcollab.labels import Label
from xlcollab.ratings import Ratings

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    import scipy.sparse

__all__ = ["Data", "as_ratings", "read_excel", "read_names", "read_ratings", "write_ratings"]

Data: TypeAlias = (
    "Ratings | pd.DataFrame | pd.Series[Any] | npt.NDArray[Any] | Sequence[Sequence[Any]] | Mapping[Any, Any] | "
    "scipy.sparse.sparray | scipy.sparse.spmatrix | str | os.PathLike[str]"
)
"""Ratings, a DataFrame of them (long, or a crosstab), rows of user, item and rating, or the path of a file of them;
also what `xlcollab.reading.frames.as_frame` makes a frame of: a dict, a Series by user and item, a sparse matrix."""


def as_ratings(data: Data, *, duplicates: str = "error") -> Ratings:
    """Ratings from whatever people have (`Data`); raises what reading a file, a DataFrame or columns raises."""
    if isinstance(data, Ratings):
        return data
    if isinstance(data, str | os.PathLike):
        return read_ratings(data, duplicates=duplicates)
    import pandas as pd

    from xlcollab.reading.frames import as_frame, is_long

    frame = as_frame(data)
    if frame is not data and frame.shape[1] > 4 and frame.columns.equals(pd.RangeIndex(frame.shape[1])):
        raise RatingsError(
            f"Rows of {frame.shape[1]} numbers are not user, item and rating. A crosstab goes through "
            "Ratings.from_crosstab_frame(pd.DataFrame(rows, users, items)), which gives it labels."
        )
    is_crosstab = frame is data and not is_long(frame)  # rows alone bring no labels for a crosstab
    return Ratings.from_crosstab_frame(frame) if is_crosstab else Ratings.from_frame(frame, duplicates=duplicates)


def read_ratings(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    range: str | None = None,  # noqa: A002 (the word that Excel has for it)
    transpose: bool = False,
    blanks: Iterable[object] = (),
    duplicates: str = "error",
    user_names: str | os.PathLike[str] | Mapping[Label, str] | None = None,
    item_names: str | os.PathLike[str] | Mapping[Label, str] | None = None,
) -> Ratings:
    """Ratings from a file: .xlsx and .xlsm, .csv, .tsv and other text, MovieLens' u.data and ``::``, .parquet.

    Text may be packed by gzip. A workbook's crosstab or long table is found by itself. ``sheet`` says where to look,
    ``range`` which cells to take: a reference ("B2:Q17", "Sheet!B2:Q17"), a defined name or a table, with the labels.
    ``transpose`` is for items down the side, ``blanks`` for markers of "not rated" beside the empty cell (0, "n/a"). A
    pair that stands there twice is a `DuplicateError` unless ``duplicates`` is 'last' or 'mean'. ``user_names`` and
    ``item_names`` are files of id and name (`read_names`) or mappings.
    """
    from xlcollab.reading.tables import read_table

    path = _path(path)
    table = read_table(path, sheet=sheet, range=range, transpose=transpose, blanks=blanks)
    ratings = Ratings.from_table(table, path=path, duplicates=duplicates)
    if user_names is None and item_names is None:
        return ratings
    return ratings.with_names(user_names=_names(user_names), item_names=_names(item_names))


def read_excel(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    range: str | None = None,  # noqa: A002 (the word that Excel has for it)
    transpose: bool = False,
    blanks: Iterable[object] = (),
    duplicates: str = "error",
    user_names: str | os.PathLike[str] | Mapping[Label, str] | None = None,
    item_names: str | os.PathLike[str] | Mapping[Label, str] | None = None,
) -> Ratings:
    """`read_ratings` for a workbook: whatever else the file may be, it is refused by name."""
    from xlcollab.reading.crosstab import read_crosstab
    from xlcollab.xlsx.workbook import Workbook

    path = _path(path)
    table = read_crosstab(Workbook.open(path), sheet=sheet, range=range, transpose=transpose, blanks=blanks)
    ratings = Ratings.from_table(table, path=path, duplicates=duplicates)
    return ratings.with_names(user_names=_names(user_names), item_names=_names(item_names))


def _names(given: str | os.PathLike[str] | Mapping[Label, str] | None) -> Mapping[Label, str] | None:
    return read_names(given) if isinstance(given, str | os.PathLike) else given


def read_names(path: str | os.PathLike[str]) -> dict[Label, str]:
    """Names by id from a file whose first two columns are id and name.

    Text in any of the ways that ratings come in (MovieLens' u.item, movies.dat and movies.csv as they are), or the
    first sheet of a workbook.
    """
    from xlcollab.reading.tables import read_name_columns

    return read_name_columns(path)


def write_ratings(
    ratings: Ratings, path: str | os.PathLike[str], *, form: str = "crosstab", force: bool = False
) -> None:
    """Write ratings to .csv, .tsv, .parquet or .xlsx, as a 'crosstab' or as a 'long' table, through a temporary file.

    In a workbook the table starts at A1 of a sheet called "ratings". Raises `CannotWriteError` where the target exists
    and ``force`` is not set, and where a sheet is too small for the table.
    """
    from xlcollab.table_writing import write_crosstab, write_long

    # Half stars stand below each other; of other ratings up to three decimals show.
    shown = "0.0" if np.array_equal(np.round(ratings.values, 1), ratings.values) else "0.0##"
    if form == "crosstab":
        labels = ratings.user_title, ratings.users, ratings.items
        write_crosstab(path, *labels, _crosstab_rows(ratings), force=force, number_format=shown)
    elif form == "long":
        header = [ratings.user_title, ratings.item_title, "rating"]
        columns: list[Sequence[object]] = [
            [ratings.users[at] for at in ratings.user_idx.tolist()],
            [ratings.items[at] for at in ratings.item_idx.tolist()],
            ratings.values.tolist(),
        ]
        if ratings.timestamps is not None:
            header.append("timestamp")
            columns.append(ratings.timestamps.tolist())
        write_long(path, header, columns, force=force, number_format=shown)
    else:
        raise OptionError(f"form is {form!r}; it can be 'crosstab' or 'long'.")


def _crosstab_rows(ratings: Ratings) -> Iterator[list[float | None]]:
    """One row a user, None where nothing is rated: never the whole crosstab at once, which may be far larger."""
    order = np.argsort(ratings.user_idx, kind="stable")
    ends = np.cumsum(ratings.user_counts)
    for start, end in zip(ends - ratings.user_counts, ends, strict=True):
        row: list[float | None] = [None] * ratings.n_items
        here = order[start:end]
        for item, value in zip(ratings.item_idx[here].tolist(), ratings.values[here].tolist(), strict=True):
            row[item] = value
        yield row


def _path(path: str | os.PathLike[str]) -> str:
    if not isinstance(path, str | os.PathLike):
        raise FileError(
            f"A {type(path).__name__} is no path. DataFrames and rows go to xlcollab.fit or Ratings.from_frame as they "
            "are; what is open as a file goes through pandas first."
        )
    return os.fspath(path)
