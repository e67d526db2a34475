"""How learning rate and momentum move over a run: one cycle, a constant, and the ramp of the learning-rate finder."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Constant", "Exponential", "OneCycle", "Schedule"]


class Schedule(Protocol):
    """Learning rate and momentum (Adam's β₁) by step."""

    def at(self, step: int, steps: int) -> tuple[float, float]:
        """(learning rate, momentum) for ``step``, from 0, of a run of ``steps``."""
        ...


@dataclass(frozen=True)
class OneCycle:
    """Warm up, then anneal, both along half a cosine, the momentum running the other way.

    The rate goes from ``lr / div`` up to ``lr`` over the first ``warm_up`` of the run and down to ``lr / div_final``;
    the momentum takes the three values of ``momentum`` at those places. The defaults are those of fastai's
    ``fit_one_cycle``, after Smith & Topin, *Super-convergence* (2018), https://arxiv.org/abs/1708.07120.
    """

    lr: float
    div: float = 25.0
    div_final: float = 1e5
    warm_up: float = 0.25
    momentum: tuple[float, float, float] = (0.95, 0.85, 0.95)

    def at(self, step: int, steps: int) -> tuple[float, float]:
        """(learning rate, momentum) for ``step`` of ``steps``."""
        position = step / steps
        first, middle, last = self.momentum
        if position < self.warm_up:
            along = position / self.warm_up
            return _cosine(self.lr / self.div, self.lr, along), _cosine(first, middle, along)
        along = (position - self.warm_up) / (1 - self.warm_up)
        return _cosine(self.lr, self.lr / self.div_final, along), _cosine(middle, last, along)


@dataclass(frozen=True)
class Constant:
    """The same rate and momentum throughout."""

    lr: float
    momentum: float = 0.9

    def at(self, step: int, steps: int) -> tuple[float, float]:  # noqa: ARG002 - the protocol's
        """(learning rate, momentum), at any step."""
        return self.lr, self.momentum


@dataclass(frozen=True)
class Exponential:
    """The rate grows by the same factor each step, from ``first`` to ``last`` after ``over`` steps."""

    first: float
    last: float
    over: int
    momentum: float = 0.9

    def at(self, step: int, steps: int) -> tuple[float, float]:  # noqa: ARG002 - the protocol's
        """(learning rate, momentum) for ``step``, however long the run is."""
        return self.first * (self.last / self.first) ** (step / self.over), self.momentum


def _cosine(start: float, end: float, along: float) -> float:
    """Half a cosine from ``start`` at 0 to ``end`` at 1."""
    return start + (1 - math.cos(math.pi * along)) * (end - start) / 2
