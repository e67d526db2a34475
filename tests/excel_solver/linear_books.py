"""Linear and integer models after textbooks, each with the optimum that the textbook gives.

"Winston" is W. L. Winston, *Operations Research: Applications and Algorithms*, 4th edition 2004; "Hillier" is F. S.
Hillier and G. J. Lieberman, *Introduction to Operations Research*, 9th edition 2010. Where the source
says so the optimum was found by trying all possibilities.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from solver_books import Model, column, table

product_mix = Model(
    name="product_mix",
    source="Hillier, section 3.1: Wyndor Glass, 36 (thousand dollars) at 2 doors and 6 windows",
    cells={
        **table([["Doors", "Windows", "Profit"], [0, 0, "=SUMPRODUCT(B3:C3,B5:C5)"]], "B2"),
        **table([["Profit each", 3, 5]], "A5"),
        **table([["Plant 1", 1, 0, None, 4], ["Plant 2", 0, 2, None, 12], ["Plant 3", 3, 2, None, 18]], "A7"),
        **{f"D{row}": f"=SUMPRODUCT(B{row}:C{row},$B$3:$C$3)" for row in (7, 8, 9)},
    },
    objective="D3",
    sense="max",
    changing="B3:C3",
    constraints=[("D7:D9", "<=", "E7:E9")],
    engine="lp",
    nonnegative=True,
    optimum=36,
    answer={"B3": 2, "C3": 6},
)

diet = Model(
    name="diet",
    source="Winston, section 3.4: brownies, ice cream, cola, cheesecake; 90 cents, 3 scoops and a bottle",
    cells={
        **table([["Amount", 0, 0, 0, 0, "=SUMPRODUCT(B1:E1,B2:E2)"], ["Cents", 50, 20, 30, 80]], "A1"),
        **table(
            [
                ["Calories", 400, 200, 150, 500, None, 500],
                ["Chocolate", 3, 2, 0, 0, None, 6],
                ["Sugar", 2, 2, 4, 4, None, 10],
                ["Fat", 2, 4, 1, 5, None, 8],
            ],
            "A4",
        ),
        **{f"F{row}": f"=SUMPRODUCT(B{row}:E{row},B$1:E$1)" for row in (4, 5, 6, 7)},
    },
    objective="F1",
    changing="B1:E1",
    constraints=[("F4:F7", ">=", "G4:G7")],
    engine="lp",
    nonnegative=True,
    optimum=90,
    answer={"B1": 0, "C1": 3, "D1": 1, "E1": 0},
)

transport = Model(
    name="transport",
    source="Winston, section 7.1: Powerco, 1,020 dollars",
    cells={
        **table([[8, 6, 10, 9], [9, 12, 13, 7], [14, 9, 16, 5]], "B2"),
        **table([[0] * 4] * 3, "B7"),
        **{f"F{row}": f"=SUM(B{row}:E{row})" for row in (7, 8, 9)},
        **{f"{c}10": f"=SUM({c}7:{c}9)" for c in "BCDE"},
        **column([35, 50, 40], "G7"),
        **table([[45, 20, 30, 30]], "B11"),
        "B13": "=SUMPRODUCT(B2:E4,B7:E9)",
    },
    objective="B13",
    changing="B7:E9",
    constraints=[("F7:F9", "<=", "G7:G9"), ("B10:E10", ">=", "B11:E11")],
    engine="lp",
    nonnegative=True,
    optimum=1020,
)

assignment = Model(
    name="assignment",
    source="Winston, section 7.5: Machineco, 15 hours",
    cells={
        **table([[14, 5, 8, 7], [2, 12, 6, 5], [7, 8, 3, 9], [2, 4, 6, 10]], "A1"),
        **table([[None] * 4] * 4, "A6"),
        **{f"E{row}": f"=SUM(A{row}:D{row})" for row in range(6, 10)},
        **{f"{c}10": f"=SUM({c}6:{c}9)" for c in "ABCD"},
        "F1": "=SUMPRODUCT(A1:D4,A6:D9)",
    },
    objective="F1",
    changing="A6:D9",
    constraints=[("E6:E9", "=", "1"), ("A10:D10", "=", "1")],
    engine="lp",
    nonnegative=True,
    optimum=15,
    answer={"B6": 1, "D7": 1, "C8": 1, "A9": 1},
)

knapsack = Model(
    name="knapsack",
    source="Winston, section 9.2: Stockco's capital budget, 42 thousand dollars from investments 2, 3 and 4",
    cells={
        **table([[16, 22, 12, 8], [5, 7, 4, 3], [0, 0, 0, 0]], "A1"),
        "F1": "=SUMPRODUCT(A1:D1,A3:D3)",
        "F2": "=SUMPRODUCT(A2:D2,A3:D3)",
        "G2": 14,
    },
    objective="F1",
    sense="max",
    changing="A3:D3",
    constraints=[("F2", "<=", "G2"), ("A3:D3", "bin")],
    engine="lp",
    optimum=42,
    answer={"A3": 0, "B3": 1, "C3": 1, "D3": 1},
)

_CRUDES, _GASES = ((45, 12, 0.005), (35, 6, 0.02), (25, 8, 0.03)), ((70, 10, 0.01), (60, 8, 0.02), (50, 6, 0.01))
blending = Model(
    name="blending",
    source="Winston, section 3.8: Sunco Oil, 287,750 dollars a day",
    cells={  # crudes down, gasolines across, barrels of crude in gasoline at B2:D4, dollars of advertising at B6:D6
        **table([[0] * 3] * 3, "B2"),
        **table([[0] * 3], "B6"),
        **column([f"=SUM(B{row}:D{row})" for row in (2, 3, 4)], "E2"),
        **table([[f"=SUM({c}2:{c}4)" for c in "BCD"]], "B5"),
        **table([[f"={demand}+10*{c}6" for c, demand in zip("BCD", (3000, 2000, 1000), strict=True)]], "B7"),
        **table(
            [
                [
                    "=" + "+".join(f"{c}{i + 2}*({octane}-{least})" for i, (_, octane, _) in enumerate(_CRUDES))
                    for c, (_, least, _) in zip("BCD", _GASES, strict=True)
                ],
                [
                    "=" + "+".join(f"{c}{i + 2}*({sulfur}-{most})" for i, (_, _, sulfur) in enumerate(_CRUDES))
                    for c, (_, _, most) in zip("BCD", _GASES, strict=True)
                ],
            ],
            "B8",
        ),
        "E5": "=SUM(E2:E4)",
        "F1": "="
        + "+".join(f"{price}*{c}5" for c, (price, _, _) in zip("BCD", _GASES, strict=True))
        + "".join(f"-({cost}+4)*E{i + 2}" for i, (cost, _, _) in enumerate(_CRUDES))
        + "-SUM(B6:D6)",
    },
    objective="F1",
    sense="max",
    changing="B2:D4,B6:D6",
    constraints=[
        ("E2:E4", "<=", "5000"),
        ("E5", "<=", "14000"),
        ("B5:D5", "=", "B7:D7"),
        ("B8:D8", ">=", "0"),
        ("B9:D9", "<=", "0"),
    ],
    engine="lp",
    nonnegative=True,
    optimum=287750,
)

_DEMAND = (17, 13, 15, 19, 14, 16, 11)
workforce = Model(
    name="workforce",
    source="Winston, section 3.5: the post office, 23 full-time employees who work five days in a row",
    cells={
        **table([[0] * 7], "B1"),
        **table([["=" + "+".join(f"{'BCDEFGH'[(day - k) % 7]}1" for k in range(5)) for day in range(7)]], "B2"),
        **table([list(_DEMAND)], "B3"),
        "I1": "=SUM(B1:H1)",
    },
    objective="I1",
    changing="B1:H1",
    constraints=[("B2:H2", ">=", "B3:H3"), ("B1:H1", "int")],
    engine="lp",
    nonnegative=True,
    names={"solver_tol": "0"},
    optimum=23,
)

_FIXED = (12, 16, 10, 14)
_COSTS = ((5, 8, 12, 6), (7, 3, 9, 11), (10, 6, 4, 8), (4, 9, 7, 5), (8, 5, 10, 3))


def _cheapest() -> float:
    opened = [which for size in range(1, 5) for which in combinations(range(4), size)]
    return min(sum(_FIXED[j] for j in which) + sum(min(row[j] for j in which) for row in _COSTS) for which in opened)


facility_location = Model(
    name="facility_location",
    source="own figures, four sites and five customers; all 15 choices of sites were tried",
    cells={
        **table([list(_FIXED)], "A1"),
        **table([list(row) for row in _COSTS], "A3"),
        **table([[0] * 4], "A9"),
        **table([[0] * 4] * 5, "A11"),
        **column([f"=SUM(A{row}:D{row})" for row in range(11, 16)], "F11"),
        **table([[f"={c}{row}-{c}$9" for c in "ABCD"] for row in range(11, 16)], "H11"),
        "F1": "=SUMPRODUCT(A1:D1,A9:D9)+SUMPRODUCT(A3:D7,A11:D15)",
    },
    objective="F1",
    changing="A9:D9,A11:D15",
    constraints=[("F11:F15", "=", "1"), ("H11:K15", "<=", "0"), ("A9:D9", "bin")],
    engine="lp",
    nonnegative=True,
    optimum=_cheapest(),
)

_NEAR = ((1, 2), (1, 2, 6), (3, 4), (3, 4, 5), (4, 5, 6), (2, 5, 6))
set_cover = Model(
    name="set_cover",
    source="Winston, section 9.2: Kilroy County, two fire stations, in cities 2 and 4",
    cells={
        **column([0] * 6, "A1"),
        **column(["=" + "+".join(f"A{city}" for city in near) for near in _NEAR], "B1"),
        "C1": "=SUM(A1:A6)",
    },
    objective="C1",
    changing="A1:A6",
    constraints=[("B1:B6", ">=", "1"), ("A1:A6", "bin")],
    engine="lp",
    optimum=2,
    answer={"A2": 1, "A4": 1},
)

fixed_charge = Model(
    name="fixed_charge",
    source="Winston, section 9.2: Gandhi Cloth, 75 dollars, 25 pairs of pants",
    cells={
        **table([[0, 0, 0], [0, 0, 0]], "B1"),
        "F1": "=6*B1+4*C1+7*D1-200*B2-150*C2-100*D2",
        **column(["=3*B1+2*C1+6*D1", "=4*B1+3*C1+4*D1"], "F3"),
        **column([150, 160], "G3"),
        **table([["=40*B2", "=53*C2", "=25*D2"]], "B4"),
    },
    objective="F1",
    sense="max",
    changing="B1:D1,B2:D2",
    constraints=[("F3:F4", "<=", "G3:G4"), ("B1:D1", "<=", "B4:D4"), ("B1:D1", "int"), ("B2:D2", "bin")],
    engine="lp",
    nonnegative=True,
    optimum=75,
    answer={"D1": 25, "D2": 1},
)

_ARCS = ((1, 2, 4), (1, 3, 3), (2, 4, 3), (2, 5, 2), (3, 5, 3), (4, 6, 2), (5, 6, 2))
shortest_path = Model(
    name="shortest_path",
    source="Winston, section 8.2: Powerco's network, 8 from plant 1 to city 6, through SUMIF over the arcs",
    cells={
        **table([[a, b, length, 0] for a, b, length in _ARCS], "A1"),
        **column([1, 2, 3, 4, 5, 6], "F1"),
        **column([f"=SUMIF(A$1:A$7,F{k},D$1:D$7)-SUMIF(B$1:B$7,F{k},D$1:D$7)" for k in range(1, 7)], "G1"),
        **column([1, 0, 0, 0, 0, -1], "H1"),
        "J1": "=SUMPRODUCT(C1:C7,D1:D7)",
    },
    objective="J1",
    changing="D1:D7",
    constraints=[("G1:G6", "=", "H1:H6")],
    engine="lp",
    nonnegative=True,
    optimum=8,
)

maximum_flow = Model(
    name="maximum_flow",
    source="Winston, section 8.3: Sunco Oil's pipelines, 3 million barrels an hour",
    cells={  # so-1, so-2, 1-2, 1-3, 3-si, 2-si
        **column([0] * 6, "A1"),
        **column([2, 3, 3, 4, 1, 2], "B1"),
        **column(["=A1-A3-A4", "=A2+A3-A6", "=A4-A5"], "C1"),
        "D1": "=A1+A2",
    },
    objective="D1",
    sense="max",
    changing="A1:A6",
    constraints=[("A1:A6", "<=", "B1:B6"), ("C1:C3", "=", "0")],
    engine="lp",
    nonnegative=True,
    optimum=3,
)

inventory = Model(
    name="inventory",
    source="Winston, section 3.10: Sailco, 78,450 dollars; stock of one quarter from the one before",
    cells={
        **table([[0] * 4, [0] * 4], "B1"),
        "A3": 10,
        **table([[f"={left}3+{c}1+{c}2-{c}4" for left, c in ("AB", "BC", "CD", "DE")], [40, 60, 75, 25]], "B3"),
        "G1": "=400*SUM(B1:E1)+450*SUM(B2:E2)+20*SUM(B3:E3)",
    },
    objective="G1",
    changing="B1:E2",
    constraints=[("B1:E1", "<=", "40"), ("B3:E3", ">=", "0")],
    engine="lp",
    nonnegative=True,
    optimum=78450,
)

integer_mix = Model(
    name="integer_mix",
    source="Winston, section 9.3: Telfa, 40 dollars from 5 tables; the relaxation gives 41.25",
    cells={"A1": 0, "B1": 0, "C1": "=8*A1+5*B1", **column(["=A1+B1", "=9*A1+5*B1"], "A3"), **column([6, 45], "B3")},
    objective="C1",
    sense="max",
    changing="A1:B1",
    constraints=[("A3:A4", "<=", "B3:B4"), ("A1:B1", "int")],
    engine="lp",
    nonnegative=True,
    names={"solver_tol": "0"},
    optimum=40,
    answer={"A1": 5, "B1": 0},
)

linear_by_grg = replace(
    product_mix,
    name="linear_by_grg",
    source="Hillier, section 3.1, given to GRG Nonlinear: the program proves that it is linear",
    engine="grg",
)

BOOKS = [
    product_mix,
    diet,
    transport,
    assignment,
    knapsack,
    blending,
    workforce,
    facility_location,
    set_cover,
    fixed_charge,
    shortest_path,
    maximum_flow,
    inventory,
    integer_mix,
    linear_by_grg,
]
