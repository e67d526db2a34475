"""Ratings as tensors, and what a module's start needs to know of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xlcollab.model import Model
from xlcollab.solvers.torch_training import Batch

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["as_batch", "mean_start", "unrated"]

_MARGIN = 1e-3
"""A mean at an end of ``y_range`` is taken this fraction of the range inside: there the linear predictor is finite."""


def as_batch(ratings: Ratings, device: torch.device) -> Batch:
    """All ratings as tensors on ``device``."""
    return Batch(
        torch.tensor(ratings.user_idx, dtype=torch.int64, device=device),
        torch.tensor(ratings.item_idx, dtype=torch.int64, device=device),
        torch.tensor(ratings.values, dtype=torch.float32, device=device),
    )


def mean_start(ratings: Ratings, model: Model) -> float:
    """μ for a model with biases: what its link maps to the mean rating. 0 for a model without."""
    if not model.biased:
        return 0.0
    mean = float(np.mean(ratings.values))
    if model.y_range is None:
        return mean
    low, high = model.y_range
    share = min(max((mean - low) / (high - low), _MARGIN), 1 - _MARGIN)
    return math.log(share / (1 - share))


def unrated(ratings: Ratings) -> tuple[Tensor, Tensor]:
    """Positions of the users and of the items without a rating."""
    users, items = (
        torch.from_numpy(np.flatnonzero(count == 0)) for count in (ratings.user_counts, ratings.item_counts)
    )
    return users, items
