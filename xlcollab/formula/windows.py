"""How a program's cells are looked at: windows on a page, copies into it, and the leaves where everything begins."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.grid import strided
from xlcollab.formula.tape import Op, Pull, Slot, Step, Tape, add_to, index_of, selection

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Copy", "Leaf", "Overlapping", "Window", "window_slot"]

Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]
"""(position, step) of the rows and of the columns, and the shape (R, C, h, w): the arguments of `strided`."""
_MANY_OFFSETS = 64


class Leaf(Op):
    """Where a tape begins: changing cells, or a page before anything is stored in it."""


class Copy(Op):
    """What a block gave, copied to its cells on a page, where windows see it beside others'."""

    def __init__(self, source: Slot) -> None:
        self.inputs = (source,)
        self._source = source

    def forward(self) -> Step:
        """The cells take the block's values."""
        return add_to(self.out.value, self._source.value, True)

    def pull(self, to: Pull) -> Step:
        """What came back to the cells."""
        return to.add(to.g)

    def local(self, k: int) -> csr_array:
        """The same elements."""
        size = int(np.prod(self.inputs[k].shape))
        return selection(np.arange(size), size)


class Overlapping(Op):
    """A window whose ranges share cells: adjoints of one cell come from several places and are added up.

    Its values are a view of the page's, as those of `View` are; its adjoint is its own.
    """

    def __init__(self, page: Slot, window: Window) -> None:
        self.inputs = (page,)
        self.window = window

    def pull(self, to: Pull) -> Step:
        """Each adjoint to the cell that was seen."""
        g, target = to.g, to.target
        (top, down), (left, across), (rows, cols, height, width) = self.window
        if (height if down else 1) * (width if across else 1) > _MANY_OFFSETS:
            index = strided(index_of(target.shape), *self.window).ravel()
            return lambda: np.add(target, np.bincount(index, g.ravel(), target.size).reshape(target.shape), target)
        steps = []
        # At one offset within their ranges no two cells of the block see the same cell.
        for i in range(height) if down else (slice(None),):
            for j in range(width) if across else (slice(None),):
                down_to = slice(top + i, top + i + rows) if isinstance(i, int) else slice(top, top + height)
                across_to = slice(left + j, left + j + cols) if isinstance(j, int) else slice(left, left + width)
                part = target[down_to, across_to]
                steps.append(partial(np.add, part, g[:, :, i, j].reshape(part.shape), part))
        return lambda: [step() for step in steps]

    def local(self, k: int) -> csr_array:
        """The cells that are seen."""
        cells = index_of(self.inputs[k].shape)
        return selection(strided(cells, *self.window).ravel(), cells.size)


def window_slot(tape: Tape, page: Slot, window: Window, degree: NDArray[np.int8], through: tuple[Slot, ...]) -> Slot:
    """A window on a page as a slot; ``through`` are the copies that it may show."""
    (_, down), (_, across), (rows, cols, height, width) = window
    if (down and height > 1 and rows > 1) or (across and width > 1 and cols > 1):
        op = Overlapping(page, window)
        op.through = through
        return tape.emit(op, strided(page.value, *window), strided(degree, *window).copy())

    def look(array: NDArray[Any]) -> NDArray[Any]:
        return strided(array, *window)

    return tape.view(page, look, through)
