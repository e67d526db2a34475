"""A `NewSheet` as the XML of a worksheet part, streamed row by row.

Written here and not by openpyxl or XlsxWriter, because every formula needs its cached value (openpyxl has none), styles
have to be numbered after those of the book that takes the sheet (neither can), and a million cells have to go out
faster than either writes them: a row of numbers is one ``template % values``.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from types import NoneType
from typing import Final, NamedTuple

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.calendar import to_serial
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, ErrorValue, address, column_letters
from xlcollab.xlsx.markup import MAIN, OFFICE_REL, escape, escape_attribute, xml_string
from xlcollab.xlsx.newsheet import (
    Block,
    ColorScale,
    FormulaCell,
    Highlight,
    NewSheet,
    PrintSetup,
)
from xlcollab.xlsx.styles import Style

__all__ = ["SheetWriter"]

_LONGEST_TEXT: Final = 32_767
_LONGEST_FORMULA: Final = 8_192
_FOOTER: Final = "&L&A&RPage &P of &N"  # the sheet's name on the left, the page on the right
_CHUNK: Final = 1 << 18
_Piece = tuple[int, int, str]  # first column, last column, XML


@dataclass
class SheetWriter:
    """Turns one sheet into bytes. ``formats`` numbers the styles in the book that takes it (`Styles.cell_format`)."""

    sheet: NewSheet
    cell_format: Callable[[Style | None, bool], int]
    differential_format: Callable[[Style], int]
    date1904: bool = False
    selected: bool = False
    drawing_id: str | None = None
    n_formulas: int = 0
    _attributes: dict[tuple[int, bool], tuple[str, Style | None]] = field(default_factory=dict)

    def chunks(self) -> Iterator[bytes]:
        """The whole part, in pieces of some hundred kilobytes. Raises `XlcollabError` naming a cell that cannot be."""
        yield self._head().encode()
        waiting: list[str] = []
        size = 0
        for row, pieces in self._rows():
            height = self.sheet.heights.get(row)
            tall = f' ht="{height:g}" customHeight="1"' if height is not None else ""
            waiting.append(f'<row r="{row}"{tall}>{"".join(pieces)}</row>')
            size += len(waiting[-1])
            if size > _CHUNK:
                yield "".join(waiting).encode()
                waiting, size = [], 0
        yield "".join(waiting).encode()
        yield self._tail().encode()

    # Cells

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row that holds something, with the XML of its cells from left to right."""
        singles = {row: self.sheet.cells.get(row, {}) for row in {*self.sheet.cells, *self.sheet.heights}}
        starts = sorted(singles)
        waiting = sorted(self.sheet.blocks, key=lambda block: block.row, reverse=True)
        active: list[Iterator[_Piece]] = []
        position = row = 0
        while active or waiting or position < len(starts):
            row += 1
            if not active:
                row = min([*starts[position : position + 1], *(block.row for block in waiting[-1:])])
            while waiting and waiting[-1].row == row:
                active.append(self._block(waiting.pop()))
            pieces: list[_Piece] = []
            for block in list(active):
                piece = next(block, None)
                if piece is None:
                    active.remove(block)
                elif piece[2]:
                    pieces.append(piece)
            here = position < len(starts) and starts[position] == row
            if here:
                position += 1
                pieces += [
                    (col, col, self._cell(row, col, value, style)) for col, (value, style) in singles[row].items()
                ]
            if pieces or here:
                yield row, self._in_order(row, pieces)

    def _in_order(self, row: int, pieces: list[_Piece]) -> list[str]:
        pieces.sort()
        for left, right in pairwise(pieces):
            if right[0] <= left[1]:
                raise ValueError(f"{self.sheet.name}!{address(row, right[0])} is filled twice")
        if row > MAX_ROW or (pieces and pieces[-1][1] > MAX_COL):
            raise XlcollabError(
                f"The sheet {self.sheet.name} would be larger than Excel's {MAX_ROW:,} rows and {MAX_COL:,} columns.",
                sheet=self.sheet.name,
            )
        return [xml for _, _, xml in pieces]

    def _block(self, block: Block) -> Iterator[_Piece]:
        """One piece a row of the block; cells without value and style leave an empty one."""
        style, templates = _style_of(block), dict[int, _RowTemplate]()
        for index, given in enumerate(block.rows):
            row = block.row + index
            values: Sequence[object] = given.tolist() if hasattr(given, "tolist") else given
            last = block.col + len(values) - 1
            if not block.formulas and set(map(type, values)) <= {int, float, NoneType}:
                template = templates.get(len(values))
                if template is None or callable(block.style):
                    template = templates[len(values)] = self._template(block, style, index, len(values))
                xml = template.filled(row, values)
                # No other small n is in such a row, and every way to write a number that is none has one.
                if "n" not in xml:
                    yield block.col, last, xml
                    continue
            if block.formulas:
                values = [FormulaCell(*pair) if pair[0] is not None else pair[1] for pair in values]  # type: ignore[index,misc]
            yield (
                block.col,
                last,
                "".join(
                    self._cell(row, block.col + offset, value, style(index, offset))
                    for offset, value in enumerate(values)
                ),
            )

    def _template(
        self, block: Block, style: Callable[[int, int], Style | None], index: int, width: int
    ) -> _RowTemplate:
        styles = [style(index, offset) for offset in range(width)]
        starts = [f'<c r="{column_letters(at)}\0"{self._s(one)}' for at, one in enumerate(styles, block.col)]
        blanks = ["" if one is None else f"{start}/>" for start, one in zip(starts, styles, strict=True)]
        return _RowTemplate([f"{start}><v>%r</v></c>" for start in starts], blanks)

    def _cell(self, row: int, col: int, value: object, style: Style | None) -> str:
        start = f'<c r="{column_letters(col)}{row}"'
        if value is None:
            return f"{start}{self._s(style)}/>" if style is not None else ""
        if isinstance(value, (dt.datetime, dt.date)):
            value, style = self._date(value, style)
        formula = ""
        if isinstance(value, FormulaCell):
            formula = self._formula(row, col, value)
            value = value.value
            if isinstance(value, (dt.datetime, dt.date)):
                value, style = self._date(value, style)
        elif isinstance(value, str) and not isinstance(value, ErrorValue):
            self._check_text(row, col, value)
            space = ' xml:space="preserve"' if value != value.strip() or "\n" in value else ""
            number = self._s(style, text_prefix=value[:1] in ("=", "+", "-", "@"))
            return f'{start}{number} t="inlineStr"><is><t{space}>{xml_string(value)}</t></is></c>'
        kind, text = self._stored(row, col, value)
        return f"{start}{self._s(style)}{kind}>{formula}<v>{text}</v></c>"

    def _stored(self, row: int, col: int, value: object) -> tuple[str, str]:
        """The type attribute and the text of a value in <v>."""
        if isinstance(value, bool):
            return ' t="b"', "1" if value else "0"
        if isinstance(value, ErrorValue):
            return ' t="e"', escape(value)
        if isinstance(value, str):
            self._check_text(row, col, value)
            return ' t="str"', xml_string(value)
        if hasattr(value, "item"):
            return self._stored(row, col, value.item())  # a NumPy scalar
        if isinstance(value, (int, float)):
            text = repr(value)
            if "n" not in text:
                return "", text
        place = address(row, col)
        raise XlcollabError(
            f"{self.sheet.name}!{place} cannot hold {value!r}: a cell holds a finite number, text, a date or nothing.",
            sheet=self.sheet.name,
            cell=place,
        )

    def _formula(self, row: int, col: int, cell: FormulaCell) -> str:
        self.n_formulas += 1
        if len(cell.text) > _LONGEST_FORMULA:
            place = address(row, col)
            raise XlcollabError(
                f"The formula in {self.sheet.name}!{place} is longer than Excel's {_LONGEST_FORMULA:,} characters.",
                sheet=self.sheet.name,
                cell=place,
            )
        array = f' t="array" ref="{cell.array.ref}"' if cell.array else ""
        return f"<f{array}>{escape(cell.text)}</f>"

    def _date(self, value: dt.date, style: Style | None) -> tuple[int | float, Style | None]:
        style = style or Style()
        if style.number_format is None:
            with_time = isinstance(value, dt.datetime) and value.time() != dt.time()
            style = replace(style, number_format="yyyy-mm-dd hh:mm" if with_time else "yyyy-mm-dd")
        return to_serial(value, self.date1904), style

    def _check_text(self, row: int, col: int, text: str) -> None:
        if len(text) > _LONGEST_TEXT:
            place = address(row, col)
            raise XlcollabError(
                f"{self.sheet.name}!{place} cannot hold {len(text):,} characters; Excel takes {_LONGEST_TEXT:,}.",
                sheet=self.sheet.name,
                cell=place,
            )

    def _s(self, style: Style | None, *, text_prefix: bool = False) -> str:
        key = id(style), text_prefix  # hashing a style takes longer than writing a cell
        found = self._attributes.get(key)
        if found is None:
            number = self.cell_format(style, text_prefix)
            # The style is kept, so that no other one can get its id.
            found = self._attributes[key] = f' s="{number}"' if number else "", style
        return found[0]

    # Around the cells, in the order of CT_Worksheet (ECMA-376 part 1, 18.3.1.99)

    def _head(self) -> str:
        sheet = self.sheet
        color = f'<tabColor rgb="FF{sheet.tab_color}"/>' if sheet.tab_color else ""
        fit = '<pageSetUpPr fitToPage="1"/>' if sheet.printing else ""
        attributes = "" if sheet.gridlines else ' showGridLines="0"'
        attributes += ' tabSelected="1"' if self.selected else ""
        return (
            '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
            f'<worksheet xmlns="{MAIN}" xmlns:r="{OFFICE_REL}">'
            + (f"<sheetPr>{color}{fit}</sheetPr>" if color or fit else "")
            + f'<sheetViews><sheetView{attributes} workbookViewId="0">{_pane(sheet.frozen)}</sheetView></sheetViews>'
            '<sheetFormatPr defaultRowHeight="15"/>' + _columns(sheet.widths) + "<sheetData>"
        )

    def _tail(self) -> str:
        sheet = self.sheet
        return "".join(
            (
                "</sheetData>",
                f'<autoFilter ref="{sheet.filtered.ref}"/>' if sheet.filtered else "",
                *(self._conditional(position, rule) for position, rule in enumerate(sheet.formats, 1)),
                _hyperlinks(sheet),
                _printing(sheet.printing),
                f'<drawing r:id="{self.drawing_id}"/>' if self.drawing_id else "",
                "</worksheet>",
            )
        )

    def _conditional(self, priority: int, rule: ColorScale | Highlight) -> str:
        if isinstance(rule, Highlight):
            number = self.differential_format(rule.style)
            inner = f'<cfRule type="expression" dxfId="{number}" priority="{priority}">'
            inner += f"<formula>{escape(rule.formula)}</formula>"
        else:
            inner = f'<cfRule type="colorScale" priority="{priority}"><colorScale>'
            inner += "".join(_scale_points(rule)) + "".join(f'<color rgb="FF{color}"/>' for color in rule.colors)
            inner += "</colorScale>"
        areas = " ".join(area.ref for area in (rule.areas if isinstance(rule, ColorScale) else (rule.area,)))
        return f'<conditionalFormatting sqref="{areas}">{inner}</cfRule></conditionalFormatting>'


class _RowTemplate(NamedTuple):
    """The cells of a row, with %r for the numbers in them, and blank ones; NUL stands for the number of the row."""

    numbers: list[str]
    blanks: list[str]

    def filled(self, row: int, values: Sequence[object]) -> str:
        """The row with these numbers, None where a cell is blank."""
        cells = self.numbers
        if None in values:
            cells = [
                blank if value is None else number
                for number, blank, value in zip(self.numbers, self.blanks, values, strict=True)
            ]
            values = [value for value in values if value is not None]
        return "".join(cells).replace("\0", str(row)) % tuple(values)


def _style_of(block: Block) -> Callable[[int, int], Style | None]:
    style = block.style
    if style is None or isinstance(style, Style):
        return lambda _row, _col: style
    if callable(style):
        return style
    columns = list(style)
    return lambda _row, col: columns[col]


def _pane(frozen: tuple[int, int] | None) -> str:
    if frozen is None or frozen == (1, 1):
        return '<selection activeCell="A1" sqref="A1"/>'
    row, col = frozen
    name = "bottomRight" if row > 1 and col > 1 else "bottomLeft" if row > 1 else "topRight"
    split = (f' xSplit="{col - 1}"' if col > 1 else "") + (f' ySplit="{row - 1}"' if row > 1 else "")
    corner = address(row, col)
    panes = {"bottomRight": ("topRight", "bottomLeft", "bottomRight")}.get(name, (name,))
    return f'<pane{split} topLeftCell="{corner}" activePane="{name}" state="frozen"/>' + "".join(
        f'<selection pane="{pane}" activeCell="{corner}" sqref="{corner}"/>' for pane in panes
    )


def _columns(widths: Iterable[tuple[int, int, float]]) -> str:
    if not widths:
        return ""
    # The stored width counts five pixels of padding besides the characters (18.3.1.13), seven pixels a character.
    inner = "".join(
        f'<col min="{first}" max="{last}" width="{width + 5 / 7:.7g}" customWidth="1"/>'
        for first, last, width in sorted(widths)
    )
    return f"<cols>{inner}</cols>"


def _scale_points(rule: ColorScale) -> Iterator[str]:
    if rule.points is not None:
        for point in rule.points:
            yield f'<cfvo type="num" val="{point!r}"/>'
        return
    yield '<cfvo type="min"/>'
    if len(rule.colors) == 3:
        yield '<cfvo type="percentile" val="50"/>'
    yield '<cfvo type="max"/>'


def _hyperlinks(sheet: NewSheet) -> str:
    if not sheet.links:
        return ""
    inner = "".join(
        f'<hyperlink ref="{address(link.row, link.col)}" location="{escape_attribute(link.target)}"'
        f' tooltip="{escape_attribute(link.tip)}"/>'
        for link in sheet.links
    )
    return f"<hyperlinks>{inner}</hyperlinks>"


def _printing(setup: PrintSetup | None) -> str:
    margins = '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
    if setup is None:
        return margins
    orientation = "landscape" if setup.landscape else "portrait"
    return (
        f'{margins}<pageSetup orientation="{orientation}" fitToWidth="{setup.fit_width}"'
        f' fitToHeight="{setup.fit_height}"/>'
        f"<headerFooter><oddFooter>{escape(_FOOTER)}</oddFooter></headerFooter>"
    )
