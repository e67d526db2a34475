"""``fit(ratings, …) -> Fit``: the front door to every solver, and what it gives back: labels outside, positions inside."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xlcollab.errors import (
    FitError,
    NotConvergedError,
    OptionError,
    TooManyFactorsWarning,
    UnknownLabelError,
    UnratedLabelWarning,
)
from xlcollab.model import Factors, FloatArray, IntArray, Model, predict_all, predict_pairs
from xlcollab.progress import OnProgress
from xlcollab.solvers import SOLVERS, make_solver
from xlcollab.solvers.base import Solution, Status, Uncertainty

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.ratings import Label, Ratings

__all__ = ["DEFAULT_SOLVER", "Fit", "fit", "load"]

DEFAULT_SOLVER = "bayes"
"""What ``fit(ratings)`` uses: the solver made for predicting."""

Labels: TypeAlias = "Label | Iterable[Label]"


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted model with the ratings that it was fitted to.

    ``rmse`` and ``mae`` are over the training ratings, of unclipped predictions: the number that the mirror sheet's
    RMSE cell shows. ``valid_rmse`` is over the held-out ratings, of predictions as `predict` gives them (clipped where
    ``clip`` is on), NaN where nothing was held out. ``penalised`` False marks an unpenalised minimum, which says nothing about
    blank cells and is never to be shown as a prediction.
    """

    ratings: Ratings
    model: Model
    factors: Factors
    solver: str
    options: dict[str, Any]
    seed: int
    status: Status
    message: str
    iterations: int
    seconds: float
    rmse: float
    mae: float
    valid: Ratings | None = None
    valid_rmse: float = float("nan")
    device: str = "cpu"
    penalised: bool = True
    clip: bool = True
    records: list[dict[str, float]] = field(default_factory=list)
    uncertainty: Uncertainty | None = None

    @property
    def converged(self) -> bool:
        """Whether the solver did all that it set out to do."""
        return self.status.ok

    @property
    def mean(self) -> float:
        """μ, in the units of the ratings (of the linear predictor where there is a ``y_range``)."""
        return float(self.factors.mean)

    @property
    def clip_range(self) -> tuple[float, float]:
        """(lowest, highest) rating of the data, which clipped predictions stay within."""
        return self.ratings.scale

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row a step of the solver (epoch, iteration or start)."""
        import pandas as pd

        return pd.DataFrame(self.records)

    @cached_property
    def user_factors(self) -> pd.DataFrame:
        """P by user label (m, k)."""
        return _frame(self.factors.user_factors, self.ratings.users)

    @cached_property
    def item_factors(self) -> pd.DataFrame:
        """Q by item label (n, k)."""
        return _frame(self.factors.item_factors, self.ratings.items)

    @cached_property
    def user_bias(self) -> pd.Series[float]:
        """b_u by user label (m,); zeros where the model has no biases."""
        return _series(self.factors.user_bias, self.ratings.users)

    @cached_property
    def item_bias(self) -> pd.Series[float]:
        """b_i by item label (n,); zeros where the model has no biases."""
        return _series(self.factors.item_bias, self.ratings.items)

    def predict(self, users: Labels, items: Labels, *, clip: bool | None = None) -> Any:
        """r̂ for labels: a float for one user and one item, else an array, the two broadcast against each other.

        ``clip`` keeps predictions within `clip_range`; None means as ``fit`` was told. An unknown label raises
        `UnknownLabelError`.
        """
        user_idx, item_idx, scalar = self._positions(users, items)
        values = self._clipped(predict_pairs(self.model, self.factors, user_idx, item_idx), clip)
        return float(values[0]) if scalar else values

    def predict_matrix(self, *, clip: bool | None = None) -> FloatArray:
        """r̂ (m, n) for every user and item, in the order of ``ratings.users`` and ``ratings.items``."""
        return self._clipped(predict_all(self.model, self.factors), clip)

    def predictions(self, *, clip: bool | None = None) -> pd.DataFrame:
        """r̂ for every user (rows) and item (columns), by label."""
        import pandas as pd

        matrix = self.predict_matrix(clip=clip)
        return pd.DataFrame(matrix, index=list(self.ratings.users), columns=list(self.ratings.items))

    def _clipped(self, values: FloatArray, clip: bool | None) -> FloatArray:
        low, high = self.clip_range
        return np.clip(values, low, high) if (self.clip if clip is None else clip) else values

    def _positions(self, users: Labels, items: Labels) -> tuple[IntArray, IntArray, bool]:
        scalar = not (_is_many(users) or _is_many(items))
        user_idx = self.ratings.user_position(_as_list(users))
        item_idx = self.ratings.item_position(_as_list(items))
        for kind, labels, idx in (("user", users, user_idx), ("item", items, item_idx)):
            unknown = np.flatnonzero(np.asarray(idx) < 0)
            if unknown.size:
                label = _as_list(labels)[int(unknown[0])]
                raise UnknownLabelError(f"{kind.capitalize()} {label!r} is not among the {kind}s that the fit knows.")
        user_idx, item_idx = np.broadcast_arrays(user_idx, item_idx)
        return user_idx, item_idx, scalar


def fit(
    ratings: Any,
    model: Model | None = None,
    *,
    n_factors: int | None = None,
    biased: bool | None = None,
    y_range: tuple[float, float] | None = None,
    solver: str | None = None,
    seed: int = 0,
    valid: Ratings | None = None,
    valid_pct: float | None = None,
    strict: bool = False,
    on_progress: OnProgress | None = None,
    clip: bool = True,
    **options: Any,
) -> Fit:
    """Fit a model to ratings.

    Parameters
    ----------
    ratings
        `Ratings`, a DataFrame of user, item, rating, or a path.
    model, n_factors, biased, y_range
        The model, or its fields; fields given beside a model replace those of the model.
    solver
        ``scipy``, ``torch``, ``bayes`` or ``als``; None takes the default for predicting.
    seed
        The same seed gives the same result on the same machine, bit for bit.
    valid, valid_pct
        Ratings to hold out, or the fraction of ``ratings`` to hold out by ``seed``.
    strict
        Raise `NotConvergedError` where the solver did not reach what it set out to do.
    options
        The solver's own options (`xlcollab.solvers.solver_options`).
    """
    model = _model(model, n_factors=n_factors, biased=biased, y_range=y_range)
    name = DEFAULT_SOLVER if solver is None else solver
    method = make_solver(name, **options)
    if valid_pct is not None:
        ratings, valid = ratings.split(valid_pct=valid_pct, seed=seed)
    _check(ratings, model)
    start = time.perf_counter()
    solution = method.solve(ratings, model, valid=valid, seed=seed, on_progress=on_progress)
    seconds = time.perf_counter() - start
    if strict and not solution.status.ok:
        raise NotConvergedError(solution.message)
    return _fit_from(solution, ratings, model, name, options, seed, seconds, valid, clip)


def _fit_from(
    solution: Solution,
    ratings: Ratings,
    model: Model,
    name: str,
    options: dict[str, Any],
    seed: int,
    seconds: float,
    valid: Ratings | None,
    clip: bool,
) -> Fit:
    error = predict_pairs(model, solution.factors, ratings.user_idx, ratings.item_idx) - ratings.values
    made = Fit(
        ratings=ratings,
        model=model,
        factors=solution.factors,
        solver=name,
        options=options,
        seed=seed,
        status=solution.status,
        message=solution.message,
        iterations=solution.iterations,
        seconds=seconds,
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        valid=valid,
        device=solution.device,
        penalised=solution.penalised,
        clip=clip,
        records=solution.history,
        uncertainty=solution.uncertainty,
    )
    if valid is None or len(valid) == 0:
        return made
    held_out = made._clipped(predict_pairs(model, made.factors, valid.user_idx, valid.item_idx), None) - valid.values
    return replace(made, valid_rmse=float(np.sqrt(np.mean(held_out**2))))


def load(path: str | os.PathLike[str]) -> Fit:
    """The fit that `Fit.save` wrote."""
    raise NotImplementedError(path)


def _model(model: Model | None, **fields: Any) -> Model:
    given = {name: value for name, value in fields.items() if value is not None}
    return replace(Model() if model is None else model, **given)


def _check(ratings: Ratings, model: Model) -> None:
    """Refuse ratings that no solver can be fitted to, and warn of those that say little."""
    values = ratings.values
    if len(values) == 0:
        raise FitError("There are no ratings to fit.")
    if values.min() == values.max():
        raise FitError(f"All {len(values)} ratings are {values[0]:g}: there is nothing to fit. Check what was read.")
    if model.y_range is not None:
        low, high = model.y_range
        outside = np.flatnonzero((values < low) | (values > high))
        if outside.size:
            at = int(outside[0])
            user, item = ratings.users[ratings.user_idx[at]], ratings.items[ratings.item_idx[at]]
            raise OptionError(
                f"User {user!r} rates item {item!r} {values[at]:g}, outside y_range {low:g} to {high:g}. Widen the range."
            )


def _is_many(labels: Labels) -> bool:
    return isinstance(labels, Iterable) and not isinstance(labels, str | bytes)


def _as_list(labels: Labels) -> list[Any]:
    return list(labels) if isinstance(labels, Iterable) and not isinstance(labels, str | bytes) else [labels]


def _frame(matrix: FloatArray, labels: tuple[Any, ...]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(matrix, index=list(labels))


def _series(vector: FloatArray, labels: tuple[Any, ...]) -> pd.Series[float]:
    import pandas as pd

    return pd.Series(vector, index=list(labels))
