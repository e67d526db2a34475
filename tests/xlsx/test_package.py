from __future__ import annotations

import contextlib
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from xlcollab.errors import DamagedFileError, FileError, UnsupportedFormatError
from xlcollab.xlsx.archive import read_archive, write_archive
from xlcollab.xlsx.package import Package
from xlcollab.xlsx.workbook import Workbook

RawBook = Callable[..., Path]
BOOKS = ["data/collab_filter.xlsx", "cases/division_224_binary.xlsx", "cases/integer_program.xlsx"]
SHEET = "xl/worksheets/sheet1.xml"


def packed_bytes(path: Path) -> dict[str, tuple[int, bytes]]:
    """Each part's packing and packed bytes, cut out of the file by the positions that zipfile gives."""
    data = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name_length, extra_length = struct.unpack_from("<2H", data, info.header_offset + 26)
            start = info.header_offset + 30 + name_length + extra_length
            found[info.filename] = (info.compress_type, data[start : start + info.compress_size])
    return found


@pytest.mark.parametrize("book", BOOKS)
def test_opening_and_saving_keeps_every_part_its_packed_bytes_order_and_date(
    shared: Path, tmp_path: Path, book: str
) -> None:
    source, target = shared / book, tmp_path / "saved.xlsx"
    opened = Workbook.open(source)
    opened.save(target)
    assert not opened.touched
    assert packed_bytes(target) == packed_bytes(source)
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target) as after:
        assert after.testzip() is None
        for a, b in zip(before.infolist(), after.infolist(), strict=True):
            assert (a.filename, a.date_time, a.flag_bits, a.external_attr) == (
                b.filename,
                b.date_time,
                b.flag_bits,
                b.external_attr,
            )


def test_a_change_leaves_the_packed_bytes_of_all_other_parts(shared: Path, tmp_path: Path) -> None:
    source, target = shared / BOOKS[0], tmp_path / "patched.xlsx"
    book = Workbook.open(source)
    book.sheet("dotprod").patch({(19, 8): 0.25})
    book.save(target)
    before, after = packed_bytes(source), packed_bytes(target)
    assert list(before) == list(after)
    assert {part for part in before if before[part] != after[part]} == {SHEET, "xl/workbook.xml"} == book.touched


def test_stored_parts_and_parts_with_a_trailing_descriptor_are_read_and_kept(raw_book: RawBook, tmp_path: Path) -> None:
    plain = raw_book('<row r="1"><c r="A1"><v>1</v></c></row>')
    source, target = tmp_path / "stream.xlsx", tmp_path / "saved.xlsx"

    class Stream(io.BytesIO):  # where it cannot go back, zipfile writes the sizes behind the bytes
        def seek(self, *_: int) -> int:
            raise OSError

        def tell(self) -> int:
            raise OSError

    stream = Stream()
    with zipfile.ZipFile(plain) as archive, zipfile.ZipFile(stream, "w") as out:
        for name in archive.namelist():
            out.writestr(name, archive.read(name), zipfile.ZIP_STORED if "rels" in name else zipfile.ZIP_DEFLATED)
    source.write_bytes(stream.getvalue())
    Workbook.open(source).save(target)
    assert packed_bytes(target) == packed_bytes(source)
    assert Workbook.open(target).sheets[0].cells[1, 1].value == 1


def test_names_beyond_ascii_are_kept(raw_book: RawBook, tmp_path: Path) -> None:
    source, target = raw_book(parts={"customXml/größe – 尺寸.xml": "<a/>"}), tmp_path / "saved.xlsx"
    Workbook.open(source).save(target)
    assert packed_bytes(target) == packed_bytes(source)


def test_parts_are_found_whatever_their_capitals_and_slashes(raw_book: RawBook) -> None:
    source = raw_book('<row r="1"><c r="A1"><v>5</v></c></row>')
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(source, "w") as archive:
        for name, data in parts.items():
            archive.writestr({SHEET: "XL/Worksheets\\Sheet1.XML"}.get(name, name), data)
    book = Workbook.open(source)
    assert book.sheets[0].cells[1, 1].value == 5
    book.sheets[0].patch({(1, 1): 6})
    book.save(source, force=True)
    assert "XL/Worksheets\\Sheet1.XML" in [info.orig_filename for info in zipfile.ZipFile(source).infolist()]
    assert Workbook.open(source).sheets[0].cells[1, 1].value == 6


def test_absolute_and_relative_targets_name_the_same_part(raw_book: RawBook) -> None:
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rels = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{office}/worksheet" Target="{{}}"/></Relationships>'
    )
    for target in (
        "/xl/worksheets/sheet1.xml",
        "worksheets/sheet1.xml",
        "./worksheets/sheet1.xml",
        "../xl/worksheets/sheet1.xml",
    ):
        book = Workbook.open(raw_book(parts={"xl/_rels/workbook.xml.rels": rels.format(target)}))
        assert book.sheets[0].part == SHEET


# What is refused, and by which name


def refused(path: Path, *words: str, kind: type[FileError] = UnsupportedFormatError) -> None:
    with pytest.raises(kind) as caught:
        Workbook.open(path)
    assert type(caught.value) is kind
    for word in (path.name, *words):
        assert word in caught.value.message


def file_with(tmp_path: Path, data: bytes, name: str = "book.xlsx") -> Path:
    path = tmp_path / name
    path.write_bytes(data)
    return path


CFB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def test_a_missing_file_and_a_folder_are_no_workbooks(tmp_path: Path) -> None:
    refused(tmp_path / "none.xlsx", "does not exist", kind=FileError)
    refused(tmp_path, "is a folder", kind=FileError)


def test_an_old_xls_file_is_refused_by_name(tmp_path: Path) -> None:
    refused(file_with(tmp_path, CFB + "Workbook".encode("utf-16-le"), "book.xls"), ".xls", "Save it as .xlsx")


def test_a_password_protected_workbook_is_refused_by_name(tmp_path: Path) -> None:
    refused(file_with(tmp_path, CFB + "EncryptedPackage".encode("utf-16-le")), "password")


def test_a_text_file_is_no_workbook(tmp_path: Path) -> None:
    refused(file_with(tmp_path, b"user,item,rating\n1,2,3\n"), "not an Excel workbook")


def test_an_empty_file_is_damaged(tmp_path: Path) -> None:
    refused(file_with(tmp_path, b""), "empty", kind=DamagedFileError)


def test_the_lock_file_of_an_open_workbook_is_refused_by_name(tmp_path: Path) -> None:
    refused(file_with(tmp_path, b"\x05Anna", "~$book.xlsx"), "lock file")


def test_any_other_zip_file_is_no_workbook(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    refused(path, "zip file")


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("application/vnd.ms-excel.sheet.binary.macroEnabled.main", ".xlsb"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml", "wordprocessing"),
    ],
)
def test_other_office_files_are_refused_by_name(raw_book: RawBook, kind: str, word: str) -> None:
    source = raw_book()
    with zipfile.ZipFile(source) as archive:
        types = archive.read("[Content_Types].xml").decode()
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    refused(raw_book(parts={"[Content_Types].xml": types.replace(main, kind)}, name="other.xlsx"), word)


def test_an_opendocument_file_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "book.ods"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    refused(path, ".ods")


ROOT_RELS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Type="{}" Target="xl/workbook.xml"/>{}</Relationships>'
)
OFFICE_DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"


def test_a_strict_open_xml_workbook_is_refused_by_name(raw_book: RawBook) -> None:
    strict = ROOT_RELS.format("http://purl.oclc.org/ooxml/officeDocument/relationships/officeDocument", "")
    refused(raw_book(parts={"_rels/.rels": strict}), "Strict")
    half = '<workbook xmlns="http://purl.oclc.org/ooxml/spreadsheetml/main"><sheets/></workbook>'
    refused(raw_book(parts={"xl/workbook.xml": half}), "Strict")


def test_a_signed_workbook_is_refused_by_name(raw_book: RawBook) -> None:
    origin = "http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/origin"
    line = f'<Relationship Id="rId9" Type="{origin}" Target="_xmlsignatures/origin.sigs"/>'
    refused(raw_book(parts={"_rels/.rels": ROOT_RELS.format(OFFICE_DOCUMENT, line)}), "signed")


def test_an_encrypted_zip_file_is_refused_by_name(raw_book: RawBook) -> None:
    path = raw_book()
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(data)
    refused(path, "password-protected zip")


def test_an_unknown_packing_is_refused(raw_book: RawBook) -> None:
    path = raw_book()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_LZMA) as archive:
        archive.writestr("more.xml", b"<a/>")
    refused(path, "more.xml")


@pytest.mark.parametrize("cut", [10, 200, 600, -30, -10])
def test_a_file_cut_short_is_damaged(raw_book: RawBook, cut: int) -> None:
    path = raw_book('<row r="1"><c r="A1"><v>1</v></c></row>')
    path.write_bytes(path.read_bytes()[:cut])
    refused(path, "damaged", kind=DamagedFileError)


def test_a_part_with_broken_bytes_is_damaged_and_named(raw_book: RawBook) -> None:
    path = raw_book('<row r="1"><c r="A1"><v>1</v></c></row>')
    kind, packed = packed_bytes(path)[SHEET]
    assert kind == zipfile.ZIP_DEFLATED
    data = path.read_bytes()
    for broken in (b"\xff" * len(packed), zlib.compress(b"another text")[2:-4].ljust(len(packed), b"\0")):
        path.write_bytes(data.replace(packed, broken))
        with pytest.raises(DamagedFileError, match="sheet1"):
            _ = Workbook.open(path).sheets[0].cells


@pytest.mark.parametrize("part", ["xl/workbook.xml", SHEET, "xl/_rels/workbook.xml.rels", "[Content_Types].xml"])
def test_a_missing_part_is_an_error_and_no_traceback(raw_book: RawBook, part: str) -> None:
    with pytest.raises(FileError):
        Workbook.open(raw_book(parts={part: None}))


@pytest.mark.parametrize(
    "part", ["xl/workbook.xml", "xl/_rels/workbook.xml.rels", "[Content_Types].xml", "_rels/.rels"]
)
@pytest.mark.parametrize("text", ["", "no XML", "<a><b></a>", '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "<a/>"])
def test_a_part_that_is_no_proper_xml_is_an_error_and_no_traceback(raw_book: RawBook, part: str, text: str) -> None:
    with pytest.raises(FileError):
        Workbook.open(raw_book(parts={part: text}))


def test_an_entity_bomb_is_refused_before_it_grows(raw_book: RawBook) -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE workbook [<!ENTITY e0 "boom">{levels}]><workbook>&e9;</workbook>'
    refused_part = raw_book(parts={"xl/workbook.xml": bomb})
    with pytest.raises(DamagedFileError, match="workbook.xml"):  # noqa: RUF043
        Workbook.open(refused_part)


def test_no_file_is_fetched_for_an_external_entity(raw_book: RawBook, tmp_path: Path) -> None:
    secret = file_with(tmp_path, b"secret", "secret.txt")
    text = f'<!DOCTYPE sst [<!ENTITY s SYSTEM "file://{secret}">]><workbook>&s;</workbook>'
    with pytest.raises(DamagedFileError) as caught:
        Workbook.open(raw_book(parts={"xl/workbook.xml": text}))
    assert "secret" not in caught.value.message.replace(str(tmp_path), "")


def test_a_part_that_inflates_a_thousandfold_is_refused_unread(raw_book: RawBook) -> None:
    path = raw_book(parts={"xl/media/image1.png": bytes(80 << 20)})
    refused(path, "image1.png", kind=DamagedFileError)


def test_a_part_that_inflates_beyond_its_promise_is_cut_off(raw_book: RawBook) -> None:
    path = raw_book(parts={SHEET: bytes(1 << 20)})
    data = path.read_bytes().replace(struct.pack("<I", 1 << 20), struct.pack("<I", 1000))
    path.write_bytes(data)
    package = Package.open(path)
    with pytest.raises(DamagedFileError, match="length"):
        package.read(SHEET)


def test_entries_that_overlap_are_refused(raw_book: RawBook) -> None:
    path = raw_book()
    entries = read_archive(io.BytesIO(path.read_bytes()), "x")
    out = io.BytesIO()
    write_archive(out, entries)
    data = bytearray(out.getvalue())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 20, len(data))
    path.write_bytes(data)
    refused(path, "overlap", kind=DamagedFileError)


@pytest.mark.parametrize("seed", range(60))
def test_a_byte_changed_anywhere_gives_a_named_error_or_a_workbook(raw_book: RawBook, seed: int) -> None:
    path = raw_book('<row r="1"><c r="A1"><v>1</v></c><c r="B1"><f>A1</f><v>1</v></c></row>')
    data = bytearray(path.read_bytes())
    data[seed * 7919 % len(data)] ^= 1 << seed % 8
    path.write_bytes(data)
    with contextlib.suppress(FileError):  # anything else fails the test
        book = Workbook.open(path)
        assert all(isinstance(sheet.cells, dict) for sheet in book.sheets)
        assert not list(book.names)
