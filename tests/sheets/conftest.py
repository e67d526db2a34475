"""Fits made by hand, so that these tests say something about sheets and nothing about solvers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlcollab.fitting import Fit
from xlcollab.model import Factors, Model, predict_pairs
from xlcollab.ratings import Ratings
from xlcollab.sheets.report import Report, write_report
from xlcollab.solvers.base import Status
from xlcollab.xlsx.workbook import Workbook

CREATED = dt.datetime(2026, 1, 2, 3, 4)


class Sure:
    """An uncertainty with a different standard deviation for every pair."""

    def sd(self, user_idx: Any, item_idx: Any) -> Any:
        return 0.5 + 0.01 * np.asarray(user_idx) + 0.002 * np.asarray(item_idx)

    def quantile(self, probability: float) -> float:
        return 2.1 * probability - 1.5  # not symmetric

    def arrays(self) -> dict[str, Any]:
        return {}


def make_ratings(n_users: int = 15, n_items: int = 15, blanks: int = 19, seed: int = 0) -> Ratings:
    """Half stars from 1 to 5 with some cells left blank."""
    dice = np.random.default_rng(seed)
    cells = np.sort(dice.permutation(n_users * n_items)[blanks:])
    users, items = np.divmod(cells, n_items)
    values = dice.integers(2, 11, len(cells)) / 2
    values[:2] = 1.0, 5.0
    labels = tuple(range(11, 11 + n_users)), tuple(range(101, 101 + n_items))
    return Ratings(*labels, users, items, values, user_title="userId", item_title="movieId")


def make_fit(
    ratings: Ratings | None = None, model: Model | None = None, *, mean: float = 0.0, seed: int = 1, **fields: Any
) -> Fit:
    """A fit with random factors, penalised unless told otherwise."""
    ratings, model = ratings or make_ratings(), model or Model(5)
    dice = np.random.default_rng(seed)
    m, n, k = ratings.n_users, ratings.n_items, model.n_factors
    biases = dice.normal(0, 0.3, m + n) if model.biased else np.zeros(m + n)
    factors = Factors(dice.normal(0.8, 0.4, (m, k)), dice.normal(0.8, 0.4, (n, k)), biases[:m], biases[m:], mean)
    error = predict_pairs(model, factors, ratings.user_idx, ratings.item_idx) - ratings.values
    standard: dict[str, Any] = {
        "solver": "torch",
        "options": {},
        "seed": 7,
        "status": Status.COMPLETED,
        "message": "5 epochs, 1,000 steps of Adam.",
        "iterations": 1000,
        "seconds": 0.25,
        "records": [{"epoch": float(epoch), "rmse": 1 / epoch, "time": 0.01} for epoch in range(1, 6)],
    }
    return Fit(
        ratings=ratings,
        model=model,
        factors=factors,
        rmse=float(np.sqrt(np.mean(error**2))),
        mae=float(np.mean(np.abs(error))),
        **(standard | fields),
    )


@pytest.fixture
def ratings() -> Callable[..., Ratings]:
    return make_ratings


@pytest.fixture
def fit() -> Callable[..., Fit]:
    return make_fit


@pytest.fixture
def sure() -> Sure:
    return Sure()


@pytest.fixture
def report(tmp_path: Path) -> Callable[..., Report]:
    """`report(fits, …)`: the report, written into a folder of its own."""

    def write(fits: Any, **options: Any) -> Report:
        options = {"created": CREATED, "force": True} | options
        return write_report(fits, options.pop("path", tmp_path / "report.xlsx"), **options)

    return write


@pytest.fixture
def table() -> Callable[[Path, str, str], list[dict[str, Any]]]:
    """`table(book, sheet, title)`: the rows of the table with a column of that title, as dicts by title."""

    def rows(path: Path, sheet: str, title: str) -> list[dict[str, Any]]:
        cells = Workbook.open(path).sheet(sheet).cells
        row, column = next(at for at, cell in sorted(cells.items()) if cell.value == title)
        first = last = column
        while (row, first - 1) in cells:
            first -= 1
        while (row, last + 1) in cells:
            last += 1
        titles = {number: cells[row, number].value for number in range(first, last + 1)}
        found = []
        while (row := row + 1, first) in cells:
            found.append({name: cells[row, number].value for number, name in titles.items() if (row, number) in cells})
        return found

    return rows


class Network:
    """A predictor without factors."""

    name = "a network of 2 layers"

    def predict_pairs(self, user_idx: Any, item_idx: Any) -> Any:
        return 3.0 + 0.1 * np.asarray(user_idx) - 0.05 * np.asarray(item_idx)


@pytest.fixture
def network() -> Network:
    return Network()
