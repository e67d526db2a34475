"""A workbook is written whole or not at all."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xlcollab.errors import CannotWriteError
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

WRITER = """
import sys
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

book = Workbook.open(sys.argv[1])
sheet = NewSheet("Big")
sheet.block(1, 1, [[row + col / 7 for col in range(100)] for row in range(300)])
book.add(sheet)
print("ready", flush=True)
while True:
    book.save(sys.argv[1], force=True)
"""


def small(path: Path, *, rows: int = 3) -> Path:
    book = Workbook.new()
    sheet = NewSheet("One")
    sheet.block(1, 1, [[row, row / 3] for row in range(rows)])
    book.add(sheet)
    book.save(path)
    return path


def test_a_kill_at_any_moment_leaves_a_whole_workbook(tmp_path: Path) -> None:
    path = small(tmp_path / "book.xlsx")
    seen = set()
    for moment in range(12):
        path.unlink()
        small(path)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.015 * moment)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        names = tuple(sheet.name for sheet in Workbook.open(path).sheets)
        seen.add(names)
        assert names in {("One",), ("One", "Big")}
    assert ("One", "Big") in seen  # else no save was ever reached


def test_a_disk_that_fills_up_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = small(tmp_path / "book.xlsx")
    before = path.read_bytes()
    book = Workbook.open(path)
    sheet = NewSheet("Big")
    sheet.block(1, 1, [[(row * 37 + col) ** 0.5 for col in range(60)] for row in range(300)])
    book.add(sheet)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(CannotWriteError, match=r"book\.xlsx cannot be written"):
            book.save(path, force=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_target_that_excel_holds_open_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path / "book.xlsx")
    before = path.read_bytes()
    (tmp_path / "~$book.xlsx").touch()
    with pytest.raises(CannotWriteError, match="open in another program"):
        Workbook.open(path).save(path, force=True)
    assert path.read_bytes() == before
