"""What is asked of a fit, timed on MovieLens 100k: recommendations for all, similar items, folding in, explaining.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_predict.py``; needs ``../shared/data/ml-100k``. Targets: the
top 10 for all 943 users in 0.2 s, one new user in 1 ms.
"""

from __future__ import annotations

import statistics
from pathlib import Path

from timing import Work, seconds

from xlcollab.fitting import Fit, fit
from xlcollab.ratings import Ratings, read_ratings

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "ml-100k" / "u.data"


def report(name: str, work: Work, times: int) -> None:
    spent = sorted(seconds(work) for _ in range(times))
    print(f"  {name}: median {1e3 * statistics.median(spent):.2f} ms, least {1e3 * spent[0]:.2f} ms", flush=True)


def measure(made: Fit) -> None:
    ratings = made.ratings
    item = ratings.items[0]
    report("top 10 for all users", made.recommend, 5)
    report("top 10 for one user", lambda: made.recommend(ratings.users[0]), 20)
    report("10 most similar items", lambda: made.similar_items(item), 20)


def main() -> None:
    ratings: Ratings = read_ratings(DATA)
    for solver, options in (("bayes", {}), ("torch", {"n_factors": 20})):
        made = fit(ratings, solver=solver, **options)
        print(f"{solver}, {made.model.name}", flush=True)
        measure(made)


if __name__ == "__main__":
    main()
