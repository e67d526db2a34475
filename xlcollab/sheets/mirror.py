"""The mirror: a sheet on which one fit is live. Factors in cells, predictions and RMSE as formulas over them.

It is the lesson's sheet, cell for cell (`layout.MirrorLayout`), and a Solver model: the hidden names are stored, so
that Excel's dialog opens filled in and ``xlcollab solve`` can take it from there. The ratings are those that were
fitted; held-out ones are blank here. A table too large for live formulas (`plan`) has values instead, and no Solver
model.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.excel_solver.names import minimise_model, solver_names
from xlcollab.sheets import theme
from xlcollab.sheets.formulas import ModelFormulas
from xlcollab.sheets.layout import MirrorLayout
from xlcollab.sheets.looks import Looks
from xlcollab.xlsx.cells import address, quote_sheet, rectangles
from xlcollab.xlsx.newsheet import NewSheet

if TYPE_CHECKING:
    from xlcollab.fitting import Fit

__all__ = ["EXCEL_LIMIT", "Mirror", "fit_title", "mirror_sheet", "model_name"]

EXCEL_LIMIT = 200
"""The most changing cells that the Solver add-in which comes with Excel takes."""

_MOST_COLORED_AREAS = 500
_MOST_FROZEN = 90.0  # width of the columns that stay in sight: more would leave no room to scroll in
_NOTES_WIDTH = 28.0  # at least, of the columns left of the labels: few factors leave room for notes all the same


@dataclass(frozen=True, eq=False)
class Mirror:
    """One fit and the sheet that it stands on. ``live`` is whether predictions are formulas there or values."""

    fit: Fit
    sheet: str
    live: bool = True

    @cached_property
    def layout(self) -> MirrorLayout:
        """Where everything stands."""
        return MirrorLayout(self.fit.ratings.n_users, self.fit.ratings.n_items, self.fit.model)

    @cached_property
    def formulas(self) -> ModelFormulas:
        """Formula texts for other sheets, which name this one."""
        return ModelFormulas(self.layout, self.fit.mean != 0.0, self.sheet)

    @cached_property
    def looks(self) -> Looks:
        """How ratings, predictions and errors are shown."""
        return Looks.of(self.fit.ratings)

    @cached_property
    def label_width(self) -> float:
        """The width of a column of user labels below its corner."""
        ratings = self.fit.ratings
        users = [theme.label_text(label) for label in ratings.users]
        return theme.fitting_width([*users, f"{ratings.user_title} \\ {ratings.item_title}"], 8, theme.WIDEST)

    @cached_property
    def known(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which ratings were fitted (m, n)."""
        return self.fit.ratings.mask()

    @cached_property
    def held_out(self) -> FloatArray:
        """The held-out ratings (m, n), NaN elsewhere; without those of users or items that the fit does not know."""
        table = np.full(self.known.shape, np.nan)
        if self.fit.valid is not None:
            users, items = self.fit.ratings.positions(self.fit.valid)
            there = (users >= 0) & (items >= 0)
            table[users[there], items[there]] = self.fit.valid.values[there]
        return table

    @cached_property
    def predicted(self) -> FloatArray:
        """r̂ (m, n), not clipped, for blanks too."""
        return self.fit.predict_matrix(clip=False)


def model_name(fit: Fit) -> str:
    """``bias, 5 factors, range 0.5 to 5.5``, or what the predictor is that stands in the place of factors."""
    return fit.model.name if fit.predictor is None else fit.predictor.name


def fit_title(fit: Fit) -> str:
    """``torch: bias, 5 factors, range 0.5 to 5.5``."""
    return f"{fit.solver}: {model_name(fit)}"


def mirror_sheet(mirror: Mirror, home: str) -> NewSheet:
    """The sheet. ``home`` is the name of the summary to link to."""
    layout, fit = mirror.layout, mirror.fit
    sheet = NewSheet(mirror.sheet, tab_color=theme.WORKING_TAB)
    _labels(sheet, mirror)
    _ratings(sheet, mirror)
    _parameters(sheet, mirror)
    _predictions(sheet, mirror)
    _notes(sheet, mirror, home)
    labels, left = layout.label_column, _left_width(mirror)
    beside, each = (
        mirror.label_width,
        max(mirror.looks.width, _number_width(fit.factors.item_factors, fit.factors.item_bias)),
    )
    sheet.width(1, labels - 1, left / (labels - 1))
    sheet.width(labels, labels, beside)
    sheet.width(layout.first_column, layout.last_column, each)
    sheet.freeze(2, layout.first_column if left + beside <= _MOST_FROZEN else 1)
    sheet.print_setup(
        landscape=True,
        fit_width=theme.pages_across(left + beside + each * layout.n_items),
        title_rows=(1, 1),
        title_cols=(labels, labels),
    )
    if mirror.live:
        model = minimise_model(mirror.sheet, address(*layout.rmse), layout.changing)
        for name, text in solver_names(model):
            sheet.define(name, text, hidden=True)
    return sheet


def _left_width(mirror: Mirror) -> float:
    """The width of the columns left of the labels, all together."""
    ends = mirror.fit.model.y_range or ()
    factors = mirror.fit.factors
    numbers = _number_width(factors.user_factors, factors.user_bias, np.array([factors.mean]))
    each = max(7.5, numbers, theme.number_width(ends, theme.PARAMETER))
    return max(_NOTES_WIDTH, each * (mirror.layout.label_column - 1))


def _number_width(*parameters: FloatArray) -> float:
    """The width that the longest of these numbers needs with three decimals; minima may run far off."""
    largest = max(float(np.abs(numbers).max(initial=0.0)) for numbers in parameters)
    return len(f"{-largest:.3f}") + 0.5


def _labels(sheet: NewSheet, mirror: Mirror) -> None:
    """Item labels above ratings and predictions, user labels beside them, names where there are any."""
    layout, ratings = mirror.layout, mirror.fit.ratings
    column, first = layout.label_column, layout.first_column
    items = [theme.label_text(label) for label in ratings.items]
    header = theme.item_header(items)
    for row in (1, layout.lower_label_row):
        sheet.cell(row, column, f"{ratings.user_title} \\ {ratings.item_title}", theme.CORNER)
        sheet.block(row, first, [ratings.items], header)
        if header.rotation:
            sheet.height(row, theme.tilted_height(items))
    for row in (2, layout.first_user_row):
        sheet.block(row, column, ([label] for label in ratings.users), theme.user_header(ratings.users))
    if ratings.item_names:
        names = [theme.shortened(ratings.item_names.get(label, ""), theme.TWO_LINES) for label in ratings.items]
        sheet.block(layout.item_names_row, first, [names], theme.NAME_TILTED)
        sheet.height(layout.item_names_row, theme.tilted_height(names))
    if ratings.user_names:
        names = [ratings.user_names.get(label, "") for label in ratings.users]
        for row in (2, layout.first_user_row):
            sheet.block(row, layout.last_column + 1, ([name] for name in names), theme.BESIDE)
        sheet.width(layout.last_column + 1, layout.last_column + 1, theme.fitting_width(names, 8, 40))


def _ratings(sheet: NewSheet, mirror: Mirror) -> None:
    layout, ratings = mirror.layout, mirror.fit.ratings
    rows = _rows(ratings.dense(), mirror.known)
    # A rating typed into a blank looks like the others; on a large sheet a million blanks need no style.
    look = mirror.looks.rating
    style = look if mirror.live else lambda row, column: look if mirror.known[row, column] else None
    sheet.block(layout.ratings.first_row, layout.ratings.first_col, rows, style)
    theme.color_by_rating(sheet, layout.ratings, ratings.scale)


def _parameters(sheet: NewSheet, mirror: Mirror) -> None:
    """The changing cells: biases and factors; and what stays as it is: μ and the ends of the range."""
    layout, model, factors = mirror.layout, mirror.fit.model, mirror.fit.factors
    items, users = factors.item_factors.T, factors.user_factors
    k = model.n_factors
    numbers = [f"factor {number}" for number in range(1, k + 1)]
    if model.biased:
        items = np.vstack([factors.item_bias, items])  # (1 + k, n)
        users = np.column_stack([factors.user_bias, users])  # (m, 1 + k)
        # Without factors the cell beside μ is that of the item biases' title.
        both = k == 0 and factors.mean
        sheet.cell(layout.item_row, layout.label_column, "← μ, item bias" if both else "item bias", theme.AXIS)
        sheet.cell(layout.lower_label_row, 1, "user bias", theme.AXIS_ABOVE)
    sheet.block(layout.item_block.first_row, layout.item_block.first_col, items, theme.CHANGING)
    sheet.block(layout.user_block.first_row, layout.user_block.first_col, users, theme.CHANGING)
    sheet.block(layout.item_factors_row, layout.label_column, ([number] for number in numbers), theme.AXIS)
    sheet.block(layout.lower_label_row, 2, [numbers], theme.AXIS_ABOVE)
    if model.y_range is not None:
        for at, value, words in (
            (layout.range_low, model.y_range[0], "range from"),
            (layout.range_high, model.y_range[1], "range to"),
        ):
            sheet.cell(*at, value, theme.PARAMETER)
            sheet.cell(at[0], 2, words, theme.BESIDE)
    if factors.mean:
        sheet.cell(*layout.mean, float(factors.mean), theme.PARAMETER)
        if k:
            sheet.cell(layout.mean[0], 2, "μ", theme.BESIDE)


def _predictions(sheet: NewSheet, mirror: Mirror) -> None:
    layout, fit, known, look = mirror.layout, mirror.fit, mirror.known, mirror.looks.fitted
    formulas = ModelFormulas(layout, fit.mean != 0.0)
    area = layout.predictions
    if mirror.live:
        guarded = np.where(known, mirror.predicted, 0.0)
        rows = (
            list(zip(formulas.guarded_row(user), guarded[user].tolist(), strict=True)) for user in range(len(known))
        )
        sheet.formulas(area.first_row, area.first_col, rows, look)
    else:
        sheet.block(
            area.first_row,
            area.first_col,
            _rows(mirror.predicted, known),
            lambda row, column: look if known[row, column] else None,
        )
    # Blanks predict 0, which is no rating and takes no colour.
    rated = (cell for cell, there in zip(area.cells(), known.ravel().tolist(), strict=True) if there)
    colored = rectangles(rated) if mirror.live else [area]
    if len(colored) <= _MOST_COLORED_AREAS:
        theme.color_by_rating(sheet, colored, fit.ratings.scale)
    row, column = layout.rmse
    sheet.formula(row, column, formulas.rmse(), fit.rmse, mirror.looks.objective)
    sheet.cell(row, column - 1, "RMSE", theme.AXIS)


def _notes(sheet: NewSheet, mirror: Mirror, home: str) -> None:
    """What the sheet is, in the empty cells left of the ratings."""
    layout = mirror.layout
    room = _left_width(mirror)
    # Bold type of 12 points is about a fifth wider than the digits that widths are counted in.
    titles = textwrap.wrap(fit_title(mirror.fit), int(room / 1.2))
    for row, line in enumerate(titles, 1):
        sheet.cell(row, 1, line, theme.HEADING)
    row = len(titles) + 1
    sheet.link(row, 1, f"{quote_sheet(home)}!A1", home, theme.LINK)
    for paragraph in _paragraphs(mirror):
        for line in textwrap.wrap(paragraph, int(room)):
            row += 1
            if row < layout.range_low[0]:
                sheet.cell(row, 1, line, theme.NAME)


def _paragraphs(mirror: Mirror) -> Iterator[str]:
    layout = mirror.layout
    if mirror.live:
        yield f"Solver (Data, Solver) changes the cream cells to minimise {address(*layout.rmse)}."
    else:
        yield "Predictions are values: too many for live formulas."
    if mirror.live and layout.n_changing > EXCEL_LIMIT:
        yield f"Excel's own Solver takes {EXCEL_LIMIT} such cells; xlcollab solve takes all {layout.n_changing:,}."
    if mirror.live and mirror.fit.penalised:
        yield "The fit was held back by a penalty. Solver is not: it finds a lower RMSE and worse predictions."
    if mirror.fit.valid is not None:
        yield "Held-out ratings are blank here."


def _rows(values: FloatArray, present: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[Sequence[float | None]]:
    """Rows of numbers with None where nothing is present."""
    for row, there in zip(values, present, strict=True):
        if there.all():
            yield row.tolist()
        else:
            yield [value if here else None for value, here in zip(row.tolist(), there.tolist(), strict=True)]
