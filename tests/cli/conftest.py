"""Fixtures for the command line: run it in process, and a small table to feed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from xlcollab.cli import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def lesson() -> Path:
    """The 15×15 crosstab of the lesson."""
    return ROOT / "workbooks" / "movielens_15x15.xlsx"


@pytest.fixture
def run() -> Callable[..., Result]:
    """Run a command and give back its exit code, stdout and stderr."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    return run
