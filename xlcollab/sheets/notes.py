"""What a report has to say beside its figures: sentences for Summary's notes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.sheets import plan, theme
from xlcollab.sheets.mirror import EXCEL_LIMIT, Mirror, model_name

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["about_changing", "about_mirror", "about_unrated", "why_no_mirror"]

_MOST_LABELS = 5


def why_no_mirror(mirror: Mirror) -> str:
    """For a fit that has no sheet."""
    layout = mirror.layout
    reason = f"{layout.n_users:,} × {layout.n_items:,} cells are more than a sheet should hold"
    if mirror.fit.predictor is not None:
        reason = f"{model_name(mirror.fit)} has no factors to put into cells"
    return f"{mirror.sheet} has no sheet: {reason}."


def about_mirror(mirror: Mirror) -> Iterator[str]:
    """What one mirror is not."""
    if not mirror.live:
        yield (
            f"{mirror.sheet} holds predictions as values: {mirror.layout.n_users * mirror.layout.n_items:,} cells are"
            f" above the {plan.LIVE_CELLS:,} up to which live formulas are written. Its RMSE is still a formula."
        )
    if not mirror.fit.penalised:
        yield f"{mirror.sheet} is the least RMSE on the known ratings, without a penalty: no promise for blank cells."


def about_changing(live: Iterable[Mirror]) -> Iterator[str]:
    """Which of the Solver models are too large for Excel's own add-in."""
    large = [mirror for mirror in live if mirror.layout.n_changing > EXCEL_LIMIT]
    if large:
        which = ", ".join(f"{mirror.sheet} ({mirror.layout.n_changing:,})" for mirror in large)
        yield (
            f"More changing cells than the {EXCEL_LIMIT} that the Solver which comes with Excel takes: {which}."
            " xlcollab solve takes any number."
        )


def about_unrated(ratings: Ratings) -> Iterator[str]:
    """Which users and items have nothing to be fitted to."""
    for kind, labels, counts in (
        ("user", ratings.users, ratings.user_counts),
        ("item", ratings.items, ratings.item_counts),
    ):
        unrated = [theme.label_text(labels[position]) for position in np.flatnonzero(counts == 0).tolist()]
        if unrated:
            who = f"1 {kind} has" if len(unrated) == 1 else f"{len(unrated):,} {kind}s have"
            some = ", ".join(unrated[:_MOST_LABELS]) + (", …" if len(unrated) > _MOST_LABELS else "")
            yield f"{who} no rating to fit, and can only be predicted as the average one: {some}"
