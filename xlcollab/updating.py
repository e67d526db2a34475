"""``update(fit, new) -> Fit``: a fit brought up to date with further ratings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xlcollab.fitted import Fit
from xlcollab.fitting import fit, refuse_other_types
from xlcollab.labels import Label
from xlcollab.progress import OnProgress
from xlcollab.rating_files import Data, as_ratings
from xlcollab.ratings import Ratings
from xlcollab.reading.coding import merge_duplicates, positions_of
from xlcollab.reading.grid import Spot
from xlcollab.solvers import solver_class

__all__ = ["joined", "update"]


def update(
    made: Fit,
    new: Data,
    *,
    strict: bool = False,
    on_progress: OnProgress | None = None,
) -> Fit:
    """The fit of its own ratings and the ``new`` ones together, with the same model, solver, options and seed.

    New users and items may appear; a rating that is there already is replaced. What was held out stays held out, unless
    it is rated now. Solvers that can (als, scipy) start from the factors that were found, and need fewer iterations;
    the others fit anew, bayes without searching for the number of factors again. For one user or item who is new
    `Fit.fold_in_user` and `Fit.fold_in_item` are enough. Raises what `joined` and `fit` raise.
    """
    ratings = joined(made.ratings, as_ratings(new))
    return fit(
        ratings,
        made.model,
        solver=made.solver,
        seed=made.seed,
        valid=None if made.valid is None else made.valid.select(~ratings.holds(made.valid)),
        clip=made.clip,
        start=made if getattr(solver_class(made.solver), "starts_warm", False) else None,
        strict=strict,
        on_progress=on_progress,
        **made.options,
    )


def joined(ratings: Ratings, new: Ratings) -> Ratings:
    """Both together; where both hold a rating of the same pair, the new one stays.

    The users and items of ``ratings`` keep their positions, those that only ``new`` knows follow. Raises `RatingsError`
    where labels are numbers in one and texts in the other, by which the same people would count twice.
    """
    refuse_other_types(ratings, new, "new")
    users, items = _longer(ratings.users, new.users), _longer(ratings.items, new.items)
    columns = []
    for own, others, labels, all_labels in (
        (ratings.user_idx, new.user_idx, new.users, users),
        (ratings.item_idx, new.item_idx, new.items, items),
    ):
        at = positions_of(labels, {label: position for position, label in enumerate(all_labels)})
        columns.append(np.concatenate([own, at[others]]))
    values = np.concatenate([ratings.values, new.values])
    times = None
    if ratings.timestamps is not None and new.timestamps is not None:
        times = np.concatenate([ratings.timestamps, new.timestamps])
    everything: dict[str, Any] = {"users": users, "items": items, "source": None}
    everything |= {"user_names": {**ratings.user_names, **new.user_names}}
    everything |= {"item_names": {**ratings.item_names, **new.item_names}}
    keep, values = merge_duplicates(columns[0], columns[1], values, "last", lambda *_: "", _spot)
    both = replace(ratings, user_idx=columns[0], item_idx=columns[1], values=values, timestamps=times, **everything)
    return both if keep is None else both.select(keep)


def _spot(at: int) -> Spot:
    return Spot(f"Rating {at + 1}")


def _longer(labels: tuple[Label, ...], more: tuple[Label, ...]) -> tuple[Label, ...]:
    return tuple(dict.fromkeys((*labels, *more)))
