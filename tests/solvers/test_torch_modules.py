import numpy as np
import pytest
import torch

from xlcollab.errors import OptionError
from xlcollab.model import Model, predict_pairs
from xlcollab.solvers.torch_modules import (
    Dropout,
    Embedding,
    EmbeddingDotBias,
    EmbeddingNN,
    Linear,
    embedding_size,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def dot_bias(model: Model, mean: float = 0.0) -> EmbeddingDotBias:
    return EmbeddingDotBias(model, 6, 4, mean=mean, generator=generator())


def network(**options) -> EmbeddingNN:
    settings = {"dropout": (0.0,), "embedding_dropout": 0.0, "batch_norm": True} | options
    return EmbeddingNN(
        Model(3, y_range=(-0.5, 5)),
        [(6, 4), (4, 3)],
        (5,),
        generator=generator(),
        dropout_generator=generator(),
        **settings,
    )


PAIRS = torch.tensor([0, 5, 2, 2, 1]), torch.tensor([3, 0, 1, 2, 1])


def test_an_embedding_starts_within_two_standard_deviations():
    weight = Embedding(500, 40, generator()).weight.detach()
    assert weight.abs().max() < 0.02
    assert weight.std().item() == pytest.approx(0.0088, rel=0.05)  # of a normal, 0.01, folded at two deviations
    assert abs(weight.mean().item()) < 2e-4


def test_a_linear_layer_starts_as_torch_starts_it():
    layer = Linear(16, 300, generator())
    assert 0.24 < layer.weight.abs().max().item() <= 0.25
    assert 0.24 < layer.bias.abs().max().item() <= 0.25


def test_modules_leave_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    dot_bias(Model(3, biased=True))
    network(dropout=(0.5,)).train()(*PAIRS)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("rows", [2, 15, 101, 943, 1682, 610, 9724, 10**6])
def test_embedding_sizes_follow_the_rule(rows):
    assert embedding_size(rows) == min(600, round(1.6 * rows**0.56))


def test_the_sizes_that_fastai_gives_are_known():
    assert [embedding_size(rows) for rows in (944, 1665)] == [74, 102]  # ML-100k, in fastai's collab chapter


@pytest.mark.parametrize("model", [Model(3), Model(3, True), Model(3, True, (-0.5, 5.5)), Model(0, True)])
def test_the_module_predicts_what_the_model_says_of_its_factors(model):
    module = dot_bias(model, mean=0.7)
    with torch.no_grad():
        for table in (module.u_weight, module.i_weight, module.u_bias, module.i_bias):
            if table.weight.requires_grad:
                table.weight.normal_(generator=generator(1))
        predicted = module(*PAIRS).numpy()
    expected = predict_pairs(model, module.factors(), PAIRS[0].numpy(), PAIRS[1].numpy())
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)


def test_without_biases_the_bias_tables_are_zero_and_stay():
    module = dot_bias(Model(3))
    assert not module.u_bias.weight.any()
    assert not module.i_bias.weight.requires_grad


def test_forgotten_rows_are_zero_and_the_others_are_not():
    module = dot_bias(Model(3, True))
    module.forget(torch.tensor([1, 4]), torch.tensor([2]))
    assert (module.u_weight.weight == 0).all(dim=1).tolist() == [False, True, False, False, True, False]
    assert (module.u_bias.weight == 0).all(dim=1).tolist() == [False, True, False, False, True, False]
    assert (module.i_weight.weight == 0).all(dim=1).tolist() == [False, False, True, False]


def test_dropout_drops_the_share_it_is_told_and_keeps_the_mean():
    dropout = Dropout(0.25, generator())
    dropped = dropout(torch.ones(100, 100))
    assert (dropped == 0).float().mean().item() == pytest.approx(0.25, abs=0.02)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)


def test_dropout_does_nothing_when_not_training():
    x = torch.ones(3, 3)
    assert Dropout(0.5, generator()).eval()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_a_dropout_that_is_no_probability_is_refused(p):
    with pytest.raises(OptionError, match="dropout"):
        Dropout(p, generator())


def test_a_network_predicts_within_its_range():
    predicted = network().eval()(*PAIRS)
    assert predicted.shape == (5,)
    assert ((predicted > 0) & (predicted < 5)).all()


def test_a_layer_before_batch_norm_has_no_bias_and_one_without_it_has():
    names = [{name for name, _ in network(batch_norm=norm).named_parameters()} for norm in (True, False)]
    assert "layers.0.bias" not in names[0]
    assert "layers.0.bias" in names[1]
    assert "layers.2.weight" in names[0]


def test_both_embeddings_of_a_network_matter():
    module = network().eval()
    with torch.no_grad():
        before = module(*PAIRS)
        for embed in module.embeds:
            embed.weight += torch.randn(embed.weight.shape, generator=generator(2))
            after = module(*PAIRS)
            assert not torch.allclose(before, after)
            before = after
