"""Predictions: the crosstab with every blank filled by the fit that is made for predicting.

Known ratings are links to the mirror, blanks are the model's formula over the mirror's cells, kept within the scale of
the ratings by MAX and MIN; held-out ratings are shown as they are. Where a solver knows how sure it is, tables below
hold the ends of each prediction's interval (formulas) and its standard deviation (a value, as fitted).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from xlcollab.sheets import theme
from xlcollab.sheets.filled import LEVEL, Filled, scattered
from xlcollab.sheets.formulas import absolute, clipped
from xlcollab.sheets.layout import TableLayout
from xlcollab.sheets.mirror import fit_title
from xlcollab.xlsx.cells import Area, address
from xlcollab.xlsx.newsheet import NewSheet, Style

__all__ = ["predictions_sheet"]

_Pairs = list[tuple[str | None, Any]]


def predictions_sheet(filled: Filled) -> NewSheet:
    """The sheet."""
    layout = filled.layout
    values = layout.values
    sheet = NewSheet(filled.sheet, tab_color=theme.OUTPUT_TAB)
    _heading(sheet, filled)
    width = _widths(sheet, filled)
    _labels(sheet, filled, layout)
    if filled.live:
        sheet.formulas(values.first_row, values.first_col, _rows(filled), _looks(filled))
    else:
        sheet.block(values.first_row, values.first_col, filled.shown, _looks(filled))
    colored = [values, Area(3, layout.first_column, 4, layout.first_column + 6)]
    if filled.has_companions:
        colored += _companions(sheet, filled)
    theme.color_by_rating(sheet, colored, filled.mirror.fit.ratings.scale)
    sheet.freeze(layout.first_row, layout.first_column)
    sheet.print_setup(
        landscape=True,
        fit_width=theme.pages_across(width),
        title_rows=(layout.label_row, layout.label_row),
        title_cols=(1, layout.first_column - 1),
    )
    return sheet


def _heading(sheet: NewSheet, filled: Filled) -> None:
    """Title, the fit shown, legend, and the cells that the formulas refer to."""
    mirror, first = filled.mirror, filled.layout.first_column
    fit = mirror.fit
    theme.title(sheet, "Predictions")
    live = f"Live: it follows what is changed in {mirror.sheet}."
    how = live if filled.live else "Values as fitted: too many cells for live formulas."
    sheet.cell(2, 1, f"Blanks filled by {fit_title(fit)}. {how}", theme.SUBTITLE)
    looks = mirror.looks
    samples = [(looks.rating, round(looks.sample(0.75), looks.given), "known")]
    samples.append((looks.predicted, looks.sample(0.7175), "predicted"))
    if fit.valid is not None:
        samples.append((looks.held_out, round(looks.sample(0.5), looks.given), "held out"))
    sheet.cell(3, 1, "Legend", theme.KEY)
    for position, (style, value, word) in enumerate(samples):
        sheet.cell(3, first + 3 * position, value, style)
        sheet.cell(3, first + 3 * position + 1, word, theme.BESIDE)
    if filled.live and fit.clip:
        known = f"{mirror.formulas.prefix}{mirror.layout.ratings.ref}"
        low, high = fit.clip_range
        sheet.cell(4, 1, "Scale", theme.KEY)
        sheet.formula(*filled.lowest, f"MIN({known})", low, looks.rating)
        sheet.cell(4, first + 1, "to", theme.CENTRED)
        sheet.formula(*filled.highest, f"MAX({known})", high, looks.rating)
    if filled.has_companions:
        below, above = fit.bounds.reach(LEVEL)
        sheet.cell(5, 1, f"{LEVEL:.0%} interval", theme.KEY)
        sheet.cell(*filled.below, below, theme.FITTED)
        sheet.cell(5, first + 1, "to", theme.CENTRED)
        sheet.cell(*filled.above, above, theme.FITTED)
        sheet.cell(5, first + 3, "standard deviations from the prediction; see the tables below", theme.BESIDE)


def _widths(sheet: NewSheet, filled: Filled) -> float:
    """Set the widths of all columns; returned is their sum."""
    ratings, layout, each = filled.mirror.fit.ratings, filled.layout, filled.mirror.looks.width
    beside = [filled.mirror.label_width]
    if ratings.user_names:
        beside.append(theme.fitting_width(ratings.user_names.values(), 8, 40))
    for column, width in enumerate(beside, 1):
        sheet.width(column, column, width)
    sheet.width(layout.first_column, layout.values.last_col, each)
    return sum(beside) + each * ratings.n_items


def _labels(sheet: NewSheet, filled: Filled, layout: TableLayout) -> None:
    """The labels around one table, and names beside them where there are any."""
    ratings = filled.mirror.fit.ratings
    items = [theme.label_text(label) for label in ratings.items]
    header = theme.item_header(items)
    sheet.cell(layout.label_row, 1, f"{ratings.user_title} \\ {ratings.item_title}", theme.CORNER)
    sheet.block(layout.label_row, layout.first_column, [ratings.items], header)
    if header.rotation:
        sheet.height(layout.label_row, theme.tilted_height(items))
    sheet.block(layout.first_row, 1, ([label] for label in ratings.users), theme.user_header(ratings.users))
    if layout.item_names:
        names = [theme.shortened(ratings.item_names.get(label, ""), theme.TWO_LINES) for label in ratings.items]
        sheet.block(layout.label_row - 1, layout.first_column, [names], theme.HEADER_NAME_TILTED)
        sheet.height(layout.label_row - 1, theme.tilted_height(names))
    if layout.user_names:
        people = ([ratings.user_names.get(label, "")] for label in ratings.users)
        sheet.cell(layout.label_row, 2, "name", theme.header_over(theme.BESIDE))
        sheet.block(layout.first_row, 2, people, theme.BESIDE)


def _rows(filled: Filled) -> Iterator[_Pairs]:
    """Each user's row: the rating in the mirror or, where there is none, the model; held-out ratings as values.

    One formula for all, so that a rating that is typed into the mirror, or deleted there, is followed.
    """
    formulas = filled.mirror.formulas
    held_out = ~np.isnan(filled.mirror.held_out)
    for user, (shown, fixed) in enumerate(zip(filled.shown.tolist(), held_out.tolist(), strict=True)):
        model = formulas.row(user, [item for item, is_fixed in enumerate(fixed) if not is_fixed])
        row: _Pairs = []
        for item, value in enumerate(shown):
            if fixed[item]:
                row.append((None, value))
                continue
            rating = formulas.rating(user, item)
            row.append((f'IF({rating}="",{_within_scale(filled, next(model))},{rating})', value))
        yield row


def _within_scale(filled: Filled, formula: str) -> str:
    if not filled.mirror.fit.clip:
        return formula
    return clipped(formula, absolute(*filled.lowest), absolute(*filled.highest))


def _looks(filled: Filled) -> Callable[[int, int], Style]:
    """The look of each cell, by its position in the table."""
    looks = filled.mirror.looks
    styles = (looks.predicted, looks.rating, looks.held_out)
    kind = np.where(filled.mirror.known, 1, np.where(filled.blank, 0, 2)).tolist()
    return lambda row, column: styles[kind[row][column]]


def _companions(sheet: NewSheet, filled: Filled) -> list[Area]:
    """The tables of interval ends and standard deviations; returned are the areas that hold ratings."""
    pairs = np.nonzero(filled.blank)
    users, items = pairs[0].astype(np.int32), pairs[1].astype(np.int32)
    low, high = filled.interval(users, items)
    looks = filled.mirror.looks
    captions = {
        "low": ("Low end of the interval", low, filled.below),
        "high": ("High end of the interval", high, filled.above),
        "sd": ("Standard deviation of a rating around its prediction, as fitted", filled.sd(users, items), None),
    }
    for name, (caption, values, reach) in captions.items():
        layout = filled.companions[name]
        sheet.cell(layout.label_row - 2, 1, caption, theme.HEADING)
        _labels(sheet, filled, layout)
        numbers = scattered(filled.blank, values)
        area = layout.values
        if reach:
            sheet.formulas(area.first_row, area.first_col, _end_rows(filled, numbers, reach), looks.interval)
        else:
            sheet.block(area.first_row, area.first_col, numbers, looks.deviation)
    return [filled.companions[name].values for name in ("low", "high")]


def _end_rows(filled: Filled, numbers: list[list[Any]], reach: tuple[int, int]) -> Iterator[_Pairs]:
    """r̂ + z·sd for the blanks of each user, with z in the cell ``reach``; nothing once there is a rating."""
    formulas, deviations = filled.mirror.formulas, filled.companions["sd"]
    z = absolute(*reach)
    for user, row in enumerate(numbers):
        model = formulas.row(user, [item for item, value in enumerate(row) if value is not None])
        pairs: _Pairs = []
        for item, value in enumerate(row):
            if value is None:
                pairs.append((None, None))
                continue
            deviation = address(deviations.first_row + user, deviations.first_column + item)
            end = _within_scale(filled, f"{next(model)}+{z}*{deviation}")
            pairs.append((f'IF({formulas.rating(user, item)}="",{end},"")', value))
        yield pairs
