"""Formula text → syntax tree. Trees are compared written out with all their brackets: -2^2 is ((-2)^2)."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import FormulaError
from xlcollab.formula.parse import parse
from xlcollab.formula.syntax import (
    ArrayConstant,
    Binary,
    Call,
    Corner,
    Literal,
    Name,
    Node,
    Omitted,
    Reference,
    TableReference,
    Unary,
    calls,
)
from xlcollab.xlsx.cells import ErrorValue, column_letters


def written(node: Node) -> str:
    """A tree as text with all brackets."""
    match node:
        case Literal(bool() as value):
            return str(value).upper()
        case Literal(ErrorValue() as value):
            return str(value)
        case Literal(str() as value):
            return '"' + value.replace('"', '""') + '"'
        case Literal(value):
            return f"{value:g}"
        case Omitted():
            return ""
        case ArrayConstant(rows):
            return "{" + ";".join(",".join(map(written, row)) for row in rows) + "}"
        case Reference(first, last, sheet, last_sheet, external):
            sheets = "" if sheet is None else f"'{sheet}" + (f":{last_sheet}" if last_sheet else "") + "'!"
            corners = corner(first) if first == last and None not in first else f"{corner(first)}:{corner(last)}"
            return ("[]" if external else "") + sheets + corners
        case Name(name, sheet):
            return name if sheet is None else f"'{sheet}'!{name}"
        case TableReference(table, items, first_col, last_col):
            return f"{table}[{' '.join(items)}|{first_col}:{last_col}]"
        case Call(name, args):
            return f"{name}({','.join(map(written, args))})"
        case Unary("%" | "#" as operator, operand):
            return f"({written(operand)}{operator})"
        case Unary(operator, operand):
            return f"({operator}{written(operand)})"
        case Binary(operator, left, right):
            return f"({written(left)}{operator}{written(right)})"


def corner(at: Corner) -> str:
    col = "" if at.col is None else ("$" if at.col_fixed else "") + column_letters(at.col)
    return col + ("" if at.row is None else ("$" if at.row_fixed else "") + str(at.row))


@pytest.mark.parametrize(
    ("formula", "tree"),
    [
        ("-2^2", "((-2)^2)"),
        ("2^-3", "(2^(-3))"),
        ("2^3^2", "((2^3)^2)"),
        ("1-2-3", "((1-2)-3)"),
        ("8/4/2", "((8/4)/2)"),
        ("1+2*3&4=5", "(((1+(2*3))&4)=5)"),
        ("a<b=c", "((a<b)=c)"),
        ("50%%", "((50%)%)"),
        ("-A1%^2", "((-(A1%))^2)"),
        ("--A1", "(-(-A1))"),
        ("+-+A1", "(+(-(+A1)))"),
        ("2*-3", "(2*(-3))"),
        ("(1+2)*3", "((1+2)*3)"),
        ("-A1:A3", "(-A1:A3)"),
        ("A1:A3%", "(A1:A3%)"),
        (" 1 + 2 ", "(1+2)"),
        ("SUM (\n A1 , 2 )", "SUM(A1,2)"),
    ],
)
def test_operators_bind_as_in_excel(formula, tree):
    assert written(parse(formula)) == tree


RANK = {"=": 0, "<>": 0, "<": 0, ">": 0, "<=": 0, ">=": 0, "&": 1, "+": 2, "-": 2, "*": 3, "/": 3, "^": 4}


@pytest.mark.parametrize(("one", "two"), [*itertools.product(RANK, RANK)])
def test_of_two_operators_the_tighter_or_else_the_left_one_binds(one, two):
    tree = f"((1{one}2){two}3)" if RANK[one] >= RANK[two] else f"(1{one}(2{two}3))"
    assert written(parse(f"1{one}2{two}3")) == tree


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("1.5", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1.5E-3", 0.0015),
        ("1e5", 1e5),
        ('"say ""it"""', 'say "it"'),
        ('""', ""),
        ('"it\'s"', "it's"),
        ("TRUE", True),
        ("false()", False),
        ("#N/A", ErrorValue("#N/A")),
        ("#DIV/0!", ErrorValue("#DIV/0!")),
        ("#SPILL!", ErrorValue("#SPILL!")),
        ("Sheet1!#REF!", ErrorValue("#REF!")),
        ("'my sheet'!#REF!", ErrorValue("#REF!")),
    ],
)
def test_literals_are_read(formula, value):
    tree = parse(formula)
    assert tree == Literal(value)
    assert type(tree.value) is type(value)


@pytest.mark.parametrize(
    ("formula", "tree"),
    [
        ("A1", "A1"),
        ("$B$2", "$B$2"),
        ("b$2", "B$2"),
        ("XFD1048576", "XFD1048576"),
        ("A1:B2", "A1:B2"),
        ("B2:A1", "A1:B2"),
        ("$B$2:A1", "A1:$B$2"),
        ("A$1:$B2", "A$1:$B2"),
        ("A:C", "A:C"),
        ("$A:B", "$A:B"),
        ("3:7", "3:7"),
        ("$3:$7", "$3:$7"),
        ("Sheet1!A:C", "'Sheet1'!A:C"),
        ("A1:INDEX(B:B,3)", "(A1:INDEX(B:B,3))"),
        ("A1:B2:C3", "(A1:B2:C3)"),
        ("Other!A1:Other!B2", "'Other'!A1:B2"),
        ("A1:Other!B2", "(A1:'Other'!B2)"),
        ("A1:A3 A2:B2", "(A1:A3 A2:B2)"),
        ("SUM((A1:A2,C1))", "SUM((A1:A2,C1))"),
        ("@A1:A3", "(@A1:A3)"),
        ("_xlfn.SINGLE(A1:A3)", "(@A1:A3)"),
        ("A1#", "(A1#)"),
        ("SUM(A1#)+1", "(SUM((A1#))+1)"),
        ("_xlfn.ANCHORARRAY(A1)", "(A1#)"),
    ],
)
def test_references_are_read(formula, tree):
    assert written(parse(formula)) == tree


@pytest.mark.parametrize(
    "sheet",
    [
        "My Sheet",
        "It''s",
        "100%",
        "a!b",
        "=1+1",
        "R1C1",
        "A1",
        "(x)",
        '"q"',
        "{a}",
        "a,b",
        "a;b",
        "#REF",
        "ü ñ 日本",
        "-",
        "1",
    ],
)
def test_a_quoted_sheet_name_may_hold_any_sign(sheet):
    tree = parse(f"SUM('{sheet}'!$A$1:B2)+1")
    name = sheet.replace("''", "'")
    assert written(tree) == f"(SUM('{name}'!$A$1:B2)+1)"


@pytest.mark.parametrize("sheet", ["Sheet1", "Über", "_x", "Data.2024", "日本"])
def test_plain_sheet_names_need_no_quotation_marks(sheet):
    assert parse(f"{sheet}!A1") == parse(f"'{sheet}'!A1")


@pytest.mark.parametrize("formula", ["Jan:Dec!A1:B2", "'Jan:Dec'!A1:B2"])
def test_a_reference_through_several_sheets_names_both_ends(formula):
    assert written(parse(formula)) == "'Jan:Dec'!A1:B2"


@pytest.mark.parametrize("formula", ["[1]Data!A1", "'[Book 2.xlsx]Data'!A1", "'C:\\my books\\[b.xlsx]Data'!A1"])
def test_references_into_other_workbooks_are_marked(formula):
    assert written(parse(formula)) == "[]'Data'!A1"


@pytest.mark.parametrize("name", ["rate", "_x", "\\a", "Rate2.old", "XFE1", "A1048577", "größe", "TRUELY", "a?"])
def test_what_is_no_cell_is_a_name(name):
    assert parse(name) == Name(name)


def test_a_name_may_belong_to_a_sheet():
    assert parse("'My Sheet'!rate") == Name("rate", "My Sheet")


def test_functions_named_like_cells_are_functions():
    assert parse("LOG10(5)") == Call("LOG10", (Literal(5.0),))
    assert isinstance(parse("LOG10"), Reference)


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("Tbl[Price]", TableReference("Tbl", (), "Price", "Price")),
        ("Tbl[]", TableReference("Tbl", (), None, None)),
        ("Tbl[#All]", TableReference("Tbl", ("all",), None, None)),
        ("Tbl[@Price]", TableReference("Tbl", ("this row",), "Price", "Price")),
        ("Tbl[@[Unit price]]", TableReference("Tbl", ("this row",), "Unit price", "Unit price")),
        ("[@Price]", TableReference(None, ("this row",), "Price", "Price")),
        ("Tbl[[#This Row],[Price]]", TableReference("Tbl", ("this row",), "Price", "Price")),
        ("Tbl[[#Headers],[North]:[South]]", TableReference("Tbl", ("headers",), "North", "South")),
        ("Tbl[[#Headers],[#Data],[Price]]", TableReference("Tbl", ("headers", "data"), "Price", "Price")),
        ("Tbl[[North]:[South]]", TableReference("Tbl", (), "North", "South")),
        ("Tbl[[#Totals],[A'[x'] '#1]]", TableReference("Tbl", ("totals",), "A[x] #1", "A[x] #1")),
    ],
)
def test_structured_references_are_read(formula, expected):
    assert parse(formula) == expected


@pytest.mark.parametrize(
    ("formula", "tree"),
    [
        ("{1,2;3,4}", "{1,2;3,4}"),
        ('{-1,"a;b";TRUE,#N/A}', '{-1,"a;b";TRUE,#N/A}'),
        ("{1}", "{1}"),
        ("SUM({1,2}*A1)", "SUM(({1,2}*A1))"),
    ],
)
def test_array_constants_are_read(formula, tree):
    assert written(parse(formula)) == tree


@pytest.mark.parametrize(
    ("formula", "tree"),
    [
        ("IF(A1,,3)", "IF(A1,,3)"),
        ("IF(A1,)", "IF(A1,)"),
        ("F()", "F()"),
        ("_xlfn.STDEV.S(A1:A3)", "STDEV.S(A1:A3)"),
        ("_xlfn._xlws.SORT(A1:A3)", "SORT(A1:A3)"),
        ("_xlfn.LET(_xlpm.x,2,_xlpm.x*A1)", "LET(x,2,(x*A1))"),
        ("sum(a1)", "SUM(A1)"),
    ],
)
def test_calls_are_read_without_their_prefixes(formula, tree):
    assert written(parse(formula)) == tree


def test_a_call_of_a_lambda_is_one_of_its_name():
    assert calls(parse("_xlfn.LAMBDA(_xlpm.x,_xlpm.x+1)(3)")) == {"LAMBDA"}


@pytest.mark.parametrize(
    ("formula", "where"),
    [
        ("1+", "at its end"),
        ("SUM(1,2", "at its end"),
        (")", "at ')'"),
        ("1 2", "at '2'"),
        ("A1,B1", "at ',B1'"),
        ("{A1}", "at '}'"),
        ("{1,2;3}", "at its end"),
        ("SUM(1))", "at ')'"),
        ("*3", "at '*3'"),
        ("F(1)(2)", "at '(2)'"),
        ("Sheet1!+1", "at '+1'"),
        ('"abc', "from '\"abc' on"),
        ("A1 ? 2", "from '? 2' on"),
        ("Tbl[a", "'['"),
    ],
)
def test_an_error_says_where(formula, where):
    with pytest.raises(FormulaError) as caught:
        parse(formula)
    assert where in caught.value.message
    assert f"'={formula}'" in caught.value.message


REFERENCES = st.sampled_from(["A1", "$B$2", "C3:D4", "A:A", "3:7", "rate", "'My Sheet'!A1"])
LEAVES = st.one_of(
    REFERENCES,
    st.integers(0, 99).map(str),
    st.sampled_from(['"a""b"', "TRUE", "#N/A", "{1,2;3,4}", '""']),
)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds(lambda a, operator, b: f"({a}{operator}{b})", inner, st.sampled_from(list(RANK)), inner),
        st.builds(lambda a: f"(-{a})", inner),
        st.builds(lambda a: f"({a}%)", inner),
        st.builds(
            lambda name, args: f"{name}({','.join(args)})",
            st.sampled_from(["SUM", "IF", "T.DIST"]),
            st.lists(inner, max_size=3),
        ),
    )


@given(st.recursive(LEAVES, _combined, max_leaves=12))
def test_a_formula_with_all_brackets_comes_back_as_it_was(formula):
    assert written(parse(formula)) == formula
    assert written(parse(formula.replace("(", "( ").replace(",", " , "))) == formula
