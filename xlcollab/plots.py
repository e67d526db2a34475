"""Pictures of a fit by matplotlib, an optional extra: its history, predicted against actual, and calibration.

Each function draws into ``ax``, or into a new figure, and returns the axes: what is shown or saved is the caller's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from xlcollab.errors import FitError, OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xlcollab.arrays import FloatArray

__all__ = ["plot_calibration", "plot_history", "plot_predictions"]

_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Okabe & Ito's colours, which the colour-blind tell apart."""

_MOST_POINTS = 20_000  # more make a picture slow, and no clearer


def plot_history(records: Sequence[Mapping[str, float]], ax: Axes | None = None) -> Axes:
    """Errors by step: the columns named …rmse, or where there are none …loss, of a `Fit.history`.

    A history with a column ``start`` has a line for each start. Raises `FitError` where nothing was recorded.
    """
    keys = list(records[0]) if records else []
    drawn = [key for key in keys[1:] if key.endswith("rmse")] or [key for key in keys[1:] if key.endswith("loss")]
    if not drawn:
        raise FitError("This fit kept no history of its error: there is nothing to plot.")
    ax = _axes(ax)
    steps = np.array([record[keys[0]] for record in records])
    starts = np.array([record.get("start", 0.0) for record in records])
    for color, key in zip(_LINES, drawn, strict=False):
        errors = np.array([record.get(key, np.nan) for record in records])
        for start in np.unique(starts):
            one = starts == start
            name = _words(key) if start == starts[0] else None
            ax.plot(steps[one], errors[one], color=color, label=name, marker="." if one.sum() < 2 else None)
    ax.set_xlabel(_words(keys[0]))
    ax.set_ylabel(_words(drawn[0]) if len(drawn) == 1 else "error")
    if len(drawn) > 1:
        ax.legend(frameon=False)
    return ax


def plot_predictions(actual: FloatArray, predicted: FloatArray, ax: Axes | None = None) -> Axes:
    """Predicted against actual ratings (N,) each, with the diagonal and the mean prediction for each actual rating.

    Ratings come in steps, so that points are spread sideways by up to a third of the least step. Above 20,000 ratings
    an evenly spaced part of them is drawn; the means are always those of all.
    """
    if not len(actual):
        raise OptionError("There are no ratings to compare predictions with.")
    ax = _axes(ax)
    levels, at = np.unique(actual, return_inverse=True)
    step = float(np.diff(levels).min()) if len(levels) > 1 else 1.0
    shown = np.unique(np.linspace(0, len(actual) - 1, min(len(actual), _MOST_POINTS)).astype(int))
    aside = np.random.default_rng(0).uniform(-step / 3, step / 3, len(shown))
    ax.scatter(actual[shown] + aside, predicted[shown], s=8, color=_LINES[0], alpha=0.3, linewidths=0)
    ends = [min(levels[0], predicted.min()), max(levels[-1], predicted.max())]
    ax.plot(ends, ends, color="0.6", linewidth=1, label="predicted = actual")
    means = np.bincount(at, predicted) / np.bincount(at)
    ax.plot(levels, means, color=_LINES[1], marker="o", label="mean prediction")
    ax.set_xlabel("actual rating")
    ax.set_ylabel("predicted rating")
    ax.legend(frameon=False)
    return ax


def plot_calibration(levels: FloatArray, inside: FloatArray, ax: Axes | None = None) -> Axes:
    """The share of ratings inside their intervals (L,) against the share that the intervals promise (L,)."""
    ax = _axes(ax)
    ax.plot([0, 1], [0, 1], color="0.6", linewidth=1, label="as promised")
    ax.plot(levels, inside, color=_LINES[0], marker="o", label="held-out ratings")
    ax.set_xlabel("level of the interval")
    ax.set_ylabel("share of ratings inside")
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.legend(frameon=False)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise OptionError("Plots need matplotlib: pip install 'xlcollab[plot]'.") from error
    return pyplot.figure(layout="constrained").add_subplot()


def _words(key: str) -> str:
    return key.replace("_", " ").replace("rmse", "RMSE")
