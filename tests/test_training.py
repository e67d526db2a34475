"""Every way of fastai's that the table in `xlcollab.training` lists, as users type it."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import xlcollab as xc
from xlcollab import training
from xlcollab.errors import FitError, OptionError
from xlcollab.training import Callback, Constant, EarlyStopping, KeepBest, Network, OneCycle, lr_find

QUICK = {"solver": "torch", "epochs": 3, "seed": 5}


@pytest.fixture(scope="module")
def split(lesson_ratings):
    return lesson_ratings.split(valid_pct=0.2, seed=1)


def test_a_learner_has_factors_biases_and_range(split):
    train, valid = split
    fit = xc.fit(train, biased=True, n_factors=4, y_range=(0.5, 5.5), valid=valid, weight_decay=0.1, lr=0.01, **QUICK)
    assert fit.model.name == "bias, 4 factors, range 0.5 to 5.5"
    assert list(fit.history.columns) == ["epoch", "train_loss", "rmse", "valid_loss", "valid_rmse", "time"]
    assert len(fit.history) == 3


def test_bias_and_weight_are_looked_up_by_label(lesson_ratings):
    fit = xc.fit(lesson_ratings, biased=True, n_factors=4, **QUICK)
    labels = list(lesson_ratings.items[3:6])
    np.testing.assert_array_equal(fit.item_bias[labels], fit.factors.item_bias[3:6])
    np.testing.assert_array_equal(fit.item_factors.loc[labels], fit.factors.item_factors[3:6])
    assert fit.user_bias[293] == fit.factors.user_bias[lesson_ratings.users.index(293)]


def test_a_network_predicts_recommends_and_has_no_biases_to_look_up(split):
    train, valid = split
    settings = Network(layers=(8, 4), dropout=0.1, embedding_dropout=0.05, user_size=5, item_size=6)
    fit = xc.fit(train, y_range=(0.5, 5.5), network=settings, valid=valid, **QUICK)
    assert fit.predictions().shape == (15, 15)
    assert len(fit.recommend(293, n=2)) == 2
    assert fit.valid_rmse == pytest.approx(fit.history["valid_rmse"].iloc[-1], abs=1e-6)
    with pytest.raises(FitError, match="network, layers 8-4, range 0.5 to 5.5: it has no factors"):
        _ = fit.item_bias


@pytest.mark.parametrize(
    "option",
    [
        {"schedule": Constant(0.005)},
        {"schedule": OneCycle(0.005, warm_up=0.5)},
        {"network": Network(layers=(8,))},
        {"keep_best": True, "lr": 0.2, "epochs": 30},
    ],
)
def test_each_setting_moves_the_result(split, option):
    train, valid = split
    plain = {name: option[name] for name in ("lr", "epochs") if name in option}
    one, other = (xc.fit(train, n_factors=4, valid=valid, **QUICK | given) for given in (plain, option))
    assert one.valid_rmse != other.valid_rmse


@pytest.mark.parametrize("given", [{"patience": 2}, {"callbacks": (EarlyStopping(2),)}])
def test_training_stops_early(split, given):
    train, valid = split
    fit = xc.fit(train, n_factors=4, valid=valid, lr=0.05, weight_decay=0.0, **QUICK | {"epochs": 500} | given)
    assert len(fit.history) < 100
    assert "had not fallen for 2 epochs" in fit.message


def test_the_best_epoch_is_kept(split):
    train, valid = split
    keep = KeepBest()
    settings = QUICK | {"epochs": 60}
    fit = xc.fit(train, n_factors=4, valid=valid, lr=0.05, weight_decay=0.0, callbacks=(keep,), clip=False, **settings)
    assert keep.epoch < 60
    assert fit.valid_rmse == pytest.approx(fit.history["valid_rmse"].min(), rel=1e-5)


def test_a_callback_of_ones_own_looks_on(lesson_ratings):
    class Losses(Callback):
        seen: list[float] = []  # noqa: RUF012 -- of this one class, in this one test

        def after_step(self, training):
            self.seen.append(float(training.loss))

    fit = xc.fit(lesson_ratings, callbacks=(Losses(),), **QUICK)
    assert len(Losses.seen) == fit.iterations
    assert np.mean(Losses.seen[-4:]) == pytest.approx(fit.history["train_loss"].iloc[-1], rel=1e-5)


def test_mixed_precision_trains_a_network(lesson_ratings):
    plain, mixed = (
        xc.fit(lesson_ratings, network=Network(layers=(8,)), mixed_precision=mixed, **QUICK) for mixed in (False, True)
    )
    assert plain.rmse != mixed.rmse
    assert mixed.rmse == pytest.approx(plain.rmse, rel=0.1)


@pytest.mark.parametrize("options", [{}, {"network": Network(layers=(8,))}])
def test_the_suggested_rate_is_the_solvers_own_and_trains(lesson_ratings, options):
    found = lr_find(lesson_ratings, n_factors=4, biased=True, y_range=(0.5, 5.5), seed=3, **options)
    assert isinstance(found.table, pd.DataFrame)
    assert 1e-5 < found.suggestion < 1
    history = xc.fit(lesson_ratings, lr=found.suggestion, **QUICK | {"epochs": 20} | options).history
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]


def test_the_finder_reads_files_and_frames(lesson_ratings):
    found = [lr_find(given, n_factors=4) for given in (lesson_ratings, lesson_ratings.to_frame())]
    assert found[0].suggestion == found[1].suggestion


def test_the_finder_refuses_what_fit_refuses(lesson_ratings):
    with pytest.raises(OptionError, match="outside the y_range"):
        lr_find(lesson_ratings, n_factors=4, y_range=(2, 5))
    with pytest.raises(FitError, match="there is nothing to learn"):
        lr_find(lesson_ratings.select(lesson_ratings.values == 4))
    with pytest.raises(OptionError, match="has no option 'epoch'.*Did you mean epochs"):
        lr_find(lesson_ratings, epoch=3)


def test_the_table_names_only_what_there_is():
    from xlcollab.solvers import solver_options

    right = "\n".join(line[41:] for line in training.__doc__.splitlines() if line.startswith("``"))
    keywords = set(re.findall(r"(\w+)=", right))
    known = set(solver_options("torch")) | {"solver", "biased", "n_factors", "layers", "dropout", "embedding_dropout"}
    assert keywords <= known | {"user_size", "item_size", "min_delta"}
    assert all(hasattr(training, name) for name in re.findall(r"\b([A-Z]\w+)\(", right))
