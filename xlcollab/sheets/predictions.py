"""Predictions: the crosstab with every blank filled by the fit that is made for predicting.

Known ratings are links to the mirror, blanks are the model's formula over the mirror's cells, kept within the scale of
the ratings by MAX and MIN; held-out ratings are shown as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xlcollab.model import FloatArray
from xlcollab.sheets import theme
from xlcollab.sheets.formulas import absolute, clipped
from xlcollab.sheets.layout import TableLayout
from xlcollab.sheets.mirror import Mirror, fit_title
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.newsheet import NewSheet, Style

__all__ = ["Predictions", "predictions_sheet"]

_HEADING_ROWS = 5
_LEGEND_ROW, _SCALE_ROW = 3, 4
_Pairs = list[tuple[str | None, Any]]


@dataclass(frozen=True, eq=False)
class Predictions:
    """The filled crosstab of one mirror. ``live`` is whether blanks are formulas or values."""

    mirror: Mirror
    sheet: str
    live: bool = True

    @cached_property
    def layout(self) -> TableLayout:
        """Where the table stands."""
        ratings = self.mirror.fit.ratings
        return TableLayout(
            ratings.n_users,
            ratings.n_items,
            _HEADING_ROWS,
            user_names=bool(ratings.user_names),
            item_names=bool(ratings.item_names),
        )

    @cached_property
    def held_out(self) -> FloatArray:
        """Held-out ratings (m, n), NaN elsewhere."""
        fit = self.mirror.fit
        return np.full(self.mirror.known.shape, np.nan) if fit.valid is None else fit.valid.dense()

    @cached_property
    def blank(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which cells nobody has rated (m, n)."""
        blank: np.ndarray[Any, np.dtype[np.bool_]] = ~self.mirror.known & np.isnan(self.held_out)
        return blank

    @cached_property
    def predicted(self) -> FloatArray:
        """r̂ (m, n) as this sheet shows it: kept within the scale unless the fit was told not to clip."""
        fit = self.mirror.fit
        return np.clip(self.mirror.predicted, *fit.clip_range) if fit.clip else self.mirror.predicted

    @cached_property
    def shown(self) -> FloatArray:
        """What the cells show (m, n): known, held-out, else predicted."""
        known = np.where(self.mirror.known, self.mirror.fit.ratings.dense(), self.predicted)
        return np.where(np.isnan(self.held_out), known, self.held_out)

    @property
    def low_cell(self) -> tuple[int, int]:
        """Row and column of the lowest rating, the end that MAX keeps predictions above."""
        return _SCALE_ROW, self.layout.first_column

    @property
    def high_cell(self) -> tuple[int, int]:
        """Row and column of the highest rating."""
        return _SCALE_ROW, self.layout.first_column + 2

    def cell(self, user: int, item: int) -> tuple[int, int]:
        """Row and column of the user and item at these positions."""
        return self.layout.first_row + user, self.layout.first_column + item


def predictions_sheet(predictions: Predictions) -> NewSheet:
    """The sheet."""
    layout = predictions.layout
    ratings = predictions.mirror.fit.ratings
    sheet = NewSheet(predictions.sheet, tab_color=theme.OUTPUT_TAB)
    _heading(sheet, predictions)
    _labels(sheet, predictions, layout)
    values = layout.values
    if predictions.live:
        sheet.formulas(values.first_row, values.first_col, _formula_rows(predictions), _styles(predictions))
    else:
        sheet.block(values.first_row, values.first_col, predictions.shown, _styles(predictions))
    legend = Area(_LEGEND_ROW, layout.first_column, _SCALE_ROW, layout.first_column + 6)
    theme.color_by_rating(sheet, [values, legend], ratings.scale)
    sheet.freeze(layout.first_row, layout.first_column)
    sheet.print_setup(
        landscape=True, title_rows=(layout.label_row, layout.label_row), title_cols=(1, layout.first_column - 1)
    )
    return sheet


def _heading(sheet: NewSheet, predictions: Predictions) -> None:
    fit, first = predictions.mirror.fit, predictions.layout.first_column
    theme.title(sheet, "Predictions")
    live = "" if predictions.live else " Values as fitted: too many cells for live formulas."
    sheet.cell(2, 1, f"Blanks filled by {fit_title(fit)}.{live}", theme.SUBTITLE)
    samples: list[tuple[Style, float, str]] = [(theme.RATING, 4.0, "known"), (theme.PREDICTED, 3.87, "predicted")]
    if fit.valid is not None:
        samples.append((theme.HELD_OUT, 3.0, "held out"))
    sheet.cell(_LEGEND_ROW, 1, "Legend", theme.KEY)
    for position, (style, value, word) in enumerate(samples):
        sheet.cell(_LEGEND_ROW, first + 3 * position, value, style)
        sheet.cell(_LEGEND_ROW, first + 3 * position + 1, word, theme.BESIDE)
    if predictions.live and fit.clip:
        mirror = predictions.mirror
        known = f"{mirror.formulas.prefix}{mirror.layout.ratings.ref}"
        low, high = fit.clip_range
        sheet.cell(_SCALE_ROW, 1, "Scale", theme.KEY)
        sheet.formula(*predictions.low_cell, f"MIN({known})", low, theme.RATING)
        sheet.cell(_SCALE_ROW, first + 1, "to", theme.CENTRED)
        sheet.formula(*predictions.high_cell, f"MAX({known})", high, theme.RATING)


def _labels(sheet: NewSheet, predictions: Predictions, layout: TableLayout) -> None:
    """The labels around one table, and names beside them where there are any."""
    ratings = predictions.mirror.fit.ratings
    items = [theme.label_text(label) for label in ratings.items]
    users = [theme.label_text(label) for label in ratings.users]
    tilted = any(theme.display_width(text) > 7 for text in items)
    corner = f"{ratings.user_title} \\ {ratings.item_title}"
    sheet.cell(layout.label_row, 1, corner, theme.CORNER)
    sheet.block(
        layout.label_row, layout.first_column, [ratings.items], theme.HEADER_TILTED if tilted else theme.HEADER_ITEM
    )
    if tilted:
        sheet.height(layout.label_row, theme.tilted_height(items))
    sheet.block(layout.first_row, 1, ([label] for label in ratings.users), theme.HEADER_USER)
    sheet.width(1, 1, theme.fitting_width([*users, corner], 8, 30))
    sheet.width(layout.first_column, layout.values.last_col, 6.5)
    if ratings.item_names:
        names = [ratings.item_names.get(label, "") for label in ratings.items]
        sheet.block(layout.label_row - 1, layout.first_column, [names], theme.HEADER_NAME_TILTED)
        sheet.height(layout.label_row - 1, theme.tilted_height(names))
    if ratings.user_names:
        names = [ratings.user_names.get(label, "") for label in ratings.users]
        sheet.cell(layout.label_row, 2, "name", theme.HEADER_TEXT)
        sheet.block(layout.first_row, 2, ([name] for name in names), theme.NAME)
        sheet.width(2, 2, theme.fitting_width(names, 8, 40))


def _formula_rows(predictions: Predictions) -> Iterator[_Pairs]:
    """Each user's row: links to known ratings, held-out ratings as values, the model's formula for blanks."""
    mirror, clip = predictions.mirror, predictions.mirror.fit.clip
    low, high = absolute(*predictions.low_cell), absolute(*predictions.high_cell)
    for user, (shown, known, blank) in enumerate(
        zip(predictions.shown.tolist(), mirror.known.tolist(), predictions.blank.tolist(), strict=True)
    ):
        model = mirror.formulas.row(user, [item for item, is_blank in enumerate(blank) if is_blank])
        row: _Pairs = []
        for item, value in enumerate(shown):
            if blank[item]:
                formula = next(model)
                row.append((clipped(formula, low, high) if clip else formula, value))
            else:
                row.append((mirror.formulas.rating(user, item) if known[item] else None, value))
        yield row


def _styles(predictions: Predictions) -> Callable[[int, int], Style]:
    """The look of each cell, by its position in the table."""
    looks = (theme.PREDICTED, theme.RATING, theme.HELD_OUT)
    kind = np.where(predictions.mirror.known, 1, np.where(predictions.blank, 0, 2)).tolist()
    return lambda row, column: looks[kind[row][column]]
