from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import DamagedFileError, XlcollabError
from xlcollab.xlsx.cells import Area, ErrorValue
from xlcollab.xlsx.markup import MAIN
from xlcollab.xlsx.patching import patch_values
from xlcollab.xlsx.reading import CellReader, read_cells
from xlcollab.xlsx.workbook import Workbook


def part(sheet_data: str, before: str = "", after: str = "") -> bytes:
    return f'<worksheet xmlns="{MAIN}">{before}<sheetData>{sheet_data}</sheetData>{after}</worksheet>'.encode()


def patched(data: bytes, values: dict[tuple[int, int], object]) -> str:
    return patch_values(data, values, "Sheet1", "sheet1.xml").decode()  # type: ignore[arg-type]


def patched_cell(cell: str, value: object) -> str:
    """The cell A1 after a patch, with everything around it checked to be what it was."""
    data = part(f'<row r="1">{cell}<c r="B1"><v>2</v></c></row>')
    head, _, tail = data.decode().partition(cell)
    found = patched(data, {(1, 1): value})
    assert found.startswith(head)
    assert found.endswith(tail)
    return found.removeprefix(head).removesuffix(tail)


@pytest.mark.parametrize(
    ("cell", "value", "expected"),
    [
        ('<c r="A1" s="5"><v>1</v></c>', 2.5, '<c r="A1" s="5"><v>2.5</v></c>'),
        ('<c r="A1"><v>1</v></c>', 3, '<c r="A1"><v>3</v></c>'),
        ('<c r="A1"><v>1</v></c>', 3.0, '<c r="A1"><v>3</v></c>'),
        ('<c r="A1"><v>1</v></c>', 1e300, '<c r="A1"><v>1e+300</v></c>'),
        ('<c r="A1" s="5" t="s"><v>7</v></c>', 2, '<c r="A1" s="5"><v>2</v></c>'),
        ('<c t="s" r="A1"><v>7</v></c>', 2, '<c r="A1"><v>2</v></c>'),
        ('<c r="A1" t="e" vm="1"><v>#VALUE!</v></c>', 2, '<c r="A1"><v>2</v></c>'),
        ('<c r="A1" s="5"/>', 2, '<c r="A1" s="5"><v>2</v></c>'),
        ('<c r="A1" s="5"></c>', 2, '<c r="A1" s="5"><v>2</v></c>'),
        ('<c r="A1" s="5"><v>1</v></c>', None, '<c r="A1" s="5"/>'),
        ('<c r="A1"><v>1</v></c>', True, '<c r="A1" t="b"><v>1</v></c>'),
        ('<c r="A1"><v>1</v></c>', ErrorValue("#N/A"), '<c r="A1" t="e"><v>#N/A</v></c>'),
        ('<c r="A1"><v>1</v></c>', "a<b", '<c r="A1" t="inlineStr"><is><t>a&lt;b</t></is></c>'),
        ('<c r="A1"><v>1</v></c>', " a", '<c r="A1" t="inlineStr"><is><t xml:space="preserve"> a</t></is></c>'),
        ('<c r="A1"><v>1</v></c>', "é", '<c r="A1" t="inlineStr"><is><t>&#233;</t></is></c>'),
        ('<c r="A1" t="inlineStr"><is><t>a</t></is></c>', 2, '<c r="A1"><v>2</v></c>'),
        ('<c r="A1"><v>1</v></c>', dt.date(2020, 2, 29), '<c r="A1"><v>43890</v></c>'),
        ('<c r="A1"><f>B1*2</f><v>4</v></c>', 6.5, '<c r="A1"><f>B1*2</f><v>6.5</v></c>'),
        ('<c r="A1" t="str"><f>B1</f><v>x</v></c>', 6.5, '<c r="A1"><f>B1</f><v>6.5</v></c>'),
        ('<c r="A1"><f>B1</f><v>4</v></c>', "x", '<c r="A1" t="str"><f>B1</f><v>x</v></c>'),
        ('<c r="A1"><f>B1</f><v>4</v></c>', "", '<c r="A1" t="str"><f>B1</f><v></v></c>'),
        ('<c r="A1"><f>B1</f><v>4</v></c>', None, '<c r="A1"><f>B1</f></c>'),
        ('<c r="A1"><f>B1</f></c>', 4, '<c r="A1"><f>B1</f><v>4</v></c>'),
        (
            '<c r="A1" s="1"><f t="shared" ref="A1:A2" si="0">B1</f><v>4</v></c>',
            5,
            '<c r="A1" s="1"><f t="shared" ref="A1:A2" si="0">B1</f><v>5</v></c>',
        ),
        ('<c r="A1"><f t="shared" si="0"/><v>4</v></c>', 5, '<c r="A1"><f t="shared" si="0"/><v>5</v></c>'),
        (
            '<c r="A1" cm="1"><f t="array" ref="A1:A2">C1:C2&lt;"a>b"</f><v>4</v></c>',
            5,
            '<c r="A1" cm="1"><f t="array" ref="A1:A2">C1:C2&lt;"a>b"</f><v>5</v></c>',
        ),
        ("<c r='A1' s='5' ><v>1</v></c >", 2, "<c r='A1' s='5'><v>2</v></c>"),
    ],
)
def test_a_new_value_keeps_style_and_formula_and_every_byte_around(cell: str, value: object, expected: str) -> None:
    assert patched_cell(cell, value) == expected


def test_cells_and_rows_that_are_missing_are_put_in_their_order() -> None:
    data = part('<row r="2" spans="2:3"><c r="B2"><v>1</v></c><c r="D2"><v>2</v></c></row><row r="5"/><row r="7"/>')
    found = patched(data, {(2, 1): 10, (2, 3): 30, (2, 5): 50, (1, 1): 1, (4, 2): 4, (3, 2): 3, (5, 2): 5, (9, 1): 9})
    assert (
        found
        == part(
            '<row r="1"><c r="A1"><v>1</v></c></row>'
            '<row r="2" spans="1:5"><c r="A2"><v>10</v></c><c r="B2"><v>1</v></c><c r="C2"><v>30</v></c>'
            '<c r="D2"><v>2</v></c><c r="E2"><v>50</v></c></row>'
            '<row r="3"><c r="B3"><v>3</v></c></row><row r="4"><c r="B4"><v>4</v></c></row>'
            '<row r="5"><c r="B5"><v>5</v></c></row><row r="7"/><row r="9"><c r="A9"><v>9</v></c></row>'
        ).decode()
    )


def test_an_empty_sheet_takes_values_and_its_dimension_grows() -> None:
    data = part("", '<dimension ref="A1"/>').replace(b"<sheetData></sheetData>", b"<sheetData/>")
    assert (
        patched(data, {(3, 2): 1, (2, 4): 2})
        == part(
            '<row r="2"><c r="D2"><v>2</v></c></row><row r="3"><c r="B3"><v>1</v></c></row>', '<dimension ref="A1:D3"/>'
        ).decode()
    )


def test_emptying_what_is_not_there_changes_nothing() -> None:
    data = part('<row r="1"><c r="A1"><v>1</v></c></row>', '<dimension ref="A1"/>')
    assert patched(data, {(1, 2): None, (9, 9): None}) == data.decode()
    assert patched(data, {}) == data.decode()


def test_rows_and_cells_without_addresses_are_counted() -> None:
    found = patched(
        part("<row><c><v>1</v></c><c><v>2</v></c></row><row><c><v>3</v></c></row>"), {(1, 2): 20, (2, 1): 30}
    )
    assert found == part("<row><c><v>1</v></c><c><v>20</v></c></row><row><c><v>30</v></c></row>").decode()


def test_prefixes_are_kept() -> None:
    data = (
        f'<x:worksheet xmlns:x="{MAIN}"><x:sheetData><x:row r="1"><x:c r="A1"><x:f>B1</x:f><x:v>1</x:v></x:c></x:row>'
    )
    end = "</x:sheetData></x:worksheet>"
    found = patched((data + end).encode(), {(1, 1): 2, (1, 2): "t", (2, 1): 3})
    assert (
        '<x:c r="A1"><x:f>B1</x:f><x:v>2</x:v></x:c><x:c r="B1" t="inlineStr"><x:is><x:t>t</x:t></x:is></x:c>' in found
    )
    assert found.endswith('<x:row r="2"><x:c r="A2"><x:v>3</x:v></x:c></x:row>' + end)


def test_comments_and_text_that_look_like_cells_are_left_alone() -> None:
    data = part(
        '<!-- <c r="A1"> --><row r="1"><c r="A1" t="str"><v><![CDATA[</c><c r="B1"/>]]></v></c><c r="B1"/></row>'
    )
    assert patched(data, {(1, 2): 5}) == data.decode().replace('<c r="B1"/></row>', '<c r="B1"><v>5</v></c></row>')


def test_utf_16_parts_are_patched_too() -> None:
    text = part('<row r="1"><c r="A1" t="str"><v>é</v></c></row>').decode()
    data = ('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16")
    cells = read_cells(patch_values(data, {(1, 2): "ü"}, "S", "p"), CellReader("S", "p", list)).cells
    assert (cells[1, 1].value, cells[1, 2].value) == ("é", "ü")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, object(), 1j])
def test_what_no_cell_can_hold_is_refused_naming_the_cell(value: object) -> None:
    with pytest.raises(XlcollabError, match="Sheet1!B3") as caught:
        patched(part(""), {(3, 2): value})
    assert (caught.value.sheet, caught.value.cell) == ("Sheet1", "B3")


def test_a_damaged_part_or_one_with_a_document_type_is_refused() -> None:
    with pytest.raises(DamagedFileError, match="sheet1"):
        patched(b"<worksheet", {(1, 1): 1})
    with pytest.raises(DamagedFileError, match="document type"):
        patched(b"<!DOCTYPE a>" + part(""), {(1, 1): 1})


values = st.one_of(
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=12),
    st.sampled_from([ErrorValue("#N/A"), ErrorValue("#DIV/0!")]),
)
places = st.tuples(st.integers(1, 6), st.integers(1, 6))
SHEET = part(
    '<row r="2" spans="2:4"><c r="B2" s="1"><v>1</v></c><c r="D2"><f>B2</f><v>1</v></c></row><row r="4"/>'
    '<row r="5"><c r="A5" t="s"><v>0</v></c><c r="C5"><f t="shared" ref="C5:C6" si="0">A5</f><v>2</v></c></row>'
    '<row r="6"><c r="C6"><f t="shared" si="0"/><v>2</v></c></row>',
    '<dimension ref="A2:D6"/>',
)


@given(st.dictionaries(places, st.one_of(st.none(), values), max_size=8))
def test_what_is_patched_in_is_read_back_and_nothing_else_changes(patch: dict[tuple[int, int], object]) -> None:
    reader = CellReader("S", "p", lambda: ["shared"])
    before = read_cells(SHEET, reader).cells
    after = read_cells(patch_values(SHEET, patch, "S", "p"), reader).cells  # type: ignore[arg-type]
    assert list(after) == sorted(after)
    for at in {*before, *after, *patch}:
        old, new = before.get(at), after.get(at)
        if at in patch:
            assert (new.value if new else None) == patch[at]
            assert (new.formula if new else None) == (old.formula if old else None)
            assert (new.style if new else 0) == (old.style if old else 0)
        else:
            assert new == old


def test_a_sheet_that_excel_wrote_takes_new_values_and_shows_them(shared: Path, tmp_path: Path) -> None:
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    sheet = book.sheet("dotprod")
    formulas = {at: cell.formula for at, cell in sheet.cells.items()}
    factors = Area.parse("H19:V23")
    sheet.patch({at: round(0.01 * sum(at), 2) for at in factors.cells()})
    book.save(tmp_path / "out.xlsx")
    again = Workbook.open(tmp_path / "out.xlsx").sheet("dotprod")
    assert again.values(factors) == [[round(0.01 * (r + c), 2) for c in range(8, 23)] for r in range(19, 24)]
    assert {at: cell.formula for at, cell in again.cells.items()} == formulas


def test_a_patched_book_is_valid_and_computes_anew_when_it_opens(
    raw_book: Callable[..., Path], tmp_path: Path, sdk_errors: Callable[[Path], str]
) -> None:
    book = Workbook.open(raw_book('<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1*2</f><v>2</v></c></row>'))
    book.sheets[0].patch({(1, 1): 4, (1, 2): 8, (3, 3): "new", (2, 1): True, (2, 2): ErrorValue("#N/A")})
    book.save(tmp_path / "out.xlsx")
    assert sdk_errors(tmp_path / "out.xlsx") == ""
    assert b'fullCalcOnLoad="1"' in Workbook.open(tmp_path / "out.xlsx").package.read("xl/workbook.xml")
