"""Reading ratings, against openpyxl and pandas in one run.

    python tests/benchmarks/bench_reading.py [REPEATS]

Asked for: a 1000×1000 crosstab read at least 8 times faster than openpyxl loads the book and walks its cells. That has
to hold for a table of numbers without a gap and for one that is half blank, with names for users and formatted blank
cells. Ends with exit code 1 where it is missed.
"""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import xlsxwriter
from timing import ratio, seconds

from xlcollab.rating_files import read_excel, read_ratings
from xlcollab.ratings import Ratings
from xlcollab.reading.crosstab import find_crosstabs
from xlcollab.xlsx.workbook import Workbook

SIZE = 1000
SHARED = Path(__file__).resolve().parents[3] / "shared"


def main(repeats: int) -> int:
    """Print every ratio; 0 when those asked for hold."""
    with tempfile.TemporaryDirectory() as folder:
        full, half = Path(folder, "full.xlsx"), Path(folder, "half.xlsx")
        make_crosstab(full, share=1.0, named=False)
        make_crosstab(half, share=0.5, named=True)
        held = [
            ratio(name, lambda path=path: read_excel(path), lambda path=path: walk(path), repeats=repeats).of_least >= 8
            for name, path in (
                ("read a 1000×1000 crosstab without blanks, openpyxl", full),
                ("read a 1000×1000 crosstab half blank, with names, openpyxl", half),
            )
        ]
        ledger = Path(folder, "ledger.xlsx")
        make_ledger(ledger)
        ratio(
            "find that 20,000 rows of a ledger hold no ratings, openpyxl",
            lambda: find_crosstabs(Workbook.open(ledger)),
            lambda: walk(ledger),
            repeats=repeats,
        )
    u_data = SHARED / "data" / "ml-100k" / "u.data"
    if u_data.exists():
        ratio(
            "read ML-100k's u.data into ratings, pandas' read_csv and pivot",
            lambda: read_ratings(u_data),
            lambda: pd.read_csv(u_data, sep="\t", header=None).pivot(index=0, columns=1, values=2),
            repeats=repeats,
        )
    many_ratings()
    return 0 if all(held) else 1


def make_crosstab(path: Path, *, share: float, named: bool) -> None:
    """Half-star ratings as Excel would store them; where something is not rated every other cell has a format."""
    dice = random.Random(1)
    book = xlsxwriter.Workbook(path)
    look = book.add_format({"num_format": "0.0"})
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, ["userId", *(f"film {col}" if named else 3 * col for col in range(SIZE))])
    for row in range(1, SIZE + 1):
        sheet.write(row, 0, f"user {row}" if named else row)
        for col in range(1, SIZE + 1):
            if dice.random() < share:
                sheet.write_number(row, col, dice.randint(1, 10) / 2, look)
            elif col % 2:
                sheet.write_blank(row, col, None, look)
    book.close()


def make_ledger(path: Path) -> None:
    """Texts, numbers and blanks side by side, in which many a rectangle could be a crosstab at first sight."""
    dice = random.Random(1)
    book = xlsxwriter.Workbook(path)
    sheet = book.add_worksheet()
    sheet.write_row(0, 0, [f"column {col}" for col in range(20)])
    for row in range(1, 20_000):
        for col in range(20):
            if dice.random() < 0.9:
                number = dice.randint(1, 10**5)
                sheet.write(row, col, number if (row + col) % 2 else f"entry {number % 500}")
    book.close()


def walk(path: Path) -> int:
    """Load a workbook with openpyxl and look at each cell."""
    return sum(cell.value is not None for row in openpyxl.load_workbook(path).active.iter_rows() for cell in row)


def many_ratings() -> None:
    """Print how long twenty million ratings take to become `Ratings`, and their size in memory."""
    dice = np.random.default_rng(1)
    n, n_users, n_items = 20_000_000, 140_000, 27_000
    keys = np.unique(dice.integers(0, n_users * n_items, size=n))
    dice.shuffle(keys)
    users, items = np.divmod(keys, n_items)
    frame = pd.DataFrame({"userId": users, "movieId": items, "rating": dice.integers(1, 11, len(keys)) / 2})
    took = seconds(lambda: Ratings.from_frame(frame))
    ratings = Ratings.from_frame(frame)
    size = ratings.user_idx.nbytes + ratings.item_idx.nbytes + ratings.values.nbytes
    print(f"{len(ratings):,} ratings from a DataFrame: {took:.2f} s, {size / len(ratings):.0f} bytes a rating")
    took = seconds(lambda: ratings.crosstab(15, 15))
    print(f"the 15 most active users × the 15 most rated items of them: {took:.2f} s")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 3))
