"""Searching a row or column: what MATCH and the lookups share, and MATCH itself.

Values are found only among those of their own class (numbers, texts, truth values), texts without regard to case.
Positions that depend on the changing cells are searched for at each evaluation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.formula.functions.criteria import wildcard
from xlcollab.formula.functions.declare import Refusal, Table
from xlcollab.formula.ranges import Uneven
from xlcollab.formula.values import NA, NUMBER, VALUE, Scalar, Values, constant_error, decode, error_kind
from xlcollab.xlsx.cells import ErrorValue

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator

TABLE = Table()


def class_of(value: Scalar) -> int:
    """Values are found only among those of their own class: numbers, texts, truth values."""
    if isinstance(value, ErrorValue):
        return 3
    if isinstance(value, bool):
        return 2
    return 1 if isinstance(value, str) else 0


def folded(value: Scalar) -> Any:
    """Texts without regard to case."""
    return value.casefold() if isinstance(value, str) else value


class Column:
    """A row or column to be searched, prepared once for many keys."""

    def __init__(self, items: list[Scalar]) -> None:
        self.items = items
        self.first: dict[tuple[int, Any], int] = {}
        self.last: dict[tuple[int, Any], int] = {}
        for i, item in enumerate(items):
            if item is not None:
                key = (class_of(item), folded(item))
                self.first.setdefault(key, i)
                self.last[key] = i
        self._sorted: dict[int, tuple[list[Any], list[int]]] = {}

    def exact(self, key: Scalar, wild: bool = True, backwards: bool = False) -> int:
        """The first (or last) item that equals the key; -1 where there is none."""
        if wild and isinstance(key, str) and (pattern := wildcard(key)) is not None:
            places = range(len(self.items) - 1, -1, -1) if backwards else range(len(self.items))
            found = (i for i in places if isinstance(item := self.items[i], str) and pattern.fullmatch(item))
            return next(found, -1)
        return (self.last if backwards else self.first).get((class_of(key), folded(key)), -1)

    def _alike(self, kind: int) -> tuple[list[Any], list[int]]:
        if kind not in self._sorted:
            places = [i for i, item in enumerate(self.items) if item is not None and class_of(item) == kind]
            self._sorted[kind] = ([folded(self.items[i]) for i in places], places)
        return self._sorted[kind]

    def ascending(self, key: Scalar) -> int:
        """By bisection of ascending items, as Excel does: the last one not above the key; -1 where all are."""
        values, places = self._alike(class_of(key))
        at = bisect_right(values, folded(key))
        return places[at - 1] if at else -1

    def descending(self, key: Scalar) -> int:
        """Of descending items the last one not below the key; -1 where the first already is."""
        values, places = self._alike(class_of(key))
        found = -1
        for value, place in zip(values, places, strict=True):
            if value < folded(key):
                break
            found = place
        return found

    def nearest(self, key: Scalar, larger: bool, backwards: bool = False) -> int:
        """An equal item, else the next smaller (or larger) one of items in any order."""
        at = self.exact(key, wild=False, backwards=backwards)
        if at >= 0:
            return at
        values, places = self._alike(class_of(key))
        wanted = folded(key)
        rest = [(v, i) for v, i in zip(values, places, strict=True) if (v > wanted if larger else v < wanted)]
        if not rest:
            return -1
        best = min(v for v, _ in rest) if larger else max(v for v, _ in rest)
        return next(i for v, i in rest if v == best)


def search(keys: Values, line: Values, find: Callable[[Column, Scalar], int]) -> Values:
    """The position from 0 of each key in the line that its cell sees, #N/A where it is not found."""
    batch = np.broadcast_shapes(keys.shape[:2], line.shape[:2])
    wanted: Any = np.broadcast_to(decode(keys), (*batch, *keys.shape[2:]))
    lines = decode(line)
    columns: dict[tuple[int, int], Column] = {}
    num = np.full(wanted.shape, np.nan)
    kind = np.zeros(wanted.shape, np.int8)
    for at in np.ndindex(*wanted.shape):
        place = (at[0] if line.shape[0] > 1 else 0, at[1] if line.shape[1] > 1 else 0)
        if place not in columns:
            columns[place] = Column(lines[place].ravel().tolist())
        key = wanted[at]
        if isinstance(key, ErrorValue):
            kind[at] = error_kind(key)
            continue
        found = find(columns[place], 0.0 if key is None else key)
        num[at], kind[at] = (found, NUMBER) if found >= 0 else (np.nan, NA)
    return Values(num, kind if kind.any() else None)


def finder(mode: float) -> Callable[[Column, Scalar], int]:
    """How MATCH searches in mode 1 (ascending), 0 (exact) and -1 (descending)."""
    if mode == 0:
        return lambda column, key: column.exact(key)
    return (lambda column, key: column.ascending(key)) if mode > 0 else (lambda column, key: column.descending(key))


def option(value: Values | None, default: float) -> float:
    """An option that has to be the same constant for all cells of the block."""
    if value is None:
        return default
    if not value.known:
        raise Refusal("has no derivative by an option that depends on the changing cells")
    first = value.numbers.flat[0]
    if (value.numbers != first).any():
        raise Uneven("has different options in the cells of a block")
    return float(first)


@TABLE.add("MATCH", "VAV?", contextual=True)
def match(context: Evaluator, key: Values, line: Values, mode: Values | None = None) -> Values:
    """The position from 1; mode 1 (ascending, the default), 0 (exact, with wildcards) or -1 (descending)."""
    if 1 not in line.shape[2:]:
        return constant_error(NA)
    find = finder(option(mode, 1.0))
    return context.traced(lambda k, v: _plus_one(search(k, v, find)), key, line)


def _plus_one(values: Values) -> Values:
    return Values(values.numbers + 1.0, values.kind)


@TABLE.add("XMATCH", "VAV?V?", contextual=True)
def xmatch(
    context: Evaluator, key: Values, line: Values, mode: Values | None = None, order: Values | None = None
) -> Values:
    """The position from 1; mode 0 exact, -1 or next smaller, 1 or next larger, 2 wildcards."""
    find = x_finder(option(mode, 0.0), option(order, 1.0))
    if find is None or 1 not in line.shape[2:]:
        return constant_error(VALUE)
    return context.traced(lambda k, v: _plus_one(search(k, v, find)), key, line)


def x_finder(mode: float, order: float) -> Callable[[Column, Scalar], int] | None:
    """How XMATCH and XLOOKUP search; ``order`` -1 from the end. None for modes and orders that Excel does not know."""
    if mode not in (-1, 0, 1, 2) or order not in (-2, -1, 1, 2):
        return None
    backwards = order == -1
    if mode in (0, 2):
        return lambda column, key: column.exact(key, wild=mode == 2, backwards=backwards)
    return lambda column, key: column.nearest(key, larger=mode == 1, backwards=backwards)
