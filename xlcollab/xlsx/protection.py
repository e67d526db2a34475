"""Which cells a protected sheet lets people change."""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from xlcollab.xlsx.markup import main

__all__ = ["column_style", "unlocked_styles"]

_COLUMN: Final = re.compile(rb"<(?:[\w.-]+:)?col\s([^>]*)>")
_ATTRIBUTE: Final = re.compile(rb"(\w+)=[\"'](\d+)[\"']")


def unlocked_styles(root: etree._Element) -> frozenset[int]:
    """The positions in the ``cellXfs`` of a styles part that unlock their cells; without a word a cell is locked."""
    formats = root.iterfind(f"{main('cellXfs')}/{main('xf')}")
    return frozenset(
        position
        for position, xf in enumerate(formats)
        if any(e.get("locked") in ("0", "false") for e in xf.iterfind(main("protection")))
    )


def column_style(data: bytes, col: int) -> int:
    """The style of the cells of a column that the sheet part does not list."""
    for found in _COLUMN.finditer(data, 0, max(data.find(b"sheetData"), 0)):
        attributes = dict(_ATTRIBUTE.findall(found[1]))
        if int(attributes.get(b"min", 0)) <= col <= int(attributes.get(b"max", 0)):
            return int(attributes.get(b"style", 0))
    return 0
