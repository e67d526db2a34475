"""``fit(ratings, …) -> Fit``: the front door to every solver."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from xlcollab import metrics
from xlcollab.errors import (
    FitError,
    NotConvergedError,
    OptionError,
    RatingsError,
    TooManyFactorsWarning,
    UnratedLabelWarning,
)
from xlcollab.fitted import Fit, load
from xlcollab.model import Factors, Model, predict_pairs
from xlcollab.model_file import is_model_file
from xlcollab.objective import WILD, overshoot
from xlcollab.progress import OnProgress
from xlcollab.rating_files import Data, as_ratings
from xlcollab.ratings import Label, Ratings
from xlcollab.settings import true_or_false, whole_number
from xlcollab.solvers import make_solver
from xlcollab.solvers.base import Solution, Solver
from xlcollab.threads import single_threaded_blas

__all__ = ["DEFAULT_SOLVER", "PLAIN_SOLVERS", "Fit", "fit", "is_saved_fit", "load", "model_to_fit", "shown_fit"]

DEFAULT_SOLVER = "bayes"
"""What ``fit(ratings)`` uses: the solver made for predicting."""

PLAIN_SOLVERS = ("scipy", "torch", DEFAULT_SOLVER)
"""What ``xlcollab fit`` runs when no solver is named: the two halves of the lesson, and the one made for predicting."""

_LARGEST = 1e100
"""The largest rating of which squares, and products of these, can be summed in double precision."""


def fit(
    ratings: Data,
    model: Model | None = None,
    *,
    n_factors: int | None = None,
    biased: bool | None = None,
    y_range: tuple[float, float] | None = None,
    solver: str | None = None,
    seed: int = 0,
    valid: Data | None = None,
    valid_pct: float | None = None,
    strict: bool = False,
    on_progress: OnProgress | None = None,
    clip: bool = True,
    start: Fit | None = None,
    **options: Any,
) -> Fit:
    """Fit a model to ratings.

    Parameters
    ----------
    ratings
        `Ratings`, a DataFrame (long or crosstab), rows or a dict of user, item and rating, a sparse matrix, or a path.
    model, n_factors, biased, y_range
        The model, or its fields. What is given beside a model replaces its fields; what is not given is the solver's
        own default (scipy: a dot product of five factors, as on the lesson's sheet).
    solver
        ``scipy``, ``torch``, ``bayes`` or ``als``; None takes the one made for predicting.
    seed
        A whole number, 0 or more. The same seed gives the same result on the same machine, bit for bit.
    valid, valid_pct
        Ratings to measure the error on, which are never fitted to; or the fraction of ``ratings`` to hold out for that,
        by ``seed``.
    strict
        Raise `NotConvergedError` where the solver did not do all that it set out to do.
    on_progress
        Called now and then with a `Progress`; True stops, and the best so far is returned.
    clip
        Whether the fit's predictions keep to the scale of the ratings.
    start
        A fit of other ratings, or with other options, whose factors to start from; users and items that it does not
        know start as its average ones. Model, solver and options that are not given are its own. als and scipy can
        start so, and find the minimum that is nearest; `xlcollab.updating.update` adds ratings to a fit.
    options
        The solver's own (`xlcollab.solvers.solver_options`).

    Raises `FitError` where all ratings are equal, `OptionError` for a setting that does not exist or does not go with
    the others, `RatingsError` where a pair of user and item is fitted to and held out. Warns of users and items without
    a rating, and of more factors than the ratings can hold.
    """
    if model is not None and not isinstance(model, Model):
        raise OptionError(f"model is {model!r}; it is a Model, and a solver is named as solver=…")
    if start is not None:
        model = start.model if model is None else model
        options = {**(start.options if solver in {None, start.solver} else {}), **options}
        solver = start.solver if solver is None else solver
    name = DEFAULT_SOLVER if solver is None else solver
    method = make_solver(name, **options)
    seed = whole_number("seed", seed, 0)
    clip, strict = true_or_false("clip", clip), true_or_false("strict", strict)
    ratings, valid = as_ratings(ratings), None if valid is None else as_ratings(valid)
    if valid is not None and valid_pct is not None:
        raise OptionError("Pass the ratings to hold out as valid, or a fraction as valid_pct, not both.")
    if valid_pct is not None:
        ratings, valid = ratings.split(valid_pct=valid_pct, seed=seed)
    if valid is not None:
        refuse_shared(ratings, valid)
        refuse_start(start, valid)
    model = model_to_fit(method, ratings, model, n_factors=n_factors, biased=biased, y_range=y_range)
    warm = {} if start is None else {"start": _start(start, method, model, ratings)}
    started = time.perf_counter()
    with single_threaded_blas():
        solution = method.solve(
            ratings, model, valid=_aligned(valid, ratings), seed=seed, on_progress=on_progress, **warm
        )
    seconds = time.perf_counter() - started
    if strict and not solution.status.ok:
        raise NotConvergedError(solution.message)
    made = _fit_of(solution, ratings, model, solver=name, options=options, seed=seed, seconds=seconds, clip=clip)
    _warn(made)
    if valid is None:
        return made
    return replace(made, valid=valid, valid_rmse=_held_out_rmse(made, valid) if len(valid) else None)


def model_to_fit(method: Solver, ratings: Ratings, model: Model | None, **given: Any) -> Model:
    """The model that the solver is to fit: the caller's, or the solver's own, with the fields that were given.

    Raises what `fit` raises for ratings that it cannot be fitted to.
    """
    if model is None:
        model = method.default_model(ratings) if len(ratings) else Model()
    if given["n_factors"] is not None:
        given["at_most"] = False  # a number that the caller names is meant
    model = replace(model, **{name: value for name, value in given.items() if value is not None})
    if model.at_most and not getattr(method, "chooses_factors", False):
        raise OptionError(f"Solver {method.name!r} takes the number of factors that it is given: leave at_most out.")
    _check(ratings, model)
    return model


def refuse_start(start: Fit | None, valid: Ratings) -> None:
    """Refuse to start from a fit that was fitted to some of the ratings which are held out."""
    if start is not None and (known := int(np.count_nonzero(start.ratings.holds(valid)))):
        raise OptionError(
            f"start was fitted to {known} of the {len(valid)} ratings that are held out. Start from a fit of the"
            " others."
        )


def refuse_shared(train: Ratings, valid: Ratings) -> None:
    """Refuse pairs of user and item that stand in both parts: their ratings would be known beforehand.

    So are labels that are numbers in one part and texts in the other, by which no pair would be found.
    """
    refuse_other_types(train, valid)
    shared = train.holds(valid)
    if shared.any():
        at = int(np.argmax(shared))
        user, item = valid.users[valid.user_idx[at]], valid.items[valid.item_idx[at]]
        raise RatingsError(
            f"{np.count_nonzero(shared)} of {len(valid)} held-out ratings are training ratings too, that of user"
            f" {user!r} for item {item!r} first. Leave them out of one of the two."
        )


def refuse_other_types(train: Ratings, others: Ratings, called: str = "held-out") -> None:
    """Refuse users or items of others none of which is known, where some would be if texts and numbers were the same.

    ``called`` is what a message calls those ratings.
    """
    for kind, known, labels in (("user", train.users, others.users), ("item", train.items, others.items)):
        if known is labels or not set(known).isdisjoint(labels):  # parts of the same ratings share their labels
            continue
        by_text = {str(label): label for label in known}
        for label in labels:
            same = by_text.get(str(label))
            if same is not None:
                raise RatingsError(
                    f"{called.capitalize()} {kind} {label!r} is {same!r} in the training ratings, and no other {kind}"
                    f" of the {called} ratings is known there. Give the {kind}s of both the same type, numbers or"
                    " texts."
                )


def _start(start: Fit, method: Solver, model: Model, ratings: Ratings) -> Factors:
    """The factors of ``start`` for the users and items of ``ratings``, the average ones for those it does not know."""
    if not getattr(method, "starts_warm", False):
        raise OptionError(
            f"Solver {method.name!r} cannot start from another fit: leave start out, or choose als or scipy."
        )
    if start.model != model:
        raise OptionError(f"start is a model of {start.model.name}, which is no start for {model.name}.")
    return start.factors_of(ratings.users, ratings.items)


def _fit_of(solution: Solution, ratings: Ratings, model: Model, **known: Any) -> Fit:
    """The solution with its ratings, and its error on them."""
    model = solution.model or model
    pairs = (ratings.user_idx, ratings.item_idx)
    predicted = (
        predict_pairs(model, solution.factors, *pairs)
        if solution.predictor is None
        else solution.predictor.predict_pairs(*pairs)
    )
    return Fit(
        ratings=ratings,
        model=model,
        factors=solution.factors,
        status=solution.status,
        message=solution.message,
        iterations=solution.iterations,
        rmse=metrics.rmse(predicted, ratings.values),
        mae=metrics.mae(predicted, ratings.values),
        device=solution.device,
        penalised=solution.penalised,
        records=solution.history,
        uncertainty=solution.uncertainty,
        predictor=solution.predictor,
        ridge=solution.ridge,
        **known,
    )


def is_saved_fit(path: str | os.PathLike[str]) -> bool:
    """Whether the file is a model that `Fit.save` wrote."""
    return is_model_file(path)


def shown_fit(fits: Sequence[Fit]) -> Fit | None:
    """The fit to predict with: of those that a penalty or weight decay held back the last that knows how sure it is.

    Where none does, the last of them; None where there is none.
    """
    penalised = [fit for fit in fits if fit.penalised]
    sure = [fit for fit in penalised if fit.uncertainty is not None]
    return next(reversed(sure or penalised), None)


def _check(ratings: Ratings, model: Model) -> None:
    """Refuse ratings that nothing can be fitted to."""
    if not len(ratings):
        raise RatingsError("There are no ratings to fit.")
    low, high = ratings.scale
    if low == high:
        every = f"All {len(ratings)} ratings are" if len(ratings) > 1 else "The only rating is"
        raise FitError(f"{every} {low:.10g}: there is nothing to learn. Check what was read.")
    if max(-low, high) > _LARGEST:
        raise FitError(
            f"The ratings go from {low:g} to {high:g}: squares of ratings beyond ±{_LARGEST:g} cannot be summed."
            " Divide the ratings, or check what was read."
        )
    if model.y_range is not None:
        outside = np.flatnonzero((ratings.values < model.y_range[0]) | (ratings.values > model.y_range[1]))
        if outside.size:
            at = int(outside[0])
            user, item = ratings.users[ratings.user_idx[at]], ratings.items[ratings.item_idx[at]]
            raise OptionError(
                f"User {user!r} rated item {item!r} {ratings.values[at]:.10g}, outside the y_range"
                f" {model.y_range[0]:.10g} to {model.y_range[1]:.10g}."
                f" Widen it to {low:.10g} to {high:.10g} at the least."
            )


def _aligned(valid: Ratings | None, ratings: Ratings) -> Ratings | None:
    """The held-out ratings with positions in the labels of ``ratings``, without those of unknown users or items."""
    if valid is None or (valid.users == ratings.users and valid.items == ratings.items):
        return valid
    user_idx, item_idx = ratings.positions(valid)
    known = (user_idx >= 0) & (item_idx >= 0)
    return replace(
        ratings,
        user_idx=user_idx[known],
        item_idx=item_idx[known],
        values=valid.values[known],
        timestamps=None if valid.timestamps is None else valid.timestamps[known],
    )


def _held_out_rmse(made: Fit, valid: Ratings) -> float:
    """RMSE of the predictions as `Fit.predict` gives them; unknown users and items are predicted as the average one."""
    return metrics.rmse(made.predict_positions(*made.ratings.positions(valid)), valid.values)


def _warn(made: Fit) -> None:
    """Warn of what the ratings cannot say."""
    ratings, model = made.ratings, made.model
    for kind, labels, counts in (
        ("user", ratings.users, ratings.user_counts),
        ("item", ratings.items, ratings.item_counts),
    ):
        unrated = [labels[position] for position in np.flatnonzero(counts == 0).tolist()]
        if unrated:
            warnings.warn(_unrated(kind, unrated), UnratedLabelWarning, stacklevel=3)
    if made.penalised:
        return
    m, n = int(np.count_nonzero(ratings.user_counts)), int(np.count_nonzero(ratings.item_counts))
    if (free := model.free_parameters(m, n)) >= len(ratings):
        warnings.warn(
            f"{model.name} has {free} free parameters for {len(ratings)} ratings, so that the fit says"
            " nothing about blank cells. Take fewer factors, or a penalty.",
            TooManyFactorsWarning,
            stacklevel=3,
        )
    elif (beyond := overshoot(model, made.factors, ratings)) > WILD:
        warnings.warn(
            f"{model.name} predicts some blank cells {beyond:.0f} widths of the rating scale off the scale: too many"
            " factors for these ratings. Take fewer, or a penalty.",
            TooManyFactorsWarning,
            stacklevel=3,
        )


def _unrated(kind: str, labels: list[Label]) -> str:
    some = ", ".join(repr(label) for label in labels[:3]) + (", …" if len(labels) > 3 else "")
    who = (
        f"{kind.capitalize()} {some} has no rating"
        if len(labels) == 1
        else f"{len(labels)} {kind}s have no rating ({some})"
    )
    return f"{who} and can only be predicted by mean and bias."
