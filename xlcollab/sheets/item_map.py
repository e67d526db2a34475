"""Map: the items on the two axes along which their factors differ most, as a chart with labels.

The axes are the first two principal components of the item factors Q (n, k): right singular vectors v of Q less its
column means, each with the sign that makes its entry of largest magnitude positive. They are values, as fitted; the
means, the coordinates (q_i − q̄)·v and each axis' share of the spread, which its title tells, are formulas over the
factor cells of the mirror and stay live.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.mirror import Mirror, fit_title
from xlcollab.sheets.point_labels import place_labels
from xlcollab.xlsx.cells import Area, qualified
from xlcollab.xlsx.charts import OKABE_ITO, Chart, Series, Side
from xlcollab.xlsx.newsheet import NewSheet

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["MOST_ITEMS", "map_sheet", "why_no_map"]

MOST_ITEMS = 20_000
"""Items in the table."""

_MOST_POINTS = 200  # more hide each other, and what few have rated is hardly known
_MOST_LABELS = 60
_TITLE_ROW, _HEADING_ROW, _HEADER_ROW = 3, 5, 6
_TITLE_COLUMNS = (1, 5)
_CHART_COLUMNS, _CHART_ROWS = 11, 32
_CLOUD = (480.0, 360.0)  # pixels between the outermost points: titles and the rounded ends of axes take the rest
_AXES = ("axis 1", "axis 2")


@dataclass(frozen=True, eq=False)
class _Axes:
    """Q (n, k) on its first two principal components."""

    factors: FloatArray

    @cached_property
    def centred(self) -> FloatArray:
        """q_i − q̄ (n, k)."""
        centred: FloatArray = self.factors - self.factors.mean(axis=0)
        return centred

    @cached_property
    def loadings(self) -> FloatArray:
        """The axes v (k, 2), columns of length 1."""
        v = np.linalg.svd(self.centred, full_matrices=False)[2][:2].T
        largest = np.abs(v).argmax(axis=0)
        oriented: FloatArray = v * np.where(v[largest, (0, 1)] < 0, -1.0, 1.0)
        return oriented

    @cached_property
    def places(self) -> FloatArray:
        """The coordinates (n, 2)."""
        return self.centred @ self.loadings

    @cached_property
    def spread(self) -> FloatArray:
        """Σ (q − q̄)² of each factor (k,)."""
        return np.asarray((self.centred**2).sum(axis=0))


def why_no_map(mirror: Mirror) -> str | None:
    """Why there is nothing to draw, as the end of a sentence; None where there is."""
    factors = mirror.fit.factors.item_factors  # (n, k)
    if len(factors) > MOST_ITEMS:
        return f"{len(factors):,} items are more than a table should hold"
    if min(factors.shape) < 2 or int(np.linalg.matrix_rank(factors - factors.mean(axis=0))) < 2:
        return "the items differ in fewer than two dimensions"
    return None


def map_sheet(mirror: Mirror, name: str) -> NewSheet:
    """The sheet ``name``: the chart on the left, its table and the axes on the right."""
    ratings = mirror.fit.ratings
    axes = _Axes(mirror.fit.factors.item_factors)
    labelled = _labelled(ratings, axes.places)
    order = labelled.order
    sheet = NewSheet(name, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Map")
    sheet.cell(2, 1, f"Items by their factors in {fit_title(mirror.fit)}: what is near is alike.", theme.SUBTITLE)
    sheet.width(1, _CHART_COLUMNS, 9)
    points = Columns(_HEADER_ROW, _CHART_COLUMNS + 2)
    _add_items(points, mirror, order)
    workings = Columns(_HEADER_ROW, points.next_column + len(_AXES) + 1)
    _add_workings(workings, mirror, axes)
    _add_places(points, workings, mirror, axes, order)
    points.put(sheet)
    workings.put(sheet)
    some = "" if len(labelled.sides) == ratings.n_items else ", those with a label first"
    sheet.cell(_HEADING_ROW, points.first_column, f"Where each item stands{some}", theme.HEADING)
    sheet.cell(_HEADING_ROW, workings.first_column, "The axes, as fitted", theme.HEADING)
    sheet.width(workings.first_column - 1, workings.first_column - 1, 4)
    titles = _add_titles(sheet, points, workings, axes)
    chart = _chart(sheet.name, points, axes.places[order], labelled.sides, titles, fit_title(mirror.fit))
    sheet.chart(Area(_HEADER_ROW, 1, _HEADER_ROW + _CHART_ROWS - 1, _CHART_COLUMNS), chart)
    sheet.freeze(_HEADER_ROW + 1, 1)
    sheet.print_setup(landscape=True, title_rows=(_HEADING_ROW, _HEADER_ROW))
    return sheet


@dataclass(frozen=True)
class _Labelled:
    """The order of the items in the table, those with a label in the chart first, and the sides of these."""

    order: IndexArray
    sides: Sequence[Side]


def _labelled(ratings: Ratings, places: FloatArray) -> _Labelled:
    """The most rated items take their labels first; where all have one the order is that of the ratings."""
    by_count = np.argsort(-ratings.item_counts, kind="stable").astype(np.int32)
    texts, drawn = _texts(ratings), by_count[:_MOST_POINTS].tolist()
    found = place_labels(places[drawn], [texts[item] for item in drawn], _CLOUD, range(len(drawn[:_MOST_LABELS])))
    sides = {drawn[at]: side for at, side in found.items()}
    if len(sides) == ratings.n_items:
        order = np.arange(ratings.n_items, dtype=np.int32)
    else:
        order = np.array(sorted(by_count.tolist(), key=lambda item: item not in sides), dtype=np.int32)
    return _Labelled(order, [sides[item] for item in order[: len(sides)].tolist()])


def _texts(ratings: Ratings) -> list[str]:
    """What stands beside the points: names where there are some."""
    return [theme.shortened(ratings.item_names.get(label) or theme.label_text(label)) for label in ratings.items]


def _add_items(table: Columns, mirror: Mirror, order: IndexArray) -> None:
    ratings = mirror.fit.ratings
    labels = [ratings.items[position] for position in order.tolist()]
    table.add_labels("item", labels, {}, range(len(labels)), least=10)
    if ratings.item_names:
        texts = _texts(ratings)
        names = [texts[position] for position in order.tolist()]
        table.add("item name", names, theme.BESIDE, width=theme.fitting_width(names, 12, 40))
    table.add("ratings", ratings.item_counts[order].tolist(), theme.COUNT, width=9)


def _add_workings(table: Columns, mirror: Mirror, axes: _Axes) -> None:
    """A row a factor: its mean and spread over the items (formulas), and its part in each axis (values)."""
    layout = mirror.layout
    rows = [
        f"{mirror.formulas.prefix}{Area(row, layout.first_column, row, layout.last_column).absolute}"
        for row in range(layout.item_factors_row, layout.item_factors_row + mirror.fit.model.n_factors)
    ]
    means = mirror.fit.factors.item_factors.mean(axis=0).tolist()
    table.add("factor", range(1, len(rows) + 1), theme.POSITION)
    table.add("mean", means, theme.FACTOR, formula=[f"AVERAGE({row})" for row in rows])
    table.add("spread", axes.spread.tolist(), theme.FACTOR, formula=[f"DEVSQ({row})" for row in rows])
    for axis, key in enumerate(_AXES):
        table.add(key, axes.loadings[:, axis].tolist(), theme.FACTOR)


def _add_places(points: Columns, workings: Columns, mirror: Mirror, axes: _Axes, order: IndexArray) -> None:
    vectors = [mirror.formulas.item_vector(position) for position in order.tolist()]
    mean = workings.area("mean").absolute
    for axis, key in enumerate(_AXES):
        loading = workings.area(key).absolute
        formulas = [f"SUMPRODUCT({vector}-{mean},{loading})" for vector in vectors]
        points.add(key, axes.places[order, axis].tolist(), theme.FACTOR, formula=formulas)


def _add_titles(sheet: NewSheet, points: Columns, workings: Columns, axes: _Axes) -> list[str]:
    """The titles of the axes: how much of all the spread each holds."""
    total = workings.area("spread").ref
    titles = []
    for key, place, column in zip(_AXES, axes.places.T, _TITLE_COLUMNS, strict=True):
        title = f"{key}: {round(100 * float((place**2).sum() / axes.spread.sum()), 1):g}% of the spread"
        formula = f'"{key}: "&ROUND(100*DEVSQ({points.area(key).ref})/SUM({total}),1)&"% of the spread"'
        sheet.formula(_TITLE_ROW, column, formula, title, theme.KEY)
        titles.append(title)
    return titles


def _chart(
    sheet: str, points: Columns, places: FloatArray, sides: Sequence[Side], titles: Sequence[str], fit: str
) -> Chart:
    """The most rated items: the labelled ones as one cloud, the others as a fainter one behind it."""
    x_ref, y_ref = (qualified(sheet, Area(_TITLE_ROW, column, _TITLE_ROW, column)) for column in _TITLE_COLUMNS)
    text = "item name" if "item name" in points.columns else "item"
    labels = [theme.label_text(value) for value in points.columns[text].values[: len(sides)]]  # type: ignore[arg-type]
    parts = [(len(sides), min(len(places), _MOST_POINTS)), (0, len(sides))]
    some = f", the {_MOST_POINTS} most rated" if len(places) > _MOST_POINTS else ""
    series = [
        Series(
            name="labelled" if first == 0 else "others",
            x_ref=_part(sheet, points, _AXES[0], first, last),
            x_cache=places[first:last, 0].tolist(),
            y_ref=_part(sheet, points, _AXES[1], first, last),
            y_cache=places[first:last, 1].tolist(),
            color=OKABE_ITO[0] if first == 0 else "B8C2CC",
            label_ref=_part(sheet, points, text, first, last) if first == 0 else None,
            labels=labels if first == 0 else (),
            label_sides=sides if first == 0 else (),
        )
        for first, last in parts
        if first < last
    ]
    return Chart(
        kind="scatter",
        title=f"Items by their factors{some}",
        series=series,
        alt_text=_alternative(fit, labels, places[: len(labels)]),
        x_title=titles[0],
        y_title=titles[1],
        x_title_ref=x_ref,
        y_title_ref=y_ref,
    )


def _part(sheet: str, table: Columns, key: str, first: int, last: int) -> str:
    """Some rows of a column, from 0."""
    column = table.number(key)
    return qualified(sheet, Area(table.first_row + first, column, table.first_row + last - 1, column))


def _alternative(title: str, labels: Sequence[str], places: FloatArray) -> str:
    """What the chart shows, in a sentence."""
    left, right = labels[int(places[:, 0].argmin())], labels[int(places[:, 0].argmax())]
    low, high = labels[int(places[:, 1].argmin())], labels[int(places[:, 1].argmax())]
    return (
        f"{title}: {len(labels)} labelled items on two axes, from {left} to {right} on the first and from {low} to"
        f" {high} on the second."
    )
