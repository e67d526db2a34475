from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from xlcollab.xlsx.markup import MAIN
from xlcollab.xlsx.names import DefinedName, Names
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

SHEETS = ["Data", "Model", "Chart"]


def names_of(inner: str) -> tuple[Names, etree._Element, list[str]]:
    root = etree.fromstring(f'<workbook xmlns="{MAIN}"><sheets/>{inner}<calcPr calcId="1"/><extLst/></workbook>')
    touched: list[str] = []
    return Names(root, lambda: SHEETS, lambda: touched.append("x")), root, touched


TWO_SCOPES = (
    '<definedNames><definedName name="Rate">Data!$A$1</definedName>'
    '<definedName name="rate" localSheetId="1" hidden="1">0.5</definedName>'
    '<definedName name="solver_adj" localSheetId="1" hidden="true">Model!$A$1,Model!$C$1</definedName>'
    '<definedName name="lost" localSheetId="7">1</definedName></definedNames>'
)


def test_names_are_listed_with_scope_and_whether_they_are_hidden() -> None:
    names, _, _ = names_of(TWO_SCOPES)
    assert list(names) == [
        DefinedName("Rate", "Data!$A$1"),
        DefinedName("rate", "0.5", "Model", True),
        DefinedName("solver_adj", "Model!$A$1,Model!$C$1", "Model", True),
    ]


def test_a_sheets_own_name_is_found_before_the_workbooks_whatever_the_capitals() -> None:
    names, _, _ = names_of(TWO_SCOPES)
    assert names.find("RATE") == DefinedName("Rate", "Data!$A$1")
    assert names.find("RATE", "model") == DefinedName("rate", "0.5", "Model", True)
    assert names.find("RATE", "Data") == DefinedName("Rate", "Data!$A$1")
    assert names.find("solver_adj") is None
    assert names.find("none", "Model") is None


def test_setting_a_name_redefines_only_that_scope() -> None:
    names, _, touched = names_of(TWO_SCOPES)
    names.set("RATE", "1", "Model")
    names.set("Rate", "2", "Data", hidden=True)
    assert [name for name in names if name.name.lower() == "rate"] == [
        DefinedName("Rate", "Data!$A$1"),
        DefinedName("rate", "1", "Model", False),
        DefinedName("Rate", "2", "Data", True),
    ]
    assert touched


def test_the_first_name_of_a_book_goes_where_the_schema_wants_it() -> None:
    names, root, _ = names_of("")
    names.set("Rate", "Data!$A$1")
    assert [etree.QName(e).localname for e in root] == ["sheets", "definedNames", "calcPr", "extLst"]


def test_the_last_name_takes_its_list_along_because_an_empty_one_is_not_valid() -> None:
    names, root, _ = names_of('<definedNames><definedName name="a">1</definedName></definedNames>')
    assert names.remove("A")
    assert not names.remove("A")
    assert [etree.QName(e).localname for e in root] == ["sheets", "calcPr", "extLst"]


def test_a_name_for_nothing_is_refused_because_excel_would_repair_the_file() -> None:
    names, _, _ = names_of("")
    with pytest.raises(ValueError, match="Rate"):
        names.set("Rate", "")


def test_a_removed_sheet_takes_its_names_and_moves_those_behind_it() -> None:
    names, _, _ = names_of(
        '<definedNames><definedName name="a" localSheetId="0">1</definedName>'
        '<definedName name="b" localSheetId="1">2</definedName>'
        '<definedName name="c" localSheetId="2">3</definedName><definedName name="d">4</definedName></definedNames>'
    )
    names.forget_sheet(1)
    scopes = [(name.name, name.sheet) for name in names]
    assert scopes == [("a", "Data"), ("c", "Model"), ("d", None)]  # the sheet list of this test stays: 2 became 1


def test_the_108_solver_names_of_the_course_survive_a_new_sheet_and_its_removal(shared: Path, tmp_path: Path) -> None:
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    before = list(book.names)
    assert len(before) == 108
    sheet = NewSheet("Summary")
    sheet.define("solver_opt", "Summary!$A$1", hidden=True)
    book.add(sheet)
    book.save(tmp_path / "added.xlsx")
    book = Workbook.open(tmp_path / "added.xlsx")
    assert [name for name in book.names if name.sheet != "Summary"] == before
    assert book.names.find("solver_opt", "Summary") == DefinedName("solver_opt", "Summary!$A$1", "Summary", True)
    book.remove("Summary")
    assert list(book.names) == before


def test_names_with_signs_that_xml_escapes_are_read_and_written(raw_book: Callable[..., Path], tmp_path: Path) -> None:
    book = Workbook.open(raw_book())
    book.names.set("check", "IF(Sheet1!$A$1<2,\"a & b\",'it''s'!$A$1)")
    book.save(tmp_path / "named.xlsx")
    found = Workbook.open(tmp_path / "named.xlsx").names.find("check")
    assert found is not None
    assert found.text == "IF(Sheet1!$A$1<2,\"a & b\",'it''s'!$A$1)"
