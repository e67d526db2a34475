"""Alternating least squares: its sweeps against a loop over rows, and against cmfrec and implicit where installed.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_als.py``; needs ``../shared/data``. Held-out errors and lists
of ten are means over twenty 20% splits of the MovieLens sample, beside those of the default solver on the same splits.
The defaults of als were chosen on four other splits and one of MovieLens 100k.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from timing import ratio

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.evaluation import GivenSplits, compare
from xlcollab.fitting import fit
from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings
from xlcollab.solvers.ridge_rows import RidgeRows

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data"
K, PENALTY = 21, 0.15


def by_loop(order: IndexArray, ends: IndexArray, columns: IndexArray, values: FloatArray, z: FloatArray) -> FloatArray:
    """One half-sweep as one would write it: a small system for each row, one after the other."""
    columns, values = columns[order], values[order]
    x = np.zeros((len(ends) - 1, z.shape[1]))
    for row in range(len(x)):
        own = slice(ends[row], ends[row + 1])
        if ends[row] == ends[row + 1]:
            continue
        q = z[columns[own]]
        x[row] = np.linalg.solve(q.T @ q + PENALTY * len(q) * np.eye(z.shape[1]), q.T @ values[own])
    return x


def half_sweep(
    name: str, row_idx: IndexArray, column_idx: IndexArray, values: FloatArray, shape: tuple[int, int]
) -> None:
    rows = RidgeRows.of(row_idx, column_idx, values, shape)
    z, offset = np.random.default_rng(0).normal(size=(shape[1], K)), np.zeros(shape[1])
    order = np.argsort(row_idx, kind="stable")
    ends = np.concatenate([[0], np.cumsum(rows.counts)])
    penalties = np.full(K, PENALTY)
    found = rows.solve(z, offset, 0.0 * penalties, penalties).x
    np.testing.assert_allclose(found, by_loop(order, ends, column_idx, values, z), atol=1e-9)
    ratio(
        f"half-sweep, {name}, against a loop over rows",
        lambda: rows.solve(z, offset, 0.0 * penalties, penalties),
        lambda: by_loop(order, ends, column_idx, values, z),
        repeats=7,
    )


def sweeps(ratings: Ratings) -> None:
    m, n = ratings.n_users, ratings.n_items
    half_sweep(f"{m} users", ratings.user_idx, ratings.item_idx, ratings.values, (m, n))
    half_sweep(f"{n} items", ratings.item_idx, ratings.user_idx, ratings.values, (n, m))
    g = np.random.default_rng(0)
    many = 100_000
    row_idx = np.repeat(np.arange(many, dtype=np.int32), 10)
    column_idx = g.integers(0, 2000, len(row_idx)).astype(np.int32)
    half_sweep(f"{many} users of ten ratings", row_idx, column_idx, g.normal(size=len(row_idx)), (many, 2000))


def against_cmfrec(ratings: Ratings) -> None:
    if importlib.util.find_spec("cmfrec") is None:
        print("cmfrec is not installed", flush=True)
        return
    import pandas as pd
    from cmfrec import CMF

    columns = {"UserId": ratings.user_idx, "ItemId": ratings.item_idx, "Rating": ratings.values}
    frame = pd.DataFrame(columns)
    ratio(
        "15 sweeps, 20 factors, against cmfrec",
        lambda: fit(ratings, solver="als", max_sweeps=15, tolerance=0),
        lambda: CMF(k=20, lambda_=PENALTY, scale_lam=True, niter=15, use_cg=False, nthreads=1, verbose=False).fit(
            frame
        ),
    )


def held_out() -> None:
    ratings = read_ratings(DATA / "movie_lens_sample.csv")
    splits = GivenSplits(*(ratings.split(0.2, seed=seed) for seed in range(500, 520)))
    table = compare(None, ["als", "bayes"], splits=splits, n=10)
    print("MovieLens sample, twenty splits:")
    print(table[["rmse", "rmse_sd", "precision", "ndcg"]].round(4).to_string(), flush=True)


def main() -> None:
    ratings = read_ratings(DATA / "ml-100k" / "u.data")
    sweeps(ratings)
    against_cmfrec(ratings)
    made = fit(ratings.split(0.2, seed=500)[0], solver="als")
    print(f"MovieLens 100k, 80%: {made.seconds:.2f} s, {made.message}", flush=True)
    held_out()


if __name__ == "__main__":
    main()
