"""``evaluate(train, valid, …) -> Evaluation``: fit to one part, or take a fit of it, and measure on the other."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from xlcollab import metrics
from xlcollab.errors import OptionError, RatingsError, UnratedLabelWarning
from xlcollab.evaluation.ranking import Ranking, rank
from xlcollab.evaluation.tuning import search
from xlcollab.fitting import Fit, fit, refuse_shared, refuse_start
from xlcollab.model import Model
from xlcollab.rating_files import Data, as_ratings
from xlcollab.ratings import Ratings

__all__ = ["Evaluation", "evaluate"]


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """How well a fit predicts ratings that it has not seen.

    ``rmse`` and ``mae`` are in the units of the ratings, of predictions as `Fit.predict` gives them (clipped to the
    scale of the training ratings unless ``clip=False``). ``inside`` is the share of held-out ratings within their 80%
    interval, None where the solver gives none. ``unknown`` counts the held-out ratings whose user or item has no
    training rating. ``fit_seconds`` and ``predict_seconds`` are wall time, the first with the search for settings where
    there was one. ``ranking`` holds the measures of recommended lists where they were asked for.
    """

    rmse: float
    mae: float
    inside: float | None
    fit_seconds: float
    predict_seconds: float
    n_train: int
    n_test: int
    unknown: int
    fit: Fit
    ranking: Ranking | None = None

    def __repr__(self) -> str:
        within = "" if self.inside is None else f", {self.inside:.1%} inside the 80% interval"
        error = f"RMSE {self.rmse:.4f}, MAE {self.mae:.4f} of {self.n_test}"
        strangers = f", {self.unknown} of a user or item not rated in training" if self.unknown else ""
        return f"<Evaluation: {self.fit.solver}, {error}{within}{strangers}>"

    @property
    def precision(self) -> float | None:
        """Mean precision@n, None where no ranking was asked for (`Ranking`)."""
        return None if self.ranking is None else self.ranking.precision

    @property
    def recall(self) -> float | None:
        """Mean recall@n."""
        return None if self.ranking is None else self.ranking.recall

    @property
    def ndcg(self) -> float | None:
        """Mean nDCG@n."""
        return None if self.ranking is None else self.ranking.ndcg

    @property
    def map(self) -> float | None:
        """MAP@n."""
        return None if self.ranking is None else self.ranking.map

    @property
    def coverage(self) -> float | None:
        """The share of items that stand in a list."""
        return None if self.ranking is None else self.ranking.coverage

    def figures(self) -> dict[str, float]:
        """The measures by name, for a row of a table; NaN where the solver gives no interval."""
        row = {"rmse": self.rmse, "mae": self.mae, "inside": float("nan") if self.inside is None else self.inside}
        if self.ranking is not None:
            row |= {name: getattr(self.ranking, name) for name in ("precision", "recall", "ndcg", "map", "coverage")}
        return row | {
            "fit_seconds": self.fit_seconds,
            "predict_seconds": self.predict_seconds,
            "n_train": self.n_train,
            "n_test": self.n_test,
            "unknown": self.unknown,
        }


def evaluate(
    train: Data | Fit,
    valid: Data,
    model: Model | None = None,
    *,
    solver: str | None = None,
    n: int | None = None,
    relevant: float | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    **settings: Any,
) -> Evaluation:
    """Fit to ``train`` and measure on ``valid``, which the fit is never shown.

    Parameters
    ----------
    train, valid
        `Ratings`, DataFrames or paths (``evaluate("u1.base", "u1.test")``). Users and items that only ``valid`` knows
        are predicted as the average ones. ``train`` may be a `Fit` that is there already, as `xlcollab.load` gives it:
        then nothing is fitted.
    model, solver, settings
        As for `xlcollab.fit`.
    n, relevant
        Measure the lists of the best n items too, with ratings from ``relevant`` on as the ones to find (`rank`).
    grid
        Settings to choose from by an error held out within ``train`` (`search`), as ``{"n_factors": [2, 5, 10]}``.

    Raises what `xlcollab.fit` raises, `RatingsError` where there is nothing to measure on, where the parts share no
    user and no item, or where they share a rating, and `OptionError` for settings beside a `Fit`.
    """
    valid = as_ratings(valid)
    if not len(valid):
        raise RatingsError("There are no held-out ratings to measure on.")
    if isinstance(train, Fit):
        _refuse_settings(model=model, solver=solver, grid=grid, **settings)
        refuse_shared(train.ratings, valid)
        return _measured(train, valid, 0.0, n=n, relevant=relevant)
    train = as_ratings(train)
    refuse_shared(train, valid)
    refuse_start(settings.get("start"), valid)
    started = time.perf_counter()
    if grid is not None:
        settings |= search(train, grid, model, solver=solver, **settings).settings
        model, solver = settings.pop("model", model), settings.pop("solver", solver)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnratedLabelWarning)  # whose ratings are all held out is no news here
        made = fit(train, model, solver=solver, **settings)
    return _measured(made, valid, time.perf_counter() - started, n=n, relevant=relevant)


def _measured(made: Fit, valid: Ratings, fit_seconds: float, *, n: int | None, relevant: float | None) -> Evaluation:
    """How well a fit predicts ratings that it has not seen."""
    started = time.perf_counter()
    user_idx, item_idx = made.ratings.positions(valid)
    if max(user_idx.max(), item_idx.max()) < 0:
        raise RatingsError(
            f"The held-out ratings share no user and no item with the training ratings (users {valid.users[0]!r}, …"
            f" and {made.ratings.users[0]!r}, …): there is nothing to measure. Are these the same kind of labels?"
        )
    predicted = made.predict_positions(user_idx, item_idx)
    done = time.perf_counter()
    within = made.inside(0.8, valid)
    rated = (made.ratings.user_counts[user_idx] > 0) & (made.ratings.item_counts[item_idx] > 0)
    known = rated & (user_idx >= 0) & (item_idx >= 0)
    return Evaluation(
        rmse=metrics.rmse(predicted, valid.values),
        mae=metrics.mae(predicted, valid.values),
        inside=None if np.isnan(within) else within,
        fit_seconds=fit_seconds,
        predict_seconds=done - started,
        n_train=len(made.ratings),
        n_test=len(valid),
        unknown=int(np.count_nonzero(~known)),
        fit=made,
        ranking=None if n is None else rank(made, valid, n=n, relevant=relevant),
    )


def _refuse_settings(**settings: Any) -> None:
    """Refuse what would only be heeded in fitting."""
    for name, value in settings.items():
        if value is not None:
            raise OptionError(f"{name} says how to fit, and the fit is there already: leave it out, or pass ratings.")
