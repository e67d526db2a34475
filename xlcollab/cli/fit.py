"""``xlcollab fit``: the main job, from a table of ratings to a live result workbook."""

from __future__ import annotations

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
    same_file,
    size_flags,
    solver_settings,
    spare_inputs,
    writing_flags,
)
from xlcollab.cli.output import echo_json, echo_table, named_errors, progress_bar

if TYPE_CHECKING:
    from xlcollab.fitting import Fit
    from xlcollab.ratings import Ratings
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["fit"]

_EXCEL = {".xlsx", ".xlsm"}


@click.command(short_help="Fit ratings and write a live result workbook.")
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("-o", "--output", type=PATH, metavar="OUT.xlsx", help="The result workbook.")
@click.option("--in-place", is_flag=True, help="Write the result sheets into INPUT itself.")
@click.option("--save", type=PATH, metavar="MODEL.xlc", help="Save the fit that Predictions shows, to predict with.")
@click.option("--solver", "solvers", multiple=True, metavar="NAME", help="scipy, torch, bayes or als (repeat).")
@click.option("--valid-pct", type=click.FloatRange(0, 1, min_open=True, max_open=True), metavar="P", help="Hold out.")
@reading_flags
@size_flags
@model_flags
@click.option("--strict", is_flag=True, help="Exit with code 3, and write nothing, if a fit did not converge.")
@writing_flags
@bar_flags
@json_flag
@named_errors
def fit(
    source: Path,
    output: Path | None,
    in_place: bool,
    save: Path | None,
    solvers: tuple[str, ...],
    valid_pct: float | None,
    n_users: int | None,
    n_items: int | None,
    seed: int,
    strict: bool,
    force: bool,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Fit the ratings in INPUT and write factors, predictions and errors into a live workbook.

    Without --solver: scipy and torch as in the lesson, with the model that the flags name, and bayes, which chooses its
    own and fills the blanks.

    \b
    xlcollab fit workbooks/movielens_15x15.xlsx -o result.xlsx
    """
    spare_inputs(save)
    if save is not None and output is not None and same_file(save, output):
        raise click.UsageError(f"--output and --save both name {output}. Choose another name for one of them.")
    target, replace = _target(source, output, in_place, force)
    if save is not None:
        from xlcollab.atomic import check_target

        check_target(save, force=force)
    ratings = read(source, pick(flags), n_users, n_items)
    with progress_bar(quiet) as on_progress:
        fits = _fit_all(ratings, solvers, flags, seed=seed, valid_pct=valid_pct, strict=strict, on_progress=on_progress)
        best = None if save is None else _to_predict_with(fits)
        if target is not None:
            from xlcollab.sheets.report import write_report

            write_report(fits, target, book=source if source.suffix.lower() in _EXCEL else None, force=replace)
    if save is not None and best is not None:
        best.save(save, force=force)
    if as_json:
        echo_json(_document(source, target, ratings, fits))
    else:
        _echo(ratings, fits)
        if target is not None and not quiet:
            click.echo(f"Wrote {target}")


def _to_predict_with(fits: list[Fit]) -> Fit:
    from xlcollab.fitting import shown_fit

    best = shown_fit(fits)
    if best is None:
        raise click.UsageError("--save keeps the fit to predict with, and scipy without --penalty is none.")
    return best


def _target(source: Path, output: Path | None, in_place: bool, force: bool) -> tuple[Path | None, bool]:
    if in_place:
        if output is not None:
            raise click.UsageError("--in-place writes into INPUT; leave out --output.")
        if source.suffix.lower() not in _EXCEL:
            raise click.UsageError("--in-place needs a workbook as INPUT.")
        return _book(source).target(source, force=True), True
    if output is None:
        return None, False
    spare_inputs(output, instead=", or pass --in-place")
    return _book(source).target(output, force=force), force


def _book(source: Path) -> Workbook:
    """The workbook that the result sheets go into."""
    from xlcollab.xlsx.workbook import Workbook

    return Workbook.open(source) if source.suffix.lower() in _EXCEL else Workbook.new()


def _fit_all(ratings: Ratings, solvers: tuple[str, ...], flags: dict[str, Any], **common: Any) -> list[Fit]:
    from xlcollab.fitting import DEFAULT_SOLVER, PLAIN_SOLVERS, fit

    model = {name: flags.pop(name) for name in ("n_factors", "biased", "y_range")}
    fits = []
    for solver, settings in solver_settings(solvers or PLAIN_SOLVERS, flags).items():
        if not solvers and solver == "torch":
            settings.pop("restarts", None)  # torch would minimise without a penalty then
        # unasked, the solver made for predicting chooses its model from the ratings
        named = model if solvers or solver != DEFAULT_SOLVER else {}
        fits.append(fit(ratings, solver=solver, **common, **named, **settings))
    return fits


def _document(source: Path, target: Path | None, ratings: Ratings, fits: list[Fit]) -> dict[str, Any]:
    return {
        "input": str(source),
        "output": None if target is None else str(target),
        "users": ratings.n_users,
        "items": ratings.n_items,
        "ratings": len(ratings),
        "fits": [
            {
                "solver": fit.solver,
                "model": fit.model.name,
                "n_factors": fit.model.n_factors,
                "rmse": fit.rmse,
                "valid_rmse": fit.valid_rmse,
                "seconds": fit.seconds,
                "iterations": fit.iterations,
                "device": fit.device,
                "status": fit.status.value,
                "message": fit.message,
            }
            for fit in fits
        ],
    }


def _echo(ratings: Ratings, fits: list[Fit]) -> None:
    click.echo(f"{ratings.n_users:,} users × {ratings.n_items:,} items, {len(ratings):,} ratings")
    held_out = any(fit.valid_rmse is not None for fit in fits)
    header = ["solver", "model", "RMSE", *(["held-out RMSE"] if held_out else []), "seconds", "device", "how it ended"]
    rows = [
        [
            fit.solver,
            fit.model.name,
            f"{fit.rmse:.6f}",
            *([f"{fit.valid_rmse:.4f}" if fit.valid_rmse is not None else ""] if held_out else []),
            f"{fit.seconds:.2f}",
            fit.device,
            fit.message,
        ]
        for fit in fits
    ]
    echo_table(header, rows, numeric=range(2, 5 if held_out else 4))
