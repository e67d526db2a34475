"""The shipped result is what ``xlcollab fit workbooks/movielens_15x15.xlsx`` writes."""

from __future__ import annotations

import re
from pathlib import Path
from zipfile import ZipFile

import pytest

from xlcollab.fitting import PLAIN_SOLVERS, fit
from xlcollab.rating_files import read_excel
from xlcollab.sheets.report import write_report
from xlcollab.xlsx.workbook import Workbook

WORKBOOKS = Path(__file__).resolve().parents[2] / "workbooks"
SHIPPED = WORKBOOKS / "movielens_15x15_result.xlsx"


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = WORKBOOKS / "movielens_15x15.xlsx"
    target = tmp_path_factory.mktemp("golden") / "result.xlsx"
    fits = [fit(read_excel(source), solver=solver, seed=42) for solver in PLAIN_SOLVERS]
    write_report(fits, target, book=source)
    return target


def test_the_parts_are_the_same(rebuilt: Path) -> None:
    with ZipFile(SHIPPED) as shipped, ZipFile(rebuilt) as new:
        assert new.namelist() == shipped.namelist()
        for part in ("xl/styles.xml", "xl/workbook.xml", "[Content_Types].xml", "xl/_rels/workbook.xml.rels"):
            assert new.read(part) == shipped.read(part), part


def test_formulas_and_the_style_of_each_cell_are_the_same(rebuilt: Path) -> None:
    shipped, new = Workbook.open(SHIPPED), Workbook.open(rebuilt)
    assert [sheet.name for sheet in new.sheets] == [sheet.name for sheet in shipped.sheets]
    for sheet in shipped.sheets:
        ours = new.sheet(sheet.name).cells
        # The order of these lists follows numbers that differ in the last digits between machines.
        loose = sheet.name in {"Recommendations", "Similar"}
        assert ours.keys() == sheet.cells.keys()
        for place, cell in sheet.cells.items():
            assert ours[place].style == cell.style, (sheet.name, place)
            if not loose:
                assert ours[place].formula == cell.formula, (sheet.name, place)


def test_scipys_values_are_the_same_to_a_millionth(rebuilt: Path) -> None:
    ours = Workbook.open(rebuilt).sheet("scipy").cells
    for place, cell in Workbook.open(SHIPPED).sheet("scipy").cells.items():
        expected = pytest.approx(cell.value, abs=1e-6) if isinstance(cell.value, float) else cell.value
        assert ours[place].value == expected, place


def test_torchs_rmse_is_the_same_to_two_hundredths(rebuilt: Path) -> None:
    rmse = [Workbook.open(path).sheet("torch").cells[42, 22].value for path in (SHIPPED, rebuilt)]
    assert rmse[0] == pytest.approx(rmse[1], abs=0.02)


def test_the_lesson_s_cells_are_where_the_lesson_has_them() -> None:
    book = Workbook.open(SHIPPED)
    dot, bias = book.sheet("scipy").cells, book.sheet("torch").cells
    assert dot[41, 22].formula.text == "SQRT(SUMXMY2(H2:V16,H25:V39)/COUNT(H2:V16))"
    assert dot[25, 8].formula.text == 'IF(H2="",0,MMULT($B25:$F25,H$19:H$23))'
    assert dot[41, 22].value == pytest.approx(0.39290079, abs=5e-9)
    assert bias[42, 22].formula.text == "SQRT(SUMXMY2(H2:V16,H26:V40)/COUNT(H2:V16))"
    assert re.match(r'IF\(H2="",0,.*MMULT\(\$B26:\$F26,H\$20:H\$24\)', bias[26, 8].formula.text)


def test_an_independent_engine_agrees_with_every_value(wrong_values) -> None:
    assert wrong_values(SHIPPED) == []


def test_microsofts_validator_finds_no_error(sdk_errors) -> None:
    assert sdk_errors(SHIPPED) == ""
