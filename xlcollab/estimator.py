"""`MatrixFactorization`: `xlcollab.fit` in the shape that scikit-learn and Surprise know.

It needs neither of them: what scikit-learn asks of an estimator is written here, and ``clone``, ``Pipeline``,
``cross_val_score`` and ``GridSearchCV`` take it as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from xlcollab.arrays import BoolArray, FloatArray
from xlcollab.errors import NotFittedError, OptionError, RatingsError
from xlcollab.fitting import Fit, fit
from xlcollab.labels import Label, roles
from xlcollab.rating_files import as_ratings
from xlcollab.ratings import Ratings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MatrixFactorization", "Prediction"]

Table: TypeAlias = "pd.DataFrame | npt.NDArray[Any] | Sequence[Sequence[Any]]"
"""A user and an item in each row, with the rating where it is called for; columns by name, or in this order."""


class Prediction(NamedTuple):
    """One answer of `MatrixFactorization.test`, in Surprise's words, whose ``accuracy`` functions take it.

    ``r_ui`` is the true rating, ``est`` the prediction; ``details["was_impossible"]`` says that the user or the item is
    not known, so that the average one stands in.
    """

    uid: Label
    iid: Label
    r_ui: float
    est: float
    details: dict[str, Any]


class MatrixFactorization:
    """A regressor of ratings on pairs (user, item): r̂ = μ + b_u + b_i + p_u·q_i.

    Parameters
    ----------
    n_factors, biased, y_range
        The model; what is None is the solver's own default.
    solver
        The name of a solver, as for `xlcollab.fit`.
    seed
        A whole number, 0 or more. The same seed gives the same fit.
    clip
        Whether predictions keep to the scale of the ratings.
    duplicates
        What to do where a user rates an item twice: ``error``, ``last`` or ``mean``.
    options
        The solver's own options, such as ``penalty=5.0`` or ``epochs=20``: parameters like the others, also for
        ``set_params`` and for the grid of a search. Which ones the solver has is seen when it fits.

    Attributes
    ----------
    fit_
        The `Fit`: factors by label, intervals, recommendations.
    n_factors_
        The number of factors fitted.
    n_features_in_
        2: user and item.

    >>> from sklearn.model_selection import GridSearchCV  # doctest: +SKIP
    >>> GridSearchCV(MatrixFactorization(solver="scipy"), {"penalty": [1, 5]}).fit(df[["user", "item"]], df["rating"])
    """

    _estimator_type = "regressor"  # what scikit-learn before 1.6 asks for

    def __init__(
        self,
        n_factors: int | None = None,
        biased: bool | None = None,
        y_range: tuple[float, float] | None = None,
        solver: str = "bayes",
        seed: int = 0,
        clip: bool = True,
        duplicates: str = "error",
        **options: Any,
    ) -> None:
        self.n_factors = n_factors
        self.biased = biased
        self.y_range = y_range
        self.solver = solver
        self.seed = seed
        self.clip = clip
        self.duplicates = duplicates
        self.set_params(**options)

    def __repr__(self) -> str:
        plain = {name: repr(value) for name, value in type(self)().get_params().items()}
        changed = (f"{name}={value!r}" for name, value in self.get_params().items() if plain.get(name) != repr(value))
        return f"{type(self).__name__}({', '.join(changed)})"

    # Parameters -------------------------------------------------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 -- scikit-learn's; nothing is nested
        """All parameters by name, the solver's options that were set among them."""
        return {name: value for name, value in vars(self).items() if _may_be_parameter(name)}

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name. `OptionError` for a name that can be none."""
        for name, value in params.items():
            if name in _WOULD_TELL:
                raise OptionError(
                    f"{name!r} cannot be a parameter of {type(self).__name__}: its ratings would be known in the folds"
                    " that hold them out. Pass it to xlcollab.fit."
                )
            if not _may_be_parameter(name) or hasattr(type(self), name):
                raise OptionError(f"{name!r} cannot be a parameter of {type(self).__name__}.")
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn from 1.6 on asks: a regressor, whose columns hold labels of any kind."""
        from sklearn.utils import InputTags, RegressorTags, Tags, TargetTags

        return Tags(
            estimator_type="regressor",
            target_tags=TargetTags(required=False),
            regressor_tags=RegressorTags(),
            input_tags=InputTags(categorical=True, string=True),
        )

    # Fitting and predicting -------------------------------------------------------------------------------------------

    def fit(self, X: Table | Ratings | str | os.PathLike[str], y: Any = None) -> Self:
        """Fit to the ratings ``y`` (N,) of the pairs ``X`` (N, 2).

        Without ``y`` the ratings are in ``X``: three columns, a crosstab as a DataFrame, `Ratings`, or a path. Raises
        what `xlcollab.fit` raises, and `CellValueError` for a rating that is no finite number.
        """
        params = self.get_params()
        ratings = _ratings(X, y, params.pop("duplicates"))
        made = fit(ratings, **params)
        self.fit_ = made
        self.n_factors_ = made.model.n_factors
        self.n_features_in_ = 2
        return self

    def predict(self, X: Table) -> FloatArray:
        """r̂ (N,) for pairs (N, 2). Unknown users and items are predicted as the average ones; `known` tells which."""
        predicted: FloatArray = self._fitted().predict(*_pairs(X), unknown="mean")
        return predicted

    def predict_interval(self, X: Table, level: float = 0.8) -> tuple[FloatArray, FloatArray]:
        """(low, high), (N,) each, as `Fit.predict_interval`; NaN for solvers without one."""
        low, high = self._fitted().predict_interval(*_pairs(X), level=level, unknown="mean")
        return low, high

    def known(self, X: Table) -> BoolArray:
        """Whether user and item of each pair have been fitted (N,)."""
        known: BoolArray = self._fitted().known(*_pairs(X))
        return known

    def score(self, X: Table, y: Any) -> float:
        """R² = 1 − Σ(r − r̂)² / Σ(r − r̄)², as of every regressor in scikit-learn: 1 is perfect, 0 the mean of ``y``."""
        predicted = self.predict(X)
        actual = _one_each(y, len(predicted)).astype(np.float64)
        left, all_there_is = np.sum((actual - predicted) ** 2), np.sum((actual - actual.mean()) ** 2)
        return float(1.0 - left / all_there_is) if all_there_is else float("nan")

    def test(self, X: Table | Ratings) -> list[Prediction]:
        """A `Prediction` for each row of user, item and true rating, as Surprise's ``algo.test(testset)``."""
        frame = X.to_frame() if isinstance(X, Ratings) else _frame(X)
        users, items = _pairs(frame)
        actual = _rating_column(frame).tolist()
        rows = zip(users, items, actual, self.predict(frame).tolist(), self.known(frame).tolist(), strict=True)
        return [Prediction(u, i, float(r), est, {"was_impossible": not known}) for u, i, r, est, known in rows]

    def _fitted(self) -> Fit:
        made: Fit | None = getattr(self, "fit_", None)
        if made is None:
            raise NotFittedError(f"This {type(self).__name__} has not been fitted yet. Call fit first.")
        return made


_WOULD_TELL = frozenset({"start", "valid"})  # they bring ratings of their own into every fit of a cross-validation


def _may_be_parameter(name: str) -> bool:
    """Fitted names end in ``_``; scikit-learn leaves its own beside them, which begin with it."""
    return not (name.startswith("_") or name.endswith("_"))


def _ratings(X: Any, y: Any, duplicates: str) -> Ratings:
    """The ratings that `MatrixFactorization.fit` was given."""
    import pandas as pd

    if y is None and isinstance(X, Ratings | str | os.PathLike | pd.DataFrame):
        return as_ratings(X, duplicates=duplicates)
    frame = _frame(X)
    user, item = _columns(frame)
    values = _rating_column(frame) if y is None else _one_each(y, len(frame))
    long = pd.DataFrame({"user": frame.iloc[:, user], "item": frame.iloc[:, item], "rating": values})
    return Ratings.from_frame(long, duplicates=duplicates)


def _one_each(y: Any, count: int) -> npt.NDArray[Any]:
    """Ratings (N,) for N pairs, from a sequence or a table of one column."""
    values = np.asarray(y)
    if values.shape == (count, 1):
        values = values[:, 0]
    if values.shape != (count,):
        raise RatingsError(f"X holds {count} pairs and y ratings of shape {values.shape}; there is one for each.")
    return values


def _frame(X: Table) -> pd.DataFrame:
    """Rows of user and item (and rating) as a DataFrame, labels with the types that they have."""
    from xlcollab.reading.frames import as_frame

    frame = as_frame(X)
    if frame.shape[1] < 2:
        raise RatingsError(f"X has {frame.shape[1]} column; it holds users and items in two columns.")
    return frame


def _columns(frame: pd.DataFrame) -> tuple[int, int]:
    """Where user and item stand: by the names of the columns, else in the first two."""
    found = roles([str(name) for name in frame.columns])
    return (found["user"], found["item"]) if {"user", "item"} <= found.keys() else (0, 1)


def _rating_column(frame: pd.DataFrame) -> npt.NDArray[Any]:
    if frame.shape[1] < 3:
        raise RatingsError("X holds no ratings: pass them as y, or in a third column.")
    at = roles([str(name) for name in frame.columns]).get("rating", 2)
    return frame.iloc[:, at].to_numpy()


def _pairs(X: Table) -> tuple[list[Label], list[Label]]:
    frame = _frame(X)
    user, item = _columns(frame)
    return frame.iloc[:, user].tolist(), frame.iloc[:, item].tolist()
