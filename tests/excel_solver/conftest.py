"""Workbooks with Solver models, made cell by cell; the textbook models of `books.py` as a parameter."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from xlcollab.excel_solver.names import read_models
from xlcollab.xlsx.workbook import Workbook


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"solver_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BOOKS = _load("books")
TEXTBOOKS = [
    book for name in ("linear_books", "nonlinear_books", "hock_schittkowski", "odd_books") for book in _load(name).BOOKS
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "textbook" in metafunc.fixturenames:
        metafunc.parametrize("textbook", TEXTBOOKS, ids=lambda book: book.name)


@pytest.fixture
def solver_book(tmp_path: Path) -> Callable[..., Path]:
    """`solver_book(cells, **model)`: the path of a workbook with one sheet and one model; see `books.write`."""

    def make(cells: dict[str, object], *, file: str = "book.xlsx", **model: object) -> Path:
        path = tmp_path / file
        BOOKS.write(path, [BOOKS.Model(cells=cells, **model)])
        return path

    return make


@pytest.fixture
def write_models(tmp_path: Path) -> Callable[..., Path]:
    """`write_models(*models)`: several sheets with a model each."""

    def make(*models: object, file: str = "book.xlsx") -> Path:
        path = tmp_path / file
        BOOKS.write(path, models)
        return path

    return make


@pytest.fixture(scope="session")
def books() -> ModuleType:
    """The module `books.py`."""
    return BOOKS


@pytest.fixture
def stored_model() -> Callable[[Path], object]:
    """`stored_model(path)`: the only Solver model of a workbook."""

    def read(path: Path) -> object:
        (model,) = read_models(Workbook.open(path))
        return model

    return read


@pytest.fixture(scope="session")
def stored_values(contracts: ModuleType) -> Callable[[Path], dict]:
    """`stored_values(book)`: (value, is formula) by sheet and address, read without `xlcollab.xlsx`."""
    return contracts.stored_values
