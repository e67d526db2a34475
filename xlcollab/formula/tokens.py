"""Formula text → tokens.

The grammar is that of formulas as .xlsx files store them: English names, commas between arguments, a decimal point
([MS-XLSX] §2.2.2, ECMA-376 Part 1 §18.17). A1 notation only; what the user's own Excel shows is translated on saving.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from xlcollab.errors import FormulaError
from xlcollab.xlsx.translate import end_of_brackets

__all__ = ["ERROR_TEXTS", "Token", "tokenise"]

ERROR_TEXTS = (
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "#NAME?",
    "#NUM!",
    "#N/A",
    "#GETTING_DATA",
    "#SPILL!",
    "#CALC!",
)
"""The error values, in the order of ERROR.TYPE 1 to 8, then the two of dynamic arrays."""


class Token(NamedTuple):
    """``kind`` is the name of the group that matched; ``space`` says that blanks stood in front."""

    kind: str
    text: str
    start: int
    space: bool


_WORD = r"[^\W\d]|[\\_]"
_PLAIN = rf"(?:{_WORD})[\w.]*"
# A sheet that is named like a cell stands in quotation marks, so that A1:Other!B2 is a range and no pair of sheets.
_CELL_LIKE = r"[A-Za-z]{1,3}[0-9]{1,7}"
_TOKEN = re.compile(
    rf"""
      (?P<text>"(?:[^"]|"")*")
    | (?P<error>{"|".join(re.escape(e) for e in ERROR_TEXTS)})
    | (?P<sheet>(?:'(?:[^']|'')+'|(?:\[[^\]']+\])?(?:(?!{_CELL_LIKE}:){_PLAIN}:)?{_PLAIN}|\[\d+\])!)
    | (?P<cell>\$?[A-Za-z]{{1,3}}\$?[0-9]{{1,7}}(?![\w.(!\[\\]))
    | (?P<columns>\$?[A-Za-z]{{1,3}}\s*:\s*\$?[A-Za-z]{{1,3}}(?![\w.(!\[\\$]))
    | (?P<rows>\$?[0-9]{{1,7}}\s*:\s*\$?[0-9]{{1,7}}(?![\w.(!]))
    | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<call>(?:{_WORD})[\w.\\?]*\s*\()
    | (?P<name>(?:{_WORD})[\w.\\?]*)
    | (?P<bracket>\[)
    | (?P<operator><=|>=|<>|[-+*/^&=<>%:,;(){{}}@#])
    """,
    re.VERBOSE,
)
_SPACE = re.compile(r"[ \t\r\n\u00a0]*")


def tokenise(formula: str) -> list[Token]:
    """Split a formula without its leading '=' into tokens; blanks are dropped, and noted on the token after them.

    Raises `FormulaError` at a sign that no token begins with.
    """
    tokens: list[Token] = []
    position = 0
    while True:
        after = _SPACE.match(formula, position)
        start = after.end() if after else position
        if start == len(formula):
            return tokens
        match = _TOKEN.match(formula, start)
        if match is None or match.lastgroup is None:
            raise FormulaError(f"'={formula}' cannot be read from {formula[start : start + 10]!r} on.")
        kind, text = match.lastgroup, match[0]
        if kind == "bracket":
            end = end_of_brackets(formula, start)
            if not end:
                raise FormulaError(f"'={formula}' has a '[' that is never closed.")
            text = formula[start:end]
        tokens.append(Token(kind, text, start, start > position))
        position = start + len(text)
