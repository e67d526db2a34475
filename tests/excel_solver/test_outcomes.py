"""Every result code of Excel's that can be reached here, reached."""

from __future__ import annotations

import pytest

import xlcollab as xc
from xlcollab.excel_solver.outcome import Code

FREE = {"A1": 1, "A2": 1, "B1": "=A1+A2", "B2": "=A1*A2"}


def solve_one(path, **options):
    (model,) = xc.solve(path, **options).models
    return model


def refused(path, code: int, *says: str) -> None:
    """The model ends with ``code``, every text of ``says`` in its message, and nothing is written."""
    before = path.read_bytes()
    report = xc.solve(path, in_place=True)
    (model,) = report.models
    assert model.code == code, model.message
    assert not model.written
    assert report.output is None
    assert report.exit_code == 1
    assert path.read_bytes() == before
    for text in says:
        assert text in model.message


def test_0_solved(solver_book) -> None:
    assert solve_one(solver_book(FREE, objective="B1", changing="A1:A2", nonnegative=True, engine="lp")).code == 0


def test_1_converged_at_a_kink_where_no_gradient_proves_anything(solver_book) -> None:
    cells = {"A1": -1.2, "A2": 1, "B1": "=ABS(A1)+ABS(A2-A1)"}
    model = solve_one(solver_book(cells, objective="B1", changing="A1:A2"), restarts=1)
    assert model.code == 1
    assert model.value < model.start
    assert "kinks or jumps" in model.message


def test_2_no_better_point_along_the_line_where_the_slope_has_no_end(solver_book) -> None:
    cells = {"A1": 3.3, "A2": 1, "B1": "=SQRT(ABS(A1-0.3))+A2^2"}
    model = solve_one(solver_book(cells, objective="B1", changing="A1:A2"))
    assert model.code == 2
    assert model.value == pytest.approx(0, abs=1e-4)


def test_3_the_iteration_limit_keeps_what_was_found(solver_book) -> None:
    cells = {
        **{f"A{i}": -1.2 for i in range(1, 9)},
        "B1": "=" + "+".join(f"100*(A{i + 1}-A{i}^2)^2+(1-A{i})^2" for i in range(1, 8)),
    }
    model = solve_one(
        solver_book(cells, objective="B1", changing="A1:A8", names={"solver_itr": "3"}, sense="min"),
        restarts=1,
        engine="grg",
    )
    assert model.code == 3
    assert model.value < model.start


def test_4_an_objective_that_runs_away(solver_book) -> None:
    # Winston, section 4.8: Breadco bakes without end
    cells = {
        "A1": 0,
        "B1": 0,
        "C1": 0,
        "D1": 0,
        "E1": "=36*A1+30*B1-3*C1-4*D1",
        "F1": "=A1+B1-C1",
        "F2": "=6*A1+5*B1-D1",
    }
    limits = [("F1", "<=", "5"), ("F2", "<=", "10")]
    refused(
        solver_book(
            cells, objective="E1", changing="A1:D1", sense="max", constraints=limits, engine="lp", nonnegative=True
        ),
        4,
    )
    refused(solver_book({"A1": 1, "B1": "=A1^2+A1"}, objective="B1", changing="A1", sense="max"), 4)


def test_5_infeasible_names_the_constraints_in_conflict(solver_book) -> None:
    # Winston, section 4.12: Bevco's orange drink with 36 mg of vitamin C
    cells = {"A1": 0, "B1": 0, "C1": "=2*A1+3*B1", "C2": "=A1/2+B1/4", "C3": "=A1+3*B1", "C4": "=A1+B1"}
    limits = [("C2", "<=", "4"), ("C3", ">=", "36"), ("C4", "=", "10")]
    path = solver_book(cells, objective="C1", changing="A1:B1", constraints=limits, engine="lp", nonnegative=True)
    refused(path, 5, "$C$3 >= 36", "$C$4 = 10")
    assert set(solve_one(path).conflict) == {
        "$C$3 >= 36",
        "$C$4 = 10",
        "$A$1 >= 0 (Make Unconstrained Variables Non-Negative)",
    }


def test_5_a_conflict_of_whole_numbers_only_says_so(solver_book) -> None:
    cells = {"A1": 0, "A2": 0, "B1": "=A1+A2", "B2": "=2*A1+4*A2"}
    path = solver_book(
        cells,
        objective="B1",
        changing="A1:A2",
        constraints=[("B2", "=", "7"), ("A1:A2", "int")],
        engine="lp",
        nonnegative=True,
    )
    refused(path, 5, "$B$2 = 7", "= integer")


def test_5_nonlinear_constraints_that_cannot_hold_are_named_with_what_is_missing(solver_book) -> None:
    cells = {"A1": 1, "A2": 1, "B1": "=A1*A2", "B2": "=A1^2+A2^2"}
    refused(solver_book(cells, objective="B1", changing="A1:A2", constraints=[("B2", "<=", "-1")]), 5, "$B$2 <= -1")


def test_5_a_value_that_the_objective_never_has(solver_book) -> None:
    refused(
        solver_book(
            {"A1": 3, "A2": 1, "B1": "=A1^2+A2^2+4"}, objective="B1", changing="A1:A2", sense="value", target=1
        ),
        5,
        "$B$1 = 1",
    )


def test_6_a_stop_by_the_caller_keeps_the_best_so_far(solver_book) -> None:
    cells = {"A1": -1.2, "A2": 1, "B1": "=100*(A2-A1^2)^2+(1-A1)^2"}
    path = solver_book(
        cells, objective="B1", changing="A1:A2", names={"solver_msl": "1", "solver_rbv": "2", "solver_ssz": "2000"}
    )
    model = solve_one(path, on_progress=lambda progress: True)
    assert model.code in (Code.STOPPED, Code.GLOBAL_IN_PROBABILITY)  # it may be done before it is asked


def test_7_a_nonlinear_model_given_to_simplex_names_the_cell(solver_book) -> None:
    refused(
        solver_book(FREE, objective="B2", changing="A1:A2", engine="lp", nonnegative=True), 7, "$B$2", "--engine grg"
    )


def test_9_an_error_in_the_objective_names_the_cell(solver_book) -> None:
    refused(solver_book({"A1": 0, "B1": "=1/A1"}, objective="B1", changing="A1"), 9, "$B$1")


def test_9_an_error_in_a_constraint_names_the_cell(solver_book) -> None:
    refused(
        solver_book(
            {"A1": 0, "B1": "=A1+1", "C1": "=LN(A1)"}, objective="B1", changing="A1", constraints=[("C1", ">=", "0")]
        ),
        9,
        "$C$1",
    )


def test_10_the_time_limit(solver_book) -> None:
    cells = {"A1": -1.2, "A2": 1, "B1": "=100*(A2-A1^2)^2+(1-A1)^2"}
    assert solve_one(solver_book(cells, objective="B1", changing="A1:A2", names={"solver_tim": "0"})).code == 10


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"constraints": [("A1:A2", "<=", "C1:C3")]}, "2 cells on the left and 3 on the right"),
        ({"constraints": [("B1", "int")]}, "not about changing cells only"),
        ({"constraints": [("B1", "<=", "C1")]}, "holds the text 'n/a'"),
        ({"changing": "A1:A2,C1"}, "C$1 holds a text"),
        ({"changing": "A1:A2,B2"}, "B$2 holds a formula"),
        ({"objective": "A3"}, "holds no formula"),
        ({"objective": "D1"}, "does not depend on the changing cells"),
    ],
)
def test_13_a_model_that_makes_no_sense_says_why(solver_book, more, says: str) -> None:
    model = {"objective": "B1", "changing": "A1:A2", **more}
    refused(solver_book({**FREE, "A3": 4, "C1": "n/a", "D1": "=2*3"}, **model), 13, says)


def test_14_an_integer_answer_within_tolerance_says_how_far_the_bound_is(solver_book) -> None:
    cells = {"A1": 0, "A2": 0, "B1": "=(A1-2.6)^2+(A2-1.3)^2+A1*A2/4+10"}
    whole = [("A1:A2", "int"), ("A1:A2", "<=", "6"), ("A1:A2", ">=", "-3")]
    model = solve_one(
        solver_book(cells, objective="B1", changing="A1:A2", constraints=whole, names={"solver_tol": "0.5"})
    )
    assert model.code == 14
    assert "If the model is convex" in model.message


HARD = {
    **{f"A{i}": 0 for i in range(1, 9)},
    **{f"B{i}": w for i, w in enumerate((41, 53, 37, 61, 29, 47, 59, 43), 1)},
    "C1": "=SUMPRODUCT(A1:A8,B1:B8)",
}


@pytest.mark.parametrize(("name", "code"), [("solver_mip", 15), ("solver_nod", 16)])
def test_15_and_16_limits_of_branch_and_bound(solver_book, name: str, code: int) -> None:
    cells = {"A1": 0, "A2": 0, "A3": 0, "B1": "=(A1-2.6)^2+(A2-1.3)^2+(A3-3.5)^2+A1*A2/4+A2*A3/3"}
    whole = [("A1:A3", "int"), ("A1:A3", "<=", "6"), ("A1:A3", ">=", "-3")]
    names = {name: "1", "solver_tol": "0"}
    assert solve_one(solver_book(cells, objective="B1", changing="A1:A3", constraints=whole, names=names)).code == code


def test_15_counts_integer_solutions_of_linear_models_too(solver_book) -> None:
    model = {
        "objective": "C1",
        "changing": "A1:A8",
        "sense": "max",
        "engine": "lp",
        "names": {"solver_mip": "1", "solver_tol": "0"},
    }
    found = solve_one(solver_book(HARD, constraints=[("C1", "<=", "100"), ("A1:A8", "bin")], **model))
    assert found.code == 15
    assert found.value <= 100


def test_18_multistart_requires_bounds_unless_told_not_to(solver_book) -> None:
    cells = {"A1": 1, "B1": "=(A1-2)^2"}
    refused(solver_book(cells, objective="B1", changing="A1", names={"solver_msl": "1"}), 18)
    free = solver_book(cells, objective="B1", changing="A1", names={"solver_msl": "1", "solver_rbv": "2"})
    assert solve_one(free).code == 17


def test_19_a_bound_that_a_binary_cannot_meet(solver_book) -> None:
    refused(
        solver_book(FREE, objective="B1", changing="A1:A2", constraints=[("A1", "bin"), ("A1", ">=", "2")]), 19, "$A$1"
    )


def test_20_a_lower_bound_above_the_upper(solver_book) -> None:
    refused(
        solver_book(FREE, objective="B1", changing="A1:A2", constraints=[("A2", ">=", "5"), ("A2", "<=", "3")]),
        20,
        "$A$2",
        "$A$2 <= 3",
    )


def test_each_code_has_its_sentence() -> None:
    assert [code.value for code in Code] == list(range(21))
    assert all(code.sentence.endswith(".") for code in Code)


def test_3_subproblems_at_their_iteration_limit_prove_nothing(solver_book) -> None:
    """The relaxation starts at its optimum; A1 <= 2 and A1 >= 3 lead along a valley of more than three steps."""
    cells = {"A1": 2.5, "A2": 6.25, "A3": 39.0625}
    cells["B1"] = "=(A1-2.5)^2+100*(A2-A1^2)^2+100*(A3-A2^2)^2+ABS(A1-2.5)^3/1000"
    limits = [("A1", "int"), ("A1", ">=", "0")]
    path = solver_book(cells, objective="B1", changing="A1:A3", constraints=limits, names={"solver_itr": "3"})
    model = solve_one(path, restarts=1, engine="grg")
    assert model.code == Code.ITERATION_LIMIT
    assert solve_one(solver_book(cells, objective="B1", changing="A1:A3", constraints=limits)).code in (0, 14)
