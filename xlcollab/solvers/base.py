"""What every solver takes and gives: ratings and a model in, a `Solution` out.

A solver is an immutable dataclass whose fields are its options; ``solve`` holds no state between calls. How it ended is
a value with a sentence, never an exception: errors are for what cannot be done at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import FitError
from xlcollab.model import Factors, Model
from xlcollab.progress import OnProgress

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["FoldsIn", "NewRow", "NoFactors", "Predictor", "Ridge", "Solution", "Solver", "Status", "Uncertainty"]


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

    def sd(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        """Standard deviation of the predictive distribution, noise included, (N,), in the units of the ratings.

        Position −1 is someone who was not there when the model was fitted, of whom nothing is known; NaN where a
        solver cannot tell.
        """
        ...

    def quantile(self, probability: float) -> float:
        """How many standard deviations above its prediction a rating lies at most, with that probability."""
        ...

    def arrays(self) -> Mapping[str, FloatArray]:
        """What a model file must hold so that the solver's ``restore_uncertainty`` can rebuild this object."""
        ...


class NewRow(Protocol):
    """A user or item folded into a fit: x = (p, b) with its mean (k + 1,) and covariance (k + 1, k + 1).

    In the gauge and the units of the fit's factors, so that a new user's prediction for item i is
    μ + mean[k] + b_i + mean[:k]·q_i.
    """

    @property
    def mean(self) -> FloatArray: ...  # noqa: D102

    @property
    def covariance(self) -> FloatArray: ...  # noqa: D102

    @property
    def pulls(self) -> FloatArray:
        """What each of the ratings that it was folded in from adds to the mean (N, k + 1)."""
        ...


@runtime_checkable
class FoldsIn(Protocol):
    """What an `Uncertainty` may offer besides: users and items that were not there, without fitting again.

    Ask with ``isinstance(uncertainty, FoldsIn)``. Positions are those of the other side's rows in the fit, each at most
    once; without a rating the answer is the average row with the spread of all.
    """

    def fold_in_user(self, item_idx: IndexArray, values: FloatArray) -> NewRow:
        """A new user from ratings ``values`` (N,) of the items ``item_idx`` (N,)."""
        ...

    def fold_in_item(self, user_idx: IndexArray, values: FloatArray) -> NewRow:
        """A new item from ratings ``values`` (N,) by the users ``user_idx`` (N,)."""
        ...

    def sd_of_user(self, user: Any, item_idx: IndexArray) -> FloatArray:
        """Standard deviations (N,), noise included, of the ratings that the folded-in user would give."""
        ...

    def sd_of_item(self, item: Any, user_idx: IndexArray) -> FloatArray:
        """Standard deviations (N,), noise included, of the ratings that the folded-in item would get."""
        ...


class Ridge(NamedTuple):
    """That a solver's rows are ridge regressions: of a row's n ratings Σ (r̂ − r)² + λ ‖p‖² + λ_b b² is least.

    With ``by_count`` λ is multiplied by n, and λ_b is not.
    """

    factors: float
    bias: float
    by_count: bool = False


@dataclass(frozen=True, eq=False)
class Solution:
    """What a solver found: factors, or where the model is none of factors a ``predictor`` (and `NoFactors`).

    ``model`` is the one that was fitted, where the solver chose the number of factors (`Model.at_most`).

    ``message`` is one sentence on how it ended. ``history`` holds one row of numbers a step (epoch, iteration or
    start), all rows with the same keys where possible. ``penalised`` says whether something held the factors back: an
    unpenalised minimum is never shown as a prediction for blank cells. ``ridge`` names the penalties of a solver
    whose rows are ridge regressions on the other side.
    """

    factors: Factors
    status: Status
    message: str
    iterations: int
    history: list[dict[str, float]] = field(default_factory=list)
    device: str = "cpu"
    uncertainty: Uncertainty | None = None
    penalised: bool = False
    predictor: Predictor | None = None
    model: Model | None = None
    ridge: Ridge | None = None


class Predictor(Protocol):
    """What a solver found where it found no factors: a trained network, say."""

    name: str
    """What it is, in a few words."""

    def predict_pairs(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        """r̂ (N,) for the pairs (user_idx[n], item_idx[n]), positions from 0."""
        ...

    def arrays(self) -> Mapping[str, FloatArray]:
        """What a model file must hold so that the solver's ``restore_predictor`` can rebuild this object."""
        ...

    def header(self) -> dict[str, Any]:
        """And what else, as JSON can hold it."""
        ...


class NoFactors(Factors):
    """Stands in the place of factors where there are none: whoever asks for one gets a `FitError` that says why."""

    def __init__(self, found: str) -> None:
        object.__setattr__(self, "found", found)

    def __repr__(self) -> str:
        return f"NoFactors({self.found!r})"

    def __getattr__(self, name: str) -> object:
        if name in Factors.__dataclass_fields__:
            raise FitError(
                f"The fit is a {self.found}: it has no factors, and no mirror sheet can show it."
                " Fit a dot product for one."
            )
        raise AttributeError(name)


class Solver(Protocol):
    """One way from ratings to factors.

    Two class attributes may stand beside ``name``, True: ``starts_warm`` where ``solve`` takes the factors to ``start``
    from as well, ``chooses_factors`` where it takes a model with `Model.at_most`.
    """

    name: ClassVar[str]

    def default_model(self, ratings: Ratings) -> Model:
        """The model that is fitted where the caller names none."""
        ...

    def solve(
        self, ratings: Ratings, model: Model, *, valid: Ratings | None, seed: int, on_progress: OnProgress | None
    ) -> Solution:
        """Fit ``model`` to ``ratings``; ``valid`` is measured and reported, and never fitted to."""
        ...
