"""A sheet to be: what stands where, how it looks, how it prints. `Workbook.add` makes a part of it.

Cells may be given one by one, or as blocks of rows that are read while the sheet is written, so that a million
predictions are never held as cells. Every formula carries its value: previewers, Protected View and pandas do not
calculate.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.cells import MAX_COL, MAX_ROW, Area, CellValue, address, column_letters, qualified, quote_sheet
from xlcollab.xlsx.charts import Chart
from xlcollab.xlsx.names import DefinedName
from xlcollab.xlsx.styles import Style

__all__ = ["BlockStyle", "FormulaCell", "NewSheet", "Style", "check_sheet_name", "legal_sheet_name"]

BlockStyle = Style | Sequence[Style | None] | Callable[[int, int], Style | None] | None
"""The look of a block: one style, one a column, or a function of (row, column) within the block, counted from 0."""

LONGEST_NAME: Final = 31
_FORBIDDEN: Final = re.compile(r"[\[\]:*?/\\\x00-\x1f]")


class FormulaCell(NamedTuple):
    """A formula without '=', its value, and the range it fills when it is an array formula."""

    text: str
    value: CellValue
    array: Area | None = None


@dataclass(frozen=True)
class Block:
    """Rows of values, or of (formula, value) pairs, from one cell on."""

    row: int
    col: int
    rows: Iterable[Sequence[object]]
    style: BlockStyle
    formulas: bool


@dataclass(frozen=True)
class PrintSetup:
    """How the sheet prints: ``fit_width`` pages across, ``fit_height`` down, 0 for as many as it takes."""

    landscape: bool = False
    fit_width: int = 1
    fit_height: int = 0


@dataclass(frozen=True)
class Link:
    """A hyperlink to a place in the same workbook, such as "Summary!A1"."""

    row: int
    col: int
    target: str
    tip: str


@dataclass(frozen=True)
class ColorScale:
    """A conditional format of two or three colours; ``points`` are numbers, else minimum, median, maximum."""

    areas: tuple[Area, ...]
    colors: tuple[str, ...]
    points: tuple[float, ...] | None


@dataclass(frozen=True)
class Highlight:
    """A conditional format by formula, written for the area's first cell."""

    area: Area
    formula: str
    style: Style


@dataclass
class NewSheet:
    """A sheet described cell by cell. Rows and columns count from 1; formulas are written without '='.

    Values are numbers, text, booleans, dates, `ErrorValue` or None; text that starts with = + - @ stays text. NaN and
    infinity are refused when the sheet is written, naming the cell: Excel has no such numbers.
    """

    name: str
    tab_color: str | None = None
    gridlines: bool = False
    cells: dict[int, dict[int, tuple[object, Style | None]]] = field(default_factory=dict, repr=False)
    blocks: list[Block] = field(default_factory=list, repr=False)
    widths: list[tuple[int, int, float]] = field(default_factory=list, repr=False)
    heights: dict[int, float] = field(default_factory=dict, repr=False)
    frozen: tuple[int, int] | None = None
    formats: list[ColorScale | Highlight] = field(default_factory=list, repr=False)
    links: list[Link] = field(default_factory=list, repr=False)
    names: list[DefinedName] = field(default_factory=list, repr=False)
    charts: list[tuple[Area, Chart]] = field(default_factory=list, repr=False)
    printing: PrintSetup | None = None
    filtered: Area | None = None

    def __post_init__(self) -> None:
        check_sheet_name(self.name)

    def cell(self, row: int, col: int, value: CellValue, style: Style | None = None) -> None:
        """Put a value into a cell; None with a style is a blank cell that looks like something."""
        self._put(row, col, value, style)

    def formula(
        self, row: int, col: int, text: str, value: CellValue, style: Style | None = None, array: Area | None = None
    ) -> None:
        """Put a formula and its value into a cell. The other cells of an ``array`` get their values by `cell`."""
        self._put(row, col, FormulaCell(text, value, array), style)

    def block(self, row: int, col: int, rows: Iterable[Sequence[CellValue]], style: BlockStyle = None) -> None:
        """Values row by row, read once, when the sheet is written; NumPy rows are taken too."""
        self.blocks.append(Block(row, col, rows, style, formulas=False))

    def formulas(
        self, row: int, col: int, rows: Iterable[Sequence[tuple[str | None, CellValue]]], style: BlockStyle = None
    ) -> None:
        """(formula, value) pairs row by row; a pair (None, value) is a plain value."""
        self.blocks.append(Block(row, col, rows, style, formulas=True))

    def width(self, first_col: int, last_col: int, width: float) -> None:
        """Column widths in characters of the default font, as Excel's dialog counts them."""
        self.widths.append((first_col, last_col, width))

    def height(self, row: int, points: float) -> None:
        """A row's height."""
        self.heights[row] = points

    def freeze(self, row: int, col: int) -> None:
        """Keep the rows above and the columns left of this cell in sight."""
        self.frozen = (row, col)

    def color_scale(
        self, area: Area | Sequence[Area], colors: Sequence[str], points: Sequence[float] | None = None
    ) -> None:
        """Colour the cells by value, with two or three colours at the least, middle and greatest, or at ``points``.

        Several areas share one scale.
        """
        if len(colors) not in (2, 3) or (points is not None and len(points) != len(colors)):
            raise ValueError("a colour scale has two or three colours, and as many points where it has any")
        areas = (area,) if isinstance(area, Area) else tuple(area)
        if areas:
            self.formats.append(ColorScale(areas, tuple(colors), None if points is None else tuple(points)))

    def highlight(self, area: Area, formula: str, style: Style) -> None:
        """Format the cells where the formula holds; it is written as for the area's first cell."""
        self.formats.append(Highlight(area, formula, style))

    def link(self, row: int, col: int, target: str, text: str | None = None, style: Style | None = None) -> None:
        """Link a cell to a place in the workbook ("'My sheet'!A1"); ``text`` fills the cell as well."""
        if text is not None:
            self._put(row, col, text, style or Style(color="0563C1", underline=True))
        self.links.append(Link(row, col, target, f"Go to {target}"))

    def define(self, name: str, text: str, hidden: bool = False) -> None:
        """A name local to this sheet."""
        self.names.append(DefinedName(name, text, self.name, hidden))

    def chart(self, anchor: Area, chart: Chart) -> None:
        """Draw a chart over an area of cells."""
        self.charts.append((anchor, chart))

    def print_setup(
        self,
        *,
        landscape: bool = False,
        fit_width: int = 1,
        fit_height: int = 0,
        title_rows: tuple[int, int] | None = None,
        title_cols: tuple[int, int] | None = None,
    ) -> None:
        """How the sheet prints: A4 or Letter as the printer has it, header rows repeated on every page."""
        self.printing = PrintSetup(landscape, fit_width, fit_height)
        titles = []
        if title_cols:
            first, last = map(column_letters, title_cols)
            titles.append(f"{quote_sheet(self.name)}!${first}:${last}")
        if title_rows:
            titles.append(f"{quote_sheet(self.name)}!${title_rows[0]}:${title_rows[1]}")
        if titles:
            self.define("_xlnm.Print_Titles", ",".join(titles))

    def filter_buttons(self, area: Area) -> None:
        """Buttons in the first row of a table, to filter and sort the rows below."""
        self.filtered = area
        self.define("_xlnm._FilterDatabase", qualified(self.name, area), hidden=True)

    def _put(self, row: int, col: int, value: object, style: Style | None) -> None:
        if not (1 <= row <= MAX_ROW and 1 <= col <= MAX_COL):
            raise ValueError(f"row {row}, column {col} of the sheet {self.name} is off the sheet")
        line = self.cells.setdefault(row, {})
        if col in line:
            raise ValueError(f"{self.name}!{address(row, col)} is filled twice")
        line[col] = (value, style)


def check_sheet_name(name: str) -> None:
    """Raise `XlcollabError` where Excel would refuse the name of a sheet."""
    if not 1 <= len(name.encode("utf-16-le")) // 2 <= LONGEST_NAME:
        raise XlcollabError(f"'{name}' cannot be the name of a sheet: it has to have 1 to {LONGEST_NAME} characters.")
    if _FORBIDDEN.search(name) or name.startswith("'") or name.endswith("'") or not name.strip():
        raise XlcollabError(f"'{name}' cannot be the name of a sheet: leave out [ ] : * ? / \\ and ' at either end.")
    if name.lower() == "history":
        raise XlcollabError("'History' cannot be the name of a sheet: Excel keeps it for itself.")


def legal_sheet_name(text: str, taken: Iterable[str] = ()) -> str:
    """The text as the name of a sheet: unfit signs replaced, cut to length, numbered where it is taken.

    ('Summary', ['summary']) → 'Summary (2)'.
    """
    name = _FORBIDDEN.sub("_", text).strip().strip("'") or "Sheet"
    if name.lower() == "history":
        name = f"{name}_"
    used = {other.lower() for other in taken}
    candidate, number = _cut(name, LONGEST_NAME), 2
    while candidate.lower() in used:
        ending = f" ({number})"
        candidate, number = _cut(name, LONGEST_NAME - len(ending)) + ending, number + 1
    return candidate


def _cut(name: str, length: int) -> str:
    while len(name.encode("utf-16-le")) // 2 > length:  # Excel counts in UTF-16: an emoji is two
        name = name[:-1]
    return name.rstrip().rstrip("'") or "Sheet"
