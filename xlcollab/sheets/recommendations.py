"""Recommendations: for each user the items that nobody knows a rating of, best first.

The order is that of the fit when the report was written; the values are links to Predictions and stay live.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from xlcollab.model import FloatArray, IntArray
from xlcollab.sheets import theme
from xlcollab.sheets.filled import LEVEL, Filled
from xlcollab.sheets.mirror import fit_title
from xlcollab.xlsx.cells import Area, CellValue, address, quote_sheet
from xlcollab.xlsx.newsheet import NewSheet, Style

__all__ = ["MOST_ROWS", "N_BEST", "recommendations_sheet"]

N_BEST = 10
"""Items for each user."""

MOST_ROWS = 20_000
"""Lines in all."""

_HEADER_ROW = 7
_FIRST_ROW = _HEADER_ROW + 1


@dataclass(frozen=True, eq=False)
class _Best:
    """The lines: positions of user and item, and the item's place in the user's list, from 1, each (N,)."""

    users: IntArray
    items: IntArray
    ranks: IntArray
    n_users: int
    """How many users the lines go through, those without a blank included."""

    @cached_property
    def starts(self) -> list[bool]:
        """Which lines begin a new user, the first line left out."""
        starts: list[bool] = (self.ranks == 1).tolist()
        return [False, *starts[1:]]


class _Column(NamedTuple):
    title: str
    width: float
    style: Style
    cells: list[tuple[str | None, CellValue]]


def recommendations_sheet(filled: Filled, name: str) -> NewSheet:
    """The sheet ``name``."""
    ratings = filled.mirror.fit.ratings
    best = _best(filled)
    sheet = NewSheet(name, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Recommendations")
    sheet.cell(2, 1, fit_title(filled.mirror.fit), theme.SUBTITLE)
    for row, line in enumerate(_small_print(filled, best), 3):
        sheet.cell(row, 1, line, theme.NOTE)
    columns = [*_who_and_what(filled, best), *_values(filled, best)]
    for number, column in enumerate(columns, 1):
        sheet.cell(_HEADER_ROW, number, column.title, theme.header_over(column.style))
        sheet.width(number, number, column.width)
    looks = [(column.style, theme.with_line_above(column.style)) for column in columns]
    rows = zip(*(column.cells for column in columns), strict=True)
    sheet.formulas(_FIRST_ROW, 1, rows, lambda row, column: looks[column][best.starts[row]])
    if len(best.users):
        first = next(n for n, column in enumerate(columns, 1) if column.title == "predicted")
        last_row = _FIRST_ROW + len(best.users) - 1
        theme.color_by_rating(sheet, Area(_FIRST_ROW, first, last_row, len(columns)), ratings.scale)
    sheet.freeze(_FIRST_ROW, 1)
    sheet.print_setup(title_rows=(_HEADER_ROW, _HEADER_ROW))
    return sheet


def _best(filled: Filled) -> _Best:
    """User by user in the order of the ratings, best first.

    Predictions that the scale cuts off at the same value stand in the order that they would have beyond it.
    """
    users: list[int] = []
    items: list[int] = []
    ranks: list[int] = []
    for user, (predicted, blank) in enumerate(zip(filled.mirror.predicted, filled.blank, strict=True)):
        if len(users) >= MOST_ROWS:
            break
        choice = np.flatnonzero(blank)
        choice = choice[np.argsort(-predicted[choice], kind="stable")[:N_BEST]]
        users += [user] * len(choice)
        items += choice.tolist()
        ranks += range(1, len(choice) + 1)
    n_users = filled.layout.n_users if len(users) < MOST_ROWS else users[-1] + 1
    return _Best(np.array(users, np.int32), np.array(items, np.int32), np.array(ranks, np.int32), n_users)


def _small_print(filled: Filled, best: _Best) -> list[str]:
    """What the list is, in lines no wider than the table."""
    if not len(best.users):
        return ["Nothing is left to recommend:", "everybody has rated everything."]
    some = "" if best.n_users == filled.layout.n_users else f" of the first {best.n_users:,} users"
    values = "the values are live" if filled.live else "so are the values"
    lines = [f"Up to {N_BEST} unrated items{some}, best first.", f"The order is as fitted; {values}."]
    if filled.has_intervals:
        lines.append(f"{LEVEL:.0%} of true ratings lie from low to high.")
    return lines


def _who_and_what(filled: Filled, best: _Best) -> list[_Column]:
    """User, rank and item, with names where there are any."""
    ratings = filled.mirror.fit.ratings
    columns: list[_Column] = []
    for kind, labels, names, idx in (
        ("user", ratings.users, ratings.user_names, best.users.tolist()),
        ("item", ratings.items, ratings.item_names, best.items.tolist()),
    ):
        width = theme.fitting_width([theme.label_text(label) for label in labels], 12, 30)
        columns.append(_Column(kind, width, theme.LABEL, [(None, labels[position]) for position in idx]))
        if names:
            width = theme.fitting_width(names.values(), 12, 50)
            shown: list[tuple[str | None, CellValue]] = [(None, names.get(labels[position], "")) for position in idx]
            columns.append(_Column(f"{kind} name", width, theme.BESIDE, shown))
        if kind == "user":
            columns.append(_Column("rank", 8, theme.POSITION, [(None, rank) for rank in best.ranks.tolist()]))
    return columns


def _values(filled: Filled, best: _Best) -> list[_Column]:
    """The prediction, and the ends of its interval where the solver knows how sure it is."""
    layouts = {"predicted": filled.layout}
    numbers: dict[str, FloatArray] = {"predicted": filled.predicted[best.users, best.items]}
    if filled.has_intervals:
        numbers["low"], numbers["high"] = filled.interval(best.users, best.items)
        layouts |= filled.companions
    prefix = f"{quote_sheet(filled.sheet)}!"
    columns = []
    for title, values in numbers.items():
        layout = layouts[title]
        cells: list[tuple[str | None, CellValue]] = []
        for user, item, value in zip(best.users.tolist(), best.items.tolist(), values.tolist(), strict=True):
            place = address(layout.first_row + user, layout.first_column + item)
            cells.append((f"{prefix}{place}" if filled.live else None, value))
        style = theme.PREDICTED_PLAIN if title == "predicted" else theme.INTERVAL
        columns.append(_Column(title, 13 if title == "predicted" else 9, style, cells))
    return columns
