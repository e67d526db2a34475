"""Depreciation and the interest of level principal: SLN, SYD, DB, DDB, VDB, ISPMT."""

from __future__ import annotations

import math
from typing import Any

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import ExcelError, Table, each, lift, number
from xlcollab.formula.values import DIV0, NUM, Scalar, Values

TABLE = Table()

_ONE = ops.full(1.0)


@TABLE.add("SLN", "VVV")
def sln(cost: Values, salvage: Values, life: Values) -> Values:
    """(cost - salvage) / life."""
    return lift(lambda c, s, n: ops.divide(ops.subtract(c, s), n), cost, salvage, life, error=DIV0)


def _syd(cost: Any, salvage: Any, life: Any, period: Any) -> Any:
    left = ops.add(ops.subtract(life, period), _ONE)
    digits = ops.multiply(ops.multiply(life, ops.add(life, _ONE)), ops.full(0.5))
    return ops.divide(ops.multiply(ops.subtract(cost, salvage), left), digits)


@TABLE.add("SYD", "VVVV")
def syd(*args: Values) -> Values:
    """(cost - salvage) (life - period + 1) / (1 + 2 + … + life)."""
    return lift(_syd, *args)


@TABLE.add("ISPMT", "VVVV")
def ispmt(rate: Values, period: Values, periods: Values, present: Values) -> Values:
    """Present · rate · (period/periods - 1)."""

    def compute(r: Any, at: Any, n: Any, pv: Any) -> Any:
        return ops.multiply(ops.multiply(pv, r), ops.subtract(ops.divide(at, n), _ONE))

    return lift(compute, rate, period, periods, present, error=DIV0)


def _checked(cost: Scalar, salvage: Scalar, life: Scalar, period: Scalar) -> tuple[float, float, float, int]:
    c, s, n, at = map(number, (cost, salvage, life, period))
    if c < 0 or s < 0 or n <= 0 or at < 1:
        raise ExcelError(NUM)
    return c, s, n, int(at)


def _db(cost: Scalar, salvage: Scalar, life: Scalar, period: Scalar, month: Scalar = 12.0) -> float:
    """The rate is rounded to three decimals. Source: Microsoft, "DB function"."""
    c, s, n, at = _checked(cost, salvage, life, period)
    months = int(number(month))
    if not 1 <= months <= 12 or at > n + (months < 12):
        raise ExcelError(NUM)
    if c == 0:
        return 0.0
    rate = round(1 - math.pow(s / c, 1 / n), 3)
    lost = part = c * rate * months / 12
    for year in range(2, at + 1):
        part = (c - lost) * rate * ((12 - months) / 12 if year > n else 1.0)
        lost += part
    return part


@TABLE.add("DB", "VVVVV?")
def db(*args: Values) -> Values:
    """Declining balance at a fixed rate."""
    return each(_db, *args)


def _ddb(cost: Scalar, salvage: Scalar, life: Scalar, period: Scalar, factor: Scalar = 2.0) -> float:
    c, s, n, at = _checked(cost, salvage, life, period)
    if at > n or number(factor) <= 0:
        raise ExcelError(NUM)
    lost = part = 0.0
    for _ in range(at):
        part = max(0.0, min((c - lost) * min(1.0, number(factor) / n), c - s - lost))
        lost += part
    return part


@TABLE.add("DDB", "VVVVV?")
def ddb(*args: Values) -> Values:
    """Declining balance at twice (or ``factor`` times) the straight-line rate, never below the salvage value."""
    return each(_ddb, *args)


def _vdb(
    cost: Scalar,
    salvage: Scalar,
    life: Scalar,
    start: Scalar,
    end: Scalar,
    factor: Scalar = 2.0,
    no_switch: Scalar = False,
) -> float:
    c, s, n, _ = _checked(cost, salvage, life, 1.0)
    first, last, rate = number(start), number(end), number(factor) / n
    if not 0 <= first <= last <= n or rate < 0:
        raise ExcelError(NUM)
    level, value, total = 0.0, c, 0.0
    begins = 0.0
    while begins < last:
        # Periods are counted from a broken start, with a broken one before it. Measured on a workbook saved by Excel.
        ends = begins + (first % 1.0 if begins == 0.0 and first % 1.0 else 1.0)
        part = max(0.0, min(value * min(1.0, rate), value - s))
        if not level and not number(no_switch) and (value - s) / (n - begins) > part:
            level = (value - s) / (n - begins)
        part = level or part
        value -= part * (ends - begins)
        total += part * max(0.0, min(last, ends) - max(first, begins))
        begins = ends
    return total


@TABLE.add("VDB", "VVVVVV?V?")
def vdb(*args: Values) -> Values:
    """Declining balance from one time to another, straight-line from when that is more, unless ``no_switch``."""
    return each(_vdb, *args)
