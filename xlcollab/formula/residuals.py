"""Sums of squares: the residuals behind an objective such as SQRT(SUMXMY2(r,p)/COUNT(r)), for Gauss-Newton.

The tape is read backwards from the objective. Roots, positive factors and added constants on top do not move the
minimum; below them there has to be a sum of squares, or of squares in the cells of a range, and nothing else that
depends on the changing cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import Contraction, SumSquares, sum_squares
from xlcollab.formula.ops import Elementwise, Select, Total
from xlcollab.formula.pages import Page
from xlcollab.formula.tape import Op, Slot, Step, View

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from xlcollab.formula.replay import Program

__all__ = ["Residuals", "find_squares"]

Floats = NDArray[np.float64]

_MOST = 1 << 16  # terms; where cells add each other up, as in Pascal's triangle, they double from cell to cell


class _NoSquares(Exception):  # noqa: N818 — an answer, not an error
    """The objective is no sum of squares."""


class Residuals:
    """r(x) with ½‖r(x)‖² that grows with the objective and with nothing else. All vectors are float64."""

    def __init__(
        self, program: Program, parts: Sequence[Slot], half: Slot, steps: Sequence[Step], gradient: Callable[[], Floats]
    ) -> None:
        self._program = program
        self._parts = parts
        self._half = half
        self._steps = steps
        self._gradient = gradient

    def _run(self, x: Floats) -> None:
        self._program.run(np.asarray(x, float))
        for step in self._steps:
            step()

    def values(self, x: Floats) -> Floats:
        """r(x), (N,)."""
        with np.errstate(all="ignore"):
            self._run(x)
        return np.concatenate([part.value.ravel() for part in self._parts])

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """½‖r(x)‖² and its gradient (n,)."""
        with np.errstate(all="ignore"):
            self._run(x)
            return float(self._half.value.item()), self._gradient()

    def jacobian(self, x: Floats) -> Floats | csr_array:
        """∂r/∂x, (N, n), dense or sparse as `Program.jacobian` is."""
        with np.errstate(all="ignore"):
            self._run(x)
            return self._program.stacked_jacobian(self._parts)


def find_squares(objective: Slot, pages: Sequence[Page]) -> list[Slot] | None:
    """The residuals of an objective; None where it is no sum of squares. Weights go to the end of the tape."""
    search = _Search(pages)
    try:
        squares = list(islice(search.monotone(objective), _MOST + 1))
    except _NoSquares:
        return None
    return squares if len(squares) <= _MOST else None


class _Search:
    def __init__(self, pages: Sequence[Page]) -> None:
        self._pages = {id(page.slot): page for page in pages}

    def monotone(self, slot: Slot) -> Iterator[Slot]:
        """Strip what only stretches or shifts."""
        while True:
            op, inner = slot.op, None
            if isinstance(op, Elementwise):
                inner = self._stretched(op)
            elif isinstance(op, View):
                inner = self._one_cell(op)
            if inner is None:
                break
            slot = inner
        return self.total(slot)

    def _stretched(self, op: Elementwise) -> Slot | None:
        a = op.inputs[0]
        if op.name == "sqrt" and isinstance(a, Slot):
            return a
        if op.name in ("multiply", "add", "divide", "subtract") and len(op.inputs) == 2:
            b = op.inputs[1]
            if op.name == "multiply" and isinstance(b, Slot):
                a, b = b, a
            if op.name == "add" and isinstance(b, Slot) and not isinstance(a, Slot):
                a, b = b, a
            if isinstance(a, Slot) and isinstance(b, np.ndarray):
                return a if op.name in ("add", "subtract") or bool((b > 0).all()) else None
        return None

    def _one_cell(self, op: View) -> Slot | None:
        """What a view of one cell shows: what was stored there."""
        if op.out.size != 1:
            return None
        if id(op.inputs[0]) not in self._pages:
            return _slot(op, 0) if _slot(op, 0).size == 1 else None
        covers = [_slot(copy.op, 0) for copy in op.through if copy.degree.any()]
        return covers[0] if len(covers) == 1 and covers[0].size == 1 else None

    def total(self, slot: Slot) -> Iterator[Slot]:
        """A sum of squares as one number."""
        op = slot.op
        if isinstance(op, SumSquares):
            yield _slot(op, 0)
        elif isinstance(op, Total):
            yield from self.squares(_slot(op, 0))
        elif isinstance(op, Contraction) and slot.size == 1:
            yield from self._product(op)
        else:
            for term in self._terms(slot):
                if term is not slot:
                    yield from self.total(term)
                elif slot.size == 1:
                    yield from self.squares(slot)
                else:
                    raise _NoSquares

    def _terms(self, slot: Slot) -> Iterator[Slot]:
        """What a sum adds up, in order; a loop and no recursion, since people add hundreds of cells up."""
        ahead = [slot]
        while ahead:
            top = ahead.pop()
            if isinstance(top.op, Elementwise) and top.op.name == "add":
                ahead += [part for part in reversed(top.op.inputs) if isinstance(part, Slot)]
            elif isinstance(top.op, View) and (inner := self._one_cell(top.op)) is not None:
                ahead.append(inner)
            else:
                yield top

    def _product(self, op: Contraction) -> Iterator[Slot]:
        """SUMPRODUCT(x, x), or of weights and squares."""
        a, b = op.inputs
        if a is b and isinstance(a, Slot):
            yield a
            return
        if isinstance(a, Slot):
            a, b = b, a
        if isinstance(a, Slot) or not isinstance(b, Slot) or a.shape != b.shape or not (a >= 0).all():
            raise _NoSquares
        yield from self.squares(b, np.sqrt(a))

    def squares(self, slot: Slot, factor: Any = None) -> Iterator[Slot]:
        """Each element a square: what is squared, times ``factor``."""
        op = slot.op
        if isinstance(op, Elementwise) and op.name == "multiply":
            a, b = op.inputs
            if a is b and isinstance(a, Slot):
                yield a if factor is None else ops.multiply(a, factor)
                return
            if isinstance(a, Slot):
                a, b = b, a
            if isinstance(b, Slot) and isinstance(a, np.ndarray) and (a >= 0).all():
                yield from self.squares(b, np.sqrt(a) if factor is None else np.sqrt(a) * factor)
                return
        elif isinstance(op, Elementwise) and op.name == "divide" and isinstance(op.inputs[1], np.ndarray):
            if (op.inputs[1] > 0).all():
                scale = np.sqrt(1.0 / op.inputs[1])
                yield from self.squares(_slot(op, 0), scale if factor is None else scale * factor)
                return
        elif isinstance(op, Select) and isinstance(op.inputs[0], np.ndarray):
            condition, a, b = op.inputs
            assert isinstance(condition, np.ndarray)
            sides = [(s, c) for s, c in ((a, condition), (b, ~condition)) if isinstance(s, Slot)]
            for side, counts in sides:
                yield from self.squares(side, counts.astype(float) if factor is None else counts * factor)
            return
        elif isinstance(op, View) and factor is None:
            whole = _slot(op, 0)
            if id(whole) in self._pages:
                yield from self._stored(op)
                return
            if whole.size == slot.size:
                yield from self.squares(whole)
                return
        raise _NoSquares

    def _stored(self, op: View) -> Iterator[Slot]:
        """The squares that blocks stored in the cells of a range, each of them looked at once."""
        page = self._pages[id(op.inputs[0])]
        at = np.asarray(op.local(0).indices)
        seen = np.bincount(at, minlength=page.num.size)
        owned = np.zeros(page.num.size, np.int64)
        cells = np.arange(page.num.size).reshape(page.num.shape)
        for stored in page.stored.values():
            mine = cells[page.slices(stored.area)].ravel()
            if not seen[mine].any():
                continue
            if (seen[mine] != 1).any():
                raise _NoSquares
            owned[mine] = 1
            yield from self.squares(stored.slot)
        if ((seen > 0) & (page.degree.ravel() > 0) & (owned == 0)).any():
            raise _NoSquares


def _slot(op: Op, k: int) -> Slot:
    source = op.inputs[k]
    if not isinstance(source, Slot):
        raise _NoSquares
    return source


def half_sum(parts: list[Slot]) -> Slot:
    """½ Σ r², recorded on the tape."""
    total: Any = None
    for part in parts:
        whole = moves.reshape(part, (1, 1, 1, part.size))
        one = sum_squares(whole)
        total = one if total is None else ops.add(total, one)
    return ops.multiply(total, np.full((1, 1, 1, 1), 0.5))  # type: ignore[no-any-return]
