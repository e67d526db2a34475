"""``xlcollab predict`` and ``xlcollab recommend``: what one fit says of a user and an item, or of a user."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xlcollab.cli.options import (
    PATH,
    bar_flags,
    json_flag,
    label,
    model_flags,
    pick,
    read,
    reading_flags,
    refuse_idle_flags,
    solver_settings,
    spare_inputs,
    writing_flags,
)
from xlcollab.cli.output import echo_json, echo_table, named_errors, progress_bar

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.fitting import Fit

__all__ = ["predict", "recommend"]

_LABELS = ("user", "user_name", "rank", "item")
_OF_ITEM = ("item", "name", "prediction", "low", "high")


def _source_flags(command: Any) -> Any:
    for decorate in (
        named_errors,
        json_flag,
        bar_flags,
        model_flags,
        reading_flags,
        click.option("--solver", default="bayes", show_default=True, metavar="NAME", help="For ratings: what to fit."),
    ):
        command = decorate(command)
    return command


def _fit_of(source: Path, solver: str, seed: int, quiet: bool, flags: dict[str, Any]) -> Fit:
    """The fit saved in ``source``, or a fit of the ratings in it, with the names that the flags give."""
    from xlcollab.fitting import fit, is_saved_fit, load
    from xlcollab.rating_files import read_names

    reading = pick(flags)
    if is_saved_fit(source):
        refuse_idle_flags(source, reading_too=True)
        user_names, item_names = (
            None if path is None else read_names(path) for path in (reading["user_names"], reading["item_names"])
        )
        saved = load(source)
        return replace(saved, ratings=saved.ratings.with_names(user_names=user_names, item_names=item_names))
    model = {name: flags.pop(name) for name in ("n_factors", "biased", "y_range")}
    with progress_bar(quiet) as on_progress:
        return fit(
            read(source, reading),
            solver=solver,
            seed=seed,
            on_progress=on_progress,
            **model,
            **solver_settings([solver], flags)[solver],
        )


@click.command(short_help="Predict one rating, or those of a file of pairs.")
@click.argument("source", type=PATH)
@click.option("--user", "users", multiple=True, metavar="ID", help="The user.")
@click.option("--item", "items", multiple=True, metavar="ID", help="The item.")
@click.option("--why", type=click.IntRange(1), metavar="N", help="And the N ratings of the user that move it most.")
@click.option("--pairs", type=PATH, metavar="FILE", help="A table of user and item: a prediction for each row.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="With --pairs: a .csv or .xlsx for them.")
@writing_flags
@_source_flags
def predict(
    source: Path,
    users: tuple[str, ...],
    items: tuple[str, ...],
    why: int | None,
    pairs: Path | None,
    output: Path | None,
    force: bool,
    solver: str,
    seed: int,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Predict one rating, or one for each row of a file of pairs, with its 80% interval if the solver gives one.

    A user or an item that the ratings do not hold is predicted as the average one, and marked as not known.

    SOURCE is a ratings file, a workbook or a saved model.

    \b
    xlcollab predict workbooks/movielens_15x15.xlsx --user 293 --item 49 --why 5
    """
    if (len(users), len(items)) != ((1, 1) if pairs is None else (0, 0)):
        raise click.UsageError("Name one --user and one --item, or a file of --pairs.")
    if output is not None and pairs is None:
        raise click.UsageError("--output goes with --pairs.")
    if why is not None and pairs is not None:
        raise click.UsageError("--why goes with one --user and one --item.")
    spare_inputs(output)
    fit = _fit_of(source, solver, seed, quiet, flags)
    if pairs is None:
        table = _predicted(fit, [label(users[0], fit.ratings.users)], [label(items[0], fit.ratings.items)])
    else:
        from xlcollab.reading.tables import read_pairs

        table = _predicted(fit, *read_pairs(pairs))
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    if output is not None:
        from xlcollab.table_writing import write_rows

        write_rows(output, list(table), [list(row.values()) for row in rows], force)
        return
    because = None
    if why is not None:
        if rows[0]["known"]:
            because = fit.explain(rows[0]["user"], rows[0]["item"], why).because
        else:
            click.echo("There is no such user or item in the fit, so no rating moves this prediction.", err=True)
    if as_json:
        told = {} if because is None else {"because": because.to_dict("records")}
        echo_json(rows if pairs is not None else rows[0] | told)
        return
    _echo([name for name in _LABELS if name in table], rows)
    if because is not None:
        _echo_because(because)


def _predicted(fit: Fit, users: list[Any], items: list[Any]) -> dict[str, list[Any]]:
    """The columns of a table of predictions, a row a pair; names only where there are some."""
    from xlcollab.answers.names import label_columns

    low, high = fit.predict_interval(users, items, unknown="mean")
    return {
        **label_columns("user", users, fit.ratings.user_names, "user_name"),
        **label_columns("item", items, fit.ratings.item_names),
        "prediction": fit.predict(users, items, unknown="mean").tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "known": fit.known(users, items).tolist(),
    }


def _echo(labels: list[str], rows: list[dict[str, Any]]) -> None:
    """A table of predictions; intervals and names only where there are some, `known` only where somebody is not."""
    lines = [[*(str(row[label]) for label in labels), f"{row['prediction']:.2f}"] for row in rows]
    header = [*(label.replace("_", " ") for label in labels), "prediction"]
    if any(math.isfinite(row["low"]) for row in rows):
        header.append("80% interval")
        lines = [[*line, f"{row['low']:.2f} to {row['high']:.2f}"] for line, row in zip(lines, rows, strict=True)]
    if not all(row.get("known", True) for row in rows):
        header.append("known")
        lines = [[*line, "yes" if row["known"] else "no"] for line, row in zip(lines, rows, strict=True)]
    if any("name" in row for row in rows):
        header.append("name")
        lines = [[*line, row["name"]] for line, row in zip(lines, rows, strict=True)]
    echo_table(header, lines, numeric=(len(labels),))


def _echo_because(because: pd.DataFrame) -> None:
    """The ratings that move a prediction most, under it."""
    lines = [
        [str(item), f"{rating:g}", f"{share:+.2f}", *name]
        for item, *name, rating, share in because.itertuples(index=False)
    ]
    click.echo()
    named = ["name"] if "name" in because else []
    echo_table(["because", "rated", "moves it by", *named], lines, numeric=(1, 2))


@click.command(short_help="The best items that users have not rated.")
@click.argument("source", type=PATH)
@click.option("--user", "users", multiple=True, metavar="ID", help="The user (repeat for several; none: all of them).")
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, metavar="N", help="How many items.")
@click.option("-o", "--output", type=PATH, metavar="FILE", help="A .csv or .xlsx for the lists, a row an item.")
@writing_flags
@_source_flags
def recommend(
    source: Path,
    users: tuple[str, ...],
    count: int,
    output: Path | None,
    force: bool,
    solver: str,
    seed: int,
    quiet: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """List the items that a user has not rated, best first, with 80% intervals if the solver gives them.

    SOURCE is a ratings file, a workbook or a saved model.

    \b
    xlcollab recommend workbooks/movielens_15x15.xlsx --user 293
    xlcollab recommend ratings.csv -n 5 -o lists.csv
    """
    spare_inputs(output)
    from xlcollab.answers.names import label_columns

    fit = _fit_of(source, solver, seed, quiet, flags)
    named = [label(user, fit.ratings.users) for user in dict.fromkeys(users)] or list(fit.ratings.users)
    names = fit.ratings.user_names
    table = fit.recommend(named, n=count)
    table = table.assign(**label_columns("user", table["user"].tolist(), names, "user_name"))
    columns = [name for name in (*_LABELS, *_OF_ITEM[1:]) if name in table]
    rows = [dict(zip(columns, row, strict=True)) for row in table[columns].to_numpy(dtype=object).tolist()]
    if output is not None:
        from xlcollab.table_writing import write_rows

        write_rows(output, columns, [list(row.values()) for row in rows], force)
    elif as_json:
        of_user: dict[Any, list[dict[str, Any]]] = {user: [] for user in named}
        for row in rows:
            of_user[row["user"]].append({key: row[key] for key in _OF_ITEM if key in row})
        lists = [
            {"user": user, **({"user_name": names.get(user, "")} if names else {}), "items": items}
            for user, items in of_user.items()
        ]
        echo_json(lists[0] if len(users) == 1 else lists)
    else:
        if len(users) == 1 and named[0] in names:
            click.echo(f"for {named[0]}, {names[named[0]]}")
        _echo(["item"] if len(users) == 1 else [name for name in _LABELS if name in columns], rows)
