"""Model files: arrays and a header in one npz file, without pickle, versioned and checked on load.

The header is JSON, kept as the bytes of an array of its own; it lists the arrays with their types and shapes. Labels
keep their type: in the header an int, a float or a text stands for itself, a date as ``{"date": "2024-05-01"}``, a date
with a time as ``{"datetime": …}``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from xlcollab.atomic import atomic_write
from xlcollab.errors import DamagedFileError, FileError, UnsupportedFormatError

__all__ = ["coded_labels", "is_model_file", "labels_from", "read_model_file", "write_model_file"]

_HEADER = "xlcollab.json"
_VERSION = 1

_UNREADABLE = (
    *(OSError, EOFError, zipfile.BadZipFile, struct.error, zlib.error),
    *(ValueError, KeyError, TypeError, AttributeError),
    *(RuntimeError, MemoryError, OverflowError),  # a zip that claims to be encrypted, an array to be enormous
)
"""What NumPy and zipfile raise for a file in which any byte may be wrong."""


def write_model_file(
    path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], *, force: bool
) -> None:
    """Write the file whole or not at all (`atomic_write`); ``force`` replaces one that exists."""
    text = json.dumps({"version": _VERSION, "arrays": _shapes(arrays), **header}, ensure_ascii=False)
    with atomic_write(path, force=force) as file:
        contents: dict[str, Any] = {_HEADER: np.frombuffer(text.encode(), np.uint8), **arrays}
        np.savez(file, **contents)


def is_model_file(path: str | os.PathLike[str]) -> bool:
    """Whether the file says of itself that it is a model file; it may be damaged all the same."""
    try:
        with zipfile.ZipFile(path) as archive:
            return f"{_HEADER}.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_model_file(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """The header and the arrays.

    Raises `FileError` where there is no such file, `DamagedFileError` where it cannot be made out, and
    `UnsupportedFormatError` where a later version of xlcollab wrote it.
    """
    if not Path(path).is_file():
        raise FileError(f"There is no file {path}.")
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(arrays.pop(_HEADER).tobytes())
        version = int(header["version"])
        if version < 1 or (version == _VERSION and header["arrays"] != _shapes(arrays)):
            raise ValueError("not what was written")
    except _UNREADABLE as error:
        raise damaged(path, "it is no model file, or a part of it is missing or changed") from error
    if version > _VERSION:
        raise UnsupportedFormatError(
            f"{path} is a model file of version {version}; this xlcollab reads up to version {_VERSION}."
            " Update xlcollab."
        )
    return header, arrays


def _shapes(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, list[Any]]:
    """Type and shape of each array, for the header: an array may not be missing, nor be another one."""
    return {name: [array.dtype.str, *array.shape] for name, array in arrays.items()}


def damaged(path: str | os.PathLike[str], reason: str) -> DamagedFileError:
    """The error to raise for a model file that is not what it claims to be."""
    return DamagedFileError(f"{path} cannot be loaded: {reason}. Save the model again.")


def coded_labels(labels: Iterable[Any]) -> list[Any]:
    """Labels as JSON can hold them, each with its type."""
    return [_coded(label) for label in labels]


def labels_from(coded: Iterable[Any]) -> tuple[Any, ...]:
    """The labels that `coded_labels` coded."""
    return tuple(_label(entry) for entry in coded)


def _coded(label: object) -> Any:
    if isinstance(label, dt.datetime):  # before date, of which it is a kind
        return {"datetime": label.isoformat()}
    if isinstance(label, dt.date):
        return {"date": label.isoformat()}
    if isinstance(label, str | int | float):
        return label
    raise TypeError(f"a label of type {type(label).__name__} cannot be saved")


def _label(entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    if "datetime" in entry:
        return dt.datetime.fromisoformat(entry["datetime"])
    return dt.date.fromisoformat(entry["date"])
