"""Find long tables in a grid of cells: a row a rating, with columns for user, item, rating and perhaps a timestamp.

A header row that names user, item and rating makes one, whatever other columns stand between. So do three or four
columns side by side whose first repeats, with a header of unknown words, or of some that are known, or without one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from xlcollab.errors import RatingsError
from xlcollab.labels import roles
from xlcollab.reading.grid import BLANK, FORMULA, LABELS, NUMBER, TEXT, Grid

__all__ = ["LONG_WIDTHS", "LongLayout", "long_at", "long_by_repeats", "long_with_header", "long_without_header"]

LONG_WIDTHS: Final = (3, 4)
"""Columns of a long table that its header does not make known: user, item, rating, and perhaps a timestamp."""


@dataclass(frozen=True)
class LongLayout:
    """Where a long table lies in a grid: ``rows`` of data, the columns of user, item, rating and perhaps timestamp.

    ``top`` is its first row: the header where there is one. ``problem`` is why it cannot be read.
    """

    top: int
    user: int
    item: int
    rating: int
    timestamp: int | None
    rows: range
    problem: RatingsError | None = field(default=None, compare=False)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of what it covers."""
        columns = (self.user, self.item, self.rating, *(() if self.timestamp is None else (self.timestamp,)))
        return self.top, min(columns), self.rows.stop - 1, max(columns)


def long_with_header(grid: Grid) -> Iterator[LongLayout]:
    """Tables under a row that names user, item and rating, from the top."""
    above = b""
    for top, kinds in enumerate(grid.kinds):
        # A header differs in kind from the row above it: the rows of a long list of texts need no closer look.
        if kinds != above and kinds.count(TEXT) >= 3:
            for run in LABELS.finditer(kinds):
                start, end = run.span()
                if kinds.count(TEXT, start, end) < 3:
                    continue
                found = roles([grid.value(top, col) for col in range(start, end)])
                if found.keys() >= {"user", "item", "rating"}:
                    columns = [start + found[role] for role in ("user", "item", "rating")]
                    timestamp = start + found["timestamp"] if "timestamp" in found else None
                    yield from _layout(grid, top, top + 1, columns, timestamp)
        above = kinds


def long_at(grid: Grid) -> LongLayout | None:
    """The whole grid as one long table: by its header, or three or four columns that can be nothing else.

    Which they are where the first column repeats, or where the second holds no number and so no ratings. The first row
    is data and no header where a number stands at the rating's place and it is no crosstab's header: the user is a
    number too, or one that comes again below, or the item is none.
    """
    named = next(long_with_header(grid), None)
    if named is not None or grid.width not in LONG_WIDTHS or len(grid.kinds) < 2:
        return named
    first, users, items = grid.kinds[0], grid.column_kinds(0), grid.column_kinds(1)
    labels = [row[0] for row in grid.rows]
    if first[2] == NUMBER:
        is_data = first[0] == NUMBER or NUMBER not in items or labels[0] in labels[1:]
        return next(_by_position(grid, 0, 0, 0, grid.width), None) if is_data and first[0] != BLANK else None
    is_header = set(first[1:]) == {TEXT} and BLANK not in users[1:]
    if is_header and (NUMBER not in items or _repeats(grid, range(1, len(labels)), 0)):
        return next(_by_position(grid, 0, 1, 0, grid.width), None)
    return None


def long_by_repeats(grid: Grid, top: int, left: int, rows: Sequence[int], width: int) -> LongLayout | None:
    """The table under a header of unknown words, if it is three or four columns wide and the first repeats."""
    inside = left > 0 and LABELS.match(grid.kinds[top], left - 1)
    if width not in LONG_WIDTHS or inside or set(grid.kinds[top][left + 1 : left + width]) != {TEXT}:
        return None
    if not _repeats(grid, rows, left):
        return None
    return next(_by_position(grid, top, rows[0], left, width), None)


def long_without_header(grid: Grid) -> Iterator[LongLayout]:
    """Three or four columns of data whose first repeats, with no header above them."""
    above = bytes([BLANK]) * grid.width
    for top, kinds in enumerate(grid.kinds):
        for run in LABELS.finditer(kinds) if kinds != above else ():
            left, end = run.span()
            if end - left in LONG_WIDTHS and kinds[left + 2] == NUMBER and not LABELS.search(above, left, end):
                below = LABELS.match(grid.column_kinds(left), top)
                rows = range(top, below.end() if below else top)
                if len(rows) > 2 and _repeats(grid, rows, left):
                    yield from _by_position(grid, top, top, left, end - left)
        above = kinds


def _repeats(grid: Grid, rows: Sequence[int], col: int) -> bool:
    labels = [grid.value(row, col) for row in rows]
    return len(set(labels)) < len(labels)


def _by_position(grid: Grid, top: int, start: int, left: int, width: int) -> Iterator[LongLayout]:
    """The table whose columns are user, item, rating and timestamp in this order, but for those that a header names.

    A column more is the timestamp only where no header tells which one holds the ratings.
    """
    header = [grid.value(top, left + at) for at in range(width)] if top < start else []
    columns = roles(header)
    wanted = ("user", "item", "rating") if "rating" in columns else ("user", "item", "rating", "timestamp")
    unnamed = [at for at in range(width) if at not in columns.values()]
    columns |= dict(zip([role for role in wanted if role not in columns], unnamed, strict=False))
    if not columns.keys() >= {"user", "item", "rating"}:
        return
    placed = [left + columns[role] for role in ("user", "item", "rating")]
    timestamp = left + columns["timestamp"] if "timestamp" in columns else None
    for layout in _layout(grid, top, start, placed, timestamp):
        if not grid.is_computed(layout.rows, [layout.rating]):
            yield layout


def _layout(grid: Grid, top: int, start: int, columns: Sequence[int], timestamp: int | None) -> Iterator[LongLayout]:
    """The table whose data begin in row ``start``; nothing where it holds no rating that is a number of its own."""
    user, item, rating = columns
    runs = [LABELS.match(grid.column_kinds(col), start) for col in (user, item)]
    ends = [run.end() if run else start for run in runs]
    rows = range(start, min(ends))
    kinds = grid.column_kinds(rating)[rows.start : rows.stop]
    wrong = [position for position, kind in enumerate(kinds) if kind not in (NUMBER, BLANK, FORMULA)]
    if kinds.count(NUMBER) <= len(wrong):
        return
    problem: RatingsError | None = None
    if wrong:
        problem = grid.wrong_value(rows.start + wrong[0], rating)
    elif rows.stop < len(grid.kinds) and grid.kinds[rows.stop][rating] == NUMBER:
        problem = grid.unlabelled((rows.stop, user if ends[0] <= ends[1] else item), (rows.stop, rating))
    yield LongLayout(top, user, item, rating, timestamp, rows, problem)
