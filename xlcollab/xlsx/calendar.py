"""Excel's calendar: day numbers and dates, and which styles show a number as a date."""

from __future__ import annotations

import datetime as dt
import re
from typing import Final

from lxml import etree

from xlcollab.xlsx.markup import main, whole_number

__all__ = ["date_styles", "to_date", "to_serial"]

# Built-in number formats with a day, month or year (ECMA-376 part 1, 18.8.30, East Asian ones included).
_BUILTIN_DATES: Final = frozenset((14, 15, 16, 17, 22, *range(27, 32), 36, *range(50, 59)))
_NOT_CODE: Final = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')

_EPOCH_1900: Final = dt.datetime(1899, 12, 30)
_EPOCH_1904: Final = dt.datetime(1904, 1, 1)
_LAST_SERIAL: Final = 2_958_466  # 10000-01-01


def to_date(number: int | float, date1904: bool) -> dt.datetime | dt.date | int | float:
    """Excel's day number as a date, with the time where it has one; numbers that no calendar has stay numbers.

    Excel counts from 1900-01-01 = 1 and believes in 1900-02-29 (day 60): the days before that lie one day off.
    """
    if not (0 if date1904 else 1) <= number < _LAST_SERIAL - (1462 if date1904 else 0) or (
        not date1904 and 60 <= number < 61
    ):
        return number
    epoch = _EPOCH_1904 if date1904 else _EPOCH_1900
    if not date1904 and number < 60:
        epoch += dt.timedelta(days=1)
    moment = epoch + dt.timedelta(milliseconds=round(number * 86_400_000))
    return moment.date() if isinstance(number, int) else moment


def to_serial(value: dt.datetime | dt.date, date1904: bool = False) -> int | float:
    """The day number that Excel stores for a date; a whole number where there is no time of day."""
    moment = value if isinstance(value, dt.datetime) else dt.datetime(value.year, value.month, value.day)
    if moment.tzinfo is not None:
        moment = moment.replace(tzinfo=None)  # a cell has no time zone: the clock's reading is kept
    distance = moment - (_EPOCH_1904 if date1904 else _EPOCH_1900)
    days = distance.days - (1 if not date1904 and distance.days <= 60 else 0)
    seconds = distance.seconds + distance.microseconds / 1e6
    return days + seconds / 86_400 if seconds else days


def date_styles(root: etree._Element) -> frozenset[int]:
    """The positions in the ``cellXfs`` of a styles part whose number format shows a date."""
    formats = root.iterfind(f"{main('numFmts')}/{main('numFmt')}")
    custom = {number: e.get("formatCode", "") for e in formats if (number := whole_number(e, "numFmtId"))}
    dates = {number for number, code in custom.items() if _is_date_format(code)}
    dates |= _BUILTIN_DATES - custom.keys()
    cell_formats = root.iterfind(f"{main('cellXfs')}/{main('xf')}")
    return frozenset(position for position, xf in enumerate(cell_formats) if whole_number(xf, "numFmtId") in dates)


def _is_date_format(code: str) -> bool:
    """Whether a format code shows a day, month or year; times of day and durations are numbers to us."""
    first = _NOT_CODE.sub("", code.partition(";")[0]).lower()
    if "general" in first or "e+" in first:
        return False
    return "y" in first or "d" in first or ("m" in first and not ("h" in first or "s" in first))
