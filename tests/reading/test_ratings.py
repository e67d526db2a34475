"""Ratings as triplets: made, looked up, cut, split and compared."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import CellValueError, DuplicateError, FileError, OptionError, RatingsError
from xlcollab.rating_files import as_ratings, read_excel, read_ratings
from xlcollab.ratings import Ratings
from xlcollab.reading.crosstab import find_crosstabs
from xlcollab.xlsx.workbook import Workbook

SMALL = [["userId", 27, 49, 57], [14, 3, 5, 1], [29, 4.5, None, 5], [72, None, 4, 3]]


@pytest.fixture
def small(book_of):
    return read_excel(book_of(SMALL))


def facts(ratings):
    pairs = zip(ratings.user_idx.tolist(), ratings.item_idx.tolist(), ratings.values.tolist(), strict=True)
    return {(ratings.users[u], ratings.items[i]): value for u, i, value in pairs}


def test_a_crosstab_becomes_triplets_in_reading_order(small):
    assert (small.users, small.items) == ((14, 29, 72), (27, 49, 57))
    assert small.user_idx.tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert small.item_idx.tolist() == [0, 1, 2, 0, 2, 1, 2]
    assert small.values.tolist() == [3, 5, 1, 4.5, 5, 4, 3]
    assert (small.user_idx.dtype, small.item_idx.dtype, small.values.dtype) == (np.int32, np.int32, np.float64)
    assert (small.n_users, small.n_items, len(small), small.scale) == (3, 3, 7, (1.0, 5.0))
    assert small.mean == pytest.approx(25.5 / 7)


def test_the_source_says_where_they_stood(small):
    assert (small.source.sheet, small.source.range, small.source.kind) == ("Ratings", "A1:D4", "crosstab")
    assert small.source.path.endswith("book.xlsx")
    assert small.user_title == "userId"


def test_dense_and_mask_show_the_blanks(small):
    assert np.array_equal(small.dense(), [[3, 5, 1], [4.5, np.nan, 5], [np.nan, 4, 3]], equal_nan=True)
    assert small.mask().tolist() == [[True, True, True], [True, False, True], [False, True, True]]
    assert small.user_counts.tolist() == [3, 2, 2]
    assert small.item_counts.tolist() == [2, 2, 3]


def test_the_arrays_cannot_be_written_to(small):
    with pytest.raises(ValueError, match="read-only"):
        small.values[0] = 1


def test_the_arrays_that_it_was_made_from_stay_as_they_are():
    values = np.array([1.0, 2.0])
    ratings = Ratings.from_arrays([1, 2], [1, 2], values)
    values[0] = 5
    assert values.tolist() == [5, 2]
    assert ratings.values.tolist() == [1, 2]


def test_positions_of_labels_are_minus_one_where_unknown(small):
    assert small.user_position([72, 99, 14]).tolist() == [2, -1, 0]
    assert small.item_position(49).tolist() == [1]
    assert small.item_position("49").tolist() == [-1]
    assert small.user_position(np.array([29])).tolist() == [1]
    assert small.user_position([]).tolist() == []
    assert small.user_position([]).dtype == np.int32


def test_a_label_is_found_as_it_was_typed_when_it_was_read():
    users, items = ["u1 ", " u2", "u1"], [27.0, "b", " b "]
    ratings = Ratings.from_arrays(users, items, [1, 2, 3])
    assert (ratings.users, ratings.items) == (("u1", "u2"), (27, "b"))
    assert ratings.user_position([*users, "u 1"]).tolist() == [0, 1, 0, -1]
    assert ratings.item_position(np.array([*items, "27 "], dtype=object)).tolist() == [0, 1, 1, -1]
    assert ratings.user_position("u2\n").tolist() == [1]


# From columns


def test_labels_of_a_long_table_are_in_ascending_order():
    ratings = Ratings.from_arrays([30, 4, 30], ["b", "a", "a"], [1, 2, 3])
    assert (ratings.users, ratings.items) == ((4, 30), ("a", "b"))
    assert facts(ratings) == {(30, "b"): 1, (4, "a"): 2, (30, "a"): 3}


@pytest.mark.parametrize(
    "users", [["b", "a ", "b"], [2, 1.0, 2], [dt.date(2024, 2, 1), dt.date(2024, 1, 1), dt.date(2024, 2, 1)]]
)
def test_labels_in_an_array_of_objects_are_those_of_a_list(users):
    items, values = ["x", "x", "y"], [1.0, 2.0, 3.0]
    listed = Ratings.from_arrays(users, items, values)
    arrayed = Ratings.from_arrays(np.array(users, dtype=object), np.array(items, dtype=object), values)
    assert arrayed.users == listed.users
    assert list(map(type, arrayed.users)) == list(map(type, listed.users))
    assert arrayed.equals(listed)


def test_labels_of_mixed_types_stay_as_they_appear_and_apart():
    ratings = Ratings.from_arrays(["x", 27, "27"], [dt.date(2024, 1, 2), 3, 3], [1, 2, 3])
    assert ratings.users == ("x", 27, "27")
    assert ratings.items == (dt.date(2024, 1, 2), 3)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (np.int64(3), 3),
        (np.float64(2.5), 2.5),
        (np.float32(4), 4),
        (np.bool_(True), True),
        (np.str_("u "), "u"),
        (Decimal("7.00"), 7),
        (Decimal("1E+40"), 10**40),
        (pd.Timestamp("2024-01-02"), dt.datetime(2024, 1, 2)),
        (dt.date(2024, 1, 2), dt.date(2024, 1, 2)),
        (False, False),
    ],
)
def test_numbers_of_numpy_and_whole_decimals_become_python_s_own(typed, kept):
    for column in ([typed, "x"], np.array([typed, "x"], dtype=object)):
        label = Ratings.from_arrays(column, [1, 2], [1, 2]).users[0]
        assert label == kept
        assert isinstance(label, type(kept))
        assert not isinstance(label, np.generic)


@pytest.mark.parametrize(
    "other",
    [UUID(int=7), pd.Timedelta(1, "D"), Decimal("2.5"), b"u", ("u", 1), np.datetime64("2024-01-02"), pd.Period("2024")],
)
def test_labels_of_another_type_are_refused_by_name(other):
    words = f"The item {other!r} is a {type(other).__name__}; a label is an int, a float, a text or a date. Make texts"
    objects = np.empty(2, dtype=object)
    objects[:] = ["x", other]
    across = pd.Index(objects, tupleize_cols=False)
    for make in (
        lambda: Ratings.from_arrays([1, 2], ["x", other], [1, 2]),
        lambda: Ratings.from_frame(pd.DataFrame({"user": [1, 2], "item": objects, "rating": [1, 2]})),
        lambda: Ratings.from_crosstab_frame(pd.DataFrame([[1, 2], [2, 3]], index=[1, 2], columns=across)),
    ):
        with pytest.raises(RatingsError, match=re.escape(words)):
            make()


@pytest.mark.parametrize("missing", [None, float("nan"), np.float32("nan"), Decimal("NaN"), pd.NA, pd.NaT])
def test_a_label_that_is_missing_names_its_row(missing):
    with pytest.raises(RatingsError, match="Row 1 has no user"):
        Ratings.from_arrays([5, missing, 7], [1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize("ids", [[2**40, 2**31, 5], [2**62, -(2**62), 0], [7, 8, 9], [2**63 + 8, 2**63 + 7, 2**63 + 9]])
def test_ids_may_be_as_large_as_they_like(ids):
    ratings = Ratings.from_arrays(np.array(ids), np.array([1, 1, 2]), [1, 2, 3])
    assert ratings.users == tuple(sorted(ids))
    assert facts(ratings) == {(ids[0], 1): 1, (ids[1], 1): 2, (ids[2], 2): 3}


def test_a_million_users_with_a_rating_each_are_no_matter():
    n = 1_000_000
    ratings = Ratings.from_arrays(np.arange(n) * 3, np.zeros(n, dtype=int), np.ones(n))
    assert (ratings.n_users, ratings.n_items, len(ratings)) == (n, 1, n)


def test_labels_may_be_in_any_script():
    ratings = Ratings.from_arrays(["Zoë", "李雷", "Ольга"], ["🎬", "é", "e\u0301"], [1, 2, 3])
    assert set(ratings.users) == {"Zoë", "李雷", "Ольга"}
    assert ratings.n_items == 3


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_rating_that_is_not_finite_names_its_row(value):
    with pytest.raises(CellValueError, match=r"Row 1 holds (nan|inf|-inf) as a rating"):
        Ratings.from_arrays([1, 2], [1, 2], [3.0, value])


@pytest.mark.parametrize("value", ["4", None, True])
def test_a_rating_that_is_no_number_names_its_row(value):
    with pytest.raises(CellValueError, match=r"Row 1 holds .* as a rating; ratings are finite numbers"):
        Ratings.from_arrays([1, 2], [1, 2], [3.0, value])


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(RatingsError, match="not equally many"):
        Ratings.from_arrays([1, 2], [1, 2], [3.0])


def test_no_ratings_at_all_are_an_empty_set_without_a_scale():
    empty = Ratings.from_arrays([], [], [])
    assert (len(empty), empty.n_users, repr(empty)) == (0, 0, "<Ratings: 0 users × 0 items, 0 ratings>")
    with pytest.raises(RatingsError, match="no ratings"):
        _ = empty.scale


# Duplicates


def test_a_pair_that_stands_there_twice_is_an_error_that_names_both_rows():
    with pytest.raises(DuplicateError) as caught:
        Ratings.from_arrays([7, 8, 7], ["a", "a", "a"], [1, 2, 3])
    assert str(caught.value) == (
        "Row 0 and Row 2 both rate item 'a' for user 7. "
        "Delete one of them, or pass duplicates='last' or 'mean' to read_ratings or Ratings.from_frame (--duplicates)."
    )


def test_of_several_pairs_that_stand_there_twice_the_first_to_come_again_is_named():
    with pytest.raises(DuplicateError, match="Row 1 and Row 2 both rate item 'a' for user 8"):
        Ratings.from_arrays([7, 8, 8, 7], ["a", "a", "a", "a"], [1, 2, 3, 4])


@pytest.mark.parametrize(("policy", "value", "moment"), [("last", 3, 30), ("mean", 2, 30)])
def test_a_policy_accepts_pairs_that_stand_there_twice(policy, value, moment):
    ratings = Ratings.from_arrays([7, 8, 7], ["a", "a", "a"], [1, 2, 3], [10, 20, 30], duplicates=policy)
    assert facts(ratings) == {(8, "a"): 2, (7, "a"): value}
    assert ratings.timestamps.tolist() == [20, moment]


DAYS = pd.date_range("1970-01-02", periods=2)


@pytest.mark.parametrize(
    "times",
    [
        [86400, 172800], np.array([86400.0, 172800.9]), DAYS, DAYS.as_unit("us"), DAYS.tz_localize("UTC"), list(DAYS),
        pd.Series(DAYS, index=[7, 7]), DAYS.to_numpy(), list(DAYS.date), list(DAYS.to_pydatetime()),
        ["1970-01-02", "1970-01-03"], ["1970-01-02", 172800],
    ],
    ids=repr,
)  # fmt: skip
def test_timestamps_are_seconds_however_a_moment_is_given(times):
    assert Ratings.from_arrays([7, 8], ["a", "b"], [1, 2], times).timestamps.tolist() == [86400, 172800]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, None, pd.NaT, "dawn", 1e30], ids=repr)
@pytest.mark.parametrize("first", [10, 10.5, DAYS[0]], ids=repr)
def test_a_timestamp_that_is_none_is_named_with_the_way_out(first, wrong):
    told = r"Row 1 holds (nan|inf|None|NaT|'dawn'|1e\+30) as a timestamp; .*Correct it, or leave the timestamps out"
    with pytest.raises(RatingsError, match=told):
        Ratings.from_arrays([7, 8], ["a", "b"], [1, 2], [first, wrong])


def test_an_unknown_policy_is_refused_with_the_known_ones():
    with pytest.raises(OptionError, match="'error', 'last' or 'mean'"):
        Ratings.from_arrays([1, 2], [1, 2], [1, 2], duplicates="first")


def test_in_a_long_table_on_a_sheet_the_cells_are_named(book_of):
    rows = [["user", "item", "rating"], [1, 1, 5], [1, 2, 4], [1, 1, 3]]
    with pytest.raises(DuplicateError, match=r"Ratings!C2 and Ratings!C4 both rate item 1 for user 1") as caught:
        read_excel(book_of(rows))
    assert (caught.value.sheet, caught.value.cell) == ("Ratings", "C4")
    assert facts(read_excel(book_of(rows), duplicates="mean")) == {(1, 1): 4, (1, 2): 4}


def test_a_label_that_stands_there_twice_names_both_cells_and_merges_under_a_policy(book_of):
    rows = [[*SMALL[0][:3], 27], [14, 3, 5, 1], [29, 4.5, None, None], [14, None, 4, 3]]
    path = book_of(rows)
    with pytest.raises(DuplicateError, match=r"Ratings!A2 and Ratings!A4 both hold the user 14\. Rename one") as caught:
        read_excel(path)
    assert caught.value.cell == "A4"
    with pytest.raises(DuplicateError, match=r"Ratings!B1 and Ratings!D1 both hold the user 27"):
        read_excel(path, transpose=True)
    last = read_excel(path, duplicates="last")
    assert (last.users, last.items) == ((14, 29), (27, 49))
    assert facts(last) == {(14, 27): 3, (14, 49): 4, (29, 27): 4.5}
    mean = read_excel(path, duplicates="mean")
    assert facts(mean) == {(14, 27): pytest.approx(7 / 3), (14, 49): 4.5, (29, 27): 4.5}


def test_a_problem_of_the_table_is_raised_when_it_becomes_ratings(book_of):
    rows = [list(row) for row in SMALL]
    rows[1][1] = "?"
    with pytest.raises(CellValueError, match="Ratings!B2"):
        Ratings.from_table(find_crosstabs(Workbook.open(book_of(rows)))[0])


# The lesson's crosstab


def test_the_most_active_users_meet_the_most_rated_items_and_ties_go_to_the_first_seen():
    users = [5, 5, 5, 1, 1, 9, 9, 3]
    items = ["d", "a", "b", "a", "b", "c", "a", "c"]
    ratings = Ratings.from_arrays(users, items, range(8), range(8))
    cut = ratings.crosstab(n_users=2, n_items=3)
    assert (cut.users, cut.items) == ((1, 5), ("a", "b", "c"))  # 1 and 9 rated two each; b and c were rated twice each
    assert facts(cut) == {(5, "a"): 1, (5, "b"): 2, (1, "a"): 3, (1, "b"): 4}
    assert cut.timestamps.tolist() == [1, 2, 3, 4]
    tied = Ratings.from_arrays([9, 9, 1, 1], ["z", "a", "z", "a"], [1, 2, 3, 4]).crosstab(n_users=1, n_items=1)
    assert (tied.users, tied.items) == ((9,), ("z",))


def test_a_crosstab_as_large_as_all_is_all_of_it(small):
    assert facts(small.crosstab()) == facts(small) == facts(small.crosstab(99, 99))


@pytest.mark.parametrize("n", [0, -1, 2.0, "2"])
def test_a_crosstab_is_of_whole_numbers_of_users_and_items(small, n):
    for name in ("n_users", "n_items"):
        with pytest.raises(OptionError, match=f"{name} is {n!r}; it is a whole number, 1 or more"):
            small.crosstab(**{name: n})


def test_the_lesson_s_rule_agrees_with_pandas_on_a_large_table(shared):
    path = shared / "data" / "ml-100k" / "u.data"
    cut = read_ratings(path).crosstab(15, 15)
    df = pd.read_csv(path, sep="\t", names=["u", "i", "r", "t"])
    top_users = df.u.value_counts(sort=False).sort_values(ascending=False, kind="stable").index[:15]
    top_items = df.i.value_counts(sort=False).sort_values(ascending=False, kind="stable").index[:15]
    lesson = df[df.u.isin(top_users) & df.i.isin(top_items)].pivot(index="u", columns="i", values="r")
    assert cut.users == tuple(lesson.index)
    assert cut.items == tuple(lesson.columns)
    assert np.array_equal(cut.dense(), lesson.to_numpy(), equal_nan=True)


# Parts


def test_a_split_is_disjoint_covers_all_and_shares_the_labels(small):
    train, valid = small.split(valid_pct=0.3, seed=1)
    assert (len(train), len(valid)) == (5, 2)
    assert train.users == valid.users == small.users
    assert facts(train) | facts(valid) == facts(small)


def test_the_same_seed_splits_the_same_and_another_does_not(small):
    parts = [facts(small.split(0.3, seed)[1]) for seed in (1, 1, 2, 3, 4)]
    assert parts[0] == parts[1]
    assert any(part != parts[0] for part in parts[2:])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_a_share_outside_0_to_1_is_refused(small, share):
    with pytest.raises(OptionError, match="between 0 and 1"):
        small.split(share)


@pytest.mark.parametrize("seed", [-1, 1.5, None])
def test_the_seed_of_a_split_is_a_whole_number(small, seed):
    with pytest.raises(OptionError, match=f"seed is {seed!r}; it is a whole number, 0 or more"):
        small.split(0.3, seed)


def test_a_split_that_leaves_nothing_to_train_on_is_refused():
    with pytest.raises(OptionError, match="leave none"):
        Ratings.from_arrays([1], [1], [1]).split(0.5)


def test_select_keeps_labels_by_mask_or_positions(small):
    by_mask = small.select(small.values > 4)
    assert by_mask.users == small.users
    assert facts(by_mask) == {(14, 49): 5, (29, 27): 4.5, (29, 57): 5}
    assert facts(small.select([1, 3, 4])) == facts(by_mask)
    assert len(small.select([])) == 0


def test_names_are_matched_to_ids_as_numbers_or_texts(small):
    named = small.with_names(item_names={"27": "Heat", 49: "Jaws", 1: "Alien"}, user_names={14: "Ann"})
    assert named.item_names == {27: "Heat", 49: "Jaws"}
    assert named.user_names == {14: "Ann"}
    assert named.with_names().item_names == named.item_names


def test_names_come_along_from_files(book_of, tmp_path):
    path = tmp_path / "names.csv"
    path.write_text('movieId,title,genres\n27,"Heat, the film",Crime\n49,Jaws,Horror\n')
    ratings = read_excel(book_of(SMALL), item_names=path)
    assert ratings.item_names == {27: "Heat, the film", 49: "Jaws"}


# Equality


def test_equal_ratings_may_stand_in_another_order(small):
    other = Ratings.from_arrays([72, 14, 29, 72, 29, 14, 14], [57, 57, 57, 49, 27, 49, 27], [3, 1, 5, 4, 4.5, 5, 3])
    assert small.equals(other)
    assert other.equals(small)


@pytest.mark.parametrize("change", [{"values": [3, 1, 5, 4, 4.5, 5, 2]}, {"users": [72, 14, 29, 72, 29, 14, 15]}])
def test_another_value_or_label_makes_them_unequal(small, change):
    columns = {
        "users": [72, 14, 29, 72, 29, 14, 14],
        "items": [57, 57, 57, 49, 27, 49, 27],
        "values": [3, 1, 5, 4, 4.5, 5, 3],
    }
    assert not small.equals(Ratings.from_arrays(**columns | change))


def test_as_ratings_takes_whatever_people_have(small, book_of):
    assert as_ratings(small) is small
    assert as_ratings(book_of(SMALL)).equals(small)
    assert as_ratings(small.to_frame()).equals(small)
    assert as_ratings(small.crosstab_frame()).equals(small)
    assert as_ratings(pd.DataFrame([[1, 2, 3.0], [2, 2, 4.0]])).users == (1, 2)


PAIRS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40, unique=True)


@given(PAIRS, st.randoms(use_true_random=False))
def test_counts_mask_and_dense_agree_and_order_does_not_matter(pairs, dice):
    users, items = zip(*pairs, strict=True)
    values = [dice.randint(1, 10) / 2 for _ in pairs]
    ratings = Ratings.from_arrays(users, items, values)
    assert ratings.mask().sum() == len(ratings) == ratings.user_counts.sum() == ratings.item_counts.sum()
    assert np.array_equal(np.isfinite(ratings.dense()), ratings.mask())
    order = dice.sample(range(len(pairs)), len(pairs))
    turned = Ratings.from_arrays([users[t] for t in order], [items[t] for t in order], [values[t] for t in order])
    assert turned.equals(ratings)
    assert np.array_equal(turned.dense(), ratings.dense(), equal_nan=True)


@pytest.mark.parametrize("read", [read_ratings, read_excel])
@pytest.mark.parametrize("what", [pd.DataFrame({"user": [1], "item": [2], "rating": [3]}), io.StringIO("1,2,3"), None])
def test_what_is_no_path_is_refused_with_the_way_out(read, what):
    with pytest.raises(FileError, match=r"is no path\. DataFrames and rows go to xlcollab\.fit"):
        read(what)
