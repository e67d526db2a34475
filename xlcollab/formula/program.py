"""From a workbook, its changing cells and the cells that are asked for to a `Program`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula.blocks import Block
from xlcollab.formula.evaluate import Evaluator
from xlcollab.formula.functions import VOLATILE
from xlcollab.formula.graph import Graph, Mask, cone, in_order, reads
from xlcollab.formula.pages import Outside, Page
from xlcollab.formula.ranges import Range
from xlcollab.formula.recalculate import recalculate
from xlcollab.formula.replay import Mismatch, Program, Recorded
from xlcollab.formula.sheets import Sheets
from xlcollab.formula.syntax import calls
from xlcollab.formula.tape import Tape
from xlcollab.formula.values import Values
from xlcollab.xlsx.cells import Area, address, rectangles

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["Mismatch", "Output", "Program", "compile_program"]

Output = tuple[str, Area] | tuple[str, str]
"""What is asked for: (sheet, area), or (sheet, formula without '=') as if it stood on that sheet."""

Areas = Sequence[tuple[str, Area]]


def compile_program(book: Workbook, inputs: Areas, outputs: Sequence[Output]) -> Program:
    """The program from ``inputs`` (changing cells; a cell named twice counts once) to ``outputs``.

    Raises `FormulaError`, naming sheet and cell, for what cannot be computed or differentiated here: an unsupported
    function, a circular reference, RAND, NOW or TODAY anywhere in the cone, OFFSET by changing amounts.
    """
    sheets = Sheets(book)
    with np.errstate(all="ignore"):
        return _Compiler(sheets, inputs, outputs).program()


class _Compiler:
    def __init__(self, sheets: Sheets, inputs: Areas, outputs: Sequence[Output]) -> None:
        self.sheets = sheets
        self.inputs = _distinct([(sheets.name_of(sheet), area) for sheet, area in inputs])
        self.outputs = [self._target(sheets.name_of(sheet), what) for sheet, what in outputs]
        for sheet, area in self.inputs:
            sheets.grid(sheet).cover(area)

    def _target(self, sheet: str, what: Area | str) -> Range | Block:
        if isinstance(what, str):
            return Block(sheet, Area(1, 1, 1, 1), (1, 1), what, array=True)
        return Range(sheet, np.full((1, 1), what.first_row), np.full((1, 1), what.first_col), what.height, what.width)

    def program(self) -> Program:
        wanted: list[Range] = []
        for target in self.outputs:
            wanted += [target] if isinstance(target, Range) else reads(target, self.sheets).read
        blocks = cone(wanted, self.sheets)
        given = Mask(self.sheets)
        for sheet, area in self.inputs:
            given.mark(sheet, area)
        needed = self._needed(blocks, wanted, given)
        self._refuse_volatile(blocks, needed)
        unchecked = self._fill_missing(blocks, needed)
        active = self._active(blocks, given, needed)
        compiled = in_order(list(self._cut(blocks, active)), self.sheets, _refuse_circle)
        for sheet, area in self.inputs:
            active.mark(sheet, area)
        self._refuse_steering(compiled, active)
        return Program(self._recorded(compiled, active, unchecked))

    def _needed(self, blocks: list[Block], wanted: Iterable[Range], given: Mask) -> Mask:
        """The cells that the outputs depend on; what stands in a changing cell does not count."""
        needed = Mask(self.sheets)
        for found in wanted:
            needed.mark(found.sheet, found.hull)
        graph = Graph(blocks, self.sheets)
        for component in reversed(graph.order):
            changed = True
            while changed:
                changed = False
                for i in component:
                    block = blocks[i]
                    mine = needed.area(block.sheet, block.area) & ~given.area(block.sheet, block.area)
                    if not mine.any():
                        continue
                    p = reads(block, self.sheets)
                    before = [int(needed.area(r.sheet, r.hull).sum()) for r in p.read]
                    for found in (*p.read, *p.steering):
                        needed.mark_seen(found, np.ones((1, 1), bool) if block.spread else mine)
                    after = [int(needed.area(r.sheet, r.hull).sum()) for r in p.read]
                    changed = changed or (graph.circular(component) and before != after)
        self._graph = graph
        return needed

    def _refuse_volatile(self, blocks: list[Block], needed: Mask) -> None:
        for block in blocks:
            mine = needed.area(block.sheet, block.area)
            if not mine.any():
                continue
            found = sorted(calls(block.tree) & VOLATILE)
            if found:
                i, j = np.argwhere(mine)[0].tolist()
                cell = address(block.area.first_row + i, block.area.first_col + j)
                raise FormulaError(
                    f"{block.sheet}!{cell} uses {found[0]}, whose value changes by itself, so that the model has no "
                    "fixed answer. Put a constant in its place.",
                    sheet=block.sheet,
                    cell=cell,
                )

    def _fill_missing(self, blocks: list[Block], needed: Mask) -> bool:
        """Compute the formulas of the cone that have no cached value; whether there are any.

        Raises `FormulaError` for one that is needed and cannot be computed: read as blank it would count as 0.
        """
        dirty = Mask(self.sheets)
        found = False
        for block in blocks:
            cells = self.sheets.cells(block.sheet)
            for row, col in block.area.cells():
                cell = cells.get((row, col))
                if cell is not None and cell.formula is not None and cell.value is None:
                    dirty.mark_cell(block.sheet, row, col)
                    found = True
        if found:
            computed = recalculate(in_order(blocks, self.sheets, _refuse_circle), self.sheets, dirty)
            for (sheet, row, col), reason in computed.failed.items():
                if needed.area(sheet, Area(row, col, row, col)).any():
                    place = address(row, col)
                    raise FormulaError(
                        f"{sheet}!{place} has no value in the workbook, and none can be computed here "
                        f"({reason.rstrip('.')}). Calculate and save the workbook in Excel.",
                        sheet=sheet,
                        cell=place,
                    )
        return found

    def _active(self, blocks: list[Block], given: Mask, needed: Mask) -> Mask:
        """The needed cells that depend on the changing ones."""
        active = Mask(self.sheets)
        moved = Mask(self.sheets)
        for sheet, area in self.inputs:
            moved.mark(sheet, area)
        for component in self._graph.order:
            changed = True
            while changed:
                changed = False
                for i in component:
                    block = blocks[i]
                    mine = self._moved(block, moved)
                    mine &= needed.area(block.sheet, block.area) & ~given.area(block.sheet, block.area)
                    new = mine & ~active.area(block.sheet, block.area)
                    if new.any():
                        active.area(block.sheet, block.area)[...] |= new
                        moved.area(block.sheet, block.area)[...] |= new
                        changed = self._graph.circular(component)
        return active

    def _moved(self, block: Block, moved: Mask) -> NDArray[np.bool_]:
        shape = (block.area.height, block.area.width)
        mine = np.zeros(shape, bool)
        p = reads(block, self.sheets)
        for found in (*p.read, *p.steering):
            if moved.any_in(found):
                mine |= True if block.spread else np.broadcast_to(moved.seen(found), shape)
        return mine

    def _cut(self, blocks: list[Block], active: Mask) -> Iterable[Block]:
        for block in blocks:
            mine = active.area(block.sheet, block.area)
            if mine.all() or (block.spread and mine.any()):
                yield block
            elif mine.any():
                top, left = block.area.first_row, block.area.first_col
                where = [(top + i, left + j) for i, j in np.argwhere(mine).tolist()]
                yield from (block.part(area) for area in rectangles(where))

    def _refuse_steering(self, compiled: list[Block], active: Mask) -> None:
        for block in compiled:
            if any(active.any_in(found) for found in reads(block, self.sheets).steering):
                raise FormulaError(
                    f"{block.place} uses OFFSET or INDIRECT with arguments that depend on the changing cells. "
                    "INDEX and CHOOSE can take such arguments.",
                    sheet=block.sheet,
                    cell=block.cell,
                )

    def _recorded(self, compiled: list[Block], active: Mask, unchecked: bool) -> Recorded:
        """Record the tape; again with larger pages where a computed reference leaves them."""
        touched: list[tuple[str, Area]] = [*self.inputs, *((b.sheet, b.area) for b in compiled)]
        for block in compiled:
            touched += [(r.sheet, r.hull) for r in reads(block, self.sheets).read if active.any_in(r)]
        touched += [(t.sheet, t.hull) for t in self.outputs if isinstance(t, Range)]
        while True:
            try:
                return self._record(compiled, active, touched)._replace(unchecked=unchecked)
            except Outside as outside:
                touched.append((outside.found.sheet, outside.found.hull))

    def _record(self, compiled: Sequence[Block], active: Mask, touched: Areas) -> Recorded:
        sheets, tape = self.sheets, Tape()
        pages = {sheet: _page(sheet, sheets, touched, tape) for sheet in dict.fromkeys(sheet for sheet, _ in touched)}
        n = sum(area.height * area.width for _, area in self.inputs)
        x, gradient = np.zeros(n), np.zeros(n)
        start = 0
        for sheet, area in self.inputs:
            stop = start + area.height * area.width
            pages[sheet].put_inputs(area, x[start:stop], gradient[start:stop])
            start = stop

        def read(found: Range) -> Values:
            sheet = sheets.name_of(found.sheet)
            if sheet not in pages or not active.any_in(found):
                return sheets.grid(sheet).read(found)
            return pages[sheet].read(found)

        evaluator = Evaluator(sheets, read)
        for block in compiled:
            pages[block.sheet].keep(block.area, evaluator.block(block))
        outputs = tuple(read(t) if isinstance(t, Range) else evaluator.block(t, whole=True) for t in self.outputs)
        return Recorded(tape, tuple(pages.values()), x, gradient, outputs, tuple(compiled), sheets, False)


def _page(sheet: str, sheets: Sheets, touched: Areas, tape: Tape) -> Page:
    mine = {area for name, area in touched if name == sheet}
    rows = np.unique(np.concatenate([np.arange(a.first_row, a.last_row + 1) for a in mine]))
    cols = np.unique(np.concatenate([np.arange(a.first_col, a.last_col + 1) for a in mine]))
    return Page(sheet, rows, cols, sheets.grid(sheet), tape)


def _distinct(areas: Areas) -> list[tuple[str, Area]]:
    """The areas in order, each row by row; of one that overlaps an earlier one the cells that are new, run by run."""
    found: list[tuple[str, Area]] = []
    for sheet, area in areas:
        before = [other for name, other in found if name == sheet and other.clip(area) is not None]
        if not before:
            found.append((sheet, area))
            continue
        for row in range(area.first_row, area.last_row + 1):
            new = [c for c in range(area.first_col, area.last_col + 1) if not any(o.contains(row, c) for o in before)]
            found += [(sheet, run) for run in rectangles((row, c) for c in new)]
    return found


def _refuse_circle(_members: list[Block], error: FormulaError) -> None:
    raise error
