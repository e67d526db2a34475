"""How many factors: start with none, add two at a time, and stop when ratings left out are no longer predicted better.

The judge is the leave-one-out error of the fit itself (`leave_one_out`), so that nothing is held out and every rating
counts. The evidence bound would be the Bayesian's first choice, and picks half as many factors as predict best
(`evidence`).
"""

from __future__ import annotations

from xlcollab.solvers.bayes.evidence import bound
from xlcollab.solvers.bayes.variational import Posterior, add_factors, snapshot
from xlcollab.solvers.bayes.watch import Watch

__all__ = ["STEP", "choose_factors", "settle"]

STEP = 2  # factors added at a time
FIRST_SWEEPS, SWEEPS = 5, 8  # before the first factor, and after each addition
WORTH = 3e-3  # the relative fall of the error that earns further factors their place …
PATIENCE = 2  # … and how many additions in a row may miss it


def choose_factors(posterior: Posterior, watch: Watch, highest: int) -> Posterior:
    """The posterior with the number of factors, at most ``highest``, that predicts best; not settled yet."""
    watch.sweep(posterior, FIRST_SWEEPS)
    best, least = snapshot(posterior), watch.report(posterior)
    misses = 0
    while misses < PATIENCE and posterior.n_factors < highest and not watch.stopped:
        add_factors(posterior, min(STEP, highest - posterior.n_factors))
        watch.sweep(posterior, SWEEPS)
        error = watch.report(posterior)
        if error < least * (1.0 - WORTH):
            best, least, misses = snapshot(posterior), error, 0
        else:
            misses += 1
    return best


def settle(posterior: Posterior, watch: Watch, *, tolerance: float, limit: int) -> bool:
    """Sweep until the bound rises by less than ``tolerance`` nats a rating in a sweep; whether it did."""
    before, settled = -float("inf"), False
    for count in range(1, limit + 1):
        watch.sweep(posterior, 1)
        after = bound(posterior)
        settled = after - before < tolerance * posterior.observations.n_ratings
        if settled or count == limit or count % SWEEPS == 0:
            watch.report(posterior)
        if settled or watch.stopped:
            break
        before = after
    return settled
