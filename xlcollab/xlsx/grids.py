"""A sheet of values without formulas → its grid, in one pass: the way into large tables.

The rows of a table look alike but for their digits. A row is looked at closely once: which columns its <v> elements
belong to, in whatever order they stand, and which of them are numbers of shared texts. Every further row with the same
bytes between its digits is its <v> elements in order, put into the same places. What a look at the row leaves open (an
inline text, a boolean, a date) is read cell by cell. A formula anywhere, or markup of an unusual kind, and the answer
is None: then `read_cells` has to look at everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xlcollab.xlsx.cells import Area, CellValue, column_number
from xlcollab.xlsx.reading import CellReader, collector_paused
from xlcollab.xlsx.scan import cut_rows, row_tokens

__all__ = ["Grid", "read_grid"]

_VALUE: Final = re.compile(rb"<v>([^<]*)")
_PLAIN: Final = re.compile(rb'(?:<c r="[A-Z]{1,3}"(?: s="")?(?: t="[ns]")?(?:/>|><v>[Ee+]*</v></c>)\s*)+')
_NUMBER: Final = re.compile(rb'<c r="([A-Z]+)[0-9]+"[^<>/]*><v>([^<]*)')
_TYPED: Final = re.compile(rb'<c r="([A-Z]+)[0-9]+"(?: s="[0-9]+")?(?: t="([ns])")?><v>([^<]*)')
_ADDRESS: Final = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"')
_IN_NUMBERS: Final = b"0123456789.-"
_MOST_NUMBERS: Final = 100_000  # different ones, kept at a time
_LARGEST_GRID: Final = 50_000_000  # cells; a few cells at the far corner of a sheet are no grid

_Line = tuple[int, int, list[CellValue]]  # row, first column, values from there on


class Grid(NamedTuple):
    """The area of all cells of a sheet and its values row by row, None for empty. The rows are not to be changed."""

    area: Area
    rows: list[list[CellValue]]

    @property
    def used(self) -> Area | None:
        """The area of what is filled, without the blank cells around it that only have a style."""
        spans = [span for row in self.rows if (span := _filled(row))]
        filled = [number for number, row in enumerate(self.rows) if _filled(row)]
        if not spans:
            return None
        top, left = self.area.first_row, self.area.first_col
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        return Area(top + filled[0], left + first, top + filled[-1], left + last)

    def part(self, area: Area) -> list[list[CellValue]]:
        """The values in another area, None outside of this one."""
        out: list[list[CellValue]] = []
        shared = self.area.clip(area)
        left = shared.first_col - self.area.first_col if shared else 0
        before = shared.first_col - area.first_col if shared else 0
        after = area.last_col - shared.last_col if shared else 0
        for number in range(area.first_row, area.last_row + 1):
            if shared is None or not shared.first_row <= number <= shared.last_row:
                out.append([None] * area.width)
            else:
                row = self.rows[number - self.area.first_row]
                out.append([*[None] * before, *row[left : left + shared.width], *[None] * after])
        return out


@collector_paused()
def read_grid(data: bytes, reader: CellReader) -> Grid | None:
    """The grid of a sheet part; None where it has no cells, or where this way cannot read it."""
    rows = cut_rows(data)
    if rows is None:
        return None
    line_reader = _RowReader(reader, [b' s="%d"' % style for style in reader.date_styles if b' s="%d"' % style in data])
    lines: list[_Line] = []
    for row in rows:
        if b"<c" in row:
            try:
                line = line_reader.line(row)
            except ValueError:
                return None
            if line is None:
                return None
            lines.append(line)
    return _assembled(lines) if lines else None


class _Numbers(dict[bytes, CellValue]):
    """The texts of numbers → numbers, each looked at once: ratings repeat."""

    def __missing__(self, text: bytes) -> CellValue:
        if len(self) > _MOST_NUMBERS:
            self.clear()
        value: CellValue = None
        if text:
            value = int(text) if text.removeprefix(b"-").isdigit() else float(text)
            if value - value != 0:
                raise ValueError(text)  # NaN or infinity, which some programs write: not for a fast path
        self[text] = value
        return value


class _Columns(dict[bytes, int]):
    def __missing__(self, letters: bytes) -> int:
        self[letters] = column_number(letters.decode())
        return self[letters]


class _Shape(NamedTuple):
    """What rows have in common: their bytes without digits, where each value goes, and which are shared texts.

    ``places`` is None where the values fill the columns from the first to the last in order.
    """

    without_digits: bytes = b""
    first_col: int = 1
    width: int = 0
    places: Sequence[int] | None = None
    texts: Sequence[int] = ()


@dataclass
class _RowReader:
    reader: CellReader
    dates: Sequence[bytes]
    numbers: _Numbers = field(default_factory=_Numbers)
    columns: _Columns = field(default_factory=_Columns)
    shape: _Shape = field(default_factory=_Shape)

    def line(self, row: bytes) -> _Line | None:
        """The values of one cut row; None where it holds a formula or markup of an unusual kind."""
        without_digits = row[row.find(b"<c") :].translate(None, _IN_NUMBERS)
        if any(style in row for style in self.dates):
            return self._cell_by_cell(row)
        alike = without_digits == self.shape.without_digits
        texts: Sequence[bytes] | None = _VALUE.findall(row) if alike else self._look(row, without_digits)
        number = _ADDRESS.search(row)
        if texts is None or number is None:
            return self._cell_by_cell(row)
        shape = self.shape
        found = list(map(self.numbers.__getitem__, texts))
        for n in shape.texts:
            found[n] = self.reader.strings()[int(texts[n])]
        if shape.places is None:
            return int(number[2]), shape.first_col, found
        values: list[CellValue] = [None] * shape.width
        for place, value in zip(shape.places, found, strict=True):
            values[place] = value
        return int(number[2]), shape.first_col, values

    def _look(self, row: bytes, without_digits: bytes) -> Sequence[bytes] | None:
        """The texts of the row's values, its shape kept for the rows to come; None where it is not all plain values."""
        first, last = _ADDRESS.search(row), _ADDRESS.match(row, row.rfind(b"<c "))
        if not _PLAIN.fullmatch(without_digits) or first is None or last is None:
            return None
        # Texts stand at the start of a row as a rule; behind the last of them there are numbers only.
        typed = row.rfind(b' t="')
        behind = row.find(b"<c ", typed) if typed >= 0 else 0
        head = _TYPED.findall(row, 0, behind if behind >= 0 else len(row))
        found = [(letters, text) for letters, _, text in head]
        if behind >= 0:
            found += _NUMBER.findall(row, behind)
        if not found:
            return None
        letters, texts = zip(*found, strict=True)
        columns = list(map(self.columns.__getitem__, letters))
        start = min(self.columns[first[1]], *columns)
        width = max(self.columns[last[1]], *columns) - start + 1
        places = [col - start for col in columns] if columns != list(range(start, start + width)) else None
        shared = [n for n, (_, kind, _) in enumerate(head) if kind == b"s"]
        self.shape = _Shape(without_digits, start, width, places, shared)
        return texts

    def _cell_by_cell(self, row: bytes) -> _Line | None:
        tokens = row_tokens(row)
        if tokens is None or any(token[4] is not None for token in tokens):
            return None
        filled = {token[1]: self.reader.cell(token, None).value for token in tokens}
        return tokens[0][0], min(filled), [filled.get(col) for col in range(min(filled), max(filled) + 1)]


def _assembled(lines: Sequence[_Line]) -> Grid | None:
    area = Area(
        min(row for row, _, _ in lines),
        min(first for _, first, _ in lines),
        max(row for row, _, _ in lines),
        max(first + len(values) - 1 for _, first, values in lines),
    )
    if area.width * len(lines) > _LARGEST_GRID or len({row for row, _, _ in lines}) < len(lines):
        return None  # two elements for one row hold cells of one row
    empty: list[CellValue] = [None] * area.width
    grid = [empty] * area.height
    for row, first, values in lines:
        left = first - area.first_col
        right = area.width - left - len(values)
        grid[row - area.first_row] = [*empty[:left], *values, *empty[:right]] if left or right else values
    return Grid(area, grid)


def _filled(row: list[CellValue]) -> tuple[int, int] | None:
    """The first and the last position that holds a value."""
    filled = [position for position, value in enumerate(row) if value is not None]
    return (filled[0], filled[-1]) if filled else None
