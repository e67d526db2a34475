"""Compare: the fits side by side on the same held-out ratings, with what each makes of those that it was fitted to.

Errors are formulas over Evaluation and the mirrors. The last row is the least that a model has to beat: the mean of
the ratings that were fitted, whoever rates whatever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xlcollab import metrics
from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.evaluation import Evaluation
from xlcollab.sheets.filled import LEVEL
from xlcollab.sheets.held_out import HeldOut, Measured
from xlcollab.sheets.looks import Looks
from xlcollab.sheets.mirror import model_name
from xlcollab.xlsx.cells import Area, address, qualified, quote_sheet
from xlcollab.xlsx.charts import Chart, Series
from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["compare_sheet"]

_HEADER_ROW = 5
_CHART_ROWS = 18
_FITTED, _HELD_OUT, _MAE, _INSIDE = "RMSE, fitted", "RMSE, held out", "MAE, held out", f"inside {LEVEL:.0%}"


class _Cell(NamedTuple):
    formula: str | None
    value: float | None


class _Row(NamedTuple):
    """A line of the table: what is compared, and its figures."""

    fit: str
    model: str
    fitted: _Cell
    held_out: _Cell
    mae: _Cell
    inside: _Cell
    seconds: float | None


def compare_sheet(held_out: HeldOut, name: str, evaluation: Evaluation | None) -> NewSheet:
    """The sheet ``name``. Without an ``evaluation`` to refer to, the held-out errors are values."""
    rows = [*(_fit_row(one, evaluation) for one in held_out.fits), _mean_row(held_out, evaluation)]
    sheet = NewSheet(name, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Compare")
    n = len(held_out.ratings)
    sheet.cell(2, 1, f"The fits on the same {n:,} held-out ratings, which none of them was fitted to.", theme.SUBTITLE)
    sheet.cell(3, 1, "Less is better. A small error on fitted ratings alone promises nothing.", theme.NOTE)
    looks = held_out.fits[0].mirror.looks
    error = looks.error
    table = Columns(_HEADER_ROW)
    table.add("fit", [row.fit for row in rows], theme.TEXT, width=14)
    table.add("model", [row.model for row in rows], theme.TEXT, width=36)
    for title, cells, style in (
        (_FITTED, [row.fitted for row in rows], error),
        (_HELD_OUT, [row.held_out for row in rows], error),
        (_MAE, [row.mae for row in rows], error),
        (_INSIDE, [row.inside for row in rows], theme.SHARE),
    ):
        formulas, values = [cell.formula for cell in cells], [cell.value for cell in cells]
        table.add(title, values, style, formula=formulas, width=14)
    table.add("seconds", [row.seconds for row in rows], theme.SECONDS, width=10)
    table.put(sheet, [False] * len(held_out.fits) + [True])
    best = table.area(_HELD_OUT)
    sheet.highlight(best, f"{address(best.first_row, best.first_col)}=MIN({best.absolute})", theme.GOOD)
    top = best.last_row + 2
    sheet.chart(Area(top, 1, top + _CHART_ROWS - 1, len(table.columns)), _chart(name, table, rows, looks))
    sheet.freeze(table.first_row, 2)
    sheet.print_setup(landscape=True)
    return sheet


def _fit_row(one: Measured, evaluation: Evaluation | None) -> _Row:
    mirror = one.mirror
    squared = absolute = inside = None
    if evaluation is not None:
        errors = qualified(evaluation.sheet, evaluation.area("error", one))
        squared = f"SQRT(SUMSQ({errors})/COUNT({errors}))"
        # SUMPRODUCT(ABS(…)) needs no such detour in Excel, but elsewhere ABS takes one cell of the range.
        absolute = f'(SUMIF({errors},">0")-SUMIF({errors},"<0"))/COUNT({errors})'
        if one.has_intervals:
            inside = f"{quote_sheet(evaluation.sheet)}!{address(*evaluation.calibration(one, LEVEL))}"
    return _Row(
        fit=mirror.sheet,
        model=model_name(mirror.fit),
        fitted=_Cell(mirror.formulas.cell(mirror.layout.rmse) if one.on_sheet else None, mirror.fit.rmse),
        held_out=_Cell(squared, one.rmse),
        mae=_Cell(absolute, one.mae),
        inside=_Cell(inside, one.inside(LEVEL) if one.has_intervals else None),
        seconds=mirror.fit.seconds,
    )


def _mean_row(held_out: HeldOut, evaluation: Evaluation | None) -> _Row:
    one = next((fit for fit in held_out.fits if fit.on_sheet), held_out.fits[0])
    ratings, actual = one.mirror.fit.ratings, held_out.ratings.values
    always = np.full(len(actual), ratings.mean)
    fitted = squared = absolute = None
    if one.on_sheet:
        known = f"{one.mirror.formulas.prefix}{one.mirror.layout.ratings.ref}"
        fitted = f"STDEVP({known})"
        if evaluation is not None:
            cells = qualified(evaluation.sheet, evaluation.area("actual"))
            squared = f"SQRT(SUMPRODUCT(({cells}-AVERAGE({known}))^2)/COUNT({cells}))"
            sign = f"(({cells}>AVERAGE({known}))-({cells}<AVERAGE({known})))"
            absolute = f"SUMPRODUCT({sign}*({cells}-AVERAGE({known})))/COUNT({cells})"
    return _Row(
        fit="mean",
        model="always the mean of the fitted ratings",
        fitted=_Cell(fitted, float(ratings.values.std())),
        held_out=_Cell(squared, metrics.rmse(always, actual)),
        mae=_Cell(absolute, metrics.mae(always, actual)),
        inside=_Cell(None, None),
        seconds=None,
    )


def _chart(sheet: str, table: Columns, rows: Sequence[_Row], looks: Looks) -> Chart:
    fits = [row.fit for row in rows]
    series = []
    for key, cells in ((_FITTED, [row.fitted for row in rows]), (_HELD_OUT, [row.held_out for row in rows])):
        reference = qualified(sheet, table.area(key))
        series.append(
            Series(
                name=key,
                name_ref=qualified(sheet, Area(_HEADER_ROW, table.number(key), _HEADER_ROW, table.number(key))),
                x_ref=qualified(sheet, table.area("fit")),
                x_cache=fits,
                y_ref=reference,
                y_cache=[cell.value for cell in cells],
                label_ref=reference,
                labels=[looks.error_text(cell.value) for cell in cells],
            )
        )
    errors = ", ".join(f"{row.fit} {looks.error_text(row.held_out.value)}" for row in rows)
    return Chart(
        kind="bar",
        title="Root mean squared error on fitted and on held-out ratings",
        series=series,
        alt_text=f"Bars of each fit's error on the ratings it was fitted to and on held-out ones. Held out: {errors}.",
        y_title="RMSE",
        y_format=looks.axis,
    )
