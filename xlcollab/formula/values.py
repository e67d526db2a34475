"""Excel's values as arrays.

A cell can hold a number, a text, TRUE or FALSE, an error or nothing, and what a function makes of it depends on which.
`Values` keeps the two apart: ``num`` is what the cell counts for in arithmetic (TRUE is 1, an empty cell 0, '12' is 12,
other texts and errors are NaN), ``kind`` says what it is. Where everything is a number ``kind`` is None, so that a
block of numbers costs no more than plain NumPy.

Every array has four axes (R, C, r, c): R×C are the cells of the block that is evaluated together, with 1 where the
value is the same for all of its rows or columns; r×c is the range or array that each of those cells sees, 1×1 for a
single value. So in ``MMULT($B25:$F25,H$19:H$23)`` over 15×15 cells the arguments have shapes (15, 1, 1, 5) and (1, 15,
5, 1).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.tokens import ERROR_TEXTS
from xlcollab.xlsx.cells import ErrorValue

if TYPE_CHECKING:
    from xlcollab.formula.tape import Slot

__all__ = [
    "BLANK",
    "BOOL",
    "CALC",
    "DIV0",
    "NA",
    "NAME",
    "NULL",
    "NUM",
    "NUMBER",
    "REF",
    "TEXT",
    "VALUE",
    "Array",
    "Floats",
    "Kinds",
    "Scalar",
    "Texts",
    "Values",
    "constant",
    "constant_error",
    "decode",
    "encode",
    "encode_one",
    "error_kind",
    "error_text",
    "number_from_text",
]

Floats = NDArray[np.float64]
Kinds = NDArray[np.int8]
Texts = NDArray[Any]  # of str, dtype object
Array = "Floats | Slot"
Scalar = float | str | bool | ErrorValue | None

NUMBER, BOOL, BLANK, TEXT = 0, 1, 2, 3
# Errors are negative: minus their ERROR.TYPE.
NULL, DIV0, VALUE, REF, NAME, NUM, NA = (-1 - i for i in range(7))
CALC = -1 - ERROR_TEXTS.index("#CALC!")


def error_kind(text: str) -> int:
    """'#DIV/0!' → DIV0; an error that we do not know counts as #VALUE!."""
    return -1 - ERROR_TEXTS.index(text) if text in ERROR_TEXTS else VALUE


def error_text(kind: int) -> ErrorValue:
    """DIV0 → '#DIV/0!'."""
    return ErrorValue(ERROR_TEXTS[-1 - kind])


@dataclass(slots=True)
class Values:
    """A block of Excel values: see the module's docstring.

    ``num`` and, where they are not None, ``kind`` and ``text`` broadcast against each other; ``num`` has the full
    shape. Each is an array, or a `Slot` where it depends on the changing cells. In a slot of numbers NaN is an error,
    whichever. ``from_range`` is set on what was read from cells: there SUM passes over texts and TRUE.
    """

    num: Floats | Slot
    kind: Kinds | Slot | None = None
    text: Texts | Slot | None = None
    from_range: bool = False

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(R, C, r, c)."""
        return self.num.shape

    @property
    def numbers(self) -> Floats:
        """``num`` where it is known to be known."""
        assert isinstance(self.num, np.ndarray)
        return self.num

    @property
    def texts(self) -> Texts:
        """The texts in full, where they are known; '' where there is none."""
        text = self.text_or_blank
        assert isinstance(text, np.ndarray)
        return np.broadcast_to(text, self.shape)

    @property
    def known(self) -> bool:
        """Whether nothing in it depends on the changing cells."""
        parts = (self.num, self.kind, self.text)
        return all(part is None or isinstance(part, np.ndarray) for part in parts)

    @property
    def kinds(self) -> Kinds:
        """The kinds in full, where they are known."""
        if self.kind is None:
            return np.zeros(self.shape, np.int8)
        assert isinstance(self.kind, np.ndarray)
        return np.broadcast_to(self.kind, self.shape)

    @property
    def kinds_or_slot(self) -> Kinds | Slot:
        """The kinds as an array or slot, never None."""
        return np.zeros((1, 1, 1, 1), np.int8) if self.kind is None else self.kind

    @property
    def text_or_blank(self) -> Texts | Slot:
        """The texts as an array or slot, never None."""
        return np.full((1, 1, 1, 1), "", dtype=object) if self.text is None else self.text

    def map(self, move: Callable[[Any], Any]) -> Values:
        """The same rearrangement of all three parts."""
        shape = self.shape

        def moved(part: Any) -> Any:
            if part is None:
                return None
            return move(np.broadcast_to(part, shape) if isinstance(part, np.ndarray) else part)

        return replace(self, num=moved(self.num), kind=moved(self.kind), text=moved(self.text))


def constant(value: Scalar) -> Values:
    """One value, the same for all cells of the block."""
    return encode([[value]])


def constant_error(kind: int) -> Values:
    """One error value, the same for all cells of the block."""
    return Values(np.full((1, 1, 1, 1), np.nan), np.full((1, 1, 1, 1), kind, np.int8))


_NUMERIC_TEXT = re.compile(
    r"\s*(?P<currency>[$€£])?\s*(?P<sign>[-+]?)\s*(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)"
    r"(?P<exponent>[eE][-+]?\d+)?\s*(?P<percent>%?)\s*"
)
_ISO_DATE = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})\s*")
_US_DATE = re.compile(r"\s*(\d{1,2})/(\d{1,2})/(\d{4})\s*")
_TIME = re.compile(r"\s*(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*(?:([AaPp])[Mm])?\s*")


def number_from_text(text: str) -> float:
    """What arithmetic makes of a text, NaN where it is none: '12', ' 1e3 ', '5%', '$1,000', '2024-03-01', '12:30'."""
    match = _NUMERIC_TEXT.fullmatch(text)
    if match:
        value = float(match["digits"].replace(",", "") + (match["exponent"] or ""))
        return (-value if match["sign"] == "-" else value) / (100 if match["percent"] else 1)
    date = _ISO_DATE.fullmatch(text)
    year_month_day = date.groups() if date else None
    if date is None and (date := _US_DATE.fullmatch(text)):
        year_month_day = (date[3], date[1], date[2])
    if year_month_day:
        try:
            days = (dt.date(*map(int, year_month_day)) - dt.date(1899, 12, 30)).days
        except ValueError:
            return float("nan")
        if days < 2:  # 1900-01-01 is day 1, and the day that Excel has too many comes two months later
            return float("nan")
        return float(days if days > 60 else days - 1)
    time = _TIME.fullmatch(text)
    if time and int(time[2]) < 60:
        hours = int(time[1])
        if time[4]:
            hours = hours % 12 + (12 if time[4] in "pP" else 0)
        return (hours * 3600 + int(time[2]) * 60 + float(time[3] or 0)) / 86400
    return float("nan")


def encode(rows: Sequence[Sequence[Scalar]]) -> Values:
    """Rows of Python values → shape (1, 1, rows, columns)."""
    height, width = len(rows), len(rows[0])
    num = np.empty((1, 1, height, width))
    kind = np.zeros((1, 1, height, width), np.int8)
    text: Texts | None = None
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            number, of_kind = encode_one(value)
            num[0, 0, i, j] = number
            kind[0, 0, i, j] = of_kind
            if of_kind == TEXT:
                if text is None:
                    text = np.full((1, 1, height, width), "", dtype=object)
                text[0, 0, i, j] = value
    return Values(num, kind if kind.any() else None, text)


def encode_one(value: Scalar) -> tuple[float, int]:
    """One value → what it counts for, and its kind."""
    if value is None:
        return 0.0, BLANK
    if isinstance(value, bool | np.bool_):
        return float(value), BOOL
    if isinstance(value, ErrorValue):
        return float("nan"), error_kind(value)
    if isinstance(value, str):
        return number_from_text(value), TEXT
    return float(value), NUMBER


def decode(values: Values) -> Texts:
    """Values → Python's: float, str, bool, `ErrorValue`, and None for an empty cell; dtype object, same shape."""
    assert isinstance(values.num, np.ndarray)
    out = values.num.astype(object)
    if values.kind is None:
        return out
    kinds = values.kinds
    for kind in np.unique(kinds).tolist():
        where = kinds == kind
        if kind == BLANK:
            out[where] = None
        elif kind == BOOL:
            out[where] = (values.num != 0)[where].astype(object)
        elif kind == TEXT:
            out[where] = np.broadcast_to(values.text, values.shape)[where]  # type: ignore[arg-type]
        elif kind < 0:
            out[where] = error_text(kind)
    return out
