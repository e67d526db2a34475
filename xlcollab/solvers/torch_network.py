"""`EmbeddingNN` as an option of the torch solver: its settings, and the trained network as something that predicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import DamagedFileError, OptionError
from xlcollab.model import Model
from xlcollab.solvers.torch_modules import EmbeddingNN, embedding_size

__all__ = ["Network", "TrainedNetwork"]

_PREDICTED_AT_ONCE = 1 << 17


@dataclass(frozen=True)
class Network:
    """A neural network over user and item embeddings in place of their dot product: fastai's ``use_nn=True``.

    Parameters
    ----------
    layers
        Widths of the hidden layers; None is one layer as wide as the model has factors.
    dropout
        Probability of dropping a hidden layer's output, one for all layers or one for each.
    embedding_dropout
        The same for the embeddings.
    batch_norm
        Normalise each hidden layer's output over the mini-batch.
    user_size, item_size
        Columns of the embeddings; None is fastai's rule (`embedding_size`).
    """

    layers: tuple[int, ...] | None = None
    dropout: float | tuple[float, ...] = 0.0
    embedding_dropout: float = 0.0
    batch_norm: bool = True
    user_size: int | None = None
    item_size: int | None = None

    def __post_init__(self) -> None:
        if self.layers is not None:
            object.__setattr__(self, "layers", tuple(self.layers))
        widths = (*(self.layers or ()), self.user_size, self.item_size)
        if any(width is not None and (width < 1 or width != int(width)) for width in widths):
            raise OptionError(f"{self} has a layer or an embedding without width; widths are whole numbers from 1.")
        if not isinstance(self.dropout, float | int):
            object.__setattr__(self, "dropout", tuple(self.dropout))
            if self.layers is None or len(self.layers) != len(self.dropout):
                raise OptionError(f"{self} has {len(self.dropout)} dropouts; give one, or one for each of its layers.")

    def describe(self, model: Model) -> str:
        """In a few words: ``network, layers 100-50, range 0 to 5.5``."""
        layers = "-".join(str(width) for width in self.widths(model)) or "none"
        y_range = "" if model.y_range is None else f", range {model.y_range[0]:.10g} to {model.y_range[1]:.10g}"
        return f"network, layers {layers}{y_range}"

    def widths(self, model: Model) -> tuple[int, ...]:
        """The hidden layers' widths."""
        return (model.n_factors,) if self.layers is None else self.layers

    def module(
        self,
        model: Model,
        n_users: int,
        n_items: int,
        *,
        generator: torch.Generator,
        dropout_generator: torch.Generator | None = None,
    ) -> EmbeddingNN:
        """The network for so many users and items; ``dropout_generator`` is the one on the training device."""
        widths = self.widths(model)
        dropout = self.dropout if isinstance(self.dropout, tuple) else (float(self.dropout),) * len(widths)
        return EmbeddingNN(
            model,
            [
                (n_users, self.user_size or embedding_size(n_users)),
                (n_items, self.item_size or embedding_size(n_items)),
            ],
            widths,
            dropout=dropout,
            embedding_dropout=self.embedding_dropout,
            batch_norm=self.batch_norm,
            generator=generator,
            dropout_generator=dropout_generator or generator,
        )


class TrainedNetwork:
    """A trained `EmbeddingNN` that predicts for positions; it has no factors, so that no mirror sheet can show it.

    `arrays` gives everything that has been learned; `restore` rebuilds the network from that.
    """

    def __init__(self, settings: Network, module: EmbeddingNN) -> None:
        self.settings = settings
        self.name = settings.describe(module.model)
        self._module = module.cpu().eval()

    @torch.no_grad()
    def predict_pairs(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        """r̂ (N,) for the pairs (user_idx[n], item_idx[n]), positions from 0."""
        users, items = (torch.as_tensor(np.array(idx, dtype=np.int64)) for idx in (user_idx, item_idx))
        parts = zip(torch.split(users, _PREDICTED_AT_ONCE), torch.split(items, _PREDICTED_AT_ONCE), strict=True)
        predicted = [self._module(*part).double().numpy() for part in parts]
        return np.concatenate(predicted) if predicted else np.zeros(0)

    def arrays(self) -> Mapping[str, FloatArray]:
        """The state of the module, by name."""
        return {name: value.numpy().copy() for name, value in self._module.state_dict().items()}

    def header(self) -> dict[str, Any]:
        """The settings of the network, plain."""
        return asdict(self.settings)

    @classmethod
    def restore(
        cls, settings: Network, model: Model, n_users: int, n_items: int, arrays: Mapping[str, FloatArray]
    ) -> TrainedNetwork:
        """The network that ``arrays`` came from; `DamagedFileError` where they do not fit ``settings``."""
        module = settings.module(model, n_users, n_items, generator=torch.Generator())
        try:
            module.load_state_dict({name: torch.as_tensor(np.asarray(value)) for name, value in arrays.items()})
        except RuntimeError as error:
            raise DamagedFileError(f"The weights do not fit a {settings.describe(model)}: {error}") from None
        return cls(settings, module)
