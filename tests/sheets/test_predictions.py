"""Predictions and Recommendations: every blank filled, live, with its interval."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import openpyxl
import pytest

from xlcollab.model import Model
from xlcollab.sheets import recommendations, theme
from xlcollab.sheets.filled import LEVEL
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.styles import Style
from xlcollab.xlsx.workbook import Sheet, Workbook

Make = Callable[..., Any]

MODEL = Model(3, biased=True)


def tables(sheet: Sheet) -> dict[str, np.ndarray[Any, Any]]:
    """The filled crosstab and its companions (15, 15), by caption; NaN where nothing stands."""
    cells = sheet.cells
    captions = {"filled": 5} | {
        str(cell.value): row
        for (row, col), cell in cells.items()
        if col == 1 and row > 22 and isinstance(cell.value, str)
    }
    found = {}
    for caption, row in captions.items():
        if "\\" not in caption:
            values = sheet.values(Area(row + 3, 2, row + 17, 16))
            found[caption] = np.array(values, dtype=float)
    return found


def test_a_cell_is_the_rating_or_where_there_is_none_the_model_within_the_scale(fit: Make, report: Make) -> None:
    made = fit(model=MODEL)
    cells = Workbook.open(report(made).path).sheet("Predictions").cells
    known = made.ratings.mask()
    for there in (known, ~known):
        user, item = (int(at[0]) for at in np.nonzero(there))
        column, row = "FGHIJKLMNOPQRST"[item], 24 + user
        rating = f"torch!{column}{2 + user}"
        model = f"MMULT(torch!$B{row}:$D{row},torch!{column}$20:{column}$22)+torch!{column}$19+torch!$A{row}"
        assert cells[8 + user, 2 + item].formula.text == f'IF({rating}="",MAX($B$4,MIN($D$4,{model})),{rating})'
    assert cells[8 + user, 2 + item].value == pytest.approx(made.predict(11 + user, 101 + item), abs=1e-12)


def test_a_rating_typed_into_the_mirror_or_deleted_there_is_followed(
    fit: Make, report: Make, recalculated: Make, sure: Any
) -> None:
    made = fit(model=MODEL, uncertainty=sure)
    path = report(made).path
    user, item = (int(at[0]) for at in np.nonzero(made.ratings.mask()))
    book = Workbook.open(path)
    lines = book.sheet("Recommendations").cells
    someone, something = int(lines[8, 1].value) - 11, int(lines[8, 3].value) - 101
    book.sheet("torch").patch({(2 + someone, 6 + something): 3.5, (2 + user, 6 + item): None})
    book.save(path, force=True)
    after = recalculated(path)
    filled = after["Predictions"]
    assert filled[f"{'BCDEFGHIJKLMNOP'[something]}{8 + someone}"] == 3.5
    assert filled[f"{'BCDEFGHIJKLMNOP'[item]}{8 + user}"] == pytest.approx(made.predict(11 + user, 101 + item))
    assert [after["Recommendations"].get(at) or "" for at in ("D8", "E8", "F8")] == ["rated", "", ""]
    assert isinstance(after["Recommendations"]["D9"], float)


def test_without_a_blank_there_are_no_intervals_to_show(fit: Make, ratings: Make, report: Make, sure: Any) -> None:
    made = fit(ratings(15, 15, 0), MODEL, uncertainty=sure)
    cells = Workbook.open(report(made).path).sheet("Predictions").cells
    assert max(row for row, _ in cells) == 22


def test_without_clipping_the_model_stands_alone(fit: Make, report: Make, wrong_values: Make) -> None:
    made = fit(model=MODEL, clip=False)
    written = report(made)
    table = tables(Workbook.open(written.path).sheet("Predictions"))["filled"]
    blank = ~made.ratings.mask()
    np.testing.assert_allclose(table[blank], made.predict_matrix(clip=False)[blank], atol=1e-12)
    assert (4, 2) not in Workbook.open(written.path).sheet("Predictions").cells
    assert wrong_values(written.path) == []


def test_the_companion_tables_are_predict_interval_for_every_blank(fit: Make, report: Make, sure: Any) -> None:
    made = fit(model=MODEL, uncertainty=sure)
    found = tables(Workbook.open(report(made).path).sheet("Predictions"))
    users, items = np.nonzero(~made.ratings.mask())
    low, high = made.predict_interval(11 + users, 101 + items, level=LEVEL)
    deviations = np.full((15, 15), np.nan)
    deviations[users, items] = sure.sd(users, items)
    for caption, ends in (("Low end of the interval", low), ("High end of the interval", high)):
        expected = np.full((15, 15), np.nan)
        expected[users, items] = ends
        np.testing.assert_allclose(found[caption], expected, atol=1e-12)
    np.testing.assert_allclose(found["Standard deviation of a rating around its prediction, as fitted"], deviations)


def test_without_an_uncertainty_there_are_no_companions(fit: Make, report: Make) -> None:
    book = Workbook.open(report(fit(model=MODEL)).path)
    assert set(tables(book.sheet("Predictions"))) == {"filled"}
    assert {"low", "high"}.isdisjoint(cell.value for cell in book.sheet("Recommendations").cells.values())


def test_known_predicted_and_held_out_cells_look_different(fit: Make, ratings: Make, report: Make) -> None:
    train, valid = ratings().split(0.2, seed=1)
    sheet = Workbook.open(report(fit(train, MODEL, valid=valid, valid_rmse=1.0)).path).sheet("Predictions")
    looks: dict[str, set[int | None]] = {"known": set(), "held out": set(), "blank": set()}
    known, held_out = train.mask(), valid.mask()
    for user in range(15):
        for item in range(15):
            kind = "known" if known[user, item] else "held out" if held_out[user, item] else "blank"
            looks[kind].add(sheet.cells[8 + user, 2 + item].style)
    assert all(len(styles) == 1 for styles in looks.values())
    assert len(set.union(*looks.values())) == 3


def test_held_out_ratings_are_shown_as_they_are_and_not_recommended(
    fit: Make, ratings: Make, report: Make, table: Make
) -> None:
    train, valid = ratings().split(0.3, seed=1)
    path = report(fit(train, MODEL, valid=valid, valid_rmse=1.0)).path
    shown = tables(Workbook.open(path).sheet("Predictions"))["filled"]
    np.testing.assert_array_equal(shown[valid.user_idx, valid.item_idx], valid.values)
    pairs = {(line["user"], line["item"]) for line in table(path, "Recommendations", "rank")}
    assert not pairs & {
        (valid.users[user], valid.items[item]) for user, item in zip(valid.user_idx, valid.item_idx, strict=True)
    }


def test_recommendations_are_the_fit_s_own_in_its_order(
    fit: Make, ratings: Make, report: Make, table: Make, sure: Any
) -> None:
    known = ratings(15, 15, 120)
    made = fit(known, MODEL, uncertainty=sure)
    found = table(report(made).path, "Recommendations", "rank")
    for user in known.users:
        expected = made.recommend(user, n=recommendations.N_BEST)
        lines = [line for line in found if line["user"] == user]
        assert [line["item"] for line in lines] == expected["item"].tolist()
        assert [line["rank"] for line in lines] == list(range(1, len(expected) + 1))
        for title, own in (("predicted", "prediction"), ("low", "low"), ("high", "high")):
            assert [line[title] for line in lines] == pytest.approx(expected[own].tolist(), abs=1e-12)


def test_each_recommendation_is_a_link_to_predictions_that_sorting_leaves_alone(
    fit: Make, report: Make, sure: Any
) -> None:
    made = fit(model=MODEL, uncertainty=sure)
    book = Workbook.open(report(made).path)
    cells = book.sheet("Recommendations").cells
    for column in (4, 5, 6):
        [place] = re.findall(r"Predictions!(\$[A-Z]+\$[0-9]+)", cells[8, column].formula.text)
        at = Area.parse(place)
        assert book.sheet("Predictions").cells[at.first_row, at.first_col].value == cells[8, column].value
        assert at.first_col - 2 == made.ratings.items.index(cells[8, 3].value)
    user, item = (cells[8, column].value for column in (1, 3))
    rating = f"torch!${'FGHIJKLMNOPQRST'[item - 101]}${user - 9}"
    assert cells[8, 4].formula.text.startswith(f'IF({rating}="",Predictions!$')


def test_recommendations_can_be_filtered_and_sorted_by_their_header(fit: Make, report: Make, sure: Any) -> None:
    path = report(fit(model=MODEL, uncertainty=sure)).path
    sheet = openpyxl.load_workbook(path)["Recommendations"]
    assert sheet.auto_filter.ref == f"A7:F{sheet.max_row}"
    assert [sheet.cell(7, column).value for column in range(1, 7)] == [
        "user", "rank", "item", "predicted", "low", "high",
    ]  # fmt: skip


def test_wide_tables_print_on_several_pages_with_the_users_on_each(fit: Make, ratings: Make, report: Make) -> None:
    pages = {}
    for n_items in (15, 90):
        book = openpyxl.load_workbook(report(fit(ratings(15, n_items, 50), MODEL)).path)
        pages[n_items] = [book[name].page_setup.fitToWidth for name in ("Predictions", "torch")]
    assert pages == {15: [1, 1], 90: [4, 4]}
    assert (book["Predictions"].print_title_cols, book["torch"].print_title_cols) == ("$A:$A", "$E:$E")


def test_long_lists_of_recommendations_say_how_many_users_they_hold(
    fit: Make, ratings: Make, report: Make, table: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recommendations, "MOST_ROWS", 12)
    path = report(fit(ratings(15, 15, 150), MODEL)).path
    users = [line["user"] for line in table(path, "Recommendations", "rank")]
    assert sorted(set(users)) == list(range(11, 11 + len(set(users))))
    assert len(set(users)) < 15
    note = Workbook.open(path).sheet("Recommendations").cells[3, 1].value
    assert note == f"Up to 10 unrated items of the first {len(set(users))} users, best first."


def test_where_everybody_rated_everything_there_is_nothing_to_recommend(fit: Make, ratings: Make, report: Make) -> None:
    cells = Workbook.open(report(fit(ratings(5, 5, 0), Model(2))).path).sheet("Recommendations").cells
    assert [cells[row, 1].value for row in (3, 4)] == [
        "Nothing is left to recommend:",
        "everybody has rated everything.",
    ]


def luminance(color: str) -> float:
    """WCAG 2.1: relative luminance of RRGGBB."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    "style", [theme.RATING, theme.PREDICTED, theme.PREDICTED_PLAIN, theme.FITTED, theme.INTERVAL, theme.SIMILARITY]
)
@pytest.mark.parametrize("background", [theme.LOW, theme.MIDDLE, theme.HIGH])
def test_text_on_the_colour_scale_has_contrast_enough(style: Style, background: str) -> None:
    light, dark = sorted((luminance(background), luminance(style.color or "000000")), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_long_names_that_run_upwards_are_shortened_where_they_begin_to_be_cut(
    fit: Make, ratings: Make, report: Make
) -> None:
    bare = ratings()
    long = "A name of far more signs than two lines of thirty hold"
    names = dict.fromkeys(bare.items, long)
    book = Workbook.open(report(fit(bare.with_names(item_names=names), MODEL)).path)
    assert book.sheet("Predictions").cells[7, 2].value == "A name of far more signs than two lines of thirty…"
    assert book.sheet("torch").cells[17, 6].value == "A name of far more signs than two lines of thirty…"
    assert long in {cell.value for cell in book.sheet("Recommendations").cells.values()}
