"""The syntax tree of a formula: what each kind of node holds. `parse` builds it, `evaluate` walks it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "ArrayConstant",
    "Binary",
    "Call",
    "Corner",
    "Literal",
    "Name",
    "Node",
    "Omitted",
    "Reference",
    "TableReference",
    "Unary",
    "calls",
    "walk",
]


class Corner(NamedTuple):
    """One corner of a reference as it stands in the text; the row or the column is None in A:C and 3:7."""

    row: int | None
    col: int | None
    row_fixed: bool
    col_fixed: bool


@dataclass(frozen=True, slots=True)
class Literal:
    """A number (float), a text (str), TRUE or FALSE (bool), or an error value (`ErrorValue`)."""

    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Omitted:
    """An argument that is left empty: the second of IF(A1,,3)."""


@dataclass(frozen=True, slots=True)
class ArrayConstant:
    """{1,2;3,4}: rows of literals."""

    rows: tuple[tuple[Literal, ...], ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A cell, a range, whole columns or rows; on this sheet where ``sheet`` is None.

    ``last_sheet`` is the other end of Jan:Dec!A1; ``external`` marks a reference into another workbook.
    """

    first: Corner
    last: Corner
    sheet: str | None = None
    last_sheet: str | None = None
    external: bool = False


@dataclass(frozen=True, slots=True)
class Name:
    """A defined name, or a variable of LET; ``sheet`` where it is written as Sheet1!rate."""

    name: str
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class TableReference:
    """Sales[[#Headers],[North]:[South]]: ``items`` in lower case without '#', columns None for all of them."""

    table: str | None
    items: tuple[str, ...]
    first_col: str | None
    last_col: str | None


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments; the name in capitals, without _xlfn. in front."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Unary:
    """'-' and '+' in front, '%' and '#' (spilled range) behind, '@' (implicit intersection) in front."""

    operator: str
    operand: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, comparison, '&', and the three that join references: ':' range, ' ' intersection, ',' union."""

    operator: str
    left: Node
    right: Node


JOINING = frozenset({":", " ", ","})
"""The operators that join references."""

Node = Literal | Omitted | ArrayConstant | Reference | Name | TableReference | Call | Unary | Binary


def chain(node: Binary) -> tuple[Node, list[Binary]]:
    """What a chain of arithmetic, such as 1+2-3, begins with, and its operations from the first to the last.

    A sum of a thousand terms is a tree of that depth, which recursion would not come to the end of.
    """
    steps: list[Binary] = []
    first: Node = node
    while isinstance(first, Binary) and first.operator not in JOINING:
        steps.append(first)
        first = first.left
    return first, steps[::-1]


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, parents first."""
    stack = [node]
    while stack:
        top = stack.pop()
        yield top
        if isinstance(top, Call):
            stack.extend(reversed(top.args))
        elif isinstance(top, Unary):
            stack.append(top.operand)
        elif isinstance(top, Binary):
            stack.extend((top.right, top.left))


def calls(node: Node) -> set[str]:
    """The names of the functions that the formula uses."""
    return {part.name for part in walk(node) if isinstance(part, Call)}
