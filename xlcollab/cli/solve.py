"""``xlcollab solve``: the Solver models stored in a workbook, solved headless."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from xlcollab.cli.options import PATH, bar_flags, json_flag, writing_flags
from xlcollab.cli.output import echo_json, echo_table, named_errors, progress_bar

if TYPE_CHECKING:
    from xlcollab.excel_solver.solve import SolvedModel

__all__ = ["solve"]


@click.command(short_help="Solve the Solver models stored in a workbook.")
@click.argument("book", type=PATH)
@click.option("-o", "--output", type=PATH, metavar="OUT.xlsx", help="The solved workbook.")
@click.option("--in-place", is_flag=True, help="Write the solution into BOOK itself.")
@click.option("--sheet", metavar="NAME", help="Solve only the model of this sheet.")
@click.option("--engine", type=click.Choice(["grg", "lp"]), help="Overrule the stored solving method.")
@click.option("--restarts", type=click.IntRange(1), metavar="N", help="Starts of a nonlinear model; 1: the saved one.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same result.")
@click.option("--strict", is_flag=True, help="Exit with code 3, and write nothing, unless all were solved.")
@writing_flags
@bar_flags
@json_flag
@named_errors
def solve(book: Path, output: Path | None, in_place: bool, quiet: bool, as_json: bool, **settings: Any) -> None:
    """Solve the Solver models stored in BOOK and write the answers back, nothing else changed.

    Ctrl-C keeps the best answer so far.

    \b
    xlcollab solve book.xlsx -o solved.xlsx
    """
    if output is not None and in_place:
        raise click.UsageError("--in-place writes into BOOK; leave out --output.")
    from xlcollab.excel_solver.outcome import Code
    from xlcollab.excel_solver.solve import solve as solve_book

    with progress_bar(quiet) as on_progress:
        report = solve_book(book, output, in_place=in_place, on_progress=on_progress, **settings)
    if as_json:
        models = [_document(model) for model in report.models]
        written = None if report.output is None else str(report.output)
        echo_json({"book": str(book), "output": written, "models": models})
    else:
        _echo(report.models)
        for note in report.notes:
            click.echo(note, err=True)
        if report.output is not None and not quiet:
            click.echo(f"Wrote {report.output}")
    if any(model.code == Code.STOPPED for model in report.models):
        _leave(report.exit_code)
    sys.exit(report.exit_code)


def _leave(exit_code: int) -> NoReturn:
    """End at once, as Ctrl-C asks for, though HiGHS may still compute in a thread that nobody can stop."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def _document(model: SolvedModel) -> dict[str, Any]:
    fields = "sheet objective engine sense variables constraints start value saved code message seconds evaluations"
    return {name: getattr(model, name) for name in fields.split()}


def _echo(models: tuple[SolvedModel, ...]) -> None:
    rows = [
        [model.sheet, model.objective or "", model.engine, _number(model.saved), _number(model.value), model.message]
        for model in models
    ]
    echo_table(["sheet", "objective", "engine", "saved", "now", "how it ended"], rows, numeric=(3, 4))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.9g}"
