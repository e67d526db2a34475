"""The ratings in a workbook: crosstabs and long tables found on its sheets, or read from a range that was named.

Sheets that xlcollab wrote are passed over unless they are named. Formula cells are never ratings, so that predictions,
totals and sheets derived from others are none. Tables that say the same count once. Loads no NumPy: ``inspect`` has a
start-up budget.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from xlcollab.errors import DuplicateError, FormulaWarning, NoCrosstabError, RatingsError, SeveralCrosstabsError
from xlcollab.labels import Label, is_item_word, is_user_word, plain_label, repeated, roles
from xlcollab.reading.grid import DATE, FORMULA, NUMBER, Blanks, Grid, Place, Spot
from xlcollab.reading.long_tables import LongLayout
from xlcollab.reading.rectangles import CrosstabLayout, Layout, find_layouts, layout_of
from xlcollab.reading.sheet_grid import resolve_range, sheet_grids
from xlcollab.xlsx.cells import Area, CellValue, quote_sheet

if TYPE_CHECKING:
    from xlcollab.reading.coding import Column
    from xlcollab.xlsx.workbook import Sheet, Workbook

__all__ = ["Crosstab", "LongTable", "find_crosstabs", "read_crosstab", "table_of"]


@dataclass(frozen=True)
class _Table:
    """A table on a sheet or in a file of text, and where it lies."""

    place: Place
    area: Area

    @property
    def sheet(self) -> str | None:
        """The sheet's name; None in a file of text."""
        return self.place.sheet

    @property
    def range(self) -> str:
        """The area: 'G1:V16'."""
        return self.area.ref


@dataclass(frozen=True)
class Crosstab(_Table):
    """Ratings in a rectangle: users down the side, items across the top, whichever way they stand on the sheet.

    ``values`` (m rows of n) are numbers, None where a cell is blank, a formula or a marker of "not rated". ``area`` is
    the place on the sheet, labels included, totals left out; ``user_lines`` and ``item_lines`` are the sheet's rows and
    columns (columns and rows if ``transposed``). ``problem`` is the error that `Ratings.from_table` raises for it.
    ``copies`` are the other places where the same ratings stand, ``formulas`` the cells that were taken for blanks.
    """

    users: tuple[Label, ...]
    items: tuple[Label, ...]
    values: Sequence[Sequence[float | None]] = field(repr=False)
    user_lines: tuple[int, ...] = field(repr=False)
    item_lines: tuple[int, ...] = field(repr=False)
    transposed: bool = False
    user_title: str = "user"
    item_title: str = "item"
    problem: RatingsError | None = None
    copies: tuple[str, ...] = ()
    formulas: tuple[Spot, ...] = field(default=(), repr=False)
    kind: Literal["crosstab"] = "crosstab"

    @cached_property
    def n_ratings(self) -> int:
        """The number of cells that hold a rating."""
        return sum(len(row) - row.count(None) for row in self.values)

    @property
    def n_blanks(self) -> int:
        """The number of cells that hold none."""
        return len(self.users) * len(self.items) - self.n_ratings

    def turned(self) -> Crosstab:
        """The same cells with the users across the top."""
        return replace(
            self,
            users=self.items,
            items=self.users,
            values=list(zip(*self.values, strict=True)),
            user_lines=self.item_lines,
            item_lines=self.user_lines,
            transposed=not self.transposed,
        )

    def facts(self) -> dict[tuple[Label, Label], float]:
        """The ratings by (user, item)."""
        return {
            (user, item): value
            for user, row in zip(self.users, self.values, strict=True)
            for item, value in zip(self.items, row, strict=True)
            if value is not None
        }

    def repeated_label(self, kind: str) -> DuplicateError | None:
        """The error for the first user or item label that stands there twice, naming both cells; None without one."""
        labels, lines = (self.users, self.user_lines) if kind == "user" else (self.items, self.item_lines)
        twice = repeated(labels)
        if twice is None:
            return None
        down_the_side = (kind == "user") != self.transposed
        spots = [
            self.place.spot(lines[at], self.area.first_col)
            if down_the_side
            else self.place.spot(self.area.first_row, lines[at])
            for at in twice
        ]
        return DuplicateError(
            f"{spots[0].text} and {spots[1].text} both hold the {kind} {labels[twice[0]]!r}. "
            "Rename one of them, or pass duplicates='last' or 'mean' to read_ratings (--duplicates).",
            sheet=spots[1].sheet,
            cell=spots[1].cell,
        )


@dataclass(frozen=True)
class LongTable(_Table):
    """Ratings in a long table, one row a rating: columns of equal length, rows without a rating left out.

    The columns are lists, or arrays where a file was read by pandas. ``lines`` are the rows in the file, ``columns``
    those of user, item and rating, counted from 1.
    """

    user_column: Column = field(repr=False)
    item_column: Column = field(repr=False)
    rating_column: Column = field(repr=False)
    timestamp_column: Column | None = field(repr=False)
    lines: Sequence[int] = field(repr=False)
    columns: tuple[int, int, int]
    user_title: str = "user"
    item_title: str = "item"
    problem: RatingsError | None = None
    copies: tuple[str, ...] = ()
    formulas: tuple[Spot, ...] = field(default=(), repr=False)
    kind: Literal["long"] = "long"

    @cached_property
    def users(self) -> tuple[Label, ...]:
        """The distinct users, as they appear."""
        return tuple(dict.fromkeys(self.user_column))

    @cached_property
    def items(self) -> tuple[Label, ...]:
        """The distinct items, as they appear."""
        return tuple(dict.fromkeys(self.item_column))

    @property
    def n_ratings(self) -> int:
        """The number of ratings."""
        return len(self.rating_column)

    @property
    def n_blanks(self) -> int:
        """The number of pairs of a user and an item without a rating."""
        return len(self.users) * len(self.items) - self.n_ratings

    def facts(self) -> dict[tuple[Label, Label], float]:
        """The ratings by (user, item); of several the last."""
        pairs = zip(self.user_column, self.item_column, strict=True)
        return dict(zip(pairs, self.rating_column, strict=True))

    def spot(self, row: int) -> Spot:
        """What messages call the t-th rating."""
        return self.place.spot(self.lines[row], self.columns[2])


def find_crosstabs(
    book: Workbook,
    *,
    sheet: str | None = None,
    range: str | None = None,  # noqa: A002 (the word that Excel has for it)
    transpose: bool = False,
    blanks: Iterable[object] = (),
) -> list[Crosstab | LongTable]:
    """Every table of ratings in a workbook, sheet by sheet from the upper left; of those that say the same, the first.

    Sheets that xlcollab wrote are passed over, and hidden ones where a visible one holds ratings, unless they are
    named: ``sheet`` and ``range`` say where to look (`read_crosstab`); ``transpose`` is for items down the side and
    ``blanks`` for markers of "not rated". What is wrong with a table is in its ``problem``.
    """
    markers = Blanks(blanks)
    if range is not None:
        grid, layout = _in_range(book, sheet, range, markers)
        return [table_of(grid, layout, transpose=transpose)]
    for sheets in _searched(book, sheet):
        grids = [grid for each in sheets for grid in sheet_grids(book, each, markers)]
        found = [table_of(grid, layout, transpose=transpose) for grid in grids for layout in find_layouts(grid)]
        if found:
            return _distinct(found)
    return []


def read_crosstab(
    book: Workbook,
    *,
    sheet: str | None = None,
    range: str | None = None,  # noqa: A002 (the word that Excel has for it)
    transpose: bool = False,
    blanks: Iterable[object] = (),
) -> Crosstab | LongTable:
    """The one table of ratings in a workbook: of several on a sheet the one furthest up, then furthest left.

    ``range`` names it: a reference ("B2:Q17" on ``sheet``, "Sheet!B2:Q17"), a defined name or a table, labels included.
    Raises `NoCrosstabError`, and `SeveralCrosstabsError` where sheets differ; what is wrong inside the table, such as
    text among the ratings, is raised too.
    """
    found = find_crosstabs(book, sheet=sheet, range=range, transpose=transpose, blanks=blanks)
    if not found:
        raise _none_found(book, sheet)
    first_on: dict[str | None, Crosstab | LongTable] = {}
    for table in found:
        first_on.setdefault(table.sheet, table)
    if len(first_on) > 1:
        raise SeveralCrosstabsError(
            f"{book.path} holds different ratings on {len(first_on)} sheets. Choose one: "
            + "; ".join(
                f"--sheet {_shell_quoted(table.sheet or '')} ({table.range}, {len(table.users)} users × "
                f"{len(table.items)} items)"
                for table in first_on.values()
            )
            + "."
        )
    table = found[0]
    if table.problem is not None:
        raise table.problem
    if table.formulas:
        warnings.warn(
            f"Formulas stand among the ratings, {len(table.formulas)} in all, the first in {table.formulas[0].text}."
            " They count as not rated: paste them as values if they are ratings.",
            FormulaWarning,
            stacklevel=2,
        )
    return table


def _shell_quoted(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() else f'"{name}"'


def _searched(book: Workbook, sheet: str | None) -> list[list[Sheet]]:
    """The sheets to search; the second group, the hidden ones, only where the first holds nothing."""
    if sheet is not None:
        return [[book.sheet(sheet)]]
    own = [each for each in book.sheets if not each.ours]
    return [[each for each in own if (each.state == "visible") is visible] for visible in (True, False)]


def _none_found(book: Workbook, sheet: str | None) -> NoCrosstabError:
    searched = [each for sheets in _searched(book, sheet) for each in sheets]
    where = f"the sheet {quote_sheet(sheet)}" if sheet is not None else str(book.path)
    if not book.sheets:
        return NoCrosstabError(f"{book.path} has no worksheet: its sheets are charts, macros or dialogs.")
    if not searched:
        return NoCrosstabError(
            f"All sheets of {book.path} were written by xlcollab, whose predictions are no ratings. "
            "To read one of them nevertheless, name it with --sheet."
        )
    hint = "Name its range with --range, labels included."
    if any(each.has_formulas for each in searched):
        hint += " Ratings that are formulas have to be pasted as values first."
    return NoCrosstabError(
        f"There is no table of ratings on {where}: users down the side, items across the top, numbers or blanks "
        f"between. {hint}",
        sheet=sheet,
    )


def _distinct(found: Sequence[Crosstab | LongTable]) -> list[Crosstab | LongTable]:
    """The tables without those that hold the ratings of an earlier one, which are noted as its copies."""
    kept: list[Crosstab | LongTable] = []
    by_size: dict[int, list[int]] = {}  # positions in what is kept
    for table in found:
        alike = by_size.setdefault(table.n_ratings, []) if table.problem is None else []
        at = next((at for at in alike if kept[at].facts() == table.facts()), None)
        if at is None:
            alike.append(len(kept))
            kept.append(table)
        else:
            copy = f"{quote_sheet(table.sheet or '')}!{table.range}"
            kept[at] = replace(kept[at], copies=(*kept[at].copies, copy))
    return kept


def _in_range(book: Workbook, sheet: str | None, text: str, blanks: Blanks) -> tuple[Grid, Layout]:
    home, area = resolve_range(book, text, sheet)
    grids = [grid.trimmed() for grid in sheet_grids(book, home, blanks, area)]
    for grid in grids:
        layout = layout_of(grid) or next(iter(find_layouts(grid, lenient=True)), None)
        if layout is not None:
            return grid, layout
    why = "It needs item labels along its first row, user labels down its first column, and numbers between."
    kinds = [line[1:] for grid in grids for line in grid.kinds[1:]]
    if any(FORMULA in line for line in kinds) and not any(NUMBER in line for line in kinds):
        why = "Its numbers are formulas, which are never ratings: paste them as values first."
    raise NoCrosstabError(
        f"{quote_sheet(home.name)}!{area.ref} is no table of ratings. {why}", sheet=home.name, cell=area.ref
    )


# From cells to tables -------------------------------------------------------------------------------------------------


def table_of(grid: Grid, layout: Layout, *, transpose: bool = False) -> Crosstab | LongTable:
    """The table that lies in a grid: labels and ratings, and where it stands."""
    area = grid.area(*layout.corners)
    if isinstance(layout, LongLayout):
        return _long_table(grid, layout, area)
    rows, cols = layout.rows, layout.cols
    area = grid.area(layout.top, layout.left, rows[-1], cols[-1])
    down = tuple(_label(grid, row, layout.left) for row in rows)
    across = tuple(_label(grid, layout.top, col) for col in cols)
    values = cast(Sequence[Sequence[float | None]], [grid.ratings(row, cols) for row in rows])
    row_lines, col_lines = tuple(row + grid.first_row for row in rows), tuple(col + grid.first_col for col in cols)
    formulas = _formulas(grid, rows, cols)
    found = Crosstab(
        grid.place, area, down, across, values, row_lines, col_lines, problem=layout.problem, formulas=formulas
    )
    if transpose:
        found = found.turned()
    return _titled(found, grid, layout)


def _titled(table: Crosstab, grid: Grid, layout: CrosstabLayout) -> Crosstab:
    """The table with what its corner calls the labels; the lesson has "movieId" there, "userId" left of the users."""
    corner = grid.value(layout.top, layout.left)
    if not isinstance(corner, str) or "rating" in roles([corner]):
        return table  # a corner that says "rating" is about the cells
    if is_user_word(corner) or not (is_item_word(corner) or table.transposed):
        return replace(table, user_title=corner)
    beside = grid.value(layout.top + 1, layout.left - 1) if layout.left else None
    user_title = beside if isinstance(beside, str) and is_user_word(beside) else table.user_title
    return replace(table, item_title=corner, user_title=user_title)


def _formulas(grid: Grid, rows: Sequence[int], cols: Sequence[int]) -> tuple[Spot, ...]:
    """Where formulas stand in place of ratings."""
    some = (row for row in rows if FORMULA in grid.kinds[row])
    return tuple(grid.spot(row, col) for row in some for col in cols if grid.kinds[row][col] == FORMULA)


def _label(grid: Grid, row: int, col: int) -> Label:
    return plain_label(cast(Label, grid.value(row, col)))


def _long_table(grid: Grid, layout: LongLayout, area: Area) -> LongTable:
    rows = [row for row in layout.rows if grid.kinds[row][layout.rating] == NUMBER]
    rows = [row for row in rows if grid.value(row, layout.rating) not in grid.blanks]
    columns = [[grid.value(row, col) for row in rows] for col in (layout.user, layout.item, layout.rating)]
    timestamps = None
    if layout.timestamp is not None and {grid.kinds[row][layout.timestamp] for row in rows} <= {NUMBER, DATE}:
        timestamps = [_seconds(grid.value(row, layout.timestamp)) for row in rows]
    user_title, item_title = "user", "item"
    if layout.top < layout.rows.start:
        user_title, item_title = (str(grid.value(layout.top, col)) for col in (layout.user, layout.item))
    return LongTable(
        grid.place,
        area,
        [plain_label(cast(Label, label)) for label in columns[0]],
        [plain_label(cast(Label, label)) for label in columns[1]],
        columns[2],
        timestamps,
        [row + grid.first_row for row in rows],
        (layout.user + grid.first_col, layout.item + grid.first_col, layout.rating + grid.first_col),
        user_title,
        item_title,
        layout.problem,
        formulas=_formulas(grid, layout.rows, [layout.rating]),
    )


def _seconds(value: CellValue) -> int:
    """A timestamp in seconds since 1970: a number as it is, a date by its clock, as if in UTC."""
    if isinstance(value, dt.datetime):
        return int(value.replace(tzinfo=dt.UTC).timestamp())
    if isinstance(value, dt.date):
        return int(dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC).timestamp())
    return int(cast(float, value))
