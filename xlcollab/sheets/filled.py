"""The filled crosstab: what Predictions shows and where, for that sheet and for those that refer to it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from xlcollab.arrays import BoolArray, FloatArray, IndexArray
from xlcollab.sheets.layout import TableLayout
from xlcollab.sheets.mirror import Mirror

__all__ = ["LEVEL", "Filled"]

LEVEL = 0.8
"""The share of true ratings that intervals are to hold."""


_HEADING_ROWS = 6
_COMPANION_GAP = 3  # a blank row, the caption, a blank row


@dataclass(frozen=True, eq=False)
class Filled:
    """The crosstab of one mirror with every blank filled. ``live`` is whether blanks are formulas or values."""

    mirror: Mirror
    sheet: str
    live: bool = True

    @cached_property
    def layout(self) -> TableLayout:
        """Where the table stands."""
        ratings = self.mirror.fit.ratings
        return TableLayout(
            ratings.n_users,
            ratings.n_items,
            _HEADING_ROWS,
            user_names=bool(ratings.user_names),
            item_names=bool(ratings.item_names),
        )

    @cached_property
    def blank(self) -> BoolArray:
        """Which cells nobody has rated (m, n)."""
        blank: BoolArray = ~self.mirror.known & np.isnan(self.mirror.held_out)
        return blank

    @cached_property
    def predicted(self) -> FloatArray:
        """r̂ (m, n) as the table shows it: kept within the scale unless the fit was told not to clip."""
        return self.mirror.fit.bounds.clipped(self.mirror.predicted)

    @cached_property
    def shown(self) -> FloatArray:
        """What the cells show (m, n): known, held-out, else predicted."""
        unfitted = np.where(np.isnan(self.mirror.held_out), self.predicted, self.mirror.held_out)
        return np.where(self.mirror.known, self.mirror.fit.ratings.dense(), unfitted)

    def cell(self, user: int, item: int) -> tuple[int, int]:
        """Row and column of the user and item at these positions."""
        return self.layout.first_row + user, self.layout.first_column + item

    # The cells of the heading that formulas refer to

    @property
    def lowest(self) -> tuple[int, int]:
        """Row and column of the lowest rating, which MAX keeps predictions above."""
        return 4, self.layout.first_column

    @property
    def highest(self) -> tuple[int, int]:
        """Row and column of the highest rating."""
        return 4, self.layout.first_column + 2

    @property
    def below(self) -> tuple[int, int]:
        """Row and column of where intervals begin, in standard deviations from the prediction (negative)."""
        return 5, self.layout.first_column

    @property
    def above(self) -> tuple[int, int]:
        """Row and column of where intervals end, in standard deviations from the prediction."""
        return 5, self.layout.first_column + 2

    # Intervals

    @property
    def has_intervals(self) -> bool:
        """Whether the solver knows how sure it is."""
        return self.mirror.fit.uncertainty is not None

    @property
    def has_companions(self) -> bool:
        """Whether the ends of the intervals stand in tables of their own below."""
        return self.live and self.has_intervals and bool(self.blank.any())

    @property
    def companions(self) -> dict[str, TableLayout]:
        """Where the ``low`` and ``high`` ends and the standard deviations (``sd``) stand."""
        low = self.layout.below(_COMPANION_GAP)
        high = low.below(_COMPANION_GAP)
        return {"low": low, "high": high, "sd": high.below(_COMPANION_GAP)}

    def sd(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        """Standard deviation of what these users would rate these items (N,)."""
        uncertainty = self.mirror.fit.uncertainty
        if uncertainty is None:
            raise ValueError("a fit without uncertainty has no standard deviations")
        return np.asarray(uncertainty.sd(user_idx, item_idx), dtype=float)

    def interval(self, user_idx: IndexArray, item_idx: IndexArray) -> tuple[FloatArray, FloatArray]:
        """Both ends (N,) at the level `LEVEL`, as `Fit.predict_interval` gives them."""
        return self.mirror.fit.interval_positions(user_idx, item_idx, level=LEVEL)


def scattered(mask: BoolArray, values: FloatArray) -> list[list[Any]]:
    """``values`` put into the true cells of ``mask`` row by row, None elsewhere."""
    table = np.full(mask.shape, None, dtype=object)
    table[mask] = values
    return [[None if value is None else float(value) for value in row] for row in table.tolist()]
