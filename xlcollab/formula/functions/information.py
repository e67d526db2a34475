"""Asking what a value is: ISNUMBER and its family, TYPE, ERROR.TYPE, N, T, NA."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import Table, logical
from xlcollab.formula.values import BLANK, BOOL, NA, NUMBER, TEXT, Kinds, Values, constant_error

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Operand

TABLE = Table()


def _asks(name: str, holds: Callable[[Kinds], Any]) -> None:
    @TABLE.add(name, "V", stepwise=True)
    def call(value: Values) -> Values:
        return logical(holds(value.kinds).astype(float))


_asks("ISNUMBER", lambda kinds: kinds == NUMBER)
_asks("ISTEXT", lambda kinds: kinds == TEXT)
_asks("ISNONTEXT", lambda kinds: kinds != TEXT)
_asks("ISLOGICAL", lambda kinds: kinds == BOOL)
_asks("ISBLANK", lambda kinds: kinds == BLANK)
_asks("ISERROR", lambda kinds: kinds < 0)
_asks("ISERR", lambda kinds: (kinds < 0) & (kinds != NA))
_asks("ISNA", lambda kinds: kinds == NA)


def _parity(name: str, rest: int) -> None:
    @TABLE.add(name, "V", stepwise=True)
    def call(value: Values) -> Values:
        from xlcollab.formula.functions.declare import carried_errors

        return logical((np.trunc(np.abs(value.numbers)) % 2 == rest).astype(float), carried_errors(value))


_parity("ISEVEN", 0)
_parity("ISODD", 1)


@TABLE.add("ISREF", "X")
def isref(what: Operand) -> Values:
    """Whether it is a reference."""
    return logical(ops.full(float(not isinstance(what, Values))))


@TABLE.add("NA", "")
def na() -> Values:
    """#N/A."""
    return constant_error(NA)


@TABLE.add("N", "V")
def n(value: Values) -> Values:
    """Numbers and truth values as numbers, texts as 0, errors as they are."""
    if value.kind is None:
        return value
    if not isinstance(value.kind, np.ndarray):
        text = ops.opaque(lambda kinds: (kinds == TEXT).astype(float), value.kind)
        return Values(ops.select(text, ops.full(0.0), value.num))
    kinds = value.kinds
    num = ops.select(kinds == TEXT, ops.full(0.0), value.num)
    errors = np.minimum(kinds, np.int8(0))
    return Values(num, errors if errors.any() else None)


@TABLE.add("T", "V", stepwise=True)
def t(value: Values) -> Values:
    """Texts and errors as they are, all else as ''."""
    kinds = value.kinds
    kept = (kinds == TEXT) | (kinds < 0)
    empty = np.full(value.shape, "", dtype=object)
    return Values(
        np.where(kept, value.numbers, np.nan), np.where(kept, kinds, np.int8(TEXT)), np.where(kept, value.texts, empty)
    )


@TABLE.add("TYPE", "R", stepwise=True)
def type_(value: Values) -> Values:
    """1 number, 2 text, 4 truth value, 16 error, 64 array."""
    if value.shape[2:] != (1, 1):
        return Values(ops.full(64.0))
    kinds = value.kinds
    found = np.select([kinds < 0, kinds == TEXT, kinds == BOOL], [16.0, 2.0, 4.0], 1.0)
    return Values(found)


@TABLE.add("ERROR.TYPE", "V", stepwise=True)
def error_type(value: Values) -> Values:
    """1 #NULL!, 2 #DIV/0!, 3 #VALUE!, 4 #REF!, 5 #NAME?, 6 #NUM!, 7 #N/A; #N/A for what is no error."""
    kinds = value.kinds
    is_error = kinds < 0
    missing = np.where(is_error, np.int8(0), np.int8(NA))
    return Values(np.where(is_error, -kinds.astype(float), np.nan), missing if missing.any() else None)


@TABLE.add("HYPERLINK", "VV?")
def hyperlink(link: Values, name: Values | None = None) -> Values:
    """What the cell shows: the name, or the link itself."""
    return link if name is None else name
