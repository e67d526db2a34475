"""``write_report(fits, path)``: the result workbook, or the result sheets in a workbook that is there already."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from xlcollab.errors import OptionError
from xlcollab.fitting import Fit, shown_fit
from xlcollab.sheets import notes, plan
from xlcollab.sheets.embeddings import can_be_spelled_out, embeddings_sheet
from xlcollab.sheets.filled import Filled
from xlcollab.sheets.item_map import map_sheet, why_no_map
from xlcollab.sheets.mirror import Mirror, fit_title, mirror_sheet
from xlcollab.sheets.predictions import predictions_sheet
from xlcollab.sheets.recommendations import recommendations_sheet
from xlcollab.sheets.similar import similar_sheet
from xlcollab.sheets.summary import Entry, Summary, summary_sheet
from xlcollab.sheets.training import training_sheet
from xlcollab.xlsx.newsheet import NewSheet, legal_sheet_name
from xlcollab.xlsx.workbook import Workbook

__all__ = ["Report", "write_report"]


@dataclass(frozen=True)
class Report:
    """What was written: the file, the new sheets in order, and the notes that Summary shows as well."""

    path: Path
    sheets: tuple[str, ...]
    notes: tuple[str, ...]


def write_report(
    fits: Fit | Iterable[Fit],
    path: str | os.PathLike[str],
    *,
    book: Workbook | str | os.PathLike[str] | None = None,
    force: bool = False,
    show: Fit | None = None,
    created: dt.datetime | None = None,
) -> Report:
    """Write the fits as a live workbook.

    Parameters
    ----------
    fits
        One or several; each gets a mirror sheet.
    path
        The file to write, whole or not at all. One that exists is replaced with ``force`` only.
    book
        A workbook whose sheets come along untouched, before the new ones. Sheets that an earlier report put there are
        replaced. A `Workbook` is changed by this; a path is not, unless ``path`` is the same.
    show
        The fit that Predictions and Recommendations show; None takes the one best suited (`shown_fit`). An unpenalised
        fit is refused: its values for blanks mean nothing.
    created
        The date in Summary; now, unless given.
    """
    fits = [fits] if isinstance(fits, Fit) else list(fits)
    if not fits:
        raise OptionError("There is no fit to report: pass one, or several.")
    if other := next((each for each in fits if not isinstance(each, Fit)), None):
        raise OptionError(f"A report shows fits, and {other!r} is a {type(other).__name__}. Pass what fit() gave.")
    home = _open(book)
    target = home.target(path, force=force)
    _remove_earlier(home)
    sheets = _Sheets(fits, _shown(fits, show), home, created or dt.datetime.now()).build()
    for sheet in sheets.made:
        home.add(sheet)
    home.save(target, force=force)
    return Report(target, tuple(sheet.name for sheet in sheets.made), tuple(sheets.notes))


def _open(book: Workbook | str | os.PathLike[str] | None) -> Workbook:
    if book is None:
        return Workbook.new()
    return book if isinstance(book, Workbook) else Workbook.open(book)


def _remove_earlier(book: Workbook) -> None:
    for sheet in book.sheets:
        if sheet.ours:
            book.remove(sheet.name)


def _shown(fits: Sequence[Fit], show: Fit | None) -> Fit | None:
    if show is not None and not show.penalised:
        raise OptionError(
            f"{fit_title(show)} is a minimum without a penalty: its values for blanks mean nothing and are not shown."
        )
    return show if show is not None else shown_fit(fits)


@dataclass
class _Sheets:
    """The new sheets of one report, built in the order in which they depend on each other's names."""

    fits: Sequence[Fit]
    shown: Fit | None
    book: Workbook
    created: dt.datetime
    made: list[NewSheet] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _taken: list[str] = field(default_factory=list)

    def build(self) -> _Sheets:
        """Fill ``made`` and ``notes``."""
        self._taken = [sheet.name for sheet in self.book.sheets]
        summary = self._name("Summary")
        predictions, recommendations = self._name("Predictions"), self._name("Recommendations")
        names = plan.mirror_names(self.fits, self._taken)
        self._taken += names
        mirrors = [Mirror(fit, name, plan.is_live(fit)) for fit, name in zip(self.fits, names, strict=True)]
        on_sheet = [plan.has_mirror(fit) for fit in self.fits]
        self._add_predictions(mirrors, on_sheet, predictions, recommendations)
        self._add_alike(mirrors)
        self._add_held_out(mirrors, on_sheet)
        for mirror, there in zip(mirrors, on_sheet, strict=True):
            self._add_mirror(mirror, there, summary)
        self._add_workings(mirrors, on_sheet)
        live = [mirror for mirror, there in zip(mirrors, on_sheet, strict=True) if there and mirror.live]
        self.notes += [*notes.about_changing(live), *notes.about_unrated(self.fits[0].ratings)]
        first = Summary(summary, mirrors, on_sheet, self.entries, self.notes, self.created)
        self.made.insert(0, summary_sheet(first))
        return self

    def _name(self, wanted: str) -> str:
        name = legal_sheet_name(wanted, self._taken)
        self._taken.append(name)
        return name

    def _add(self, sheet: NewSheet, purpose: str) -> None:
        self.made.append(sheet)
        self.entries.append(Entry(sheet.name, purpose))

    def _add_predictions(
        self, mirrors: Sequence[Mirror], on_sheet: Sequence[bool], name: str, recommendations: str
    ) -> None:
        if self.shown is None:
            self.notes.append(
                "Predictions and Recommendations are left out: without a penalty a fit minimises the error on the "
                "known ratings alone, and its values for blanks mean nothing. Fit with torch, bayes or a penalty."
            )
            return
        position = next((n for n, fit in enumerate(self.fits) if fit is self.shown), None)
        if position is None:
            raise OptionError("The fit to show is not among the fits to report.")
        mirror = mirrors[position]
        if not plan.has_table(self.shown):
            self.notes.append(
                f"Predictions and Recommendations are left out: {mirror.layout.n_users:,} × {mirror.layout.n_items:,} "
                "cells are more than a sheet should hold. Use xlcollab predict and xlcollab recommend."
            )
            return
        filled = Filled(mirror, name, live=mirror.live and on_sheet[position])
        self._add(predictions_sheet(filled), f"Every blank filled by {mirror.sheet}")
        self._add(recommendations_sheet(filled, recommendations), "The unrated items of each user, best first")

    def _add_alike(self, mirrors: Sequence[Mirror]) -> None:
        fit = plan.with_factors(self.fits, self.shown)
        if fit is None:
            self.notes.append("Similar and Map are left out: no penalised fit has two factors or more to compare.")
            return
        mirror = next(mirror for mirror in mirrors if mirror.fit is fit)
        of = "" if fit is self.shown else f", by the factors of {mirror.sheet}"
        if fit is not self.shown and self.shown is not None:
            self.notes.append(
                f"Similar and Map show {mirror.sheet}: the fit in Predictions has fewer than two factors to compare."
            )
        self._add(similar_sheet(mirror, self._name("Similar")), f"The items and users most like each other{of}")
        if reason := why_no_map(mirror):
            self.notes.append(f"Map is left out: {reason}.")
        else:
            self._add(map_sheet(mirror, self._name("Map")), f"The items in two dimensions{of}")

    def _add_held_out(self, mirrors: Sequence[Mirror], on_sheet: Sequence[bool]) -> None:
        if all(fit.valid is None for fit in self.fits):
            return
        # Only here, since measuring is no small import and plain fits hold nothing out.
        from xlcollab.sheets.compare import compare_sheet
        from xlcollab.sheets.evaluation import MOST_ROWS, Evaluation, evaluation_sheet
        from xlcollab.sheets.held_out import comparable

        held_out, others = comparable(mirrors, on_sheet, self.shown)
        if held_out is None:
            return
        for mirror in others:
            self.notes.append(f"Compare leaves out {mirror.sheet}: it was fitted to, or measured on, other ratings.")
        compare, evaluation = self._name("Compare"), None
        n = len(held_out.ratings)
        if n <= MOST_ROWS:
            evaluation = Evaluation(held_out, self._name("Evaluation"))
        else:
            self.notes.append(f"Evaluation is left out: {n:,} held-out ratings are more than a table should hold.")
        self._add(compare_sheet(held_out, compare, evaluation), f"The fits on the same {n:,} held-out ratings")
        if evaluation is not None:
            self._add(evaluation_sheet(evaluation), "Each held-out rating and what the fits predict for it")

    def _add_mirror(self, mirror: Mirror, there: bool, summary: str) -> None:
        if not there:
            self.notes.append(notes.why_no_mirror(mirror))
            return
        how = "The live model" if mirror.live else "The model, its predictions as values"
        self._add(mirror_sheet(mirror, summary), f"{how}: {mirror.fit.model.name}")
        self.notes += notes.about_mirror(mirror)

    def _add_workings(self, mirrors: Sequence[Mirror], on_sheet: Sequence[bool]) -> None:
        spelled = [
            mirror for mirror, there in zip(mirrors, on_sheet, strict=True) if there and can_be_spelled_out(mirror)
        ]
        if spelled:
            sheet = embeddings_sheet(spelled[0], self._name("Embeddings"))
            self._add(sheet, f"Each rating with the two vectors that {spelled[0].sheet} multiplies")
        if any(fit.records for fit in self.fits):
            self._add(training_sheet(self._name("Training"), self.fits), "How each fit came about")
