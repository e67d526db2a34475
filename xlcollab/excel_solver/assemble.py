"""From a workbook and a stored model to a `Problem`: cells resolved, formulas compiled, constraints sorted.

What is a bound and what is a row follows Excel. A constraint of changing cells by a number, or by cells that do not
depend on changing cells, is a bound; an equality and a right side that is a formula (even ``2+2``) are rows. "Make
Unconstrained Variables Non-Negative" concerns the variables that have no explicit lower bound: those that are on the
left of no ``>=`` or ``=`` constraint by a number or a range. Excel 2007 asks no more; later versions let a constraint
count only if there is nothing but changing cells on its left (https://opensolver.org: "Ranges and 'Assume
Non-Negative' quirks").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlcollab.errors import SolverModelError
from xlcollab.excel_solver.changing import variable_cells
from xlcollab.excel_solver.model import Constraint, Relation, SolverModel, short
from xlcollab.excel_solver.problem import NONE, NONNEGATIVE, Floats, Problem, Rows
from xlcollab.excel_solver.references import is_number, reference_areas, to_number
from xlcollab.formula.program import Output, Program, compile_program
from xlcollab.xlsx.cells import Area, ErrorValue, qualified

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["assemble"]

Cell = tuple[str, int, int]


@dataclass(frozen=True)
class _Side:
    """One side of a constraint: its cells in row order, or a formula or number that stands for all of them."""

    cells: tuple[Cell, ...] = ()
    formula: str | None = None
    number: float | None = None
    first: int = 0  # position of its first output


class _Outputs:
    """What is to be computed: areas, which give a value a cell, and formulas, which give one."""

    def __init__(self) -> None:
        self.listed: list[Output] = []
        self._size = 0

    def add(self, output: Output) -> int:
        """Put one more at the end; the position of its first value among all."""
        first, what = self._size, output[1]
        self.listed.append(output)
        self._size += 1 if isinstance(what, str) else what.height * what.width
        return first


def assemble(book: Workbook, model: SolverModel) -> tuple[Problem, Program]:
    """The problem of a model, and the program that computes it.

    Raises `SolverModelError` for a broken model and `FormulaError` for formulas that cannot be compiled.
    """
    if model.problem is not None:
        raise SolverModelError(model.problem, sheet=model.sheet)
    cells = variable_cells(book, model)
    outputs = _Outputs()
    for objective in reference_areas(book, model.objective or "", model.sheet, "the objective"):
        outputs.add(objective)
    sides = [_sides(book, model, number, outputs) for number in range(len(model.constraints))]
    program = compile_program(book, _areas(model, cells), outputs.listed)
    _check_objective(book, model, program, outputs.listed[0])
    for side in (side for pair in sides for side in pair if side is not None):
        _refuse_text(book, side.cells, f"A constraint of sheet {model.sheet!r} compares")
    index = {cell: j for j, cell in enumerate(cells)}
    assembly = _Assembly(model, index, program)
    for source, (left, right) in enumerate(sides):
        assembly.add(source, left, right)
    assembly.make_nonnegative()
    return assembly.problem(cells), program


def _areas(model: SolverModel, cells: Sequence[Cell]) -> Sequence[tuple[str, Area]]:
    """The changing areas as they are stored, or, where they overlap or are merged, their cells one by one."""
    stored = sum(area.height * area.width for _, area in model.changing)
    if stored == len(cells):
        return model.changing
    return [(sheet, Area(row, col, row, col)) for sheet, row, col in cells]


def _sides(book: Workbook, model: SolverModel, number: int, outputs: _Outputs) -> tuple[_Side, _Side | None]:
    """Both sides of a constraint; what has to be computed is added to ``outputs``."""
    constraint = model.constraints[number]
    what = f"the left side of constraint {number + 1}"
    left = _cells_side(reference_areas(book, constraint.left, model.sheet, what), outputs)
    if constraint.right is None:
        return left, None
    text = constraint.right.strip().removeprefix("=")
    if is_number(text):
        return left, _Side(number=to_number(text, 0.0))
    try:
        areas = reference_areas(book, text, model.sheet, f"the right side of constraint {number + 1}")
    except SolverModelError:
        areas = ()  # no reference: a formula
    if areas:
        right = _cells_side(areas, outputs)
        if len(right.cells) not in (1, len(left.cells)):
            raise SolverModelError(
                f"Constraint {number + 1} of sheet {model.sheet!r}, {constraint.words(model.sheet)}, has "
                f"{len(left.cells)} cells on the left and {len(right.cells)} on the right. Make them as many, or give "
                "a single cell on the right.",
                sheet=model.sheet,
            )
        return left, right
    return left, _Side(formula=text, first=outputs.add((model.sheet, text)))


def _cells_side(areas: Sequence[tuple[str, Area]], outputs: _Outputs) -> _Side:
    first, *_ = [outputs.add(area) for area in areas]
    return _Side(tuple((sheet, row, col) for sheet, area in areas for row, col in area.cells()), first=first)


def _check_objective(book: Workbook, model: SolverModel, program: Program, objective: Output) -> None:
    sheet, area = objective
    assert isinstance(area, Area)
    _refuse_text(book, [(sheet, area.first_row, area.first_col)], f"The model of sheet {model.sheet!r} optimises")
    if program.constant[0] and np.isfinite(program.values(program.start)[0]):
        cell = book.sheet(sheet).cells.get((area.first_row, area.first_col))
        has_formula = cell is not None and cell.formula is not None
        reason = "does not depend on the changing cells" if has_formula else "holds no formula"
        raise SolverModelError(
            f"The objective {model.objective} {reason}. Choose the cell to optimise in Excel's Solver dialog and save.",
            sheet=sheet,
            cell=area.ref,
        )


def _refuse_text(book: Workbook, cells: Sequence[Cell], what: str) -> None:
    """Refuse a text where a number is needed; an error value is no fault of the model and becomes code 9."""
    for sheet, row, col in cells:
        cell = book.sheet(sheet).cells.get((row, col))
        if cell is not None and isinstance(cell.value, str) and not isinstance(cell.value, ErrorValue):
            place = Area(row, col, row, col)
            raise SolverModelError(
                f"{what} {qualified(sheet, place)}, which holds the text {cell.value!r}. Put a number there, or choose "
                "another cell in Excel's Solver dialog.",
                sheet=sheet,
                cell=place.ref,
            )


class _Assembly:
    """Bounds, integers and rows as they come in, constraint by constraint."""

    def __init__(self, model: SolverModel, index: Mapping[Cell, int], program: Program) -> None:
        n = len(index)
        self._model, self._index, self._program = model, index, program
        self._values = program.values(program.start)
        self._lower, self._upper = np.full(n, -np.inf), np.full(n, np.inf)
        self._lower_source, self._upper_source = np.full(n, NONE, np.intp), np.full(n, NONE, np.intp)
        self._integer, self._explicit = np.zeros(n, bool), np.zeros(n, bool)
        self._rows: list[tuple[int, int, float, float, int, str]] = []

    def add(self, source: int, left: _Side, right: _Side | None) -> None:
        """One constraint of the dialog's list."""
        constraint = self._model.constraints[source]
        variables = [self._index.get(cell, NONE) for cell in left.cells]
        if right is None:
            self._add_kind(source, constraint, variables)
            return
        only_variables = NONE not in variables
        if right.formula is None and (only_variables or self._model.options.version == 0):
            self._mark_explicit(constraint.relation, variables)
        if only_variables and constraint.relation is not Relation.EQ and self._is_fixed(right):
            self._add_bounds(source, constraint.relation, variables, self._numbers(right, len(variables)))
        else:
            self._add_rows(source, constraint, left, right)

    def _mark_explicit(self, relation: Relation, variables: Sequence[int]) -> None:
        if relation in (Relation.GE, Relation.EQ):
            self._explicit[[j for j in variables if j != NONE]] = True

    def _is_fixed(self, right: _Side) -> bool:
        """Whether the right side is a number, or cells that hold numbers and do not depend on the changing cells."""
        if right.number is not None:
            return True
        if right.formula is not None:
            return False
        outputs = range(right.first, right.first + len(right.cells))
        return all(self._program.constant[k] and np.isfinite(self._values[k]) for k in outputs)

    def _numbers(self, right: _Side, size: int) -> Floats:
        if right.number is not None:
            return np.full(size, right.number)
        found = self._values[right.first : right.first + len(right.cells)]
        return np.broadcast_to(found, (size,))

    def _add_kind(self, source: int, constraint: Constraint, variables: Sequence[int]) -> None:
        """Integer or binary variables."""
        if NONE in variables:
            raise SolverModelError(
                f"Constraint {source + 1} of sheet {self._model.sheet!r}, {constraint.words(self._model.sheet)}, is "
                "not about changing cells only. Change it in Excel's Solver dialog and save.",
                sheet=self._model.sheet,
            )
        which = np.array(variables, np.intp)
        self._integer[which] = True
        if constraint.relation is Relation.BIN:
            self._explicit[which] = True
            self._add_bounds(source, Relation.GE, which, np.zeros(which.size))
            self._add_bounds(source, Relation.LE, which, np.ones(which.size))

    def _add_bounds(
        self, source: int, relation: Relation, variables: Sequence[int] | NDArray[np.intp], values: Floats
    ) -> None:
        for j, value in zip(variables, values, strict=True):
            if relation is Relation.GE and value > self._lower[j]:
                self._lower[j], self._lower_source[j] = value, source
            elif relation is Relation.LE and value < self._upper[j]:
                self._upper[j], self._upper_source[j] = value, source

    def _add_rows(self, source: int, constraint: Constraint, left: _Side, right: _Side) -> None:
        sheet, symbol = self._model.sheet, constraint.relation.symbol
        for k, cell in enumerate(left.cells):
            where = short(qualified(cell[0], Area(cell[1], cell[2], cell[1], cell[2])), sheet)
            if right.number is not None:
                output, constant = NONE, right.number
                beside = f"{right.number:.10g}"
            else:
                output, constant = right.first + (k if len(right.cells) > 1 else 0), 0.0
                beside = short(constraint.right or "", sheet)
                if len(right.cells) > 1:
                    home, row, col = right.cells[k]
                    beside = short(qualified(home, Area(row, col, row, col)), sheet)
            low = -np.inf if constraint.relation is Relation.LE else constant
            high = np.inf if constraint.relation is Relation.GE else constant
            self._rows.append((left.first + k, output, low, high, source, f"{where} {symbol} {beside}"))

    def make_nonnegative(self) -> None:
        """The lower bound 0 for variables without an explicit one, where the model asks for it."""
        if self._model.nonnegative:
            which = ~self._explicit & (self._lower < 0)
            self._lower[which] = 0.0
            self._lower_source[which] = NONNEGATIVE

    def problem(self, cells: tuple[Cell, ...]) -> Problem:
        """Everything that was added."""
        left, right, low, high, source, labels = zip(*self._rows, strict=True) if self._rows else ((),) * 6
        return Problem(
            model=self._model,
            program=self._program,
            cells=cells,
            lower=self._lower,
            upper=self._upper,
            lower_source=self._lower_source,
            upper_source=self._upper_source,
            integer=self._integer,
            rows=Rows(
                left=np.array(left, np.intp),
                right=np.array(right, np.intp),
                low=np.array(low, float),
                high=np.array(high, float),
                source=np.array(source, np.intp),
                labels=tuple(labels),
            ),
        )
