"""Progress: the one object that a long computation reports, and the callback that may stop it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["OnProgress", "Progress"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a computation has come.

    ``done`` of ``total`` steps (``total`` is 0 where nobody knows it), the best objective so far in the units of the
    task (RMSE for a fit, the objective cell for a Solver model), and what is being done, in two or three words.
    """

    task: str
    done: int
    total: int = 0
    value: float | None = None


OnProgress = Callable[[Progress], bool | None]
"""Called now and then with a `Progress`; returning True stops the computation, which keeps its best answer so far."""
