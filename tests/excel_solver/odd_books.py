"""One textbook model stored in the ways that real workbooks store theirs; the optimum stays the same.

The model is Wyndor Glass (Hillier and Lieberman, section 3.1): 36 thousand dollars at 2 doors and 6 windows.
"""

from __future__ import annotations

from dataclasses import replace

from solver_books import Model, column
from solver_linear_books import product_mix

_CELLS = product_mix.cells


def wyndor(name: str, how: str, **changes: object) -> Model:
    """The model with some of its fields changed; ``how`` says what is odd about the way it is stored."""
    return replace(product_mix, name=name, source=f"Wyndor Glass; {how}", **changes)


_MERGED = {**_CELLS, "B3": 0, "C3": None, "G3": 0, "D3": "=SUMPRODUCT(B5:C5,F12:G12)"}
_MERGED |= {f"D{row}": f"=B{row}*B$3+C{row}*G$3" for row in (7, 8, 9)} | {"F12": "=B3", "G12": "=G3"}

BOOKS = [
    wyndor("hidden_sheet", "the sheet is hidden", state="hidden"),
    wyndor("very_hidden_sheet", "the sheet is hidden from Excel's own menu", state="veryHidden"),
    wyndor("protected_sheet", "the sheet is protected, its changing cells are not", protected=True, unlocked=["B3:C3"]),
    wyndor("awkward_name", "a sheet name that has to be quoted", sheet="It's (a) name! & <b>, = 'q'x"),
    wyndor("cell_name", "a sheet named like a cell", sheet="R1C1"),
    wyndor(
        "merged_cells",
        "merged changing cells, of which only the first counts",
        cells=_MERGED,
        merged=["B3:C3", "G3:H4"],
        changing="B3:C3,G3:H4",
        answer={"B3": 2, "G3": 6},
    ),
    wyndor("areas", "changing cells in two areas that overlap", changing="B3:C3,C3"),
    wyndor(
        "stale_constraints",
        "rows above solver_num are leftovers, this one would stop everything",
        names={"solver_lhs2": "Model!$B$3", "solver_rel2": "1", "solver_rhs2": "0"},
    ),
    wyndor(
        "localised_words",
        "the words of a Spanish and a Portuguese Excel beside integer constraints",
        constraints=[("D7:D9", "<=", "E7:E9"), ("B3", "int"), ("C3", "int")],
        names={"solver_rhs2": '"entero"', "solver_rhs3": '"número inteiro"'},
    ),
    wyndor(
        "excel_2007",
        "Excel 2007: Assume Linear Model, non-negativity, no version and no engine",
        names={"solver_eng": None, "solver_ver": None, "solver_lin": "1"},
    ),
    wyndor(
        "right_sides",
        "right sides that are a number, a cell, a formula and a defined name",
        cells={**_CELLS, **column([4, 12, None], "E7")},
        constraints=[
            ("D7", "<=", "4"),
            ("D8", "<=", "E8"),
            ("D9", "<=", "=Hours"),
            ("D9", "<=", "=2*9"),
            ("D7:D8", "<=", "E8"),
        ],
        defined={"Hours": "18"},
    ),
    wyndor(
        "typed_formulas",
        "percent and power in a right side, as people type them",
        constraints=[("D7:D8", "<=", "E7:E8"), ("D9", "<=", "=3^2*200%")],
    ),
]
