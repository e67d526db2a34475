"""Linear models, with integers or without: matrices read off the program, solved by HiGHS.

    minimise  c·x + c₀    with   low ≤ A·x ≤ high,   lower ≤ x ≤ upper,   x_j integer where integer_j

Linearity is proved by the program from its formulas, not sampled; then one Jacobian holds every coefficient. HiGHS
(Huangfu & Hall 2018, https://highs.dev) runs through `scipy.optimize.linprog` and, where there are integers,
`scipy.optimize.milp`. SciPy cannot interrupt it, nor ask for the best integer point of a run that goes on. So it works
in a thread of its own, and a search for integers that lasts long is cut off after 10 seconds, which gives its best
point, and begun anew for three times as long, and so on: at Ctrl-C the best point of the last slice is the answer. A
linear program without integers has no feasible point before its last pivot; there a stop leaves nothing to write.

"Value Of" asks for a point where the objective has its value; of all such points the one nearest
to the present cells (sum of absolute changes) is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from scipy.sparse import csr_array, eye_array, hstack, vstack

from xlcollab.excel_solver.model import UNLIMITED, Sense
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.watch import Stopped, Watch

__all__ = [
    "LinearForm",
    "feasible",
    "linear_form",
    "linear_rows",
    "minimise",
    "nearest_point",
    "solve_linear",
    "with_target",
]

_SMALL = 2000  # coefficients up to which a linear program is over before a thread has begun
_SLICE = 10.0  # seconds of the first slice: what ends sooner runs once
_LONGER = 3.0  # a slice lasts that many times as long as the one before, so that all before cost half the last
_EXACT_GAP = 1e-9  # a relative gap below this is rounding, not tolerance


@dataclass(frozen=True, eq=False)
class LinearForm:
    """The arrays of the module's docstring; ``A`` is (p, n) and sparse, ``c`` has the sign that is to be minimised."""

    c: Floats
    A: Any
    low: Floats
    high: Floats
    lower: Floats
    upper: Floats
    integer: NDArray[np.bool_]


def linear_form(problem: Problem) -> tuple[LinearForm, float]:
    """The matrices of a problem whose outputs are affine, and the objective's constant c₀ (times the sign)."""
    origin = np.zeros(problem.n)
    outputs = problem.program.values(origin)
    jacobian = problem.program.jacobian(origin)
    objective = jacobian[[0]]
    c = np.asarray(objective if isinstance(objective, np.ndarray) else objective.toarray()).ravel()
    offset = problem.rows.values(outputs)
    integer = problem.integer & (not problem.model.options.ignore_integers)
    form = LinearForm(
        c=problem.sign * c,
        A=csr_array(problem.rows.jacobian(jacobian)),
        low=problem.rows.low - offset,
        high=problem.rows.high - offset,
        lower=problem.lower,
        upper=problem.upper,
        integer=integer,
    )
    return form, problem.sign * float(outputs[0])


def minimise(form: LinearForm, watch: Watch, *, tolerance: float = 0.0, nodes: int = UNLIMITED) -> Any:
    """Run HiGHS; ``tolerance`` is the relative gap of an integer solution, ``nodes`` the limit of subproblems.

    Returns SciPy's result with ``status`` 0 optimal, 1 time or iterations, 2 infeasible, 3 unbounded, 5 node limit.
    """
    seconds = watch.seconds_left()
    limit = {} if seconds is None else {"time_limit": max(seconds, 0.01)}
    if form.integer.any():
        options: Any = {"mip_rel_gap": tolerance}
        if nodes != UNLIMITED:
            options["node_limit"] = nodes
        result: Any = _in_slices(form, watch, options)
        if "Solution limit" in str(result.message):
            result.status = 5
    elif form.A.nnz + len(form.c) <= _SMALL:
        result = _continuous(form, watch, limit)
    else:
        result = watch.wait_for(lambda: _continuous(form, watch, limit))
    if result.status == 4:  # HiGHS' presolve may stop at "unbounded or infeasible": without an objective it decides
        if not form.c.any():
            result.status = 2
        else:
            result.status = 3 if feasible(form, watch) else 2
    return result


def _in_slices(form: LinearForm, watch: Watch, options: Mapping[str, Any]) -> Any:
    """SciPy's result of a search for integers; at a stop that of the last slice which found a point."""
    constraints = LinearConstraint(form.A, form.low, form.high) if form.A.shape[0] else ()

    def search(time_limit: float) -> Any:
        told: Any = {**options, "time_limit": time_limit}
        bounds = Bounds(form.lower, form.upper)
        return milp(form.c, integrality=form.integer.astype(int), bounds=bounds, constraints=constraints, options=told)

    best: Any = None
    seconds = _SLICE
    with watch.until_stopped():
        while True:
            left = watch.seconds_left()
            last = left is not None and left <= seconds * (1 + _LONGER)  # the rest would be too short for another
            limit = max(left, 0.01) if last and left is not None else seconds
            result = watch.wait_for(partial(search, limit))
            if "Time limit" not in str(result.message):
                return result
            if best is None or (result.x is not None and (best.x is None or result.fun <= best.fun)):
                best = result
            if last:
                return best
            seconds *= _LONGER
    if best is None or best.x is None:
        assert watch.stopped is not None
        raise Stopped(watch.stopped)
    return best


def _continuous(form: LinearForm, watch: Watch, limit: dict[str, Any]) -> Any:
    equal = form.low == form.high
    above, below = ~equal & np.isfinite(form.high), ~equal & np.isfinite(form.low)
    options: Any = {"primal_feasibility_tolerance": min(max(watch.precision, 1e-10), 1e-6), **limit}
    if watch.iterations != UNLIMITED:
        options["maxiter"] = max(1, watch.iterations)
    A_ub: Any = vstack([form.A[above], -form.A[below]], format="csr")
    b_ub = np.r_[form.high[above], -form.low[below]]
    bounds: Any = np.column_stack([form.lower, form.upper])
    return linprog(
        form.c,
        A_ub=A_ub if len(b_ub) else None,
        b_ub=b_ub if len(b_ub) else None,
        A_eq=form.A[equal] if equal.any() else None,
        b_eq=form.high[equal] if equal.any() else None,
        bounds=bounds,
        method="highs",
        options=options,
    )


def feasible(form: LinearForm, watch: Watch) -> bool:
    """Whether any point meets all rows, bounds and integers of ``form``."""
    return int(minimise(replace(form, c=np.zeros_like(form.c)), watch).status) not in (2, 3)


def solve_linear(problem: Problem, watch: Watch) -> Outcome:
    """The outcome of a problem that is proved to be linear; infeasible ones come without their conflict."""
    form, constant = linear_form(problem)
    options = problem.model.options
    searched = form
    if problem.model.sense is Sense.VALUE:
        searched = _nearest(with_target(form, constant, problem.model.target), problem.start)
    result = minimise(searched, watch, tolerance=options.tolerance, nodes=options.max_subproblems)
    if result.status in (2, 3):
        code = Code.INFEASIBLE if result.status == 2 else Code.UNBOUNDED
        return Outcome(code, evaluations=1)
    code, detail = _ending(result, bool(form.integer.any()), watch)
    if result.x is None:
        return Outcome(code, detail="No feasible point was found before that.", evaluations=1)
    x = clean(result.x[: problem.n], form)
    return Outcome(code, x, float(problem.program.values(x)[0]), detail, evaluations=2)


def _ending(result: Any, integers: bool, watch: Watch) -> tuple[Code, str]:
    gap = float(result.get("mip_gap", None) or 0.0) if integers else 0.0
    if watch.stopped is not None:
        code = watch.stopped
    elif result.status == 1:
        code = Code.TIME_LIMIT if watch.out_of_time() or integers else Code.ITERATION_LIMIT
    elif result.status == 5:
        code = Code.SUBPROBLEM_LIMIT
    else:
        code = Code.WITHIN_TOLERANCE if gap > _EXACT_GAP else Code.SOLVED
    if gap > _EXACT_GAP:
        return code, f"The best possible objective is at most {gap:.2%} away from it."
    return code, "It is the global optimum." if code is Code.SOLVED else ""


def linear_rows(problem: Problem) -> tuple[LinearForm, NDArray[np.intp]] | None:
    """Bounds, integers and those rows of a model that are proved to be affine, and which rows these are.

    None where there is no such row.
    """
    rows, affine = problem.rows, np.asarray(problem.program.linear)
    which = np.flatnonzero(affine[rows.left] & ((rows.right < 0) | affine[rows.right]))
    if which.size == 0:
        return None
    x = problem.start
    A = csr_array(rows.jacobian(problem.program.jacobian(x))[which])
    offset = rows.values(problem.program.values(x))[which] - A @ x
    form = LinearForm(
        c=np.zeros(problem.n),
        A=A,
        low=rows.low[which] - offset,
        high=rows.high[which] - offset,
        lower=problem.lower,
        upper=problem.upper,
        integer=problem.integer & (not problem.model.options.ignore_integers),
    )
    return form, which


def nearest_point(form: LinearForm, x: Floats, watch: Watch) -> Floats:
    """The point of least Σ|change| from ``x`` that meets ``form``; ``x`` itself where it does, or where none does."""
    c = form.A @ x
    if (c >= form.low).all() and (c <= form.high).all():
        return x
    found = minimise(_nearest(form, x), watch).x
    return x if found is None else np.clip(found[: len(x)], form.lower, form.upper)


def with_target(form: LinearForm, constant: float, target: float) -> LinearForm:
    """``form`` with c·x + c₀ = target as its last row, and nothing to minimise."""
    return replace(
        form,
        c=np.zeros_like(form.c),
        A=csr_array(vstack([form.A, csr_array(form.c[None])])),
        low=np.r_[form.low, target - constant],
        high=np.r_[form.high, target - constant],
    )


def _nearest(form: LinearForm, start: Floats) -> LinearForm:
    """Minimise Σ(u+v) with x − u + v = start, u, v ≥ 0 and the rows of ``form``: variables (x, u, v)."""
    n, p = len(start), len(form.low)
    eye = eye_array(n, format="csr")
    none, infinite = np.zeros(2 * n), np.full(2 * n, np.inf)
    return LinearForm(
        c=np.r_[np.zeros(n), np.ones(2 * n)],
        A=csr_array(vstack([hstack([form.A, csr_array((p, 2 * n))]), hstack([eye, -eye, eye])])),
        low=np.r_[form.low, start],
        high=np.r_[form.high, start],
        lower=np.r_[form.lower, none],
        upper=np.r_[form.upper, infinite],
        integer=np.r_[form.integer, np.zeros(2 * n, bool)],
    )


def clean(x: Floats, form: LinearForm) -> Floats:
    """Integers as integers, values inside their bounds, and rounding noise (1e-12 for 0) gone where no row minds."""
    x = np.clip(np.where(form.integer, np.round(x), x), form.lower, form.upper)
    tidy = np.round(x, 9)
    tidy = np.clip(np.where(np.abs(tidy - x) <= 1e-10 * np.maximum(1.0, np.abs(x)), tidy, x), form.lower, form.upper)

    def worst(point: Floats) -> float:
        c = form.A @ point
        return float(np.maximum(form.low - c, c - form.high).max(initial=0.0))

    return tidy if worst(tidy) <= max(worst(x), 1e-12) else x
