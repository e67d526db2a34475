"""What every solver takes and gives: ratings and a model in, a `Solution` out.

A solver is an immutable dataclass whose fields are its options; ``solve`` holds no state between calls. How it ended is a
value with a sentence, never an exception: errors are for what cannot be done at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, Protocol

from xlcollab.model import Factors, FloatArray, IntArray, Model
from xlcollab.progress import OnProgress

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["Solution", "Solver", "Status", "Uncertainty"]


class Status(Enum):
    """How a fit ended."""

    CONVERGED = "converged"
    """A minimum, to the solver's tolerance."""
    COMPLETED = "completed"
    """Every planned pass was made (epochs of a stochastic solver); no claim of a minimum."""
    LIMIT = "limit"
    """The iteration limit came first."""
    UNBOUNDED = "unbounded"
    """The cost keeps falling while factors grow without end: there is no minimum."""
    STOPPED = "stopped"
    """The caller's ``on_progress`` said stop; the best so far is returned."""

    @property
    def ok(self) -> bool:
        """Whether the solver did all it set out to do; ``strict=True`` raises where it did not."""
        return self in {Status.CONVERGED, Status.COMPLETED}


class Uncertainty(Protocol):
    """How sure a solver is of each prediction."""

    def sd(self, user_idx: IntArray, item_idx: IntArray) -> FloatArray:
        """Standard deviation of the predictive distribution, noise included, (N,), in the units of the ratings."""
        ...

    def arrays(self) -> Mapping[str, FloatArray]:
        """What a model file must hold so that the solver's ``restore_uncertainty`` can rebuild this object."""
        ...


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found.

    ``message`` is one sentence on how it ended. ``history`` holds one row of numbers a step (epoch, iteration or start),
    all rows with the same keys where possible. ``penalised`` says whether something held the factors back: an unpenalised
    minimum is never shown as a prediction for blank cells.
    """

    factors: Factors
    status: Status
    message: str
    iterations: int
    history: list[dict[str, float]] = field(default_factory=list)
    device: str = "cpu"
    uncertainty: Uncertainty | None = None
    penalised: bool = False


class Solver(Protocol):
    """One way from ratings to factors."""

    name: ClassVar[str]

    def solve(
        self, ratings: Ratings, model: Model, *, valid: Ratings | None, seed: int, on_progress: OnProgress | None
    ) -> Solution:
        """Fit ``model`` to ``ratings``; ``valid`` is measured and reported, and never fitted to."""
        ...
