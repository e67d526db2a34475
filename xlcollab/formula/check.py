"""The self-check: each compiled cell has to give the value that the book holds for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from xlcollab.formula.blocks import Block
from xlcollab.formula.pages import Page
from xlcollab.formula.replay import Mismatch
from xlcollab.formula.sheets import Sheets
from xlcollab.formula.values import BLANK, BOOL, NUM, NUMBER, TEXT, Values, decode
from xlcollab.xlsx.cells import address

__all__ = ["mismatches"]

_TOLERANCE = 1e-9


def mismatches(blocks: Sequence[Block], pages: Mapping[str, Page], sheets: Sheets) -> list[Mismatch]:
    """The cells of ``blocks`` that differ from the cached values; those without one are passed over."""
    found: list[Mismatch] = []
    for block in blocks:
        page, grid = pages[block.sheet], sheets.grid(block.sheet)
        here, there = page.slices(block.area), grid.slices(block.area)
        num, kind = page.num[here], page.kind[here]
        cached, cached_kind = grid.num[there], grid.kind[there]
        kind = np.where(((kind == NUMBER) | (kind == BOOL)) & ~np.isfinite(num), np.int8(NUM), kind)
        close = np.abs(num - cached) <= _TOLERANCE * np.maximum(1.0, np.maximum(np.abs(num), np.abs(cached)))
        # Which error it is the program does not know: in its arrays all are NaN.
        same = (
            (kind == cached_kind) & (close | (kind == TEXT)) | ((kind < 0) & (cached_kind < 0)) | (cached_kind == BLANK)
        )
        if page.text is not None and grid.text is not None:
            same &= (kind != TEXT) | (page.text[here] == grid.text[there])
        if same.all():
            continue
        computed = decode(Values(num, kind, None if page.text is None else page.text[here]))
        saved = decode(Values(cached, cached_kind, None if grid.text is None else grid.text[there]))
        for i, j in np.argwhere(~same).tolist():
            cell = address(block.area.first_row + i, block.area.first_col + j)
            found.append(Mismatch(block.sheet, cell, computed[i, j], saved[i, j]))
    return found
