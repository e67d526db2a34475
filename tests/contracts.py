"""What has to hold for anything of a kind, whoever made it: helpers for the tests, reached through the fixtures.

Recalculation: a workbook's formulas are computed again by Gnumeric, an engine that shares no code with ours, after
every cached value has been overwritten, so that an engine that only hands caches on is found out. Nothing here uses
`xlcollab.xlsx`: a reader that misreads must not judge the writer beside it.
"""

from __future__ import annotations

import math
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from posixpath import join, normpath

from lxml import etree

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
POISON = "-98765.4321"

Value = float | str | None
Stored = dict[str, dict[str, tuple[Value, bool]]]


def recalculated(book: Path, folder: Path, ssconvert: str = "ssconvert") -> dict[str, dict[str, Value]]:
    """Every cell's value by sheet and address after Gnumeric computed the book anew: numbers, text, '#N/A' or None.

    TRUE and FALSE are 1.0 and 0.0. ``folder`` takes two working copies.
    """
    poisoned, again = folder / f"poisoned-{book.name}", folder / f"recalculated-{book.name}"
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(poisoned, "w", zipfile.ZIP_DEFLATED) as target:
        sheets = set(_sheet_parts(source).values())
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, _poison(data) if name in sheets else data)
    subprocess.run([ssconvert, "--recalc", poisoned, again], check=True, capture_output=True)
    return {sheet: {at: value for at, (value, _) in cells.items()} for sheet, cells in stored_values(again).items()}


def wrong_values(book: Path, folder: Path, ssconvert: str = "ssconvert", tolerance: float = 1e-9) -> list[str]:
    """The formula cells whose cached value is not what Gnumeric computes, in words; none where all is well."""
    computed = recalculated(book, folder, ssconvert)
    wrong = []
    for sheet, cells in stored_values(book).items():
        for at, (value, is_formula) in cells.items():
            other = computed.get(sheet, {}).get(at)
            if is_formula and not _same(value, other, tolerance):
                wrong.append(f"{sheet}!{at} holds {value!r}, and {other!r} is computed")
    return wrong


def stored_values(book: Path) -> Stored:
    """Each cell's value and whether a formula gives it, cells of array formulas included."""
    with zipfile.ZipFile(book) as source:
        tables = [
            etree.fromstring(source.read(name)) for name in source.namelist() if name.endswith("sharedStrings.xml")
        ]
        items = [item for table in tables for item in table.iterchildren(MAIN + "si")]
        strings = ["".join(text.text or "" for text in item.iter(MAIN + "t")) for item in items]
        return {
            sheet: _stored_cells(etree.fromstring(source.read(part)), strings)
            for sheet, part in _sheet_parts(source).items()
        }


def _sheet_parts(book: zipfile.ZipFile) -> dict[str, str]:
    rels = etree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    targets = {line.get("Id"): normpath(join("xl", line.get("Target"))).lstrip("/") for line in rels}
    lines = etree.fromstring(book.read("xl/workbook.xml")).find(MAIN + "sheets")
    return {
        line.get("name"): targets[line.get(RELATION)] for line in lines if "worksheets" in targets[line.get(RELATION)]
    }


def _poison(data: bytes) -> bytes:
    root = etree.fromstring(data)
    filled = {at for cell in root.iter(MAIN + "c") for at in _array_cells(cell)}
    for cell in root.iter(MAIN + "c"):
        stored = cell.find(MAIN + "v")
        if stored is not None and (cell.find(MAIN + "f") is not None or cell.get("r") in filled):
            stored.text = POISON
            cell.attrib.pop("t", None)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _stored_cells(root: etree._Element, strings: list[str]) -> dict[str, tuple[Value, bool]]:
    found: dict[str, tuple[Value, bool]] = {}
    filled: set[str] = set()
    for cell in root.iter(MAIN + "c"):
        filled.update(_array_cells(cell))
        text, kind = cell.findtext(MAIN + "v"), cell.get("t", "n")
        value: Value = text
        if kind == "inlineStr":
            value = "".join(cell.find(MAIN + "is").itertext())
        elif kind == "s" and text:
            value = strings[int(text)]
        elif kind in ("n", "b"):
            value = float(text) if text else None
        found[cell.get("r")] = (value, cell.find(MAIN + "f") is not None)
    return {at: (value, is_formula or at in filled) for at, (value, is_formula) in found.items()}


def _array_cells(cell: etree._Element) -> Iterator[str]:
    formula = cell.find(MAIN + "f")
    if formula is None or formula.get("t") != "array":
        return
    corners = [re.fullmatch(r"([A-Z]+)([0-9]+)", at) for at in formula.get("ref").split(":")]
    cols = [_column(corner[1]) for corner in corners]
    for row in range(int(corners[0][2]), int(corners[-1][2]) + 1):
        for col in range(cols[0], cols[-1] + 1):
            yield f"{_letters(col)}{row}"


def _column(letters: str) -> int:
    return 0 if not letters else _column(letters[:-1]) * 26 + ord(letters[-1]) - 64


def _letters(column: int) -> str:
    return "" if not column else _letters((column - 1) // 26) + chr(65 + (column - 1) % 26)


def _same(ours: Value, theirs: Value, tolerance: float) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return ours == theirs or (ours == "" and theirs is None)
