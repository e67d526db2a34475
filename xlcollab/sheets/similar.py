"""Similar: for each item the items most like it, by the cosine of their factors, and beside them the same for users.

The order is that of the fit when the report was written (`answers.similarity`); each cosine is a formula over the
factor cells of the mirror, SUMPRODUCT(a, b) / SQRT(SUMSQ(a) · SUMSQ(b)), and stays live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from xlcollab.answers.similarity import most_similar
from xlcollab.arrays import BoolArray, FloatArray, IndexArray
from xlcollab.sheets import theme
from xlcollab.sheets.columns import Columns
from xlcollab.sheets.mirror import Mirror, fit_title
from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["MOST_ROWS", "N_SIMILAR", "similar_sheet"]

N_SIMILAR = 5
"""Neighbours for each."""

MOST_ROWS = 20_000
"""Lines for items, and as many for users."""

_HEADING_ROW, _HEADER_ROW = 6, 7


@dataclass(frozen=True, eq=False)
class _Neighbours:
    """The lines: positions of one and of another that is like it, the other's rank, and their cosine, each (N,)."""

    one: IndexArray
    other: IndexArray
    rank: IndexArray
    cosine: FloatArray
    n_listed: int
    """How many have lines here,"""
    n_all: int
    """and how many could have."""


def similar_sheet(mirror: Mirror, name: str) -> NewSheet:
    """The sheet ``name``, for a fit with two factors or more."""
    fit, formulas = mirror.fit, mirror.formulas
    sheet = NewSheet(name, tab_color=theme.OUTPUT_TAB)
    theme.title(sheet, "Similar")
    sheet.cell(2, 1, fit_title(fit), theme.SUBTITLE)
    sheet.cell(3, 1, f"Up to {N_SIMILAR} others, most alike first: 1 is the same direction, 0 has", theme.NOTE)
    sheet.cell(4, 1, "nothing in common. The order is as fitted; the values are live.", theme.NOTE)
    items = _block(sheet, mirror, "item", 1, formulas.item_vector)
    users = _block(sheet, mirror, "user", items.next_column + 1, formulas.user_vector)
    sheet.width(items.next_column, items.next_column, 4)
    sheet.color_scale(
        [table.area("similarity") for table in (items, users) if len(table)], (theme.MIDDLE, theme.HIGH), (0.0, 1.0)
    )
    sheet.freeze(_HEADER_ROW + 1, 1)
    sheet.print_setup(title_rows=(_HEADING_ROW, _HEADER_ROW))
    return sheet


def _block(sheet: NewSheet, mirror: Mirror, kind: str, column: int, vector: Callable[[int], str]) -> Columns:
    """One table from a column on."""
    ratings, factors = mirror.fit.ratings, mirror.fit.factors
    if kind == "item":
        labels, names, counts, vectors = ratings.items, ratings.item_names, ratings.item_counts, factors.item_factors
    else:
        labels, names, counts, vectors = ratings.users, ratings.user_names, ratings.user_counts, factors.user_factors
    found = _neighbours(vectors, counts > 0)
    table = Columns(_HEADER_ROW, column)
    table.add_labels(kind, labels, names, found.one.tolist(), least=10)
    table.add("rank", found.rank.tolist(), theme.POSITION)
    table.add_labels(f"similar {kind}", labels, names, found.other.tolist(), least=10)
    cosines = [
        cosine_formula(vector(one), vector(other))
        for one, other in zip(found.one.tolist(), found.other.tolist(), strict=True)
    ]
    table.add("similarity", found.cosine.tolist(), theme.SIMILARITY, formula=cosines, width=11)
    table.put(sheet, [False, *(found.rank[1:] == 1).tolist()])
    some = "" if found.n_listed == found.n_all else f", the first {found.n_listed:,} of {found.n_all:,}"
    some = some if len(table) else ": none are alike"
    sheet.cell(_HEADING_ROW, column, f"{kind.capitalize()}s{some}", theme.HEADING)
    return table


def cosine_formula(one: str, other: str) -> str:
    """The cosine of the angle between two ranges of the same shape."""
    return f"SUMPRODUCT({one},{other})/SQRT(SUMSQ({one})*SUMSQ({other}))"


def _neighbours(vectors: FloatArray, rated: BoolArray) -> _Neighbours:
    """One by one in the order of the ratings; who has no rating, or no direction, is left out.

    So are neighbours at right angles or beyond: they have nothing in common, or are each other's opposite.
    """
    there = np.flatnonzero(rated & vectors.any(axis=1)).astype(np.int32)
    rows = np.arange(min(len(there), MOST_ROWS // N_SIMILAR), dtype=np.int32)
    positions, cosines = most_similar(vectors[there], N_SIMILAR, rows)  # (rows, top) each
    alike = cosines > 0
    row, rank = np.nonzero(alike)
    return _Neighbours(
        one=there[rows][row],
        other=there[positions[alike]],
        rank=(rank + 1).astype(np.int32),
        cosine=cosines[alike],
        n_listed=len(rows),
        n_all=len(there),
    )
