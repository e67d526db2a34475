"""A sheet put into somebody else's package: what lists it grows at its end, and nothing else there moves."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.charts import Chart, Series
from xlcollab.xlsx.newsheet import NewSheet, Style
from xlcollab.xlsx.workbook import MARK, Workbook

Parts = dict[str, bytes]
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument"
VARIANT = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"

SHEET = (
    f'<worksheet xmlns="{MAIN}"><sheetViews><sheetView {{}}workbookViewId="0"/></sheetViews>'
    "<sheetData>{}</sheetData></worksheet>"
)
ROW = '<row r="1"><c r="A1" s="2"><f>1+1</f><v>2</v></c></row>'
WORKBOOK = f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">
<bookViews><workbookView firstSheet="1" activeTab="2"/></bookViews><sheets><sheet name="Data" sheetId="9" r:id="rId3"/>
<sheet name="Chart" sheetId="2" r:id="rId7"/>
<sheet name="Model" sheetId="4" r:id="rId1"/></sheets>
<definedNames><definedName name="rate">Data!$A$1</definedName>
<definedName name="solver_opt" localSheetId="2" hidden="1">Model!$A$1</definedName></definedNames>
<calcPr calcId="191029"/></workbook>"""
STYLES = f"""<styleSheet xmlns="{MAIN}">
<numFmts count="1"><numFmt numFmtId="170" formatCode="0.0&quot;x&quot;"/></numFmts>
<fonts count="1"><font><sz val="9"/><name val="Arial"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="3"><xf xfId="0"/><xf numFmtId="14" xfId="0"/><xf numFmtId="170" xfId="0"/></cellXfs>
<dxfs count="1"><dxf><font><b/></font></dxf></dxfs></styleSheet>"""
APP = (
    '<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties" '
    f'xmlns:vt="{VARIANT}"><Application>Microsoft Excel</Application><HeadingPairs><vt:vector size="6" '
    'baseType="variant">'
    + "".join(
        f"<vt:variant><vt:lpstr>{kind}</vt:lpstr></vt:variant><vt:variant><vt:i4>{count}</vt:i4></vt:variant>"
        for kind, count in (("Worksheets", 2), ("Charts", 1), ("Named Ranges", 1))
    )
    + '</vt:vector></HeadingPairs><TitlesOfParts><vt:vector size="4" baseType="lpstr">'
    + "".join(f"<vt:lpstr>{title}</vt:lpstr>" for title in ("Data", "Model", "Chart", "rate"))
    + "</vt:vector></TitlesOfParts></Properties>"
)
OVERRIDES = {
    "xl/workbook.xml": "spreadsheetml.sheet.main",
    "xl/worksheets/sheet1.xml": "spreadsheetml.worksheet",
    "xl/worksheets/sheet3.xml": "spreadsheetml.worksheet",
    "xl/chartsheets/sheet1.xml": "spreadsheetml.chartsheet",
    "xl/styles.xml": "spreadsheetml.styles",
    "xl/calcChain.xml": "spreadsheetml.calcChain",
    "xl/charts/chart1.xml": "drawingml.chart",
    "docProps/app.xml": "extended-properties",
}


def relationships(*lines: tuple[str, str, str]) -> str:
    inner = "".join(f'<Relationship Id="{i}" Type="{OFFICE}/{kind}" Target="{to}"/>' for i, kind, to in lines)
    return f'<Relationships xmlns="{PACKAGE}/relationships">{inner}</Relationships>'


@pytest.fixture
def foreign(raw_book: Callable[..., Path]) -> Path:
    """Two sheets with a chart sheet between, the last one open; the numbers of sheets and parts have gaps."""
    overrides = "".join(
        f'<Override PartName="/{part}" ContentType="{TYPE}.{kind}+xml"/>' for part, kind in OVERRIDES.items()
    )
    return raw_book(
        parts={
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels" '
            f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>',
            "_rels/.rels": relationships(
                ("rId1", "officeDocument", "xl/workbook.xml"), ("rId2", "extended-properties", "docProps/app.xml")
            ),
            "docProps/app.xml": APP,
            "xl/workbook.xml": WORKBOOK,
            "xl/_rels/workbook.xml.rels": relationships(
                ("rId1", "worksheet", "worksheets/sheet1.xml"),
                ("rId3", "worksheet", "worksheets/sheet3.xml"),
                ("rId7", "chartsheet", "chartsheets/sheet1.xml"),
                ("rId4", "styles", "styles.xml"),
                ("rId5", "calcChain", "calcChain.xml"),
            ),
            "xl/styles.xml": STYLES,
            "xl/calcChain.xml": f'<calcChain xmlns="{MAIN}"><c r="A1" i="4"/></calcChain>',
            "xl/worksheets/sheet1.xml": SHEET.format('tabSelected="1" ', ROW),
            "xl/worksheets/sheet3.xml": SHEET.format("", ROW),
            "xl/chartsheets/sheet1.xml": f'<chartsheet xmlns="{MAIN}"/>',
            "xl/charts/chart1.xml": "<c:chartSpace xmlns:c='http://schemas.openxmlformats.org/drawingml/2006/chart'/>",
        }
    )


def new_sheet(name: str = "New", formula: bool = True) -> NewSheet:
    sheet = NewSheet(name)
    sheet.cell(1, 1, 1.5, Style(bold=True, number_format="0.00"))
    if formula:
        sheet.formula(2, 1, "A1*2", 3.0)
    sheet.highlight(Area.parse("A1:A2"), "A1>1", Style(bold=True, fill="E1ECF8"))
    points = Series("numbers", f"{name}!$A$1:$A$2", (1.5, 3.0))
    sheet.chart(Area.parse("C1:H9"), Chart("line", "Numbers", [points], "Two numbers."))
    return sheet


@pytest.fixture
def grafted(foreign: Path, tmp_path: Path, parts_of: Callable[[Path], Parts]) -> tuple[Parts, Parts]:
    """The parts before and after a sheet called New with a formula, a chart and styles was put in."""
    return parts_of(foreign), parts_of(with_sheets(foreign, tmp_path / "grafted.xlsx", new_sheet()))


def with_sheets(source: Path, target: Path, *sheets: NewSheet) -> Path:
    book = Workbook.open(source)
    for sheet in sheets:
        book.add(sheet)
    book.save(target, force=True)
    return target


def lines(parts: Parts, part: str, tag: str) -> list[dict[str, str]]:
    return [dict(e.attrib) for e in etree.fromstring(parts[part]).iter(f"{{*}}{tag}")]


def test_the_workbook_lists_the_sheet_last_and_nothing_there_changes_its_number(grafted: tuple[Parts, Parts]) -> None:
    before, after = (lines(parts, "xl/workbook.xml", "sheet") for parts in grafted)
    assert after[:3] == before
    (new,) = after[3:]
    assert (new["name"], new["sheetId"]) == ("New", "10")
    targets = {line["Id"]: line["Target"] for line in lines(grafted[1], "xl/_rels/workbook.xml.rels", "Relationship")}
    assert targets[new[f"{{{OFFICE}}}id"]] == "worksheets/sheet2.xml"
    assert lines(grafted[1], "xl/workbook.xml", "workbookView") == [{"firstSheet": "1", "activeTab": "2"}]
    scopes = {line["name"]: line.get("localSheetId") for line in lines(grafted[1], "xl/workbook.xml", "definedName")}
    assert scopes == {"rate": None, "solver_opt": "2", MARK: "3"}


def test_the_sheet_that_was_open_stays_the_only_one_selected(grafted: tuple[Parts, Parts]) -> None:
    views = {
        part: lines(grafted[1], part, "sheetView") for part in grafted[1] if part.startswith("xl/worksheets/sheet")
    }
    assert len(views) == 3
    assert [part for part, view in views.items() if "tabSelected" in view[0]] == ["xl/worksheets/sheet1.xml"]


def test_styles_are_appended_and_never_renumbered(grafted: tuple[Parts, Parts]) -> None:
    for kind in ("numFmts", "fonts", "fills", "borders", "cellXfs", "dxfs"):
        before, after = (
            [etree.tostring(e, method="c14n") for e in etree.fromstring(parts["xl/styles.xml"]).find(f"{{*}}{kind}")]
            for parts in grafted
        )
        assert after[: len(before)] == before
        assert lines(grafted[1], "xl/styles.xml", kind)[0]["count"] == str(len(after))
    cells = {cell["r"]: cell.get("s") for cell in lines(grafted[1], "xl/worksheets/sheet2.xml", "c")}
    assert cells == {"A1": "3", "A2": None}
    assert lines(grafted[1], "xl/worksheets/sheet2.xml", "cfRule")[0]["dxfId"] == "1"


def test_every_part_has_a_content_type_and_a_relationship_and_no_other_has(grafted: tuple[Parts, Parts]) -> None:
    after = grafted[1]
    overrides = [line["PartName"].lstrip("/") for line in lines(after, "[Content_Types].xml", "Override")]
    assert sorted(overrides) == sorted(name for name in after if not name.endswith(".rels") and name[0] != "[")
    reached = {"xl/charts/chart1.xml"}  # nothing ever pointed to that one
    for name in after:
        if name.endswith(".rels"):
            folder = posixpath.dirname(posixpath.dirname(name))
            reached |= {
                posixpath.normpath(posixpath.join(folder, x["Target"])) for x in lines(after, name, "Relationship")
            }
    assert reached == set(overrides)


def test_what_does_not_list_sheets_stays_as_it_was(grafted: tuple[Parts, Parts]) -> None:
    before, after = grafted
    assert set(after) - set(before) == {
        "xl/worksheets/sheet2.xml",
        "xl/worksheets/_rels/sheet2.xml.rels",
        "xl/drawings/drawing1.xml",
        "xl/drawings/_rels/drawing1.xml.rels",
        "xl/charts/chart2.xml",
    }
    changed = {part for part in set(before) & set(after) if before[part] != after[part]}
    assert changed == {
        "[Content_Types].xml",
        "docProps/app.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
        "xl/workbook.xml",
    }


@pytest.mark.parametrize("formula", [True, False])
def test_the_calculation_chain_goes_with_all_that_names_it_where_formulas_come(
    formula: bool, foreign: Path, tmp_path: Path, parts_of: Callable[[Path], Parts]
) -> None:
    after = parts_of(with_sheets(foreign, tmp_path / "out.xlsx", new_sheet(formula=formula)))
    listed = [part for part in ("[Content_Types].xml", "xl/_rels/workbook.xml.rels") if b"calcChain" in after[part]]
    assert ("xl/calcChain.xml" in after) is not formula
    assert bool(listed) is not formula
    assert lines(after, "xl/workbook.xml", "calcPr") == [{"calcId": "191029", "fullCalcOnLoad": "1"}]


def test_the_document_properties_name_the_sheet_behind_the_other_worksheets(grafted: tuple[Parts, Parts]) -> None:
    root = etree.fromstring(grafted[1]["docProps/app.xml"])
    titles = root.find("{*}TitlesOfParts/{*}vector")
    assert [title.text for title in titles] == ["Data", "Model", "New", "Chart", "rate"]
    assert titles.get("size") == "5"
    assert [count.text for count in root.iter(f"{{{VARIANT}}}i4")] == ["3", "1", "1"]


def test_document_properties_that_were_wrong_lose_their_titles(foreign: Path, tmp_path: Path, parts_of) -> None:
    book = Workbook.open(foreign)
    book.package.write("docProps/app.xml", APP.replace("<vt:lpstr>Model<", "<vt:lpstr>Other<").encode())
    book.add(new_sheet())
    book.save(tmp_path / "out.xlsx")
    root = etree.fromstring(parts_of(tmp_path / "out.xlsx")["docProps/app.xml"])
    assert [etree.QName(e).localname for e in root] == ["Application"]


def test_taking_the_sheet_out_again_leaves_no_trace_of_it(foreign: Path, tmp_path: Path, parts_of) -> None:
    before = parts_of(foreign)
    grafted = with_sheets(foreign, tmp_path / "out.xlsx", new_sheet(formula=False))
    book = Workbook.open(grafted)
    book.remove("New")
    book.save(grafted, force=True)
    after = parts_of(grafted)
    assert set(after) == set(before)
    for part in ("[Content_Types].xml", "docProps/app.xml", "xl/_rels/workbook.xml.rels"):
        assert etree.tostring(etree.fromstring(after[part]), method="c14n") == etree.tostring(
            etree.fromstring(before[part]), method="c14n"
        )
    for tag in ("sheet", "workbookView", "definedName"):
        assert lines(after, "xl/workbook.xml", tag) == lines(before, "xl/workbook.xml", tag)


def test_another_run_that_replaces_its_own_sheets_gives_the_same_parts(foreign: Path, tmp_path: Path, parts_of) -> None:
    runs = []
    source = foreign
    for run in range(3):
        book = Workbook.open(source)
        for name in [sheet.name for sheet in book.sheets if sheet.ours]:
            book.remove(name)
        for name in ("One", "Two"):
            book.add(new_sheet(name))
        source = tmp_path / f"run{run}.xlsx"
        book.save(source)
        runs.append(parts_of(source))
    assert set(runs[0]) == set(runs[1])
    assert runs[1] == runs[2]


def test_an_own_sheet_before_others_goes_and_the_tabs_behind_it_move_up(
    foreign: Path, tmp_path: Path, parts_of
) -> None:
    book = Workbook.open(foreign)
    book.names.set(MARK, '"1"', "Data", hidden=True)
    book.remove("Data")
    book.save(tmp_path / "out.xlsx")
    after = parts_of(tmp_path / "out.xlsx")
    assert [line["name"] for line in lines(after, "xl/workbook.xml", "sheet")] == ["Chart", "Model"]
    assert lines(after, "xl/workbook.xml", "workbookView") == [{"firstSheet": "0", "activeTab": "1"}]
    scopes = {line["name"]: line.get("localSheetId") for line in lines(after, "xl/workbook.xml", "definedName")}
    assert scopes["solver_opt"] == "1"


def test_a_name_that_is_taken_is_refused_whatever_its_capitals_and_a_free_one_is_offered(foreign: Path) -> None:
    book = Workbook.open(foreign)
    assert [book.free_name(name) for name in ("data", "CHART", "New")] == ["data (2)", "CHART (2)", "New"]
    with pytest.raises(XlcollabError, match="has a sheet 'MODEL' already"):
        book.add(new_sheet("MODEL"))
