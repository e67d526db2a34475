"""Reading and writing large sheets, against openpyxl, XlsxWriter and python-calamine in one run.

    python tests/benchmarks/bench_files.py [REPEATS]

Asked for: a 1000×1000 crosstab read at least 8 times faster than openpyxl, a million formatted numbers written at least
4 times faster than openpyxl and faster than XlsxWriter. Ends with exit code 1 where that is missed.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import openpyxl
import python_calamine
import xlsxwriter
from openpyxl.cell import WriteOnlyCell
from timing import ratio

from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.newsheet import NewSheet, Style
from xlcollab.xlsx.workbook import Workbook

SIZE = 1000
GRID = Area(1, 1, SIZE + 1, SIZE + 1)


def main(repeats: int) -> int:
    """Print every ratio; 0 when the three asked for hold."""
    with tempfile.TemporaryDirectory() as folder:
        crosstab = Path(folder, "crosstab.xlsx")
        make_crosstab(crosstab)
        reading = ratio(
            "read a 1000×1000 crosstab, openpyxl's load_workbook",
            lambda: Workbook.open(crosstab).sheets[0].values(GRID),
            lambda: read_with_openpyxl(crosstab),
            repeats=repeats,
        )
        ratio(
            "read a 1000×1000 crosstab, python-calamine",
            lambda: Workbook.open(crosstab).sheets[0].values(GRID),
            lambda: python_calamine.load_workbook(crosstab).get_sheet_by_index(0).to_python(skip_empty_area=False),
            repeats=repeats,
        )
        predictions = [[random.gauss(3.5, 1.0) for _ in range(SIZE)] for _ in range(SIZE)]
        target = Path(folder, "written.xlsx")
        against_openpyxl = ratio(
            "write 1,000,000 formatted numbers, openpyxl",
            lambda: write_ours(target, predictions),
            lambda: write_with_openpyxl(target, predictions),
            repeats=repeats,
        )
        against_xlsxwriter = ratio(
            "write 1,000,000 formatted numbers, XlsxWriter (constant_memory)",
            lambda: write_ours(target, predictions),
            lambda: write_with_xlsxwriter(target, predictions),
            repeats=repeats,
        )
        ratio(
            "write and read 100,000 formulas with their values, XlsxWriter and openpyxl",
            lambda: formulas_ours(target),
            lambda: formulas_theirs(target),
            repeats=repeats,
        )
    start_up(repeats)
    held = reading.of_least >= 8 and against_openpyxl.of_least >= 4 and against_xlsxwriter.of_least > 1
    return 0 if held else 1


def make_crosstab(path: Path) -> None:
    """Labels and half-star ratings, written by XlsxWriter in Excel's own shape."""
    dice = random.Random(1)
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 1, [3 * col for col in range(SIZE)])
    for row in range(1, SIZE + 1):
        sheet.write_row(row, 0, [row, *(dice.randint(1, 10) / 2 for _ in range(SIZE))])
    book.close()


def read_with_openpyxl(path: Path) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True))


def write_ours(path: Path, rows: list[list[float]]) -> None:
    sheet = NewSheet("Predictions")
    sheet.block(1, 1, rows, Style(number_format="0.0", fill="DDEBF7"))
    book = Workbook.new()
    book.add(sheet)
    book.save(path, force=True)


def write_with_openpyxl(path: Path, rows: list[list[float]]) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Predictions")
    fill = openpyxl.styles.PatternFill("solid", fgColor="DDEBF7")

    def styled(value: float) -> WriteOnlyCell:
        cell = WriteOnlyCell(sheet, value)
        cell.number_format = "0.0"
        cell.fill = fill
        return cell

    for row in rows:
        sheet.append([styled(value) for value in row])
    book.save(path)


def write_with_xlsxwriter(path: Path, rows: list[list[float]]) -> None:
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet("Predictions")
    look = book.add_format({"num_format": "0.0", "bg_color": "#DDEBF7"})
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row, look)
    book.close()


def formulas_ours(path: Path) -> None:
    sheet = NewSheet("Model")
    sheet.formulas(2, 1, ([(f"$A$1*{row}+{col}", float(col)) for col in range(100)] for row in range(1000)))
    book = Workbook.new()
    book.add(sheet)
    book.save(path, force=True)
    assert len(Workbook.open(path).sheets[0].cells) == 100_000


def formulas_theirs(path: Path) -> None:
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet("Model")
    for row in range(1000):
        for col in range(100):
            sheet.write_formula(row + 1, col, f"=$A$1*{row}+{col}", None, float(col))
    book.close()
    assert openpyxl.load_workbook(path).worksheets[0].max_column == 100


def start_up(repeats: int) -> None:
    """Opening a small book and reading it, from Python's own start on."""
    book = Path(__file__).parents[2] / "workbooks" / "movielens_15x15.xlsx"
    if not book.exists():
        return
    ours = f"from xlcollab.xlsx.workbook import Workbook; Workbook.open({str(book)!r}).sheets[0].cells"
    theirs = f"import openpyxl; openpyxl.load_workbook({str(book)!r})"
    ratio(
        "start Python and read the 15×15, openpyxl",
        lambda: subprocess.run([sys.executable, "-c", ours], check=True),
        lambda: subprocess.run([sys.executable, "-c", theirs], check=True),
        repeats=3 * repeats,
    )
    course = Path(__file__).parents[3] / "shared" / "data" / "collab_filter.xlsx"
    commands = {
        "xlcollab --help": ["--help"],
        "xlcollab inspect of the 15×15": ["inspect", str(book)],
        "xlcollab inspect of the course workbook": ["inspect", str(course)],
    }
    for name, arguments in commands.items():
        if course.exists() or str(course) not in arguments:
            command = [sys.executable, "-m", "xlcollab", *arguments]
            ratio(
                f"{name}, a bare Python",
                lambda command=command: subprocess.run(command, check=True, stdout=subprocess.DEVNULL),
                lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
                repeats=3 * repeats,
            )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
