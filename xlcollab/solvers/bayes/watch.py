"""The fit under observation: what it has learned so far, written down step by step, and whether to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from xlcollab.arrays import IndexArray
from xlcollab.progress import OnProgress, Progress
from xlcollab.solvers.bayes.filled import continued
from xlcollab.solvers.bayes.fold_in import Gaussians, RowPrior, Rows
from xlcollab.solvers.bayes.gauge import Turn
from xlcollab.solvers.bayes.intervals import moments
from xlcollab.solvers.bayes.leave_one_out import LeftOut, Sample, leave_one_out
from xlcollab.solvers.bayes.observations import Observations
from xlcollab.solvers.bayes.variational import Posterior, Side, sweep

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["Watch"]

SAMPLE = 20_000  # ratings by which the number of factors is judged and the intervals are calibrated


class Watch:
    """Counts sweeps, keeps the history, reports progress and remembers that the caller said stop.

    Users and items without a rating take no part in the fit: they would only slow the priors down.
    """

    def __init__(
        self, ratings: Ratings, valid: Ratings | None, rng: np.random.Generator, on_progress: OnProgress | None
    ) -> None:
        self._rated = tuple(np.flatnonzero(counts) for counts in (ratings.user_counts, ratings.item_counts))
        self._sizes = (ratings.n_users, ratings.n_items)
        user_idx, item_idx = (
            _renumbered(idx, rated, size)
            for idx, rated, size in zip((ratings.user_idx, ratings.item_idx), self._rated, self._sizes, strict=True)
        )
        m, n = (len(rated) for rated in self._rated)
        self.observations = Observations.from_arrays(user_idx, item_idx, ratings.values, m, n)
        self.task = "fitting"
        self.sweeps = self.draws = 0  # a draw is a sweep too
        self.stopped = False
        self.history: list[dict[str, float]] = []
        self._range = ratings.scale
        self._valid = valid if valid is not None and len(valid) else None
        self._on_progress = on_progress
        chosen: slice | npt.NDArray[np.intp] = slice(None)
        if len(ratings) > SAMPLE:
            chosen = np.sort(rng.choice(len(ratings), SAMPLE, replace=False))
        values = (ratings.values[chosen] - self.observations.mean) / self.observations.scale
        self.sample = Sample(user_idx[chosen], item_idx[chosen], values)

    def sweep(self, posterior: Posterior, times: int) -> None:
        """Sweep and count."""
        for _ in range(times):
            sweep(posterior)
        self.sweeps += times

    def left_out(self, posterior: Posterior) -> LeftOut:
        """The leave-one-out residuals of a sample of the training ratings."""
        return leave_one_out(posterior, self.sample)

    def everyone(self, posterior: Posterior) -> tuple[Gaussians, Gaussians]:
        """The posterior of all users and of all items; who has no rating is like the average of those who have."""
        sides = zip((posterior.users, posterior.items), self._rated, self._sizes, strict=True)
        users, items = (_with_unrated(side, rated, size) for side, rated, size in sides)
        return users, items

    def rows(self, posterior: Posterior, turns: tuple[Turn, Turn]) -> tuple[Rows, Rows]:
        """All users and all items as the fit shows them, and what is known of those to come."""
        users, items = self.everyone(posterior)
        noise = self.observations.scale**2 / posterior.precision  # in the users' rows; the items' is relative to it
        return (
            self._shown(posterior.users, users, turns[0], noise, own=0),
            self._shown(posterior.items, items, turns[1], 1.0, own=1),
        )

    def _shown(self, side: Side, everyone: Gaussians, turn: Turn, noise: float, *, own: int) -> Rows:
        told = continued(side.order, side.features, turn.of_directions(side.weights))
        filled = np.zeros((self._sizes[1 - own], told.shape[1]))
        filled[self._rated[1 - own]] = told
        prior = RowPrior(
            turn.of_points(side.centre),
            turn.of_covariances(np.asarray(np.linalg.inv(side.precision), dtype=float)),
            filled,
            noise,
            side.noise_shape,
        )
        each = np.full(self._sizes[own], np.mean(noise / side.noise))
        each[self._rated[own]] = noise / side.noise
        return Rows(turn.of_gaussians(everyone), each, prior)

    def report(self, posterior: Posterior, left_out: LeftOut | None = None) -> float:
        """Write a line of history, tell the caller, and return the leave-one-out RMSE in the units of the ratings.

        The residuals are those of the posterior where none are given.
        """
        scale = self.observations.scale
        error = scale * (left_out or self.left_out(posterior)).rmse
        line = {
            "sweep": float(self.sweeps),
            "factors": float(posterior.n_factors),
            "left_out_rmse": error,
            "noise_sd": scale / float(np.sqrt(posterior.precision)),
        }
        if self._valid is not None:
            line["valid_rmse"] = self._held_out_rmse(posterior, self._valid)
        self.history.append(line)
        if self._on_progress is not None and not self.stopped:
            progress = Progress(f"{self.task}, {posterior.n_factors} factors", self.sweeps, value=error)
            self.stopped = bool(self._on_progress(progress))
        return error

    def _held_out_rmse(self, posterior: Posterior, valid: Ratings) -> float:
        """Reported only: nothing in the fit looks at it."""
        mean, _ = moments(*self.everyone(posterior), valid.user_idx, valid.item_idx)
        predicted = np.clip(self.observations.mean + self.observations.scale * mean, *self._range)
        return float(np.sqrt(np.mean((predicted - valid.values) ** 2)))


def _renumbered(idx: IndexArray, rated: npt.NDArray[np.intp], size: int) -> IndexArray:
    """Positions among the rated ones for positions among all."""
    new = np.full(size, -1, dtype=np.int32)
    new[rated] = np.arange(len(rated), dtype=np.int32)
    return new[idx]


def _with_unrated(side: Side, rated: npt.NDArray[np.intp], size: int) -> Gaussians:
    known = Gaussians(side.mean, side.covariance)
    if len(rated) == size:
        return known
    mean, covariance = (np.repeat(part[None], size, axis=0) for part in known.average)
    mean[rated], covariance[rated] = known
    return Gaussians(mean, covariance)
