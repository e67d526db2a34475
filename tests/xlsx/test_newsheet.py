"""What a `NewSheet` says is what openpyxl and our own reader find in the file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.cells import Area, ErrorValue
from xlcollab.xlsx.newsheet import NewSheet, Style
from xlcollab.xlsx.workbook import Workbook

Saved = Callable[[NewSheet], Path]


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    """`saved(sheet)`: a new workbook that holds the sheet alone."""

    def save(sheet: NewSheet) -> Path:
        book = Workbook.new()
        book.add(sheet)
        book.save(tmp_path / "new.xlsx", force=True)
        return tmp_path / "new.xlsx"

    return save


labels = st.one_of(
    st.text(min_size=1, max_size=20),
    st.text(st.characters(max_codepoint=127), min_size=1, max_size=8),
    st.sampled_from(
        ["=1+1", "+x", "-y", "@z", "'quoted", "_x0041_", " blanks ", "a\nb", "\x00", "\ufffe", "TRUE", "007"]
    ),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2200, 1, 1)).map(lambda moment: moment.replace(microsecond=0)),
)


@given(values=st.lists(labels, min_size=1, max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_any_label_survives_writing_and_reading(values: list[object], saved: Saved) -> None:
    sheet = NewSheet("Labels")
    sheet.block(1, 1, [[value] for value in values])
    read = Workbook.open(saved(sheet)).sheet("Labels").values(Area(1, 1, len(values), 1))
    assert [row[0] for row in read] == values
    assert [isinstance(row[0], str) for row in read] == [isinstance(value, str) for value in values]


def test_formulas_come_with_their_values(saved: Saved) -> None:
    sheet = NewSheet("Model")
    sheet.block(1, 1, [[1, 2], [3, 4]])
    sheet.formula(3, 1, 'IF(A1<2,"a & b",SUM(A1:B2))', "a & b")
    sheet.formulas(4, 1, [[("A1+1", 2), ("1/0", ErrorValue("#DIV/0!"))], [(None, 7), ("A1=1", True)]])
    path = saved(sheet)
    texts, values = openpyxl.load_workbook(path)["Model"], openpyxl.load_workbook(path, data_only=True)["Model"]
    assert texts["A3"].value == '=IF(A1<2,"a & b",SUM(A1:B2))'
    assert [values[at].value for at in ("A3", "A4", "B4", "A5", "B5")] == ["a & b", 2, "#DIV/0!", 7, True]


def test_looks_widths_panes_and_printing_are_as_described(saved: Saved, sdk_errors: Callable[[Path], str]) -> None:
    sheet = NewSheet("Looks", tab_color="1D4F8C")
    sheet.cell(2, 2, 4.5, Style(bold=True, number_format="0.0", fill="FFF5D6", color="1F3FBF", align="center"))
    sheet.width(2, 3, 12)
    sheet.height(2, 24)
    sheet.freeze(3, 2)
    sheet.color_scale(Area.parse("B2:C3"), ("F5B971", "FCFBF8", "8DB8E2"), (1, 3, 5))
    sheet.highlight(Area.parse("B4"), "B4>3", Style(bold=True, fill="E1ECF8"))
    sheet.link(1, 1, "Looks!B2", "to the cell")
    sheet.define("here", "Looks!$B$2")
    sheet.print_setup(landscape=True, fit_width=2, title_rows=(1, 1))
    sheet.filter_buttons(Area.parse("B3:C9"))
    path = saved(sheet)
    assert sdk_errors(path) == ""
    read = openpyxl.load_workbook(path)["Looks"]
    cell = read["B2"]
    assert (cell.font.b, cell.number_format, cell.fill.fgColor.rgb, cell.alignment.horizontal) == (
        True, "0.0", "FFFFF5D6", "center",
    )  # fmt: skip
    assert round(read.column_dimensions["B"].width) == 13  # 12 characters and the padding
    assert (read.row_dimensions[2].height, read.freeze_panes) == (24, "B3")
    rules = [rule.type for area in read.conditional_formatting for rule in area.rules]
    assert sorted(rules) == ["colorScale", "expression"]
    assert (read.page_setup.orientation, read.print_title_rows) == ("landscape", "$1:$1")
    assert (read.page_setup.fitToWidth, read.page_setup.fitToHeight) == (2, 0)
    assert read.auto_filter.ref == "B3:C9"
    [stored] = [name for name in Workbook.open(path).names if name.name == "_xlnm._FilterDatabase"]
    assert (stored.sheet, stored.text, stored.hidden) == ("Looks", "Looks!$B$3:$C$9", True)
    assert read.oddFooter.right.text == "Page &P of &N"
    assert read["A1"].hyperlink.location == "Looks!B2"
    assert read.defined_names["here"].attr_text == "Looks!$B$2"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), "x" * 32_768])
def test_what_no_cell_can_hold_is_refused_with_its_cell_named(value: object, saved: Saved) -> None:
    sheet = NewSheet("Model")
    sheet.cell(3, 2, value)
    with pytest.raises(XlcollabError, match="Model!B3"):
        saved(sheet)


def test_a_cell_is_filled_once() -> None:
    sheet = NewSheet("Model")
    sheet.cell(1, 1, 1)
    with pytest.raises(ValueError, match="Model!A1 is filled twice"):
        sheet.cell(1, 1, 2)


@pytest.mark.parametrize("name", ["", "a" * 32, "a/b", "a:b", "'a", "History", "[a]"])
def test_names_that_excel_refuses_are_refused(name: str) -> None:
    with pytest.raises(XlcollabError, match="cannot be the name of a sheet"):
        NewSheet(name)


@given(st.tuples(st.integers(1, 1_048_576), st.integers(1, 16_384), st.integers(1, 1_048_576), st.integers(1, 16_384)))
def test_any_area_is_its_own_text(corners: tuple[int, int, int, int]) -> None:
    row1, col1, row2, col2 = corners
    area = Area(min(row1, row2), min(col1, col2), max(row1, row2), max(col1, col2))
    assert Area.parse(area.ref) == area
    assert Area.parse(area.absolute) == area
