"""Settings that people pass, checked by name before anything is computed."""

from __future__ import annotations

from numbers import Integral, Real
from typing import TypeGuard

import numpy as np

from xlcollab.errors import OptionError

__all__ = ["is_real", "true_or_false", "whole_number"]


def whole_number(name: str, value: object, least: int) -> int:
    """The setting as an int; `OptionError` where it is no whole number, or below ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} is {value!r}; it is a whole number, {least} or more.")
    return int(value)


def true_or_false(name: str, value: object) -> bool:
    """The setting as a bool; `OptionError` where it is neither True nor False, as the text "no" is."""
    if not isinstance(value, bool | np.bool_):
        raise OptionError(f"{name} is {value!r}; it is True or False.")
    return bool(value)


def is_real(value: object) -> TypeGuard[float]:
    """Whether the setting is a real number, which a text and a truth value are not."""
    return isinstance(value, Real) and not isinstance(value, bool)
