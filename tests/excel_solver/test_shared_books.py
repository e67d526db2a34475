"""The course's workbook and other people's Solver models, which are not ours to ship."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import pytest

from xlcollab.excel_solver.model import Relation
from xlcollab.excel_solver.names import read_models
from xlcollab.excel_solver.outcome import Code
from xlcollab.excel_solver.solve import SolveReport, solve
from xlcollab.xlsx.cells import Area, address
from xlcollab.xlsx.workbook import Workbook


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


REPAIRED = {
    # teams of 14, so that four of them are the 56 that $P$60 asks for; 28 would be fewer than the 34 of $P$8:$P$41
    "division_224_binary": ({"solver_rhs2": "14"}, Code.WITHIN_TOLERANCE, 3.9),
    # the eight teams have 7 members each, and not each cell the value 7
    "schedule_448_binary": ({"solver_lhs1": "Sheet1!$H$64:$O$64"}, Code.CONVERGED, 1.82817),
}


@pytest.mark.parametrize("name", REPAIRED)
def test_the_infeasible_cases_are_solved_once_they_are_repaired(
    shared: Path, tmp_path: Path, name: str, recalculated, wrong_values
) -> None:
    changes, code, known = REPAIRED[name]
    book = Workbook.open(shared / "cases" / f"{name}.xlsx")
    for option, text in changes.items():
        book.names.set(option, text, "Sheet1", hidden=True)
    repaired, out = tmp_path / "repaired.xlsx", tmp_path / "solved.xlsx"
    book.save(repaired)
    (model,) = solve(repaired, out).models
    assert model.code == code, model.message
    assert wrong_values(out) == []
    cells = recalculated(out)["Sheet1"]
    assert cells["H68"] == pytest.approx(model.value, rel=1e-9)
    assert model.value <= known * 1.01 if name.startswith("division") else model.value >= known - 1e-5
    (stored,) = read_models(Workbook.open(repaired))
    for constraint in stored.constraints:
        area = Area.parse(constraint.left.rpartition("!")[2])
        values = [cells.get(address(*place)) or 0.0 for place in area.cells()]
        if constraint.relation is Relation.BIN:
            assert set(values) <= {0.0, 1.0}
        else:
            assert constraint.relation is Relation.EQ
            assert values == pytest.approx([float(constraint.right)] * len(values), abs=1e-6)
    changing = [cells.get(address(row, col)) or 0.0 for _, row, col in stored.cells()]
    assert min(changing) >= 0  # Make Unconstrained Variables Non-Negative
