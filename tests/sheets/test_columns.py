from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlcollab.sheets import theme
from xlcollab.sheets.columns import ROW, Columns
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Sheet, Workbook


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Sheet]:
    """`written(table, …)`: the sheet that the table makes, saved and read again."""

    def write(table: Columns, **options: Any) -> Sheet:
        sheet = NewSheet("Table")
        table.put(sheet, **options)
        book = Workbook.new()
        book.add(sheet)
        book.save(tmp_path / "book.xlsx")
        return Workbook.open(tmp_path / "book.xlsx").sheet("Table")

    return write


def test_a_formula_is_filled_down_with_the_number_of_its_row(written: Callable[..., Sheet]) -> None:
    table = Columns(4, 2)
    table.add("one", [1.0, 2.0], theme.ERROR)
    table.add("twice", [2.0, 4.0], theme.ERROR, formula=f"2*{table.ref('one')}", title="2×")
    assert table.ref("one") == f"$B{ROW}"
    cells = written(table).cells
    assert (cells[4, 2].value, cells[4, 3].value) == ("one", "2×")
    assert [cells[row, 3].formula.text for row in (5, 6)] == ["2*$B5", "2*$B6"]
    assert [cells[row, 3].value for row in (5, 6)] == [2.0, 4.0]
    assert cells[5, 2].formula is None


def test_a_formula_for_each_row_may_be_missing_here_and_there(written: Callable[..., Sheet]) -> None:
    table = Columns(1)
    table.add("some", [1.0, 2.0], theme.ERROR, formula=[None, "1+1"])
    cells = written(table).cells
    assert cells[2, 1].formula is None
    assert cells[3, 1].formula.text == "1+1"


def test_a_column_s_area_is_its_cells_below_the_header() -> None:
    table = Columns(4, 2)
    table.add("one", [1, 2, 3], theme.COUNT)
    table.add("two", [1, 2, 3], theme.COUNT)
    assert table.area("two").ref == "C5:C7"
    assert (len(table), table.next_column, table.first_row) == (3, 4, 5)


def test_names_stand_beside_labels_where_there_are_any(written: Callable[..., Sheet]) -> None:
    table = Columns(1)
    table.add_labels("user", [7, 8], {}, [1, 0])
    table.add_labels("item", ["a", "b"], {"a": "Alien"}, [0, 1])
    cells = written(table).cells
    assert [cells[1, col].value for col in (1, 2, 3)] == ["user", "item", "item name"]
    assert [cells[2, col].value for col in (1, 2, 3)] == [8, "a", "Alien"]
    assert (cells[3, 2].value, cells[3, 3].value) == ("b", "")


def test_a_line_is_drawn_above_a_row_that_begins_something(written: Callable[..., Sheet]) -> None:
    table = Columns(1)
    table.add("n", [1, 2, 3], theme.COUNT)
    cells = written(table, begins=[False, True, False]).cells
    assert cells[2, 1].style == cells[4, 1].style != cells[3, 1].style


def test_columns_of_unlike_length_are_an_error(written: Callable[..., Sheet]) -> None:
    table = Columns(1)
    table.add("two", [1, 2], theme.COUNT)
    table.add("three", [1, 2, 3], theme.COUNT)
    with pytest.raises(ValueError, match="zip"):
        written(table)


def test_long_labels_have_columns_wide_enough_since_they_are_never_cut(written: Callable[..., Sheet]) -> None:
    label = "firstname.lastname@example-company.org"
    table = Columns(1)
    table.add_labels("user", [label, 1], {}, [0, 1])
    assert table.columns["user"].width > len(label)
    assert written(table).cells[2, 1].value == label
