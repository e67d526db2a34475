"""Rows and cells in any order, with and without addresses: what openpyxl reads there is read and patched here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlcollab.errors import DamagedFileError
from xlcollab.xlsx.cells import Area, CellValue, address
from xlcollab.xlsx.workbook import Workbook

RawBook = Callable[..., Path]
Cells = dict[tuple[int, int], CellValue]
WHOLE = Area(1, 1, 12, 9)
PLACES = st.tuples(st.integers(1, 8), st.integers(1, 8))


def number(row: int, col: int, value: float | None = None) -> str:
    return f'<c r="{address(row, col)}"><v>{10 * row + col if value is None else value}</v></c>'


ORDERS = {
    "cells from right to left": "".join(number(1, col) for col in (4, 3, 2, 1)),
    "cells in the middle swapped": "".join(number(1, col) for col in (1, 3, 2, 4)),
    "a cell behind the last": "".join(number(1, col) for col in (1, 2, 4, 3)),
    "a cell twice": number(1, 1) + number(1, 2, 5) + number(1, 2) + number(1, 4),
    "a gap and no address": number(1, 1) + "<c><v>12</v></c>" + number(1, 4) + "<c><v>15</v></c>",
    "no address at all": "<c><v>11</v></c><c/><c><v>13</v></c>",
}


def filled(book: Path) -> Cells:
    """What openpyxl reads."""
    sheet = openpyxl.load_workbook(book).active
    return {(c.row, c.column): c.value for row in sheet.iter_rows() for c in row if c.value is not None}


def read(book: Path) -> Cells:
    """What the cells hold here; the values of an area have to say the same."""
    sheet = Workbook.open(book).sheets[0]
    found = {at: cell.value for at, cell in sheet.cells.items() if cell.value is not None}
    area = sheet.values(WHOLE)
    assert found == {at: area[at[0] - 1][at[1] - 1] for at in WHOLE.cells() if area[at[0] - 1][at[1] - 1] is not None}
    return found


def patched(book: Path, values: Mapping[tuple[int, int], CellValue]) -> Path:
    opened = Workbook.open(book)
    opened.sheets[0].patch(values)
    opened.save(book.with_name("patched.xlsx"), force=True)
    return book.with_name("patched.xlsx")


@pytest.mark.parametrize("cells", ORDERS.values(), ids=ORDERS)
def test_cells_of_a_row_in_any_order(cells: str, raw_book: RawBook) -> None:
    book = raw_book(f'<row r="1">{cells}</row><row r="2">{cells.replace("1", "2")}</row>')
    before = filled(book)
    assert read(book) == before
    news = {(1, 2): 99, (1, 6): 98, (3, 1): 97, (2, 4): 96}
    assert read(patched(book, news)) == filled(patched(book, news)) == before | news


ROWS = {
    "from the bottom up": f'<row r="3">{number(3, 1)}</row><row r="1">{number(1, 1)}</row>',
    "one row in two elements": f'<row r="2">{number(2, 3)}</row><row r="2">{number(2, 1)}{number(2, 5)}</row>',
    "one row in two, the first empty": f'<row r="2"/><row r="2">{number(2, 1)}</row>',
    "numbered by their cells only": f"<row>{number(2, 1)}</row><row>{number(5, 2)}</row>",
    "not numbered at all": "<row><c><v>11</v></c></row><row/><row><c><v>31</v></c><c><v>32</v></c></row>",
}


@pytest.mark.parametrize("rows", ROWS.values(), ids=ROWS)
def test_rows_in_any_order(rows: str, raw_book: RawBook) -> None:
    book = raw_book(rows)
    before = filled(book)
    assert read(book) == before
    news = {(1, 1): 99, (2, 1): 98, (2, 2): 97, (4, 4): 96, (6, 1): 95, (9, 1): 94}
    assert read(patched(book, news)) == before | news


@st.composite
def sheets(draw: st.DrawFn) -> tuple[str, Cells]:
    """The markup of some numbers in a drawn order, addresses left out now and then where the order implies them."""
    places = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), unique=True))
    rows, markup, last_row = list(dict.fromkeys(row for row, _ in places)), [], 0
    for row in rows:
        inner, last_col = [], 0
        for col in [col for at, col in places if at == row]:
            implied = col == last_col + 1 and draw(st.booleans())
            inner.append(f"<c><v>{10 * row + col}</v></c>" if implied else number(row, col))
            last_col = col
        implied = row == last_row + 1 and draw(st.booleans())
        markup.append(f"<row>{''.join(inner)}</row>" if implied else f'<row r="{row}">{"".join(inner)}</row>')
        last_row = row
    return "".join(markup), {(row, col): 10 * row + col for row, col in places}


@given(sheet=sheets(), news=st.dictionaries(PLACES, st.integers(100, 999), max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60)
def test_any_order_is_read_and_patched(sheet: tuple[str, Cells], news: Cells, raw_book: RawBook) -> None:
    markup, cells = sheet
    book = raw_book(markup)
    assert read(book) == cells
    assert read(patched(book, news)) == cells | news


@given(sheet=sheets())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=30)
def test_emptied_cells_are_gone_and_no_other(sheet: tuple[str, Cells], raw_book: RawBook) -> None:
    markup, cells = sheet
    gone = list(cells)[::2]
    assert read(patched(raw_book(markup), dict.fromkeys(gone))) == {at: v for at, v in cells.items() if at not in gone}


def test_a_shared_formula_may_stand_below_the_cells_that_share_it(raw_book: RawBook) -> None:
    first = '<row r="2"><c r="B2"><f t="shared" ref="B1:B2" si="0">A2*2</f><v>4</v></c></row>'
    other = '<row r="1"><c r="B1"><f t="shared" si="0"/><v>2</v></c></row>'
    cells = Workbook.open(raw_book(first + other)).sheets[0].cells
    turned = Workbook.open(raw_book(other + first)).sheets[0].cells
    assert [cells[row, 2].formula.text for row in (1, 2)] == ["A1*2", "A2*2"]
    assert [turned[row, 2].formula.text for row in (1, 2)] == ["A1*2", "A2*2"]


def test_a_formula_that_nobody_shares_is_damage_with_its_cell_named(raw_book: RawBook) -> None:
    sheet = Workbook.open(raw_book('<row r="1"><c r="B1"><f t="shared" si="3"/><v>2</v></c></row>')).sheets[0]
    with pytest.raises(DamagedFileError, match=r"Sheet1!B1 shares"):
        assert sheet.cells
