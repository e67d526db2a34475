"""What is asked of a fit, timed on MovieLens 100k: recommendations for all, similar items, folding in, explaining.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/bench_predict.py``; needs ``../shared/data/ml-100k``. Targets: the
top 10 for all 943 users in 0.2 s, one new user in 1 ms.
"""

from __future__ import annotations

import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from timing import Work

from xlcollab.arrays import FloatArray
from xlcollab.errors import UnratedLabelWarning
from xlcollab.fitting import Fit, fit
from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings

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


def cold_users(ratings: Ratings, solver: str, options: dict[str, Any]) -> None:
    """RMSE for every tenth user, unknown to the fit, from a few ratings folded in and from a fit that has them."""
    g = np.random.default_rng(0)
    cold = ratings.user_idx % 10 == 0
    rest = ratings.select(~cold)
    made = fit(rest, solver=solver, **options)
    order = np.lexsort((g.random(len(ratings)), ratings.user_idx))
    order = order[cold[order]]
    starts = np.searchsorted(ratings.user_idx[order], ratings.user_idx[order])
    place = np.arange(len(order)) - starts  # the how-manieth of the user's ratings, in random order
    asked = order[place >= 20]
    actual, items = ratings.values[asked], ratings.item_idx[asked]

    def rmse(predicted: FloatArray) -> float:
        return float(np.sqrt(np.mean((predicted - actual) ** 2)))

    nobody = made.predict("nobody", [ratings.items[at] for at in items], unknown="mean")
    line = [f"nothing known {rmse(nobody):.4f}"]
    for few in (5, 10, 20):
        told = order[place < few]
        predicted = np.empty(len(asked))
        for user in np.unique(ratings.user_idx[asked]):
            own = told[ratings.user_idx[told] == user]
            known = dict(zip([ratings.items[at] for at in ratings.item_idx[own]], ratings.values[own], strict=True))
            here = ratings.user_idx[asked] == user
            predicted[here] = made.fold_in_user(known).predict([ratings.items[at] for at in items[here]])
        line.append(f"{few} folded in {rmse(predicted):.4f}")
    again = fit(ratings.select(np.concatenate([np.flatnonzero(~cold), told])), made.model, solver=solver, **options)
    line.append(f"fitted with those 20 {rmse(again.predict_positions(ratings.user_idx[asked], items)):.4f}")
    print(f"  RMSE for new users: {', '.join(line)}", flush=True)


def main() -> None:
    ratings: Ratings = read_ratings(DATA)
    for solver, options in (("bayes", {}), ("als", {}), ("torch", {"n_factors": 20})):
        made = fit(ratings, solver=solver, **options)
        print(f"{solver}, {made.model.name}", flush=True)
        measure(made)
        cold_users(ratings, solver, options)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UnratedLabelWarning)  # the new users, to whom nobody has asked the fit yet
    main()
