"""New values for cells: the sheet part is spliced at those cells, and every other byte of it stays.

expat tells at which byte each tag starts, so that a cell can be cut out and written again without a tree of the sheet
and without touching declarations, prefixes, white space or order of anything else.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from xlcollab.errors import DamagedFileError, XlcollabError
from xlcollab.xlsx.calendar import to_serial
from xlcollab.xlsx.cells import Area, CellValue, ErrorValue, address, column_letters, column_number
from xlcollab.xlsx.markup import MAIN, escape, xml_string

__all__ = ["patch_values"]

_START_TAG: Final = re.compile(rb"""<([^\s/>]+)(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*(/?)>""")
# The type, and the metadata that makes a value a stock, a map or a picture: neither holds for a new value.
_VALUE_ATTRIBUTES: Final = re.compile(rb"""\s(?:t|vm)\s*=\s*(?:"[^"]*"|'[^']*')""")
_SPANS: Final = re.compile(rb"""(\sspans\s*=\s*["'])(\d+):(\d+)(["'])""")
_DIMENSION: Final = re.compile(rb"""(<(?:[\w.-]+:)?dimension\s+ref\s*=\s*["'])([A-Za-z0-9:$]+)(["'])""")
_CELL_ADDRESS: Final = re.compile(r"([A-Za-z]{1,3})([0-9]{1,7})")

_Edit = tuple[int, int, bytes]


@dataclass(slots=True)
class _CellPlace:
    """Where a cell stands, and its formula within it, as offsets of the first byte and behind the last."""

    col: int
    start: int
    end: int = 0
    formula: tuple[int, int] | None = None


@dataclass(slots=True)
class _RowPlace:
    number: int
    start: int
    end: int = 0
    cells: list[_CellPlace] = field(default_factory=list)


def patch_values(
    data: bytes, values: Mapping[tuple[int, int], CellValue], sheet: str, part: str, date1904: bool = False
) -> bytes:
    """The sheet part with new values in some cells; formulas and styles stay, missing cells and rows are put in.

    A formula's cell gets a new cached value. Numbers are finite; text goes in as an inline string. Raises
    `XlcollabError` naming the cell for what no cell can hold, `DamagedFileError` where the part is not readable.
    """
    if not values:
        return data
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        data = re.sub(rb"encoding=[\"'][^\"']*[\"']", b'encoding="UTF-8"', data.decode("utf-16").encode(), count=1)
    wanted: dict[int, dict[int, CellValue]] = {}
    for (row, col), given in values.items():
        value = to_serial(given, date1904) if isinstance(given, (dt.datetime, dt.date)) else given
        wanted.setdefault(row, {})[col] = value
    finder = _Finder(data, wanted, part)
    edits: list[_Edit] = []
    for place in finder.rows:
        here = wanted.pop(place.number, None)
        if here:
            edits += _row_edits(data, place, here, sheet, finder.prefix)
    edits += _new_rows(data, finder, wanted, sheet)
    edits += _dimension_edit(data, finder, values)
    out: list[bytes] = []
    position = 0
    for start, end, replacement in sorted(edits):
        out += (data[position:start], replacement)
        position = end
    out.append(data[position:])
    return b"".join(out)


class _Finder:
    """The places of the rows, and of the cells in those rows that are wanted."""

    def __init__(self, data: bytes, wanted: Mapping[int, object], part: str) -> None:
        self.rows: list[_RowPlace] = []
        self.sheet_data = (0, 0)
        self.prefix = b""
        self._data = data
        self._wanted = wanted
        self._part = part
        self._row: _RowPlace | None = None
        self._cell: _CellPlace | None = None
        self._number = self._col = self._formula = 0
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._doctype
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as error:
            raise DamagedFileError(
                f"The sheet part {part} is not readable XML ({error}); nothing was changed."
            ) from error

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(" ")
        if space != MAIN:
            return
        at = self._parser.CurrentByteIndex
        if name == "c" and self._row is not None:
            place = _CELL_ADDRESS.fullmatch(attributes.get("r", ""))
            self._col = column_number(place[1]) if place else self._col + 1
            self._cell = _CellPlace(self._col, at)
            self._row.cells.append(self._cell)
        elif name == "f":
            self._formula = at
        elif name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._col = 0
            row = _RowPlace(self._number, at)
            self.rows.append(row)
            self._row = row if self._number in self._wanted else None
        elif name == "sheetData":
            self.sheet_data = (at, 0)
            tag_name = _START_TAG.match(self._data, at)
            self.prefix = tag_name[1].removesuffix(b"sheetData") if tag_name else b""

    def _end(self, tag: str) -> None:
        space, _, name = tag.rpartition(" ")
        if space != MAIN or name not in ("c", "f", "row", "sheetData"):
            return
        at = self._parser.CurrentByteIndex
        if name == "c" and self._cell is not None:
            self._cell.end = self._behind(self._cell.start, at)
            self._cell = None
        elif name == "f" and self._cell is not None:
            self._cell.formula = (self._formula, self._behind(self._formula, at))
        elif name == "row":
            self.rows[-1].end = self._behind(self.rows[-1].start, at)
            self._row = None
        elif name == "sheetData":
            self.sheet_data = (self.sheet_data[0], self._behind(self.sheet_data[0], at))

    def _behind(self, start: int, at: int) -> int:
        """The offset behind an element whose end was reported at ``at``: there its end tag starts, if it has one."""
        tag = _START_TAG.match(self._data, start)
        if tag and tag[2]:
            return tag.end()
        return self._data.index(b">", at) + 1

    def _doctype(self, *_: object) -> None:
        raise DamagedFileError(
            f"The part {self._part} declares a document type, which no workbook does; it was not read."
        )


def _row_edits(data: bytes, row: _RowPlace, values: dict[int, CellValue], sheet: str, prefix: bytes) -> list[_Edit]:
    edits: list[_Edit] = []
    missing = dict(values)
    for cell in row.cells:
        if cell.col in values:
            missing.pop(cell.col, None)
            edits.append((cell.start, cell.end, _patched(data, cell, values[cell.col], sheet, row.number)))
    missing = {col: value for col, value in missing.items() if value is not None}
    if not missing:
        return edits
    tag = _START_TAG.match(data, row.start)
    assert tag
    opening = _SPANS.sub(
        lambda spans: (
            b"%s%d:%d%s"
            % (
                spans[1],
                min(int(spans[2]), *missing),
                max(int(spans[3]), *missing),
                spans[4],
            )
        ),
        tag[0],
    )
    if tag[2]:
        inner = b"".join(_new_cell(row.number, col, missing[col], sheet, prefix) for col in sorted(missing))
        return [(row.start, row.end, opening[:-2].rstrip() + b">" + inner + b"</" + tag[1] + b">")]
    if opening != tag[0]:
        edits.append((row.start, tag.end(), opening))
    for col in sorted(missing):
        later = min((cell.start for cell in row.cells if cell.col > col), default=data.rindex(b"</", 0, row.end))
        edits.append((later, later, _new_cell(row.number, col, missing[col], sheet, prefix)))
    return _merged(edits)


def _new_rows(data: bytes, finder: _Finder, wanted: dict[int, dict[int, CellValue]], sheet: str) -> list[_Edit]:
    start, end = finder.sheet_data
    tag = _START_TAG.match(data, start)
    prefix = finder.prefix
    edits: list[_Edit] = []
    for number in sorted(wanted):
        values = {col: value for col, value in wanted[number].items() if value is not None}
        if not values:
            continue
        inner = b"".join(_new_cell(number, col, values[col], sheet, prefix) for col in sorted(values))
        xml = b'<%srow r="%d">%s</%srow>' % (prefix, number, inner, prefix)
        later = min((row.start for row in finder.rows if row.number > number), default=None)
        if later is None:
            later = end if tag is None or tag[2] else data.rindex(b"</", 0, end)
        edits.append((later, later, xml))
    edits = _merged(edits)
    if tag and tag[2] and edits:  # <sheetData/> of an empty sheet
        name = tag[1]
        return [(start, end, b"<%s>%s</%s>" % (name, b"".join(xml for _, _, xml in edits), name))]
    return edits


def _merged(edits: list[_Edit]) -> list[_Edit]:
    """Insertions at one place made one, since sorting edits by place must not change their order."""
    merged: dict[tuple[int, int], bytes] = {}
    for start, end, xml in edits:
        merged[start, end] = merged.get((start, end), b"") + xml
    return [(start, end, xml) for (start, end), xml in merged.items()]


def _patched(data: bytes, cell: _CellPlace, value: CellValue, sheet: str, row: int) -> bytes:
    tag = _START_TAG.match(data, cell.start)
    assert tag
    prefix = tag[1].removesuffix(b"c")
    opening = _VALUE_ATTRIBUTES.sub(b"", tag[0]).removesuffix(b">").removesuffix(b"/").rstrip()
    formula = data[cell.formula[0] : cell.formula[1]] if cell.formula else b""
    kind, content = _content(value, sheet, row, cell.col, prefix, formula=bool(formula))
    if not formula and not content:
        return opening + b"/>"
    return opening + kind + b">" + formula + content + b"</" + tag[1] + b">"


def _new_cell(row: int, col: int, value: CellValue, sheet: str, prefix: bytes) -> bytes:
    kind, content = _content(value, sheet, row, col, prefix, formula=False)
    return b'<%sc r="%s%d"%s>%s</%sc>' % (prefix, column_letters(col).encode(), row, kind, content, prefix)


def _content(value: CellValue, sheet: str, row: int, col: int, prefix: bytes, *, formula: bool) -> tuple[bytes, bytes]:
    """The type attribute and the value element."""
    if value is None:
        return b"", b""
    if isinstance(value, str) and not isinstance(value, ErrorValue):
        # Character references keep the text right in whatever encoding the part is.
        text = xml_string(value).encode("ascii", "xmlcharrefreplace")
        if formula:
            return b' t="str"', b"<%sv>%s</%sv>" % (prefix, text, prefix)
        space = b' xml:space="preserve"' if value != value.strip() else b""
        inner = b"<%st%s>%s</%st>" % (prefix, space, text, prefix)
        return b' t="inlineStr"', b"<%sis>%s</%sis>" % (prefix, inner, prefix)
    kind, stored = b"", ""
    if isinstance(value, bool):
        kind, stored = b' t="b"', str(int(value))
    elif isinstance(value, ErrorValue):
        kind, stored = b' t="e"', escape(value)
    elif isinstance(value, (int, float)) and math.isfinite(value):
        whole = float(value).is_integer() and abs(value) < 1e15
        stored = str(int(value)) if whole else repr(float(value))
    else:
        place = address(row, col)
        raise XlcollabError(
            f"{sheet}!{place} cannot hold {value!r}: a cell holds a finite number, text, a date or nothing.",
            sheet=sheet,
            cell=place,
        )
    return kind, b"<%sv>%s</%sv>" % (prefix, stored.encode(), prefix)


def _dimension_edit(data: bytes, finder: _Finder, values: Mapping[tuple[int, int], CellValue]) -> list[_Edit]:
    found = _DIMENSION.search(data, 0, finder.sheet_data[0])
    filled = [place for place, value in values.items() if value is not None]
    if not found or not filled:
        return []
    old = Area.parse(found[2].decode())
    rows, cols = [row for row, _ in filled], [col for _, col in filled]
    new = Area(
        min(old.first_row, *rows, rows[0]),
        min(old.first_col, *cols, cols[0]),
        max(old.last_row, *rows, rows[0]),
        max(old.last_col, *cols, cols[0]),
    )
    return [] if new == old else [(found.start(2), found.end(2), new.ref.encode())]
