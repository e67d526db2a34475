"""Elementary functions of numbers: powers, logarithms, trigonometry, factorials."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import ExcelError, Table, each, lift, number
from xlcollab.formula.functions.operators import arithmetic
from xlcollab.formula.values import DIV0, NUM, Scalar, Values, constant

TABLE = Table()

Floats = NDArray[np.float64]


def _ln(x: Floats, out: Floats) -> Floats:
    """Ln x; NaN, so #NUM!, from 0 downwards."""
    np.log(x, out)
    if x.size and not x.min() > 0:
        out[np.broadcast_to(~(x > 0), out.shape)] = np.nan
    return out


def _exp(x: Floats, out: Floats) -> Floats:
    """e^x; what is too large is an error, and no infinity that a division could bring back."""
    np.exp(x, out)
    if x.size and not x.max() < 709.7:
        out[np.isinf(out)] = np.nan
    return out


def _acosh_slope(s: Floats, _y: Floats, x: Floats) -> Floats:
    return np.divide(1.0, np.sqrt(x * x - 1.0), s)


def _inverse_of(f: Callable[[Floats], Floats]) -> Callable[[Floats, Floats], Floats]:
    """1/f; NaN at its poles."""

    def inverse(x: Floats, out: Floats) -> Floats:
        value = f(x)
        return np.divide(1.0, np.where(value == 0.0, np.nan, value), out)

    return inverse


log = ops.curve(_ln, lambda s, _y, x: np.divide(1.0, x, s))
exp = ops.curve(_exp, lambda _s, y, _x: y)
sqrt = ops.curve(np.sqrt, lambda s, y, _x: np.divide(0.5, y, s), name="sqrt")
absolute = ops.curve(np.abs, lambda s, _y, x: np.sign(x, s), smooth=False)
_CURVES: dict[str, Callable[..., Any]] = {
    "EXP": exp,
    "LN": log,
    "SQRT": sqrt,
    "ABS": absolute,
    "SIGN": ops.curve(np.sign, lambda _s, _y, x: np.zeros_like(x), smooth=False),
    "SIN": ops.curve(np.sin, lambda s, _y, x: np.cos(x, s)),
    "COS": ops.curve(np.cos, lambda s, _y, x: np.negative(np.sin(x, s), s)),
    "TAN": ops.curve(np.tan, lambda s, y, _x: np.add(1.0, y * y, s)),
    "ASIN": ops.curve(np.arcsin, lambda s, _y, x: np.divide(1.0, np.sqrt(1.0 - x * x), s)),
    "ACOS": ops.curve(np.arccos, lambda s, _y, x: np.divide(-1.0, np.sqrt(1.0 - x * x), s)),
    "ATAN": ops.curve(np.arctan, lambda s, _y, x: np.divide(1.0, 1.0 + x * x, s)),
    "SINH": ops.curve(np.sinh, lambda s, _y, x: np.cosh(x, s)),
    "COSH": ops.curve(np.cosh, lambda s, _y, x: np.sinh(x, s)),
    "TANH": ops.curve(np.tanh, lambda s, y, _x: np.subtract(1.0, y * y, s)),
    "ASINH": ops.curve(np.arcsinh, lambda s, _y, x: np.divide(1.0, np.sqrt(1.0 + x * x), s)),
    "ACOSH": ops.curve(np.arccosh, _acosh_slope),
    "COT": ops.curve(_inverse_of(np.tan), lambda s, y, _x: np.subtract(-1.0, y * y, s)),
    "SEC": ops.curve(_inverse_of(np.cos), lambda s, y, x: np.multiply(y, np.tan(x), s)),
    "CSC": ops.curve(_inverse_of(np.sin), lambda s, y, x: np.divide(-y, np.tan(x), s)),
    "ATANH": ops.curve(np.arctanh, lambda s, _y, x: np.divide(1.0, 1.0 - x * x, s)),
}


def _declare(name: str, operation: Callable[..., Any]) -> None:
    @TABLE.add(name, "V")
    def call(x: Values) -> Values:
        return lift(operation, x)


for _name, _operation in _CURVES.items():
    _declare(_name, _operation)

_atan2 = ops.curve(
    lambda x, y, out: np.arctan2(y, x, out),
    lambda s, _z, x, y: np.divide(-y, x * x + y * y, s),
    lambda s, _z, x, y: np.divide(x, x * x + y * y, s),
)


def _both_zero(x: Floats, y: Floats) -> Any:
    return np.where((x == 0) & (y == 0), np.int8(DIV0), np.int8(NUM))


def _angle(x: Any, y: Any) -> Any:
    """The angle of (x, y); NaN at the origin."""
    angle = _atan2(x, y)
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.where((x == 0) & (y == 0), np.nan, angle)
    return angle


@TABLE.add("ATAN2", "VV")
def atan2(x: Values, y: Values) -> Values:
    """The angle of the point (x, y), x first; #DIV/0! at the origin."""
    return lift(_angle, x, y, error=_both_zero)


@TABLE.add("PI", "")
def pi() -> Values:
    """π."""
    return constant(np.pi)


@TABLE.add("RADIANS", "V")
def radians(x: Values) -> Values:
    """Degrees → radians."""
    return lift(lambda v: ops.multiply(v, ops.full(np.pi / 180)), x)


@TABLE.add("DEGREES", "V")
def degrees(x: Values) -> Values:
    """Radians → degrees."""
    return lift(lambda v: ops.multiply(v, ops.full(180 / np.pi)), x)


@TABLE.add("POWER", "VV")
def power(a: Values, b: Values) -> Values:
    """a^b."""
    return arithmetic("^", a, b)


@TABLE.add("SQRTPI", "V")
def sqrtpi(x: Values) -> Values:
    """√(π x)."""
    return lift(lambda v: sqrt(ops.multiply(v, ops.full(np.pi))), x)


@TABLE.add("LOG10", "V")
def log10(x: Values) -> Values:
    """log₁₀ x."""
    if isinstance(x.num, np.ndarray):  # exact at powers of ten
        return lift(lambda v: np.where(v > 0, np.log10(v), np.nan), x)
    return lift(lambda v: ops.divide(log(v), ops.full(np.log(10.0))), x)


def _log_error(_x: Floats, base: Floats) -> Any:
    return np.where(base == 1, np.int8(DIV0), np.int8(NUM))


@TABLE.add("LOG", "VV?")
def log_of(x: Values, base: Values | None = None) -> Values:
    """Log of x to a base, 10 where none is given."""
    if base is None:
        return log10(x)  # type: ignore[no-any-return]
    if isinstance(base.num, np.ndarray) and (base.num == 10).all():
        return log10(x)  # type: ignore[no-any-return]
    return lift(lambda v, b: ops.divide(log(v), log(b)), x, base, error=_log_error)


def _special(name: str) -> Callable[..., Any]:
    """A function of scipy.special, which is loaded when it is first needed."""
    from scipy import special

    return getattr(special, name)  # type: ignore[no-any-return]


def _gammaln(x: Floats, out: Floats) -> Floats:
    _special("gammaln")(x, out)
    if not (x > 0).all():
        out[np.broadcast_to(~(x > 0), out.shape)] = np.nan
    return out


gammaln = ops.curve(_gammaln, lambda s, _y, x: _special("psi")(x, s))


@TABLE.add("GAMMALN GAMMALN.PRECISE", "V")
def gammaln_(x: Values) -> Values:
    """Ln Γ(x); #NUM! from 0 downwards."""
    return lift(gammaln, x)


@TABLE.add("GAMMA", "V")
def gamma(x: Values) -> Values:
    """Γ(x)."""
    found = ops.curve(ops.filling(_special("gamma")), lambda s, y, v: np.multiply(y, _special("psi")(v), s))
    return lift(found, x)


def _whole(value: Scalar, least: float = 0) -> int:
    whole = math.floor(number(value) + 1e-12)
    if whole < least:
        raise ExcelError(NUM)
    return whole


def _fact(x: Scalar) -> float:
    n = _whole(x)
    if n > 170:
        raise ExcelError(NUM)
    return float(math.factorial(n))


@TABLE.add("FACT", "V", stepwise=True)
def fact(x: Values) -> Values:
    """n!, of the whole part."""
    return each(_fact, x)


def _factdouble(x: Scalar) -> float:
    n = _whole(x, -1)
    return float(math.prod(range(n, 0, -2)))


@TABLE.add("FACTDOUBLE", "V", stepwise=True)
def factdouble(x: Values) -> Values:
    """n!!: every second factor."""
    return each(_factdouble, x)


def _combin(n: Scalar, k: Scalar) -> float:
    total, chosen = _whole(n), _whole(k)
    if chosen > total:
        raise ExcelError(NUM)
    return float(math.comb(total, chosen))


@TABLE.add("COMBIN", "VV", stepwise=True)
def combin(n: Values, k: Values) -> Values:
    """Ways to choose k of n."""
    return each(_combin, n, k)


@TABLE.add("COMBINA", "VV", stepwise=True)
def combina(n: Values, k: Values) -> Values:
    """Ways to choose k of n with repetition."""
    return each(lambda a, b: _combin(_whole(a) + _whole(b) - 1, b) if _whole(b) else 1.0, n, k)


def _permut(n: Scalar, k: Scalar) -> float:
    total, chosen = _whole(n), _whole(k)
    if chosen > total:
        raise ExcelError(NUM)
    return float(math.perm(total, chosen))


@TABLE.add("PERMUT", "VV", stepwise=True)
def permut(n: Values, k: Values) -> Values:
    """Ways to choose k of n in order."""
    return each(_permut, n, k)


@TABLE.add("MULTINOMIAL", "R*", stepwise=True)
def multinomial(*args: Values) -> Values:
    """(a + b + …)! / (a! b! …)."""
    return _all_whole(args, lambda *n: math.factorial(sum(n)) // math.prod(map(math.factorial, n)))


def _all_whole(args: tuple[Values, ...], fold: Callable[..., int]) -> Values:
    """A function of all whole numbers in ranges and values."""
    from xlcollab.formula.functions.declare import gathered

    part = gathered(args)
    counts = np.ones(part.num.shape, bool) if part.mask is None else np.broadcast_to(part.mask, part.num.shape)
    found = np.empty((*part.num.shape[:2], 1, 1))
    for i, j in np.ndindex(part.num.shape[:2]):
        found[i, j] = fold(*(math.floor(v) for v in part.num[i, j][counts[i, j]]))
    from xlcollab.formula.functions.declare import finish

    return finish(found, part.errors)


@TABLE.add("GCD", "R*", stepwise=True)
def gcd(*args: Values) -> Values:
    """The greatest common divisor."""
    return _all_whole(args, math.gcd)


@TABLE.add("LCM", "R*", stepwise=True)
def lcm(*args: Values) -> Values:
    """The least common multiple."""
    return _all_whole(args, math.lcm)


def _quotient_error(_a: Floats, b: Floats) -> Any:
    return np.where(b == 0, np.int8(DIV0), np.int8(NUM))


@TABLE.add("QUOTIENT", "VV", stepwise=True)
def quotient(a: Values, b: Values) -> Values:
    """The whole part of a/b."""
    return lift(lambda x, y: np.trunc(ops.divide(x, y)), a, b, error=_quotient_error)
