"""Excel's operators on values: arithmetic, comparison, joining of texts.

In arithmetic TRUE is 1, an empty cell 0, a text that reads as a number that number, and any other text #VALUE!. A
comparison knows no coercion: every number is less than every text, every text less than FALSE, which is less than
TRUE; texts compare without regard to case; an empty cell is whatever the other side needs. Numbers that agree to 15
digits are equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import aligned, combined, each, error_of, lift, logical
from xlcollab.formula.values import BLANK, BOOL, DIV0, NUM, NUMBER, TEXT, Kinds, Scalar, Values

__all__ = ["arithmetic", "compare", "general_text", "join", "percent", "power"]


def _divide_error(_a: Any, b: Any) -> Any:
    return np.where(b == 0, np.int8(DIV0), np.int8(NUM))


def _power(a: Any, b: Any, out: Any) -> Any:
    """a^b; 0^0 and a negative base with a broken exponent are #NUM!, as in Excel."""
    np.power(a, b, out)
    if not a.all():
        out[np.broadcast_to((a == 0) & (b <= 0), out.shape)] = np.nan
    return out


def _power_slope(s: Any, _y: Any, a: Any, b: Any) -> Any:
    """B a^(b-1)."""
    s[...] = np.where(b == 0, 0.0, b * np.power(a, b - 1.0))
    return s


def _exponent_slope(s: Any, y: Any, a: Any, _b: Any) -> Any:
    """Y ln a, and 0 at a = 0."""
    s[...] = np.where(a > 0, y * np.log(np.where(a > 0, a, 1.0)), np.where(a == 0, 0.0, np.nan))
    return s


_raise = ops.curve(_power, _power_slope, _exponent_slope)


def power(a: Any, b: Any) -> Any:
    """a^b on numbers; x^1 is x and x^2 is x·x, which keeps linearity and costs less."""
    if isinstance(b, np.ndarray) and b.size == 1:
        if b.flat[0] == 1.0:
            return ops.add(a, ops.full(0.0))
        if b.flat[0] == 2.0:
            return ops.multiply(a, a)
    return _raise(a, b)


def _power_error(a: Any, b: Any) -> Any:
    return np.where((a == 0) & (b < 0), np.int8(DIV0), np.int8(NUM))


_ARITHMETIC: dict[str, tuple[Callable[..., Any], int | Callable[..., Kinds]]] = {
    "+": (ops.add, NUM),
    "-": (ops.subtract, NUM),
    "*": (ops.multiply, NUM),
    "/": (ops.divide, _divide_error),
    "^": (power, _power_error),
}


def arithmetic(operator: str, a: Values, b: Values) -> Values:
    """A + b, a - b, a * b, a / b, a ^ b."""
    operation, error = _ARITHMETIC[operator]
    return lift(operation, a, b, error=error)


_HUNDRED = ops.full(100.0)


def percent(a: Values) -> Values:
    """a%."""
    return lift(lambda x: ops.divide(x, _HUNDRED), a)


def _equal_to_15_digits(a: Any, b: Any) -> Any:
    close = np.abs(a - b) <= 4e-15 * np.abs(a)
    if not (close & (a != b)).any():
        return a == b
    same = np.array(a == b)
    for at in np.argwhere(close & ~same):
        i = tuple(at)
        same[i] = f"{a[i]:.14e}" == f"{b[i]:.14e}"
    return same


def _order(a: Any, b: Any) -> Any:
    """-1, 0, 1 as a < b, a = b, a > b; NaN where one of them is an error."""
    a, b = np.broadcast_arrays(a, b)
    sign = np.where(_equal_to_15_digits(a, b), 0.0, np.where(a < b, -1.0, 1.0))
    return np.where(np.isnan(a) | np.isnan(b), np.nan, sign)


_RESULT: dict[str, Callable[[Any], Any]] = {
    "=": lambda s: s == 0,
    "<>": lambda s: s != 0,
    "<": lambda s: s < 0,
    ">": lambda s: s > 0,
    "<=": lambda s: s <= 0,
    ">=": lambda s: s >= 0,
}


def compare(operator: str, a: Values, b: Values) -> Values:
    """A = b, a <> b, a < b, a > b, a <= b, a >= b: TRUE or FALSE."""
    a, b = aligned((a, b))
    result = _RESULT[operator]

    def truth(sign: Any) -> Any:
        return np.where(np.isnan(sign), np.nan, result(sign))

    if _plain(a) and _plain(b):
        return logical(ops.opaque(lambda x, y: truth(_order(x, y)), a.num, b.num))
    if a.known and b.known:
        errors = combined((error_of(a), error_of(b)))
        return logical(truth(_order_of_kinds(a, b)), errors)
    parts = [part for v in (a, b) for part in (v.num, v.kinds_or_slot, v.text_or_blank)]

    def replay(*arrays: Any) -> Any:
        x, y = Values(*arrays[:3]), Values(*arrays[3:])
        return truth(_order_of_kinds(x, y))

    return logical(ops.opaque(replay, *parts))


def _plain(values: Values) -> bool:
    """Whether all elements are numbers, or empty cells that count as 0 beside a number."""
    if values.kind is None:
        return True
    return isinstance(values.kind, np.ndarray) and not values.kind.any()


def _order_of_kinds(a: Values, b: Values) -> NDArray[np.float64]:
    """`_order` where there are texts, truth values or empty cells."""
    shape = np.broadcast_shapes(a.shape, b.shape)
    kinds = [np.broadcast_to(v.kinds, shape) for v in (a, b)]
    ranks = [_rank(mine, other) for mine, other in (kinds, kinds[::-1])]
    numbers = [np.where(k == TEXT, 0.0, np.broadcast_to(v.numbers, shape)) for k, v in zip(kinds, (a, b), strict=True)]
    sign = np.where(ranks[0] == ranks[1], _order(*numbers), np.sign(ranks[0] - ranks[1]))
    both_text = (ranks[0] == 1) & (ranks[1] == 1)
    if both_text.any():
        texts = [
            np.where(k == TEXT, np.broadcast_to(v.texts, shape), "")[both_text]
            for k, v in zip(kinds, (a, b), strict=True)
        ]
        sign[both_text] = [_order_of_texts(x, y) for x, y in zip(*texts, strict=True)]
    failed = (kinds[0] < 0) | (kinds[1] < 0)
    return np.where(failed, np.nan, sign)


def _rank(mine: NDArray[np.int8], other: NDArray[np.int8]) -> NDArray[np.int8]:
    """0 number, 1 text, 2 truth value; an empty cell takes the other side's."""
    mine = np.where(mine == BLANK, np.where(other == BLANK, np.int8(NUMBER), other), mine)
    return np.where(mine == TEXT, np.int8(1), np.where(mine == BOOL, np.int8(2), np.int8(0)))


def _order_of_texts(a: str, b: str) -> int:
    x, y = a.casefold(), b.casefold()
    return (x > y) - (x < y)


def join(a: Values, b: Values) -> Values:
    """A & b."""
    return each(lambda x, y: general_text(x) + general_text(y), a, b)


def general_text(value: Scalar) -> str:
    """A value as text, in the General format: at most 15 digits, 1E+20 for what is long, TRUE, '' for an empty cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    mantissa, _, exponent = f"{value:.14e}".partition("e")
    power_of_ten = int(exponent)
    if -10 < power_of_ten < 15:
        text = f"{value:.{max(0, 14 - power_of_ten)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
        if power_of_ten >= -5 or len(text.lstrip("-")) <= 12:
            return text
    return f"{mantissa.rstrip('0').rstrip('.')}E{'-' if power_of_ten < 0 else '+'}{abs(power_of_ten):02d}"
