"""Solving models far beyond what Excel's add-in takes; `bench_formula.py` times the formulas and their gradients.

    python tests/benchmarks/bench_solve.py [--no-rivals]

Asked for: a 500×200 crosstab with 5 factors (3,500 changing cells, 100,000 predictions as formulas) and a linear
program of 10,000 variables × 2,000 constraints solved in seconds. Exit code 1 where one of them is not solved.

LibreOffice's solvers get two smaller models in the same run, with a time limit, where LibreOffice, its UNO bridge for
/usr/bin/python3 and the solver are installed. Gnumeric's ssconvert --solve gets the linear one, with the model put into
a file of its own kind, since it reads none from others; it takes one range of changing cells, where the lesson has two.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from xlcollab.excel_solver.model import Constraint, Engine, Relation, Sense, SolverModel
from xlcollab.excel_solver.names import minimise_model, read_models, solver_names
from xlcollab.excel_solver.solve import solve
from xlcollab.xlsx.cells import Area, address, column_letters
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

SOLVED = (0, 1, 2, 14)
"""Excel's codes for a solution, found or converged to."""


LIMIT = 120
"""Seconds that a rival is told to take; those that cannot be told are ended after twice as many."""

WORKER = Path(__file__).with_name("libreoffice_solver.py")
LESSON = Path(__file__).resolve().parents[2] / "workbooks" / "movielens_15x15.csv"
CALC = "com.sun.star.comp.Calc."


class Rival(NamedTuple):
    """One of LibreOffice's solvers and its settings."""

    name: str
    properties: Mapping[str, Any]


LINEAR = (
    Rival("CoinMPSolver", {"NonNegative": True, "Timeout": LIMIT}),
    Rival("LpsolveSolver", {"NonNegative": True, "Timeout": LIMIT}),
)
NONLINEAR = (
    Rival("SwarmSolver", {"Timeout": 1000 * LIMIT}),
    Rival("NLPSolver.DEPSSolverImpl", {"EnhancedSolverStatus": False}),
    Rival("NLPSolver.SCOSolverImpl", {"EnhancedSolverStatus": False}),
)


def main() -> int:
    """Print the seconds; 0 when all are solved."""
    unsolved = 0
    for title, make in (("crosstab 500×200, 5 factors", planted), ("LP 10,000×2,000", linear_program)):
        unsolved += ours(title, make())[1]
    if "--no-rivals" not in sys.argv:
        unsolved += compare("LP 1,000×200", linear_program(1000, 200), LINEAR)
        unsolved += compare("the lesson's 15×15, 5 factors", lesson(), NONLINEAR)
    return int(unsolved > 0)


def ours(title: str, book: Workbook) -> tuple[float, int]:
    """Our seconds, and 1 where the model was not solved."""
    began = time.perf_counter()
    (model,) = solve(book).models
    seconds = time.perf_counter() - began
    print(
        f"{title}: {seconds:.2f} s, {model.value:.9g}, code {model.code}, {model.evaluations} evaluations", flush=True
    )
    return seconds, int(model.code not in SOLVED)


def compare(title: str, book: Workbook, rivals: tuple[Rival, ...]) -> int:
    """The same book through LibreOffice first, which leaves its file alone, and through ours."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xlsx"
        book.save(path)
        (model,) = read_models(book)
        seconds, unsolved = ours(title, book)
        for rival in rivals:
            print(f"    {rival.name}: {libreoffice(path, model, rival, seconds)}", flush=True)
        if model.engine is Engine.LP:
            print(f"    Gnumeric: {gnumeric(path, model, seconds)}", flush=True)
    return unsolved


def gnumeric(book: Path, model: SolverModel, ours: float) -> str:
    """What Gnumeric makes of a linear model whose right sides are cells, or why it was not asked."""
    ((_, changing),) = model.changing
    rows = "".join(f'<gnm:Constr Type="1" lhs="{_local(c.left)}" rhs="{_local(c.right)}"/>' for c in model.constraints)
    solver = (
        f'<gnm:Solver Target="{_local(model.objective)}" ModelType="0" ProblemType="{int(model.sense is Sense.MAX)}" '
        f'Inputs="{changing.ref}" MaxTime="{LIMIT}" MaxIter="1000000" NonNeg="1" Discr="0" AutoScale="0" '
        f'ProgramR="0" SensitivityR="0">{rows}</gnm:Solver>'
    )
    own, solved = book.with_suffix(".gnumeric"), book.with_suffix(".csv")
    try:
        subprocess.run(["ssconvert", book, own], capture_output=True, check=True)
        text = gzip.decompress(own.read_bytes()).decode()
        own.write_text(re.sub(r"<gnm:Solver [^>]*/>", solver, text), encoding="utf-8")
        began = time.perf_counter()
        subprocess.run(["ssconvert", "--solve", own, solved], capture_output=True, check=True, timeout=2 * LIMIT)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"skipped: {error}"
    except subprocess.TimeoutExpired:
        return f"no answer in {2 * LIMIT} s"
    seconds = time.perf_counter() - began
    area = Area.parse(str(_local(model.objective)))
    value = solved.read_text().splitlines()[area.first_row - 1].split(",")[area.first_col - 1]
    return f"{seconds:.2f} s, {float(value):.9g}: {seconds / ours:.1f} times as long"


def libreoffice(book: Path, model: SolverModel, rival: Rival, ours: float) -> str:
    """What one of LibreOffice's solvers makes of it, or why it was not asked."""
    told = {
        "book": str(book),
        "profile": str(book.with_name(f"profile-{rival.name}")),
        "sheet": model.sheet,
        "objective": _local(model.objective),
        "variables": [area.ref for _, area in model.changing],
        "constraints": [[_local(c.left), "<=", _local(c.right) or 0.0] for c in model.constraints],
        "maximise": model.sense is Sense.MAX,
        "solver": CALC + rival.name,
        "properties": rival.properties,
        "limit": 2 * LIMIT,
    }
    file = book.with_name("model.json")
    file.write_text(json.dumps(told), encoding="utf-8")
    try:
        ran = subprocess.run(["/usr/bin/python3", WORKER, file], capture_output=True, text=True, check=False)
    except OSError as error:
        return f"skipped: {error}"
    if not ran.stdout:
        return f"skipped: {ran.stderr.strip().rpartition(chr(10))[2]}"
    found = json.loads(ran.stdout)
    if "missing" in found:
        return str(found["missing"])
    return f"{found['seconds']:.2f} s, {found['value']:.9g}: {found['seconds'] / ours:.1f} times as long"


def _local(reference: str | None) -> str | float | None:
    """A reference without its sheet; a number as such."""
    if reference is None or "!" in reference:
        return reference and reference.rpartition("!")[2].replace("$", "")
    return float(reference)


def lesson() -> Workbook:
    """The ratings of the lesson and five factors each, at random between 0 and 1."""
    ratings = np.genfromtxt(LESSON, delimiter=",", skip_header=1)[:, 1:]
    return crosstab(ratings, ~np.isnan(ratings))


def planted(m: int = 500, n: int = 200, k: int = 5) -> Workbook:
    """Planted factors with noise, one rating in five."""
    rng = np.random.default_rng(0)
    truth = rng.normal(0.0, 1.0, (m, k)) @ rng.normal(0.0, 0.5, (k, n)) + rng.normal(3.5, 0.3, (m, n))
    return crosstab(truth, rng.random((m, n)) < 0.2, k)


def crosstab(truth: np.ndarray, known: np.ndarray, k: int = 5) -> Workbook:
    """The lesson's layout, with items across."""
    (m, n), rng = truth.shape, np.random.default_rng(0)
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
    x, costs, most = (Area(1, left, n // 100, left + 99) for left in (1, 102, 203))
    sheet.block(1, 203, [[10.0] * 100 for _ in range(n // 100)])
    sheet.formula(2300, 1, f"SUMPRODUCT({x.ref},{costs.ref})", 0)
    left, right = Area(201, wide + 2, 200 + m, wide + 2), Area(201, wide + 4, 200 + m, wide + 4)
    constraints = (
        Constraint(f"Model!{left.absolute}", Relation.LE, f"Model!{right.absolute}"),
        Constraint(f"Model!{x.absolute}", Relation.LE, f"Model!{most.absolute}"),
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
