"""Summary: what was fitted from what, and whether the sheets still show it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from zipfile import ZipFile

import pytest
from lxml import etree

from xlcollab.model import Model
from xlcollab.ratings import Source
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def facts(path: Any) -> dict[str, list[Any]]:
    """The values beside each title in column A."""
    cells = Workbook.open(path).sheet("Summary").cells
    found: dict[str, list[Any]] = {}
    for (row, col), cell in sorted(cells.items()):
        if col == 1 and isinstance(cell.value, str):
            found[cell.value] = [cells[row, other].value for other in (2, 3, 4) if (row, other) in cells]
    return found


def test_the_source_is_named_with_its_size(fit: Make, ratings: Make, report: Make) -> None:
    known = replace(ratings(), source=Source("somewhere/my ratings.xlsx", "Sheet 1", "A1:P16", "crosstab"))
    told = facts(report(fit(known), created=dt.datetime(2026, 3, 4, 5, 6, 7, 8)).path)
    assert told["File"][0] == "my ratings.xlsx"
    assert told["Range"][0] == "Sheet 1!A1:P16"
    assert (told["Users"][0], told["Items"][0], told["Ratings"][0]) == (15, 15, 206)
    assert told["Share of cells filled"][0] == pytest.approx(206 / 225)
    assert told["Scale"][0] == "1 to 5"
    assert "Collaborative filtering of 15 users × 15 items" in told
    assert told["Mean rating"][0] == pytest.approx(known.mean)
    assert told["Written"][0] == dt.datetime(2026, 3, 4, 5, 6, 7)


def test_one_user_is_not_several(fit: Make, ratings: Make, report: Make) -> None:
    made = fit(ratings(1, 7, 0), Model(0, biased=True))
    assert "Collaborative filtering of 1 user × 7 items" in facts(report(made).path)


def test_the_fits_stand_side_by_side(fit: Make, report: Make) -> None:
    fits = [fit(model=Model(2), solver="scipy", penalised=False, options={"penalty": 0.0}), fit(model=Model(3, True))]
    told = facts(report(fits).path)
    assert told["Solver"][:2] == ["scipy", "torch"]
    assert told["Model"][:2] == ["dot, 2 factors", "bias, 3 factors"]
    assert told["Penalised"][:2] == ["no", "yes"]
    assert told["RMSE, as reported"][:2] == [made.rmse for made in fits]
    assert told["MAE, as reported"][:2] == [made.mae for made in fits]
    assert told["Changing cells"][:2] == [60, 120]
    assert told["Seed"][:2] == [7, 7]
    assert told["Settings"][:2] == ["penalty 0.0", "as by default"]
    assert told["How it ended"][:2] == [made.message for made in fits]


def test_the_check_is_ok_until_a_parameter_is_changed(fit: Make, report: Make, recalculated: Make) -> None:
    written = report([fit(model=Model(2), solver="scipy", penalised=False), fit(model=Model(2))])
    cells = Workbook.open(written.path).sheet("Summary").cells
    [row] = [row for (row, col), cell in cells.items() if col == 1 and cell.value == "Check"]
    at = f"B{row}", f"C{row}"
    before = recalculated(written.path)["Summary"]
    assert [before[place] for place in at] == ["OK", "OK"]
    book = Workbook.open(written.path)
    book.sheet("torch").patch({(19, 5): 1.0})
    book.save(written.path, force=True)
    after = recalculated(written.path)["Summary"]
    assert [after[place] for place in at] == ["OK", "differs"]


def test_held_out_ratings_are_counted_and_their_error_is_shown(fit: Make, ratings: Make, report: Make) -> None:
    train, valid = ratings().split(0.2, seed=1)
    told = facts(report(fit(train, valid=valid, valid_rmse=1.25)).path)
    assert (told["Ratings"][0], told["Held out"][0]) == (206, len(valid))
    assert told["RMSE, held out"][0] == 1.25
    assert "Held out" not in facts(report(fit()).path)


def test_every_sheet_is_listed_with_a_link_to_it(fit: Make, ratings: Make, report: Make) -> None:
    train, valid = ratings().split(0.2, seed=1)
    written = report(
        [fit(train, Model(2), valid=valid, valid_rmse=1.0), fit(train, Model(2), valid=valid, valid_rmse=1.0)]
    )
    told = facts(written.path)
    assert all(told[name][0] for name in written.sheets if name != "Summary")
    with ZipFile(written.path) as package:
        root = etree.fromstring(package.read(Workbook.open(written.path).sheet("Summary").part))
    targets = {link.get("location") for link in root.iter(f"{MAIN}hyperlink")}
    quoted = {f"'{name}'!A1" if "(" in name else f"{name}!A1" for name in written.sheets if name != "Summary"}
    assert targets == quoted


def test_long_messages_have_rows_high_enough(fit: Make, report: Make) -> None:
    long = " ".join(["A sentence that says how this fit ended."] * 5)
    written = report(fit(message=long))
    cells = Workbook.open(written.path).sheet("Summary").cells
    [row] = [row for (row, col), cell in cells.items() if cell.value == long]
    with ZipFile(written.path) as package:
        root = etree.fromstring(package.read(Workbook.open(written.path).sheet("Summary").part))
    heights = {int(line.get("r")): float(line.get("ht", 15)) for line in root.iter(f"{MAIN}row")}
    assert heights[row] >= 15 * len(long) / 42  # 34 digits wide hold about 42 signs of text
    assert heights[row - 1] == 15


def test_notes_are_those_of_the_report(fit: Make, report: Make) -> None:
    written = report(fit(solver="scipy", penalised=False))
    cells = Workbook.open(written.path).sheet("Summary").cells
    [top] = [row for (row, col), cell in cells.items() if cell.value == "Notes"]
    last = max(row for row, _ in cells)
    shown = " ".join(str(cells[row, 1].value).strip() for row in range(top + 1, last + 1))
    assert shown == " ".join(written.notes)
    assert len(written.notes) == 3
