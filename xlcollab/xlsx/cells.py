"""Where a cell is and what it holds: A1 references, areas, and the value types of the file layer.

Rows and columns count from 1, as Excel's do. Nothing in this module touches a file.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from xlcollab.errors import XlcollabError

__all__ = [
    "MAX_COL",
    "MAX_ROW",
    "Area",
    "Cell",
    "CellValue",
    "ErrorValue",
    "Formula",
    "address",
    "column_letters",
    "column_number",
    "count_cells",
    "qualified",
    "quote_sheet",
    "rectangles",
]

MAX_ROW = 1_048_576
MAX_COL = 16_384

_CORNER = re.compile(r"\$?([A-Za-z]{1,3})?\$?([0-9]{1,7})?")
# A sheet name needs no quotes when it is a word that cannot be taken for a cell (A1 or R1C1) or for a truth value.
_PLAIN_SHEET = re.compile(r"[^\W\d][\w.]*")
_LOOKS_LIKE_CELL = re.compile(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*|[Cc][0-9]*|[Rr][0-9]*[Cc][0-9]*|(?i:true|false)")


@lru_cache(maxsize=MAX_COL)
def column_letters(col: int) -> str:
    """1 → 'A', 26 → 'Z', 27 → 'AA', 16384 → 'XFD'."""
    if not 1 <= col <= MAX_COL:
        raise ValueError(f"column {col} is outside 1 to {MAX_COL}")
    letters = ""
    while col:
        col, rest = divmod(col - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


@lru_cache(maxsize=MAX_COL)
def column_number(letters: str) -> int:
    """'A' → 1, 'XFD' → 16384; small letters are taken too."""
    number = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            raise ValueError(f"{letters!r} is not a column")
        number = number * 26 + ord(letter) - 64
    if not 1 <= number <= MAX_COL:
        raise ValueError(f"{letters!r} is not a column between A and XFD")
    return number


def address(row: int, col: int) -> str:
    """(25, 8) → 'H25'."""
    return f"{column_letters(col)}{row}"


class Area(NamedTuple):
    """A rectangle of cells, both corners included."""

    first_row: int
    first_col: int
    last_row: int
    last_col: int

    @classmethod
    def parse(cls, text: str) -> Area:
        """Read 'B2:D9', '$A$1', 'A:C' or '3:7'; whole columns and rows reach to the edge of the sheet.

        Raises `XlcollabError` for anything else, a sheet name in front included.
        """
        first, colon, last = text.strip().partition(":")
        a, b = _CORNER.fullmatch(first), _CORNER.fullmatch(last if colon else first)
        if a and b:
            (col1, row1), (col2, row2) = a.groups(), b.groups()
            # Whole columns and rows need the colon, and both corners have to be of one kind.
            same_kind = (col1 is None) == (col2 is None) and (row1 is None) == (row2 is None)
            if same_kind and (col1 or row1) and (colon or (col1 and row1)):
                try:
                    cols = sorted((column_number(col1), column_number(col2))) if col1 else [1, MAX_COL]
                except ValueError:
                    cols = [0, 0]
                rows = sorted((int(row1), int(row2))) if row1 else [1, MAX_ROW]
                if cols[0] >= 1 and rows[0] >= 1 and rows[1] <= MAX_ROW:
                    return cls(rows[0], cols[0], rows[1], cols[1])
        raise XlcollabError(f"'{text}' is not a range of cells. Write it like B2:P16, A:C or 3:7.", cell=text)

    @property
    def ref(self) -> str:
        """'B2:D9', or 'B2' for a single cell."""
        first = address(self.first_row, self.first_col)
        if self.first_row == self.last_row and self.first_col == self.last_col:
            return first
        return f"{first}:{address(self.last_row, self.last_col)}"

    @property
    def absolute(self) -> str:
        """'$B$2:$D$9', or '$B$2' for a single cell."""
        first = f"${column_letters(self.first_col)}${self.first_row}"
        if self.first_row == self.last_row and self.first_col == self.last_col:
            return first
        return f"{first}:${column_letters(self.last_col)}${self.last_row}"

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.last_row - self.first_row + 1

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.last_col - self.first_col + 1

    def cells(self) -> Iterator[tuple[int, int]]:
        """Every (row, column), row by row."""
        for row in range(self.first_row, self.last_row + 1):
            for col in range(self.first_col, self.last_col + 1):
                yield row, col

    def contains(self, row: int, col: int) -> bool:
        """Whether the cell lies inside."""
        return self.first_row <= row <= self.last_row and self.first_col <= col <= self.last_col

    def clip(self, other: Area) -> Area | None:
        """The part that lies inside ``other`` too; None where they do not meet."""
        rows = max(self.first_row, other.first_row), min(self.last_row, other.last_row)
        cols = max(self.first_col, other.first_col), min(self.last_col, other.last_col)
        if rows[0] > rows[1] or cols[0] > cols[1]:
            return None
        return Area(rows[0], cols[0], rows[1], cols[1])

    def shift(self, rows: int, cols: int) -> Area:
        """The same shape, moved down and right."""
        return Area(self.first_row + rows, self.first_col + cols, self.last_row + rows, self.last_col + cols)


def count_cells(areas: Sequence[Area]) -> int:
    """How many different cells lie in some areas of one sheet, none of them looked at: whole columns have a million."""
    edges = sorted({row for area in areas for row in (area.first_row, area.last_row + 1)})
    total = 0
    for top, end in pairwise(edges):
        width = reached = 0
        for first, last in sorted((a.first_col, a.last_col) for a in areas if a.first_row <= top <= a.last_row):
            width += max(last - max(first - 1, reached), 0)
            reached = max(reached, last)
        total += width * (end - top)
    return total


def quote_sheet(name: str) -> str:
    """A sheet name as a formula needs it: My sheet → 'My sheet', Bob's → 'Bob''s', Ratings as it is."""
    if _PLAIN_SHEET.fullmatch(name) and not _LOOKS_LIKE_CELL.fullmatch(name):
        return name
    return "'" + name.replace("'", "''") + "'"


def qualified(sheet: str, area: Area) -> str:
    """('My sheet', A1:B2) → "'My sheet'!$A$1:$B$2"."""
    return f"{quote_sheet(sheet)}!{area.absolute}"


class ErrorValue(str):
    """An error in a cell: '#N/A', '#DIV/0!', '#REF!' and so on."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"ErrorValue({str(self)!r})"


CellValue = int | float | str | bool | dt.datetime | dt.date | ErrorValue | None
"""What a cell can hold; None is an empty cell."""


class Formula:
    """A formula as it stands in its own cell: no leading '=', shared formulas already moved to where they are used.

    ``array`` is the range of an array formula, on its first cell; the other cells of that range hold values only. The
    text may be given as what makes it: of most formulas in a file nobody asks for the text.
    """

    __slots__ = ("_text", "array")

    def __init__(self, text: str | Callable[[], str], array: Area | None = None) -> None:
        self._text = text
        self.array = array

    @property
    def text(self) -> str:
        """The formula's text."""
        if not isinstance(self._text, str):
            self._text = self._text()
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and (self.text, self.array) == (other.text, other.array)

    def __hash__(self) -> int:
        return hash((self.text, self.array))

    def __repr__(self) -> str:
        return f"Formula({self.text!r}{'' if self.array is None else f', {self.array}'})"


class Cell(NamedTuple):
    """One cell: its (cached) value, its formula, the index of its style, and the number behind a date."""

    value: CellValue
    formula: Formula | None = None
    style: int = 0
    number: int | float | None = None


def rectangles(cells: Iterable[tuple[int, int]]) -> list[Area]:
    """Cells (row, column), in ascending order, as few full rectangles: equal runs in consecutive rows are joined."""
    found: list[Area] = []
    growing: dict[tuple[int, int], tuple[int, int]] = {}  # (first, last column) → (first, last row)

    def close(run: tuple[int, int]) -> None:
        first_row, last_row = growing.pop(run)
        found.append(Area(first_row, run[0], last_row, run[1]))

    for row, first, last in _runs(cells):
        run = (first, last)
        rows = growing.get(run)
        if rows is not None and rows[1] == row - 1:
            growing[run] = (rows[0], row)
            continue
        if rows is not None:
            close(run)
        growing[run] = (row, row)
    for run in list(growing):
        close(run)
    return sorted(found)


def _runs(cells: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """(row, first column, last column) of each unbroken run."""
    row = first = last = 0
    for r, c in cells:
        if r == row and c == last + 1:
            last = c
            continue
        if row:
            yield row, first, last
        row, first, last = r, c, c
    if row:
        yield row, first, last
