"""The course's workbook and other people's Solver models, which are not ours to ship."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from xlcollab.excel_solver.solve import SolveReport, solve


@pytest.fixture(scope="module")
def course(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, SolveReport]:
    source = shared / "data" / "collab_filter.xlsx"
    return source, solve(source, output=tmp_path_factory.mktemp("solved") / "solved.xlsx")


def test_both_models_of_the_course_reach_the_least_rmse_known(course: tuple[Path, SolveReport]) -> None:
    models = {model.sheet: model for model in course[1].models}
    assert models["dotprod"].value <= 0.39290080
    assert models["bias"].value <= 0.31865498
    for broken in ("movielens_1hot", "movielens_emb"):
        assert models[broken].code == 13
        assert "#REF!" in models[broken].message
    assert course[1].exit_code == 4


def test_only_the_sheets_that_depend_on_them_change(course: tuple[Path, SolveReport]) -> None:
    source, report = course
    with ZipFile(source) as before, ZipFile(report.output) as after:
        assert before.namelist() == after.namelist()
        changed = {name for name in before.namelist() if before.read(name) != after.read(name)}
    assert changed == {"xl/workbook.xml", *(f"xl/worksheets/sheet{number}.xml" for number in range(1, 5))}


def test_an_independent_engine_agrees_with_every_value(course: tuple[Path, SolveReport], wrong_values) -> None:
    assert wrong_values(course[1].output) == []


def test_microsofts_validator_finds_no_error(course: tuple[Path, SolveReport], sdk_errors) -> None:
    assert sdk_errors(course[1].output) == ""


def test_the_integer_program_is_solved(shared: Path, tmp_path: Path) -> None:
    (model,) = solve(shared / "cases" / "integer_program.xlsx", output=tmp_path / "out.xlsx").models
    assert model.value == pytest.approx(30)


@pytest.mark.parametrize(
    ("name", "conflict"),
    [("division_224_binary", "$P$60 = 56; $H$64:$K$64 = 7"), ("schedule_448_binary", "$H$2 = 7; $H$2 = binary")],
)
def test_what_cannot_hold_is_named_and_no_file_is_written(
    shared: Path, tmp_path: Path, name: str, conflict: str
) -> None:
    report = solve(shared / "cases" / f"{name}.xlsx", output=tmp_path / "out.xlsx")
    (model,) = report.models
    assert model.code == 5
    assert conflict in model.message
    assert list(tmp_path.iterdir()) == []
