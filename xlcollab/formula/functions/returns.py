"""What an investment returns: present values, and the rates at which they are 0.

Rates that are searched for (RATE, IRR, XIRR) are differentiable: at the root r of f(r, v) = 0 the derivative by v is
-f_v / f_r, which one Newton step from r carries.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.functions.declare import Table, carried_errors, combined, counted, finish, gathered, known, lift
from xlcollab.formula.functions.finance import fv_of, growth
from xlcollab.formula.functions.operators import power
from xlcollab.formula.values import DIV0, Values, constant

TABLE = Table()

Floats = NDArray[np.float64]
_ONE = ops.full(1.0)


@TABLE.add("NPV", "VR*")
def npv(rate: Values, *flows: Values) -> Values:
    """Σ vᵢ / (1+r)^i, i from 1; empty cells and texts in ranges take no period."""
    part = gathered(flows)
    row = moves.flat(part.num)
    if part.mask is None:
        periods: Any = np.arange(1.0, row.shape[3] + 1)[None, None, None, :]
    else:
        mask = np.broadcast_to(part.mask, part.num.shape).reshape(*part.num.shape[:2], 1, -1)
        periods = np.cumsum(mask, 3).astype(float)
        row = ops.where_number(mask, row)
    factors = growth(ops.multiply(rate.num, _ONE), periods)
    present = ops.total(ops.divide(row, factors))
    return finish(present, combined((carried_errors(rate), part.errors)), DIV0)


def _root(f: Callable[[float], float], slope: Callable[[float], float], guess: float) -> float:
    """The rate at which f is 0: Newton's method from the guess, then bisection on a grid; NaN where there is none."""
    rate = guess
    for _ in range(100):
        try:
            step = f(rate) / slope(rate)
        except (ZeroDivisionError, OverflowError, ValueError):
            break
        if not math.isfinite(step):
            break
        moved = rate - step
        if moved <= -1.0:
            rate = (rate - 1.0) / 2  # halfway to where nothing is left, and no sign of a root
            continue
        if abs(moved - rate) <= 1e-15 * max(1.0, abs(moved)):
            return moved
        rate = moved
    else:
        if abs(step) < 1e-9:
            return rate
    grid = np.concatenate([-1 + np.geomspace(1e-6, 1, 200), np.geomspace(1e-6, 1e3, 400)])
    values = [f(r) for r in grid]
    for a, b, fa, fb in zip(grid[:-1], grid[1:], values[:-1], values[1:], strict=True):
        if math.isfinite(fa) and math.isfinite(fb) and fa * fb <= 0:
            return _bisect(f, float(a), float(b))
    return math.nan


def _bisect(f: Callable[[float], float], low: float, high: float) -> float:
    below = f(low) < 0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        if (f(middle) < 0) == below:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _newton_step(rate: Any, value: Any, slope: Any) -> Any:
    """R - f/f', where r is a constant root: the value stays, and the derivative by all that f depends on appears."""
    return ops.subtract(rate, ops.divide(value, slope))


def _discounted(amounts: Floats, at: Floats) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Σ v (1+r)^-t as a function of r, and its slope."""
    return (
        lambda r: float((amounts * (1 + r) ** -at).sum()),
        lambda r: float((-at * amounts * (1 + r) ** (-at - 1)).sum()),
    )


def _internal_rate(flows: Any, times: Floats, guess: Any) -> Any:
    """The rate at which Σ v (1+r)^-t is 0, for each cell of the block."""

    def search(v: Floats, t: Floats, start: Floats) -> Floats:
        batch = np.broadcast_shapes(v.shape[:2], t.shape[:2], start.shape[:2])
        v, t = (np.broadcast_to(a, (*batch, *a.shape[2:])) for a in (v, t))
        start = np.broadcast_to(start, (*batch, 1, 1))
        found = np.full((*batch, 1, 1), np.nan)
        for i, j in np.ndindex(*batch):
            amounts, at = v[i, j].ravel(), t[i, j].ravel()
            if (amounts > 0).any() and (amounts < 0).any():
                found[i, j] = _root(*_discounted(amounts, at), float(start[i, j].item()))
        return found

    rate = ops.opaque(search, flows, times, guess)
    if known(rate):
        return rate
    discount = ops.opaque(lambda r, t: (1 + r) ** -t, rate, times)
    slope = ops.opaque(lambda v, r, t: (-t * v * (1 + r) ** (-t - 1)).sum((2, 3), keepdims=True), flows, rate, times)
    return _newton_step(rate, ops.total(ops.multiply(flows, discount)), slope)


@TABLE.add("IRR", "AV?")
def irr(flows: Values, guess: Values | None = None) -> Values:
    """The rate at which the net present value is 0; empty cells and texts in ranges take no period."""
    part = counted(flows)
    row = moves.flat(part.num)
    if part.mask is None:
        times = np.arange(float(row.shape[3]))[None, None, None, :]
    else:
        mask = np.broadcast_to(part.mask, part.num.shape).reshape(*part.num.shape[:2], 1, -1)
        times, row = np.cumsum(mask, 3) - 1.0, ops.where_number(mask, row)
    start = ops.full(0.1) if guess is None else guess.num
    return finish(_internal_rate(row, times, start), part.errors)


@TABLE.add("XIRR", "AAV?")
def xirr(flows: Values, dates: Values, guess: Values | None = None) -> Values:
    """The yearly rate at which payments on given days are worth 0."""
    days = dates.numbers
    times = moves.flat((np.floor(days) - np.floor(days[:, :, :1, :1])) / 365.0)
    start = ops.full(0.1) if guess is None else guess.num
    return finish(_internal_rate(moves.flat(flows.num), times, start))


@TABLE.add("XNPV", "VAA")
def xnpv(rate: Values, flows: Values, dates: Values) -> Values:
    """Σ v / (1+r)^(days/365)."""
    days = dates.numbers
    years = moves.flat((np.floor(days) - np.floor(days[:, :, :1, :1])) / 365.0)
    factors = growth(rate.num, years)
    return finish(ops.total(ops.divide(moves.flat(flows.num), factors)), carried_errors(rate))


@TABLE.add("RATE", "VVVV?V?V?")
def rate_(*args: Values) -> Values:
    """RATE(periods, payment, present, future, type, guess): the rate at which the annuity's equation holds."""
    defaults = (constant(0.0), constant(0.0), constant(0.1))
    full = (*args, *defaults[len(args) - 3 :])

    def compute(periods: Any, payment: Any, present: Any, future: Any, when: Any, guess: Any) -> Any:
        given = (periods, payment, present, future, when)
        rate = ops.opaque(_search_rate, *given, guess)
        if known(rate):
            return rate
        equation = ops.subtract(future, fv_of(rate, periods, payment, present, when))
        slope = ops.opaque(_equation_slope, rate, *given)
        return _newton_step(rate, equation, slope)

    return lift(compute, *full)


def _equation(r: float, n: float, payment: float, present: float, future: float, when: float) -> float:
    if r == 0:
        return present + payment * n + future
    growth: float = (1 + r) ** n
    return present * growth + payment * (1 + r * when) * (growth - 1) / r + future


def _equation_slope(*arrays: Floats) -> Floats:
    """∂/∂r of the annuity's equation, by a central difference of width 1e-6: it only scales a correction of 0."""
    found = np.broadcast_arrays(*arrays)
    out = np.empty(found[0].shape)
    for at in np.ndindex(*out.shape):
        r, *rest = (float(a[at]) for a in found)
        h = 1e-6 * max(1.0, abs(r))
        out[at] = (_equation(r + h, *rest) - _equation(r - h, *rest)) / (2 * h)
    return out


def _search_rate(*arrays: Floats) -> Floats:
    found = np.broadcast_arrays(*arrays)
    out = np.empty(found[0].shape)
    for at in np.ndindex(*out.shape):
        *given, guess = (float(a[at]) for a in found)
        equation = partial(_balance, given)
        out[at] = _root(equation, partial(_central_slope, equation), guess)
    return out


def _balance(given: list[float], r: float) -> float:
    return _equation(r, *given)


def _central_slope(f: Callable[[float], float], r: float) -> float:
    h = 1e-7 * max(1.0, abs(r))
    return (f(r + h) - f(r - h)) / (2 * h)


@TABLE.add("MIRR", "AVV")
def mirr(flows: Values, finance: Values, reinvest: Values) -> Values:
    """The modified internal rate: losses financed at one rate, gains reinvested at another."""
    part = counted(flows)
    row = ops.where_number(part.mask, part.num)
    row = moves.flat(row)
    n = row.shape[3]
    times = np.arange(float(n))[None, None, None, :]
    gain = ops.opaque(lambda v: (v > 0).astype(float), row)
    positive = gain != 0 if known(gain) else gain
    zero = ops.full(0.0)
    gains = ops.divide(ops.select(positive, row, zero), growth(reinvest.num, times))
    losses = ops.divide(ops.select(positive, zero, row), growth(finance.num, times))
    ratio = ops.divide(
        ops.multiply(ops.negative(ops.total(gains)), growth(reinvest.num, ops.full(n - 1.0))), ops.total(losses)
    )
    return finish(ops.subtract(power(ratio, ops.full(1.0 / (n - 1))), _ONE), part.errors, DIV0)
