"""Ratings in files of any kind → the table in them; and the small tables beside them: names by id, pairs to predict."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from xlcollab.errors import FileError, NoCrosstabError, RatingsError
from xlcollab.labels import Label, is_header_word, roles, typed_labels
from xlcollab.reading.crosstab import Crosstab, LongTable, read_crosstab
from xlcollab.reading.dialect import SAMPLE_BYTES, sniff
from xlcollab.reading.grid import Blanks, Place
from xlcollab.reading.text_tables import TextGrid, read_bytes, read_text_table
from xlcollab.xlsx.workbook import Workbook

__all__ = ["is_workbook", "read_name_columns", "read_pairs", "read_table"]

_WORKBOOKS: Final = (".xlsx", ".xlsm", ".xltx", ".xltm", ".xls", ".xlsb", ".ods")
_ZIP, _OLE, _PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
_NAME_WORDS: Final = ("name", "title", "movietitle")


def read_table(
    path: str | os.PathLike[str],
    *,
    sheet: str | None = None,
    range: str | None = None,  # noqa: A002 (the word that Excel has for it)
    transpose: bool = False,
    blanks: Iterable[object] = (),
) -> Crosstab | LongTable:
    """The table of ratings in a file, whose kind is told from its first bytes.

    Raises `FileError` for a file that cannot be read, `NoCrosstabError` where it holds no ratings, and what is wrong
    with the ratings. ``sheet`` and ``range`` go with workbooks only.
    """
    path = Path(path)
    start = read_bytes(path, 8)
    if is_workbook(path, start):
        return read_crosstab(Workbook.open(path), sheet=sheet, range=range, transpose=transpose, blanks=blanks)
    if sheet is not None or range is not None:
        raise RatingsError(f"{path} is no workbook: it has no sheets and ranges. Leave out --sheet and --range.")
    if not start:
        raise NoCrosstabError(f"{path} is empty.")
    if start.startswith(_PARQUET):
        return _read_parquet(path, transpose, Blanks(blanks))
    return read_text_table(path, transpose=transpose, blanks=Blanks(blanks))


def is_workbook(path: Path, start: bytes | None = None) -> bool:
    """Whether a file is a workbook, or claims to be one, by its suffix or its first bytes. Raises `FileError`."""
    start = read_bytes(path, 8) if start is None else start
    return path.suffix.lower() in _WORKBOOKS or start.startswith((_ZIP, _OLE))


def _read_parquet(path: Path, transpose: bool, blanks: Blanks) -> Crosstab | LongTable:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise RatingsError(f"Reading {path} needs pyarrow: pip install 'xlcollab[parquet]'.") from error
    from xlcollab.reading.frames import table_of_frame

    try:
        frame = pq.read_table(path).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise FileError(f"{path} is a damaged parquet file: {error}") from error
    return table_of_frame(frame, Place(str(path)), transpose, blanks)


def read_name_columns(path: str | os.PathLike[str]) -> dict[Label, str]:
    """Names by id: the first two columns of a table, or the first and the one whose header says name or title."""
    rows = [row for row in _fields(Path(path)) if row[0]]
    if not rows or len(rows[0]) < 2:
        raise FileError(f"{path} holds no names: it needs two columns, id and name.")
    header = [re.sub(r"[\W_]+", "", field.casefold()) for field in rows[0]]
    has_header = is_header_word(rows[0][0]) or header[0] == "id" or header[1] in _NAME_WORDS
    name = next((header.index(word) for word in _NAME_WORDS if word in header[1:]), 1) if has_header else 1
    body = rows[has_header:]
    return dict(zip(typed_labels([row[0] for row in body]), [row[name] for row in body], strict=True))


def read_pairs(path: str | os.PathLike[str]) -> tuple[list[Label], list[Label]]:
    """Users and items of a table of pairs: the columns that a header names, or the first two."""
    rows = [row for row in _fields(Path(path)) if any(row)]
    if not rows or len(rows[0]) < 2:
        raise FileError(f"{path} holds no pairs: it needs two columns, user and item.")
    found = roles(rows[0])
    named = found.keys() >= {"user", "item"}
    columns = (found["user"], found["item"]) if named else (0, 1)
    users, items = ([row[col] for row in rows[named:]] for col in columns)
    return list(typed_labels(users)), list(typed_labels(items))


def _fields(path: Path) -> list[list[str]]:
    """The rows of a small table, each field as text: of a text file, or of the first sheet of a workbook."""
    data = read_bytes(path)
    if is_workbook(path, data[:8]):
        sheet = next(iter(Workbook.open(path).sheets), None)
        values = [] if sheet is None or sheet.used is None else sheet.values(sheet.used)
        return [["" if value is None else str(value).strip() for value in row] for row in values]
    dialect = sniff(data[:SAMPLE_BYTES], str(path))
    return [[field.strip() for field in row] for row in TextGrid.read(path, data, dialect, Blanks()).fields]
