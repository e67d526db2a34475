"""The normal distribution and what is made of it: lognormal, error function, confidence. All have derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import Refusal, Table, lift
from xlcollab.formula.functions.elementary import exp, log, sqrt
from xlcollab.formula.ranges import Uneven
from xlcollab.formula.values import Values

TABLE = Table()

Floats = NDArray[np.float64]
_ROOT_2PI = math.sqrt(2.0 * math.pi)


def special(name: str, *args: Any) -> Any:
    """A function of scipy.special, which is loaded when it is first needed."""
    from scipy import special as functions

    return getattr(functions, name)(*args)


def _density(x: Floats) -> Floats:
    density: Floats = np.exp(-0.5 * x * x) / _ROOT_2PI
    return density


normal_density = ops.curve(ops.filling(_density), lambda s, y, x: np.multiply(-x, y, s))
normal_cumulative = ops.curve(lambda x, out: special("ndtr", x, out), lambda _s, _y, x: _density(x))


def _quantile(p: Floats, out: Floats) -> Floats:
    special("ndtri", p, out)
    out[np.broadcast_to((p <= 0) | (p >= 1), out.shape)] = np.nan
    return out


normal_quantile = ops.curve(_quantile, lambda s, y, _p: np.divide(1.0, _density(y), s))
error_function = ops.curve(
    lambda x, out: special("erf", x, out), lambda s, _y, x: np.multiply(2 / math.sqrt(math.pi), np.exp(-x * x), s)
)


def is_cumulative(cumulative: Values) -> bool:
    """Whether the distribution or the density is asked for; the same for all cells of a block."""
    if not cumulative.known:
        raise Refusal("has no derivative by its choice of cumulative or not")
    flags = cumulative.numbers != 0
    if flags.any() != flags.all():
        raise Uneven("has to be cumulative for all cells of a block or for none")
    return bool(flags.all())


def valid(x: Any, holds: Callable[[Floats], Any]) -> Any:
    """X, and NaN where it is outside of what the function is defined for."""
    good = ops.opaque(lambda v: holds(v).astype(float), x)
    good = good != 0 if isinstance(good, np.ndarray) else good
    if isinstance(good, np.ndarray) and good.all():
        return x
    return ops.select(good, x, ops.full(np.nan))


def positive(x: Any) -> Any:
    """X, and NaN where it is not above 0."""
    return valid(x, lambda v: v > 0)


def _standard(x: Any, mean: Any, deviation: Any) -> Any:
    return ops.divide(ops.subtract(x, mean), positive(deviation))


@TABLE.add("NORM.DIST NORMDIST", "VVVV")
def norm_dist(x: Values, mean: Values, deviation: Values, cumulative: Values) -> Values:
    """The normal distribution or its density."""
    if is_cumulative(cumulative):
        return lift(lambda v, m, s: normal_cumulative(_standard(v, m, s)), x, mean, deviation)
    return lift(lambda v, m, s: ops.divide(normal_density(_standard(v, m, s)), s), x, mean, deviation)


@TABLE.add("NORM.S.DIST", "VV")
def norm_s_dist(z: Values, cumulative: Values) -> Values:
    """The standard normal distribution or its density."""
    return lift(normal_cumulative if is_cumulative(cumulative) else normal_density, z)


@TABLE.add("NORMSDIST", "V")
def normsdist(z: Values) -> Values:
    """The standard normal distribution."""
    return lift(normal_cumulative, z)


@TABLE.add("PHI", "V")
def phi(z: Values) -> Values:
    """The standard normal density."""
    return lift(normal_density, z)


@TABLE.add("GAUSS", "V")
def gauss(z: Values) -> Values:
    """The standard normal distribution less 1/2."""
    return lift(lambda v: ops.subtract(normal_cumulative(v), ops.full(0.5)), z)


@TABLE.add("NORM.INV NORMINV", "VVV")
def norm_inv(p: Values, mean: Values, deviation: Values) -> Values:
    """The quantile of a normal distribution; #NUM! outside of 0 < p < 1."""
    return lift(lambda v, m, s: ops.add(m, ops.multiply(positive(s), normal_quantile(v))), p, mean, deviation)


@TABLE.add("NORM.S.INV NORMSINV", "V")
def norm_s_inv(p: Values) -> Values:
    """The quantile of the standard normal distribution."""
    return lift(normal_quantile, p)


@TABLE.add("LOGNORM.DIST", "VVVV")
def lognorm_dist(x: Values, mean: Values, deviation: Values, cumulative: Values) -> Values:
    """The lognormal distribution or its density."""
    if is_cumulative(cumulative):
        return lift(lambda v, m, s: normal_cumulative(_standard(log(v), m, s)), x, mean, deviation)
    return lift(
        lambda v, m, s: ops.divide(normal_density(_standard(log(v), m, s)), ops.multiply(s, v)), x, mean, deviation
    )


@TABLE.add("LOGNORMDIST", "VVV")
def lognormdist(x: Values, mean: Values, deviation: Values) -> Values:
    """The lognormal distribution."""
    return lift(lambda v, m, s: normal_cumulative(_standard(log(v), m, s)), x, mean, deviation)


@TABLE.add("LOGNORM.INV LOGINV", "VVV")
def lognorm_inv(p: Values, mean: Values, deviation: Values) -> Values:
    """The quantile of a lognormal distribution."""
    return lift(lambda v, m, s: exp(ops.add(m, ops.multiply(positive(s), normal_quantile(v)))), p, mean, deviation)


@TABLE.add("ERF", "VV?")
def erf(x: Values, upper: Values | None = None) -> Values:
    """The error function, between two bounds where a second is given."""
    if upper is None:
        return lift(error_function, x)
    return lift(lambda a, b: ops.subtract(error_function(b), error_function(a)), x, upper)


@TABLE.add("ERF.PRECISE", "V")
def erf_precise(x: Values) -> Values:
    """The error function."""
    return lift(error_function, x)


@TABLE.add("ERFC ERFC.PRECISE", "V")
def erfc(x: Values) -> Values:
    """1 - erf x."""
    if isinstance(x.num, np.ndarray):
        return lift(lambda v: special("erfc", v), x)
    return lift(lambda v: ops.subtract(ops.full(1.0), error_function(v)), x)


@TABLE.add("CONFIDENCE.NORM CONFIDENCE", "VVV")
def confidence_norm(alpha: Values, deviation: Values, size: Values) -> Values:
    """Half the width of the confidence interval of a mean."""

    def compute(a: Any, s: Any, n: Any) -> Any:
        z = normal_quantile(ops.subtract(ops.full(1.0), ops.multiply(a, ops.full(0.5))))
        return ops.divide(ops.multiply(z, positive(s)), sqrt(valid(n, lambda v: v >= 1)))

    return lift(compute, alpha, deviation, size)
