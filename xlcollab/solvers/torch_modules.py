"""The two models of fastai's ``collab_learner`` as PyTorch modules: `EmbeddingDotBias` and `EmbeddingNN`.

Both take positions of N users and N items and give N predictions. Both draw every random number from a generator that
they are handed, never from torch's global one, so that a seed gives the same start whatever ran before and other code's
random numbers are left alone. That is why the layers are subclasses that know how they start.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from xlcollab.arrays import FloatArray
from xlcollab.errors import OptionError
from xlcollab.model import Factors, Model, link, predict_rows

__all__ = ["Dropout", "Embedding", "EmbeddingDotBias", "EmbeddingNN", "Linear", "embedding_size"]


class Embedding(nn.Embedding):
    """A table (rows, size) that starts from a normal distribution cut off at two standard deviations.

    The cut is fastai's: what lies outside is folded back (the remainder by 2), not drawn again.
    """

    def __init__(self, rows: int, size: int, generator: torch.Generator, std: float = 0.01) -> None:
        super().__init__(rows, size)
        with torch.no_grad():
            self.weight.normal_(generator=generator).fmod_(2).mul_(std)

    def reset_parameters(self) -> None:
        """Nothing: torch's own start would draw from the global generator."""


class Linear(nn.Linear):
    """A linear layer with torch's own start, uniform within ±1/√inputs."""

    def __init__(self, inputs: int, outputs: int, generator: torch.Generator, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias=bias)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-(inputs**-0.5), inputs**-0.5, generator=generator)

    def reset_parameters(self) -> None:
        """Nothing: torch's own start would draw from the global generator."""


def embedding_size(rows: int) -> int:
    """The columns of an embedding with ``rows`` users or items: min(600, 1.6 · rows^0.56), fastai's rule of thumb."""
    return min(600, round(1.6 * math.pow(rows, 0.56)))


class EmbeddingDotBias(nn.Module):
    """r̂ = link(μ + b_u + b_i + p_u·q_i), the model of `xlcollab.model` with its parameters as embeddings.

    ``u_weight`` (m, k), ``i_weight`` (n, k), ``u_bias`` (m, 1) and ``i_bias`` (n, 1) are fastai's names. μ is a
    constant, not a parameter; fastai's model has none, which is ``mean=0``.
    """

    def __init__(self, model: Model, n_users: int, n_items: int, *, mean: float, generator: torch.Generator) -> None:
        super().__init__()
        self.model = model
        self.mean = mean
        self.u_weight = Embedding(n_users, model.n_factors, generator)
        self.i_weight = Embedding(n_items, model.n_factors, generator)
        self.u_bias = Embedding(n_users, 1, generator)
        self.i_bias = Embedding(n_items, 1, generator)
        if not model.biased:
            for bias in (self.u_bias, self.i_bias):
                bias.weight.requires_grad_(False).zero_()

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Predictions (N,) in the units of the ratings, for positions (N,) of users and items."""
        rows = _factors(self.u_weight(users), self.i_weight(items), self.u_bias(users), self.i_bias(items), self.mean)
        return cast("Tensor", predict_rows(self.model, rows))

    def factors(self) -> Factors:
        """The parameters as float64 NumPy arrays."""
        tables = (self.u_weight, self.i_weight, self.u_bias, self.i_bias)
        P, Q, b_u, b_i = (table.weight.detach().double().cpu().numpy() for table in tables)
        return Factors(P, Q, b_u[:, 0], b_i[:, 0], self.mean)

    def forget(self, users: Tensor, items: Tensor) -> None:
        """Set the rows of these users and items to zero, where they predict the mean and the other side's bias.

        Meant for rows without a rating: no gradient ever reaches them, and their random start would only be noise.
        """
        with torch.no_grad():
            for table, rows in (
                (self.u_weight, users),
                (self.u_bias, users),
                (self.i_weight, items),
                (self.i_bias, items),
            ):
                table.weight[rows] = 0.0


def _factors(P: Tensor, Q: Tensor, b_u: Tensor, b_i: Tensor, mean: float) -> Factors:
    """Tensors in the places of arrays, biases (…, 1) as (…,)."""
    arrays = (P, Q, b_u.squeeze(-1), b_i.squeeze(-1))
    return Factors(*cast("tuple[FloatArray, FloatArray, FloatArray, FloatArray]", arrays), mean)


class Dropout(nn.Module):
    """Zeroes each entry with probability ``p`` while training and divides the rest by 1 − p.

    As `torch.nn.Dropout`, with a generator of its own (which must be on the device of its input).
    """

    def __init__(self, p: float, generator: torch.Generator) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise OptionError(f"A dropout probability is {p:g}; it is at least 0 and below 1.")
        self.p = p
        self.generator = generator

    def forward(self, x: Tensor) -> Tensor:
        """Zero some of ``x`` while training; ``x`` itself otherwise."""
        if not self.training or self.p == 0:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p, generator=self.generator)
        return x * keep.div_(1 - self.p)


class EmbeddingNN(nn.Module):
    """User and item embeddings side by side, through hidden layers to one number: fastai's ``EmbeddingNN``.

    Each hidden layer is linear, ReLU, batch-norm, dropout, in that order (with batch-norm the linear part has no bias,
    as in fastai); the last one is linear to one output, squeezed into ``model.y_range`` where there is one. It is no
    dot product and has no factors that a workbook could show.
    """

    def __init__(
        self,
        model: Model,
        sizes: Sequence[tuple[int, int]],
        layers: Sequence[int],
        *,
        dropout: Sequence[float],
        embedding_dropout: float,
        batch_norm: bool,
        generator: torch.Generator,
        dropout_generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.model = model
        self.embeds = nn.ModuleList([Embedding(rows, size, generator) for rows, size in sizes])
        self.embed_dropout = Dropout(embedding_dropout, dropout_generator)
        widths = [sum(size for _, size in sizes), *layers]
        stack: list[nn.Module] = []
        for wide, narrow, p in zip(widths[:-1], widths[1:], dropout, strict=True):
            stack += [Linear(wide, narrow, generator, bias=not batch_norm), nn.ReLU(inplace=True)]
            stack += [nn.BatchNorm1d(narrow)] if batch_norm else []
            stack += [Dropout(p, dropout_generator)] if p else []
        self.layers = nn.Sequential(*stack, Linear(widths[-1], 1, generator))

    def forward(self, users: Tensor, items: Tensor) -> Tensor:
        """Predictions (N,) in the units of the ratings, for positions (N,) of users and items."""
        x = torch.cat([embed(rows) for embed, rows in zip(self.embeds, (users, items), strict=True)], dim=1)
        linear = self.layers(self.embed_dropout(x)).squeeze(1)
        return cast("Tensor", link(self.model, linear))
