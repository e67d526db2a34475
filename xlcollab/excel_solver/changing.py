"""The changing cells of a model one by one, and what forbids to write there. Loads no NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xlcollab.errors import SolverModelError
from xlcollab.excel_solver.model import SolverModel
from xlcollab.xlsx.cells import Area, qualified

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Workbook

__all__ = ["variable_cells"]


def variable_cells(book: Workbook, model: SolverModel) -> tuple[tuple[str, int, int], ...]:
    """The changing cells (sheet, row, column), each once, without those that a merged cell covers.

    Raises `SolverModelError` where one of them holds a formula or a text, which writing would destroy, and, as Excel
    does, where one is locked on a protected sheet. Formulas that depend on them may be locked.
    """
    sheets = dict.fromkeys(sheet for sheet, _ in model.changing)
    covered: set[tuple[str, int, int]] = set()
    for sheet in sheets:
        for merged in book.sheet(sheet).merged:
            inside = merged.cells()
            next(inside)
            covered.update((sheet, row, col) for row, col in inside)
    cells = tuple(cell for cell in model.cells() if cell not in covered)
    for sheet in sheets:
        _refuse_unfit(book, sheet, [(row, col) for home, row, col in cells if home == sheet])
    return cells


def _refuse_unfit(book: Workbook, name: str, places: list[tuple[int, int]]) -> None:
    sheet = book.sheet(name)
    stored, protected = sheet.cells, sheet.protected
    for row, col in places:
        cell = stored.get((row, col))
        holds = None
        if cell is not None and cell.value is not None:
            holds = "a formula" if cell.formula else "a text" if isinstance(cell.value, str) else None
        place = Area(row, col, row, col)
        if holds:
            raise SolverModelError(
                f"The changing cell {qualified(name, place)} holds {holds}. Changing cells hold numbers or nothing: "
                "choose others in Excel's Solver dialog, or empty it.",
                sheet=name,
                cell=place.ref,
            )
        if protected and sheet.locked(row, col):
            raise SolverModelError(
                f"The changing cell {qualified(name, place)} is locked, and the sheet is protected. Unprotect the "
                "sheet in Excel (Review), or unlock the changing cells (Format Cells, Protection).",
                sheet=name,
                cell=place.ref,
            )
