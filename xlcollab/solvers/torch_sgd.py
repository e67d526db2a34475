"""``solver="torch"``: embeddings trained on mini-batches by Adam with one-cycle schedule and weight decay.

The recipe is that of fastai's ``collab_learner(...).fit_one_cycle(...)``: `EmbeddingDotBias` or `EmbeddingNN`, mean
squared error, Adam with decoupled weight decay, one cycle of learning rate and momentum. Two things are ours: training
starts at the mean rating (fastai's mid-way in ``y_range``; ``centred=False`` gives that), and few ratings get more
passes and more weight decay, so that one call fits a sheet of 200 ratings and a file of 20 million.

With ``restarts=N`` the solver is another one: it minimises the sheet's RMSE from N starts at once (`torch_restarts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from xlcollab.errors import FitError, OptionError
from xlcollab.model import Model, canonical, with_average_rows
from xlcollab.progress import OnProgress
from xlcollab.settings import is_real, true_or_false, whole_number
from xlcollab.solvers.base import NoFactors, Solution, Status
from xlcollab.solvers.torch_callbacks import Callback, EarlyStopping, KeepBest, ReportProgress, StopWhenNotFinite
from xlcollab.solvers.torch_data import as_batch, mean_start, unrated
from xlcollab.solvers.torch_device import pick_device
from xlcollab.solvers.torch_lr_find import LearningRates, RangeTest, read_range_test
from xlcollab.solvers.torch_modules import EmbeddingDotBias, EmbeddingNN
from xlcollab.solvers.torch_network import Network, TrainedNetwork
from xlcollab.solvers.torch_restarts import solve_restarts
from xlcollab.solvers.torch_schedule import Exponential, OneCycle, Schedule
from xlcollab.solvers.torch_training import Training

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xlcollab.arrays import FloatArray
    from xlcollab.ratings import Ratings

__all__ = ["TorchSolver", "default_batch_size", "default_weight_decay"]


@dataclass(frozen=True)
class TorchSolver:
    """Options of the torch solver.

    Parameters
    ----------
    epochs
        Passes over the ratings. None: 5, or as many as make 1,000 steps where the ratings are few.
    lr
        The highest learning rate of the cycle; `lr_find` suggests one.
    batch_size
        Ratings a step. None: 64 as in fastai, more where there are many ratings, users or items
        (`default_batch_size`).
    weight_decay
        Each step multiplies every embedding by 1 − lr · weight_decay. None: 0.1, more where the ratings are few,
        as far as the highest learning rate allows (`default_weight_decay`).
    device
        ``auto`` takes CUDA where there is one; ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
    centred
        Start at the mean rating (models with biases only). False starts in the middle of ``y_range``, as fastai does.
    schedule
        How rate and momentum move, in place of one cycle up to ``lr`` (`torch_schedule`).
    network
        Settings of a neural network in place of the dot product; it has no factors, and no mirror can show it.
    patience
        Stop after so many epochs without a better loss (held-out loss where ratings are held out).
    keep_best
        End with the weights of the epoch with the least loss.
    callbacks
        Whatever else looks on (`torch_callbacks`).
    mixed_precision
        Matrix products in bfloat16. It pays for networks on CUDA; a dot product of embeddings has nothing to gain.
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
    schedule: Schedule | None = None
    network: Network | None = None
    patience: int | None = None
    keep_best: bool = False
    callbacks: tuple[Callback, ...] = ()
    mixed_precision: bool = False
    restarts: int | None = None

    name: ClassVar[str] = "torch"

    def __post_init__(self) -> None:
        for option in ("epochs", "batch_size", "patience", "restarts"):
            value = getattr(self, option)
            if value is not None:
                whole_number(option, value, 1)
        for option in ("centred", "keep_best", "mixed_precision"):
            true_or_false(option, getattr(self, option))
        if not (is_real(self.lr) and math.isfinite(self.lr) and self.lr > 0):
            raise OptionError(f"lr is {self.lr!r}; a learning rate is above 0 (0.005 is usual).")
        decay = self.weight_decay
        if decay is not None and not (is_real(decay) and math.isfinite(decay) and decay >= 0):
            raise OptionError(f"weight_decay is {decay!r}; it is 0 or more (0.1 is usual).")
        if self.schedule is not None and not callable(getattr(self.schedule, "at", None)):
            raise OptionError(f"schedule is {self.schedule!r}; it is a Schedule, such as OneCycle(0.005).")
        if self.network is not None and not isinstance(self.network, Network):
            raise OptionError(f"network is {self.network!r}; it is a Network, such as Network(layers=(100, 50)).")
        if not (isinstance(self.callbacks, Sequence) and all(isinstance(one, Callback) for one in self.callbacks)):
            raise OptionError(f"callbacks is {self.callbacks!r}; it is a tuple of Callback objects.")
        if self.restarts is not None:
            self._check_restarts()

    def _check_restarts(self) -> None:
        options = (option for option in fields(self) if option.name not in {"restarts", "device"})
        idle = [option.name for option in options if getattr(self, option.name) != option.default]
        if idle:
            raise OptionError(f"With restarts nothing is trained, so that {', '.join(idle)} would have no effect.")

    def default_model(self, ratings: Ratings) -> Model:
        """Five factors and biases, squeezed into half below the lowest to half above the highest rating.

        With ``restarts`` the lesson's sheet, a dot product of five factors.
        """
        if self.restarts:
            return Model(n_factors=5)
        low, high = ratings.scale
        return Model(n_factors=5, biased=True, y_range=(low - 0.5, high + 0.5))

    def solve(
        self,
        ratings: Ratings,
        model: Model,
        *,
        valid: Ratings | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
    ) -> Solution:
        """Train the embeddings; ``valid`` is measured after each epoch."""
        device = pick_device(self.device)
        if self.restarts:
            return solve_restarts(
                ratings, model, restarts=self.restarts, device=device, seed=seed, on_progress=on_progress
            )
        training, module = self._training(ratings, model, device, seed, schedule=self._schedule, valid=valid)
        training.run(self._epochs(training.steps_per_epoch), self._watchers(on_progress))
        if isinstance(training.stopped_by, StopWhenNotFinite):
            rate = f"lr={self.lr:g}" if self.schedule is None else f"the rate of {self.schedule!r}"
            raise FitError(f"The loss ran out of bounds in epoch {training.epoch}: {rate} is too high.")
        if isinstance(module, EmbeddingDotBias):
            found = module.factors()
            if not model.biased:  # where zeros would predict 0, not the mean
                found = with_average_rows(found, ratings.user_counts > 0, ratings.item_counts > 0)
            factors, predictor = canonical(model, found, centre=False), None
        else:
            predictor = TrainedNetwork(self.network or Network(), module)
            factors = NoFactors(predictor.name)
        return Solution(
            factors=factors,
            predictor=predictor,
            status=Status.STOPPED if isinstance(training.stopped_by, ReportProgress) else Status.COMPLETED,
            message=self._message(training),
            iterations=training.step,
            history=training.history,
            device=str(device),
            penalised=training.optimizer.weight_decay > 0,
        )

    def lr_find(
        self,
        ratings: Ratings,
        model: Model | None = None,
        *,
        seed: int = 0,
        first: float = 1e-7,
        last: float = 10.0,
        steps: int = 100,
    ) -> LearningRates:
        """Suggest a learning rate from a mock run whose rate grows from ``first`` to ``last`` over so many steps."""
        ramp = Exponential(first, last, steps)
        model = model or self.default_model(ratings)
        training, _ = self._training(ratings, model, pick_device(self.device), seed, schedule=ramp)
        test = RangeTest(steps)
        training.run(math.ceil(steps / training.steps_per_epoch), [test])
        return read_range_test(test)

    @staticmethod
    def restore_predictor(
        header: Mapping[str, Any], model: Model, n_users: int, n_items: int, arrays: Mapping[str, FloatArray]
    ) -> TrainedNetwork:
        """The network that a model file holds."""
        return TrainedNetwork.restore(Network(**header), model, n_users, n_items, arrays)

    def _training(
        self,
        ratings: Ratings,
        model: Model,
        device: torch.device,
        seed: int,
        *,
        schedule: Schedule,
        valid: Ratings | None = None,
    ) -> tuple[Training, EmbeddingDotBias | EmbeddingNN]:
        """The run that is about to begin, and the module in it.

        The start is drawn on the CPU, so that it is the same on every device; order and dropout are drawn where they
        are used.
        """
        start, running = torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed)
        shape = len(ratings.users), len(ratings.items)
        if not self.centred and (self.network is not None or not model.biased):
            raise OptionError("centred is for dot products with biases, and would have no effect here: leave it out.")
        module: EmbeddingDotBias | EmbeddingNN
        if self.network is not None:
            if len(ratings) < 2 and self.network.batch_norm:
                raise FitError("Batch-norm needs two ratings or more. Pass a Network with batch_norm=False.")
            module = self.network.module(model, *shape, generator=start, dropout_generator=running)
        else:
            mean = mean_start(ratings, model) if self.centred else 0.0
            module = EmbeddingDotBias(model, *shape, mean=mean, generator=start)
            module.forget(*unrated(ratings))
        training = Training(
            module.to(device),
            as_batch(ratings, device),
            as_batch(valid, device) if valid is not None and len(valid) else None,
            schedule=schedule,
            batch_size=self._batch_size(ratings),
            weight_decay=self._decay(ratings),
            generator=running,
            mixed_precision=self.mixed_precision,
        )
        return training, module

    def _watchers(self, on_progress: OnProgress | None) -> list[Callback]:
        watchers: list[Callback] = [StopWhenNotFinite(), *self.callbacks]
        if self.keep_best:
            watchers.append(KeepBest())
        if self.patience is not None:
            watchers.append(EarlyStopping(self.patience))
        if on_progress is not None:
            watchers.append(ReportProgress(on_progress))
        return watchers

    def _epochs(self, steps_per_epoch: int) -> int:
        return self.epochs or max(5, math.ceil(1000 / steps_per_epoch))

    def _batch_size(self, ratings: Ratings) -> int:
        return self.batch_size or default_batch_size(len(ratings), ratings.n_users + ratings.n_items)

    @property
    def _schedule(self) -> Schedule:
        return self.schedule or OneCycle(self.lr)

    def _decay(self, ratings: Ratings) -> float:
        if self.weight_decay is not None:
            return self.weight_decay
        steps_per_epoch = math.ceil(len(ratings) / self._batch_size(ratings))
        steps = self._epochs(steps_per_epoch) * steps_per_epoch
        highest = max(self._schedule.at(step, steps)[0] for step in range(steps))
        if not highest > 0:
            raise OptionError(f"schedule is {self.schedule!r}, without a learning rate above 0 (0.005 is usual).")
        return default_weight_decay(len(ratings), highest)

    def _message(self, training: Training) -> str:
        made = f"{training.epoch} of {training.epochs} epochs" if training.stopped_by else f"{training.epochs} epochs"
        steps = f"{training.step:,} step{'' if training.step == 1 else 's'} of Adam"
        rate = f", learning rate up to {self.lr:g}" if self.schedule is None else ""
        reason = f": {training.stopped_by.reason}" if training.stopped_by else ""
        return f"{made}, {steps}{rate}{reason}."


def default_batch_size(n_ratings: int, n_rows: int) -> int:
    """64, doubled until an epoch has at most 2,048 steps, and a batch a rating for every 64 users and items.

    Each step of Adam moves the rows of all users and items: a million of them for a batch of 64 would be idle work.
    """
    size = 64
    while n_ratings > 2048 * size or n_rows > 64 * size:
        size *= 2
    return size


def default_weight_decay(n_ratings: int, lr: float) -> float:
    """0.1 from 10,000 ratings on, and in inverse proportion to their number below.

    A ridge of λ on the sum of squared errors is one of λ / N on their mean, which is what a step of Adam sees. 0.1 is
    the usual value for tens of thousands of ratings; 206 ratings get 4.9. No step may take more than half of an
    embedding at the highest learning rate, ``lr``, which is the limit for a handful of ratings.
    """
    return max(0.1, min(1000 / n_ratings, 0.5 / lr))
