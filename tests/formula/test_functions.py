"""Functions that Gnumeric has not, against values worked out by hand or by SciPy; and which functions there are."""

from __future__ import annotations

import math
from importlib import import_module

import pytest
import scipy.stats

from xlcollab.formula import functions
from xlcollab.xlsx.cells import ErrorValue

CELLS = {
    **{f"A{r}": v for r, v in enumerate([3, 1, 4, 1, 5, 9, 2, 6], 1)},
    **{f"B{r}": v for r, v in enumerate(["pear", "Apple", "fig", "apple", "kiwi", "fig", "plum", "lime"], 1)},
    **{f"C{r}": v for r, v in enumerate([10, 20, 30, 40, 50, 60, 70, 80], 1)},
    **{f"D{r}": v for r, v in enumerate([1, "=1/0", 3, "=NA()", "x", True, 7], 1)},
}
MISSING = ErrorValue("#N/A")


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        # XLOOKUP(key, where, from, otherwise, mode, order); mode -1: or the next smaller, 1: larger, 2: wildcards.
        ('XLOOKUP("fig",B1:B8,C1:C8)', 30.0),
        ('XLOOKUP("fig",B1:B8,C1:C8,0,0,-1)', 60.0),
        ('XLOOKUP("APPLE",B1:B8,C1:C8)', 20.0),
        ('XLOOKUP("zz",B1:B8,C1:C8)', MISSING),
        ('XLOOKUP("zz",B1:B8,C1:C8,"none")', "none"),
        ('XLOOKUP("pl*",B1:B8,C1:C8)', MISSING),
        ('XLOOKUP("pl*",B1:B8,C1:C8,,2)', 70.0),
        ("XLOOKUP(7,A1:A8,C1:C8,,-1)", 80.0),
        ("XLOOKUP(7,A1:A8,C1:C8,,1)", 60.0),
        ("XLOOKUP(99,A1:A8,C1:C8,,1)", MISSING),
        ("SUM(XLOOKUP(4,A1:A8,A1:C8))", 34.0),
        ("XLOOKUP(20,A1:C1,A2:C2,-1)", -1.0),
        ("XMATCH(4,A1:A8)", 3.0),
        ("XMATCH(7,A1:A8,-1)", 8.0),
        ("XMATCH(1,A1:A8,0,-1)", 4.0),
        ('XMATCH("?ig",B1:B8,2)', 3.0),
        ("XMATCH(99,A1:A8)", MISSING),
        ("LET(x,A1*2,y,x+A2,x*y)", 42.0),
        ("LET(x,1,LET(x,2,x)+x)", 3.0),
        ("LET(range,A1:A8,SUM(range)/COUNT(range))", 31 / 8),
        # Source of the rounding of negative numbers: Microsoft, "CEILING.MATH function", "FLOOR.MATH function".
        ("CEILING.MATH(24.3,5)", 25.0),
        ("CEILING.MATH(-8.1,2)", -8.0),
        ("CEILING.MATH(-5.5,2,-1)", -6.0),
        ("CEILING.MATH(6.7)", 7.0),
        ("FLOOR.MATH(24.3,5)", 20.0),
        ("FLOOR.MATH(-8.1,2)", -10.0),
        ("FLOOR.MATH(-5.5,2,-1)", -4.0),
        ("CEILING.PRECISE(-4.1,2)", -4.0),
        ("NORM.S.DIST(1.3,TRUE)", scipy.stats.norm.cdf(1.3)),
        ("NORM.S.DIST(1.3,FALSE)", scipy.stats.norm.pdf(1.3)),
        ("NORM.S.INV(0.2)", scipy.stats.norm.ppf(0.2)),
        ("T.INV.2T(0.05,10)", scipy.stats.t.ppf(0.975, 10)),
        ("T.DIST.RT(1.5,10)", scipy.stats.t.sf(1.5, 10)),
        ("CHISQ.DIST.RT(3,4)", scipy.stats.chi2.sf(3, 4)),
        ("F.INV.RT(0.05,3,8)", scipy.stats.f.isf(0.05, 3, 8)),
        ("GAMMA.INV(0.3,3,1.5)", scipy.stats.gamma.ppf(0.3, 3, scale=1.5)),
        ("BETA.INV(0.3,2,5)", scipy.stats.beta.ppf(0.3, 2, 5)),
        ("SUM(SEQUENCE(4,2,10,5))", sum(range(10, 50, 5))),
        ("INDEX(SEQUENCE(2,3),2,1)", 4.0),
        ('TEXTJOIN(",",TRUE,SEQUENCE(3,,5))', "5,6,7"),
        ("SEQUENCE(0)", ErrorValue("#CALC!")),
        ('TEXTJOIN(",",TRUE,SORT(A1:A8))', "1,1,2,3,4,5,6,9"),
        ('TEXTJOIN(",",TRUE,SORT(B1:B8,1,-1))', "plum,pear,lime,kiwi,fig,fig,Apple,apple"),
        ("INDEX(SORT(A1:C8,3,-1),1,1)", 6.0),
        ("INDEX(SORT(A1:C8,{1,3},{1,-1}),1,3)", 40.0),
        ("INDEX(SORT(A1:C1,1,-1,TRUE),1,2)", 10.0),
        ("INDEX(SORTBY(C1:C8,B1:B8,1,A1:A8,-1),1,1)", 20.0),
        ("SUM(FILTER(C1:C8,A1:A8>3))", 220.0),
        ("SUM(FILTER(A1:C8,A1:A8=4))", 34.0),
        ('FILTER(A1:A8,A1:A8>99,"none")', "none"),
        ("FILTER(A1:A8,A1:A8>99)", ErrorValue("#CALC!")),
        ("FILTER(A1:A8,A1:A7>0)", ErrorValue("#VALUE!")),
        ("FILTER(A1:A7,D1:D7>0)", ErrorValue("#DIV/0!")),
        ('TEXTJOIN(",",TRUE,UNIQUE(B1:B8))', "pear,Apple,fig,kiwi,plum,lime"),
        ("SUM(UNIQUE(A1:A8,FALSE,TRUE))", 29.0),
        ("ROWS(UNIQUE(A1:A8))", 7.0),
        ("SUM(TAKE(A1:C8,-2,1))", 8.0),
        ("SUM(TAKE(A1:C8,,-1))", 360.0),
        ("SUM(DROP(A1:A8,6))", 8.0),
        ("DROP(A1:A8,8)", ErrorValue("#CALC!")),
        ("SUM(CHOOSEROWS(A1:A8,1,-1))", 9.0),
        ("CHOOSEROWS(A1:A8,9)", ErrorValue("#VALUE!")),
        ("SUM(CHOOSECOLS(A1:C2,3))", 30.0),
        ("SUM(VSTACK(A1:A3,C1:C2))", 38.0),
        ("INDEX(VSTACK(A1:A2,B1:C1),1,2)", MISSING),
        ('TEXTJOIN(",",TRUE,HSTACK(A1:A2,B1:B2))', "3,pear,1,Apple"),
        ('TEXTJOIN(",",TRUE,TOROW(A1:C2))', "3,pear,10,1,Apple,20"),
        ('TEXTJOIN(",",TRUE,TOCOL(A1:B2,0,TRUE))', "3,1,pear,Apple"),
        ("SUM(TOCOL(D1:D7,2))", 11.0),
        # AGGREGATE's options 0 to 3 pass over subtotals, 1, 3, 5, 7 over hidden rows, 2, 3, 6, 7 over errors.
        ("AGGREGATE(9,6,D1:D7)", 11.0),
        ("AGGREGATE(1,6,D1:D7)", 11 / 3),
        ("AGGREGATE(9,4,D1:D7)", ErrorValue("#DIV/0!")),
        ("AGGREGATE(14,6,D1:D7,2)", 3.0),
        ("AGGREGATE(15,6,C1:C8/(A1:A8>3),1)", 30.0),
        ("AGGREGATE(12,4,A1:A8)", 3.5),
        ("AGGREGATE(16,4,A1:A8,0.5)", 3.5),
        ("AGGREGATE(3,7,D1:D7)", 5.0),
        ("AGGREGATE(20,4,A1:A8)", ErrorValue("#VALUE!")),
        ("AGGREGATE(14,4,A1:A8)", ErrorValue("#VALUE!")),
        ("LOGNORM.DIST(4,3.5,1.2,TRUE)", scipy.stats.norm.cdf((math.log(4) - 3.5) / 1.2)),
        ('HYPERLINK("https://example.org","there")', "there"),
    ],
)
def test_functions_that_gnumeric_has_not_are_as_documented(value_of, formula, value):
    found = value_of(formula, CELLS)
    assert found == (pytest.approx(value, rel=1e-12) if isinstance(value, float) else value)


def test_a_subtotal_passes_over_the_subtotals_among_its_cells(computed):
    cells = {
        "A1": 1,
        "A2": 2,
        "A3": "=SUBTOTAL(9,A1:A2)",
        "A4": 4,
        "A5": "=SUBTOTAL(109,A4)",
        "A6": "=SUBTOTAL(9,A1:A5)",
    }
    found = computed(
        {**cells, "B1": "=AGGREGATE(9,0,A1:A6)", "B2": "=AGGREGATE(9,4,A1:A6)", "B3": "=SUBTOTAL(3,A1:A6)"}
    )
    assert (found["A6"], found["B1"], found["B2"], found["B3"]) == (7.0, 7.0, 21.0, 3.0)


@pytest.fixture
def with_hidden_row(tmp_path):
    """A1:A3 with 1, 2 and 4, the second row hidden, and what a formula in C1 gives there."""
    from openpyxl import Workbook as OpenpyxlBook

    from xlcollab.formula.recalculate import recompute
    from xlcollab.xlsx.workbook import Workbook

    def value(formula):
        book = OpenpyxlBook()
        sheet = book.active
        for row, number in enumerate((1, 2, 4), 1):
            sheet.cell(row, 1).value = number
        sheet.row_dimensions[2].hidden = True
        sheet["C1"] = "=" + formula
        book.save(tmp_path / "hidden.xlsx")
        found = recompute(Workbook.open(tmp_path / "hidden.xlsx"), {})
        at = ("Sheet", 1, 3)
        return found.failed.get(at, found.values.get(at))

    return value


@pytest.mark.parametrize(
    ("formula", "value"),
    [("SUBTOTAL(109,A1:A3)", 5.0), ("AGGREGATE(9,5,A1:A3)", 5.0), ("AGGREGATE(9,4,A1:A3)", 7.0), ("SUM(A1:A3)", 7.0)],
)
def test_hidden_rows_are_passed_over_where_asked_for(with_hidden_row, formula, value):
    assert with_hidden_row(formula) == value


def test_a_subtotal_that_asks_what_hid_a_row_is_refused(with_hidden_row):
    assert "SUBTOTAL counts rows of which some are hidden" in with_hidden_row("SUBTOTAL(9,A1:A3)")


@pytest.mark.parametrize(
    ("formula", "reason"),
    [
        ("LAMBDA(x,x+1)(3)", "the function LAMBDA is not supported"),
        ("SUM(MAP(A1:A3,LAMBDA(x,x*2)))", "the function MAP is not supported"),
        ("CUBEVALUE(1)", "the function CUBEVALUE is not supported"),
        ("NOW()+1", "uses NOW, whose value changes by itself"),
        ("IF(FALSE,RAND(),1)", "uses RAND, whose value changes by itself"),
        ("SIN()", "SIN does not take 0 arguments"),
        ("SIN(1,2)", "SIN does not take 2 arguments"),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(value_of, formula, reason):
    assert reason in value_of(formula, CELLS)


# The functions that Solver models in public workbooks use, and those that come with them.
WANTED = """
    SUM SUMPRODUCT SUMSQ SUMXMY2 SUMX2MY2 SUMX2PY2 AVERAGE COUNT COUNTA COUNTIF COUNTIFS SUMIF SUMIFS AVERAGEIF
    AVERAGEIFS MIN MAX ABS SIGN SQRT EXP LN LOG LOG10 POWER PI MOD INT ROUND ROUNDUP ROUNDDOWN CEILING FLOOR IF
    IFS IFERROR AND OR NOT CHOOSE INDEX MATCH VLOOKUP HLOOKUP XLOOKUP LOOKUP OFFSET ROW COLUMN ROWS COLUMNS
    TRANSPOSE MMULT MINVERSE MDETERM STDEV STDEV.S STDEV.P VAR VAR.S VAR.P COVAR COVARIANCE.S COVARIANCE.P CORREL
    SLOPE INTERCEPT RSQ MEDIAN LARGE SMALL RANK NORM.DIST NORM.S.DIST NORM.INV NORM.S.INV POISSON.DIST BINOM.DIST
    GAMMALN FACT COMBIN SIN COS TAN ASIN ACOS ATAN ATAN2 TANH RADIANS DEGREES NPV PV FV PMT IRR RATE
"""


@pytest.mark.parametrize("name", WANTED.split())
def test_there_is(name):
    assert functions.is_supported(name)
    assert functions.load(name).name == name


@pytest.mark.parametrize("family", functions.FAMILIES)
def test_a_family_lists_the_functions_that_its_module_declares(family):
    listed = functions.FAMILIES[family].split()
    assert sorted(listed) == sorted(set(listed))
    module = import_module(f"xlcollab.formula.functions.{family}")
    assert set(listed) == set(module.TABLE)


def test_no_function_is_listed_twice():
    names = [name for family in functions.FAMILIES.values() for name in family.split()]
    assert len(names) == len(set(names))


def test_formulas_filled_down_choose_what_each_of_them_names(computed):
    cells = {f"{c}{r}": v * 10**p for p, c in enumerate("ABC") for r, v in enumerate((1, 2, 3), 1)}
    rows = {f"E{r}": r for r in (1, 2, 3)}
    filled = {f"F{r}": f"=SUM(CHOOSEROWS($A$1:$C$3,E{r}))" for r in (1, 2, 3)}
    across = {f"G{r}": f"=SUM(CHOOSECOLS($A$1:$C$3,E{r}))" for r in (1, 2, 3)}
    found = computed({**cells, **rows, **filled, **across})
    assert [found[f"F{r}"] for r in (1, 2, 3)] == [111.0, 222.0, 333.0]
    assert [found[f"G{r}"] for r in (1, 2, 3)] == [6.0, 60.0, 600.0]


def test_an_error_among_criteria_is_that_of_its_own_cell(computed):
    cells = {"A1": 10, "B1": 100, "A2": "=1/0", "B2": 1, "A3": 30, "B3": 300}
    found = computed({**cells, **{f"F{r}": f"=SUM(FILTER(A{r}:B{r},A{r}:B{r}>5))" for r in (1, 2, 3)}})
    assert [found[f"F{r}"] for r in (1, 2, 3)] == [110.0, ErrorValue("#DIV/0!"), 330.0]


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        # Microsoft, "XLOOKUP function": an error as the key is no key that was not found.
        ('XLOOKUP(1/0,A1:A8,C1:C8,"none")', ErrorValue("#DIV/0!")),
        ("XLOOKUP(4,A1:A8,C1:C7)", ErrorValue("#VALUE!")),
        ("XLOOKUP(4,A1:A8,A1:C1)", ErrorValue("#VALUE!")),
        ("XLOOKUP(4,A1:C8,C1:C8)", ErrorValue("#VALUE!")),
        ("XLOOKUP(4,A1:A8,C1:C8,,7)", ErrorValue("#VALUE!")),
        ("XMATCH(4,A1:C8)", ErrorValue("#VALUE!")),
        ("AGGREGATE(9,6,A1:A3*1)", ErrorValue("#VALUE!")),  # 1 to 13 take references only
        ("AGGREGATE(14,6,A1:A3*1,1)", 4.0),
        ("SUM(FILTER(C1:C8,B1:B8))", ErrorValue("#VALUE!")),
    ],
)
def test_what_does_not_fit_is_an_error_as_in_excel(value_of, formula, value):
    assert value_of(formula, CELLS) == value


def test_regressors_that_follow_from_each_other_are_refused(value_of):
    cells = {
        f"{c}{r}": v for r in range(1, 6) for c, v in zip("ABC", (r, r * 2 / 3, 2 * r + (-1) ** r / 10), strict=True)
    }
    assert "regressors of which one follows from the others" in value_of("SUM(LINEST(C1:C5,A1:B5))", cells)
    assert value_of("SUM(LINEST(C1:C5,A1:A5))", cells) == pytest.approx(2.04, abs=0.1)
