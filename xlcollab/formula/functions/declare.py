"""How an Excel function is declared, and what most of them share: coercion, errors, which cells count.

``params`` has a letter for each argument:

========= ==============================================================================================================
``V``     a value. A range is narrowed to the cell of the formula's own row or column outside of array formulas
``R``     a range, or values
``A``     an array: operators inside work on whole ranges even outside of array formulas
``X``     a reference, not read, or an array as with ``A``
``N``     a formula, not evaluated: the function decides
========= ==============================================================================================================

``?`` behind a letter makes it optional, ``*`` repeats the letter or the group in brackets: ``R*``, ``R(RV)*``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import FormulaError
from xlcollab.formula import moves, ops
from xlcollab.formula.moves import flat
from xlcollab.formula.tape import Slot
from xlcollab.formula.values import (
    BLANK,
    BOOL,
    NA,
    NUM,
    NUMBER,
    TEXT,
    VALUE,
    Kinds,
    Scalar,
    Values,
    decode,
    encode_one,
    error_text,
    number_from_text,
)
from xlcollab.xlsx.cells import ErrorValue

__all__ = [
    "Function",
    "Table",
    "aligned",
    "carried_errors",
    "combined",
    "counted",
    "each",
    "error_of",
    "finish",
    "joined",
    "known",
    "lift",
    "logical",
]


@dataclass(frozen=True, slots=True)
class Function:
    """One Excel function. ``stepwise``: its derivative is zero wherever there is one, so that it need not be traced."""

    name: str
    call: Callable[..., Any]
    params: tuple[str, ...]
    repeated: str
    least: int
    contextual: bool = False
    stepwise: bool = False

    def letters(self, count: int) -> str:
        """The letter of each of ``count`` arguments; raises ValueError where the function takes no such number."""
        letters = "".join(self.params)
        if count < self.least or (count > len(letters) and not self.repeated):
            raise ValueError
        while len(letters) < count:
            letters += self.repeated
        return letters[:count]


class Table(dict[str, Function]):
    """The functions of one module, by name."""

    def add(
        self, names: str, params: str, *, contextual: bool = False, stepwise: bool = False
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Declare the decorated function under its Excel names (older ones after a blank).

        With ``contextual`` it gets the evaluator as its first argument.
        """
        match = re.fullmatch(r"((?:[A-Z]\??)*?)(?:\(([A-Z]+)\)\*|([A-Z])\*)?", params)
        assert match is not None
        single = re.findall(r"[A-Z]\??", match[1])
        repeated = match[2] or match[3] or ""
        letters = tuple(item[0] for item in single) + (tuple(repeated) if repeated else ())
        least = sum(1 for item in single if not item.endswith("?")) + len(repeated)

        def declare(call: Callable[..., Any]) -> Callable[..., Any]:
            for name in names.split():
                self[name] = Function(name, call, letters, repeated, least, contextual, stepwise)
            return call

        return declare


def known(part: Any) -> bool:
    """Whether a part of `Values` is there and does not depend on the changing cells."""
    return isinstance(part, np.ndarray)


def combined(errors: Iterable[Kinds | None]) -> Kinds | None:
    """The first error of each element, 0 where there is none; None where there is none at all."""
    found: Kinds | None = None
    for one in errors:
        if one is not None:
            found = one if found is None else np.where(found != 0, found, one)
    return found


def carried_errors(values: Values) -> Kinds | None:
    """What stops arithmetic: errors, and #VALUE! for texts that are no numbers.

    None too where the value depends on the changing cells: there NaN alone says so.
    """
    if not known(values.num) or values.kind is None:
        return None
    kinds = values.kinds
    text = (kinds == TEXT) & np.isnan(values.num)  # type: ignore[arg-type]
    stopped = np.where(kinds < 0, kinds, np.where(text, np.int8(VALUE), np.int8(0)))
    return stopped if stopped.any() else None


def error_of(values: Values) -> Kinds | None:
    """The error values among known values, 0 elsewhere."""
    if values.kind is None or not known(values.kind):
        return None
    kinds = np.minimum(values.kind, np.int8(0))  # type: ignore[arg-type]
    return kinds if kinds.any() else None


def finish(num: Any, errors: Kinds | None = None, otherwise: int | Kinds = NUM) -> Values:
    """Numbers and the errors carried over → values; what is not finite is an error, ``otherwise``."""
    if isinstance(num, Slot):
        if errors is not None:
            num = ops.select(errors != 0, ops.full(np.nan), num)
        return Values(num)
    if errors is None and np.isfinite(num).all():
        return Values(num)
    shape = np.broadcast_shapes(num.shape, np.shape(errors) if errors is not None else ())
    num = np.broadcast_to(num, shape)
    kind = np.zeros(shape, np.int8) if errors is None else np.broadcast_to(errors, shape).astype(np.int8)
    kind = np.where((kind == 0) & ~np.isfinite(num), np.int8(otherwise), kind)
    return Values(np.where(kind != 0, np.nan, num), kind if kind.any() else None)


def aligned(args: tuple[Values, ...]) -> tuple[Values, ...]:
    """Arrays of different size meet as Excel lets them: single rows and columns repeat, what is missing is #N/A."""
    inner = [a.shape[2:] for a in args]
    try:
        np.broadcast_shapes(*inner)
    except ValueError:
        height, width = max(h for h, _ in inner), max(w for _, w in inner)
        return tuple(_padded(a, height, width) for a in args)
    return args


def _padded(values: Values, height: int, width: int) -> Values:
    h, w = values.shape[2:]
    height, width = (1 if h == 1 else height), (1 if w == 1 else width)
    if (h, w) == (height, width):
        return values
    at = np.full((1, 1, height, width), -1)
    at[0, 0, :h, :w] = np.arange(h * w).reshape(h, w)
    inside = at >= 0
    num = moves.take(values.num, at)
    kind = np.where(inside, moves.take(values.kinds.astype(float), at), NA).astype(np.int8)
    text = None if values.text is None else np.where(inside, values.text[:, :, :1, :1], "")  # type: ignore[index]
    return Values(num, kind, text)


def lift(operation: Callable[..., Any], *args: Values, error: int | Callable[..., Kinds] = NUM) -> Values:
    """An arithmetic operation on values: coerces, carries errors from left to right, names what is not finite."""
    args = aligned(args)
    num = operation(*(a.num for a in args))
    errors = combined(map(carried_errors, args))
    if errors is None and (isinstance(num, Slot) or np.isfinite(num).all()):
        return Values(num)
    otherwise = error if isinstance(error, int) else error(*(ops.value_of(a.num) for a in args))
    return finish(num, errors, otherwise)


def logical(num: Any, errors: Kinds | None = None) -> Values:
    """0 and 1 → FALSE and TRUE."""
    if isinstance(num, Slot):
        return Values(num, np.full((1, 1, 1, 1), BOOL, np.int8))
    shape = np.broadcast_shapes(num.shape, np.shape(errors) if errors is not None else ())
    kind = np.full(shape, BOOL, np.int8) if errors is None else np.where(errors != 0, errors, np.int8(BOOL))
    return Values(np.where(kind < 0, np.nan, np.broadcast_to(num, shape)), kind)


def joined(parts: Sequence[Values], axis: int) -> Values:
    """Values one after the other along an axis; along the others they broadcast."""
    num = moves.concatenate([part.num for part in parts], axis)
    if all(part.kind is None for part in parts):
        return Values(num)

    def join(*arrays: NDArray[Any]) -> NDArray[Any]:
        shapes = [part.shape for part in parts]
        batch = np.broadcast_shapes(*((*shape[:axis], 1, *shape[axis + 1 :]) for shape in shapes))
        wanted = [[n if i == axis else batch[i] for i, n in enumerate(shape)] for shape in shapes]
        return np.concatenate([np.broadcast_to(a, shape) for a, shape in zip(arrays, wanted, strict=True)], axis)

    kind = ops.opaque(join, *(part.kinds_or_slot for part in parts))
    if all(part.text is None for part in parts):
        return Values(num, kind)
    return Values(num, kind, ops.opaque(join, *(part.text_or_blank for part in parts)))


@dataclass(slots=True)
class Counted:
    """What an aggregate counts: numbers, which of them count (None: all), and the error that stops it for each cell."""

    num: Any
    mask: Any
    errors: Kinds | None

    @property
    def count(self) -> Any:
        """How many count, (R, C, 1, 1)."""
        if self.mask is None:
            return np.full((1, 1, 1, 1), float(self.num.shape[2] * self.num.shape[3]))
        if isinstance(self.mask, Slot):
            return ops.total(moves.broadcast(self.mask, self.num.shape))
        return np.broadcast_to(self.mask, self.num.shape).sum((2, 3), keepdims=True).astype(float)


def counted(values: Values, coerce_scalars: bool = True) -> Counted:
    """Which elements SUM and its like count: in ranges and arrays the numbers, and a single value for what it is worth.

    Source: Microsoft, "SUM function": text and logical values in references are ignored.
    """
    if values.kind is None:
        return Counted(values.num, None, None)
    if coerce_scalars and not values.from_range and values.shape[2:] == (1, 1):
        return Counted(values.num, None, carried_errors(values))
    if not known(values.kind):
        return Counted(values.num, ops.opaque(lambda kind: (kind == NUMBER).astype(float), values.kind), None)
    kinds = values.kinds
    mask = kinds == NUMBER
    errors = None
    if (kinds < 0).any():
        errors = first_error(kinds)
    return Counted(values.num, None if mask.all() else mask, errors)


def first_error(kinds: Kinds) -> Kinds:
    """For each cell the first error of the range that it sees, 0 where there is none: (R, C, 1, 1)."""
    row = kinds.reshape(*kinds.shape[:2], -1)
    first = (row < 0).argmax(-1)
    return np.minimum(np.take_along_axis(row, first[..., None], -1), np.int8(0))[..., None]


def gathered(args: Iterable[Values]) -> Counted:
    """All counted elements of several arguments in one row: (R, C, 1, n)."""
    parts = [counted(a) for a in args]
    errors = combined(p.errors for p in parts)
    if len(parts) == 1:
        return Counted(parts[0].num, parts[0].mask, errors)
    num = moves.concatenate([flat(p.num) for p in parts], 3)
    if all(p.mask is None for p in parts):
        return Counted(num, None, errors)
    masks = [
        flat(
            np.ones(p.num.shape)
            if p.mask is None
            else moves.broadcast(p.mask, p.num.shape) + 0.0
            if known(p.mask)
            else p.mask
        )
        for p in parts
    ]
    mask = moves.concatenate(masks, 3)
    return Counted(num, mask != 0 if known(mask) else mask, errors)


class Refusal(FormulaError):  # noqa: N818 — "SUBTOTAL counts rows …": the function's name comes in front
    """What a function cannot do; the message begins with its verb."""


def omitted(value: Values | None) -> bool:
    """Whether an argument was not given, or left empty between commas; an empty cell is one that was given."""
    return value is None or (
        value.shape == (1, 1, 1, 1) and not value.from_range and value.known and int(value.kinds.flat[0]) == BLANK
    )


class ExcelError(Exception):
    """Raised by functions of single values (`each`); ``kind`` is the error that the cell shows."""

    def __init__(self, kind: int) -> None:
        super().__init__(kind)
        self.kind = kind


def each(f: Callable[..., Scalar], *args: Values, errors: bool = True) -> Values:
    """``f`` of each element's Python values; arguments broadcast.

    Errors in arguments are carried unless ``errors`` is off: then ``f`` gets them.
    """
    if not all(a.known for a in args):
        raise Refusal("has no derivative here, and one of its arguments depends on the changing cells")
    args = aligned(args)
    shape = np.broadcast_shapes(*(a.shape for a in args))
    columns = [np.broadcast_to(decode(a), shape).ravel().tolist() for a in args]
    num, kind = np.empty(int(np.prod(shape))), np.zeros(int(np.prod(shape)), np.int8)
    text: Any = None
    for i, items in enumerate(zip(*columns, strict=True)):
        result: Scalar
        stopped = next((item for item in items if isinstance(item, ErrorValue)), None) if errors else None
        try:
            result = f(*items) if stopped is None else stopped
        except ExcelError as error:
            result = error_text(error.kind)
        num[i], kind[i] = encode_one(result)
        if kind[i] == TEXT:
            if text is None:
                text = np.full(len(num), "", dtype=object)
            text[i] = result
    shaped = [None if part is None else part.reshape(shape) for part in (num, kind, text)]
    return Values(shaped[0], shaped[1] if kind.any() else None, shaped[2])  # type: ignore[arg-type]


def number(value: Scalar) -> float:
    """A single argument as a number, as arithmetic would take it."""
    if value is None:
        return 0.0
    if isinstance(value, str):
        found = number_from_text(value)
        if np.isnan(found):
            raise ExcelError(VALUE)
        return found
    return float(value)
