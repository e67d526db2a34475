"""Find the tables of ratings in a grid of cells: crosstabs here, long tables by `xlcollab.reading.long_tables`.

A crosstab has a corner that is blank or a text, labels to its right and below, and numbers or blanks between. Every
place that could be such a corner is a candidate; the largest are looked at first, and what overlaps one that was taken
is passed over. So titles above, notes beside and tables below do no harm, and a row of ratings is never taken for
labels.

Refused are labels that are header words, fractions, or repeat too often; bodies in which numbers are not the majority,
or are computed ones; tables whose rows are each about a cell, as in the reports of Excel's Solver; and what cannot be
read and may well be no table at all. Left out are rows and columns of formulas, totals, averages and remarks at the
end, and texts beside the labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NamedTuple

from xlcollab.errors import RatingsError
from xlcollab.labels import is_header_word, is_total_word
from xlcollab.reading.grid import BLANK, FORMULA, LABELS, NUMBER, TEXT, Grid, reads_as_number
from xlcollab.reading.long_tables import LongLayout, long_at, long_by_repeats, long_with_header, long_without_header
from xlcollab.xlsx.cells import CellValue, ErrorValue

__all__ = ["CrosstabLayout", "Layout", "find_layouts", "layout_of"]

_MOST_TITLES: Final = 4  # rows of titles above a header, and columns of other labels left of the users
_MOST_RUNS: Final = 8  # tables side by side: a row with more gaps is no header, of which the longest run could be one
_LEAST_SURE: Final = 3  # lines each way of a table that is told of though it cannot be read
_MOST_MARKERS: Final = 3  # different texts in it, or more where many numbers are
_SEVERAL_LABELS: Final = re.compile(LABELS.pattern.replace(b"+", b"{2,}"))
_EXTREMES: Final = frozenset(("min", "max", "minimum", "maximum", "lowest", "highest", "mode", "std", "stdev", "sd"))
_PANDAS_MARGINS: Final = "All"  # of pivot_table(margins=True), on both sides; on one it is a name like others
_ADDRESS: Final = re.compile(r"(?:.+!)?\$[A-Z]{1,3}\$\d+(?::\$[A-Z]{1,3}\$\d+)?")


@dataclass(frozen=True)
class CrosstabLayout:
    """Where a crosstab lies in a grid: ``top`` is the row of column labels, ``left`` the column of row labels.

    ``rows`` and ``cols`` are the rest of it, without totals and formulas; ``bottom`` and ``right`` its last row and
    column with them. ``problem`` is why it cannot be read.
    """

    top: int
    left: int
    bottom: int
    right: int
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    problem: RatingsError | None = field(default=None, compare=False)

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Top, left, bottom and right of what it covers."""
        return self.top, self.left, self.bottom, self.right


Layout = CrosstabLayout | LongLayout


def find_layouts(grid: Grid, *, lenient: bool = False) -> list[Layout]:
    """Every table of ratings in the grid that overlaps none taken before it, in reading order.

    ``lenient`` is for a part of a sheet that somebody named: there a single row or column counts, and computed numbers
    do.
    """
    taken = _Taken()
    for long in long_with_header(grid):
        if not taken.overlaps(*long.corners):
            taken.add(long)
    for _, top, left, bottom, right in sorted(_candidates(grid, 1 if lenient else 2)):
        if not taken.overlaps(top, left, bottom, right) and (lenient or not _about_cells(grid, top, left, bottom)):
            found = long_by_repeats(grid, top, left, range(top + 1, bottom + 1), right - left + 1) or _crosstab(
                grid, top, left, bottom, right, lenient
            )
            if found is not None:
                taken.add(found)
    if not taken.layouts:
        tables = (
            long for long in long_without_header(grid) if not _about_cells(grid, long.top, long.user, long.rows[-1])
        )
        taken.layouts += islice(tables, 1)
    return sorted(taken.layouts, key=lambda layout: layout.corners)


class _Taken:
    """The tables taken so far, and which columns they cover in each row, a bit a column."""

    def __init__(self) -> None:
        self.layouts: list[Layout] = []
        self._covered: defaultdict[int, int] = defaultdict(int)

    def add(self, layout: Layout) -> None:
        self.layouts.append(layout)
        top, left, bottom, right = layout.corners
        for row in range(top, bottom + 1):
            self._covered[row] |= (2 << right) - (1 << left)

    def overlaps(self, top: int, left: int, bottom: int, right: int) -> bool:
        columns = (2 << right) - (1 << left)
        return any(self._covered.get(row, 0) & columns for row in range(top, bottom + 1))


def layout_of(grid: Grid) -> Layout | None:
    """The whole grid as one table: long (`long_at`), or a crosstab with labels all along its first row and column.

    What the labels and the numbers look like does not matter, but a number in the corner makes it no crosstab.
    """
    height, width = len(grid.kinds), grid.width
    if height < 2 or width < 2:
        return None
    long = long_at(grid)
    if long is not None:
        return long
    labelled = LABELS.fullmatch(grid.kinds[0], 1) and LABELS.fullmatch(grid.column_kinds(0), 1)
    if labelled and grid.kinds[0][0] in (BLANK, TEXT, FORMULA):
        return _crosstab(grid, 0, 0, height - 1, width - 1, lenient=True)
    return None


def _candidates(grid: Grid, least: int) -> Iterator[tuple[int, int, int, int, int]]:
    """(minus the size, top, left, bottom, right) of every rectangle with labels along its top and left side.

    There are at least ``least`` of them on each side, or one where the corner holds a header word.
    """
    for top, kinds in enumerate(grid.kinds):
        runs = [run.span() for run in (LABELS if least == 1 else _SEVERAL_LABELS).finditer(kinds)]
        if len(runs) > _MOST_RUNS:
            runs = sorted(runs, key=lambda run: run[0] - run[1])[:_MOST_RUNS]
        for start, end in runs:
            for left in _corners(kinds, start, end):
                # The cheap question first: in a long column of texts every row would look down all of the rest.
                below = None if _goes_on(grid, top, left) else LABELS.match(grid.column_kinds(left), top + 1)
                if below:
                    bottom, right = below.end() - 1, end - 1
                    if min(bottom - top, right - left) >= least or is_header_word(grid.value(top, left)):
                        yield -(bottom - top) * (right - left), top, left, bottom, right


def _corners(kinds: bytes, start: int, end: int) -> Iterator[int]:
    """Where the corner of a header may be: the blank before its labels, or one of the first if it is a text."""
    if start > 0 and kinds[start - 1] == BLANK and (start == 1 or not LABELS.match(kinds, start - 2)):
        yield start - 1
    for col in range(start, min(start + _MOST_TITLES, end - 1)):
        if kinds[col] in (TEXT, FORMULA):
            yield col


def _goes_on(grid: Grid, top: int, left: int) -> bool:
    """Whether the rows above are like this one, so that it is a row of a table and not its header."""
    start = top - _MOST_TITLES - 1
    if start < 0 or not LABELS.fullmatch(grid.column_kinds(left), start, top):
        return False
    return LABELS.fullmatch(grid.column_kinds(left + 1), start, top) is not None


def _about_cells(grid: Grid, top: int, left: int, bottom: int) -> bool:
    """Whether every row begins with the address of a cell, "$B$6", as in Solver's reports and scenario summaries."""
    return any(
        all(
            isinstance(text := grid.value(row, col), str) and _ADDRESS.fullmatch(text)
            for row in range(top + 1, bottom + 1)
        )
        for col in range(max(left - _MOST_TITLES, 0), left + 1)
    )


def _crosstab(grid: Grid, top: int, left: int, bottom: int, right: int, lenient: bool) -> CrosstabLayout | None:
    last_row, last_col = bottom, right
    if grid.value(bottom, left) == grid.value(top, right) == _PANDAS_MARGINS:
        last_row, last_col = bottom - 1, right - 1
    while last_row > top and is_total_word(grid.value(last_row, left)):
        last_row -= 1
    while last_col > left and is_total_word(grid.value(top, last_col)):
        last_col -= 1
    rows = [row for row in range(top + 1, last_row + 1) if row + grid.first_row not in grid.totals.rows]
    cols = [col for col in range(left + 1, last_col + 1) if col + grid.first_col not in grid.totals.cols]
    if not rows or not cols or not _could_hold_ratings(grid, rows, cols):
        return None
    if grid.has_formulas:
        rows = [row for row in rows if not _derived(_kinds_at(grid.kinds[row], cols))]
        cols = [col for col in cols if not _derived(_kinds_at(grid.column_kinds(col), rows))]
    if not lenient and rows:
        cols = _without_texts(grid, rows, cols)
    if not rows or not cols or not (lenient or _looks_labelled(grid, top, left, rows, cols)):
        return None
    empty_rows = [row for row in rows if _is_no_label(grid.value(row, left))]
    empty_cols = [col for col in cols if _is_no_label(grid.value(top, col))]
    problem: RatingsError | None = None
    if empty_rows or empty_cols:
        problem = _empty_label(grid, top, left, (rows, empty_rows), (cols, empty_cols))
        if problem is None:
            return None
    layout = CrosstabLayout(top, left, bottom, right, tuple(rows), tuple(cols))
    problem = problem or _missing_label(grid, layout) or _wrong_value(grid, layout) or _cut_off(grid, layout)
    if not lenient and ((problem is not None and not _is_surely_meant(grid, layout)) or grid.is_computed(rows, cols)):
        return None
    return CrosstabLayout(top, left, bottom, right, layout.rows, layout.cols, problem)


def _without_texts(grid: Grid, rows: Sequence[int], cols: list[int]) -> list[int]:
    """The columns without remarks at the end, and without texts beside the labels, such as first names that many share.

    Texts beside the labels that can be labels themselves stay: they make another table.
    """
    while cols and _is_remarks(grid, rows, cols[-1]):
        cols = cols[:-1]
    while cols and _is_remarks(grid, rows, cols[0]) and not _are_labels([grid.value(row, cols[0]) for row in rows]):
        cols = cols[1:]
    return cols


def _kinds_at(kinds: bytes, positions: Sequence[int]) -> bytes:
    """Some of the kinds of a row or column; as a rule they lie side by side."""
    if not positions:
        return b""
    first, last = positions[0], positions[-1] + 1
    return kinds[first:last] if last - first == len(positions) else bytes([kinds[at] for at in positions])


def _derived(kinds: bytes) -> bool:
    """Whether a row or column holds formulas and no number of its own."""
    return FORMULA in kinds and NUMBER not in kinds


def _is_remarks(grid: Grid, rows: Sequence[int], col: int) -> bool:
    """Whether a column holds texts, and nothing that is or reads as a number."""
    return _only_text(_kinds_at(grid.column_kinds(col), rows)) and TEXT not in _kinds_at(grid.typed_numbers(col), rows)


def _is_no_label(value: CellValue) -> bool:
    """Whether a formula among the labels shows nothing, or an error."""
    return value is None or value == "" or isinstance(value, ErrorValue)


def _could_hold_ratings(grid: Grid, rows: Sequence[int], cols: Sequence[int]) -> bool:
    """Whether numbers are the majority of what is neither blank nor a formula; numbers typed as text are neither."""
    first, last = rows[0], rows[-1] + 1
    body = b"".join([grid.column_kinds(col)[first:last] for col in cols])
    numbers = body.count(NUMBER)
    others = len(body) - numbers - body.count(BLANK) - body.count(FORMULA)
    if numbers > others or not numbers:
        return numbers > others
    return numbers > others - sum(grid.typed_numbers(col).count(TEXT, first, last) for col in cols)


def _looks_labelled(grid: Grid, top: int, left: int, rows: Sequence[int], cols: Sequence[int]) -> bool:
    """Whether what stands above and beside a rectangle that nobody named may be taken for labels."""
    if min(len(rows), len(cols)) < 2 and not (rows and cols and is_header_word(grid.value(top, left))):
        return False
    users, items = [grid.value(row, left) for row in rows], [grid.value(top, col) for col in cols]
    if not _are_labels(users) or not _are_labels(items):
        return False
    # A first row or column of text is one more line of labels, such as names beside ids.
    first_row, first_col = _kinds_at(grid.kinds[rows[0]], cols), _kinds_at(grid.column_kinds(cols[0]), rows)
    return not _only_text(first_row) and not _only_text(first_col)


def _are_labels(labels: Sequence[CellValue]) -> bool:
    if is_header_word(labels[0]) or any(isinstance(label, float) and not label.is_integer() for label in labels):
        return False
    if len(labels) > 2 and _is_text(labels[0]) and not any(map(_is_text, labels[1:])):
        return False  # a title, and then the labels
    return len(labels) - len(set(labels)) <= max(1, len(labels) // 4)


def _is_text(label: CellValue) -> bool:
    return isinstance(label, str) and not reads_as_number(label)


def _only_text(kinds: bytes) -> bool:
    return TEXT in kinds and NUMBER not in kinds


def _is_surely_meant(grid: Grid, layout: CrosstabLayout) -> bool:
    """Whether a table that cannot be read is one beyond doubt, so that somebody has to be told of it.

    Its corner says so; or it has three lines each way, labels of one kind, and few different texts among its numbers.
    """
    rows, cols = layout.rows, layout.cols
    if is_header_word(grid.value(layout.top, layout.left)):
        return True
    if min(len(rows), len(cols)) < _LEAST_SURE:
        return False
    users, items = _kinds_at(grid.column_kinds(layout.left), rows), _kinds_at(grid.kinds[layout.top], cols)
    if any(len(kinds) - max(map(kinds.count, set(kinds))) > len(kinds) // 4 for kinds in (users, items)):
        return False
    values = [grid.value(row, col) for row in rows for col in cols if grid.kinds[row][col] not in (BLANK, FORMULA)]
    texts = [value for value in values if isinstance(value, str) and not reads_as_number(value)]
    return len(set(texts)) <= max(_MOST_MARKERS, (len(values) - len(texts)) // 4)


def _wrong_value(grid: Grid, layout: CrosstabLayout) -> RatingsError | None:
    """The error for the first cell, row by row, that is neither a number nor blank nor a formula."""
    first, last = layout.cols[0], layout.cols[-1] + 1
    fine = (NUMBER, BLANK, FORMULA)
    for row in layout.rows:
        kinds = grid.kinds[row]
        if sum(kinds.count(kind, first, last) for kind in fine) < last - first:
            for col in layout.cols:
                if kinds[col] not in fine:
                    return grid.wrong_value(row, col)
    return None


def _empty_label(
    grid: Grid, top: int, left: int, rows: tuple[list[int], list[int]], cols: tuple[list[int], list[int]]
) -> RatingsError | None:
    """The error for the first label that is a formula and shows nothing, beside a number; all lines, and those empty.

    None where that is most of them, or where no number stands there: then these are no labels.
    """
    if 2 * len(rows[1]) > len(rows[0]) or 2 * len(cols[1]) > len(cols[0]):
        return None
    for row in rows[1]:
        for col in cols[0]:
            if grid.kinds[row][col] == NUMBER:
                return grid.unlabelled((row, left), (row, col))
    for col in cols[1]:
        for row in rows[0]:
            if grid.kinds[row][col] == NUMBER:
                return grid.unlabelled((top, col), (row, col))
    return None


def _cut_off(grid: Grid, layout: CrosstabLayout) -> RatingsError | None:
    """The error for an empty row with more ratings below it, or an empty column with more of them to its right.

    Rows from two on, columns from three: fewer may be a summary, or what else is known of the users.
    """
    below, beside = layout.bottom + 1, layout.right + 1
    if below + 2 < len(grid.kinds) and not _filled(grid.kinds[below], layout.left, layout.right):
        rows = [_Line((row, layout.left), [(row, col) for col in layout.cols]) for row in (below + 1, below + 2)]
        if _go_on(grid, layout, [(row, layout.left) for row in layout.rows], rows):
            return _empty_line(grid, "row", (below, layout.left), rows[0].label)
    if beside + 3 < grid.width and not _filled(grid.column_kinds(beside), layout.top, layout.bottom):
        cols = [_Line((layout.top, beside + at), [(row, beside + at) for row in layout.rows]) for at in (1, 2, 3)]
        if _go_on(grid, layout, [(layout.top, col) for col in layout.cols], cols):
            return _empty_line(grid, "column", (layout.top, beside), cols[0].label)
    return None


class _Line(NamedTuple):
    """A row or column that may belong to a crosstab: where its label stands, and its cells."""

    label: tuple[int, int]
    cells: list[tuple[int, int]]


def _filled(kinds: bytes, first: int, last: int) -> bool:
    return kinds.count(BLANK, first, last + 1) <= last - first


def _go_on(grid: Grid, layout: CrosstabLayout, labels: list[tuple[int, int]], lines: list[_Line]) -> bool:
    """Whether lines are like those of a crosstab with these labels.

    Their own labels are new ones of the same kind, and their cells about as full, with numbers that differ and could be
    its ratings, whole ones where these are whole.
    """
    known, kinds = {grid.value(*at) for at in labels}, {grid.kinds[row][col] for row, col in labels}
    for (row, col), _ in lines:
        label = grid.value(row, col)
        if {grid.kinds[row][col]} != kinds or label in known or is_total_word(label) or _is_extreme(label):
            return False
    rated = [value for row in layout.rows for value in grid.ratings(row, layout.cols) if isinstance(value, int | float)]
    if not rated:
        return False
    least, most, whole = min(rated), max(rated), all(float(value).is_integer() for value in rated)
    found = []
    for at in (at for line in lines for at in line.cells if grid.kinds[at[0]][at[1]] != BLANK):
        value = grid.value(*at)
        if grid.kinds[at[0]][at[1]] != NUMBER or not isinstance(value, int | float):
            return False
        if value not in grid.blanks.numbers:
            if not least <= value <= most or (whole and not float(value).is_integer()):
                return False
            found.append(value)
    return len(set(found)) > 1 and 2 * len(found) * len(labels) >= len(rated) * len(lines)


def _is_extreme(label: CellValue) -> bool:
    """Whether a text may head a summary. Where it may also be a name, as Max, it is taken for one in a table."""
    return isinstance(label, str) and label.strip().casefold() in _EXTREMES


def _empty_line(grid: Grid, line: str, empty: tuple[int, int], more: tuple[int, int]) -> RatingsError:
    spot = grid.spot(*empty)
    return RatingsError(
        f"The {line} of {spot.text} is empty, but from {grid.spot(*more).text} on the table seems to go on. "
        f"Delete the empty {line}, or name the range of the ratings (--range).",
        sheet=spot.sheet,
        cell=spot.cell,
    )


def _missing_label(grid: Grid, layout: CrosstabLayout) -> RatingsError | None:
    """The error for a number directly below or right of the table whose row or column has no label."""
    below, beside = layout.bottom + 1, layout.right + 1
    if below < len(grid.kinds) and not LABELS.match(grid.kinds[below], layout.left):
        for col in layout.cols:
            if grid.kinds[below][col] == NUMBER:
                return grid.unlabelled((below, layout.left), (below, col))
    if beside < grid.width and not LABELS.match(grid.kinds[layout.top], beside):
        for row in layout.rows:
            if grid.kinds[row][beside] == NUMBER:
                return grid.unlabelled((layout.top, beside), (row, beside))
    return None
