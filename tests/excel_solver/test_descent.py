"""Descents one by one: where they end, and that one is given up only where it can no longer be the best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xlcollab as xc
from xlcollab.excel_solver.assemble import assemble
from xlcollab.excel_solver.descent import Local, descend
from xlcollab.excel_solver.evaluator import Evaluator
from xlcollab.excel_solver.names import read_models
from xlcollab.excel_solver.outcome import Code
from xlcollab.excel_solver.starts import Minima
from xlcollab.excel_solver.watch import Watch
from xlcollab.xlsx.workbook import Workbook

# Chained Rosenbrock (1960; Toint 1978): L-BFGS creeps along its valley to 0 at (1, …, 1).
N = 70
VALLEY = {
    "cells": {
        **{f"A{i}": -1.2 if i % 2 else 1 for i in range(1, N + 1)},
        **{f"B{i}": f"=100*(A{i + 1}-A{i}^2)^2+(1-A{i})^2" for i in range(1, N)},
        "C1": f"=SUM(B1:B{N - 1})",
    },
    "objective": "C1",
    "changing": f"A1:A{N}",
}


def evaluator_of(path: Path) -> Evaluator:
    book = Workbook.open(path)
    (model,) = read_models(book)
    problem, _ = assemble(book, model)
    return Evaluator(problem, Watch(model.options, None, model.sheet))


def descended(evaluator: Evaluator, best: float = np.inf) -> Local:
    return descend(evaluator, evaluator.problem.start, np.ones(N), 2000, 1e-4, best)


@pytest.fixture
def valley(solver_book) -> Evaluator:
    return evaluator_of(solver_book(**VALLEY))


def test_a_descent_that_creeps_too_slowly_to_be_the_best_is_given_up(valley) -> None:
    free = descended(valley)
    assert not free.limited
    whole = valley.evaluations
    given_up = descended(valley, best=-1e6)
    assert given_up.limited
    assert given_up.merit > free.merit
    assert valley.evaluations - whole < whole


def test_a_descent_that_may_still_be_the_best_goes_to_its_end(valley) -> None:
    free = descended(valley)
    raced = descended(valley, best=free.merit + 1e-3)
    np.testing.assert_array_equal(raced.x, free.x)


def test_parameters_of_very_different_size_do_not_slow_a_descent_down(solver_book) -> None:
    """Fitting 70 parameters to 70 targets, each on a scale of its own: the metric measures the scales."""
    sizes = 10.0 ** np.linspace(-3, 3, N)
    cells = {f"A{i}": 0 for i in range(1, N + 1)} | {f"B{i}": float(s) for i, s in enumerate(sizes, 1)}
    cells |= {f"C{i}": f"=B{i}*A{i}+SUM($A$1:$A${N})/100-1" for i in range(1, N + 1)}
    cells["D1"] = f"=SUMSQ(C1:C{N})"
    local = descended(evaluator_of(solver_book(cells, objective="D1", changing=f"A1:A{N}")))
    assert not local.limited
    assert local.merit == pytest.approx(0, abs=1e-9)


def test_a_metric_is_measured_where_the_objective_is_no_sum_of_squares(solver_book) -> None:
    """Σ wᵢ(eˣⁱ − xᵢ) + (Σ xᵢ)²/1000 is convex with its minimum at 0, and curved 10⁶ times more one way than another."""
    weights = 10.0 ** np.linspace(-3, 3, N)
    cells = {f"A{i}": 1 for i in range(1, N + 1)} | {f"B{i}": float(w) for i, w in enumerate(weights, 1)}
    cells |= {f"C{i}": f"=B{i}*(EXP(A{i})-A{i})" for i in range(1, N + 1)}
    cells["D1"] = f"=SUM(C1:C{N})+SUM(A1:A{N})^2/1000"
    local = descended(evaluator_of(solver_book(cells, objective="D1", changing=f"A1:A{N}")))
    assert not local.limited
    np.testing.assert_allclose(local.x, 0, atol=1e-2)
    assert local.merit == pytest.approx(weights.sum(), rel=1e-9)


def test_an_unfinished_descent_is_no_minimum_and_keeps_the_search_going() -> None:
    minima = Minima()
    for _ in range(6):
        minima.add(1.0)
    minima.add(5.0, finished=False)
    assert (minima.found, minima.unfinished, minima.starts) == ([1.0], 1, 7)
    assert not minima.complete
    ended = Minima()
    for _ in range(7):
        ended.add(1.0)
    assert ended.complete


def test_the_message_counts_minima_and_unfinished_descents_apart(solver_book) -> None:
    ended = xc.solve(solver_book(**VALLEY), restarts=3).models[0].message
    assert "3 starts" in ended
    assert "unfinished" not in ended
    cut = xc.solve(solver_book(**VALLEY, names={"solver_itr": "7"}), restarts=3).models[0].message
    assert "3 unfinished descents from 3 starts" in cut


@pytest.mark.parametrize("limit", ["0", "101"])
def test_a_last_round_cut_short_is_at_the_limit_and_not_crawling(solver_book, limit: str) -> None:
    (model,) = xc.solve(solver_book(**VALLEY, names={"solver_itr": limit}), restarts=1).models
    assert model.code == Code.ITERATION_LIMIT
    assert "still falls" not in model.message


@pytest.mark.parametrize(
    "objective", [f"=SUM(B1:B{N - 1})+B{N}^2", f"=SUMSQ(D1:D{N - 1},E1:E{N - 1},B{N})"], ids=["sum", "squares"]
)
def test_an_infinite_slope_leaves_the_metric_finite(solver_book, objective: str) -> None:
    """Of a square root at its least, 0; the other variables go on to their minimum."""
    cells = {**VALLEY["cells"], f"A{N + 1}": 0, f"B{N}": f"=1+SQRT(A{N + 1})", "C1": objective}
    cells |= {f"D{i}": f"=10*(A{i + 1}-A{i}^2)" for i in range(1, N)} | {f"E{i}": f"=1-A{i}" for i in range(1, N)}
    evaluator = evaluator_of(solver_book(cells, objective="C1", changing=f"A1:A{N + 1}"))
    local = descend(evaluator, evaluator.problem.start, np.ones(N + 1), 2000, 1e-4)
    np.testing.assert_allclose(local.x, [1.0] * N + [0.0], atol=1e-3)


# Eight users and items of four factors through a TANH: the least error lies at infinite factors, along curved valleys.
RATINGS = np.random.default_rng(1).integers(1, 6, (8, 8))
USERS = np.random.default_rng(2).normal(0, 0.3, (8, 4))
NO_MINIMUM = {
    "cells": {
        **{f"{c}{i + 1}": float(USERS[i, k]) for i in range(8) for k, c in enumerate("ABCD")},
        **{f"{c}{k + 20}": float(USERS[j, k]) for j, c in enumerate("JKLMNOPQ") for k in range(4)},
        **{f"{c}{i + 30}": int(RATINGS[i, j]) for i in range(8) for j, c in enumerate("JKLMNOPQ")},
        **{f"{c}{i}": f"=3+2.5*TANH(MMULT($A{i}:$D{i},{c}$20:{c}$23))" for i in range(1, 9) for c in "JKLMNOPQ"},
        "A60": "=SUMXMY2(J1:Q8,J30:Q37)",
    },
    "objective": "A60",
    "changing": "A1:D8,J20:Q23",
}


def test_an_objective_that_falls_forever_ends_as_converged_and_says_why(solver_book) -> None:
    (model,) = xc.solve(solver_book(**NO_MINIMUM), restarts=3).models
    assert model.code == 1
    assert "3 unfinished descents from 3 starts" in model.message
    assert "still falls, ever more slowly" in model.message


def test_a_smaller_convergence_follows_it_further(solver_book) -> None:
    (usual,) = xc.solve(solver_book(**NO_MINIMUM), restarts=1).models
    (patient,) = xc.solve(solver_book(**NO_MINIMUM, names={"solver_cvg": "0.00001"}), restarts=1).models
    assert patient.value < usual.value
    assert patient.evaluations > usual.evaluations
