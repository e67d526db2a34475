"""The quick way of reading and expat have to give the same tokens wherever the quick way takes the sheet at all."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import DamagedFileError
from xlcollab.xlsx.cells import address
from xlcollab.xlsx.markup import MAIN, escape
from xlcollab.xlsx.scan import Token, cut_rows, parse_tokens, row_tokens


def part(sheet_data: str, *, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\r\n', root: str = "") -> bytes:
    return f'{declaration}<worksheet xmlns="{MAIN}"{root}><sheetData>{sheet_data}</sheetData></worksheet>'.encode()


def quick_tokens(data: bytes) -> list[Token] | None:
    rows = cut_rows(data)
    if rows is None:
        return None
    found = [row_tokens(row) for row in rows]
    return (
        None if any(tokens is None for tokens in found) else [token for tokens in found if tokens for token in tokens]
    )


USUAL = {
    "number": '<c r="A1"><v>1</v></c>',
    "number with type": '<c r="A1" s="3" t="n"><v>-1.5E-3</v></c>',
    "shared string": '<c r="A1" s="12" t="s"><v>0</v></c>',
    "formula": '<c r="A1"><f>B1*2</f><v>4</v></c>',
    "formula with escapes": '<c r="A1" t="str"><f>IF(B1&lt;2,&quot;&#233;&quot;,B1&gt;1)</f><v>&#xE9;&amp;</v></c>',
    "formula without value": '<c r="A1"><f>B1</f></c>',
    "formula with an empty value": '<c r="A1"><f>B1</f><v></v></c>',
    "openpyxl's empty value": '<c r="A1"><f>B1</f><v/></c>',
    "shared formula, first": '<c r="A1"><f t="shared" ref="A1:A9" si="0">B1</f><v>1</v></c>',
    "shared formula, other": '<c r="A1"><f t="shared" si="0"/><v>1</v></c>',
    "array formula": '<c r="A1" cm="1"><f t="array" ref="A1:B2" aca="1">TRANSPOSE(C1:D2)</f><v>1</v></c>',
    "text of a formula": '<c r="A1" t="str"><f>B1</f><v></v></c>',
    "boolean": '<c r="A1" t="b"><v>1</v></c>',
    "error": '<c r="A1" t="e" vm="1"><v>#VALUE!</v></c>',
    "inline text": '<c r="A1" t="inlineStr"><is><t>a &lt; b</t></is></c>',
    "inline text with spaces": '<c r="A1" t="inlineStr"><is><t xml:space="preserve"> a </t></is></c>',
    "blank": '<c r="A1" s="4"/>',
    "blank in two tags": '<c r="A1" s="4"></c>',
}
UNUSUAL = {
    "no address": "<c><v>1</v></c>",
    "single quotes": "<c r='A1'><v>1</v></c>",
    "other order": '<c s="1" r="A1"><v>1</v></c>',
    "value before formula": '<c r="A1"><v>1</v><f>B1</f></c>',
    "comment": '<c r="A1"><!-- <c r="B1"><v>2</v></c> --><v>1</v></c>',
    "CDATA": '<c r="A1" t="str"><v><![CDATA[<c r="B1"/>]]></v></c>',
    "rich text": '<c r="A1" t="inlineStr"><is><r><t>a</t></r><r><rPr><b/></rPr><t>b</t></r></is></c>',
    "extension": '<c r="A1"><v>1</v><extLst><ext uri="x"/></extLst></c>',
    "line end in a text": '<c r="A1" t="str"><v>a\r\nb</v></c>',
    "space in the value": '<c r="A1" t="str"><f>B1</f><v xml:space="preserve"> </v></c>',
}


@pytest.mark.parametrize("cell", USUAL.values(), ids=USUAL)
def test_the_quick_way_reads_the_usual_shapes_as_expat_does(cell: str) -> None:
    data = part(f'<row r="1" spans="1:3">{cell}<c r="B1"><v>2</v></c></row><row r="2"/>')
    assert quick_tokens(data) == parse_tokens(data, "sheet1.xml")
    assert len(parse_tokens(data, "sheet1.xml")) == 2


@pytest.mark.parametrize("cell", UNUSUAL.values(), ids=UNUSUAL)
def test_the_quick_way_leaves_unusual_shapes_to_expat(cell: str) -> None:
    data = part(f'<row r="1">{cell}<c r="C1"><v>2</v></c></row>')
    assert quick_tokens(data) is None
    assert [token[:2] for token in parse_tokens(data, "sheet1.xml")] == [(1, 1), (1, 3)]


def test_expat_joins_rich_text_and_leaves_reading_aids_out() -> None:
    cell = '<c r="A1" t="inlineStr"><is><r><t>東</t></r><r><t>京</t></r><rPh sb="0" eb="2"><t>トウ</t></rPh></is></c>'
    assert parse_tokens(part(f"<row>{cell}</row>"), "sheet1.xml") == [(1, 1, 0, "inlineStr", None, "東京")]


def test_cells_without_addresses_follow_one_another() -> None:
    data = part(
        '<row><c><v>1</v></c><c r="D1"><v>2</v></c><c><v>3</v></c></row><row r="5"><c><v>4</v></c></row><row><c/></row>'
    )
    assert [token[:2] for token in parse_tokens(data, "sheet1.xml")] == [(1, 1), (1, 4), (1, 5), (5, 1), (6, 1)]


@pytest.mark.parametrize(
    "data",
    [
        part('<row><c r="A1"><v>1</v></c></row>')
        .replace(b"<worksheet xmlns=", b"<worksheet xmlns:x=")
        .replace(b"UTF-8", b"utf-8"),
        part('<row><c r="A1" t="str"><v>\xe9</v></c></row>').decode().replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        part('<row><c r="A1"><v>1</v></c></row>').decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        part('<row><x:c r="A1"><x:v>1</x:v></x:c></row>', root=f' xmlns:x="{MAIN}"'),
        part('<row><c xmlns="urn:other" r="A1"/></row>'),
        part("").replace(b"<sheetData></sheetData>", b"<sheetData/>"),
    ],
    ids=["another default namespace", "Latin-1", "UTF-16", "prefix", "cells of another namespace", "no data"],
)
def test_the_quick_way_leaves_unusual_parts_to_expat(data: bytes) -> None:
    assert quick_tokens(data) is None


def test_utf_16_and_prefixed_parts_are_read_whole() -> None:
    wide = part('<row><c r="A1" t="str"><v>é€</v></c></row>').decode().replace("UTF-8", "UTF-16").encode("utf-16")
    assert parse_tokens(wide, "sheet1.xml") == [(1, 1, 0, "str", None, "é€")]
    cell = '<x:c r="B2"><x:f>A1</x:f><x:v>1</x:v></x:c>'
    prefixed = f'<x:sheetData xmlns:x="{MAIN}"><x:row>{cell}</x:row></x:sheetData>'
    assert parse_tokens(prefixed.encode(), "sheet1.xml") == [(2, 2, 0, "n", ({}, "A1"), "1")]


@pytest.mark.parametrize("text", ["<worksheet", "<a><b></a>", "no XML", ""])
def test_what_is_no_xml_is_a_damaged_part(text: str) -> None:
    with pytest.raises(DamagedFileError, match="sheet1"):
        parse_tokens(text.encode(), "sheet1.xml")


def test_a_document_type_is_refused_so_that_no_entity_can_grow() -> None:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with pytest.raises(DamagedFileError, match="document type"):
        parse_tokens(part('<row><c r="A1" t="str"><v>&b;</v></c></row>', declaration=bomb), "sheet1.xml")


texts = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8)
cells = st.one_of(
    st.integers().map(lambda v: f'<c r="{{}}"><v>{v}</v></c>'),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: f'<c r="{{}}" s="1"><v>{v!r}</v></c>'),
    texts.map(lambda v: f'<c r="{{}}" t="str"><f>{escape(v)}</f><v>{escape(v)}</v></c>'),
    texts.map(lambda v: f'<c r="{{}}" t="inlineStr"><is><t>{escape(v)}</t></is></c>'),
    st.just('<c r="{}" s="9"/>'),
    st.just("<c><v>1</v></c>"),
)


@given(st.lists(st.lists(cells, max_size=5), max_size=4))
def test_both_ways_agree_on_any_mixture(rows: list[list[str]]) -> None:
    data = part(
        "".join(
            f'<row r="{r}">{"".join(cell.replace("{}", address(r, c)) for c, cell in enumerate(row, 1))}</row>'
            for r, row in enumerate(rows, 1)
        )
    )
    quick = quick_tokens(data)
    parsed = parse_tokens(data, "sheet1.xml")
    assert quick is None or quick == parsed
    assert len(parsed) == sum(map(len, rows))


def test_both_ways_agree_on_every_sheet_that_excel_wrote(shared: Path) -> None:
    compared = 0
    for book in [*(shared / "data").glob("*.xlsx"), *(shared / "cases").glob("*.xlsx")]:
        with zipfile.ZipFile(book) as archive:
            for name in archive.namelist():
                if name.startswith("xl/worksheets/sheet"):
                    data = archive.read(name)
                    assert quick_tokens(data) == parse_tokens(data, name)
                    compared += 1
    assert compared >= 8
