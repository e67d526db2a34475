"""Books that other programs wrote: read as they meant them, patched in place, every other part kept."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from xlcollab.reading.crosstab import read_crosstab
from xlcollab.xlsx.cells import Area, CellValue
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

ROWS: list[list[CellValue]] = [
    ["userId", 27, "Amélie & <co>", "'tis", "007"],
    [14, 3, 5, 1, None],
    ["Ann", 4.5, None, 5, 2],
    [2**40, None, 4, 3, 0.5],
    ["東京", 1, 2, None, 4],
]
# Gnumeric names no default style, which openpyxl, the judge here, remarks on.
pytestmark = pytest.mark.filterwarnings("ignore:Workbook contains no default style")
PROGRAMS = ["openpyxl", "XlsxWriter", "LibreOffice", "Gnumeric"]


def by_openpyxl(path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Ratings"
    for row in ROWS:
        book.active.append(row)
    book.save(path)


def by_xlsxwriter(path: Path) -> None:
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Ratings")
        for row, values in enumerate(ROWS):
            for col, value in enumerate(values):
                sheet.write_string(row, col, value) if isinstance(value, str) else sheet.write(row, col, value)


def by_libreoffice(path: Path) -> None:
    if (tool := shutil.which("soffice")) is None:
        pytest.skip("needs soffice (Debian: apt-get install libreoffice-calc)")
    source = path.parent / "source" / path.name
    source.parent.mkdir()
    by_openpyxl(source)
    profile = f"-env:UserInstallation=file://{path.parent}/profile"
    subprocess.run(
        [tool, profile, "--headless", "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", path.parent, source],
        check=True,
        capture_output=True,
    )


def by_gnumeric(path: Path) -> None:
    if (tool := shutil.which("ssconvert")) is None:
        pytest.skip("needs ssconvert (Debian: apt-get install gnumeric)")
    source = path.with_name("source.xlsx")
    by_openpyxl(source)
    subprocess.run([tool, "-T", "Gnumeric_Excel:xlsx2", source, path], check=True, capture_output=True)


@pytest.fixture(scope="module", params=PROGRAMS)
def book(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ratings as one of the programs stores them."""
    path = tmp_path_factory.mktemp(request.param) / "ratings.xlsx"
    writers = dict(zip(PROGRAMS, (by_openpyxl, by_xlsxwriter, by_libreoffice, by_gnumeric), strict=True))
    writers[request.param](path)
    return path


def test_the_crosstab_is_read_with_its_labels_as_they_are(book: Path) -> None:
    table = read_crosstab(Workbook.open(book))
    assert (table.sheet, table.range) == ("Ratings", "A1:E5")
    assert table.items == tuple(ROWS[0][1:])
    assert table.users == tuple(row[0] for row in ROWS[1:])
    assert [list(row) for row in table.values] == [row[1:] for row in ROWS[1:]]


def test_a_saved_book_is_the_same_to_the_byte_of_every_part(
    book: Path, parts_of: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    opened = Workbook.open(book)
    read_crosstab(opened)
    opened.save(tmp_path / "saved.xlsx")
    assert parts_of(tmp_path / "saved.xlsx") == parts_of(book)


def test_a_patch_changes_its_cells_and_no_other_part(
    book: Path, parts_of: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    opened = Workbook.open(book)
    sheet = opened.sheet("Ratings")
    news: dict[tuple[int, int], CellValue] = {(2, 5): 2.5, (3, 3): "=text", (9, 9): 7, (2, 2): None}
    sheet.patch(news)
    opened.save(tmp_path / "patched.xlsx")
    before, after = parts_of(book), parts_of(tmp_path / "patched.xlsx")
    assert before.keys() == after.keys()
    changed = {name for name in before if before[name] != after[name]}
    assert {sheet.part} <= changed <= opened.touched <= {sheet.part, "xl/workbook.xml"}
    read = openpyxl.load_workbook(tmp_path / "patched.xlsx")["Ratings"]
    expected = {(r, c): value for r, row in enumerate(ROWS, 1) for c, value in enumerate(row, 1)} | news
    assert {at: read.cell(*at).value for at in expected} == expected


def test_a_sheet_is_added_behind_and_the_others_stay(
    book: Path, parts_of: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    opened = Workbook.open(book)
    old = opened.sheet("Ratings").part
    sheet = NewSheet("Added")
    sheet.block(1, 1, ROWS)
    sheet.formula(7, 2, "SUM(B2:B6)", 8.5)
    opened.add(sheet)
    opened.save(tmp_path / "added.xlsx")
    assert parts_of(tmp_path / "added.xlsx")[old] == parts_of(book)[old]
    read = openpyxl.load_workbook(tmp_path / "added.xlsx", data_only=True)
    assert read.sheetnames[-1] == "Added"
    assert [[cell.value for cell in row] for row in read["Added"]["A1:E5"]] == ROWS
    assert read["Added"]["B7"].value == 8.5
    assert Workbook.open(tmp_path / "added.xlsx").sheet("Added").values(Area.parse("A1:E5")) == ROWS


def test_every_sheet_has_its_part_by_the_prefix_that_gnumeric_looks_for(
    book: Path, parts_of: Callable[[Path], dict[str, bytes]], tmp_path: Path
) -> None:
    opened = Workbook.open(book)
    opened.add(NewSheet("Added"))
    opened.save(tmp_path / "added.xlsx")
    lines = re.findall(rb"<sheet [^>]*>", parts_of(tmp_path / "added.xlsx")["xl/workbook.xml"])
    assert len(lines) == 2
    assert all(b" r:id=" in line for line in lines)
