from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from xlcollab.xlsx.calendar import date_styles, to_date, to_serial
from xlcollab.xlsx.markup import MAIN

EXCEL = [  # (day number, date) as Excel shows them
    (1, dt.date(1900, 1, 1)),
    (59, dt.date(1900, 2, 28)),
    (61, dt.date(1900, 3, 1)),
    (25569, dt.date(1970, 1, 1)),
    (43890, dt.date(2020, 2, 29)),
    (2958465, dt.date(9999, 12, 31)),
]


@pytest.mark.parametrize(("number", "date"), EXCEL)
def test_day_numbers_are_excels_dates(number: int, date: dt.date) -> None:
    assert to_date(number, date1904=False) == date
    assert to_serial(date) == number


@pytest.mark.parametrize(("number", "date"), [(0, dt.date(1904, 1, 1)), (24107, dt.date(1970, 1, 1))])
def test_books_from_an_old_macintosh_count_from_1904(number: int, date: dt.date) -> None:
    assert to_date(number, date1904=True) == date
    assert to_serial(date, date1904=True) == number


def test_a_fraction_is_a_time_of_day_to_the_millisecond() -> None:
    assert to_date(43890.75, date1904=False) == dt.datetime(2020, 2, 29, 18, 0)
    assert to_date(43890.123456789, date1904=False) == dt.datetime(2020, 2, 29, 2, 57, 46, 667000)
    assert to_serial(dt.datetime(2020, 2, 29, 18, 0)) == 43890.75


@pytest.mark.parametrize("number", [0, 0.5, 60, 60.5, -1, 2958466, 1e300])
def test_numbers_that_no_calendar_has_stay_numbers(number: float) -> None:
    assert to_date(number, date1904=False) == number


def test_a_time_zone_is_left_out_and_the_clock_kept() -> None:
    moment = dt.datetime(2020, 2, 29, 18, 0, tzinfo=dt.timezone(dt.timedelta(hours=5)))
    assert to_serial(moment) == 43890.75


@given(st.dates(dt.date(1900, 3, 1), dt.date(9999, 12, 31)), st.booleans())
def test_dates_lead_back_to_themselves(date: dt.date, date1904: bool) -> None:
    number = to_serial(date, date1904)
    if number >= 0:
        assert to_date(number, date1904) == date


def styles_with(code: str) -> etree._Element:
    return etree.fromstring(
        f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="170" formatCode="{code}"/></numFmts>'
        '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="170"/><xf numFmtId="20"/></cellXfs></styleSheet>'
    )


@pytest.mark.parametrize(
    "code",
    ["yyyy-mm-dd", "d/m/yy h:mm", "[$-409]mmmm d, yyyy;@", "mmm", "DD.MM.YYYY", "m/d;@", "yyyy\\-mm", "[$-F800]dddd"],
)
def test_formats_with_a_day_month_or_year_are_dates(code: str) -> None:
    assert date_styles(styles_with(code)) == {1, 2}


@pytest.mark.parametrize(
    "code",
    [
        "0.00",
        "h:mm",
        "[h]:mm:ss",
        "mm:ss",
        "General",
        "0.0E+00",
        "#,##0 &quot;days&quot;",
        "[Red]0",
        "0\\d",
        "0_d",
        "@",
    ],
)
def test_numbers_times_and_durations_are_no_dates(code: str) -> None:
    assert date_styles(styles_with(code)) == {1}


def test_a_styles_part_without_formats_has_no_dates() -> None:
    assert date_styles(etree.fromstring(f'<styleSheet xmlns="{MAIN}"/>')) == frozenset()
