from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from xlcollab.errors import DamagedFileError, FileError
from xlcollab.xlsx.cells import Area, ErrorValue, Formula
from xlcollab.xlsx.markup import MAIN
from xlcollab.xlsx.workbook import Sheet, Workbook

SheetOf = Callable[..., Sheet]
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def with_part(kind: str, target: str, text: str, raw_parts: dict[str, str] | None = None) -> dict[str, str]:
    """The parts that add one part to the workbook of the fixture `raw_book`."""
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    rels = (
        f'<Relationships xmlns="{package}">'
        f'<Relationship Id="rId1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="rId2" Type="{OFFICE}/{kind}" Target="{target}"/></Relationships>'
    )
    return {"xl/_rels/workbook.xml.rels": rels, f"xl/{target}": text, **(raw_parts or {})}


def strings(*items: str) -> dict[str, str]:
    return with_part("sharedStrings", "sharedStrings.xml", f'<sst xmlns="{MAIN}">{"".join(items)}</sst>')


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("<v>27</v>", 27),
        ("<v>-27</v>", -27),
        ("<v>4.0</v>", 4.0),
        ("<v>3.5</v>", 3.5),
        ("<v>1E3</v>", 1000.0),
        ("<v>0.39290079000000001</v>", 0.39290079),
        ("<v>12345678901234567890</v>", 12345678901234567890),
    ],
)
def test_a_number_is_an_int_exactly_where_it_is_written_as_one(sheet_of: SheetOf, cell: str, value: float) -> None:
    sheet = sheet_of(f'<row r="1"><c r="A1">{cell}</c></row>')
    found = sheet.cells[1, 1]
    assert found.value == value
    assert type(found.value) is type(value)
    assert found.number == value
    assert sheet.values(Area(1, 1, 1, 1)) == [[value]]
    assert type(sheet.values(Area(1, 1, 1, 1))[0][0]) is type(value)


@pytest.mark.parametrize(
    ("attributes", "content", "value"),
    [
        ('t="b"', "<v>1</v>", True),
        ('t="b"', "<v>0</v>", False),
        ('t="e"', "<v>#DIV/0!</v>", ErrorValue("#DIV/0!")),
        ('t="str"', "<f>A2</f><v>a &amp; b</v>", "a & b"),
        ('t="str"', "<f>A2</f><v></v>", ""),
        ('t="inlineStr"', "<is><t>_x0041__x000D_b</t></is>", "A\rb"),
        ('t="inlineStr"', "<is><r><t>ri</t></r><r><t>ch</t></r></is>", "rich"),
        ('t="d"', "<v>2020-02-29T18:00:00</v>", dt.datetime(2020, 2, 29, 18)),
        ('t="d"', "<v>2020-02-29T18:00:00Z</v>", dt.datetime(2020, 2, 29, 18)),
        ('t="d"', "<v>2020-02-29</v>", dt.date(2020, 2, 29)),
        ('t="n"', "<v>NaN</v>", ErrorValue("#NUM!")),
        ('t="n"', "<v>INF</v>", ErrorValue("#NUM!")),
        ('s="0"', "", None),
    ],
)
def test_each_type_of_cell_gives_its_value(sheet_of: SheetOf, attributes: str, content: str, value: object) -> None:
    found = sheet_of(f'<row r="1"><c r="A1" {attributes}>{content}</c></row>').cells[1, 1]
    assert found.value == value
    assert type(found.value) is type(value)
    assert found.number is None


def test_shared_strings_are_plain_text_without_formats_or_reading_aids(sheet_of: SheetOf) -> None:
    sheet = sheet_of(
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>',
        parts=strings(
            "<si><t>plain</t></si>",
            '<si><r><rPr><b/></rPr><t xml:space="preserve">ri </t></r><r><t>ch</t></r></si>',
            '<si><t>東京</t><rPh sb="0" eb="2"><t>トウキョウ</t></rPh><phoneticPr fontId="1"/></si>',
        ),
    )
    assert sheet.values(Area.parse("A1:C1")) == [["plain", "ri ch", "東京"]]


def test_a_string_number_that_is_not_there_is_damage_named_by_cell(sheet_of: SheetOf) -> None:
    sheet = sheet_of('<row r="3"><c r="B3" t="s"><v>7</v></c></row>', parts=strings("<si><t>a</t></si>"))
    with pytest.raises(DamagedFileError, match="Sheet1!B3") as caught:
        _ = sheet.cells
    assert (caught.value.sheet, caught.value.cell) == ("Sheet1", "B3")


STYLE_1_IS_A_DATE = with_part(
    "styles",
    "styles.xml",
    f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
)


def test_numbers_with_a_date_format_are_dates_and_keep_their_number(sheet_of: SheetOf) -> None:
    data = (
        '<row r="1"><c r="A1" s="1"><v>43890</v></c><c r="B1" s="1"><v>43890.75</v></c><c r="C1"><v>43890</v></c></row>'
    )
    sheet = sheet_of(data, parts=STYLE_1_IS_A_DATE)
    assert sheet.cells[1, 1].value == dt.date(2020, 2, 29)
    assert sheet.cells[1, 1].number == 43890
    assert sheet.cells[1, 2].value == dt.datetime(2020, 2, 29, 18)
    assert sheet.values(Area.parse("A1:C1")) == [[dt.date(2020, 2, 29), dt.datetime(2020, 2, 29, 18), 43890]]


def test_the_1904_calendar_is_honoured(sheet_of: SheetOf, raw_book: Callable[..., Path]) -> None:
    styles = f'<styleSheet xmlns="{MAIN}"><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
    workbook = (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><workbookPr date1904="1"/>'
        '<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>'
    )
    parts = with_part("styles", "styles.xml", styles, {"xl/workbook.xml": workbook})
    assert sheet_of('<row r="1"><c r="A1"><v>42428</v></c></row>', parts=parts).cells[1, 1].value == dt.date(
        2020, 2, 29
    )


def test_shared_formulas_are_moved_to_the_cells_that_use_them(sheet_of: SheetOf) -> None:
    cells = sheet_of(
        '<row r="1"><c r="A1"><f t="shared" ref="A1:B2" si="0">C1*$D$1</f><v>1</v></c>'
        '<c r="B1"><f t="shared" si="0"/><v>2</v></c></row>'
        '<row r="2"><c r="A2"><f t="shared" si="0"/><v>3</v></c>'
        '<c r="B2"><f t="shared" si="0">own</f><v>4</v></c></row>'
    ).cells
    assert [cells[at].formula for at in ((1, 1), (1, 2), (2, 1), (2, 2))] == [
        Formula("C1*$D$1"),
        Formula("D1*$D$1"),
        Formula("C2*$D$1"),
        Formula("own"),
    ]


def test_a_shared_formula_number_can_be_used_again_for_another_formula(sheet_of: SheetOf) -> None:
    cells = sheet_of(
        '<row r="1"><c r="A1"><f t="shared" ref="A1:A2" si="0">C1</f></c></row>'
        '<row r="2"><c r="A2"><f t="shared" si="0"/></c></row>'
        '<row r="3"><c r="A3"><f t="shared" ref="A3:A4" si="0">D3</f></c></row>'
        '<row r="4"><c r="A4"><f t="shared" si="0"/></c></row>'
    ).cells
    assert [cells[row, 1].formula for row in (1, 2, 3, 4)] == [Formula(t) for t in ("C1", "C2", "D3", "D4")]


def test_a_shared_formula_without_its_first_cell_is_damage_named_by_cell(sheet_of: SheetOf) -> None:
    sheet = sheet_of('<row r="2"><c r="C2"><f t="shared" si="5"/><v>1</v></c></row>')
    with pytest.raises(DamagedFileError, match="Sheet1!C2"):
        _ = sheet.cells


def test_array_formulas_stand_in_their_first_cell_and_their_areas_are_listed(sheet_of: SheetOf) -> None:
    sheet = sheet_of(
        '<row r="1"><c r="A1"><f t="array" ref="A1:B1">TRANSPOSE(D1:D2)</f><v>1</v></c><c r="B1"><v>2</v></c></row>'
        '<row r="2"><c r="A2"><f t="dataTable" ref="A2:A3" dt2D="1" r1="D1" r2="D2"/><v>5</v></c></row>'
    )
    assert sheet.cells[1, 1].formula == Formula("TRANSPOSE(D1:D2)", Area.parse("A1:B1"))
    assert sheet.cells[1, 2].formula is None
    assert sheet.cells[2, 1].formula == Formula("TABLE(D1,D2)", Area.parse("A2:A3"))
    assert sheet.array_areas == [Area.parse("A1:B1"), Area.parse("A2:A3")]


def test_used_is_the_area_of_what_is_filled_and_not_of_what_is_only_coloured(sheet_of: SheetOf) -> None:
    sheet = sheet_of(
        '<row r="2"><c r="B2"><v>1</v></c><c r="XFD2" s="0"/></row><row r="4"><c r="D4"><f>B2</f></c></row>'
        '<row r="1048576"><c r="A1048576" s="0"/></row>'
    )
    assert sheet.used == Area.parse("B2:D4")
    assert sheet_of('<row r="2"><c r="B2" s="0"/></row>').used is None
    assert sheet_of("").used is None


def test_values_fill_an_area_with_none_where_nothing_stands(sheet_of: SheetOf) -> None:
    sheet = sheet_of(
        '<row r="2"><c r="A2"><v>1</v></c><c r="B2"><v>2</v></c><c r="C2"><v>3</v></c></row>'
        '<row r="4"><c r="B4"><v>4</v></c></row><row r="5"><c r="C5" t="b"><v>1</v></c><c r="E5"><v>6</v></c></row>'
    )
    assert sheet.values(Area.parse("B1:D5")) == [
        [None, None, None],
        [2, 3, None],
        [None, None, None],
        [4, None, None],
        [None, True, None],
    ]


def test_values_and_cells_agree_whatever_the_shape_of_the_xml(sheet_of: SheetOf) -> None:
    rows = "".join(
        f'<row r="{r}">{"".join(f"<c r={q}{c}{r}{q}><v>{r}</v></c>" for c in "ABC")}</row>'
        for r, q in ((1, '"'), (2, "'"), (3, '"'))
    )
    sheet = sheet_of(rows)
    grid = sheet.values(Area.parse("A1:C3"))
    assert grid == [[sheet.cells[r, c].value for c in (1, 2, 3)] for r in (1, 2, 3)]


def test_formulas_are_noticed_without_reading_the_cells(sheet_of: SheetOf) -> None:
    assert sheet_of('<row r="1"><c r="A1"><f>1+1</f><v>2</v></c></row>').has_formulas
    assert not sheet_of('<row r="1"><c r="A1" t="inlineStr"><is><t>&lt;f></t></is></c></row>').has_formulas


def test_merged_areas_and_protection_are_read(sheet_of: SheetOf) -> None:
    sheet = sheet_of(
        "",
        '<sheetProtection password="ABCD" sheet="1"/>'
        '<mergeCells count="2"><mergeCell ref="A1:B2"/><mergeCell ref="C1:C4"/></mergeCells>',
    )
    assert sheet.merged == [Area.parse("A1:B2"), Area.parse("C1:C4")]
    assert sheet.protected
    assert not sheet_of("").protected


def test_an_absurdly_large_range_is_refused_instead_of_filling_the_memory(sheet_of: SheetOf) -> None:
    sheet = sheet_of('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    assert sheet.used == Area.parse("XFD1048576")
    with pytest.raises(FileError, match="too large"):
        sheet.values(Area.parse("A1:XFD1048576"))


def test_what_excel_wrote_is_read_as_it_shows_it(shared: Path) -> None:
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    dotprod, bias = book.sheet("dotprod"), book.sheet("BIAS")
    assert dotprod.values(Area.parse("G1:J2")) == [["movieId", 27, 49, 57], [14, 3, 5, 1]]
    assert dotprod.cells[41, 22].formula == Formula("SQRT(SUMXMY2(H2:V16,H25:V39)/COUNT(H2:V16))")
    assert dotprod.cells[39, 22].formula == Formula('IF(V16="",0,MMULT($B39:$F39,V$19:V$23))')
    assert math.isclose(float(bias.cells[42, 22].value), 0.3194674135586278)  # type: ignore[arg-type]
    assert [len(sheet.array_areas) for sheet in book.sheets] == [0, 2, 0, 0, 0]
    assert sum(cell.formula is not None for sheet in book.sheets for cell in sheet.cells.values()) == 10_879
    assert book.sheet("movielens_1hot").pivots == [Area.parse("B3:B18"), Area.parse("B21:B36")]
    assert book.tables["Table1"].area == Area.parse("A25:G39")


def test_a_cell_that_is_not_listed_is_locked_or_not_by_its_row_then_its_column(tmp_path: Path) -> None:
    from openpyxl import Workbook as OpenpyxlBook
    from openpyxl.styles import Protection

    book = OpenpyxlBook()
    sheet = book.active
    sheet["A1"], sheet["A2"] = 1, 2
    sheet.row_dimensions[1].protection = Protection(locked=False)
    sheet.column_dimensions["C"].protection = Protection(locked=False)
    sheet.protection.sheet = True
    book.save(tmp_path / "locked.xlsx")
    found = Workbook.open(tmp_path / "locked.xlsx").sheet("Sheet")
    assert {at: found.locked(*at) for at in ((1, 1), (1, 2), (2, 2), (2, 3))} == {
        (1, 1): True,
        (1, 2): False,
        (2, 2): True,
        (2, 3): False,
    }


@pytest.mark.parametrize(
    "values",
    [
        {(1, 1): 2.5, (1, 2): 7.0, (2, 1): 41000.25, (2, 2): 3},
        {(1, 1): 1e300, (1, 2): -1e15, (2, 1): 0, (2, 2): -0.0},
        {(1, 1): 1, (1, 2): "text"},
        {(1, 1): True, (2, 2): ErrorValue("#N/A")},
        {(1, 1): None},
        {(1, 1): 5, (7, 7): 6},
    ],
)
def test_after_a_patch_a_sheet_reads_as_its_part_does(
    raw_book: Callable[..., Path], tmp_path: Path, values: dict[tuple[int, int], object]
) -> None:
    cells = '<row r="1"><c r="A1"><f>B1*2</f><v>2</v></c><c r="B1"><v>1</v></c></row>'
    cells += '<row r="2"><c r="A2" s="1"><v>40000</v></c><c r="B2" t="str"><f>"x"</f><v>x</v></c></row>'
    book = Workbook.open(raw_book(cells, parts=STYLE_1_IS_A_DATE))
    sheet = book.sheets[0]
    assert (sheet.cells[1, 1].value, sheet.used) == (2, Area.parse("A1:B2"))
    sheet.patch(values)  # type: ignore[arg-type]
    book.save(tmp_path / "patched.xlsx")
    saved = Workbook.open(tmp_path / "patched.xlsx").sheets[0]
    assert sheet.cells == saved.cells
    assert [type(cell.value) for cell in sheet.cells.values()] == [type(cell.value) for cell in saved.cells.values()]
    assert sheet.used == saved.used
