"""`Newcomer`: a user or an item who was not there when the model was fitted, predicted from a few ratings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xlcollab.answers.bounds import Bounds
from xlcollab.answers.explanation import Explanation, explained
from xlcollab.answers.names import label_columns
from xlcollab.answers.ranking import largest
from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import RatingsError
from xlcollab.labels import is_many, plain_label, refuse_many, repeated, roles
from xlcollab.model import Factors, Model, link
from xlcollab.ratings import Label
from xlcollab.settings import whole_number

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.solvers.base import NewRow

__all__ = ["Few", "Newcomer", "few_ratings"]

Few: TypeAlias = "Mapping[Label, float] | pd.Series[Any] | pd.DataFrame | Iterable[tuple[Label, float]]"
"""A few ratings by label: a mapping, a Series, pairs, or a DataFrame with both as columns, by name or in this order."""


@dataclass(frozen=True, eq=False, repr=False)
class Newcomer:
    """A new user to whom the fit's items are predicted, or a new item for which its users are.

    ``others`` are the labels of those, the items of a new user or the users of a new item, and ``names`` their names,
    as far as they have any. ``row`` is what the few ratings say of the newcomer in the gauge of the fit's factors;
    ``factors`` are the fit's, the newcomer's side first, as the ``bounds`` of predictions are its. ``find`` gives the
    positions of labels and refuses unknown ones, ``sd`` standard deviations for positions.
    """

    kind: str
    others: tuple[Label, ...]
    names: Mapping[Label, str]
    model: Model
    factors: Factors
    row: NewRow
    rated: IndexArray
    values: FloatArray
    bounds: Bounds
    find: Callable[[Any], IndexArray]
    sd: Callable[[IndexArray], FloatArray]

    def __repr__(self) -> str:
        count = len(self.rated)
        return f"<Newcomer: {self.kind} from {count} rating{'' if count == 1 else 's'}>"

    def predict(self, labels: Label | Iterable[Label], *, clip: bool | None = None) -> Any:
        """r̂ for one label, a float, or for many, an array; `UnknownLabelError` for one that the fit does not know."""
        many = is_many(labels)
        values = self.bounds.clipped(self._predicted(self.find(labels)), clip)
        return values if many else float(values[0])

    def predict_interval(self, labels: Label | Iterable[Label], *, level: float = 0.8, clip: bool | None = None) -> Any:
        """(low, high) between which a rating lies with probability ``level``; NaN where the solver gives none."""
        many = is_many(labels)
        low, high = self._interval(self.find(labels), level, clip)
        return (low, high) if many else (float(low[0]), float(high[0]))

    def recommend(
        self, n: int = 10, *, among: Label | Iterable[Label] | None = None, clip: bool | None = None
    ) -> pd.DataFrame:
        """The ``n`` best items that a new user has not rated, or the users who would like a new item best.

        A DataFrame of item or user (its name, if any), prediction, low and high, best first, as `Fit.recommend`;
        ``among`` names the labels to choose from (None: all).
        """
        import pandas as pd

        n = whole_number("n", n, 0)
        candidates = np.arange(len(self.others)) if among is None else self.find(among)
        unrated = np.setdiff1d(candidates, self.rated).astype(np.int32)
        at = unrated[largest(self._linear(unrated)[None], n)[0]]
        low, high = self._interval(at, 0.8, clip)
        return pd.DataFrame(
            {
                **label_columns(self._of_others, [self.others[position] for position in at.tolist()], self.names),
                "prediction": self.bounds.clipped(self._predicted(at), clip),
                "low": low,
                "high": high,
            }
        )

    def explain(self, label: Label, n: int = 5) -> Explanation:
        """Which of the few ratings move the prediction for ``label``, and by how much (`Explanation`)."""
        rated = label_columns(self._of_others, [self.others[position] for position in self.rated.tolist()], self.names)
        linear, z = self.linear(label), self._z(self.find(label))[0]
        predicted = float(link(self.model, np.array(linear)))
        return explained(z, self.row, predicted, linear, {**rated, "rating": self.values.tolist()}, n)

    def linear(self, label: Label) -> float:
        """μ + b + b_i + p·q_i for a label: the prediction, before the sigmoid where there is a ``y_range``."""
        refuse_many(self._of_others, label)
        return float(self._linear(self.find(label))[0])

    @property
    def _of_others(self) -> str:
        return "item" if self.kind == "user" else "user"

    def _z(self, at: IndexArray) -> FloatArray:
        return np.column_stack([self.factors.item_factors[at], np.full(len(at), float(self.model.biased))])

    def _linear(self, at: IndexArray) -> FloatArray:
        linear: FloatArray = self.factors.mean + self.factors.item_bias[at] + self._z(at) @ self.row.mean
        return linear

    def _predicted(self, at: IndexArray) -> FloatArray:
        return link(self.model, self._linear(at))

    def _interval(self, at: IndexArray, level: float, clip: bool | None = None) -> tuple[FloatArray, FloatArray]:
        return self.bounds.interval(self._predicted(at), self.sd(at), level, clip)


def few_ratings(kind: str, ratings: Few, y_range: tuple[float, float] | None) -> tuple[list[Label], FloatArray]:
    """Labels of ``kind`` and values (N,) of a newcomer's ratings.

    Raises `RatingsError` for what is no pairs, for a label that stands there twice, and for what is no finite number or
    outside ``y_range``.
    """
    pairs = _pairs(kind, ratings)
    labels: list[Label] = [label for label, _ in pairs]
    if twice := repeated(map(plain_label, labels)):
        raise RatingsError(f"The {kind} {labels[twice[0]]!r} is rated twice. Leave one of the two out.")
    low, high = y_range or (-np.inf, np.inf)
    for label, value in pairs:
        if not (isinstance(value, Real | Decimal) and math.isfinite(value) and low <= float(value) <= high):
            within = "" if y_range is None else f" from {low:.10g} to {high:.10g}"
            raise RatingsError(f"The rating with {kind} {label!r} is {value!r}; ratings are finite numbers{within}.")
    return labels, np.array([value for _, value in pairs], dtype=np.float64)


def _pairs(kind: str, ratings: Any) -> list[tuple[Any, Any]]:
    try:
        if hasattr(ratings, "columns"):
            found = roles([str(name) for name in ratings.columns])
            label, rating = (found[kind], found["rating"]) if {kind, "rating"} <= found.keys() else (0, 1)
            return list(zip(ratings.iloc[:, label].tolist(), ratings.iloc[:, rating].tolist(), strict=True))
        return [(label, value) for label, value in (ratings.items() if hasattr(ratings, "items") else ratings)]
    except (TypeError, ValueError, IndexError):
        words = f"A few ratings are a mapping, a Series, a DataFrame or pairs of {kind} and rating."
        raise RatingsError(words) from None
