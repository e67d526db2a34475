"""A sheet → the grid of its values and where its formulas stand, in one pass: the way into tables.

The rows of a table look alike but for their digits. A row is looked at closely once: which columns its <v> elements
belong to, in whatever order they stand, which of them are numbers of shared texts, and which cells have a formula.
Every further row with the same bytes between its digits is its <v> elements in order, put into the same places. What a
look at the row leaves open (an inline text, a boolean, a date, an array formula) is read cell by cell. Markup of an
unusual kind anywhere, and the answer is None: then `read_cells` has to look at everything.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from xlcollab.xlsx.cells import Area, CellValue, column_number
from xlcollab.xlsx.reading import CellReader, SheetCells, array_area, collector_paused, has_formula
from xlcollab.xlsx.scan import cut_rows, row_tokens

__all__ = ["Grid", "grids_of", "read_grid"]

_VALUE: Final = re.compile(rb"<v>([^<]*)")
# The next two look at rows without digits, dots and minus signs.
_START: Final = b'<c r="'
_CELL: Final = re.compile(
    rb'([A-Z]{1,3})"(?: s="")?(?: t="([ns])")?(?:/>|>(<f%b+ ?/>|<f%b*>[^<]+</f>)?(<v>[Ee+]*</v>)?</c>)\s*'
    % ((rb'(?: (?:t="shared"|(?:ref|si|ca)="[^<>"]*"))',) * 2)
)
_ADDRESS: Final = re.compile(rb'<c r="([A-Z]{1,3})([0-9]{1,7})"')
_IN_NUMBERS: Final = b"0123456789.-"
_MOST_NUMBERS: Final = 100_000  # different ones, kept at a time
_MOST_SHAPES: Final = 16  # the same
_SPARSE: Final = 100  # of so many cells one is filled, or the filled ones are taken apart ...
_SMALL: Final = 1_000_000  # ... unless all of them are no more than this

_Place = tuple[int, int]
_Line = tuple[int, int, list[CellValue], Sequence[int]]  # row, first column, values from there on, formulas' columns


class Grid(NamedTuple):
    """Cells in an area of a sheet: values row by row, None for empty, and the cells that have a formula.

    ``arrays`` are the ranges of array formulas, of which only the first cell has it. The rows are not to be changed.
    """

    area: Area
    rows: list[list[CellValue]]
    formulas: Sequence[_Place] = ()
    arrays: Sequence[Area] = ()

    @property
    def used(self) -> Area | None:
        """The area of what is filled, without the blank cells around it that only have a style."""
        top, left = self.area.first_row, self.area.first_col
        filled = [(top + at, span) for at, row in enumerate(self.rows) if (span := _filled(row))]
        rows = [row for row, _ in filled] + [row for row, _ in self.formulas]
        cols = [left + at for _, span in filled for at in span] + [col for _, col in self.formulas]
        return Area(min(rows), min(cols), max(rows), max(cols)) if rows else None

    def copy_to(self, out: list[list[CellValue]], area: Area) -> None:
        """Put the values that lie in another area into its rows."""
        shared = self.area.clip(area)
        if shared is not None:
            left, right = shared.first_col - self.area.first_col, shared.last_col - self.area.first_col + 1
            into = slice(shared.first_col - area.first_col, shared.last_col - area.first_col + 1)
            for number in range(shared.first_row, shared.last_row + 1):
                out[number - area.first_row][into] = self.rows[number - self.area.first_row][left:right]


@collector_paused()
def read_grid(data: bytes, reader: CellReader) -> Grid | None:
    """The grid of a sheet part; None where it has no cells, or where this way cannot read it."""
    rows = cut_rows(data)
    if rows is None or 0 in reader.date_styles:
        return None  # with a date as the default, cells without a style are dates too
    line_reader = _RowReader(reader, [b' s="%d"' % style for style in reader.date_styles if b' s="%d"' % style in data])
    lines: list[_Line] = []
    for row in rows:
        if b"<c" in row:
            try:
                line = line_reader.line(row)
            except (ValueError, IndexError):
                return None
            if line is None:
                return None
            lines.append(line)
    return _assembled(lines, line_reader.arrays) if lines else None


def grids_of(found: SheetCells) -> list[Grid]:
    """The filled cells of a sheet as a grid; as several where a few of them stand so far off that one would be vast."""
    filled = [place for place, cell in found.cells.items() if cell.value is not None or cell.formula is not None]
    grids = []
    for places in _pieces(filled):
        area = _around(places)
        rows: list[list[CellValue]] = [[None] * area.width for _ in range(area.height)]
        for row, col in places:
            rows[row - area.first_row][col - area.first_col] = found.cells[row, col].value
        formulas = [place for place in places if found.cells[place].formula is not None]
        grids.append(Grid(area, rows, formulas, found.array_areas))
    return grids


def _pieces(places: Sequence[_Place]) -> list[Sequence[_Place]]:
    """The cells, parted at the widest gap between rows or columns until no part is sparse."""
    pieces: list[Sequence[_Place]] = []
    whole = [places] if places else []
    while whole:
        piece = whole.pop()
        if _is_sparse(_around(piece), len(piece)):
            whole += reversed(_parted(piece))
        else:
            pieces.append(piece)
    return pieces


def _parted(places: Sequence[_Place]) -> tuple[Sequence[_Place], Sequence[_Place]]:
    gaps = []
    for axis in (0, 1):
        lines = sorted({place[axis] for place in places})
        gaps += [(end - start, min(n, len(lines) - n), axis, end) for n, (start, end) in enumerate(pairwise(lines), 1)]
    *_, axis, end = max(gaps)
    return [p for p in places if p[axis] < end], [p for p in places if p[axis] >= end]


def _around(places: Sequence[_Place]) -> Area:
    rows, cols = [row for row, _ in places], [col for _, col in places]
    return Area(min(rows), min(cols), max(rows), max(cols))


def _is_sparse(area: Area, n_filled: int) -> bool:
    return area.height * area.width > max(_SMALL, _SPARSE * n_filled)


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


class _Cell(NamedTuple):
    """A cell as its bytes without digits tell of it."""

    col: int
    filled: bool
    shared: bool
    formula: bool


class _Cells(dict[bytes, _Cell]):
    """The bytes of a cell behind ``<c r="`` → what they tell, each looked at once: cells of a column are alike."""

    def __missing__(self, markup: bytes) -> _Cell:
        if len(self) > _MOST_NUMBERS:
            self.clear()
        match = _CELL.fullmatch(markup)
        if match is None:
            raise KeyError(markup)
        letters, kind, formula, value = match.groups()
        self[markup] = _Cell(column_number(letters.decode()), value is not None, kind == b"s", formula is not None)
        return self[markup]


class _Shape(NamedTuple):
    """What rows have in common: their bytes without digits, where each value goes, and which are shared texts.

    ``places`` is None where the values fill the columns from the first to the last in order; ``formulas`` are columns.
    """

    without_digits: bytes
    first_col: int
    width: int
    places: Sequence[int] | None
    texts: Sequence[int]
    formulas: Sequence[int]


@dataclass
class _RowReader:
    reader: CellReader
    dates: Sequence[bytes]
    numbers: _Numbers = field(default_factory=_Numbers)
    cells: _Cells = field(default_factory=_Cells)
    shapes: deque[_Shape] = field(default_factory=lambda: deque(maxlen=_MOST_SHAPES))
    arrays: list[Area] = field(default_factory=list)

    def line(self, row: bytes) -> _Line | None:
        """The values of one cut row; None where it holds markup of an unusual kind."""
        if any(style in row for style in self.dates):
            return self._cell_by_cell(row)
        cells = row[row.find(b"<c") :]
        # The exponents that Excel writes go too: there is nothing else for which an E stands there alone.
        without_digits = cells.translate(None, _IN_NUMBERS).replace(b"<v>E<", b"<v><")
        shape = next((shape for shape in self.shapes if shape.without_digits == without_digits), None)
        number = _ADDRESS.match(cells)
        if shape is None and (shape := self._look(without_digits)) is not None:
            self.shapes.appendleft(shape)
        if shape is None or number is None:
            return self._cell_by_cell(row)
        texts = _VALUE.findall(cells)
        found = list(map(self.numbers.__getitem__, texts))
        for n in shape.texts:
            found[n] = self.reader.shared(int(texts[n]))
        if shape.places is None:
            return int(number[2]), shape.first_col, found, shape.formulas
        values: list[CellValue] = [None] * shape.width
        for place, value in zip(shape.places, found, strict=True):
            values[place] = value
        return int(number[2]), shape.first_col, values, shape.formulas

    def _look(self, without_digits: bytes) -> _Shape | None:
        """The shape of a row; None where it is not all plain values and formulas."""
        before, *markup = without_digits.split(_START)
        if before:
            return None  # a cell without an address
        try:
            cells = list(map(self.cells.__getitem__, markup))
        except KeyError:
            return None
        filled = [cell for cell in cells if cell.filled]
        columns = [cell.col for cell in filled]
        start, end = min(cell.col for cell in cells), max(cell.col for cell in cells) + 1
        places = [col - start for col in columns] if columns != list(range(start, end)) else None
        shared = [n for n, cell in enumerate(filled) if cell.shared] if b't="s"' in without_digits else []
        formulas = [cell.col for cell in cells if cell.formula] if b"<f" in without_digits else []
        return _Shape(without_digits, start, end - start, places, shared, formulas)

    def _cell_by_cell(self, row: bytes) -> _Line | None:
        tokens = row_tokens(row)
        if tokens is None or len({token[0] for token in tokens}) > 1:
            return None  # several rows, where some end with </row > and were not cut
        filled = {token[1]: self.reader.cell(token, None).value for token in tokens}
        formulas = [token[1] for token in tokens if has_formula(token)]
        self.arrays += [area for token in tokens if (area := array_area(token)) is not None]
        return tokens[0][0], min(filled), [filled.get(col) for col in range(min(filled), max(filled) + 1)], formulas


def _assembled(lines: Sequence[_Line], arrays: Sequence[Area]) -> Grid | None:
    area = Area(
        min(row for row, *_ in lines),
        min(first for _, first, *_ in lines),
        max(row for row, *_ in lines),
        max(first + len(values) - 1 for _, first, values, _ in lines),
    )
    if len({row for row, *_ in lines}) < len(lines) or _is_sparse(area, sum(len(values) for _, _, values, _ in lines)):
        return None  # two elements for one row hold cells of one row
    empty: list[CellValue] = [None] * area.width
    grid = [empty] * area.height
    formulas: list[_Place] = []
    for row, first, values, columns in lines:
        left = first - area.first_col
        right = area.width - left - len(values)
        grid[row - area.first_row] = [*empty[:left], *values, *empty[:right]] if left or right else values
        formulas += [(row, col) for col in columns]
    return Grid(area, grid, formulas, arrays)


def _filled(row: list[CellValue]) -> tuple[int, int] | None:
    """The first and the last position that holds a value."""
    filled = [position for position, value in enumerate(row) if value is not None]
    return (filled[0], filled[-1]) if filled else None
