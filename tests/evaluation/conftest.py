"""Fixtures for evaluation: planted ratings with timestamps, and one quick setting of every solver."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from xlcollab.ratings import Ratings
from xlcollab.solvers import SOLVERS

QUICK: dict[str, dict[str, Any]] = {
    "scipy": {"n_factors": 2, "biased": True, "penalty": 2.0, "restarts": 1},
    "torch": {"epochs": 2, "device": "cpu"},
    "bayes": {"max_sweeps": 5},
}


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


@pytest.fixture(params=sorted(SOLVERS))
def solver(request) -> dict[str, Any]:
    """Settings of each solver there is, made quick where that is possible."""
    return {"solver": request.param, **QUICK.get(request.param, {})}
