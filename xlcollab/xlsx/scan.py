"""One sheet part → its cells as they stand in the XML, not yet understood.

Nearly all programs write a cell in one shape, ``<c r="B2" s="1" t="s"><f>…</f><v>…</v></c>``. A regular expression
reads those three times faster than any XML parser. It is used only where it is certain to be right: every ``<c`` of the
sheet data has to match in full, and no comment, CDATA or prefix may be there that could hide one. Everything else
(cells without an address, unusual attributes, rich text, UTF-16) goes through expat, a real parser, which gives the
same tokens.
"""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from xlcollab.errors import DamagedFileError
from xlcollab.xlsx.cells import column_number
from xlcollab.xlsx.markup import MAIN, STRICT_MAIN, unescape

__all__ = ["Token", "cut_rows", "parse_tokens", "row_tokens"]

Token = tuple[int, int, int, str, tuple[dict[str, str], str] | None, str | None]
"""A cell element: row, column, style index, type, the formula's attributes and text, and the stored value.

The formula is None where there is none; the value is None where there is no <v> and no <is>. A plain tuple, since a
large sheet makes a million of them.
"""

_CELL: Final = re.compile(
    rb'<c r="([A-Z]{1,3})([0-9]{1,7})"(?: s="([0-9]{1,5})")?(?: t="([A-Za-z]+)")?(?: (?:cm|vm|ph)="[0-9]+")*'
    rb"(?: ?/>|>"
    rb'(?:<f(?! ?/>)((?: [a-zA-Z0-9]+="[^"<>]*")*) ?(?:/>|>([^<]+)</f>))?'
    rb'(?:<v>([^<]*)</v>|<v ?/>|<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?'
    rb"</c>)"
)
_ATTRIBUTE: Final = re.compile(r'([a-zA-Z0-9]+)="([^"]*)"')
_PREFIXED_CELL: Final = re.compile(rb"<[A-Za-z_][\w.-]*:(?:c|row)[\s/>]")
_TEXT_KINDS: Final = (b"str", b"inlineStr")
_NO_ATTRIBUTES: Final[dict[str, str]] = {}
_ENCODING: Final = re.compile(rb"<\?xml[^>]*encoding=[\"']([^\"']*)")


def cut_rows(data: bytes) -> list[bytes] | None:
    """The sheet data cut at the end of each row; None where only a parser will do."""
    start = data.find(b"<sheetData>")
    end = data.rfind(b"</sheetData>")
    head = data[: max(start, 0)]
    encoding = _ENCODING.search(head)
    if start < 0 or end < start or (encoding and encoding[1].lower() != b"utf-8"):
        return None
    if b'xmlns="' + MAIN.encode() + b'"' not in head or b"<!" in head:
        return None
    body = data[start:end]
    # Carriage returns are normalised by a parser; markup other than elements could hide a cell from us.
    # One byte is found many times faster than two, and a sheet of numbers has none of these.
    if b"\r" in body or (b"!" in body and b"<!" in body) or (b"?" in body and b"<?" in body) or b'xmlns="' in body:
        return None
    if body.count(b":") > body.count(b' spans="') and _PREFIXED_CELL.search(body):
        return None
    return body.split(b"</row>")


def row_tokens(row: bytes) -> list[Token] | None:
    """The cells of one cut row; None where one of them has not the usual shape."""
    found = _CELL.findall(row)
    if len(found) != row.count(b"<c"):
        return None
    tokens: list[Token] = []
    plain = unescape if b"&" in row else str
    for letters, number, style, kind, attributes, formula, value, inline in found:
        stored: str | None = None
        if value:
            stored = plain(value.decode())
        elif inline or kind in _TEXT_KINDS:
            stored = plain(inline.decode())
        code = None
        if attributes:
            code = (dict(_ATTRIBUTE.findall(plain(attributes.decode()))), plain(formula.decode()))
        elif formula:
            code = (_NO_ATTRIBUTES, plain(formula.decode()))
        tokens.append(
            (
                int(number),
                column_number(letters.decode()),
                int(style) if style else 0,
                kind.decode() if kind else "n",
                code,
                stored,
            )
        )
    return tokens


def parse_tokens(data: bytes, part: str) -> list[Token]:
    """All cells of a sheet part, by expat. Raises `DamagedFileError` where it is not XML."""
    walker = _Walker(part)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = walker.start
    parser.EndElementHandler = walker.end
    parser.CharacterDataHandler = walker.text
    parser.StartDoctypeDeclHandler = walker.doctype
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise DamagedFileError(
            f"The sheet part {part} is not readable XML ({error}). Repair it by opening and saving it in Excel."
        ) from error
    except ValueError as error:
        raise DamagedFileError(f"The sheet part {part} has a row, a cell or a style whose number is none.") from error
    return walker.tokens


class _Walker:
    """What expat calls: collects tokens, numbers the rows and cells that carry no address."""

    def __init__(self, part: str) -> None:
        self.part = part
        self.tokens: list[Token] = []
        self._row = self._col = 0
        self._cell: dict[str, str] | None = None
        self._formula: tuple[dict[str, str], str] | None = None
        self._value: str | None = None
        self._text: list[str] | None = None
        self._phonetic = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _main_name(tag)
        if name == "row":
            self._row = int(attributes.get("r", self._row + 1))
            self._col = 0
        elif name == "c":
            self._cell, self._formula, self._value = attributes, None, None
            self._col += 1
            if "r" in attributes:
                place = re.fullmatch(r"([A-Za-z]{1,3})([0-9]{1,7})", attributes["r"])
                if not place:
                    raise DamagedFileError(f"The sheet part {self.part} has a cell called {attributes['r']!r}.")
                self._col, self._row = column_number(place[1]), int(place[2])
        elif self._cell is not None and name in ("v", "f", "t"):
            self._text = []
            if name == "f":
                self._formula = (attributes, "")
        elif name == "rPh":
            self._phonetic += 1

    def end(self, tag: str) -> None:
        name = _main_name(tag)
        if name == "rPh":
            self._phonetic -= 1
        if self._cell is None:
            return
        if self._text is not None and name in ("v", "f", "t"):
            text = "".join(self._text)
            self._text = None
            if name == "f" and self._formula:
                self._formula = (self._formula[0], text)
            elif name == "v":
                self._value = text or None
            elif name == "t" and not self._phonetic:
                self._value = (self._value or "") + text
        elif name == "c":
            kind = self._cell.get("t", "n")
            if self._value is None and kind in ("str", "inlineStr"):
                self._value = ""
            self.tokens.append((self._row, self._col, int(self._cell.get("s", 0)), kind, self._formula, self._value))
            self._cell = None

    def text(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def doctype(self, *_: object) -> None:
        raise DamagedFileError(
            f"The part {self.part} declares a document type, which no workbook does; it was not read."
        )


def _main_name(tag: str) -> str:
    space, _, name = tag.rpartition(" ")
    return name if space in (MAIN, STRICT_MAIN) else ""
