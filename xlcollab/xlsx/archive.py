"""The zip file under a workbook: entries as they were compressed, to be written again without a byte of change.

Python's `zipfile` reads the directory; it cannot copy an entry without inflating it, so the entries' bytes are read and
written here. New entries are deflated while they are produced: a sheet of a million cells is never whole in memory.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from xlcollab.errors import CannotWriteError, DamagedFileError, UnsupportedFormatError

__all__ = ["Entry", "deflate", "read_archive", "write_archive"]

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _DESCRIPTOR, _UTF8 = 0x1, 0x8, 0x800
_DOS_1980 = (0, 0x21)  # time and date that Excel gives its parts, whatever the clock says
_LEVEL = 6

# A sheet of a million formulas inflates to about 100 MB and packs 20:1; deflate cannot pack better than 1032:1.
_LARGEST_PART = 4 << 30
_SUSPECT_SIZE = 64 << 20
_SUSPECT_RATIO = 600


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in the archive: its name, how it is packed, and the packed bytes."""

    name: str
    method: int
    crc: int
    size: int
    packed: bytes
    flags: int = _UTF8
    stamp: tuple[int, int] = _DOS_1980
    attributes: int = 0

    def inflate(self) -> bytes:
        """The bytes unpacked. Raises `DamagedFileError` where length or checksum are not those promised."""
        if self.method == _STORED:
            data = self.packed
        else:
            unpacker = zlib.decompressobj(-15)
            try:
                # One byte more than promised is enough to know that the promise is broken: a bomb ends here.
                data = unpacker.decompress(self.packed, self.size + 1)
            except zlib.error as error:
                raise _damaged(self.name, "its compressed bytes are broken") from error
        if len(data) != self.size or zlib.crc32(data) != self.crc:
            raise _damaged(self.name, "its length or checksum is wrong")
        return data


def deflate(name: str, chunks: Iterable[bytes], *, flags: int = _UTF8) -> Entry:
    """Pack the chunks, one after another as they come."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -15)
    packed: list[bytes] = []
    crc = size = 0
    for chunk in chunks:
        crc = zlib.crc32(chunk, crc)
        size += len(chunk)
        packed.append(packer.compress(chunk))
    packed.append(packer.flush())
    return Entry(name, _DEFLATED, crc, size, b"".join(packed), flags)


def read_archive(file: BinaryIO, shown: str) -> list[Entry]:
    """All entries in the order of the directory, still packed. ``shown`` is the path for messages.

    Raises `DamagedFileError` for a broken archive and for one that promises absurd sizes, `UnsupportedFormatError` for
    encrypted entries and other packings than deflate (no program writes workbooks with those).
    """
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise DamagedFileError(
            f"{shown} is a damaged workbook: its zip directory cannot be read. Get a fresh copy of the file."
        ) from error
    length = file.seek(0, os.SEEK_END)
    if sum(info.compress_size for info in infos) > length:
        raise DamagedFileError(f"{shown} is a damaged workbook: its parts overlap. It was not read.")
    return [_read_entry(file, info, shown) for info in infos]


def _read_entry(file: BinaryIO, info: zipfile.ZipInfo, shown: str) -> Entry:
    name = info.filename
    if info.flag_bits & _ENCRYPTED:
        raise UnsupportedFormatError(f"{shown} is a password-protected zip file. Save it without a password.")
    if info.compress_type not in (_STORED, _DEFLATED):
        raise UnsupportedFormatError(f"{shown} packs {name} in a way that workbooks never use. Save it again in Excel.")
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > _LARGEST_PART or (info.file_size > _SUSPECT_SIZE and ratio > _SUSPECT_RATIO):
        raise DamagedFileError(
            f"{shown} was not read: its part {name} claims {info.file_size:,} bytes packed into {info.compress_size:,}."
        )
    file.seek(info.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise _damaged(name, "its header is broken")
    fields = _LOCAL.unpack(header)
    file.seek(fields[9] + fields[10], os.SEEK_CUR)
    packed = file.read(info.compress_size)
    if len(packed) != info.compress_size:
        raise _damaged(name, "the file ends before it")
    hour, minute, second = info.date_time[3:]
    year, month, day = info.date_time[:3]
    stamp = (hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day)
    return Entry(name, info.compress_type, info.CRC, info.file_size, packed, info.flag_bits, stamp, info.external_attr)


def write_archive(file: BinaryIO, entries: Iterable[Entry]) -> None:
    """Write the entries in their order, followed by the directory."""
    directory: list[bytes] = []
    offset = count = 0
    for entry in entries:
        # A name of an old archive that is not UTF-8 is in DOS's code page, as zipfile read it.
        name = entry.name.encode("utf-8" if entry.flags & _UTF8 or entry.name.isascii() else "cp437")
        flags = entry.flags & ~_DESCRIPTOR  # the sizes stand in the header, whoever wrote the entry first
        if max(entry.size, len(entry.packed), offset) > 0xFFFFFFFF or count == 0xFFFF:
            raise CannotWriteError("The workbook would be larger than 4 GB, which Excel cannot open.")
        common = (flags, entry.method, *entry.stamp, entry.crc, len(entry.packed), entry.size, len(name))
        file.write(_LOCAL.pack(b"PK\x03\x04", 20, *common, 0) + name)
        file.write(entry.packed)
        directory.append(_CENTRAL.pack(b"PK\x01\x02", 20, 20, *common, 0, 0, 0, 0, entry.attributes, offset) + name)
        offset += _LOCAL.size + len(name) + len(entry.packed)
        count += 1
    listing = b"".join(directory)
    file.write(listing)
    file.write(_END.pack(b"PK\x05\x06", 0, 0, count, count, len(listing), offset, 0))


def _damaged(part: str, reason: str) -> DamagedFileError:
    return DamagedFileError(f"The workbook is damaged at its part {part}: {reason}. Get a fresh copy of the file.")
