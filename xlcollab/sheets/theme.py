"""How the sheets look: one palette, one style for each role of a cell, one colour scale for ratings and predictions.

Roles follow the conventions of financial modelling (FAST, ICAEW): what may be changed is blue on cream, what is
calculated is black on white. The colour scale runs from orange through white to blue, which people
with any of the usual colour vision deficiencies tell apart, and every text on it keeps a contrast of at least 4.5 to 1.
"""

from __future__ import annotations

import datetime as dt
import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.newsheet import NewSheet, Style

if TYPE_CHECKING:
    from xlcollab.ratings import Label

__all__ = [
    "color_by_rating",
    "display_width",
    "fitting_width",
    "header_over",
    "item_header",
    "label_text",
    "number_width",
    "pages_across",
    "shortened",
    "tilted_height",
    "title",
    "user_header",
    "with_line_above",
    "wrapped_height",
]

TWO_LINES = 50
"""Signs of a name that runs upwards in two lines."""

WIDEST = 50.0
"""The widest that a column of labels gets: they are keys, and cannot be shortened as names are."""

INK, MUTED, LINE, PANEL = "1F2933", "5F6B78", "C3CBD3", "EEF1F4"
BLUE, DEEP_BLUE, ORANGE, CREAM = "1D4F8C", "123A6B", "A84A06", "FFF5D6"
LOW, MIDDLE, HIGH = "F5B971", "FCFBF8", "8DB8E2"
OUTPUT_TAB, WORKING_TAB = BLUE, "9AA5B1"

TITLE = Style(bold=True, size=16, color=INK)
SUBTITLE = Style(color=MUTED)
HEADING = Style(bold=True, size=12, color=INK)
SECTION = Style(bold=True, size=12, color=BLUE, bottom="thin", border_color=LINE)
TEXT = Style(color=INK)
MEANING = Style(color=INK, indent=1)
NOTE = Style(color=MUTED, italic=True)
KEY = Style(color=MUTED)
KEY_TOP = Style(color=MUTED, valign="top")
LINK = Style(color="0B57A4", underline=True)

HEADER = Style(bold=True, color=INK, fill=PANEL, bottom="thin", border_color=LINE, align="right")
HEADER_TEXT = replace(HEADER, align="left")
HEADER_ITEM = replace(HEADER, align="center")
HEADER_TILTED = replace(HEADER, align="center", rotation=90, wrap=True)
HEADER_USER = Style(bold=True, color=INK, fill=PANEL, align="right", indent=1, right="thin", border_color=LINE)
HEADER_USER_TEXT = replace(HEADER_USER, align="left")
CORNER = Style(color=MUTED, fill=PANEL, size=9, align="right", indent=1, right="thin", bottom="thin", border_color=LINE)
HEADER_NAME_TILTED = Style(color=MUTED, align="center", valign="bottom", rotation=90, wrap=True)
NAME = Style(color=MUTED)
BESIDE = Style(color=MUTED, indent=1)
CENTRED = Style(color=MUTED, align="center")
NAME_TILTED = Style(color=MUTED, align="center", valign="top", rotation=90, wrap=True)
LABEL = Style(bold=True, color=INK, align="right")
LABEL_TEXT = Style(bold=True, color=INK, align="left", indent=1)
GROUP = Style(color=MUTED, size=9)
AXIS = Style(color=MUTED, align="right", indent=1, size=9)
AXIS_ABOVE = Style(color=MUTED, align="center", size=9, valign="bottom")

RATING = Style(color=INK, number_format="0.0", align="center")
HELD_OUT = replace(RATING, top="dashed", bottom="dashed", left="dashed", right="dashed", border_color=MUTED)
FITTED = Style(color=INK, number_format='0.00;-0.00;"·"', align="center")
PREDICTED = Style(
    bold=True, italic=True, color=DEEP_BLUE, number_format="0.00", align="center",
    top="thin", bottom="thin", left="thin", right="thin", border_color="7F9CC0",
)  # fmt: skip
PREDICTED_PLAIN = Style(bold=True, italic=True, color=DEEP_BLUE, number_format="0.00", align="center")
CHANGING = Style(color="1F3FBF", fill=CREAM, number_format="0.000", align="center")
PARAMETER = Style(color="1F3FBF", number_format="0.0##", align="center")
INTERVAL = Style(italic=True, color=DEEP_BLUE, number_format="0.00", align="center")
DEVIATION = Style(color=INK, number_format="0.00", align="center")
OBJECTIVE = Style(
    bold=True, color=INK, number_format="0.0000", align="center",
    top="medium", bottom="medium", left="medium", right="medium", border_color=INK,
)  # fmt: skip
GOOD = Style(bold=True, color=BLUE, fill="E1ECF8")
BAD = Style(bold=True, color=ORANGE, fill="FCE4CC")

FACT = Style(color=INK, align="left")
FACT_PLAIN = replace(FACT, number_format="0")
FACT_COUNT = replace(FACT, number_format="#,##0")
FACT_SHARE = replace(FACT, number_format="0.0%")
FACT_MEAN = replace(FACT, number_format="0.00")
FACT_ERROR = replace(FACT, number_format="0.0000")
FACT_SECONDS = replace(FACT, number_format="0.00")
FACT_TIME = replace(FACT, number_format="yyyy-mm-dd hh:mm")
FACT_WRAPPED = replace(FACT, wrap=True, valign="top")
LINK_HEADER = replace(HEADER_TEXT, color="0B57A4", underline=True)

COUNT = Style(color=INK, number_format="#,##0", align="right")
POSITION = Style(color=MUTED, number_format="0", align="right")
FACTOR = Style(color=INK, number_format="0.000", align="right")
DIFFERENCE = Style(color=INK, number_format="+0.00;-0.00;0.00", align="center")
LEVEL = Style(bold=True, color=INK, number_format="0%", align="center")
SHARE = Style(color=INK, number_format="0.0%", align="center")
SIMILARITY = Style(color=INK, number_format="0.000", align="center")
ERROR = Style(color=INK, number_format="0.0000", align="right")
SECONDS = Style(color=INK, number_format="0.000", align="right")


def title(sheet: NewSheet, text: str) -> None:
    """The title of a sheet in A1."""
    sheet.cell(1, 1, text, TITLE)
    sheet.height(1, 24)


def color_by_rating(sheet: NewSheet, areas: Area | Sequence[Area], scale: tuple[float, float]) -> None:
    """Colour cells from the lowest (orange) to the highest rating (blue), the same number the same on every sheet."""
    low, high = scale
    if low < high:
        sheet.color_scale(areas, (LOW, MIDDLE, HIGH), (low, (low + high) / 2, high))


def item_header(items: Sequence[str]) -> Style:
    """The header of item columns: level, or running upwards where a label is too long for its column."""
    return HEADER_TILTED if any(display_width(text) > 7 for text in items) else HEADER_ITEM


def user_header(users: Sequence[Label]) -> Style:
    """The header of user rows: texts begin at the left, where a column too narrow for one shows its beginning."""
    return HEADER_USER_TEXT if any(isinstance(label, str) for label in users) else HEADER_USER


def header_over(style: Style) -> Style:
    """The header of a column whose cells look like this: text to the left, numbers as they are."""
    return replace(HEADER, align=style.align or "left", indent=style.indent)


def with_line_above(style: Style) -> Style:
    """The same with a line above, where a new group begins."""
    return replace(style, top="thin", border_color=LINE)


def label_text(label: Label) -> str:
    """A label as a cell shows it."""
    if isinstance(label, dt.datetime):
        return label.isoformat(" ", "minutes")
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def shortened(text: str, longest: int = 30) -> str:
    """The text, or its beginning where it has more signs."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def display_width(text: str) -> float:
    """The width of a text in characters of the default font; wide (East Asian) signs count twice."""
    return sum(2.0 if ord(sign) >= 0x1100 else 1.0 for sign in text)


def fitting_width(texts: Iterable[str], least: float, most: float) -> float:
    """A column width in which these texts can be read."""
    return min(most, max([least, *(display_width(text) + 1.5 for text in texts)]))


def number_width(numbers: Iterable[float], style: Style) -> float:
    """A column width in which these numbers can be read."""
    ends = list(numbers)
    if not ends:
        return 0.0
    code = (style.number_format or "0").partition(";")[0]
    decimals = len(code.partition(".")[2])
    return max(len(f"{end:,.{decimals}f}" if "," in code else f"{end:.{decimals}f}") for end in ends) + 0.5


def pages_across(width: float) -> int:
    """Pages of landscape paper for columns of this width in all, printed no smaller than about 60%."""
    return max(1, math.ceil(width / 200))


def wrapped_height(texts: Iterable[str], width: float) -> float:
    """A row height in points in which these texts can be read, each wrapped in a column of this width.

    Said rather than left to the program: not every one measures such rows when it opens a file.
    """
    # Widths count digits, and text is about a seventh narrower than those.
    lines = max((len(textwrap.wrap(text, int(width * 1.15))) for text in texts), default=1)
    return 15.0 * max(1, lines)


def tilted_height(texts: Iterable[str]) -> float:
    """A row height in points for texts that run upwards, in lines of up to 30 signs; two lines go into a column."""
    return 12.0 + 5.6 * min(30.0, max((display_width(text) for text in texts), default=1.0))
