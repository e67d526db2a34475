"""A tape of array operations, recorded once and replayed: values forwards, gradients backwards.

Recording fixes all shapes, so that every operation becomes a closure over buffers that are allocated once; replaying is
a loop over closures, without dispatch or allocation. Each `Op` says how to compute its output, how to pull an adjoint
back to an input (reverse mode; Griewank & Walther 2008, chapter 3), and its local Jacobian as a sparse matrix (forward
accumulation, for many outputs at once).

The ``degree`` of a slot proves linearity: 0 where an element does not depend on the changing cells, 1 where it is
affine in them, 2 where nothing is known. It is an int8 array that broadcasts to the slot's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Op", "Pull", "Slot", "Step", "Tape", "View", "add_to", "index_of", "lean", "reduced_axes", "selection"]

Step = Callable[[], object]
Floats = NDArray[np.float64]
Degrees = NDArray[np.int8]


class Slot:
    """The output of one operation: its buffer, and the buffer of its adjoint once gradients are asked for.

    ``base`` is the slot whose memory this one shows, itself where it has its own. ``shared`` is set on a base that
    others see parts of, so that its adjoint is added up from zero; else the first to write to it may assign.
    """

    __slots__ = ("adjoint", "base", "degree", "op", "shape", "shared", "tape", "value")

    def __init__(self, tape: Tape, op: Op, value: NDArray[Any], degree: Degrees) -> None:
        self.tape = tape
        self.op = op
        self.value = value
        self.shape = value.shape
        self.degree = degree
        self.adjoint: Floats | None = None
        self.base = self
        self.shared = False

    @property
    def differentiable(self) -> bool:
        """Whether it holds numbers, and not kinds or texts."""
        return self.value.dtype == np.float64

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(self.value.size)


class Pull(NamedTuple):
    """Where an operation's adjoint ``g`` is to go: to its input ``k``, whose adjoint is ``target``.

    With ``first`` nothing is there yet and the operation assigns. With ``guard`` an adjoint of zero stays zero even
    where the local derivative is infinite: IF(x=0,0,SQRT(x)) at 0.
    """

    k: int
    g: Floats
    target: Floats
    first: bool
    guard: bool = False

    def add(self, brought: Floats) -> Step:
        """A closure that adds ``brought`` to the target."""
        return add_to(self.target, brought, self.first)

    def added(self, compute: Callable[[], Floats]) -> Step:
        """A closure that computes what comes back and adds it to the target."""
        target = self.target
        if self.first:
            return lambda: np.copyto(target, compute())
        return lambda: np.add(target, compute(), target)

    @property
    def repeated(self) -> tuple[int, ...]:
        """The axes along which the input was repeated; what comes back is summed over them."""
        return reduced_axes(self.target.shape, self.g.shape)


class Op:
    """One operation. ``inputs`` are slots or arrays; arrays are constants."""

    smooth = True
    through: tuple[Slot, ...] = ()  # for a window on a page: the copies that it may show
    inputs: tuple[Slot | NDArray[Any], ...] = ()
    out: Slot

    def forward(self) -> Step | None:
        """A closure that fills ``out.value``; None where nothing has to be done."""

    def pull(self, to: Pull) -> Step | None:
        """A closure that brings the output's adjoint back to one input; None where the derivative is zero."""

    def local(self, k: int) -> csr_array | None:
        """∂out/∂input k at the current values, (out.size, input size); None where it is zero."""


class View(Op):
    """The same memory seen otherwise: transposed, reshaped or cut out. Costs nothing in either direction."""

    def __init__(self, source: Slot, look: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
        self.inputs = (source,)
        self.source = source
        self.look = look

    def local(self, k: int) -> csr_array:
        """The elements that are seen."""
        return selection(self.look(index_of(self.inputs[k].shape)).ravel(), self.source.size)


class Tape:
    """Operations in the order in which they run."""

    def __init__(self) -> None:
        self.ops: list[Op] = []

    def emit(self, op: Op, value: NDArray[Any], degree: Degrees) -> Slot:
        """Record ``op`` with ``value`` as the buffer of its output, and run it once.

        Shapes that depend on values, as those of some lookups do, need the values while recording.
        """
        slot = Slot(self, op, value, degree)
        op.out = slot
        self.ops.append(op)
        step = op.forward()
        if step is not None:
            step()
        return slot

    def view(self, source: Slot, look: Callable[[NDArray[Any]], NDArray[Any]], through: tuple[Slot, ...] = ()) -> Slot:
        """``look(source)`` as a slot, where ``look`` returns a view of the array that it is given."""
        op = View(source, look)
        op.through = through
        slot = self.emit(op, look(source.value), look(np.broadcast_to(source.degree, source.shape)))
        slot.base = source.base
        if slot.size != source.size:
            slot.base.shared = True
        return slot

    @property
    def smooth(self) -> bool:
        """Whether no recorded operation has a kink or a jump."""
        return all(op.smooth for op in self.ops)

    def forwards(self, start: int = 0) -> list[Step]:
        """The closures that compute all values, in order, from operation ``start`` on."""
        return [step for op in self.ops[start:] if (step := op.forward()) is not None]

    def backwards(self, seeds: Sequence[Slot], guard: bool = False) -> tuple[list[Floats], list[Step]]:
        """The way back from ``seeds``: the adjoints to set to zero first, and then the closures to run.

        Between the two the caller adds to the seeds' adjoints.
        """
        live = self.live(seeds)
        self._give_adjoints(live)
        zeroed = {id(slot.base): slot.base for slot in seeds}
        written = set(zeroed)
        steps: list[Step] = []
        for op in reversed(self.ops):
            if isinstance(op, View) or id(op.out) not in live:
                continue
            base = op.out.base
            if base.shared or id(base) not in written:  # added up, or nothing at all comes back to it
                zeroed[id(base)] = base
            for k, source in enumerate(op.inputs):
                if not isinstance(source, Slot) or id(source) not in live:
                    continue
                assert op.out.adjoint is not None
                assert source.adjoint is not None
                first = not source.base.shared and id(source.base) not in written
                step = op.pull(Pull(k, op.out.adjoint, source.adjoint, first, guard))
                if step is not None:
                    steps.append(step)
                    written.add(id(source.base))
        return [slot.adjoint for slot in zeroed.values() if slot.adjoint is not None], steps

    def _give_adjoints(self, live: set[int]) -> None:
        for op in self.ops:
            slot = op.out
            if id(slot) not in live:
                continue
            if isinstance(op, View):
                assert op.source.adjoint is not None
                slot.adjoint = op.look(op.source.adjoint)
            elif slot.adjoint is None:
                slot.adjoint = np.zeros(slot.shape)

    def live(self, seeds: Sequence[Slot]) -> set[int]:
        """The ids of the slots that the seeds depend on and that depend on the changing cells themselves."""
        live = {id(slot) for slot in seeds}
        for op in reversed(self.ops):
            if id(op.out) in live:
                sources = (source for source in (*op.inputs, *op.through) if isinstance(source, Slot))
                live.update(id(source) for source in sources if source.differentiable and source.degree.any())
        return live


def reduced_axes(shape: tuple[int, ...], out_shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes along which an input of ``shape`` was repeated to reach ``out_shape``."""
    return tuple(axis for axis, (n, m) in enumerate(zip(shape, out_shape, strict=True)) if n == 1 and m > 1)


def lean(*arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Views of arrays that broadcast against each other with as few axes as will do: small arrays run twice as fast.

    Axes of length 1 in all are dropped; where all are of one shape and contiguous, one axis remains.
    """
    kept = [any(array.shape[axis] != 1 for array in arrays) for axis in range(arrays[0].ndim)]
    index = (*(slice(None) if keep else 0 for keep in kept), ...)
    views = [array[index] for array in arrays]
    if len({view.shape for view in views}) == 1 and all(view.flags.c_contiguous for view in views):
        return [view.reshape(-1) for view in views]
    return views


def add_to(target: Floats, brought: Floats, first: bool) -> Step:
    """A closure that adds ``brought`` to ``target``; with ``first`` it assigns."""
    target, brought = lean(target, brought)
    return partial(np.copyto, target, brought) if first else partial(np.add, target, brought, target)


def index_of(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """0, 1, 2 … in ``shape``: where each element lies in the flattened array."""
    return np.arange(int(np.prod(shape)), dtype=np.int64).reshape(shape)


def selection(positions: NDArray[np.int64], size: int) -> csr_array:
    """The matrix that picks ``positions`` out of a vector of ``size``."""
    from scipy.sparse import csr_array  # it takes longer to load than most books take to compute

    n = len(positions)
    return csr_array((np.ones(n), np.array(positions), np.arange(n + 1)), shape=(n, size))
