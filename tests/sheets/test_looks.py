"""Number formats and widths follow the scale of the ratings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest

from xlcollab import Ratings
from xlcollab.fitting import Fit, fit
from xlcollab.sheets.looks import Looks


def crosstab(values: Any) -> Ratings:
    return Ratings.from_crosstab_frame(pd.DataFrame(values))


@pytest.mark.parametrize(
    ("values", "rating", "prediction", "error"),
    [
        ((1, 3.5, 5), "0.0", "0.00", "0.0000"),  # half stars, the lesson's
        ((1, 4, 5), None, "0.00", "0.0000"),
        ((0, 1, 1), None, "0.00", "0.0000"),
        ((0, 55, 100), None, "0.0", "0.000"),
        ((-10, 0.25, 10), "0.00", "0.00", "0.0000"),
        ((0, 0.02, 0.05), "0.00", "0.0000", "0.000000"),
        ((120, 9.95, 900_000), "#,##0.00", "#,##0", "#,##0.00"),
        ((1, 7 / 3, 5), "0.00", "0.00", "0.0000"),
        ((3, 3, 3), None, "0.00", "0.0000"),
    ],
)
def test_decimals_follow_the_scale(values: tuple[float, ...], rating: str | None, prediction: str, error: str) -> None:
    looks = Looks.of(crosstab([values]))
    assert looks.rating.number_format == looks.held_out.number_format == rating
    assert looks.predicted.number_format == looks.interval.number_format == prediction
    assert looks.objective.number_format == looks.error.number_format == error
    assert looks.fitted.number_format == f'{prediction};-{prediction};"·"'


def shown(cell: Any) -> str:
    """What a cell of a number shows."""
    code = cell.number_format.split(";")[0]
    if code == "General":
        return f"{cell.value:g}"
    decimals = len(code.partition(".")[2])
    return f"{cell.value:,.{decimals}f}" if "," in code else f"{cell.value:.{decimals}f}"


@pytest.mark.parametrize("unit", [0.01, 1, 100, 90_000])
def test_every_number_has_room_in_its_column(report: Callable[..., Any], unit: float) -> None:
    lesson = np.random.default_rng(1).integers(1, 11, (8, 6)) * float(unit)
    lesson[0, 0] = lesson[3, 4] = np.nan
    ratings = crosstab(lesson)
    fits: list[Fit] = [fit(ratings, solver=solver, n_factors=1, seed=1) for solver in ("scipy", "bayes")]
    path: Path = report(fits).path
    cramped, numbers = [], 0
    book = openpyxl.load_workbook(path, data_only=True)
    for sheet in book:
        widths = {}
        for column in sheet.column_dimensions.values():
            widths |= dict.fromkeys(range(column.min, column.max + 1), column.width)
        for row in sheet.iter_rows():
            for cell in row:
                if isinstance(cell.value, int | float) and "%" not in cell.number_format and cell.column in widths:
                    numbers += 1
                    if len(shown(cell)) > widths[cell.column]:
                        cramped.append((sheet.title, cell.coordinate, shown(cell)))
    assert numbers > 200
    assert cramped == []


def test_the_legend_lies_on_the_scale(report: Callable[..., Any]) -> None:
    ratings = crosstab([[0.0, 1, 1], [1, np.nan, 0], [0, 1, 0]])
    path = report([fit(ratings, solver="bayes")]).path
    sheet = openpyxl.load_workbook(path, data_only=True)["Predictions"]
    legend = [cell.value for cell in sheet[3] if isinstance(cell.value, int | float)]
    assert len(legend) == 2
    assert all(0 <= value <= 1 for value in legend)


def test_an_error_is_told_as_its_cell_shows_it() -> None:
    assert Looks.of(crosstab([(1, 3.5, 5)])).error_text(0.39290079) == "0.3929"
    assert Looks.of(crosstab([(120, 9.95, 900_000)])).error_text(12345.678) == "12,345.68"
    assert Looks.of(crosstab([(1, 3.5, 5)])).error_text(None) == ""
