"""The same start weights and batches through fastai's learner and through ours, where fastai is installed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.solvers.torch_data import as_batch
from xlcollab.solvers.torch_modules import EmbeddingDotBias
from xlcollab.solvers.torch_network import Network
from xlcollab.solvers.torch_schedule import OneCycle
from xlcollab.solvers.torch_training import Training

EPOCHS, RATE, DECAY, BATCH = 3, 0.02, 0.1, 64
MODEL = Model(5, True, (0.5, 5.5))

pytestmark = pytest.mark.filterwarnings("ignore")  # what fastai warns of is no matter of ours


@pytest.fixture(scope="module")
def whole_batches(lesson_ratings: Ratings) -> Ratings:
    """192 ratings, three batches of 64: fastai leaves out what is left over."""
    return lesson_ratings.select(range(3 * BATCH))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class SameOrder:
    """The batches of `Training` again: one permutation an epoch from a generator of the same seed."""

    def __init__(self, n: int, seed: int) -> None:
        self.n, self.generator = n, seeded(seed)

    def __len__(self) -> int:
        return self.n // BATCH

    def __iter__(self) -> Any:
        yield from (part.tolist() for part in torch.randperm(self.n, generator=self.generator).split(BATCH))


def weights(module: nn.Module) -> list[Tensor]:
    """All that is learned; fastai's network has a batch-norm of continuous columns too, of which there are none."""
    return [value for name, value in module.state_dict().items() if not name.startswith("bn_cont")]


def ours(module: nn.Module, ratings: Ratings) -> tuple[list[float], list[Tensor]]:
    """Held-out loss after each epoch and the weights at the end; held out are the training ratings themselves."""
    batch = as_batch(ratings, torch.device("cpu"))
    settings = {"schedule": OneCycle(RATE), "batch_size": BATCH, "weight_decay": DECAY, "generator": seeded(5)}
    training = Training(module, batch, batch, **settings)
    training.run(EPOCHS)
    return [row["valid_loss"] for row in training.history], weights(module)


def fastais(module: nn.Module, ratings: Ratings) -> tuple[list[float], list[Tensor]]:
    """The same by ``Learner.fit_one_cycle``."""
    from fastai.data.core import DataLoaders
    from fastai.learner import Learner
    from fastai.losses import MSELossFlat
    from torch.utils.data import DataLoader, TensorDataset

    users, items, values = as_batch(ratings, torch.device("cpu"))
    data = TensorDataset(torch.stack([users, items], dim=1), values)
    loaders = DataLoaders(DataLoader(data, batch_sampler=SameOrder(len(data), 5)), DataLoader(data, batch_size=BATCH))
    learner = Learner(loaders, module, loss_func=MSELossFlat())
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(EPOCHS, RATE, wd=DECAY)
    return [row[-1] for row in learner.recorder.values], weights(module)


def assert_same(module: nn.Module, theirs: nn.Module, ratings: Ratings) -> None:
    """Copies the weights over, trains both, and compares losses and weights."""
    mine, others = weights(module), weights(theirs)
    assert [value.shape for value in mine] == [value.shape for value in others]
    for value, other in zip(mine, others, strict=True):
        other.copy_(value)
    before = [value.clone() for value in mine]
    (losses, mine), (their_losses, others) = ours(module, ratings), fastais(theirs, ratings)
    assert losses == pytest.approx(their_losses, rel=1e-4)
    assert not any(torch.equal(one, other) for one, other in zip(before, mine, strict=True))
    torch.testing.assert_close(mine, others, rtol=1e-3, atol=1e-4)


def test_embedding_dot_bias_is_trained_as_fastai_trains_it(whole_batches):
    collab = pytest.importorskip("fastai.collab", reason="needs fastai to train beside it")
    module = EmbeddingDotBias(MODEL, 15, 15, mean=0.0, generator=seeded(3))
    assert_same(module, collab.EmbeddingDotBias(5, 15, 15, y_range=(0.5, 5.5)), whole_batches)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_embedding_nn_is_trained_as_fastai_trains_it(whole_batches, batch_norm):
    collab = pytest.importorskip("fastai.collab", reason="needs fastai to train beside it")
    module = Network(layers=(8, 4), batch_norm=batch_norm, user_size=6, item_size=5).module(
        MODEL, 15, 15, generator=seeded(3)
    )
    sizes = [(15, 6), (15, 5)]
    theirs = collab.EmbeddingNN(sizes, [8, 4], y_range=(0.5, 5.5), use_bn=batch_norm, bn_final=False)
    assert_same(module, theirs, whole_batches)


@pytest.mark.parametrize("rows", [2, 15, 943, 1682, 9724, 200_000])
def test_embeddings_are_as_wide_as_fastais(rows):
    rule = pytest.importorskip("fastai.tabular.model", reason="needs fastai to compare with").emb_sz_rule
    from xlcollab.solvers.torch_modules import embedding_size

    assert embedding_size(rows) == rule(rows)
