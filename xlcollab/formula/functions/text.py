"""Functions of texts. They count positions from 1; SEARCH knows wildcards and no case, FIND neither."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from xlcollab.formula.functions.criteria import wildcard
from xlcollab.formula.functions.declare import ExcelError, Table, each, number
from xlcollab.formula.functions.number_format import formatted
from xlcollab.formula.functions.operators import general_text
from xlcollab.formula.values import VALUE, Scalar, Values, decode, encode
from xlcollab.xlsx.cells import ErrorValue

TABLE = Table()

_LONGEST = 32_767


def _of_each(names: str, params: str, f: Callable[..., Scalar]) -> None:
    @TABLE.add(names, params, stepwise=True)
    def call(*args: Values) -> Values:
        return each(f, *args)


def _count(value: Scalar, least: int = 0) -> int:
    whole = int(number(value))
    if whole < least:
        raise ExcelError(VALUE)
    return whole


def _left(text: Scalar, count: Scalar = 1.0) -> str:
    return general_text(text)[: _count(count)]


def _right(text: Scalar, count: Scalar = 1.0) -> str:
    whole, n = general_text(text), _count(count)
    return whole[-n:] if n else ""


def _mid(text: Scalar, start: Scalar, count: Scalar) -> str:
    first = _count(start, 1) - 1
    return general_text(text)[first : first + _count(count)]


def _substitute(text: Scalar, old: Scalar, new: Scalar, which: Scalar = None) -> str:
    whole, old_text, new_text = general_text(text), general_text(old), general_text(new)
    if not old_text:
        return whole
    if which is None:
        return whole.replace(old_text, new_text)
    parts = whole.split(old_text)
    n = _count(which, 1)
    if n >= len(parts):
        return whole
    return old_text.join(parts[:n]) + new_text + old_text.join(parts[n:])


def _replace(text: Scalar, start: Scalar, count: Scalar, new: Scalar) -> str:
    whole, first = general_text(text), _count(start, 1) - 1
    return whole[:first] + general_text(new) + whole[first + _count(count) :]


def _find(wanted: Scalar, within: Scalar, start: Scalar = 1.0) -> float:
    at = general_text(within).find(general_text(wanted), _count(start, 1) - 1)
    if at < 0:
        raise ExcelError(VALUE)
    return at + 1.0


def _search(wanted: Scalar, within: Scalar, start: Scalar = 1.0) -> float:
    text, whole, first = general_text(wanted), general_text(within), _count(start, 1) - 1
    pattern = wildcard(text) or re.compile(re.escape(text), re.IGNORECASE)
    found = pattern.search(whole, first)
    if found is None or first > len(whole):
        raise ExcelError(VALUE)
    return found.start() + 1.0


def _repeat(text: Scalar, count: Scalar) -> str:
    whole, n = general_text(text), _count(count)
    if len(whole) * n > _LONGEST:
        raise ExcelError(VALUE)
    return whole * n


def _proper(text: Scalar) -> str:
    return re.sub(r"[^\W\d_]+", lambda word: word[0][0].upper() + word[0][1:].lower(), general_text(text))


def _char(code: Scalar) -> str:
    n = _count(code, 1)
    if n > 255:
        raise ExcelError(VALUE)
    return bytes([n]).decode("cp1252", "replace")


def _code(text: Scalar) -> float:
    whole = general_text(text)
    if not whole:
        raise ExcelError(VALUE)
    return float(whole[0].encode("cp1252", "replace")[0])


def _unicode(text: Scalar) -> float:
    whole = general_text(text)
    if not whole:
        raise ExcelError(VALUE)
    return float(ord(whole[0]))


def _value(text: Scalar) -> float:
    if isinstance(text, bool):
        raise ExcelError(VALUE)
    return number(text)


def _numbervalue(text: Scalar, decimal: Scalar = ".", group: Scalar = ",") -> float:
    plain = general_text(text).replace(" ", "").replace(general_text(group), "").replace(general_text(decimal), ".")
    percents = len(plain) - len(plain.rstrip("%"))
    plain = plain.rstrip("%")
    try:
        return (float(plain) if plain else 0.0) / 100.0**percents
    except ValueError:
        raise ExcelError(VALUE) from None


def _fixed(value: Scalar, digits: Scalar = 2.0, no_commas: Scalar = False) -> str:
    places = int(number(digits))
    scale = 10.0 ** abs(places)
    x = number(value)
    if places < 0:
        x = round(x / scale) * scale
    return f"{x:.{max(places, 0)}f}" if no_commas else f"{x:,.{max(places, 0)}f}"


def _clean(text: Scalar) -> str:
    return "".join(sign for sign in general_text(text) if ord(sign) >= 32)


def _dollar(value: Scalar, digits: Scalar = 2.0) -> str:
    text = _fixed(value, digits)
    return f"(${text[1:]})" if text.startswith("-") else f"${text}"


_of_each("LEFT", "VV?", _left)
_of_each("RIGHT", "VV?", _right)
_of_each("MID", "VVV", _mid)
_of_each("LEN", "V", lambda text: float(len(general_text(text))))
_of_each("TRIM", "V", lambda text: re.sub(" +", " ", general_text(text).strip(" ")))
_of_each("UPPER", "V", lambda text: general_text(text).upper())
_of_each("LOWER", "V", lambda text: general_text(text).lower())
_of_each("PROPER", "V", _proper)
_of_each("EXACT", "VV", lambda a, b: general_text(a) == general_text(b))
_of_each("FIND", "VVV?", _find)
_of_each("SEARCH", "VVV?", _search)
_of_each("SUBSTITUTE", "VVVV?", _substitute)
_of_each("REPLACE", "VVVV", _replace)
_of_each("REPT", "VV", _repeat)
_of_each("CHAR", "V", _char)
_of_each("CODE", "V", _code)
_of_each("UNICHAR", "V", lambda code: chr(_count(code, 1)))
_of_each("UNICODE", "V", _unicode)
_of_each("CLEAN", "V", _clean)
_of_each("TEXT", "VV", lambda value, code: formatted(value, general_text(code)))
_of_each("FIXED", "VV?V?", _fixed)
_of_each("DOLLAR", "VV?", _dollar)
_of_each("CONCATENATE", "V*", lambda *parts: "".join(map(general_text, parts)))
# These two give numbers that change as their argument does, so that they are not constant between jumps.
TABLE.add("VALUE", "V")(lambda text: each(_value, text))
TABLE.add("NUMBERVALUE", "VV?V?")(lambda *args: each(_numbervalue, *args))


def _joined(args: tuple[Values, ...], between: str, skip: bool) -> Values:
    """All elements of all arguments, one text for each cell of the block."""
    rows: list[Any] = []
    batch = np.broadcast_shapes(*(a.shape[:2] for a in args))
    for arg in args:
        flat = decode(arg).reshape(*arg.shape[:2], -1)
        rows.append(np.broadcast_to(flat, (*batch, flat.shape[2])))
    found = []
    for i, j in np.ndindex(*batch):
        items: list[Scalar] = [item for row in rows for item in row[i, j].tolist()]
        error = next((item for item in items if isinstance(item, ErrorValue)), None)
        texts = [general_text(item) for item in items]
        joined = between.join(text for text in texts if text or not skip)
        found.append([error if error is not None else joined])
    return encode(found).map(lambda part: part.reshape(*batch, 1, 1))


@TABLE.add("CONCAT", "R*", stepwise=True)
def concat(*args: Values) -> Values:
    """All texts, one behind the other."""
    return _joined(args, "", False)


@TABLE.add("TEXTJOIN", "VVR*", stepwise=True)
def textjoin(between: Values, skip: Values, *args: Values) -> Values:
    """All texts with a delimiter between them, empty ones passed over if asked for."""
    return _joined(args, general_text(decode(between).flat[0]), bool(skip.numbers.flat[0]))
