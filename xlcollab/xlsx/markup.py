"""The XML of the small parts: namespaces, a parser that takes nothing from outside, a writer, and text escapes.

Package parts never need a document type (ECMA-376 part 2, 8.1.4 forbids one), so a part which declares one is refused.
With it go entity bombs and files that ask for other files.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from xlcollab.errors import DamagedFileError

__all__ = [
    "CONTENT_TYPES",
    "DRAWING",
    "MAIN",
    "OFFICE_REL",
    "PACKAGE_REL",
    "STRICT_MAIN",
    "escape",
    "escape_attribute",
    "local_name",
    "main",
    "parse",
    "serialize",
    "unescape",
    "unescape_string",
    "whole_number",
    "xml_string",
]

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE_REL: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE_REL: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
CONTENT_TYPES: Final = "http://schemas.openxmlformats.org/package/2006/content-types"
DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/main"
STRICT_MAIN: Final = "http://purl.oclc.org/ooxml/spreadsheetml/main"

_HEADER = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
# What XML 1.0 cannot hold, and what a reader would take for such an escape (ECMA-376 part 1, 22.9.2.19 ST_Xstring).
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff\r]|_(?=x[0-9A-Fa-f]{4}_)")
_ENTITY = re.compile("&(#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6}|[a-z]+);")
_ENTITIES: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'"}
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def main(tag: str) -> str:
    """'sheet' → the tag in SpreadsheetML's namespace, as lxml writes it."""
    return f"{{{MAIN}}}{tag}"


def local_name(element: etree._Element) -> str:
    """The tag without its namespace; '' for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def whole_number(element: etree._Element, attribute: str, default: int = 0) -> int:
    """The number in an attribute; the default where it is missing or is none, which keeps no sheet from being read."""
    text = element.get(attribute, "").strip()
    return int(text) if text.isdecimal() else default


def parse(data: bytes, part: str) -> etree._Element:
    """The root of one part. Raises `DamagedFileError` naming a part that is no XML or declares a document type."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise DamagedFileError(
            f"The part {part} of the workbook is not readable XML ({error.msg}). Open and save it in Excel."
        ) from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise DamagedFileError(f"The part {part} declares a document type, which no workbook does; it was not read.")
    return root


def serialize(root: etree._Element) -> bytes:
    """The part as Excel writes it: UTF-8, standalone."""
    return _HEADER + etree.tostring(root, encoding="UTF-8", xml_declaration=False)


def escape(text: str) -> str:
    """Text for between two tags."""
    if "&" in text or "<" in text or ">" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text


def escape_attribute(text: str) -> str:
    """Text for between double quotes; line ends survive the reader's normalisation."""
    return escape(text).replace('"', "&quot;").replace("\n", "&#10;").replace("\t", "&#9;").replace("\r", "&#13;")


def xml_string(text: str) -> str:
    """Any text as the content of a string element: what XML cannot hold becomes _xHHHH_, as Excel does it."""
    return escape(_UNSAFE.sub(lambda sign: f"_x{ord(sign[0]):04X}_", text))


def unescape(text: str) -> str:
    """Undo XML's own escapes: &lt; &#10; &#xE9; and so on."""
    if "&" not in text:
        return text
    return _ENTITY.sub(_character, text)


def _character(entity: re.Match[str]) -> str:
    name = entity[1]
    if name.startswith("#"):
        return chr(int(name[2:], 16) if name[1] in "xX" else int(name[1:]))
    return _ENTITIES.get(name, entity[0])


def unescape_string(text: str) -> str:
    """Undo the _xHHHH_ escapes of a string as stored."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text)
