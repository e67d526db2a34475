"""Why a linear model is infeasible: a few constraints that cannot hold together, and no fewer of them.

An irreducible infeasible subsystem is found in two passes (Chinneck & Dravnieks 1991, ORSA J. Computing 3:157;
Chinneck 2008, *Feasibility and Infeasibility in Optimization*, chapter 6). The elastic filter lets every row be missed
at a price, enforces the row that is missed most, and goes on until the enforced rows have no solution; the deletion
filter then drops every enforced row, bound and integer requirement without which there is still none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array, hstack

from xlcollab.excel_solver.linear import LinearForm, feasible, minimise
from xlcollab.excel_solver.model import Relation, Sense, short
from xlcollab.excel_solver.outcome import Code
from xlcollab.excel_solver.problem import NONE, NONNEGATIVE, Floats, Problem
from xlcollab.excel_solver.watch import Stopped, Watch

__all__ = ["conflict", "row_names"]

_MISSED = 1e-7  # a row missed by less holds, at HiGHS' own precision
_FEW_BOUNDS = 40  # that are tried one by one
_SHOWN = 6  # a sentence with more names than this is not read


def conflict(
    problem: Problem, form: LinearForm, watch: Watch, positions: NDArray[np.intp] | None = None
) -> tuple[str, ...]:
    """The names of constraints in conflict, as the dialog lists them; empty where none was found in time.

    ``form`` are the problem's matrices; where the objective is to reach a value, with that as their last row.
    ``positions`` say which row of the problem each of its rows is, where it does not hold them all.
    """
    numbers = np.arange(len(form.low)) if positions is None else positions
    relaxed = replace(form, integer=np.zeros_like(form.integer))
    try:
        if feasible(relaxed, watch):
            relaxed = form  # only whole numbers are impossible
        rows = _elastic_filter(relaxed, watch)
        for row in tuple(rows):
            rest = [other for other in rows if other != row]
            if not feasible(_only(relaxed, rest), watch):
                rows = rest
        return _name(problem, _only(relaxed, rows), numbers[rows].tolist(), watch)
    except Stopped as stop:
        if stop.code is Code.STOPPED:
            raise
        return ()


def _elastic_filter(form: LinearForm, watch: Watch) -> list[int]:
    """Rows that have no solution together, in the order in which they were enforced."""
    enforced: list[int] = []
    for _ in range(len(form.low)):
        missed = _least_missed(form, enforced, watch)
        if missed is None:
            break
        worst = int(np.argmax(missed))
        if missed[worst] <= _MISSED:
            break
        enforced.append(worst)
    return enforced


def _least_missed(form: LinearForm, enforced: list[int], watch: Watch) -> Floats | None:
    """By how much each row is missed where Σ|misses| is least and ``enforced`` hold; None where they cannot."""
    p, n = form.A.shape
    price = np.ones(p)
    price[enforced] = 0.0
    room = np.where(price > 0, np.inf, 0.0)
    eye = eye_array(p, format="csr")
    elastic = LinearForm(
        c=np.r_[np.zeros(n), price, price],
        A=csr_array(hstack([form.A, eye, -eye])),
        low=form.low,
        high=form.high,
        lower=np.r_[form.lower, np.zeros(2 * p)],
        upper=np.r_[form.upper, room, room],
        integer=np.r_[form.integer, np.zeros(2 * p, bool)],
    )
    result = minimise(elastic, watch)
    if result.x is None:
        if result.status == 1:
            raise Stopped(Code.TIME_LIMIT)
        return None
    return np.asarray(result.x[n : n + p] + result.x[n + p :])


def _only(form: LinearForm, rows: list[int]) -> LinearForm:
    return replace(form, A=form.A[rows], low=form.low[rows], high=form.high[rows])


def _name(problem: Problem, form: LinearForm, rows: list[int], watch: Watch) -> tuple[str, ...]:
    """Names of the rows, and of the bounds and integers without which the rows would have a solution."""
    names = row_names(problem, rows)
    touched = np.unique(form.A.indices)
    lower, upper, integer = form.lower.copy(), form.upper.copy(), form.integer.copy()
    model = problem.model
    own = touched[touched < problem.n]
    sources = {*problem.lower_source[own].tolist(), *problem.upper_source[own].tolist()} - {NONE}
    for source in sorted(sources):
        needed = _needed_bounds(problem, form, own, source, lower, upper, integer, watch)
        if needed.size == 0:
            continue
        cells = _cells(problem, needed)
        if source == NONNEGATIVE:
            names.append(f"{cells} >= 0 (Make Unconstrained Variables Non-Negative)")
        else:
            constraint = model.constraints[source]
            tail = constraint.words(model.sheet).removeprefix(short(constraint.left, model.sheet))
            names.append(cells + tail)
    whole = own[integer[own]]
    if whole.size and not any("= binary" in name for name in names):
        relations = {model.constraints[s].relation for s in problem.lower_source[whole] if s >= 0}
        names.append(f"{_cells(problem, whole)} = {'binary' if relations == {Relation.BIN} else 'integer'}")
    return tuple(names)


def _needed_bounds(
    problem: Problem,
    form: LinearForm,
    own: NDArray[np.intp],
    source: int,
    lower: Floats,
    upper: Floats,
    integer: NDArray[np.bool_],
    watch: Watch,
) -> NDArray[np.intp]:
    """The variables whose bounds from one constraint the conflict needs; the others lose theirs in ``lower``, ``upper``.

    First all of them together, then, while they are few, one by one.
    """  # noqa: E501
    which = np.flatnonzero((problem.lower_source == source) | (problem.upper_source == source))
    which = np.intersect1d(which, own)

    def without(some: NDArray[np.intp]) -> bool:
        """Whether there is still no solution when ``some`` lose their bounds; then they do."""
        below, above = some[problem.lower_source[some] == source], some[problem.upper_source[some] == source]
        kept = lower[below], upper[above]
        lower[below], upper[above] = -np.inf, np.inf
        if not feasible(replace(form, lower=lower, upper=upper, integer=integer), watch):
            return True
        lower[below], upper[above] = kept
        return False

    if without(which):
        return which[:0]
    if len(which) > _FEW_BOUNDS:
        return which
    return np.array([j for j in which.tolist() if not without(np.array([j]))], np.intp)


def row_names(problem: Problem, rows: Iterable[int]) -> list[str]:
    """The rows as Excel's dialog lists them: a constraint whose cells are all there by its range, else cell by cell."""
    model, names = problem.model, []
    left: dict[int, list[int]] = {}
    for row in rows:
        source = int(problem.rows.source[row]) if row < len(problem.rows) else NONE
        left.setdefault(source, []).append(row)
    for source, members in left.items():
        if source == NONE:
            reach = f" = {model.target:g}" if model.sense is Sense.VALUE else ""
            names.append(f"{short(model.objective or '', model.sheet)}{reach}")
        elif len(members) > 1 and len(members) == np.count_nonzero(problem.rows.source == source):
            names.append(model.constraints[source].words(model.sheet))
        else:
            names.extend(problem.rows.labels[row] for row in members[:_SHOWN])
            if len(members) > _SHOWN:
                names.append(f"{len(members) - _SHOWN} more cells of {model.constraints[source].words(model.sheet)}")
    return names


def _cells(problem: Problem, variables: NDArray[np.intp]) -> str:
    """The changing cells as text: ``$H$2, $H$3, …``."""
    texts = [problem.variable_name(j) for j in variables[:_SHOWN].tolist()]
    if len(variables) > _SHOWN:
        texts.append(f"and {len(variables) - _SHOWN} more cells")
    return ", ".join(texts)
