"""The training loop, written once: shuffled mini-batches, Adam with decoupled weight decay, a schedule, callbacks.

All ratings lie on the device as three tensors. An epoch draws one permutation, gathers the tensors by it once and walks
over slices of the result, so that Python's work is a few calls a step and none a rating. Nothing waits for the device
within an epoch: the losses are collected there and fetched together at its end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlcollab.solvers.torch_adam import Adam
from xlcollab.solvers.torch_callbacks import Callback
from xlcollab.solvers.torch_schedule import Schedule

__all__ = ["Batch", "Training"]

_EVALUATED_AT_ONCE = 1 << 17
"""Ratings for each call while evaluating: 50 factors of them are 26 MB a side."""


class Batch(NamedTuple):
    """Ratings as tensors on one device: positions of users and items, int64 (N,), and values, float32 (N,)."""

    users: Tensor
    items: Tensor
    values: Tensor

    def shuffled(self, generator: torch.Generator, steps: int) -> Iterator[Batch]:
        """All of it in random order, in ``steps`` parts whose sizes differ by one at most."""
        order = torch.randperm(len(self.values), generator=generator, device=self.values.device)
        parts = (column[order].tensor_split(steps) for column in self)
        return map(Batch, *parts)


class Training:
    """One run of a module over ratings: what callbacks see, and ``run``.

    ``history`` holds one row an epoch: ``epoch`` from 1, ``train_loss`` (mean squared error over the epoch's
    mini-batches, each measured before its step), ``valid_loss`` where ratings are held out, ``rmse`` and ``valid_rmse``
    (their roots) and ``time`` in seconds. ``loss`` is the last mini-batch's, still on the device.
    """

    def __init__(
        self,
        module: nn.Module,
        ratings: Batch,
        valid: Batch | None,
        *,
        schedule: Schedule,
        batch_size: int,
        weight_decay: float,
        generator: torch.Generator,
        mixed_precision: bool = False,
    ) -> None:
        self.module = module
        self.ratings = ratings
        self.valid = valid
        self.schedule = schedule
        self.generator = generator
        self.device = ratings.values.device
        self.steps_per_epoch = math.ceil(len(ratings.values) / batch_size)
        self.optimizer = Adam(module, weight_decay)
        self.mixed_precision = mixed_precision
        self.history: list[dict[str, float]] = []
        self.epochs = 0
        self.epoch = 0
        self.step = 0
        self.loss = torch.zeros((), device=self.device)
        self.stopped_by: Callback | None = None

    @property
    def steps(self) -> int:
        """Steps that the whole run would take."""
        return self.epochs * self.steps_per_epoch

    def run(self, epochs: int, callbacks: Sequence[Callback] = ()) -> None:
        """Train for ``epochs`` passes over the ratings, or until a callback returns True."""
        self.epochs = epochs
        for callback in callbacks:
            callback.before_run(self)
        for self.epoch in range(1, epochs + 1):
            self._run_epoch(callbacks)
            if self.stopped_by or self._ask(callbacks, "after_epoch"):
                break
        for callback in callbacks:
            callback.after_run(self)

    def _run_epoch(self, callbacks: Sequence[Callback]) -> None:
        start = time.perf_counter()
        self.module.train()
        watching = [callback for callback in callbacks if type(callback).after_step is not Callback.after_step]
        losses: list[Tensor] = []
        for batch in self.ratings.shuffled(self.generator, self.steps_per_epoch):
            self._take_step(batch)
            losses.append(self.loss)
            if watching and self._ask(watching, "after_step"):
                break
        row = {"epoch": float(self.epoch), "train_loss": float(torch.stack(losses).mean())}
        row["rmse"] = math.sqrt(row["train_loss"])
        if self.valid is not None:
            row["valid_loss"] = self.measure(self.valid)
            row["valid_rmse"] = math.sqrt(row["valid_loss"])
        row["time"] = time.perf_counter() - start
        self.history.append(row)

    def _take_step(self, batch: Batch) -> None:
        with self._precision():
            loss = functional.mse_loss(self.module(batch.users, batch.items).to(batch.values.dtype), batch.values)
        self.optimizer.step(loss, *self.schedule.at(self.step, self.steps))
        self.loss = loss.detach()
        self.step += 1

    def _ask(self, callbacks: Sequence[Callback], hook: str) -> bool:
        """Call ``hook`` of every callback and tell whether one of them said stop."""
        for callback in callbacks:
            if getattr(callback, hook)(self) and self.stopped_by is None:
                self.stopped_by = callback
        return self.stopped_by is not None

    @torch.no_grad()
    def measure(self, ratings: Batch) -> float:
        """Mean squared error over ``ratings``, without dropout and with batch-norm's running statistics."""
        self.module.eval()
        parts = zip(*(torch.split(column, _EVALUATED_AT_ONCE) for column in ratings), strict=True)
        total = torch.zeros((), device=self.device)
        with self._precision():
            for users, items, values in parts:
                total += functional.mse_loss(self.module(users, items).to(values.dtype), values, reduction="sum")
        return float(total) / len(ratings.values)

    def _precision(self) -> AbstractContextManager[object]:
        """Mixed precision is matrix products in bfloat16: it has float32's range, so that no loss needs scaling."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.mixed_precision else nullcontext()
