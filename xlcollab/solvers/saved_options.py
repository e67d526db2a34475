"""A solver's options as JSON can hold them, for the model file, and back.

Numbers, texts and None stand for themselves. A tuple is ``{"tuple": […]}``, and a value of one of the dataclasses in
which a solver takes settings (a network's layers, a schedule) is its class and fields,
``{"class": "torch_network:Network", "fields": {…}}``. No class from outside `xlcollab.solvers` is ever looked up.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["options_from_json", "options_to_json"]

_HERE = "xlcollab.solvers."


def options_to_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, coded; code (callbacks, a schedule of the caller's own) cannot be saved and is left out."""
    coded: dict[str, Any] = {}
    for name, value in options.items():
        try:
            coded[name] = _coded(value)
        except TypeError:
            continue
    return coded


def options_from_json(coded: Mapping[str, Any]) -> dict[str, Any]:
    """The options that `options_to_json` coded.

    Raises `ValueError`, `TypeError`, `KeyError`, `AttributeError` or `ImportError` for what it cannot have written.
    """
    return {name: _decoded(value) for name, value in coded.items()}


def _coded(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return {"tuple": [_coded(entry) for entry in value]}
    kind = type(value)
    if dataclasses.is_dataclass(kind) and kind.__module__.startswith(_HERE):
        fields = {field.name: _coded(getattr(value, field.name)) for field in dataclasses.fields(kind)}
        return {"class": f"{kind.__module__.removeprefix(_HERE)}:{kind.__name__}", "fields": fields}
    raise TypeError(f"a value of type {kind.__name__} cannot be saved")


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "tuple" in value:
        return tuple(_decoded(entry) for entry in value["tuple"])
    module, _, name = value["class"].partition(":")
    kind = getattr(importlib.import_module(_HERE + module), name)
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise ValueError(f"{name} holds no settings")
    return kind(**{field: _decoded(entry) for field, entry in value["fields"].items()})
