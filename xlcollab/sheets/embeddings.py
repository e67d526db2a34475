"""Embeddings: the lesson's other picture of the same model, a row a rating with the two vectors and their product.

The vectors are looked up by label in the mirror (MATCH, then INDEX: nothing volatile), as an embedding layer looks them
up by position; a one-hot vector times the matrix of factors would give the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.mirror import Mirror
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.newsheet import NewSheet, Style

if TYPE_CHECKING:
    from xlcollab.ratings import Label

__all__ = ["MOST_ROWS", "can_be_spelled_out", "embeddings_sheet", "matches_by_label"]

MOST_ROWS = 2_000
"""Ratings that are spelled out; the others are like them."""

_RMSE_ROW, _GROUP_ROW, _HEADER_ROW = 3, 5, 6


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
    table = Columns(_HEADER_ROW)
    _add_ratings(table, mirror, n)
    _add_vectors(table, mirror, n)
    _add_results(table, mirror, n)
    table.put(sheet)
    for kind in ("user", "item"):
        sheet.cell(_GROUP_ROW, table.number(f"{kind} 1"), f"{kind} vector", theme.GROUP)
    _add_rmse(sheet, table, mirror.looks.objective)
    theme.color_by_rating(sheet, [table.area(key) for key in ("rating", "prediction")], fit.ratings.scale)
    sheet.freeze(table.first_row, table.number("rating") + 1)
    sheet.print_setup(landscape=True, title_rows=(_GROUP_ROW, _HEADER_ROW))
    return sheet


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


def _add_ratings(table: Columns, mirror: Mirror, n: int) -> None:
    """Who, what, the rating, and the positions of both in the mirror."""
    ratings, layout, prefix = mirror.fit.ratings, mirror.layout, mirror.formulas.prefix
    users, items = ratings.user_idx[:n].tolist(), ratings.item_idx[:n].tolist()
    table.add_labels("user", ratings.users, ratings.user_names, users)
    # The RMSE stands above the items.
    table.add_labels("item", ratings.items, ratings.item_names, items, least=max(8, mirror.looks.width))
    user, item = _positions(table, mirror)
    table.add("user row", [position + 1 for position in users], theme.POSITION, formula=user)
    table.add("item column", [position + 1 for position in items], theme.POSITION, formula=item)
    cell = f"INDEX({prefix}{layout.ratings.absolute},{table.ref('user row')},{table.ref('item column')})"
    formula = f'IF({cell}="","",{cell})'  # INDEX makes a 0 of a rating that is deleted in the mirror
    table.add("rating", ratings.values[:n].tolist(), mirror.looks.rating, formula=formula)


def _positions(table: Columns, mirror: Mirror) -> list[str | None]:
    """The look-ups of user and item by label; None where labels cannot be told apart by MATCH."""
    ratings, layout, prefix = mirror.fit.ratings, mirror.layout, mirror.formulas.prefix
    return [
        f"MATCH({table.ref(kind)},{prefix}{area.absolute},0)" if matches_by_label(labels) else None
        for kind, labels, area in (
            ("user", ratings.users, layout.user_labels),
            ("item", ratings.items, layout.item_labels),
        )
    ]


def _add_vectors(table: Columns, mirror: Mirror, n: int) -> None:
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
            table.add(f"{kind} {factor + 1}", matrix[idx, factor].tolist(), look, formula=formula, title=factor + 1)
    if fit.model.biased:
        user_bias, item_bias = fit.factors.user_bias[users].tolist(), fit.factors.item_bias[items].tolist()
        table.add("user bias", user_bias, begins, formula=of_user(1))
        table.add("item bias", item_bias, theme.FACTOR, formula=of_item(layout.item_row))


def _add_results(table: Columns, mirror: Mirror, n: int) -> None:
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
    table.add("prediction", predicted.tolist(), mirror.looks.fitted, formula=mirror.formulas.linked(terms))
    rating = table.ref("rating")
    difference = f'IF({rating}="","",({rating}-{table.ref("prediction")})^2)'
    table.add("squared error", squared.tolist(), mirror.looks.error, formula=difference)


def _add_rmse(sheet: NewSheet, table: Columns, look: Style) -> None:
    """√ of the mean of the squared errors in the table, above it."""
    squared = np.asarray(table.columns["squared error"].values, dtype=float)
    sheet.cell(_RMSE_ROW, 1, "RMSE", theme.KEY)
    formula = f"SQRT(AVERAGE({table.area('squared error').ref}))"
    sheet.formula(_RMSE_ROW, 2, formula, float(np.sqrt(squared.mean())), look)
