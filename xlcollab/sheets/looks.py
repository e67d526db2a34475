"""How numbers on the scale of the ratings look: as many decimals as say something, in columns that hold them.

Half stars have one decimal and their predictions two; of ratings from 0 to 100 predictions have one, of prices none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.sheets import theme
from xlcollab.xlsx.newsheet import Style

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["Looks"]

_GROUPED_FROM = 10_000.0
_LEAST_WIDTH = 6.5


@dataclass(frozen=True)
class Looks:
    """The looks of ratings between ``low`` and ``high``.

    ``given`` is how many decimals the ratings have, and ``decimals`` how many a prediction is shown with; errors that
    are to be compared have two more.
    """

    low: float
    high: float
    given: int

    @classmethod
    def of(cls, ratings: Ratings) -> Looks:
        """The looks of these ratings."""
        low, high = ratings.scale
        return cls(low, high, _decimals_of(ratings.values, most=max(2, _telling(high - low))))

    @property
    def decimals(self) -> int:
        """Of predictions: two where the scale is 1 to 10 wide, fewer on a wider one, more on a narrower one.

        As many as the ratings have at least, but for amounts of money, whose cents nobody can predict.
        """
        telling = _telling(self.high - self.low)
        return telling if self._grouped else max(telling, self.given)

    @cached_property
    def rating(self) -> Style:
        """A known rating; of whole numbers each shows the decimals that somebody types into it."""
        plain = self.given == 0 and not self._grouped
        return replace(theme.RATING, number_format=None) if plain else self._with(theme.RATING, self.given)

    @cached_property
    def held_out(self) -> Style:
        """A rating that was held out."""
        return replace(theme.HELD_OUT, number_format=self.rating.number_format)

    @cached_property
    def fitted(self) -> Style:
        """A prediction for a known rating; 0 stands for a blank."""
        return replace(theme.FITTED, number_format=f'{self.number};-{self.number};"·"')

    @cached_property
    def predicted(self) -> Style:
        """A prediction for a blank."""
        return self._with(theme.PREDICTED, self.decimals)

    @cached_property
    def predicted_plain(self) -> Style:
        """The same in a list."""
        return self._with(theme.PREDICTED_PLAIN, self.decimals)

    @cached_property
    def interval(self) -> Style:
        """The end of an interval."""
        return self._with(theme.INTERVAL, self.decimals)

    @cached_property
    def deviation(self) -> Style:
        """A standard deviation."""
        return self._with(theme.DEVIATION, self.decimals)

    @cached_property
    def difference(self) -> Style:
        """A prediction less the rating."""
        return replace(theme.DIFFERENCE, number_format=f"+{self.number};-{self.number};{self.number}")

    @cached_property
    def objective(self) -> Style:
        """The RMSE that Solver minimises."""
        return self._with(theme.OBJECTIVE, self.decimals + 2)

    @cached_property
    def error(self) -> Style:
        """An RMSE or a mean absolute error."""
        return self._with(theme.ERROR, self.decimals + 2)

    @cached_property
    def fact_error(self) -> Style:
        """The same in Summary."""
        return self._with(theme.FACT_ERROR, self.decimals + 2)

    @property
    def number(self) -> str:
        """The number format of predictions."""
        return self._code(self.decimals)

    @property
    def axis(self) -> str:
        """The number format of a chart's axis that goes through the scale."""
        return self._code(max(0, self.decimals - 1))

    @property
    def width(self) -> float:
        """The width of a column that holds any of these."""
        numbers = (self.low, self.high)
        return max(
            _LEAST_WIDTH,
            theme.number_width(numbers, self.rating),
            theme.number_width(numbers, self.predicted),
            theme.number_width([self.high - self.low], self.objective),
        )

    def error_text(self, value: float | None) -> str:
        """An error as its cell shows it."""
        return "" if value is None else f"{value:{',' * self._grouped}.{self.decimals + 2}f}"

    def sample(self, share: float) -> float:
        """A number this far up the scale, as a prediction is shown."""
        return round(self.low + share * (self.high - self.low), self.decimals)

    def _with(self, style: Style, decimals: int) -> Style:
        return replace(style, number_format=self._code(decimals))

    @property
    def _grouped(self) -> bool:
        return max(abs(self.low), abs(self.high)) >= _GROUPED_FROM

    def _code(self, decimals: int) -> str:
        return ("#,##0" if self._grouped else "0") + "." * bool(decimals) + "0" * decimals


def _telling(width: float) -> int:
    """How many decimals say something on a scale so wide: three digits in all or a little more."""
    if width <= 0:
        return 2
    return max(0, 3 - math.ceil(math.log10(width))) if width > 1 else 2 - math.floor(math.log10(width))


def _decimals_of(values: FloatArray, most: int) -> int:
    """How many decimals these numbers have, up to ``most``."""
    exact = (decimals for decimals in range(most) if np.array_equal(np.round(values, decimals), values))
    return next(exact, most)
