"""Ratings in files of text: csv and tsv of any dialect, MovieLens' u.data and ``::`` files.

A file is read as a grid of cells like a sheet, and the same rules tell whether it is a crosstab or a long table. A long
one is then read by pandas, which takes millions of lines. In text a column of labels is numbers only if every one of
them is written as a number is: "007" or "7a" among them makes them all texts.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from gzip import BadGzipFile, GzipFile
from io import BufferedIOBase
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from xlcollab.errors import CellValueError, DamagedFileError, FileError, NoCrosstabError, RatingsError
from xlcollab.labels import Label, is_header_word, is_plain_int, typed_labels
from xlcollab.reading.crosstab import Crosstab, LongTable, table_of
from xlcollab.reading.dialect import SAMPLE_BYTES, Dialect, lines_of, sniff
from xlcollab.reading.grid import NUMBER, Blanks, Grid, Place
from xlcollab.reading.long_tables import LongLayout
from xlcollab.reading.rectangles import CrosstabLayout, Layout, find_layouts, layout_of
from xlcollab.xlsx.cells import CellValue

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    from xlcollab.arrays import BoolArray, FloatArray
    from xlcollab.reading.coding import Column

__all__ = ["TextGrid", "read_bytes", "read_text_table"]

_GZIP: Final = b"\x1f\x8b"
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@contextmanager
def opened(path: Path) -> Iterator[BufferedIOBase]:
    """A file's bytes, unpacked where gzip has packed them. Raises `FileError`, also for what is read from it."""
    try:
        with path.open("rb") as file:
            yield GzipFile(fileobj=file) if file.peek(2).startswith(_GZIP) else file
    except FileNotFoundError as error:
        raise FileError(f"{path} does not exist.") from error
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedFileError(f"{path} is a damaged gzip file: {error}") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error


def read_bytes(path: Path, size: int = -1) -> bytes:
    """The first bytes of a file, or all (`opened`)."""
    with opened(path) as file:
        return file.read(size)


def read_text_table(path: Path, *, transpose: bool, blanks: Blanks) -> Crosstab | LongTable:
    """The table of ratings in a file of text. Raises `NoCrosstabError`, and what is wrong with the ratings."""
    start = read_bytes(path, SAMPLE_BYTES)
    cut = len(start) == SAMPLE_BYTES
    text, layout = TextGrid.read(path, start, sniff(start, str(path)), blanks, cut=cut).table()
    if cut and not isinstance(layout, LongLayout):
        text, layout = TextGrid.read(path, read_bytes(path), text.dialect, blanks).table()
    if layout is None:
        raise NoCrosstabError(
            f"{path} holds no table of ratings. It takes lines of user, item, rating, or a crosstab: users down the "
            "side, items across the top, numbers or blanks between."
        )
    if isinstance(layout, LongLayout):
        return _LongText(path, text, layout).read()
    table = cast(Crosstab, table_of(text.grid, layout))
    down, across = text.labels(layout.left, layout.rows), text.labels_across(layout.top, layout.cols)
    table = replace(table, users=down, items=across)
    return table.turned() if transpose else table


class _Typed(dict[str, CellValue]):
    """Fields → values, each looked at once: ratings repeat."""

    def __init__(self, decimal: str) -> None:
        self.decimal = decimal

    def __missing__(self, field: str) -> CellValue:
        text = field.strip()
        number = text.replace(self.decimal, ".")
        value: CellValue = text or None
        if text.isdecimal():  # most numbers of most files, in half the time
            value = int(text)
        elif _NUMBER.fullmatch(number):
            value = int(number) if number.lstrip("+-").isdigit() else float(number)
        self[field] = value
        return value


class TextGrid:
    """The fields of a text, as they stand there and as a grid of values, and in which line each row stands."""

    def __init__(
        self, fields: Sequence[Sequence[str]], grid: Grid, dialect: Dialect, lines: Sequence[int] | None = None
    ) -> None:
        self.fields = fields
        self.grid = grid
        self.dialect = dialect
        self.lines = range(grid.first_row, grid.first_row + len(fields)) if lines is None else lines

    @classmethod
    def read(cls, path: Path, data: bytes, dialect: Dialect, blanks: Blanks, *, cut: bool = False) -> TextGrid:
        """Split and type the fields; ``cut`` leaves out the last line, which is not whole in a sample."""
        lines = lines_of(dialect.decoded(data, cut=cut))
        try:
            fields = list(dialect.rows(lines[:-1] if cut else lines))
        except csv.Error as error:
            raise FileError(
                f"{path} cannot be split into fields ({error}). Look for a quotation mark that nothing closes."
            ) from error
        while fields and not any(fields[-1]):
            fields.pop()
        width = max(map(len, fields), default=0)
        fields = [row + [""] * (width - len(row)) for row in fields]
        typed = _Typed(dialect.decimal)
        rows = [list(map(typed.__getitem__, row)) for row in fields]
        return cls(fields, Grid.of(Place(str(path)), rows, first_row=1 + dialect.skip, blanks=blanks), dialect)

    def table(self) -> tuple[TextGrid, Layout | None]:
        """What the whole file is, blank lines left out, or failing that the first table in it, below a title perhaps.

        Two columns are no crosstab of one item, unless the first is said to hold users.
        """
        text = self._filled()
        found = layout_of(text.grid)
        if found is None or (text is not self and not text._is_one(found)):
            text = self
            found = layout_of(self.grid) or next(iter(find_layouts(self.grid, lenient=True)), None)
        if isinstance(found, CrosstabLayout) and len(found.cols) < 2:
            return text, found if is_header_word(text.grid.value(found.top, found.left)) else None
        return text, found

    def _filled(self) -> TextGrid:
        """The text without its blank lines; itself where it has none."""
        kept = [at for at, row in enumerate(self.fields) if any(map(str.strip, row))]
        if len(kept) == len(self.fields):
            return self
        lines = [self.lines[at] for at in kept]
        grid = replace(
            self.grid,
            place=replace(self.grid.place, line_of=lambda row: lines[row - 1]),
            rows=[self.grid.rows[at] for at in kept],
            kinds=[self.grid.kinds[at] for at in kept],
            first_row=1,
        )
        return TextGrid([self.fields[at] for at in kept], grid, self.dialect, lines)

    def _is_one(self, layout: Layout) -> bool:
        """Whether a table with blank lines in it has no second header and, if a crosstab, no line without a rating."""
        users = layout.user if isinstance(layout, LongLayout) else layout.left
        if any(is_header_word(self.grid.value(row, users)) for row in layout.rows):
            return False
        return isinstance(layout, LongLayout) or all(NUMBER in self.grid.kinds[row][users + 1 :] for row in layout.rows)

    def labels(self, col: int, rows: Sequence[int]) -> tuple[Label, ...]:
        """The labels in some rows of a column."""
        return typed_labels([self.fields[row][col] for row in rows])

    def labels_across(self, row: int, cols: Sequence[int]) -> tuple[Label, ...]:
        """The labels in some columns of a row."""
        return typed_labels([self.fields[row][col] for col in cols])


class _LongText:
    """A long table in a file of text, whose layout its start has shown."""

    def __init__(self, path: Path, text: TextGrid, layout: LongLayout) -> None:
        self.path = path
        self.text = text
        self.layout = layout
        self.columns = {"user": layout.user, "item": layout.item, "rating": layout.rating}
        if layout.timestamp is not None:
            self.columns["timestamp"] = layout.timestamp
        self.first_line = text.lines[layout.rows.start]
        self.place = Place(str(path), line_of=self._line)

    def read(self) -> LongTable:
        """All of it. Raises `CellValueError` for a wrong rating, `RatingsError` for a line without user or item."""
        from xlcollab.reading.frames import seconds

        frame = self._frame()
        rated, values = self._ratings(frame["rating"])
        if not rated.all():
            frame = frame[rated]
        lines = rated.nonzero()[0] + self.first_line
        grid, layout = self.text.grid, self.layout
        named = layout.top < layout.rows.start
        return LongTable(
            self.place,
            grid.area(*layout.corners)._replace(last_row=self.first_line + len(rated) - 1),
            self._labels(frame, "user", lines),
            self._labels(frame, "item", lines),
            values,
            seconds(frame["timestamp"]) if "timestamp" in frame else None,
            cast(Sequence[int], lines),
            (layout.user + 1, layout.item + 1, layout.rating + 1),
            str(grid.value(layout.top, layout.user)) if named else "user",
            str(grid.value(layout.top, layout.item)) if named else "item",
        )

    def _frame(self) -> pd.DataFrame:
        """The columns user, item, rating and perhaps timestamp, as pandas reads them."""
        import pandas as pd

        dialect, step = self.text.dialect, len(self.text.dialect.delimiter)
        # pandas' fast parser splits at one character, so that "1::2" has an empty field between its two.
        position = {role: step * col for role, col in self.columns.items()}
        options: dict[str, Any] = {
            "sep": dialect.delimiter[0],
            "header": None,
            "skiprows": self.first_line - 1,
            "usecols": list(position.values()),
            "decimal": dialect.decimal,
            "dtype": {position[role]: str for role in ("user", "item") if self._is_text(role)},
            "keep_default_na": False,  # somebody may be called NA
            "na_values": {col: [""] for col in position.values()},
            "low_memory": False,
            "skipinitialspace": True,
        }
        try:
            try:
                with opened(self.path) as file:
                    frame = pd.read_csv(file, encoding=dialect.encoding, **options)
            except UnicodeDecodeError:
                with opened(self.path) as file:
                    frame = pd.read_csv(file, encoding="latin-1", **options)
        except ValueError as error:  # pandas' own parser errors are ValueErrors too
            raise RatingsError(f"{self.path} cannot be read as a table: {error}") from error
        return pd.DataFrame({role: frame[col] for role, col in position.items()})

    def _is_text(self, role: str) -> bool:
        """Whether the start of a column holds a label that pandas would take for a number, and we do not."""
        fields = {self.text.fields[row][self.columns[role]].strip() for row in self.layout.rows}
        return any(not is_plain_int(field) and _NUMBER.fullmatch(field) for field in fields)

    def _ratings(self, column: pd.Series[Any]) -> tuple[BoolArray, FloatArray]:
        """(which lines hold a rating, those ratings)."""
        import pandas as pd

        blanks = self.text.grid.blanks
        rated = column.notna().to_numpy()
        if column.dtype.kind not in "iuf":
            rated = rated & ~column.map(blanks.__contains__).to_numpy(dtype=bool)
            numbers = pd.to_numeric(column.where(rated), errors="coerce")
            wrong = rated & numbers.isna().to_numpy()
            if wrong.any():
                at = int(wrong.argmax())
                raise CellValueError(
                    f"{self._spot(at + self.first_line, 'rating')} holds {column.iloc[at]!r}; "
                    f"ratings are numbers or empty. Empty the field, or pass blanks={(column.iloc[at],)!r}."
                )
            column = numbers
        if blanks.numbers:
            rated = rated & ~column.isin(blanks.numbers).to_numpy()
        return rated, column.to_numpy(dtype="float64")[rated]

    def _labels(self, frame: pd.DataFrame, role: str, lines: npt.NDArray[np.intp]) -> Column:
        column = frame[role]
        if column.dtype.kind in "iu":
            return column.to_numpy()
        import numpy as np

        codes, distinct = column.factorize()  # labels repeat: each is looked at once; a missing one has the code −1
        texts = [str(label).strip() for label in distinct.tolist()]
        missing = np.isin(codes, [-1, *(code for code, text in enumerate(texts) if not text)])
        if missing.any():
            spot = self._spot(int(lines[missing.argmax()]), role)
            raise RatingsError(f"{spot} is empty; a rating needs its {role}. Fill it in or remove the line.")
        labels: npt.NDArray[Any] = np.array(typed_labels(texts), dtype=object)[codes]
        return labels

    def _line(self, row: int) -> int:
        """The line of a row, which pandas counts without the blank lines."""
        lines = lines_of(self.text.dialect.decoded(read_bytes(self.path)))
        filled = (number for number, line in enumerate(lines, 1) if number >= self.first_line and line.strip())
        return next(islice(filled, row - self.first_line, None), row)

    def _spot(self, line: int, role: str) -> str:
        return self.place.spot(int(line), self.columns[role] + 1).text
