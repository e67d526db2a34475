"""Embeddings: the lesson's other picture of the same model, a row a rating with the two vectors and their product.

The vectors are looked up by label in the mirror (MATCH, then INDEX: nothing volatile), as an embedding layer looks them
up by position; a one-hot vector times the matrix of factors would give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xlcollab.sheets import theme
from xlcollab.sheets.mirror import Mirror
from xlcollab.xlsx.cells import Area, CellValue, column_letters
from xlcollab.xlsx.newsheet import NewSheet, Style

if TYPE_CHECKING:
    from xlcollab.ratings import Label

__all__ = ["MOST_ROWS", "can_be_spelled_out", "embeddings_sheet", "matches_by_label"]

MOST_ROWS = 2_000
"""Ratings that are spelled out; the others are like them."""

_RMSE_ROW, _GROUP_ROW, _HEADER_ROW, _FIRST_ROW = 3, 5, 6, 7
_ROW = "\0"  # stands for the row number in the formula of a column


class _Column(NamedTuple):
    title: str | int
    formula: str | None
    values: list[CellValue]
    style: Style
    width: float


@dataclass
class _Table:
    """Columns side by side from A on, each with one formula for all its rows."""

    columns: dict[str, _Column] = field(default_factory=dict)

    def add(
        self,
        name: str,
        formula: str | None,
        values: Iterable[CellValue],
        style: Style,
        *,
        title: str | int | None = None,
        width: float = 8.0,
    ) -> None:
        """Put a column to the right. ``formula`` has `_ROW` where the row number goes; None leaves plain values."""
        heading = name if title is None else title
        needed = theme.fitting_width([str(heading)], width, 40)
        self.columns[name] = _Column(heading, formula, list(values), style, needed)

    def letters(self, name: str) -> str:
        """The letters of a column."""
        return column_letters(list(self.columns).index(name) + 1)

    def ref(self, name: str) -> str:
        """A column's cell in the row of the formula."""
        return f"${self.letters(name)}{_ROW}"

    def rows(self) -> Iterator[list[tuple[str | None, CellValue]]]:
        """(formula, value) row by row."""
        columns = list(self.columns.values())
        for row, values in enumerate(zip(*(column.values for column in columns), strict=True), _FIRST_ROW):
            number = str(row)
            yield [
                (column.formula and column.formula.replace(_ROW, number), value)
                for column, value in zip(columns, values, strict=True)
            ]


def embeddings_sheet(mirror: Mirror, name: str) -> NewSheet:
    """The sheet ``name``: the first `MOST_ROWS` ratings of a mirror, spelled out."""
    fit = mirror.fit
    n = min(len(fit.ratings), MOST_ROWS)
    some = "" if n == len(fit.ratings) else f" The first {n:,} of {len(fit.ratings):,} ratings."
    sheet = NewSheet(name, tab_color=theme.WORKING_TAB)
    theme.title(sheet, "Embeddings")
    sheet.cell(
        2, 1, f"Each rating with its two vectors, looked up in {mirror.sheet} ({fit.model.name}).{some}", theme.SUBTITLE
    )
    table = _Table()
    _add_ratings(table, mirror, n)
    _add_vectors(table, mirror, n)
    _add_results(table, mirror, n)
    for column, (key, content) in enumerate(table.columns.items(), 1):
        sheet.cell(_HEADER_ROW, column, content.title, theme.header_over(content.style))
        sheet.width(column, column, content.width)
        if key in ("user 1", "item 1"):
            sheet.cell(_GROUP_ROW, column, f"{key.split()[0]} vector", theme.GROUP)
    sheet.formulas(_FIRST_ROW, 1, table.rows(), [column.style for column in table.columns.values()])
    _add_rmse(sheet, table, n)
    areas = [
        Area.parse(f"{table.letters(key)}{_FIRST_ROW}:{table.letters(key)}{_FIRST_ROW + n - 1}") for key in _COLORED
    ]
    theme.color_by_rating(sheet, areas, fit.ratings.scale)
    sheet.freeze(_FIRST_ROW, list(table.columns).index("rating") + 2)
    sheet.print_setup(landscape=True, title_rows=(_GROUP_ROW, _HEADER_ROW))
    return sheet


_COLORED = ("rating", "prediction")


def can_be_spelled_out(mirror: Mirror) -> bool:
    """Whether there is anything to look up: vectors, of more than one user and item.

    INDEX into a single cell is an error in Gnumeric.
    """
    return mirror.fit.model.n_factors > 0 and mirror.layout.n_users > 1 and mirror.layout.n_items > 1


def matches_by_label(labels: Sequence[Label]) -> bool:
    """Whether MATCH(label, labels, 0) finds each label's own place.

    It does not where two texts differ in case only, where a text holds one of its wildcards ``* ? ~``, or is longer
    than 255 characters; then positions are written as numbers.
    """
    texts = [label.casefold() for label in labels if isinstance(label, str)]
    return len(set(texts)) == len(texts) and not any(len(text) > 255 or set(text) & set("*?~") for text in texts)


def _add_ratings(table: _Table, mirror: Mirror, n: int) -> None:
    """Who, what, the rating, and the positions of both in the mirror."""
    ratings, layout, prefix = mirror.fit.ratings, mirror.layout, mirror.formulas.prefix
    users, items = ratings.user_idx[:n].tolist(), ratings.item_idx[:n].tolist()
    for kind, at, labels, names in (
        ("user", users, ratings.users, ratings.user_names),
        ("item", items, ratings.items, ratings.item_names),
    ):
        width = theme.fitting_width([theme.label_text(label) for label in labels], 8, 30)
        table.add(kind, None, [labels[position] for position in at], theme.LABEL, width=width)
        if names:
            width = theme.fitting_width(names.values(), 12, 40)
            shown = [names.get(labels[position], "") for position in at]
            table.add(f"{kind} name", None, shown, theme.BESIDE, width=width)
    user, item = _positions(table, mirror)
    table.add("user row", user, [position + 1 for position in users], theme.POSITION)
    table.add("item column", item, [position + 1 for position in items], theme.POSITION)
    formula = f"INDEX({prefix}{layout.ratings.absolute},{table.ref('user row')},{table.ref('item column')})"
    table.add("rating", formula, ratings.values[:n].tolist(), theme.RATING)


def _positions(table: _Table, mirror: Mirror) -> list[str | None]:
    """The look-ups of user and item by label; None where labels cannot be told apart by MATCH."""
    ratings, layout, prefix = mirror.fit.ratings, mirror.layout, mirror.formulas.prefix
    return [
        f"MATCH({table.ref(kind)},{prefix}{area.absolute},0)" if matches_by_label(labels) else None
        for kind, labels, area in (
            ("user", ratings.users, layout.user_labels),
            ("item", ratings.items, layout.item_labels),
        )
    ]


def _add_vectors(table: _Table, mirror: Mirror, n: int) -> None:
    """p_u and q_i entry by entry, then the biases if there are any, each an INDEX into the mirror."""
    fit, layout, prefix = mirror.fit, mirror.layout, mirror.formulas.prefix
    users, items = fit.ratings.user_idx[:n], fit.ratings.item_idx[:n]
    user_row, item_column = table.ref("user row"), table.ref("item column")

    def of_user(column: int) -> str:
        area = Area(layout.first_user_row, column, layout.last_user_row, column)
        return f"INDEX({prefix}{area.absolute},{user_row})"

    def of_item(row: int) -> str:
        area = Area(row, layout.first_column, row, layout.last_column)
        return f"INDEX({prefix}{area.absolute},1,{item_column})"  # Gnumeric has no INDEX(row, n)

    begins = replace(theme.FACTOR, left="thin", border_color=theme.LINE)
    for kind, matrix, idx in (("user", fit.factors.user_factors, users), ("item", fit.factors.item_factors, items)):
        for factor in range(fit.model.n_factors):
            formula = of_user(2 + factor) if kind == "user" else of_item(layout.item_factors_row + factor)
            look = theme.FACTOR if factor else begins
            table.add(f"{kind} {factor + 1}", formula, matrix[idx, factor].tolist(), look, title=factor + 1)
    if fit.model.biased:
        table.add("user bias", of_user(1), fit.factors.user_bias[users].tolist(), begins)
        table.add("item bias", of_item(layout.item_row), fit.factors.item_bias[items].tolist(), theme.FACTOR)


def _add_results(table: _Table, mirror: Mirror, n: int) -> None:
    """r̂ from what stands in the row, and (r − r̂)²."""
    ratings, model = mirror.fit.ratings, mirror.fit.model
    terms = []
    if model.n_factors:
        user, item = (f"{table.ref(f'{kind} 1')}:{table.ref(f'{kind} {model.n_factors}')}" for kind in ("user", "item"))
        terms.append(f"SUMPRODUCT({user},{item})")
    if model.biased:
        terms += [table.ref("user bias"), table.ref("item bias")]
    predicted = mirror.predicted[ratings.user_idx[:n], ratings.item_idx[:n]]
    squared = (ratings.values[:n] - predicted) ** 2
    table.add("prediction", mirror.formulas.linked(terms), predicted.tolist(), theme.FITTED)
    table.add("squared error", f"({table.ref('rating')}-{table.ref('prediction')})^2", squared.tolist(), theme.ERROR)


def _add_rmse(sheet: NewSheet, table: _Table, n: int) -> None:
    """√ of the mean of the squared errors in the table, above it."""
    letters = table.letters("squared error")
    squared = np.asarray(table.columns["squared error"].values, dtype=float)
    sheet.cell(_RMSE_ROW, 1, "RMSE", theme.KEY)
    formula = f"SQRT(AVERAGE({letters}{_FIRST_ROW}:{letters}{_FIRST_ROW + n - 1}))"
    sheet.formula(_RMSE_ROW, 2, formula, float(np.sqrt(squared.mean())), theme.OBJECTIVE)
