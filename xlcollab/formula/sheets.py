"""The workbook as formulas see it: sheets, defined names, tables, and each sheet's values and blocks on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from xlcollab.errors import FormulaError
from xlcollab.formula.blocks import Block, find_blocks
from xlcollab.formula.grid import Grid
from xlcollab.formula.parse import parse
from xlcollab.formula.ranges import Frame, Range, Uneven, Union, reference_range
from xlcollab.formula.syntax import Name, Node, Reference, TableReference
from xlcollab.xlsx.cells import Area, Cell, ErrorValue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlcollab.formula.precedents import Precedents
    from xlcollab.xlsx.workbook import Sheet, Workbook

__all__ = ["Missing", "Sheets"]


class Missing(Exception):  # noqa: N818 — not an error of ours: it becomes an error value in a cell
    """A name or reference that leads nowhere; ``error`` is what Excel shows in the cell."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = ErrorValue(error)


class Sheets:
    """A workbook's sheets, looked up without regard to case."""

    def __init__(self, book: Workbook) -> None:
        self.book = book
        self._sheets: dict[str, Sheet] = {sheet.name.casefold(): sheet for sheet in book.sheets}
        self.order = [sheet.name for sheet in book.sheets]
        self._grids: dict[str, Grid] = {}
        self._blocks: dict[str, list[Block]] = {}
        self.precedents: dict[Block, Precedents] = {}

    def name_of(self, sheet: str) -> str:
        """The sheet's name as the book spells it; `Missing` where there is none."""
        found = self._sheets.get(sheet.casefold())
        if found is None:
            raise Missing("#REF!")
        return found.name

    def cells(self, sheet: str) -> Mapping[tuple[int, int], Cell]:
        """The cells of a sheet by (row, column)."""
        return self._sheets[sheet.casefold()].cells

    def grid(self, sheet: str) -> Grid:
        """The cached values of a sheet."""
        key = sheet.casefold()
        if key not in self._grids:
            grid = Grid.of_cells(self._sheets[key].cells, self.book.date1904)
            for area in self._sheets[key].array_areas:  # openpyxl writes an array formula without the cells it fills
                grid.cover(area)
            self._grids[key] = grid
        return self._grids[key]

    def hidden_rows(self, sheet: str) -> frozenset[int]:
        """The rows of a sheet that are hidden."""
        return self._sheets[sheet.casefold()].hidden_rows

    def blocks(self, sheet: str) -> list[Block]:
        """The blocks of formulas of a sheet."""
        key = sheet.casefold()
        if key not in self._blocks:
            self._blocks[key] = _blocks_of(self._sheets[key])
        return self._blocks[key]

    @cached_property
    def uncached(self) -> bool:
        """Whether formulas stand in the book without a value: openpyxl, pandas and others write such files."""
        return any(
            cell.formula is not None and cell.value is None
            for sheet in self.book.sheets
            if sheet.has_formulas
            for cell in sheet.cells.values()
        )

    def clipped(self, found: Range) -> Range:
        """Whole columns and rows cut off where the sheet's cells end."""
        grid = self.grid(found.sheet)
        return found.clipped(grid.rows.last, grid.cols.last)

    def references(self, node: Reference, frame: Frame) -> Union:
        """What a reference means for the cells of a frame: one range, or one on each sheet of Jan:Dec!A1."""
        if node.external:
            raise FormulaError("it refers to another workbook")
        if node.sheet is None:
            return (reference_range(node, frame.sheet, frame),)
        first = self.name_of(node.sheet)
        if node.last_sheet is None:
            return (reference_range(node, first, frame),)
        start, stop = sorted((self.order.index(first), self.order.index(self.name_of(node.last_sheet))))
        return tuple(reference_range(node, sheet, frame) for sheet in self.order[start : stop + 1])

    def definition(self, node: Name, frame: Frame) -> tuple[Node, Frame]:
        """What a defined name stands for, and the frame to read it in: relative names are stored as if in A1."""
        sheet = frame.sheet if node.sheet is None else node.sheet
        defined = self.book.names.find(node.name, sheet) or self.book.names.find(node.name)
        if defined is None and node.name.casefold() in map(str.casefold, self.book.tables):
            return TableReference(node.name, (), None, None), frame
        if defined is None:
            raise Missing("#NAME?")
        tree = parse(defined.text.removeprefix("="))
        return tree, frame.moved_to(1, 1)

    def table_range(self, node: TableReference, frame: Frame) -> Range:
        """The cells that a structured reference names."""
        tables = {name.casefold(): table for name, table in self.book.tables.items()}
        if node.table is None:
            inside = [
                t
                for t in tables.values()
                if t.sheet == frame.sheet and t.area.contains(frame.area.first_row, frame.area.first_col)
            ]
            if not inside:
                raise Missing("#REF!")
            table = inside[0]
        elif node.table.casefold() in tables:
            table = tables[node.table.casefold()]
        else:
            raise Missing("#REF!")
        columns = [name.casefold() for name in table.columns]
        first, last = table.area.first_col, table.area.last_col
        if node.first_col is not None and node.last_col is not None:
            try:
                at = sorted((columns.index(node.first_col.casefold()), columns.index(node.last_col.casefold())))
            except ValueError:
                raise Missing("#REF!") from None
            first, last = table.area.first_col + at[0], table.area.first_col + at[1]
        top = table.area.first_row + table.header_rows
        bottom = table.area.last_row - table.totals_rows
        cols = np.full((1, 1), first)
        if "this row" in node.items:
            held = (frame.rows >= top) & (frame.rows <= bottom)
            if not held.any():
                raise Missing("#VALUE!")
            if not held.all():
                raise Uneven("names a row of the table in some cells of a block")
            return Range(table.sheet, frame.rows, cols, 1, last - first + 1)
        start, stop = _table_rows(node.items, table.area, top, bottom)
        if start > stop:
            raise Missing("#REF!")
        return Range(table.sheet, np.full((1, 1), start), cols, stop - start + 1, last - first + 1)

    def spilled(self, found: Range) -> Range:
        """A1#: the cells that the formula in A1 fills."""
        cell = self.cells(found.sheet).get((int(found.rows.flat[0]), int(found.cols.flat[0])))
        if found.batch != (1, 1) or cell is None or cell.formula is None or cell.formula.array is None:
            raise Missing("#REF!")
        area = cell.formula.array
        return Range(found.sheet, found.rows, found.cols, area.height, area.width)


# Found once for compiling a model and for computing its dependents; a sheet that was patched has other cells.
_FOUND: WeakKeyDictionary[Sheet, tuple[Mapping[tuple[int, int], Cell], list[Block]]] = WeakKeyDictionary()


def _blocks_of(sheet: Sheet) -> list[Block]:
    if not sheet.has_formulas:
        return []
    cells, blocks = _FOUND.get(sheet, (None, []))
    if cells is not sheet.cells:
        blocks = find_blocks(sheet.name, sheet.cells)
        _FOUND[sheet] = sheet.cells, blocks
    return blocks


def _table_rows(items: tuple[str, ...], area: Area, top: int, bottom: int) -> tuple[int, int]:
    """The first and last row of #Headers, #Data, #Totals, #All or several of them."""
    if "all" in items:
        return area.first_row, area.last_row
    spans = []
    if "headers" in items:
        spans.append((area.first_row, top - 1))
    if "data" in items or not items:
        spans.append((top, bottom))
    if "totals" in items:
        spans.append((bottom + 1, area.last_row))
    return min(start for start, _ in spans), max(stop for _, stop in spans)
