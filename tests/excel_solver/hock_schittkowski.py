"""Constrained problems from W. Hock and K. Schittkowski, *Test Examples for Nonlinear Programming Codes*, 1981.

Each starts where the collection says and ends at the optimum that it gives (2.5 is its tolerance in units of the last
digit). Equalities, inequalities, both, degenerate ones: problem 13 has no multipliers at its solution, 26 and 28 more
than one way to be flat.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from solver_books import Model, column

_SIDES = re.compile(r"(>=|<=|=)")


def _hs(
    number: int,
    objective: str,
    start: Sequence[float],
    optimum: float,
    constraints: Sequence[str] = (),
    bounds: Sequence[tuple[str, str, float]] = (),
    tolerance: float = 1e-6,
) -> Model:
    """Formulas in x1, x2, …, which lie at A1, A2, …; constraints are written ``formula >= number``."""
    sides = [_SIDES.split(text, maxsplit=1) for text in constraints]
    return Model(
        name=f"hs{number}",
        source=f"Hock and Schittkowski, problem {number}",
        cells={
            **column(list(start), "A1"),
            "B1": f"={_cells(objective)}",
            **column([f"={_cells(left.strip())}" for left, _, _ in sides], "C1"),
        },
        objective="B1",
        changing=f"A1:A{len(start)}",
        constraints=[
            *((f"C{row}", relation, right.strip()) for row, (_, relation, right) in enumerate(sides, 1)),
            *((area, relation, str(limit)) for area, relation, limit in bounds),
        ],
        optimum=optimum,
        tolerance=tolerance,
    )


def _cells(formula: str) -> str:
    return re.sub(r"\bx(\d+)", r"A\1", formula)


_HS78 = ["SUMSQ(A1:A5) = 10", "x2*x3-5*x4*x5 = 0", "x1^3+x2^3 = -1"]

BOOKS = [
    _hs(1, "100*(x2-x1^2)^2+(1-x1)^2", [-2, 1], 0, bounds=[("A2", ">=", -1.5)]),
    _hs(6, "(1-x1)^2", [-1.2, 1], 0, ["10*(x2-x1^2) = 0"]),
    _hs(7, "LN(1+x1^2)-x2", [2, 2], -(3**0.5), ["(1+x1^2)^2+x2^2 = 4"]),
    _hs(10, "x1-x2", [-10, 10], -1, ["2*x1*x2-3*x1^2-x2^2 >= -1"]),
    _hs(11, "(x1-5)^2+x2^2-25", [4.9, 0.1], -8.498464223, ["x2-x1^2 >= 0"]),
    _hs(12, "x1^2/2+x2^2-x1*x2-7*x1-7*x2", [0, 0], -30, ["4*x1^2+x2^2 <= 25"]),
    _hs(13, "(x1-2)^2+x2^2", [-2, -2], 1, ["(1-x1)^3-x2 >= 0"], [("A1:A2", ">=", 0)], tolerance=0.02),
    _hs(14, "(x1-2)^2+(x2-1)^2", [2, 2], 9 - 2.875 * 7**0.5, ["x1^2/4+x2^2 <= 1", "x1-2*x2 = -1"]),
    _hs(26, "(x1-x2)^2+(x2-x3)^4", [-2.6, 2, 2], 0, ["(1+x2^2)*x1+x3^4 = 3"]),
    _hs(28, "(x1+x2)^2+(x2+x3)^2", [-4, 1, 1], 0, ["x1+2*x2+3*x3 = 1"]),
    _hs(35, "9-8*x1-6*x2-4*x3+2*x1^2+2*x2^2+x3^2+2*x1*x2+2*x1*x3", [0.5] * 3, 1 / 9, ["x1+x2+2*x3 <= 3"],
        [("A1:A3", ">=", 0)]),
    _hs(39, "-x1", [2] * 4, -1, ["x2-x1^3-x3^2 = 0", "x1^2-x2-x4^2 = 0"]),
    _hs(40, "-x1*x2*x3*x4", [0.8] * 4, -0.25, ["x1^3+x2^2 = 1", "x1^2*x4-x3 = 0", "x4^2-x2 = 0"]),
    _hs(43, "x1^2+x2^2+2*x3^2+x4^2-5*x1-5*x2-21*x3+7*x4", [0] * 4, -44,
        ["x1^2+x2^2+x3^2+x4^2+x1-x2+x3-x4 <= 8", "x1^2+2*x2^2+x3^2+2*x4^2-x1-x4 <= 10",
         "2*x1^2+x2^2+x3^2+2*x1-x2-x4 <= 5"]),
    _hs(48, "(x1-1)^2+(x2-x3)^2+(x4-x5)^2", [3, 5, -3, 2, -2], 0, ["SUM(A1:A5) = 5", "x3-2*(x4+x5) = -3"]),
    _hs(60, "(x1-1)^2+(x1-x2)^2+(x2-x3)^4", [2] * 3, 0.03256820025, ["x1*(1+x2^2)+x3^4-3*SQRT(2) = 4"],
        [("A1:A3", ">=", -10), ("A1:A3", "<=", 10)]),
    _hs(63, "1000-x1^2-2*x2^2-x3^2-x1*x2-x1*x3", [2] * 3, 961.7151721, ["8*x1+14*x2+7*x3 = 56", "SUMSQ(A1:A3) = 25"],
        [("A1:A3", ">=", 0)]),
    _hs(64, "5*x1+50000/x1+20*x2+72000/x2+10*x3+144000/x3", [1] * 3, 6299.842428, ["4/x1+32/x2+120/x3 <= 1"],
        [("A1:A3", ">=", 1e-5)]),
    _hs(65, "(x1-x2)^2+(x1+x2-10)^2/9+(x3-5)^2", [-5, 5, 0], 0.9535288567, ["SUMSQ(A1:A3) <= 48"],
        [("A1:A2", ">=", -4.5), ("A1:A2", "<=", 4.5), ("A3", ">=", -5), ("A3", "<=", 5)]),
    _hs(66, "x3/5-4*x1/5", [0, 1.05, 2.9], 0.5181632741, ["x2-EXP(x1) >= 0", "x3-EXP(x2) >= 0"],
        [("A1:A3", ">=", 0), ("A1:A2", "<=", 100), ("A3", "<=", 10)]),
    _hs(71, "x1*x4*(x1+x2+x3)+x3", [1, 5, 5, 1], 17.0140173, ["PRODUCT(A1:A4) >= 25", "SUMSQ(A1:A4) = 40"],
        [("A1:A4", ">=", 1), ("A1:A4", "<=", 5)]),
    _hs(76, "x1^2+x2^2/2+x3^2+x4^2/2-x1*x3+x3*x4-x1-3*x2+x3-x4", [0.5] * 4, -4.681818181,
        ["x1+2*x2+x3+x4 <= 5", "3*x1+x2+2*x3-x4 <= 4", "x2+4*x3 >= 1.5"], [("A1:A4", ">=", 0)]),
    _hs(77, "(x1-1)^2+(x1-x2)^2+(x3-1)^2+(x4-1)^4+(x5-1)^6", [2] * 5, 0.24150513,
        ["x1^2*x4+SIN(x4-x5)-2*SQRT(2) = 0", "x2+x3^4*x4^2-SQRT(2) = 8"]),
    _hs(78, "PRODUCT(A1:A5)", [-2, 1.5, 2, -1, -1], -2.91970041, _HS78),
    _hs(79, "(x1-1)^2+(x1-x2)^2+(x2-x3)^2+(x3-x4)^4+(x4-x5)^4", [2] * 5, 0.0787768209,
        ["x1+x2^2+x3^3-3*SQRT(2) = 2", "x2-x3^2+x4-2*SQRT(2) = -2", "x1*x5 = 2"]),
    _hs(80, "EXP(PRODUCT(A1:A5))", [-2, 2, 2, -1, -1], 0.0539498478, _HS78,
        [("A1:A2", ">=", -2.3), ("A1:A2", "<=", 2.3), ("A3:A5", ">=", -3.2), ("A3:A5", "<=", 3.2)]),
    _hs(100, "(x1-10)^2+5*(x2-12)^2+x3^4+3*(x4-11)^2+10*x5^6+7*x6^2+x7^4-4*x6*x7-10*x6-8*x7", [1, 2, 0, 4, 0, 1, 1],
        680.6300573,
        ["2*x1^2+3*x2^4+x3+4*x4^2+5*x5 <= 127", "7*x1+3*x2+10*x3^2+x4-x5 <= 282", "23*x1+x2^2+6*x6^2-8*x7 <= 196",
         "4*x1^2+x2^2-3*x1*x2+2*x3^2+5*x6-11*x7 <= 0"]),
    _hs(113,
        "x1^2+x2^2+x1*x2-14*x1-16*x2+(x3-10)^2+4*(x4-5)^2+(x5-3)^2+2*(x6-1)^2+5*x7^2+7*(x8-11)^2+2*(x9-10)^2"
        "+(x10-7)^2+45", [2, 3, 5, 5, 1, 2, 7, 3, 6, 10], 24.3062091,
        ["4*x1+5*x2-3*x7+9*x8 <= 105", "10*x1-8*x2-17*x7+2*x8 <= 0", "2*x2-8*x1+5*x9-2*x10 <= 12",
         "3*(x1-2)^2+4*(x2-3)^2+2*x3^2-7*x4 <= 120", "5*x1^2+8*x2+(x3-6)^2-2*x4 <= 40",
         "(x1-8)^2/2+2*(x2-4)^2+3*x5^2-x6 <= 30", "x1^2+2*(x2-2)^2-2*x1*x2+14*x5-6*x6 <= 0",
         "6*x2-3*x1+12*(x9-8)^2-7*x10 <= 0"]),
]  # fmt: skip
