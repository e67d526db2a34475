"""Recommendations: for each user the items that nobody knows a rating of, best first.

The order is that of the fit when the report was written; the values are links to Predictions and stay live, and an item
that has got a rating in the mirror since then says so. References are absolute, so that the lines can be sorted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xlcollab.answers.ranking import ranks
from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.filled import LEVEL, Filled
from xlcollab.sheets.formulas import absolute
from xlcollab.sheets.mirror import fit_title
from xlcollab.xlsx.cells import quote_sheet
from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["MOST_ROWS", "N_BEST", "recommendations_sheet"]

N_BEST = 10
"""Items for each user."""

MOST_ROWS = 20_000
"""Lines in all."""

_HEADER_ROW = 7


@dataclass(frozen=True, eq=False)
class _Best:
    """The lines: positions of user and item, and the item's place in the user's list, from 1, each (N,)."""

    users: IndexArray
    items: IndexArray
    ranks: IndexArray
    n_users: int
    """How many users the lines go through, those without a blank included."""

    @cached_property
    def starts(self) -> list[bool]:
        """Which lines begin a new user, the first line left out."""
        starts: list[bool] = (self.ranks == 1).tolist()
        return [False, *starts[1:]]


def recommendations_sheet(filled: Filled, name: str) -> NewSheet:
    """The sheet ``name``."""
    ratings = filled.mirror.fit.ratings
    best = _best(filled)
    sheet = NewSheet(name, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Recommendations")
    sheet.cell(2, 1, fit_title(filled.mirror.fit), theme.SUBTITLE)
    for row, line in enumerate(_small_print(filled, best), 3):
        sheet.cell(row, 1, line, theme.NOTE)
    table = Columns(_HEADER_ROW, filtered=True)
    _add_who_and_what(table, filled, best)
    values = _add_values(table, filled, best)
    table.put(sheet, best.starts)
    if len(best.users):
        theme.color_by_rating(sheet, [table.area(key) for key in values], ratings.scale)
    sheet.freeze(table.first_row, 1)
    sheet.print_setup(title_rows=(_HEADER_ROW, _HEADER_ROW))
    return sheet


def _best(filled: Filled) -> _Best:
    """User by user in the order of the ratings, as `Fit.recommend` lists them; whole lists only."""
    n_users = filled.layout.n_users
    users, items = filled.mirror.fit.recommend_positions(np.arange(n_users, dtype=np.int32), N_BEST)
    if len(users) > MOST_ROWS:
        n_users = int(users[MOST_ROWS - 1]) + 1
        users, items = users[users < n_users], items[users < n_users]
    return _Best(users, items, ranks(users), n_users)


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


def _add_who_and_what(table: Columns, filled: Filled, best: _Best) -> None:
    """User, rank and item, with names where there are any."""
    ratings = filled.mirror.fit.ratings
    table.add_labels("user", ratings.users, ratings.user_names, best.users.tolist(), least=12)
    table.add("rank", best.ranks.tolist(), theme.POSITION)
    table.add_labels("item", ratings.items, ratings.item_names, best.items.tolist(), least=12)


def _add_values(table: Columns, filled: Filled, best: _Best) -> list[str]:
    """The prediction, and the ends of its interval where the solver knows how sure it is; returned are their keys."""
    layouts, known = {"predicted": filled.layout}, filled.mirror.layout.ratings
    numbers: dict[str, FloatArray] = {"predicted": filled.predicted[best.users, best.items]}
    if filled.has_intervals:
        numbers["low"], numbers["high"] = filled.interval(best.users, best.items)
        layouts |= filled.companions
    prefix = f"{quote_sheet(filled.sheet)}!"
    pairs = list(zip(best.users.tolist(), best.items.tolist(), strict=True))
    for key, values in numbers.items():
        row, column = layouts[key].first_row, layouts[key].first_column
        places = [f"{prefix}{absolute(row + user, column + item)}" for user, item in pairs]
        if key == "predicted":
            given = (absolute(known.first_row + user, known.first_col + item) for user, item in pairs)
            at = filled.mirror.formulas.prefix
            places = [f'IF({at}{rating}="",{place},"rated")' for rating, place in zip(given, places, strict=True)]
        looks = filled.mirror.looks
        style, width = (looks.predicted_plain, 13) if key == "predicted" else (looks.interval, 9)
        table.add(key, values.tolist(), style, formula=places if filled.live else None, width=width)
    return list(numbers)
