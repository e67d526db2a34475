"""Long tables: columns side by side below one header row, each with a look and, where it is live, formulas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple

from xlcollab.sheets import theme
from xlcollab.xlsx.cells import Area, CellValue, column_letters
from xlcollab.xlsx.newsheet import NewSheet, Style

if TYPE_CHECKING:
    from xlcollab.ratings import Label

__all__ = ["ROW", "Columns"]

ROW = "\0"
"""Stands for the row number in a formula that is filled down a column."""


class _Column(NamedTuple):
    title: str | int
    formulas: Iterable[str | None]
    values: Sequence[CellValue]
    style: Style
    width: float


@dataclass
class Columns:
    """A table to be, its header in ``header_row``, growing to the right from ``first_column`` on."""

    header_row: int
    first_column: int = 1
    filtered: bool = False
    """Whether the header has buttons to filter and sort by."""
    columns: dict[str, _Column] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows there are below the header."""
        return min((len(column.values) for column in self.columns.values()), default=0)

    @property
    def first_row(self) -> int:
        """The row below the header."""
        return self.header_row + 1

    @property
    def next_column(self) -> int:
        """The number of the first column to the right of the table."""
        return self.first_column + len(self.columns)

    def add(
        self,
        key: str,
        values: Iterable[CellValue],
        style: Style,
        *,
        formula: str | Iterable[str | None] | None = None,
        title: str | int | None = None,
        width: float = 8.0,
    ) -> None:
        """Put a column to the right.

        ``formula`` is one for all rows, with `ROW` where the row number goes, or one for each row; None leaves values.
        """
        title = key if title is None else title
        formulas = repeat(formula) if formula is None or isinstance(formula, str) else formula
        values = list(values)
        if style.number_format is not None:
            numbers = [value for value in values if isinstance(value, int | float)]
            width = max(width, theme.number_width(numbers and [min(numbers), max(numbers)], style))
        width = theme.fitting_width([str(title)], width, 60)
        self.columns[key] = _Column(title, formulas, values, style, width)

    def add_labels(
        self, kind: str, labels: Sequence[Label], names: Mapping[Label, str], positions: Sequence[int], least: float = 8
    ) -> None:
        """The labels at these positions as ``kind``, and their names, if there are any, as ``kind name``."""
        width = theme.fitting_width([theme.label_text(label) + " " for label in labels], least, theme.WIDEST)
        style = theme.LABEL_TEXT if any(isinstance(label, str) for label in labels) else theme.LABEL
        self.add(kind, [labels[position] for position in positions], style, width=width)
        if names:
            width = theme.fitting_width(names.values(), 12, theme.WIDEST)
            shown = [names.get(labels[position], "") for position in positions]
            self.add(f"{kind} name", shown, theme.BESIDE, width=width)

    def number(self, key: str) -> int:
        """The number of a column on its sheet."""
        return self.first_column + list(self.columns).index(key)

    def ref(self, key: str) -> str:
        """A column's cell in the row of a formula that is filled down."""
        return f"${column_letters(self.number(key))}{ROW}"

    def area(self, key: str) -> Area:
        """A column's cells below the header."""
        column = self.number(key)
        return Area(self.first_row, column, self.header_row + len(self.columns[key].values), column)

    def put(self, sheet: NewSheet, begins: Sequence[bool] | None = None) -> None:
        """Write header, cells and widths; a line is drawn above each row that ``begins`` something."""
        for number, column in enumerate(self.columns.values(), self.first_column):
            header = theme.header_over(column.style)
            if self.filtered and header.align == "right":
                header = replace(header, indent=2)  # the button stands at the right end
            sheet.cell(self.header_row, number, column.title, header)
            sheet.width(number, number, column.width)
        if self.filtered and len(self):
            sheet.filter_buttons(
                Area(self.header_row, self.first_column, self.header_row + len(self), self.next_column - 1)
            )
        columns = list(self.columns.values())
        looks = [(column.style, theme.with_line_above(column.style)) for column in columns]
        cells = (zip(column.formulas, column.values, strict=False) for column in columns)
        rows = (
            [(text and text.replace(ROW, str(row)), value) for text, value in line]
            for row, line in enumerate(zip(*cells, strict=True), self.first_row)
        )
        sheet.formulas(
            self.first_row,
            self.first_column,
            rows,
            [column.style for column in columns] if begins is None else lambda row, column: looks[column][begins[row]],
        )
