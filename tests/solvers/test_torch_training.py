import math

import numpy as np
import pytest
import torch

from xlcollab.model import Model
from xlcollab.solvers.torch_adam import Adam
from xlcollab.solvers.torch_data import as_batch, mean_start, unrated
from xlcollab.solvers.torch_modules import EmbeddingDotBias
from xlcollab.solvers.torch_network import Network
from xlcollab.solvers.torch_schedule import Constant, OneCycle
from xlcollab.solvers.torch_training import Batch, Training

CPU = torch.device("cpu")


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def training_of(ratings, module, *, double=False, **options):
    batch = as_batch(ratings, CPU)
    if double:
        module, batch = module.double(), batch._replace(values=batch.values.double())
    settings = {"schedule": OneCycle(0.05), "batch_size": 64, "weight_decay": 0.1, "generator": seeded(5)} | options
    return Training(module, batch, batch, **settings)


class Reference:
    """The same training by hand: NumPy, the gradient written out, loops over the four tables."""

    def __init__(self, module: EmbeddingDotBias, low: float, high: float) -> None:
        tables = (module.u_weight, module.i_weight, module.u_bias, module.i_bias)
        self.tables = [table.weight.detach().numpy().copy() for table in tables]
        self.average = [np.zeros_like(table) for table in self.tables]
        self.square = [np.zeros_like(table) for table in self.tables]
        self.mean, self.low, self.high = module.mean, low, high

    def forward(self, u, i):
        P, Q, b_u, b_i = self.tables
        x = (P[u] * Q[i]).sum(1) + b_u[u, 0] + b_i[i, 0] + self.mean
        squeezed = 1 / (1 + np.exp(-x))
        return self.low + (self.high - self.low) * squeezed, squeezed

    def step(self, u, i, r, t, lr, momentum, decay):
        P, Q, _, _ = self.tables
        predicted, squeezed = self.forward(u, i)
        slope = 2 / len(r) * (predicted - r) * (self.high - self.low) * squeezed * (1 - squeezed)
        gradients = [np.zeros_like(table) for table in self.tables]
        for n in range(len(r)):
            gradients[0][u[n]] += slope[n] * Q[i[n]]
            gradients[1][i[n]] += slope[n] * P[u[n]]
            gradients[2][u[n]] += slope[n]
            gradients[3][i[n]] += slope[n]
        for at, g in enumerate(gradients):
            a = self.average[at] = momentum * self.average[at] + (1 - momentum) * g
            b = self.square[at] = 0.99 * self.square[at] + 0.01 * g**2
            move = a / (1 - momentum**t) / (np.sqrt(b / (1 - 0.99**t)) + 1e-5)
            self.tables[at] = (1 - lr * decay) * self.tables[at] - lr * move
        return np.mean((predicted - r) ** 2)


def cosine(start, end, along):
    return start + (1 + math.cos(math.pi * (1 - along))) * (end - start) / 2


def test_a_hand_written_loop_over_the_same_batches_has_the_same_losses(lesson_ratings):
    epochs, lr, decay = 3, 0.05, 0.1
    module = EmbeddingDotBias(Model(5, True, (0.5, 5.5)), 15, 15, mean=0.3, generator=seeded(3))
    training = training_of(lesson_ratings, module, double=True, schedule=OneCycle(lr), weight_decay=decay)
    reference, generator = Reference(module, 0.5, 5.5), seeded(5)
    training.run(epochs)
    u, i, r = lesson_ratings.user_idx, lesson_ratings.item_idx, lesson_ratings.values
    t, steps = 0, epochs * 4
    for row in training.history:
        losses = []
        for chosen in np.array_split(torch.randperm(206, generator=generator).numpy(), 4):
            along = t / steps
            rate = cosine(lr / 25, lr, along / 0.25) if along < 0.25 else cosine(lr, lr / 1e5, (along - 0.25) / 0.75)
            mom = cosine(0.95, 0.85, along / 0.25) if along < 0.25 else cosine(0.85, 0.95, (along - 0.25) / 0.75)
            t += 1
            losses.append(reference.step(u[chosen], i[chosen], r[chosen], t, rate, mom, decay))
        assert row["train_loss"] == pytest.approx(np.mean(losses), abs=1e-6)
        assert row["valid_loss"] == pytest.approx(np.mean((reference.forward(u, i)[0] - r) ** 2), abs=1e-6)
    np.testing.assert_allclose(module.u_weight.weight.detach().numpy(), reference.tables[0], atol=1e-9)


def test_adam_takes_the_steps_of_torch_optim():
    ours = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    theirs.load_state_dict(ours.state_dict())
    x, y = torch.randn(8, 3, generator=seeded(0)), torch.randn(8, 1, generator=seeded(1))
    adam = Adam(ours, weight_decay=0.3)
    weights, biases = [theirs[0].weight, theirs[2].weight], [theirs[0].bias, theirs[2].bias]
    groups = [{"params": weights, "weight_decay": 0.3}, {"params": biases, "weight_decay": 0.0}]
    other = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.99), eps=1e-5)
    for _ in range(20):
        adam.step((ours(x) - y).square().mean(), 0.01, 0.9)
        other.zero_grad()
        (theirs(x) - y).square().mean().backward()
        other.step()
    torch.testing.assert_close(list(ours.parameters()), list(theirs.parameters()))


def test_an_epoch_holds_every_rating_once_in_parts_of_almost_one_size():
    ratings = Batch(torch.arange(131), torch.arange(131), torch.arange(131.0))
    parts = list(ratings.shuffled(seeded(0), 3))
    assert sorted(len(part.values) for part in parts) == [43, 44, 44]
    assert torch.cat([part.users for part in parts]).sort().values.tolist() == list(range(131))
    assert all(torch.equal(part.users, part.items) for part in parts)


def test_two_epochs_have_two_orders():
    ratings = Batch(torch.arange(50), torch.arange(50), torch.arange(50.0))
    generator = seeded(0)
    orders = [torch.cat([part.users for part in ratings.shuffled(generator, 4)]).tolist() for _ in range(2)]
    assert orders[0] != orders[1]


def test_the_history_has_a_row_an_epoch(lesson_ratings):
    module = EmbeddingDotBias(Model(2, True), 15, 15, mean=4.0, generator=seeded(0))
    training = training_of(lesson_ratings, module)
    training.run(3)
    assert [row["epoch"] for row in training.history] == [1, 2, 3]
    assert list(training.history[0]) == ["epoch", "train_loss", "rmse", "valid_loss", "valid_rmse", "time"]
    assert training.history[0]["rmse"] == pytest.approx(training.history[0]["train_loss"] ** 0.5)


def test_the_held_out_loss_is_that_of_the_weights_after_the_epoch(lesson_ratings):
    module = EmbeddingDotBias(Model(2, True), 15, 15, mean=4.0, generator=seeded(0))
    training = training_of(lesson_ratings, module)
    training.run(2)
    with torch.no_grad():
        error = module(training.ratings.users, training.ratings.items) - training.ratings.values
    assert training.history[-1]["valid_loss"] == pytest.approx(error.square().mean().item(), rel=1e-6)


def test_weight_decay_spares_batch_norm_and_linear_biases_and_no_embedding():
    module = Network(layers=(4,)).module(Model(3), 5, 6, generator=seeded(0))
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    adam = Adam(module, weight_decay=0.5)
    adam.step(sum((p * 0).sum() for p in module.parameters()), 0.1, 0.9)
    changed = {name for name, value in module.named_parameters() if not torch.equal(value, before[name])}
    assert changed == {"embeds.0.weight", "embeds.1.weight", "layers.0.weight", "layers.3.weight"}


def test_mixed_precision_trains_nearly_as_well(lesson_ratings):
    losses = []
    for mixed in (False, True):
        module = Network(layers=(8,)).module(Model(5, y_range=(0.5, 5.5)), 15, 15, generator=seeded(0))
        training = training_of(lesson_ratings, module, mixed_precision=mixed, schedule=Constant(0.01))
        training.run(10)
        losses.append(training.history[-1]["train_loss"])
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=0.1)


def test_the_start_is_the_mean_rating(lesson_ratings):
    mean = lesson_ratings.values.mean()
    assert mean_start(lesson_ratings, Model(5)) == 0.0
    assert mean_start(lesson_ratings, Model(5, True)) == pytest.approx(mean)
    linear = mean_start(lesson_ratings, Model(5, True, (0.5, 5.5)))
    assert 0.5 + 5 / (1 + math.exp(-linear)) == pytest.approx(mean)


def test_a_mean_at_the_end_of_the_range_still_has_a_finite_start(lesson_ratings):
    top = lesson_ratings.select(lesson_ratings.values == 5)
    assert math.isfinite(mean_start(top, Model(5, True, (0, 5))))


def test_the_unrated_are_found(lesson_ratings):
    few = lesson_ratings.select((lesson_ratings.user_idx != 3) & (lesson_ratings.item_idx != 7))
    users, items = unrated(few)
    assert (users.tolist(), items.tolist()) == ([3], [7])
