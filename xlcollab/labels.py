"""Labels of users and items, the header words by which a column is known, and the words that head a total.

Loads no NumPy: `inspect` needs it within its start-up budget.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeGuard

from xlcollab.errors import OptionError, RatingsError

__all__ = [
    "Label",
    "is_header_word",
    "is_item_word",
    "is_many",
    "is_plain_int",
    "is_total_word",
    "is_user_word",
    "match_names",
    "missing_labels",
    "plain_label",
    "refuse_many",
    "refuse_other_labels",
    "repeated",
    "roles",
    "sorted_labels",
    "typed_labels",
]

Label = int | float | str | dt.date | dt.datetime
"""What names a user or an item. It keeps the type that it has in the file: 27 stays an int, "27" a text."""


def is_many(labels: object) -> TypeGuard[Iterable[Any]]:
    """Whether this is several labels, and not one; a text is one."""
    return isinstance(labels, Iterable) and not isinstance(labels, str | bytes)


def refuse_many(kind: str, label: object) -> None:
    """Refuse several labels where one user or one item is asked about."""
    if is_many(label):
        raise OptionError(f"This is asked about one {kind} at a time: pass one label, not several.")


def refuse_other_labels(kind: str, labels: Sequence[object]) -> None:
    """Refuse users or items that are of another type than a `Label`: no file could hold them."""
    if not all(issubclass(known, Label) for known in set(map(type, labels))):  # labels may be very many, types are few
        label = next(label for label in labels if not isinstance(label, Label))
        raise RatingsError(
            f"The {kind} {label!r} is a {type(label).__name__}; a label is an int, a float, a text or a date."
            f" Make texts of such {kind}s, by str."
        )


def missing_labels(labels: Iterable[object]) -> list[int]:
    """Where something stands that is no label at all: None, NaN, and pandas' NA and NaT."""
    listed = list(labels)
    if set(map(type, listed)) <= {int, str}:  # as a rule, and they may be very many
        return []
    return [at for at, label in enumerate(listed) if _is_missing(label)]


def _is_missing(label: object) -> bool:
    if isinstance(label, float):
        return math.isnan(label)
    return label is None or type(label).__name__ in {"NAType", "NaTType"}


# Each text goes from the word that is surest to the one that is least sure: of several columns the surest wins.
_WORDS: Mapping[str, str] = {
    "user": """
        userid user users uid username reviewerid reviewer customerid customer memberid member rater viewer reader
        listener nutzer benutzer utilisateur usuario
    """,
    "item": """
        itemid item items iid movieid movie movies filmid film films productid product bookid book isbn asin songid song
        trackid track artistid artist jokeid joke movietitle title artikel article articulo
    """,
    "rating": """
        rating ratings score scores stars star grade overall userrating bewertung calificacion value
    """,
    "timestamp": "timestamp unixreviewtime unixtime datetime date time ratedat reviewtime",
}
_KNOWN = {word: (role, rank) for role, words in _WORDS.items() for rank, word in enumerate(words.split())}

# What Excel, LibreOffice and Google Sheets call the totals of a pivot table, and what people write over their own.
_TOTAL_WORDS = """
    grand total, total, totals, sum, count, average, avg, avg., mean, median, average rating, mean rating, rmse,
    gesamtergebnis, gesamt, summe, anzahl, mittelwert, durchschnitt, total général, somme, moyenne, total general, suma,
    suma total, promedio, media, total geral, soma, média, totale complessivo, totale, somma, eindtotaal, totaal,
    gemiddelde, suma końcowa, totalsumma, hovedtotal, общий итог, итого, 总计, 總計, 総計, 합계, 총합계,
    total result, (blank)
"""
_TOTALS = frozenset(word.strip() for word in _TOTAL_WORDS.split(","))

_NO_LETTERS = re.compile(r"[\W_]+")


def _bare(text: str) -> str:
    """'user_id', 'User ID' and 'userId' → 'userid'."""
    folded = text.casefold()
    return folded if folded.isalnum() else _NO_LETTERS.sub("", folded)


def roles(header: Sequence[object]) -> dict[str, int]:
    """Which position of a header row is the user, item, rating and timestamp, as far as their names are known."""
    surest: dict[str, tuple[int, int]] = {}
    for position, text in enumerate(header):
        known = _KNOWN.get(_bare(text)) if isinstance(text, str) else None
        if known is not None:
            role, rank = known
            surest[role] = min((rank, position), surest.get(role, (rank, position)))
    return {role: position for role, (_, position) in surest.items()}


def is_user_word(text: object) -> bool:
    """Whether a text is a known name of a column of users."""
    return _role(text) == "user"


def is_item_word(text: object) -> bool:
    """Whether a text is a known name of a column of items."""
    return _role(text) == "item"


def is_header_word(text: object) -> bool:
    """Whether a text is a known name of a column, and so no user or item."""
    return _role(text) is not None


def _role(text: object) -> str | None:
    known = _KNOWN.get(_bare(text)) if isinstance(text, str) else None
    return known[0] if known else None


def is_total_word(text: object) -> bool:
    """Whether a text heads a row or column of totals or averages."""
    return isinstance(text, str) and text.strip().casefold() in _TOTALS


def plain_label(value: Any) -> Label:
    """A label as it is kept: a text loses the blanks around it, a number of NumPy's becomes one of Python's.

    A whole number is an int: 27.0 and Decimal("27") → 27.
    """
    if isinstance(value, str):
        return value.strip()
    if type(value) is int:  # as a rule
        return value
    if isinstance(value, Decimal) and not value.is_finite():
        return float(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    label: Label = value.item() if hasattr(value, "dtype") and value.dtype.kind in "biuf" else value
    return int(label) if isinstance(label, float) and label.is_integer() else label


def is_plain_int(text: str) -> bool:
    """Whether a text is written as a number is: '27' and '-1' are; '007', '+7', '2.0' and '' are not."""
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and (digits == "0" or not digits.startswith("0"))


def typed_labels(texts: Sequence[str]) -> tuple[Label, ...]:
    """Labels out of a file of text: numbers if every one of them is written as a number is, else texts."""
    stripped = tuple(text.strip() for text in texts)
    return tuple(map(int, stripped)) if all(map(is_plain_int, stripped)) else stripped


def sorted_labels(labels: Iterable[Label]) -> list[Label]:
    """Labels in ascending order where they are all numbers, texts or dates; else in the order that they came in."""
    listed = list(labels)
    try:
        return sorted(listed)
    except TypeError:
        return listed


def repeated(labels: Iterable[Label]) -> tuple[int, int] | None:
    """Where the first label that stands there twice stands for the first and the second time; None without one."""
    first: dict[Label, int] = {}
    for at, label in enumerate(labels):
        if first.setdefault(label, at) != at:
            return first[label], at
    return None


def match_names(labels: Iterable[Label], names: Mapping[Label, str]) -> dict[Label, str]:
    """The names of those labels that have one; 27 and "27" are the same id, since files of names differ in that."""
    by_text = {str(key): name for key, name in names.items()}
    return {label: by_text[str(label)] for label in labels if str(label) in by_text}
