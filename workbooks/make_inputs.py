"""Make the input workbook beside this file from the figures beside it: ``python workbooks/make_inputs.py [FOLDER]``.

What it writes is the same whenever it runs: it holds no date.
"""

from __future__ import annotations

import sys
from pathlib import Path

import xlcollab as xc

HERE = Path(__file__).resolve().parent


def make_inputs(folder: Path) -> Path:
    """Write movielens_15x15.xlsx into a folder, and return its path."""
    target = folder / "movielens_15x15.xlsx"
    ratings = xc.read_ratings(HERE / "movielens_15x15.csv")
    xc.write_ratings(ratings, target, form="crosstab", force=True)
    return target


if __name__ == "__main__":
    make_inputs(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
