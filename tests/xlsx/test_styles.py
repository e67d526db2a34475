from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import openpyxl
import pytest
from lxml import etree

from xlcollab.xlsx.markup import MAIN, main
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.styles import EMPTY_STYLES, Style, Styles
from xlcollab.xlsx.workbook import Workbook

FULL = Style(
    bold=True,
    italic=True,
    underline=True,
    color="0072B2",
    size=14,
    fill="FFE699",
    number_format="0.000",
    align="right",
    valign="top",
    wrap=True,
    indent=2,
    rotation=45,
    top="thin",
    bottom="double",
    left="hair",
    right="medium",
    border_color="808080",
)


def empty() -> Styles:
    return Styles.read(EMPTY_STYLES, "styles.xml")


def test_no_style_and_a_style_of_nothing_are_the_default() -> None:
    styles = empty()
    assert styles.cell_format(None) == styles.cell_format(Style()) == 0
    assert not styles.touched


def test_equal_styles_share_one_format_and_different_ones_do_not() -> None:
    styles = empty()
    first = styles.cell_format(Style(bold=True))
    assert styles.cell_format(Style(bold=True)) == first
    assert styles.cell_format(Style(italic=True)) != first
    assert styles.cell_format(Style(bold=True), text_prefix=True) != first


@pytest.mark.parametrize("name", [field.name for field in fields(Style)])
def test_every_setting_of_a_style_makes_a_format_of_its_own(name: str) -> None:
    styles = empty()
    base = Style(top="thin") if name == "border_color" else Style()
    other = Style(**{**({"top": "thin"} if name == "border_color" else {}), name: getattr(FULL, name)})
    assert styles.cell_format(base) != styles.cell_format(other)


def test_what_a_book_has_keeps_its_place_and_only_the_end_grows(shared: Path) -> None:
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    data = book.package.read("xl/styles.xml")
    styles = Styles.read(data, "xl/styles.xml")
    styles.cell_format(FULL)
    styles.differential_format(Style(bold=True, color="FF0000", fill="FFFF00", top="thin", number_format="0%"))
    for before in etree.fromstring(data):
        after = styles.root.find(before.tag)
        old, new = [etree.tostring(e) for e in before], [etree.tostring(e) for e in after]
        assert new[: len(old)] == old
        if before.get("count"):
            assert after.get("count") == str(len(new))


def test_a_new_format_takes_font_and_size_of_the_books_default() -> None:
    data = EMPTY_STYLES.replace(b'<sz val="11"/>', b'<sz val="9"/>').replace(b'"Calibri"', b'"Arial"')
    styles = Styles.read(data, "styles.xml")
    styles.cell_format(Style(bold=True))
    font = styles.root.find(main("fonts"))[1]
    assert [(etree.QName(e).localname, e.get("val", e.get("theme"))) for e in font] == [
        ("b", None),
        ("sz", "9"),
        ("color", "1"),
        ("name", "Arial"),
        ("family", "2"),
        ("scheme", "minor"),
    ]


@pytest.mark.parametrize("missing", ["numFmts", "fonts", "fills", "borders", "cellXfs", "dxfs", "everything"])
def test_lists_that_a_book_lacks_are_made_where_the_schema_wants_them(missing: str) -> None:
    root = etree.fromstring(EMPTY_STYLES)
    for element in list(root):
        if missing in (etree.QName(element).localname, "everything"):
            root.remove(element)
    styles = Styles(root)
    number = styles.cell_format(FULL)
    styles.differential_format(FULL)
    order = ["numFmts", "fonts", "fills", "borders", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs", "tableStyles"]
    names = [etree.QName(e).localname for e in root]
    assert names == [name for name in order if name in names]
    assert {"numFmts", "fonts", "fills", "borders", "cellXfs", "dxfs"} <= set(names)
    assert number == len(root.find(main("cellXfs"))) - 1 > 0
    assert [f.find(main("patternFill")).get("patternType") for f in root.find(main("fills"))][:2] == ["none", "gray125"]


def test_number_formats_that_a_book_has_are_used_again() -> None:
    formats = '<numFmts count="1"><numFmt numFmtId="180" formatCode="0.000"/></numFmts>'
    styles = Styles.read(f'<styleSheet xmlns="{MAIN}">{formats}</styleSheet>'.encode(), "styles.xml")
    styles.cell_format(Style(number_format="0.000"))
    styles.cell_format(Style(number_format="0.0000"))
    styles.cell_format(Style(number_format="0.00"))
    found = {e.get("numFmtId"): e.get("formatCode") for e in styles.root.find(main("numFmts"))}
    assert found == {"180": "0.000", "181": "0.0000"}
    assert [xf.get("numFmtId") for xf in styles.root.find(main("cellXfs"))] == ["0", "180", "181", "2"]


def test_openpyxl_sees_the_style_that_was_asked_for(tmp_path: Path) -> None:
    sheet = NewSheet("Look")
    sheet.cell(1, 1, 1.5, FULL)
    book = Workbook.new()
    book.add(sheet)
    book.save(tmp_path / "look.xlsx")
    cell = openpyxl.load_workbook(tmp_path / "look.xlsx")["Look"]["A1"]
    assert (cell.font.b, cell.font.i, cell.font.u, cell.font.sz, cell.font.color.rgb) == (
        True,
        True,
        "single",
        14,
        "FF0072B2",
    )
    assert (cell.fill.fgColor.rgb, cell.number_format) == ("FFFFE699", "0.000")
    look = cell.alignment
    assert (look.horizontal, look.vertical, look.wrap_text, look.indent, look.text_rotation) == (
        "right",
        "top",
        True,
        2,
        45,
    )
    border = cell.border
    assert (border.top.style, border.bottom.style, border.left.style, border.right.style) == (
        "thin",
        "double",
        "hair",
        "medium",
    )
    assert border.top.color.rgb == "FF808080"


def test_a_book_without_a_styles_part_gets_one(
    raw_book: Callable[..., Path], tmp_path: Path, sdk_errors: Callable[[Path], str]
) -> None:
    book = Workbook.open(raw_book('<row r="1"><c r="A1"><v>1</v></c></row>'))
    sheet = NewSheet("Look")
    sheet.cell(1, 1, "x", FULL)
    book.add(sheet)
    book.save(tmp_path / "out.xlsx")
    assert sdk_errors(tmp_path / "out.xlsx") == ""
    found = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert found["Look"]["A1"].font.b
    assert not found["Sheet1"]["A1"].font.b


def test_writing_a_sheet_again_and_again_appends_its_styles_once(tmp_path: Path) -> None:
    path, sizes = tmp_path / "run.xlsx", []
    Workbook.new().save(path)
    for _ in range(3):
        book = Workbook.open(path)
        for sheet in book.sheets:
            book.remove(sheet.name)
        new = NewSheet("Look")
        new.cell(1, 1, 1.5, FULL)
        book.add(new)
        book.save(path, force=True)
        sizes.append(len(book.package.read("xl/styles.xml")))
    assert sizes == sizes[:1] * 3
