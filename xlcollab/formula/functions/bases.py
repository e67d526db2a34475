"""Numbers written in other bases and in Roman numerals, and their bits."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from xlcollab.formula.functions.declare import ExcelError, Table, each, number
from xlcollab.formula.functions.operators import general_text
from xlcollab.formula.values import NUM, VALUE, Scalar, Values

TABLE = Table()

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_PLACES = 10  # two's complement of ten digits
_ROMAN = (
    (1000, "M"),
    (900, "CM"),
    (500, "D"),
    (400, "CD"),
    (100, "C"),
    (90, "XC"),
    (50, "L"),
    (40, "XL"),
    (10, "X"),
    (9, "IX"),
    (5, "V"),
    (4, "IV"),
    (1, "I"),
)
_MOST_BITS = 1 << 48


def _of_each(names: str, params: str, f: Callable[..., Scalar]) -> None:
    @TABLE.add(names, params, stepwise=True)
    def call(*args: Values) -> Values:
        return each(f, *args)


def spelled(value: int, base: int) -> str:
    """A whole number from 0 in another base."""
    digits = ""
    while value:
        value, digit = divmod(value, base)
        digits = _DIGITS[digit] + digits
    return digits or "0"


def _base(value: Scalar, base: Scalar, least: Scalar = 0.0) -> str:
    n, b, width = int(number(value)), int(number(base)), int(number(least))
    if n < 0 or not 2 <= b <= 36 or not 0 <= width <= 255:
        raise ExcelError(NUM)
    return spelled(n, b).rjust(width, "0")


def _decimal(text: Scalar, base: Scalar) -> float:
    digits, b = general_text(text).strip(), int(number(base))
    if not 2 <= b <= 36 or not digits.isalnum() or not digits.isascii():
        raise ExcelError(NUM)
    try:
        return float(int(digits, b))
    except ValueError:
        raise ExcelError(NUM) from None


def _into(base: int) -> Callable[..., str]:
    """From ten: a negative number has ten digits, whatever ``places`` says."""
    half = base**_PLACES // 2

    def call(value: Scalar, places: Scalar = None) -> str:
        width = 1 if places is None else int(number(places))
        if not 1 <= width <= _PLACES:
            raise ExcelError(NUM)
        n = int(number(value))
        if not -half <= n < half:
            raise ExcelError(NUM)
        text = spelled(n % (2 * half), base)
        if n >= 0 and places is not None and width < len(text):
            raise ExcelError(NUM)
        return text.rjust(width, "0")

    return call


def _out_of(base: int) -> Callable[[Scalar], float]:
    whole = float(base**_PLACES)

    def call(text: Scalar) -> float:
        digits = general_text(text).strip() or "0"
        if len(digits) > _PLACES:
            raise ExcelError(NUM)
        value = _decimal(digits, base)
        return value - whole if value >= whole / 2 else value

    return call


def _between(source: int, target: int) -> Callable[..., str]:
    return lambda text, places=None: _into(target)(_out_of(source)(text), places)


_BASES = {"BIN": 2, "OCT": 8, "HEX": 16}
for _name, _size in _BASES.items():
    _of_each(f"DEC2{_name}", "VV?", _into(_size))
    _of_each(f"{_name}2DEC", "V", _out_of(_size))
    for _other in _BASES.keys() - {_name}:
        _of_each(f"{_name}2{_other}", "VV?", _between(_size, _BASES[_other]))
_of_each("BASE", "VVV?", _base)
_of_each("DECIMAL", "VV", _decimal)


def _roman(value: Scalar, form: Scalar = 0.0) -> str:
    n = int(number(value))
    if not 0 <= n <= 3999 or int(number(form)) != 0:
        raise ExcelError(VALUE)
    text = ""
    for worth, sign in _ROMAN:
        text += sign * (n // worth)
        n %= worth
    return text


def _arabic(text: Scalar) -> float:
    match = re.fullmatch(r"\s*(-?)([MDCLXVI]*)\s*", general_text(text), re.IGNORECASE)
    if match is None:
        raise ExcelError(VALUE)
    worth = {sign: value for value, sign in _ROMAN if len(sign) == 1}
    values = [worth[sign] for sign in match[2].upper()]
    following = [*values[1:], 0]
    total = sum(-v if v < after else v for v, after in zip(values, following, strict=True))
    return float(-total if match[1] else total)


_of_each("ROMAN", "VV?", _roman)
_of_each("ARABIC", "V", _arabic)


def _bits(operation: Callable[[int, int], int]) -> Callable[[Scalar, Scalar], float]:
    def call(a: Scalar, b: Scalar) -> float:
        x, y = number(a), number(b)
        if x != int(x) or y != int(y) or not (0 <= x < _MOST_BITS and 0 <= y < _MOST_BITS):
            raise ExcelError(NUM)
        return float(operation(int(x), int(y)))

    return call


_of_each("BITAND", "VV", _bits(operator.and_))
_of_each("BITOR", "VV", _bits(operator.or_))
_of_each("BITXOR", "VV", _bits(operator.xor))
