"""What Excel makes of empty cells, texts, truth values, errors, dates, names, tables and arrays."""

from __future__ import annotations

import datetime as dt

import pytest

from xlcollab.formula.values import number_from_text
from xlcollab.xlsx.cells import ErrorValue

MIXED = {"A1": 5, "A3": "x", "A4": True, "A5": "12", "A6": 7}  # A2 is empty


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("A2+1", 1.0),
        ("A2*3", 0.0),
        ('A2&"|"', "|"),
        ("A2=0", True),
        ('A2=""', True),
        ("A2=FALSE", True),
        ("A2", 0.0),
        ("SUM(A1:A6)", 12.0),
        ("AVERAGE(A1:A6)", 6.0),
        ("COUNT(A1:A6)", 2.0),
        ("COUNTA(A1:A6)", 5.0),
        ("MIN(A1:A6)", 5.0),
        ("PRODUCT(A1:A6)", 35.0),
        ("A5+1", 13.0),
        ("A4+1", 2.0),
        ("A3+1", ErrorValue("#VALUE!")),
        ("SUM(A3,1)", 1.0),
        ('SUM("12",TRUE)', 13.0),
        ('SUM("x",1)', ErrorValue("#VALUE!")),
        ("SUMPRODUCT(A1:A6,A1:A6)", 74.0),
        ("SUMPRODUCT(--(A1:A6>6))", 4.0),  # texts and TRUE are above all numbers
        ("SUMPRODUCT(A4:A4)", 0.0),
        ("SUMPRODUCT(--A4:A4)", 1.0),
        ("SUMXMY2(A1:A6,{1;2;3;4;5;6})", 17.0),
        ("SUMX2PY2(A1:A6,{1;2;3;4;5;6})", 111.0),
        ("-2^2", 4.0),
        ("2^3^2", 64.0),
        ("5%", 0.05),
        ("50%%*1000", 5.0),
    ],
)
def test_empty_cells_texts_and_truth_values_count_where_excel_counts_them(value_of, formula, value):
    found = value_of(formula, MIXED)
    assert found == value
    assert type(found) is type(value)


def test_sumxmy2_passes_over_a_pair_with_a_blank_in_it(value_of):
    cells = {"A1": 4, "A3": 2, "B1": 3, "B2": 5, "B3": 5}
    assert value_of("SUMXMY2(A1:A3,B1:B3)", cells) == 10.0
    assert value_of("SUMPRODUCT((A1:A3-B1:B3)^2)", cells) == 35.0


@pytest.mark.parametrize(
    ("formula", "error"),
    [
        ("A1+B1", "#DIV/0!"),
        ("B1+A1", "#N/A"),
        ("SUM(A1:B1)", "#DIV/0!"),
        ("SUM(B1,A1)", "#N/A"),
        ("IF(A1>0,1,2)", "#DIV/0!"),
        ("A1&B1", "#DIV/0!"),
        ("A1=A1", "#DIV/0!"),
        ("ABS(B1)", "#N/A"),
        ("MAX(1,B1)", "#N/A"),
        ("SUMXMY2(A1:B1,{1,2})", "#DIV/0!"),
        ("NOT(B1)", "#N/A"),
        ("nowhere+1", "#NAME?"),
        ("Gone!A1+1", "#REF!"),
        ("#REF!+1", "#REF!"),
        ("A1:A2 B1:B2", "#NULL!"),
        ("1/0", "#DIV/0!"),
        ("SQRT(-1)", "#NUM!"),
        ("10^400", "#NUM!"),
    ],
)
def test_errors_are_carried_the_first_one_first(value_of, formula, error):
    assert value_of(formula, {"A1": "=1/0", "B1": "=NA()"}) == ErrorValue(error)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("COUNT(A1:B2)", 1.0),
        ("COUNTA(A1:B2)", 3.0),
        ("IFERROR(A1,7)", 7.0),
        ("ISERROR(A1)", True),
        ("IF(TRUE,1,A1)", 1.0),
        ("CHOOSE(1,5,A1)", 5.0),
        ("AGGREGATE(9,6,A1:B2)", 3.0),
    ],
)
def test_what_looks_past_errors_does(value_of, formula, value):
    assert value_of(formula, {"A1": "=1/0", "B1": "=NA()", "B2": 3}) == value


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("A1+1", 45293.0),
        ("A1-A2", 308.0),
        ("YEAR(A1)", 2024.0),
        ("A1>A2", True),
        ("AVERAGE(A1:A2)", 45138.0),
        ('A1="2024-01-01"', False),
        ('"2024-01-01"+0', 45292.0),
        ('"12:30"*24', 12.5),
        ("DATE(1900,2,28)+1", 60.0),  # the day that Excel has and the calendar has not
        ("DATE(1900,3,1)", 61.0),
        ('TEXT(A1,"yyyy-mm-dd")', "2024-01-01"),
    ],
)
def test_dates_are_days_since_1900(value_of, formula, value):
    assert value_of(formula, {"A1": dt.date(2024, 1, 1), "A2": dt.date(2023, 2, 27)}) == value


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12.0),
        (" 1e3 ", 1000.0),
        ("-5%", -0.05),
        ("$1,000.50", 1000.5),
        ("2024-03-01", 45352.0),
        ("3/1/2024", 45352.0),
        ("1900-01-01", 1.0),
        ("12:30", 0.520833333333333333),
        ("6:00 PM", 0.75),
        ("+.5", 0.5),
    ],
)
def test_texts_that_read_as_numbers_count_as_them(text, number):
    assert number_from_text(text) == pytest.approx(number, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["", "x", "1 2", "1,00", "--1", "12:60", "2024-13-01", "1899-12-31", "7/5/1800", "TRUE", "1/2"]
)
def test_other_texts_are_no_numbers(text):
    assert number_from_text(text) != number_from_text(text)


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("0.1+0.2=0.3", True),
        ("1/3*3=1", True),
        ("1=1.00000000000001", False),
        ('"a"="A"', True),
        ('"a"<"B"', True),
        ('"z">999', True),
        ('TRUE>"z"', True),
        ("FALSE>99", True),
        ("A1<1", True),
        ('A1<"a"', True),
        ("1<>2", True),
    ],
)
def test_comparisons_order_numbers_before_texts_before_truth_values(value_of, formula, value):
    assert value_of(formula) is value


def test_whole_columns_end_with_the_sheets_cells(computed):
    cells = {f"A{r}": r for r in range(1, 11)} | {
        "B1": "=SUM(A:A)",
        "B2": "=COUNTBLANK(A:A)",
        "B3": "=SUM(4:5)-SUM(B4:B5)",
    }
    found = computed({**cells, "B3": "=SUM(10:12)"})
    assert found["B1"] == 55.0
    assert found["B3"] == 10.0


@pytest.mark.parametrize(
    ("names", "formula", "value"),
    [
        ({"rate": "0.075"}, "rate*200", 15.0),
        ({"sales": "S!$A$1:$A$3"}, "SUM(sales)", 6.0),
        ({"SALES": "S!$A$1:$A$3"}, "sum(Sales)", 6.0),
        ({"twice": "2*S!$A$2"}, "twice+1", 5.0),
        ({"a": "b+1", "b": "S!$A$3"}, "a", 4.0),
        ({"list": "{1,2,3}"}, "SUM(list)", 6.0),
        ({"broken": "S!#REF!"}, "broken", ErrorValue("#REF!")),
    ],
)
def test_names_stand_for_what_they_are_defined_as(value_of, names, formula, value):
    assert value_of(formula, {"A1": 1, "A2": 2, "A3": 3}, names=names) == value


def test_a_relative_name_moves_with_the_cell_that_uses_it(computed):
    found = computed({"A1": 1, "A2": 2, "B1": "=left_of", "B2": "=left_of"}, names={"left_of": "S!XFD1"})
    assert (found["B1"], found["B2"]) == (1.0, 2.0)


def test_a_name_that_is_defined_by_itself_is_refused(value_of):
    assert "the name loop is defined by itself" in value_of("loop+1", names={"loop": "loop*2"})


def test_other_sheets_are_read_whatever_they_are_called(make_book):
    from xlcollab.formula.recalculate import recompute

    awkward = ["It's", "a b", "100%", "ü", "=1+1", "A1", "R1C1", "(x)", "TRUE", "1"]
    quoted = [name.replace("'", "''") for name in awkward]
    cells = {f"A{i}": f"='{name}'!A1*2" for i, name in enumerate(quoted, 1)}
    book = make_book(S=cells, **{name: {"A1": i} for i, name in enumerate(awkward, 1)})
    found = recompute(book, {})
    assert [found.values["S", i, 1] for i in range(1, len(awkward) + 1)] == [
        2.0 * i for i in range(1, len(awkward) + 1)
    ]


def test_a_reference_through_several_sheets_sums_all_of_them(make_book):
    from xlcollab.formula.recalculate import recompute

    book = make_book(Jan={"A1": 1}, Feb={"A1": 2}, Mar={"A1": 4}, S={"A1": "=SUM(Jan:Mar!A1)", "A2": "=Jan:Mar!A1+1"})
    found = recompute(book, {})
    assert found.values["S", 1, 1] == 7.0
    assert found.values["S", 2, 1] == ErrorValue("#VALUE!")


def test_other_workbooks_are_refused_by_name(value_of):
    assert value_of("[1]Data!A1+1") == (
        "S!Z9 cannot be computed: it refers to another workbook. Its formula is =[1]Data!A1+1."
    )


def test_a_plain_formula_takes_of_a_range_what_stands_beside_it(computed):
    cells = {"A1": 1, "A2": 2, "A3": 3, "B2": "=A1:A3*10", "B5": "=A1:A3*10", "C3": "=@A1:A3", "D2": "=$A$1:$B$3"}
    found = computed(cells)
    assert found["B2"] == 20.0
    assert found["B5"] == ErrorValue("#VALUE!")
    assert found["C3"] == 3.0
    assert found["D2"] == ErrorValue("#VALUE!")


def test_an_array_formula_computes_on_whole_ranges(computed):
    cells = {"A1": 1, "A2": 2, "A3": 3, "C1": "{=SUM(A1:A3*{1;10;100})}", "C2": "=SUM(A1:A3*A1)"}
    assert computed(cells)["C1"] == 321.0


def test_an_array_formula_fills_its_cells(computed):
    found = computed({"A1": 1, "A2": 2, "C1:D3": "{=A1:A2*{1,10}}"})
    assert [found[f"C{r}"] for r in (1, 2)] == [1.0, 2.0]
    assert [found[f"D{r}"] for r in (1, 2)] == [10.0, 20.0]
    assert found["C3"] == found["D3"] == ErrorValue("#N/A")


def test_a_single_row_repeats_in_an_array_formula(computed):
    found = computed({"A1": 1, "B1": 2, "C1:D3": "{=A1:B1}", "E1:E2": "{=7}"})
    assert [found[f"C{r}"] for r in (1, 2, 3)] == [1.0, 1.0, 1.0]
    assert found["E2"] == 7.0


def test_a_spill_can_be_referred_to_as_a_whole(computed):
    found = computed({"A1": 3, "A2": 1, "A3": 2, "C1:C3": "{=SORT(A1:A3)}", "E1": "=SUM(C1#)", "E2": "=A1#"})
    assert [found[f"C{r}"] for r in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert found["E1"] == 6.0
    assert found["E2"] == ErrorValue("#REF!")


def test_a_spill_that_would_change_its_size_is_named(computed):
    found = computed({"A1": 3, "A2": 1, "A3": 2, "C1:C3": "{=FILTER(A1:A3,A1:A3>1)}"})
    assert "its result no longer has the size of the cells that it fills" in found["C1"]


TABLE = {"A1": "Item", "B1": "Price", "C1": "Unit #", "A2": "nail", "B2": 2, "C2": 10, "A3": "bolt", "B3": 5, "C3": 4}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("SUM(Stock[Price])", 7.0),
        ("SUMPRODUCT(Stock[Price],Stock[Unit '#])", 40.0),
        ("SUM(Stock[[Price]:[Unit '#]])", 21.0),
        ("COUNTA(Stock)", 6.0),
        ("COUNTA(Stock[#All])", 9.0),
        ("COUNTA(Stock[#Headers])", 3.0),
        ("Stock[[#Headers],[Price]]", "Price"),
        ("SUM(stock[PRICE])", 7.0),
        ("SUM(Stock[Gone])", ErrorValue("#REF!")),
        ("SUM(Nothing[Price])", ErrorValue("#REF!")),
        ("Stock[@Price]", ErrorValue("#VALUE!")),
    ],
)
def test_tables_are_read_by_their_columns(value_of, formula, value):
    assert value_of(formula, TABLE, tables={"Stock": ("S", "A1:C3")}) == value


def test_a_table_row_is_that_of_the_formula(computed):
    cells = {
        **TABLE,
        "D1": "Worth",
        "D2": "=Stock[[#This Row],[Price]]*Stock[[#This Row],[Unit '#]]",
        "D3": "=[@Price]*2",
    }
    found = computed(cells, tables={"Stock": ("S", "A1:D3")})
    assert (found["D2"], found["D3"]) == (20.0, 10.0)


def test_cells_of_one_formula_with_ranges_of_different_size_are_computed_one_by_one(computed):
    cells = {f"A{r}": r for r in range(1, 6)} | {f"B{r}": "=SUM(OFFSET($A$1,0,0,ROW(),1))" for r in range(1, 6)}
    cells |= {f"C{r}": f"=SUM($A$1:A{r})" for r in range(1, 6)}
    found = computed(cells)
    assert [found[f"B{r}"] for r in range(1, 6)] == [1.0, 3.0, 6.0, 10.0, 15.0]
    assert [found[f"C{r}"] for r in range(1, 6)] == [1.0, 3.0, 6.0, 10.0, 15.0]
