"""How a table of text is written: encoding, delimiter and decimal sign, told from the start of the file."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from xlcollab.errors import UnsupportedFormatError

__all__ = ["SAMPLE_BYTES", "Dialect", "lines_of", "sniff"]

SAMPLE_BYTES: Final = 1 << 16
"""How much of a file is looked at: some thousand lines."""

_DELIMITERS: Final = ("::", "\t", ";", "|", ",", " ")
_SAMPLE_LINES: Final = 200
_QUOTED: Final = re.compile(r'"(?:[^"]|"")*"')
_DECIMAL_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
_DECIMAL_POINT: Final = re.compile(r"[+-]?\d*\.\d+")
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Dialect:
    """``skip`` lines come before the table (Excel's ``sep=;``); ``delimiter`` is '::' in MovieLens' .dat files."""

    encoding: str
    delimiter: str
    decimal: str = "."
    skip: int = 0

    def decoded(self, data: bytes, *, cut: bool = False) -> str:
        """The text of a file, or of its start, which is ``cut`` where a character may be."""
        try:
            return data.decode(self.encoding, errors="replace" if cut else "strict")
        except UnicodeDecodeError:
            return data.decode("latin-1")  # the start of the file looked like UTF-8

    def rows(self, lines: Sequence[str]) -> Iterator[list[str]]:
        """The fields of each line."""
        if len(self.delimiter) > 1:
            return (line.rstrip("\r\n").split(self.delimiter) for line in lines[self.skip :])
        return csv.reader(lines[self.skip :], delimiter=self.delimiter, skipinitialspace=self.delimiter == " ")


def lines_of(text: str) -> list[str]:
    """The lines with their ends, as csv and pandas count them; `str.splitlines` also ends one at Windows' "…"."""
    return list(io.StringIO(text, newline=""))


def sniff(sample: bytes, name: str) -> Dialect:
    """The dialect of a file from its first bytes. Raises `UnsupportedFormatError` for what is no text."""
    encoding = _encoding(sample)
    text = sample.decode(encoding, errors="replace")
    if "\0" in text:
        raise UnsupportedFormatError(f"{name} is no table of text, no workbook and no parquet file.")
    lines = [line.rstrip("\r\n") for line in lines_of(text) if line.strip()][:_SAMPLE_LINES]
    if lines and re.fullmatch(r"sep=.", lines[0].strip("\ufeff"), re.IGNORECASE):
        delimiter, skip, lines = lines[0][-1], 1, lines[1:]
    else:
        delimiter, skip = _delimiter(lines), 0
    return Dialect(encoding, delimiter, _decimal(lines, delimiter), skip)


def _encoding(sample: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if sample.startswith(mark):
            return encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            codecs.getincrementaldecoder(encoding)().decode(sample)  # incremental: it may end inside a character
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"  # every byte is a character of it


def _delimiter(lines: Sequence[str]) -> str:
    """The delimiter that most lines have equally often; of equals the one that is least likely to stand in a text."""
    best, best_share = ",", 0.0
    for delimiter in _DELIMITERS:
        counts = Counter(_QUOTED.sub("", line).count(delimiter) for line in lines)
        counts.pop(0, None)
        share = round(max(counts.values(), default=0) / max(len(lines), 1), 1)
        if share > best_share:
            best, best_share = delimiter, share
    return best


def _decimal(lines: Sequence[str], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    fields = [field.strip().strip('"') for line in lines for field in line.split(delimiter)]
    commas = any(_DECIMAL_COMMA.fullmatch(field) for field in fields)
    return "," if commas and not any(_DECIMAL_POINT.fullmatch(field) for field in fields) else "."
