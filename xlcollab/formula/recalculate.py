"""Computing the values of blocks from the values that a book holds, with all of Excel's kinds of value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula.blocks import Block
from xlcollab.formula.evaluate import Evaluator
from xlcollab.formula.functions import VOLATILE
from xlcollab.formula.graph import Mask, in_order, pieces, reads
from xlcollab.formula.sheets import Sheets
from xlcollab.formula.syntax import calls
from xlcollab.formula.values import Scalar, Values, decode
from xlcollab.xlsx.cells import Area

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["Recomputed", "recalculate", "recompute"]

Cell = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Recomputed:
    """New values of formula cells, and for those that have none the reason."""

    values: Mapping[Cell, Scalar]
    failed: Mapping[Cell, str] = field(default_factory=dict)


def recompute(book: Workbook, changed: Mapping[Cell, Scalar]) -> Recomputed:
    """The new values of all formulas, on every sheet, that depend on cells whose value changes.

    Formulas for which the book holds no value are computed as well, and so is what depends on them. A formula that
    cannot be computed here is in ``failed`` with the reason, and so is all that depends on it.
    """
    sheets = Sheets(book)
    dirty, fixed = Mask(sheets), Mask(sheets)
    for (sheet, row, col), value in changed.items():
        grid = sheets.grid(sheet)
        grid.cover(Area(row, col, row, col))
        grid.put(row, col, value)
    for sheet, row, col in changed:
        dirty.mark_cell(sheet, row, col)
        fixed.mark_cell(sheet, row, col)
    if sheets.uncached:
        _mark_uncached(sheets, dirty)
    circles: dict[Block, _Circle] = {}

    def on_circle(members: list[Block], error: FormulaError) -> None:
        circles.update(dict.fromkeys(members, (members, error.message)))

    with np.errstate(all="ignore"):
        blocks = [block for name in sheets.order for block in pieces(sheets, name)]
        return recalculate(in_order(blocks, sheets, on_circle), sheets, dirty, fixed, circles)


def _mark_uncached(sheets: Sheets, dirty: Mask) -> None:
    for sheet in sheets.book.sheets:
        if sheet.has_formulas:
            for (row, col), cell in sheet.cells.items():
                if cell.formula is not None and cell.value is None:
                    dirty.mark_cell(sheet.name, row, col)


_Circle = tuple[Sequence[Block], str]
"""The blocks that wait for each other, and the sentence that says so."""


def recalculate(
    ordered: Sequence[Block],
    sheets: Sheets,
    dirty: Mask,
    fixed: Mask | None = None,
    circles: Mapping[Block, _Circle] | None = None,
) -> Recomputed:
    """Compute, in this order, the cells that are dirty or read a dirty cell; the sheets' grids get the new values.

    Cells that are ``fixed`` keep what the grid holds for them, and of ``circles`` none is computed.
    """
    run = _Recalculation(sheets, dirty, Mask(sheets) if fixed is None else fixed, circles or {})
    for block in ordered:
        run.waiting.mark(block.sheet, block.area)
    for block in ordered:
        run.compute(block)
    return Recomputed(run.values, run.failed)


class _Recalculation:
    """What is known while blocks are computed one after the other."""

    def __init__(self, sheets: Sheets, dirty: Mask, fixed: Mask, circles: Mapping[Block, _Circle]) -> None:
        self.sheets = sheets
        self.dirty, self.fixed, self.lost, self.waiting = dirty, fixed, Mask(sheets), Mask(sheets)
        self.circles = circles
        self.values: dict[Cell, Scalar] = {}
        self.failed: dict[Cell, str] = {}
        self._evaluator = Evaluator(sheets, lambda found: sheets.grid(found.sheet).read(found))

    def compute(self, block: Block) -> None:
        """Compute the cells of a block that have to be, or note why they cannot be."""
        self.waiting.area(block.sheet, block.area)[...] = False
        circle = self.circles.get(block)
        reason = self._pointed_ahead(block) if circle is None else circle[1]
        mine = self._stale(block)
        if circle is not None and any(self._stale(one).any() for one in circle[0]):
            mine[...] = True
        mine &= ~self.fixed.area(block.sheet, block.area)
        if not mine.any():
            return
        if reason is None and any(self.lost.any_in(found) for found in reads(block, self.sheets).read):
            reason = "it depends on a formula that cannot be computed here"
        if reason is None:
            try:
                _refuse_volatile(block)
                result = self._evaluator.block(block)
            except FormulaError as error:
                reason = error.message
        self.dirty.area(block.sheet, block.area)[...] |= mine
        where = [(int(i), int(j)) for i, j in np.argwhere(mine)]
        if reason is not None:
            self.lost.area(block.sheet, block.area)[...] |= mine
            top, left = block.area.first_row, block.area.first_col
            self.failed.update({(block.sheet, top + i, left + j): reason for i, j in where})
            return
        self.sheets.grid(block.sheet).store(block.area, result, None if mine.all() else mine)
        _collect(self.values, block, result, where)

    def _pointed_ahead(self, block: Block) -> str | None:
        """Look again where OFFSET and INDIRECT point; a sentence where that is at cells not computed yet."""
        if any(self.dirty.any_in(found) for found in reads(block, self.sheets).steering):
            self.sheets.precedents.pop(block)
            if any(self.waiting.any_in(found) for found in reads(block, self.sheets).read):
                return f"{block.place} points to cells that are computed after it"
        return None

    def _stale(self, block: Block) -> NDArray[np.bool_]:
        """Which cells of the block are dirty, or read a dirty cell: (height, width)."""
        p = reads(block, self.sheets)
        mine = self.dirty.area(block.sheet, block.area).copy()
        for found in (*p.read, *p.steering):
            if self.dirty.any_in(found):
                mine |= True if block.spread else np.broadcast_to(self.dirty.seen(found), mine.shape)
        if block.spread and mine.any():
            mine[...] = True
        return mine


def _refuse_volatile(block: Block) -> None:
    found = sorted(calls(block.tree) & VOLATILE)
    if found:
        raise FormulaError(f"{block.place} uses {found[0]}, whose value changes by itself")


def _collect(values: dict[Cell, Scalar], block: Block, result: Values, where: list[tuple[int, int]]) -> None:
    found = decode(result)
    if block.spread:
        rows = found[0, 0]
    else:
        rows = np.broadcast_to(found, (block.area.height, block.area.width, 1, 1))[:, :, 0, 0]
    top, left, sheet = block.area.first_row, block.area.first_col, block.sheet
    listed = rows.tolist()
    for i, j in where:
        values[sheet, top + i, left + j] = listed[i][j]
