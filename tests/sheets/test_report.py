from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from xlcollab.errors import CannotWriteError, OptionError
from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.sheets.report import Report, write_report
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]
Write = Callable[..., Report]

MODELS = [
    Model(5),
    Model(1),
    Model(3, biased=True),
    Model(0, biased=True),
    Model(2, y_range=(0.5, 5.5)),
    Model(4, biased=True, y_range=(-0.5, 6)),
]


@pytest.fixture
def whole(fit: Make, ratings: Make, report: Write, sure: Any) -> Report:
    """A report with every sheet there is."""
    train, valid = ratings().split(0.2, seed=1)
    held_out = {"valid": valid, "valid_rmse": 1.0}
    written = report([fit(train, solver="scipy", **held_out), fit(train, uncertainty=sure, **held_out)])
    assert len(written.sheets) == 11
    return written


@pytest.mark.parametrize("mean", [0.0, 0.3])
def test_an_independent_engine_agrees_with_every_cached_value(
    fit: Make, report: Write, sure: Any, wrong_values: Make, mean: float
) -> None:
    written = report([fit(model=model, mean=mean, uncertainty=sure) for model in MODELS])
    assert wrong_values(written.path) == []


def test_the_validator_has_nothing_against_a_report(whole: Report, sdk_errors: Make) -> None:
    assert sdk_errors(whole.path) == ""


def test_the_sheets_stand_in_the_order_in_which_they_are_read(fit: Make, report: Write) -> None:
    fits = [fit(solver="scipy", penalised=False), fit()]
    written = report(fits)
    outputs = ("Summary", "Predictions", "Recommendations", "Similar", "Map")
    expected = (*outputs, "scipy", "torch", "Embeddings", "Training")
    assert written.sheets == expected
    assert tuple(sheet.name for sheet in Workbook.open(written.path).sheets) == expected


def test_two_fits_of_one_solver_have_names_that_tell_them_apart(fit: Make, report: Write) -> None:
    fits = [fit(model=Model(3)), fit(model=Model(3, biased=True)), fit(model=Model(3))]
    assert report(fits).sheets[5:8] == ("torch_dot3", "torch_bias3", "torch_dot3 (2)")


def test_one_fit_may_stand_without_a_list(fit: Make, report: Write) -> None:
    assert "torch" in report(fit()).sheets


def test_no_fit_is_refused(report: Write) -> None:
    with pytest.raises(OptionError, match="no fit to report"):
        report([])


def test_an_unpenalised_fit_is_never_shown_as_a_prediction(fit: Make, report: Write) -> None:
    unpenalised = fit(solver="scipy", penalised=False)
    written = report(unpenalised)
    assert not {"Predictions", "Recommendations"} & set(written.sheets)
    assert any("left out" in note and "without a penalty" in note for note in written.notes)
    with pytest.raises(OptionError, match="minimum without a penalty"):
        report([unpenalised, fit()], show=unpenalised)


def test_predictions_names_the_fit_that_it_shows(fit: Make, report: Write) -> None:
    written = report([fit(solver="scipy", penalised=False), fit(model=Model(2, biased=True))])
    heading = Workbook.open(written.path).sheet("Predictions").cells[2, 1].value
    assert heading == "Blanks filled by torch: bias, 2 factors. Live: it follows what is changed in torch."


def test_the_last_fit_is_shown_and_show_overrules(fit: Make, report: Write) -> None:
    fits = [fit(model=Model(2)), fit(model=Model(3)), fit(solver="scipy", penalised=False)]
    assert "3 factors" in str(Workbook.open(report(fits).path).sheet("Predictions").cells[2, 1].value)
    assert "2 factors" in str(Workbook.open(report(fits, show=fits[0]).path).sheet("Predictions").cells[2, 1].value)


def test_intervals_in_the_workbook_are_those_that_the_fit_gives(fit: Make, report: Write, sure: Any) -> None:
    made = fit(model=Model(3, biased=True), uncertainty=sure)
    book = Workbook.open(report(made).path)
    cells = book.sheet("Recommendations").cells
    titles = {cells[row, col].value: (row, col) for row, col in cells if row < 12 and cells[row, col].formula is None}
    header = titles["low"][0]
    found = 0
    for row in range(header + 1, max(row for row, _ in cells) + 1):
        user, item, low, high = (cells[row, titles[title][1]].value for title in ("user", "item", "low", "high"))
        assert (low, high) == pytest.approx(made.predict_interval(user, item), abs=1e-12)
        found += 1
    assert found == 19


def test_a_shown_fit_has_to_be_among_the_fits(fit: Make, report: Write) -> None:
    with pytest.raises(OptionError, match="not among"):
        report([fit()], show=fit())


def test_an_existing_target_is_kept_without_force(fit: Make, report: Write, tmp_path: Path) -> None:
    target = tmp_path / "mine.xlsx"
    target.write_bytes(b"mine")
    with pytest.raises(CannotWriteError, match="exists already"):
        report(fit(), path=target, force=False)
    assert target.read_bytes() == b"mine"


@pytest.fixture
def own_book(tmp_path: Path) -> Path:
    """A workbook of somebody else, with a sheet called Summary."""
    book = Workbook.new()
    for name in ("Ratings", "summary"):
        sheet = NewSheet(name)
        sheet.cell(1, 1, f"{name} of my own")
        book.add(sheet)
    path = tmp_path / "own.xlsx"
    book.save(path)
    return unmark(path)


def unmark(path: Path) -> Path:
    """Take the marks off, so that the sheets count as somebody else's."""
    book = Workbook.open(path)
    for sheet in book.sheets:
        book.names.remove("xlcollab_sheet", sheet.name)
    book.save(path, force=True)
    return path


def test_new_sheets_follow_the_books_own_and_colliding_names_are_numbered(
    fit: Make, report: Write, own_book: Path
) -> None:
    written = report(fit(), book=own_book)
    names = [sheet.name for sheet in Workbook.open(written.path).sheets]
    assert names[:3] == ["Ratings", "summary", "Summary (2)"]
    assert names[2:] == list(written.sheets)


def test_every_sheet_of_a_report_gives_way_to_one_of_the_same_name(
    fit: Make, ratings: Make, report: Write, tmp_path: Path, wrong_values: Make, sure: Any
) -> None:
    train, valid = ratings().split(0.2, seed=1)
    made = fit(train, Model(2), valid=valid, valid_rmse=1.0, uncertainty=sure)
    names = report(made).sheets
    assert len(names) == 10
    book = Workbook.new()
    for name in names:
        sheet = NewSheet(name.upper())
        sheet.cell(1, 1, 5.0)
        book.add(sheet)
    book.save(tmp_path / "taken.xlsx")
    written = report(made, book=unmark(tmp_path / "taken.xlsx"))
    assert written.sheets == tuple(f"{name} (2)" for name in names)
    assert wrong_values(written.path) == []


def test_a_second_run_replaces_its_own_sheets_and_only_them(fit: Make, report: Write, own_book: Path) -> None:
    first = report([fit(solver="als"), fit()], book=own_book)
    second = report(fit(), book=first.path, path=first.path)
    names = [sheet.name for sheet in Workbook.open(second.path).sheets]
    assert names == ["Ratings", "summary", *second.sheets]
    assert "als" not in names


def test_parts_of_the_book_come_along_byte_for_byte(fit: Make, report: Write, own_book: Path) -> None:
    written = report(fit(), book=own_book)
    with ZipFile(own_book) as before, ZipFile(written.path) as after:
        kept = {name for name in before.namelist() if after.read(name) == before.read(name)}
        assert set(before.namelist()) - kept <= {
            "[Content_Types].xml",
            "docProps/app.xml",
            "xl/workbook.xml",
            "xl/_rels/workbook.xml.rels",
            "xl/styles.xml",
        }


def test_the_course_workbook_keeps_its_parts(fit: Make, report: Write, shared: Path) -> None:
    source = shared / "data" / "collab_filter.xlsx"
    written = report(fit(), book=source)
    with ZipFile(source) as before, ZipFile(written.path) as after:
        names = set(after.namelist())
        assert set(before.namelist()) - names == {"xl/calcChain.xml"}
        changed = {name for name in names & set(before.namelist()) if before.read(name) != after.read(name)}
    assert changed == {
        "[Content_Types].xml",
        "docProps/app.xml",
        "xl/workbook.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
    }


def test_no_formula_is_volatile_or_reaches_outside(whole: Report) -> None:
    book = Workbook.open(whole.path)
    formulas = [cell.formula.text for sheet in book.sheets for cell in sheet.cells.values() if cell.formula]
    assert len(formulas) > 1000
    for word in ("OFFSET(", "INDIRECT(", "NOW(", "TODAY(", "RAND", "[", "_xlfn", "#REF!"):
        assert not any(word in text for text in formulas)


def test_every_formula_carries_a_value(whole: Report) -> None:
    book = Workbook.open(whole.path)
    assert all(cell.value is not None for sheet in book.sheets for cell in sheet.cells.values() if cell.formula)


def test_no_cells_are_merged_and_every_sheet_can_be_printed(whole: Report) -> None:
    book = Workbook.open(whole.path)
    assert all(sheet.merged == [] for sheet in book.sheets)
    with ZipFile(whole.path) as package:
        for sheet in book.sheets:
            xml = package.read(sheet.part)
            assert b'<pageSetUpPr fitToPage="1"/>' in xml
            assert b"<pageSetup " in xml


def test_labels_that_look_like_formulas_stay_text_and_dates_stay_dates(
    fit: Make, report: Write, wrong_values: Make
) -> None:
    users = ["=1+1", "+7", "-8", "@me", "plain"]
    items = [dt.date(2020, 1, day) for day in range(1, 5)]
    pairs = [(user, item) for user in users for item in items if (user, item) != ("plain", items[0])]
    table = Ratings.from_arrays([u for u, _ in pairs], [i for _, i in pairs], [1.0 + n % 5 for n in range(len(pairs))])
    written = report(fit(table, Model(2), valid=table.select(range(0, 15, 2)), valid_rmse=1.0))
    cells = Workbook.open(written.path).sheet("torch").cells
    labels = [cells[row, 4].value for row in range(2, 7)]
    assert labels == list(table.users)
    assert cells[1, 5].value == dt.date(2020, 1, 1)
    assert not any(cells[row, 4].formula for row in range(2, 7))
    for name in ("Similar", "Evaluation", "Embeddings"):
        texts = [cell for cell in Workbook.open(written.path).sheet(name).cells.values() if cell.value in table.users]
        assert len(texts) > 3
        assert not any(cell.formula for cell in texts)
    assert wrong_values(written.path) == []


def test_names_stand_beside_the_ids_in_every_sheet(fit: Make, ratings: Make, report: Write, wrong_values: Make) -> None:
    bare = ratings()
    table = bare.with_names(
        user_names={label: f"Person {label}" for label in bare.users},
        item_names={label: f"Film {label}" for label in bare.items},
    )
    written = report(fit(table))
    book = Workbook.open(written.path)
    for name in ("Predictions", "Recommendations", "Similar", "torch", "Embeddings"):
        texts = {cell.value for cell in book.sheet(name).cells.values() if isinstance(cell.value, str)}
        assert any(text.startswith("Film 1") for text in texts), name
        assert any(text.startswith("Person ") for text in texts), name
    assert wrong_values(written.path) == []


def test_users_and_items_without_a_rating_are_written_too(fit: Make, report: Write, wrong_values: Make) -> None:
    table = Ratings((1, 2, 3), (10, 20, 30), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 3.0, 5.0]))
    assert wrong_values(report(fit(table, Model(1, biased=True))).path) == []


def test_one_user_and_one_item_are_a_report(fit: Make, report: Write, wrong_values: Make) -> None:
    table = Ratings((1,), (10,), np.array([0]), np.array([0]), np.array([3.0]))
    assert wrong_values(report(fit(table, Model(1))).path) == []
    assert wrong_values(report(fit(table, Model(0, biased=True), mean=1.0)).path) == []


def test_the_same_fits_give_the_same_bytes(fit: Make, report: Write, tmp_path: Path) -> None:
    first = report(fit(), path=tmp_path / "first.xlsx").path.read_bytes()
    second = report(fit(), path=tmp_path / "second.xlsx").path.read_bytes()
    assert first == second


def test_held_out_ratings_may_come_with_labels_of_their_own(
    fit: Make, ratings: Make, report: Write, wrong_values: Make
) -> None:
    train = ratings()
    valid = Ratings((99, 12), (103, 777), np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([2.0, 3.5, 4.0]))
    train = train.select(~((train.user_idx == 1) & (train.item_idx == 2)))
    written = report(fit(train, valid=valid))
    cells = Workbook.open(written.path).sheet("Predictions").cells
    assert cells[9, 4].value == 3.5  # user 12, item 103
    assert wrong_values(written.path) == []


def test_users_and_items_without_a_rating_are_named_in_a_note(fit: Make, report: Write) -> None:
    table = Ratings((1, 2, 3), (10, 20, 30), np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([1.0, 3.0, 5.0]))
    notes = report(fit(table, Model(1, biased=True))).notes
    assert "1 user has no rating to fit, and can only be predicted as the average one: 3" in notes
    assert "1 item has no rating to fit, and can only be predicted as the average one: 30" in notes


def test_what_is_no_fit_is_refused_by_name(ratings: Callable[..., Ratings], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="A report shows fits, and <Ratings: .* is a Ratings"):
        write_report([ratings()], tmp_path / "out.xlsx")
    assert list(tmp_path.iterdir()) == []
