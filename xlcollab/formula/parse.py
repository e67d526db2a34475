"""Formula text → syntax tree, with Excel's own order of operators.

From the one that binds most tightly: ``:`` range, blank intersection, ``,`` union (only inside parentheses), then
``-x``, ``x%``, ``^`` (from the left: 2^3^2 is 64), ``*`` and ``/``, ``+`` and ``-``, ``&``, and the comparisons. A
minus in front binds more tightly than a power: -2^2 is 4. Source: Microsoft, "Calculation operators and precedence in
Excel".

No NumPy here: `xlcollab inspect` reads formulas within its start-up budget.
"""

from __future__ import annotations

import re
from functools import lru_cache

from xlcollab.errors import FormulaError
from xlcollab.formula.syntax import (
    ArrayConstant,
    Binary,
    Call,
    Corner,
    Literal,
    Name,
    Node,
    Omitted,
    Reference,
    TableReference,
    Unary,
)
from xlcollab.formula.tokens import Token, tokenise
from xlcollab.xlsx.cells import MAX_ROW, ErrorValue, column_number

__all__ = ["parse", "read_corner"]

# Loosest first; the operators of one line are of equal rank and taken from the left.
_RANKS = (("=", "<>", "<", ">", "<=", ">="), ("&",), ("+", "-"), ("*", "/"), ("^",))
_PREFIX = re.compile(r"(?i)^(?:_xlfn\.|_xlws\.|_xlpm\.|_xludf\.)+")
_CORNER = re.compile(r"(\$?)([A-Za-z]*)(\$?)([0-9]*)")
_REFERENCE_START = frozenset({"cell", "columns", "rows", "sheet", "name", "bracket"})
# The functions that can return a reference, so that a blank or a colon beside them joins references.
_REFERENCE_CALLS = frozenset({"INDEX", "OFFSET", "INDIRECT", "CHOOSE", "IF", "IFS", "XLOOKUP", "SINGLE", "ANCHORARRAY"})


@lru_cache(maxsize=4096)
def parse(formula: str) -> Node:
    """The tree of a formula without its leading '='.

    Raises `FormulaError` where it is not a formula; the caller adds the cell that it stands in.
    """
    parser = _Parser(formula, tokenise(formula))
    try:
        tree = parser.expression()
    except RecursionError:  # Excel takes 64 levels
        raise FormulaError(f"'={formula[:40]}…' is nested too deeply.") from None
    if parser.peek() is not None:
        parser.fail()
    return tree


class _Parser:
    """Recursive descent; one method a rank of operators, the reference operators last."""

    def __init__(self, formula: str, tokens: list[Token]) -> None:
        self._formula = formula
        self._tokens = tokens
        self._next = 0

    def peek(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def fail(self) -> None:
        token = self.peek()
        where = f"at {self._formula[token.start : token.start + 10]!r}" if token else "at its end"
        raise FormulaError(f"'={self._formula}' is not a formula: something is wrong {where}.")

    def _is(self, *texts: str) -> bool:
        token = self.peek()
        return token is not None and token.kind == "operator" and token.text in texts

    def _take(self) -> Token:
        token = self.peek()
        if token is None:
            self.fail()
        assert token is not None
        self._next += 1
        return token

    def _expect(self, text: str) -> None:
        if not self._is(text):
            self.fail()
        self._next += 1

    def expression(self, rank: int = 0) -> Node:
        if rank == len(_RANKS):
            return self._signed()
        left = self.expression(rank + 1)
        while self._is(*_RANKS[rank]):
            operator = self._take().text
            left = Binary(operator, left, self.expression(rank + 1))
        return left

    def _signed(self) -> Node:
        if self._is("-", "+"):
            operator = self._take().text
            return Unary(operator, self._signed())
        node = self._intersected()
        while self._is("%"):
            self._next += 1
            node = Unary("%", node)
        return node

    def _intersected(self) -> Node:
        left = self._ranged()
        while (token := self.peek()) is not None and token.space and _joins(left) and self._starts_reference(token):
            left = Binary(" ", left, self._ranged())
        return left

    def _starts_reference(self, token: Token) -> bool:
        if token.kind == "call":
            return _function_name(token.text) in _REFERENCE_CALLS
        return token.kind in _REFERENCE_START or (token.kind == "operator" and token.text == "(")

    def _ranged(self) -> Node:
        left = self._atom()
        while True:
            if self._is("#"):
                self._next += 1
                left = Unary("#", left)
            elif self._is(":"):
                self._next += 1
                left = _range(left, self._atom())
            elif isinstance(left, Call) and left.name == "LAMBDA" and self._is("("):
                self._next += 1
                left = Call(left.name, (*left.args, *self._arguments()))
            else:
                return left

    def _atom(self) -> Node:
        token = self._take()
        match token.kind:
            case "operator":
                node = self._bracketed(token)
            case "number":
                node = Literal(float(token.text))
            case "text":
                node = Literal(token.text[1:-1].replace('""', '"'))
            case "error":
                node = Literal(ErrorValue(token.text))
            case "call":
                node = self._call(_function_name(token.text))
            case "sheet":
                node = self._on_sheet(token)
            case "bracket":
                node = _table_reference(None, token.text)
            case _:
                node = self._word(token)
        return node

    def _bracketed(self, token: Token) -> Node:
        if token.text == "(":
            node = self.expression()
            while self._is(","):
                self._next += 1
                node = Binary(",", node, self.expression())
            self._expect(")")
            return node
        if token.text == "{":
            return self._array_constant()
        if token.text == "@":
            return Unary("@", self._ranged())
        self._next -= 1
        self.fail()
        raise AssertionError

    def _word(self, token: Token) -> Node:
        if token.kind == "name":
            following = self.peek()
            if following is not None and following.kind == "bracket" and not following.space:
                self._next += 1
                return _table_reference(token.text, following.text)
            if token.text.upper() in ("TRUE", "FALSE"):
                return Literal(token.text.upper() == "TRUE")
            return Name(_PREFIX.sub("", token.text))
        return _reference(token) or Name(token.text)

    def _on_sheet(self, token: Token) -> Node:
        external, sheet, last_sheet = _sheet_names(token.text[:-1])
        target = self._take()
        if target.kind == "error":
            return Literal(ErrorValue(target.text))
        if target.kind == "name":
            return Reference(_NOWHERE, _NOWHERE, sheet, None, True) if external else Name(target.text, sheet)
        found = _reference(target) if target.kind in ("cell", "columns", "rows") else None
        if found is None:
            if target.kind != "cell":
                self._next -= 1
                self.fail()
            return Name(target.text, sheet)
        return Reference(found.first, found.last, sheet, last_sheet, external)

    def _call(self, name: str) -> Node:
        args = self._arguments()
        if not args and name in ("TRUE", "FALSE"):
            return Literal(name == "TRUE")
        return _wrapped(name, args)

    def _arguments(self) -> tuple[Node, ...]:
        """What stands between two brackets, the first of which has been read."""
        args: list[Node] = []
        if self._is(")"):
            self._next += 1
            return ()
        while True:
            args.append(Omitted() if self._is(",", ")") else self.expression())
            if self._is(")"):
                self._next += 1
                return tuple(args)
            self._expect(",")

    def _array_constant(self) -> Node:
        rows: list[list[Literal]] = [[]]
        while True:
            sign = self._take().text if self._is("-", "+") else ""
            item = self._atom()
            if not isinstance(item, Literal):
                self.fail()
            assert isinstance(item, Literal)
            if sign == "-" and isinstance(item.value, float):
                item = Literal(-item.value)
            rows[-1].append(item)
            if self._is("}"):
                self._next += 1
                break
            if self._is(";"):
                rows.append([])
            elif not self._is(","):
                self.fail()
            self._next += 1
        if len({len(row) for row in rows}) != 1:
            self.fail()
        return ArrayConstant(tuple(tuple(row) for row in rows))


_NOWHERE = Corner(None, None, False, False)


def _function_name(text: str) -> str:
    return _PREFIX.sub("", text.rstrip("( \t\r\n\u00a0")).upper()


def _wrapped(name: str, args: tuple[Node, ...]) -> Node:
    """Files spell '@x' as _xlfn.SINGLE(x) and 'x#' as _xlfn.ANCHORARRAY(x)."""
    if name == "SINGLE" and len(args) == 1:
        return Unary("@", args[0])
    if name == "ANCHORARRAY" and len(args) == 1:
        return Unary("#", args[0])
    return Call(name, args)


def _joins(node: Node) -> bool:
    """Whether a blank after this node can mean intersection."""
    if isinstance(node, Call):
        return node.name in _REFERENCE_CALLS
    if isinstance(node, Binary):
        return node.operator in (":", " ", ",")
    return isinstance(node, Reference | Name | TableReference) or (isinstance(node, Unary) and node.operator in "#@")


def read_corner(text: str) -> Corner | None:
    """'$B$2' → its corner; None where the column or the row lies beyond the sheet's edge (then it is a name)."""
    match = _CORNER.fullmatch(text.replace(" ", ""))
    assert match is not None
    col_fixed, letters, row_fixed, digits = match.groups()
    if len(letters) == 3 and letters.upper() > "XFD":
        return None
    row = int(digits) if digits else None
    if row is not None and not 1 <= row <= MAX_ROW:
        return None
    if not letters:  # in '$3:7' the '$' stands before the row
        return Corner(row, None, bool(col_fixed or row_fixed), False)
    return Corner(row, column_number(letters), bool(row_fixed), bool(col_fixed))


def _reference(token: Token) -> Reference | None:
    first_text, colon, last_text = token.text.partition(":")
    first = read_corner(first_text)
    last = read_corner(last_text) if colon else first
    return None if first is None or last is None else Reference(first, last)


def _range(left: Node, right: Node) -> Node:
    """A1:B2 as one reference; anything else, as in A1:INDEX(B:B,3), is left to evaluation."""
    if (
        isinstance(left, Reference)
        and isinstance(right, Reference)
        and left.first == left.last
        and right.first == right.last
        and None not in left.first
        and None not in right.first
        and right.sheet in (None, left.sheet)
        and left.last_sheet is None
        and not left.external
    ):
        return Reference(*_ordered(left.first, right.first), left.sheet)
    if isinstance(left, Reference) and left.last_sheet is not None and isinstance(right, Reference):
        return Reference(*_ordered(left.first, right.first), left.sheet, left.last_sheet)
    if isinstance(left, Reference) and left.external and isinstance(right, Reference):
        return left
    return Binary(":", left, right)


def _ordered(first: Corner, last: Corner) -> tuple[Corner, Corner]:
    """B2:A1 names the same cells as A1:B2; each half keeps its own '$'."""
    assert first.row is not None
    assert first.col is not None
    assert last.row is not None
    assert last.col is not None
    rows = sorted(((first.row, not first.row_fixed), (last.row, not last.row_fixed)))
    cols = sorted(((first.col, not first.col_fixed), (last.col, not last.col_fixed)))
    return (
        Corner(rows[0][0], cols[0][0], not rows[0][1], not cols[0][1]),
        Corner(rows[1][0], cols[1][0], not rows[1][1], not cols[1][1]),
    )


def _sheet_names(text: str) -> tuple[bool, str, str | None]:
    """A prefix such as [1]Jan:Dec → (in another workbook?, first sheet, last sheet or None)."""
    if text.startswith("'"):
        text = text[1:-1].replace("''", "'")
    external = "]" in text
    text = text.rpartition("]")[2]
    # A colon cannot stand in a sheet's name, so it can only join two of them.
    first, colon, last = text.partition(":")
    return external, first, last if colon else None


_TABLE_PART = re.compile(r"\[((?:[^\[\]']|'.)*)\]")


def _table_reference(table: str | None, text: str) -> TableReference:
    """'[Price]', '[@Price]', '[[#This Row],[Price]]', '[[#Headers],[North]:[South]]', '[]'."""
    inner = text[1:-1].strip()
    items: list[str] = []
    columns: list[str] = []
    if inner.startswith("@"):
        items.append("this row")
        inner = inner[1:].strip()
    parts = _TABLE_PART.findall(inner) if inner.startswith("[") else [inner] if inner else []
    for part in parts:
        if part.startswith("#"):
            items.append(part[1:].strip().lower())
        else:
            columns.append(re.sub(r"'(.)", r"\1", part))
    return TableReference(table, tuple(items), columns[0] if columns else None, columns[-1] if columns else None)
