"""Ratings in and out of pandas."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from xlcollab.errors import CellValueError, DuplicateError, RatingsError
from xlcollab.rating_files import as_ratings
from xlcollab.ratings import Ratings

LONG = pd.DataFrame({"movieId": [5, 6, 5], "userId": [1, 1, 2], "rating": [3.0, 4.5, 2.0], "timestamp": [7, 8, 9]})


def test_columns_are_known_by_name_in_any_order():
    ratings = Ratings.from_frame(LONG)
    assert (ratings.users, ratings.items, ratings.values.tolist()) == ((1, 2), (5, 6), [3, 4.5, 2])
    assert ratings.timestamps.tolist() == [7, 8, 9]
    assert (ratings.user_title, ratings.item_title) == ("userId", "movieId")


def test_columns_of_unknown_names_are_user_item_rating_in_this_order():
    ratings = Ratings.from_frame(pd.DataFrame({"wer": ["Ann", "Bob"], "was": ["x", "y"], "wie": [1, 2]}))
    assert (ratings.users, ratings.items, ratings.values.tolist()) == (("Ann", "Bob"), ("x", "y"), [1, 2])


@pytest.mark.parametrize("columns", [range(3), ["wer", "was", "wie"]])
@pytest.mark.parametrize("user", [lambda at: f"u{at}", lambda at: 100 + at])
def test_a_long_frame_is_one_after_a_split_or_a_filter_too(columns, user):
    rows = [(user(u), 300 + i, 1.0 + (u + i) % 5) for u in range(6) for i in range(8)]
    df = pd.DataFrame(rows, columns=list(columns))
    whole = as_ratings(df)
    for part in (df.sample(frac=1, random_state=0), df[df.iloc[:, 2] > 1], df[7:]):
        ratings = as_ratings(part)
        assert len(ratings) == len(part)
        assert set(ratings.users) <= set(whole.users)
        assert set(ratings.items) <= set(whole.items)


def test_a_crosstab_of_three_items_stays_one_whatever_its_users_are_called():
    values = np.random.default_rng(3).integers(1, 6, (60, 3))
    for users in (np.arange(60)[::-1], [f"u{at}" for at in range(60)]):
        ratings = as_ratings(pd.DataFrame(values, users, [27, 49, 57]))
        assert (ratings.n_users, ratings.items, len(ratings)) == (60, (27, 49, 57), 180)


def test_columns_are_taken_by_position_or_name_if_told():
    df = pd.DataFrame([[3.5, "x", 9], [4.0, "y", 9]], columns=["a", "b", "c"])
    for given in ({"user": "c", "item": "b", "rating": "a"}, {"user": 2, "item": 1, "rating": 0}):
        ratings = Ratings.from_frame(df, **given)
        assert (ratings.users, ratings.items, ratings.values.tolist()) == ((9,), ("x", "y"), [3.5, 4])


def test_a_column_that_is_given_one_part_plays_no_other_whatever_its_name():
    df = pd.DataFrame({"item": [1, 2], "user": ["x", "y"], "rating": [3, 4]})
    swapped = Ratings.from_frame(df, user="item")
    assert (swapped.users, swapped.items) == ((1, 2), ("x", "y"))


def test_a_column_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(RatingsError, match=r"no column 'stars' for rating. It has 'movieId', 'userId'"):
        Ratings.from_frame(LONG, rating="stars")


def test_too_few_columns_are_refused():
    with pytest.raises(RatingsError, match="ratings need three"):
        Ratings.from_frame(LONG[["userId", "rating"]])


@pytest.mark.parametrize(
    ("column", "labels"),
    [
        (pd.Series(["b", "a"], dtype="category"), ("a", "b")),
        (pd.Series([3, 1], dtype="category"), (1, 3)),
        (pd.Series([3, 1], dtype="Int64"), (1, 3)),
        (pd.Series([3, 1], dtype="uint64"), (1, 3)),
        (pd.Series([3.0, 1.0]), (1, 3)),
        (pd.Series([2.5, 1.0]), (1, 2.5)),
        (pd.Series([1e30, 1.0]), (1, 10**30 + 19884624838656)),  # the float nearest to 10³⁰, which no int64 holds
        (pd.Series(["Zoë", "Ann"], dtype="string"), ("Ann", "Zoë")),
        (pd.Series([b"b".decode(), 7], dtype=object), ("b", 7)),
        (pd.to_datetime(pd.Series(["2024-01-02", "2024-01-01"])), (dt.datetime(2024, 1, 1), dt.datetime(2024, 1, 2))),
    ],
)
def test_labels_of_every_dtype_become_python_s_own(column, labels):
    ratings = Ratings.from_frame(pd.DataFrame({"user": column, "item": ["x", "x"], "rating": [1, 2]}))
    assert ratings.users == labels
    assert [type(label) for label in ratings.users] == [type(label) for label in labels]


@pytest.mark.parametrize("dtype", ["float32", "Float64", "int8", "Int64", "float64[pyarrow]"])
def test_ratings_of_every_numeric_dtype_are_taken(dtype):
    df = LONG.assign(rating=pd.Series([3, 4, 2]).astype(dtype))
    assert Ratings.from_frame(df).values.tolist() == [3, 4, 2]


@pytest.mark.parametrize("bad", [np.nan, np.inf, "4", None, pd.NA])
def test_a_wrong_rating_names_its_row_by_the_index(bad):
    df = pd.DataFrame({"user": [1, 2], "item": [1, 1], "rating": [3, bad]}, index=["first", "second"])
    with pytest.raises(CellValueError, match="Row 'second' of the DataFrame holds"):
        Ratings.from_frame(df)


def test_ratings_of_a_nullable_column_with_a_gap_are_refused():
    df = LONG.assign(rating=pd.Series([3, None, 2], dtype="Int64"))
    with pytest.raises(CellValueError, match="Row 1 of the DataFrame holds nan"):
        Ratings.from_frame(df)


@pytest.mark.parametrize("column", ["userId", "movieId"])
def test_a_missing_label_names_its_row(column):
    df = LONG.astype({column: "Int64"})
    df.loc[2, column] = pd.NA
    with pytest.raises(RatingsError, match=f"Row 2 of the DataFrame has no {column}.*dropna"):
        Ratings.from_frame(df)


def test_duplicates_follow_the_policy():
    df = pd.concat([LONG, LONG.iloc[[0]].assign(rating=5.0)], ignore_index=True)
    with pytest.raises(
        DuplicateError, match="Row 0 of the DataFrame and Row 3 of the DataFrame both rate item 5 for user 1"
    ):
        Ratings.from_frame(df)
    assert Ratings.from_frame(df, duplicates="mean").dense()[0, 0] == 4


@pytest.mark.parametrize("unit", ["s", "ns"])
def test_dates_are_timestamps_in_seconds(unit):
    times = pd.to_datetime(["1970-01-02", "1970-01-03", "1970-01-01"]).as_unit(unit)
    assert Ratings.from_frame(LONG.assign(timestamp=times)).timestamps.tolist() == [86400, 172800, 0]
    aware = Ratings.from_frame(LONG.assign(timestamp=times.tz_localize("UTC")))
    assert aware.timestamps.tolist() == [86400, 172800, 0]


@pytest.mark.parametrize("column", ["when", 3])
def test_a_named_column_of_timestamps_must_hold_some(column):
    df = LONG.rename(columns={"timestamp": "when"}).assign(when=["1970-01-02", "dusk", "1970-01-03"])
    with pytest.raises(RatingsError, match="Row 1 of the DataFrame, column 'when', holds 'dusk' as a timestamp"):
        Ratings.from_frame(df, timestamp=column)


def test_a_column_of_timestamps_that_was_only_guessed_may_hold_none():
    assert Ratings.from_frame(LONG.assign(timestamp=["1970-01-02", "dusk", "1970-01-03"])).timestamps is None


def test_a_long_frame_comes_back_as_it_was():
    back = Ratings.from_frame(LONG).to_frame()
    pd.testing.assert_frame_equal(back, LONG[["userId", "movieId", "rating", "timestamp"]])


def test_users_and_items_of_one_title_are_two_columns():
    names = pd.DataFrame([["Ann", "Bob", 5], ["Ann", "Cleo", 4]], columns=["name", "name", "score"])
    back = Ratings.from_frame(names).to_frame()
    assert list(back.columns) == ["name", "name", "rating"]
    assert back.to_numpy().tolist() == names.to_numpy().tolist()


def test_a_frame_keeps_mixed_labels_apart():
    ratings = Ratings.from_arrays([1, "1", dt.date(2024, 1, 2)], [1, 2.5, 3], [1, 2, 3])
    assert ratings.to_frame()["user"].tolist() == [1, "1", dt.date(2024, 1, 2)]
    assert Ratings.from_frame(ratings.to_frame()).equals(ratings)


# Crosstabs

WIDE = pd.DataFrame(
    [[3, np.nan], [4.5, 1]], index=pd.Index([14, 29], name="userId"), columns=pd.Index([27, 49], name="m")
)


def test_a_crosstab_frame_goes_in_and_comes_out():
    ratings = Ratings.from_crosstab_frame(WIDE)
    assert (ratings.users, ratings.items, len(ratings)) == ((14, 29), (27, 49), 3)
    pd.testing.assert_frame_equal(ratings.crosstab_frame(), WIDE)


def test_a_first_column_of_users_is_the_index():
    assert Ratings.from_crosstab_frame(WIDE.reset_index()).users == (14, 29)


@pytest.mark.parametrize("bad", ["x", np.inf, True])
def test_a_wrong_cell_of_a_crosstab_names_user_and_item(bad):
    with pytest.raises(CellValueError, match="User 29 rates item 49"):
        Ratings.from_crosstab_frame(WIDE.astype(object).replace(1, bad))


def test_labels_that_repeat_in_a_crosstab_are_refused():
    with pytest.raises(DuplicateError, match="the user 14 twice"):
        Ratings.from_crosstab_frame(WIDE.set_axis([14, 14]))


def test_labels_in_levels_are_refused():
    with pytest.raises(RatingsError, match="several levels"):
        Ratings.from_crosstab_frame(pd.concat({"a": WIDE}))


@pytest.mark.parametrize(
    "data",
    [
        {"userId": [7, 7, 9], "itemId": [0, 1, 1], "rating": [3.0, 4.5, 2.0]},
        {7: {0: 3.0, 1: 4.5}, 9: {1: 2.0}},
        np.array([(7, 0, 3.0), (7, 1, 4.5), (9, 1, 2.0)], dtype=[("user", int), ("item", int), ("rating", float)]),
        pd.Series([3.0, 4.5, 2.0], index=pd.MultiIndex.from_tuples([(7, 0), (7, 1), (9, 1)])),
        scipy.sparse.csr_array(([3.0, 4.5, 2.0], ([7, 7, 9], [0, 1, 1]))),
        pd.DataFrame({"user": [7, 7, 9], "item": [0, 1, 1], "rating": [Decimal("3"), Decimal("4.5"), Decimal(2)]}),
    ],
    ids=["dict of columns", "dict of dicts", "structured array", "Series", "sparse matrix", "decimals"],
)
def test_what_people_have_ratings_in_is_taken(data):
    ratings = as_ratings(data)
    assert (ratings.users, ratings.items, ratings.values.tolist()) == ((7, 9), (0, 1), [3, 4.5, 2])


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(RatingsError, match="columns of equal length"):
        as_ratings({"user": [1, 2], "item": [1], "rating": [3.0]})


def test_an_array_of_many_columns_is_not_read_as_its_first_three():
    with pytest.raises(RatingsError, match="Rows of 5 numbers are not user, item and rating"):
        as_ratings(np.arange(20.0).reshape(4, 5))


def test_rows_are_named_as_a_person_would():
    with pytest.raises(DuplicateError, match="^Row 0 of the DataFrame and Row 0 of the DataFrame both rate"):
        Ratings.from_frame(pd.concat([LONG.head(1), LONG.head(1)]))


def test_decimals_are_numbers_by_every_door():
    three, half = Decimal("3"), Decimal("4.5")
    crosstab = pd.DataFrame({0: [three, None], 1: [half, Decimal(2)]}, index=[7, 9])
    for ratings in (Ratings.from_arrays([7, 7, 9], [0, 1, 1], [three, half, Decimal(2)]), as_ratings(crosstab)):
        assert (ratings.users, ratings.items, ratings.values.tolist()) == ((7, 9), (0, 1), [3, 4.5, 2])
    with pytest.raises(CellValueError, match="nan"):
        Ratings.from_arrays([7], [0], [Decimal("NaN")])
