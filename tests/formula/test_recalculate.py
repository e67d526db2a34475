"""Recomputing what depends on changed cells, on every sheet, and naming what cannot be."""

from __future__ import annotations

import pytest

from xlcollab.formula.graph import Mask, in_order, pieces
from xlcollab.formula.recalculate import recalculate, recompute
from xlcollab.formula.sheets import Sheets
from xlcollab.xlsx.cells import Area, ErrorValue
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook


@pytest.fixture
def saved(tmp_path):
    """`saved(S={"A1": 1, "B1": ("A1*2", 2.0)})`: a book whose formulas carry values."""

    def make(**sheets):
        book = Workbook.new()
        for title, cells in sheets.items():
            sheet = NewSheet(title)
            for at, content in cells.items():
                area = Area.parse(at)
                if isinstance(content, tuple):
                    sheet.formulas(area.first_row, area.first_col, [[content]])
                else:
                    sheet.block(area.first_row, area.first_col, [[content]])
            book.add(sheet)
        book.save(tmp_path / "saved.xlsx", force=True)
        return Workbook.open(tmp_path / "saved.xlsx")

    return make


def test_only_what_depends_on_a_changed_cell_is_computed_again(saved):
    book = saved(S={"A1": 1, "A2": 5, "B1": ("A1*2", 2.0), "B2": ("A2*2", -1.0), "C1": ("B1+B2", 1.0)})
    found = recompute(book, {("S", 1, 1): 10.0})
    assert found.values == {("S", 1, 2): 20.0, ("S", 1, 3): 19.0}  # B2 keeps what the book holds for it
    assert found.failed == {}


def test_of_a_block_only_the_cells_that_read_a_changed_one_are_computed(saved):
    rows = {f"A{r}": float(r) for r in range(1, 6)} | {f"B{r}": (f"A{r}*2", -1.0) for r in range(1, 6)}
    found = recompute(saved(S=rows), {("S", 3, 1): 7.0})
    assert found.values == {("S", 3, 2): 14.0}


def test_dependents_on_other_sheets_are_computed_too(saved):
    book = saved(
        Model={"A1": 1, "B1": ("A1+1", 2.0)},
        Report={"A1": ("Model!B1*10", 20.0), "A2": ("SUM('Model'!A:B)", 3.0), "A3": ("OFFSET(Model!A1,0,1)", 2.0)},
        Other={"A1": ("1+1", 2.0)},
    )
    found = recompute(book, {("Model", 1, 1): 4.0})
    assert found.values == {("Model", 1, 2): 5.0, ("Report", 1, 1): 50.0, ("Report", 2, 1): 9.0, ("Report", 3, 1): 5.0}


def test_dependents_through_a_name_are_computed(make_book):
    book = make_book(S={"A1": 1, "B1": "=rate*2"}, names={"rate": "S!$A$1"})
    assert recompute(book, {("S", 1, 1): 4.0}).values == {("S", 1, 2): 8.0}


def test_values_of_every_kind_come_out_as_python_values(saved):
    formulas = {
        "B1": ("A1*2", 0.0),
        "B2": ('IF(A1>1,"big","small")', ""),
        "B3": ("A1>1", False),
        "B4": ("1/(A1-3)", 0.0),
        "B5": ("IF(A1>1,A9,1)", 0.0),
    }
    found = recompute(saved(S={"A1": 1, **formulas}), {("S", 1, 1): 3.0}).values
    assert [found["S", r, 2] for r in range(1, 6)] == [6.0, "big", True, ErrorValue("#DIV/0!"), 0.0]
    assert found["S", 3, 2] is True


@pytest.mark.parametrize("value", ["text", True, None, 2.5, ErrorValue("#N/A")])
def test_changed_cells_may_hold_any_value(saved, value):
    book = saved(S={"A1": 1, "B1": ("COUNTA(A1)", 1.0), "B2": ("ISERROR(A1)", False)})
    found = recompute(book, {("S", 1, 1): value}).values
    assert found["S", 1, 2] == (0.0 if value is None else 1.0)
    assert found["S", 2, 2] is isinstance(value, ErrorValue)


def test_an_unknown_function_is_named_and_so_is_what_depends_on_it(saved):
    book = saved(S={"A1": 1, "B1": ("CUBEVALUE(A1)", 5.0), "C1": ("B1+1", 6.0), "D1": ("A1+1", 2.0)})
    found = recompute(book, {("S", 1, 1): 4.0})
    assert found.values == {("S", 1, 4): 5.0}
    assert "S!B1 cannot be computed: the function CUBEVALUE is not supported" in found.failed["S", 1, 2]
    assert found.failed["S", 1, 3] == "it depends on a formula that cannot be computed here"


def test_an_unknown_function_that_depends_on_nothing_changed_keeps_its_value(saved):
    book = saved(S={"A1": 1, "A2": 2, "B2": ("CUBEVALUE(A2)", 5.0), "C1": ("A1+B2", 6.0)})
    found = recompute(book, {("S", 1, 1): 4.0})
    assert found.values == {("S", 1, 3): 9.0}
    assert found.failed == {}


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("A1+NOW()", "S!B1 uses NOW, whose value changes by itself"),
        ("A1+RANDBETWEEN(1,6)", "S!B1 uses RANDBETWEEN"),
        ("[1]Data!A1+A1", "it refers to another workbook"),
        ("SIN(A1,2)", "SIN does not take 2 arguments"),
        ("loop*A1", "the name loop is defined by itself"),
    ],
)
def test_a_dependent_that_cannot_be_computed_is_named_with_the_reason(make_book, formula, reason):
    book = make_book(S={"A1": 1, "B1": "=" + formula, "C1": "=A1*2"}, names={"loop": "loop*2"})
    found = recompute(book, {("S", 1, 1): 4.0})
    assert reason in found.failed["S", 1, 2]
    assert found.values == {("S", 1, 3): 8.0}


def test_a_formula_that_cannot_be_read_is_named_where_it_has_no_value(make_book):
    found = recompute(make_book(S={"A1": 1, "B1": "=A1**2", "C1": "=B1+1", "D1": "=A1"}), {})
    assert "S!B1: '=A1**2' is not a formula" in found.failed["S", 1, 2]
    assert ("S", 1, 3) in found.failed
    assert found.values == {("S", 1, 4): 1.0}


def test_a_circle_among_dependents_is_named_and_stops_no_other(saved):
    cells = {"A1": 1, "B1": ("A1+C1", 0.0), "C1": ("B1*2", 0.0), "D1": ("A1*2", 2.0), "E1": ("C1+1", 0.0)}
    found = recompute(saved(S=cells), {("S", 1, 1): 4.0})
    assert found.values["S", 1, 4] == 8.0
    assert all("Circular reference" in found.failed["S", 1, col] for col in (2, 3))


def test_formulas_without_a_value_are_computed_and_what_depends_on_them(make_book):
    book = make_book(S={"A1": 2, "B1": "=A1*3", "C1": "=B1+1"}, Other={"A1": "=S!C1"})
    assert recompute(book, {}).values == {("S", 1, 2): 6.0, ("S", 1, 3): 7.0, ("Other", 1, 1): 7.0}


def test_a_changed_cell_with_a_formula_keeps_the_new_value(make_book):
    found = recompute(make_book(S={"A1": "=1+1", "B1": "=A1*10"}), {("S", 1, 1): 7.0})
    assert found.values == {("S", 1, 2): 70.0}


def test_a_changed_cell_may_lie_outside_of_what_the_sheet_holds(saved):
    book = saved(S={"A1": 1, "B1": ("SUM(Y90:Z100)+A1", 1.0)})
    assert recompute(book, {("S", 100, 26): 4.0}).values == {("S", 1, 2): 5.0}


def test_a_cell_in_the_last_corner_of_the_sheet_takes_no_room_for_those_before_it(saved):
    book = saved(S={"A1": 1, "XFD1048576": 2.0, "B1": ("A1+XFD1048576", 3.0)})
    assert recompute(book, {("S", 1, 1): 4.0}).values == {("S", 1, 2): 6.0}


def test_an_array_formula_is_computed_whole(make_book):
    book = make_book(S={"A1": 1, "A2": 2, "B1:B2": "{=A1:A2*A1}", "C1": "=SUM(B1:B2)"})
    assert recompute(book, {("S", 2, 1): 5.0}).values == {("S", 1, 2): 1.0, ("S", 2, 2): 5.0, ("S", 1, 3): 6.0}


def test_where_offset_points_follows_the_changed_cell(saved):
    cells = {"A1": 1, "B1": 10, "B2": 20, "B3": 30, "C1": ("OFFSET(B1,A1,0)", 20.0), "C2": ('INDIRECT("B"&A1)', 10.0)}
    assert recompute(saved(S=cells), {("S", 1, 1): 2.0}).values == {("S", 1, 3): 30.0, ("S", 2, 3): 20.0}


@pytest.mark.parametrize("name", ["data/collab_filter", "cases/division_224_binary", "cases/schedule_448_binary"])
def test_every_formula_that_excel_computed_comes_out_as_excel_has_it(shared, name):
    book = Workbook.open(shared / f"{name}.xlsx")
    sheets = Sheets(book)
    everything = Mask(sheets)
    held = {
        (sheet.name, *at): cell.value if cell.number is None else cell.number
        for sheet in book.sheets
        for at, cell in sheet.cells.items()
    }
    for sheet in book.sheets:
        for at, cell in sheet.cells.items():
            if cell.formula is not None:
                everything.mark_cell(sheet.name, *at)
    blocks = [block for sheet in sheets.order for block in pieces(sheets, sheet)]
    found = recalculate(in_order(blocks, sheets, pytest.fail), sheets, everything)
    wrong = {at: (value, held[at]) for at, value in found.values.items() if not _alike(value, held[at])}
    assert found.failed == {}
    assert wrong == {}
    assert len(found.values) >= 196


def _alike(ours, excels):
    if isinstance(ours, float) and isinstance(excels, int | float):
        return ours == pytest.approx(excels, rel=1e-9, abs=1e-9)
    return ours == (0.0 if excels is None else excels)
