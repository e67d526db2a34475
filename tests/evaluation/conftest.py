"""Fixtures for evaluation: planted ratings with timestamps, and one quick setting of every solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xlcollab.ratings import Ratings
from xlcollab.solvers import SOLVERS

SETTINGS: list[dict[str, Any]] = [
    {"solver": "scipy", "n_factors": 2, "biased": True, "penalty": 2.0, "restarts": 1},
    {"solver": "scipy", "n_factors": 1, "biased": True, "penalty": "auto", "max_iterations": 2},
    {"solver": "torch", "epochs": 2, "device": "cpu"},
    {"solver": "torch", "epochs": 9, "device": "cpu", "lr": 0.1, "keep_best": True, "patience": 1},
    {"solver": "bayes", "max_sweeps": 5},
    {"solver": "bayes", "max_sweeps": 5, "quality": "best", "n_factors": 1},
]
"""Quick settings, and those that look at errors while they fit; solvers that are missing here come as they are."""


@pytest.fixture(scope="session")
def planted() -> Ratings:
    """700 ratings of 40 users for 30 items, two factors and biases under noise, in half stars, a second apart."""
    g = np.random.default_rng(7)
    table = (
        3.5
        + 0.4 * g.normal(size=(40, 1))
        + 0.4 * g.normal(size=30)
        + 0.6 * g.normal(size=(40, 2)) @ g.normal(size=(2, 30))
    )
    table = np.clip(np.round(2 * (table + 0.3 * g.normal(size=table.shape))) / 2, 0.5, 5)
    cells = np.sort(g.choice(1200, 700, replace=False))
    users, items = np.divmod(cells, 30)
    labels = tuple(f"film {number}" for number in range(30))
    return Ratings(tuple(range(40)), labels, users, items, table[users, items], timestamps=g.permutation(700) + 10**9)


@pytest.fixture(
    params=[*SETTINGS, *({"solver": name} for name in SOLVERS if name not in {own["solver"] for own in SETTINGS})],
    ids=lambda settings: " ".join(
        str(settings[name]) for name in ("solver", "penalty", "patience", "quality") if name in settings
    ),
)
def solver(request) -> dict[str, Any]:
    """Settings of each solver there is."""
    return request.param
