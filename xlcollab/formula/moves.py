"""Primitive operations that move elements without computing: transpose, reshape, repeat, join, take, pick by order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.ops import degree_of, full, select, tape_of, value_of
from xlcollab.formula.tape import Op, Pull, Slot, Step, index_of, selection

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["broadcast", "concatenate", "cut", "extreme", "flat", "gather", "ordered", "permute", "reshape", "take"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def permute(x: Any, axes: tuple[int, ...]) -> Any:
    """The axes in another order."""
    return x.tape.view(x, lambda a: a.transpose(axes)) if isinstance(x, Slot) else x.transpose(axes)


def cut(x: Any, start: int, stop: int) -> Any:
    """The columns from ``start`` to ``stop`` of the range that each cell sees."""
    return x.tape.view(x, lambda a: a[..., start:stop]) if isinstance(x, Slot) else x[..., start:stop]


class Gather(Op):
    """Elements of the flattened input at constant positions, in any shape: the general case of all rearrangements."""

    def __init__(self, x: Slot, positions: Ints) -> None:
        self.inputs = (x,)
        self.positions = positions

    def forward(self) -> Step:
        """Out = x[positions]."""
        x, out, positions = value_of(self.inputs[0]), self.out.value, self.positions
        if x.flags.c_contiguous:
            return partial(np.take, x.reshape(-1), positions, None, out, "clip")
        return lambda: np.take(x.ravel(), positions, None, out, "clip")

    def pull(self, to: Pull) -> Step:
        """Each adjoint to where its element came from."""
        return to.added(partial(_scattered, self.positions.ravel(), to.g, to.target.shape))

    def local(self, k: int) -> csr_array:
        """The elements that were taken."""
        return selection(self.positions.ravel(), value_of(self.inputs[k]).size)


def _scattered(positions: Ints, g: Floats, shape: tuple[int, ...]) -> Floats:
    """Adjoints added up at positions into the flattened array; those at -1 are dropped."""
    flat_g = g.ravel()
    if positions.size and positions.min() < 0:
        kept = positions >= 0
        positions, flat_g = positions[kept], flat_g[kept]
    brought: Any = np.bincount(positions, flat_g, int(np.prod(shape)))
    return brought.reshape(shape)  # type: ignore[no-any-return]


def gather(x: Any, positions: Ints) -> Any:
    """``x.ravel()[positions]``."""
    if not isinstance(x, Slot):
        return x.ravel()[positions]
    degree = np.broadcast_to(x.degree, x.shape).ravel()[positions]
    return x.tape.emit(Gather(x, positions), np.empty(positions.shape, x.value.dtype), degree)


def reshape(x: Any, shape: tuple[int, ...]) -> Any:
    """The same elements in row order; copied only where memory does not allow a view."""
    if not isinstance(x, Slot):
        return x.reshape(shape)
    if x.shape == shape:
        return x
    if np.shares_memory(x.value, x.value.reshape(shape)):
        return x.tape.view(x, lambda a: a.reshape(shape))
    return gather(x, index_of(x.shape).reshape(shape))


def flat(x: Any) -> Any:
    """The range that each cell sees as one row: (R, C, r, c) → (R, C, 1, r·c)."""
    return reshape(x, (*x.shape[:2], 1, x.shape[2] * x.shape[3]))


def broadcast(x: Any, shape: tuple[int, ...]) -> Any:
    """``x`` repeated to ``shape``."""
    if x.shape == shape:
        return x
    if not isinstance(x, Slot):
        return np.broadcast_to(x, shape)
    return gather(x, np.broadcast_to(index_of(x.shape), shape))


class Concatenate(Op):
    """Parts one after the other along one axis; along the others they repeat."""

    def __init__(self, parts: tuple[Any, ...], axis: int) -> None:
        self.inputs = parts
        self.axis = axis

    def _piece(self, k: int, array: NDArray[Any]) -> NDArray[Any]:
        """Where part k lies in an array of the result's shape."""
        start = sum(part.shape[self.axis] for part in self.inputs[:k])
        stop = start + self.inputs[k].shape[self.axis]
        return array[(slice(None),) * self.axis + (slice(start, stop),)]

    def forward(self) -> Step:
        """Each part to its place; constants once."""
        steps = []
        for k, part in enumerate(self.inputs):
            copy = partial(np.copyto, self._piece(k, self.out.value), value_of(part))
            copy()
            if isinstance(part, Slot):
                steps.append(copy)
        return lambda: [step() for step in steps]

    def pull(self, to: Pull) -> Step:
        """The part's piece of g."""
        piece = to._replace(g=self._piece(to.k, to.g))
        if not piece.repeated:
            return piece.add(piece.g)
        return piece.added(lambda: np.add.reduce(piece.g, piece.repeated, keepdims=True))

    def local(self, k: int) -> csr_array:
        """The elements of part k, in their rows."""
        source = self.inputs[k]
        rows = self._piece(k, index_of(self.out.shape))
        picked = selection(np.broadcast_to(index_of(source.shape), rows.shape).ravel(), value_of(source).size)
        placed: csr_array = selection(rows.ravel(), self.out.size).T.tocsr() @ picked
        return placed


def concatenate(parts: Sequence[Any], axis: int) -> Any:
    """The parts one after the other along ``axis``; along the others they broadcast."""
    if len(parts) == 1:
        return parts[0]
    others = np.broadcast_shapes(*(tuple(1 if i == axis else n for i, n in enumerate(p.shape)) for p in parts))

    def sized(part: Any, array: Any) -> Any:
        return np.broadcast_to(array, [part.shape[axis] if i == axis else n for i, n in enumerate(others)])

    tape = tape_of(parts)
    if tape is None:
        return np.concatenate([sized(part, part) for part in parts], axis)
    degree = np.concatenate([sized(part, degree_of(part)) for part in parts], axis)
    return tape.emit(Concatenate(tuple(parts), axis), np.empty(degree.shape), degree)


class Routed(Op):
    """Elements of the input at positions that are found when it runs: each adjoint goes to the element chosen.

    ``choose(x, other)`` gives positions into the flattened input, in the shape of the output; -1 gives ``empty``.
    """

    smooth = False

    def __init__(self, x: Any, other: Any, choose: Callable[[Any, Any], Ints], empty: float) -> None:
        self.inputs = (x, other)
        self._choose = choose
        self._empty = empty
        self._positions: Ints = np.empty(0, np.int64)

    def forward(self) -> Step:
        """Out = x[chosen]."""
        x, other = map(value_of, self.inputs)
        out = self.out.value

        def step() -> None:
            self._positions = self._choose(x, other)
            np.copyto(out, np.where(self._positions >= 0, x.ravel()[self._positions], self._empty))

        return step

    def pull(self, to: Pull) -> Step | None:
        """Each adjoint to the element that was chosen."""
        if to.k == 1:
            return None
        return to.added(lambda: _scattered(self._positions.ravel(), to.g, to.target.shape))

    def local(self, k: int) -> csr_array | None:
        """The elements that were chosen."""
        if k == 1:
            return None
        chosen = self._positions.ravel()
        picked = selection(np.maximum(chosen, 0), value_of(self.inputs[0]).size)
        picked.data *= chosen >= 0
        return picked


def _routed(x: Any, other: Any, choose: Callable[[Any, Any], Ints], empty: float) -> Any:
    tape = tape_of((x, other))
    positions = choose(value_of(x), value_of(other))
    if tape is None:
        return np.where(positions >= 0, x.ravel()[positions], empty)
    return tape.emit(Routed(x, other, choose, empty), np.empty(positions.shape), np.full((1, 1, 1, 1), 2, np.int8))


def take(x: Any, positions: Any) -> Any:
    """From the range (r×c, row order) that each cell sees, the elements at ``positions``; NaN outside of it.

    ``positions`` has the shape of the result; its first two axes broadcast against those of ``x``.
    """
    if isinstance(positions, Slot):
        return _routed(x, positions, _positions_in, np.nan)
    chosen = _positions_in(value_of(x), positions)
    taken = gather(x, np.maximum(chosen, 0))
    return taken if chosen.min() >= 0 else select(chosen >= 0, taken, full(np.nan))


def _positions_in(x: Floats, positions: NDArray[Any]) -> Ints:
    """Positions in each cell's range → positions into the flattened input; -1 outside."""
    length = x.shape[2] * x.shape[3]
    inside = (positions >= 0) & (positions < length)
    within = np.where(inside, positions, 0).astype(np.int64)
    return np.where(inside, index_of((*x.shape[:2], 1, 1)) * length + within, -1)


def _counted(x: Floats, mask: Any, other: float) -> tuple[Floats, Ints]:
    """The counted elements (R, C, n), ``other`` elsewhere; and where each cell's range starts in the flat input."""
    shape = np.broadcast_shapes(x.shape, np.shape(mask))
    row = np.where(np.asarray(mask) != 0, x, other).reshape(*shape[:2], -1)
    start = np.broadcast_to(index_of((*x.shape[:2], 1)), (*shape[:2], 1)) * (x.shape[2] * x.shape[3])
    return row, start


_ALL = np.ones((1, 1, 1, 1), bool)


def extreme(x: Any, mask: Any, largest: bool) -> Any:
    """The largest or smallest counted element of the range that each cell sees; 0 where nothing counts."""

    def choose(values: Floats, counted: Any) -> Ints:
        row, start = _counted(values, counted, -np.inf if largest else np.inf)
        best = (row.argmax(-1) if largest else row.argmin(-1))[..., None]
        chosen = np.take_along_axis(row, best, -1)
        return np.where(np.isinf(chosen), -1, best + start)[..., None]

    return _routed(x, _ALL if mask is None else mask, choose, 0.0)


def ordered(x: Any, mask: Any) -> Any:
    """The counted elements in ascending order, (R, C, 1, n), with NaN behind them; all NaN where one of them is."""

    def choose(values: Floats, counted: Any) -> Ints:
        row, start = _counted(values, counted, np.inf)
        order = np.argsort(row, -1, kind="stable")
        behind = np.isinf(np.take_along_axis(row, order, -1)) | np.isnan(row).any(-1, keepdims=True)
        return np.where(behind, -1, order + start)[:, :, None, :]

    return _routed(x, _ALL if mask is None else mask, choose, np.nan)
