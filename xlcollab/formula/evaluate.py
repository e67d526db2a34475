"""Walking a formula's tree: every node becomes a range or values, for all cells of a block at once.

Outside of array formulas a range where one value is wanted is narrowed to the cell in the formula's own row or column
(implicit intersection), and of an array that is left in the end the first element counts: what a plain ``<f>`` in an
.xlsx file means. Arrays that are written out or computed stay arrays on the way: SUM({1,2}*2) is 6 everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xlcollab.errors import FormulaError
from xlcollab.formula import functions, moves, ops
from xlcollab.formula.blocks import Block
from xlcollab.formula.functions import operators
from xlcollab.formula.functions.declare import Function, Refusal, joined, lift
from xlcollab.formula.ranges import Frame, Range, Uneven, Union, intersection, shared_range
from xlcollab.formula.sheets import Missing, Sheets
from xlcollab.formula.syntax import (
    JOINING,
    ArrayConstant,
    Binary,
    Call,
    Literal,
    Name,
    Node,
    Omitted,
    Reference,
    TableReference,
    Unary,
    calls,
    chain,
)
from xlcollab.formula.tape import Slot
from xlcollab.formula.values import BLANK, NA, NULL, NUM, NUMBER, VALUE, Values, constant, constant_error, encode
from xlcollab.xlsx.cells import Area

__all__ = ["Evaluator", "Operand"]

Operand = Values | Union
"""Values, or a reference not read yet: ranges, more than one in (A1:A3,C1:C3)."""


class Evaluator:
    """Evaluates formulas whose references are read by ``read``: from the cached values, or from a program's pages."""

    def __init__(self, sheets: Sheets, read: Callable[[Range], Values]) -> None:
        self.sheets = sheets
        self._read = read
        self.enter(Frame("", Area(1, 1, 1, 1), (1, 1)))
        self._variables: dict[str, Operand] = {}
        self._names: list[Name] = []  # those that are being looked into

    def block(self, block: Block, whole: bool = False) -> Values:
        """The values of all cells of a block: (R, C, 1, 1), or (1, 1, r, c) of one array formula that fills an area.

        With ``whole`` arrays stay whole: for formulas that stand in no cell.

        Raises `FormulaError`, naming the cell, where the formula holds what cannot be computed here.
        """
        self.enter(block.frame)
        try:
            result = self.values(block.tree)
        except Uneven as error:
            if block.area.height * block.area.width == 1:
                raise block.failed(error) from None
            return self._one_by_one(block)
        except FormulaError as error:
            if error.cell is not None:
                raise
            raise block.failed(error) from None
        if whole:
            return result
        size = (block.area.height, block.area.width) if block.spread else (1, 1)
        if block.array and result.shape[2:] != size and functions.SPILLING & calls(block.tree):
            raise block.failed(FormulaError("its result no longer has the size of the cells that it fills"))
        return _spread(result, block.area) if block.spread else _blank_is_zero(self.single(result))

    def _one_by_one(self, block: Block) -> Values:
        """The values of cells that one array operation cannot give."""
        area = block.area
        rows = [
            joined([self.block(block.part(Area(r, c, r, c))) for c in range(area.first_col, area.last_col + 1)], 1)
            for r in range(area.first_row, area.last_row + 1)
        ]
        return joined(rows, 0)

    def enter(self, frame: Frame) -> None:
        """Evaluate for the cells of ``frame`` from here on."""
        self.frame = frame
        self.array = frame.array

    def values(self, node: Node) -> Values:
        """A node where one value is wanted (or, in an array formula, an array of them)."""
        return self.one_value(self.operand(node))

    def one_value(self, operand: Operand) -> Values:
        """What arithmetic sees of an operand."""
        if isinstance(operand, Values):
            return operand
        if self.array:
            return self.read(operand)
        return self._intersected(operand)

    def single(self, values: Values) -> Values:
        """The first element of an array."""
        if values.shape[2:] == (1, 1):
            return values
        return values.map(_corner)

    def read(self, ranges: Union) -> Values:
        """All cells of a reference; several areas are no single array."""
        if len(ranges) != 1:
            return constant_error(VALUE)
        return self._read(self.sheets.clipped(ranges[0]))

    def operand(self, node: Node) -> Operand:
        """Evaluate a node as far as it goes without reading references."""
        try:
            return self._operand(node)
        except Missing as missing:
            return constant(missing.error)

    def _operand(self, node: Node) -> Operand:  # noqa: PLR0911 — one line a kind of node
        match node:
            case Literal(value):
                return constant(value)
            case Reference():
                return self.sheets.references(node, self.frame)
            case Call():
                return self._call(node)
            case Binary(operator, left, right) if operator in JOINING:
                return self._joined(operator, self.operand(left), self.operand(right))
            case Binary():
                return self._computed(node)
            case Unary(operator, operand):
                return self._unary(operator, operand)
            case Name():
                return self._name(node)
            case TableReference():
                return (self.sheets.table_range(node, self.frame),)
            case ArrayConstant(rows):
                return encode([[item.value for item in row] for row in rows])
            case Omitted():
                return constant(None)

    def _computed(self, node: Binary) -> Values:
        first, steps = chain(node)
        result = self.values(first)
        for step in steps:
            operator, right = step.operator, self.values(step.right)
            if operator in _COMPARISONS:
                result = operators.compare(operator, result, right)
            elif operator == "&":
                result = self.traced(operators.join, result, right)
            else:
                result = operators.arithmetic(operator, result, right)
        return result

    def _joined(self, operator: str, a: Operand, b: Operand) -> Operand:
        if isinstance(a, Values) or isinstance(b, Values):
            failed = a if isinstance(a, Values) else b
            assert isinstance(failed, Values)
            return failed if failed.kind is not None else constant_error(VALUE)
        if operator == ",":
            return (*a, *b)
        if operator == ":":
            return (shared_range(a[0], b[0]),)
        met = tuple(found for x in a for y in b if (found := intersection(x, y)) is not None)
        return met or constant_error(NULL)

    def _unary(self, operator: str, node: Node) -> Operand:
        if operator == "#":
            operand = self.operand(node)
            return operand if isinstance(operand, Values) else (self.sheets.spilled(operand[0]),)
        if operator == "@":
            operand = self.operand(node)
            return self.single(operand) if isinstance(operand, Values) else self._intersected(operand)
        if operator == "+":
            return self.operand(node)
        value = self.values(node)
        return operators.percent(value) if operator == "%" else lift(ops.negative, value)

    def _name(self, node: Name) -> Operand:
        if node.sheet is None and node.name.casefold() in self._variables:
            return self._variables[node.name.casefold()]
        tree, frame = self.sheets.definition(node, self.frame)
        if node in self._names:
            raise FormulaError(f"the name {node.name} is defined by itself")
        outer, self.frame = self.frame, frame
        self._names.append(node)
        try:
            return self.operand(tree)
        finally:
            self.frame = outer
            self._names.pop()

    def _intersected(self, ranges: Union) -> Values:
        """A range where one value is wanted: its cell in the row or column of the formula."""
        if len(ranges) != 1:
            return constant_error(VALUE)
        found = ranges[0]
        if found.height == 1 and found.width == 1:
            return self._read(found)
        rows, cols = self.frame.rows - found.rows, self.frame.cols - found.cols
        if found.width == 1:
            inside = (rows >= 0) & (rows < found.height)
            narrowed = Range(found.sheet, np.where(inside, found.rows + rows, 0), found.cols, 1, 1)
        elif found.height == 1:
            inside = (cols >= 0) & (cols < found.width)
            narrowed = Range(found.sheet, found.rows, np.where(inside, found.cols + cols, 0), 1, 1)
        else:
            return constant_error(VALUE)
        values = self._read(narrowed)
        if inside.all():
            return values
        kind = np.where(inside[..., None, None], values.kinds, np.int8(VALUE))
        return replace(values, num=ops.select(kind >= 0, values.num, _NAN), kind=kind)

    def _call(self, node: Call) -> Operand:
        function = functions.load(node.name)
        if function is None:
            raise FormulaError(f"the function {node.name} is not supported")
        try:
            letters = function.letters(len(node.args))
        except ValueError:
            raise FormulaError(f"{node.name} does not take {len(node.args)} arguments") from None
        args: list[Any] = []
        for letter, arg in zip(letters, node.args, strict=True):
            args.extend(self._argument(letter, arg, function))
        context = (self,) if function.contextual else ()
        try:
            if function.stepwise:
                return self.traced(function.call, *context, *args)
            return function.call(*context, *args)  # type: ignore[no-any-return]
        except Refusal as error:
            raise FormulaError(f"{node.name} {error.message}") from None

    def _argument(self, letter: str, node: Node, function: Function) -> list[Any]:
        if letter == "N":
            return [node]
        if letter == "V":
            return [self.values(node)]
        outer = self.array
        self.array = outer or letter in "AX"
        try:
            operand = self.operand(node)
        finally:
            self.array = outer
        if letter == "X" or isinstance(operand, Values):
            return [operand]
        # An aggregate takes the areas of a reference one by one, as if each were an argument.
        if len(operand) > 1 and function.repeated in ("R", "A"):
            return [self.read((area,)) for area in operand]
        return [self.read(operand)]

    def traced(self, call: Callable[..., Values], *args: Any) -> Values:
        """``call(*args)``; where an argument depends on the changing cells it is called again at each replay.

        Its derivative counts as zero.
        """
        varying = [i for i, arg in enumerate(args) if isinstance(arg, Values) and not arg.known]
        if not varying:
            return call(*args)
        parts = [part for i in varying for part in (args[i].num, args[i].kinds_or_slot, args[i].text_or_blank)]
        latest: list[Any] = [None]

        def replay(*arrays: Any) -> Any:
            now = list(args)
            for n, i in enumerate(varying):
                num, kind, text = arrays[3 * n : 3 * n + 3]
                kind = np.where(np.isnan(num) & (kind == 0), np.int8(NUM), kind)
                now[i] = Values(num, kind, text, from_range=args[i].from_range)
            result = call(*now)
            latest[0] = result
            return result.num

        num = ops.opaque(replay, *parts)
        first: Values = latest[0]
        if first.kind is None and first.text is None:
            return Values(num)
        kind = ops.opaque(lambda _: latest[0].kinds, num)
        text = ops.opaque(lambda _: np.broadcast_to(latest[0].text_or_blank, latest[0].shape), num)
        return Values(num, kind, text if first.text is not None else None)

    def with_variable(self, name: str, value: Operand, body: Callable[[], Operand]) -> Operand:
        """Evaluate ``body`` where LET's ``name`` stands for ``value``."""
        outer = self._variables
        self._variables = {**outer, name.casefold(): value}
        try:
            return body()
        finally:
            self._variables = outer


def _corner(part: Any) -> Any:
    shape = (*part.shape[:2], 1, 1)
    if isinstance(part, np.ndarray):
        return part[:, :, :1, :1]
    return part.tape.view(part, lambda a: a[:, :, :1, :1]) if part.shape != shape else part


def _blank_is_zero(values: Values) -> Values:
    """``=A1`` with A1 empty shows 0."""
    if values.kind is None:
        return values
    kind = ops.opaque(lambda kinds: np.where(kinds == BLANK, np.int8(NUMBER), kinds), values.kind)
    return replace(values, kind=kind if isinstance(kind, Slot) or kind.any() else None, from_range=False)


def _spread(values: Values, area: Area) -> Values:
    """The result of an array formula in its area: single rows and columns repeat, what is missing is #N/A."""
    height, width = values.shape[2:]
    if (height, width) == (area.height, area.width):
        return _blank_is_zero(values)
    rows = np.arange(area.height) if height > 1 else np.zeros(area.height, int)
    cols = np.arange(area.width) if width > 1 else np.zeros(area.width, int)
    inside = (rows < height)[:, None] & (cols < width)
    at = np.where(inside, rows[:, None] * width + cols, -1)[None, None]
    moved = values.map(lambda part: moves.take(part, np.where(at < 0, 0, at)))
    if inside.all():
        return _blank_is_zero(moved)
    kind = np.where(inside, moved.kinds, np.int8(NA))
    return _blank_is_zero(replace(moved, num=ops.select(kind >= 0, moved.num, _NAN), kind=kind))


_NAN = ops.full(np.nan)
_COMPARISONS = frozenset({"=", "<>", "<", ">", "<=", ">="})
