"""What a prediction is kept within: the scale of the ratings, and the interval in which a rating lies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.errors import OptionError
from xlcollab.settings import is_real, true_or_false
from xlcollab.solvers.base import Uncertainty

__all__ = ["Bounds"]


@dataclass(frozen=True, eq=False)
class Bounds:
    """The ``scale`` of the ratings (lowest, highest), whether predictions keep to it, and how sure the solver is."""

    scale: tuple[float, float]
    clip: bool
    uncertainty: Uncertainty | None

    def clipped(self, values: FloatArray, clip: bool | None = None) -> FloatArray:
        """The values within the scale, or as they are; ``clip`` None means as the fit was told."""
        clip = self.clip if clip is None else true_or_false("clip", clip)
        return np.clip(values, *self.scale) if clip else values

    def reach(self, level: float) -> tuple[float, float]:
        """How many standard deviations from its prediction an interval of ``level`` begins and ends, or NaN.

        Raises `OptionError` for a level that is no probability.
        """
        if not (is_real(level) and 0 < level < 1):
            raise OptionError(f"level is {level!r}; it is a probability between 0 and 1, such as 0.8.")
        if self.uncertainty is None:
            return float("nan"), float("nan")
        return self.uncertainty.quantile((1 - level) / 2), self.uncertainty.quantile((1 + level) / 2)

    def interval(
        self, predicted: FloatArray, sd: FloatArray, level: float, clip: bool | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """(low, high) of (N,) each, ``reach`` standard deviations from unclipped predictions, clipped afterwards."""
        below, above = self.reach(level)
        return self.clipped(predicted + below * sd, clip), self.clipped(predicted + above * sd, clip)
