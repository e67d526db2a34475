"""Sheets of our own, put into a workbook's package and taken out of it again.

A sheet is more than its part: a line in the workbook part, a relationship, a content type, names local to it, drawings
and charts with relationships of their own, a title in the document properties. What is added to a book goes behind what
it has, so that nothing there changes its number; what is taken out leaves no trace.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Final

from lxml import etree

from xlcollab.xlsx.chartxml import chart_xml, drawing_xml
from xlcollab.xlsx.markup import OFFICE_REL, local_name, main, parse, serialize, whole_number
from xlcollab.xlsx.names import WORKBOOK_ORDER, insert_in_order
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.package import Package
from xlcollab.xlsx.sheetxml import SheetWriter
from xlcollab.xlsx.styles import EMPTY_STYLES, Styles

__all__ = ["drop_calc_chain", "graft_sheet", "open_styles", "prune_sheet", "recalculate_on_load", "retitle"]

_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_WORKSHEET: Final = f"{_OFFICE}.spreadsheetml.worksheet+xml"
_STYLES: Final = f"{_OFFICE}.spreadsheetml.styles+xml"
_DRAWING: Final = f"{_OFFICE}.drawing+xml"
_CHART: Final = f"{_OFFICE}.drawingml.chart+xml"
_PROPERTIES: Final = "http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"
_VARIANT: Final = "http://schemas.openxmlformats.org/officeDocument/2006/docPropsVTypes"


def open_styles(package: Package, book: str) -> tuple[Styles, str]:
    """The styles of a workbook and their part, made where it has none."""
    found = package.related(book, "styles")
    if found:
        return Styles.read(package.read(found[0]), found[0]), found[0]
    part = posixpath.join(posixpath.dirname(book), "styles.xml")
    package.write(part, EMPTY_STYLES)
    package.set_content_type(part, _STYLES)
    package.relate(book, "styles", part)
    return Styles.read(EMPTY_STYLES, part), part


def graft_sheet(
    package: Package, book: str, root: etree._Element, sheet: NewSheet, *, date1904: bool
) -> tuple[str, int]:
    """Write a sheet and everything that belongs to it; returns its part and how many formulas it has.

    Nothing else is touched before the sheet is written whole: a value that cannot be written leaves the package as it
    was.
    """
    folder = posixpath.dirname(book)
    styles, styles_part = open_styles(package, book)
    sheets = root.find(main("sheets"))
    assert sheets is not None
    writer = SheetWriter(
        sheet,
        lambda style, text_prefix: styles.cell_format(style, text_prefix=text_prefix),
        styles.differential_format,
        date1904=date1904,
        selected=len(sheets) == 0,
        drawing_id="rId1" if sheet.charts else None,
    )
    part = package.free_name(posixpath.join(folder, "worksheets/sheet{}.xml"))
    package.write(part, writer.chunks())
    package.set_content_type(part, _WORKSHEET)
    if styles.touched:
        package.write(styles_part, serialize(styles.root))
    if sheet.charts:
        _graft_charts(package, folder, part, sheet)
    # openpyxl declares the prefix on each sheet and not above; Gnumeric finds no part by any name but "r".
    line = etree.SubElement(sheets, main("sheet"), nsmap={"r": OFFICE_REL})
    line.set("name", sheet.name)
    line.set("sheetId", str(max((whole_number(s, "sheetId") for s in sheets), default=0) + 1))
    line.set(f"{{{OFFICE_REL}}}id", package.relate(book, "worksheet", part))
    return part, writer.n_formulas


def _graft_charts(package: Package, folder: str, part: str, sheet: NewSheet) -> None:
    drawing = package.free_name(posixpath.join(folder, "drawings/drawing{}.xml"))
    package.write(drawing, b"")  # holds the name while the charts take theirs
    placed = []
    for area, chart in sheet.charts:
        chart_part = package.free_name(posixpath.join(folder, "charts/chart{}.xml"))
        package.write(chart_part, chart_xml(chart))
        package.set_content_type(chart_part, _CHART)
        placed.append((area, chart, package.relate(drawing, "chart", chart_part)))
    package.write(drawing, drawing_xml(placed))
    package.set_content_type(drawing, _DRAWING)
    package.relate(part, "drawing", drawing)


def prune_sheet(package: Package, book: str, root: etree._Element, part: str, position: int) -> None:
    """Take out a sheet's part with all that belongs to it alone and its line, and move up the tabs behind it."""
    sheets = root.find(main("sheets"))
    assert sheets is not None
    package.unrelate(book, part)
    _delete_with_owned(package, part)
    sheets.remove(sheets[position])
    visible = [n for n, sheet in enumerate(sheets) if sheet.get("state", "visible") == "visible"]
    for view in root.iterfind(f"{main('bookViews')}/{main('workbookView')}"):
        for attribute in ("activeTab", "firstSheet"):
            tab = whole_number(view, attribute)
            if tab == position:
                view.set(attribute, str(visible[0] if visible else 0))
            elif tab > position:
                view.set(attribute, str(tab - 1))


def _delete_with_owned(package: Package, part: str) -> None:
    """Delete a part and, in turn, every part that only it pointed to."""
    targets = [r.target for r in package.relationships(part) if not r.external and r.target in package]
    package.delete(part)
    still_used = {
        r.target.lower()
        for other in ["", *package]
        if not other.endswith(".rels")
        for r in package.relationships(other)
    }
    for target in targets:
        if target in package and target.lower() not in still_used:
            _delete_with_owned(package, package.name(target))


def drop_calc_chain(package: Package, book: str) -> None:
    """Remove the calculation chain: it lists every formula cell, and a wrong entry makes Excel repair the file."""
    for part in package.related(book, "calcChain"):
        package.unrelate(book, part)
        package.delete(part)


def recalculate_on_load(root: etree._Element) -> None:
    """Make Excel compute everything when it opens the book."""
    settings = root.find(main("calcPr"))
    if settings is None:
        settings = etree.Element(main("calcPr"))
        insert_in_order(root, settings, WORKBOOK_ORDER)
    settings.set("fullCalcOnLoad", "1")


def retitle(package: Package, before: Sequence[str], after: Sequence[str]) -> None:
    """Keep the list of sheet titles in the document properties right.

    The list names the worksheets first, then charts and named ranges; ``HeadingPairs`` counts each. Where it does not
    say what it should for the sheets that were there, both go: they are optional, and wrong ones are worse than none.
    """
    found = package.related("", "extended-properties")
    if not found:
        return
    part = found[0]
    root = parse(package.read(part), part)
    titles = root.find(f"{{{_PROPERTIES}}}TitlesOfParts")
    headings = root.find(f"{{{_PROPERTIES}}}HeadingPairs")
    if titles is None and headings is None and before:
        return
    if not before:
        titles, headings = _new_titles(root, titles, headings)
    if titles is None or headings is None or not _replace_titles(titles, headings, before, after):
        for element in (titles, headings):
            if element is not None:
                root.remove(element)
    package.write(part, serialize(root))


def _new_titles(
    root: etree._Element, titles: etree._Element | None, headings: etree._Element | None
) -> tuple[etree._Element, etree._Element]:
    for old in (titles, headings):
        if old is not None:
            root.remove(old)
    xml = (
        f'<r xmlns="{_PROPERTIES}" xmlns:vt="{_VARIANT}"><HeadingPairs><vt:vector size="2" baseType="variant">'
        "<vt:variant><vt:lpstr>Worksheets</vt:lpstr></vt:variant><vt:variant><vt:i4>0</vt:i4></vt:variant></vt:vector>"
        '</HeadingPairs><TitlesOfParts><vt:vector size="0" baseType="lpstr"/></TitlesOfParts></r>'
    )
    headings, titles = etree.fromstring(xml)
    order = [local_name(e) for e in root]
    position = order.index("DocSecurity") + 1 if "DocSecurity" in order else len(order)
    root.insert(position, headings)
    root.insert(position + 1, titles)
    return titles, headings


def _replace_titles(
    titles: etree._Element, headings: etree._Element, before: Sequence[str], after: Sequence[str]
) -> bool:
    vector = titles.find(f"{{{_VARIANT}}}vector")
    counts = headings.findall(f"{{{_VARIANT}}}vector/{{{_VARIANT}}}variant/{{{_VARIANT}}}i4")
    if vector is None or not counts or [t.text for t in vector][: len(before)] != list(before):
        return False
    if int(counts[0].text or 0) != len(before) or sum(int(c.text or 0) for c in counts) != len(vector):
        return False
    for title in list(vector)[: len(before)]:
        vector.remove(title)
    for position, name in enumerate(after):
        title = etree.Element(f"{{{_VARIANT}}}lpstr")
        title.text = name
        vector.insert(position, title)
    vector.set("size", str(len(vector)))
    counts[0].text = str(len(after))
    return True
