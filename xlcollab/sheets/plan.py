"""How much of a report is live, what is values or left out, by size, and what sheets are called.

`LIVE_CELLS` was chosen by measuring (``tests/benchmarks/bench_report.py``): see its docstring for the figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from xlcollab.sheets.layout import MirrorLayout, TableLayout
from xlcollab.xlsx.newsheet import legal_sheet_name

if TYPE_CHECKING:
    from xlcollab.fitting import Fit

__all__ = ["LIVE_CELLS", "MOST_CELLS", "has_mirror", "has_table", "is_live", "mirror_names", "with_factors"]

LIVE_CELLS = 100_000
"""Up to so many cells of a crosstab, predictions are formulas; above, values."""

MOST_CELLS = 4_000_000
"""Up to so many cells of a crosstab, Predictions is written; up to so many ratings, a mirror is."""


def is_live(fit: Fit) -> bool:
    """Whether the predictions of this fit are written as formulas."""
    return fit.predictor is None and fit.ratings.n_users * fit.ratings.n_items <= LIVE_CELLS


def has_mirror(fit: Fit) -> bool:
    """Whether there are factors, and the ratings go onto a sheet."""
    ratings = fit.ratings
    layout = MirrorLayout(ratings.n_users, ratings.n_items, fit.model)
    return fit.predictor is None and layout.fits_a_sheet and len(ratings) <= MOST_CELLS


def has_table(fit: Fit) -> bool:
    """Whether the whole crosstab, blanks filled, goes onto a sheet."""
    m, n = fit.ratings.n_users, fit.ratings.n_items
    return m * n <= MOST_CELLS and TableLayout(m, n, 10, user_names=True, item_names=True).fits_a_sheet


def with_factors(fits: Sequence[Fit], shown: Fit | None) -> Fit | None:
    """The fit whose factors are compared and mapped: ``shown``, or where that has fewer than two another penalised one.

    Of several the one with the least held-out error, where all have one, else the last.
    """
    able = [fit for fit in fits if fit.penalised and has_mirror(fit) and fit.model.n_factors >= 2]
    if not able or any(fit is shown for fit in able):
        return shown if able else None
    errors = [fit.valid_rmse for fit in able if fit.valid_rmse is not None]
    return able[errors.index(min(errors))] if len(errors) == len(able) else able[-1]


def mirror_names(fits: Sequence[Fit], taken: Iterable[str]) -> list[str]:
    """A short name for each mirror, since the formulas of other sheets repeat it: that of the solver.

    Two fits by scipy are ``scipy_dot5`` and ``scipy_bias5``.
    """
    names: list[str] = []
    used = list(taken)
    count = Counter(fit.solver for fit in fits)
    for fit in fits:
        model = fit.model
        more = f"_{'bias' if model.biased else 'dot'}{model.n_factors}" if count[fit.solver] > 1 else ""
        names.append(legal_sheet_name(f"{fit.solver}{more}", [*used, *names]))
    return names
