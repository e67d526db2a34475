"""Settings that people pass, checked by name before anything is computed."""

from __future__ import annotations

from numbers import Integral

from xlcollab.errors import OptionError

__all__ = ["whole_number"]


def whole_number(name: str, value: object, least: int) -> int:
    """The setting as an int; `OptionError` where it is no whole number, or below ``least``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise OptionError(f"{name} is {value!r}; it is a whole number, {least} or more.")
    return int(value)
