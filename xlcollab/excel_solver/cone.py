"""Which formulas lie between changing cells and the cells that a model asks for, without computing any.

Formulas are taken block by block (cells filled from one formula), and a block reads the hull of what its cells read: a
little more than each of them does, which is near enough to say which functions a model uses. No NumPy here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xlcollab.errors import FormulaError
from xlcollab.excel_solver.references import find_sheet
from xlcollab.formula.blocks import Block, find_blocks
from xlcollab.formula.parse import parse
from xlcollab.formula.syntax import Name, Node, Reference, calls, walk
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, Area

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["Cone", "active_cone"]

_MAX_DEPTH = 20  # of defined names that name each other

Place = tuple[str, Area]


@dataclass(frozen=True)
class Cone:
    """``blocks`` depend on the changing cells and lead to what is asked for; ``functions`` are theirs.

    ``all_functions`` are those of every formula that leads there, whether it depends on a changing cell or not.
    """

    blocks: tuple[Block, ...]
    functions: frozenset[str]
    all_functions: frozenset[str]
    fault: str | None = None
    """Why a formula that leads there cannot be computed whatever the values are, for the first one found."""

    @property
    def formulas(self) -> int:
        """How many cells the blocks have."""
        return sum(block.area.height * block.area.width for block in self.blocks)


def active_cone(book: Workbook, wanted: Iterable[Place], changing: Sequence[Place]) -> Cone:
    """The cone of a model."""
    blocks: dict[str, list[Block]] = {}
    reads: dict[Block, list[Place]] = {}
    queue = list(wanted)
    while queue:
        sheet, area = queue.pop()
        if sheet not in blocks:
            found = book.sheet(sheet)
            blocks[sheet] = find_blocks(found.name, found.cells) if found.has_formulas else []
        for block in blocks[sheet]:
            if block not in reads and block.area.clip(area) is not None:
                reads[block] = list(_reads(book, block))
                queue += reads[block]
    active: dict[Block, None] = {}
    reached = list(changing)
    while reached:
        sheet, area = reached.pop()
        for block, places in reads.items():
            if block in active or not any(home == sheet and area.clip(read) is not None for home, read in places):
                continue
            active[block] = None
            reached.append((block.sheet, block.area))
    fault = next(filter(None, [*map(_unreadable, reads), *map(_foreign, active)]), None) or _circle(active, reads)
    return Cone(tuple(active), _functions(active), _functions(reads), fault)


def _unreadable(block: Block) -> str | None:
    try:
        block.tree  # noqa: B018 -- parsed when it is asked for
    except FormulaError as error:
        return error.message
    return None


def _foreign(block: Block) -> str | None:
    if any(isinstance(node, Reference) and node.external for node in walk(block.tree)):
        return f"{block.place} refers to another workbook."
    return None


def _circle(active: Iterable[Block], reads: Mapping[Block, list[Place]]) -> str | None:
    """A circle of single formulas. What blocks of several cells read is known too roughly to accuse them."""
    single = [block for block in active if block.area.height * block.area.width == 1]
    follows = {
        block: [other for other in single if any(other.sheet == s and other.area.clip(a) for s, a in reads[block])]
        for block in single
    }
    done: set[Block] = set()
    for first in single:
        trail: dict[Block, Iterator[Block]] = {first: iter(follows[first])}
        while trail:
            block, ahead = next(reversed(trail.items()))
            following = next(ahead, None)
            if following is None:
                done.add(block)
                del trail[block]
            elif following in trail:
                names = [block.place for block in list(trail)[list(trail).index(following) :]]
                return f"{', '.join(names)} wait for each other: a circular reference."
            elif following not in done:
                trail[following] = iter(follows[following])
    return None


def _functions(blocks: Iterable[Block]) -> frozenset[str]:
    found: set[str] = set()
    for block in blocks:
        try:
            found |= calls(block.tree)
        except FormulaError:
            continue
    return frozenset(found)


def _reads(book: Workbook, block: Block) -> Iterator[Place]:
    """What the cells of a block refer to, directly or through defined names, each reference as its hull."""
    try:
        tree = block.tree
    except FormulaError:
        return
    yield from _references(book, tree, block.sheet, block, 0)


def _references(book: Workbook, tree: Node, sheet: str, block: Block | None, depth: int) -> Iterator[Place]:
    for node in walk(tree):
        if isinstance(node, Reference) and not node.external:
            home = sheet if node.sheet is None else find_sheet(book, node.sheet)
            if home is not None:
                yield home, _hull(node, block)
        elif isinstance(node, Name) and depth < _MAX_DEPTH:
            defined = book.names.find(node.name, node.sheet or sheet)
            if defined is not None:
                try:
                    meant = parse(defined.text.removeprefix("="))
                except FormulaError:
                    continue
                yield from _references(book, meant, defined.sheet or sheet, None, depth + 1)


def _hull(node: Reference, block: Block | None) -> Area:
    """The area that a reference sweeps while its formula is filled over the block."""
    down, right = (0, 0), (0, 0)
    if block is not None:
        (row, col), area = block.anchor, block.area
        down, right = (area.first_row - row, area.last_row - row), (area.first_col - col, area.last_col - col)
    rows = [
        corner.row + by
        for corner in (node.first, node.last)
        if corner.row is not None
        for by in ((0, 0) if corner.row_fixed else down)
    ] or [1, MAX_ROW]
    cols = [
        corner.col + by
        for corner in (node.first, node.last)
        if corner.col is not None
        for by in ((0, 0) if corner.col_fixed else right)
    ] or [1, MAX_COL]
    return Area(max(1, min(rows)), max(1, min(cols)), min(MAX_ROW, max(rows)), min(MAX_COL, max(cols)))
