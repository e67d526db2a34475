"""Pictures of a fit show the numbers of the fit."""

from __future__ import annotations

import builtins

import matplotlib as mpl
import numpy as np
import pytest

mpl.use("Agg")

import xlcollab as xc
from xlcollab.errors import FitError, OptionError


@pytest.fixture(scope="module")
def held_out(lesson_ratings):
    return xc.fit(lesson_ratings, solver="bayes", valid_pct=0.2, seed=3)


@pytest.fixture(autouse=True)
def _close():
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_the_history_has_a_line_for_each_error(held_out):
    ax = held_out.plot_history()
    drawn = {line.get_label(): line for line in ax.get_lines()}
    assert set(drawn) == {"left out RMSE", "valid RMSE"}
    assert drawn["valid RMSE"].get_ydata().tolist() == held_out.history["valid_rmse"].tolist()
    assert drawn["valid RMSE"].get_xdata().tolist() == held_out.history["sweep"].tolist()


def test_the_history_has_a_line_for_each_start(lesson_ratings):
    fit = xc.fit(lesson_ratings, solver="scipy", restarts=3)
    assert len(fit.plot_history().get_lines()) == fit.history["start"].nunique()


def test_losses_are_drawn_where_there_is_no_rmse():
    from xlcollab.plots import plot_history

    (line,) = plot_history([{"epoch": 1.0, "train_loss": 2.0}, {"epoch": 2.0, "train_loss": 1.5}]).get_lines()
    assert line.get_ydata().tolist() == [2.0, 1.5]
    assert line.axes.get_ylabel() == "train loss"
    assert line.axes.get_legend() is None


def test_predicted_against_actual_shows_the_mean_prediction_of_each_rating(held_out):
    ax = held_out.plot_predictions()
    means = dict(zip(*ax.get_lines()[1].get_data(), strict=True))
    predicted = held_out.predict_positions(held_out.valid.user_idx, held_out.valid.item_idx)
    fours = held_out.valid.values == 4.0
    assert means[4.0] == pytest.approx(predicted[fours].mean(), abs=1e-12)
    assert len(ax.collections[0].get_offsets()) == len(held_out.valid)


def test_the_share_inside_is_that_of_the_intervals(held_out):
    valid = held_out.valid
    users = [valid.users[at] for at in valid.user_idx]
    low, high = held_out.predict_interval(users, [valid.items[at] for at in valid.item_idx], level=0.5)
    assert held_out.inside(0.5) == np.mean((valid.values >= low) & (valid.values <= high))
    assert held_out.inside(0.5) < held_out.inside(0.95)


def test_calibration_shows_the_share_inside_at_each_level(held_out):
    line = held_out.plot_calibration().get_lines()[1]
    for level, share in zip(*line.get_data(), strict=True):
        assert share == held_out.inside(level)


def test_training_ratings_can_be_shown_into_axes_of_ones_own(lesson_ratings):
    from matplotlib import pyplot

    fit = xc.fit(lesson_ratings, solver="scipy", restarts=2)
    _, ax = pyplot.subplots()
    assert fit.plot_predictions(lesson_ratings, ax=ax) is ax
    assert len(ax.collections[0].get_offsets()) == len(lesson_ratings)


def test_nothing_held_out_is_said(lesson_ratings):
    fit = xc.fit(lesson_ratings, solver="bayes")
    with pytest.raises(OptionError, match="No ratings were held out"):
        fit.plot_predictions()
    with pytest.raises(OptionError, match="No ratings were held out"):
        fit.inside()


def test_a_solver_without_intervals_has_no_calibration(lesson_ratings):
    fit = xc.fit(lesson_ratings, solver="scipy", restarts=2, valid_pct=0.1)
    assert np.isnan(fit.inside())
    with pytest.raises(FitError, match="'scipy' gives no intervals"):
        fit.plot_calibration()


def test_without_matplotlib_the_error_says_what_to_install(held_out, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(OptionError, match=r"pip install 'xlcollab\[plot\]'"):
        held_out.plot_history()
