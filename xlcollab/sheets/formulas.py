"""The model and its error as Excel formulas over the cells of a mirror: `model.predict_all` once more, as text.

r̂ = link(μ + b_u + b_i + p_u·q_i) becomes, for user 14 and item 27 of the 15 × 15 mirror with biases and a range ::

    IF(H2="",0,$A$17+($A$18-$A$17)*(1+TANH((MMULT($B26:$F26,H$20:H$24)+H$19+$A26)/2))/2)

as in the lesson, except that the whole sum stands inside the IF: a blank predicts 0 and so adds nothing to the RMSE
in any engine, whether its SUMXMY2 skips a pair with a blank (Excel, Gnumeric) or counts it as 0 (LibreOffice).

The sigmoid 1/(1+EXP(-x)) is written as (1+TANH(x/2))/2, as in `model.link`: EXP is an error in Excel beyond 709, and a
Solver that looks for the least RMSE takes x there.

Texts carry no leading ``=``. Only functions that Excel 2007 has, and that are not volatile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from xlcollab.sheets.layout import MirrorLayout
from xlcollab.xlsx.cells import Area, address, column_letters, quote_sheet

__all__ = ["ModelFormulas", "absolute", "clipped"]


def absolute(row: int, column: int) -> str:
    """``$A$17`` for row 17, column 1."""
    return f"${column_letters(column)}${row}"


def clipped(formula: str, low: str, high: str) -> str:
    """The value of ``formula`` kept between the cells ``low`` and ``high``."""
    return f"MAX({low},MIN({high},{formula}))"


@dataclass(frozen=True)
class ModelFormulas:
    """Formula texts for the cells of one mirror.

    ``has_mean`` says that μ is not 0 and stands in its cell. ``sheet`` is the mirror's name where the formula stands on
    another sheet, None within the mirror.
    """

    layout: MirrorLayout
    has_mean: bool
    sheet: str | None = None

    @property
    def prefix(self) -> str:
        """What goes before a reference to the mirror: nothing, ``scipy!`` or ``'my sheet'!``."""
        return "" if self.sheet is None else f"{quote_sheet(self.sheet)}!"

    @cached_property
    def _columns(self) -> list[str]:
        first = self.layout.first_column
        return [column_letters(first + item) for item in range(self.layout.n_items)]

    def rating(self, user: int, item: int) -> str:
        """The known rating of the user and item at these positions (from 0)."""
        return f"{self.prefix}{self._columns[item]}{user + 2}"

    def prediction(self, user: int, item: int) -> str:
        """r̂ for the user and item at these positions (from 0), whether rated or not.

        Its references are absolute, so that the row that it stands in can be sorted.
        """
        terms = self._user_terms(user, row="$")
        return self.linked([term.replace("@", f"${self._columns[item]}") for term in terms])

    def row(self, user: int, items: Iterable[int]) -> Iterator[str]:
        """r̂ of one user for several items."""
        user_terms = self._user_terms(user)
        for item in items:
            yield self.linked([term.replace("@", self._columns[item]) for term in user_terms])

    def linked(self, terms: Sequence[str]) -> str:
        """r̂ from p_u·q_i, b_u and b_i as formula texts: μ added where there is one, then the link."""
        begin, end = self._link
        return f"{begin}{'+'.join([*terms, *self._mean])}{end}"

    def guarded_row(self, user: int) -> Iterator[str]:
        """The prediction cells of one user within the mirror: 0 for a blank, else r̂."""
        for column, formula in zip(self._columns, self.row(user, range(self.layout.n_items)), strict=True):
            yield f'IF({self.prefix}{column}{user + 2}="",0,{formula})'

    def user_vector(self, user: int) -> str:
        """The cells of p_u (1, k), of the user at this position (from 0); the reference is absolute."""
        row = self.layout.first_user_row + user
        return f"{self.prefix}{Area(row, 2, row, self.layout.model.n_factors + 1).absolute}"

    def item_vector(self, item: int) -> str:
        """The cells of q_i (k, 1), of the item at this position (from 0); the reference is absolute."""
        column, top = self.layout.first_column + item, self.layout.item_factors_row
        return f"{self.prefix}{Area(top, column, top + self.layout.model.n_factors - 1, column).absolute}"

    def rmse(self) -> str:
        """√(mean squared error over the ratings there are)."""
        ratings, predictions = self._area(self.layout.ratings), self._area(self.layout.predictions)
        return f"SQRT(SUMXMY2({ratings},{predictions})/COUNT({ratings}))"

    def cell(self, at: tuple[int, int]) -> str:
        """A single cell of the mirror, by row and column."""
        return f"{self.prefix}{address(*at)}"

    @cached_property
    def _link(self) -> tuple[str, str]:
        """What stands before and behind the linear predictor."""
        if self.layout.model.y_range is None:
            return "", ""
        low = f"{self.prefix}{absolute(*self.layout.range_low)}"
        high = f"{self.prefix}{absolute(*self.layout.range_high)}"
        return f"{low}+({high}-{low})*(1+TANH((", ")/2))/2"

    @cached_property
    def _mean(self) -> list[str]:
        return [f"{self.prefix}{absolute(*self.layout.mean)}"] if self.has_mean else []

    def _user_terms(self, user: int, row: str = "") -> list[str]:
        """p_u·q_i, b_i and b_u, with ``@`` for the item's column letters; ``row`` is what stands before row numbers."""
        layout, prefix = self.layout, self.prefix
        k, top = layout.model.n_factors, layout.item_factors_row
        row += str(layout.first_user_row + user)
        terms = []
        if k == 1:
            terms.append(f"{prefix}$B{row}*{prefix}@${top}")
        elif k > 1:
            last = column_letters(k + 1)
            terms.append(f"MMULT({prefix}$B{row}:${last}{row},{prefix}@${top}:@${top + k - 1})")
        if layout.model.biased:
            terms += [f"{prefix}@${layout.item_row}", f"{prefix}$A{row}"]
        return terms

    def _area(self, area: Area) -> str:
        return f"{self.prefix}{area.ref}"
