"""Compiled programs: order, circles, the check against cached values, what is refused, what is proved linear."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import FormulaError
from xlcollab.formula.program import compile_program
from xlcollab.xlsx.cells import Area, ErrorValue
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook


def compiled(book, inputs="A1:A3", outputs=("B1",), sheet="S"):
    areas = [(sheet, Area.parse(one)) for one in inputs.split(",")]
    return compile_program(book, areas, [(sheet, Area.parse(one)) for one in outputs])


INPUTS = {"A1": 1.0, "A2": 2.0, "A3": 4.0}


def test_formulas_are_computed_in_the_order_of_their_dependence(program_of):
    cells = {**INPUTS, "B1": "=B2+1", "B2": "=B3*2", "B3": "=SUM(A1:A3)", "B4": "=99"}
    program = program_of(cells, "A1:A3", ("B1",))
    assert [block.cell for block in program.blocks] == ["B3", "B2", "B1"]
    assert program.values(np.array([1.0, 1.0, 3.0])) == [11.0]
    assert program.size == 3


def test_what_does_not_depend_on_the_changing_cells_is_a_constant(program_of):
    cells = {**INPUTS, "C1": '=UPPER("x")&LEN("abc")', "B1": "=A1*LEN(C1)"}
    program = program_of(cells, "A1:A3", ("B1",))
    assert program.functions == {"LEN"}
    assert program.values(program.start) == [2.0]


def test_a_chain_of_cells_below_each_other_is_one_formula_after_the_other(program_of):
    cells = {"A1": 1.0, "A2": 0.1, "B1": "=A1"} | {f"B{r}": f"=B{r - 1}*(1+$A$2)" for r in range(2, 12)}
    program = program_of(cells, "A1:A2", ("B11",))
    value, gradient = program.value_and_gradient(program.start, np.ones(1))
    assert value == pytest.approx(1.1**10)
    np.testing.assert_allclose(gradient, [1.1**10, 10 * 1.1**9])


def test_two_columns_that_read_each_other_row_by_row_are_no_circle(program_of):
    cells = {"A1": 100.0, "A2": 0.05, "B1": "=A1", "C1": "=B1*$A$2"}
    cells |= {f"B{r}": f"=B{r - 1}+C{r - 1}" for r in range(2, 6)} | {f"C{r}": f"=B{r}*$A$2" for r in range(2, 6)}
    program = program_of(cells, "A1:A2", ("B5",))
    assert program.values(program.start) == pytest.approx([100 * 1.05**4])


def test_a_circle_is_named_cell_by_cell(program_of):
    cells = {**INPUTS, "B1": "=A1+C1", "C1": "=D1*2", "D1": "=B1+1"}
    with pytest.raises(FormulaError) as caught:
        program_of(cells, "A1:A3", ("B1",))
    assert "Circular reference: S!" in caught.value.message
    assert all(f"S!{cell}" in caught.value.message for cell in ("B1", "C1", "D1"))


def test_a_cell_that_reads_itself_is_a_circle(program_of):
    with pytest.raises(FormulaError, match=r"Circular reference: S!B1 wait"):
        program_of({**INPUTS, "B1": "=SUM(A1:B1)"}, "A1:A3", ("B1",))


def test_asking_where_a_cell_lies_is_no_circle(program_of):
    program = program_of({**INPUTS, "B1": "=ROW(B1)*A1+COLUMNS(A1:B1)"}, "A1:A3", ("B1",))
    assert program.values(program.start) == [3.0]


@pytest.mark.parametrize("name", ["RAND", "NOW", "TODAY"])
def test_a_function_that_changes_by_itself_is_refused_with_its_cell(program_of, name):
    cells = {**INPUTS, "C7": f"={name}()", "B1": "=A1+C7"}
    with pytest.raises(FormulaError, match=rf"S!C7 uses {name}, whose value changes by itself") as caught:
        program_of(cells, "A1:A3", ("B1",))
    assert caught.value.cell == "C7"


def test_a_function_that_changes_by_itself_elsewhere_is_none_of_the_models_business(program_of):
    program = program_of({**INPUTS, "C7": "=NOW()", "B1": "=A1*2"}, "A1:A3", ("B1",))
    assert program.values(program.start) == [2.0]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("CUBEVALUE(A1)", "S!B1 cannot be computed: the function CUBEVALUE is not supported"),
        ("A1**2", "S!B1: '=A1**2' is not a formula"),
        ("[1]Data!A1+A1", "S!B1 cannot be computed: it refers to another workbook"),
        ("OFFSET(C1,A1,0)", "S!B1 uses OFFSET or INDIRECT with arguments that depend on the changing cells"),
    ],
)
def test_what_cannot_be_compiled_is_named_with_its_cell(program_of, formula, message):
    with pytest.raises(FormulaError) as caught:
        program_of({**INPUTS, "B1": "=" + formula}, "A1:A3", ("B1",))
    assert message in caught.value.message
    assert (caught.value.sheet, caught.value.cell) == ("S", "B1")


def test_a_constant_without_a_value_that_cannot_be_computed_is_named(program_of):
    cells = {**INPUTS, "C1": "=CUBEVALUE(1)", "C2": "=C1+1", "D1": "=CUBEVALUE(2)", "B1": "=A1*C2"}
    with pytest.raises(
        FormulaError, match=r"S!C1 cannot be computed: the function CUBEVALUE is not supported"
    ) as caught:
        program_of(cells, "A1:A3", ("B1",))
    assert caught.value.cell == "C1"


def test_a_constant_with_a_cached_value_needs_no_computing(saved):
    program = compiled(saved({"C1": ("CUBEVALUE(1)", 5.0), "B1": ("A1*C1", 5.0)}))
    assert program.values(program.start) == [5.0]


def test_a_needed_formula_that_cannot_be_read_is_named_even_where_it_has_a_value(saved):
    with pytest.raises(FormulaError, match=r"S!C1: '=A1\*\*2' is not a formula"):
        compiled(saved({"C1": ("A1**2", 1.0), "B1": ("A2*C1", 2.0)}))


def test_a_formula_in_a_changing_cell_does_not_count(program_of):
    program = program_of({"A1": "=1+1", "A2": "=A1*10", "B1": "=A1+A2"}, "A1", ("B1",))
    assert program.values(np.array([5.0])) == [55.0]


def test_a_changing_cell_named_twice_counts_once(program_of):
    program = program_of({**INPUTS, "B1": "=SUM(A1:A3)"}, "A1:A2,A2:A3", ("B1",))
    assert program.n == 3
    np.testing.assert_array_equal(program.start, [1.0, 2.0, 4.0])


def test_changing_cells_may_be_empty_and_far_away(program_of):
    program = program_of({"A1": 1.0, "B1": "=SUM(X100:Y101)+A1"}, "X100:Y101", ("B1",))
    np.testing.assert_array_equal(program.start, np.zeros(4))
    assert program.values(np.arange(4.0)) == [7.0]


def test_outputs_may_be_ranges_and_formulas_that_stand_in_no_cell(make_book):
    book = make_book(S={**INPUTS, "B1:B3": "{=A1:A3^2}"})
    program = compile_program(book, [("S", Area.parse("A1:A3"))], [("S", Area.parse("B1:B3")), ("S", "SUM(A1:A3)*2")])
    np.testing.assert_array_equal(program.values(program.start), [1.0, 4.0, 16.0, 14.0])
    np.testing.assert_array_equal(program.jacobian(program.start), [[2, 0, 0], [0, 4, 0], [0, 0, 8], [2, 2, 2]])


def test_a_jacobian_of_many_outputs_is_that_of_each(program_of):
    cells = {f"A{r}": float(r) for r in range(1, 21)} | {f"B{r}": f"=A{r}^2+A1*{r}" for r in range(1, 21)}
    program = program_of(cells, "A1:A20", ("B1:B20",))
    found = program.jacobian(program.start)
    rows = [program.value_and_gradient(program.start, weights)[1] for weights in np.eye(20)]
    np.testing.assert_allclose(found, rows)


@pytest.mark.parametrize(
    ("formula", "linear", "smooth"),
    [
        ("2*A1-A2/4+7", True, True),
        ("SUMPRODUCT(A1:A3,C1:C3)", True, True),
        ("SUM(A1:A3)*SUM(C1:C3)", True, True),
        ("MMULT(TRANSPOSE(C1:C3),A1:A3)", True, True),
        ("IF(C1>0,A1,A2^2)", True, True),
        ("A1*A2", False, True),
        ("A1^2-A1^2", False, True),
        ("1/A1", False, True),
        ("EXP(A1)", False, True),
        ("MAX(A1,A2)", False, False),
        ("IF(A1>1,A2,A3)", False, False),
        ("ROUND(A1,1)", False, False),
        ("C1*5", True, True),
    ],
)
def test_linearity_and_smoothness_are_proved_from_the_formulas(program_of, formula, linear, smooth):
    program = program_of({**INPUTS, "C1": 1, "C2": 2, "C3": 3, "B1": "=" + formula}, "A1:A3", ("B1",))
    assert program.linear == (linear,)
    assert program.smooth is smooth
    assert program.constant == (formula == "C1*5",)


def test_an_error_in_an_output_is_not_a_number_and_counts_only_where_it_has_weight(program_of):
    program = program_of({**INPUTS, "B1": "=LN(A1-5)", "B2": "=A2*3"}, "A1:A3", ("B1", "B2"))
    assert np.isnan(program.values(program.start)[0])
    value, gradient = program.value_and_gradient(program.start, np.array([0.0, 1.0]))
    assert value == 6.0
    np.testing.assert_array_equal(gradient, [0.0, 3.0, 0.0])


@pytest.fixture
def saved(tmp_path):
    """`saved({"B1": ("A1*2", 2.0)})`: formulas with the values that the book holds for them; A1:A3 are 1, 2 and 4."""

    def make(formulas):
        sheet = NewSheet("S")
        sheet.block(1, 1, [[1.0], [2.0], [4.0]])
        for at, stored in formulas.items():
            area = Area.parse(at)
            sheet.formulas(area.first_row, area.first_col, [[stored]])
        book = Workbook.new()
        book.add(sheet)
        book.save(tmp_path / "saved.xlsx", force=True)
        return Workbook.open(tmp_path / "saved.xlsx")

    return make


def test_the_check_is_silent_where_all_cells_give_what_the_book_holds(saved):
    program = compiled(saved({"B1": ("B2*3", 21.0), "B2": ("SUM(A1:A3)", 7.0)}))
    assert program.check() == []
    assert not program.unchecked


def test_the_check_names_each_cell_that_differs(saved):
    program = compiled(saved({"B1": ("B2*3", 21.000001), "B2": ("SUM(A1:A3)", 7.0)}))
    (found,) = program.check()
    assert (found.sheet, found.cell, found.computed, found.cached) == ("S", "B1", 21.0, 21.000001)


def test_the_check_allows_a_rounding_difference_and_no_more(saved):
    assert compiled(saved({"B1": ("SUM(A1:A3)*1000", 7000.0 * (1 + 9e-10))})).check() == []
    assert len(compiled(saved({"B1": ("SUM(A1:A3)*1000", 7000.0 * (1 + 2e-9))})).check()) == 1
    assert compiled(saved({"B1": ("SUM(A1:A3)/1E9", 7e-9 + 9e-10)})).check() == []


@pytest.mark.parametrize(("formula", "value"), [("A1>0", True), ('IF(A1>0,"yes","no")', "yes")])
def test_the_check_looks_at_texts_and_truth_values_too(saved, formula, value):
    assert compiled(saved({"B1": (formula, value)})).check() == []


def test_an_error_that_the_book_holds_agrees_with_an_error(saved):
    book = saved({"B1": ("LN(A1-5)", ErrorValue("#NUM!")), "B2": ("A2*3", 6.0)})
    assert compiled(book, outputs=("B1", "B2")).check() == []


def test_a_book_without_cached_values_is_computed_whole_and_says_so(make_book):
    program = compiled(make_book(S={**INPUTS, "C1": "=10*2", "B1": "=A1*C1+B2", "B2": "=SUM(A1:A3)"}))
    assert program.unchecked
    assert program.values(program.start) == [27.0]
    assert program.check() == []


def test_the_residuals_of_a_sum_of_squares_are_found(program_of):
    cells = {**INPUTS, "C1": 2, "C3": 3, "B1": "=SQRT(SUMXMY2(A1:A3,C1:C3)/COUNT(C1:C3))"}
    program = program_of(cells, "A1:A3", ("B1",))
    assert program.residuals is not None
    assert program.values(program.start) == [pytest.approx(1.0)]


@pytest.mark.parametrize("first", ["=A1*2", "=(A1-3)^2"], ids=["numbers", "squares"])
def test_cells_that_add_each_other_up_are_not_taken_apart_into_all_their_terms(program_of, first: str):
    """Fibonacci's: the last of sixty is a sum of 1.5 million million terms."""
    sums = {f"B{row}": f"=B{row - 1}+B{row - 2}" for row in range(3, 61)}
    program = program_of({**INPUTS, "B1": first, "B2": first, **sums}, "A1:A3", ("B60",))
    assert program.residuals is None
    assert (
        program.values(program.start)[0]
        == 1548008755920 * program_of({**INPUTS, "B1": first}, "A1:A3", ("B1",)).values(program.start)[0]
    )


OPERATIONS = (
    "{a}+{b}",
    "{a}*{b}",
    "{a}-2*{b}",
    "EXP(-({a})^2/9)",
    "SIN({a})*{b}",
    "{a}/(1+({b})^2)",
    "SUMSQ({a},{b})",
)


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6))
def test_the_gradient_of_any_composition_is_its_difference_quotient(steps):
    """Each formula reads changing cells and earlier formulas; the last one is the output."""
    sheet = NewSheet("S")
    sheet.block(1, 1, [[0.3], [-0.7], [1.1]])
    for i, (operation, a, b) in enumerate(steps):
        names = ["A1", "A2", "A3", *(f"B{k}" for k in range(1, i + 1))]
        sheet.formulas(i + 1, 2, [[(operation.format(a=names[a % len(names)], b=names[b % len(names)]), 0.0)]])
    book = Workbook.new()
    book.add(sheet)
    program = compiled(book, outputs=(f"B{len(steps)}",))
    x = program.start
    _, gradient = program.value_and_gradient(x, np.ones(1))
    differences = [(program.values(x + h)[0] - program.values(x - h)[0]) / 2e-6 for h in np.eye(3) * 1e-6]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6 * max(1.0, *np.abs(differences)))
