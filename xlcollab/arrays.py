"""The arrays that everything here is made of, by the type of their entries."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "FloatArray", "IndexArray", "IntArray"]

FloatArray: TypeAlias = npt.NDArray[np.float64]
IntArray: TypeAlias = npt.NDArray[np.int64]
IndexArray: TypeAlias = npt.NDArray[np.int32]
"""Positions of users and items: half the bytes of an int64, and enough for two thousand million."""
BoolArray: TypeAlias = npt.NDArray[np.bool_]
