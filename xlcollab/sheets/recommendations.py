"""Recommendations: for each user the items that nobody knows a rating of, best first.

The order is that of the fit when the report was written; the values are links to Predictions and stay live.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from xlcollab.sheets import theme
from xlcollab.sheets.mirror import fit_title
from xlcollab.sheets.predictions import Predictions
from xlcollab.xlsx.cells import Area, CellValue, address, quote_sheet
from xlcollab.xlsx.newsheet import NewSheet, Style

__all__ = ["Recommendations", "recommendations_sheet"]

_HEADER_ROW = 6


class Recommendation(NamedTuple):
    """One line: positions of user and item, and the place of the item in the user's list, from 1."""

    user: int
    item: int
    rank: int


@dataclass(frozen=True, eq=False)
class Recommendations:
    """The best ``n`` blank items of each user, ``most_rows`` lines in all."""

    predictions: Predictions
    sheet: str
    n: int = 10
    most_rows: int = 20_000

    @cached_property
    def lines(self) -> list[Recommendation]:
        """User by user in the order of the ratings, best first; of equals the one that stands first."""
        lines: list[Recommendation] = []
        for user, (predicted, blank) in enumerate(zip(self.predictions.predicted, self.predictions.blank, strict=True)):
            items = np.flatnonzero(blank)
            best = items[np.argsort(-predicted[items], kind="stable")[: self.n]]
            lines += [Recommendation(user, item, rank) for rank, item in enumerate(best.tolist(), 1)]
            if len(lines) >= self.most_rows:
                break
        return lines[: self.most_rows]

    @property
    def n_users_shown(self) -> int:
        """How many users the lines go through, those without a blank included."""
        ratings = self.predictions.mirror.fit.ratings
        return ratings.n_users if len(self.lines) < self.most_rows else self.lines[-1].user + 1


def recommendations_sheet(recommendations: Recommendations) -> NewSheet:
    """The sheet."""
    predictions = recommendations.predictions
    fit, lines = predictions.mirror.fit, recommendations.lines
    ratings = fit.ratings
    sheet = NewSheet(recommendations.sheet, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Recommendations")
    sheet.cell(2, 1, fit_title(fit), theme.SUBTITLE)
    for row, line in enumerate(_small_print(recommendations), 3):
        sheet.cell(row, 1, line, theme.NOTE)
    columns = _columns(recommendations)
    for column, (title, width, _) in enumerate(columns, 1):
        sheet.cell(_HEADER_ROW, column, title, theme.HEADER_TEXT if title.endswith("name") else theme.HEADER)
        sheet.width(column, column, width)
    first = _HEADER_ROW + 1
    rows = _rows(recommendations, has_names=(bool(ratings.user_names), bool(ratings.item_names)))
    starts = [line.rank == 1 and position > 0 for position, line in enumerate(lines)]
    looks = [(style, theme.with_line_above(style)) for _, _, style in columns]
    sheet.formulas(first, 1, rows, lambda row, column: looks[column][starts[row]])
    if lines:
        theme.color_by_rating(sheet, Area(first, len(columns), first + len(lines) - 1, len(columns)), ratings.scale)
    sheet.freeze(first, 1)
    sheet.print_setup(title_rows=(_HEADER_ROW, _HEADER_ROW))
    return sheet


def _small_print(recommendations: Recommendations) -> list[str]:
    """What the list is, in two lines no wider than the table."""
    ratings = recommendations.predictions.mirror.fit.ratings
    if not recommendations.lines:
        return ["Nothing is left to recommend:", "everybody has rated everything."]
    shown = recommendations.n_users_shown
    some = "" if shown == ratings.n_users else f" of the first {shown:,} users"
    values = "the values are live" if recommendations.predictions.live else "so are the values"
    return [f"Up to {recommendations.n} unrated items{some}, best first.", f"The order is as fitted; {values}."]


def _columns(recommendations: Recommendations) -> list[tuple[str, float, Style]]:
    """Title, width and look of each column."""
    ratings = recommendations.predictions.mirror.fit.ratings
    users = [theme.label_text(label) for label in ratings.users]
    items = [theme.label_text(label) for label in ratings.items]
    columns = [("user", theme.fitting_width(users, 12, 30), theme.LABEL)]
    if ratings.user_names:
        columns.append(("user name", theme.fitting_width(ratings.user_names.values(), 12, 40), theme.TEXT))
    columns += [("rank", 8, theme.POSITION), ("item", theme.fitting_width(items, 12, 30), theme.LABEL)]
    if ratings.item_names:
        columns.append(("item name", theme.fitting_width(ratings.item_names.values(), 12, 50), theme.TEXT))
    return [*columns, ("predicted", 13, theme.PREDICTED_PLAIN)]


def _rows(
    recommendations: Recommendations, *, has_names: tuple[bool, bool]
) -> Iterator[list[tuple[str | None, CellValue]]]:
    predictions = recommendations.predictions
    ratings = predictions.mirror.fit.ratings
    prefix = f"{quote_sheet(predictions.sheet)}!"
    for user, item, rank in recommendations.lines:
        who, what = ratings.users[user], ratings.items[item]
        row: list[tuple[str | None, CellValue]] = [(None, who)]
        if has_names[0]:
            row.append((None, ratings.user_names.get(who, "")))
        row += [(None, rank), (None, what)]
        if has_names[1]:
            row.append((None, ratings.item_names.get(what, "")))
        link = f"{prefix}{address(*predictions.cell(user, item))}" if predictions.live else None
        row.append((link, float(predictions.predicted[user, item])))
        yield row
