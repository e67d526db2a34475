import itertools

import numpy as np
import pandas as pd
import pytest
from contracts import SolverContract, some_ratings

from xlcollab.errors import OptionError, TooManyFactorsWarning
from xlcollab.fitting import fit
from xlcollab.model import Model, predict_all
from xlcollab.objective import Objective
from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings
from xlcollab.solvers.base import Status
from xlcollab.solvers.scipy_minimise import ScipySolver

# The least RMSE known on the lesson's 15×15 for k = 1, 2, …; from k = 7 (6 with biases) blank cells run wild.
DOT = (0.825774, 0.711206, 0.592700, 0.487677, 0.392901, 0.318218, 0.226996, 0.155487)
BIAS = (0.711276, 0.594825, 0.488852, 0.394059, 0.318655, 0.226373)


class TestContract(SolverContract):
    solver = "scipy"
    settings = {  # noqa: RUF012 -- the base class says so
        "restarts": ({"restarts": 1}, {"restarts": 4}),
        "penalty": ({}, {"penalty": 0.5}),
        "bias_penalty": (
            {"penalty": 0.5, "model": Model(2, biased=True)},
            {"penalty": 0.5, "bias_penalty": 2.0, "model": Model(2, biased=True)},
        ),
        "max_iterations": ({}, {"max_iterations": 1}),
        "method": ({}, {"method": "l-bfgs-b"}),
    }

    @pytest.mark.parametrize("method", ["newton", "trust-region", "l-bfgs-b"])
    def test_holds_for_each_method(self, method):
        made = self.fit(method=method)
        assert made.rmse == pytest.approx(self.fit().rmse, abs=1e-6)
        assert made.converged


class TestLesson:
    @pytest.mark.parametrize("seed", range(10))
    def test_reaches_the_least_rmse_known_whatever_the_seed(self, lesson_ratings, seed):
        assert fit(lesson_ratings, Model(5), solver="scipy", seed=seed).rmse == pytest.approx(0.39290079, abs=1e-8)
        made = fit(lesson_ratings, Model(5, biased=True), solver="scipy", seed=seed)
        assert made.rmse == pytest.approx(0.31865497, abs=1e-8)

    @pytest.mark.parametrize(
        ("biased", "k", "least"),
        [(False, k, rmse) for k, rmse in enumerate(DOT, 1)] + [(True, k, rmse) for k, rmse in enumerate(BIAS, 1)],
    )
    @pytest.mark.filterwarnings("ignore::xlcollab.errors.TooManyFactorsWarning")
    def test_reaches_the_least_rmse_known_for_every_number_of_factors(self, lesson_ratings, biased, k, least):
        made = fit(lesson_ratings, Model(k, biased), solver="scipy")
        assert made.rmse == pytest.approx(least, abs=1e-6)
        assert made.status is Status.CONVERGED

    def test_is_the_default_model(self, lesson_ratings):
        made = fit(lesson_ratings, solver="scipy")
        assert made.model == Model(5)
        assert made.message == "Minimum found: the least of 6 starts, reached by 6."
        assert not made.penalised

    def test_gives_the_same_cells_from_every_seed(self, lesson_ratings):
        for model in (Model(5), Model(5, biased=True)):
            one, two = (fit(lesson_ratings, model, solver="scipy", seed=seed).factors for seed in (0, 1))
            np.testing.assert_allclose(one.user_factors, two.user_factors, atol=1e-6)
            np.testing.assert_allclose(one.item_factors, two.item_factors, atol=1e-6)
            np.testing.assert_allclose(one.user_bias, two.user_bias, atol=1e-6)
            np.testing.assert_allclose(one.item_bias, two.item_bias, atol=1e-6)

    def test_is_a_minimum_of_the_cost_over_all_parameters(self, lesson_ratings):
        for model in (Model(5), Model(5, biased=True)):
            objective = Objective(lesson_ratings, model)
            factors = fit(lesson_ratings, model, solver="scipy").factors
            assert np.abs(objective.value_and_gradient(objective.pack(factors))[1]).max() < 1e-7

    def test_more_factors_than_the_ratings_can_hold_are_warned_of(self, lesson_ratings):
        with pytest.warns(TooManyFactorsWarning, match="18 widths of the rating scale"):
            made = fit(lesson_ratings, Model(7), solver="scipy")
        assert "18 scale widths off the scale" in made.message

    def test_history_ends_at_the_rmse_of_the_best_start(self, lesson_ratings):
        made = fit(lesson_ratings, solver="scipy")
        history = made.history
        assert list(history.columns) == ["iteration", "start", "rmse", "cost"]
        assert history["start"].unique().tolist() == [*range(1, 1 + history["start"].nunique())]
        assert list(history["iteration"]) == list(range(1, len(history) + 1))
        assert history.groupby("start")["rmse"].min().min() == pytest.approx(made.rmse, rel=1e-9)
        assert (history.groupby("start")["cost"].diff().dropna() < 0).all()


class TestPenalty:
    @pytest.mark.parametrize(
        ("model", "penalties"),
        [
            (Model(5), (2.0, None)),
            *itertools.product(
                [Model(5, biased=True), Model(3, True, (0.5, 5.5)), Model(0, True)],
                [(2.0, None), (5.0, 3.0), (1.0, 0.0)],
            ),
        ],
    )
    def test_fit_is_a_minimum_of_the_penalised_cost(self, lesson_ratings, model, penalties):
        penalty, bias_penalty = penalties
        made = fit(lesson_ratings, model, solver="scipy", penalty=penalty, bias_penalty=bias_penalty)
        objective = Objective(lesson_ratings, model, penalty, penalty if bias_penalty is None else bias_penalty)
        assert np.abs(objective.value_and_gradient(objective.pack(made.factors))[1]).max() < 1e-4
        assert made.penalised
        assert made.converged
        assert min(row["cost"] for row in made.records) == pytest.approx(objective.cost(objective.pack(made.factors)))

    def test_methods_agree(self, lesson_ratings):
        costs = [
            min(
                row["cost"]
                for row in fit(lesson_ratings, Model(4, True), solver="scipy", penalty=3.0, method=method).records
            )
            for method in ("trust-region", "l-bfgs-b")
        ]
        assert costs[0] == pytest.approx(costs[1], rel=1e-8)

    def test_a_great_one_leaves_the_mean(self, lesson_ratings):
        made = fit(lesson_ratings, Model(3, biased=True), solver="scipy", penalty=1e7)
        np.testing.assert_allclose(made.predict_matrix(clip=False), lesson_ratings.mean, atol=1e-3)
        assert made.mean == pytest.approx(lesson_ratings.mean, abs=1e-3)

    def test_biases_sum_to_nothing(self, lesson_ratings):
        factors = fit(lesson_ratings, Model(3, biased=True), solver="scipy", penalty=2.0).factors
        assert factors.user_bias.sum() == pytest.approx(0, abs=1e-9)
        assert factors.item_bias.sum() == pytest.approx(0, abs=1e-9)


class TestTables:
    @pytest.mark.parametrize("biased", [False, True])
    @pytest.mark.parametrize("shape", [(12, 7), (7, 12), (60, 50)])
    def test_without_blanks_are_fitted_by_their_truncated_svd(self, biased, shape):
        ratings = some_ratings(*shape, fill=2.0)
        table = ratings.dense()
        centred = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean() if biased else table
        rest = np.linalg.svd(centred)[1][3:]
        made = fit(ratings, Model(3, biased), solver="scipy")
        assert made.rmse == pytest.approx(np.sqrt(np.sum(rest**2) / table.size))
        assert made.message == "Minimum found: the table has no blanks, so it is the least there is."

    @pytest.mark.filterwarnings("ignore::xlcollab.errors.TooManyFactorsWarning")
    def test_with_blanks_are_not_said_to_have_none(self):
        table = np.random.default_rng(4).normal(3, 1, (12, 8))
        table[9:, 2:] = np.nan  # three users with no more ratings than factors, who are fitted exactly
        made = fit(Ratings.from_crosstab_frame(pd.DataFrame(table)), Model(2), solver="scipy")
        rest = np.linalg.svd(table[:9])[1][2:]
        assert made.rmse == pytest.approx(np.sqrt(np.sum(rest**2) / np.isfinite(table).sum()))
        assert made.message.startswith("Minimum found: without those who are hit exactly the table has no blanks, so")

    @pytest.mark.parametrize("shape", [(1, 8), (8, 1), (3, 3), (4, 30)])
    @pytest.mark.parametrize("model", [Model(5), Model(5, biased=True)])
    @pytest.mark.filterwarnings("ignore::xlcollab.errors.TooManyFactorsWarning")
    def test_too_small_for_the_factors_are_hit_exactly_and_stay_near_their_means(self, shape, model):
        made = fit(some_ratings(*shape, fill=2.0 if min(shape) == 1 else 0.85), model, solver="scipy")
        assert made.rmse < 1e-7
        assert made.message == "Every rating is hit exactly: the factors can hold all there is to explain."
        assert np.abs(made.predict_matrix(clip=False)).max() < 8

    def test_transposed_give_the_transposed_answer(self):
        ratings = some_ratings(18, 11)
        other = Ratings(ratings.items, ratings.users, ratings.item_idx, ratings.user_idx, ratings.values)
        for model in (Model(3), Model(3, biased=True)):
            one, two = fit(ratings, model, solver="scipy"), fit(other, model, solver="scipy")
            np.testing.assert_allclose(one.predict_matrix().T, two.predict_matrix(), atol=1e-5)

    def test_users_with_few_ratings_are_hit_exactly_and_leave_the_others_alone(self):
        ratings = some_ratings(20, 12)
        few = (ratings.user_idx == 4) & (np.cumsum(ratings.user_idx == 4) > 3)
        trimmed = ratings.select(~few)
        without = ratings.select(ratings.user_idx != 4)
        made = fit(trimmed, Model(3), solver="scipy")
        with pytest.warns(match="102|104"):
            alone = fit(without, Model(3), solver="scipy")
        error = made.predict_matrix(clip=False)[trimmed.user_idx, trimmed.item_idx] - trimmed.values
        assert np.abs(error[trimmed.user_idx == 4]).max() < 1e-6
        assert made.rmse**2 * len(trimmed) == pytest.approx(alone.rmse**2 * len(without), rel=1e-6)

    def test_users_without_a_rating_are_predicted_as_the_average_user(self):
        ratings = some_ratings()
        with pytest.warns(match="999"):
            wider = fit(
                Ratings((*ratings.users, 999), ratings.items, ratings.user_idx, ratings.item_idx, ratings.values),
                Model(2, biased=True),
                solver="scipy",
            )
        table = wider.predict_matrix(clip=False)
        np.testing.assert_allclose(table[-1], table[:-1].mean(axis=0), atol=1e-9)

    @pytest.mark.parametrize("model", [Model(3), Model(3, biased=True)])
    def test_larger_ones_take_the_trust_region_and_find_the_same_minimum(self, model):
        ratings = some_ratings(45, 42, 0.7)
        large, small = (fit(ratings, model, solver="scipy", method=method, restarts=2) for method in ("auto", "newton"))
        assert large.rmse == pytest.approx(small.rmse, abs=1e-6)

    def test_of_movielens_100k_are_fitted_in_seconds(self, shared):
        ratings = read_ratings(shared / "data" / "ml-100k" / "u.data")
        made = fit(ratings, Model(5, biased=True), solver="scipy", penalty=5.0, restarts=1)
        assert made.converged
        assert made.rmse == pytest.approx(0.79095, abs=1e-4)


class TestRange:
    def test_is_kept_and_fitted_by_lbfgs(self, lesson_ratings):
        model = Model(3, True, (0.5, 5.5))
        made = fit(lesson_ratings, model, solver="scipy", penalty=0.05)
        objective = Objective(lesson_ratings, model, 0.05, 0.05)
        assert np.abs(objective.value_and_gradient(objective.pack(made.factors))[1]).max() < 1e-4
        assert 0.5 < predict_all(model, made.factors).min() < predict_all(model, made.factors).max() < 5.5

    def test_where_predictions_run_to_its_ends_is_said_not_to_converge(self, lesson_ratings):
        made = fit(lesson_ratings, Model(5, y_range=(1, 5)), solver="scipy", restarts=1, max_iterations=30)
        assert made.status is Status.LIMIT
        assert made.message == "The iteration limit came before a minimum: from one start."


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"method": "bfgs"}, "choose one of auto, newton, trust-region, l-bfgs-b"),
            ({"method": "newton", "penalty": 1.0}, "has no penalty"),
            ({"restarts": 0}, "restarts is 0"),
            ({"restarts": 2.5}, "restarts is 2.5"),
            ({"max_iterations": -1}, "max_iterations is -1"),
            ({"penalty": -0.1}, "penalty is -0.1"),
            ({"penalty": float("nan")}, "penalty is nan"),
            ({"bias_penalty": 1.0}, "Pass both"),
            ({"penalty": 1.0, "bias_penalty": 1.0}, "bias_penalty without biases would have no effect: leave it out"),
            ({"penalty": "auto", "bias_penalty": 1.0}, "bias_penalty without biases would have no effect"),
        ],
    )
    def test_that_cannot_be_are_refused_with_the_way_out(self, options, message):
        with pytest.raises(OptionError, match=message):
            fit(some_ratings(), solver="scipy", **options)

    @pytest.mark.parametrize("method", ["newton", "trust-region"])
    def test_a_range_needs_lbfgs(self, method):
        with pytest.raises(OptionError, match="y_range"):
            fit(some_ratings(), solver="scipy", y_range=(0, 6), method=method)

    def test_so_many_restarts_are_made(self):
        made = fit(some_ratings(), Model(2), solver="scipy", restarts=9)
        assert "of 9 starts" in made.message

    def test_a_start_does_not_depend_on_how_many_there_are(self):
        four, nine = (ScipySolver(restarts=n).solve(some_ratings(), Model(3)).history for n in (4, 9))
        assert nine[: len(four)] == four
