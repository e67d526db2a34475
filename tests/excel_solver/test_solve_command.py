"""``xlcollab solve`` and ``xlcollab inspect`` as people and scripts see them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xlcollab.cli import main

KEYS = [
    "sheet", "objective", "engine", "sense", "variables", "constraints", "start", "value", "saved", "code", "message",
    "seconds", "evaluations",
]  # fmt: skip
GOOD = {"cells": {"A1": 1, "B1": "=(A1-3)^2+4", "C1": "=B1*2"}, "objective": "B1", "changing": "A1"}
BROKEN = {**GOOD, "names": {"solver_opt": "Broken!#REF!"}, "sheet": "Broken"}
LIMITED = {  # stopped by its iteration limit
    "cells": {"A1": -1.2, "A2": 1, "B1": "=100*(A2-A1^2)^2+(1-A1)^2"},
    "objective": "B1",
    "changing": "A1:A2",
    "names": {"solver_itr": "2"},
}


def command(*arguments: object) -> Result:
    """Run it in this process; `test_stopping` starts real ones."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def two_models(write_models, books) -> Path:
    return write_models(books.Model(**GOOD), books.Model(**BROKEN))


def test_json_has_the_promised_keys_and_nothing_else_on_stdout(solver_book, tmp_path: Path) -> None:
    path, out = solver_book(**GOOD), tmp_path / "out.xlsx"
    done = command("solve", path, "-o", out, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert list(document) == ["book", "output", "models"]
    assert (document["book"], document["output"]) == (str(path), str(out))
    (model,) = document["models"]
    assert list(model) == KEYS
    seconds, evaluations = model.pop("seconds"), model.pop("evaluations")
    assert seconds > 0
    assert evaluations > 1
    value, message = model.pop("value"), model.pop("message")
    assert value == pytest.approx(4)
    assert message.startswith("Solver found a solution. All Constraints and optimality conditions are satisfied.")
    assert model == {
        "sheet": "Model", "objective": "Model!$B$1", "engine": "GRG Nonlinear", "sense": "min", "variables": 1,
        "constraints": 0, "start": 8.0, "saved": 8.0, "code": 0,
    }  # fmt: skip


def test_the_table_goes_to_stdout_and_notes_to_stderr(tmp_path: Path, books, solver_book) -> None:
    path, out = tmp_path / "bare.xlsx", tmp_path / "out.xlsx"
    books.write(path, [books.Model(**GOOD)], cached=False)
    done = command("solve", path, "-o", out)
    assert done.exit_code == 0
    header, row, wrote = done.stdout.splitlines()
    assert header.split() == ["sheet", "objective", "engine", "saved", "now", "how", "it", "ended"]
    assert row.split()[:2] == ["Model", "Model!$B$1"]
    assert wrote == f"Wrote {out}"
    assert "nothing to check them against" in done.stderr
    quiet = command("solve", solver_book(**GOOD), "-o", tmp_path / "quiet.xlsx", "--quiet")
    assert len(quiet.stdout.splitlines()) == 2
    assert quiet.stderr == ""


def test_4_some_models_were_solved_and_written_and_the_others_are_named(two_models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    done = command("solve", two_models, "-o", out, "--json")
    assert done.exit_code == 4
    good, broken = json.loads(done.stdout)["models"]
    assert (good["code"], broken["code"]) == (0, 13)
    assert "#REF!" in broken["message"]
    assert (broken["start"], broken["value"]) == (None, None)
    assert out.exists()


def test_1_where_none_was_solved_and_nothing_is_written(two_models: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    done = command("solve", two_models, "-o", out, "--sheet", "Broken", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["output"] is None
    assert not out.exists()


@pytest.mark.parametrize("how", ["limit", "some broken"])
def test_3_strict_writes_nothing_unless_all_were_solved(solver_book, two_models: Path, tmp_path: Path, how) -> None:
    path = solver_book(**LIMITED, file="limited.xlsx") if how == "limit" else two_models
    out = tmp_path / "out.xlsx"
    done = command("solve", path, "-o", out, "--strict", "--restarts", "1")
    assert done.exit_code == 3
    assert done.stderr.startswith("Error: Sheet ")
    assert done.stderr.endswith("Nothing was written.\n")
    assert not out.exists()
    as_json = command("solve", path, "-o", out, "--strict", "--restarts", "1", "--json")
    assert as_json.exit_code == 3
    assert set(json.loads(as_json.stdout)["error"]) == {"sheet", "cell", "message"}
    without = command("solve", path, "-o", out, "--restarts", "1")
    assert without.exit_code == (0 if how == "limit" else 4)
    assert out.exists()


def test_in_place_writes_into_the_book_and_nothing_overwrites_without_being_told(solver_book, tmp_path: Path) -> None:
    path, other = solver_book(**GOOD), tmp_path / "other.xlsx"
    before = path.read_bytes()
    other.write_bytes(b"mine")
    assert command("solve", path).exit_code == 0
    assert path.read_bytes() == before
    refused = command("solve", path, "-o", other)
    assert (refused.exit_code, other.read_bytes()) == (1, b"mine")
    assert "--force" in refused.stderr
    assert command("solve", path, "-o", other, "--in-place").exit_code == 2
    done = command("solve", path, "--in-place", "--json")
    assert json.loads(done.stdout)["output"] == str(path)
    assert path.read_bytes() != before


def test_the_engine_can_be_overruled(solver_book) -> None:
    path = solver_book(**{**GOOD, "engine": "lp"})
    assert json.loads(command("solve", path, "--json").stdout)["models"][0]["code"] == 7
    overruled = json.loads(command("solve", path, "--engine", "grg", "--json").stdout)["models"][0]
    assert (overruled["code"], overruled["engine"]) == (0, "GRG Nonlinear")


def test_a_file_without_a_model_is_one_sentence(tmp_path: Path) -> None:
    from openpyxl import Workbook

    Workbook().save(tmp_path / "empty.xlsx")
    done = command("solve", tmp_path / "empty.xlsx")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert "holds no Solver model" in done.stderr


def test_inspect_prints_each_model_in_the_words_of_the_dialog(write_models, books) -> None:
    first = books.Model(
        cells={**{f"A{i}": 0 for i in range(1, 5)}, "B1": "=SUMSQ(A1:A4)+EXP(A1)", "B2": "=SUM(A1:A4)", "C2": 3},
        objective="B1",
        changing="A1:A2,A3:A4",
        constraints=[("B2", ">=", "C2"), ("A3:A4", "int"), ("A1", "<=", "=2*C2"), ("A2", "bin")],
        sheet="It's",
        nonnegative=True,
    )
    second = books.Model(**{**GOOD, "sense": "value", "target": 4.5, "engine": "evolutionary"})
    done = command("inspect", write_models(first, second))
    assert done.exit_code == 0
    expected = """
Solver model on sheet It's
Set Objective: $B$1
To: Min
By Changing Variable Cells: $A$1:$A$2, $A$3:$A$4 (4 cells)
Subject to the Constraints:
    $B$2 >= $C$2
    $A$3:$A$4 = integer
    $A$1 <= 2*C2
    $A$2 = binary
Make Unconstrained Variables Non-Negative: yes
Select a Solving Method: GRG Nonlinear
Size: 4 variables (3 of them whole numbers), 2 constraints
Formulas: 2 in 2 blocks, with EXP, SUM, SUMSQ
Can be solved with: xlcollab solve

Solver model on sheet Model
Set Objective: $B$1
To: Value Of 4.5
By Changing Variable Cells: $A$1 (1 cells)
Make Unconstrained Variables Non-Negative: no
Select a Solving Method: Evolutionary
Size: 1 variables, 0 constraints
Formulas: 1 in 1 blocks, with operators only
Cannot be solved here: the Evolutionary method is not there (--engine grg solves it as a smooth model).
"""
    assert done.stdout.endswith(expected)


def test_inspect_json_says_per_model_what_stands_in_the_way(two_models: Path) -> None:
    good, broken = json.loads(command("inspect", two_models, "--json").stdout)["solver_models"]
    keys = {"sheet", "objective", "sense", "variables", "constraints", "engine", "problem"}
    assert keys <= set(good)
    assert good["problem"] is None
    assert "#REF!" in broken["problem"]
    assert (good["variables"], good["constraints"], good["formulas"]) == (1, 0, 1)
