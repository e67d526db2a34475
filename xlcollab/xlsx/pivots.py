"""Pivot tables: which of their rows and columns hold totals, whatever language their labels are in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lxml import etree

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.markup import local_name, main, parse, whole_number

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Sheet, Workbook

__all__ = ["Pivot", "read_pivots"]


class Pivot(NamedTuple):
    """A pivot table: its area without the page filters, and the sheet's rows and columns that hold totals of others."""

    area: Area
    total_rows: tuple[int, ...]
    total_cols: tuple[int, ...]


def read_pivots(book: Workbook, sheet: Sheet) -> list[Pivot]:
    """The pivot tables on a sheet."""
    parts = book.package.related(sheet.part, "pivotTable")
    return [pivot for part in parts if (pivot := _pivot(parse(book.package.read(part), part))) is not None]


def _pivot(root: etree._Element) -> Pivot | None:
    location = root.find(main("location"))
    if location is None:
        return None
    try:
        area = Area.parse(location.get("ref", ""))
    except XlcollabError:
        return None
    first_row = area.first_row + whole_number(location, "firstDataRow", 1)
    first_col = area.first_col + whole_number(location, "firstDataCol", 1)
    return Pivot(area, _totals(root, "rowItems", first_row), _totals(root, "colItems", first_col))


def _totals(root: etree._Element, items: str, first: int) -> tuple[int, ...]:
    """The lines, counted from ``first``, whose item is of another type than data: grand totals and subtotals.

    ECMA-376 part 1, 18.10.1.44 ``i``: one element for each row (column) of the table's body, its type in ``t``.
    """
    found = root.find(main(items))
    lines = [] if found is None else [item for item in found if local_name(item) == "i"]
    return tuple(first + at for at, item in enumerate(lines) if item.get("t", "data") not in ("data", "blank"))
