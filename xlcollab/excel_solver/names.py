"""The hidden names in which Excel's Solver keeps its model ↔ `SolverModel`.

Solver stores one model a sheet as hidden, sheet-local defined names: ``solver_opt`` is the objective cell,
``solver_adj`` the changing cells, ``solver_lhsN``, ``solver_relN`` and ``solver_rhsN`` the constraints, the others its
options. The file never holds a result or a sensitivity. What is read here and what it means is Microsoft's reference of
the VBA functions ``SolverOk``, ``SolverAdd`` and ``SolverOptions``, and what Excel 2007 to 365, Excel for Mac,
OpenSolver and Analytic Solver are seen to write:

* ``solver_num`` says how many constraints there are; rows above it are stale leftovers and mean nothing.
* The relation is ``solver_relN``; the word on the right of an integer constraint is in the user's language.
* Switches are on when they are 1; both 0 and 2 are off.
* Excel 2007 writes neither ``solver_ver`` nor ``solver_eng``: there ``solver_lin`` = 1 asks for the simplex method.
* Numbers are written the American way whatever the user's language is.

This module loads no NumPy: `xlcollab inspect` lists models within its start-up budget.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from xlcollab.errors import SolverModelError
from xlcollab.excel_solver.model import UNLIMITED, Constraint, Engine, Relation, Sense, SolverModel, SolverOptions
from xlcollab.excel_solver.references import is_number, reference_areas, to_number
from xlcollab.xlsx.cells import Area, qualified

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = [
    "UNLIMITED",
    "Constraint",
    "Engine",
    "Relation",
    "Sense",
    "SolverModel",
    "SolverOptions",
    "minimise_model",
    "read_models",
    "solver_names",
]

_DEFAULTS_2007: Mapping[str, Any] = {
    "max_time": 100,
    "iterations": 100,
    "tolerance": 0.05,
    "scaling": False,
    "version": 0,
}


def minimise_model(sheet: str, objective_cell: str, areas: Iterable[Area]) -> SolverModel:
    """The lesson's model: minimise ``objective_cell`` (``V41``) of ``sheet`` by changing ``areas``, no constraints.

    The settings are those of the course's sheets: GRG Nonlinear, central derivatives, no bounds, no scaling.
    """
    return SolverModel(
        sheet=sheet,
        objective=qualified(sheet, Area.parse(objective_cell)),
        sense=Sense.MIN,
        target=0.0,
        changing=tuple((sheet, area) for area in areas),
        constraints=(),
        nonnegative=False,
        engine=Engine.GRG,
        options=SolverOptions(derivatives=2, require_bounds=False, scaling=False),
    )


def solver_names(model: SolverModel) -> list[tuple[str, str]]:
    """The hidden names to store for ``model``, sorted: always the complete set, so that Excel's dialog keeps every one.

    Without constraints these are 27 names. Fields without a value (an objective that is not there) are left out: Excel
    takes a name with no text for damage.
    """
    if model.engine is Engine.FOREIGN:
        raise SolverModelError(f"{model.sheet}: the engine of another add-in cannot be stored; choose one of Excel's.")
    texts = {
        "solver_adj": ",".join(qualified(sheet, area) for sheet, area in model.changing),
        "solver_eng": str(model.engine.value),
        "solver_neg": _switch(model.nonnegative),
        "solver_num": str(len(model.constraints)),
        "solver_opt": model.objective or "",
        "solver_typ": str(model.sense.value),
        "solver_val": _number_text(model.target),
    }
    for option in fields(SolverOptions):
        value = getattr(model.options, option.name)
        texts[option.metadata["name"]] = _switch(value) if isinstance(value, bool) else _number_text(value)
    words = {Relation.INT: '"integer"', Relation.BIN: '"binary"', Relation.ALLDIFF: '"AllDifferent"'}
    for row, constraint in enumerate(model.constraints, 1):
        texts[f"solver_lhs{row}"] = constraint.left
        texts[f"solver_rel{row}"] = str(constraint.relation.value)
        texts[f"solver_rhs{row}"] = words.get(constraint.relation) or constraint.right or ""
    return sorted((name, text) for name, text in texts.items() if text)


def read_models(book: Workbook) -> list[SolverModel]:
    """The Solver models of a workbook, in the order of its sheets; broken ones are there too, with their ``problem``.

    A sheet counts when it names an objective or changing cells, or how many constraints there are (Solver's dialog
    stores that as soon as it was opened); Solver's report sheets, which carry one lone option, do not.
    """
    stored: dict[str, dict[str, str]] = {}
    for defined in book.names:
        if defined.sheet is not None and defined.name.lower().startswith(("solver_", "opensolver_")):
            stored.setdefault(defined.sheet, {})[defined.name.lower()] = defined.text.strip().removeprefix("=")
    models = []
    for sheet in book.sheets:
        texts = stored.get(sheet.name, {})
        if texts.keys() & {"solver_opt", "solver_adj", "solver_num"}:
            models.append(_read_model(book, sheet.name, texts))
    return models


def _read_model(book: Workbook, sheet: str, texts: Mapping[str, str]) -> SolverModel:
    problems: list[str] = []
    openly = any(name.startswith("opensolver_") for name in texts)
    objective = texts.get("solver_opt")
    try:
        _check_objective(book, sheet, objective)
    except SolverModelError as error:
        problems.append(error.message)
    changing: tuple[tuple[str, Area], ...] = ()
    try:
        if not texts.get("solver_adj"):
            raise SolverModelError(
                f"Sheet {sheet!r} names no changing cells. Choose the variable cells in Excel's Solver dialog and save."
            )
        changing = reference_areas(book, texts["solver_adj"], sheet, "the changing cells")
    except SolverModelError as error:
        problems.append(error.message)
    sense = _enum(Sense, texts.get("solver_typ"), Sense.MIN if openly else Sense.MAX)
    if sense is Sense.VALUE and not is_number(texts.get("solver_val", "0")):
        problems.append(f"The value that {objective} is to become is {texts['solver_val']!r}, not a number.")
    return SolverModel(
        sheet=sheet,
        objective=objective or None,
        sense=sense,
        target=to_number(texts.get("solver_val"), 0.0),
        changing=changing,
        constraints=_read_constraints(sheet, texts, problems),
        nonnegative=_flag(texts.get("solver_neg"), default=openly),
        engine=_read_engine(texts, openly=openly),
        options=_read_options(texts, openly=openly),
        problem=" ".join(problems) or None,
    )


def _check_objective(book: Workbook, sheet: str, text: str | None) -> None:
    if not text:
        raise SolverModelError(
            f"Sheet {sheet!r} names no objective cell. Choose one in Excel's Solver dialog and save the workbook."
        )
    areas = reference_areas(book, text, sheet, "the objective")
    if len(areas) != 1 or areas[0][1].height * areas[0][1].width != 1:
        raise SolverModelError(f"The objective of sheet {sheet!r} is {text}; it has to be a single cell.")


def _read_constraints(sheet: str, texts: Mapping[str, str], problems: list[str]) -> tuple[Constraint, ...]:
    """The rows 1 to ``solver_num``; without a count, the rows there are until one is missing."""
    if "solver_num" in texts:
        count = int(to_number(texts["solver_num"], 0))
    else:
        count = next(number for number in range(len(texts) + 1) if f"solver_lhs{number + 1}" not in texts)
    constraints = []
    for number in range(1, min(count, len(texts)) + 1):
        left, right = texts.get(f"solver_lhs{number}", ""), texts.get(f"solver_rhs{number}", "")
        relation = _enum(Relation, texts.get(f"solver_rel{number}"), None)
        fault = None
        if not left or relation is None or (relation.compares and not right):
            fault = "is incomplete. Enter it again"
        elif "#REF!" in left.upper() or (relation.compares and "#REF!" in right.upper()):
            fault = "holds #REF!: a cell that it named was deleted. Change or delete it"
        if fault is not None:
            problems.append(f"Constraint {number} of sheet {sheet!r} {fault} in Excel's Solver dialog and save.")
            break
        constraints.append(Constraint(left, relation, right if relation.compares else None))
    return tuple(constraints)


def _read_engine(texts: Mapping[str, str], *, openly: bool) -> Engine:
    if "solver_eng" in texts:
        engine: Engine = _enum(Engine, texts["solver_eng"], Engine.FOREIGN)
        return engine
    if "solver_lin" in texts:
        return Engine.LP if _flag(texts["solver_lin"]) else Engine.GRG
    return Engine.FOREIGN if openly else Engine.GRG


def _read_options(texts: Mapping[str, str], *, openly: bool) -> SolverOptions:
    old = "solver_ver" not in texts and not openly
    values: dict[str, Any] = dict(_DEFAULTS_2007) if old else {}
    for option in fields(SolverOptions):
        text = texts.get(option.metadata["name"])
        if text is None:
            continue
        default: Any = option.default
        if isinstance(default, bool):
            values[option.name] = _flag(text, default=default)
        else:
            value = to_number(text, float(default))
            values[option.name] = int(value) if isinstance(default, int) and value.is_integer() else value
    return SolverOptions(**values)


def _number_text(value: float) -> str:
    """A number as Excel stores it in a name: 0.000001, never 1e-06."""
    return str(int(value)) if float(value).is_integer() else format(Decimal(repr(float(value))), "f")


def _switch(value: bool) -> str:
    return "1" if value else "2"


def _flag(text: str | None, *, default: bool = False) -> bool:
    """On when 1; OpenSolver up to 2.8.2 wrote the words, in the user's language."""
    if text is None:
        return default
    return text.strip().upper() in {"1", "TRUE", "VRAI", "WAHR", "VERDADERO", "VERDADEIRO", "VERO"}


def _enum(kind: type[Any], text: str | None, default: Any) -> Any:
    try:
        return kind(int(to_number(text, -1.0)))
    except ValueError:
        return default
