"""How test workbooks with Solver models are written: by openpyxl, as other people's programs do, names spelled out here.

The names come from this file and not from `xlcollab.excel_solver.names`, so that a misunderstanding there shows up.
Cached values of formulas are filled in by `xlcollab.formula` unless a test wants a book without any; whether they are
right is judged by Gnumeric after solving.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from openpyxl import Workbook as OpenpyxlBook
from openpyxl.styles import Protection
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.formula import ArrayFormula

from xlcollab.formula.recalculate import recompute
from xlcollab.xlsx.workbook import Workbook

RELATIONS = {"<=": "1", "=": "2", ">=": "3", "int": "4", "bin": "5", "dif": "6"}
WORDS = {"int": '"integer"', "bin": '"binary"', "dif": '"AllDifferent"'}
SENSES = {"max": "1", "min": "2", "value": "3"}
ENGINES = {"grg": "1", "lp": "2", "evolutionary": "3"}


@dataclass
class Model:
    """A sheet and its model. ``cells`` are values, '=formulas', or '{=array formulas}' with the key 'B2:D4'.

    ``changing``, ``objective`` and constraints are written as in the dialog, without the sheet; ``names`` adds stored
    names or, with None, leaves one out. ``optimum`` is what the objective becomes, ``answer`` some cells' values there.
    """

    cells: Mapping[str, object]
    objective: str | None = None
    changing: str | None = None
    sense: str = "min"
    constraints: Sequence[tuple[str, ...]] = ()
    engine: str = "grg"
    nonnegative: bool = False
    target: float = 0
    names: Mapping[str, str | None] = field(default_factory=dict)
    sheet: str = "Model"
    state: str = "visible"
    merged: Sequence[str] = ()
    protected: bool = False
    unlocked: Sequence[str] = ()
    defined: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    source: str = ""
    optimum: float | None = None
    answer: Mapping[str, float] = field(default_factory=dict)
    tolerance: float = 1e-6
    code: int = 0

    def stored(self) -> dict[str, str]:
        """The hidden names, as Excel would write them."""
        found = {
            "solver_typ": SENSES[self.sense],
            "solver_val": repr(self.target),
            "solver_neg": "1" if self.nonnegative else "2",
            "solver_eng": ENGINES[self.engine],
            "solver_num": str(len(self.constraints)),
            "solver_ver": "3",
        }
        if self.objective is not None:
            found["solver_opt"] = qualify(self.objective, self.sheet)
        if self.changing is not None:
            found["solver_adj"] = qualify(self.changing, self.sheet)
        for number, (left, relation, *right) in enumerate(self.constraints, 1):
            found[f"solver_lhs{number}"] = qualify(left, self.sheet)
            found[f"solver_rel{number}"] = RELATIONS[relation]
            found[f"solver_rhs{number}"] = WORDS.get(relation) or qualify(str(right[0]), self.sheet)
        found.update(self.names)
        return {name: text for name, text in found.items() if text is not None}


def qualify(text: str, sheet: str) -> str:
    """'B2:B4,D2' → 'Sheet!$B$2:$B$4,Sheet!$D$2'; numbers, formulas and names, which start with '=', stay."""
    if text.startswith("=") or "!" in text or not text[:1].isalpha():
        return text.removeprefix("=")
    quoted = (
        "'" + sheet.replace("'", "''") + "'" if not sheet.isidentifier() or sheet.upper() in {"R1C1", "A1"} else sheet
    )
    return ",".join(f"{quoted}!{':'.join(absolute(corner) for corner in part.split(':'))}" for part in text.split(","))


def absolute(corner: str) -> str:
    letters = corner.rstrip("0123456789")
    return f"${letters}${corner[len(letters) :]}"


def write(path: Path, models: Sequence[Model], *, cached: bool = True) -> None:
    """Write the workbook; with ``cached`` every formula carries its value."""
    book = OpenpyxlBook()
    book.remove(book.active)
    for model in models:
        sheet = book.create_sheet(model.sheet)
        for place, value in model.cells.items():
            if isinstance(value, str) and value.startswith("{"):
                sheet[place.split(":")[0]] = ArrayFormula(place, value.strip("{}"))
            else:
                sheet[place] = value
        for area in model.merged:
            sheet.merge_cells(area)
        for cell in (cell for area in model.unlocked for row in sheet[area] for cell in row):
            cell.protection = Protection(locked=False)
        sheet.sheet_state = model.state
        sheet.protection.sheet = model.protected
        for name, text in model.stored().items():
            sheet.defined_names[name] = DefinedName(name, attr_text=text, hidden=True)
        for name, text in model.defined.items():
            book.defined_names[name] = DefinedName(name, attr_text=text)
    if all(model.state != "visible" for model in models):
        book.create_sheet("Cover")
    book.active = next(i for i, sheet in enumerate(book.worksheets) if sheet.sheet_state == "visible")
    book.save(path)
    if cached:
        fill_caches(path)


def fill_caches(path: Path) -> None:
    book = Workbook.open(path)
    patches: dict[str, dict[tuple[int, int], object]] = {}
    for (sheet, row, col), value in recompute(book, {}).values.items():
        patches.setdefault(sheet, {})[row, col] = value
    for sheet, patch in patches.items():
        book.sheet(sheet).patch(patch)
    book.save(path, force=True)


def column(values: Sequence[object], first: str) -> dict[str, object]:
    """Values down from a cell."""
    letters = first.rstrip("0123456789")
    row = int(first[len(letters) :])
    return {f"{letters}{row + i}": value for i, value in enumerate(values)}


def table(rows: Sequence[Sequence[object]], first: str) -> dict[str, object]:
    """Values row by row from a cell in columns A to Z."""
    letter, row = first[0], int(first[1:])
    return {f"{chr(ord(letter) + j)}{row + i}": v for i, line in enumerate(rows) for j, v in enumerate(line)}
