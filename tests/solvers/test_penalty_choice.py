from dataclasses import replace

import numpy as np
import pytest
from contracts import some_ratings

from xlcollab.errors import OptionError
from xlcollab.fitting import fit
from xlcollab.model import Factors, Model
from xlcollab.ratings import Ratings
from xlcollab.solvers import penalty_choice
from xlcollab.solvers.base import Status
from xlcollab.solvers.penalty_choice import choose_penalty

MODELS = [Model(3), Model(3, biased=True), Model(3, True, (-0.5, 5.5))]


@pytest.fixture(scope="module")
def parts() -> tuple[Ratings, Ratings]:
    """Noisy ratings of 30 users for 20 items, half of the cells, a quarter of them held out."""
    ratings = some_ratings(30, 20, fill=0.5, seed=3)
    noise = np.random.default_rng(0).normal(0, 0.7, len(ratings))
    return replace(ratings, values=np.clip(ratings.values + noise, 0.5, 5)).split(0.25, seed=0)


@pytest.fixture(scope="module")
def chosen(parts):
    return fit(parts[0], **AUTO)


AUTO = {"model": Model(3, biased=True), "solver": "scipy", "penalty": "auto", "max_iterations": 15}


def parameters(made):
    f = made.factors
    return [*(part.tobytes() for part in (f.user_factors, f.item_factors, f.user_bias, f.item_bias)), f.mean]


@pytest.mark.filterwarnings("ignore::xlcollab.errors.TooManyFactorsWarning")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_predicts_held_out_ratings_better_than_no_penalty_and_nearly_as_well_as_the_best(model, parts):
    train, valid = parts
    errors = {
        penalty: fit(
            train, model, valid=valid, solver="scipy", penalty=penalty, restarts=1, max_iterations=25
        ).valid_rmse
        for penalty in (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    }
    error = fit(train, model, valid=valid, solver="scipy", penalty="auto", max_iterations=25).valid_rmse
    assert error < 0.95 * errors[0.0]
    assert error < 1.03 * min(errors.values())


def test_is_the_same_every_time_and_no_held_out_rating_moves_it(chosen, parts):
    wrong = replace(parts[1], values=1e3 - parts[1].values)
    again = fit(parts[0], valid=wrong, **AUTO)
    assert parameters(chosen) == parameters(again)
    assert chosen.message == again.message


def test_the_fit_is_that_of_all_ratings_under_the_chosen_penalty(chosen, parts):
    plain = fit(
        parts[0],
        MODELS[1],
        solver="scipy",
        max_iterations=15,
        penalty=chosen.ridge.factors,
        bias_penalty=chosen.ridge.bias,
    )
    assert parameters(plain) == parameters(chosen)
    assert chosen.penalised
    assert chosen.message.startswith(plain.message)
    assert f"The penalty {chosen.ridge.factors:.3g} was chosen by a held-out RMSE of 1." in chosen.message
    assert chosen.options["penalty"] == "auto"


def test_other_units_of_the_ratings_give_the_same_predictions(chosen, parts):
    train = parts[0]
    tenfold = fit(replace(train, values=10 * train.values), **AUTO)
    np.testing.assert_allclose(tenfold.predict_matrix(), 10 * chosen.predict_matrix(), rtol=1e-4)


def test_a_range_counts_in_the_units_of_the_linear_predictor(parts):
    path = penalty_choice._Path(None, parts[0], Model(2, True, (-1.0, 7.0)), None, 0, None)
    spread = parts[0].values.std()
    assert path.penalties(3.0) == pytest.approx((3 * spread * 2, 3 * 2**2))  # the slope is 8 / 4 in the middle


def test_a_bias_penalty_that_is_given_stays(parts):
    made = fit(parts[0], **AUTO, bias_penalty=7.0)
    assert made.ridge.bias == 7.0
    assert made.ridge.factors != 7.0


def test_stops_when_told_and_keeps_the_best_so_far(parts):
    for most in (1, 30):
        calls = []

        def stop(progress, calls=calls, most=most):
            calls.append(progress)
            return len(calls) == most

        made = fit(parts[0], **AUTO, on_progress=stop)
        assert len(calls) == most
        assert made.status is Status.STOPPED
        assert made.penalised
        assert np.isfinite(made.predict_matrix()).all()


def test_says_how_far_the_choice_has_come(parts):
    calls = []
    fit(parts[0], **AUTO, on_progress=calls.append)
    choosing = [call for call in calls if call.task == "choosing the penalty"]
    assert [call.done for call in choosing] == sorted(call.done for call in choosing)
    assert choosing[0].value is None
    assert 0 < choosing[-1].value < 2
    assert calls[-1].task == "fitting"


def test_of_many_ratings_one_part_is_held_out(parts, monkeypatch):
    ratings, trained = parts[0], []

    def mean_alone(some, penalty, bias_penalty, report):
        trained.append(len(some))
        zeros = np.zeros((ratings.n_users, 0)), np.zeros((ratings.n_items, 0))
        return Factors(*zeros, np.zeros(ratings.n_users), np.zeros(ratings.n_items), some.mean + penalty)

    options = {"bias_penalty": None, "seed": 0, "on_progress": None}
    found = choose_penalty(mean_alone, ratings, Model(0, biased=True), **options)
    assert set(trained) == {len(ratings) - len(ratings) // 5 - extra for extra in (0, 1)}
    assert found.penalty < 0.1  # this model is best without any
    trained.clear()
    monkeypatch.setattr(penalty_choice, "LARGE", 100)
    choose_penalty(mean_alone, ratings, Model(0, biased=True), **options)
    assert len(trained) == 14


def test_the_parabola_has_its_vertex_where_it_belongs():
    assert penalty_choice._vertex(*((x - 0.3) ** 2 for x in (-1, 0, 1))) == pytest.approx(0.3)
    assert penalty_choice._vertex(1.0, 1.0, 1.0) == 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"penalty": "max"}, "penalty is 'max'; it is a number, 0 or more, or 'auto'"),
        ({"penalty": "auto", "method": "newton"}, "'newton' has no penalty"),
        ({"penalty": "auto", "bias_penalty": -1.0}, "bias_penalty is -1.0"),
    ],
)
def test_what_cannot_be_is_refused(options, words, parts):
    with pytest.raises(OptionError, match=words):
        fit(parts[0], MODELS[1], solver="scipy", **options)
