"""The solver: from ratings to factors, intervals and a sentence on how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.errors import OptionError
from xlcollab.model import Factors, Model
from xlcollab.progress import OnProgress
from xlcollab.settings import whole_number
from xlcollab.solvers.base import Solution, Status
from xlcollab.solvers.bayes.filled import Spectrum, spectrum
from xlcollab.solvers.bayes.gauge import turns
from xlcollab.solvers.bayes.growth import add_leading, choose_factors, settle
from xlcollab.solvers.bayes.intervals import BayesUncertainty
from xlcollab.solvers.bayes.leave_one_out import LeftOut
from xlcollab.solvers.bayes.observations import Observations, Order
from xlcollab.solvers.bayes.sampling import sample
from xlcollab.solvers.bayes.variational import Posterior, start
from xlcollab.solvers.bayes.watch import Watch

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["BayesSolver"]

QUALITIES = ("good", "best")
HIGHEST_RANK = 100  # of the features of which cells are filled; a row with few ratings says too little for more


@dataclass(frozen=True)
class BayesSolver:
    """Options of the Bayesian solver; none has to be set.

    Parameters
    ----------
    tolerance
        The fit has settled when a sweep raises the evidence bound by less than this, in nats for each factor and bias
        of each user and item.
    max_sweeps
        The most sweeps after the number of factors has been chosen.
    quality
        ``good``, or ``best``: a hundred draws from the posterior by Gibbs sampling, averaged with the variational fit
        and distilled into one model. Predicts a little better, and takes about ten times as long.
    """

    tolerance: float = 4e-4
    max_sweeps: int = 200
    quality: str = "good"

    name: ClassVar[str] = "bayes"
    chooses_factors: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (np.isfinite(self.tolerance) and self.tolerance >= 0):
            raise OptionError(f"tolerance is {self.tolerance!r}; it is 0 or more (4e-4 is usual).")
        whole_number("max_sweeps", self.max_sweeps, 1)
        if self.quality not in QUALITIES:
            raise OptionError(f"quality is {self.quality!r}; choose 'good' or 'best'.")

    def default_model(self, ratings: Ratings) -> Model:  # noqa: ARG002 -- part of the protocol
        """Biases, and as many of 32 factors as predict best."""
        return Model(n_factors=32, biased=True, at_most=True)

    def solve(
        self, ratings: Ratings, model: Model, *, valid: Ratings | None, seed: int, on_progress: OnProgress | None
    ) -> Solution:
        """The posterior means as factors, and how sure they are."""
        if not model.biased or model.y_range is not None:
            raise OptionError("Solver 'bayes' has biases and no y_range: leave both out, or choose another solver.")
        rng = np.random.default_rng(seed)
        watch = Watch(ratings, valid, rng, on_progress)
        posterior = start(watch.observations, _features(watch.observations, rng), rng)
        if model.at_most:
            posterior = choose_factors(posterior, watch, _highest(model, watch.observations))
        else:
            add_leading(posterior, watch, model.n_factors)
        settled = not watch.stopped and settle(posterior, watch, tolerance=self.tolerance, limit=self.max_sweeps)
        left_out = watch.left_out(posterior)
        watch.report(posterior, left_out)
        if self.quality == "best" and not watch.stopped:
            rank = _highest(model, watch.observations) if model.at_most else model.n_factors
            posterior, left_out = sample(posterior, watch, rank, at_most=model.at_most)
        fitted = replace(model, n_factors=posterior.n_factors, at_most=False)
        status, message = _ending(watch, fitted, settled=settled, chosen=model.at_most)
        factors, uncertainty = _shown(posterior, watch, left_out)
        return Solution(
            factors=factors,
            status=status,
            message=message,
            iterations=watch.sweeps,
            history=watch.history,
            uncertainty=uncertainty,
            penalised=True,
            model=fitted,
        )

    @staticmethod
    def restore_uncertainty(arrays: Mapping[str, FloatArray]) -> BayesUncertainty:
        """What a saved fit knows of its certainty."""
        return BayesUncertainty.from_arrays(arrays)


def _features(observations: Observations, rng: np.random.Generator) -> tuple[Spectrum, Spectrum]:
    """The features of both sides; no more of them than twice the ratings that a row has on average."""

    def of(order: Order) -> Spectrum:
        return spectrum(order, min(HIGHEST_RANK, 2 * observations.n_ratings // order.n_rows), rng)

    return of(observations.by_user), of(observations.by_item)


def _highest(model: Model, observations: Observations) -> int:
    """Fewer factors than rows, and than columns, with two ratings: one rating alone says nothing beyond biases."""
    told = [int(np.count_nonzero(order.counts >= 2)) for order in (observations.by_user, observations.by_item)]
    return max(0, min(model.n_factors, min(told) - 1))


def _shown(posterior: Posterior, watch: Watch, left_out: LeftOut) -> tuple[Factors, BayesUncertainty]:
    """The posterior means in the units of the ratings, μ the mean of all predictions and both biases centred."""
    users, items = watch.everyone(posterior)
    observations = posterior.observations
    factors, *both = turns(users.mean, items.mean, observations.mean, observations.scale)
    rows = watch.rows(posterior, (both[0], both[1]))
    return factors, BayesUncertainty(*rows, factors.mean, left_out.quantiles)


def _ending(watch: Watch, model: Model, *, settled: bool, chosen: bool) -> tuple[Status, str]:
    k = model.n_factors
    size = "biases alone" if k == 0 else f"{k} factor{'' if k == 1 else 's'}"
    error = f"a leave-one-out RMSE of {watch.history[-1]['left_out_rmse']:.4f}"
    how = f", chosen by {error}" if chosen else ""
    if watch.draws:
        how = f", distilled from {watch.draws} draws with {error}"
    if watch.stopped:
        return Status.STOPPED, f"Stopped on request after {watch.sweeps} sweeps with {size}."
    if settled:
        return Status.CONVERGED, f"Settled after {watch.sweeps} sweeps with {size}{how}."
    return Status.LIMIT, f"Not settled within the limit, after {watch.sweeps} sweeps with {size}{how}."
