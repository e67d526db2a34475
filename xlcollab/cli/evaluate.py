"""``xlcollab evaluate``: how well ratings are predicted that were held out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xlcollab.cli.options import (
    PATH,
    bar_flags,
    json_flag,
    model_flags,
    pick,
    read,
    reading_flags,
    refuse_idle_flags,
    solver_settings,
)
from xlcollab.cli.output import echo_json, echo_table, named_errors, progress_bar

if TYPE_CHECKING:
    from xlcollab.evaluation import Splits
    from xlcollab.ratings import Ratings

__all__ = ["evaluate"]

_HEADINGS = {
    "rmse": "RMSE",
    "rmse_sd": "sd",
    "pooled": "pooled",
    "behind": "behind",
    "behind_se": "± (se)",
    "mae": "MAE",
    "inside": "inside 80%",
    "precision": "precision",
    "recall": "recall",
    "ndcg": "nDCG",
    "map": "MAP",
    "coverage": "coverage",
    "fit_seconds": "fit s",
    "predict_seconds": "predict s",
    "n_train": "train",
    "n_test": "test",
    "unknown": "unknown",
}
_COUNTS = {"n_train", "n_test", "unknown", "splits"}


@click.command(short_help="The error on held-out ratings, of one solver or several.")
@click.argument("train", type=PATH)
@click.argument("test", type=PATH, required=False)
@click.option(
    "--solver", "solvers", multiple=True, default=["bayes"], show_default=True, metavar="NAME",
    help="scipy, torch, bayes or als (repeat).",
)  # fmt: skip
@click.option("--folds", type=click.IntRange(2), metavar="K", help="Without TEST: hold out each of K parts (5).")
@click.option(
    "--valid-pct", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="P", help="Or hold out a part."
)
@click.option("-n", "--count", type=click.IntRange(1), metavar="N", help="Measure lists of the best N items too.")
@click.option("--relevant", type=float, metavar="R", help="With -n: ratings from R on are the ones to find.")
@reading_flags
@model_flags
@bar_flags
@json_flag
@named_errors
def evaluate(
    train: Path,
    test: Path | None,
    solvers: tuple[str, ...],
    folds: int | None,
    valid_pct: float | None,
    count: int | None,
    relevant: float | None,
    seed: int,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Fit to TRAIN and measure the error on TEST, or on parts of TRAIN that are held out in turn.

    Several solvers are measured on the same held-out ratings, the best comes first. TRAIN may be a saved fit, which is
    measured on TEST as it is.

    \b
    xlcollab evaluate u1.base u1.test
    xlcollab evaluate model.xlc new_ratings.csv
    xlcollab evaluate workbooks/movielens_15x15.xlsx --folds 10 --solver bayes --solver torch
    """
    if sum(given is not None for given in (test, folds, valid_pct)) > 1:
        raise click.UsageError("Give TEST, or --folds, or --valid-pct: each says which ratings to hold out.")
    if relevant is not None and count is None:
        raise click.UsageError("--relevant goes with -n.")
    from xlcollab.evaluation import compare
    from xlcollab.fitting import is_saved_fit

    reading = pick(flags)
    held_out = None if test is None else read(test, reading)
    if is_saved_fit(train):
        refuse_idle_flags(train)
        _show([_of_saved_fit(train, held_out, count, relevant)], as_json=as_json)
        return
    ratings = read(train, reading)
    splits = _splits(ratings, held_out, folds, valid_pct, seed)
    shared = {name: flags.pop(name) for name in ("n_factors", "biased", "y_range")}
    with progress_bar(quiet) as on_progress:
        table = compare(
            ratings,
            {name: {"solver": name, **settings} for name, settings in solver_settings(solvers, flags).items()},
            splits=splits,
            n=count,
            relevant=relevant,
            seed=seed,
            on_progress=on_progress,
            **shared,
        )
    _show([{"solver": name, **_numbers(row)} for name, row in table.to_dict("index").items()], as_json=as_json)


def _of_saved_fit(path: Path, held_out: Ratings | None, count: int | None, relevant: float | None) -> dict[str, Any]:
    """The row of a fit that is there already."""
    from xlcollab.evaluation import evaluate as evaluated
    from xlcollab.fitting import load

    if held_out is None:
        raise click.UsageError(f"{path.name} is a saved fit: give TEST, the ratings to measure it on.")
    found = evaluated(load(path), held_out, n=count, relevant=relevant)
    return {"solver": found.fit.solver, "splits": 1, **found.figures()}


def _splits(ratings: Ratings, test: Ratings | None, folds: int | None, valid_pct: float | None, seed: int) -> Splits:
    from xlcollab.evaluation import GivenSplits, KFold, ShuffleSplit

    if test is not None:
        return GivenSplits((ratings, test))
    return KFold(folds or 5, seed) if valid_pct is None else ShuffleSplit(valid_pct, seed=seed)


def _numbers(row: dict[Any, float]) -> dict[str, float]:
    """Counts as whole numbers again, which means over splits need not be."""
    return {
        str(name): int(value) if name in _COUNTS and float(value).is_integer() else float(value)
        for name, value in row.items()
    }


def _show(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A row as it is, several under a name, or a table to read."""
    if as_json:
        echo_json(rows[0] if len(rows) == 1 else {"evaluations": rows})
    else:
        _echo(rows)


def _echo(rows: list[dict[str, Any]]) -> None:
    """A table of what there is to say: spread needs splits, and being behind a second solver."""
    idle = {name for name in _HEADINGS if all(math.isnan(row.get(name, math.nan)) for row in rows)}
    if len(rows) == 1:
        idle |= {"behind", "behind_se"}
    if rows[0]["splits"] == 1:
        idle.add("pooled")
    if not any(row["unknown"] for row in rows):
        idle.add("unknown")
    columns = [name for name in _HEADINGS if name not in idle]
    if rows[0]["splits"] > 1:
        click.echo(f"means of {rows[0]['splits']} splits")
    echo_table(
        ["solver", *(_HEADINGS[name] for name in columns)],
        [[row["solver"], *(_text(name, row[name]) for name in columns)] for row in rows],
        numeric=range(1, len(columns) + 1),
    )


def _text(name: str, value: float) -> str:
    if math.isnan(value):
        return ""
    if name in _COUNTS:
        return f"{value:.0f}"
    if name == "inside":
        return f"{value:.1%}"
    return f"{value:.3f}" if name.endswith("seconds") else f"{value:.4f}"
