"""Which engine runs a model, and what it is told.

==================  =================================================================================================
solving method      what runs here
==================  =================================================================================================
Simplex LP          HiGHS, once the program has proved that all is linear; code 7 where it cannot
GRG Nonlinear       HiGHS where the program proves linearity after all: its optimum is global. Otherwise descents with
                    exact gradients, and branch and bound over them where there are integers
another add-in's    as GRG Nonlinear
Evolutionary        refused by name, unless another method is asked for
==================  =================================================================================================

Alldifferent constraints are refused by name as well.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xlcollab.errors import OptionError, SolverModelError
from xlcollab.excel_solver.branch_and_bound import Relaxation, branch_and_bound
from xlcollab.excel_solver.conflict import conflict
from xlcollab.excel_solver.linear import feasible, linear_form, linear_rows, solve_linear, with_target
from xlcollab.excel_solver.model import UNLIMITED, Engine, Relation, Sense, SolverModel
from xlcollab.excel_solver.nonlinear import solve_nonlinear
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.outer import solve_outer
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.reach import aim, solve_aimed, solve_value
from xlcollab.excel_solver.watch import Watch
from xlcollab.threads import single_threaded_blas

__all__ = ["choose_engine", "refuse_foreign_methods", "run"]

_MANY_INTEGERS = 40  # beyond this the tree over local relaxations grows too slowly, where rows are linear

_CHOICES = {"grg": Engine.GRG, "lp": Engine.LP, "simplex": Engine.LP, "evolutionary": Engine.EVOLUTIONARY}


def choose_engine(model: SolverModel, engine: str | None) -> SolverModel:
    """The model with the solving method that is asked for by name: 'grg' or 'lp'."""
    if engine is None:
        return model
    if engine.lower() not in _CHOICES:
        raise OptionError(f"There is no solving method {engine!r}. Choose 'grg' or 'lp'.")
    return replace(model, engine=_CHOICES[engine.lower()])


def refuse_foreign_methods(model: SolverModel) -> None:
    """Raise `SolverModelError` for what only Excel does so far."""
    if model.engine is Engine.EVOLUTIONARY:
        raise SolverModelError(
            f"The model of sheet {model.sheet!r} asks for the Evolutionary method, which xlcollab does not have. "
            "Pass --engine grg to solve it as a smooth model.",
            sheet=model.sheet,
        )
    for constraint in model.constraints:
        if constraint.relation is Relation.ALLDIFF:
            raise SolverModelError(
                f"The model of sheet {model.sheet!r} has the alldifferent constraint {constraint.words(model.sheet)}, "
                "which xlcollab does not solve.",
                sheet=model.sheet,
            )


def run(problem: Problem, watch: Watch, *, restarts: int | None = None, seed: int = 0) -> Outcome:
    """Solve a problem by the method that its model asks for."""
    with watch.until_stopped(), single_threaded_blas():
        return _run(problem, watch, restarts, seed)
    assert watch.stopped is not None
    return Outcome(watch.stopped, detail="There was no answer to hand out yet.")


def _run(problem: Problem, watch: Watch, restarts: int | None, seed: int) -> Outcome:
    model = problem.model
    refuse_foreign_methods(model)
    if (ended := _check_bounds(problem) or _check_start(problem)) is not None:
        return ended
    integers = bool(problem.integer.any()) and not model.options.ignore_integers
    if model.engine is Engine.LP and not problem.linear:
        return Outcome(Code.NOT_LINEAR, detail=_not_linear(problem), evaluations=1)
    if problem.linear:
        return _linear(problem, watch, integers)
    if (impossible := _impossible_rows(problem, watch)) is not None:
        return impossible
    if integers:
        return _nonlinear_integers(problem, watch, restarts, seed)
    return _smooth(problem, watch, restarts, seed)


def _check_bounds(problem: Problem) -> Outcome | None:
    """Codes 19 and 20: bounds that leave a variable no value."""
    empty = np.flatnonzero(problem.lower > problem.upper)
    if empty.size == 0:
        return None
    j = int(empty[0])
    model = problem.model
    sources = sorted({int(problem.lower_source[j]), int(problem.upper_source[j])})
    binary = any(s >= 0 and model.constraints[s].relation is Relation.BIN for s in sources)
    names = [model.constraints[s].words(model.sheet) if s >= 0 else "non-negativity" for s in sources]
    detail = f"{problem.variable_name(j)} cannot meet {' and '.join(names)}."
    return Outcome(Code.BOUNDS_CONFLICT if binary else Code.BOUNDS_EMPTY, detail=detail, conflict=tuple(names))


def _check_start(problem: Problem) -> Outcome | None:
    """Code 9: the objective or a constraint is an error at the present cells."""
    outputs = problem.program.values(problem.start)
    bad = [] if np.isfinite(outputs[0]) else [problem.objective_name]
    bad += [problem.rows.labels[row] for row in np.flatnonzero(~np.isfinite(problem.rows.values(outputs)))]
    if not bad:
        return None
    detail = f"At the present changing cells there is no number in {', '.join(bad[:6])}."
    return Outcome(Code.ERROR_VALUE, detail=detail, evaluations=1)


def _not_linear(problem: Problem) -> str:
    """Which cells the proof of linearity failed for."""
    linear, rows = problem.program.linear, problem.rows
    names = [] if linear[0] else [problem.objective_name]
    for row, (left, right) in enumerate(zip(rows.left, rows.right, strict=True)):
        if not linear[left] or (right >= 0 and not linear[right]):
            names.append(rows.labels[row])
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    return f"Not linear in the changing cells: {', '.join(names[:6])}{more}. GRG Nonlinear (--engine grg) can be used."


def _linear(problem: Problem, watch: Watch, integers: bool) -> Outcome:
    if integers and problem.model.options.max_feasible < UNLIMITED:
        # HiGHS as SciPy hands it out knows no limit of integer solutions: the tree here does.
        outcome = branch_and_bound(problem, _linear_relaxation(watch), watch)
    else:
        outcome = solve_linear(problem, watch)
    if outcome.code is not Code.INFEASIBLE:
        return outcome
    form, constant = linear_form(problem)
    if problem.model.sense is Sense.VALUE:
        form = with_target(form, constant, problem.model.target)
    return _with_conflict(outcome, conflict(problem, form, watch))


def _linear_relaxation(watch: Watch) -> Relaxation:
    def relax(between: Problem, _start: Floats | None, _root: bool) -> Outcome:
        options = replace(between.model.options, ignore_integers=True)
        return solve_linear(replace(between, model=replace(between.model, options=options)), watch)

    return relax


def _impossible_rows(problem: Problem, watch: Watch) -> Outcome | None:
    """Code 5 at once where bounds, integers and linear rows alone cannot be met, whatever the others are."""
    found = linear_rows(problem)
    if found is None:
        return None
    form, positions = found
    if feasible(form, watch):
        return None
    return _with_conflict(Outcome(Code.INFEASIBLE, evaluations=1), conflict(problem, form, watch, positions))


def _with_conflict(outcome: Outcome, names: tuple[str, ...]) -> Outcome:
    if not names:
        return outcome
    one = "This constraint cannot hold" if len(names) == 1 else "These constraints cannot hold together"
    return replace(outcome, conflict=names, detail=f"{one}: {'; '.join(names)}.")


def _nonlinear_integers(problem: Problem, watch: Watch, restarts: int | None, seed: int) -> Outcome:
    affine = np.asarray(problem.program.linear)
    rows = problem.rows
    linear = bool(affine[rows.left].all() and affine[rows.right[rows.right >= 0]].all())
    many = int(problem.integer.sum()) > _MANY_INTEGERS
    value = problem.model.sense is Sense.VALUE
    if linear and many and not value:
        return solve_outer(problem, watch, seed=seed)

    def relax(between: Problem, start: Floats | None, root: bool) -> Outcome:
        continuous = replace(between, integer=np.zeros(between.n, bool))
        solve = solve_aimed if value else solve_nonlinear
        return solve(continuous, watch, restarts=restarts if root else 1, seed=seed, start=start)

    return branch_and_bound(aim(problem) if value else problem, relax, watch)


def _smooth(problem: Problem, watch: Watch, restarts: int | None, seed: int) -> Outcome:
    solve = solve_value if problem.model.sense is Sense.VALUE else solve_nonlinear
    return solve(problem, watch, restarts=restarts, seed=seed)
