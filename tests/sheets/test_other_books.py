"""A report inside somebody else's workbook leaves that workbook's own parts as they are."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from xlcollab.fitting import fit
from xlcollab.rating_files import read_excel
from xlcollab.sheets.report import write_report
from xlcollab.xlsx.workbook import Workbook

MAY_CHANGE = {
    "[Content_Types].xml",
    "docProps/app.xml",
    "xl/_rels/workbook.xml.rels",
    "xl/styles.xml",
    "xl/workbook.xml",
}


@pytest.fixture(scope="module")
def course(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    source = shared / "data" / "collab_filter.xlsx"
    target = tmp_path_factory.mktemp("course") / "result.xlsx"
    write_report(fit(read_excel(source), solver="scipy"), target, book=source)
    return source, target


def test_only_the_parts_that_list_sheets_and_styles_change(course: tuple[Path, Path]) -> None:
    with ZipFile(course[0]) as before, ZipFile(course[1]) as after:
        assert set(before.namelist()) - set(after.namelist()) == {"xl/calcChain.xml"}
        kept = set(before.namelist()) & set(after.namelist())
        assert {name for name in kept if before.read(name) != after.read(name)} == MAY_CHANGE


def test_its_sheets_come_first_and_its_solver_models_stay(course: tuple[Path, Path]) -> None:
    before, after = (Workbook.open(path) for path in course)
    names = [sheet.name for sheet in before.sheets]
    assert [sheet.name for sheet in after.sheets][: len(names)] == names
    stored = {(name.name, name.sheet): name.text for name in after.names}
    assert all(stored[name.name, name.sheet] == name.text for name in before.names)


def test_an_independent_engine_agrees_with_every_value(course: tuple[Path, Path], wrong_values) -> None:
    assert wrong_values(course[1]) == []


def test_microsofts_validator_finds_no_error(course: tuple[Path, Path], sdk_errors) -> None:
    assert sdk_errors(course[1]) == ""
