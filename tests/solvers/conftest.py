"""Fixtures for the tests of solvers."""

from __future__ import annotations

from pathlib import Path

import pytest

from xlcollab.ratings import Ratings, read_ratings

BOOKS = Path(__file__).resolve().parent.parent.parent / "workbooks"


@pytest.fixture(scope="session")
def lesson_ratings() -> Ratings:
    """The lesson's 15×15: 206 ratings from 1 to 5."""
    return read_ratings(BOOKS / "movielens_15x15.csv")
