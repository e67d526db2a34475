"""What a stored Solver model says: enumerations of Excel's codes, `Constraint`, `SolverOptions`, `SolverModel`.

Texts and areas only, nothing evaluated; `names` reads them from a workbook and writes them. Loads no NumPy.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import Any

from xlcollab.xlsx.cells import Area, count_cells

__all__ = ["UNLIMITED", "Constraint", "Engine", "Relation", "Sense", "SolverModel", "SolverOptions", "short"]

UNLIMITED = 2147483647  # what Excel 2010 and later store for "no limit"


class Sense(enum.Enum):
    """What the objective cell is to become (``solver_typ``)."""

    MAX = 1
    MIN = 2
    VALUE = 3

    @property
    def word(self) -> str:
        """As Excel's dialog has it: Max, Min, Value Of."""
        return {Sense.MAX: "Max", Sense.MIN: "Min", Sense.VALUE: "Value Of"}[self]


class Relation(enum.Enum):
    """What a constraint asks of its left side (``solver_relN``)."""

    LE = 1
    EQ = 2
    GE = 3
    INT = 4
    BIN = 5
    ALLDIFF = 6

    @property
    def symbol(self) -> str:
        """As Excel's dialog has it: <=, =, >=, int, bin, dif."""
        return {1: "<=", 2: "=", 3: ">=", 4: "= integer", 5: "= binary", 6: "= AllDifferent"}[self.value]

    @property
    def compares(self) -> bool:
        """Whether there is a right side to compare with; the others say what kind of number a variable is."""
        return self.value <= Relation.GE.value


class Engine(enum.Enum):
    """The solving method (``solver_eng``)."""

    GRG = 1
    LP = 2
    EVOLUTIONARY = 3
    FOREIGN = 0
    """An engine of Analytic Solver or OpenSolver: here the program's linearity decides which of ours runs."""

    @property
    def word(self) -> str:
        """As Excel's dialog has it."""
        return {
            Engine.GRG: "GRG Nonlinear",
            Engine.LP: "Simplex LP",
            Engine.EVOLUTIONARY: "Evolutionary",
            Engine.FOREIGN: "an engine of another add-in",
        }[self]


@dataclass(frozen=True)
class Constraint:
    """One row of the dialog's list, as reference and formula text: ``left relation right``.

    ``right`` is a number, a reference to one cell or to as many as ``left`` has, a formula or a defined name; None
    where the relation is about the kind of number (integer, binary, all different).
    """

    left: str
    relation: Relation
    right: str | None = None

    def words(self, sheet: str) -> str:
        """As Excel's dialog lists it; ``sheet``, on which the model is stored, goes without saying."""
        parts = [short(self.left, sheet), self.relation.symbol]
        return " ".join([*parts, short(self.right, sheet)] if self.right else parts)


def short(text: str, sheet: str) -> str:
    """Reference text without the name of the model's own sheet: ``dotprod!$V$41`` → ``$V$41``."""
    name = re.escape(sheet.replace("'", "''"))
    return re.sub(rf"(?<![\w.'])(?:'{name}'|{re.escape(sheet)})!", "", text)


def _option(name: str, default: Any) -> Any:
    return field(default=default, metadata={"name": f"solver_{name}"})


@dataclass(frozen=True)
class SolverOptions:
    """Everything on Solver's options pages, with the defaults of Excel 2010 and later.

    Times are in seconds, ``tolerance`` is the fraction that an integer solution may be away from the best bound,
    ``precision`` how far a constraint may be missed, ``convergence`` the relative change over the last five iterations
    that ends the GRG method. ``estimates``, ``search`` and ``show_iterations`` have no meaning here and are kept.
    """

    convergence: float = _option("cvg", 0.0001)
    derivatives: int = _option("drv", 1)  # 1 forward, 2 central: ours are exact
    estimates: int = _option("est", 1)
    iterations: int = _option("itr", UNLIMITED)
    max_feasible: int = _option("mip", UNLIMITED)
    max_stall: float = _option("mni", 30)
    mutation: float = _option("mrt", 0.075)
    multistart: bool = _option("msl", False)
    max_subproblems: int = _option("nod", UNLIMITED)
    search: int = _option("nwt", 1)
    precision: float = _option("pre", 0.000001)
    require_bounds: bool = _option("rbv", True)
    ignore_integers: bool = _option("rlx", False)
    seed: int = _option("rsd", 0)  # 0: Excel takes another one each time, we our fixed one
    scaling: bool = _option("scl", True)
    show_iterations: bool = _option("sho", False)
    population: int = _option("ssz", 100)
    max_time: float = _option("tim", UNLIMITED)
    tolerance: float = _option("tol", 0.01)
    version: int = _option("ver", 3)


@dataclass(frozen=True)
class SolverModel:
    """A Solver model as it is stored: texts and areas, nothing evaluated.

    ``sheet`` is the sheet that holds it. ``objective`` is a reference such as ``dotprod!$V$41``. ``changing`` lists the
    areas of the changing cells in the stored order; they may overlap. ``nonnegative`` gives every variable without an
    explicit lower bound the bound 0. ``problem`` says in a sentence why the stored model is broken, or is None.
    """

    sheet: str
    objective: str | None
    sense: Sense
    target: float
    changing: tuple[tuple[str, Area], ...]
    constraints: tuple[Constraint, ...]
    nonnegative: bool
    engine: Engine
    options: SolverOptions = SolverOptions()
    problem: str | None = None

    def cells(self) -> dict[tuple[str, int, int], None]:
        """The changing cells (sheet, row, column), each once, in the stored order: the keys, as an ordered set."""
        return {(sheet, row, col): None for sheet, area in self.changing for row, col in area.cells()}

    @property
    def n_variables(self) -> int:
        """How many different changing cells there are."""
        sheets = {sheet for sheet, _ in self.changing}
        return sum(count_cells([area for home, area in self.changing if home == sheet]) for sheet in sheets)
