"""Training: how each fit came about, step by step, as a chart and as the table behind it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from xlcollab.sheets import theme
from xlcollab.sheets.looks import Looks
from xlcollab.sheets.mirror import fit_title
from xlcollab.xlsx.cells import Area, qualified
from xlcollab.xlsx.charts import OKABE_ITO, Chart, Series
from xlcollab.xlsx.newsheet import NewSheet, Style

if TYPE_CHECKING:
    from xlcollab.fitting import Fit

__all__ = ["training_sheet"]

_TITLE_ROW, _HEADER_ROW, _FIRST_ROW = 4, 5, 6
_CHART_COLUMNS, _CHART_ROWS = 8, 18
_MOST_ROWS = 1_000
_MOST_LINES = 50  # more are a thicket, and are drawn as one

Record = dict[str, float]


def training_sheet(name: str, fits: Sequence[Fit]) -> NewSheet:
    """The sheet: charts below each other on the left, tables beside each other on the right."""
    sheet = NewSheet(name, tab_color=theme.WORKING_TAB)
    theme.title(sheet, "Training")
    sheet.cell(2, 1, "The history of each fit, as its solver reported it.", theme.SUBTITLE)
    sheet.width(1, _CHART_COLUMNS, 9)
    column, row = _CHART_COLUMNS + 2, _FIRST_ROW
    for fit in fits:
        records = _thinned(fit.records)
        if not records:
            continue
        keys = list(records[0])
        _table(sheet, fit, records, keys, column)
        chart = _chart(name, fit, records, keys, column)
        if chart is not None:
            sheet.chart(Area(row, 1, row + _CHART_ROWS - 1, _CHART_COLUMNS), chart)
            row += _CHART_ROWS + 1
        column += len(keys) + 1
    sheet.freeze(_FIRST_ROW, 1)
    sheet.print_setup(landscape=True, title_rows=(_TITLE_ROW, _HEADER_ROW))
    return sheet


def _thinned(records: Sequence[Record]) -> Sequence[Record]:
    """At most a thousand rows, evenly spaced, the first and the last among them."""
    if len(records) <= _MOST_ROWS:
        return records
    step = (len(records) - 1) / (_MOST_ROWS - 1)
    return [records[round(position * step)] for position in range(_MOST_ROWS)]


def _table(sheet: NewSheet, fit: Fit, records: Sequence[Record], keys: list[str], column: int) -> None:
    sheet.cell(_TITLE_ROW, column, fit_title(fit), theme.HEADING)
    values = {key: [_number(record.get(key)) for record in records] for key in keys}
    styles = [_look(key, values[key], Looks.of(fit.ratings)) for key in keys]
    for offset, (key, style) in enumerate(zip(keys, styles, strict=True), column):
        sheet.cell(_HEADER_ROW, offset, _words(key), theme.HEADER)
        numbers = theme.number_width([value for value in values[key] if value is not None], style)
        sheet.width(offset, offset, theme.fitting_width([_words(key)], max(10.0, numbers), 20))
    sheet.width(column + len(keys), column + len(keys), 3)
    sheet.block(_FIRST_ROW, column, zip(*values.values(), strict=True), styles)


def _chart(sheet: str, fit: Fit, records: Sequence[Record], keys: list[str], column: int) -> Chart | None:
    """RMSE by step, a line for each start where there are several. None where there is nothing to draw."""
    drawn = [key for key in keys[1:] if key.endswith("rmse")] or [key for key in keys[1:] if key.endswith("loss")]
    if not drawn or len(records) < 2:
        return None
    cloud = keys[0] == "start"  # a record for each start, and no order among them
    starts = [(0, len(records))] if cloud else _starts(records)
    series = [
        Series(
            name=_words(key),
            x_ref=_reference(sheet, column + keys.index(keys[0]), first, last),
            x_cache=[_number(record.get(keys[0])) for record in records[first:last]],
            y_ref=_reference(sheet, column + keys.index(key), first, last),
            y_cache=[_number(record.get(key)) for record in records[first:last]],
            # Starts differ by nothing but chance: one look for all of them.
            color=OKABE_ITO[0] if len(starts) > 1 else None,
            dash="solid" if len(starts) > 1 else None,
            line=not cloud,
            marker=cloud,
        )
        for key in (drawn[:1] if len(starts) > 1 else drawn)
        for first, last in starts
    ]
    return Chart(
        kind="scatter",
        title=fit_title(fit) if len(starts) == 1 else f"{fit_title(fit)}, {len(starts)} starts",
        series=series,
        alt_text=_alternative(fit, records, keys[0], drawn[0], len(starts)),
        x_title=keys[0],
        x_range=(0, _number(records[-1].get(keys[0]))),
        y_title="RMSE" if drawn[0].endswith("rmse") else "loss",
        y_format=Looks.of(fit.ratings).number,
        legend="bottom" if len(starts) == 1 else None,
    )


def _starts(records: Sequence[Record]) -> list[tuple[int, int]]:
    """The runs of records that belong to one start, as (first, one past the last)."""
    bounds = [n for n in range(1, len(records)) if records[n].get("start") != records[n - 1].get("start")]
    runs = list(pairwise([0, *bounds, len(records)]))
    return runs if 1 < len(runs) <= _MOST_LINES else [(0, len(records))]


def _reference(sheet: str, column: int, first: int, last: int) -> str:
    return qualified(sheet, Area(_FIRST_ROW + first, column, _FIRST_ROW + last - 1, column))


def _alternative(fit: Fit, records: Sequence[Record], step: str, key: str, n_starts: int) -> str:
    """What the chart shows, in a sentence."""
    values = [value for record in records if (value := _number(record.get(key))) is not None]
    lines = f"{len(records)} points" if n_starts == 1 else f"{n_starts} starts"
    return (
        f"{fit_title(fit)}: {_words(key)} by {step}, {lines}, from {values[0]:.4f} to {values[-1]:.4f},"
        f" the least {min(values):.4f}."
    )


def _words(key: str) -> str:
    """``valid_rmse`` → ``held-out RMSE``: the words of the other sheets."""
    words = {"valid_": "held-out ", "left_out_": "leave-one-out ", "rmse": "RMSE", "time": "seconds", "_": " "}
    for ours, theirs in words.items():
        key = key.replace(ours, theirs)
    return key


def _number(value: float | None) -> float | None:
    """A number that a cell can hold; whole ones as int."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(value)


def _look(key: str, values: Sequence[float | None], looks: Looks) -> Style:
    if key in ("time", "seconds"):
        return theme.SECONDS
    counted = all(value is None or isinstance(value, int) for value in values)
    return theme.COUNT if counted and not key.endswith(("rmse", "loss")) else looks.error
