"""Blocks in the order in which they can be computed.

Blocks are nodes, and an edge leads from a block to each block that it reads. Where blocks read each other (a balance
that reads yesterday's interest, which reads yesterday's balance) or themselves (the cell above), they are cut into the
waves in which their cells can be computed; cells that truly wait for each other are a circular reference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula.blocks import Block
from xlcollab.formula.precedents import Precedents, cut_growing, precedents
from xlcollab.formula.ranges import Range
from xlcollab.formula.sheets import Sheets
from xlcollab.xlsx.cells import Area, address, rectangles

__all__ = ["Graph", "Mask", "cone", "in_order", "pieces", "reads"]

Bools = NDArray[np.bool_]


class Mask:
    """A truth value for each cell that a sheet holds; False for all others."""

    def __init__(self, sheets: Sheets) -> None:
        self._sheets = sheets
        self._of: dict[str, Bools] = {}

    def array(self, sheet: str) -> Bools:
        """The mask of a sheet, in the axes of its grid."""
        key = sheet.casefold()
        if key not in self._of:
            self._of[key] = np.zeros(self._sheets.grid(sheet).num.shape, bool)
        return self._of[key]

    def area(self, sheet: str, area: Area) -> Bools:
        """The part of a mask, as a view where the rows and columns lie side by side."""
        rows, cols = _held(self._sheets, sheet, area)
        return self.array(sheet)[rows, cols]

    def mark(self, sheet: str, area: Area) -> None:
        """Set the mask on all cells of the area that the sheet holds."""
        rows, cols = _held(self._sheets, sheet, area)
        self.array(sheet)[rows, cols] = True

    def mark_cell(self, sheet: str, row: int, col: int) -> None:
        """Set the mask on one cell."""
        self.mark(sheet, Area(row, col, row, col))

    def any_in(self, found: Range) -> bool:
        """Whether the mask is set anywhere in what a frame sees through a range."""
        return bool(self.area(found.sheet, found.hull).any())

    def seen(self, found: Range) -> Bools:
        """For each cell of the frame, whether its range holds a marked cell: shape (R, C) or what broadcasts to it."""
        mask = self.array(found.sheet)
        if not mask.size:
            return np.zeros(found.batch, bool)
        i, j, valid = self._sheets.grid(found.sheet).positions(found)
        held = valid & (i < mask.shape[0]) & (j < mask.shape[1])
        return np.asarray((mask[np.where(held, i, 0), np.where(held, j, 0)] & held).any((2, 3)))

    def mark_seen(self, found: Range, by: Bools) -> None:
        """Set the mask on all cells that the cells ``by`` of the frame (R, C) see."""
        grid = self._sheets.grid(found.sheet)
        mask = self.array(found.sheet)
        if not mask.size or not by.any():
            return
        if found.batch == (1, 1) or (by.all() and found.rows.shape[1] == 1 and found.cols.shape[0] == 1):
            self.mark(found.sheet, found.hull)
            return
        i, j, valid = grid.positions(found)
        by = np.broadcast_to(by, np.broadcast_shapes(by.shape, found.batch))
        used = np.asarray(by.any(tuple(a for a in (0, 1) if found.batch[a] == 1), keepdims=True))
        held = valid & used[..., None, None] & (i < mask.shape[0]) & (j < mask.shape[1])
        mask[i[held], j[held]] = True


def _held(sheets: Sheets, sheet: str, area: Area) -> tuple[slice, slice]:
    grid = sheets.grid(sheet)
    return grid.rows.span(area.first_row, area.last_row), grid.cols.span(area.first_col, area.last_col)


class Graph:
    """Blocks and who reads whom. ``order`` lists strongly connected components, those first that read no later one."""

    def __init__(self, blocks: Sequence[Block], sheets: Sheets, linked: bool = True) -> None:
        self.blocks = list(blocks)
        self.sheets = sheets
        self._owners: dict[str, NDArray[np.int32]] = {}
        for i, block in enumerate(self.blocks):
            rows, cols = _held(sheets, block.sheet, block.area)
            self._owner(block.sheet)[rows, cols] = i
        self.reads: list[list[int]] = [self._read_by(i) for i in range(len(self.blocks))] if linked else []
        self.order = components(self.reads)

    def _owner(self, sheet: str) -> NDArray[np.int32]:
        key = sheet.casefold()
        if key not in self._owners:
            self._owners[key] = np.full(self.sheets.grid(sheet).num.shape, -1, np.int32)
        return self._owners[key]

    def owners_of(self, found: Range) -> list[int]:
        """The blocks that have cells in a range."""
        if found.sheet.casefold() not in self._owners:
            return []
        rows, cols = _held(self.sheets, found.sheet, found.hull)
        window = self._owners[found.sheet.casefold()][rows, cols]
        if window.size == 1:
            return [owner] if (owner := int(window[0, 0])) >= 0 else []
        if not window.size or int(window.max()) < 0:
            return []
        return np.flatnonzero(np.bincount(window.ravel() + 1)[1:]).tolist()

    def _read_by(self, i: int) -> list[int]:
        p = reads(self.blocks[i], self.sheets)
        found = {owner for one in (*p.read, *p.steering) for owner in self.owners_of(one)}
        return sorted(found)

    def circular(self, component: list[int]) -> bool:
        """Whether the blocks of a component read each other, or the one itself."""
        return len(component) > 1 or component[0] in self.reads[component[0]]

    def waves(self, component: list[int]) -> list[Block]:
        """Blocks that read each other, cut into pieces in an order in which they can be computed.

        Raises `FormulaError`, naming the cells, where cells wait for each other.
        """
        members = set(component)
        cells = [(i, cell) for i in component for cell in _cells(self.blocks[i])]
        number = {(self.blocks[i].sheet, *cell): n for n, (i, cell) in enumerate(cells)}
        waits: list[set[int]] = [set() for _ in cells]
        for n, (i, cell) in enumerate(cells):
            for sheet, row, col in self._cells_read(i, cell, members):
                waits[n].add(number[sheet, row, col])
        level = _levels(waits)
        if level is None:
            raise self._circle(cells, waits)
        grouped: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for n, (i, cell) in enumerate(cells):
            grouped[level[n], i].append(cell)
        return [
            self.blocks[i] if self.blocks[i].spread else self.blocks[i].part(area)
            for (_, i), found in sorted(grouped.items())
            for area in ([self.blocks[i].area] if self.blocks[i].spread else rectangles(sorted(found)))
        ]

    def _cells_read(self, i: int, cell: tuple[int, int], members: set[int]) -> Iterable[tuple[str, int, int]]:
        """The cells of member blocks that one cell reads; of an array formula its first cell stands for all."""
        block = self.blocks[i]
        one = block if block.spread else block.part(Area(*cell, *cell))
        for found in precedents(one, self.sheets).read:
            if found.sheet.casefold() not in self._owners:
                continue
            hull = found.hull
            rows, cols = _held(self.sheets, found.sheet, hull)
            window = self._owners[found.sheet.casefold()][rows, cols]
            grid = self.sheets.grid(found.sheet)
            for a, b in np.argwhere(np.isin(window, list(members))).tolist():
                owner = self.blocks[int(window[a, b])]
                if owner.spread:
                    yield owner.sheet, owner.area.first_row, owner.area.first_col
                else:
                    yield owner.sheet, int(grid.rows.held[rows.start + a]), int(grid.cols.held[cols.start + b])

    def _circle(self, cells: list[tuple[int, tuple[int, int]]], waits: list[set[int]]) -> FormulaError:
        path = _circle(waits)
        names = [f"{self.blocks[cells[n][0]].sheet}!{address(*cells[n][1])}" for n in path]
        shown = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        sheet, _, cell = names[0].rpartition("!")
        return FormulaError(
            f"Circular reference: {shown} wait for each other. Change one of these formulas.", sheet=sheet, cell=cell
        )


def reads(block: Block, sheets: Sheets) -> Precedents:
    """`precedents`, once for each block; a formula that cannot be read has none: its cached value stands."""
    if block not in sheets.precedents:
        try:
            sheets.precedents[block] = precedents(block, sheets)
        except FormulaError:
            sheets.precedents[block] = Precedents()
    return sheets.precedents[block]


def _cells(block: Block) -> Iterable[tuple[int, int]]:
    return [(block.area.first_row, block.area.first_col)] if block.spread else block.area.cells()


def pieces(sheets: Sheets, sheet: str) -> list[Block]:
    """The blocks of a sheet, cut where ranges grow within them."""
    out: list[Block] = []
    for block in sheets.blocks(sheet):
        try:
            out += cut_growing(block, sheets)
        except FormulaError:
            out.append(block)
    return out


def cone(ranges: Iterable[Range], sheets: Sheets) -> list[Block]:
    """All blocks with cells that the ranges depend on, on whichever sheet."""
    graphs: dict[str, Graph] = {}
    found: dict[Block, None] = {}
    queue = list(ranges)
    while queue:
        one = queue.pop()
        key = one.sheet.casefold()
        if key not in graphs:
            graphs[key] = Graph(pieces(sheets, one.sheet), sheets, linked=False)
        for owner in graphs[key].owners_of(one):
            block = graphs[key].blocks[owner]
            if block not in found:
                found[block] = None
                p = reads(block, sheets)
                queue += p.read + p.steering
    return list(found)


def in_order(
    blocks: Sequence[Block], sheets: Sheets, on_circle: Callable[[list[Block], FormulaError], None]
) -> list[Block]:
    """Blocks, cut where they have to be, so that each comes after all that it reads.

    Blocks that wait for each other are reported to ``on_circle`` and, where it returns, come in any order.
    """
    graph = Graph(blocks, sheets)
    out: list[Block] = []
    for component in graph.order:
        if not graph.circular(component):
            out.append(graph.blocks[component[0]])
            continue
        try:
            out += graph.waves(component)
        except FormulaError as error:
            members = [graph.blocks[i] for i in component]
            on_circle(members, error)
            out += members
    return out


def _levels(waits: list[set[int]]) -> list[int] | None:
    """The length of the longest chain below each cell; None where there is a circle."""
    level = [0] * len(waits)
    left = [len(w) for w in waits]
    waiting: list[list[int]] = [[] for _ in waits]
    for n, others in enumerate(waits):
        for other in others:
            waiting[other].append(n)
    ready = [n for n, count in enumerate(left) if count == 0]
    done = 0
    while ready:
        n = ready.pop()
        done += 1
        for m in waiting[n]:
            level[m] = max(level[m], level[n] + 1)
            left[m] -= 1
            if left[m] == 0:
                ready.append(m)
    return level if done == len(waits) else None


def _circle(waits: list[set[int]]) -> list[int]:
    """One circle of cells."""
    component = next(c for c in components([sorted(w) for w in waits]) if len(c) > 1 or c[0] in waits[c[0]])
    inside = set(component)
    path = [component[0]]
    seen = {component[0]: 0}
    while True:
        following = min(waits[path[-1]] & inside)
        if following in seen:
            return path[seen[following] :]
        seen[following] = len(path)
        path.append(following)


def components(reads: Sequence[Sequence[int]]) -> list[list[int]]:
    """Tarjan's strongly connected components (1972), without recursion; a component comes after those it reads."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    on_stack: set[int] = set()
    stack: list[int] = []
    found: list[list[int]] = []
    for root in range(len(reads)):
        if root in index:
            continue
        work = [(root, iter(reads[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            node, edges = work[-1]
            for edge in edges:
                if edge not in index:
                    index[edge] = low[edge] = len(index)
                    stack.append(edge)
                    on_stack.add(edge)
                    work.append((edge, iter(reads[edge])))
                    break
                if edge in on_stack:
                    low[node] = min(low[node], index[edge])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    found.append(sorted(component))
    return found
