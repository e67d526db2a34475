"""Every differentiable function's gradient against central differences."""

from __future__ import annotations

import numpy as np
import pytest
from openpyxl import Workbook as OpenpyxlBook
from openpyxl.worksheet.formula import ArrayFormula

from xlcollab.errors import FormulaError
from xlcollab.formula import functions
from xlcollab.formula.parse import parse
from xlcollab.formula.program import compile_program
from xlcollab.formula.syntax import calls
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.workbook import Workbook

START = [1.3, 0.7, 2.1, 0.4, 3.2, 1.9]
COLUMNS = {2: [3, 1, 4, 1, 5, 9], 3: ["a", "b", "a", "c", "b", "a"], 4: [5, None, "x", True, 2, 7]}
# fmt: off
FORMULAS = [
    'A1+A2*A3-A4/A5',
    'A1^A2',
    'A1^2+A2^3',
    '-A1%',
    'SUM(A1:A6)',
    'SUM(A1:A3,A5,2)',
    'SUM(A1,A1:A6)',
    'SUMSQ(A1:A6)',
    'SUMSQ(A1:A3,A4)',
    'PRODUCT(A1:A6)',
    'PRODUCT(A1:A3,A5)',
    'SUMPRODUCT(A1:A6,B1:B6)',
    'SUMPRODUCT(A1:A6,A1:A6)',
    'SUMPRODUCT(A1:A6,A1:A6,B1:B6)',
    'SUMPRODUCT((C1:C6="a")*A1:A6)',
    'SUMPRODUCT(--(C1:C6="a"),A1:A6)',
    'SUMPRODUCT((A1:A6-B1:B6)^2)',
    'SUMPRODUCT(A1:A6,D1:D6)',
    'SUMXMY2(A1:A6,B1:B6)',
    'SUMXMY2(A1:A6,D1:D6)',
    'SUMX2MY2(A1:A6,D1:D6)',
    'SUMX2PY2(A1:A6,D1:D6)',
    'SUMXMY2(A1:A3,A4:A6)',
    'AVERAGE(A1:A6)',
    'AVERAGE(A1:A6,D1:D6)',
    'SUM(A1:D6)',
    'MIN(A1:A6)',
    'MAX(A1:A6,3)',
    'MAX(A1,A2*3)',
    'MIN(A1:D6)',
    'ABS(A1-A2)',
    'SQRT(A1)',
    'EXP(A2)',
    'LN(A1)',
    'LOG(A1)',
    'LOG(A1,A3)',
    'LOG10(A1)',
    'POWER(A1,A2)',
    'MOD(A5,A1)',
    'SIN(A1)',
    'COS(A1)',
    'TAN(A1)',
    'ASIN(A2)',
    'ACOS(A4)',
    'ATAN(A1)',
    'ATAN2(A1,A2)',
    'SINH(A1)',
    'COSH(A1)',
    'TANH(A1)',
    'ASINH(A1)',
    'ACOSH(A1)',
    'ATANH(A2)',
    'RADIANS(A1)',
    'DEGREES(A1)',
    'SQRTPI(A1)',
    'GAMMALN(A3)',
    'GAMMA(A3)',
    'IF(A1>A2,A1*A3,A2)',
    'IF(B1=3,A1^2,A2)',
    'IF(A1>1,A1,"")+A2',
    'SUM(IF(A1>1,A1,""),A2)',
    'IFERROR(A1/0,A2)',
    'IFERROR(A1/A2,5)',
    'IFS(A1>5,1,A2>0.5,A3*2,TRUE,9)',
    'CHOOSE(2,A1,A2*A2,A3)',
    'CHOOSE(A1+1,A1,A2*A2,A3)',
    'SWITCH(B1,1,A1,3,A2^2)',
    'AND(A1>1,A2<1)*A1',
    'NOT(A1>5)*A1+OR(A1>5,A2>0)*A3',
    'LET(x,A1*2,y,x+A2,x*y)',
    'INDEX(A1:A6,3)*2',
    'INDEX(A1:B6,B2+1,1)',
    'INDEX(A1:A6,A1*2)',
    'INDEX(A1:A6,MATCH("b",C1:C6,0))',
    'INDEX(B1:B6,MATCH(A3,B1:B6))*A1',
    'VLOOKUP(4,{4,5;6,7},2,FALSE)*A1',
    'VLOOKUP(1.3,A1:B6,1)*1+A2',
    'HLOOKUP(3,B1:B6,2,FALSE)*A1',
    'LOOKUP(2,B1:B6,A1:A6)',
    '_xlfn.XLOOKUP("c",C1:C6,A1:A6)',
    '_xlfn.XLOOKUP(5,B1:B6,A1:A6)+A1',
    '_xlfn.XLOOKUP("zz",C1:C6,A1:A6,A2*2)',
    'OFFSET(A1,2,0)*3',
    'SUM(OFFSET(A1,1,0,3,1))',
    'INDIRECT("A3")^2',
    'SUMIF(C1:C6,"a",A1:A6)',
    'SUMIFS(A1:A6,C1:C6,"a",B1:B6,">1")',
    'SUMIF(A1:A6,">1")',
    'SUMIF(A1:A6,">1",B1:B6)*A1',
    'AVERAGEIF(C1:C6,"b",A1:A6)',
    'AVERAGEIFS(A1:A6,B1:B6,">1")',
    'COUNTIF(A1:A6,">1")*A1',
    'COUNTIFS(A1:A6,">1",C1:C6,"a")*A2',
    '_xlfn.MAXIFS(A1:A6,C1:C6,"a")',
    '{SUM(A1:A6*B1:B6)}',
    '{SUM(IF(C1:C6="a",A1:A6,0))}',
    '{SUM(IF(A1:A6>1,A1:A6^2,0))}',
    '{SUM(TRANSPOSE(A1:A6)*{1,2,3,4,5,6})}',
    'SUM(MMULT(A1:B2,A3:B4))',
    'INDEX(MMULT(A1:B2,A3:B4),1,1)',
    'MMULT(TRANSPOSE(A1:A6),A1:A6)',
    'MDETERM(A1:B2)',
    'INDEX(MINVERSE(A1:B2),1,2)',
    '{SUM(MINVERSE(A1:B2)*{1,2;3,4})}',
    'SUMPRODUCT(TRANSPOSE(A1:A6),{1,2,3,4,5,6})',
    'STDEV(A1:A6)',
    'STDEVP(A1:A6)',
    'VAR(A1:A6)',
    'VARP(A1:A6)',
    'STDEV(A1:A3,A5)',
    'STDEV(A1:D6)',
    'DEVSQ(A1:A6)',
    'AVEDEV(A1:A6)',
    'GEOMEAN(A1:A6)',
    'HARMEAN(A1:A6)',
    'SKEW(A1:A6)',
    'KURT(A1:A6)',
    'STANDARDIZE(A1,A2,A3)',
    'COVAR(A1:A6,B1:B6)',
    '_xlfn.COVARIANCE.S(A1:A6,B1:B6)',
    'CORREL(A1:A6,B1:B6)',
    'CORREL(A1:A6,D1:D6)',
    'CORREL(A1:A3,A4:A6)',
    'SLOPE(A1:A6,B1:B6)',
    'SLOPE(B1:B6,A1:A6)',
    'INTERCEPT(A1:A6,B1:B6)',
    'INTERCEPT(B1:B6,A1:A6)',
    'RSQ(A1:A6,B1:B6)',
    'STEYX(A1:A6,B1:B6)',
    'FORECAST(A1,A1:A6,B1:B6)',
    'MEDIAN(A1:A6)',
    'MEDIAN(A1:A5)',
    'LARGE(A1:A6,2)',
    'SMALL(A1:A6,2)',
    'PERCENTILE(A1:A6,0.3)',
    'PERCENTILE(A1:A6,A4)',
    'QUARTILE(A1:A6,1)',
    'TRIMMEAN(A1:A6,0.4)',
    'RANK(A1,A1:A6)*A1',
    'AVERAGEA(A1:A6)',
    'NORM.DIST(A1,A2,A3,TRUE)',
    'NORM.DIST(A1,A2,A3,FALSE)',
    'NORMSDIST(A1)',
    'NORM.S.DIST(A1,FALSE)',
    'NORM.INV(A2,A1,A3)',
    'NORMSINV(A2)',
    'LOGNORM.DIST(A1,A2,A3,TRUE)',
    'LOGNORM.DIST(A1,A2,A3,FALSE)',
    'LOGNORM.INV(A2,A1,A3)',
    'POISSON(3,A1,TRUE)',
    'POISSON(3,A1,FALSE)',
    'POISSON(0,A1,FALSE)',
    'BINOM.DIST(3,10,A2,TRUE)',
    'BINOM.DIST(3,10,A2,FALSE)',
    'BINOM.DIST(10,10,A2,FALSE)',
    'EXPON.DIST(A1,A2,TRUE)',
    'EXPON.DIST(A1,A2,FALSE)',
    'WEIBULL(A1,A2,A3,TRUE)',
    'WEIBULL(A1,A2,A3,FALSE)',
    'CONFIDENCE(A4,A2,30)',
    'ERF(A1)',
    'ERF(A2,A1)',
    'ERFC(A1)',
    'GAUSS(A1)',
    'PHI(A1)',
    'NPV(A4,A1:A6)',
    'NPV(0.1,A1:A6)',
    'NPV(A4,D1:D6)',
    'PV(A4,10,A1,A2,0)',
    'PV(A4,A5,A1)',
    'FV(A4,A5,A1,A2,1)',
    'PMT(A4,A5,A1,A2)',
    'PMT(A4,12,A1)',
    'NPER(A4,-A5,A1)',
    'IPMT(A4,2,5,A1,A2)',
    'PPMT(A4,2,5,A1,A2,1)',
    'IRR({-10,0,0,0;1,2,3,4})*0+IRR(A1:A6-{4;0;0;0;0;0})',
    'RATE(48,-A1,30*A3)',
    'RATE(10,-A1,A5*2,A2,1)',
    'XNPV(A4,A1:A3,{39448;39508;39751})',
    'XIRR(A1:A3-{3;0;0},{39448;39508;39751})',
    'SLN(A1,A2,A3)',
    'EFFECT(A4,4)',
    'NOMINAL(A4,4)',
    'MIRR(A1:A6-{5;0;0;0;0;0},A4,A2)',
    'ROUND(A1,1)*A2',
    'INT(A5)*A2',
    'CEILING(A1,0.5)*A2',
    'N(A1)*A2',
    'ISNUMBER(A1)*A2',
    'SIGN(A1)*A2',
    'FACT(3)*A1',
    'TRUNC(A1*1.01,1)+A2',
    'VALUE("3")*A1',
    'SUM(C1:C6,A1:A6)',
    'MAX(0,A1-1)^2',
    'COUNT(A1:A6)*A2',
    'COUNTA(A1:D6)*A2',
    '_xlfn.MINIFS(A1:A6,C1:C6,"a")',
    'SYD(A1,A2,A3,A4)',
    'ISPMT(A1,A2,A3,A4)',
    'SUM(_xlfn._xlws.FILTER(A1:A6,C1:C6="a")^2)',
    'SUMPRODUCT(_xlfn.SORTBY(A1:A6,B1:B6),{1;2;3;4;5;6})',
    'SUMPRODUCT(_xlfn.SORTBY(A1:A6,C1:C6,-1,B1:B6,1),{1;2;3;4;5;6})',
    'SUMPRODUCT(_xlfn._xlws.SORT(B1:B6),A1:A6)',
    'SUM(_xlfn.UNIQUE(B1:B6))*A1',
    'SUM(_xlfn.TAKE(A1:A6,-2)^2)',
    'SUM(_xlfn.DROP(A1:B6,2,1)*A1)',
    'SUM(_xlfn.DROP(A1:A6,4)^2)',
    'SUM(_xlfn.CHOOSEROWS(A1:B6,1,-1)^2)',
    'SUM(_xlfn.CHOOSECOLS(A1:B6,-2)^3)',
    'SUMSQ(_xlfn.VSTACK(A1:A2,B1:B2,A4))',
    'SUMSQ(_xlfn.HSTACK(A1:A2,D1:D2,A4:A5))',
    'SUMPRODUCT(_xlfn.TOROW(A1:A6),{1,2,3,4,5,6})',
    'SUMSQ(_xlfn.TOCOL(A1:B6,0,TRUE))',
    'SUM(_xlfn.SEQUENCE(3)*A1)',
    'COT(A1)',
    'SEC(A1)',
    'CSC(A1)',
    'PI()*A1^2',
    'ISREF(A1)*A2',
    'HYPERLINK("x",A1)*A2',
    'XOR(A1>1,A2>1)*A3',
    'LOGNORMDIST(A1,A2,A3)',
    'ERF.PRECISE(A1)',
    'PERCENTILE.EXC(A1:A6,0.3)',
    'QUARTILE.EXC(A1:A6,1)',
    'ROW(A1)*A1+COLUMN(A2)*A2',
    'ROWS(A1:A6)*COLUMNS(A1:C1)*A1',
    'AREAS((A1:A2,A4))*A1',
    'ROUNDUP(A1,0)*A2',
    'ROUNDDOWN(A1,0)*A2',
    'EVEN(A5)*A2',
    'ODD(A5)*A2',
    'FLOOR(A1,0.5)*A2',
    'CEILING.MATH(A1)*A2',
    'FLOOR.MATH(A1)*A2',
    'CEILING.PRECISE(A1)*A2',
    'FLOOR.PRECISE(A1)*A2',
    'MROUND(A1,0.5)*A2',
    '_xlfn.XMATCH("c",C1:C6)*A1',
    'MAXA(A1:A6)',
    'MINA(A1:A6)',
    'VARA(A1:A6)',
    'VARPA(A1:A6)',
    'STDEVA(A1:A6)',
    'STDEVPA(A1:A6)',
    'SUBTOTAL(9,A1:A6)^2',
    'SUBTOTAL(1,A1:A6,B1:B3)',
    'SUBTOTAL(107,A1:A6)',
    'AGGREGATE(9,6,A1:A6)',
    'AGGREGATE(1,6,A1:A6,D1:D6)',
    'AGGREGATE(14,6,A1:A6,2)',
    'AGGREGATE(14,6,A1:A6/(B1:B6>1),2)',
    'AGGREGATE(6,4,A1:A3)',
    'IFNA(VLOOKUP("c",{"c",2},2,FALSE),1)*A1',
    'LINEST(A1:A6,B1:B6)',
    'INDEX(LINEST(A1:A6,B1:B6),1,2)',
    'INDEX(LINEST(B1:B6,CHOOSE({1,2},A1:A6,A1:A6^2)),1,1)',
    'INDEX(LOGEST(A1:A6,B1:B6),1,1)',
    'TREND(A1:A6,B1:B6,A2)',
    'SUM(TREND(B1:B6,A1:A6)^2)',
    'GROWTH(A1:A6,B1:B6,4)',
    'TREND(A1:A6,B1:B6,2,FALSE)',
]
# fmt: on


def _book(path, formulas):
    """A1:A6 are the changing cells, B:D constants, F the formulas."""
    written = OpenpyxlBook()
    sheet = written.active
    sheet.title = "S"
    for col, column in {1: START, **COLUMNS}.items():
        for row, value in enumerate(column, 1):
            sheet.cell(row, col).value = value
    for i, formula in enumerate(formulas, 1):
        array = formula.startswith("{")
        sheet.cell(i, 6).value = ArrayFormula(f"F{i}", "=" + formula[1:-1]) if array else "=" + formula
    written.save(path)
    return Workbook.open(path)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return _book(tmp_path_factory.mktemp("gradients") / "book.xlsx", FORMULAS)


@pytest.mark.parametrize("formula", FORMULAS)
def test_the_gradient_is_the_difference_quotient_of(book, formula):
    cell = f"F{FORMULAS.index(formula) + 1}"
    program = compile_program(book, [("S", Area.parse("A1:A6"))], [("S", Area.parse(cell))])
    x = program.start
    value, gradient = program.value_and_gradient(x, np.ones(1))
    steps = np.eye(6) * 1e-6
    differences = np.array([(program.values(x + h)[0] - program.values(x - h)[0]) / 2e-6 for h in steps])
    assert np.isfinite(value)
    assert differences.any()
    np.testing.assert_allclose(gradient, differences, rtol=0, atol=2e-6 * max(1.0, np.abs(differences).max()))


# Functions with an argument that depends on the changing cells: refused, and never given a wrong derivative.
REFUSED = [
    "DB(A1,1,5,2)",
    "DDB(A1,1,5,2)",
    "VDB(A1,1,5,1,2)",
    "CUMIPMT(A4,10,100,1,3,0)",
    "CUMPRINC(A4,10,100,1,3,0)",
    "T.DIST(A1,5,TRUE)",
    "T.DIST.RT(A1,5)",
    "T.DIST.2T(A1,5)",
    "TDIST(A1,5,1)",
    "T.INV(A2,5)",
    "TINV(A2,5)",
    "CHISQ.DIST(A1,5,TRUE)",
    "CHIDIST(A1,5)",
    "CHISQ.INV(A2,5)",
    "CHIINV(A2,5)",
    "FDIST(A1,5,5)",
    "F.INV(A2,5,5)",
    "FINV(A2,5,5)",
    "GAMMAINV(A2,2,2)",
    "BETAINV(A2,2,2)",
    "GAMMADIST(A1,2,2,TRUE)",
    "BETA.DIST(A2,2,2,TRUE)",
    "CRITBINOM(10,0.5,A2)",
    'NUMBERVALUE(A1&"")',
    'VALUE(A1&"")',
    "IFNA(A1,2)",
    "SUM(FILTER(A1:A6,A1:A6>1))",
    "SUM(SORT(A1:A6))",
    "SUM(UNIQUE(A1:A6))",
    "SUM(SORTBY(B1:B6,A1:A6))",
    "SUBTOTAL(A1,B1:B6)",
    "NORMDIST(A1,0,1,A2)",
    "OFFSET(B1,A1,0)",
    'INDIRECT("B"&A1)',
]


@pytest.mark.parametrize("formula", REFUSED)
def test_what_has_no_derivative_here_is_refused_with_its_cell(tmp_path, formula):
    book = _book(tmp_path / "book.xlsx", [formula])
    with pytest.raises(FormulaError) as caught:
        compile_program(book, [("S", Area.parse("A1:A6"))], [("S", Area.parse("F1"))])
    assert caught.value.cell == "F1"
    assert "depend" in caught.value.message or "has no derivative" in caught.value.message


def test_every_function_has_a_case():
    """A new function is one that steps, or one with a gradient above, or one that is refused above."""
    tried = {name for formula in FORMULAS + REFUSED for name in calls(parse(formula.strip("{}")))}
    alike = {functions.load(name).call for name in tried if functions.is_supported(name)}
    names = [name for family in functions.FAMILIES.values() for name in family.split()]
    untried = [name for name in names if not (function := functions.load(name)).stepwise and function.call not in alike]
    assert untried == ["NA"]  # an error is no number


@pytest.mark.parametrize(("formula", "expected"), [("SUM({1,2;3,4}*2)", 20), ("SUM(LARGE(A1:A6,{1,2}))", 5.3)])
def test_arrays_stay_arrays_outside_of_array_formulas(tmp_path, formula, expected):
    book = _book(tmp_path / "book.xlsx", [formula])
    program = compile_program(book, [("S", Area.parse("A1:A6"))], [("S", Area.parse("F1"))])
    assert program.values(program.start) == pytest.approx(expected)
