"""``xlcollab inspect``: what is in a workbook, or in a file of ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xlcollab.cli.options import PATH, json_flag, pick, read, reading_flags
from xlcollab.cli.output import echo_json, named_errors

if TYPE_CHECKING:
    from xlcollab.excel_solver.model import SolverModel
    from xlcollab.reading.crosstab import Crosstab, LongTable
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["inspect"]


@click.command(short_help="What is in a workbook: ratings and Solver models.")
@click.argument("book", type=PATH)
@reading_flags
@json_flag
@named_errors
def inspect(book: Path, as_json: bool, **flags: Any) -> None:
    """Say what is in BOOK: its crosstabs of ratings and its stored Solver models.

    \b
    xlcollab inspect workbooks/movielens_15x15.xlsx
    """
    from xlcollab.reading.tables import is_workbook

    if not is_workbook(book):
        tables = [_facts_of_file(book, flags)]
        echo_json({"crosstabs": tables, "solver_models": []}) if as_json else _say_tables(tables, book)
        return
    opened, found, models = _look_into(book, flags)
    tables = [_facts(table) for table in found]
    if as_json:
        echo_json({"crosstabs": tables, "solver_models": _summaries(opened, models)})
        return
    _say_tables(tables, book)
    if models:
        _say_models(opened, models)


def _look_into(path: Path, flags: dict[str, Any]) -> tuple[Workbook, list[Crosstab | LongTable], list[SolverModel]]:
    from xlcollab.excel_solver.names import read_models
    from xlcollab.reading.crosstab import find_crosstabs
    from xlcollab.xlsx.workbook import Workbook

    book = Workbook.open(path)
    reading = pick(flags)
    tables = find_crosstabs(
        book,
        sheet=reading["sheet"],
        range=reading["range"],
        transpose=reading["transpose"],
        blanks=reading["blanks"],
    )
    return book, tables, [model for model in read_models(book) if reading["sheet"] in (None, model.sheet)]


def _facts(table: Crosstab | LongTable) -> dict[str, Any]:
    """``copies`` are the other places where the same ratings stand, ``problem`` is what keeps them from being read."""
    return {
        "sheet": table.sheet,
        "range": table.range,
        "users": len(table.users),
        "items": len(table.items),
        "ratings": table.n_ratings,
        "blanks": table.n_blanks,
        "copies": list(table.copies),
        "problem": None if table.problem is None else table.problem.message,
    }


def _facts_of_file(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    ratings = read(path, pick(flags))
    n_blanks = ratings.n_users * ratings.n_items - len(ratings)
    counts = {"users": ratings.n_users, "items": ratings.n_items, "ratings": len(ratings), "blanks": n_blanks}
    return {"sheet": None, "range": None, **counts, "copies": [], "problem": None}


def _say_tables(tables: list[dict[str, Any]], path: Path) -> None:
    for table in tables:
        place = f"{table['sheet']}!{table['range']}" if table["sheet"] else str(path)
        click.echo(
            f"Ratings at {place}: {table['users']:,} users × {table['items']:,} items, "
            f"{table['ratings']:,} ratings, {table['blanks']:,} blanks"
        )
        if table["copies"]:
            click.echo(f"    the same at {', '.join(table['copies'])}")
        if table["problem"]:
            click.echo(f"    cannot be read: {table['problem']}")
    if not tables:
        click.echo("No ratings found.")


# What reads formulas is imported for models only.


def _summaries(book: Workbook, models: list[SolverModel]) -> list[dict[str, Any]]:
    if not models:
        return []
    from xlcollab.excel_solver.words import summarise

    return [summarise(book, model) for model in models]


def _say_models(book: Workbook, models: list[SolverModel]) -> None:
    from xlcollab.excel_solver.words import describe

    for model in models:
        click.echo(f"\nSolver model on sheet {model.sheet}")
        click.echo(describe(book, model))
