"""Statistics of one sample: variance, means, skewness. Of ranges only numbers count, but for AVERAGEA and its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xlcollab.formula import moves, ops
from xlcollab.formula.algebra import sum_squares
from xlcollab.formula.functions.aggregate import mean
from xlcollab.formula.functions.declare import (
    Counted,
    Table,
    combined,
    finish,
    first_error,
    gathered,
    known,
    lift,
)
from xlcollab.formula.functions.elementary import absolute, exp, log, sqrt
from xlcollab.formula.values import DIV0, NUM, Values

TABLE = Table()


def _deviations(part: Counted) -> Any:
    """X minus its mean, 0 where nothing counts."""
    return ops.where_number(part.mask, ops.subtract(part.num, mean(part)))


def _variance(part: Counted, lost: float) -> Any:
    """Σ (x - x̄)² / (n - lost); NaN where n is not larger."""
    degrees_of_freedom = ops.subtract(part.count, ops.full(lost))
    squares = sum_squares(_deviations(part))
    if known(degrees_of_freedom):
        degrees_of_freedom = np.maximum(degrees_of_freedom, 0.0)
    return ops.divide(squares, degrees_of_freedom)


def _spread(names: str, lost: float, root: bool) -> None:
    @TABLE.add(names, "R*")
    def call(*args: Values) -> Values:
        part = gathered(args)
        variance = _variance(part, lost)
        return finish(sqrt(variance) if root else variance, part.errors, DIV0)


_spread("STDEV STDEV.S", 1.0, True)
_spread("STDEVP STDEV.P", 0.0, True)
_spread("VAR VAR.S", 1.0, False)
_spread("VARP VAR.P", 0.0, False)


@TABLE.add("DEVSQ", "R*")
def devsq(*args: Values) -> Values:
    """Σ (x - x̄)²."""
    part = gathered(args)
    return finish(sum_squares(_deviations(part)), part.errors, NUM)


@TABLE.add("AVEDEV", "R*")
def avedev(*args: Values) -> Values:
    """The mean of |x - x̄|."""
    part = gathered(args)
    return finish(ops.divide(ops.total(absolute(_deviations(part))), part.count), part.errors, NUM)


@TABLE.add("GEOMEAN", "R*")
def geomean(*args: Values) -> Values:
    """(Π x)^(1/n); #NUM! where one is not positive."""
    part = gathered(args)
    logs = log(part.num if part.mask is None else ops.select(part.mask, part.num, ops.full(1.0)))
    return finish(exp(ops.divide(ops.total(ops.where_number(part.mask, logs)), part.count)), part.errors)


@TABLE.add("HARMEAN", "R*")
def harmean(*args: Values) -> Values:
    """N / Σ 1/x; #NUM! where one is not positive."""
    part = gathered(args)
    x = part.num if part.mask is None else ops.select(part.mask, part.num, ops.full(1.0))
    inverse = ops.divide(ops.full(1.0), ops.select(_positive(x), x, ops.full(np.nan)))
    return finish(ops.divide(part.count, ops.total(ops.where_number(part.mask, inverse))), part.errors)


def _positive(x: Any) -> Any:
    found = ops.opaque(lambda v: (v > 0).astype(float), x)
    return found != 0 if known(found) else found


def _moment(part: Counted, order: int) -> tuple[Any, Any]:
    """Σ ((x - x̄)/s)^order and n, with s of the sample."""
    deviations = _deviations(part)
    s = sqrt(_variance(part, 1.0))
    standardised = ops.divide(deviations, s)
    power = standardised
    for _ in range(order - 1):
        power = ops.multiply(power, standardised)
    return ops.total(power), part.count


@TABLE.add("SKEW", "R*")
def skew(*args: Values) -> Values:
    """N / ((n-1)(n-2)) Σ ((x - x̄)/s)³."""
    part = gathered(args)
    third, n = _moment(part, 3)
    return finish(ops.multiply(third, _ratio(n, (n - 1) * (n - 2))), part.errors, DIV0)


@TABLE.add("KURT", "R*")
def kurt(*args: Values) -> Values:
    """N(n+1)/((n-1)(n-2)(n-3)) Σ ((x - x̄)/s)⁴ - 3(n-1)²/((n-2)(n-3))."""
    part = gathered(args)
    fourth, n = _moment(part, 4)
    factor = _ratio(n * (n + 1), (n - 1) * (n - 2) * (n - 3))
    return finish(
        ops.subtract(ops.multiply(fourth, factor), _ratio(3 * (n - 1) ** 2, (n - 2) * (n - 3))), part.errors, DIV0
    )


def _ratio(a: Any, b: Any) -> Any:
    return np.where(b > 0, a / np.where(b > 0, b, 1.0), np.nan)


@TABLE.add("STANDARDIZE", "VVV")
def standardize(x: Values, centre: Values, deviation: Values) -> Values:
    """(x - centre) / deviation."""
    return lift(lambda v, m, s: ops.divide(ops.subtract(v, m), _valid_deviation(s)), x, centre, deviation)


def _valid_deviation(s: Any) -> Any:
    return ops.select(_positive(s), s, ops.full(np.nan))


def _a_values(values: Values) -> Counted:
    """What AVERAGEA and its like count: texts are 0 and TRUE is 1, in ranges too."""
    if values.kind is None or not known(values.kind):
        return Counted(values.num, None, None)
    kinds = values.kinds
    num = values.num
    text = kinds == 3
    if text.any():
        num = ops.select(text, ops.full(0.0), num)
    errors = first_error(kinds) if (kinds < 0).any() else None
    empty = kinds == 2
    return Counted(num, ~empty if empty.any() else None, errors)


def _a_family(name: str, compute: Callable[[Counted], Any], otherwise: int = DIV0) -> None:
    @TABLE.add(name, "R*")
    def call(*args: Values) -> Values:
        parts = [_a_values(a) for a in args]
        masks = [np.ones(p.num.shape, bool) if p.mask is None else np.broadcast_to(p.mask, p.num.shape) for p in parts]
        num = moves.concatenate([moves.flat(p.num) for p in parts], 3)
        mask = np.concatenate([m.reshape(*m.shape[:2], 1, -1) for m in masks], 3)
        part = Counted(num, None if mask.all() else mask, combined(p.errors for p in parts))
        return finish(compute(part), part.errors, otherwise)


_a_family("AVERAGEA", mean)
_a_family("MAXA", lambda p: moves.extreme(p.num, p.mask, True))
_a_family("MINA", lambda p: moves.extreme(p.num, p.mask, False))
_a_family("VARA", lambda p: _variance(p, 1.0))
_a_family("VARPA", lambda p: _variance(p, 0.0))
_a_family("STDEVA", lambda p: sqrt(_variance(p, 1.0)))
_a_family("STDEVPA", lambda p: sqrt(_variance(p, 0.0)))
