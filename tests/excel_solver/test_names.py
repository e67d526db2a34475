"""Stored names ↔ SolverModel: what each variant in the wild means."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xlcollab.excel_solver.model import Constraint, Engine, Relation, Sense
from xlcollab.excel_solver.names import minimise_model, read_models, solver_names
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.workbook import Workbook

CELLS = {"A1": 1, "A2": 2, "B1": "=A1*3+A2"}
MODEL = {"cells": CELLS, "objective": "B1", "changing": "A1:A2"}


def test_the_lessons_model_has_the_27_names_of_the_course(shared: Path) -> None:
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    stored = {n.name: n.text for n in book.names if n.sheet == "dotprod" and n.name.startswith("solver_")}
    ours = dict(solver_names(minimise_model("dotprod", "V41", [Area.parse("H19:V23"), Area.parse("B25:F39")])))
    assert len(ours) == 27
    assert ours == stored


def test_names_that_are_written_are_read_back_as_the_same_model(solver_book, stored_model) -> None:
    constraints = [("A1:A2", "<=", "B1"), ("A1", ">=", "-3"), ("B1", "=", "=2*$A$1+1%"), ("A2", "int"), ("A1", "bin")]
    path = solver_book(**MODEL, sheet="It's", constraints=constraints, sense="value", target=2.5, nonnegative=True)
    model = stored_model(path)
    book = Workbook.open(path)
    for name, text in solver_names(model):
        book.names.set(name, text, "It's", hidden=True)
    assert read_models(book) == [model]
    assert model.sense is Sense.VALUE
    assert model.target == 2.5


def test_constraints_above_the_stored_number_are_stale_leftovers(solver_book, stored_model) -> None:
    model = stored_model(
        solver_book(**MODEL, constraints=[("A1", ">=", "1"), ("A1", ">=", "9")], names={"solver_num": "1"})
    )
    assert model.constraints == (Constraint("Model!$A$1", Relation.GE, "1"),)


@pytest.mark.parametrize("word", ["integer", '"integer"', '"número inteiro"', '"entero"', '"binaire"'])
def test_the_relation_counts_and_not_the_localised_word(solver_book, stored_model, word: str) -> None:
    model = stored_model(solver_book(**MODEL, constraints=[("A1", "int")], names={"solver_rhs1": word}))
    assert model.constraints == (Constraint("Model!$A$1", Relation.INT),)


@pytest.mark.parametrize(("linear", "engine"), [("1", Engine.LP), ("2", Engine.GRG), (None, Engine.GRG)])
def test_excel_2007_asks_for_simplex_by_assume_linear(solver_book, stored_model, linear, engine) -> None:
    old = {"solver_eng": None, "solver_ver": None, "solver_neg": None, "solver_lin": linear}
    model = stored_model(solver_book(**MODEL, names=old))
    assert model.engine is engine
    assert model.nonnegative is False
    assert (model.options.max_time, model.options.iterations, model.options.tolerance) == (100, 100, 0.05)


def test_engines_of_other_add_ins_are_told_apart(solver_book, stored_model) -> None:
    assert stored_model(solver_book(**MODEL, names={"solver_eng": "6", "solver_ver": "16"})).engine is Engine.FOREIGN
    opensolver = {"solver_eng": None, "solver_ver": None, "OpenSolver_ChosenSolver": "CBC"}
    assert stored_model(solver_book(**MODEL, names=opensolver)).engine is Engine.FOREIGN


def test_a_sense_that_is_not_stored_is_the_default_of_who_stored_the_model(solver_book, stored_model) -> None:
    assert stored_model(solver_book(**MODEL, names={"solver_typ": None})).sense is Sense.MAX
    opensolver = {"solver_typ": None, "solver_ver": None, "OpenSolver_ChosenSolver": "CBC"}
    assert stored_model(solver_book(**MODEL, names=opensolver)).sense is Sense.MIN


def test_overlapping_areas_of_changing_cells_count_once(solver_book, stored_model) -> None:
    model = stored_model(solver_book(CELLS, objective="B1", changing="A1:A2,A2:A3"))
    assert model.n_variables == 3


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ({"solver_opt": "Model!#REF!"}, "#REF!"),
        ({"solver_opt": None}, "no objective"),
        ({"solver_adj": None}, "no changing cells"),
        ({"solver_adj": "Model!$A$1,Model!#REF!"}, "#REF!"),
        ({"solver_opt": "Model!$B$1:$B$2"}, "single cell"),
        ({"solver_opt": "Gone!$B$1"}, "no cell of this workbook"),
        ({"solver_opt": "[1]Model!$B$1"}, "another workbook"),
        ({"solver_num": "1", "solver_lhs1": "Model!#REF!", "solver_rel1": "1", "solver_rhs1": "4"}, "Constraint 1"),
        ({"solver_num": "2"}, "incomplete"),
    ],
)
def test_each_broken_model_says_what_is_broken(solver_book, stored_model, names, says: str) -> None:
    assert says in stored_model(solver_book(**MODEL, names=names)).problem


def test_a_report_sheet_with_one_lone_option_holds_no_model(solver_book) -> None:
    lone = {"solver_typ": None, "solver_num": None, "solver_sho": "2"}
    assert read_models(Workbook.open(solver_book(CELLS, names=lone))) == []


def test_listing_and_describing_models_loads_no_numpy(solver_book) -> None:
    code = (
        "import sys; from xlcollab.xlsx.workbook import Workbook;"
        "from xlcollab.excel_solver.names import read_models; from xlcollab.excel_solver.words import describe;"
        "book = Workbook.open(sys.argv[1]); print(describe(book, read_models(book)[0]));"
        "sys.exit('numpy' in sys.modules)"
    )
    path = solver_book(**MODEL, constraints=[("A1:A2", "<=", "9")], engine="lp")
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in ("Set Objective: $B$1", "To: Min", "$A$1:$A$2 (2 cells)", "$A$1:$A$2 <= 9", "Simplex LP"):
        assert words in done.stdout
