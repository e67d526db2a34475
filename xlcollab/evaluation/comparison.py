"""Tables of held-out errors: one solver over several splits, or several solvers over the same splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from xlcollab.errors import OptionError
from xlcollab.evaluation.held_out import evaluate
from xlcollab.evaluation.splits import GivenSplits, KFold, Pair, Splits, as_splits
from xlcollab.model import Model
from xlcollab.rating_files import Data, as_ratings

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Candidates", "compare", "cross_validate", "evaluate_each"]

Candidates: TypeAlias = Sequence[str | Mapping[str, Any]] | Mapping[str, str | Mapping[str, Any]]
"""Names of solvers, settings as for `evaluate` (a model and a grid to search among them), or settings by name."""


def cross_validate(
    ratings: Data | None,
    model: Model | None = None,
    *,
    solver: str | None = None,
    k: int = 5,
    seed: int = 0,
    splits: Splits | int | None = None,
    n: int | None = None,
    relevant: float | None = None,
    grid: Mapping[str, Sequence[Any]] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Measure a solver on each of ``k`` folds in turn, or on other ``splits``.

    One row a fold with the figures of its `Evaluation`, then their "mean" and "sd" (over folds, divisor folds − 1), and
    "pooled", the RMSE, MAE and share inside of all held-out ratings together: for `LeaveOneOut` that is the RMSE, where
    a fold's is an absolute error and their mean the MAE. ``seed`` draws the folds and is each fit's own; the other
    arguments are those of `evaluate`. With a ``grid`` the settings are searched anew within each fold's training part,
    so that the error is that of the choice, too.
    """
    import pandas as pd

    one = {"model": model, "solver": solver, "n": n, "relevant": relevant, "grid": grid, "seed": seed, **settings}
    found = evaluate_each(ratings, {"": one}, splits=as_splits(splits, otherwise=KFold(k, seed), seed=seed))
    folds = found.drop(columns=["solver", "split"]).set_axis(found["split"].tolist()).astype(float)
    ends = pd.DataFrame({"mean": folds.mean(), "sd": folds.std(ddof=1), "pooled": _pooled(folds)}).T
    return pd.concat([folds, ends]).rename_axis("fold")


def compare(
    ratings: Data | None,
    solvers: Candidates,
    *,
    splits: Splits | int | None = None,
    n: int | None = None,
    relevant: float | None = None,
    seed: int = 0,
    **settings: Any,
) -> pd.DataFrame:
    """Measure several solvers, or settings, on the same splits: one row each, the least RMSE first.

    Parameters
    ----------
    ratings
        `Ratings`, a DataFrame or a path; None where ``splits`` are given ones.
    solvers
        ``["bayes", "scipy"]``, ``[{"solver": "scipy", "penalty": 5.0}, …]``, or ``{"lesson": {"solver": "scipy"}, …}``.
    splits
        Ways to hold ratings out, or a number of folds; None is five folds drawn by ``seed``.
    n, relevant, seed, settings
        For all of them (`evaluate`); a solver's own settings come first.

    The figures are means over the splits; ``pooled`` is the RMSE of all held-out ratings together, which for
    `LeaveOneOut` is the one to look at. ``rmse_sd`` is the spread of the RMSE over the splits, most of which is the
    splits' own and shared by all solvers; so ``behind`` is the mean of the paired differences to the best, and
    ``behind_se`` their standard error, √((1/J + n_test/n_train) s²) over J splits: training parts overlap, and s²/J
    alone would be too small (Nadeau & Bengio, Inference for the generalization error, Machine Learning 52 (2003) 239).
    NaN with one split.
    """
    each = evaluate_each(
        ratings,
        solvers,
        splits=as_splits(splits, otherwise=KFold(5, seed), seed=seed),
        n=n,
        relevant=relevant,
        seed=seed,
        **settings,
    )
    errors = each.pivot(index="split", columns="solver", values="rmse")
    table = each.drop(columns="split").groupby("solver", sort=False).mean()
    table.insert(1, "rmse_sd", errors.std(ddof=1))
    behind = errors.sub(errors[errors.mean().idxmin()], axis=0)
    ratio = float((table["n_test"] / table["n_train"]).iloc[0])
    table.insert(2, "behind", behind.mean())
    table.insert(3, "behind_se", np.sqrt((1 / len(errors) + ratio) * behind.var(ddof=1)))
    table.insert(4, "pooled", [float(_pooled(each[each["solver"] == name])["rmse"]) for name in table.index])
    table["splits"] = len(errors)
    return table.sort_values("rmse", kind="stable")


def evaluate_each(ratings: Data | None, solvers: Candidates, *, splits: Splits, **settings: Any) -> pd.DataFrame:
    """The figures behind `compare`, one row for each split and solver: solver, split, and those of `Evaluation`."""
    import pandas as pd

    candidates = _named(solvers)
    rows = [
        {"solver": name, "split": number, **evaluate(train, valid, **{**settings, **own}).figures()}
        for number, (train, valid) in enumerate(_pairs(ratings, splits), 1)
        for name, own in candidates.items()
    ]
    return pd.DataFrame(rows)


def _pooled(folds: pd.DataFrame) -> pd.Series[float]:
    """RMSE, MAE and share inside of the held-out ratings of all folds together, and how many these are."""
    import pandas as pd

    weight = folds["n_test"] / folds["n_test"].sum()
    squares, mae = (weight * folds["rmse"] ** 2).sum(), (weight * folds["mae"]).sum()
    inside = (weight * folds["inside"]).sum(skipna=False)
    return pd.Series(
        {
            "rmse": np.sqrt(squares),
            "mae": mae,
            "inside": inside,
            "n_test": folds["n_test"].sum(),
            "unknown": folds["unknown"].sum(),
        }
    )


def _pairs(ratings: Data | None, splits: Splits) -> Iterator[Pair]:
    if isinstance(splits, GivenSplits):
        return splits.split()
    if ratings is None:
        raise OptionError("Pass ratings to split, or GivenSplits, which bring their own.")
    return splits.split(as_ratings(ratings))


def _named(solvers: Candidates) -> dict[str, dict[str, Any]]:
    """Settings by name: the caller's, or the solver with what is set."""
    if isinstance(solvers, str) or not isinstance(solvers, Sequence | Mapping) or not len(solvers):
        raise OptionError(f"solvers is {solvers!r}; give a list of solvers, such as ['bayes', 'scipy'].")
    if isinstance(solvers, Mapping):
        return {name: _settings(given) for name, given in solvers.items()}
    named: dict[str, dict[str, Any]] = {}
    for given in solvers:
        own = _settings(given)
        words = [str(own.get("solver", "default")), *(f"{key}={own[key]}" for key in own if key != "solver")]
        name = ", ".join(words)
        if name in named:
            raise OptionError(f"{name!r} stands among the solvers twice; leave one of them out.")
        named[name] = own
    return named


def _settings(given: str | Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(given, str | Mapping):
        raise OptionError(f"{given!r} is no solver: give its name, or settings such as {{'solver': 'als'}}.")
    return {"solver": given} if isinstance(given, str) else dict(given)
