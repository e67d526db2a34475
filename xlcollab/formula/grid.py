"""The values of one sheet as arrays, and the windows that ranges open on them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from xlcollab.formula.ranges import Range
from xlcollab.formula.values import BLANK, NUMBER, REF, TEXT, Scalar, Values, encode_one
from xlcollab.xlsx.calendar import to_serial
from xlcollab.xlsx.cells import Area, Cell

__all__ = ["Axis", "Grid", "strided"]

Ints = NDArray[np.int64]
# A sheet with a forgotten cell in XFD1048576 is not to take the memory of all the cells before it.
_DENSE_LIMIT = 1 << 23


class Axis:
    """The rows (or columns) that a grid holds, in ascending order, and where each of them lies in its arrays."""

    def __init__(self, held: Ints) -> None:
        self.held = held
        self.first = int(held[0]) if len(held) else 1
        self.gapless = len(held) == 0 or int(held[-1]) - self.first + 1 == len(held)

    def __len__(self) -> int:
        return len(self.held)

    @property
    def last(self) -> int:
        """The last row held; 0 in an empty grid."""
        return int(self.held[-1]) if len(self.held) else 0

    def holds(self, first: int, last: int) -> bool:
        """Whether all rows from the first to the last are held."""
        if self.gapless:
            return self.first <= first and last < self.first + len(self.held)
        at, end = np.searchsorted(self.held, (first, last)).tolist()
        return end < len(self.held) and end - at == last - first and int(self.held[at]) == first

    def span(self, first: int, last: int) -> slice:
        """The positions of those rows from the first to the last that are held."""
        if not self.gapless:
            return slice(int(np.searchsorted(self.held, first)), int(np.searchsorted(self.held, last, "right")))
        start, stop, size = first - self.first, last - self.first + 1, len(self.held)
        return slice(0 if start < 0 else start, size if stop > size else stop if stop > 0 else 0)

    def positions(self, wanted: Ints) -> Ints:
        """Where the wanted rows lie; ``len(self)`` for those that are not held."""
        if self.gapless:
            found = wanted - self.first
            return np.where((found >= 0) & (found < len(self.held)), found, len(self.held))
        found = np.searchsorted(self.held, wanted)
        hit = self.held[np.minimum(found, len(self.held) - 1)] == wanted
        return np.where(hit, found, len(self.held))

    def start(self, begins: Ints, length: int) -> tuple[int, int] | None:
        """(position of the first, step) where windows of ``length`` begin at ``begins`` and all lie side by side."""
        flat = begins.ravel()
        first, last = int(flat[0]), int(flat[-1])
        if len(flat) > 1 and not (last - first == len(flat) - 1 and (np.diff(flat) == 1).all()):
            return None
        at, end = self.positions(np.array([first, last + length - 1])).tolist()
        if at == len(self.held) or end - at != last + length - 1 - first or end == len(self.held):
            return None
        return at, int(len(flat) > 1)


def strided(array: NDArray[Any], rows: tuple[int, int], cols: tuple[int, int], shape: tuple[int, ...]) -> NDArray[Any]:
    """The four-dimensional window (R, C, h, w) on ``array`` (H, W); ``rows`` and ``cols`` are (position, step)."""
    down, across = array.strides
    return as_strided(
        array[rows[0] :, cols[0] :],
        shape,
        (down * rows[1], across * cols[1], down, across),
        writeable=array.flags.writeable,
    )


class Grid:
    """``num``, ``kind`` and ``text`` of the cells that a sheet holds, as in `Values` but (rows, columns)."""

    def __init__(self, rows: Ints, cols: Ints) -> None:
        self.rows = Axis(rows)
        self.cols = Axis(cols)
        shape = (len(rows), len(cols))
        self.num = np.zeros(shape)
        self.kind = np.full(shape, BLANK, np.int8)
        self.text: NDArray[Any] | None = None

    @classmethod
    def of_cells(cls, cells: Mapping[tuple[int, int], Cell], date1904: bool = False) -> Grid:
        """The cached values of a sheet."""
        keys = [key for key, cell in cells.items() if cell.value is not None or cell.formula is not None]
        if not keys:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64))
        where = np.array(keys)
        last_row, last_col = where.max(0).tolist()
        if last_row * last_col <= _DENSE_LIMIT:
            grid = cls(np.arange(1, last_row + 1), np.arange(1, last_col + 1))
        else:
            grid = cls(np.unique(where[:, 0]), np.unique(where[:, 1]))
        grid._fill(keys, where, cells, date1904)
        return grid

    def _fill(
        self, keys: Iterable[tuple[int, int]], where: Ints, cells: Mapping[tuple[int, int], Cell], date1904: bool
    ) -> None:
        rows, cols = self.rows.positions(where[:, 0]), self.cols.positions(where[:, 1])
        numbers = np.empty(len(where))
        kinds = np.zeros(len(where), np.int8)
        for i, key in enumerate(keys):
            cell = cells[key]
            value = cell.value
            if cell.number is not None:
                numbers[i] = cell.number
            elif isinstance(value, dt.date):  # stored as a text such as 2024-03-01
                numbers[i] = to_serial(value, date1904)
            else:
                numbers[i], kinds[i] = encode_one(value)
                if kinds[i] == TEXT:
                    self._texts()[rows[i], cols[i]] = value
        self.num[rows, cols] = numbers
        self.kind[rows, cols] = kinds

    def _texts(self) -> NDArray[Any]:
        if self.text is None:
            self.text = np.full(self.num.shape, "", dtype=object)
        return self.text

    def put(self, row: int, col: int, value: Scalar) -> None:
        """Set one cell, which the grid has to hold."""
        i, j = self.rows.positions(np.array([row]))[0], self.cols.positions(np.array([col]))[0]
        self.num[i, j], self.kind[i, j] = encode_one(value)
        if isinstance(value, str) and self.kind[i, j] == TEXT:
            self._texts()[i, j] = value

    def cover(self, area: Area) -> None:
        """Make room for cells that the sheet does not hold yet."""
        if self.rows.holds(area.first_row, area.last_row) and self.cols.holds(area.first_col, area.last_col):
            return
        rows = np.union1d(self.rows.held, np.arange(area.first_row, area.last_row + 1))
        cols = np.union1d(self.cols.held, np.arange(area.first_col, area.last_col + 1))
        old_rows, old_cols, num, kind, text = self.rows, self.cols, self.num, self.kind, self.text
        Grid.__init__(self, rows, cols)
        into = np.ix_(self.rows.positions(old_rows.held), self.cols.positions(old_cols.held))
        self.num[into], self.kind[into] = num, kind
        if text is not None:
            self._texts()[into] = text

    def store(self, area: Area, values: Values, only: NDArray[np.bool_] | None = None) -> None:
        """Set the cells of ``area``, or ``only`` some of them, to what a block gave."""
        at = self.slices(area)
        where = slice(None) if only is None else only
        self.num[at][where] = _flat(values.num, area)[where]
        self.kind[at][where] = NUMBER if values.kind is None else _flat(values.kind, area)[where]
        if values.text is not None:
            self._texts()[at][where] = _flat(values.text, area)[where]

    def slices(self, area: Area) -> tuple[slice, slice]:
        """Where an area lies whose rows and columns are all held."""
        return self.rows.span(area.first_row, area.last_row), self.cols.span(area.first_col, area.last_col)

    def read(self, found: Range) -> Values:
        """What the cells of a frame see through a range, with `Values.from_range` set."""
        window = self.window(found)
        if window is not None:
            kind = strided(self.kind, *window)
            some = bool(kind.any())
            text = strided(self.text, *window) if self.text is not None and some else None
            return Values(strided(self.num, *window), kind if some else None, text, from_range=True)
        i, j, valid = self.positions(found)
        held = (i < len(self.rows)) & (j < len(self.cols))
        i, j = np.where(held, i, 0), np.where(held, j, 0)
        if not self.num.size:
            num, kind = np.zeros(held.shape), np.full(held.shape, BLANK, np.int8)
        else:
            num, kind = np.where(held, self.num[i, j], 0.0), np.where(held, self.kind[i, j], np.int8(BLANK))
        if not valid.all():
            num, kind = np.where(valid, num, np.nan), np.where(valid, kind, np.int8(REF))
        text = self.text[i, j] if self.text is not None else None
        return Values(num, kind if kind.any() else None, text, from_range=True)

    def window(self, found: Range) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]] | None:
        """The arguments of `strided` for this range; None where it is no regular window on what is held."""
        if found.rows.shape[1] > 1 or found.cols.shape[0] > 1:
            return None
        rows, cols = self.rows.start(found.rows, found.height), self.cols.start(found.cols, found.width)
        if rows is None or cols is None:
            return None
        return rows, cols, (found.rows.shape[0], found.cols.shape[1], found.height, found.width)

    def positions(self, found: Range) -> tuple[Ints, Ints, NDArray[np.bool_]]:
        """Row and column positions of every cell that is seen, (R, C, h, w), and whether it lies on the sheet."""
        rows = found.rows[:, :, None, None] + np.arange(found.height)[:, None]
        cols = found.cols[:, :, None, None] + np.arange(found.width)
        valid = (found.rows > 0)[:, :, None, None] & (found.cols > 0)[:, :, None, None]
        rows, cols, valid = np.broadcast_arrays(rows, cols, valid)
        return self.rows.positions(rows), self.cols.positions(cols), valid


def _flat(part: Any, area: Area) -> NDArray[Any]:
    """(R, C, 1, 1) or, from an array formula, (1, 1, r, c) → (height, width)."""
    spread = part.shape[:2] == (1, 1) and part.shape[2:] == (area.height, area.width)
    return part[0, 0] if spread else np.broadcast_to(part, (area.height, area.width, 1, 1))[:, :, 0, 0]
