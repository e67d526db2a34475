"""Workbooks made part by part, to hold exactly what a test is about."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from xlcollab.xlsx.workbook import Workbook

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\r\n'

Parts = dict[str, bytes | str | None]


def smallest_parts(sheet_data: str, after: str = "") -> Parts:
    """The parts without which a file is no workbook, around one sheet's data: no styles, no properties."""
    sheet = f'<worksheet xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheetData>{sheet_data}</sheetData>{after}</worksheet>'
    types = (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        '<Override PartName="/xl/workbook.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" '
        'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    )
    return {
        "[Content_Types].xml": DECLARATION + types,
        "_rels/.rels": f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'{DECLARATION}<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}">'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">'
        f'<Relationship Id="rId1" Type="{RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": DECLARATION + sheet,
    }


@pytest.fixture
def raw_book(tmp_path: Path) -> Callable[..., Path]:
    """`raw_book(sheet_data, after, parts={…})`: a file of the smallest parts; `parts` adds, replaces, drops (None)."""

    def make(
        sheet_data: str = "",
        after: str = "",
        parts: Mapping[str, bytes | str | None] | None = None,
        name: str = "raw.xlsx",
    ) -> Path:
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, data in {**smallest_parts(sheet_data, after), **(parts or {})}.items():
                if data is not None:
                    archive.writestr(part, data)
        return path

    return make


@pytest.fixture
def sheet_of(raw_book: Callable[..., Path]) -> Callable[..., object]:
    """`sheet_of(sheet_data, …)`: the only sheet of such a file, opened."""
    return lambda *args, **kwargs: Workbook.open(raw_book(*args, **kwargs)).sheets[0]


@pytest.fixture(scope="session")
def parts_of() -> Callable[[Path], dict[str, bytes]]:
    """`parts_of(book)`: the bytes of every part, read by Python's own zipfile."""

    def read(path: Path) -> dict[str, bytes]:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            return {name: archive.read(name) for name in archive.namelist()}

    return read
