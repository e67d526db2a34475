"""Book in, solved book out.

Each model is checked, solved and written back in the order of its sheets, so that a model may build on the answer of an
earlier one. Checked means: every formula between changing cells and objective or constraints, recomputed at the saved
changing cells, gives the value that the book holds for it (1e-9), and the gradient agrees with differences along two
directions. Written are the changing cells and the cached values of all formulas, on every sheet, that depend on them.
Nothing else in the file changes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.errors import FormulaError, NotConvergedError, OptionError, SolverModelError
from xlcollab.excel_solver.assemble import assemble
from xlcollab.excel_solver.engines import choose_engine, refuse_foreign_methods, run
from xlcollab.excel_solver.model import SolverModel
from xlcollab.excel_solver.names import read_models
from xlcollab.excel_solver.outcome import Code, Outcome
from xlcollab.excel_solver.problem import Floats, Problem
from xlcollab.excel_solver.watch import Watch
from xlcollab.excel_solver.words import count_constraints, saved_objective
from xlcollab.formula.recalculate import recompute
from xlcollab.xlsx.cells import Area, CellValue, qualified
from xlcollab.xlsx.workbook import Workbook

if TYPE_CHECKING:
    from xlcollab.formula.program import Program
    from xlcollab.progress import OnProgress

__all__ = ["SolveReport", "SolvedModel", "check_gradient", "solve"]

_GRADIENT_TOLERANCE = 1e-5  # of a central difference against the exact derivative along a direction
_SHOWN = 5  # cells that a note names


@dataclass(frozen=True)
class SolvedModel:
    """How one model ended.

    ``saved`` is the objective that the book held, ``start`` what the formulas give at the saved changing cells,
    ``value`` the objective now; None where there is none. ``constraints`` counts compared cells, ``code`` is Excel's,
    None where the formulas cannot be computed here. ``written`` says whether the answer went into the book.
    """

    sheet: str
    objective: str | None
    engine: str
    sense: str
    variables: int
    constraints: int
    saved: float | None = None
    start: float | None = None
    value: float | None = None
    code: int | None = None
    message: str = ""
    seconds: float = 0.0
    evaluations: int = 0
    written: bool = False
    conflict: tuple[str, ...] = ()


@dataclass(frozen=True)
class SolveReport:
    """What `solve` did: ``output`` is the file that was written or None, ``notes`` are for the user to read."""

    book: Path | None
    output: Path | None
    models: tuple[SolvedModel, ...]
    notes: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[SolvedModel, ...]:
        """The models without an answer."""
        return tuple(model for model in self.models if not model.written)

    @property
    def exit_code(self) -> int:
        """The command's: 0 all were solved, 4 some were, 1 none."""
        if not self.failed:
            return 0
        return 1 if len(self.failed) == len(self.models) else 4


def solve(
    book: str | os.PathLike[str] | Workbook,
    output: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
    sheet: str | None = None,
    engine: str | None = None,
    restarts: int | None = None,
    seed: int = 0,
    strict: bool = False,
    on_progress: OnProgress | None = None,
) -> SolveReport:
    """Solve the Solver models stored in a workbook, all of them or that of one ``sheet``.

    ``output`` or ``in_place`` says where the solved book goes; without either nothing is written to disk, and a
    `Workbook` that was passed in holds the answers. ``engine`` ('grg', 'lp') overrules the stored method,
    ``restarts`` the number of starts of nonlinear models (1: the saved cells only), ``seed`` their seed.

    A model that cannot be solved is in the report with its reason, and the others are written. Ctrl-C, or a true
    return value of ``on_progress``, ends the model at hand with the best point so far and leaves those after it.
    Raises `SolverModelError` where there is no model at all, `NotConvergedError` under ``strict`` unless every model
    was solved to its end, and `FileError` for the files.
    """
    if in_place and output is not None:
        raise OptionError("in_place writes into the workbook itself: leave out output.")
    opened = book if isinstance(book, Workbook) else Workbook.open(book)
    path = opened.path
    target = _target(opened, output, in_place, force)
    models = _models(opened, sheet)
    notes: list[str] = []
    solved: list[SolvedModel] = []
    for model in models:
        if solved and solved[-1].code == Code.STOPPED:
            rest = replace(_describe(opened, model), code=int(Code.STOPPED), message="Stopped before its turn came.")
            solved.append(rest)
        else:
            solved.append(_solve_one(opened, model, engine, restarts, seed, notes, on_progress))
    if strict:
        _refuse_unconverged(solved)
    written = None
    if target is not None and any(model.written for model in solved):
        opened.save(target, force=force or in_place)
        written = target
    return SolveReport(path, written, tuple(solved), tuple(notes))


def _target(book: Workbook, output: str | os.PathLike[str] | None, in_place: bool, force: bool) -> Path | None:
    """Where the book goes, refused before the work is done rather than after it."""
    if in_place:
        if book.path is None:
            raise OptionError("This workbook has no file yet: pass output.")
        return book.target(book.path, force=True)
    return None if output is None else book.target(output, force=force)


def _models(book: Workbook, sheet: str | None) -> list[SolverModel]:
    models = read_models(book)
    place = str(book.path or "The workbook")
    if sheet is not None:
        name = book.sheet(sheet).name
        models = [model for model in models if model.sheet == name]
        place = f"Sheet {name!r}"
    if not models:
        raise SolverModelError(
            f"{place} holds no Solver model. Set one up in Excel's Solver dialog and save the workbook.", sheet=sheet
        )
    return models


def _solve_one(
    book: Workbook,
    model: SolverModel,
    engine: str | None,
    restarts: int | None,
    seed: int,
    notes: list[str],
    on_progress: OnProgress | None,
) -> SolvedModel:
    """Check, solve and write back one model; what cannot be done becomes its message."""
    began = time.perf_counter()
    model = choose_engine(model, engine)
    report = _describe(book, model)
    try:
        if model.problem is None:
            refuse_foreign_methods(model)
        try:
            problem, program = assemble(book, model)
            report = replace(
                report,
                variables=problem.n,
                start=_number(program.values(program.start)[0]),
            )
            _check(program, model, notes)
            outcome = run(problem, Watch(model.options, on_progress, model.sheet), restarts=restarts, seed=seed)
        except KeyboardInterrupt:  # while formulas are compiled; the models before this one keep their answers
            outcome = Outcome(Code.STOPPED)
        if outcome.x is not None:
            _write_back(book, problem, outcome.x, notes)
    except SolverModelError as error:
        outcome = Outcome(Code.ERROR_IN_MODEL, detail=error.message)
    except FormulaError as error:
        return replace(report, message=error.message, seconds=time.perf_counter() - began)
    return replace(
        report,
        value=_number(outcome.value),
        code=int(outcome.code),
        message=outcome.message,
        seconds=time.perf_counter() - began,
        evaluations=outcome.evaluations,
        written=outcome.x is not None,
        conflict=outcome.conflict,
    )


def _describe(book: Workbook, model: SolverModel) -> SolvedModel:
    return SolvedModel(
        sheet=model.sheet,
        objective=model.objective,
        engine=model.engine.word,
        sense=model.sense.name.lower(),
        variables=model.n_variables,
        constraints=count_constraints(book, model),
        saved=saved_objective(book, model),
    )


def _check(program: Program, model: SolverModel, notes: list[str]) -> None:
    """Refuse formulas that do not give what the book holds, and gradients that are not those of the formulas."""
    wrong = program.check()
    if wrong:
        first = wrong[0]
        more = f" ({len(wrong) - 1} more cells differ)" if len(wrong) > 1 else ""
        raise FormulaError(
            f"{first.sheet}!{first.cell} is {first.computed!r} when computed here, but the workbook holds "
            f"{first.cached!r}{more}. Recalculate and save it in Excel; if that does not help, please report it.",
            sheet=first.sheet,
            cell=first.cell,
        )
    if program.unchecked:
        notes.append(
            f"Sheet {model.sheet!r}: some formulas carry no values in the workbook, so that there was nothing to check "
            "them against."
        )
    check_gradient(program)


def check_gradient(program: Program, seed: int = 0) -> None:
    """Compare the gradient of the objective with central differences along two random directions.

    Away from kinks and jumps both agree; where the formulas have any, a disagreement proves nothing and is passed over.
    The start may lie on one that is nowhere else, as the RMSE of an exact fit does: then a point beside it decides.
    Raises `FormulaError`.
    """
    if not program.smooth:
        return
    rng = np.random.default_rng(seed)
    start = program.start
    if _gradient_agrees(program, start, rng):
        return
    if not _gradient_agrees(program, start + 0.01 * _direction(start, rng), rng):
        raise FormulaError(
            "The gradient of the objective does not agree with its formulas. Please report it: this is our fault."
        )


def _gradient_agrees(program: Program, x: Floats, rng: np.random.Generator) -> bool:
    """Whether the gradient at ``x`` is that of differences, as far as both are numbers."""
    weights = np.zeros(len(program.linear))
    weights[0] = 1.0
    value, gradient = program.value_and_gradient(x, weights)
    if not np.isfinite(value) or not np.isfinite(gradient).all():
        return True
    for _ in range(2):
        direction = _direction(x, rng)
        slope = float(gradient @ direction)
        errors = []
        for h in (1e-4, 1e-5, 1e-6):
            ahead, behind = program.values(x + h * direction)[0], program.values(x - h * direction)[0]
            noise = 4e-16 * max(abs(ahead), abs(behind)) / h
            errors.append(abs((ahead - behind) / (2 * h) - slope) - noise)
        if np.isfinite(errors).any() and np.nanmin(errors) > _GRADIENT_TOLERANCE * max(1.0, abs(slope), abs(value)):
            return False
    return True


def _direction(x: Floats, rng: np.random.Generator) -> Floats:
    direction: Floats = rng.standard_normal(x.size) * np.maximum(np.abs(x), 1.0)
    return direction


def _write_back(book: Workbook, problem: Problem, x: Floats, notes: list[str]) -> None:
    """Patch the changing cells and every formula that depends on them, on whichever sheet."""
    changed: dict[tuple[str, int, int], float | int] = {
        cell: int(value) if whole else float(value) + 0.0
        for cell, value, whole in zip(problem.cells, x, problem.integer & (np.abs(x) < 1e15), strict=True)
    }
    recomputed = recompute(book, changed)
    written: dict[tuple[str, int, int], CellValue] = {**changed, **recomputed.values}
    written |= dict.fromkeys(recomputed.failed)
    by_sheet: dict[str, dict[tuple[int, int], CellValue]] = {}
    for (sheet, row, col), value in written.items():
        by_sheet.setdefault(sheet, {})[row, col] = value
    for sheet, patch in by_sheet.items():
        book.sheet(sheet).patch(patch)
    if recomputed.failed:
        notes.append(_failed_note(recomputed.failed))


def _failed_note(failed: Mapping[tuple[str, int, int], str]) -> str:
    names = [qualified(sheet, Area(row, col, row, col)) for sheet, row, col in failed]
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return (
        f"Not computed here, left without a value until Excel opens the book: {shown} ({next(iter(failed.values()))})."
    )


def _refuse_unconverged(solved: list[SolvedModel]) -> None:
    for model in solved:
        if model.code is None or not Code(model.code).is_solution:
            raise NotConvergedError(f"Sheet {model.sheet!r}: {model.message} Nothing was written.", sheet=model.sheet)


def _number(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)
