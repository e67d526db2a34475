"""``solver="torch"``: embeddings trained on mini-batches by Adam with one-cycle schedule and weight decay.

The recipe is that of fastai's ``collab_learner(...).fit_one_cycle(...)``: `EmbeddingDotBias`, mean squared error, Adam
with decoupled weight decay, one cycle of learning rate and momentum. Two things are ours: training starts at the mean
rating (fastai's at the middle of ``y_range``; ``centred=False`` gives that), and few ratings get more passes and more
weight decay, so that one call fits a sheet of 200 ratings and a file of 20 million.

With ``restarts=N`` the solver is another one: it minimises the sheet's RMSE from N starts at once (`torch_restarts`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from xlcollab.errors import FitError, OptionError
from xlcollab.model import Model, canonical
from xlcollab.progress import OnProgress
from xlcollab.solvers.base import Solution, Status
from xlcollab.solvers.torch_callbacks import Callback, ReportProgress, StopWhenNotFinite
from xlcollab.solvers.torch_device import pick_device
from xlcollab.solvers.torch_modules import EmbeddingDotBias
from xlcollab.solvers.torch_restarts import solve_restarts
from xlcollab.solvers.torch_schedule import OneCycle
from xlcollab.solvers.torch_training import Batch, Training

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["TorchSolver"]


@dataclass(frozen=True)
class TorchSolver:
    """Options of the torch solver.

    Parameters
    ----------
    epochs
        Passes over the ratings. None: 5, or as many as make 1,000 steps where the ratings are few.
    lr
        The highest learning rate of the cycle.
    batch_size
        Ratings a step. None: 64 as in fastai, doubled until an epoch has at most 2,048 steps.
    weight_decay
        Each step multiplies every embedding by 1 − lr · weight_decay. None: 0.1, more where the ratings are few
        (`default_weight_decay`).
    device
        ``auto`` takes CUDA where there is one; ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    centred
        Start at the mean rating (models with biases only). False starts in the middle of ``y_range``, as fastai does.
    restarts
        Not training at all: the least minimum of the plain squared error that so many starts at once lead to
        (`torch_restarts`). Of the other options only ``device`` goes with it.
    """

    epochs: int | None = None
    lr: float = 5e-3
    batch_size: int | None = None
    weight_decay: float | None = None
    device: str = "auto"
    centred: bool = True
    restarts: int | None = None

    name: ClassVar[str] = "torch"

    def __post_init__(self) -> None:
        for option in ("epochs", "batch_size", "restarts"):
            value = getattr(self, option)
            if value is not None and (value != int(value) or value < 1):
                raise OptionError(f"{option} is {value!r}; it is a whole number, 1 or more.")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise OptionError(f"lr is {self.lr!r}; a learning rate is above 0 (0.005 is usual).")
        if self.weight_decay is not None and not (math.isfinite(self.weight_decay) and self.weight_decay >= 0):
            raise OptionError(f"weight_decay is {self.weight_decay!r}; it is 0 or more (0.1 is usual).")

    def default_model(self, ratings: Ratings) -> Model:
        """Five factors and biases, squeezed into half below the lowest to half above the highest rating.

        With ``restarts`` the lesson's sheet, a dot product of five factors.
        """
        if self.restarts:
            return Model(n_factors=5)
        low, high = ratings.scale
        return Model(n_factors=5, biased=True, y_range=(low - 0.5, high + 0.5))

    def solve(
        self, ratings: Ratings, model: Model, *, valid: Ratings | None, seed: int, on_progress: OnProgress | None
    ) -> Solution:
        """Train the embeddings; ``valid`` is measured after each epoch."""
        device = pick_device(self.device)
        if self.restarts:
            return solve_restarts(
                ratings, model, restarts=self.restarts, device=device, seed=seed, on_progress=on_progress
            )
        start = torch.Generator().manual_seed(seed)
        module = EmbeddingDotBias(
            model, len(ratings.users), len(ratings.items), mean=self._mean(ratings, model), generator=start
        )
        module.forget(*_unrated(ratings))
        training = self._training(module.to(device), ratings, valid, seed, device)
        callbacks: list[Callback] = [StopWhenNotFinite()]
        if on_progress is not None:
            callbacks.append(ReportProgress(on_progress))
        training.run(self._epochs(training.steps_per_epoch), callbacks)
        if isinstance(training.stopped_by, StopWhenNotFinite):
            raise FitError(f"The loss ran out of bounds in epoch {training.epoch}: lr={self.lr:g} is too high.")
        return Solution(
            factors=canonical(model, module.factors(), centre=False),
            status=_status(training),
            message=self._message(training),
            iterations=training.step,
            history=training.history,
            device=str(device),
            penalised=self._decay(ratings) > 0,
        )

    def _training(
        self, module: EmbeddingDotBias, ratings: Ratings, valid: Ratings | None, seed: int, device: torch.device
    ) -> Training:
        return Training(
            module,
            as_batch(ratings, device),
            as_batch(valid, device) if valid is not None and len(valid) else None,
            schedule=OneCycle(self.lr),
            batch_size=self.batch_size or default_batch_size(len(ratings)),
            weight_decay=self._decay(ratings),
            generator=torch.Generator(device).manual_seed(seed),
        )

    def _epochs(self, steps_per_epoch: int) -> int:
        return self.epochs or max(5, math.ceil(1000 / steps_per_epoch))

    def _decay(self, ratings: Ratings) -> float:
        return default_weight_decay(len(ratings)) if self.weight_decay is None else self.weight_decay

    def _mean(self, ratings: Ratings, model: Model) -> float:
        """μ in the units of the linear predictor: what the link maps to the mean rating."""
        if not (self.centred and model.biased):
            return 0.0
        mean = float(np.mean(ratings.values))
        if model.y_range is None:
            return mean
        low, high = model.y_range
        share = min(max((mean - low) / (high - low), 1e-3), 1 - 1e-3)
        return math.log(share / (1 - share))

    def _message(self, training: Training) -> str:
        made = f"{training.epoch} of {training.epochs} epochs" if training.stopped_by else f"{training.epochs} epochs"
        steps = f"{training.step:,} step{'' if training.step == 1 else 's'} of Adam"
        reason = f": {training.stopped_by.reason}" if training.stopped_by else ""
        return f"{made}, {steps}, learning rate up to {self.lr:g}{reason}."


def default_batch_size(n_ratings: int) -> int:
    """64, doubled until an epoch has at most 2,048 steps."""
    size = 64
    while n_ratings > 2048 * size:
        size *= 2
    return size


def default_weight_decay(n_ratings: int) -> float:
    """0.1 from 10,000 ratings on, and in inverse proportion to their number below.

    A ridge of λ on the sum of squared errors is one of λ / N on their mean, which is what a step of Adam sees. 0.1 is
    the usual value for tens of thousands of ratings; 206 ratings get 4.9.
    """
    return max(0.1, 1000 / n_ratings)


def as_batch(ratings: Ratings, device: torch.device) -> Batch:
    """All ratings as tensors on ``device``."""
    return Batch(
        torch.as_tensor(ratings.user_idx, dtype=torch.int64).to(device),
        torch.as_tensor(ratings.item_idx, dtype=torch.int64).to(device),
        torch.as_tensor(ratings.values, dtype=torch.float32).to(device),
    )


def _unrated(ratings: Ratings) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions of users and of items without a rating."""
    counts = (
        np.bincount(ratings.user_idx, minlength=len(ratings.users)),
        np.bincount(ratings.item_idx, minlength=len(ratings.items)),
    )
    users, items = (torch.from_numpy(np.flatnonzero(count == 0)) for count in counts)
    return users, items


def _status(training: Training) -> Status:
    return Status.STOPPED if isinstance(training.stopped_by, ReportProgress) else Status.COMPLETED
