"""Where each block of a sheet sits; the only place that knows coordinates.

The mirror keeps the lesson's layout. For m users, n items, k factors and b = 1 with biases, else 0::

             A … k+1              k+2             k+3 … k+2+n
    1        title                 corner          item labels
    2        notes                 user labels     ratings (m, n)
    m+2      low end of y_range                    item names, if there are any
    m+3      high end of y_range
    m+4      μ, if it is not 0                     item biases, if there are any
    m+4+b                                          item factors (k, n)
    m+4+k+b                        corner          item labels
    m+5+k+b  biases │ factors      user labels     predictions (m, n)
    2m+6+k+b                                       RMSE, in the last column

User biases stand in column A and user factors from column B. So 15 × 15 ratings with five factors have their ratings
in H2:V16, item factors in H19:V23, user factors in B25:F39, predictions in H25:V39 and the RMSE in V41.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from xlcollab.model import Model
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, Area

__all__ = ["MirrorLayout", "TableLayout"]


@dataclass(frozen=True)
class MirrorLayout:
    """The coordinates of a mirror, rows and columns from 1; areas are inclusive."""

    n_users: int
    n_items: int
    model: Model

    @property
    def _bias_rows(self) -> int:
        return 1 if self.model.biased else 0

    @property
    def label_column(self) -> int:
        """The column of the user labels; the ratings begin in the next one."""
        return self.model.n_factors + 2

    @property
    def first_column(self) -> int:
        """The column of the first item."""
        return self.label_column + 1

    @property
    def last_column(self) -> int:
        """The column of the last item."""
        return self.label_column + self.n_items

    @property
    def item_names_row(self) -> int:
        """The first of the two empty rows below the ratings."""
        return self.n_users + 2

    @property
    def item_row(self) -> int:
        """The first row of the item block: the biases, or where there are none the first factor."""
        return self.n_users + 4

    @property
    def lower_label_row(self) -> int:
        """The row of the item labels above the predictions."""
        return self.item_row + self.model.n_factors + self._bias_rows

    @property
    def first_user_row(self) -> int:
        """The row of the first user's factors and predictions."""
        return self.lower_label_row + 1

    @property
    def last_user_row(self) -> int:
        """The row of the last user's factors and predictions."""
        return self.lower_label_row + self.n_users

    @cached_property
    def ratings(self) -> Area:
        """The known ratings (m, n), without labels."""
        return Area(2, self.first_column, self.n_users + 1, self.last_column)

    @cached_property
    def crosstab(self) -> Area:
        """The ratings with their labels."""
        return Area(1, self.label_column, self.n_users + 1, self.last_column)

    @cached_property
    def predictions(self) -> Area:
        """r̂ (m, n)."""
        return Area(self.first_user_row, self.first_column, self.last_user_row, self.last_column)

    @cached_property
    def item_block(self) -> Area:
        """Item biases, if there are any, and item factors below them: (b + k, n)."""
        return Area(self.item_row, self.first_column, self.lower_label_row - 1, self.last_column)

    @cached_property
    def user_block(self) -> Area:
        """User biases, if there are any, and user factors beside them: (m, b + k)."""
        return Area(self.first_user_row, 2 - self._bias_rows, self.last_user_row, self.model.n_factors + 1)

    @property
    def item_factors_row(self) -> int:
        """The row of the first item factor."""
        return self.item_row + self._bias_rows

    @property
    def user_labels(self) -> Area:
        """The user labels beside the predictions (m, 1)."""
        return Area(self.first_user_row, self.label_column, self.last_user_row, self.label_column)

    @property
    def item_labels(self) -> Area:
        """The item labels above the predictions (1, n)."""
        return Area(self.lower_label_row, self.first_column, self.lower_label_row, self.last_column)

    @property
    def mean(self) -> tuple[int, int]:
        """Row and column of μ: where the row of the item biases meets the column of the user biases."""
        return self.item_row, 1

    @property
    def range_low(self) -> tuple[int, int]:
        """Row and column of the low end of ``y_range``."""
        return self.n_users + 2, 1

    @property
    def range_high(self) -> tuple[int, int]:
        """Row and column of the high end of ``y_range``."""
        return self.n_users + 3, 1

    @property
    def rmse(self) -> tuple[int, int]:
        """Row and column of the objective cell."""
        return self.last_user_row + 2, self.last_column

    @property
    def changing(self) -> tuple[Area, Area]:
        """What Solver may change: the item block and the user block, in the lesson's order."""
        return self.item_block, self.user_block

    @property
    def n_changing(self) -> int:
        """The number of changing cells; Excel's own add-in takes 200."""
        return (self.n_users + self.n_items) * (self.model.n_factors + self._bias_rows)

    @property
    def fits_a_sheet(self) -> bool:
        """Whether Excel has enough rows and columns."""
        return self.rmse[0] <= MAX_ROW and self.last_column <= MAX_COL


@dataclass(frozen=True)
class TableLayout:
    """The coordinates of a crosstab on a sheet of its own, below a heading, names beside the labels if there are any.

    ``first_row`` and ``first_column`` are those of the first value; the item labels stand in the row above it.
    """

    n_users: int
    n_items: int
    heading_rows: int
    user_names: bool = False
    item_names: bool = False

    @property
    def label_row(self) -> int:
        """The row of the item labels."""
        return self.heading_rows + 1 + self.item_names

    @property
    def first_row(self) -> int:
        """The row of the first user."""
        return self.label_row + 1

    @property
    def first_column(self) -> int:
        """The column of the first item; column 1 holds the user labels."""
        return 2 + self.user_names

    @property
    def values(self) -> Area:
        """The values (m, n)."""
        return Area(
            self.first_row, self.first_column, self.first_row + self.n_users - 1, self.first_column + self.n_items - 1
        )

    def below(self, gap: int) -> TableLayout:
        """A companion table in the same columns, its label row ``gap`` + 1 rows below the end of this one."""
        return replace(self, heading_rows=self.values.last_row + gap, item_names=False)

    @property
    def fits_a_sheet(self) -> bool:
        """Whether Excel has enough rows and columns."""
        return self.first_row + self.n_users - 1 <= MAX_ROW and self.first_column + self.n_items - 1 <= MAX_COL
