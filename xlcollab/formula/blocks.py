"""Cells that were filled from one formula → blocks, each of which runs as one array operation.

Two cells belong together when their formulas read the same in R1C1 notation (`r1c1`); of those, each full rectangle is
a block. Real Solver models collapse to a handful: the lesson's sheet with 226 formulas has two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xlcollab.errors import FormulaError
from xlcollab.formula.parse import parse
from xlcollab.formula.r1c1 import to_r1c1
from xlcollab.formula.syntax import Node
from xlcollab.xlsx.cells import Area, Cell, address, rectangles
from xlcollab.xlsx.translate import FilledFormula

if TYPE_CHECKING:
    from xlcollab.formula.ranges import Frame

__all__ = ["Block", "find_blocks"]


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of cells with one formula, as it reads in ``anchor``.

    ``array``: entered as an array formula; ``spread``: one array formula whose result fills the whole area.
    """

    sheet: str
    area: Area
    anchor: tuple[int, int]
    formula: str
    array: bool = False
    spread: bool = False

    @property
    def tree(self) -> Node:
        """The formula's syntax tree; raises `FormulaError` that names the cell where it cannot be read."""
        try:
            return parse(self.formula)
        except FormulaError as error:
            raise FormulaError(f"{self.place}: {error.message}", sheet=self.sheet, cell=self.cell) from None

    @property
    def frame(self) -> Frame:
        """Where the formula is evaluated: all cells, or the first of an array formula that fills an area."""
        from xlcollab.formula.ranges import Frame

        area = self.area
        if self.spread:
            area = area._replace(last_row=area.first_row, last_col=area.first_col)
        return Frame(self.sheet, area, self.anchor, self.array)

    @property
    def cell(self) -> str:
        """The address of the first cell."""
        return address(self.area.first_row, self.area.first_col)

    @property
    def place(self) -> str:
        """'Sheet1!B2', for messages."""
        return f"{self.sheet}!{self.cell}"

    def failed(self, error: FormulaError) -> FormulaError:
        """An error of evaluation with the cell that it happened in, and the formula."""
        return FormulaError(
            f"{self.place} cannot be computed: {error.message}. Its formula is ={self.formula}.",
            sheet=self.sheet,
            cell=self.cell,
        )

    def part(self, area: Area) -> Block:
        """The block cut down to some of its cells."""
        return replace(self, area=area)


def find_blocks(sheet: str, cells: Mapping[tuple[int, int], Cell]) -> list[Block]:
    """The blocks of one sheet, from the top left."""
    alike: dict[tuple[str, bool], list[tuple[int, int]]] = {}
    texts: dict[tuple[int, int], str] = {}
    spread: list[Block] = []
    for key, cell in cells.items():
        formula = cell.formula
        if formula is None:
            continue
        if formula.array is not None and (formula.array.height > 1 or formula.array.width > 1):
            spread.append(Block(sheet, formula.array, key, formula.text, array=True, spread=True))
        else:
            texts[key] = formula.text
    arrays = {key for key in texts if (formula := cells[key].formula) is not None and formula.array is not None}
    for key, form in _relative_forms(sorted(texts), texts).items():
        alike.setdefault((form, key in arrays), []).append(key)
    blocks = [
        Block(sheet, area, (area.first_row, area.first_col), texts[area.first_row, area.first_col], array)
        for (_, array), keys in alike.items()
        for area in rectangles(keys)
    ]
    return sorted(blocks + spread, key=lambda block: block.area)


def _relative_forms(keys: list[tuple[int, int]], texts: Mapping[tuple[int, int], str]) -> dict[tuple[int, int], str]:
    """The relative form of each cell's formula; ``keys`` ascend.

    Most cells are filled from their left or upper neighbour. Moving that one's formula here and comparing texts takes a
    third of the time that splitting the text takes, and it is what makes 100,000 formulas a matter of a second.
    """
    forms: dict[tuple[int, int], str] = {}
    origin: dict[str, tuple[FilledFormula, int, int]] = {}
    for key in keys:
        row, col = key
        text = texts[key]
        tried = None
        for neighbour in ((row, col - 1), (row - 1, col)):
            form = forms.get(neighbour)
            if form is None or form == tried:
                continue
            filled, first_row, first_col = origin[form]
            if filled.moved(row - first_row, col - first_col) == text:
                forms[key] = form
                break
            tried = form
        else:
            form = _form(text, row, col)
            if form not in origin:
                origin[form] = (FilledFormula(text), row, col)
            forms[key] = form
    return forms


def _form(text: str, row: int, col: int) -> str:
    try:
        return to_r1c1(text, row, col)
    except FormulaError:
        return f"{row},{col}: {text}"  # a formula that cannot be read is like no other
