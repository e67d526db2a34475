"""A number in one of Excel's formats: what TEXT(value, format) gives.

Sections for positive, negative, zero and text; 0 # ? digits with a point and thousands, % and E+00; dates and times;
quoted and escaped signs. Conditions and fractions are not known and raise #VALUE!.
"""

from __future__ import annotations

import datetime as dt
import math
import re

from xlcollab.formula.functions.declare import ExcelError
from xlcollab.formula.functions.operators import general_text
from xlcollab.formula.values import VALUE, Scalar, number_from_text

__all__ = ["formatted"]

_PART = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|\[(?P<bracket>[^\]]*)\]|_.|\*.|(?P<general>(?i:general))'
    r"|(?P<half>(?i:am/pm|a/p))|(?P<date>(?i:y+|m+|d+|h+|s+(?:\.0+)?))|(?P<digits>[0#?][0#?,]*(?:\.[0#?]*)?|\.[0#?]+)"
    r"|(?P<exponent>[eE][-+]0+)|(?P<percent>%)|(?P<text>@)|(?P<sign>.)"
)


def formatted(value: Scalar, code: str) -> str:
    """``value`` as Excel shows it in the number format ``code``."""
    if value is None:
        value = 0.0
    if isinstance(value, bool):
        return general_text(value)
    sections = _sections(code)
    if isinstance(value, str):
        number = number_from_text(value)
        if math.isnan(number):
            return _with_text(value, sections[-1] if len(sections) > 3 or "@" in sections[-1] else "@")
        value = number
    section = sections[0]
    if value < 0 and len(sections) > 1:
        section, value = sections[1], -value
    elif value == 0 and len(sections) > 2:
        section = sections[2]
    parts = list(_PART.finditer(section))
    if any(part["date"] for part in parts):
        return _date(value, parts)
    return _number(value, parts)


def _sections(code: str) -> list[str]:
    """The parts between semicolons that are neither quoted nor escaped."""
    pieces = re.findall(r'(?:"[^"]*"|\\.|[^;"\\])+|;', code)
    sections = [""]
    for piece in pieces:
        if piece == ";":
            sections.append("")
        else:
            sections[-1] += piece
    return sections


def _literal(part: re.Match[str]) -> str | None:
    for name in ("quoted", "escaped", "sign"):
        if part[name] is not None:
            return part[name]
    return None


def _with_text(text: str, section: str) -> str:
    return "".join(text if part["text"] else _literal(part) or "" for part in _PART.finditer(section))


def _number(value: float, parts: list[re.Match[str]]) -> str:
    value *= 100.0 ** sum(1 for part in parts if part["percent"])
    digits = [part for part in parts if part["digits"]]
    exponent = next((part for part in parts if part["exponent"]), None)
    pattern = "".join(part["digits"] for part in digits)
    while pattern.endswith(","):  # commas behind the digits divide by a thousand each
        pattern, value = pattern[:-1], value / 1000.0
    power = 0
    if exponent is not None and value:
        power = int(f"{abs(value):.14e}".partition("e")[2])
        value /= 10.0**power
    shown = _digits(abs(value), pattern)
    out = []
    placed = False
    for part in parts:
        if part["general"]:
            out.append(general_text(abs(value)))
        elif part["digits"]:
            out.append("" if placed else shown)
            placed = True
        elif part["exponent"]:
            sign = "-" if power < 0 else "+" if part["exponent"][1] == "+" else ""
            out.append("E" + sign + str(abs(power)).rjust(len(part["exponent"]) - 2, "0"))
        elif part["percent"]:
            out.append("%")
        else:
            out.append(_literal(part) or "")
    text = "".join(out)
    negative = value < 0 and any(sign in "123456789" for sign in text)
    return "-" + text if negative else text


def _digits(value: float, pattern: str) -> str:
    whole_pattern, point, broken_pattern = pattern.partition(".")
    grouped = "," in whole_pattern
    whole_pattern = whole_pattern.replace(",", "")
    places = len(broken_pattern)
    scale = 10.0**places
    rounded = int(value * scale + 0.5 + value * scale * 1e-15) / scale if value * scale < 1e15 else value
    whole, _, broken = f"{rounded:.{places}f}".partition(".")
    least = whole_pattern.count("0")
    whole = whole.lstrip("0").rjust(least, "0")
    if grouped and whole:
        whole = f"{int(whole):,}".rjust(least, "0")
    kept = len(broken_pattern.rstrip("#?")) if broken_pattern else 0
    while len(broken) > kept and broken.endswith("0"):
        broken = broken[:-1]
    return whole + point + broken if point else whole


def _date(value: float, parts: list[re.Match[str]]) -> str:
    if value < 0 or value >= 2_958_466:
        raise ExcelError(VALUE)
    seconds = round((value % 1) * 86_400, 3)
    day = dt.date(1899, 12, 30) + dt.timedelta(days=int(value) + (1 if value < 60 else 0))
    if seconds >= 86_400:
        seconds, day = 0.0, day + dt.timedelta(days=1)
    half = any(part["half"] for part in parts)
    out = []
    for k, part in enumerate(parts):
        code = (part["date"] or "").lower()
        if part["half"]:
            out.append("PM" if seconds >= 43_200 else "AM")
        elif part["bracket"] is not None:
            out.append(_elapsed(value, part["bracket"].lower()))
        elif not code:
            out.append(_literal(part) or "")
        else:
            out.append(_date_part(code, day, seconds, half, _is_minute(parts, k)))
    return "".join(out)


def _elapsed(value: float, code: str) -> str:
    per_day = {"h": 24, "m": 1440, "s": 86_400}.get(code[:1])
    return "" if per_day is None else str(int(value * per_day + 1e-9)).rjust(len(code), "0")


def _is_minute(parts: list[re.Match[str]], k: int) -> bool:
    """An m behind hours or in front of seconds means minutes."""
    dates = [(i, part["date"].lower()) for i, part in enumerate(parts) if part["date"]]
    place = [i for i, _ in dates].index(k)
    before = dates[place - 1][1] if place else ""
    bracket = any(p["bracket"] and p["bracket"].lower().startswith("h") for p in parts[:k])
    after = dates[place + 1][1] if place + 1 < len(dates) else ""
    return before.startswith("h") or (bracket and not before) or after.startswith("s")


def _date_part(code: str, day: dt.date, seconds: float, half: bool, minute: bool) -> str:
    width = len(code)
    match code[0]:
        case "y":
            return f"{day.year:04d}" if width > 2 else f"{day.year % 100:02d}"
        case "m" if not minute:
            return _named(day.month, width, day.strftime("%b"), day.strftime("%B"))
        case "d":
            return _named(day.day, width, day.strftime("%a"), day.strftime("%A"))
        case "h":
            hour = int(seconds // 3600)
            value: float = (hour - 1) % 12 + 1 if half else hour
        case "m":
            value = seconds // 60 % 60
        case _:
            places = len(code.partition(".")[2])
            if places:
                return f"{seconds % 60:0{places + 3}.{places}f}"
            value = round(seconds % 60) % 60
    return str(int(value)).rjust(min(width, 2), "0")


def _named(value: int, width: int, short: str, long: str) -> str:
    if width <= 2:
        return str(value).rjust(width, "0")
    return short if width == 3 else long if width == 4 else long[0]
