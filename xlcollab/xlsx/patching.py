"""New values for cells: the sheet part is spliced at those cells, and every other byte of it stays.

expat tells at which byte each tag starts, so that a cell can be cut out and written again without a tree of the sheet
and without touching declarations, prefixes, white space or order of anything else.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
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
    for number in [number for number in finder.rows if number in wanted]:
        edits += _row_edits(data, finder.rows[number], wanted.pop(number), sheet, finder.prefix)
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
    """The places of the rows by number, and of the cells in those that are wanted.

    Rows and cells without an address follow the one before, or a row has that of its first cell which has one. Some
    programs write two elements for one row, and rows and cells in any order.
    """

    def __init__(self, data: bytes, wanted: Mapping[int, object], part: str) -> None:
        self.rows: dict[int, list[_RowPlace]] = {}
        self.sheet_data = (0, 0)
        self.prefix = b""
        self._data = data
        self._wanted = wanted
        self._part = part
        self._row: _RowPlace | None = None
        self._cell: _CellPlace | None = None
        self._number = self._col = self._formula = 0
        self._named = self._is_wanted = True
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
        except ValueError as error:
            raise DamagedFileError(f"The sheet part {part} has a row or a cell whose number is none.") from error
        if self.sheet_data == (0, 0):
            raise DamagedFileError(
                f"The sheet part {part} has no place for cells. Open and save the workbook in Excel."
            )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, name = tag.rpartition(" ")
        if space != MAIN:
            return
        at = self._parser.CurrentByteIndex
        if name == "c" and self._row is not None and self._is_wanted:
            place = _CELL_ADDRESS.fullmatch(attributes.get("r", ""))
            self._col = column_number(place[1]) if place else self._col + 1
            if place and not self._named:
                self._row.number, self._named = int(place[2]), True
                self._is_wanted = self._row.number in self._wanted
            self._cell = _CellPlace(self._col, at)
            self._row.cells.append(self._cell)
        elif name == "f":
            self._formula = at
        elif name == "row":
            self._named = "r" in attributes
            self._col = 0
            self._row = _RowPlace(int(attributes.get("r", self._number + 1)), at)
            self._is_wanted = not self._named or self._row.number in self._wanted
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
        elif name == "row" and self._row is not None:
            self._row.end = self._behind(self._row.start, at)
            self._number = self._row.number
            self.rows.setdefault(self._number, []).append(self._row)
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


def _row_edits(
    data: bytes, rows: Sequence[_RowPlace], values: dict[int, CellValue], sheet: str, prefix: bytes
) -> list[_Edit]:
    """The edits of one row; cells that it has not go into its first element."""
    row = rows[0]
    there = [cell for place in rows for cell in place.cells if cell.col in values]
    edits = [(cell.start, cell.end, _patched(data, cell, values[cell.col], sheet, row.number)) for cell in there]
    found = {cell.col for cell in there}
    missing = {col: value for col, value in values.items() if value is not None and col not in found}
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
        return [*edits, (row.start, row.end, opening[:-2].rstrip() + b">" + inner + b"</" + tag[1] + b">")]
    if opening != tag[0]:
        edits.append((row.start, tag.end(), opening))
    place_of = _insertions([(cell.col, cell.start) for cell in row.cells], data.rindex(b"</", 0, row.end))
    for col in sorted(missing):
        later = place_of(col)
        edits.append((later, later, _new_cell(row.number, col, missing[col], sheet, prefix)))
    return _merged(edits)


def _new_rows(data: bytes, finder: _Finder, wanted: dict[int, dict[int, CellValue]], sheet: str) -> list[_Edit]:
    start, end = finder.sheet_data
    tag = _START_TAG.match(data, start)
    prefix = finder.prefix
    edits: list[_Edit] = []
    last = end if tag is None or tag[2] else data.rindex(b"</", 0, end)
    place_of = _insertions([(number, rows[0].start) for number, rows in finder.rows.items()], last)
    for number in sorted(wanted):
        values = {col: value for col, value in wanted[number].items() if value is not None}
        if not values:
            continue
        inner = b"".join(_new_cell(number, col, values[col], sheet, prefix) for col in sorted(values))
        xml = b'<%srow r="%d">%s</%srow>' % (prefix, number, inner, prefix)
        later = place_of(number)
        edits.append((later, later, xml))
    edits = _merged(edits)
    if tag and tag[2] and edits:  # <sheetData/> of an empty sheet
        name = tag[1]
        return [(start, end, b"<%s>%s</%s>" % (name, b"".join(xml for _, _, xml in edits), name))]
    return edits


def _insertions(starts: Sequence[tuple[int, int]], last: int) -> Callable[[int], int]:
    """Where a row or cell with a number goes: before the first in the file that has a greater one, else ``last``."""
    ordered = sorted(starts)
    numbers = [number for number, _ in ordered]
    firsts = list(accumulate((start for _, start in reversed(ordered)), min, initial=last))[::-1]
    return lambda number: firsts[bisect_right(numbers, number)]


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
    try:
        old = Area.parse(found[2].decode())
    except XlcollabError:
        return []  # wrong before, and nobody needs it
    rows, cols = [row for row, _ in filled], [col for _, col in filled]
    new = Area(
        min(old.first_row, *rows, rows[0]),
        min(old.first_col, *cols, cols[0]),
        max(old.last_row, *rows, rows[0]),
        max(old.last_col, *cols, cols[0]),
    )
    return [] if new == old else [(found.start(2), found.end(2), new.ref.encode())]
