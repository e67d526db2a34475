"""Defined names: global or local to a sheet, visible or hidden, as they stand in the workbook part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from lxml import etree

from xlcollab.xlsx.markup import local_name, main

__all__ = ["WORKBOOK_ORDER", "DefinedName", "Names", "insert_in_order"]

# CT_Workbook's sequence (ECMA-376 part 1, 18.2.27); elements in other namespaces may stand between and are passed over.
WORKBOOK_ORDER: Final = (
    "fileVersion", "fileSharing", "workbookPr", "workbookProtection", "bookViews", "sheets", "functionGroups",
    "externalReferences", "definedNames", "calcPr", "oleSize", "customWorkbookViews", "pivotCaches", "smartTagPr",
    "smartTagTypes", "webPublishing", "fileRecoveryPr", "webPublishObjects", "extLst",
)  # fmt: skip


class DefinedName(NamedTuple):
    """A name and what it stands for. ``sheet`` is the sheet that it is local to, None for the whole workbook."""

    name: str
    text: str
    sheet: str | None = None
    hidden: bool = False


class Names:
    """The names of one workbook, read from and written to its XML; names are told apart without regard to capitals.

    ``sheets`` are the names of all sheets in tab order, which is what ``localSheetId`` counts.
    """

    def __init__(self, root: etree._Element, sheets: Callable[[], Sequence[str]], touch: Callable[[], None]) -> None:
        self._root = root
        self._sheets = sheets
        self._touch = touch

    def __iter__(self) -> Iterator[DefinedName]:
        sheets = self._sheets()
        for element in self._elements():
            scope = _scope(element)
            if scope is not None and scope >= len(sheets):
                continue  # left behind by a program that removed the sheet; Excel drops such names on load
            yield DefinedName(
                element.get("name", ""),
                element.text or "",
                None if scope is None else sheets[scope],
                element.get("hidden") in ("1", "true"),
            )

    def find(self, name: str, sheet: str | None = None) -> DefinedName | None:
        """The name as a formula on ``sheet`` would see it: its own first, then the workbook's."""
        found = None
        for candidate in self:
            if candidate.name.lower() != name.lower():
                continue
            if candidate.sheet is None:
                found = found or candidate
            elif sheet is not None and candidate.sheet.lower() == sheet.lower():
                return candidate
        return found

    def set(self, name: str, text: str, sheet: str | None = None, hidden: bool = False) -> None:
        """Define a name, or redefine the one of the same scope. ``text`` is a formula without '='; empty is refused."""
        if not text:
            raise ValueError(f"the name {name} has to stand for something: Excel repairs a file with an empty name")
        scope = self._index(sheet)
        element = self._element(name, scope)
        if element is None:
            container = self._root.find(main("definedNames"))
            if container is None:
                container = etree.Element(main("definedNames"))
                insert_in_order(self._root, container, WORKBOOK_ORDER)
            element = etree.SubElement(container, main("definedName"))
            element.set("name", name)
            if scope is not None:
                element.set("localSheetId", str(scope))
        element.attrib.pop("hidden", "")
        if hidden:
            element.set("hidden", "1")
        element.text = text
        self._touch()

    def remove(self, name: str, sheet: str | None = None) -> bool:
        """Remove the name of exactly this scope; False where there is none."""
        element = self._element(name, self._index(sheet))
        if element is None:
            return False
        self._drop(element)
        return True

    def forget_sheet(self, position: int) -> None:
        """Remove the names local to the sheet at a tab position and renumber those of the sheets after it."""
        for element in self._elements():
            scope = _scope(element)
            if scope == position:
                self._drop(element)
            elif scope is not None and scope > position:
                element.set("localSheetId", str(scope - 1))
                self._touch()

    def _elements(self) -> list[etree._Element]:
        container = self._root.find(main("definedNames"))
        return [] if container is None else [e for e in container if local_name(e) == "definedName"]

    def _element(self, name: str, scope: int | None) -> etree._Element | None:
        for element in self._elements():
            if element.get("name", "").lower() == name.lower() and _scope(element) == scope:
                return element
        return None

    def _index(self, sheet: str | None) -> int | None:
        if sheet is None:
            return None
        return [name.lower() for name in self._sheets()].index(sheet.lower())

    def _drop(self, element: etree._Element) -> None:
        container = element.getparent()
        assert container is not None
        container.remove(element)
        if len(container) == 0:
            self._root.remove(container)
        self._touch()


def insert_in_order(parent: etree._Element, child: etree._Element, order: Sequence[str]) -> None:
    """Put a child where the schema's sequence wants it: before the first element that belongs after it."""
    later = set(order[order.index(local_name(child)) + 1 :])
    for position, element in enumerate(parent):
        if local_name(element) in later:
            parent.insert(position, child)
            return
    parent.append(child)


def _scope(element: etree._Element) -> int | None:
    text = element.get("localSheetId")
    return int(text) if text is not None and text.isdigit() else None
