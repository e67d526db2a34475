"""Tables of labels and numbers → files: text, a workbook with one sheet that a person would keep, or parquet."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from xlcollab.atomic import atomic_write
from xlcollab.errors import CannotWriteError
from xlcollab.labels import Label

if TYPE_CHECKING:
    from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["write_crosstab", "write_long", "write_rows"]

Value = Label | None

SHEET: Final = "ratings"
_DELIMITERS: Final = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
_KINDS: Final = ".csv, .tsv, .txt, .xlsx or .parquet"
_INK, _PANEL, _LINE = "1F2933", "EEF1F4", "C3CBD3"
_MIN_WIDTH, _MAX_WIDTH = 6.0, 30.0


def write_crosstab(
    path: str | os.PathLike[str],
    corner: str,
    users: Sequence[Label],
    items: Sequence[Label],
    rows: Iterable[Sequence[float | None]],
    *,
    force: bool = False,
    number_format: str = "0.0",
) -> None:
    """Write a crosstab: items across the top, a row for each user, None where something is not rated.

    ``number_format`` is how a workbook shows the ratings.
    """
    path = Path(path)
    suffix = _suffix(path, len(users) + 1, len(items) + 1)
    if suffix == ".parquet":
        _write_parquet(path, [corner, *map(str, items)], [users, *zip(*rows, strict=True)], force)
        return
    lines = ([user, *map(_short, row)] for user, row in zip(users, rows, strict=True))
    if suffix == ".xlsx":
        _write_workbook(path, _crosstab_sheet([corner, *items], users, lines, number_format), force)
    else:
        _write_text(path, [corner, *items], lines, force)


def write_long(
    path: str | os.PathLike[str],
    header: Sequence[str],
    columns: Sequence[Sequence[Any]],
    *,
    force: bool = False,
    number_format: str = "0.0",
) -> None:
    """Write columns of equal length under a header: user, item, rating, and perhaps timestamp."""
    path = Path(path)
    suffix = _suffix(path, len(columns[0]) + 1, len(columns))
    if suffix == ".parquet":
        _write_parquet(path, header, columns, force)
        return
    rows = ([user, item, _short(rating), *rest] for user, item, rating, *rest in zip(*columns, strict=True))
    if suffix == ".xlsx":
        _write_workbook(path, _list_sheet(SHEET, header, columns, rows, number_format), force)
    else:
        _write_text(path, header, rows, force)


def write_rows(
    path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[Value]], force: bool = False
) -> None:
    """Write predictions under a header: .xlsx, .parquet, .csv, or .tsv and .txt by tabs; other suffixes are refused."""
    path, rows = Path(path), list(rows)
    kind = _suffix(path, len(rows) + 1, len(header))
    columns = list(zip(*rows, strict=True)) or [()] * len(header)
    if kind == ".parquet":
        _write_parquet(path, header, columns, force)
    elif kind == ".xlsx":
        _write_workbook(path, _list_sheet("predictions", header, columns, iter(rows), "0.00"), force)
    else:
        _write_text(path, header, rows, force)


def _suffix(path: Path, height: int, width: int) -> str:
    suffix = path.suffix.lower()
    if suffix not in (*_DELIMITERS, ".xlsx", ".parquet"):
        raise CannotWriteError(f"{path} cannot be written: its suffix says no kind that is known. Use {_KINDS}.")
    if suffix == ".xlsx":
        from xlcollab.xlsx.cells import MAX_COL, MAX_ROW

        if height > MAX_ROW or width > MAX_COL:
            raise CannotWriteError(
                f"{path} cannot be written: the table has {height:,} rows and {width:,} columns, a sheet at most "
                f"{MAX_ROW:,} and {MAX_COL:,}. Keep fewer users and items (--users, --items), or write .csv."
            )
    return suffix


def _short(value: float | None) -> float | None:
    """A whole number as an int, so that text and cells show 4 and not 4.0."""
    return int(value) if value is not None and value == int(value) else value


# Text -----------------------------------------------------------------------------------------------------------------


def _write_text(path: Path, header: Sequence[Value], rows: Iterable[Sequence[Value]], force: bool) -> None:
    with atomic_write(path, force=force) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text, delimiter=_DELIMITERS.get(path.suffix.lower(), ","), lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)  # dates and times as ISO 8601 has them, which is what `str` makes of them
        text.detach()


# A workbook -----------------------------------------------------------------------------------------------------------


def _write_workbook(path: Path, sheet: NewSheet, force: bool) -> None:
    from xlcollab.xlsx.workbook import MARK, Workbook

    book = Workbook.new()
    book.add(sheet)
    if sheet.name == SHEET:  # these are ratings to be read again, no result to be passed over
        book.names.remove(MARK, sheet.name)
    book.save(path, force=force)


def _crosstab_sheet(
    header: Sequence[Label], users: Sequence[Label], rows: Iterator[Sequence[Value]], numbers: str
) -> NewSheet:
    from xlcollab.xlsx.newsheet import NewSheet, Style

    top = Style(bold=True, color=_INK, fill=_PANEL, bottom="thin", border_color=_LINE, align="center", wrap=True)
    side = replace(top, bottom=None, right="thin", align="right", wrap=False, indent=1)
    corner = replace(top, right="thin", align="right", indent=1)
    rating = Style(color=_INK, number_format=numbers, align="center")
    sheet = NewSheet(SHEET, gridlines=True)
    sheet.block(1, 1, [header], [corner, *[top] * (len(header) - 1)])
    sheet.block(2, 1, rows, [side, *[rating] * (len(header) - 1)])
    sheet.width(1, 1, _fitting(users, header[:1]))
    sheet.width(2, len(header), min(_fitting(header[1:]), 14.0))
    sheet.freeze(2, 2)
    sheet.print_setup(landscape=len(header) > len(users), title_rows=(1, 1), title_cols=(1, 1))
    return sheet


def _list_sheet(
    name: str, header: Sequence[str], columns: Sequence[Sequence[Any]], rows: Iterator[Sequence[Value]], numbers: str
) -> NewSheet:
    from xlcollab.xlsx.newsheet import NewSheet, Style

    top = Style(bold=True, color=_INK, fill=_PANEL, bottom="thin", border_color=_LINE)
    plain = Style(color=_INK)
    sheet = NewSheet(name, gridlines=True)
    numeric = [bool(len(column)) and isinstance(column[0], int | float) for column in columns]
    sheet.block(1, 1, [header], [replace(top, align="right" if right else "left") for right in numeric])
    number = replace(plain, number_format=numbers)
    sheet.block(2, 1, rows, [number if len(column) and isinstance(column[0], float) else plain for column in columns])
    for col, (word, column) in enumerate(zip(header, columns, strict=True), 1):
        sheet.width(col, col, _fitting([word], column[:1000]))
    sheet.freeze(2, 1)
    sheet.print_setup(title_rows=(1, 1))
    return sheet


def _fitting(*labels: Sequence[object]) -> float:
    longest = max((len(str(label)) for group in labels for label in group), default=0)
    return min(max(longest + 2.5, _MIN_WIDTH), _MAX_WIDTH)


# Parquet --------------------------------------------------------------------------------------------------------------


def _write_parquet(path: Path, names: Sequence[str], columns: Sequence[Sequence[Any]], force: bool) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise CannotWriteError(f"Writing {path} needs pyarrow: pip install 'xlcollab[parquet]'.") from error
    try:
        table = pa.Table.from_arrays([pa.array(column) for column in columns], names=list(names))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise CannotWriteError(
            f"{path} cannot be written: a parquet column has one type, and these labels are of several. "
            "Write .xlsx or .csv."
        ) from error
    with atomic_write(path, force=force) as file:
        pq.write_table(table, file)
