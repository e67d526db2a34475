"""`Workbook` and `Sheet`: the door to the file layer, and the only classes of it that the rest of the house needs.

What writes is imported where it is used: looking into a workbook is done in less time without it.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from lxml import etree

from xlcollab.errors import CannotWriteError, DamagedFileError, FileError, UnsupportedFormatError, XlcollabError
from xlcollab.xlsx.calendar import date_styles
from xlcollab.xlsx.cells import Area, Cell, CellValue
from xlcollab.xlsx.grids import Grid, grids_of, read_grid
from xlcollab.xlsx.markup import (
    MAIN,
    OFFICE_REL,
    STRICT_MAIN,
    local_name,
    main,
    parse,
    serialize,
    unescape_string,
    whole_number,
)
from xlcollab.xlsx.names import Names
from xlcollab.xlsx.package import Package
from xlcollab.xlsx.pivots import read_pivots
from xlcollab.xlsx.protection import unlisted_style, unlocked_styles
from xlcollab.xlsx.reading import CellReader, SheetCells, read_cells

if TYPE_CHECKING:
    from xlcollab.xlsx.newsheet import NewSheet

__all__ = ["MARK", "Sheet", "Table", "Workbook"]

MARK: Final = "xlcollab_sheet"
"""The hidden sheet-local name that every sheet written here carries, so that a later run knows its own."""

_MERGED: Final = re.compile(rb"<(?:[\w.-]+:)?mergeCell\s+ref=[\"']([A-Z0-9:$]+)[\"']")
_PROTECTED: Final = re.compile(rb"<(?:[\w.-]+:)?sheetProtection\s[^>]*\bsheet=[\"'](?:1|true)[\"']")
_HIDDEN_ROW: Final = re.compile(rb"<(?:[\w.-]+:)?row\s[^>]*\bhidden=[\"'](?:1|true)[\"'][^>]*>")
_ROW_NUMBER: Final = re.compile(rb"\br=[\"'](\d+)[\"']")
_LARGEST_RANGE: Final = 100_000_000  # cells; a list of them takes eight bytes each
_FORMULA: Final = re.compile(rb"<(?:[\w.-]+:)?f[\s/>]")


class Table(NamedTuple):
    """An Excel table: its range, how many of its rows are header and totals, and its columns' names."""

    name: str
    sheet: str
    area: Area
    header_rows: int
    totals_rows: int
    columns: tuple[str, ...]


class Sheet:
    """One sheet of a workbook; everything is read when it is asked for. Rows and columns count from 1."""

    def __init__(self, book: Workbook, name: str, part: str, kind: str, state: str) -> None:
        self.name = name
        self.part = part
        self.kind = kind
        self.state = state
        self._book = book

    def __repr__(self) -> str:
        return f"<Sheet {self.name!r} of {self._book.path}>"

    @property
    def cells(self) -> Mapping[tuple[int, int], Cell]:
        """Every cell that stands in the file by (row, column), blank ones with a style included."""
        return self._content.cells

    @property
    def array_areas(self) -> list[Area]:
        """The ranges of array formulas and data tables, whose cells other than the first carry values only."""
        return self._content.array_areas

    @cached_property
    def used(self) -> Area | None:
        """The smallest area around all cells that hold a value or a formula; None for an empty sheet."""
        areas = [area for grid in self.grids if (area := grid.used) is not None]
        if not areas:
            return None
        tops, lefts, bottoms, rights = zip(*areas, strict=True)
        return Area(min(tops), min(lefts), max(bottoms), max(rights))

    def values(self, area: Area) -> list[list[CellValue]]:
        """The values in an area row by row, None for empty; much faster than `cells`."""
        if area.height * area.width > _LARGEST_RANGE:
            raise FileError(
                f"The range {area.ref} of the sheet {self.name} is too large to be read whole. Name a smaller one.",
                sheet=self.name,
            )
        values: list[list[CellValue]] = [[None] * area.width for _ in range(area.height)]
        for grid in self.grids:
            grid.copy_to(values, area)
        return values

    @cached_property
    def grids(self) -> list[Grid]:
        """All values row by row, and where the formulas stand, without reading these: the fastest way into a sheet.

        One grid as a rule, none for an empty sheet, several where some cells stand very far from the others.
        """
        grid = read_grid(self._data, self._reader)
        return [grid] if grid is not None else grids_of(self._content)

    @property
    def has_formulas(self) -> bool:
        """Whether any cell has a formula, without reading the cells."""
        data = self._data
        return (b"<f" in data or b":f" in data) and _FORMULA.search(data) is not None

    @property
    def merged(self) -> list[Area]:
        """The merged areas."""
        return [Area.parse(ref.decode()) for ref in _MERGED.findall(self._tail)]

    @cached_property
    def hidden_rows(self) -> frozenset[int]:
        """The rows that a filter or a person hid."""
        rows = _HIDDEN_ROW.findall(self._data) if b' hidden="' in self._data else []
        return frozenset(int(number[1]) for row in rows if (number := _ROW_NUMBER.search(row)))

    @property
    def protected(self) -> bool:
        """Whether the sheet is protected against changes by hand."""
        return _PROTECTED.search(self._tail) is not None

    def locked(self, row: int, col: int) -> bool:
        """Whether a protected sheet keeps people from changing the cell."""
        cell = self.cells.get((row, col))
        style = unlisted_style(self._data, row, col) if cell is None else cell.style
        return self.protected and style not in self._book.unlocked_styles

    @property
    def pivots(self) -> list[Area]:
        """The ranges of the pivot tables on the sheet, without their page filters."""
        return [pivot.area for pivot in read_pivots(self._book, self)]

    @property
    def ours(self) -> bool:
        """Whether xlcollab wrote this sheet: it carries the hidden name `MARK`."""
        found = self._book.names.find(MARK, self.name)
        return found is not None and found.sheet is not None

    def patch(self, values: Mapping[tuple[int, int], CellValue]) -> None:
        """Put values into cells, keeping formulas and styles: a formula's cell gets a cached value, None empties."""
        if not values:
            return
        from xlcollab.xlsx.patching import patch_values

        package = self._book.package
        package.write(self.part, patch_values(self._data, values, self.name, self.part, self._book.date1904))
        content: SheetCells | None = self.__dict__.get("_content")
        kept = content is not None and content.take(values, self._reader)
        for name in ("grids", "used") if kept else ("grids", "used", "_content"):
            self.__dict__.pop(name, None)

    @cached_property
    def _content(self) -> SheetCells:
        return read_cells(self._data, self._reader)

    @property
    def _data(self) -> bytes:
        if self.kind != "worksheet":
            return b"<sheetData/>"  # a chart sheet has no cells
        return self._book.package.read(self.part)

    @property
    def _tail(self) -> bytes:
        data = self._data
        return data[max(data.rfind(b"sheetData"), 0) :]

    @property
    def _reader(self) -> CellReader:
        book = self._book
        return CellReader(self.name, self.part, lambda: book.shared_strings, book.date_styles, book.date1904)


class Workbook:
    """A workbook as a package of parts: read sheet by sheet, patched in place, added to, and saved whole.

    Parts that nothing was written to are saved with the bytes they were read with.
    """

    def __init__(self, package: Package, path: Path | None) -> None:
        self.package = package
        self.path = path
        self._part = package.workbook_part()
        self._root = parse(package.read(self._part), self._part)
        if self._root.tag == f"{{{STRICT_MAIN}}}workbook":
            raise UnsupportedFormatError(
                f"{path} is a Strict Open XML workbook. Save it in Excel as .xlsx, not 'Strict'."
            )
        if self._root.tag != main("workbook") or self._root.find(main("sheets")) is None:
            raise DamagedFileError(f"{path} is damaged: its part {self._part} lists no sheets.")
        self._changed = False
        self._all = self._list_sheets()
        self.names = Names(self._root, lambda: [sheet.name for sheet in self._all], self._touch)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Workbook:
        """Read a workbook. Raises `FileError`, `UnsupportedFormatError` or `DamagedFileError`, with the way out."""
        path = Path(path)
        return cls(Package.open(path), path)

    @classmethod
    def new(cls, created: dt.datetime | None = None) -> Workbook:
        """A workbook without sheets; without a date it is the same to the byte whenever it is made."""
        from xlcollab.xlsx.blank import blank_package

        return cls(blank_package(created), None)

    @property
    def sheets(self) -> list[Sheet]:
        """The worksheets in tab order, hidden ones too; chart sheets are left out."""
        return [sheet for sheet in self._all if sheet.kind == "worksheet"]

    def sheet(self, name: str) -> Sheet:
        """A worksheet by name, capitals aside. Raises `XlcollabError` that lists the names there are."""
        for sheet in self.sheets:
            if sheet.name.lower() == name.lower():
                return sheet
        names = ", ".join(sheet.name for sheet in self.sheets)
        raise XlcollabError(f"{self.path or 'The workbook'} has no sheet '{name}'. It has: {names}.", sheet=name)

    @cached_property
    def date1904(self) -> bool:
        """Whether days count from 1904, as in books begun on an old Macintosh."""
        settings = self._root.find(main("workbookPr"))
        return settings is not None and settings.get("date1904") in ("1", "true")

    @cached_property
    def tables(self) -> dict[str, Table]:
        """The tables on all sheets, by name."""
        found = {}
        for sheet in self.sheets:
            for part in self.package.related(sheet.part, "table"):
                root = parse(self.package.read(part), part)
                name = root.get("displayName", root.get("name", ""))
                columns = tuple(
                    unescape_string(c.get("name", ""))
                    for c in root.iterfind(f"{main('tableColumns')}/{main('tableColumn')}")
                )
                headers, totals = whole_number(root, "headerRowCount", 1), whole_number(root, "totalsRowCount")
                found[name] = Table(name, sheet.name, Area.parse(root.get("ref", "")), headers, totals, columns)
        return found

    @cached_property
    def shared_strings(self) -> list[str]:
        """The texts that cells name by number."""
        found = self.package.related(self._part, "sharedStrings")
        if not found:
            return []
        return [_plain_text(item) for item in parse(self.package.read(found[0]), found[0]) if local_name(item) == "si"]

    @cached_property
    def date_styles(self) -> frozenset[int]:
        """The style indices that show a number as a date."""
        found = self.package.related(self._part, "styles")
        return date_styles(parse(self.package.read(found[0]), found[0])) if found else frozenset()

    @cached_property
    def unlocked_styles(self) -> frozenset[int]:
        """The style indices whose cells may be changed on a protected sheet."""
        found = self.package.related(self._part, "styles")
        return unlocked_styles(parse(self.package.read(found[0]), found[0])) if found else frozenset()

    def free_name(self, wanted: str) -> str:
        """A legal sheet name that is not taken: 'Summary', or 'Summary (2)'."""
        from xlcollab.xlsx.newsheet import legal_sheet_name

        return legal_sheet_name(wanted, (sheet.name for sheet in self._all))

    def add(self, new: NewSheet) -> Sheet:
        """Write a sheet behind the others; the book's active sheet stays. It carries the hidden name `MARK`."""
        from xlcollab.xlsx.graft import drop_calc_chain, graft_sheet, retitle

        if any(sheet.name.lower() == new.name.lower() for sheet in self._all):
            raise XlcollabError(f"The workbook has a sheet '{new.name}' already.", sheet=new.name)
        before = self._titles()
        part, n_formulas = graft_sheet(self.package, self._part, self._root, new, date1904=self.date1904)
        sheet = Sheet(self, new.name, part, "worksheet", "visible")
        self._all.append(sheet)
        for name in new.names:
            self.names.set(name.name, name.text, new.name, name.hidden)
        self.names.set(MARK, '"1"', new.name, hidden=True)
        retitle(self.package, before, self._titles())
        if n_formulas:
            drop_calc_chain(self.package, self._part)
        self._touch()
        return sheet

    def remove(self, name: str) -> None:
        """Take out a sheet that xlcollab wrote, with its charts and names. Refuses any other sheet."""
        from xlcollab.xlsx.graft import drop_calc_chain, prune_sheet, retitle

        sheet = self.sheet(name)
        if not sheet.ours:
            raise XlcollabError(f"The sheet '{sheet.name}' was not written by xlcollab and is not removed.", sheet=name)
        before = self._titles()
        had_formulas = sheet.has_formulas
        position = self._all.index(sheet)
        self.names.forget_sheet(position)
        prune_sheet(self.package, self._part, self._root, sheet.part, position)
        self._all.remove(sheet)
        retitle(self.package, before, self._titles())
        if had_formulas:
            drop_calc_chain(self.package, self._part)
        self._touch()

    @property
    def touched(self) -> set[str]:
        """The parts that were written, added or removed since the book was opened."""
        return self.package.touched | ({self._part} if self._changed else set())

    def target(self, path: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Where the book is to go, refused before the work is done: `check_target`, and a name that Excel opens."""
        from xlcollab.atomic import check_target

        target = check_target(path, force=force)
        kind = self.package.content_type(self._part)
        suffix = ".xlsm" if "macroEnabled" in kind else ".xlsx"
        if target.suffix.lower() != suffix and "template" not in kind and target != self.path:
            raise CannotWriteError(
                f"{target} cannot be written: what is written is a workbook, which Excel opens by the suffix {suffix} "
                f"only. Name it {target.with_suffix(suffix).name}."
            )
        return target

    def save(self, path: str | os.PathLike[str], force: bool = False) -> None:
        """Write the file whole or not at all. A book that was changed is computed anew when Excel opens it."""
        from xlcollab.atomic import atomic_write

        if self.touched:
            from xlcollab.xlsx.graft import recalculate_on_load

            recalculate_on_load(self._root)
            self.package.write(self._part, serialize(self._root))
        with atomic_write(path, force=force) as file:
            self.package.save(file)

    def _touch(self) -> None:
        self._changed = True

    def _titles(self) -> list[str]:
        return [sheet.name for sheet in self._all if sheet.kind == "worksheet"]

    def _list_sheets(self) -> list[Sheet]:
        targets = {r.id: r for r in self.package.relationships(self._part)}
        found = []
        for line in _children(self._root.find(main("sheets"))):
            name = line.get("name", "")
            relationship = targets.get(line.get(f"{{{OFFICE_REL}}}id", ""))
            if relationship is None or relationship.target not in self.package:
                raise DamagedFileError(
                    f"{self.path} is damaged: the part of its sheet '{name}' is missing.", sheet=name
                )
            kind = relationship.type.rpartition("/")[2]
            part = self.package.name(relationship.target)
            found.append(Sheet(self, name, part, kind, line.get("state", "visible")))
        return found


def _children(element: etree._Element | None) -> Iterable[etree._Element]:
    return [] if element is None else [e for e in element if local_name(e) == "sheet"]


def _plain_text(item: etree._Element) -> str:
    """A shared string without its formats; the reading aids of Japanese text are left out."""
    runs = [
        t.text or ""
        for t in item.iter(f"{{{MAIN}}}t")
        if (parent := t.getparent()) is not None and local_name(parent) != "rPh"
    ]
    return unescape_string("".join(runs))
