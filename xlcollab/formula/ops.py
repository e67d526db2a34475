"""The primitive operations that all Excel functions are written in, each with its derivative.

Called with arrays they compute at once; called with a `Slot` among their arguments they record themselves on its tape.
So a function is written once, and constants fold away by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.tape import Op, Pull, Slot, Step, add_to, index_of, lean, selection

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "Curve",
    "Elementwise",
    "Select",
    "Total",
    "add",
    "as_constant",
    "curve",
    "degree_of",
    "divide",
    "elementwise",
    "filling",
    "full",
    "multiply",
    "negative",
    "opaque",
    "select",
    "subtract",
    "tape_of",
    "total",
    "value_of",
    "where_number",
]

Floats = NDArray[np.float64]
Degrees = NDArray[np.int8]
Partial = Callable[..., Floats] | int | float
"""A derivative: a constant ±1.0, the index of the input whose value it is, or f(scratch, y, *inputs) → array."""


class Curve(NamedTuple):
    """An elementwise function: value, one partial derivative an argument, and what it does to degrees.

    ``f`` takes arrays and ``out``; ``degree`` takes the degrees of the arguments.
    """

    f: Callable[..., Any]
    partials: tuple[Partial, ...]
    degree: Callable[..., Degrees]
    smooth: bool = True
    name: str = ""


def _most(*degrees: Degrees) -> Degrees:
    """Affine where all arguments are: sums."""
    top = degrees[0]
    for degree in degrees[1:]:
        top = np.maximum(top, degree)
    return top


def _curved(*degrees: Degrees) -> Degrees:
    """Constant where all arguments are, else unknown."""
    return np.where(_most(*degrees) > 0, np.int8(2), np.int8(0))


def _product(a: Degrees, b: Degrees) -> Degrees:
    product: Degrees = np.minimum(a + b, np.int8(2))
    return product


def _quotient(a: Degrees, b: Degrees) -> Degrees:
    return np.where(b > 0, np.int8(2), a)


_CONSTANT = np.zeros((1, 1, 1, 1), np.int8)


def full(value: float) -> Floats:
    """One number, the same for all cells of a block: (1, 1, 1, 1)."""
    return np.full((1, 1, 1, 1), value)


def degree_of(x: Any) -> Degrees:
    """The degree of a slot; a constant has 0."""
    return x.degree if isinstance(x, Slot) else _CONSTANT


def value_of(x: Any) -> NDArray[Any]:
    """The buffer behind a slot, or the constant itself."""
    return x.value if isinstance(x, Slot) else x


def tape_of(args: Sequence[Any]) -> Any:
    """The tape that the arguments are on; None where all are constants."""
    for arg in args:
        if isinstance(arg, Slot):
            return arg.tape
    return None


def as_constant(x: Any) -> Any:
    """A constant in one piece of memory: a part of a sheet's grid is slower to walk. A slot stays as it is."""
    return x if isinstance(x, Slot) else np.ascontiguousarray(x)


class Elementwise(Op):
    """f(a, b, …) of elements, which broadcast."""

    def __init__(self, rule: Curve, inputs: tuple[Any, ...]) -> None:
        self.inputs = tuple(map(as_constant, inputs))
        self.rule = rule
        self.name = rule.name
        self.smooth = rule.smooth

    def forward(self) -> Step:
        """Out = f(inputs)."""
        return partial(self.rule.f, *lean(*map(value_of, self.inputs), self.out.value))

    def pull(self, to: Pull) -> Step:
        """G · ∂f/∂input, summed where the input was repeated."""
        derivative = self.rule.partials[to.k]
        if derivative == 1.0 and isinstance(derivative, float) and not to.repeated:
            return to.add(to.g)
        if to.first and not to.repeated:
            return self._scaled(derivative, to.g, to.target, to.guard)
        brought = np.empty(to.g.shape)
        steps = [self._scaled(derivative, to.g, brought, to.guard)]
        if to.repeated:
            reduced = np.empty(to.target.shape)
            steps.append(partial(np.add.reduce, brought, to.repeated, out=reduced, keepdims=True))
            brought = reduced
        steps.append(to.add(brought))
        return lambda: [step() for step in steps]

    def _scaled(self, derivative: Partial, g: Floats, into: Floats, guard: bool) -> Step:
        """A closure for into = g · derivative."""
        *values, y, g, into = lean(*map(value_of, self.inputs), self.out.value, g, into)
        if isinstance(derivative, float):
            return partial(np.negative, g, into) if derivative < 0 else partial(np.copyto, into, g)
        if isinstance(derivative, int) and not guard:
            return partial(np.multiply, g, values[derivative], into)
        slope = np.empty(into.shape)

        def step() -> None:
            found = values[derivative] if isinstance(derivative, int) else derivative(slope, y, *values)
            np.multiply(g, found, into)
            if guard:
                into[g == 0.0] = 0.0

        return step

    def local(self, k: int) -> csr_array:
        """The derivatives, each in the column of the element that it belongs to."""
        derivative = self.rule.partials[k]
        values = [value_of(x) for x in self.inputs]
        slope: Any = derivative
        if isinstance(derivative, int):
            slope = values[derivative]
        elif not isinstance(derivative, float):
            slope = derivative(np.empty(self.out.shape), self.out.value, *values)
        return _spread(values[k].shape, self.out.shape, slope)


def _spread(shape: tuple[int, ...], out_shape: tuple[int, ...], slope: Any) -> csr_array:
    """The local Jacobian of an operation from elements of ``shape`` to those of ``out_shape``, which repeat them."""
    picked = selection(np.broadcast_to(index_of(shape), out_shape).ravel(), int(np.prod(shape)))
    picked.data *= np.broadcast_to(slope, out_shape).ravel()
    if not np.all(slope):  # what has no weight does not count, even where it is an error
        picked.eliminate_zeros()
    return picked


def elementwise(rule: Curve, *args: Any) -> Any:
    """``rule`` applied to arrays or slots that broadcast against each other."""
    tape = tape_of(args)
    shape = np.broadcast_shapes(*(arg.shape for arg in args))
    if tape is None:
        return rule.f(*args, np.empty(shape))
    degree = rule.degree(*map(degree_of, args))
    return tape.emit(Elementwise(rule, args), np.empty(shape), degree)


def filling(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays as one that fills its last argument, as `Curve` wants it."""

    def fill(*args: Any) -> Any:
        args[-1][...] = f(*args[:-1])
        return args[-1]

    return fill


def curve(f: Callable[..., Any], *partials: Partial, smooth: bool = True, name: str = "") -> Callable[..., Any]:
    """An operation from a function with ``out`` as its last argument, and its partial derivatives."""
    return partial(elementwise, Curve(f, partials, _curved, smooth, name))


def _divided(a: Floats, b: Floats, out: Floats) -> Floats:
    """a/b, and NaN where b is 0: Excel has no infinity that could turn into a number again."""
    np.divide(a, b, out)
    if not b.all():
        out[np.broadcast_to(b == 0.0, out.shape)] = np.nan
    return out


def _one_over(s: Floats, _y: Floats, _a: Floats, b: Floats) -> Floats:
    return np.divide(1.0, b, s)


def _minus_y_over_b(s: Floats, y: Floats, _a: Floats, b: Floats) -> Floats:
    return np.divide(np.negative(y, s), b, s)


add = partial(elementwise, Curve(np.add, (1.0, 1.0), _most, name="add"))
subtract = partial(elementwise, Curve(np.subtract, (1.0, -1.0), _most, name="subtract"))
negative = partial(elementwise, Curve(np.negative, (-1.0,), _most, name="negative"))
multiply = partial(elementwise, Curve(np.multiply, (1, 0), _product, name="multiply"))
_divide_by_any = partial(elementwise, Curve(_divided, (_one_over, _minus_y_over_b), _quotient, name="divide"))
# Divided by a constant that is nowhere 0: no check each time.
_divide_by_constant = partial(elementwise, Curve(np.divide, (_one_over, 1.0), _most, name="divide"))


def divide(a: Any, b: Any) -> Any:
    """a/b; NaN where b is 0."""
    return _divide_by_constant(a, b) if isinstance(b, np.ndarray) and b.all() else _divide_by_any(a, b)


class Select(Op):
    """where(condition, a, b); the condition counts as constant between its jumps."""

    def __init__(self, condition: Any, a: Any, b: Any) -> None:
        self.inputs = (as_constant(condition), as_constant(a), as_constant(b))
        self.smooth = not isinstance(condition, Slot)

    def forward(self) -> Step:
        """Out = a or b."""
        condition, a, b, out = lean(*map(value_of, self.inputs), self.out.value)
        if isinstance(self.inputs[0], Slot):

            def step() -> None:
                np.copyto(out, b)
                np.copyto(out, a, where=condition != 0)

            return step
        # What a constant condition never changes is filled in here, once.
        out[...] = np.where(condition, a, b)
        sides = [(a, condition)] if isinstance(self.inputs[1], Slot) else []
        if isinstance(self.inputs[2], Slot):
            sides.append((b, ~condition))
        steps = [partial(np.copyto, out, side, where=mask) for side, mask in sides]
        return steps[0] if len(steps) == 1 else lambda: [step() for step in steps]

    def _taken(self, k: int) -> NDArray[np.bool_]:
        """Where input k is what comes out."""
        condition: NDArray[np.bool_] = value_of(self.inputs[0]) != 0
        return condition if k == 1 else ~condition

    def pull(self, to: Pull) -> Step | None:
        """G where the input was taken."""
        if to.k == 0:
            return None
        varies = isinstance(self.inputs[0], Slot)
        taken = self._taken(to.k).astype(np.float64)
        if not varies and to.first and not to.repeated:
            return partial(np.multiply, *lean(to.g, taken, to.target))
        scratch, reduced = np.empty(to.g.shape), np.empty(to.target.shape)
        add = to.add(reduced if to.repeated else scratch)

        def step() -> None:
            np.multiply(to.g, self._taken(to.k) if varies else taken, scratch)
            if to.repeated:
                np.add.reduce(scratch, to.repeated, out=reduced, keepdims=True)
            add()

        return step

    def local(self, k: int) -> csr_array | None:
        """1 where the input was taken."""
        return None if k == 0 else _spread(self.inputs[k].shape, self.out.shape, self._taken(k))


def select(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition (bool array, or slot of 0 and 1) holds, else ``b``."""
    tape = tape_of((condition, a, b))
    if tape is None:
        return np.where(condition, a, b)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    da, db = degree_of(a), degree_of(b)
    if isinstance(condition, Slot):
        degree = _curved(condition.degree, da, db)
    else:
        condition = condition != 0
        degree = np.where(condition, da, db)
    return tape.emit(Select(condition, a, b), np.empty(shape), degree)


def where_number(mask: Any, x: Any) -> Any:
    """``x`` where the mask holds, else 0; a mask of None holds everywhere."""
    return x if mask is None else select(mask, x, full(0.0))


class Total(Op):
    """The sum over some axes, kept with length 1."""

    def __init__(self, x: Slot, axes: tuple[int, ...]) -> None:
        self.inputs = (x,)
        self.axes = axes

    def forward(self) -> Step:
        """Out = Σ x."""
        return partial(np.add.reduce, value_of(self.inputs[0]), self.axes, out=self.out.value, keepdims=True)

    def pull(self, to: Pull) -> Step:
        """G to each term."""
        return add_to(to.target, np.broadcast_to(to.g, to.target.shape), to.first)

    def local(self, k: int) -> csr_array:
        """1 for each term."""
        rows = np.broadcast_to(index_of(self.out.shape), self.inputs[k].shape).ravel()
        return selection(rows, self.out.size).T.tocsr()


def total(x: Any, axes: tuple[int, ...] = (2, 3)) -> Any:
    """The sum over the range that each cell sees."""
    if not isinstance(x, Slot):
        return np.add.reduce(x, axes, keepdims=True)
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape))
    degree = np.maximum.reduce(np.broadcast_to(x.degree, x.shape), axes, keepdims=True)
    return x.tape.emit(Total(x, axes), np.empty(shape), degree)


class Opaque(Op):
    """Any function of the current values, with a derivative of zero: lookups, counts, texts, kinds."""

    smooth = False

    def __init__(self, compute: Callable[..., Any], inputs: tuple[Any, ...]) -> None:
        self.inputs = inputs
        self._compute = compute

    def forward(self) -> Step:
        """Out = compute(inputs)."""
        values = [value_of(x) for x in self.inputs]
        out = self.out.value

        def step() -> None:
            out[...] = self._compute(*values)

        return step


def opaque(compute: Callable[..., Any], *args: Any) -> Any:
    """``compute(*arrays)`` now and at each replay; the result keeps the shape and type that it has now."""
    tape = tape_of(args)
    if tape is None:
        return compute(*args)
    value = np.array(compute(*map(value_of, args)))
    return tape.emit(Opaque(compute, args), value, np.full((1,) * value.ndim, 2, np.int8))
