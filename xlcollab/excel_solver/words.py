"""A stored model in the words of Excel's dialog; whether it can be solved here, and if not, why.

No NumPy here: `xlcollab inspect` says all this within its start-up budget.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from xlcollab.errors import SolverModelError
from xlcollab.excel_solver.changing import variable_cells
from xlcollab.excel_solver.cone import Cone, active_cone
from xlcollab.excel_solver.model import Engine, Relation, Sense, SolverModel, short
from xlcollab.excel_solver.references import reference_areas
from xlcollab.formula.functions import VOLATILE, is_supported
from xlcollab.xlsx.cells import Area, count_cells, qualified

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["count_constraints", "describe", "obstacle", "saved_objective", "summarise"]

_EXCEL_VARIABLES, _EXCEL_CONSTRAINTS = 200, 100  # what Excel's own add-in takes
_LISTED = 40  # constraints that a description lists; the others are counted


def describe(book: Workbook, model: SolverModel) -> str:
    """Several lines: the model as the dialog shows it, its size, its functions, and what stands in the way."""
    goal = f"{model.sense.word} {model.target:.10g}" if model.sense is Sense.VALUE else model.sense.word
    n, m = model.n_variables, count_constraints(book, model)
    lines = [
        f"Set Objective: {short(model.objective or '(none)', model.sheet)}",
        f"To: {goal}",
        f"By Changing Variable Cells: {_changing(model)} ({n} cells)",
    ]
    if model.constraints:
        lines.append("Subject to the Constraints:")
        lines += [f"    {constraint.words(model.sheet)}" for constraint in model.constraints[:_LISTED]]
        if len(model.constraints) > _LISTED:
            lines.append(f"    and {len(model.constraints) - _LISTED} more")
    lines.append(f"Make Unconstrained Variables Non-Negative: {'yes' if model.nonnegative else 'no'}")
    lines.append(f"Select a Solving Method: {model.engine.word}")
    cone = _cone(book, model)
    whole = "" if not (integers := _count_integers(book, model)) else f" ({integers} of them whole numbers)"
    lines.append(f"Size: {n} variables{whole}, {m} constraints")
    if cone is not None:
        functions = ", ".join(sorted(cone.functions)) or "operators only"
        lines.append(f"Formulas: {cone.formulas} in {len(cone.blocks)} blocks, with {functions}")
    if n > _EXCEL_VARIABLES or m > _EXCEL_CONSTRAINTS:
        lines.append(
            f"Larger than Excel's own add-in takes ({_EXCEL_VARIABLES} variables, {_EXCEL_CONSTRAINTS} constraints)."
        )
    reason = obstacle(book, model, cone)
    lines.append("Can be solved with: xlcollab solve" if reason is None else f"Cannot be solved here: {reason}")
    return "\n".join(lines)


def summarise(book: Workbook, model: SolverModel) -> dict[str, Any]:
    """The same as plain values for JSON; ``problem`` is None where the model can be solved here."""
    cone = _cone(book, model)
    return {
        "sheet": model.sheet,
        "objective": model.objective,
        "sense": model.sense.name.lower(),
        "target": model.target if model.sense is Sense.VALUE else None,
        "changing": [qualified(sheet, area) for sheet, area in model.changing],
        "variables": model.n_variables,
        "integers": any(not c.relation.compares for c in model.constraints),
        "constraints": count_constraints(book, model),
        "constraint_list": [constraint.words(model.sheet) for constraint in model.constraints],
        "nonnegative": model.nonnegative,
        "engine": model.engine.word,
        "saved": saved_objective(book, model),
        "formulas": None if cone is None else cone.formulas,
        "functions": None if cone is None else sorted(cone.functions),
        "problem": obstacle(book, model, cone),
    }


def obstacle(book: Workbook, model: SolverModel, cone: Cone | None = None) -> str | None:
    """Why the model cannot be solved here, as far as its names and formulas tell without computing; else None."""
    if model.problem is not None:
        return model.problem
    if model.engine is Engine.EVOLUTIONARY:
        return "the Evolutionary method is not there (--engine grg solves it as a smooth model)."
    if any(constraint.relation is Relation.ALLDIFF for constraint in model.constraints):
        return "alldifferent constraints are not there."
    try:
        variable_cells(book, model)
        for number, constraint in enumerate(model.constraints, 1):
            reference_areas(book, constraint.left, model.sheet, f"the left side of constraint {number}")
    except SolverModelError as error:
        return error.message
    cone = cone or _cone(book, model)
    return _unfit_functions(cone) or _unfit_objective(book, model, cone)


def _unfit_objective(book: Workbook, model: SolverModel, cone: Cone | None) -> str | None:
    if cone is None or cone.fault is not None:
        return None if cone is None else cone.fault
    sheet, area = reference_areas(book, model.objective or "", model.sheet, "the objective")[0]
    if any(block.sheet == sheet and block.area.clip(area) for block in cone.blocks):
        return None
    cell = book.sheet(sheet).cells.get((area.first_row, area.first_col))
    has_formula = cell is not None and cell.formula is not None
    reason = "does not depend on the changing cells" if has_formula else "holds no formula"
    return f"the objective {model.objective} {reason}."


def _unfit_functions(cone: Cone | None) -> str | None:
    if cone is None:
        return None
    if volatile := sorted(cone.all_functions & VOLATILE):
        return f"it uses {', '.join(volatile)}, whose value changes by itself."
    missing = sorted(name for name in cone.functions if not is_supported(name))
    return f"it uses {', '.join(missing)}, which xlcollab does not compute." if missing else None


def count_constraints(book: Workbook, model: SolverModel) -> int:
    """How many cells are compared with something; that a cell is integer or binary does not count."""
    total = 0
    for number, constraint in enumerate(model.constraints, 1):
        if constraint.relation.compares:
            try:
                areas = reference_areas(book, constraint.left, model.sheet, f"constraint {number}")
            except SolverModelError:
                total += 1  # broken; what is wrong with it is said elsewhere
            else:
                total += sum(area.height * area.width for _, area in areas)
    return total


def _count_integers(book: Workbook, model: SolverModel) -> int:
    """How many changing cells are to be whole numbers."""
    found: dict[str, list[Area]] = {}
    for number, constraint in enumerate(model.constraints, 1):
        if not constraint.relation.compares:
            try:
                areas = reference_areas(book, constraint.left, model.sheet, f"constraint {number}")
            except SolverModelError:
                continue
            for sheet, area in areas:
                parts = [area.clip(changing) for home, changing in model.changing if home == sheet]
                found.setdefault(sheet, []).extend(part for part in parts if part is not None)
    return sum(map(count_cells, found.values()))


def saved_objective(book: Workbook, model: SolverModel) -> float | None:
    """The objective as the book holds it; None where it is no number or there is no objective."""
    if model.problem is not None or model.objective is None:
        return None
    sheet, area = reference_areas(book, model.objective, model.sheet, "the objective")[0]
    cell = book.sheet(sheet).cells.get((area.first_row, area.first_col))
    value = None if cell is None else cell.value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _changing(model: SolverModel) -> str:
    texts = [short(qualified(sheet, area), model.sheet) for sheet, area in model.changing]
    return ", ".join(texts) or "(none)"


def _cone(book: Workbook, model: SolverModel) -> Cone | None:
    """The formulas between changing cells and objective or constraints; None for a broken model."""
    if model.problem is not None:
        return None
    wanted: list[tuple[str, Area]] = []
    for text in (model.objective, *(side for c in model.constraints for side in (c.left, c.right))):
        if text is not None:
            try:
                wanted += reference_areas(book, text, model.sheet, "a reference")
            except SolverModelError:
                continue  # a number or a formula on the right of a constraint
    return active_cone(book, wanted, model.changing)
