"""References as a block of cells sees them: for each cell of the block, which cells it means.

A `Frame` is where a formula stands: a rectangle of cells that were filled from one text. A `Range` is what a reference
in that text means there: ``rows`` and ``cols`` say for each cell of the frame where its range begins, and broadcast to
the frame's shape (R, C); the size is the same for all. ``$B25:$F25`` over 15×15 cells has rows of shape (15, 1), cols
(1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula.syntax import Reference
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, Area, address

__all__ = ["Frame", "Range", "Uneven", "Union", "intersection", "mixed_axes", "reference_range", "shared_range"]

Ints = NDArray[np.int64]


class Uneven(FormulaError):  # noqa: N818 — seldom an error: the cells are then taken one by one
    """A formula whose ranges or results differ in size between the cells of a block."""


class Frame(NamedTuple):
    """A rectangle of cells with one formula, and the cell in which the formula reads as its text does.

    ``array`` is set for array formulas: their operators work on whole ranges.
    """

    sheet: str
    area: Area
    anchor: tuple[int, int]
    array: bool = False

    @property
    def rows(self) -> Ints:
        """The rows of the cells, (R, 1)."""
        return np.arange(self.area.first_row, self.area.last_row + 1)[:, None]

    @property
    def cols(self) -> Ints:
        """The columns of the cells, (1, C)."""
        return np.arange(self.area.first_col, self.area.last_col + 1)[None, :]

    def moved_to(self, row: int, col: int) -> Frame:
        """The same cells, for a text that reads as if it stood in (row, col): a defined name's."""
        return self._replace(anchor=(row, col))


@dataclass(frozen=True)  # without slots, for the sake of the cached hull
class Range:
    """See the module's docstring. A row or column of 0 is one off the sheet: #REF!."""

    sheet: str
    rows: Ints
    cols: Ints
    height: int
    width: int

    @property
    def batch(self) -> tuple[int, int]:
        """(R, C) as far as the range differs between the cells of the frame."""
        return np.broadcast_shapes(self.rows.shape, self.cols.shape)

    @cached_property
    def hull(self) -> Area:
        """The smallest area that holds what all cells of the frame see."""
        top, bottom = _span(self.rows)
        left, right = _span(self.cols)
        return Area(top, left, min(bottom + self.height - 1, MAX_ROW), min(right + self.width - 1, MAX_COL))

    def clipped(self, last_row: int, last_col: int) -> Range:
        """Whole columns and rows cut off where the sheet's cells end; others as they are."""
        height = max(1, min(self.height, last_row)) if self.height == MAX_ROW else self.height
        width = max(1, min(self.width, last_col)) if self.width == MAX_COL else self.width
        return Range(self.sheet, self.rows, self.cols, height, width)

    def part(self, row: Ints, col: Ints, height: int, width: int) -> Range:
        """A range that begins ``row`` down and ``col`` across from this one; off the sheet it becomes #REF!."""
        rows, cols = self.rows + row, self.cols + col
        rows = np.where((rows >= 1) & (rows + height - 1 <= MAX_ROW) & (self.rows > 0), rows, 0)
        cols = np.where((cols >= 1) & (cols + width - 1 <= MAX_COL) & (self.cols > 0), cols, 0)
        return Range(self.sheet, rows, cols, height, width)


def _span(begins: Ints) -> tuple[int, int]:
    """The first and last row (or column) that ranges begin at; what is off the sheet counts as the first."""
    if begins.size == 1:
        only = max(1, begins.item())
        return only, only
    begins = np.maximum(begins, 1)
    return int(begins.min()), int(begins.max())


Union = tuple[Range, ...]
"""Several areas: (A1:A3,C1:C3), or one on each of several sheets."""


def mixed_axes(node: Reference) -> tuple[bool, bool]:
    """Whether the range grows as the formula is filled (down, across), as B$2:B2 does when it is filled down."""
    first, last = node.first, node.last
    down = first.row is not None and first.row_fixed != last.row_fixed
    across = first.col is not None and first.col_fixed != last.col_fixed
    return down, across


def reference_range(node: Reference, sheet: str, frame: Frame) -> Range:
    """What ``node`` means in ``frame``, on ``sheet``.

    Raises `FormulaError` for a range that grows within the frame; such blocks have to be cut first.
    """
    rows, height = _extent(
        (node.first.row, node.first.row_fixed),
        (node.last.row, node.last.row_fixed),
        frame.rows - frame.anchor[0],
        MAX_ROW,
    )
    cols, width = _extent(
        (node.first.col, node.first.col_fixed),
        (node.last.col, node.last.col_fixed),
        frame.cols - frame.anchor[1],
        MAX_COL,
    )
    return Range(sheet, rows, cols, height, width)


_ONE = np.ones((1, 1), np.int64)


def _extent(first: tuple[int | None, bool], last: tuple[int | None, bool], moved: Ints, limit: int) -> tuple[Ints, int]:
    """Along one axis: where the range begins for each cell, and how long it is.

    Positions beyond the edge wrap around, as relative references in defined names do.
    """
    (start, start_fixed), (stop, stop_fixed) = first, last
    if start is None or stop is None:
        return _ONE, limit
    if start_fixed and stop_fixed:
        return _ONE * min(start, stop), abs(stop - start) + 1
    if start_fixed == stop_fixed:
        return (min(start, stop) + moved - 1) % limit + 1, abs(stop - start) + 1
    if moved.size > 1:
        raise FormulaError("a range that grows along the block was not cut")
    a = start if start_fixed else (start + int(moved.item()) - 1) % limit + 1
    b = stop if stop_fixed else (stop + int(moved.item()) - 1) % limit + 1
    return _ONE * min(a, b), abs(b - a) + 1


def intersection(a: Range, b: Range) -> Range | None:
    """The cells in both; None where there are none. Sizes have to be the same for all cells of the frame."""
    if a.sheet.casefold() != b.sheet.casefold():
        return None
    top, left = np.maximum(a.rows, b.rows), np.maximum(a.cols, b.cols)
    heights = np.minimum(a.rows + a.height, b.rows + b.height) - top
    widths = np.minimum(a.cols + a.width, b.cols + b.width) - left
    height, width = int(heights.flat[0]), int(widths.flat[0])
    if (heights != height).any() or (widths != width).any():
        raise Uneven("gives intersections of different size in the cells of a block")
    return Range(a.sheet, top, left, height, width) if height > 0 and width > 0 else None


def shared_range(a: Range, b: Range) -> Range:
    """A1:INDEX(…): the smallest range that holds both."""
    top, left = np.minimum(a.rows, b.rows), np.minimum(a.cols, b.cols)
    heights = np.maximum(a.rows + a.height, b.rows + b.height) - top
    widths = np.maximum(a.cols + a.width, b.cols + b.width) - left
    height, width = int(heights.flat[0]), int(widths.flat[0])
    if (heights != height).any() or (widths != width).any():
        raise Uneven("gives ranges of different size in the cells of a block")
    return Range(a.sheet, top, left, height, width)


def place(frame: Frame) -> str:
    """'Sheet1!B2' for messages: the first cell of the frame."""
    return f"{frame.sheet}!{address(frame.area.first_row, frame.area.first_col)}"
