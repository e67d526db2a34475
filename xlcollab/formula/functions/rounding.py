"""Rounding, and what is left over: ROUND and its family, INT, MOD, CEILING, FLOOR.

Excel rounds what it shows, a decimal number of 15 digits: ROUND(2.675,2) is 2.68 although the binary number lies just
below. So a scaled number counts as whole, or as half, when it is within a few units in the last place of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import Table, lift
from xlcollab.formula.values import DIV0, NUM, Values, constant

TABLE = Table()

Floats = NDArray[np.float64]
_SLACK = 1e-15  # relative: about 4 units in the last place


def _flat(_s: Floats, _y: Floats, x: Floats, *_others: Floats) -> Floats:
    """The derivative of a step function, where it has one."""
    return np.zeros_like(x)


def _steps(f: Callable[..., Any], arguments: int) -> Callable[..., Any]:
    return ops.curve(ops.filling(f), *(_flat,) * arguments, smooth=False)


def _down(x: Any) -> Any:
    """The floor of x ≥ 0, with slack."""
    return np.floor(x + _SLACK * x)


def _up(x: Any) -> Any:
    """The ceiling of x ≥ 0, with slack."""
    return np.ceil(x - _SLACK * x)


def _half_up(x: Any) -> Any:
    """X ≥ 0 rounded, halves upwards, with slack."""
    return np.floor(x + 0.5 + _SLACK * x)


def _at_digits(to_whole: Callable[[Any], Any]) -> Callable[..., Any]:
    """Rounding of the size of x, away from or towards 0, at a number of digits behind the point (or before: -2)."""

    def rounded(x: Any, digits: Any) -> Any:
        digits = np.trunc(digits)
        scale = 10.0 ** np.abs(digits)
        size = np.abs(x)
        whole = to_whole(np.where(digits >= 0, size * scale, size / scale))
        back = np.where(digits >= 0, whole / scale, whole * scale)
        # A number with no digits beyond those asked for stays as it is, to the last bit.
        return np.sign(x) * np.where(np.isfinite(size * scale), back, size)

    return rounded


_round = _steps(_at_digits(_half_up), 2)
_round_up = _steps(_at_digits(_up), 2)
_round_down = _steps(_at_digits(_down), 2)
_floor = _steps(np.floor, 1)


@TABLE.add("ROUND", "VV")
def round_(x: Values, digits: Values) -> Values:
    """X to some digits, halves away from 0."""
    return lift(_round, x, digits)


@TABLE.add("ROUNDUP", "VV")
def roundup(x: Values, digits: Values) -> Values:
    """X to some digits, away from 0."""
    return lift(_round_up, x, digits)


@TABLE.add("ROUNDDOWN", "VV")
def rounddown(x: Values, digits: Values) -> Values:
    """X to some digits, towards 0."""
    return lift(_round_down, x, digits)


@TABLE.add("TRUNC", "VV?")
def trunc(x: Values, digits: Values | None = None) -> Values:
    """X cut off behind some digits, none where nothing is said."""
    return lift(_round_down, x, constant(0.0) if digits is None else digits)


@TABLE.add("INT", "V")
def int_(x: Values) -> Values:
    """The largest whole number not above x."""
    return lift(_floor, x)


_even = _steps(lambda x: np.sign(x) * 2 * np.ceil(np.abs(x) / 2), 1)
_odd = _steps(lambda x: np.where(x < 0, -1, 1) * (2 * np.ceil((np.maximum(np.abs(x), 1) - 1) / 2) + 1), 1)


@TABLE.add("EVEN", "V")
def even(x: Values) -> Values:
    """The next even number away from 0."""
    return lift(_even, x)


@TABLE.add("ODD", "V")
def odd(x: Values) -> Values:
    """The next odd number away from 0."""
    return lift(_odd, x)


def _modulo(x: Any, d: Any, out: Any) -> Any:
    """X - d ⌊x/d⌋, with the sign of d; NaN for d = 0."""
    np.copyto(out, np.where(d == 0, np.nan, x - d * np.floor(x / d)))
    return out


def _mod_by(s: Floats, _y: Floats, x: Floats, d: Floats) -> Floats:
    return np.negative(np.floor(x / d), s)


_mod = ops.curve(_modulo, lambda _s, _y, x, d: np.ones(np.broadcast_shapes(x.shape, d.shape)), _mod_by, smooth=False)


def _by_zero(_x: Floats, d: Floats) -> Any:
    return np.where(d == 0, np.int8(DIV0), np.int8(NUM))


@TABLE.add("MOD", "VV")
def mod(x: Values, divisor: Values) -> Values:
    """What is left of x, with the sign of the divisor; #DIV/0! for 0."""
    return lift(_mod, x, divisor, error=_by_zero)


def _multiple(x: Any, step: Any, to_whole: Callable[[Any], Any]) -> Any:
    """A multiple of ``step`` for x ≥ 0: 0 for a step of 0."""
    step = np.abs(step)
    return np.where(step == 0, 0.0, to_whole(np.abs(x) / np.where(step == 0, 1.0, step)) * step)


def _ceiling(x: Any, step: Any) -> Any:
    """Upwards; below 0 with a negative step away from 0. NaN for x > 0 with a negative step."""
    size = np.where((x < 0) & (step > 0), _multiple(x, step, _down), _multiple(x, step, _up))
    return np.where((x > 0) & (step < 0), np.nan, np.sign(x) * size)


def _floor_to(x: Any, step: Any) -> Any:
    """Downwards; below 0 with a negative step towards 0. NaN for x > 0 with a negative step, or for a step of 0."""
    size = np.where((x < 0) & (step > 0), _multiple(x, step, _up), _multiple(x, step, _down))
    bad = ((x > 0) & (step < 0)) | ((step == 0) & (x != 0))
    return np.where(bad, np.nan, np.sign(x) * size)


@TABLE.add("CEILING", "VV")
def ceiling(x: Values, step: Values) -> Values:
    """The next multiple of ``step``, upwards."""
    return lift(_steps(_ceiling, 2), x, step)


@TABLE.add("FLOOR", "VV")
def floor(x: Values, step: Values) -> Values:
    """The next multiple of ``step``, downwards; #DIV/0! for a step of 0."""
    return lift(_steps(_floor_to, 2), x, step, error=_by_zero)


def _math(upwards: bool) -> Callable[..., Any]:
    """CEILING.MATH and FLOOR.MATH: the step's sign does not matter; a mode other than 0 turns the way round below 0."""

    def rounded(x: Any, step: Any, mode: Any) -> Any:
        away = (x > 0) == upwards
        away = (
            np.where((x < 0) & (mode != 0), upwards, away) if upwards else np.where((x < 0) & (mode != 0), False, away)
        )
        return np.sign(x) * np.where(away, _multiple(x, step, _up), _multiple(x, step, _down))

    return rounded


@TABLE.add("CEILING.MATH", "VV?V?")
def ceiling_math(x: Values, step: Values | None = None, mode: Values | None = None) -> Values:
    """The next multiple upwards; below 0 towards 0, or away from it with a mode."""
    return lift(_steps(_math(True), 3), x, step or constant(1.0), mode or constant(0.0))


@TABLE.add("FLOOR.MATH", "VV?V?")
def floor_math(x: Values, step: Values | None = None, mode: Values | None = None) -> Values:
    """The next multiple downwards; below 0 away from 0, or towards it with a mode."""
    return lift(_steps(_math(False), 3), x, step or constant(1.0), mode or constant(0.0))


@TABLE.add("CEILING.PRECISE ISO.CEILING", "VV?")
def ceiling_precise(x: Values, step: Values | None = None) -> Values:
    """The next multiple upwards, whatever the signs."""
    return lift(_steps(_math(True), 3), x, step or constant(1.0), constant(0.0))


@TABLE.add("FLOOR.PRECISE", "VV?")
def floor_precise(x: Values, step: Values | None = None) -> Values:
    """The next multiple downwards, whatever the signs."""
    return lift(_steps(_math(False), 3), x, step or constant(1.0), constant(0.0))


def _nearest_multiple(x: Any, step: Any) -> Any:
    return np.where(x * step < 0, np.nan, np.sign(x) * _multiple(x, step, _half_up))


@TABLE.add("MROUND", "VV")
def mround(x: Values, step: Values) -> Values:
    """The nearest multiple; #NUM! where the signs differ."""
    return lift(_steps(_nearest_multiple, 2), x, step)
