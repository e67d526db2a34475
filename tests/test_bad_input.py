"""Whatever comes in by whichever door: a right answer, or an error that says the way out."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

import xlcollab as xc
from xlcollab.errors import (
    CellValueError,
    DuplicateError,
    FitError,
    NoCrosstabError,
    OptionError,
    RatingsError,
    UnknownLabelError,
)
from xlcollab.rating_files import as_ratings
from xlcollab.ratings import Ratings

SOLVERS = ("scipy", "torch", "bayes", "als")
Rows = list[tuple[Any, Any, Any]]
Door = Callable[[Rows, Path], Ratings]

GOOD: Rows = [(u, i, float((u * i) % 5 + 1)) for u in range(1, 7) for i in range(11, 16) if (u + i) % 4]

pytestmark = [
    pytest.mark.filterwarnings("ignore::xlcollab.errors.TooManyFactorsWarning"),  # a few ratings are the point
    pytest.mark.filterwarnings("ignore::xlcollab.errors.UnratedLabelWarning"),
]


# The doors: triplets in, ratings out ----------------------------------------------------------------------------------


def long_frame(rows: Rows, folder: Path) -> Ratings:
    return as_ratings(pd.DataFrame(rows, columns=["user", "item", "rating"]))


def arrays(rows: Rows, folder: Path) -> Ratings:
    return Ratings.from_arrays(*([row[at] for row in rows] for at in range(3)))


def long_csv(rows: Rows, folder: Path) -> Ratings:
    return xc.read_ratings(_csv(folder / "long.csv", [("user", "item", "rating"), *rows]))


def crosstab_frame(rows: Rows, folder: Path) -> Ratings:
    users, items, cells = _cells(rows)
    return as_ratings(pd.DataFrame(cells, index=users, columns=items))


def crosstab_csv(rows: Rows, folder: Path) -> Ratings:
    users, items, cells = _cells(rows)
    lines = [[user, *row] for user, row in zip(users, cells, strict=True)]
    return xc.read_ratings(_csv(folder / "crosstab.csv", [["user", *items], *lines]))


def crosstab_xlsx(rows: Rows, folder: Path) -> Ratings:
    users, items, cells = _cells(rows)
    book = openpyxl.Workbook()
    for line in [["user", *items], *([user, *row] for user, row in zip(users, cells, strict=True))]:
        book.active.append(line)
    book.save(folder / "crosstab.xlsx")
    return xc.read_ratings(folder / "crosstab.xlsx")


LONG = (long_frame, arrays, long_csv)
CROSSTABS = (crosstab_frame, crosstab_csv, crosstab_xlsx)
DOORS = LONG + CROSSTABS


def _csv(path: Path, lines: list[Any]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    return path


def _cells(rows: Rows) -> tuple[list[Any], list[Any], list[list[Any]]]:
    users, items = (list(dict.fromkeys(row[at] for row in rows)) for at in range(2))
    found = {(user, item): value for user, item, value in rows}
    return users, items, [[found.get((user, item)) for item in items] for user in users]


def with_rating(value: object) -> Rows:
    """The good rows, user 3's rating of item 12 replaced."""
    assert (3, 12, 2.0) in GOOD
    return [(u, i, value if (u, i) == (3, 12) else v) for u, i, v in GOOD]


# Ratings that are none ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
def test_good_ratings_come_in_by_every_door(door: Door, tmp_path):
    assert door(GOOD, tmp_path).equals(arrays(GOOD, tmp_path))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("text", ["n/a", "vier", "4 stars"])
def test_a_text_for_a_rating_is_named_with_the_way_out(door: Door, text, tmp_path):
    with pytest.raises(CellValueError, match=f"{text}.*(Correct it|Empty the|type a number)"):
        door(with_rating(text), tmp_path)


@pytest.mark.parametrize("door", [*LONG, crosstab_frame, crosstab_csv])  # a workbook can hold no infinity
@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_named_with_the_way_out(door: Door, value, tmp_path):
    with pytest.raises(CellValueError, match=r"-?inf\b.*(Correct it|Empty the)") as caught:
        door(with_rating(value), tmp_path)
    assert "np.float64" not in str(caught.value)


@pytest.mark.parametrize("door", [long_frame, arrays, long_csv, crosstab_csv])
def test_nan_is_no_rating_in_a_list_of_ratings_nor_as_text(door: Door, tmp_path):
    with pytest.raises(CellValueError, match="nan.*(Correct it|Empty the)"):
        door(with_rating(math.nan), tmp_path)


@pytest.mark.parametrize("door", [long_csv, *CROSSTABS])
def test_an_empty_cell_is_not_rated(door: Door, tmp_path):
    ratings = door(with_rating(None), tmp_path)
    assert len(ratings) == len(GOOD) - 1
    assert not ratings.mask()[ratings.user_position(3), ratings.item_position(12)]


def test_nan_in_a_crosstab_frame_is_not_rated(tmp_path):
    assert len(crosstab_frame(with_rating(math.nan), tmp_path)) == len(GOOD) - 1


@pytest.mark.parametrize("door", [long_frame, arrays, *CROSSTABS])
def test_a_truth_value_is_no_rating(door: Door, tmp_path):
    with pytest.raises(CellValueError, match="(?i)true.*(Correct it|Empty the)"):
        door(with_rating(True), tmp_path)


def test_an_array_of_texts_names_the_first_of_them():
    with pytest.raises(CellValueError, match="Row 0 holds '4' as a rating"):
        Ratings.from_arrays(np.array([1, 2]), np.array([1, 2]), np.array(["4", "x"]))


@pytest.mark.parametrize("solver", SOLVERS)
def test_ratings_whose_squares_overflow_are_refused(solver, tmp_path):
    ratings = arrays([(u, i, v * 1e200) for u, i, v in GOOD], tmp_path)
    with pytest.raises(FitError, match=r"from 1e\+200 to 5e\+200: squares .* cannot be summed. Divide the ratings"):
        xc.fit(ratings, solver=solver)


# Labels ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("role", ["user", "item"])
def test_a_rating_of_nobody_or_nothing_is_refused(door: Door, role, tmp_path):
    row = (None, 11, 3.0) if role == "user" else (1, None, 3.0)
    with pytest.raises(RatingsError, match=f"(has no {role}|needs its {role}|is empty).*(Fill|Leave it out)"):
        door([*GOOD, row], tmp_path)


@pytest.mark.parametrize("label", [math.nan, pd.NA, pd.NaT])
def test_a_missing_label_is_missing_however_it_is_spelled(label, tmp_path):
    with pytest.raises(RatingsError, match=f"Row {len(GOOD)} has no user. Fill it in, or leave the row out"):
        arrays([*GOOD, (label, 11, 3.0)], tmp_path)
    with pytest.raises(RatingsError, match="of the DataFrame has no user. Fill in its label"):
        crosstab_frame([*GOOD, (label, 11, 3.0)], tmp_path)


@pytest.mark.parametrize("door", DOORS)
def test_ids_may_lie_beyond_32_bits(door: Door, tmp_path):
    ratings = door([(u + 2**40, i + 2**33, v) for u, i, v in GOOD], tmp_path)
    fit = xc.fit(ratings)
    assert isinstance(ratings.users[0], int)
    assert fit.predict(2**40 + 3, 2**33 + 12) == pytest.approx(
        fit.predict_matrix()[2, list(ratings.items).index(2**33 + 12)]
    )
    with pytest.raises(UnknownLabelError, match="no user 3 "):
        fit.predict(3, 2**33 + 12)


@pytest.mark.parametrize("door", DOORS)
def test_labels_may_be_in_any_script(door: Door, tmp_path):
    ratings = door([(f"Zoë {u}", f"映画{i}", v) for u, i, v in GOOD], tmp_path)
    fit = xc.fit(ratings)
    fit.save(tmp_path / "model.xlc")
    assert xc.load(tmp_path / "model.xlc").predict("Zoë 3", "映画12") == fit.predict("Zoë 3", "映画12")
    xc.write_report(fit, tmp_path / "result.xlsx")
    assert (tmp_path / "result.xlsx").stat().st_size > 0


# Twice the same -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", LONG)
def test_a_pair_that_stands_there_twice_is_refused_with_the_ways_out(door: Door, tmp_path):
    with pytest.raises(DuplicateError, match="both rate item 12 for user 3.*duplicates='last' or 'mean'"):
        door([*GOOD, (3, 12, 5.0)], tmp_path)


@pytest.mark.parametrize(("policy", "value"), [("last", 5.0), ("mean", 3.5)])
def test_a_policy_settles_it_alike_by_every_door(policy, value, tmp_path):
    rows = [*GOOD, (3, 12, 5.0)]
    assert (3, 12, 2.0) in GOOD
    path = _csv(tmp_path / "long.csv", [("user", "item", "rating"), *rows])
    columns = [[row[at] for row in rows] for at in range(3)]
    made = (
        Ratings.from_arrays(*columns, duplicates=policy),
        Ratings.from_frame(pd.DataFrame(rows, columns=["user", "item", "rating"]), duplicates=policy),
        xc.read_ratings(path, duplicates=policy),
    )
    for ratings in made:
        assert len(ratings) == len(GOOD)
        assert ratings.dense()[ratings.user_position(3), ratings.item_position(12)] == value


def test_the_way_out_of_a_pair_that_stands_there_twice_leads_to_a_fit(tmp_path):
    rows = [*GOOD, (3, 12, 5.0)]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    path = _csv(tmp_path / "long.csv", [("user", "item", "rating"), *rows])
    for data in (frame, path):
        for ask in (
            xc.fit,
            lambda given: xc.evaluate(given, valid=given),
            xc.cross_validate,
            lambda given: xc.compare(given, ["als"]),
            lambda given: xc.search(given, {"penalty": [1.0]}, solver="als"),
        ):
            with pytest.raises(DuplicateError, match=r"duplicates='last' .* to read_ratings or Ratings\.from_frame"):
                ask(data)
    for ratings in (Ratings.from_frame(frame, duplicates="last"), xc.read_ratings(path, duplicates="last")):
        assert len(xc.fit(ratings, solver="als").ratings) == len(GOOD)


@pytest.mark.parametrize("door", [crosstab_csv, crosstab_xlsx])
def test_a_user_with_two_rows_is_refused(door: Door, tmp_path):
    users, items, cells = _cells(GOOD)
    lines = [
        ["user", *items],
        *([1, *row] if user == 2 else [user, *row] for user, row in zip(users, cells, strict=True)),
    ]
    if door is crosstab_csv:
        path = _csv(tmp_path / "twice.csv", lines)
    else:
        book, path = openpyxl.Workbook(), tmp_path / "twice.xlsx"
        for line in lines:
            book.active.append(line)
        book.save(path)
    with pytest.raises(DuplicateError, match="1.*duplicates='last' or 'mean'"):
        xc.read_ratings(path)
    assert xc.read_ratings(path, duplicates="last").n_users == 5


# Too little -----------------------------------------------------------------------------------------------------------


def test_an_empty_frame_is_no_ratings_and_cannot_be_fitted():
    floats = pd.DataFrame(columns=["user", "item", "rating"], dtype=float)
    for frame in (pd.DataFrame(columns=["user", "item", "rating"]), floats, pd.DataFrame()):
        with pytest.raises(RatingsError, match="no ratings to fit"):
            xc.fit(frame)


def test_a_crosstab_of_blanks_cannot_be_fitted():
    with pytest.raises(RatingsError, match="no ratings to fit"):
        xc.fit(pd.DataFrame(np.nan, index=[1, 2], columns=[7, 8]))


def test_a_file_with_a_header_alone_says_what_it_takes(tmp_path):
    with pytest.raises(NoCrosstabError, match="holds no table of ratings. It takes"):
        xc.read_ratings(_csv(tmp_path / "empty.csv", [("user", "item", "rating")]))


@pytest.mark.parametrize("solver", SOLVERS)
def test_equal_ratings_leave_nothing_to_learn(solver, tmp_path):
    with pytest.raises(FitError, match="All 22 ratings are 3: there is nothing to learn. Check what was read"):
        xc.fit(arrays([(u, i, 3.0) for u, i, _ in GOOD], tmp_path), solver=solver)
    with pytest.raises(FitError, match="The only rating is 3: there is nothing to learn"):
        xc.fit(arrays([(1, 1, 3.0)], tmp_path), solver=solver)


ONE_USER: Rows = [(1, i, float(i % 5 + 1)) for i in range(8)]
ONE_ITEM: Rows = [(u, 1, float(u % 5 + 1)) for u in range(8)]
TWO_RATINGS: Rows = [(1, 1, 3.0), (1, 2, 5.0)]
TWO_STRANGERS: Rows = [(1, 1, 3.0), (2, 2, 5.0)]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("rows", [ONE_USER, ONE_ITEM, TWO_RATINGS, TWO_STRANGERS], ids=lambda rows: f"{len(rows)}")
def test_next_to_nothing_is_fitted_within_the_scale(solver, rows, tmp_path):
    ratings = arrays(rows, tmp_path)
    fit = xc.fit(ratings, solver=solver)
    predicted = fit.predict_matrix()
    assert np.isfinite(predicted).all()
    assert (predicted >= ratings.values.min()).all()
    assert (predicted <= ratings.values.max()).all()
    assert fit.rmse < 1.001 * ratings.values.std() + 0.02


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_user_with_one_rating_is_predicted_for_every_item(solver, tmp_path):
    fit = xc.fit(arrays([*GOOD, (77, 11, 3.0)], tmp_path), solver=solver)
    assert np.isfinite(fit.predictions().loc[77]).all()
    assert len(fit.recommend(77)) == 4


@pytest.mark.parametrize("solver", SOLVERS)
def test_users_with_one_rating_each_are_predicted_by_what_is_known_of_the_items(solver):
    rng = np.random.default_rng(0)
    n = 1500
    item = rng.integers(0, 30, n)
    ratings = Ratings.from_arrays(np.arange(n), item, np.clip(np.rint(3 + item % 3 - 1 + rng.normal(0, 0.5, n)), 1, 5))
    fit = xc.fit(ratings, solver=solver)
    predicted = fit.predict_positions(np.full(30, -1, np.int32), np.arange(30, dtype=np.int32))
    if solver != "scipy":  # its plain minimum hits every rating, and says nothing about anybody else
        assert np.corrcoef(predicted, np.arange(30) % 3)[0, 1] > 0.9
    assert np.isfinite(fit.predict_positions(ratings.user_idx, ratings.item_idx)).all()


def test_the_range_of_a_model_must_hold_the_ratings(tmp_path):
    with pytest.raises(OptionError, match="User 2 rated item 15 1, outside the y_range 2 to 5. Widen it to 1 to 5"):
        xc.fit(arrays(GOOD, tmp_path), solver="torch", biased=True, y_range=(2, 5))
