"""Ctrl-C and callbacks that say stop: the best point so far is kept and written, and what never began is named."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import xlcollab as xc
from xlcollab.errors import NotConvergedError
from xlcollab.excel_solver.assemble import assemble
from xlcollab.excel_solver.outcome import Code

# Minima without number: multistart goes on until it is stopped.
ENDLESS = {
    "cells": {**{f"A{i}": 0.3 * i for i in range(1, 7)}, "B1": "=60+SUMPRODUCT(A1:A6^2-10*COS(2*PI()*A1:A6))"},
    "objective": "B1",
    "changing": "A1:A6",
    "names": {"solver_msl": "1", "solver_rbv": "2", "solver_ssz": "2000000"},
}
# Five rows of a market split (Cornuéjols & Dawande 1998): points at once, a proof not within minutes.
_WEIGHTS = [[(37 * i * i + 61 * j * j + 29 * i * j + 13 * j) % 100 for j in range(35)] for i in range(1, 6)]
_COLUMNS = [chr(65 + j) if j < 26 else "A" + chr(39 + j) for j in range(35)]
SPLIT = {
    "cells": {
        **{f"{c}1": 0 for c in _COLUMNS},
        **{f"{c}2": 0 for c in _COLUMNS[:10]},
        **{f"{c}{3 + i}": w for i, row in enumerate(_WEIGHTS) for c, w in zip(_COLUMNS, row, strict=True)},
        **{f"AK{3 + i}": f"=SUMPRODUCT(A{3 + i}:AI{3 + i},A$1:AI$1)" for i in range(5)},
        **{f"AL{3 + i}": f"=AK{3 + i}+{_COLUMNS[2 * i]}2-{_COLUMNS[2 * i + 1]}2" for i in range(5)},
        **{f"AM{3 + i}": sum(row) // 2 for i, row in enumerate(_WEIGHTS)},
        "A9": "=SUM(A2:J2)",
    },
    "objective": "A9",
    "changing": "A1:AI1,A2:J2",
    "constraints": [("AL3:AL7", "=", "AM3:AM7"), ("A1:AI1", "bin")],
    "engine": "lp",
    "nonnegative": True,
    "names": {"solver_tol": "0"},
}
# The command, with Ctrl-C as at a terminal: a shell's background jobs ignore it.
COMMAND = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from xlcollab.cli import main
main()
"""
# Slices so short that one ends before the bar, which appears after a second, tells us to interrupt.
SLICED = "import xlcollab.excel_solver.linear as linear; linear._SLICE = 0.2" + COMMAND


def interrupt(book: Path, out: Path, command: str) -> subprocess.CompletedProcess[bytes]:
    """Run ``solve`` and send SIGINT, as Ctrl-C does, once its bar shows that it is at work."""
    started = subprocess.Popen(
        [sys.executable, "-c", command, "solve", book, "-o", out, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert started.stderr is not None
    seen = b""
    while b"Model: " not in seen:
        more = started.stderr.read1()
        assert more, seen.decode()
        seen += more
    started.send_signal(signal.SIGINT)
    stdout, stderr = started.communicate(timeout=60)
    return subprocess.CompletedProcess(started.args, started.returncode, stdout, seen + stderr)


@pytest.mark.parametrize(("model", "command"), [(ENDLESS, COMMAND), (SPLIT, SLICED)], ids=["descents", "HiGHS"])
def test_6_ctrl_c_writes_the_best_so_far_and_the_command_ends_as_usual(
    solver_book, tmp_path: Path, model, command, stored_values
) -> None:
    out = tmp_path / "out.xlsx"
    ended = interrupt(solver_book(**model), out, command)
    assert ended.returncode == 0, ended.stderr.decode()
    (found,) = json.loads(ended.stdout)["models"]
    assert found["code"] == Code.STOPPED
    assert found["message"].startswith("Solver stopped at user's request.")
    cells = stored_values(out)["Model"]
    assert cells[model["objective"]][0] == pytest.approx(found["value"])
    if model is ENDLESS:
        assert found["value"] < found["start"]
    else:
        for row in range(3, 8):
            assert cells[f"AL{row}"][0] == pytest.approx(cells[f"AM{row}"][0], abs=1e-6)
        assert {cells[f"{c}1"][0] for c in _COLUMNS} == {0, 1}


def test_6_a_stop_before_there_is_a_point_leaves_the_book_alone(solver_book, tmp_path: Path) -> None:
    report = xc.solve(solver_book(**SPLIT), tmp_path / "out.xlsx", on_progress=Stop())
    assert report.models[0].code == Code.STOPPED
    assert "no answer" in report.models[0].message
    assert (report.output, report.exit_code) == (None, 1)
    assert not (tmp_path / "out.xlsx").exists()


def bowl(n: int, *more: str) -> dict[str, object]:
    """A nonlinear model of n integers whose tree is large: every pair of neighbours pulls."""
    squares = "+".join(f"(A{i}-{i % 7}.5)^2" for i in range(1, n + 1))
    return {
        "cells": {
            **{f"A{i}": 0 for i in range(1, n + 1)},
            "B1": f"={squares}",
            "B2": f"=SUMPRODUCT(A1:A{n - 1},A2:A{n})/3+B1",
            "B3": f"=SUM(A1:A{n})",
        },
        "objective": "B2",
        "changing": f"A1:A{n}",
        "constraints": [(f"A1:A{n}", "int"), (f"A1:A{n}", "<=", "9"), (f"A1:A{n}", ">=", "-9"), ("B3", ">=", "11")],
        "names": {"solver_tol": "0", **dict.fromkeys(more, "1")},
    }


class Stop:
    """A callback that says stop whenever it is asked, and counts how often that was."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, progress: object) -> bool:
        self.calls += 1
        return True


@pytest.mark.parametrize("n", [18, 60])
def test_6_a_stop_inside_a_subproblem_ends_the_whole_search(solver_book, tmp_path: Path, stored_values, n: int) -> None:
    stop, out = Stop(), tmp_path / "out.xlsx"
    (model,) = xc.solve(solver_book(**bowl(n)), out, on_progress=stop).models
    assert model.code == Code.STOPPED, model.message
    assert stop.calls == 1, "it went on after it was told to stop"
    assert model.written == out.exists()
    if model.written:
        cells = stored_values(out)["Model"]
        assert all(cells[f"A{i}"][0] == round(cells[f"A{i}"][0]) for i in range(1, n + 1))


def test_3_an_iteration_limit_in_the_relaxation_never_writes_fractions(solver_book, stored_values, tmp_path) -> None:
    out = tmp_path / "out.xlsx"
    free = bowl(8, "solver_itr")
    free["constraints"] = free["constraints"][:3]  # rounding the relaxation's point meets these
    (model,) = xc.solve(solver_book(**free), out, restarts=1).models
    assert model.code == Code.ITERATION_LIMIT
    assert model.written
    cells = stored_values(out)["Model"]
    assert all(cells[f"A{i}"][0] == round(cells[f"A{i}"][0]) for i in range(1, 9))


def test_6_models_after_the_stop_are_named_and_not_begun(write_models, books, tmp_path: Path) -> None:
    first = books.Model(**{**ENDLESS, "sheet": "First"})
    second = books.Model(cells={"A1": 3, "B1": "=(A1-1)^2"}, objective="B1", changing="A1", sheet="Second")
    report = xc.solve(write_models(first, second), tmp_path / "out.xlsx", on_progress=Stop())
    assert [model.code for model in report.models] == [Code.STOPPED, Code.STOPPED]
    assert [model.written for model in report.models] == [True, False]
    assert "before its turn" in report.models[1].message
    assert report.exit_code == 4


def test_ctrl_c_while_a_later_model_is_compiled_keeps_the_answers_before_it(
    write_models, books, tmp_path: Path, monkeypatch, stored_values
) -> None:
    bowl = {"cells": {"A1": 3, "B1": "=(A1-1)^2"}, "objective": "B1", "changing": "A1"}
    models = [books.Model(**bowl, sheet=name) for name in ("First", "Second", "Third")]

    def interrupted(book, model):
        if model.sheet == "Second":
            raise KeyboardInterrupt
        return assemble(book, model)

    monkeypatch.setattr("xlcollab.excel_solver.solve.assemble", interrupted)
    report = xc.solve(write_models(*models), tmp_path / "out.xlsx")
    assert [model.code for model in report.models] == [Code.SOLVED, Code.STOPPED, Code.STOPPED]
    assert report.models[1].message == "Solver stopped at user's request."
    assert report.exit_code == 4
    cells = stored_values(tmp_path / "out.xlsx")
    assert cells["First"]["A1"][0] == pytest.approx(1, abs=1e-6)
    assert cells["Second"]["A1"][0] == 3


def test_strict_writes_nothing_after_a_stop(solver_book, tmp_path: Path) -> None:
    with pytest.raises(NotConvergedError, match="stopped at user's request"):
        xc.solve(solver_book(**ENDLESS), tmp_path / "out.xlsx", strict=True, on_progress=Stop())
    assert not (tmp_path / "out.xlsx").exists()


def test_progress_tells_the_objective_cell_of_sums_of_squares_too(solver_book, monkeypatch) -> None:
    monkeypatch.setattr("xlcollab.excel_solver.watch._POLL", 0.0)
    cells = {"A1": 5, "B1": "=SQRT(SUMSQ(A1-2,1))"}
    seen: list[float | None] = []
    xc.solve(solver_book(cells, objective="B1", changing="A1"), on_progress=lambda now: seen.append(now.value))
    assert seen[-1] == pytest.approx(1.0, abs=1e-9)
