"""``search(ratings, grid, …) -> Found``: the settings with the least error on ratings held out within ``ratings``."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.errors import OptionError, UnratedLabelWarning
from xlcollab.evaluation.splits import KFold, Pair, Splits, as_splits
from xlcollab.fitting import fit, refuse_start
from xlcollab.metrics import rmse
from xlcollab.model import Model
from xlcollab.rating_files import Data, as_ratings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Found", "search"]


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found: the best ``settings``, their held-out ``rmse``, and a ``table`` of all that were tried.

    ``fit(ratings, **found.settings)`` fits with them. ``rmse`` is the least of several and so a little too good;
    what the settings are worth is said by ratings that the search did not see (`evaluate` with ``grid``).
    """

    settings: dict[str, Any]
    rmse: float
    table: pd.DataFrame

    def __repr__(self) -> str:
        chosen = ", ".join(f"{name}={value!r}" for name, value in self.settings.items())
        return f"<Found: {chosen}; RMSE {self.rmse:.4f}, the least of {len(self.table)}>"


def search(
    ratings: Data,
    grid: Mapping[str, Sequence[Any]],
    model: Model | None = None,
    *,
    solver: str | None = None,
    splits: Splits | int | None = None,
    seed: int = 0,
    **settings: Any,
) -> Found:
    """Fit with every combination of the settings in ``grid`` and keep the one that predicts held-out ratings best.

    All combinations meet the same ``splits`` of ``ratings`` (`xlcollab.evaluation.splits`, or a number of folds; None
    is three folds). To measure the choice itself, keep ratings back from the search altogether. Of combinations with
    the same error the first one wins, the last name in ``grid`` moving fastest.

    >>> search(ratings, {"n_factors": [2, 5], "penalty": [1.0, 10.0]}, solver="scipy")  # doctest: +SKIP
    """
    ratings = as_ratings(ratings)
    pairs = list(as_splits(splits, otherwise=KFold(3, seed), seed=seed).split(ratings))
    tried = list(_combinations(grid))
    errors = np.array(
        [
            [_error(pair, {"model": model, "solver": solver, "seed": seed, **settings, **one}) for pair in pairs]
            for one in tried
        ]
    )
    means = errors.mean(axis=1)
    best = int(np.argmin(means))
    return Found(tried[best], float(means[best]), _table(tried, errors))


def _combinations(grid: Mapping[str, Sequence[Any]]) -> Iterator[dict[str, Any]]:
    if not isinstance(grid, Mapping):
        raise OptionError(f"The grid is {grid!r}; give choices by name, such as {{'n_factors': [2, 5]}}.")
    for name, choices in grid.items():
        if isinstance(choices, str) or not isinstance(choices, Sequence | np.ndarray) or not len(choices):
            raise OptionError(f"The grid holds {choices!r} for {name}; give a list of choices, such as [{choices!r}].")
    for values in itertools.product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def _error(pair: Pair, settings: dict[str, Any]) -> float:
    """The held-out RMSE. The held-out part is not shown to the fit, whose early stopping might learn from it."""
    train, valid = pair
    refuse_start(settings.get("start"), valid)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnratedLabelWarning)
        made = fit(train, **settings)
    return rmse(made.predict_positions(*made.ratings.positions(valid)), valid.values)


def _table(tried: list[dict[str, Any]], errors: Any) -> pd.DataFrame:
    """One row a combination, the best first: its settings, and mean and sd of its RMSE over the splits."""
    import pandas as pd

    table = pd.DataFrame(tried)
    table["rmse"] = errors.mean(axis=1)
    table["rmse_sd"] = errors.std(axis=1, ddof=1) if errors.shape[1] > 1 else np.nan
    return table.sort_values("rmse", kind="stable").reset_index(drop=True)
