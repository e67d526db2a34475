"""``xlcollab convert``: between long ratings and a crosstab, csv, tsv, parquet and xlsx."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from xlcollab.cli.options import (
    PATH,
    bar_flags,
    json_flag,
    pick,
    read,
    reading_flags,
    size_flags,
    spare_inputs,
    writing_flags,
)
from xlcollab.cli.output import echo_json, named_errors

__all__ = ["convert"]


@click.command(short_help="Convert ratings between kinds of files.")
@click.argument("source", type=PATH)
@click.argument("target", type=PATH)
@click.option(
    "--to",
    "form",
    type=click.Choice(["crosstab", "long"]),
    help="What TARGET holds [default: a crosstab in a workbook or with --users/--items, else long ratings].",
)
@reading_flags
@size_flags
@writing_flags
@bar_flags
@json_flag
@named_errors
def convert(
    source: Path,
    target: Path,
    form: str | None,
    n_users: int | None,
    n_items: int | None,
    force: bool,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Convert the ratings in SOURCE to TARGET, whose suffix says its kind: .xlsx, .csv, .tsv, .txt or .parquet.

    \b
    xlcollab convert ratings.csv crosstab.xlsx --users 15 --items 15
    xlcollab convert crosstab.xlsx ratings.csv
    """
    from xlcollab.atomic import check_target
    from xlcollab.rating_files import write_ratings

    spare_inputs(target)
    check_target(target, force=force)
    ratings = read(source, pick(flags), n_users, n_items)
    if form is None:
        form = "crosstab" if n_users or n_items or target.suffix.lower() == ".xlsx" else "long"
    write_ratings(ratings, target, form=form, force=force)
    if as_json:
        sizes = {"users": ratings.n_users, "items": ratings.n_items, "ratings": len(ratings)}
        echo_json({"source": str(source), "target": str(target), **sizes})
    elif not quiet:
        click.echo(
            f"Wrote {target}: {ratings.n_users:,} users × {ratings.n_items:,} items, {len(ratings):,} ratings ({form})"
        )
