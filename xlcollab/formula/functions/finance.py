"""Money and time: loans and annuities.

Payments at the end of each period (type 0) or at its beginning (1). Source: Microsoft, "PV function":
pv (1+r)^n + pmt (1 + r type) ((1+r)^n - 1)/r + fv = 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import (
    ExcelError,
    Table,
    each,
    known,
    lift,
    number,
)
from xlcollab.formula.functions.elementary import log
from xlcollab.formula.functions.operators import power
from xlcollab.formula.values import NUM, Scalar, Values, constant

TABLE = Table()

Floats = NDArray[np.float64]
_ONE = ops.full(1.0)


def growth(rate: Any, periods: Any) -> Any:
    """(1 + r)^n."""
    return power(ops.add(_ONE, rate), periods)


def _is_zero(rate: Any) -> Any:
    found = ops.opaque(lambda r: (r == 0).astype(float), rate)
    return found != 0 if known(found) else found


def _annuity(rate: Any, periods: Any, when: Any) -> Any:
    """(1 + r type) ((1+r)^n - 1)/r, which tends to n for r = 0."""
    zero = _is_zero(rate)
    safe = ops.select(zero, _ONE, rate)
    factor = ops.divide(ops.subtract(growth(rate, periods), _ONE), safe)
    return ops.select(zero, periods, ops.multiply(ops.add(_ONE, ops.multiply(rate, when)), factor))


def _with_defaults(call: Callable[..., Any], args: tuple[Values, ...], count: int, error: int = NUM) -> Values:
    """Missing arguments at the end are 0."""
    full = (*args, *(constant(0.0) for _ in range(count - len(args))))
    return lift(call, *full, error=error)


def _pv(rate: Any, periods: Any, payment: Any, future: Any, when: Any) -> Any:
    paid = ops.multiply(payment, _annuity(rate, periods, when))
    return ops.negative(ops.divide(ops.add(paid, future), growth(rate, periods)))


def fv_of(rate: Any, periods: Any, payment: Any, present: Any, when: Any) -> Any:
    """The future value: -(pv (1+r)^n + payment · annuity)."""
    paid = ops.multiply(payment, _annuity(rate, periods, when))
    return ops.negative(ops.add(ops.multiply(present, growth(rate, periods)), paid))


def _pmt(rate: Any, periods: Any, present: Any, future: Any, when: Any) -> Any:
    owed = ops.add(ops.multiply(present, growth(rate, periods)), future)
    return ops.negative(ops.divide(owed, _annuity(rate, periods, when)))


def _nper(rate: Any, payment: Any, present: Any, future: Any, when: Any) -> Any:
    zero = _is_zero(rate)
    safe = ops.select(zero, _ONE, rate)
    per_rate = ops.divide(ops.multiply(payment, ops.add(_ONE, ops.multiply(rate, when))), safe)
    ratio = ops.divide(ops.subtract(per_rate, future), ops.add(per_rate, present))
    periods = ops.divide(log(ratio), log(ops.add(_ONE, safe)))
    level = ops.negative(ops.divide(ops.add(present, future), payment))
    return ops.select(zero, level, periods)


def _ipmt(rate: Any, period: Any, periods: Any, present: Any, future: Any, when: Any) -> Any:
    """Interest in one period.

    On what is owed when it begins, and none at the start of the first with payments ahead.
    """
    payment = _pmt(rate, periods, present, future, when)
    before = ops.subtract(period, _ONE)
    owed = fv_of(rate, before, payment, present, when)
    interest = ops.divide(ops.multiply(owed, rate), ops.add(_ONE, ops.multiply(rate, when)))
    ahead = ops.opaque(lambda p, w: ((p == 1) & (w != 0)).astype(float), period, when)
    return ops.select(ahead != 0 if known(ahead) else ahead, ops.full(0.0), interest)


@TABLE.add("PV", "VVVV?V?")
def pv(*args: Values) -> Values:
    """PV(rate, periods, payment, future, type)."""
    return _with_defaults(_pv, args, 5)


@TABLE.add("FV", "VVVV?V?")
def fv(*args: Values) -> Values:
    """FV(rate, periods, payment, present, type)."""
    return _with_defaults(fv_of, args, 5)


@TABLE.add("PMT", "VVVV?V?")
def pmt(*args: Values) -> Values:
    """PMT(rate, periods, present, future, type)."""
    return _with_defaults(_pmt, args, 5)


@TABLE.add("NPER", "VVVV?V?")
def nper(*args: Values) -> Values:
    """NPER(rate, payment, present, future, type)."""
    return _with_defaults(_nper, args, 5)


@TABLE.add("IPMT", "VVVVV?V?")
def ipmt(*args: Values) -> Values:
    """IPMT(rate, period, periods, present, future, type)."""
    return _with_defaults(_ipmt, args, 6)


@TABLE.add("PPMT", "VVVVV?V?")
def ppmt(*args: Values) -> Values:
    """PPMT(rate, period, periods, present, future, type): the payment less its interest."""

    def compute(rate: Any, period: Any, periods: Any, present: Any, future: Any, when: Any) -> Any:
        payment = _pmt(rate, periods, present, future, when)
        return ops.subtract(payment, _ipmt(rate, period, periods, present, future, when))

    return _with_defaults(compute, args, 6)


@TABLE.add("EFFECT", "VV")
def effect(nominal: Values, periods: Values) -> Values:
    """The yearly rate with compound interest."""

    def compute(r: Any, n: Any) -> Any:
        whole = ops.opaque(np.floor, n)
        return ops.subtract(growth(ops.divide(r, whole), whole), _ONE)

    return lift(compute, nominal, periods)


@TABLE.add("NOMINAL", "VV")
def nominal_(effective: Values, periods: Values) -> Values:
    """The yearly rate without compound interest."""

    def compute(r: Any, n: Any) -> Any:
        whole = ops.opaque(np.floor, n)
        return ops.multiply(whole, ops.subtract(growth(r, ops.divide(_ONE, whole)), _ONE))

    return lift(compute, effective, periods)


def _cumulative(interest: bool) -> Callable[..., float]:
    def one(rate: Scalar, periods: Scalar, present: Scalar, start: Scalar, end: Scalar, when: Scalar) -> float:
        r, n, pv_, a, b, w = map(number, (rate, periods, present, start, end, when))
        if r <= 0 or n <= 0 or pv_ <= 0 or a < 1 or b < a or w not in (0, 1):
            raise ExcelError(NUM)
        total = 0.0
        for period in range(int(a), int(b) + 1):
            values = [ops.full(v) for v in (r, float(period), n, pv_, 0.0, w)]
            part = float(_ipmt(*values).item())
            total += part if interest else float(_pmt(*(ops.full(v) for v in (r, n, pv_, 0.0, w))).item()) - part
        return total

    return one


@TABLE.add("CUMIPMT", "VVVVVV")
def cumipmt(*args: Values) -> Values:
    """Interest paid from one period to another."""
    return each(_cumulative(True), *args)


@TABLE.add("CUMPRINC", "VVVVVV")
def cumprinc(*args: Values) -> Values:
    """Principal paid from one period to another."""
    return each(_cumulative(False), *args)
