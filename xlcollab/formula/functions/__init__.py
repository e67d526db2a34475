"""Excel's functions: which there are, and in which module of this package each is written. No NumPy here.

A function is written once, over the operations of `xlcollab.formula.ops`, for values that are known and for values that
depend on the changing cells alike; its derivative follows from theirs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xlcollab.formula.functions.declare import Function

__all__ = ["FAMILIES", "SPILLING", "VOLATILE", "is_supported", "load"]

FAMILIES: dict[str, str] = {
    "aggregate": """
        SUM SUMSQ PRODUCT AVERAGE COUNT COUNTA COUNTBLANK MIN MAX SUMPRODUCT SUMXMY2 SUMX2MY2 SUMX2PY2
    """,
    "bases": """
        BASE DECIMAL DEC2BIN BIN2DEC DEC2OCT OCT2DEC DEC2HEX HEX2DEC BIN2OCT BIN2HEX OCT2BIN OCT2HEX HEX2BIN HEX2OCT
        ROMAN ARABIC BITAND BITOR BITXOR
    """,
    "criteria": "COUNTIF COUNTIFS SUMIF AVERAGEIF SUMIFS AVERAGEIFS MAXIFS MINIFS",
    "dates": """
        DATE YEAR MONTH DAY EDATE EOMONTH WEEKDAY WEEKNUM ISOWEEKNUM DATEDIF DAYS360 YEARFRAC TIME HOUR MINUTE
        SECOND DATEVALUE TIMEVALUE DAYS NETWORKDAYS WORKDAY
    """,
    "depreciation": "SLN SYD DB DDB VDB ISPMT",
    "dynamic": """
        SEQUENCE FILTER SORT SORTBY UNIQUE TAKE DROP CHOOSEROWS CHOOSECOLS VSTACK HSTACK TOROW TOCOL
    """,
    "elementary": """
        EXP LN SQRT ABS SIGN SIN COS TAN ASIN ACOS ATAN SINH COSH TANH ASINH ACOSH ATANH COT SEC CSC
        ATAN2 PI RADIANS DEGREES POWER SQRTPI LOG10 LOG GAMMALN GAMMALN.PRECISE GAMMA FACT FACTDOUBLE COMBIN COMBINA
        PERMUT MULTINOMIAL GCD LCM QUOTIENT
    """,
    "finance": "PV FV PMT NPER IPMT PPMT EFFECT NOMINAL CUMIPMT CUMPRINC",
    "information": """
        ISNUMBER ISTEXT ISNONTEXT ISLOGICAL ISBLANK ISERROR ISERR ISNA ISEVEN ISODD ISREF NA N T TYPE ERROR.TYPE
        HYPERLINK
    """,
    "linest": "LINEST LOGEST TREND GROWTH",
    "logic": "IF IFS SWITCH IFERROR IFNA AND OR XOR NOT CHOOSE LET",
    "lookup": "VLOOKUP HLOOKUP LOOKUP XLOOKUP",
    "matrix": "MMULT MINVERSE MDETERM TRANSPOSE MUNIT",
    "normal": """
        NORM.DIST NORMDIST NORM.S.DIST NORMSDIST PHI GAUSS NORM.INV NORMINV NORM.S.INV NORMSINV LOGNORM.DIST
        LOGNORMDIST LOGNORM.INV LOGINV ERF ERF.PRECISE ERFC ERFC.PRECISE CONFIDENCE.NORM CONFIDENCE
    """,
    "order": """
        MEDIAN LARGE SMALL PERCENTILE PERCENTILE.INC PERCENTILE.EXC QUARTILE QUARTILE.INC QUARTILE.EXC PERCENTRANK
        PERCENTRANK.INC RANK RANK.EQ RANK.AVG MODE MODE.SNGL TRIMMEAN FREQUENCY
    """,
    "places": "ROW COLUMN ROWS COLUMNS AREAS ADDRESS",
    "probability": """
        POISSON.DIST POISSON BINOM.DIST BINOMDIST EXPON.DIST EXPONDIST WEIBULL.DIST WEIBULL T.DIST T.DIST.RT
        T.DIST.2T TDIST T.INV T.INV.2T TINV CHISQ.DIST CHISQ.DIST.RT CHIDIST CHISQ.INV CHISQ.INV.RT CHIINV
        F.DIST.RT FDIST F.INV F.INV.RT FINV GAMMA.INV GAMMAINV BETA.INV BETAINV GAMMA.DIST GAMMADIST BETA.DIST
        BINOM.INV CRITBINOM
    """,
    "references": "INDEX OFFSET INDIRECT",
    "regression": """
        COVAR COVARIANCE.P COVARIANCE.S CORREL PEARSON RSQ SLOPE INTERCEPT STEYX FORECAST FORECAST.LINEAR
    """,
    "returns": "NPV XNPV RATE IRR XIRR MIRR",
    "rounding": """
        ROUND ROUNDUP ROUNDDOWN TRUNC INT EVEN ODD MOD CEILING FLOOR CEILING.MATH FLOOR.MATH CEILING.PRECISE
        ISO.CEILING FLOOR.PRECISE MROUND
    """,
    "searching": "MATCH XMATCH",
    "statistics": """
        STDEV STDEV.S STDEVP STDEV.P VAR VAR.S VARP VAR.P DEVSQ AVEDEV GEOMEAN HARMEAN SKEW KURT STANDARDIZE
        AVERAGEA MAXA MINA VARA VARPA STDEVA STDEVPA
    """,
    "subtotals": "SUBTOTAL AGGREGATE",
    "text": """
        LEFT RIGHT MID LEN TRIM UPPER LOWER PROPER EXACT FIND SEARCH SUBSTITUTE REPLACE REPT CHAR CODE UNICHAR
        UNICODE CLEAN TEXT FIXED DOLLAR CONCATENATE VALUE NUMBERVALUE CONCAT TEXTJOIN
    """,
}
"""The functions of each module."""

SPILLING = frozenset(FAMILIES["dynamic"].split())
"""Functions that only Excel with dynamic arrays has, the size of whose results depends on values."""

VOLATILE = frozenset({"RAND", "RANDBETWEEN", "RANDARRAY", "NOW", "TODAY"})
"""Functions whose value changes by itself: a model that reads them has no fixed optimum."""

_MODULES = {name: family for family, names in FAMILIES.items() for name in names.split()}


def is_supported(name: str) -> bool:
    """Whether a function, by its English name in capitals, can be computed here."""
    return name in _MODULES


def load(name: str) -> Function | None:
    """The function of that name; None where it is not supported."""
    family = _MODULES.get(name)
    if family is None:
        return None
    module = import_module(f"{__name__}.{family}")
    return module.TABLE[name]  # type: ignore[no-any-return]
