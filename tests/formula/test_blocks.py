"""A1 ↔ R1C1, and cells that were filled from one formula as one block."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import FormulaError
from xlcollab.excel_solver.names import read_models
from xlcollab.formula.blocks import find_blocks
from xlcollab.formula.program import compile_program
from xlcollab.formula.r1c1 import to_r1c1
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, Area, column_letters
from xlcollab.xlsx.translate import FilledFormula
from xlcollab.xlsx.workbook import Workbook

_COPIED = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^']|'')*'")
_R1C1 = re.compile(
    r"(?<![\w.\\\]])(?:R(?P<row>\[-?\d+\]|\d*)C(?P<col>\[-?\d+\]|\d*)|R(?P<rows>\[-?\d+\]|\d+)(?=:R)"
    r"|(?<=:)R(?P<rows2>\[-?\d+\]|\d+)|C(?P<cols>\[-?\d+\]|\d+)(?=:C)|(?<=:)C(?P<cols2>\[-?\d+\]|\d+))(?![\w.(\\\[])"
)


def from_r1c1(formula: str, row: int, col: int) -> str:
    """('R[-2]C[-2]*R2C2', 3, 3) → 'A1*$B$2': the inverse of `to_r1c1`."""
    out = []
    position = 0
    for copied in _COPIED.finditer(formula):
        out.append(_replaced(formula[position : copied.start()], row, col))
        out.append(copied[0])
        position = copied.end()
    out.append(_replaced(formula[position:], row, col))
    return "".join(out)


def _replaced(text: str, row: int, col: int) -> str:
    def a1(match: re.Match[str]) -> str:
        if match["row"] is not None:
            return _half(match["col"], col, True) + _half(match["row"], row, False)
        rows = match["rows"] or match["rows2"]
        if rows:
            return _half(rows, row, False)
        return _half(match["cols"] or match["cols2"], col, True)

    return _R1C1.sub(a1, text)


def _half(text: str, home: int, is_col: bool) -> str:
    """'[-2]', '2' or '' → '$B' or '7'."""
    fixed = bool(text) and not text.startswith("[")
    at = int(text) if fixed else home + int(text.strip("[]") or 0)
    return ("$" if fixed else "") + (column_letters(at) if is_col else str(at))


@pytest.mark.parametrize(
    ("a1", "at", "r1c1"),
    [
        ("A1*$B$2", (3, 3), "R[-2]C[-2]*R2C2"),
        ("C3", (3, 3), "RC"),
        ("$C3+C$3", (3, 3), "RC3+R3C"),
        ("SUM($B25:$F25,H$19:H$23)", (25, 8), "SUM(RC2:RC6,R19C:R23C)"),
        ("SUM(A:B)", (3, 3), "SUM(C[-2]:C[-1])"),
        ("SUM($A:C)", (3, 3), "SUM(C1:C[0])"),
        ("SUM(3:$7)", (3, 3), "SUM(R[0]:R7)"),
        ('"A1"&A1', (2, 1), '"A1"&R[-1]C'),
        ("'A1'!A1", (2, 1), "'A1'!R[-1]C"),
        ("LOG10(A1)", (1, 1), "LOG10(RC)"),
        ("Tbl[A1]+A1", (1, 1), "Tbl[A1]+RC"),
        ("XFE1+rate", (1, 1), "XFE1+rate"),
        ("1E5+A1", (1, 2), "1E5+RC[-1]"),
    ],
)
def test_relative_forms_are_those_of_excels_r1c1_notation(a1, at, r1c1):
    assert to_r1c1(a1, *at) == r1c1
    assert from_r1c1(r1c1, *at) == a1


DOLLAR = st.sampled_from(["", "$"])


def formulas(last_row: int = MAX_ROW, last_col: int = MAX_COL) -> st.SearchStrategy[str]:
    """Sums of references of every form, and of what only looks like one."""
    rows, cols = st.integers(1, last_row), st.integers(1, last_col)
    row = st.builds("{}{}".format, DOLLAR, rows)
    col = st.builds("{}{}".format, DOLLAR, cols.map(column_letters))
    cell = st.builds("{}{}".format, col, row)
    piece = st.one_of(
        cell,
        *(st.builds("{}:{}".format, half, half) for half in (cell, col, row)),
        st.builds("'It''s A1'!{}".format, cell),
        st.builds("Data!{}".format, cell),
        st.sampled_from(['"A1 R1C1 ""x"""', "rate", "Tbl[B2]", "1.5", "TRUE", "#REF!"]),
    )
    return st.lists(piece, min_size=1, max_size=5).map(lambda parts: "SUM(" + ",".join(parts) + ")*2")


@given(formulas(), st.integers(1, MAX_ROW), st.integers(1, MAX_COL))
def test_relative_form_and_back_is_the_formula(formula, row, col):
    assert from_r1c1(to_r1c1(formula, row, col), row, col) == formula


@given(formulas(900, 90), st.integers(1, 50), st.integers(1, 50), st.integers(0, 30), st.integers(0, 30))
def test_a_filled_formula_keeps_its_relative_form(formula, row, col, down, across):
    assert to_r1c1(FilledFormula(formula).moved(down, across), row + down, col + across) == to_r1c1(formula, row, col)


def blocks_of(book, sheet="S"):
    return find_blocks(sheet, book.sheet(sheet).cells)


def test_cells_filled_from_one_formula_are_one_block(make_book):
    cells = {f"{column_letters(c)}{r}": f"=$A{r}*{column_letters(c)}$1" for r in range(2, 12) for c in range(2, 9)}
    (block,) = blocks_of(make_book(S=cells))
    assert block.area == Area(2, 2, 11, 8)
    assert block.formula == "$A2*B$1"


def test_a_gap_cuts_a_block_into_rectangles(make_book):
    cells = {f"{column_letters(c)}{r}": f"={column_letters(c)}{r + 20}" for r in range(1, 6) for c in range(1, 5)}
    del cells["B3"]
    blocks = blocks_of(make_book(S=cells))
    assert [block.area.ref for block in blocks] == ["A1:D2", "A3", "C3:D3", "A4:D5"]


def test_another_formula_in_the_middle_is_another_block(make_book):
    cells = {f"A{r}": f"=B{r}*2" for r in range(1, 8)} | {"A4": "=B4*3"}
    assert [(b.area.ref, b.formula) for b in blocks_of(make_book(S=cells))] == [
        ("A1:A3", "B1*2"),
        ("A4", "B4*3"),
        ("A5:A7", "B5*2"),
    ]


def test_array_formulas_stand_apart(make_book):
    book = make_book(S={"A1": "=SUM(B1:C1*2)", "A2": "{=SUM(B2:C2*2)}", "A3": "{=SUM(B3:C3*2)}", "D1:E2": "{=B1:C2*2}"})
    found = [(block.area.ref, block.array, block.spread) for block in blocks_of(book)]
    assert found == [("A1", False, False), ("D1:E2", True, True), ("A2:A3", True, False)]


def test_a_formula_that_cannot_be_read_is_a_block_of_its_own_that_names_its_cell(make_book):
    blocks = blocks_of(make_book(S={"A1": "=B1*2", "A2": "=B2**2", "A3": "=B3*2"}))
    assert [block.area.ref for block in blocks] == ["A1", "A2", "A3"]
    with pytest.raises(
        FormulaError, match=r"^S!A2: '=B2\*\*2' is not a formula: something is wrong at '\*2'"
    ) as caught:
        _ = blocks[1].tree
    assert (caught.value.sheet, caught.value.cell) == ("S", "A2")


@pytest.mark.parametrize(("sheet", "blocks"), [("dotprod", 2), ("bias", 2)])
def test_the_lessons_models_are_two_blocks_each(shared, sheet, blocks):
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    (model,) = (model for model in read_models(book) if model.sheet == sheet)
    program = compile_program(book, model.changing, [(sheet, model.objective)])
    assert len(program.blocks) == blocks
    assert program.check() == []
