"""A workbook as a package (ECMA-376 part 2): parts by name, what points to what, and the type of each part.

Parts that nobody writes keep their packed bytes. Files that are no workbook of Excel's XML format are refused by name.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast
from urllib.parse import unquote

from lxml import etree

from xlcollab.errors import DamagedFileError, FileError, UnsupportedFormatError
from xlcollab.xlsx.archive import Entry, deflate, read_archive, write_archive
from xlcollab.xlsx.markup import CONTENT_TYPES, OFFICE_REL, PACKAGE_REL, parse, serialize

__all__ = ["Package", "Relationship"]

TYPES_PART = "[Content_Types].xml"
_SHEET_TYPES = (
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
    "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
    "application/vnd.ms-excel.template.macroEnabled.main+xml",
    "application/vnd.ms-excel.addin.macroEnabled.main+xml",
)


class Relationship(NamedTuple):
    """One line of a ``.rels`` part. ``target`` is a part's name, or the address as it stands where it is external."""

    id: str
    type: str
    target: str
    external: bool = False


class Package:
    """The parts of one file; names without a leading slash, found whatever their capitals and escapes."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries: dict[str, Entry] = {}
        self._names: dict[str, str] = {}
        self._relationships: dict[str, list[Relationship]] = {}
        self._types: etree._Element | None = None
        self._last: tuple[Entry, bytes] | None = None  # a sheet is looked at several times in a row
        self.touched: set[str] = set()
        for entry in entries:
            name = entry.name.replace("\\", "/").lstrip("/")
            self._entries[name] = entry
            self._names[_key(name)] = name

    @classmethod
    def open(cls, path: Path) -> Package:
        """Read the file whole, parts still packed.

        Raises `FileError` where there is no such file, `UnsupportedFormatError` for everything that is not .xlsx or
        .xlsm (by name), `DamagedFileError` for a broken one.
        """
        if not path.exists():
            raise FileError(f"{path} does not exist.")
        if path.is_dir():
            raise FileError(f"{path} is a folder. Name a workbook in it.")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FileError(f"{path} cannot be read: {error.strerror}.") from error
        _refuse_other_formats(data, path)
        package = cls(read_archive(io.BytesIO(data), str(path)))
        _refuse_other_packages(package, path)
        return package

    def __contains__(self, part: str) -> bool:
        return _key(part) in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def name(self, part: str) -> str:
        """The name as it stands in the file, whatever the capitals asked for."""
        return self._names.get(_key(part), part)

    def read(self, part: str) -> bytes:
        """A part's bytes, unpacked."""
        if part not in self:
            raise DamagedFileError(f"The workbook is damaged: its part {part} is missing. Open and save it in Excel.")
        name = self.name(part)
        if self._last is None or self._last[0] is not self._entries[name]:
            self._last = (self._entries[name], self._entries[name].inflate())
        return self._last[1]

    def write(self, part: str, data: bytes | Iterable[bytes]) -> None:
        """Replace a part, or add one at the end; chunks are packed as they come."""
        name = self.name(part)
        chunks = [data] if isinstance(data, bytes) else data
        old = self._entries.get(name)
        entry = deflate(old.name if old else name, chunks, flags=old.flags if old and not name.isascii() else 0x800)
        self._entries[name] = entry
        self._names[_key(name)] = name
        self.touched.add(name)

    def delete(self, part: str) -> None:
        """Remove a part, its relationships and its content type."""
        name = self.name(part)
        del self._entries[name], self._names[_key(name)]
        self.touched.add(name)
        self._relationships.pop(name, None)
        if _rels_part(name) in self:
            rels = self.name(_rels_part(name))
            del self._entries[rels], self._names[_key(rels)]
            self.touched.add(rels)
        types = self._content_types()
        for override in types.findall(f"{{{CONTENT_TYPES}}}Override"):
            if override.get("PartName", "").lower() == f"/{name.lower()}":
                types.remove(override)
                self.write(TYPES_PART, serialize(types))

    def free_name(self, pattern: str) -> str:
        """The first part name that is not taken: 'xl/charts/chart{}.xml' → 'xl/charts/chart3.xml'."""
        number = 1
        while pattern.format(number) in self:
            number += 1
        return pattern.format(number)

    def relationships(self, part: str) -> list[Relationship]:
        """What a part points to ('' for the package itself), in the file's order."""
        if part not in self._relationships:
            rels = _rels_part(part)
            self._relationships[part] = _read_relationships(self.read(rels), rels, part) if rels in self else []
        return self._relationships[part]

    def related(self, part: str, kind: str) -> list[str]:
        """The parts that a part points to by one kind of relationship, such as 'worksheet'."""
        return [
            self.name(r.target)
            for r in self.relationships(part)
            if not r.external and r.type.rpartition("/")[2] == kind and r.target in self
        ]

    def relate(self, part: str, kind: str, target: str) -> str:
        """Point from a part to another; returns the new relationship's id."""
        rels = _rels_part(part)
        root = (
            parse(self.read(rels), rels)
            if rels in self
            else etree.Element(f"{{{PACKAGE_REL}}}Relationships", nsmap=cast("dict[str, str]", {None: PACKAGE_REL}))
        )
        taken = {r.id for r in self.relationships(part)}
        number = len(taken) + 1
        while f"rId{number}" in taken:
            number += 1
        line = etree.SubElement(root, f"{{{PACKAGE_REL}}}Relationship")
        line.set("Id", f"rId{number}")
        line.set("Type", kind if ":" in kind else f"{OFFICE_REL}/{kind}")
        line.set("Target", posixpath.relpath(target, posixpath.dirname(part) or "."))
        self.write(rels, serialize(root))
        del self._relationships[part]
        return f"rId{number}"

    def unrelate(self, part: str, target: str) -> None:
        """Remove the relationships from a part to another."""
        rels = _rels_part(part)
        root = parse(self.read(rels), rels)
        gone = {r.id for r in self.relationships(part) if not r.external and r.target.lower() == target.lower()}
        for line in list(root):
            if line.get("Id") in gone:
                root.remove(line)
        self.write(rels, serialize(root))
        del self._relationships[part]

    def content_type(self, part: str) -> str:
        """The type that [Content_Types].xml gives a part; '' where it gives none."""
        types = self._content_types()
        for override in types.iterfind(f"{{{CONTENT_TYPES}}}Override"):
            if override.get("PartName", "").lower() == f"/{part.lower()}":
                return override.get("ContentType", "")
        suffix = part.rpartition(".")[2].lower()
        for default in types.iterfind(f"{{{CONTENT_TYPES}}}Default"):
            if default.get("Extension", "").lower() == suffix:
                return default.get("ContentType", "")
        return ""

    def set_content_type(self, part: str, content_type: str) -> None:
        """Give one part its type."""
        types = self._content_types()
        override = etree.SubElement(types, f"{{{CONTENT_TYPES}}}Override")
        override.set("PartName", f"/{part}")
        override.set("ContentType", content_type)
        self.write(TYPES_PART, serialize(types))

    def save(self, file: BinaryIO) -> None:
        """Write all parts, those not touched with the packed bytes that were read."""
        write_archive(file, self._entries.values())

    def workbook_part(self) -> str:
        """The part that the package calls its office document."""
        for relationship in self.relationships(""):
            if relationship.type.endswith("/officeDocument") and not relationship.external:
                return self.name(relationship.target)
        raise DamagedFileError("The file is damaged: nothing in it says which part is the workbook.")

    def _content_types(self) -> etree._Element:
        if self._types is None:
            self._types = parse(self.read(TYPES_PART), TYPES_PART)
        return self._types


def _key(part: str) -> str:
    """What two spellings of one part's name share: capitals differ, and relationships write a blank as %20."""
    return (unquote(part) if "%" in part else part).lower()


def _rels_part(part: str) -> str:
    folder, _, name = part.rpartition("/")
    return f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels"


def _read_relationships(data: bytes, rels: str, part: str) -> list[Relationship]:
    found = []
    for line in parse(data, rels).iterfind(f"{{{PACKAGE_REL}}}Relationship"):
        target = line.get("Target", "").replace("\\", "/")
        external = line.get("TargetMode") == "External"
        if not external:
            base = "" if target.startswith("/") else posixpath.dirname(part)
            target = posixpath.normpath(posixpath.join(base, target.lstrip("/")))
        found.append(Relationship(line.get("Id", ""), line.get("Type", ""), target, external))
    return found


def _refuse_other_formats(data: bytes, path: Path) -> None:
    if path.name.startswith("~$"):
        raise UnsupportedFormatError(f"{path} is the lock file of an open workbook. Name the workbook itself.")
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise UnsupportedFormatError(
                f"{path} is password-protected. Remove the password in Excel (File, Info) and save it again."
            )
        raise UnsupportedFormatError(f"{path} is an old .xls file. Save it as .xlsx in Excel.")
    if not data:
        raise DamagedFileError(f"{path} is empty: no workbook was saved there.")
    if not data.startswith(b"PK"):
        raise UnsupportedFormatError(f"{path} is not an Excel workbook (.xlsx or .xlsm): it is no zip file.")


def _refuse_other_packages(package: Package, path: Path) -> None:
    if "mimetype" in package and b"opendocument" in package.read("mimetype"):
        raise UnsupportedFormatError(f"{path} is an OpenDocument file (.ods). Save it as .xlsx.")
    if "Index/Document.iwa" in package or "Index.zip" in package:
        raise UnsupportedFormatError(f"{path} is a Numbers file. Export it as .xlsx.")
    if TYPES_PART not in package or "_rels/.rels" not in package:
        raise UnsupportedFormatError(f"{path} is a zip file, but not an Excel workbook (.xlsx or .xlsm).")
    kinds = {r.type for r in package.relationships("")}
    if any(kind.startswith("http://purl.oclc.org/ooxml/") for kind in kinds):
        raise UnsupportedFormatError(
            f"{path} is a Strict Open XML workbook. Save it in Excel as 'Excel Workbook (.xlsx)', not as 'Strict'."
        )
    if any(kind.endswith("/digital-signature/origin") for kind in kinds):
        raise UnsupportedFormatError(
            f"{path} is digitally signed, and any change would break the signature. Save a copy without it."
        )
    kind = package.content_type(package.workbook_part())
    if "sheet.binary" in kind:
        raise UnsupportedFormatError(f"{path} is a binary workbook (.xlsb). Save it as .xlsx in Excel.")
    if kind not in _SHEET_TYPES:
        raise UnsupportedFormatError(f"{path} is not an Excel workbook but another kind of Office file ({kind}).")
