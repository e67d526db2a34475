"""Writing result workbooks: predictions against openpyxl and XlsxWriter in one run, and what live formulas cost.

    python tests/benchmarks/bench_report.py [REPEATS]

Asked for: the predictions of a 1000 × 1000 crosstab written at least 4 times faster than by openpyxl and faster than by
XlsxWriter. Ends with exit code 1 where that is missed. The second table is what `plan.LIVE_CELLS` was chosen by: with
Gnumeric's ssconvert there, it shows how long an independent engine takes to open the book and calculate it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import openpyxl
import xlsxwriter
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font, PatternFill
from timing import ratio, seconds

from xlcollab.fitting import Fit
from xlcollab.model import Factors, Model
from xlcollab.ratings import Ratings
from xlcollab.sheets import plan
from xlcollab.sheets.filled import Filled
from xlcollab.sheets.mirror import Mirror
from xlcollab.sheets.predictions import predictions_sheet
from xlcollab.sheets.report import write_report
from xlcollab.solvers.base import Status
from xlcollab.xlsx.workbook import Workbook

SIZE = 1000


def main(repeats: int) -> int:
    """Print every figure; 0 when both ratios hold."""
    filled = Filled(Mirror(planted_fit(SIZE, SIZE, 100_000), "torch", live=False), "Predictions", live=False)
    filled.shown, filled.blank  # noqa: B018 -- computed once, so that all three only write
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "report.xlsx")
        what = "write the predictions of 1000 × 1000"
        against_openpyxl = ratio(
            f"{what}, openpyxl", lambda: ours(target, filled), lambda: by_openpyxl(target, filled), repeats=repeats
        )
        against_xlsxwriter = ratio(
            f"{what}, XlsxWriter (constant_memory)",
            lambda: ours(target, filled),
            lambda: by_xlsxwriter(target, filled),
            repeats=repeats,
        )
        print("whole reports of one fit with 5 factors and biases, all formulas live:")
        for m, n in ((200, 125), (500, 200), (500, 500)):
            live_report(target, m, n)
        fit = planted_fit(943, 1682, 100_000)
        print(
            f"943 × 1682, values: {seconds(lambda: write_report(fit, target, force=True)):.1f} s, {megabytes(target)}"
        )
    return 0 if against_openpyxl.of_least >= 4 and against_xlsxwriter.of_least > 1 else 1


def planted_fit(m: int, n: int, n_ratings: int) -> Fit:
    """A fit with random factors to random half stars."""
    dice = np.random.default_rng(0)
    users, items = np.divmod(np.sort(dice.choice(m * n, n_ratings, replace=False)), n)
    ratings = Ratings(tuple(range(m)), tuple(range(n)), users, items, dice.integers(2, 11, n_ratings) / 2)
    factors = Factors(
        dice.normal(0, 0.3, (m, 5)), dice.normal(0, 0.3, (n, 5)), dice.normal(0, 0.3, m), dice.normal(3, 0.3, n)
    )
    made = Fit(ratings, Model(5, biased=True), factors, "torch", {}, 0, Status.COMPLETED, "", 1, 0.0, 0.0, 0.0)
    error = made.predict_positions(ratings.user_idx, ratings.item_idx, clip=False) - ratings.values
    object.__setattr__(made, "rmse", float(np.sqrt(np.mean(error**2))))
    return made


def ours(path: Path, filled: Filled) -> None:
    book = Workbook.new()
    book.add(predictions_sheet(filled))
    book.save(path, force=True)


def by_openpyxl(path: Path, filled: Filled) -> None:
    """Numbers, two formats, by its write-only mode."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Predictions")
    font, fill = Font(bold=True, italic=True), PatternFill("solid", fgColor="DDEBF7")
    for values, blanks in zip(filled.shown.tolist(), filled.blank.tolist(), strict=True):
        row = []
        for value, blank in zip(values, blanks, strict=True):
            cell = WriteOnlyCell(sheet, value)
            cell.number_format = "0.00" if blank else "0.0"
            if blank:
                cell.font, cell.fill = font, fill
            row.append(cell)
        sheet.append(row)
    book.save(path)


def by_xlsxwriter(path: Path, filled: Filled) -> None:
    """The same by XlsxWriter, row by row."""
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet("Predictions")
    known = book.add_format({"num_format": "0.0"})
    predicted = book.add_format({"num_format": "0.00", "bold": True, "italic": True, "bg_color": "#DDEBF7"})
    for row, (values, blanks) in enumerate(zip(filled.shown.tolist(), filled.blank.tolist(), strict=True)):
        for column, (value, blank) in enumerate(zip(values, blanks, strict=True)):
            sheet.write_number(row, column, value, predicted if blank else known)
    book.close()


def live_report(target: Path, m: int, n: int) -> None:
    """Write time, size and recalculation time of one report without the limit."""
    fit = planted_fit(m, n, m * n // 5)
    with mock.patch.object(plan, "LIVE_CELLS", m * n):
        written = seconds(lambda: write_report(fit, target, force=True))
    line = f"{m} × {n} = {m * n:,} cells: {written:.1f} s, {megabytes(target)}"
    if tool := shutil.which("ssconvert"):
        again = target.with_name("again.xlsx")
        command = [tool, "--recalc", str(target), str(again)]
        taken = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
        line += f", opened, calculated and saved by Gnumeric in {taken:.1f} s"
    print(line, flush=True)


def megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
