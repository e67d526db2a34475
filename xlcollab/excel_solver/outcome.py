"""How solving a model ended: Excel's result codes 0 to 20, their sentences, and how ours map to them.

The codes are what the VBA function ``SolverSolve`` returns, the sentences what Excel's dialog shows (Microsoft's
reference of the Solver functions). Every sentence is followed by our own where there is more to say: which constraints
conflict, which cell holds the error, how good the bound is.

=====  ============================================  ==============================================================
code   here it means                                 from
=====  ============================================  ==============================================================
0      optimal                                       HiGHS optimal; the projected gradient vanishes
1      converged, optimality not proved              objective stopped changing (``solver_cvg``) before that
2      no better point nearby                        the line search failed
3, 10  iteration or time limit                       ``solver_itr``, ``solver_tim``
4      unbounded                                     HiGHS unbounded; the objective beyond 1e30
5      infeasible                                    HiGHS infeasible; least violation above ``solver_pre``
6      stopped by the user                           Ctrl-C, or ``on_progress`` returned True
7      not linear                                    Simplex LP asked for, the program proves no linearity
9      error value                                   the objective or a constraint is no number
13     broken model                                  ``#REF!``, sizes that differ, circular references
14     integer solution within tolerance             ``solver_tol`` above the final gap, the gap above 0
15, 16 limits of branch and bound                    ``solver_mip``, ``solver_nod``
17     multistart done                               ``solver_msl`` = 1
18–20  bounds missing, in conflict, empty            ``solver_rbv``; binary variables; lower above upper bound
=====  ============================================  ==============================================================

Codes 8 (too large), 11 (no memory) and 12 (another Excel) have their sentences and never end a run here.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Code", "Outcome"]


class Code(enum.IntEnum):
    """Excel's result code; ``sentence`` is what its dialog says."""

    SOLVED = 0
    CONVERGED = 1
    NO_IMPROVEMENT = 2
    ITERATION_LIMIT = 3
    UNBOUNDED = 4
    INFEASIBLE = 5
    STOPPED = 6
    NOT_LINEAR = 7
    TOO_LARGE = 8
    ERROR_VALUE = 9
    TIME_LIMIT = 10
    NO_MEMORY = 11
    IN_USE = 12
    ERROR_IN_MODEL = 13
    WITHIN_TOLERANCE = 14
    FEASIBLE_LIMIT = 15
    SUBPROBLEM_LIMIT = 16
    GLOBAL_IN_PROBABILITY = 17
    BOUNDS_MISSING = 18
    BOUNDS_CONFLICT = 19
    BOUNDS_EMPTY = 20

    @property
    def sentence(self) -> str:
        """What Excel's dialog says."""
        return _SENTENCES[self]

    @property
    def is_limit(self) -> bool:
        """Whether the run was cut short: the answer is feasible and better ones may exist."""
        return self in _LIMITS

    @property
    def is_solution(self) -> bool:
        """Whether the model was solved in Excel's sense: all constraints are met, and the search came to its end."""
        return self in _SOLUTIONS


_SENTENCES = {
    Code.SOLVED: "Solver found a solution. All Constraints and optimality conditions are satisfied.",
    Code.CONVERGED: "Solver has converged to the current solution. All constraints are satisfied.",
    Code.NO_IMPROVEMENT: "Solver cannot improve the current solution. All constraints are satisfied.",
    Code.ITERATION_LIMIT: "Stop chosen when the maximum iteration limit was reached.",
    Code.UNBOUNDED: "The Objective Cell values do not converge.",
    Code.INFEASIBLE: "Solver could not find a feasible solution.",
    Code.STOPPED: "Solver stopped at user's request.",
    Code.NOT_LINEAR: "The linearity conditions required by this LP Solver are not satisfied.",
    Code.TOO_LARGE: "The problem is too large for Solver to handle.",
    Code.ERROR_VALUE: "Solver encountered an error value in a target or constraint cell.",
    Code.TIME_LIMIT: "Stop chosen when the maximum time limit was reached.",
    Code.NO_MEMORY: "There is not enough memory available to solve the problem.",
    Code.IN_USE: "Another Excel instance is using SOLVER. Try again later.",
    Code.ERROR_IN_MODEL: "Error in model. Please verify that all cells and constraints are valid.",
    Code.WITHIN_TOLERANCE: "Solver found an integer solution within tolerance. All constraints are satisfied.",
    Code.FEASIBLE_LIMIT: "Stop chosen when the maximum number of feasible [integer] solutions was reached.",
    Code.SUBPROBLEM_LIMIT: "Stop chosen when the maximum number of feasible [integer] subproblems was reached.",
    Code.GLOBAL_IN_PROBABILITY: "Solver converged in probability to a global solution.",
    Code.BOUNDS_MISSING: "All variables must have both upper and lower bounds.",
    Code.BOUNDS_CONFLICT: "Variable bounds conflict in binary or alldifferent constraint.",
    Code.BOUNDS_EMPTY: "Lower and upper bounds on variables allow no feasible solution.",
}
_LIMITS = {Code.ITERATION_LIMIT, Code.STOPPED, Code.TIME_LIMIT, Code.FEASIBLE_LIMIT, Code.SUBPROBLEM_LIMIT}
_SOLUTIONS = {
    Code.SOLVED,
    Code.CONVERGED,
    Code.NO_IMPROVEMENT,
    Code.WITHIN_TOLERANCE,
    Code.GLOBAL_IN_PROBABILITY,
}


@dataclass(frozen=True, eq=False)
class Outcome:
    """How an engine ended.

    ``x`` (n,) are the values for the changing cells, or None where there is nothing to write: then the book stays as it
    is. ``value`` is the objective cell there. ``evaluations`` counts evaluations of the sheet's formulas at one point,
    with or without the gradient; a linear model needs a single one.
    """

    code: Code
    x: NDArray[np.float64] | None = None
    value: float | None = None
    detail: str = ""
    evaluations: int = 0
    conflict: tuple[str, ...] = field(default=())
    """The constraints that cannot hold together, where the model is infeasible."""

    @property
    def message(self) -> str:
        """Excel's sentence, then ours."""
        return f"{self.code.sentence} {self.detail}".strip()
