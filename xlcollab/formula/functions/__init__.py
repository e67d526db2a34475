"""Excel's functions: which there are, and in which module of this package each is written. No NumPy here.

A function is written once, over the operations of `xlcollab.formula.ops`, for values that are known and for values that
depend on the changing cells alike; its derivative follows from theirs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlcollab.formula.functions.declare import Function

__all__ = ["FAMILIES", "VOLATILE", "is_supported", "load"]

FAMILIES: dict[str, str] = {
    "aggregate": "SUM PRODUCT SUMSQ SUMPRODUCT SUMXMY2 SUMX2MY2 SUMX2PY2 AVERAGE COUNT COUNTA COUNTBLANK MIN MAX",
    "logic": "IF IFS IFERROR IFNA AND OR XOR NOT CHOOSE SWITCH LET TRUE FALSE",
    "matrix": "MMULT MINVERSE MDETERM TRANSPOSE MUNIT",
    "elementary": "ABS SIGN SQRT EXP LN LOG LOG10 POWER PI SIN COS TAN",
}
"""The functions of each module."""

VOLATILE = frozenset({"RAND", "RANDBETWEEN", "RANDARRAY", "NOW", "TODAY"})
"""Functions whose value changes by itself: a model that reads them has no fixed optimum."""

_MODULES = {name: family for family, names in FAMILIES.items() for name in names.split()}


def is_supported(name: str) -> bool:
    """Whether a function, by its English name in capitals, can be computed here."""
    return name in _MODULES


def load(name: str) -> Function | None:
    """The function of that name; None where it is not supported."""
    family = _MODULES.get(name)
    if family is None:
        return None
    module = import_module(f"{__name__}.{family}")
    return module.TABLE[name]  # type: ignore[no-any-return]
