"""Solving models far beyond what Excel's add-in takes; `bench_formula.py` times the formulas and their gradients.

    python tests/benchmarks/bench_solve.py

Asked for: a 500×200 crosstab with 5 factors (3,500 changing cells, 100,000 predictions as formulas) and a linear
program of 10,000 variables × 2,000 constraints solved in seconds. Exit code 1 where one of them is not solved.
LibreOffice's and Gnumeric's own solvers have no command line that runs them, and are not timed.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from xlcollab.excel_solver.model import Constraint, Engine, Relation, Sense, SolverModel
from xlcollab.excel_solver.names import minimise_model, solver_names
from xlcollab.excel_solver.solve import solve
from xlcollab.xlsx.cells import Area, address, column_letters
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

SOLVED = (0, 1, 2, 14)
"""Excel's codes for a solution, found or converged to."""


def main() -> int:
    """Print the seconds; 0 when all are solved."""
    unsolved = 0
    for title, make in (("crosstab 500×200, 5 factors", crosstab), ("LP 10,000×2,000", linear_program)):
        book = make()
        began = time.perf_counter()
        (model,) = solve(book).models
        seconds = time.perf_counter() - began
        print(f"{title}: {seconds:.1f} s, {model.value:.6g}, code {model.code}, {model.evaluations} evaluations")
        unsolved += model.code not in SOLVED
    return int(unsolved > 0)


def crosstab(m: int = 500, n: int = 200, k: int = 5) -> Workbook:
    """Planted factors with noise, one rating in five; the lesson's layout with items across."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0, 1.0, (m, k)) @ rng.normal(0.0, 0.5, (k, n)) + rng.normal(3.5, 0.3, (m, n))
    known = rng.random((m, n)) < 0.2
    users, items = rng.uniform(0, 1, (m, k)), rng.uniform(0, 1, (k, n))
    first_row, first_col = m + 8, k + 2
    predicted = np.where(known, users @ items, 0.0)
    rmse = float(np.sqrt((np.where(known, predicted - truth, 0.0) ** 2).sum() / known.sum()))
    sheet = NewSheet("Model")
    sheet.block(
        2,
        first_col,
        [
            [float(v) if is_known else None for v, is_known in zip(*row, strict=True)]
            for row in zip(truth, known, strict=True)
        ],
    )
    sheet.block(m + 3, first_col, items.tolist())
    sheet.block(first_row, 1, users.tolist())
    last = column_letters(k)
    sheet.formulas(
        first_row,
        first_col,
        [
            [
                (
                    f'IF({address(2 + i, first_col + j)}="",0,MMULT($A{first_row + i}:${last}{first_row + i},'
                    f"{column_letters(first_col + j)}${m + 3}:{column_letters(first_col + j)}${m + 2 + k}))",
                    float(predicted[i, j]),
                )
                for j in range(n)
            ]
            for i in range(m)
        ],
    )
    ratings = Area(2, first_col, m + 1, first_col + n - 1)
    predictions = Area(first_row, first_col, first_row + m - 1, first_col + n - 1)
    goal = first_row + m + 1
    sheet.formula(goal, 1, f"SQRT(SUMXMY2({ratings.ref},{predictions.ref})/COUNT({ratings.ref}))", rmse)
    areas = [Area(m + 3, first_col, m + 2 + k, first_col + n - 1), Area(first_row, 1, first_row + m - 1, k)]
    return _book(sheet, minimise_model("Model", address(goal, 1), areas))


def linear_program(n: int = 10_000, m: int = 2_000, wide: int = 40) -> Workbook:
    """A planted feasible program, Ax ≤ b with 40 coefficients a row, as SUMPRODUCT over neighbouring columns."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, n - wide, m)
    sheet = NewSheet("Model")
    sheet.block(1, 1, [[0.0] * 100 for _ in range(n // 100)])
    sheet.block(1, 102, rng.uniform(1, 5, (n // 100, 100)).tolist())
    places = [(1 + int(s) // 100, 1 + min(int(s) % 100, 100 - wide)) for s in starts]
    sheet.block(201, 1, rng.uniform(0.1, 2, (m, wide)).tolist())
    sheet.formulas(
        201,
        wide + 2,
        [
            [(f"SUMPRODUCT({Area(201 + i, 1, 201 + i, wide).ref},{Area(r, c, r, c + wide - 1).ref})", 0)]
            for i, (r, c) in enumerate(places)
        ],
    )
    sheet.block(201, wide + 4, [[float(b)] for b in rng.uniform(20, 60, m)])
    x, costs = Area(1, 1, n // 100, 100), Area(1, 102, n // 100, 201)
    sheet.formula(2300, 1, f"SUMPRODUCT({x.ref},{costs.ref})", 0)
    left, right = Area(201, wide + 2, 200 + m, wide + 2), Area(201, wide + 4, 200 + m, wide + 4)
    constraints = (
        Constraint(f"Model!{left.absolute}", Relation.LE, f"Model!{right.absolute}"),
        Constraint(f"Model!{x.absolute}", Relation.LE, "10"),
    )
    model = SolverModel("Model", "Model!$A$2300", Sense.MAX, 0.0, (("Model", x),), constraints, True, Engine.LP)
    return _book(sheet, model)


def _book(sheet: NewSheet, model: SolverModel) -> Workbook:
    for name, text in solver_names(model):
        sheet.define(name, text, hidden=True)
    book = Workbook.new()
    book.add(sheet)
    return book


if __name__ == "__main__":
    sys.exit(main())
