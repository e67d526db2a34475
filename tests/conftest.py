"""Fixtures for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
