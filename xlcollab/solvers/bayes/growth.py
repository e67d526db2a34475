"""How many factors: start with none, add two at a time, and stop when ratings left out are no longer predicted better.

The judge is the leave-one-out error of the fit itself (`leave_one_out`), so that nothing is held out and every rating
counts. The evidence bound would be the Bayesian's first choice, and picks half as many factors as predict best
(`evidence`).
"""

from __future__ import annotations

from xlcollab.solvers.bayes.directions import leading_directions
from xlcollab.solvers.bayes.evidence import bound
from xlcollab.solvers.bayes.variational import Posterior, add_factors, snapshot
from xlcollab.solvers.bayes.watch import Watch

__all__ = ["STEP", "add_leading", "choose_factors", "settle"]

STEP = 2  # factors added at a time
FIRST_SWEEPS, SWEEPS = 5, 4  # before the first factor, and after each addition
WORTH = 3e-3  # the relative fall of the error that earns further factors their place
REPORT = 8  # sweeps between reports


def add_leading(posterior: Posterior, watch: Watch, count: int) -> None:
    """Append ``count`` factors that begin where they explain most; the first of all, once biases have been found."""
    if posterior.n_factors == 0 and not watch.sweeps:
        watch.sweep(posterior, FIRST_SWEEPS)
    add_factors(posterior, leading_directions(posterior, count))


def choose_factors(posterior: Posterior, watch: Watch, highest: int) -> Posterior:
    """The posterior with the number of factors, at most ``highest``, that predicts best; not settled yet."""
    watch.sweep(posterior, FIRST_SWEEPS)
    error = watch.report(posterior)
    while posterior.n_factors < highest and not watch.stopped:
        best, least = snapshot(posterior), error
        add_leading(posterior, watch, min(STEP, highest - posterior.n_factors))
        watch.sweep(posterior, SWEEPS)
        error = watch.report(posterior)
        if error >= least * (1.0 - WORTH):
            return best
    return posterior


def settle(posterior: Posterior, watch: Watch, *, tolerance: float, limit: int) -> bool:
    """Sweep until the bound rises less than ``tolerance`` nats an unknown; whether it did. The end is not reported."""
    before, settled = -float("inf"), False
    least = tolerance * (posterior.users.mean.size + posterior.items.mean.size)
    for count in range(1, limit + 1):
        watch.sweep(posterior, 1)
        after = bound(posterior)
        settled = after - before < least
        if settled or count == limit:
            break
        if count % REPORT == 0:
            watch.report(posterior)
        if watch.stopped:
            break
        before = after
    return settled
