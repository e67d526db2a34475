"""Probability distributions other than the normal one.

Poisson, binomial, exponential and Weibull have derivatives; the others take constants only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import ExcelError, Table, each, lift, number
from xlcollab.formula.functions.elementary import exp, gammaln, log
from xlcollab.formula.functions.normal import is_cumulative, positive, special, valid
from xlcollab.formula.values import NUM, Scalar, Values

TABLE = Table()

Floats = NDArray[np.float64]


def _poisson_mass(k: Any, mean: Any) -> Any:
    """e^(k ln m - m - ln k!)."""
    factorial = gammaln(ops.add(k, ops.full(1.0)))
    return exp(ops.subtract(ops.subtract(ops.multiply(k, log(mean)), mean), factorial))


# d/dm Σ_{i≤k} m^i e^-m / i! = -m^k e^-m / k!
_poisson_cumulative = ops.curve(
    lambda k, m, out: special("pdtr", k, m, out),
    lambda _s, y, _k, _m: np.zeros(y.shape),
    lambda _s, _y, k, m: -np.exp(k * np.log(m) - m - special("gammaln", k + 1.0)),
)


def _whole(x: Any) -> Any:
    """The whole part, of x ≥ 0."""
    return valid(ops.opaque(np.floor, x), lambda v: v >= 0)


@TABLE.add("POISSON.DIST POISSON", "VVV")
def poisson_dist(x: Values, mean: Values, cumulative: Values) -> Values:
    """The Poisson distribution or its mass."""
    of = _poisson_cumulative if is_cumulative(cumulative) else _poisson_mass
    return lift(lambda k, m: of(_whole(k), valid(m, lambda v: v >= 0)), x, mean)


def _binomial_mass(k: Any, n: Any, p: Any) -> Any:
    """n!/(k!(n-k)!) p^k (1-p)^(n-k), with 0^0 = 1."""
    log_choose = ops.subtract(
        gammaln(ops.add(n, ops.full(1.0))),
        ops.add(gammaln(ops.add(k, ops.full(1.0))), gammaln(ops.add(ops.subtract(n, k), ops.full(1.0)))),
    )
    failures = ops.subtract(n, k)
    powers = ops.multiply(_plain_power(p, k), _plain_power(ops.subtract(ops.full(1.0), p), failures))
    return ops.multiply(exp(log_choose), powers)


_plain_power = ops.curve(
    np.power,
    lambda _s, _y, a, b: np.where(b == 0, 0.0, b * np.power(a, np.where(b == 0, 1.0, b) - 1.0)),
    lambda _s, y, _a, _b: np.zeros(y.shape),
)


def _binomial_sum(k: Floats, n: Floats, p: Floats) -> Any:
    """Σ_{i≤k} C(n,i) p^i q^(n-i), as an incomplete beta function."""
    more = np.maximum(n - k, 1.0)
    return np.where(k >= n, 1.0, special("betainc", more, k + 1.0, 1.0 - p))


# d/dp Σ_{i≤k} C(n,i) p^i q^(n-i) = -(n-k) C(n,k) p^k q^(n-k-1)
_binomial_cumulative = ops.curve(
    ops.filling(_binomial_sum),
    lambda _s, y, _k, _n, _p: np.zeros(y.shape),
    lambda _s, y, _k, _n, _p: np.zeros(y.shape),
    lambda _s, _y, k, n, p: np.where(
        k >= n, 0.0, -(n - k) * special("binom", n, k) * np.power(p, k) * np.power(1 - p, np.maximum(n - k - 1, 0))
    ),
)


@TABLE.add("BINOM.DIST BINOMDIST", "VVVV")
def binom_dist(k: Values, n: Values, p: Values, cumulative: Values) -> Values:
    """The binomial distribution or its mass."""
    of = _binomial_cumulative if is_cumulative(cumulative) else _binomial_mass

    def compute(successes: Any, trials: Any, chance: Any) -> Any:
        whole = _whole(trials)
        within = ops.opaque(lambda a, b: np.where(np.floor(a) <= np.floor(b), np.floor(a), np.nan), successes, trials)
        return of(valid(within, lambda v: v >= 0), whole, valid(chance, lambda v: (v >= 0) & (v <= 1)))

    return lift(compute, k, n, p)


@TABLE.add("EXPON.DIST EXPONDIST", "VVV")
def expon_dist(x: Values, rate: Values, cumulative: Values) -> Values:
    """1 - e^(-λx), or λ e^(-λx)."""
    whole = is_cumulative(cumulative)

    def compute(v: Any, r: Any) -> Any:
        tail = exp(ops.negative(ops.multiply(valid(v, lambda a: a >= 0), positive(r))))
        return ops.subtract(ops.full(1.0), tail) if whole else ops.multiply(r, tail)

    return lift(compute, x, rate)


@TABLE.add("WEIBULL.DIST WEIBULL", "VVVV")
def weibull_dist(x: Values, shape: Values, scale: Values, cumulative: Values) -> Values:
    """1 - e^-(x/β)^α, or its density."""
    whole = is_cumulative(cumulative)

    def compute(v: Any, a: Any, b: Any) -> Any:
        ratio = log(ops.divide(valid(v, lambda t: t > 0), positive(b)))
        power = exp(ops.multiply(positive(a), ratio))
        tail = exp(ops.negative(power))
        if whole:
            return ops.subtract(ops.full(1.0), tail)
        return ops.multiply(ops.divide(ops.multiply(a, power), v), tail)

    return lift(compute, x, shape, scale)


def _of_constants(names: str, count: int, compute: Callable[..., float], optional: int = 0) -> None:
    """A function that takes constants only."""

    @TABLE.add(names, "V" * (count - optional) + "V?" * optional)
    def call(*args: Values) -> Values:
        def one(*values: Scalar) -> float:
            found = float(compute(*map(number, values)))
            if not math.isfinite(found):
                raise ExcelError(NUM)
            return found

        return each(one, *args)


def _t_density(x: float, f: float) -> float:
    log_scale = special("gammaln", (f + 1) / 2) - special("gammaln", f / 2) - 0.5 * math.log(f * math.pi)
    return math.exp(log_scale - (f + 1) / 2 * math.log1p(x * x / f))


def _chi2_density(x: float, f: float) -> float:
    if x <= 0:
        return math.nan if x < 0 else (0.5 if f == 2 else 0.0)
    return math.exp((f / 2 - 1) * math.log(x) - x / 2 - f / 2 * math.log(2) - special("gammaln", f / 2))


def _within(p: float) -> float:
    return p if 0 < p < 1 else math.nan


_of_constants("T.DIST", 3, lambda x, f, c: special("stdtr", int(f), x) if c else _t_density(x, int(f)))
_of_constants("T.DIST.RT", 2, lambda x, f: special("stdtr", int(f), -x))
_of_constants("T.DIST.2T", 2, lambda x, f: 2 * special("stdtr", int(f), -x) if x >= 0 else math.nan)
_of_constants("TDIST", 3, lambda x, f, tails: tails * special("stdtr", int(f), -x) if x >= 0 else math.nan)
_of_constants("T.INV", 2, lambda p, f: special("stdtrit", int(f), _within(p)))
_of_constants("T.INV.2T TINV", 2, lambda p, f: -special("stdtrit", int(f), _within(p / 2)))
_of_constants("CHISQ.DIST", 3, lambda x, f, c: special("chdtr", int(f), x) if c else _chi2_density(x, int(f)))
_of_constants("CHISQ.DIST.RT CHIDIST", 2, lambda x, f: special("chdtrc", int(f), x))
_of_constants("CHISQ.INV", 2, lambda p, f: special("chdtri", int(f), 1 - p))
_of_constants("CHISQ.INV.RT CHIINV", 2, lambda p, f: special("chdtri", int(f), p))
_of_constants("F.DIST.RT FDIST", 3, lambda x, a, b: special("fdtrc", int(a), int(b), x))
_of_constants("F.INV", 3, lambda p, a, b: special("fdtri", int(a), int(b), p))
_of_constants("F.INV.RT FINV", 3, lambda p, a, b: special("fdtri", int(a), int(b), 1 - p))
_of_constants("GAMMA.INV GAMMAINV", 3, lambda p, a, b: b * special("gammaincinv", a, p))
_of_constants(
    "BETA.INV BETAINV", 5, lambda p, a, b, low=0.0, high=1.0: low + (high - low) * special("betaincinv", a, b, p), 2
)


def _gamma_dist(x: float, a: float, b: float, cumulative: float) -> float:
    if x < 0 or a <= 0 or b <= 0:
        return math.nan
    if cumulative:
        return float(special("gammainc", a, x / b))
    return math.exp((a - 1) * math.log(x) - x / b - a * math.log(b) - float(special("gammaln", a))) if x else 0.0


_of_constants("GAMMA.DIST GAMMADIST", 4, _gamma_dist)


def _beta_dist(x: float, a: float, b: float, cumulative: float, low: float = 0.0, high: float = 1.0) -> float:
    z = (x - low) / (high - low)
    if cumulative:
        return float(special("betainc", a, b, z))
    density: float = z ** (a - 1) * (1 - z) ** (b - 1) / float(special("beta", a, b)) / (high - low)
    return density


_of_constants("BETA.DIST", 6, _beta_dist, 2)


def _binom_inv(n: float, p: float, alpha: float) -> float:
    total = 0.0
    for k in range(int(n) + 1):
        total += math.comb(int(n), k) * p**k * (1 - p) ** (int(n) - k)
        if total >= alpha:
            return float(k)
    return float(int(n))


_of_constants("BINOM.INV CRITBINOM", 3, _binom_inv)
