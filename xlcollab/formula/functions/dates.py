"""Dates and times, which are numbers.

Days since the start of 1900, with 1900-02-29 counted as a day (or since 1904).
"""

from __future__ import annotations

import calendar
import datetime as dt
import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from xlcollab.formula.functions.declare import ExcelError, Table, each, number
from xlcollab.formula.values import NUM, VALUE, Scalar, Values, decode, number_from_text

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator

TABLE = Table()

_LAST = 2_958_465  # 9999-12-31


class _Calendar:
    """Numbers to dates and back, in the calendar of one workbook."""

    def __init__(self, date1904: bool) -> None:
        self.date1904 = date1904

    def date(self, value: Scalar) -> tuple[int, int, int]:
        """(year, month, day) of a day number; 0 is the 0th of January 1900, 60 the 29th of February."""
        days = math.floor(number(value) + 1e-9)
        if days < 0 or days > _LAST:
            raise ExcelError(NUM)
        if self.date1904:
            day = dt.date(1904, 1, 1) + dt.timedelta(days=days)
            return day.year, day.month, day.day
        if days == 0:
            return 1900, 1, 0
        if days == 60:
            return 1900, 2, 29
        day = dt.date(1899, 12, 31 if days < 60 else 30) + dt.timedelta(days=days)
        return day.year, day.month, day.day

    def serial(self, day: dt.date) -> float:
        """The day number of a date."""
        if self.date1904:
            return float((day - dt.date(1904, 1, 1)).days)
        days = (day - dt.date(1899, 12, 30)).days
        return float(days if days > 60 else days - 1)

    def shifted(self, year: int, month: int, day: int) -> float:
        """The day number of a date whose month and day may lie outside of their range: month 13 is January."""
        year, month = year + (month - 1) // 12, (month - 1) % 12 + 1
        if not 1900 <= year <= 9999:
            raise ExcelError(NUM)
        found = self.serial(dt.date(year, month, 1)) + day - 1
        if found < 0:
            raise ExcelError(NUM)
        return found


def _of_dates(name: str, params: str, f: Callable[..., Scalar]) -> None:
    @TABLE.add(name, params, contextual=True, stepwise=True)
    def call(context: Evaluator, *args: Values) -> Values:
        days = _Calendar(context.sheets.book.date1904)
        return each(lambda *values: f(days, *values), *args)


def _date(days: _Calendar, year: Scalar, month: Scalar, day: Scalar) -> float:
    y = math.floor(number(year))
    return days.shifted(y + 1900 if 0 <= y < 1900 else y, math.floor(number(month)), math.floor(number(day)))


def _months_later(days: _Calendar, start: Scalar, months: Scalar, to_end: bool) -> float:
    year, month, day = days.date(start)
    moved = year * 12 + month - 1 + math.trunc(number(months))
    year, month = moved // 12, moved % 12 + 1
    if not 1900 <= year <= 9999:
        raise ExcelError(NUM)
    last = calendar.monthrange(year, month)[1]
    return days.serial(dt.date(year, month, last if to_end else min(day, last)))


def _weekday(days: _Calendar, value: Scalar, kind: Scalar = 1.0) -> float:
    n = math.floor(number(value) + 1e-9) + (1462 if days.date1904 else 0)
    system = int(number(kind))
    sunday_based = (n - 1) % 7  # day 1 counts as a Sunday, as the calendar with its extra day has it
    if system == 1:
        return sunday_based + 1.0
    if system in (2, 3):
        return float((sunday_based - 1) % 7 + (1 if system == 2 else 0))
    if 11 <= system <= 17:
        return float((sunday_based - (system - 10)) % 7 + 1)
    raise ExcelError(NUM)


def _weeknum(days: _Calendar, value: Scalar, kind: Scalar = 1.0) -> float:
    year, month, day = days.date(value)
    if int(number(kind)) == 21:
        return float(dt.date(year, month, day).isocalendar()[1])
    first = _weekday(days, days.serial(dt.date(year, 1, 1)), kind)
    offset = dt.date(year, month, day).timetuple().tm_yday - 1
    return float((offset + first - 1) // 7 + 1)


def _datedif(days: _Calendar, start: Scalar, end: Scalar, unit: Scalar) -> float:
    a, b = math.floor(number(start)), math.floor(number(end))
    if a > b or not isinstance(unit, str):
        raise ExcelError(NUM)
    (y1, m1, d1), (y2, m2, d2) = days.date(float(a)), days.date(float(b))
    months = (y2 - y1) * 12 + m2 - m1 - (1 if d2 < d1 else 0)
    match unit.upper():
        case "D":
            return float(b - a)
        case "M":
            return float(months)
        case "Y":
            return float(months // 12)
        case "YM":
            return float(months % 12)
        case "YD":
            start_this_year = days.shifted(y2 if (m2, d2) >= (m1, d1) else y2 - 1, m1, d1)
            return b - start_this_year
        case "MD":
            return float(d2 - d1 if d2 >= d1 else b - days.shifted(y2, m2 - 1, d1))
    raise ExcelError(NUM)


def _days360(days: _Calendar, start: Scalar, end: Scalar, european: Scalar = False) -> float:
    (y1, m1, d1), (y2, m2, d2) = days.date(start), days.date(end)
    if european:
        d1, d2 = min(d1, 30), min(d2, 30)
    else:
        if m1 == 2 and d1 == calendar.monthrange(y1, 2)[1]:
            d1 = 30
        if d2 == 31 and d1 >= 30:
            d2 = 30
        d1 = min(d1, 30)
    return float((y2 - y1) * 360 + (m2 - m1) * 30 + d2 - d1)


def _yearfrac(days: _Calendar, start: Scalar, end: Scalar, basis: Scalar = 0.0) -> float:
    a, b = sorted((math.floor(number(start)), math.floor(number(end))))
    kind = int(number(basis))
    if kind == 0:
        return _days360(days, float(a), float(b)) / 360
    if kind == 4:
        return _days360(days, float(a), float(b), True) / 360
    if kind in (2, 3):
        return (b - a) / (360 if kind == 2 else 365)
    if kind != 1:
        raise ExcelError(NUM)
    (y1, m1, d1), (y2, m2, d2) = days.date(float(a)), days.date(float(b))
    if y1 == y2 or (y2 == y1 + 1 and (m1, d1) >= (m2, d2)):
        leap_day = (calendar.isleap(y1) and (m1, d1) <= (2, 29)) or (calendar.isleap(y2) and (m2, d2) >= (2, 29))
        same_year = y1 == y2 and calendar.isleap(y1)
        return (b - a) / (366 if same_year or (y1 != y2 and leap_day) else 365)
    years = range(y1, y2 + 1)
    return (b - a) / (sum(366 if calendar.isleap(y) else 365 for y in years) / len(years))


def _clock(days: _Calendar, value: Scalar) -> int:
    """Seconds since midnight."""
    del days
    return round((number(value) % 1) * 86_400) % 86_400


def _time(_days: _Calendar, hour: Scalar, minute: Scalar, second: Scalar) -> float:
    total = int(number(hour)) * 3600 + int(number(minute)) * 60 + int(number(second))
    if total < 0:
        raise ExcelError(NUM)
    return (total % 86_400) / 86_400


def _from_text(want_time: bool) -> Callable[..., Scalar]:
    def read(_days: _Calendar, text: Scalar) -> float:
        if not isinstance(text, str) or math.isnan(found := number_from_text(text)):
            raise ExcelError(VALUE)
        return found % 1 if want_time else float(math.floor(found))

    return read


_of_dates("DATE", "VVV", _date)
_of_dates("YEAR", "V", lambda days, value: float(days.date(value)[0]))
_of_dates("MONTH", "V", lambda days, value: float(days.date(value)[1]))
_of_dates("DAY", "V", lambda days, value: float(days.date(value)[2]))
_of_dates("EDATE", "VV", lambda days, start, months: _months_later(days, start, months, False))
_of_dates("EOMONTH", "VV", lambda days, start, months: _months_later(days, start, months, True))
_of_dates("WEEKDAY", "VV?", _weekday)
_of_dates("WEEKNUM", "VV?", _weeknum)
_of_dates("ISOWEEKNUM", "V", lambda days, value: _weeknum(days, value, 21.0))
_of_dates("DATEDIF", "VVV", _datedif)
_of_dates("DAYS360", "VVV?", _days360)
_of_dates("YEARFRAC", "VVV?", _yearfrac)
_of_dates("TIME", "VVV", _time)
_of_dates("HOUR", "V", lambda days, value: float(_clock(days, value) // 3600))
_of_dates("MINUTE", "V", lambda days, value: float(_clock(days, value) // 60 % 60))
_of_dates("SECOND", "V", lambda days, value: float(_clock(days, value) % 60))
_of_dates("DATEVALUE", "V", _from_text(False))
_of_dates("TIMEVALUE", "V", _from_text(True))
_of_dates("DAYS", "VV", lambda _days, end, start: float(math.floor(number(end)) - math.floor(number(start))))


def _free_days(values: Values | None) -> frozenset[int]:
    if values is None:
        return frozenset()
    return frozenset(math.floor(day) for day in decode(values).ravel().tolist() if isinstance(day, float))


def _works(day: int, free: frozenset[int]) -> bool:
    return (day - 1) % 7 not in (0, 6) and day not in free


@TABLE.add("NETWORKDAYS", "VVR?", stepwise=True)
def networkdays(start: Values, end: Values, holidays: Values | None = None) -> Values:
    """Working days from one day to another, both counted."""
    free = _free_days(holidays)

    def count(a: Scalar, b: Scalar) -> float:
        first, last = math.floor(number(a)), math.floor(number(b))
        days = range(min(first, last), max(first, last) + 1)
        return float(sum(_works(day, free) for day in days)) * (1 if first <= last else -1)

    return each(count, start, end)


@TABLE.add("WORKDAY", "VVR?", stepwise=True)
def workday(start: Values, count: Values, holidays: Values | None = None) -> Values:
    """The day that is some working days away."""
    free = _free_days(holidays)

    def find(a: Scalar, n: Scalar) -> float:
        day, left = math.floor(number(a)), math.trunc(number(n))
        step = 1 if left > 0 else -1
        while left:
            day += step
            left -= step if _works(day, free) else 0
        return float(day)

    return each(find, start, count)
