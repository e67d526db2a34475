"""What a formula reads: the ranges named in its text, and those that OFFSET and INDIRECT point to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from xlcollab.errors import FormulaError
from xlcollab.formula.blocks import Block
from xlcollab.formula.evaluate import Evaluator
from xlcollab.formula.ranges import Frame, Range, Uneven, mixed_axes
from xlcollab.formula.sheets import Missing, Sheets
from xlcollab.formula.syntax import JOINING, Binary, Call, Name, Node, Reference, TableReference, Unary, chain, walk
from xlcollab.formula.values import Values
from xlcollab.xlsx.cells import Area

__all__ = ["Precedents", "cut_growing", "precedents"]

_POINTING = frozenset({"OFFSET", "INDIRECT"})
# These ask where a reference lies and never what stands there: =ROW(A1) in A1 is no circle.
_LOCATING = frozenset({"ROW", "COLUMN", "ROWS", "COLUMNS", "AREAS", "ISREF", "SHEET", "SHEETS"})


@dataclass(slots=True)
class Precedents:
    """``read`` are the ranges whose values count; ``steering`` those that decide where OFFSET and INDIRECT point."""

    read: list[Range] = field(default_factory=list)
    steering: list[Range] = field(default_factory=list)


def precedents(block: Block, sheets: Sheets) -> Precedents:
    """What the cells of ``block`` read, as whole columns clipped to the sheet's cells.

    A formula that cannot be read has none: its cached value stands.
    """
    reader = _Reader(sheets)
    try:
        reader.collect(block.tree, block.frame, reader.found.read)
    except Uneven:
        if block.area.height * block.area.width == 1:
            raise
        # Then the ranges of each cell count for all of them: a dependency more than there is does no harm.
        reader = _Reader(sheets)
        for row, col in block.area.cells():
            part = block.part(Area(row, col, row, col))
            reader.collect(part.tree, part.frame, reader.found.read)
    return reader.found


class _Reader:
    """Walks a tree and notes the ranges that it reads."""

    def __init__(self, sheets: Sheets) -> None:
        self.sheets = sheets
        self.found = Precedents()
        self._names: list[Name] = []  # those that are being looked into

    def collect(self, node: Node, frame: Frame, into: list[Range]) -> None:
        """Add what ``node`` reads to ``into``."""
        try:
            match node:
                case Reference():
                    into.extend(self.sheets.clipped(one) for one in self.sheets.references(node, frame))
                case TableReference():
                    into.append(self.sheets.table_range(node, frame))
                case Name() if node not in self._names:
                    definition = self.sheets.definition(node, frame)
                    self._names.append(node)
                    self.collect(*definition, into)
                    self._names.pop()
                case Unary("#", _):
                    into.extend(_pointed(node, frame, self.sheets))
                case Unary(_, operand):
                    self.collect(operand, frame, into)
                case Binary(operator, left, right) if operator in JOINING:
                    if operator == ":":
                        into.extend(_pointed(node, frame, self.sheets))
                    self.collect(left, frame, into)
                    self.collect(right, frame, into)
                case Binary():
                    first, steps = chain(node)
                    for operand in (first, *(step.right for step in steps)):
                        self.collect(operand, frame, into)
                case Call():
                    self._collect_call(node, frame, into)
        except Uneven:
            raise
        except (Missing, FormulaError):
            # A name of LET, a name or sheet that is gone, another workbook: no cell of this book is read here.
            return

    def _collect_call(self, call: Call, frame: Frame, into: list[Range]) -> None:
        if call.name in _LOCATING:
            return
        if call.name in _POINTING:
            for arg in call.args[1:] if call.name == "OFFSET" else call.args:
                self.collect(arg, frame, self.found.steering)
            into.extend(_pointed(call, frame, self.sheets))
            return
        for arg in call.args:
            self.collect(arg, frame, into)


def _pointed(node: Node, frame: Frame, sheets: Sheets) -> list[Range]:
    """The ranges that a computed reference means, by the values that the book holds now."""
    evaluator = Evaluator(sheets, lambda found: sheets.grid(found.sheet).read(found))
    evaluator.enter(frame)
    operand = evaluator.operand(node)
    return [] if isinstance(operand, Values) else [sheets.clipped(one) for one in operand]


def cut_growing(block: Block, sheets: Sheets) -> list[Block]:
    """The block in pieces within which no range grows.

    Rows for B$2:B2 filled down, columns for $B2:B2 filled across.
    """
    down = across = False
    for node in _with_names(block.tree, block.frame, sheets):
        if isinstance(node, Reference):
            grows = mixed_axes(node)
            down, across = down or grows[0], across or grows[1]
    if block.spread or not (down or across):
        return [block]
    area = block.area
    rows = [(r, r) for r in range(area.first_row, area.last_row + 1)] if down else [(area.first_row, area.last_row)]
    cols = [(c, c) for c in range(area.first_col, area.last_col + 1)] if across else [(area.first_col, area.last_col)]
    return [
        block.part(area._replace(first_row=r0, last_row=r1, first_col=c0, last_col=c1))
        for r0, r1 in rows
        for c0, c1 in cols
    ]


def _with_names(tree: Node, frame: Frame, sheets: Sheets) -> Iterator[Node]:
    """All nodes of a formula, those of the names it uses included."""
    trees, seen = [tree], set[Name]()
    while trees:
        for node in walk(trees.pop()):
            yield node
            if isinstance(node, Name) and node not in seen:
                seen.add(node)
                with contextlib.suppress(Missing, FormulaError):
                    trees.append(sheets.definition(node, frame)[0])
