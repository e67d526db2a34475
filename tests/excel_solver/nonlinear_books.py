"""Nonlinear models with known optima: closed forms, certified fits, published test problems.

"NIST" is the Statistical Reference Datasets for nonlinear regression (https://www.itl.nist.gov/div898/strd), whose fits
are certified to eleven digits; the start is their first, the farther one.
"""

from __future__ import annotations

import math

import numpy as np
from openpyxl.utils import get_column_letter
from solver_books import Model, column, table


def _fit(
    name: str, source: str, x: list[float], y: list[float], formula: str, start: list[float], rss: float, b: list[float]
) -> Model:
    """Least squares of ``formula`` in x at column A and the parameters B1, B2, …, as SUMXMY2 over two columns."""
    rows = range(10, 10 + len(x))
    return Model(
        name=name,
        source=source,
        cells={
            **column(start, "B1"),
            **column(x, "A10"),
            **column(y, "B10"),
            **column([f"={formula.replace('x', f'A{row}')}" for row in rows], "C10"),
            "D1": f"=SUMXMY2(B10:B{rows[-1]},C10:C{rows[-1]})",
        },
        objective="D1",
        changing=f"B1:B{len(start)}",
        optimum=rss,
        answer={f"B{i + 1}": value for i, value in enumerate(b)},
        tolerance=1e-7,
    )


misra1a = _fit(
    "misra1a",
    "NIST Misra1a",
    [77.6, 114.9, 141.1, 190.8, 239.9, 289, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760],
    [10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.4, 75.47, 81.78],
    "$B$1*(1-EXP(-$B$2*x))",
    [500, 0.0001],
    0.12455138894,
    [238.94212918, 0.00055015643181],
)
rat42 = _fit(
    "rat42",
    "NIST Rat42",
    [9, 14, 21, 28, 42, 57, 63, 70, 79],
    [8.93, 10.8, 18.59, 22.33, 39.35, 56.11, 61.73, 64.62, 67.08],
    "$B$1/(1+EXP($B$2-$B$3*x))",
    [100, 1, 0.1],
    8.0565229338,
    [72.462237576, 2.6180768402, 0.067359200066],
)
rat43 = _fit(
    "rat43",
    "NIST Rat43",
    list(range(1, 16)),
    [16.08, 33.83, 65.8, 97.2, 191.55, 326.2, 386.87, 520.53, 590.03, 651.92, 724.93, 699.56, 689.96, 637.56, 717.41],
    "$B$1/(1+EXP($B$2-$B$3*x))^(1/$B$4)",
    [100, 10, 1, 1],
    8786.404908,
    [699.6415127, 5.2771253025, 0.75962938329, 1.2792483859],
)
boxbod = _fit(
    "boxbod",
    "NIST BoxBOD",
    [1, 2, 3, 5, 7, 10],
    [109, 149, 149, 191, 213, 224],
    "$B$1*(1-EXP(-$B$2*x))",
    [1, 1],
    1168.0088766,
    [213.80940889, 0.54723748542],
)

_MEAN, _COV = np.array([0.14, 0.11, 0.10]), np.array([[0.20, 0.05, 0.02], [0.05, 0.08, 0.03], [0.02, 0.03, 0.18]])


def _least_variance(mean: np.ndarray, covariance: np.ndarray, wanted: float) -> np.ndarray:
    """The shares of least risk that sum to 1 and return what is wanted, by the Lagrange system."""
    n = len(mean)
    sides = np.column_stack([np.ones(n), mean])
    system = np.block([[2 * covariance, sides], [sides.T, np.zeros((2, 2))]])
    return np.linalg.solve(system, [*np.zeros(n), 1, wanted])[:n]


def _portfolio(name: str, mean: np.ndarray, covariance: np.ndarray, relation: str, *, nonnegative: bool) -> Model:
    """Shares down column A, returns at B, covariances from D on; a return of 12% is wanted."""
    n = len(mean)
    shares = _least_variance(mean, covariance, 0.12)
    last = f"{get_column_letter(n + 3)}{n}"
    return Model(
        name=name,
        source=f"{n} shares after Winston, chapter 12: Lagrange system solved by NumPy; MMULT and TRANSPOSE",
        cells={
            **column([1 / n] * n, "A1"),
            **column(mean.tolist(), "B1"),
            **{f"{get_column_letter(4 + j)}{i + 1}": float(covariance[i, j]) for i in range(n) for j in range(n)},
            f"A{n + 2}": f"=SUM(A1:A{n})",
            f"B{n + 2}": f"=SUMPRODUCT(A1:A{n},B1:B{n})",
            f"D{n + 2}:D{n + 2}": f"{{=MMULT(TRANSPOSE(A1:A{n}),MMULT(D1:{last},A1:A{n}))}}",
        },
        objective=f"D{n + 2}",
        changing=f"A1:A{n}",
        constraints=[(f"A{n + 2}", "=", "1"), (f"B{n + 2}", relation, "=Required_return")],
        defined={"Required_return": "0.12"},
        nonnegative=nonnegative,
        optimum=float(shares @ covariance @ shares),
        answer={f"A{i + 1}": float(share) for i, share in enumerate(shares)},
    )


portfolio = _portfolio("portfolio", _MEAN, _COV, ">=", nonnegative=True)

_RNG = np.random.default_rng(1)
_LOADINGS = _RNG.normal(0, 0.1, (100, 10))
portfolio_of_100 = _portfolio(
    "portfolio_of_100",
    _RNG.normal(0.08, 0.04, 100),
    _LOADINGS @ _LOADINGS.T + np.diag(_RNG.uniform(0.01, 0.05, 100)),
    "=",
    nonnegative=False,
)

_TANGENCY = np.linalg.solve(_COV, _MEAN - 0.03)
_TANGENCY = _TANGENCY / _TANGENCY.sum()
sharpe = Model(
    name="sharpe",
    source="tangency portfolio Σ⁻¹(μ − r): Sharpe ratio √((μ−r)ᵀΣ⁻¹(μ−r)), e.g. Luenberger, Investment Science, 6.10",
    cells={
        **column([1, 0, 0], "A1"),
        **column(_MEAN.tolist(), "B1"),
        **table(_COV.tolist(), "D1"),
        "A5": "=SUM(A1:A3)",
        "D5:D5": "{=(SUMPRODUCT(A1:A3,B1:B3)-0.03)/SQRT(MMULT(TRANSPOSE(A1:A3),MMULT(D1:F3,A1:A3)))}",
    },
    objective="D5",
    sense="max",
    changing="A1:A3",
    constraints=[("A5", "=", "1")],
    optimum=float(np.sqrt((_MEAN - 0.03) @ np.linalg.solve(_COV, _MEAN - 0.03))),
    answer={f"A{i + 1}": float(share) for i, share in enumerate(_TANGENCY)},
    tolerance=1e-5,
)

_HOURS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 1.75, 2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 4, 4.25, 4.5, 4.75, 5, 5.5]
_PASSED = [0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1]
logistic = Model(
    name="logistic",
    source="Wikipedia, Logistic regression, hours of study: β₀ = −4.0777, β₁ = 1.5046, log-likelihood −8.02988",
    cells={
        "D1": 0,
        "D2": 0,
        **column(_HOURS, "A1"),
        **column(_PASSED, "B1"),
        **column(
            [f"=B{r}*LN(1/(1+EXP(-D$1-D$2*A{r})))+(1-B{r})*LN(1-1/(1+EXP(-D$1-D$2*A{r})))" for r in range(1, 21)], "C1"
        ),
        "E1": "=SUM(C1:C20)",
    },
    objective="E1",
    sense="max",
    changing="D1:D2",
    optimum=-8.02988,
    answer={"D1": -4.07771, "D2": 1.50465},
    tolerance=1e-5,
)

_WAITS = [1.2, 0.4, 3.1, 2.2, 0.9, 1.7, 0.3, 2.8]
exponential = Model(
    name="exponential",
    source="maximum likelihood of an exponential distribution: λ = 1/mean; the saved cell is small but positive",
    cells={
        **column(_WAITS, "A1"),
        **column([f"=LN(C$1)-C$1*A{r}" for r in range(1, 9)], "B1"),
        "C1": 0.01,
        "D1": "=SUM(B1:B8)",
    },
    objective="D1",
    sense="max",
    changing="C1",
    optimum=8 * math.log(8 / sum(_WAITS)) - 8,
    answer={"C1": 8 / sum(_WAITS)},
)

_X, _Y = list(range(10)), [2.1, 3.9, 6.2, 7.8, 10.1, 12.2, 13.8, 16.1, 18.0, 19.9]
_LINE = np.polyfit(_X, _Y, 1)
regression = Model(
    name="regression",
    source="straight line by least squares: numpy.polyfit",
    cells={
        **column(_X, "A1"),
        **column(_Y, "B1"),
        **column([f"=(B{r}-$E$1-$E$2*A{r})^2" for r in range(1, 11)], "C1"),
        "E1": 0,
        "E2": 0,
        "F1": "=SQRT(SUM(C1:C10)/COUNT(B1:B10))",
    },
    objective="F1",
    changing="E1:E2",
    optimum=float(np.sqrt(np.mean((np.polyval(_LINE, _X) - _Y) ** 2))),
    answer={"E1": float(_LINE[1]), "E2": float(_LINE[0])},
)

order_quantity = Model(
    name="order_quantity",
    source="economic order quantity (Harris 1913): √(2·D·K/h), cost √(2·D·K·h)",
    cells={"A1": 100, "B1": "=1200*40/A1+A1*6/2"},
    objective="B1",
    changing="A1",
    constraints=[("A1", ">=", "1")],
    optimum=math.sqrt(2 * 1200 * 40 * 6),
    answer={"A1": math.sqrt(2 * 1200 * 40 / 6)},
)

utility = Model(
    name="utility",
    source="Cobb-Douglas: shares 0.3 and 0.7 of a budget of 120 go to goods at prices 4 and 6",
    cells={"A1": 1, "A2": 1, "B1": "=A1^0.3*A2^0.7", "C1": "=4*A1+6*A2"},
    objective="B1",
    sense="max",
    changing="A1:A2",
    constraints=[("C1", "<=", "120")],
    nonnegative=True,
    optimum=9**0.3 * 14**0.7,
    answer={"A1": 9, "A2": 14},
    tolerance=1e-5,
)

can = Model(
    name="can",
    source="can of 1,000 cm³ with least sheet metal: height = diameter; r = (V/2π)^⅓",
    cells={"A1": 3, "A2": 8, "B1": "=2*PI()*A1^2+2*PI()*A1*A2", "B2": "=PI()*A1^2*A2"},
    objective="B1",
    changing="A1:A2",
    constraints=[("B2", ">=", "=500+500"), ("A1:A2", ">=", "0.1")],
    optimum=6 * math.pi * (500 / math.pi) ** (2 / 3),
    answer={"A1": (500 / math.pi) ** (1 / 3), "A2": 2 * (500 / math.pi) ** (1 / 3)},
    tolerance=1e-5,
)

rosenbrock = Model(
    name="rosenbrock",
    source="Rosenbrock 1960: 0 at (1, 1), from (-1.2, 1)",
    cells={"A1": -1.2, "B1": 1, "C1": "=100*(B1-A1^2)^2+(1-A1)^2"},
    objective="C1",
    changing="A1:B1",
    optimum=0,
    answer={"A1": 1, "B1": 1},
)

_PAIRS = [(i, j) for i in range(1, 6) for j in range(1, i)]
circles = Model(
    name="circles",
    source="five equal circles in the unit square, radius (√2 − 1)/2: one in the middle, four in the corners",
    cells={
        **column([0.2, 0.8, 0.2, 0.8, 0.5], "A1"),
        **column([0.2, 0.3, 0.8, 0.7, 0.4], "B1"),
        "C1": 0.05,
        "D1": "=C1",
        **column([f"=(A{i}-A{j})^2+(B{i}-B{j})^2-4*C$1^2" for i, j in _PAIRS], "E1"),
        **column([f"={letter}{i}-C$1" for letter in "AB" for i in range(1, 6)], "F1"),
        **column([f"={letter}{i}+C$1" for letter in "AB" for i in range(1, 6)], "G1"),
    },
    objective="D1",
    sense="max",
    changing="A1:B5,C1",
    constraints=[("E1:E10", ">=", "0"), ("F1:F10", ">=", "0"), ("G1:G10", "<=", "1")],
    optimum=(math.sqrt(2) - 1) / 2,
)

six_hump_camel = Model(
    name="six_hump_camel",
    source="Dixon and Szegö 1978: −1.031628453, in two of six minima; Multistart on",
    cells={"A1": 1.6, "A2": 0.5, "B1": "=(4-2.1*A1^2+A1^4/3)*A1^2+A1*A2+(-4+4*A2^2)*A2^2"},
    objective="B1",
    changing="A1:A2",
    constraints=[("A1", ">=", "-3"), ("A1", "<=", "3"), ("A2", ">=", "-2"), ("A2", "<=", "2")],
    names={"solver_msl": "1", "solver_ssz": "60", "solver_rsd": "7"},
    optimum=-1.0316284535,
    code=17,
)

integer_quadratic = Model(
    name="integer_quadratic",
    source="own figures: (x−2.6)² + (y−1.3)² + xy/4 over whole numbers; all points from -3 to 6 were tried",
    cells={"A1": 0, "A2": 0, "B1": "=(A1-2.6)^2+(A2-1.3)^2+A1*A2/4"},
    objective="B1",
    changing="A1:A2",
    constraints=[("A1:A2", "int"), ("A1:A2", "<=", "6"), ("A1:A2", ">=", "-3")],
    names={"solver_tol": "0"},
    optimum=min((x - 2.6) ** 2 + (y - 1.3) ** 2 + x * y / 4 for x in range(-3, 7) for y in range(-3, 7)),
)

_RELIABLE, _PRICES = (0.9, 0.75, 0.65, 0.8), (6, 4, 3, 5)


def _most_reliable() -> float:
    options = [(a, b, c, d) for a in range(1, 6) for b in range(1, 8) for c in range(1, 10) for d in range(1, 6)]
    return max(
        math.prod(1 - (1 - r) ** k for r, k in zip(_RELIABLE, n, strict=True))
        for n in options
        if sum(p * k for p, k in zip(_PRICES, n, strict=True)) <= 40
    )


redundancy = Model(
    name="redundancy",
    source="reliability of four stages with spare parts (Winston, chapter 18, in kind): all allocations were tried",
    cells={
        **column([1, 1, 1, 1], "A1"),
        **column(list(_RELIABLE), "B1"),
        **column(list(_PRICES), "C1"),
        **column([f"=1-(1-B{r})^A{r}" for r in range(1, 5)], "D1"),
        "E1": "=PRODUCT(D1:D4)",
        "E2": "=SUMPRODUCT(A1:A4,C1:C4)",
    },
    objective="E1",
    sense="max",
    changing="A1:A4",
    constraints=[("E2", "<=", "40"), ("A1:A4", "int"), ("A1:A4", ">=", "1")],
    names={"solver_tol": "0"},
    optimum=_most_reliable(),
)

loan = Model(
    name="loan",
    source="numpy-financial's documentation: pmt(0.075/12, 12*15, 200000) = −1854.02472; the amount is asked for",
    cells={"A1": 100000, "B1": "=PMT(7.5%/12,12*15,A1)"},
    objective="B1",
    sense="value",
    target=-1854.0247200054619,
    changing="A1",
    optimum=-1854.0247200054619,
    answer={"A1": 200000},
)

irr = Model(
    name="irr",
    source="numpy-financial's documentation: irr([-100, 39, 59, 55, 20]) = 0.28095; the rate at which NPV is 0",
    cells={**table([[-100, 39, 59, 55, 20]], "A1"), "A3": 0.1, "A4": "=A1+NPV(A3,B1:E1)"},
    objective="A4",
    sense="value",
    target=0,
    changing="A3",
    optimum=0,
    answer={"A3": 0.2809484},
    tolerance=1e-6,
)

break_even = Model(
    name="break_even",
    source="own figures: profit 30·q − 12·q − 4500 is 0 at 250; a linear model that has to reach a value",
    cells={"A1": 10, "B1": "=30*A1-12*A1-4500"},
    objective="B1",
    sense="value",
    target=0,
    changing="A1",
    constraints=[("A1", ">=", "0")],
    optimum=0,
    answer={"A1": 250},
)

nearest_point = Model(
    name="nearest_point",
    source="x² + y² is to be 25 from (3, 3), the nearest such point is 5/√2 along the diagonal",
    cells={"A1": 3, "A2": 3, "B1": "=SUMSQ(A1:A2)"},
    objective="B1",
    sense="value",
    target=25,
    changing="A1:A2",
    optimum=25,
    answer={"A1": 5 / math.sqrt(2), "A2": 5 / math.sqrt(2)},
    tolerance=1e-5,
)

BOOKS = [
    misra1a,
    rat42,
    rat43,
    boxbod,
    portfolio,
    portfolio_of_100,
    circles,
    sharpe,
    logistic,
    exponential,
    regression,
    order_quantity,
    utility,
    can,
    rosenbrock,
    six_hump_camel,
    integer_quadratic,
    redundancy,
    loan,
    irr,
    break_even,
    nearest_point,
]
