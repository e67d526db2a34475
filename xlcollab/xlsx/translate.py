"""Moving a formula: the relative references of a shared formula, brought to the cell that uses it.

Excel stores a formula that is filled down or across once, at its first cell, and the others as "the same, here". In the
other cells every relative reference moves by the distance from the first; `$` holds a row or a column still.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, column_letters, column_number

__all__ = ["FilledFormula", "end_of_brackets"]

# What is copied as it stands comes first, so that nothing inside it is taken for a reference.
_TOKEN = re.compile(
    r"""
      (?P<copy>
          "(?:[^"]|"")*"                              # a text
        | '(?:[^']|'')*'                              # a quoted sheet name
        | \#[A-Z/0!?_]+[!?A]?                          # an error value
        | (?<![\w.$])(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.:!]|\$)   # a number, and not the 3 of 3:7
      )
    | (?P<columns>(?<![\w.$\\])(\$?)([A-Za-z]{1,3}):(\$?)([A-Za-z]{1,3})(?![\w.(!\[\\]|\$))
    | (?P<rows>(?<![\w.$\\:])(\$?)(\d{1,7}):(\$?)(\d{1,7})(?![\w.(!\\]))
    | (?P<cell>(?<![\w.$\\])(\$?)([A-Za-z]{1,3})(\$?)([1-9]\d{0,6})(?![\w.(!\[\\?]))
    | (?P<word>[\w\\][\w.\\?]*)                        # functions, names, tables, sheets: LOG10(, Sheet1!, Rate2.old
    | (?P<bracket>\[)
    """,
    re.VERBOSE,
)


class FilledFormula:
    """A formula split once, to be moved many times.

    Only the halves of references that move, a column or a row without `$`, stand apart; all else is text between them.
    """

    __slots__ = ("_halves", "_pieces", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces: list[str] = []
        self._halves: list[tuple[bool, int]] = []  # (a row?, its number)
        pending, start = "", 0
        for (fixed_col, col, fixed_row, row), (begin, end) in _find_references(text):
            pending += text[start:begin]
            start = end
            for is_row, fixed, number in ((False, fixed_col, col), (True, fixed_row, row)):
                if fixed and number:
                    pending += f"${number}" if is_row else f"${column_letters(number)}"
                elif number:
                    self._pieces.append(pending)
                    self._halves.append((is_row, number))
                    pending = ""
        self._pieces.append(pending + text[start:])

    def moved(self, rows: int, cols: int) -> str:
        """The formula as it reads ``rows`` further down and ``cols`` further right; off the sheet is #REF!."""
        out: list[str] = []
        for piece, (is_row, number) in zip(self._pieces, self._halves, strict=False):
            moved = number + (rows if is_row else cols)
            if not 1 <= moved <= (MAX_ROW if is_row else MAX_COL):
                return _move_off_sheet(self._text, rows, cols)
            out += (piece, str(moved) if is_row else column_letters(moved))
        out.append(self._pieces[-1])
        return "".join(out)


_Reference = tuple[bool, int, bool, int]  # absolute column?, column or 0, absolute row?, row or 0
_Found = tuple[_Reference, tuple[int, int]]


def _find_references(text: str) -> Iterator[_Found]:
    """Every reference of a formula with its span, left to right."""
    position = 0
    while token := _TOKEN.search(text, position):
        if token["bracket"]:
            position = end_of_brackets(text, token.start()) or len(text)
        else:
            position = token.end()
            yield from _references(token)


def _move_off_sheet(text: str, rows: int, cols: int) -> str:
    out: list[str] = []
    start = 0
    for (fixed_col, col, fixed_row, row), (begin, end) in _find_references(text):
        new_col, new_row = col + (0 if fixed_col else cols), row + (0 if fixed_row else rows)
        if (col and not 1 <= new_col <= MAX_COL) or (row and not 1 <= new_row <= MAX_ROW):
            moved = "#REF!"
        else:
            moved = (("$" if fixed_col else "") + column_letters(new_col) if col else "") + (
                ("$" if fixed_row else "") + str(new_row) if row else ""
            )
        between = text[start:begin]
        start = end
        if between == ":" and "#REF!" in (moved, out[-1]):
            out[-1] = "#REF!"  # a range that lost a corner is lost
        else:
            out += (between, moved)
    return "".join(out) + text[start:]


def _references(token: re.Match[str]) -> list[_Found]:
    """The references in one token, each with its span in the formula; none where the token only looks like one."""
    kind = token.lastgroup
    begin = token.start()
    text = token[0]
    if kind == "cell":
        found = re.fullmatch(r"(\$?)([A-Za-z]+)(\$?)(\d+)", text)
        assert found
        if not _is_column(found[2]) or int(found[4]) > MAX_ROW:
            return []  # ABCD1 or A9999999: a defined name
        return [((bool(found[1]), column_number(found[2]), bool(found[3]), int(found[4])), token.span())]
    if kind not in ("columns", "rows"):
        return []
    out: list[_Found] = []
    for half in text.split(":"):
        fixed, name = half.startswith("$"), half.lstrip("$")
        span = (begin, begin + len(half))
        begin = span[1] + 1
        if kind == "columns":
            if not _is_column(name):
                return []
            out.append(((fixed, column_number(name), False, 0), span))
        else:
            if not 1 <= int(name) <= MAX_ROW:
                return []
            out.append(((False, 0, fixed, int(name)), span))
    return out


def _is_column(letters: str) -> bool:
    return len(letters) < 3 or letters.upper() <= "XFD"


def end_of_brackets(text: str, start: int) -> int:
    """The position after the bracket that closes the one at ``start``; ``'`` escapes the sign after it.

    0 where nothing closes it.
    """
    depth = 0
    position = start
    while position < len(text):
        sign = text[position]
        if sign == "'":
            position += 1
        elif sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return 0
