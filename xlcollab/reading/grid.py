"""A grid of cells, each with its value and its kind, and how a message calls a place in it.

A row's kinds are one byte a cell (``b"t nnn n"``), so that looking for labels and numbers is a search in short strings,
which Python does in C: a million cells take a tenth of a second, without NumPy.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from xlcollab.errors import CellValueError, RatingsError
from xlcollab.xlsx.cells import Area, CellValue, ErrorValue, address, quote_sheet

__all__ = ["BLANK", "DATE", "ERROR", "FORMULA", "NUMBER", "TEXT", "Blanks", "Grid", "Place", "Spot", "reads_as_number"]

BLANK, NUMBER, TEXT, DATE, BOOLEAN, ERROR, FORMULA = b" ntdbef"
_KINDS: Final[dict[type, int]] = {
    type(None): BLANK,
    int: NUMBER,
    float: NUMBER,
    str: TEXT,
    bool: BOOLEAN,
    dt.date: DATE,
    dt.datetime: DATE,
    ErrorValue: ERROR,
}
LABELS: Final = re.compile(rb"[%c%c%c%c]+" % (NUMBER, TEXT, DATE, FORMULA))
"""Cells side by side (in a row or column of kinds) that can be labels; a formula can, by its cached value."""

_BLANKS: Final = bytes([BLANK])
_MOST_DECIMALS: Final = 4
_LARGEST: Final = 1_000_000
_SAMPLE: Final = 2000
_NUMBER_TEXT: Final = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)\s*")


def reads_as_number(text: str) -> bool:
    """Whether a person would take the text for a number: '4', '4.5', ' 3,5'."""
    return _NUMBER_TEXT.fullmatch(text) is not None


class Spot(NamedTuple):
    """One cell, as a message calls it and as an error carries it; ``sheet`` and ``cell`` are None outside workbooks."""

    text: str
    sheet: str | None = None
    cell: str | None = None


@dataclass(frozen=True)
class Place:
    """What messages call a table's cells: by sheet and address in a workbook, by line and column in a file of text.

    ``line_of`` gives the line that a row of a text stands in, where blank lines are left out.
    """

    name: str
    sheet: str | None = None
    line_of: Callable[[int], int] = field(default=int, compare=False)

    @classmethod
    def on_sheet(cls, sheet: str) -> Place:
        """A sheet of a workbook, quoted as a formula would quote it."""
        return cls(quote_sheet(sheet), sheet)

    def spot(self, row: int, col: int) -> Spot:
        """'Ratings!D7', or 'ratings.csv, line 7, column 4'; rows and columns count from 1."""
        if self.sheet is None:
            return Spot(f"{self.name}, line {self.line_of(row)}, column {col}")
        return Spot(f"{self.name}!{address(row, col)}", self.sheet, address(row, col))


@dataclass(frozen=True)
class Totals:
    """Rows and columns of the sheet, counted from 1, that a pivot table fills with totals."""

    rows: frozenset[int] = frozenset()
    cols: frozenset[int] = frozenset()


class Blanks:
    """Markers of "not rated" beside the empty cell: texts (without regard to capitals) and numbers."""

    def __init__(self, markers: Iterable[object] = ()) -> None:
        texts = [str(marker).strip().casefold() for marker in markers]
        self.texts = frozenset(texts)
        self.numbers = frozenset(float(text) for text in texts if reads_as_number(text) and "," not in text)

    def __contains__(self, value: object) -> bool:
        if isinstance(value, str):
            return not value.strip() or value.strip().casefold() in self.texts
        return value is None or (type(value) in (int, float) and value in self.numbers)


@dataclass(frozen=True)
class Grid:
    """Cells in rows of one length. ``first_row`` and ``first_col`` are the place of ``rows[0][0]``, counted from 1.

    A formula's value is its cached one. Texts that mean "not rated" and texts of blanks only are of the kind `BLANK`; a
    number that means "not rated" stays a number here, since a label may be that number.
    """

    place: Place
    rows: Sequence[Sequence[CellValue]]
    kinds: Sequence[bytes]
    first_row: int = 1
    first_col: int = 1
    blanks: Blanks = field(default_factory=Blanks)
    totals: Totals = Totals()

    @classmethod
    def of(
        cls,
        place: Place,
        rows: Sequence[Sequence[CellValue]],
        first_row: int = 1,
        first_col: int = 1,
        *,
        formulas: Collection[tuple[int, int]] = (),
        blanks: Blanks | None = None,
        totals: Totals = Totals(),
    ) -> Grid:
        """A grid over rows of one length; ``formulas`` are the places, counted from 1, that hold formulas."""
        blanks = blanks or Blanks()
        cells = [_row(values, blanks) for values in rows]
        kinds = [line for _, line in cells]
        for row, col in formulas:
            kinds[row - first_row][col - first_col] = FORMULA
        values, lines = [values for values, _ in cells], [bytes(line) for line in kinds]
        return cls(place, values, lines, first_row, first_col, blanks, totals)

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.kinds[0]) if self.kinds else 0

    @cached_property
    def has_formulas(self) -> bool:
        """Whether any cell holds a formula."""
        return any(FORMULA in line for line in self.kinds)

    @cached_property
    def _all_kinds(self) -> bytes:
        return b"".join(self.kinds)

    @cached_property
    def _columns(self) -> dict[int, bytes]:
        return {}

    def column_kinds(self, col: int) -> bytes:
        """The kinds of the cells of one column (position in the grid), top to bottom."""
        if col not in self._columns:
            self._columns[col] = self._all_kinds[col :: self.width]
        return self._columns[col]

    @cached_property
    def _typed_numbers(self) -> dict[int, bytes]:
        return {}

    def typed_numbers(self, col: int) -> bytes:
        """The kinds of one column without all but the texts that read as a number."""
        if col not in self._typed_numbers:
            self._typed_numbers[col] = bytes(
                TEXT if kind == TEXT and isinstance(text := row[col], str) and reads_as_number(text) else BLANK
                for kind, row in zip(self.column_kinds(col), self.rows, strict=True)
            )
        return self._typed_numbers[col]

    def value(self, row: int, col: int) -> CellValue:
        """The value at a position in the grid."""
        return self.rows[row][col]

    def spot(self, row: int, col: int) -> Spot:
        """What a message calls a position in the grid."""
        return self.place.spot(row + self.first_row, col + self.first_col)

    def area(self, top: int, left: int, bottom: int, right: int) -> Area:
        """Positions in the grid, both ends included, as an area of the sheet."""
        return Area(top + self.first_row, left + self.first_col, bottom + self.first_row, right + self.first_col)

    def inside(self, area: Area) -> Grid:
        """The part of the grid that lies in an area of the sheet."""
        top, left = max(area.first_row - self.first_row, 0), max(area.first_col - self.first_col, 0)
        rows = slice(top, max(area.last_row - self.first_row + 1, top))
        cols = slice(left, max(area.last_col - self.first_col + 1, left))
        return Grid(
            self.place,
            [row[cols] for row in self.rows[rows]],
            [line[cols] for line in self.kinds[rows]],
            self.first_row + top,
            self.first_col + left,
            self.blanks,
            self.totals,
        )

    def trimmed(self) -> Grid:
        """The grid without the blank rows and columns at its edges."""
        rows = [at for at, line in enumerate(self.kinds) if line.strip(_BLANKS)]
        cols = [at for at in range(self.width) if self.column_kinds(at).strip(_BLANKS)] if rows else []
        return self.inside(self.area(rows[0], cols[0], rows[-1], cols[-1])) if rows else self

    def ratings(self, row: int, cols: Sequence[int]) -> Sequence[CellValue]:
        """The ratings of one row: numbers, and None where a cell is anything else or means "not rated"."""
        values, kinds = self.rows[row], self.kinds[row]
        first, last = cols[0], cols[-1] + 1
        no_rating = self.blanks.numbers
        plain = kinds.count(NUMBER, first, last) + kinds.count(BLANK, first, last) == last - first == len(cols)
        if plain and not no_rating:
            return values[first:last]
        return [values[col] if kinds[col] == NUMBER and values[col] not in no_rating else None for col in cols]

    def is_computed(self, rows: Sequence[int], cols: Sequence[int]) -> bool:
        """Whether nobody rates so: most numbers have over four decimals, as factors do, or one is beyond a million."""
        computed = seen = 0
        for row in rows:
            for value in self.ratings(row, cols):
                if isinstance(value, int | float):
                    if abs(value) > _LARGEST:
                        return True
                    seen += 1
                    computed += round(value, _MOST_DECIMALS) != value
            if seen > _SAMPLE:
                break
        return 2 * computed > seen

    def unlabelled(self, label: tuple[int, int], number: tuple[int, int]) -> RatingsError:
        """The error for a number that stands right beside ratings, where the label of its row or column is missing."""
        spot, value = self.spot(*label), self.value(*label)
        state = "is empty" if value is None else f"holds {str(value).upper()}, which is no label"
        return RatingsError(
            f"{spot.text} {state}, but {self.spot(*number).text} beside the ratings holds a number. "
            "Fill in the label, or name the range of the ratings (--range).",
            sheet=spot.sheet,
            cell=spot.cell,
        )

    def wrong_value(self, row: int, col: int) -> CellValueError:
        """The error for a cell that should hold a rating and holds something else."""
        value = self.value(row, col)
        empty = "Empty the cell"
        if isinstance(value, ErrorValue):
            shown, way_out = str(value), f"{empty}, or pass blanks={(str(value),)!r}."
        elif isinstance(value, bool):
            shown, way_out = str(value).upper(), f"{empty}, or type a number."
        elif isinstance(value, dt.date):
            shown, way_out = f"the date {value}", f"{empty}, or format it as a number."
        elif isinstance(value, str) and reads_as_number(value):
            shown = f"the text {value!r}"
            way_out = "Turn it into a number (in Excel: Data, Text to Columns, Finish)."
        else:
            shown, way_out = repr(value), f"{empty}, or pass blanks={(value,)!r}."
        spot = self.spot(row, col)
        return CellValueError(
            f"{spot.text} holds {shown}; ratings are numbers or empty. {way_out}", sheet=spot.sheet, cell=spot.cell
        )


def _row(values: Sequence[CellValue], blanks: Blanks) -> tuple[Sequence[CellValue], bytearray]:
    """A row's values and kinds; a text that means "not rated" is None among the values too."""
    kinds = bytearray(map(_KINDS.__getitem__, map(type, values)))
    emptied: list[int] = []
    for kind in (TEXT, ERROR):
        at = kinds.find(kind)
        while at >= 0:
            if values[at] in blanks:
                emptied.append(at)
            at = kinds.find(kind, at + 1)
    if emptied:
        values = list(values)  # the caller's own row stays as it is
        for at in emptied:
            kinds[at], values[at] = BLANK, None
    return values, kinds
