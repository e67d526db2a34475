"""A sheet of values without formulas → its grid, in one pass: the way into large tables.

A crosstab has gaps, blank cells with a style, and texts beside its numbers; each row of such a sheet is one search with a
regular expression. A formula anywhere, or markup of an unusual shape, and the answer is None: then `read_cells` has to
look at each cell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from xlcollab.xlsx.cells import Area, CellValue, column_number
from xlcollab.xlsx.reading import CellReader
from xlcollab.xlsx.scan import cut_rows, row_tokens

__all__ = ["read_plain"]

_CELL: Final = re.compile(
    rb'<c r="([A-Z]{1,3})[0-9]{1,7}"(?: s="[0-9]{1,5}")?(?: t="(n|s)")?(?:/>|><v>([^<]+)</v></c>)'
)
_ROW_NUMBER: Final = re.compile(rb'<c r="[A-Z]{1,3}([0-9]{1,7})"')
_MOST_NUMBERS: Final = 100_000  # kept at a time

_Line = tuple[int, int, Sequence[CellValue]]  # row, first column, values; the first and the last are not None


class _Numbers(dict[bytes, CellValue]):
    """The texts of numbers → numbers, each looked at once: ratings repeat."""

    def __missing__(self, text: bytes) -> CellValue:
        if len(self) > _MOST_NUMBERS:
            self.clear()
        value: CellValue = None
        if text:
            value = int(text) if text.removeprefix(b"-").isdigit() else float(text)
        self[text] = value
        return value


class _Columns(dict[bytes, int]):
    def __missing__(self, letters: bytes) -> int:
        self[letters] = column_number(letters.decode())
        return self[letters]


def read_plain(data: bytes, reader: CellReader) -> tuple[Area, list[list[CellValue]]] | None:
    """The area around all values of a sheet, and its rows (None for empty); None where this way cannot read it.

    An empty sheet has no area, and so no grid either.
    """
    rows = cut_rows(data)
    if rows is None:
        return None
    dates = [b' s="%d"' % style for style in reader.date_styles if b' s="%d"' % style in data]
    numbers, columns = _Numbers(), _Columns()
    lines: list[_Line] = []
    for row in rows:
        if b"<c" not in row:
            continue
        try:
            line = _plain_line(row, numbers, columns, reader, dates) or _line(row, reader)
        except ValueError:
            return None
        if line is None:
            return None
        if line[2]:
            lines.append(line)
    return _assembled(lines) if lines else None


def _plain_line(
    row: bytes, numbers: _Numbers, columns: _Columns, reader: CellReader, dates: Sequence[bytes]
) -> _Line | None:
    """A row of numbers, blanks and shared strings; None where it has anything else."""
    found = _CELL.findall(row)
    if len(found) != row.count(b"<c") or any(style in row for style in dates):
        return None
    letters, kinds, texts = zip(*found, strict=True)
    if b"s" in kinds:
        strings = reader.strings()
        values = [
            strings[int(text)] if kind == b"s" else numbers[text] for kind, text in zip(kinds, texts, strict=True)
        ]
    else:
        values = list(map(numbers.__getitem__, texts))
    number = _ROW_NUMBER.search(row)
    assert number is not None
    first, last = columns[letters[0]], columns[letters[-1]]
    if last - first + 1 != len(values):
        spread: list[CellValue] = [None] * (last - first + 1)
        for letter, value in zip(letters, values, strict=True):
            spread[columns[letter] - first] = value
        values = spread
    return int(number[1]), *_without_margins(first, values)


def _line(row: bytes, reader: CellReader) -> _Line | None:
    """Any row without formulas, cell by cell."""
    tokens = row_tokens(row)
    if tokens is None or any(token[4] is not None for token in tokens):
        return None
    filled = {token[1]: reader.cell(token, None).value for token in tokens}
    first, last = min(filled), max(filled)
    return tokens[0][0], *_without_margins(first, [filled.get(col) for col in range(first, last + 1)])


def _without_margins(first: int, values: list[CellValue]) -> tuple[int, list[CellValue]]:
    start, end = 0, len(values)
    while end and values[end - 1] is None:
        end -= 1
    while start < end and values[start] is None:
        start += 1
    return first + start, values[start:end] if start or end < len(values) else values


def _assembled(lines: Sequence[_Line]) -> tuple[Area, list[list[CellValue]]]:
    area = Area(
        min(row for row, _, _ in lines),
        min(first for _, first, _ in lines),
        max(row for row, _, _ in lines),
        max(first + len(values) - 1 for _, first, values in lines),
    )
    grid: list[list[CellValue]] = [[] for _ in range(area.height)]
    for row, first, values in lines:
        left = first - area.first_col
        grid[row - area.first_row] = [*[None] * left, *values, *[None] * (area.width - left - len(values))]
    empty: list[CellValue] = [None] * area.width
    return area, [line or empty for line in grid]
