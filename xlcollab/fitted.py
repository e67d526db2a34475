"""`Fit`: a fitted model together with its ratings. Labels outside, positions inside."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xlcollab.answers.bounds import Bounds
from xlcollab.answers.explanation import Explanation
from xlcollab.answers.fold_in import Regressions
from xlcollab.answers.names import label_columns
from xlcollab.answers.newcomer import Few, Newcomer, few_ratings
from xlcollab.answers.ranking import Seen, best_unseen, ranks
from xlcollab.answers.similarity import most_similar
from xlcollab.answers.unknown import predicted_somehow
from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import FitError, OptionError, UnknownLabelError
from xlcollab.labels import is_many, refuse_many
from xlcollab.model import Factors, Model, predict_all, predict_pairs
from xlcollab.plots import plot_calibration, plot_history, plot_predictions
from xlcollab.ratings import Label, Ratings
from xlcollab.saved_fit import read_fit_fields, write_fit_fields
from xlcollab.solvers.base import FoldsIn, Predictor, Ridge, Status, Uncertainty

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Fit", "load"]

Labels: TypeAlias = "Label | Iterable[Label]"


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A fitted model with the ratings that it was fitted to.

    ``rmse`` and ``mae`` are over the training ratings, of unclipped predictions: the number that the mirror sheet's
    RMSE cell shows. ``valid_rmse`` is over the held-out ratings, of predictions as `predict` gives them (clipped where
    ``clip`` is on); None where nothing was held out. A solver that finds no factors leaves a ``predictor`` in their
    place. ``penalised`` False marks an unpenalised minimum, which says nothing about blank cells and is never to be
    shown as a prediction. ``seconds`` is wall time of the solver alone.
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
    valid_rmse: float | None = None
    device: str = "cpu"
    penalised: bool = True
    clip: bool = True
    records: list[dict[str, float]] = field(default_factory=list)
    uncertainty: Uncertainty | None = None
    predictor: Predictor | None = None
    ridge: Ridge | None = None

    def __repr__(self) -> str:
        return f"<Fit: {self.solver}, {self.model.name}, RMSE {self.rmse:.6f}. {self.message}>"

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
    def bounds(self) -> Bounds:
        """How predictions are clipped, and how far intervals reach."""
        return Bounds(self.clip_range, self.clip, self.uncertainty)

    # As tables --------------------------------------------------------------------------------------------------------

    @cached_property
    def history(self) -> pd.DataFrame:
        """One row a step of the solver (epoch or iteration)."""
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

    # Predictions ------------------------------------------------------------------------------------------------------

    def predict(self, users: Labels, items: Labels, *, clip: bool | None = None, unknown: str = "error") -> Any:
        """r̂ for labels: a float for one user and one item, else an array, the two broadcast against each other.

        ``clip`` keeps predictions within `clip_range`; None means as ``fit`` was told. An unknown label raises
        `UnknownLabelError`; with ``unknown="mean"`` it is predicted as the average user or item (`known` tells which
        are).
        """
        user_idx, item_idx, scalar = self._positions(users, items, unknown)
        values = self.predict_positions(user_idx, item_idx, clip=clip)
        return float(values[0]) if scalar else values

    def predict_interval(
        self, users: Labels, items: Labels, *, level: float = 0.8, clip: bool | None = None, unknown: str = "error"
    ) -> Any:
        """(low, high) between which a rating lies with probability ``level``, shaped as `predict`.

        Around the unclipped prediction, clipped afterwards; NaN where the solver does not know how sure it is. Of
        someone unknown the interval is as wide as users (or items) differ.
        """
        user_idx, item_idx, scalar = self._positions(users, items, unknown)
        low, high = self.interval_positions(user_idx, item_idx, level=level, clip=clip)
        return (float(low[0]), float(high[0])) if scalar else (low, high)

    def known(self, users: Labels, items: Labels) -> Any:
        """Whether the fit knows both labels: a bool, or an array of them, shaped as `predict`."""
        user_idx, item_idx, scalar = self._positions(users, items, "mean")
        known = (user_idx >= 0) & (item_idx >= 0)
        return bool(known[0]) if scalar else known

    def predictions(self, *, clip: bool | None = None) -> pd.DataFrame:
        """r̂ for every user (rows) and item (columns), by label."""
        return _frame(self.predict_matrix(clip=clip), self.ratings.users, list(self.ratings.items))

    def recommend(
        self,
        users: Labels | None = None,
        n: int = 10,
        *,
        among: Labels | None = None,
        include_seen: bool = False,
        clip: bool | None = None,
    ) -> pd.DataFrame:
        """The ``n`` best items that a user has not rated, best first: item (its name, if any), prediction, low, high.

        For one user; for several, or for all (None), one table with a row for each of theirs: user, rank (from 1), and
        the same. ``among`` names the items to choose from (None: all). Held-out ratings count as rated;
        ``include_seen`` lists rated items too. Items whose clipped predictions are the same stand in the order of the
        unclipped ones. ``low`` and ``high`` are the 80% interval, NaN where the solver gives none.
        """
        import pandas as pd

        one = users is not None and not is_many(users)
        at = np.arange(self.ratings.n_users, dtype=np.int32)
        if users is not None:
            at = self._found("user", users)
        choice = None if among is None else self._found("item", among)
        rows, items = self.recommend_positions(at, n, among=choice, include_seen=include_seen)
        low, high = self.interval_positions(at[rows], items, clip=clip)
        columns = {
            **label_columns("item", _at(self.ratings.items, items), self.ratings.item_names),
            "prediction": self.predict_positions(at[rows], items, clip=clip),
            "low": low,
            "high": high,
        }
        if one:
            return pd.DataFrame(columns)
        return pd.DataFrame({"user": _at(self.ratings.users, at[rows]), "rank": ranks(rows), **columns})

    def recommend_positions(
        self, user_idx: IndexArray, n: int, *, among: IndexArray | None = None, include_seen: bool = False
    ) -> tuple[IndexArray, IndexArray]:
        """(row, item), (N,) each, for users (d,) by position, as `recommend`: ``row`` counts within ``user_idx``."""
        seen = None if include_seen else self._seen
        return best_unseen(self._scores, seen, user_idx, self.ratings.n_items, n, among)

    @cached_property
    def _seen(self) -> Seen:
        pairs = [(self.ratings.user_idx, self.ratings.item_idx)]
        if self.valid is not None:
            pairs.append(self.ratings.positions(self.valid))
        return Seen.of(pairs, self.ratings.n_users)

    def _scores(self, user_idx: IndexArray) -> FloatArray:
        """What puts all items in order for d users (d, n): the linear predictor, or what a ``predictor`` predicts."""
        if self.predictor is None:
            P, b_u = self.factors.user_factors[user_idx], self.factors.user_bias[user_idx]
            return predict_all(replace(self.model, y_range=None), replace(self.factors, user_factors=P, user_bias=b_u))
        n = self.ratings.n_items
        every_item = np.tile(np.arange(n, dtype=np.int32), len(user_idx))
        return self.predictor.predict_pairs(np.repeat(user_idx, n), every_item).reshape(-1, n)

    def similar_items(self, item: Label, n: int = 10) -> pd.DataFrame:
        """The ``n`` items most like this one, best first: item (its name, if any), similarity.

        ``similarity`` is the cosine q_i·q_j / (‖q_i‖ ‖q_j‖) of their factors, from −1 to 1, 0 where an item's factors
        are all 0 (`answers.similarity`). An item without a rating stands where the average one does. Raises
        `UnknownLabelError`, and `FitError` where there are no factors.
        """
        return self._similar("item", item, n)

    def similar_users(self, user: Label, n: int = 10) -> pd.DataFrame:
        """The ``n`` users most like this one, best first, as `similar_items`."""
        return self._similar("user", user, n)

    def _similar(self, kind: str, label: Label, n: int) -> pd.DataFrame:
        import pandas as pd

        refuse_many(kind, label)
        position = self._found(kind, label)
        vectors = self.factors.user_factors if kind == "user" else self.factors.item_factors
        labels, names = self._labels_and_names(kind)
        positions, cosines = most_similar(vectors, n, position)
        return pd.DataFrame({**label_columns(kind, _at(labels, positions[0]), names), "similarity": cosines[0]})

    def _labels_and_names(self, kind: str) -> tuple[tuple[Label, ...], Mapping[Label, str]]:
        r = self.ratings
        return (r.users, r.user_names) if kind == "user" else (r.items, r.item_names)

    def predict_matrix(self, *, clip: bool | None = None) -> FloatArray:
        """r̂ (m, n) for every user and item, in the order of ``ratings.users`` and ``ratings.items``."""
        if self.predictor is None:
            return self.bounds.clipped(predict_all(self.model, self.factors), clip)
        return self.bounds.clipped(self._scores(np.arange(self.ratings.n_users, dtype=np.int32)), clip)

    def predict_positions(self, user_idx: IndexArray, item_idx: IndexArray, *, clip: bool | None = None) -> FloatArray:
        """r̂ (N,) for positions; −1 stands for someone unknown, who is predicted as the average one.

        A ``predictor`` knows no average user: there it is the mean of what it predicts (`answers.unknown`).
        """
        if self.predictor is None:
            return self.bounds.clipped(predict_pairs(self.model, self._with_average, user_idx, item_idx), clip)
        shape = (self.ratings.n_users, self.ratings.n_items)
        values = predicted_somehow(self.predictor, user_idx, item_idx, shape, self.ratings.mean)
        return self.bounds.clipped(values, clip)

    def interval_positions(
        self, user_idx: IndexArray, item_idx: IndexArray, *, level: float = 0.8, clip: bool | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """(low, high) of (N,) each for positions, as `predict_interval` gives them for labels."""
        predicted = self.predict_positions(user_idx, item_idx, clip=False)
        return self.bounds.interval(predicted, self._sd(user_idx, item_idx), level, clip)

    def factors_of(self, users: tuple[Label, ...], items: tuple[Label, ...]) -> Factors:
        """The factors of these users and items, in their order; the average ones for those that the fit does not know.

        Raises `FitError` where the fit has no factors.
        """
        return self._with_average.rows(self.ratings.user_position(users), self.ratings.item_position(items))

    @cached_property
    def _with_average(self) -> Factors:
        """The factors with the average user and item appended, where position −1 finds them."""
        f = self.factors
        return Factors(
            np.vstack([f.user_factors, f.user_factors.mean(axis=0)]),
            np.vstack([f.item_factors, f.item_factors.mean(axis=0)]),
            np.append(f.user_bias, f.user_bias.mean()),
            np.append(f.item_bias, f.item_bias.mean()),
            f.mean,
        )

    def _sd(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        if self.uncertainty is None:
            return np.full(len(user_idx), np.nan)
        return self.uncertainty.sd(user_idx, item_idx)

    def _positions(self, users: Labels, items: Labels, unknown: str) -> tuple[IndexArray, IndexArray, bool]:
        """Positions (N,) of both, −1 where unknown, and whether one user and one item were asked for."""
        if unknown not in {"error", "mean"}:
            raise OptionError(f"unknown is {unknown!r}; choose 'error' or 'mean'.")
        users, items = _list(users), _list(items)
        user_idx, item_idx = self.ratings.user_position(users), self.ratings.item_position(items)
        if unknown == "error":
            otherwise = ", or pass unknown='mean' to predict it as the average one"
            _refuse_unknown("user", users, user_idx, otherwise)
            _refuse_unknown("item", items, item_idx, otherwise)
        if len(user_idx) != len(item_idx) and 1 not in {len(user_idx), len(item_idx)}:
            raise OptionError(
                f"{len(user_idx)} users and {len(item_idx)} items are no pairs: pass equally many, or one of either."
            )
        user_idx, item_idx = np.broadcast_arrays(user_idx, item_idx)
        return user_idx, item_idx, not (is_many(users) or is_many(items))

    # Someone new, and why --------------------------------------------------------------------------------------------

    def fold_in_user(self, ratings: Few) -> Newcomer:
        """A user who was not there, from a few ratings by item label, without fitting again.

        ``fit.fold_in_user({49: 5, 57: 3}).predict(100)``. The user's row is the regression of the ratings on the items'
        factors, shrunken as the solver shrinks its own rows (`answers.fold_in`); bayes gives its posterior, and so
        intervals. A mapping, a Series, a DataFrame or pairs; empty, it is the average user. The fit stays as it is.

        Raises `UnknownLabelError` for an item that the fit does not know, `RatingsError` for a rating that is no number
        or lies outside the ``y_range``, and `FitError` where the fit has no factors.
        """
        labels, values = few_ratings("item", ratings, self.model.y_range)
        return self._newcomer("user", self._found("item", labels), values)

    def fold_in_item(self, ratings: Few) -> Newcomer:
        """An item that was not there, from a few ratings by user label, as `fold_in_user`."""
        labels, values = few_ratings("user", ratings, self.model.y_range)
        return self._newcomer("item", self._found("user", labels), values)

    def explain(self, user: Label, item: Label, n: int = 5) -> Explanation:
        """Which of the user's ratings move the prediction for ``item``, and by how much: the ``n`` that move it most.

        "Because you rated …": see `Explanation` for the parts, which add up to the prediction. Raises
        `UnknownLabelError`, and `FitError` where the fit has no factors.
        """
        refuse_many("user", user)
        refuse_many("item", item)
        user_idx, item_idx = self._found("user", user), self._found("item", item)
        own = np.flatnonzero(self.ratings.user_idx == user_idx[0])
        newcomer = self._newcomer("user", self.ratings.item_idx[own], self.ratings.values[own])
        linear = predict_pairs(replace(self.model, y_range=None), self.factors, user_idx, item_idx)
        gap = float(linear[0]) - newcomer.linear(item)
        return replace(newcomer.explain(item, n), prediction=self.predict(user, item, clip=False), gap=gap)

    @cached_property
    def _folding(self) -> FoldsIn:
        if isinstance(self.uncertainty, FoldsIn):
            return self.uncertainty
        idx = (self.ratings.user_idx, self.ratings.item_idx)
        return Regressions(self.model, self.factors, *idx, self.ratings.values, self.ridge)

    def _newcomer(self, kind: str, positions: IndexArray, values: FloatArray) -> Newcomer:
        folding, of_user = self._folding, kind == "user"
        others, names = self._labels_and_names("item" if of_user else "user")
        row = (folding.fold_in_user if of_user else folding.fold_in_item)(positions, values)
        sd = folding.sd_of_user if of_user else folding.sd_of_item
        return Newcomer(
            kind=kind,
            others=others,
            names=names,
            model=self.model,
            factors=self.factors if of_user else self.factors.transposed(),
            row=row,
            rated=positions,
            values=values,
            bounds=self.bounds,
            find=partial(self._found, "item" if of_user else "user"),
            sd=partial(sd, row),
        )

    def _found(self, kind: str, labels: Labels) -> IndexArray:
        """Positions (N,) of labels, none of them unknown."""
        labels = _list(labels)
        positions = (self.ratings.user_position if kind == "user" else self.ratings.item_position)(labels)
        _refuse_unknown(kind, labels, positions)
        return positions

    # Held-out ratings, and pictures -----------------------------------------------------------------------------------

    def inside(self, level: float = 0.8, ratings: Ratings | None = None) -> float:
        """The share of ``ratings`` (None: those held out) that lie inside their intervals; NaN without intervals.

        Calibrated intervals hold a share of ``level``.
        """
        user_idx, item_idx, actual = self._measured(ratings)
        low, high = self.interval_positions(user_idx, item_idx, level=level)
        some = np.isfinite(low)
        if not some.any():
            return float("nan")
        return float(np.mean((actual[some] >= low[some]) & (actual[some] <= high[some])))

    def plot_history(self, ax: Axes | None = None) -> Axes:
        """The error step by step (`history`), drawn by matplotlib."""
        return plot_history(self.records, ax)

    def plot_predictions(self, ratings: Ratings | None = None, ax: Axes | None = None) -> Axes:
        """Predicted against actual ``ratings`` (None: those held out), drawn by matplotlib."""
        user_idx, item_idx, actual = self._measured(ratings)
        return plot_predictions(actual, self.predict_positions(user_idx, item_idx), ax)

    def plot_calibration(self, ratings: Ratings | None = None, ax: Axes | None = None) -> Axes:
        """The share of ``ratings`` (None: those held out) inside their intervals, for levels from 10% to 95%."""
        if self.uncertainty is None:
            raise FitError(
                f"Solver {self.solver!r} gives no intervals, so that there is nothing to calibrate: fit bayes."
            )
        levels = np.append(np.arange(0.1, 0.95, 0.1), 0.95)
        return plot_calibration(levels, np.array([self.inside(level, ratings) for level in levels]), ax)

    def _measured(self, ratings: Ratings | None) -> tuple[IndexArray, IndexArray, FloatArray]:
        """Positions in this fit's labels (−1: unknown) and values of ``ratings``, (N,) each."""
        ratings = self.valid if ratings is None else ratings
        if ratings is None or not len(ratings):
            raise OptionError("No ratings were held out: fit with valid_pct, or pass the ratings to measure.")
        return *self.ratings.positions(ratings), ratings.values

    # Files ------------------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the fit with its ratings to a file that `load` reads: npz with a JSON header, no pickle inside.

        Callbacks among the solver's options are left out: they are code.
        """
        fields = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        write_fit_fields(path, fields, force=force)


def load(path: str | os.PathLike[str]) -> Fit:
    """The fit that `Fit.save` wrote.

    Raises `DamagedFileError` for a file that is not one, or not whole, and `UnsupportedFormatError` for one of a later
    version.
    """
    return Fit(**read_fit_fields(path))


def _refuse_unknown(kind: str, labels: Labels, idx: IndexArray, otherwise: str = "") -> None:
    missing = np.flatnonzero(idx < 0)
    if missing.size:
        label = list(labels)[int(missing[0])] if is_many(labels) else labels
        raise UnknownLabelError(
            f"There is no {kind} {label!r} among the ratings that were fitted. Check its spelling and type{otherwise}."
        )


def _list(labels: Labels) -> Labels:
    """Labels that can be gone through more than once."""
    return labels if isinstance(labels, Sized) or not is_many(labels) else list(labels)


def _at(labels: tuple[Label, ...], positions: IndexArray) -> list[Label]:
    return [labels[position] for position in positions.tolist()]


def _frame(matrix: FloatArray, labels: tuple[Any, ...], columns: list[Any] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(matrix, index=list(labels), columns=columns)


def _series(vector: FloatArray, labels: tuple[Any, ...]) -> pd.Series[float]:
    import pandas as pd

    return pd.Series(vector, index=list(labels))
