"""Compare and Evaluation: what the sheets say is what the fits say, and stays live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from lxml import etree

from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.sheets import evaluation
from xlcollab.sheets.layout import MirrorLayout
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]

FLAT, FREE, SQUEEZED = Model(3), Model(2, biased=True), Model(2, biased=True, y_range=(0.5, 5.5))


@pytest.fixture
def split(ratings: Make) -> tuple[Ratings, Ratings]:
    return ratings(12, 9, 20).split(0.25, seed=4)


@pytest.fixture
def fits(fit: Make, split: tuple[Ratings, Ratings], sure: Any) -> list[Any]:
    """An unpenalised one, one that is squeezed, and one that knows how sure it is."""
    train, valid = split
    return [
        fit(train, FLAT, solver="scipy", penalised=False, valid=valid, valid_rmse=2.0),
        fit(train, SQUEEZED, valid=valid, valid_rmse=1.0, seed=2),
        fit(train, FREE, solver="bayes", valid=valid, valid_rmse=0.9, uncertainty=sure, seed=3, mean=0.4),
    ]


def rows(path: Any) -> list[dict[int, Any]]:
    """Evaluation's rows, as dicts by column."""
    cells = Workbook.open(path).sheet("Evaluation").cells
    last = max(row for row, column in cells if column == 10)
    return [{column: cells[row, column].value for at, column in cells if at == row} for row in range(7, last + 1)]


def test_there_is_a_row_for_each_held_out_rating_with_what_each_fit_predicts(
    fits: list[Any], report: Make, split: tuple[Ratings, Ratings]
) -> None:
    valid = split[1]
    found = rows(report(fits).path)
    pairs = [(valid.users[u], valid.items[i]) for u, i in zip(valid.user_idx, valid.item_idx, strict=True)]
    assert [(row[10], row[11]) for row in found] == pairs
    assert [row[12] for row in found] == valid.values.tolist()
    for column, made in zip((13, 15, 17), fits, strict=True):
        expected = made.predict([user for user, _ in pairs], [item for _, item in pairs])
        assert [row[column] for row in found] == pytest.approx(expected.tolist(), abs=1e-12)
        errors = (expected - valid.values).tolist()
        assert [row[column + 1] for row in found] == pytest.approx(errors, abs=1e-12)


def test_the_ends_are_those_of_predict_interval_at_each_level(fits: list[Any], report: Make, split: Any) -> None:
    valid = split[1]
    users, items = [valid.users[u] for u in valid.user_idx], [valid.items[i] for i in valid.item_idx]
    found = rows(report(fits).path)
    for column, level in ((20, 0.5), (22, 0.8), (24, 0.95)):
        low, high = fits[2].predict_interval(users, items, level=level)
        assert [row[column] for row in found] == pytest.approx(low.tolist(), abs=1e-12)
        assert [row[column + 1] for row in found] == pytest.approx(high.tolist(), abs=1e-12)


def test_the_calibration_table_counts_the_ratings_inside(fits: list[Any], report: Make, split: Any) -> None:
    valid = split[1]
    users, items = [valid.users[u] for u in valid.user_idx], [valid.items[i] for i in valid.item_idx]
    cells = Workbook.open(report(fits).path).sheet("Evaluation").cells
    assert cells[5, 1].value == "How often the intervals of bayes hold"
    for row, level in ((7, 0.5), (8, 0.8), (9, 0.95)):
        low, high = fits[2].predict_interval(users, items, level=level)
        assert cells[row, 1].value == level
        assert cells[row, 4].value == pytest.approx(np.mean((low <= valid.values) & (valid.values <= high)))


def test_compare_has_each_fit_s_errors_and_those_of_the_mean(
    fits: list[Any], report: Make, table: Make, split: Any
) -> None:
    train, valid = split
    found = table(report(fits).path, "Compare", "RMSE, held out")
    assert [line["fit"] for line in found] == ["scipy", "torch", "bayes", "mean"]
    for line, made in zip(found, fits, strict=False):
        error = made.predict_positions(valid.user_idx, valid.item_idx) - valid.values
        assert line["model"] == made.model.name
        assert line["RMSE, fitted"] == pytest.approx(made.rmse)
        assert line["RMSE, held out"] == pytest.approx(np.sqrt(np.mean(error**2)))
        assert line["MAE, held out"] == pytest.approx(np.abs(error).mean())
        assert line["seconds"] == made.seconds
    assert found[0]["inside 80%"] is None
    assert 0 < found[2]["inside 80%"] < 1
    assert found[3]["RMSE, fitted"] == pytest.approx(train.values.std())
    assert found[3]["RMSE, held out"] == pytest.approx(np.sqrt(np.mean((valid.values - train.mean) ** 2)))
    assert found[3]["MAE, held out"] == pytest.approx(np.abs(valid.values - train.mean).mean())


def test_an_independent_engine_agrees(fits: list[Any], report: Make, wrong_values: Make) -> None:
    assert wrong_values(report(fits).path) == []


def test_every_figure_of_compare_is_live(fits: list[Any], report: Make, recalculated: Make) -> None:
    path = report(fits).path
    before = recalculated(path)["Compare"]
    book = Workbook.open(path)
    for made in fits:
        sheet, layout = book.sheet(made.solver), MirrorLayout(12, 9, made.model)
        sheet.patch({at: sheet.cells[at].value + 0.1 for at in layout.item_block.cells()})
        known = next(at for at in layout.ratings.cells() if isinstance(sheet.cells[at].value, float))
        sheet.patch({known: 3.25})
    book.save(path, force=True)
    after = recalculated(path)["Compare"]
    figures = {f"{column}{row}" for column in "CDE" for row in (6, 7, 8, 9)}
    assert {at for at in figures if before[at] == after[at]} == set()


def test_a_fit_told_not_to_clip_is_not_clipped_here(fit: Make, report: Make, split: Any, wrong_values: Make) -> None:
    train, valid = split
    made = fit(train, FLAT, valid=valid, valid_rmse=1.0, clip=False)
    path = report(made).path
    expected = made.predict_positions(valid.user_idx, valid.item_idx, clip=False)
    assert expected.max() > 5 or expected.min() < 1
    assert [row[13] for row in rows(path)] == pytest.approx(expected.tolist(), abs=1e-12)
    assert wrong_values(path) == []


def test_a_rating_of_somebody_unknown_is_predicted_as_the_fit_does(
    fit: Make, report: Make, split: Any, sure: Any, wrong_values: Make
) -> None:
    train, _ = split
    valid = Ratings((11, 999), (101, "new"), np.array([0, 1, 1]), np.array([1, 0, 1]), np.array([2.0, 3.0, 4.5]))
    made = fit(train, FREE, valid=valid, valid_rmse=1.0, uncertainty=sure)
    path = report(made).path
    found = rows(path)
    assert [(row[10], row[11]) for row in found] == [(11, "new"), (999, 101), (999, "new")]
    expected = made.predict([11, 999, 999], ["new", 101, "new"], unknown="mean")
    assert [row[13] for row in found] == pytest.approx(expected.tolist(), abs=1e-12)
    assert wrong_values(path) == []


def test_the_live_shares_count_those_that_the_fit_counts(
    fit: Make, report: Make, split: Any, sure: Any, wrong_values: Make
) -> None:
    """Known and unknown ones together, and one of a cell that was fitted too."""
    train, valid = split
    users, items = (*valid.users, "new"), (*valid.items, "new")
    cells = [*zip(valid.user_idx[:5], valid.item_idx[:5], strict=True), (12, 1), (2, 9)]
    cells.append((train.user_idx[0], train.item_idx[0]))
    user_idx, item_idx = np.array(cells).T
    held_out = Ratings(users, items, user_idx, item_idx, np.linspace(1, 5, len(cells)))
    made = fit(train, FREE, valid=held_out, valid_rmse=1.0, uncertainty=sure)
    assert wrong_values(report(made).path) == []


def test_one_held_out_rating_is_enough(fit: Make, report: Make, ratings: Make, sure: Any, wrong_values: Make) -> None:
    known = ratings()
    made = fit(known.select(np.arange(1, len(known))), FREE, valid=known.select([0]), valid_rmse=1.0, uncertainty=sure)
    written = report(made)
    assert {"Compare", "Evaluation"} <= set(written.sheets)
    assert wrong_values(written.path) == []


def test_without_held_out_ratings_there_is_neither_sheet(fit: Make, report: Make) -> None:
    assert not {"Compare", "Evaluation"} & set(report(fit()).sheets)


def test_a_fit_measured_on_other_ratings_is_left_out_and_named(
    fit: Make, report: Make, ratings: Make, table: Make
) -> None:
    known = ratings()
    one, two = known.split(0.2, seed=1), known.split(0.2, seed=2)
    fits = [
        fit(one[0], solver="als", valid=one[1], valid_rmse=1.0),
        fit(two[0], valid=two[1], valid_rmse=1.0),
        fit(known, solver="bayes"),
    ]
    written = report(fits, show=fits[1])
    assert [line["fit"] for line in table(written.path, "Compare", "RMSE, held out")] == ["torch", "mean"]
    for name in ("als", "bayes"):
        assert f"Compare leaves out {name}: it was fitted to, or measured on, other ratings." in written.notes


def test_too_many_rows_for_live_formulas_are_values(
    fits: list[Any], report: Make, wrong_values: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "LIVE_CELLS", 100)
    path = report(fits).path
    book = Workbook.open(path)
    cells = book.sheet("Evaluation").cells
    assert all(cells[row, column].formula is None for row in (7, 8) for column in range(10, 26))
    assert "Values" in cells[2, 1].value
    assert book.sheet("Compare").cells[6, 4].formula is not None
    assert wrong_values(path) == []


def test_more_rows_than_a_table_should_hold_leave_compare_with_values(
    fits: list[Any], report: Make, table: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = table(report(fits).path, "Compare", "RMSE, held out")
    monkeypatch.setattr(evaluation, "MOST_ROWS", 5)
    written = report(fits)
    assert "Evaluation" not in written.sheets
    assert any(note.startswith("Evaluation is left out: ") for note in written.notes)
    values = table(written.path, "Compare", "RMSE, held out")
    for one, other in zip(live, values, strict=True):
        assert one == pytest.approx(other)
    assert Workbook.open(written.path).sheet("Compare").cells[6, 4].formula is None


def test_names_stand_beside_the_held_out_ids(fit: Make, report: Make, split: Any) -> None:
    train, valid = (part.with_names(item_names={label: f"Film {label}" for label in part.items}) for part in split)
    cells = Workbook.open(report(fit(train, valid=valid, valid_rmse=1.0)).path).sheet("Evaluation").cells
    assert cells[7, 12].value == f"Film {cells[7, 11].value}"


def test_the_same_ratings_in_another_order_are_the_same(fit: Make, report: Make, split: Any, table: Make) -> None:
    train, valid = split
    backwards = valid.select(np.arange(len(valid))[::-1])
    fits = [
        fit(train, FREE, solver="als", valid=backwards, valid_rmse=1.0),
        replace(fit(train, FREE, valid=valid, valid_rmse=1.0), seconds=1.0),
    ]
    found = table(report(fits).path, "Compare", "RMSE, held out")
    assert found[0]["RMSE, held out"] == pytest.approx(found[1]["RMSE, held out"], abs=1e-12)


def test_each_fit_that_knows_how_sure_it_is_has_its_calibration(
    fit: Make, report: Make, split: Any, sure: Any, wrong_values: Make
) -> None:
    train, valid = split
    fits = [
        fit(train, model, solver=solver, valid=valid, valid_rmse=1.0, uncertainty=sure)
        for solver, model in (("als", FLAT), ("bayes", FREE))
    ]
    path = report(fits).path
    cells = Workbook.open(path).sheet("Evaluation").cells
    for heading, made in ((5, fits[0]), (11, fits[1])):
        assert cells[heading, 1].value == f"How often the intervals of {made.solver} hold"
        assert [cells[row, 4].value for row in range(heading + 2, heading + 5)] == pytest.approx(
            [made.inside(level) for level in (0.5, 0.8, 0.95)]
        )
    assert wrong_values(path) == []


@pytest.mark.parametrize(
    ("factor", "ends"), [(1.0, (1.0, 5.0)), (0.2, (0.2, 1.0)), (17.0, (10.0, 90.0)), (0.5, (0.0, 3.0))]
)
def test_the_axes_of_predicted_and_actual_begin_and_end_at_round_numbers(
    fit: Make, report: Make, split: Any, factor: float, ends: tuple[float, float]
) -> None:
    train, valid = (replace(part, values=part.values * factor) for part in split)
    path = report(fit(train, FLAT, valid=valid, valid_rmse=1.0)).path
    with ZipFile(path) as package:
        parts = [etree.fromstring(package.read(name)) for name in package.namelist() if "/charts/chart" in name]
    [chart] = [part for part in parts if "actual rating" in "".join(part.itertext())]
    for scaling in chart.iter("{*}scaling"):
        found = [float(scaling.find(f"{{*}}{end}").get("val")) for end in ("min", "max")]
        assert found == pytest.approx(ends)
