"""Elementary functions of numbers: powers, logarithms, trigonometry."""

from __future__ import annotations

from typing import Any

import numpy as np

from xlcollab.formula import ops
from xlcollab.formula.functions.declare import Table, lift
from xlcollab.formula.functions.operators import arithmetic
from xlcollab.formula.values import Values, constant

TABLE = Table()

_HALF_PI = np.pi / 2


def _positive_log(x: Any, out: Any) -> Any:
    """Ln x; NaN, so #NUM!, from 0 downwards."""
    np.log(x, out)
    if x.size and not x.min() > 0:
        out[np.broadcast_to(~(x > 0), out.shape)] = np.nan
    return out


def _bounded_exp(x: Any, out: Any) -> Any:
    """e^x; too large a number is an error, and no infinity that a division could bring back."""
    np.exp(x, out)
    if x.size and not x.max() < 709.7:
        out[np.isinf(out)] = np.nan
    return out


log = ops.curve(_positive_log, lambda s, _y, x: np.divide(1.0, x, s))
exp = ops.curve(_bounded_exp, lambda _s, y, _x: y)
sqrt = ops.curve(np.sqrt, lambda s, y, _x: np.divide(0.5, y, s), name="sqrt")
absolute = ops.curve(np.abs, lambda s, _y, x: np.sign(x, s), smooth=False)

_CURVES: dict[str, Any] = {
    "EXP": exp,
    "LN": log,
    "SQRT": sqrt,
    "SIN": ops.curve(np.sin, lambda s, _y, x: np.cos(x, s)),
    "COS": ops.curve(np.cos, lambda s, _y, x: np.negative(np.sin(x, s), s)),
    "TAN": ops.curve(np.tan, lambda s, y, _x: np.add(1.0, y * y, s)),
}


def _declare(name: str, operation: Any) -> None:
    @TABLE.add(name, "V")
    def call(x: Values) -> Values:
        return lift(operation, x)

    call.__doc__ = f"{name}(x)."


for _name, _operation in _CURVES.items():
    _declare(_name, _operation)
_declare("ABS", absolute)
_declare("SIGN", ops.curve(np.sign, lambda _s, _y, x: np.zeros_like(x), smooth=False))


@TABLE.add("PI", "")
def pi() -> Values:
    """π."""
    return constant(np.pi)


@TABLE.add("POWER", "VV")
def power(a: Values, b: Values) -> Values:
    """a^b."""
    return arithmetic("^", a, b)


@TABLE.add("LOG10", "V")
def log10(x: Values) -> Values:
    """log₁₀ x."""
    return lift(lambda v: ops.divide(log(v), np.full((1, 1, 1, 1), np.log(10.0))), x)


@TABLE.add("LOG", "VV?")
def log_of(x: Values, base: Values | None = None) -> Values:
    """Log of x to a base, 10 where none is given."""
    if base is None:
        return log10(x)  # type: ignore[no-any-return]
    return lift(lambda v, b: ops.divide(log(v), log(b)), x, base)
