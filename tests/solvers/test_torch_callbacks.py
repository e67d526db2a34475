import pytest
import torch

from xlcollab.model import Model
from xlcollab.solvers.base import Status
from xlcollab.solvers.torch_callbacks import Callback, EarlyStopping, KeepBest
from xlcollab.solvers.torch_sgd import TorchSolver

MODEL = Model(5, True, (0.5, 5.5))


class Watch(Callback):
    reason = "enough was seen"

    def __init__(self, *, stop_at_step: int | None = None) -> None:
        self.stop_at_step = stop_at_step
        self.seen: list[str] = []

    def before_run(self, training) -> None:
        self.seen.append("before_run")

    def after_step(self, training) -> bool:
        self.seen.append(f"step {training.step}")
        return training.step == self.stop_at_step

    def after_epoch(self, training) -> None:
        self.seen.append(f"epoch {training.epoch}")

    def after_run(self, training) -> None:
        self.seen.append("after_run")


class Script:
    """A training whose losses are written down in advance."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses
        self.module = torch.nn.Linear(1, 1)
        self.history: list[dict[str, float]] = []
        self.epoch = 0

    def play(self, callback: Callback) -> int:
        callback.before_run(self)
        for loss in self.losses:
            self.epoch += 1
            self.history.append({"train_loss": loss})
            with torch.no_grad():
                self.module.weight.fill_(self.epoch)
            if callback.after_epoch(self):
                break
        callback.after_run(self)
        return self.epoch


def test_hooks_are_called_in_order(lesson_ratings):
    watch = Watch()
    TorchSolver(epochs=2, batch_size=103, callbacks=(watch,)).solve(lesson_ratings, MODEL)
    assert watch.seen == [
        "before_run", "step 1", "step 2", "epoch 1", "step 3", "step 4", "epoch 2", "after_run",
    ]  # fmt: skip


def test_a_callback_that_returns_true_stops_within_an_epoch(lesson_ratings):
    watch = Watch(stop_at_step=3)
    solution = TorchSolver(epochs=5, batch_size=103, callbacks=(watch,)).solve(lesson_ratings, MODEL)
    assert solution.iterations == 3
    assert watch.seen[-1] == "after_run"
    assert solution.message.endswith("enough was seen.")
    assert solution.status is Status.COMPLETED


@pytest.mark.parametrize(
    ("losses", "patience", "ended"),
    [([5, 4, 3, 2], 1, 4), ([5, 4, 4, 3], 1, 3), ([5, 6, 7, 8, 1], 2, 3), ([5, 6, 4, 6, 6, 6], 3, 6)],
)
def test_early_stopping_waits_as_long_as_it_is_told(losses, patience, ended):
    assert Script(losses).play(EarlyStopping(patience)) == ended


def test_early_stopping_asks_for_more_than_min_delta():
    assert Script([5, 4.95, 4.9]).play(EarlyStopping(1, min_delta=0.1)) == 2


def test_keep_best_ends_with_the_best_weights():
    script, keep = Script([5, 3, 2, 4, 6]), KeepBest()
    script.play(keep)
    assert keep.epoch == 3
    assert script.module.weight.item() == 3


def test_keep_best_gives_the_least_held_out_error(lesson_ratings):
    train, valid = lesson_ratings.split(valid_pct=0.3, seed=1)
    solver = TorchSolver(epochs=60, lr=0.05, weight_decay=0.0, keep_best=True)
    solution = solver.solve(train, MODEL, valid=valid)
    errors = [row["valid_rmse"] for row in solution.history]
    from xlcollab.objective import rmse

    assert min(errors) < errors[-1]
    assert rmse(MODEL, solution.factors, valid) == pytest.approx(min(errors), rel=1e-4)


def test_patience_ends_training_early(lesson_ratings):
    train, valid = lesson_ratings.split(valid_pct=0.3, seed=1)
    solution = TorchSolver(epochs=500, lr=0.05, weight_decay=0.0, patience=3).solve(train, MODEL, valid=valid)
    assert len(solution.history) < 100
    assert "had not fallen for 3 epochs" in solution.message
