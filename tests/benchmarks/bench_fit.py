"""The SciPy fit of the lesson's 15×15, all starts, against what one would write by hand; CPU time, in one run.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_fit.py``. The others are L-BFGS-B with the exact gradient
from ten random starts, capped at 300 iterations, and BFGS from one start with SciPy's own finite differences.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from xlcollab.fitting import fit
from xlcollab.model import Model
from xlcollab.objective import Objective
from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings

BOOK = Path(__file__).resolve().parent.parent.parent / "workbooks" / "movielens_15x15.csv"


def lbfgs_ten_starts(ratings: Ratings, model: Model) -> float:
    objective = Objective(ratings, model)
    g = np.random.default_rng(0)
    costs = [
        minimize(
            objective.value_and_gradient,
            g.random(objective.size),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 300, "ftol": 1e-13, "gtol": 1e-7},
        ).fun
        for _ in range(10)
    ]
    return float(np.sqrt(2 * min(costs) / len(ratings)))


def bfgs_by_differences(ratings: Ratings, model: Model) -> float:
    objective = Objective(ratings, model)
    start = np.random.default_rng(0).random(objective.size)
    end = minimize(objective.cost, start, method="BFGS", options={"maxiter": 300})
    return float(np.sqrt(2 * end.fun / len(ratings)))


def cpu(work: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The median CPU seconds of a run, and what the last one gave."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        value = work()
        times.append(time.process_time() - start)
    return statistics.median(times), value


def main() -> None:
    ratings = read_ratings(BOOK)
    for model in (Model(5), Model(5, biased=True)):
        fit(ratings, model, solver="scipy")  # imports
        ours, rmse = cpu(lambda model=model: fit(ratings, model, solver="scipy").rmse, 11)
        print(f"{model.name}: all starts {ours * 1e3:.1f} ms, RMSE {rmse:.8f}")
        for name, other, repeats in (
            ("L-BFGS-B, ten starts", lbfgs_ten_starts, 3),
            ("BFGS by differences, one start", bfgs_by_differences, 1),
        ):
            theirs, rmse = cpu(lambda other=other, model=model: other(ratings, model), repeats)
            print(f"  {name}: {theirs * 1e3:.1f} ms, RMSE {rmse:.8f}: {theirs / ours:.1f} times as long")


if __name__ == "__main__":
    main()
