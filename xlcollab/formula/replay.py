"""A compiled program: the same formulas again and again, at other values of the changing cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.blocks import Block
from xlcollab.formula.jacobian import jacobians
from xlcollab.formula.pages import Page
from xlcollab.formula.residuals import Residuals, find_squares, half_sum
from xlcollab.formula.sheets import Sheets
from xlcollab.formula.syntax import calls
from xlcollab.formula.tape import Slot, Step, Tape, add_to
from xlcollab.formula.values import Scalar, Values

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Mismatch", "Program", "Recorded"]

Floats = NDArray[np.float64]
_FEW_OUTPUTS = 64
_KEPT_SWEEPS = 2 * _FEW_OUTPUTS
_DENSE = 250_000


class Mismatch(NamedTuple):
    """A cell whose formula does not give the value that the book holds for it."""

    sheet: str
    cell: str
    computed: Scalar
    cached: Scalar


class Recorded(NamedTuple):
    """What compiling gave: the tape and its pages, the buffers of x and of its gradient, blocks in order, outputs."""

    tape: Tape
    pages: tuple[Page, ...]
    x: Floats
    gradient: Floats
    outputs: tuple[Values, ...]
    blocks: tuple[Block, ...]
    sheets: Sheets
    unchecked: bool


class Program:
    """Outputs and their exact derivatives as functions of the changing cells x (n,), made by `compile_program`.

    The outputs follow one another, each in row order, (m,). ``linear`` says of each whether it is proved to be affine
    in x, ``constant`` whether it does not depend on x at all. ``smooth`` says whether no formula has a kink or a jump,
    ``size`` how many cells are computed at each point; ``unchecked`` that some of them had no cached value to check
    against. ``residuals`` are those of output 0 where it grows with a sum of squares and nothing else.
    """

    def __init__(self, recorded: Recorded) -> None:
        self.blocks = recorded.blocks
        self.unchecked = recorded.unchecked
        self.smooth = recorded.tape.smooth
        self.size = sum(block.area.height * block.area.width for block in recorded.blocks)
        self._recorded = recorded
        self._outputs = _numbered(recorded.outputs)
        self._varying = [(num, a, b) for num, a, b in self._outputs if isinstance(num, Slot)]
        self.linear = tuple(bool(low) for out in recorded.outputs for low in _degree_below(out, 2))
        self.constant = tuple(bool(low) for out in recorded.outputs for low in _degree_below(out, 1))
        self._y = np.zeros(len(self.linear))
        for num, a, b in self._outputs:
            if isinstance(num, np.ndarray):
                self._y[a:b] = num.ravel()
        self.start = recorded.x.copy()
        self._x = recorded.x
        self._forwards = recorded.tape.forwards()
        self._sweeps: dict[tuple[int, ...], _Sweep] = {}
        self.residuals = self._find_residuals()

    @property
    def n(self) -> int:
        """The number of changing cells."""
        return len(self.start)

    @property
    def functions(self) -> set[str]:
        """The functions that the compiled formulas use."""
        return {name for block in self.blocks for name in calls(block.tree)}

    def values(self, x: Floats) -> Floats:
        """All outputs, (m,); NaN where a cell is an error."""
        with np.errstate(all="ignore"):
            self.run(np.asarray(x, float))
        return self._collected().copy()

    def value_and_gradient(self, x: Floats, weights: Floats) -> tuple[float, Floats]:
        """Σ weights · outputs, and its gradient (n,).

        Outputs with weight 0 do not count, even where they are errors.
        """
        sweep = self._sweep(weights)
        with np.errstate(all="ignore"):
            self.run(x)
            y = self._collected()
            value = float(weights @ y)
            if np.isnan(value):
                counted = weights != 0.0
                value = float(weights[counted] @ y[counted])
            return value, sweep.gradient()

    def _sweep(self, weights: Floats) -> _Sweep:
        """The way back from these weights; some are kept, each for the outputs that it starts from."""
        used = [(slot, a, b) for slot, a, b in self._varying if weights[a:b].any()]
        key = tuple(a for _, a, _ in used)
        if key not in self._sweeps:
            if len(self._sweeps) >= _KEPT_SWEEPS:
                self._sweeps.clear()
            self._sweeps[key] = _Sweep(self._recorded, [(slot, np.zeros(b - a)) for slot, a, b in used])
        sweep = self._sweeps[key]
        for mine, (_, a, b) in zip(sweep.weights, used, strict=True):
            mine[:] = weights[a:b]
        return sweep

    def jacobian(self, x: Floats) -> Floats | csr_array:
        """∂outputs/∂x (m, n): dense where it is small, else sparse."""
        m = len(self.linear)
        if m <= _FEW_OUTPUTS:
            with np.errstate(all="ignore"):
                self.run(np.asarray(x, float))
                rows = [self._sweep(row).gradient() for row in np.eye(m)]
            return np.array(rows).reshape(m, self.n)
        with np.errstate(all="ignore"):
            self.run(np.asarray(x, float))
            return self.stacked_jacobian([num for num, _, _ in self._outputs])

    def stacked_jacobian(self, parts: Sequence[Any]) -> Floats | csr_array:
        """∂part/∂x of slots, one below the other, at the values that the tape holds; constants give rows of zeros."""
        from scipy.sparse import csr_array, vstack

        recorded = self._recorded
        slots = [part for part in parts if isinstance(part, Slot)]
        with np.errstate(all="ignore"):
            found = iter(jacobians(recorded.tape, recorded.pages, recorded.x, slots))
        rows = [next(found) if isinstance(part, Slot) else csr_array((part.size, self.n)) for part in parts]
        whole: Any = vstack(rows, format="csr")
        return whole.toarray() if whole.shape[0] * self.n <= _DENSE else whole  # type: ignore[no-any-return]

    def check(self) -> list[Mismatch]:
        """The compiled cells whose value at the saved inputs is not the one that the book holds.

        Equal is within 1e-9, relative, and absolute below 1. Cells without a cached value are passed over.
        """
        from xlcollab.formula.check import mismatches

        self.values(self.start)
        for page in self._recorded.pages:
            page.settle()
        return mismatches(self.blocks, {page.sheet: page for page in self._recorded.pages}, self._recorded.sheets)

    def run(self, x: Floats) -> None:
        """Set the changing cells and compute; the values stay on the tape until the next run."""
        np.copyto(self._x, x)
        for step in self._forwards:
            step()

    def _collected(self) -> Floats:
        y = self._y
        for slot, a, b in self._varying:
            y[a:b] = slot.value.reshape(-1)
        return y

    def _find_residuals(self) -> Residuals | None:
        first = self._outputs[0][0] if self._outputs else None
        if not isinstance(first, Slot) or first.size != 1:
            return None
        tape = self._recorded.tape
        mark = len(tape.ops)
        with np.errstate(all="ignore"):
            parts = find_squares(first, self._recorded.pages)
            half = None if parts is None else half_sum(parts)
        if parts is None or half is None:
            del tape.ops[mark:]
            return None
        steps = tape.forwards(mark)
        sweep = _Sweep(self._recorded, [(half, np.ones(1))])
        return Residuals(self, parts, half, steps, sweep.gradient)


def _numbered(outputs: Sequence[Values]) -> list[tuple[Any, int, int]]:
    """Each output with the first and last + 1 of its positions in (m,)."""
    ends = np.cumsum([0, *(int(np.prod(out.shape)) for out in outputs)]).tolist()
    return [(out.num, a, b) for out, a, b in zip(outputs, ends[:-1], ends[1:], strict=True)]


def _degree_below(out: Values, limit: int) -> NDArray[np.bool_]:
    if not isinstance(out.num, Slot):
        return np.ones(int(np.prod(out.shape)), bool)
    return (np.broadcast_to(out.num.degree, out.shape) < limit).ravel()


class _Sweep:
    """The way back from weighted slots to the changing cells."""

    def __init__(self, recorded: Recorded, seeds: Sequence[tuple[Slot, Floats]]) -> None:
        self._tape = recorded.tape
        self._slots = [slot for slot, _ in seeds]
        self.weights = [weights for _, weights in seeds]  # read at each sweep: new values may be put in
        self._out = recorded.gradient
        self._zeroed, self._steps = self._tape.backwards(self._slots)
        self._seeds = [
            add_to(slot.adjoint, weights.reshape(slot.shape), False)
            for slot, weights in seeds
            if slot.adjoint is not None
        ]

    def gradient(self) -> Floats:
        """The gradient (n,) at the values that the tape holds; with more care where a derivative is infinite."""
        gradient = self._carried(self._steps)
        length = gradient @ gradient
        if length - length != 0.0:  # NaN or infinite
            gradient = self._carried(self._tape.backwards(self._slots, guard=True)[1])
        return gradient

    def _carried(self, steps: Sequence[Step]) -> Floats:
        self._out.fill(0.0)
        for array in self._zeroed:
            array.fill(0.0)
        for seed in self._seeds:
            seed()
        for step in steps:
            step()
        return self._out.copy()
