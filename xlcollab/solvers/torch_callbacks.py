"""What may look on while a model trains, and stop it: early stopping, the best epoch, progress.

A callback overrides some of `Callback`'s hooks. Each hook gets the `Training`, and those within the run stop it by
returning True, as everything in xlcollab that reports progress.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from torch import Tensor

from xlcollab.progress import OnProgress, Progress

if TYPE_CHECKING:
    from xlcollab.solvers.torch_training import Training

__all__ = ["Callback", "EarlyStopping", "KeepBest", "ReportProgress", "StopWhenNotFinite"]


class Callback:
    """Hooks into a training run; every one does nothing until it is overridden."""

    reason = "a callback said stop"
    """Why the run ended, where this callback ended it: the end of a sentence."""

    def before_run(self, training: Training) -> None:
        """Before the first step."""

    def after_step(self, training: Training) -> bool | None:
        """After each mini-batch: ``training.loss`` is its loss on the device; reading the number waits for it."""

    def after_epoch(self, training: Training) -> bool | None:
        """After each epoch: its row is ``training.history[-1]``."""

    def after_run(self, training: Training) -> None:
        """After the last step, also of a run that was stopped."""


class EarlyStopping(Callback):
    """Stops when the loss has not fallen by more than ``min_delta`` for ``patience`` epochs.

    The loss is the held-out one where ratings are held out, else the training loss.
    """

    def __init__(self, patience: int = 1, min_delta: float = 0.0) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.reason = f"the loss had not fallen for {patience} epoch{'' if patience == 1 else 's'}"
        self.best = math.inf
        self.waited = 0

    def before_run(self, training: Training) -> None:  # noqa: ARG002 - part of the protocol
        """Start counting."""
        self.best, self.waited = math.inf, 0

    def after_epoch(self, training: Training) -> bool:
        """Count epochs without a better loss."""
        loss = watched_loss(training)
        improved = loss < self.best - self.min_delta
        self.best = min(self.best, loss) if improved else self.best
        self.waited = 0 if improved else self.waited + 1
        return self.waited >= self.patience


class KeepBest(Callback):
    """Remembers the weights of the epoch with the least loss, as `EarlyStopping` reads it, and ends with them."""

    def __init__(self) -> None:
        self.best = math.inf
        self.epoch = 0
        self.weights: dict[str, Tensor] = {}

    def before_run(self, training: Training) -> None:  # noqa: ARG002 - part of the protocol
        """Forget an earlier run."""
        self.best, self.epoch, self.weights = math.inf, 0, {}

    def after_epoch(self, training: Training) -> None:
        """Copy the weights where this epoch is the best so far."""
        loss = watched_loss(training)
        if loss < self.best:
            self.best, self.epoch = loss, training.epoch
            self.weights = {name: value.detach().clone() for name, value in training.module.state_dict().items()}

    def after_run(self, training: Training) -> None:
        """Go back to the best weights."""
        if self.weights:
            training.module.load_state_dict(self.weights)


class ReportProgress(Callback):
    """Tells ``on_progress`` how far the run has come: each epoch, and every ``every`` steps within one."""

    reason = "it was asked to stop"

    def __init__(self, on_progress: OnProgress, every: int = 64) -> None:
        self.on_progress = on_progress
        self.every = every

    def after_step(self, training: Training) -> bool | None:
        """Report now and then, with the error of the last full epoch."""
        return training.step % self.every == 0 and self._report(training)

    def after_epoch(self, training: Training) -> bool | None:
        """Report the epoch's error."""
        return self._report(training)

    def _report(self, training: Training) -> bool:
        last = training.history[-1] if training.history else {}
        value = last.get("valid_rmse", last.get("rmse"))
        return bool(self.on_progress(Progress("training", training.step, training.steps, value)))


class StopWhenNotFinite(Callback):
    """Stops after an epoch whose loss is infinite or not a number."""

    reason = "the loss ran out of bounds"

    def after_epoch(self, training: Training) -> bool:
        """Look at the training loss."""
        return not math.isfinite(training.history[-1]["train_loss"])


def watched_loss(training: Training) -> float:
    """The last epoch's held-out loss, or the training loss where nothing is held out."""
    row = training.history[-1]
    return row.get("valid_loss", row["train_loss"])
