"""Summary: what was fitted from which source, the fits side by side, and whether the sheets still show them."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, NamedTuple

from xlcollab._version import __version__
from xlcollab.sheets import theme
from xlcollab.sheets.mirror import Mirror, model_name
from xlcollab.xlsx.cells import Area, address, quote_sheet
from xlcollab.xlsx.newsheet import NewSheet, Style

__all__ = ["Entry", "Summary", "summary_sheet"]

_TOLERANCE = "0.000001"
_LABEL_WIDTH, _FIT_WIDTH = 20.0, 34.0


class Entry(NamedTuple):
    """A sheet of the report and what it is for."""

    sheet: str
    purpose: str


@dataclass(frozen=True, eq=False)
class Summary:
    """What the sheet tells. ``mirrors`` has one a fit; ``on_sheet`` says which of them stand on a sheet."""

    sheet: str
    mirrors: Sequence[Mirror]
    on_sheet: Sequence[bool]
    entries: Sequence[Entry]
    notes: Sequence[str]
    created: dt.datetime


class _Line(NamedTuple):
    """A line of the comparison: its title, a value or a (formula, value) for each fit, and their look."""

    title: str
    values: list[Any]
    style: Style


def summary_sheet(summary: Summary) -> NewSheet:
    """The sheet."""
    ratings = summary.mirrors[0].fit.ratings
    sheet = NewSheet(summary.sheet, tab_color=theme.OUTPUT_TAB)
    sheet.width(1, 1, _LABEL_WIDTH)
    sheet.width(2, 1 + max(2, len(summary.mirrors)), _FIT_WIDTH)
    users, items = (
        f"{n:,} {kind}{'s' * (n != 1)}" for n, kind in ((ratings.n_users, "user"), (ratings.n_items, "item"))
    )
    theme.title(sheet, f"Collaborative filtering of {users} × {items}")
    sheet.cell(2, 1, f"Written by xlcollab {__version__}", theme.SUBTITLE)
    row = _source(sheet, summary, 4)
    row = _fits(sheet, summary, row + 1)
    row = _sheets(sheet, summary, row + 1)
    row = _legend(sheet, summary, row + 1)
    _notes(sheet, summary, row + 1)
    sheet.print_setup(landscape=True, fit_height=1)
    return sheet


def _section(sheet: NewSheet, summary: Summary, row: int, title: str) -> int:
    sheet.cell(row, 1, title, theme.SECTION)
    for column in range(2, 2 + max(2, len(summary.mirrors))):
        sheet.cell(row, column, None, theme.SECTION)
    return row + 1


def _source(sheet: NewSheet, summary: Summary, row: int) -> int:
    fit = summary.mirrors[0].fit
    ratings, source = fit.ratings, fit.ratings.source
    held_out = 0 if fit.valid is None else len(fit.valid)
    cells = ratings.n_users * ratings.n_items
    low, high = ratings.scale
    row = _section(sheet, summary, row, "Source")
    facts: list[tuple[str, Any, Style]] = []
    if source is not None:
        facts.append(("File", PurePath(source.path).name, theme.FACT))
        if source.sheet is not None:
            facts.append(("Range", f"{source.sheet}!{source.range}", theme.FACT))
    facts += [
        ("Users", ratings.n_users, theme.FACT_COUNT),
        ("Items", ratings.n_items, theme.FACT_COUNT),
        ("Ratings", len(ratings) + held_out, theme.FACT_COUNT),
        ("Share of cells filled", (len(ratings) + held_out) / cells, theme.FACT_SHARE),
    ]
    if held_out:
        facts.append(("Held out", held_out, theme.FACT_COUNT))
    facts += [
        ("Scale", f"{low:.10g} to {high:.10g}", theme.FACT),
        ("Mean rating", ratings.mean, theme.FACT_MEAN),
        ("Written", summary.created.replace(microsecond=0), theme.FACT_TIME),
    ]
    for title, value, style in facts:
        sheet.cell(row, 1, title, theme.KEY)
        sheet.cell(row, 2, value, style)
        row += 1
    return row


def _fits(sheet: NewSheet, summary: Summary, row: int) -> int:
    """The fits side by side; the check compares the RMSE that was reported with the one that its mirror shows now."""
    row = _section(sheet, summary, row, "Fits")
    for column, (mirror, there) in enumerate(zip(summary.mirrors, summary.on_sheet, strict=True), 2):
        if there:
            sheet.link(row, column, f"{quote_sheet(mirror.sheet)}!A1", mirror.sheet, theme.LINK_HEADER)
        else:
            sheet.cell(row, column, mirror.sheet, theme.HEADER_TEXT)
    sheet.cell(row, 1, "Sheet", theme.HEADER_TEXT)
    for line in _lines(summary, row + 1):
        row += 1
        style = line.style
        if style.wrap:
            height = theme.wrapped_height(line.values, _FIT_WIDTH)
            sheet.height(row, height)
            style = style if height > theme.wrapped_height((), _FIT_WIDTH) else theme.FACT
        sheet.cell(row, 1, line.title, theme.KEY_TOP if style.wrap else theme.KEY)
        for column, value in enumerate(line.values, 2):
            if isinstance(value, tuple):
                formula, cached = value
                sheet.formula(row, column, formula, cached, style)
            elif value is not None:
                sheet.cell(row, column, value, style)
        if line.title == "Check":
            checks = Area(row, 2, row, 1 + len(summary.mirrors))
            sheet.highlight(checks, f'{address(row, 2)}="differs"', theme.BAD)
            sheet.highlight(checks, f'{address(row, 2)}="OK"', theme.GOOD)
    return row + 1


def _lines(summary: Summary, row: int) -> Iterator[_Line]:
    """The lines of the comparison, the first of which stands in ``row``."""
    fits, error = [mirror.fit for mirror in summary.mirrors], summary.mirrors[0].looks.fact_error
    held_out = any(fit.valid is not None for fit in fits)
    first = [
        _Line("Solver", [fit.solver for fit in fits], theme.FACT),
        _Line("Model", [model_name(fit) for fit in fits], theme.FACT),
        _Line("Penalised", ["yes" if fit.penalised else "no" for fit in fits], theme.FACT),
        _Line("RMSE, as reported", [fit.rmse for fit in fits], error),
    ]
    yield from first
    reported = row + len(first) - 1
    live: list[Any] = [
        (mirror.formulas.cell(mirror.layout.rmse), mirror.fit.rmse) if there else "not on a sheet"
        for mirror, there in zip(summary.mirrors, summary.on_sheet, strict=True)
    ]
    yield _Line("RMSE, on its sheet", live, error)
    yield _Line(
        "Check",
        [
            (
                f'IF(ABS({address(reported + 1, column)}-{address(reported, column)})<{_TOLERANCE},"OK","differs")',
                "OK",
            )
            if there
            else None
            for column, there in enumerate(summary.on_sheet, 2)
        ],
        theme.FACT,
    )
    yield _Line("MAE, as reported", [fit.mae for fit in fits], error)
    if held_out:
        yield _Line("RMSE, held out", [fit.valid_rmse for fit in fits], error)
    yield _Line("Changing cells", [_changing(mirror) for mirror in summary.mirrors], theme.FACT_COUNT)
    yield _Line("Iterations", [fit.iterations for fit in fits], theme.FACT_COUNT)
    yield _Line("Seconds", [fit.seconds for fit in fits], theme.FACT_SECONDS)
    yield _Line("Device", [fit.device for fit in fits], theme.FACT)
    yield _Line("Seed", [fit.seed for fit in fits], theme.FACT_PLAIN)
    yield _Line("Settings", [_settings(fit.options) for fit in fits], theme.FACT_WRAPPED)
    yield _Line("Status", [fit.status.value for fit in fits], theme.FACT)
    yield _Line("How it ended", [fit.message for fit in fits], theme.FACT_WRAPPED)


def _changing(mirror: Mirror) -> int | None:
    return mirror.layout.n_changing if mirror.fit.predictor is None else None


def _settings(options: dict[str, Any]) -> str:
    given = ", ".join(f"{name} {value}" for name, value in options.items() if value is not None)
    return given or "as by default"


def _sheets(sheet: NewSheet, summary: Summary, row: int) -> int:
    row = _section(sheet, summary, row, "Sheets")
    for entry in summary.entries:
        sheet.link(row, 1, f"{quote_sheet(entry.sheet)}!A1", entry.sheet, theme.LINK)
        sheet.cell(row, 2, entry.purpose, theme.TEXT)
        row += 1
    return row


def _legend(sheet: NewSheet, summary: Summary, row: int) -> int:
    row = _section(sheet, summary, row, "Legend")
    looks = summary.mirrors[0].looks
    low, high = looks.low, looks.high
    kinds: list[tuple[Style, float, str]] = [
        (looks.rating, high, "A known rating, coloured from orange (lowest) through white to blue (highest)"),
        (theme.CHANGING, 0.123, "A changing cell: a factor or bias, which Solver may change"),
        (looks.fitted, (low + high) / 2, "A prediction for a known rating, calculated from the changing cells"),
        (looks.fitted, 0.0, "A blank: not rated, so that it adds nothing to the RMSE"),
        (looks.predicted, looks.sample(0.9675), "A prediction for a blank"),
    ]
    if any(mirror.fit.valid is not None for mirror in summary.mirrors):
        kinds.append((looks.held_out, high, "A rating that was held out: known, and not used for the fit"))
    kinds.append((looks.objective, summary.mirrors[0].fit.rmse, "The objective cell: what Solver minimises"))
    first = row
    for style, value, meaning in kinds:
        sheet.cell(row, 1, value, style)
        sheet.cell(row, 2, meaning, theme.MEANING)
        row += 1
    theme.color_by_rating(sheet, Area(first, 1, first, 1), (low, high))
    return row


def _notes(sheet: NewSheet, summary: Summary, row: int) -> None:
    if not summary.notes:
        return
    row = _section(sheet, summary, row, "Notes")
    width = int(_LABEL_WIDTH + _FIT_WIDTH * max(2, len(summary.mirrors)))
    for note in summary.notes:
        for position, line in enumerate(textwrap.wrap(note, width)):
            sheet.cell(row, 1, line if position == 0 else f"   {line}", theme.TEXT)
            row += 1
