"""The learning-rate finder: a mock run with a rate that grows from step to step, to see where the loss falls.

Smith, *Cyclical learning rates for training neural networks* (2017), https://arxiv.org/abs/1506.01186; the run and the
way of reading it are those of fastai's ``lr_find``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.errors import FitError
from xlcollab.solvers.torch_callbacks import Callback
from xlcollab.solvers.torch_training import Training

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LearningRates", "RangeTest", "read_range_test", "valley"]


@dataclass(frozen=True, eq=False)
class LearningRates:
    """``suggestion``, a rate for the top of the cycle, and what it was read from: the smoothed loss at each rate."""

    suggestion: float
    rates: FloatArray
    losses: FloatArray

    @property
    def table(self) -> pd.DataFrame:
        """A row a step: ``lr`` and ``loss``."""
        import pandas as pd

        return pd.DataFrame({"lr": self.rates, "loss": self.losses})


class RangeTest(Callback):
    """Notes rate and smoothed loss of each step, and stops after ``steps`` or when the loss is four times the best.

    The loss is smoothed exponentially with weight 0.98, without bias at the beginning.
    """

    reason = "the range of rates was tested"

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.rates: list[float] = []
        self.losses: list[float] = []
        self._sum = 0.0

    def after_step(self, training: Training) -> bool:
        """Note this step."""
        loss = float(training.loss)
        self._sum = 0.98 * self._sum + 0.02 * loss
        self.losses.append(self._sum / (1 - 0.98 ** (len(self.losses) + 1)))
        self.rates.append(training.schedule.at(training.step - 1, training.steps)[0])
        diverged = not math.isfinite(loss) or self.losses[-1] > 4 * min(self.losses)
        return diverged or len(self.losses) >= self.steps


def read_range_test(test: RangeTest) -> LearningRates:
    """The suggestion, from the steps between the first tenth and the last five."""
    rates, losses = np.array(test.rates), np.array(test.losses)
    useful = slice(test.steps // 10, -5)
    finite = np.isfinite(losses[useful])
    if finite.sum() < 3:
        raise FitError("The loss grew without end before a learning rate could be read: start from a lower one.")
    return LearningRates(float(rates[useful][finite][valley(losses[useful][finite])]), rates, losses)


def valley(losses: Sequence[float] | FloatArray) -> int:
    """The position half-way down the longest fall of the loss: of all falling subsequences the longest.

    Its end is known, and its start is taken to be as many steps before as it is long, as fastai does.
    """
    longest = np.ones(len(losses), dtype=int)  # the longest falling subsequence that ends here
    for i in range(1, len(losses)):
        higher = [longest[j] for j in range(i) if losses[j] > losses[i]]
        longest[i] = max(higher, default=0) + 1
    end = int(longest.argmax())
    third = int(longest[end]) / 3
    return end - int(longest[end]) + int(third) + int(third / 2)
