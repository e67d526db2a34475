"""From a workbook to a `Grid`: a sheet's cells, formulas and pivot totals marked; and the range that a text names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from xlcollab.errors import RatingsError, XlcollabError
from xlcollab.reading.grid import Blanks, Grid, Place, Totals
from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.pivots import read_pivots

if TYPE_CHECKING:
    from xlcollab.xlsx.workbook import Sheet, Workbook

__all__ = ["resolve_range", "sheet_grids"]

_REFERENCE: Final = re.compile(r"=?(?:(?:'(?P<quoted>(?:[^']|'')+)'|(?P<plain>[^'!]+))!)?(?P<area>[^!]+)")


def sheet_grids(book: Workbook, sheet: Sheet, blanks: Blanks, area: Area | None = None) -> list[Grid]:
    """The cells of a sheet, or of those in an area; a formula's value is its cached one.

    One grid as a rule; several where a few cells stand very far from the others.
    """
    place, totals = Place.on_sheet(sheet.name), _pivot_totals(book, sheet)
    grids = []
    for found in sheet.grids:
        # Only the first cell of an array formula carries it.
        tails = [place for array in found.arrays if (inside := array.clip(found.area)) for place in inside.cells()]
        top, left = found.area[:2]
        formulas = [*found.formulas, *tails]
        grid = Grid.of(place, found.rows, top, left, formulas=formulas, blanks=blanks, totals=totals)
        grids.append(grid if area is None else grid.inside(area))
    return grids


def _pivot_totals(book: Workbook, sheet: Sheet) -> Totals:
    # A line that one pivot table fills with totals may be data in another beside it: there the label has to tell.
    pivots = read_pivots(book, sheet)
    if len(pivots) != 1:
        return Totals()
    return Totals(frozenset(pivots[0].total_rows), frozenset(pivots[0].total_cols))


def resolve_range(book: Workbook, text: str, sheet: str | None = None) -> tuple[Sheet, Area]:
    """The sheet and area that a text names: a reference with or without its sheet, a defined name, or a table.

    A reference without a sheet is on ``sheet``, or on the book's only one. A table comes without its totals row. Raises
    `RatingsError` for what is none of these.
    """
    table = next((table for name, table in book.tables.items() if name.lower() == text.strip().lower()), None)
    if table is not None:
        area = table.area
        return book.sheet(table.sheet), area._replace(last_row=area.last_row - table.totals_rows)
    name = book.names.find(text.strip(), sheet) or next(
        (name for name in book.names if name.name.lower() == text.strip().lower()), None
    )
    match = _REFERENCE.fullmatch((name.text if name else text).strip())
    if match:
        named = match["quoted"].replace("''", "'") if match["quoted"] else match["plain"] or sheet
        try:
            area = Area.parse(match["area"])
        except XlcollabError:
            pass
        else:
            return _home(book, named, text), area
    if name is not None:
        raise RatingsError(
            f"The name {name.name} stands for {name.text}, which is no range of cells. "
            "Name the range itself with --range."
        )
    named = [each.name for each in book.names if not each.hidden and not each.name.startswith("_xlnm.")]
    known = [*book.tables, *named]
    names = f" The workbook's names: {', '.join(known)}." if known else ""
    raise RatingsError(f"'{text}' is no range of cells, no defined name and no table of {book.path}.{names}")


def _home(book: Workbook, sheet: str | None, text: str) -> Sheet:
    if sheet is not None:
        return book.sheet(sheet)
    own = [each for each in book.sheets if not each.ours]
    if len(own) == 1:
        return own[0]
    names = ", ".join(each.name for each in own)
    raise RatingsError(f"Which sheet is {text} on? Write Sheet!{text}, or add --sheet. The sheets are: {names}.")
