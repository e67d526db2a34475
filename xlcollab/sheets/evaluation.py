"""Evaluation: every held-out rating with what each fit predicts for it, how far that is off, and how sure the fit was.

Predictions are formulas over the factor cells of the mirrors, kept within the scale as `Fit.predict` does; ends of
intervals are the prediction plus so many standard deviations (values, as fitted). On the left stand what follows from
the rows: how often the intervals hold, and predictions drawn against ratings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.formulas import absolute, clipped
from xlcollab.sheets.held_out import LEVELS, HeldOut, Measured
from xlcollab.sheets.mirror import fit_title
from xlcollab.sheets.plan import LIVE_CELLS
from xlcollab.xlsx.cells import Area, qualified, quote_sheet
from xlcollab.xlsx.charts import OKABE_ITO, Chart, Series
from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["MOST_ROWS", "Evaluation", "evaluation_sheet"]

MOST_ROWS = 100_000
"""Held-out ratings that are written; more are measured in Compare alone."""

_SCALE_ROW, _GROUP_ROW, _HEADER_ROW = 3, 5, 6
_LOWEST, _HIGHEST = absolute(_SCALE_ROW, 2), absolute(_SCALE_ROW, 3)
_LEFT_COLUMNS, _CHART_ROWS = 8, 22
_MOST_POINTS = 5_000
_BELOW, _ABOVE, _INSIDE = 2, 3, 4  # columns of a calibration table


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Where everything stands: Compare refers to it."""

    held_out: HeldOut
    sheet: str

    @cached_property
    def table(self) -> Columns:
        """A row a held-out rating."""
        table = Columns(_HEADER_ROW, _LEFT_COLUMNS + 2)
        ratings = self.held_out.ratings
        table.add_labels("user", ratings.users, ratings.user_names, ratings.user_idx.tolist())
        table.add_labels("item", ratings.items, ratings.item_names, ratings.item_idx.tolist())
        table.add("actual", ratings.values.tolist(), self.held_out.shown.mirror.looks.rating)
        for one in self.held_out.fits:
            self._add_fit(table, one)
        return table

    def is_live(self, one: Measured) -> bool:
        """Whether the predictions of this fit are formulas."""
        ends = sum(2 * len(LEVELS) for other in self.held_out.fits if other.has_intervals)
        n_formulas = len(self.held_out.ratings) * (len(self.held_out.fits) + ends)
        return one.on_sheet and one.mirror.live and n_formulas <= LIVE_CELLS

    def area(self, name: str, one: Measured | None = None) -> Area:
        """The cells of a column: "actual", or of a fit its "predicted", "error", "50% low" and so on."""
        return self.table.area(name if one is None else _key(one, name))

    def calibration(self, one: Measured, level: float, column: int = _INSIDE) -> tuple[int, int]:
        """Row and column of a cell of a fit's calibration table, by default the share inside."""
        unsure = [other for other in self.held_out.fits if other.has_intervals]
        return _GROUP_ROW + 2 + (len(LEVELS) + 3) * unsure.index(one) + LEVELS.index(level), column

    @property
    def chart_row(self) -> int:
        """The row below the calibration tables."""
        return _GROUP_ROW + (len(LEVELS) + 3) * sum(one.has_intervals for one in self.held_out.fits)

    def _add_fit(self, table: Columns, one: Measured) -> None:
        live = self.is_live(one)
        model: list[str | None] = [None] * len(one.known)
        if live:  # somebody unknown is predicted as the average one, which has no cells
            users, items = (positions.tolist() for positions in one.positions)
            formulas = one.mirror.formulas
            model = [
                formulas.prediction(user, item) if known else None
                for user, item, known in zip(users, items, one.known, strict=True)
            ]
        predicted, error, looks = _key(one, "predicted"), _key(one, "error"), one.mirror.looks
        within = [_within(one, text) for text in model]
        table.add(
            predicted,
            one.predicted.tolist(),
            looks.predicted_plain,
            formula=within,
            title="predicted",
            width=9.5,
        )
        difference = f"{table.ref(predicted)}-{table.ref('actual')}" if live else None
        values = (one.predicted - self.held_out.ratings.values).tolist()
        table.add(error, values, looks.difference, formula=difference, title="error", width=7.5)
        if one.has_intervals:
            self._add_intervals(table, one, model)

    def _add_intervals(self, table: Columns, one: Measured, model: Sequence[str | None]) -> None:
        looks = one.mirror.looks
        table.add(_key(one, "sd"), _plain(one.sd), looks.deviation, title="sd", width=7.5)
        sd = table.ref(_key(one, "sd"))
        for level in LEVELS:
            for end, column, values in zip(("low", "high"), (_BELOW, _ABOVE), one.interval(level), strict=True):
                z = absolute(*self.calibration(one, level, column))
                formulas = [_within(one, text and f"{text}+{z}*{sd}") for text in model]
                name = f"{level:.0%} {end}"
                table.add(_key(one, name), _plain(values), looks.interval, formula=formulas, title=name, width=9)


def evaluation_sheet(evaluation: Evaluation) -> NewSheet:
    """The sheet."""
    held_out, table = evaluation.held_out, evaluation.table
    sheet = NewSheet(evaluation.sheet, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Evaluation")
    live = all(evaluation.is_live(one) for one in held_out.fits)
    how = "" if live else " Values where there are too many rows or cells for live formulas."
    what = f"Each of {len(held_out.ratings):,} held-out ratings, and what the fits predict for it.{how}"
    sheet.cell(2, 1, what, theme.SUBTITLE)
    sd = "; sd: standard deviation around the prediction, as fitted" * any(one.has_intervals for one in held_out.fits)
    sheet.cell(_SCALE_ROW, _LEFT_COLUMNS + 2, f"error: predicted less actual{sd}", theme.NOTE)
    sheet.width(1, _LEFT_COLUMNS, 9)
    _add_scale(sheet, held_out)
    for one in held_out.fits:
        if one.has_intervals:
            _add_calibration(sheet, evaluation, one)
        at = table.number(_key(one, "predicted"))
        if one.on_sheet:
            sheet.link(_GROUP_ROW, at, f"{quote_sheet(one.mirror.sheet)}!A1", one.mirror.sheet, theme.LINK)
        else:
            sheet.cell(_GROUP_ROW, at, one.mirror.sheet, theme.HEADING)
    table.put(sheet)
    colored = [evaluation.area("actual"), *(evaluation.area("predicted", one) for one in held_out.fits)]
    theme.color_by_rating(
        sheet, [Area(_SCALE_ROW, 2, _SCALE_ROW, 3), *colored], held_out.shown.mirror.fit.ratings.scale
    )
    row = evaluation.chart_row
    sheet.chart(Area(row, 1, row + _CHART_ROWS - 1, _LEFT_COLUMNS), _chart(evaluation))
    sheet.freeze(table.first_row, 1)
    sheet.print_setup(landscape=True, title_rows=(_GROUP_ROW, _HEADER_ROW))
    return sheet


def _key(one: Measured, name: str) -> str:
    return f"{one.mirror.sheet}: {name}"


def _within(one: Measured, formula: str | None) -> str | None:
    return clipped(formula, _LOWEST, _HIGHEST) if formula and one.mirror.fit.clip else formula


def _plain(values: FloatArray) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]


def _add_scale(sheet: NewSheet, held_out: HeldOut) -> None:
    """The ends of the scale, which predictions are kept between: the least and greatest rating that was fitted."""
    mirror, on_sheet = held_out.shown.mirror, held_out.shown.on_sheet
    known = f"{mirror.formulas.prefix}{mirror.layout.ratings.ref}"
    sheet.cell(_SCALE_ROW, 1, "Scale", theme.KEY)
    for column, name, value in zip((2, 3), ("MIN", "MAX"), mirror.fit.ratings.scale, strict=True):
        if on_sheet:
            sheet.formula(_SCALE_ROW, column, f"{name}({known})", value, mirror.looks.rating)
        else:
            sheet.cell(_SCALE_ROW, column, value, mirror.looks.rating)


def _add_calibration(sheet: NewSheet, evaluation: Evaluation, one: Measured) -> None:
    """How many of the ratings lie in their intervals: of 80% intervals it should be 80%."""
    first = evaluation.calibration(one, LEVELS[0])[0]
    sheet.cell(first - 2, 1, f"How often the intervals of {one.mirror.sheet} hold", theme.HEADING)
    for column, title in ((1, "interval"), (_BELOW, "from (sd)"), (_ABOVE, "to (sd)"), (_INSIDE, "inside")):
        sheet.cell(first - 1, column, title, theme.HEADER_ITEM)
    actual = evaluation.area("actual").ref
    for level in LEVELS:
        row, column = evaluation.calibration(one, level)
        below, above = one.mirror.fit.bounds.reach(level)
        sheet.cell(row, 1, level, theme.LEVEL)
        sheet.cell(row, _BELOW, below, theme.FITTED)
        sheet.cell(row, _ABOVE, above, theme.FITTED)
        low, high = (evaluation.area(f"{level:.0%} {end}", one).ref for end in ("low", "high"))
        formula = f"SUMPRODUCT(ISNUMBER({low})*({actual}>={low})*({actual}<={high}))/COUNT({low})"
        sheet.formula(row, column, formula, one.inside(level), theme.SHARE)


def _chart(evaluation: Evaluation) -> Chart:
    """Predicted against actual, and the line on which both are the same."""
    one = evaluation.held_out.shown
    n = min(len(one.known), _MOST_POINTS)
    low, high = one.mirror.fit.ratings.scale
    ends = qualified(evaluation.sheet, Area(_SCALE_ROW, 2, _SCALE_ROW, 3))
    actual, predicted = (
        qualified(evaluation.sheet, Area(area.first_row, area.first_col, area.first_row + n - 1, area.last_col))
        for area in (evaluation.area("actual"), evaluation.area("predicted", one))
    )
    cloud = Series(
        name="held-out ratings",
        x_ref=actual,
        x_cache=evaluation.held_out.ratings.values[:n].tolist(),
        y_ref=predicted,
        y_cache=one.predicted[:n].tolist(),
        color=OKABE_ITO[0],
    )
    diagonal = Series(
        name="predicted = actual", x_ref=ends, x_cache=[low, high], y_ref=ends, y_cache=[low, high],
        line=True, marker=False, color="8A939C", dash="dash",
    )  # fmt: skip
    return Chart(
        kind="scatter",
        title=f"{one.mirror.sheet}: predicted and actual",
        series=[cloud, diagonal],
        alt_text=(
            f"{fit_title(one.mirror.fit)}: predictions of {n:,} held-out ratings against these, with the line on which"
            f" both are the same; the root mean squared error is {one.rmse:.4f}."
        ),
        x_title="actual rating",
        y_title="predicted",
        x_range=_rounded_out(low, high),
        y_range=_rounded_out(low, high) if one.mirror.fit.clip else (None, None),
        x_format=one.mirror.looks.axis,
        y_format=one.mirror.looks.axis,
    )


def _rounded_out(low: float, high: float) -> tuple[float, float]:
    """The ends of an axis that are round numbers: 3 to 85 → 0 to 90."""
    step = 10.0 ** math.floor(math.log10(high - low))
    return math.floor(round(low / step, 9)) * step, math.ceil(round(high / step, 9)) * step
