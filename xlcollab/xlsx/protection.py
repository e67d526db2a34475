"""Which cells a protected sheet lets people change."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from xlcollab.xlsx.markup import main

__all__ = ["unlisted_style", "unlocked_styles"]

_COLUMN: Final = re.compile(rb"<(?:[\w.-]+:)?col\s([^>]*)>")
_ROW: Final = re.compile(rb"<(?:[\w.-]+:)?row\s([^>]*customFormat[^>]*)>")
_ATTRIBUTE: Final = re.compile(rb"(\w+)=[\"'](\d+)[\"']")


def unlocked_styles(root: etree._Element) -> frozenset[int]:
    """The positions in the ``cellXfs`` of a styles part that unlock their cells; without a word a cell is locked."""
    formats = root.iterfind(f"{main('cellXfs')}/{main('xf')}")
    return frozenset(
        position
        for position, xf in enumerate(formats)
        if any(e.get("locked") in ("0", "false") for e in xf.iterfind(main("protection")))
    )


def unlisted_style(data: bytes, row: int, col: int) -> int:
    """The style of a cell that the sheet part does not list: that of its row, if it has one, or of its column."""
    for tag in _ROW.findall(data):
        attributes = dict(_ATTRIBUTE.findall(tag))
        if attributes.get(b"r") == b"%d" % row and attributes.get(b"customFormat") == b"1":
            return int(attributes.get(b"s", 0))
    for found in _COLUMN.finditer(data, 0, max(data.find(b"sheetData"), 0)):
        attributes = dict(_ATTRIBUTE.findall(found[1]))
        if int(attributes.get(b"min", 0)) <= col <= int(attributes.get(b"max", 0)):
            return int(attributes.get(b"style", 0))
    return 0
