"""The formula engine: gradients against hand-written NumPy, compiling large sheets, other engines on the same book.

    python tests/benchmarks/bench_formula.py [REPEATS]

Asked for: one value and gradient of the lesson's model, compiled from its formulas, within 3 times of NumPy, on the
shipped result workbook, and on the course's own where ../shared is there. Ends with exit code 1 where that is missed.
`pycel` and `formulas` (PyPI) compute formulas in Python too; they have no gradients, and are asked for the value alone
where they are installed.
"""

from __future__ import annotations

import importlib.util
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
from timing import ratio

from xlcollab.formula.program import Program, compile_program
from xlcollab.formula.recalculate import recompute
from xlcollab.xlsx.cells import Area, column_letters
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

ROOT = Path(__file__).resolve().parents[2]
RESULT, COURSE = (
    ROOT / "workbooks" / "movielens_15x15_result.xlsx",
    ROOT.parent / "shared" / "data" / "collab_filter.xlsx",
)
# The lesson's layout: ratings, item factors below them, user factors beside the predictions, and the RMSE.
RATINGS, ITEMS, USERS, RMSE = (Area.parse(text) for text in ("H2:V16", "H19:V23", "B25:F39", "V41"))
MOST = 3.0


def main(repeats: int) -> int:
    """Print the ratios and times; 0 when the ratio asked for holds."""
    worst = 0.0
    for path, sheet in ((RESULT, "scipy"), (COURSE, "dotprod")):
        if path.exists():
            worst = max(worst, gradient(path, sheet, repeats))
    compiling(500, 200)
    for name, engine in (("pycel", with_pycel), ("formulas", with_formulas)):
        if importlib.util.find_spec(name) is None:
            print(f"{name}: not installed")
        else:
            against(name, engine, repeats)
    return int(worst > MOST)


def model(path: Path, sheet: str) -> Program:
    """RMSE as a function of the 150 factors."""
    return compile_program(Workbook.open(path), [(sheet, ITEMS), (sheet, USERS)], [(sheet, RMSE)])


def gradient(path: Path, sheet: str, repeats: int) -> float:
    """Program ÷ NumPy for one value and gradient."""
    program = model(path, sheet)
    rows = Workbook.open(path).sheet(sheet).values(RATINGS)
    ratings = np.array([[np.nan if value is None else value for value in row] for row in rows], float)
    known = ~np.isnan(ratings)
    ratings = np.where(known, ratings, 0.0)
    count = known.sum()

    def by_hand(x: np.ndarray) -> tuple[float, np.ndarray]:
        items, users = x[:75].reshape(5, 15), x[75:].reshape(15, 5)
        miss = known * (users @ items - ratings)
        rmse = np.sqrt((miss * miss).sum() / count)
        back = miss / (rmse * count)
        return rmse, np.r_[(users.T @ back).ravel(), (back @ items.T).ravel()]

    one, x = np.ones(1), program.start
    for ours, theirs in zip(program.value_and_gradient(x, one), by_hand(x), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-9)
    times = 2000
    measured = ratio(
        f"value and gradient of {path.name}, hand-written NumPy",
        lambda: [program.value_and_gradient(x, one) for _ in range(times)],
        lambda: [by_hand(x) for _ in range(times)],
        repeats=repeats,
    )
    return 1 / measured.of_least


def crosstab(users: int, items: int) -> Workbook:
    """One prediction a cell, and the sum of their squares; 5 factors."""
    rng = np.random.default_rng(0)
    sheet = NewSheet("model")
    last = column_letters(6 + items)
    sheet.block(1, 7, rng.uniform(size=(5, items)).tolist())
    sheet.block(6, 1, rng.uniform(size=(users, 5)).tolist())
    columns = [column_letters(7 + j) for j in range(items)]
    sheet.formulas(6, 7, ([(f"MMULT($A{r}:$E{r},{c}$1:{c}$5)", 1.0) for c in columns] for r in range(6, 6 + users)))
    sheet.formulas(7 + users, 1, [[(f"SUMSQ(G6:{last}{5 + users})", 1.0)]])
    book = Workbook.new()
    book.add(sheet)
    return book


def compiling(users: int, items: int) -> None:
    """The time that reading, compiling and recomputing take, per formula."""
    book = crosstab(users, items)
    inputs = [("model", Area(1, 7, 5, 6 + items)), ("model", Area(6, 1, 5 + users, 5))]
    formulas = users * items + 1
    reading = timed(lambda: book.sheet("model").cells)
    compiled = timed(lambda: compile_program(book, inputs, [("model", Area(7 + users, 1, 7 + users, 1))]))
    changed = {(sheet, *cell): 0.5 for sheet, area in inputs for cell in area.cells()}
    recomputing = timed(lambda: recompute(book, changed))
    for what, seconds in (("read", reading), ("compile", compiled), ("recompute", recomputing)):
        print(f"{what} {formulas:,} formulas: {seconds:.2f} s, {1e6 * seconds / formulas:.1f} µs each", flush=True)


def timed(work: Callable[[], object]) -> float:
    """Processor seconds: other programs on the machine do not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


Engine = Callable[[dict[str, float]], float]


def against(name: str, engine: Callable[[], Engine], repeats: int) -> None:
    """The RMSE after all 150 factors changed, by another engine and by the compiled program, both loaded before."""
    program = model(RESULT, "scipy")
    cells = [f"{column_letters(c)}{r}" for area in (ITEMS, USERS) for r, c in area.cells()]
    x = np.random.default_rng(1).uniform(size=len(cells))
    changed = dict(zip(cells, x.tolist(), strict=True))
    try:
        theirs = engine()
        value = theirs(changed)
    except Exception as error:  # whatever another program raises
        print(f"{name} cannot compute it: {str(error).strip().splitlines()[-1]}")
        return
    expected = program.values(x)[0]
    print(f"{name} computes {value:.9f}; {expected:.9f} is right")
    ratio(f"the RMSE at new factors, {name}", lambda: program.values(x), lambda: theirs(changed), repeats=repeats)


def with_pycel() -> Engine:
    from pycel import ExcelCompiler

    compiler = ExcelCompiler(filename=str(RESULT))
    compiler.evaluate("scipy!V41")

    def value(changed: dict[str, float]) -> float:
        for cell, number in changed.items():
            compiler.set_value(f"scipy!{cell}", number)
        return compiler.evaluate("scipy!V41")

    return value


def with_formulas() -> Engine:
    import formulas

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = formulas.ExcelModel().loads(str(RESULT)).finish()
    place = f"'[{RESULT.name}]SCIPY'!"

    def value(changed: dict[str, float]) -> float:
        found = loaded.calculate({f"{place}{cell}": number for cell, number in changed.items()}, [f"{place}V41"])
        return float(found[f"{place}V41"].value[0, 0])

    return value


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
