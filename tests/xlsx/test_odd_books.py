"""Books that are written oddly and legally: they hold what the plain one holds, and take new values and sheets."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from xlcollab.errors import DamagedFileError, NoCrosstabError
from xlcollab.reading.crosstab import read_crosstab
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

Parts = dict[str, bytes]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
COMPATIBILITY = "http://schemas.openxmlformats.org/markup-compatibility/2006"
SHEET = "xl/worksheets/sheet1.xml"
ROWS = (
    '<row r="1"><c r="A1" t="inlineStr"><is><t>userId</t></is></c><c r="B1"><v>27</v></c><c r="C1"><v>49</v></c></row>'
    '<row r="2"><c r="A2"><v>14</v></c><c r="B2"><v>3.5</v></c><c r="C2"><f>B2+1</f><v>4.5</v></c></row>'
    '<row r="3"><c r="A3"><v>29</v></c><c r="B3"><v>5</v></c></row>'
)
VALUES = [["userId", 27, 49], [14, 3.5, 4.5], [29, 5, None]]


def in_sheet(edit: Callable[[str], str]) -> Callable[[Parts], Parts]:
    return lambda parts: {**parts, SHEET: edit(parts[SHEET].decode()).encode()}


def in_all(edit: Callable[[bytes], bytes]) -> Callable[[Parts], Parts]:
    return lambda parts: {name: edit(data) for name, data in parts.items()}


def prefixed(data: bytes) -> bytes:
    """Each element of the part's own namespace with a prefix."""
    return re.sub(rb"<(/?)(?=[A-Za-z])", rb"<\1odd:", data).replace(b' xmlns="', b' xmlns:odd="')


def renamed(parts: Parts) -> Parts:
    """The sheet's part has a blank in its name, which relationships and content types write as %20."""
    moved = {
        name: data.replace(b"worksheets/sheet1.xml", b"worksheets/my%20sheet.xml")
        for name, data in parts.items()
        if name != SHEET
    }
    return {**moved, "xl/worksheets/my sheet.xml": parts[SHEET]}


ODD: Mapping[str, Callable[[Parts], Parts]] = {
    "no addresses": in_sheet(lambda xml: re.sub(r' r="[A-Z]?\d+"', "", xml)),
    "single quotes": in_sheet(lambda xml: xml.replace('"', "'")),
    "white space": in_sheet(lambda xml: xml.replace("<c ", "\n    <c ").replace("><v>", ">\n  <v>")),
    "white space in end tags": in_sheet(lambda xml: xml.replace("</row>", "</row >").replace("</c>", "</c\t>")),
    "white space where rows end": in_sheet(lambda xml: xml.replace("</row>", "</row >")),
    "comments": in_sheet(lambda xml: xml.replace("<v>3.5<", "<!-- <v>9</v> --><v>3.5<")),
    "processing instructions": in_sheet(lambda xml: xml.replace("<v>3.5<", "<?x <v>9</v>?><v>3.5<")),
    "character data": in_sheet(lambda xml: xml.replace("<v>3.5<", "<v><![CDATA[3.5]]><")),
    "character references": in_sheet(lambda xml: xml.replace("<v>3.5<", "<v>&#51;.&#x35;<")),
    "rich text": in_sheet(lambda xml: xml.replace(
        "<t>userId</t>", '<r><rPr><b/></rPr><t>user</t></r><r><t>Id</t></r><rPh sb="0" eb="1"><t>no</t></rPh>')),
    "an extension in a cell": in_sheet(lambda xml: xml.replace("<v>5</v>", '<v>5</v><extLst><ext uri="x"/></extLst>')),
    "a namespace on a row": in_sheet(lambda xml: xml.replace('<row r="2">', f'<row r="2" xmlns="{MAIN}">')),
    "alternate content": in_sheet(lambda xml: xml.replace(
        "</sheetData>", f'</sheetData><mc:AlternateContent xmlns:mc="{COMPATIBILITY}"><mc:Choice Requires="x">'
        "<c><v>9</v></c></mc:Choice></mc:AlternateContent>")),
    "a wrong dimension": in_sheet(lambda xml: xml.replace("<sheetData>", '<dimension ref="A1:ZZZ9"/><sheetData>')),
    "byte order marks": in_all(lambda data: b"\xef\xbb\xbf" + data),
    "UTF-16": in_all(lambda data: data.decode().replace("UTF-8", "UTF-16").encode("utf-16")),
    "Latin 1": in_sheet(lambda xml: xml.replace("UTF-8", "ISO-8859-1")),
    "prefixes": in_all(prefixed),
    "escapes in a part's name": renamed,
    "a dates' calendar from 1904": lambda parts: {
        **parts,
        "xl/workbook.xml": parts["xl/workbook.xml"].replace(b"<sheets>", b'<workbookPr date1904="1"/><sheets>'),
    },
}  # fmt: skip


def with_folders(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("xl/", "xl/worksheets/", "_rels/"):
            archive.writestr(name, b"")
        for name, data in parts.items():
            archive.writestr(name, data)


def with_long_sizes(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as file:
                file.write(data)


def with_backslashes(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            archive.writestr(info, data)


def with_an_older_sheet(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SHEET, parts[SHEET].replace(b"3.5", b"1.5"))
        for name, data in parts.items():
            if name != SHEET:
                archive.writestr(name, data)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(SHEET, parts[SHEET])


def with_a_program_before(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
        archive.comment = b"made by hand"
    path.write_bytes(b"PK\x03\x04 and something else " + path.read_bytes())


@pytest.fixture
def parts(raw_book: Callable[..., Path], parts_of: Callable[[Path], Parts]) -> Parts:
    return parts_of(raw_book(ROWS))


def check(path: Path) -> None:
    """It reads as the plain book does, cell by cell and whole; and it takes values and a sheet."""
    book = Workbook.open(path)
    sheet = book.sheets[0]
    assert sheet.values(Area.parse("A1:C3")) == VALUES
    assert {at: cell.value for at, cell in sheet.cells.items() if cell.value is not None} == {
        (row, col): value
        for row, line in enumerate(VALUES, 1)
        for col, value in enumerate(line, 1)
        if value is not None
    }
    assert sheet.cells[2, 3].formula is not None
    sheet.patch({(2, 2): 2.5, (2, 3): 3.5, (3, 3): "é", (9, 9): 1})
    new = NewSheet("New")
    new.formula(1, 1, "Sheet1!B2*2", 5)
    book.add(new)
    book.save(path, force=True)
    again = Workbook.open(path)
    assert again.sheets[0].values(Area.parse("A1:C3")) == [VALUES[0], [14, 2.5, 3.5], [29, 5, "é"]]
    assert (again.sheets[0].cells[9, 9].value, again.sheet("New").cells[1, 1].value) == (1, 5)


@pytest.mark.parametrize("odd", ODD)
def test_parts_that_are_written_oddly(odd: str, parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "odd.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in ODD[odd](parts).items():
            archive.writestr(name, data)
    check(path)


@pytest.mark.parametrize(
    "pack", [with_folders, with_long_sizes, with_backslashes, with_an_older_sheet, with_a_program_before]
)
def test_zip_files_that_are_written_oddly(pack: Callable[[Path, Parts], None], parts: Parts, tmp_path: Path) -> None:
    pack(tmp_path / "odd.xlsx", parts)
    check(tmp_path / "odd.xlsx")


@pytest.mark.parametrize(
    "cell", ['<c r="XFE5"><v>1</v></c>', '<c r="A5" s="x"><v>1</v></c>', '<c r="A5" t="s"><v>-1</v></c>']
)
def test_what_no_sheet_can_have_is_damage_and_no_traceback(cell: str, raw_book: Callable[..., Path]) -> None:
    sheet = Workbook.open(raw_book(f'{ROWS}<row r="5">{cell}</row>')).sheets[0]
    for read in (lambda: sheet.cells, lambda: sheet.grids):
        with pytest.raises(DamagedFileError, match=r"sheet1\.xml|Sheet1!A5"):
            read()


def test_an_array_formula_whose_range_was_lost_is_that_of_its_own_cell(raw_book: Callable[..., Path]) -> None:
    sheet = Workbook.open(raw_book(ROWS.replace("<f>", '<f t="array" ref="#REF!">'))).sheets[0]
    assert sheet.array_areas == [Area.parse("C2")] == sheet.grids[0].arrays


def test_a_book_of_other_sheets_says_that_it_has_no_worksheet(raw_book: Callable[..., Path]) -> None:
    rels = (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Target="worksheets/sheet1.xml" '
        'Type="http://schemas.microsoft.com/office/2006/relationships/xlMacrosheet"/></Relationships>'
    )
    with pytest.raises(NoCrosstabError, match="has no worksheet"):
        read_crosstab(Workbook.open(raw_book(ROWS, parts={"xl/_rels/workbook.xml.rels": rels})))


def test_numbers_that_are_none_in_what_only_describes_keep_no_sheet_from_being_read(
    raw_book: Callable[..., Path], tmp_path: Path
) -> None:
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rels = (
        '<Relationships xmlns="{}/relationships"><Relationship Id="rId1" Type="{}/{}" Target="{}"/>{}</Relationships>'
    )
    styles = f'<Relationship Id="rId2" Type="{office}/styles" Target="styles.xml"/>'
    path = raw_book(
        ROWS,
        parts={
            "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{office}">'
            '<sheets><sheet name="Sheet1" sheetId="one" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": rels.format(PACKAGE, office, "worksheet", "worksheets/sheet1.xml", styles),
            "xl/styles.xml": f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="" formatCode="d"/></numFmts>'
            '<cellXfs><xf numFmtId="x"/></cellXfs></styleSheet>',
            "xl/worksheets/_rels/sheet1.xml.rels": rels.format(PACKAGE, office, "pivotTable", "../pivot.xml", ""),
            "xl/pivot.xml": f'<pivotTableDefinition xmlns="{MAIN}"><location ref="#REF!"/></pivotTableDefinition>',
        },
    )
    table = read_crosstab(Workbook.open(path))
    assert (table.users, table.items, table.n_ratings) == ((14, 29), (27,), 2)
    check(path)


def test_a_sheet_without_a_place_for_cells_takes_none(raw_book: Callable[..., Path]) -> None:
    sheet = Workbook.open(raw_book(parts={SHEET: f'<worksheet xmlns="{MAIN}"/>'})).sheets[0]
    assert (sheet.cells, sheet.grids, sheet.used) == ({}, [], None)
    with pytest.raises(DamagedFileError, match="no place for cells"):
        sheet.patch({(1, 1): 1})
