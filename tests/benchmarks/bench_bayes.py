"""How well and how surely the Bayesian solver predicts, how its time grows, and how much memory it takes.

    python tests/benchmarks/bench_bayes.py [lesson] [u1] [folds] [sample] [scaling]

Without names all parts are run, in about ten minutes. MovieLens data is not shipped: the parts that need it look in the
folder named by XLCOLLAB_DATA, or in ../shared/data, for ml-100k/u.data, u1.base and u1.test and movie_lens_sample.csv,
and say so where these are not there. Seeds stand below. Both qualities see the same splits.
"""

from __future__ import annotations

import os
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import xlcollab as xc  # noqa: E402 - the checkout is put on the path first
from xlcollab.errors import UnratedLabelWarning  # noqa: E402
from xlcollab.rating_files import read_ratings  # noqa: E402
from xlcollab.ratings import Ratings  # noqa: E402
from xlcollab.solvers.bayes.filled import spectrum  # noqa: E402
from xlcollab.solvers.bayes.observations import Observations  # noqa: E402
from xlcollab.solvers.bayes.variational import Posterior, add_factors, start, sweep  # noqa: E402

DATA = Path(os.environ.get("XLCOLLAB_DATA", ROOT.parent / "shared" / "data"))
FOLD_SEED = 77123
SPLIT_SEEDS = range(88000, 88020)
QUALITIES = ("good", "best")
Split = tuple[Ratings, Ratings]


# Accuracy and calibration ---------------------------------------------------------------------------------------------


def accuracy(name: str, splits: Iterable[Split]) -> None:
    """Print for each quality RMSE (mean, spread over the splits), share inside 50%, 80% and 95% intervals, seconds."""
    rows: dict[str, list[list[float]]] = {quality: [] for quality in QUALITIES}
    for train, test in splits:
        for quality in QUALITIES:
            rows[quality].append(judged(train, test, quality))
    for quality, found in rows.items():
        table = np.array(found)
        mean, spread = table.mean(axis=0), table.std(axis=0)
        inside = " / ".join(f"{100 * share:.1f}%" for share in mean[1:4])
        over = f" (sd over {len(table)} splits {spread[0]:.4f})" if len(table) > 1 else ""
        least, most = 100 * table[:, 2].min(), 100 * table[:, 2].max()
        print(
            f"{name:22} {quality:5} RMSE {mean[0]:.4f}{over}  inside 50 / 80 / 95%: {inside}"
            f" (80%: {least:.1f} to {most:.1f}%)  {mean[5]:.1f} factors  {mean[4]:.2f} s",
            flush=True,
        )
    if len(rows["good"]) > 1:
        gain = np.array(rows["good"])[:, 0] - np.array(rows["best"])[:, 0]
        error = gain.std(ddof=1) / np.sqrt(len(gain))
        print(f"{name:22} best is better by {gain.mean():.4f} ± {error:.4f}, on {np.mean(gain > 0):.0%} of the splits")


def judged(train: Ratings, test: Ratings, quality: str) -> list[float]:
    """RMSE, shares inside 50%, 80% and 95% intervals, seconds, number of factors."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnratedLabelWarning)
        began = time.perf_counter()
        fit = xc.fit(train, solver="bayes", quality=quality)
        seconds = time.perf_counter() - began
    user_idx, item_idx = (
        fit.ratings.user_position(test.users)[test.user_idx],
        fit.ratings.item_position(test.items)[test.item_idx],
    )
    error = fit.predict_positions(user_idx, item_idx) - test.values
    shares = []
    for level in (0.5, 0.8, 0.95):
        low, high = fit.interval_positions(user_idx, item_idx, level=level)
        shares.append(float(np.mean((low <= test.values) & (test.values <= high))))
    return [float(np.sqrt(np.mean(error**2))), *shares, seconds, fit.model.n_factors]


def u1() -> None:
    """The first of the five splits that ML-100k comes with: train on u1.base, test on u1.test."""
    files = [DATA / "ml-100k" / name for name in ("u1.base", "u1.test")]
    if there(*files):
        accuracy("ML-100k u1", [(read_ratings(files[0]), read_ratings(files[1]))])


def folds() -> None:
    """Five random folds of ML-100k."""
    if there(DATA / "ml-100k" / "u.data"):
        ratings = read_ratings(DATA / "ml-100k" / "u.data")
        fold = np.random.default_rng(FOLD_SEED).permutation(len(ratings)) % 5
        accuracy("ML-100k, five folds", ((ratings.select(fold != at), ratings.select(fold == at)) for at in range(5)))


def sample() -> None:
    """Twenty splits of 20% of the MovieLens sample of 100 users and 100 films."""
    if there(DATA / "movie_lens_sample.csv"):
        ratings = read_ratings(DATA / "movie_lens_sample.csv")
        splits = (ratings.split(valid_pct=0.2, seed=seed) for seed in SPLIT_SEEDS)
        accuracy("movie_lens_sample", splits)


def lesson() -> None:
    """The lesson's 15 × 15: each rating left out once, all choices made without it; and the answer for a blank cell."""
    ratings = read_ratings(ROOT / "workbooks" / "movielens_15x15.csv")
    for quality in QUALITIES:
        squares, inside = [], []
        for at in range(len(ratings)):
            others = np.arange(len(ratings)) != at
            fit = xc.fit(ratings.select(others), solver="bayes", quality=quality)
            left = ratings.select(~others)
            squares.append(float(fit.predict_positions(left.user_idx, left.item_idx)[0] - left.values[0]) ** 2)
            low, high = fit.interval_positions(left.user_idx, left.item_idx)
            inside.append(bool(low[0] <= left.values[0] <= high[0]))
        error, share = np.sqrt(np.mean(squares)), 100 * np.mean(inside)
        print(f"15 × 15, leave one out       {quality:5} RMSE {error:.4f}  inside 80%: {share:.1f}%")
    for seen, what in ((False, "of the other ratings"), (True, "of all, the one left out included")):
        print(
            f"15 × 15, leave one out       biases, REML variances {what}: RMSE {reml_left_out(ratings, seen=seen):.4f}"
        )
    for quality in QUALITIES:
        fit = xc.fit(ratings, solver="bayes", quality=quality)
        low, high = fit.predict_interval(293, 49)
        answer = f"{fit.predict(293, 49):.2f}, 80% from {low:.2f} to {high:.2f}"
        print(f"15 × 15, user 293, film 49   {quality:5} {answer}  {fit.message}")


def reml_left_out(ratings: Ratings, *, seen: bool) -> float:
    """Leave-one-out RMSE of the textbook's mixed model r = μ + b_u + b_i + ε, with best linear unbiased μ and b.

    The variances are by restricted maximum likelihood (Patterson & Thompson 1971); with ``seen`` they are estimated
    once, from all ratings: then each left-out rating has had its say.
    """
    y, N = ratings.values, len(ratings)
    by_user, by_item = (np.equal.outer(idx, idx).astype(float) for idx in (ratings.user_idx, ratings.item_idx))

    def covariance(log_variances: np.ndarray) -> np.ndarray:
        user, item, noise = np.exp(log_variances)
        return user * by_user + item * by_item + noise * np.eye(N)

    def variances(rows: np.ndarray) -> np.ndarray:
        def loss(log_variances: np.ndarray) -> float:
            half = np.linalg.cholesky(covariance(log_variances)[np.ix_(rows, rows)])
            ones, whitened = np.linalg.solve(half, np.column_stack([np.ones(len(rows)), y[rows]])).T
            rest = whitened - ones * (ones @ whitened) / (ones @ ones)
            return float(np.log(np.diag(half)).sum() + 0.5 * np.log(ones @ ones) + 0.5 * rest @ rest)

        spread = np.log(y[rows].var() * np.array([0.15, 0.15, 0.7]))
        return minimize(loss, spread, method="L-BFGS-B", bounds=[(at - 7, at + 3) for at in spread]).x

    of_all, squares = variances(np.arange(N)), []
    for at in range(N):
        rest = np.flatnonzero(np.arange(N) != at)
        V = covariance(of_all if seen else variances(rest))
        weights = np.linalg.solve(V[np.ix_(rest, rest)], np.column_stack([np.ones(N - 1), y[rest], V[rest, at]]))
        mean = weights[:, 1].sum() / weights[:, 0].sum()
        squares.append((mean + weights[:, 2] @ (y[rest] - mean) - y[at]) ** 2)
    return float(np.sqrt(np.mean(squares)))


# Time and memory ------------------------------------------------------------------------------------------------------


def planted(n_ratings: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, int]:
    """Ratings in half stars with ten planted factors; users and items of uneven activity, 100 and 400 ratings each."""
    g = np.random.default_rng(seed)
    m, n = n_ratings // 100, n_ratings // 400
    active, popular = g.lognormal(0, 1, m), 1 / (np.arange(n) + 0.004 * n) ** 0.9
    pairs = np.zeros(0, np.int64)
    while len(pairs) < n_ratings:
        more = int(1.3 * (n_ratings - len(pairs))) + 1000
        users = np.searchsorted(np.cumsum(active), g.random(more) * active.sum())
        items = np.searchsorted(np.cumsum(popular), g.random(more) * popular.sum())
        pairs = np.unique(np.concatenate([pairs, users.astype(np.int64) * n + items]))
    user_idx, item_idx = (idx.astype(np.int32) for idx in np.divmod(g.permutation(pairs)[:n_ratings], n))
    P, Q = g.normal(size=(m, 10)) * 0.4, g.normal(size=(n, 10)) * 0.4
    clean = 3.5 + 0.35 * g.normal(size=m)[user_idx] + 0.45 * g.normal(size=n)[item_idx]
    for block in np.array_split(np.arange(n_ratings), max(1, n_ratings // 100_000)):
        clean[block] += np.einsum("nk,nk->n", P[user_idx[block]], Q[item_idx[block]])
    return user_idx, item_idx, np.clip(np.round(2 * (clean + 0.8 * g.normal(size=n_ratings))) / 2, 0.5, 5), m, n


def scaling() -> None:
    """From 100k to 2M ratings, k = 10: seconds of a sweep, and the peak memory of a whole fit, by rating.

    The sizes take turns, so that a busy moment of the machine falls on all of them; the least of eight is the figure.
    """
    tables = {n_ratings: planted(n_ratings) for n_ratings in (100_000, 500_000, 2_000_000)}
    posteriors = {n_ratings: ten_factors(*table) for n_ratings, table in tables.items()}
    least = dict.fromkeys(tables, np.inf)
    for _ in range(8):
        for n_ratings, posterior in posteriors.items():
            least[n_ratings] = min(least[n_ratings], timed(partial(sweep, posterior)) / n_ratings)
    posteriors.clear()
    for n_ratings, (*arrays, m, n) in tables.items():
        peak = peak_bytes(Ratings(tuple(range(m)), tuple(range(n)), *arrays))
        rows = (
            8 * (m + n) * (2 * 100 + 3 * 11 * 11 + 12 * 13 // 2 + 60)
        )  # features, covariances twice, moments, the rest
        print(
            f"{n_ratings:9,} ratings  a sweep takes {1e9 * least[n_ratings]:.0f} ns a rating,"
            f" {least[n_ratings] / least[100_000]:.2f} of the first;"
            f" peak of a fit {peak / n_ratings:.0f} bytes a rating, {(peak - rows) / n_ratings:.0f} without factors",
            flush=True,
        )


def ten_factors(user_idx: np.ndarray, item_idx: np.ndarray, values: np.ndarray, m: int, n: int) -> Posterior:
    """As a fit has it after ten factors were added, swept once."""
    observations = Observations.from_arrays(user_idx, item_idx, values, m, n)
    rng = np.random.default_rng(0)
    features = spectrum(observations.by_user, 100, rng), spectrum(observations.by_item, 100, rng)
    posterior = start(observations, features, rng)
    add_factors(posterior, rng.normal(0.0, 0.3, (m, 10)))
    sweep(posterior)
    return posterior


def peak_bytes(ratings: Ratings) -> int:
    """What a fit of ten factors takes on top of the ratings that it is given, at its highest."""
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnratedLabelWarning)
        xc.fit(ratings, n_factors=10, solver="bayes", max_sweeps=3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def there(*files: Path) -> bool:
    """Whether the files are there; a line says so where they are not."""
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        print(f"{', '.join(missing)} is not in {DATA.name}, so that this part is left out; set XLCOLLAB_DATA.")
    return not missing


PARTS = {part.__name__: part for part in (lesson, u1, folds, sample, scaling)}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
