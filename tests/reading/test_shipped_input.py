"""The workbook that ships is what the figures beside it make."""

from __future__ import annotations

import importlib.util
import subprocess
import zipfile
from pathlib import Path

import openpyxl

from xlcollab.rating_files import read_ratings

WORKBOOKS = Path(__file__).parents[2] / "workbooks"


def parts(path):
    with zipfile.ZipFile(path) as archive:
        return [(entry.filename, entry.date_time, archive.read(entry)) for entry in archive.infolist()]


def test_it_is_made_again_part_by_part(tmp_path):
    spec = importlib.util.spec_from_file_location("make_inputs", WORKBOOKS / "make_inputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    # Inflated parts, since another release of zlib may compress otherwise.
    assert parts(module.make_inputs(tmp_path)) == parts(WORKBOOKS / "movielens_15x15.xlsx")


def test_it_says_what_the_csv_file_says():
    book, text = read_ratings(WORKBOOKS / "movielens_15x15.xlsx"), read_ratings(WORKBOOKS / "movielens_15x15.csv")
    assert book.equals(text)
    assert (book.n_users, book.n_items, len(book), book.scale) == (15, 15, 206, (1.0, 5.0))
    assert (book.source.sheet, book.source.range, book.user_title) == ("ratings", "A1:P16", "userId")


def test_openpyxl_reads_it_as_the_lesson_has_it():
    sheet = openpyxl.load_workbook(WORKBOOKS / "movielens_15x15.xlsx").active
    assert [cell.value for cell in sheet[1]][:4] == ["userId", 27, 49, 57]
    assert [cell.value for cell in sheet[7]][:4] == [293, 3, None, 4]


def test_gnumeric_s_copy_says_the_same(ssconvert, tmp_path):
    copy = tmp_path / "copy.xlsx"
    subprocess.run([ssconvert, WORKBOOKS / "movielens_15x15.xlsx", copy], check=True, capture_output=True)
    assert read_ratings(copy).equals(read_ratings(WORKBOOKS / "movielens_15x15.csv"))
