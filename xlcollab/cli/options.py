"""Flags that several commands share, each written once, and what they turn into."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from xlcollab.ratings import Label, Ratings

__all__ = [
    "ReadFlags",
    "bar_flags",
    "json_flag",
    "label",
    "model_flags",
    "pick",
    "read",
    "reading_flags",
    "refuse_idle_flags",
    "same_file",
    "solver_settings",
    "spare_inputs",
    "writing_flags",
]

F = TypeVar("F", bound=Callable[..., Any])

PATH = click.Path(path_type=Path)
_READ = ("source", "pairs", "item_names", "user_names")
_HOW_TO_FIT = {"solver", "solvers", "n_factors", "biased", "y_range", "seed"}
_HOW_TO_FIT |= {"restarts", "quality", "penalty", "epochs", "lr", "device"}
_HOW_TO_READ = {"sheet", "range_", "transpose", "blanks", "duplicates"}


class ReadFlags(TypedDict):
    """The flags of `reading_flags`, under the names that `xlcollab.read_ratings` gives them."""

    sheet: str | None
    range: str | None
    transpose: bool
    blanks: tuple[str, ...]
    duplicates: str
    item_names: Path | None
    user_names: Path | None


def _stack(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _penalty(text: str) -> float | str:
    """What ``--penalty`` takes: a number, 0 or more, or ``auto``."""
    if text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not value >= 0:
        raise click.BadParameter(f"{text!r} is neither a number, 0 or more, nor 'auto'.")
    return value


def reading_flags(command: F) -> F:
    """Say which table of a file holds the ratings, and how it is to be read."""
    return _stack(
        click.option("--sheet", metavar="NAME", help="The sheet that holds the ratings."),
        click.option("--range", "range_", metavar="REF", help="Their range: B2:Q17, a defined name or a table."),
        click.option("--transpose", is_flag=True, help="Items stand down the side, users across the top."),
        click.option("--blanks", multiple=True, metavar="TEXT", help="Other marker of “not rated”: 0, n/a … (repeat)."),
        click.option(
            "--duplicates",
            type=click.Choice(["error", "last", "mean"]),
            default="error",
            show_default=True,
            help="What to do when a user rated an item twice.",
        ),
        click.option("--item-names", type=PATH, metavar="FILE", help="A file of id, name: names beside the item ids."),
        click.option("--user-names", type=PATH, metavar="FILE", help="The same for users."),
    )(command)


def size_flags(command: F) -> F:
    """Cut the ratings down to the lesson's crosstab."""
    return _stack(
        click.option("--users", "n_users", type=click.IntRange(1), metavar="N", help="Keep the N most active users."),
        click.option("--items", "n_items", type=click.IntRange(1), metavar="N", help="Keep the N most rated items."),
    )(command)


def model_flags(command: F) -> F:
    """Choose the model and how a solver fits it; what is not given is the solver's own default."""
    return _stack(
        click.option("-k", "--factors", "n_factors", type=click.IntRange(0), metavar="K", help="Number of factors."),
        click.option("--bias/--no-bias", "biased", default=None, help="Add a bias for each user and item."),
        click.option("--y-range", nargs=2, type=float, metavar="LO HI", help="Squeeze predictions into LO … HI."),
        click.option("--seed", type=int, default=42, show_default=True, help="Same seed, same result."),
        click.option("--restarts", type=click.IntRange(1), metavar="N", help="Random starts (scipy; torch if named)."),
        click.option("--quality", type=click.Choice(["good", "best"]), help="best: slower, errs less (bayes)."),
        click.option("--penalty", type=_penalty, metavar="L2|auto", help="L2 penalty, or auto (scipy, als)."),
        click.option("--epochs", type=click.IntRange(1), metavar="N", help="Passes over the ratings (torch)."),
        click.option("--lr", type=click.FloatRange(0, min_open=True), metavar="RATE", help="Learning rate (torch)."),
        click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where torch computes."),
    )(command)


def writing_flags(command: F) -> F:
    """Say that an existing file may be replaced."""
    return click.option("--force", is_flag=True, help="Replace OUT if it exists.")(command)


def bar_flags(command: F) -> F:
    """Silence the progress bar and the warnings."""
    return click.option("-q", "--quiet", is_flag=True, help="No progress bar, no warnings.")(command)


def json_flag(command: F) -> F:
    """Print JSON for scripts in place of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file, whether it is there already or not."""
    there = one.exists() and other.exists()
    return one.samefile(other) if there else one.resolve() == other.resolve()


def spare_inputs(target: Path | None, instead: str = "") -> None:
    """Raise `click.UsageError` where ``target`` is a file that the command reads, ``--force`` or not.

    ``instead`` is another way out where it is the source.
    """
    read_here = click.get_current_context().params
    for name in _READ:
        path = read_here.get(name)
        if target is not None and path is not None and same_file(target, path):
            way_out = instead if name == "source" else ""
            raise click.UsageError(f"{target} is the input itself. Choose another name{way_out}.")


def refuse_idle_flags(saved: Path, *, reading_too: bool = False) -> None:
    """Raise `click.UsageError` where a flag was typed that says how to fit, as ``saved`` is a fit already.

    ``reading_too``: or how to read ratings, where none are read.
    """
    idle = _HOW_TO_FIT | _HOW_TO_READ if reading_too else _HOW_TO_FIT
    context = click.get_current_context()
    for option in context.command.params:
        typed = context.get_parameter_source(option.name or "") is ParameterSource.COMMANDLINE
        if typed and option.name in idle:
            raise click.UsageError(f"{saved.name} is a saved fit: {option.opts[-1]} does nothing with it.")


def pick(flags: dict[str, Any]) -> ReadFlags:
    """Take the reading flags out of a command's keywords.

    Raises `click.UsageError` where ``--range`` is on another sheet than ``--sheet``.
    """
    sheet, home = flags["sheet"], _sheet_of(flags["range_"] or "")
    if sheet and home and sheet.lower() != home.lower():
        raise click.UsageError(f"--sheet is {sheet} and --range is on {home}. Leave one of the two out.")
    return ReadFlags(
        sheet=flags.pop("sheet"),
        range=flags.pop("range_"),
        transpose=flags.pop("transpose"),
        blanks=flags.pop("blanks"),
        duplicates=flags.pop("duplicates"),
        item_names=flags.pop("item_names"),
        user_names=flags.pop("user_names"),
    )


def _sheet_of(reference: str) -> str:
    """The sheet that a reference names, without its quotes: ``'My Sheet'!A1:B2`` is on My Sheet; else an empty text."""
    sheet = reference.strip().removeprefix("=").rpartition("!")[0]
    return sheet[1:-1].replace("''", "'") if sheet.startswith("'") else sheet


def read(path: Path, flags: ReadFlags, n_users: int | None = None, n_items: int | None = None) -> Ratings:
    """Read the ratings that the flags name, cut to the most active users and most rated items if asked to."""
    from xlcollab.rating_files import read_ratings

    ratings = read_ratings(path, **flags)
    if n_users or n_items:
        ratings = ratings.crosstab(n_users=n_users, n_items=n_items)
    return ratings


def solver_settings(solvers: Sequence[str], flags: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Those of the given flags that each solver has an option for: a flag speaks to each solver that knows it.

    Raises `click.UsageError` for a flag that goes with none of the solvers.
    """
    from xlcollab.solvers import SOLVERS, solver_options

    given = {name: value for name, value in flags.items() if value is not None}
    settings = {solver: {name: given[name] for name in solver_options(solver) if name in given} for solver in solvers}
    for name in given:
        if not any(name in known for known in settings.values()):
            choices = [solver for solver in SOLVERS if name in solver_options(solver)]
            named = " and ".join(solvers)
            raise click.UsageError(f"--{name} does nothing with {named}: it is for {', '.join(choices)}.")
    return settings


def label(text: str, among: tuple[Label, ...]) -> Label:
    """The label that a person typed: ``293`` is the number 293 where the ratings hold numbers, known or not."""
    by_text = {str(known): known for known in among}
    if text not in by_text and re.fullmatch(r"-?\d+", text) and all(isinstance(known, int) for known in among):
        return int(text)
    return by_text.get(text, text)
