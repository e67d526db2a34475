"""The held-out ratings, and what each of the fits that can be compared on them predicts: for Evaluation and Compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from xlcollab import metrics
from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.sheets.mirror import Mirror

if TYPE_CHECKING:
    from xlcollab.fitting import Fit
    from xlcollab.ratings import Ratings

__all__ = ["LEVELS", "HeldOut", "Measured", "comparable"]

LEVELS = (0.5, 0.8, 0.95)
"""The levels of the intervals whose calibration is shown."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One fit on the held-out ratings, in their order."""

    mirror: Mirror
    on_sheet: bool
    held_out: Ratings

    @cached_property
    def positions(self) -> tuple[IndexArray, IndexArray]:
        """Users and items (N,) in the fit, −1 for those that it does not know."""
        return self.mirror.fit.ratings.positions(self.held_out)

    @cached_property
    def known(self) -> list[bool]:
        """Which of the ratings are of a user and an item that the fit knows."""
        users, items = self.positions
        known: list[bool] = ((users >= 0) & (items >= 0)).tolist()
        return known

    @cached_property
    def predicted(self) -> FloatArray:
        """r̂ (N,) as `Fit.predict` gives it, kept within the scale unless the fit was told not to clip."""
        return self.mirror.fit.predict_positions(*self.positions)

    @property
    def rmse(self) -> float:
        """Over all held-out ratings, of the clipped predictions."""
        return metrics.rmse(self.predicted, self.held_out.values)

    @property
    def mae(self) -> float:
        """Mean absolute error, as `rmse`."""
        return metrics.mae(self.predicted, self.held_out.values)

    @cached_property
    def sd(self) -> FloatArray:
        """Standard deviation of each prediction (N,), NaN where the fit knows none."""
        sd = np.full(len(self.held_out), np.nan)
        known, uncertainty = np.array(self.known), self.mirror.fit.uncertainty
        if uncertainty is not None and known.any():
            users, items = self.positions
            sd[known] = uncertainty.sd(users[known], items[known])
        return sd

    @property
    def has_intervals(self) -> bool:
        """Whether the fit knows how sure it is of any of them."""
        return bool(np.isfinite(self.sd).any())

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Both ends (N,) at this level, NaN where there is no interval."""
        return self.mirror.fit.interval_positions(*self.positions, level=level)

    def inside(self, level: float) -> float:
        """The share of ratings within their intervals of this level."""
        return self.mirror.fit.inside(level, self.held_out)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The held-out ratings, the fits measured on them, and which of these is drawn (`shown`)."""

    ratings: Ratings
    fits: Sequence[Measured]
    shown: Measured


def comparable(
    mirrors: Sequence[Mirror], on_sheet: Sequence[bool], shown: Fit | None
) -> tuple[HeldOut | None, list[Mirror]]:
    """The fits with the same ratings fitted and held out, and the others, which cannot be compared with them.

    The held-out ratings, user by user, are those of ``shown`` if that has some, else those of the first fit that has;
    (None, []) where none has.
    """
    measurable = [mirror for mirror in mirrors if mirror.fit.valid is not None and len(mirror.fit.valid)]
    if not measurable:
        return None, []
    first = next((mirror for mirror in measurable if mirror.fit is shown), measurable[0])
    valid = first.fit.valid
    assert valid is not None  # for mypy: that is what measurable means
    valid = valid.select(np.lexsort((valid.item_idx, valid.user_idx)))
    alike = [
        Measured(mirror, there, valid)
        for mirror, there in zip(mirrors, on_sheet, strict=True)
        if mirror is first or _same(mirror.fit, first.fit)
    ]
    found = HeldOut(valid, alike, next(one for one in alike if one.mirror is first))
    return found, [mirror for mirror in mirrors if all(one.mirror is not mirror for one in alike)]


def _same(one: Fit, other: Fit) -> bool:
    if one.valid is None or other.valid is None:
        return False
    return one.valid.equals(other.valid) and one.ratings.equals(other.ratings)
