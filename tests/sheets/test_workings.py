"""Embeddings and Training: the workings behind the fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from lxml import etree

from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.sheets import embeddings, training
from xlcollab.sheets.embeddings import matches_by_label
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]

CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"


def charts(path: Any) -> list[etree._Element]:
    with ZipFile(path) as package:
        names = [name for name in package.namelist() if "/charts/chart" in name]
        return [etree.fromstring(package.read(name)) for name in sorted(names)]


# Embeddings


def test_each_rating_stands_with_its_vectors_and_what_they_make(fit: Make, report: Make) -> None:
    made = fit(model=Model(2, biased=True), mean=0.3)
    cells = Workbook.open(report(made).path).sheet("Embeddings").cells
    ratings, factors = made.ratings, made.factors
    titles = [cells[6, col].value for col in range(1, 14)]
    assert titles == [
        "user", "item", "user row", "item column", "rating", 1, 2, 1, 2, "user bias", "item bias", "prediction",
        "squared error",
    ]  # fmt: skip
    for n in (0, 100, len(ratings) - 1):
        user, item = int(ratings.user_idx[n]), int(ratings.item_idx[n])
        row = [cells[7 + n, col].value for col in range(1, 14)]
        predicted = made.predict(ratings.users[user], ratings.items[item], clip=False)
        assert row == pytest.approx([
            ratings.users[user], ratings.items[item], user + 1, item + 1, ratings.values[n],
            *factors.user_factors[user], *factors.item_factors[item], factors.user_bias[user], factors.item_bias[item],
            predicted, (ratings.values[n] - predicted) ** 2,
        ])  # fmt: skip
    assert cells[3, 2].value == pytest.approx(made.rmse, abs=1e-12)


def test_vectors_are_looked_up_by_label_and_nothing_is_volatile(fit: Make, report: Make) -> None:
    cells = Workbook.open(report(fit(model=Model(2))).path).sheet("Embeddings").cells
    formulas = [cells[7, col].formula.text for col in range(3, 12)]
    assert formulas == [
        "MATCH($A7,torch!$D$22:$D$36,0)",
        "MATCH($B7,torch!$E$21:$S$21,0)",
        'IF(INDEX(torch!$E$2:$S$16,$C7,$D7)="","",INDEX(torch!$E$2:$S$16,$C7,$D7))',
        "INDEX(torch!$B$22:$B$36,$C7)",
        "INDEX(torch!$C$22:$C$36,$C7)",
        "INDEX(torch!$E$19:$S$19,1,$D7)",
        "INDEX(torch!$E$20:$S$20,1,$D7)",
        "SUMPRODUCT($F7:$G7,$H7:$I7)",
        'IF($E7="","",($E7-$J7)^2)',
    ]


def test_a_rating_deleted_in_the_mirror_leaves_both_errors_alike(fit: Make, report: Make, recalculated: Make) -> None:
    made = fit(model=Model(2))
    path = report(made).path
    book = Workbook.open(path)
    user, item = int(made.ratings.user_idx[0]), int(made.ratings.item_idx[0])
    book.sheet("torch").patch({(2 + user, 5 + item): None})
    book.save(path, force=True)
    after = recalculated(path)
    assert not after["Embeddings"].get("E7")
    assert after["Embeddings"]["B3"] == pytest.approx(after["torch"]["S38"], abs=1e-12)
    assert after["Embeddings"]["B3"] != pytest.approx(made.rmse, abs=1e-9)


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        ([1, 2.5, "a"], True),
        (["Alien", "ALIEN"], False),
        (["What?"], False),
        (["M*A*S*H"], False),
        (["~"], False),
        (["x" * 256], False),
    ],
)
def test_labels_that_match_cannot_tell_apart_are_known(labels: list[Any], found: bool) -> None:
    assert matches_by_label(labels) is found


def test_such_labels_have_their_positions_as_numbers(fit: Make, report: Make, wrong_values: Make) -> None:
    users, items = ["who?", "whom", "WHOM"], ["M*A*S*H", "~", "Alien"]
    pairs = [(user, item) for user in users for item in items][:-1]
    table = Ratings.from_arrays([u for u, _ in pairs], [i for _, i in pairs], [1.0 + n % 5 for n in range(len(pairs))])
    path = report(fit(table, Model(2))).path
    cells = Workbook.open(path).sheet("Embeddings").cells
    assert [cells[row, 3].value for row in range(7, 15)] == (table.user_idx + 1).tolist()
    assert [cells[row, 4].value for row in range(7, 15)] == (table.item_idx + 1).tolist()
    assert cells[7, 3].formula is cells[7, 4].formula is None
    assert wrong_values(path) == []


def test_beyond_the_most_rows_the_first_are_spelled_out(
    fit: Make, report: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "MOST_ROWS", 10)
    cells = Workbook.open(report(fit(model=Model(2))).path).sheet("Embeddings").cells
    assert max(row for row, _ in cells) == 16
    assert cells[2, 1].value.endswith("The first 10 of 206 ratings.")


def test_a_fit_of_biases_alone_has_nothing_to_look_up(fit: Make, report: Make) -> None:
    assert "Embeddings" not in report(fit(model=Model(0, biased=True))).sheets


# Training


def test_the_history_is_a_table_and_a_chart_over_it(fit: Make, report: Make, table: Make) -> None:
    records = [{"epoch": float(n), "train_loss": 2.0 / n, "valid_rmse": 1.0 + 1 / n, "time": 0.01} for n in range(1, 8)]
    path = report(fit(model=Model(0, biased=True), records=records)).path
    found = table(path, "Training", "epoch")
    assert [line["epoch"] for line in found] == list(range(1, 8))
    assert [line["train loss"] for line in found] == [record["train_loss"] for record in records]
    [chart] = charts(path)
    assert {ref.text for ref in chart.iter(f"{CHART}f")} == {"Training!$J$6:$J$12", "Training!$L$6:$L$12"}
    values = chart.find(f".//{CHART}yVal").iter(f"{CHART}v")
    assert [float(value.text) for value in values] == [record["valid_rmse"] for record in records]


def test_counts_are_shown_without_decimals_and_headings_in_full(fit: Make, report: Make) -> None:
    records = [{"sweep": float(n), "factors": 2.0, "left_out_rmse": 1.0, "noise": 0.5} for n in range(5, 20, 5)]
    path = report(fit(records=records)).path
    sheet = Workbook.open(path).sheet("Training")
    assert [sheet.cells[6, col].value for col in (10, 11)] == [5, 2]
    styles = [sheet.cells[6, col].style for col in (10, 11, 12, 13)]
    assert styles[0] == styles[1] != styles[2] == styles[3]
    with ZipFile(path) as package:
        root = etree.fromstring(package.read(sheet.part))
    widths = {int(col.get("min")): float(col.get("width")) for col in root.iter("{*}col")}
    assert sheet.cells[5, 12].value == "leave-one-out RMSE"
    assert widths[12] > len("leave-one-out RMSE")


def test_each_start_is_a_line_of_its_own(fit: Make, report: Make) -> None:
    records = [{"iteration": float(n), "start": float(1 + n // 4), "rmse": 1.0 / n} for n in range(1, 12)]
    [chart] = charts(report(fit(model=Model(0, biased=True), records=records)).path)
    assert len(list(chart.iter(f"{CHART}ser"))) == 3


def test_long_histories_are_thinned_from_end_to_end(
    fit: Make, report: Make, table: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_MOST_ROWS", 10)
    records = [{"epoch": float(n), "rmse": 1.0 / n} for n in range(1, 101)]
    epochs = [line["epoch"] for line in table(report(fit(records=records)).path, "Training", "epoch")]
    assert len(epochs) == 10
    assert (epochs[0], epochs[-1]) == (1, 100)


def test_without_a_history_there_is_no_training_sheet(fit: Make, report: Make) -> None:
    assert "Training" not in report(fit(records=[])).sheets


def test_numbers_that_are_none_leave_gaps(fit: Make, report: Make, table: Make, sdk_errors: Make) -> None:
    records = [{"epoch": 1.0, "rmse": float("nan")}, {"epoch": 2.0, "rmse": 0.5}, {"epoch": 3.0, "rmse": np.inf}]
    path = report(fit(records=records)).path
    assert [line.get("RMSE") for line in table(path, "Training", "epoch")] == [None, 0.5, None]
    assert sdk_errors(path) == ""


def test_every_chart_has_an_alternative_text(fit: Make, ratings: Make, report: Make) -> None:
    train, valid = ratings().split(0.2, seed=1)
    path = report(fit(train, Model(3), valid=valid, valid_rmse=1.0)).path
    with ZipFile(path) as package:
        drawings = [etree.fromstring(package.read(n)) for n in package.namelist() if "/drawings/drawing" in n]
    texts = [frame.get("descr") for drawing in drawings for frame in drawing.iter("{*}cNvPr")]
    assert len(texts) == len(charts(path)) == 4
    assert all(text and len(text) > 40 for text in texts)
