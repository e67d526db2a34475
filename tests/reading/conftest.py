"""Workbooks of a few cells, authored by openpyxl, to be read by ours."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from xlcollab.reading.crosstab import Crosstab, LongTable, find_crosstabs, read_crosstab
from xlcollab.xlsx.workbook import Workbook

Rows = list[list[object]]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


@pytest.fixture
def book_of(tmp_path: Path) -> Callable[..., Path]:
    """`book_of(rows)` or `book_of({"Sheet": rows})`: a workbook; `at` is the cell of the first value."""

    def make(sheets: Rows | dict[str, Rows], at: tuple[int, int] = (1, 1), name: str = "book.xlsx") -> Path:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in (sheets if isinstance(sheets, dict) else {"Ratings": sheets}).items():
            sheet = book.create_sheet(title)
            for row, values in enumerate(rows, at[0]):
                for col, value in enumerate(values, at[1]):
                    if value is not None:
                        sheet.cell(row, col, value)
        path = tmp_path / name
        book.save(path)
        return path

    return make


@pytest.fixture
def found_in(book_of: Callable[..., Path]) -> Callable[..., list[Crosstab | LongTable]]:
    """`found_in(rows, at=…, sheet=…, …)`: the tables of ratings that are found in such a workbook."""

    def find(sheets: Rows | dict[str, Rows], at: tuple[int, int] = (1, 1), **options: object):
        return find_crosstabs(Workbook.open(book_of(sheets, at)), **options)

    return find


@pytest.fixture
def read_from(book_of: Callable[..., Path]) -> Callable[..., Crosstab | LongTable]:
    """`read_from(rows, at=…, sheet=…, …)`: the one table of ratings in such a workbook."""

    def read(sheets: Rows | dict[str, Rows], at: tuple[int, int] = (1, 1), **options: object):
        return read_crosstab(Workbook.open(book_of(sheets, at)), **options)

    return read


@pytest.fixture
def pivot_book(book_of: Callable[..., Path]) -> Callable[..., Path]:
    """`pivot_book(rows, ref, row_types, col_types)`: a workbook whose cells in `ref` are a pivot table.

    The types are those of its rows and columns, None for data and 'grand' for grand totals, as Excel stores them.
    """

    def make(rows: Rows, ref: str, row_types: list[str | None], col_types: list[str | None]) -> Path:
        path = book_of(rows)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(
                "xl/pivotTables/pivotTable1.xml",
                f'<pivotTableDefinition xmlns="{MAIN}" name="PivotTable1" cacheId="1" dataCaption="Werte">'
                f'<location ref="{ref}" firstHeaderRow="1" firstDataRow="2" firstDataCol="1"/>'
                f"{_lines('rowItems', row_types)}{_lines('colItems', col_types)}</pivotTableDefinition>",
            )
            archive.writestr(
                "xl/worksheets/_rels/sheet1.xml.rels",
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f'<Relationship Id="rId1" Type="{RELATIONS}/pivotTable" Target="../pivotTables/pivotTable1.xml"/>'
                "</Relationships>",
            )
        return path

    return make


def _lines(tag: str, types: list[str | None]) -> str:
    items = "".join(f'<i t="{kind}"><x/></i>' if kind else "<i><x/></i>" for kind in types)
    return f'<{tag} count="{len(types)}">{items}</{tag}>'
