"""What is asked of a fit, timed on MovieLens 100k: recommendations for all, similar items, folding in, explaining.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_predict.py``; needs ``../shared/data/ml-100k``. Targets: the
top 10 for all 943 users in 0.2 s, one new user in 1 ms.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

from timing import Work

from xlcollab.fitting import Fit, fit
from xlcollab.ratings import Ratings, read_ratings

DATA = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "ml-100k" / "u.data"


def report(name: str, work: Work, times: int) -> None:
    spent = []
    for _ in range(times):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        spent.append((1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)))
    wall, cpu = (statistics.median(column) for column in zip(*spent, strict=True))
    print(f"  {name}: median {wall:.2f} ms, of which {cpu:.2f} ms of CPU; least {min(spent)[0]:.2f} ms", flush=True)


def measure(made: Fit) -> None:
    ratings = made.ratings
    item = ratings.items[0]
    report("top 10 for all users", made.recommend, 5)
    report("top 10 for one user", lambda: made.recommend(ratings.users[0]), 20)
    report("10 most similar items", lambda: made.similar_items(item), 20)
    some = dict(zip(ratings.items[:20], [4.0, 3.0, 5.0, 2.0, 4.0] * 4, strict=True))
    made.fold_in_user(some)  # what is learned once for all
    report("fold in a user of 20 ratings", lambda: made.fold_in_user(some), 200)
    of_all = [ratings.user_idx == at for at in range(ratings.n_users)]
    own = [
        dict(zip([ratings.items[i] for i in ratings.item_idx[at]], ratings.values[at], strict=True)) for at in of_all
    ]
    each = iter(own)
    report("fold in each of the users from all his ratings", lambda: made.fold_in_user(next(each)), len(own))
    report("explain a prediction", lambda: made.explain(ratings.users[0], item), 50)


def main() -> None:
    ratings: Ratings = read_ratings(DATA)
    for solver, options in (("bayes", {}), ("als", {}), ("torch", {"n_factors": 20})):
        made = fit(ratings, solver=solver, **options)
        print(f"{solver}, {made.model.name}", flush=True)
        measure(made)


if __name__ == "__main__":
    main()
