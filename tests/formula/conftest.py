"""Small workbooks with formulas, and what is computed of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from openpyxl import Workbook as OpenpyxlBook
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.formula import ArrayFormula
from openpyxl.worksheet.table import Table

from xlcollab.formula.program import Program, compile_program
from xlcollab.formula.recalculate import Recomputed, recompute
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.workbook import Workbook

Cells = Mapping[str, object]


@pytest.fixture
def make_book(tmp_path: Path) -> Callable[..., Workbook]:
    """`make_book(S={"A1": 1, "B1": "=A1*2", "C1:C3": "{=A1:A3*2}"}, names={}, tables={})`: a book without caches.

    A formula in braces is an array formula in the cells of its key; ``tables`` maps names to (sheet, range).
    """

    def make(
        names: Mapping[str, str] | None = None, tables: Mapping[str, tuple[str, str]] | None = None, **sheets: Cells
    ):
        book = OpenpyxlBook()
        book.remove(book.active)
        for title, cells in sheets.items():
            sheet = book.create_sheet(title.replace("__", " "))
            for at, value in cells.items():
                if isinstance(value, str) and value.startswith("{="):
                    sheet[at.partition(":")[0]] = ArrayFormula(at, value[1:-1])
                else:
                    sheet[at] = value
        for name, text in (names or {}).items():
            book.defined_names[name] = DefinedName(name, attr_text=text)
        for name, (title, area) in (tables or {}).items():
            book[title].add_table(Table(displayName=name, ref=area))
        path = tmp_path / "book.xlsx"
        book.save(path)
        return Workbook.open(path)

    return make


@pytest.fixture
def computed(make_book: Callable[..., Workbook]) -> Callable[..., dict[str, object]]:
    """`computed({"A1": "=1+1"})`: the values of the formulas of a sheet S, or the reasons why there is none."""

    def compute(cells: Cells, **options: object) -> dict[str, object]:
        found = recompute(make_book(S=cells, **options), {})
        return _on_sheet("S", found)

    return compute


def _on_sheet(sheet: str, found: Recomputed) -> dict[str, object]:
    everything: dict[tuple[str, int, int], object] = {**found.values, **found.failed}
    return {Area(r, c, r, c).ref: value for (name, r, c), value in everything.items() if name == sheet}


@pytest.fixture
def value_of(computed: Callable[..., dict[str, object]]) -> Callable[..., object]:
    """`value_of("SUM(A1:A3)", {"A1": 1})`: one formula, in Z9 of the sheet; in braces an array formula."""

    def value(formula: str, cells: Cells | None = None, **options: object) -> object:
        text = "{=" + formula[1:] if formula.startswith("{") and formula.endswith(")}") else "=" + formula
        return computed({**(cells or {}), "Z9": text}, **options)["Z9"]

    return value


@pytest.fixture
def program_of(make_book: Callable[..., Workbook]) -> Callable[..., Program]:
    """`program_of(cells, inputs="A1:A3", outputs=("B1",))`: the compiled program of a sheet S."""

    def compiled(cells: Cells, inputs: str, outputs: tuple[str, ...], **options: object) -> Program:
        book = make_book(S=cells, **options)
        areas = [("S", Area.parse(one)) for one in inputs.split(",")]
        return compile_program(book, areas, [("S", Area.parse(one)) for one in outputs])

    return compiled
