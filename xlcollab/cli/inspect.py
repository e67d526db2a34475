"""``xlcollab inspect``: what is in a workbook, or in a file of ratings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xlcollab.cli.options import PATH, json_flag, pick, read, reading_flags
from xlcollab.cli.output import echo_json, named_errors

__all__ = ["inspect"]

_WORKBOOKS = {".xlsx", ".xlsm", ".xltx", ".xltm", ".xls", ".xlsb", ".ods", ".numbers"}


@click.command()
@click.argument("book", type=PATH)
@reading_flags
@json_flag
@named_errors
def inspect(book: Path, as_json: bool, **flags: Any) -> None:
    """Say what is in BOOK: its crosstabs of ratings and its stored Solver models.

    \b
    xlcollab inspect workbooks/movielens_15x15.xlsx
    """
    found = _inspect_book(book, flags) if book.suffix.lower() in _WORKBOOKS else _inspect_table(book, flags)
    if as_json:
        echo_json(found)
        return
    for crosstab in found["crosstabs"]:
        place = f"{crosstab['sheet']}!{crosstab['range']}" if crosstab["sheet"] else str(book)
        click.echo(
            f"Ratings at {place}: {crosstab['users']} users × {crosstab['items']} items, "
            f"{crosstab['ratings']} ratings, {crosstab['blanks']} blanks"
        )
    if not found["crosstabs"]:
        click.echo("No ratings found.")
    for model, words in zip(found["solver_models"], found["words"], strict=True):
        click.echo()
        click.echo(f"Solver model on sheet {model['sheet']}")
        click.echo(words)


def _inspect_book(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    from xlcollab.crosstab import find_crosstabs
    from xlcollab.excel_solver.names import read_models
    from xlcollab.excel_solver.words import describe, summarise
    from xlcollab.xlsx.workbook import Workbook

    book = Workbook.open(path)
    reading = pick(flags)
    crosstabs = find_crosstabs(
        book,
        sheet=reading["sheet"],
        range=reading["range"],
        transpose=reading["transpose"],
        blanks=reading["blanks"],
    )
    models = [model for model in read_models(book) if reading["sheet"] in (None, model.sheet)]
    return {
        "crosstabs": [
            {
                "sheet": crosstab.sheet,
                "range": crosstab.range,
                "users": len(crosstab.users),
                "items": len(crosstab.items),
                "ratings": crosstab.n_ratings,
                "blanks": crosstab.n_blanks,
            }
            for crosstab in crosstabs
        ],
        "solver_models": [summarise(book, model) for model in models],
        "words": [describe(book, model) for model in models],
    }


def _inspect_table(path: Path, flags: dict[str, Any]) -> dict[str, Any]:
    ratings = read(path, pick(flags))
    cells = ratings.n_users * ratings.n_items
    return {
        "crosstabs": [
            {
                "sheet": None,
                "range": None,
                "users": ratings.n_users,
                "items": ratings.n_items,
                "ratings": len(ratings),
                "blanks": cells - len(ratings),
            }
        ],
        "solver_models": [],
        "words": [],
    }
