"""``penalty="auto"``: λ and λ_b by the error on ratings that are held out within the training ratings.

From strong to weak, halving each time, until the held-out error has risen twice; then once more at the vertex of the
parabola through the best of them and its neighbours. Each fit starts anew: the factors of the one before save no
iterations, and under a penalty that is strong enough they are all 0, a stationary point that no descent leaves.

One number t moves both penalties, λ = t·s·c and λ_b = t·c², with s the standard deviation of the ratings and c the
slope of the link in the middle of its range (1 without one): factors are square roots of ratings and biases are
ratings, so that other units of the ratings give the same predictions. A search over λ and λ_b apart was tried on
MovieLens samples and gained 0.002 at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.model import Factors, Model, predict_pairs
from xlcollab.progress import OnProgress, Progress
from xlcollab.solvers.base import Solution
from xlcollab.solvers.descents import LARGE, Report

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["Choice", "choose_penalty"]

_STRENGTHS = tuple(2.0**power for power in range(7, -7, -1))
"""t, from where biases of a hundred ratings are halved to where next to nothing is held back."""

_FOLDS = 5

FitOnce = Callable[["Ratings", float, float, Report], Factors]
"""Factors for some ratings under λ and λ_b, from one start."""


@dataclass(frozen=True)
class Choice:
    """λ, λ_b and the held-out RMSE that speaks for them; ``stopped`` before the end by the caller."""

    penalty: float
    bias_penalty: float
    rmse: float
    stopped: bool

    @property
    def sentence(self) -> str:
        """How the choice was made."""
        return f"The penalty {self.penalty:.3g} was chosen by a held-out RMSE of {self.rmse:.4f}."

    def solved(self, solve: Callable[[OnProgress | None], Solution], on_progress: OnProgress | None) -> Solution:
        """The fit of all ratings; who has stopped the choosing is not asked again, and gets the first step of it."""
        if self.stopped:
            return solve(lambda _: True)
        solution = solve(on_progress)
        return replace(solution, message=f"{solution.message} {self.sentence}")


def choose_penalty(
    fit_once: FitOnce,
    ratings: Ratings,
    model: Model,
    *,
    bias_penalty: float | None,
    seed: int,
    on_progress: OnProgress | None,
) -> Choice:
    """The penalties with the least held-out error; a ``bias_penalty`` that is given stays.

    Up to `LARGE` ratings each of five parts is held out in turn, above it only the first: there chance says little.
    Errors are those of predictions clipped to the scale, as a fit gives them.
    """
    path = _Path(fit_once, ratings, model, bias_penalty, seed, on_progress)
    errors: list[float] = []
    while len(errors) < len(_STRENGTHS) and not _risen_twice(errors):
        error = path.squared_error(_STRENGTHS[len(errors)])
        if path.stopped:
            break
        errors.append(error)
    if not errors:
        return path.choice(_STRENGTHS[len(_STRENGTHS) // 3], float("nan"))
    best = int(np.argmin(errors))
    strength, least = _STRENGTHS[best], errors[best]
    if 0 < best < len(errors) - 1 and not path.stopped:
        between = strength * 2.0 ** -_vertex(*errors[best - 1 : best + 2])
        error = path.squared_error(between)
        if error < least and not path.stopped:
            strength, least = between, error
    return path.choice(strength, float(np.sqrt(least)))


class _Path:
    """The held-out parts, and the fits for one strength after the other."""

    def __init__(
        self,
        fit_once: FitOnce,
        ratings: Ratings,
        model: Model,
        bias_penalty: float | None,
        seed: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._fit_once, self._model, self._bias_penalty = fit_once, model, bias_penalty
        self._on_progress, self._done, self._least = on_progress, 0, float("inf")
        self._slope = 1.0 if model.y_range is None else (model.y_range[1] - model.y_range[0]) / 4
        self._spread = float(ratings.values.std())
        part = np.random.default_rng(seed).permutation(np.arange(len(ratings)) % _FOLDS)
        folds = range(_FOLDS if len(ratings) <= LARGE else 1)
        self._pairs = [(ratings.select(part != fold), ratings.select(part == fold)) for fold in folds]
        self.stopped = False

    def penalties(self, strength: float) -> tuple[float, float]:
        """λ and λ_b."""
        tied = strength * self._slope**2
        return strength * self._spread * self._slope, tied if self._bias_penalty is None else self._bias_penalty

    def squared_error(self, strength: float) -> float:
        """The mean squared error over all held-out ratings."""
        errors: list[FloatArray] = []
        for train, held_out in self._pairs:
            if not len(held_out):
                continue
            factors = self._fit_once(train, *self.penalties(strength), self._report)
            if self.stopped:
                return float("inf")
            predicted = predict_pairs(self._model, factors, held_out.user_idx, held_out.item_idx)
            errors.append(np.clip(predicted, *train.scale) - held_out.values)
        self._done += 1
        error = float(np.mean(np.concatenate(errors) ** 2))
        self._least = min(self._least, error)
        return error

    def choice(self, strength: float, rmse: float) -> Choice:
        """The penalties of this strength, chosen."""
        return Choice(*self.penalties(strength), rmse, self.stopped)

    def _report(self, _cost: float, _squares: float) -> bool:
        if self._on_progress is not None and not self.stopped:
            least = float(np.sqrt(self._least)) if np.isfinite(self._least) else None
            progress = Progress("choosing the penalty", self._done, len(_STRENGTHS), least)
            self.stopped = bool(self._on_progress(progress))
        return self.stopped


def _risen_twice(errors: list[float]) -> bool:
    """Twice in a row, and by more than fits differ that hold all factors at 0."""
    return len(errors) > 2 and errors[-1] > errors[-2] > 1.001 * min(errors)


def _vertex(before: float, least: float, after: float) -> float:
    """Where the parabola through three points one step apart has its minimum, in steps from the middle one."""
    bend = before - 2 * least + after
    return 0.5 * (before - after) / bend if bend > 0 else 0.0
