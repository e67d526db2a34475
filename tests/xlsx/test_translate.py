"""The expected texts are what Excel shows in a cell that the formula was filled to, one down and one across."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, address
from xlcollab.xlsx.translate import FilledFormula


@pytest.mark.parametrize(
    ("formula", "moved"),
    [
        ("A1+B2", "B2+C3"),
        ("$A$1+$A1+A$1", "$A$1+$A2+B$1"),
        ("SUM(A1:B2)", "SUM(B2:C3)"),
        ("SUM(A:C)", "SUM(B:D)"),
        ("SUM($A:C)", "SUM($A:D)"),
        ("SUM(3:7)", "SUM(4:8)"),
        ("SUM($3:7)", "SUM($3:8)"),
        ("MMULT($B25:$F25,H$19:H$23)", "MMULT($B26:$F26,I$19:I$23)"),
        ("Sheet1!A1", "Sheet1!B2"),
        ("Sheet1:Sheet3!A1", "Sheet1:Sheet3!B2"),
        ("'A1 B2'!A1", "'A1 B2'!B2"),
        ("'it''s A1'!A1", "'it''s A1'!B2"),
        ("[1]Sheet1!A1", "[1]Sheet1!B2"),
        ("'[A1.xlsx]B2'!A1", "'[A1.xlsx]B2'!B2"),
        ("A1&\"A1\"&A1", 'B2&"A1"&B2'),
        ('IF(A1="say ""A1""",B1,C1)', 'IF(B2="say ""A1""",C2,D2)'),
        ("LOG10(A1)", "LOG10(B2)"),
        ("ATAN2(A1,B1)", "ATAN2(B2,C2)"),
        ("_xlfn.STDEV.S(B1:B3)", "_xlfn.STDEV.S(C2:C4)"),
        ("1E5+E5", "1E5+F6"),
        ("1.5E-3*A1", "1.5E-3*B2"),
        ("A1^2%", "B2^2%"),
        ("-A1", "-B2"),
        ("{1,2;3,4}*A1", "{1,2;3,4}*B2"),
        ("#REF!+A1", "#REF!+B2"),
        ("Sheet1!#REF!", "Sheet1!#REF!"),
        ("IFERROR(A1,#N/A)", "IFERROR(B2,#N/A)"),
        ("Table1[[#This Row],[A1]]+A1", "Table1[[#This Row],[A1]]+B2"),
        ("Table1[a'[A1']]+A1", "Table1[a'[A1']]+B2"),
        ("Tab1[A1]", "Tab1[A1]"),
        ("rate_1*A1", "rate_1*B2"),
        ("rate.A1*A1", "rate.A1*B2"),
        ("ABCD1+A1", "ABCD1+B2"),
        ("XFE1+A1", "XFE1+B2"),
        ("A1048577+A1", "A1048577+B2"),
        ("OFFSET(A1,3,4)", "OFFSET(B2,3,4)"),
        ("A1:INDEX(A:A,3)", "B2:INDEX(B:B,3)"),
        ("A1 B2", "B2 C3"),
        ("a1+b$2", "B2+C$2"),
        ("_xlfn.ANCHORARRAY(A1)", "_xlfn.ANCHORARRAY(B2)"),
        ("TRUE+A1", "TRUE+B2"),
        ("", ""),
    ],
)  # fmt: skip
def test_relative_references_move_and_nothing_else_does(formula: str, moved: str) -> None:
    assert FilledFormula(formula).moved(1, 1) == moved


@pytest.mark.parametrize(
    ("formula", "rows", "cols", "moved"),
    [
        ("A1+B2", -1, 0, "#REF!+B1"),
        ("A1+$A1", 0, -1, "#REF!+$A1"),
        ("XFD1*2+A1", 0, 1, "#REF!*2+B1"),
        ("A1048576", 1, 0, "#REF!"),
        ("SUM(A:B)", 0, -1, "SUM(#REF!)"),
        ("SUM(A1:B2)+C3", -1, 0, "SUM(#REF!)+C2"),
        ("SUM(B2:XFD3)+C3", 0, 1, "SUM(#REF!)+D3"),
        ("Sheet1!A1", -1, -1, "Sheet1!#REF!"),
    ],
)
def test_a_reference_that_falls_off_the_sheet_is_an_error(formula: str, rows: int, cols: int, moved: str) -> None:
    assert FilledFormula(formula).moved(rows, cols) == moved


@given(st.integers(1, MAX_ROW), st.integers(1, MAX_COL), st.integers(-50, 50), st.integers(-50, 50))
def test_moving_there_and_back_gives_the_formula_again(row: int, col: int, rows: int, cols: int) -> None:
    formula = f"SUM({address(row, col)}:{address(row, col)})*$A$1"
    moved = FilledFormula(formula).moved(rows, cols)
    if "#REF!" not in moved:
        assert FilledFormula(moved).moved(-rows, -cols) == formula


@given(st.text("A1$:!'\"[](){}#,;.+-*/ \\_eE%&=<>", max_size=25))
def test_any_text_can_be_moved_by_nothing_without_change(text: str) -> None:
    assert FilledFormula(text).moved(0, 0).upper() == text.upper()
