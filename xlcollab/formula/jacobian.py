"""Forward accumulation of sparse Jacobians: for many outputs at once.

J of an output is Σ (∂out/∂inputₖ) Jₖ over its inputs (Griewank & Walther 2008, chapter 3), with every factor sparse.
What is read from a page comes from the blocks that were stored there, row by row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.pages import Page
from xlcollab.formula.tape import Op, Slot, Tape
from xlcollab.formula.windows import Copy, Leaf

__all__ = ["jacobians"]


class _Rows:
    """The Jacobian of each cell of a page: which matrix holds it, and in which row. Matrix 0 has one row, of zeros."""

    def __init__(self, page: Page, n: int) -> None:
        from scipy.sparse import csr_array

        self.matrices: list[Any] = [csr_array((1, n))]
        self.matrix = np.zeros(page.num.size, np.int64)
        self.row = np.zeros(page.num.size, np.int64)
        self._page = page

    def cells_of(self, view: NDArray[np.float64]) -> NDArray[np.int64]:
        """The positions on the page that a view of its cells shows, in row order."""
        offset = (view.__array_interface__["data"][0] - self._page.num.__array_interface__["data"][0]) // 8
        down = self._page.num.shape[1]
        cells: NDArray[np.int64] = offset + np.arange(view.shape[0])[:, None] * down + np.arange(view.shape[1])
        return cells.ravel()

    def add(self, cells: NDArray[np.int64], jacobian: Any) -> None:
        self.matrix[cells] = len(self.matrices)
        self.row[cells] = np.arange(len(cells))
        self.matrices.append(jacobian)

    def of(self, cells: NDArray[np.int64]) -> Any:
        from scipy.sparse import vstack

        matrix, row = self.matrix[cells], self.row[cells]
        used = np.unique(matrix)
        if len(used) == 1:
            found = self.matrices[used[0]]
            return found if np.array_equal(row, np.arange(found.shape[0])) else found[row]
        start = np.zeros(len(self.matrices), np.int64)
        start[used] = np.concatenate([[0], np.cumsum([self.matrices[m].shape[0] for m in used])[:-1]])
        return vstack([self.matrices[m] for m in used], format="csr")[start[matrix] + row]


def jacobians(tape: Tape, pages: Sequence[Page], x: NDArray[np.float64], wanted: Sequence[Slot]) -> list[Any]:
    """∂slot/∂x, (size, n) sparse, for each wanted slot, at the values that the tape holds.

    ``x`` (n,) is the buffer of the changing cells, which the leaves of the tape show parts of.
    """
    from scipy.sparse import csr_array

    n = len(x)
    cells = {id(page.slot): _Rows(page, n) for page in pages}
    live = tape.live(wanted)
    found: dict[int, Any] = {}
    start = 0
    for op in tape.ops:
        slot = op.out
        if isinstance(op, Leaf) and slot.value.base is x:
            which = np.arange(start, start + slot.size)
            start += slot.size
            found[id(slot)] = csr_array((np.ones(slot.size), which, np.arange(slot.size + 1)), shape=(slot.size, n))
        elif id(slot) in live and id(slot) not in cells:
            found[id(slot)] = jacobian = _one(op, found, cells, live)
            if isinstance(op, Copy) and jacobian is not None:
                rows = cells[id(slot.base)]
                rows.add(rows.cells_of(slot.value), jacobian)
    return [found[id(slot)] if found.get(id(slot)) is not None else csr_array((slot.size, n)) for slot in wanted]


def _one(op: Op, found: dict[int, Any], cells: dict[int, _Rows], live: set[int]) -> Any:
    """Σ local(k) Jₖ; None where it is zero."""
    total = None
    for k, source in enumerate(op.inputs):
        if not isinstance(source, Slot) or id(source) not in live:
            continue
        local = op.local(k)
        if local is None:
            continue
        if id(source) in cells:
            part = cells[id(source)].of(np.asarray(local.indices, np.int64))
        elif found.get(id(source)) is None:
            continue
        else:
            part = local @ found[id(source)]
        total = part if total is None else total + part
    return total
