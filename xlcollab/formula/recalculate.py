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
    dirty = Mask(sheets)
    for (sheet, row, col), value in changed.items():
        grid = sheets.grid(sheet)
        grid.cover(Area(row, col, row, col))
        grid.put(row, col, value)
    for sheet, row, col in changed:
        dirty.mark_cell(sheet, row, col)
    if sheets.uncached:
        _mark_uncached(sheets, dirty)
    blocks = [block for name in sheets.order for block in pieces(sheets, name)]
    failed: dict[Cell, str] = {}
    fixed = dict.fromkeys(changed)
    with np.errstate(all="ignore"):
        ordered = in_order(blocks, sheets, lambda members, error: _fail_circle(members, error, dirty, failed, sheets))
        values = recalculate(ordered, sheets, dirty, failed)
    return Recomputed({cell: value for cell, value in values.items() if cell not in fixed}, failed)


def _mark_uncached(sheets: Sheets, dirty: Mask) -> None:
    for sheet in sheets.book.sheets:
        if sheet.has_formulas:
            for (row, col), cell in sheet.cells.items():
                if cell.formula is not None and cell.value is None:
                    dirty.mark_cell(sheet.name, row, col)


def _fail_circle(
    members: list[Block], error: FormulaError, dirty: Mask, failed: dict[Cell, str], sheets: Sheets
) -> None:
    for block in members:
        if any(dirty.any_in(found) for found in reads(block, sheets).read):
            for row, col in block.area.cells():
                failed[block.sheet, row, col] = error.message


def recalculate(ordered: Sequence[Block], sheets: Sheets, dirty: Mask, failed: dict[Cell, str]) -> dict[Cell, Scalar]:
    """Compute, in this order, the cells that are dirty or read a dirty cell; the sheets' grids get the new values."""
    evaluator = Evaluator(sheets, lambda found: sheets.grid(found.sheet).read(found))
    waiting, lost = Mask(sheets), Mask(sheets)
    for block in ordered:
        waiting.mark(block.sheet, block.area)
    values: dict[Cell, Scalar] = {}
    for block in ordered:
        waiting.area(block.sheet, block.area)[...] = False
        p = reads(block, sheets)
        reason = None
        if any(dirty.any_in(found) for found in p.steering):
            sheets.precedents.pop(block)
            p = reads(block, sheets)
            if any(waiting.any_in(found) for found in p.read):
                reason = f"{block.place} points to cells that are computed after it"
        mine = _dirty_cells(block, dirty, sheets)
        if mine is None:
            continue
        if any(lost.any_in(found) for found in p.read):
            reason = "it depends on a formula that cannot be computed here"
        if reason is None:
            try:
                _refuse_volatile(block)
                result = evaluator.block(block)
            except FormulaError as error:
                reason = error.message
        dirty.area(block.sheet, block.area)[...] |= mine
        where = [(int(i), int(j)) for i, j in np.argwhere(np.broadcast_to(mine, (block.area.height, block.area.width)))]
        if reason is not None:
            lost.area(block.sheet, block.area)[...] |= mine
            for i, j in where:
                failed[block.sheet, block.area.first_row + i, block.area.first_col + j] = reason
            continue
        sheets.grid(block.sheet).store(block.area, result, None if mine.all() else mine)
        _collect(values, block, result, where)
    return values


def _refuse_volatile(block: Block) -> None:
    found = sorted(calls(block.tree) & VOLATILE)
    if found:
        raise FormulaError(f"{block.place} uses {found[0]}, whose value changes by itself")


def _dirty_cells(block: Block, dirty: Mask, sheets: Sheets) -> NDArray[np.bool_] | None:
    """Which cells of the block are to be computed, (height, width); None where none is."""
    p = reads(block, sheets)
    shape = (block.area.height, block.area.width)
    mine = dirty.area(block.sheet, block.area).copy()
    for found in (*p.read, *p.steering):
        if not dirty.any_in(found):
            continue
        mine = mine | (True if block.spread else np.broadcast_to(dirty.seen(found), shape))
    if block.spread and mine.any():
        mine[...] = True
    return mine if mine.any() else None


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
