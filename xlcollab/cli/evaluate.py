"""``xlcollab evaluate``: the held-out error of a solver."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xlcollab.cli.options import (
    PATH,
    bar_flags,
    json_flag,
    model_flags,
    pick,
    read,
    reading_flags,
    solver_settings,
)
from xlcollab.cli.output import echo_json, echo_table, named_errors, progress_bar

__all__ = ["evaluate"]


@click.command()
@click.argument("train", type=PATH)
@click.argument("test", type=PATH)
@click.option("--solver", default="bayes", show_default=True, metavar="NAME", help="scipy, torch, bayes or als.")
@reading_flags
@model_flags
@bar_flags
@json_flag
@named_errors
def evaluate(train: Path, test: Path, solver: str, seed: int, quiet: bool, as_json: bool, **flags: Any) -> None:
    """Fit the ratings in TRAIN and measure the error on those in TEST.

    \b
    xlcollab evaluate u1.base u1.test --solver bayes
    """
    from xlcollab.evaluation import evaluate as evaluate_fit

    reading = pick(flags)
    model = {name: flags.pop(name) for name in ("n_factors", "biased", "y_range")}
    with progress_bar(quiet) as on_progress:
        result = evaluate_fit(
            read(train, reading),
            read(test, reading),
            solver=solver,
            seed=seed,
            on_progress=on_progress,
            **model,
            **solver_settings(solver, flags),
        )
    fields = ("solver", "rmse", "mae", "fit_seconds", "predict_seconds", "n_train", "n_test")
    document = {name: getattr(result, name) for name in fields}
    if as_json:
        echo_json(document)
        return
    echo_table(
        ["solver", "RMSE", "MAE", "fit s", "predict s", "train", "test"],
        [
            [
                result.solver,
                f"{result.rmse:.4f}",
                f"{result.mae:.4f}",
                f"{result.fit_seconds:.2f}",
                f"{result.predict_seconds:.3f}",
                str(result.n_train),
                str(result.n_test),
            ]
        ],
        numeric=range(1, 7),
    )
