"""Tables in frames of pandas: long ones and crosstabs. pandas is imported by whoever comes with a frame."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from xlcollab.arrays import FloatArray, IntArray
from xlcollab.errors import CellValueError, DuplicateError, RatingsError
from xlcollab.labels import Label, is_user_word, missing_labels, plain_label, repeated, roles, typed_labels
from xlcollab.reading.coding import Column, Where, is_number, rating_values
from xlcollab.reading.grid import Blanks, Place, Spot
from xlcollab.xlsx.cells import Area

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.reading.crosstab import Crosstab, LongTable

__all__ = [
    "FrameColumns",
    "as_frame",
    "columns_of",
    "crosstab_parts",
    "frame_columns",
    "is_long",
    "label_index",
    "no_time",
    "seconds",
    "table_of_frame",
]

_FEWEST_PAIRS: Final = 20


class FrameColumns(NamedTuple):
    """Positions of the columns of a long frame; ``timestamp`` is None where there is none."""

    user: int
    item: int
    rating: int
    timestamp: int | None


def as_frame(table: Any) -> pd.DataFrame:
    """A DataFrame as it is; an array or a sequence of rows as one, its labels with the types that they have.

    So are a dict of columns or of ``{user: {item: rating}}``, a Series whose index is (user, item), and a sparse matrix
    of SciPy with the positions as labels. Raises `RatingsError` for what has no rows and columns.
    """
    import pandas as pd

    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, pd.Series) and table.index.nlevels == 2:
        return table.rename("rating").reset_index()
    if isinstance(table, Mapping) and all(isinstance(row, Mapping) for row in table.values()):
        table = [(user, item, rating) for user, row in table.items() for item, rating in row.items()]
        return pd.DataFrame(table, columns=["user", "item", "rating"])
    if isinstance(table, Mapping) or (isinstance(table, np.ndarray) and table.dtype.names):
        try:
            return pd.DataFrame(table)
        except ValueError as error:
            raise RatingsError("A dict of ratings holds columns of equal length: user, item and rating.") from error
    if hasattr(table, "tocoo"):
        entries = table.tocoo()
        return pd.DataFrame({"user": entries.row, "item": entries.col, "rating": entries.data})
    rows = table if isinstance(table, np.ndarray) else np.asarray(table, dtype=object)
    if rows.ndim != 2:
        raise RatingsError(
            f"{type(table).__name__} of shape {rows.shape} is no table of ratings: pass Ratings, a DataFrame, rows of"
            " user, item and rating, or the path of a file."
        )
    return pd.DataFrame(rows).infer_objects()


def is_long(df: pd.DataFrame) -> bool:
    """Whether a frame is a long table and no crosstab: by its column names, or by three or four columns.

    Those have to stand there without an index of their own, and either without names, or with a first column that
    repeats, or with a second one that holds no numbers. Whole numbers without a name are what is left of no index after
    a split or a filter, and the users of a crosstab: there the columns have to be those of a long table.
    """
    import pandas as pd

    if df.columns.nlevels == 1 and roles([str(name) for name in df.columns]).keys() >= {"user", "item"}:
        return True
    if df.shape[1] not in (3, 4) or df.index.name is not None or df.index.dtype.kind not in "iu":
        return False
    unnamed = isinstance(df.columns, pd.RangeIndex)
    if isinstance(df.index, pd.RangeIndex) and (
        unnamed or df.iloc[:, 0].duplicated().any() or df.dtypes.iloc[1].kind not in "iuf"
    ):
        return True
    return _are_pairs_and_ratings(df)


def _are_pairs_and_ratings(df: pd.DataFrame) -> bool:
    """Whether two columns of labels stand before numbers: texts, or whole numbers that go beyond those.

    No pair may come twice then; and fewer than twenty rows of whole numbers could as well be ratings.
    """
    labels, ratings = (df.iloc[:, 0], df.iloc[:, 1]), df.iloc[:, 2]
    if ratings.dtype.kind not in "iuf":
        return False
    texts = [all(isinstance(label, str) for label in column) for column in labels]
    whole = [column.dtype.kind in "iu" for column in labels]
    if not all(whole):
        return all(text or number for text, number in zip(texts, whole, strict=True))
    beyond = min(column.max() for column in labels) > ratings.max()
    return len(df) >= _FEWEST_PAIRS and bool(beyond) and not df.iloc[:, :2].duplicated().any()


def columns_of(df: pd.DataFrame, **given: object) -> FrameColumns:
    """Which columns hold user, item, rating and timestamp: as given, by known names, or in this order."""
    if df.columns.nlevels > 1 or df.shape[1] < 3:
        raise RatingsError(
            f"The DataFrame has {df.shape[1]} columns; ratings need three: user, item, rating. "
            "A crosstab goes through Ratings.from_crosstab_frame."
        )
    found = {role: _position(df, role, name) for role, name in given.items() if name is not None}
    for role, at in roles([str(name) for name in df.columns]).items():
        if role not in found and at not in found.values():
            found[role] = at
    free = (at for at in range(df.shape[1]) if at not in found.values())
    for role in ("user", "item", "rating"):
        if role not in found:
            found[role] = next(free)
    if "timestamp" not in found and df.shape[1] == 4:
        rest = next(free)
        if df.dtypes.iloc[rest].kind in "iM":
            found["timestamp"] = rest
    return FrameColumns(found["user"], found["item"], found["rating"], found.get("timestamp"))


def _position(df: pd.DataFrame, role: str, name: object) -> int:
    names = list(df.columns)
    if name in names:
        return names.index(name)
    if isinstance(name, int) and -len(names) <= name < len(names):
        return name % len(names)
    raise RatingsError(f"The DataFrame has no column {name!r} for {role}. It has {', '.join(map(repr, names))}.")


def frame_columns(df: pd.DataFrame, at: FrameColumns) -> tuple[Column, Column, Column, IntArray | None, Where]:
    """Users, items, ratings and timestamps of a long frame, and how messages call its rows.

    Raises `RatingsError` for a row without user or item, `CellValueError` for a rating that is none or is missing.
    """

    def where(row: int) -> Spot:
        return Spot(f"Row {df.index[[row]].tolist()[0]!r} of the DataFrame")

    users, items = (_labels(df.iloc[:, position], where) for position in (at.user, at.item))
    ratings = df.iloc[:, at.rating]
    numeric = ratings.dtype.kind in "iuf"
    values: Column = ratings.to_numpy(dtype=np.float64, na_value=np.nan) if numeric else ratings.tolist()
    times = None if at.timestamp is None else seconds(df.iloc[:, at.timestamp])
    return users, items, values, times, where


def _labels(column: pd.Series[Any], where: Where) -> Column:
    missing = np.flatnonzero(column.isna().to_numpy())
    if missing.size:
        raise RatingsError(f"{where(int(missing[0])).text} has no {column.name}. Leave it out (df.dropna()).")
    kind = column.dtype.kind
    if hasattr(column, "cat"):
        return _labels(column.astype(column.cat.categories.dtype), where)
    if kind in "iu":
        return column.to_numpy(dtype=np.uint64 if kind == "u" else np.int64)
    if kind == "f":
        floats = column.to_numpy(dtype=np.float64)
        return (
            floats.astype(np.int64)
            if (floats == np.rint(floats)).all() and np.abs(floats).max(initial=0.0) < 2**53
            else floats
        )
    if kind == "O":
        return column.to_numpy(dtype=object)
    return [_plain(value) for value in column.tolist()] if kind == "M" else column.tolist()


def _plain(value: Any) -> Label:
    """A label as Python has it: pandas' timestamps become dates and times."""
    return value.to_pydatetime() if hasattr(value, "to_pydatetime") else plain_label(value)


def seconds(column: pd.Series[Any]) -> IntArray | None:
    """Timestamps in whole seconds since 1970, from numbers, dates or ISO texts; None where any is none of these."""
    column = _times(column)
    if column.isna().any():
        return None
    if column.dtype.kind == "M":
        column = column.dt.tz_convert(None) if getattr(column.dt, "tz", None) is not None else column
        return column.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return column.to_numpy(dtype=np.int64)


def no_time(column: pd.Series[Any], where: Where) -> RatingsError:
    """The error for a column of timestamps of which `seconds` can make none: it names the first that is no time."""
    row = int(np.flatnonzero(_times(column).isna().to_numpy())[0])
    place = where(row).text if column.name is None else f"{where(row).text}, column {column.name!r},"
    return RatingsError(
        f"{place} holds {column.iloc[[row]].tolist()[0]!r} as a timestamp; those are seconds since 1970, dates or ISO"
        " texts such as 2020-06-01T12:30. Correct it, or leave the timestamps out."
    )


def _times(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of numbers as it is, of anything else as dates; missing where an entry is neither."""
    import pandas as pd

    column = column.infer_objects()
    if column.dtype.kind in "uf":
        return column.where(column < 2.0**63).where(column > -(2.0**63))
    if column.dtype.kind in "iM":
        return column
    numbers = column.map(is_number) if column.dtype == object else pd.Series(False, column.index)
    dates = pd.to_datetime(column.astype(object).mask(numbers), format="ISO8601", errors="coerce", utc=True)
    return dates.where(~numbers, pd.to_datetime(column.where(numbers), unit="s", errors="coerce", utc=True))


def crosstab_parts(df: pd.DataFrame) -> tuple[tuple[Label, ...], tuple[Label, ...], FloatArray, tuple[str, str]]:
    """Users, items, ratings (m, n) with NaN for blanks, and the titles of both, from a crosstab."""
    if df.index.nlevels > 1 or df.columns.nlevels > 1:
        raise RatingsError("The DataFrame has labels in several levels. Join them into one, or pass a long table.")
    if df.shape[1] and is_user_word(df.columns[0]):
        df = df.set_index(df.columns[0])
    users, items = tuple(map(_plain, df.index.tolist())), tuple(map(_plain, df.columns.tolist()))
    for labels, kind, where in ((users, "user", "Row"), (items, "item", "Column")):
        if missing := missing_labels(labels):
            raise RatingsError(
                f"{where} {missing[0]} of the DataFrame has no {kind}. Fill in its label, or leave it out."
            )
        if twice := repeated(labels):
            raise DuplicateError(f"The DataFrame holds the {kind} {labels[twice[0]]!r} twice. Join the two.")
    dense = np.full(df.shape, np.nan)
    for at in range(df.shape[1]):
        dense[:, at] = _column_values(df.iloc[:, at], users, items[at])
    titles = str(df.index.name or "user"), str(df.columns.name or "item")
    return users, items, dense, titles


def _column_values(column: pd.Series[Any], users: Sequence[Label], item: Label) -> FloatArray:
    missing = column.isna().to_numpy()
    if column.dtype.kind in "iuf":
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        listed = column.tolist()
        wrong = next((at for at, value in enumerate(listed) if not missing[at] and not is_number(value)), None)
        if wrong is not None:
            raise _wrong_value(users[wrong], item, listed[wrong])
        values = np.array([np.nan if gone else value for value, gone in zip(listed, missing, strict=True)], dtype=float)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise _wrong_value(users[infinite[0]], item, float(values[infinite[0]]))
    return values


def _wrong_value(user: Label, item: Label, value: object) -> CellValueError:
    return CellValueError(
        f"User {user!r} rates item {item!r} {value!r}; ratings are finite numbers. "
        "Correct it, or put NaN where something is not rated."
    )


def table_of_frame(df: pd.DataFrame, place: Place, transpose: bool, blanks: Blanks) -> Crosstab | LongTable:
    """The table that a frame out of a file is. Parquet names columns by texts: those of a crosstab become ids again."""
    from xlcollab.reading.crosstab import Crosstab, LongTable

    nowhere = Area(1, 1, 1, 1)
    if is_long(df):
        at = columns_of(df)
        ratings = df.iloc[:, at.rating]
        rated = (ratings.notna() & ~ratings.map(blanks.__contains__)).to_numpy(dtype=bool)
        df, lines = df[rated], (np.flatnonzero(rated) + 1).tolist()
        users, items, column, times, where = frame_columns(df, at)
        values = rating_values(column, where)
        titles = str(df.columns[at.user]), str(df.columns[at.item])
        return LongTable(place, nowhere, users, items, values, times, lines, (1, 2, 3), *titles)
    down, across, dense, titles = crosstab_parts(df)
    across = typed_labels([str(label) for label in across])
    rows = [[None if np.isnan(value) or value in blanks else value for value in row] for row in dense.tolist()]
    side, top = tuple(range(1, len(down) + 1)), tuple(range(1, len(across) + 1))
    table = Crosstab(place, nowhere, down, across, rows, side, top, False, *titles)
    return table.turned() if transpose else table


def label_index(labels: Sequence[Label], name: str | None = None) -> pd.Index[Any]:
    """Labels as an index or a column that keeps the type of each."""
    import pandas as pd

    mixed = len({type(label) for label in labels}) > 1  # else pandas would make 1 and 2.5 floats, dates timestamps
    dated = any(isinstance(label, dt.date) for label in labels)
    return pd.Index(list(labels), name=name, dtype=object if mixed or dated else None)
