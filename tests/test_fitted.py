from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import OptionError, UnknownLabelError
from xlcollab.fitting import fit, load
from xlcollab.model import Model
from xlcollab.solvers.base import Status


class Spread:
    """An uncertainty that is known beforehand: a tenth for the first user, two tenths for the second …"""

    def sd(self, user_idx, item_idx):
        return 0.1 * (1 + user_idx)

    def quantile(self, probability):
        return NormalDist().inv_cdf(probability)

    def arrays(self):
        return {}


@pytest.fixture(scope="module")
def made(lesson_ratings):
    return fit(lesson_ratings, Model(2, biased=True), solver="scipy", penalty=2.0)


class TestPredict:
    def test_gives_a_float_for_one_user_and_one_item(self, made):
        value = made.predict(293, 49)
        assert type(value) is float
        assert value == made.predictions().loc[293, 49]

    @pytest.mark.parametrize(
        ("users", "items"),
        [
            ([293, 14], [49, 27]),
            (np.array([293, 14]), np.array([49, 27])),
            (pd.Series([293, 14]), pd.Index([49, 27])),
            ((293, 14), iter([49, 27])),
        ],
    )
    def test_gives_an_array_for_many(self, made, users, items):
        table = made.predictions()
        np.testing.assert_array_equal(made.predict(users, items), [table.loc[293, 49], table.loc[14, 27]])

    def test_meets_one_user_with_many_items(self, made):
        np.testing.assert_array_equal(made.predict(293, [49, 27]), made.predict([293, 293], [49, 27]))
        assert made.predict([293], 49).shape == (1,)

    def test_clips_to_the_scale_unless_told_otherwise(self, lesson_ratings):
        made = fit(lesson_ratings, Model(5, biased=True), solver="scipy")
        wild = made.predictions(clip=False)
        assert wild.to_numpy().max() > 5
        np.testing.assert_array_equal(made.predictions(), wild.clip(1, 5))
        user, item = wild.stack().idxmax()
        assert made.predict(user, item) == 5.0 == made.clip_range[1]
        assert made.predict(user, item, clip=False) == wild.loc[user, item]
        unclipped = fit(lesson_ratings, Model(5, biased=True), solver="scipy", clip=False)
        assert unclipped.predict(user, item) == wild.loc[user, item]
        assert unclipped.predict(user, item, clip=True) == 5.0

    @pytest.mark.parametrize(
        ("user", "item", "named"), [(1, 49, "user 1 "), (293, "49", "item '49' "), ([293, "x"], 49, "user 'x' ")]
    )
    def test_names_an_unknown_label(self, made, user, item, named):
        with pytest.raises(UnknownLabelError, match=f"There is no {named}among"):
            made.predict(user, item)

    def test_answers_for_unknown_labels_by_the_average_and_says_which_they_are(self, made):
        table = made.predictions(clip=False)
        known = made.known([293, 1, 293, 1], [49, 49, 2, 2])
        assert list(known) == [True, False, False, False]
        assert made.known(293, 49) is True
        values = made.predict([293, 1, 293, 1], [49, 49, 2, 2], unknown="mean", clip=False)
        expected = [table.loc[293, 49], table[49].mean(), table.loc[293].mean(), table.to_numpy().mean()]
        np.testing.assert_allclose(values, expected)

    def test_refuses_users_and_items_that_are_no_pairs(self, made):
        with pytest.raises(OptionError, match="2 users and 3 items are no pairs: pass equally many, or one of either"):
            made.predict([293, 14], [49, 27, 57])

    def test_counts_the_bias_of_the_average_user_where_biases_have_a_level(self, lesson_ratings):
        level = fit(lesson_ratings, Model(2, biased=True), solver="als", max_sweeps=1)
        assert abs(level.user_bias.mean()) > 1e-3
        table = level.predictions(clip=False)
        assert level.predict("?", 49, unknown="mean", clip=False) == pytest.approx(table[49].mean())
        assert level.predict(293, "?", unknown="mean", clip=False) == pytest.approx(table.loc[293].mean())

    def test_refuses_another_answer_for_unknown_labels(self, made):
        with pytest.raises(OptionError, match="choose 'error' or 'mean'"):
            made.predict(293, 49, unknown="guess")


class TestInterval:
    def test_is_nan_where_the_solver_gives_none(self, made):
        assert np.isnan(made.predict_interval(293, 49)).all()

    def test_holds_the_middle_eighty_percent_of_a_normal_distribution(self, made):
        sure = replace(made, uncertainty=Spread())
        user = made.ratings.users[1]
        low, high = sure.predict_interval(user, 49, clip=False)
        assert type(low) is float
        middle = made.predict(user, 49, clip=False)
        assert (low, high) == pytest.approx((middle - 1.2815516 * 0.2, middle + 1.2815516 * 0.2))

    def test_is_clipped_as_predictions_are(self, made):
        low, high = replace(made, uncertainty=Spread()).predict_interval(list(made.ratings.users), 49, level=0.999999)
        assert low.min() >= 1
        assert high.max() == 5

    def test_of_someone_unknown_is_wider_than_of_anyone_known(self, lesson_ratings):
        sure = fit(lesson_ratings)
        users = list(lesson_ratings.users)
        low, high = sure.predict_interval(users, 49, clip=False)
        for one in ([-1], [users[0]]):
            unknown_low, unknown_high = sure.predict_interval(one, "?", unknown="mean", clip=False)
            assert unknown_high - unknown_low > np.median(high - low)
        nobody = sure.predict_interval("?", 49, unknown="mean", clip=False)
        assert nobody[1] - nobody[0] > np.median(high - low)
        assert nobody[0] < sure.predict("?", 49, unknown="mean", clip=False) < nobody[1]

    def test_stands_around_the_prediction_before_it_is_clipped(self, made):
        sure = replace(made, uncertainty=Spread())
        wild = made.predictions(clip=False)
        user, item = wild.stack().idxmax()
        beyond = wild.loc[user, item]
        sd = 0.1 * (1 + made.ratings.users.index(user))
        assert beyond - 1.2815516 * sd < 5 < beyond
        assert sure.predict_interval(user, item) == pytest.approx((beyond - 1.2815516 * sd, 5.0))

    @pytest.mark.parametrize("level", [0, 1, 80, "0.8"])
    def test_refuses_what_is_no_probability(self, made, level):
        with pytest.raises(OptionError, match="level is"):
            made.predict_interval(293, 49, level=level)

    def test_refuses_a_clip_that_is_neither_true_nor_false(self, made):
        with pytest.raises(OptionError, match="clip is 'no'; it is True or False"):
            made.predict(293, 49, clip="no")


class TestRecommend:
    def test_lists_what_is_not_rated_best_first(self, made):
        table = made.recommend(212)
        assert list(table.columns) == ["item", "prediction", "low", "high"]
        assert set(table["item"]) == {49, 79, 99}
        assert (table["prediction"].diff().dropna() <= 0).all()
        np.testing.assert_array_equal(table["prediction"], made.predict(212, list(table["item"])))

    def test_puts_items_in_order_that_the_sigmoid_cannot_tell_apart(self, made):
        steep = replace(made.factors, item_bias=np.arange(40.0, 55.0), item_factors=0 * made.factors.item_factors)
        sure = replace(made, model=Model(2, biased=True, y_range=(0, 5)), factors=steep)
        assert (sure.predictions(clip=False).to_numpy() == 5).all()
        assert list(sure.recommend(212)["item"]) == [99, 79, 49]

    def test_cuts_the_list(self, made):
        assert list(made.recommend(212, n=1)["item"]) == list(made.recommend(212)["item"][:1])
        assert len(made.recommend(212, n=0)) == 0

    def test_of_who_has_rated_all_is_empty(self, made):
        assert len(made.recommend(14)) == 0

    def test_leaves_held_out_ratings_out(self, lesson_ratings):
        made = fit(lesson_ratings, Model(2), solver="scipy", penalty=2.0, valid_pct=0.3, seed=1)
        assert set(made.recommend(212, n=15)["item"]) == {49, 79, 99}

    def test_orders_by_unclipped_predictions(self, lesson_ratings):
        made = fit(lesson_ratings, Model(5, biased=True), solver="scipy")
        for user in lesson_ratings.users:
            items = list(made.recommend(user)["item"])
            assert list(made.predict(user, items, clip=False)) == sorted(made.predict(user, items, clip=False))[::-1]

    def test_names_an_unknown_user(self, made):
        with pytest.raises(UnknownLabelError, match="There is no user 'x'"):
            made.recommend("x")

    def test_keeps_the_type_of_labels(self, made):
        assert all(type(item) is int for item in made.recommend(212)["item"].tolist())


class TestTables:
    def test_stand_by_label(self, made, lesson_ratings):
        assert made.user_factors.shape == (15, 2)
        assert list(made.item_factors.index) == list(lesson_ratings.items)
        at = made.predictions(clip=False).loc[293, 49]
        dot = made.user_factors.loc[293] @ made.item_factors.loc[49]
        assert at == pytest.approx(made.mean + made.user_bias[293] + made.item_bias[49] + dot)

    def test_says_in_its_repr_what_it_is(self, made):
        assert repr(made) == (
            f"<Fit: scipy, bias, 2 factors, RMSE {made.rmse:.6f}. Minimum found: the least of 3 starts, reached by 3.>"
        )


def test_converged_is_what_the_status_says(made):
    endings = {status: replace(made, status=status).converged for status in Status}
    assert [status.name for status, ok in endings.items() if ok] == ["CONVERGED", "COMPLETED"]


@pytest.mark.parametrize("solver", ["als", "scipy"])
def test_penalties_of_numpy_are_saved(lesson_ratings, solver, tmp_path):
    made = fit(lesson_ratings, solver=solver, n_factors=1, biased=True, penalty=np.float32(1), bias_penalty=np.int64(1))
    made.save(tmp_path / "m.xlc")
    assert load(tmp_path / "m.xlc").ridge == made.ridge


def test_explain_names_no_way_out_that_it_has_not(lesson_ratings):
    made = fit(lesson_ratings, solver="als", n_factors=1)
    with pytest.raises(UnknownLabelError, match="no user 999") as caught:
        made.explain(999, 49)
    assert "unknown=" not in str(caught.value)


@pytest.mark.parametrize("n", [2.0, -1, True, "3", None])
def test_how_many_to_list_is_a_whole_number(n, made):
    for lists in (
        lambda: made.recommend(212, n=n),
        lambda: made.recommend(n=n),
        lambda: made.similar_items(49, n=n),
        lambda: made.similar_users(293, n=n),
        lambda: made.explain(293, 49, n=n),
        lambda: made.fold_in_user({49: 5}).recommend(n=n),
        lambda: made.fold_in_user({49: 5}).explain(57, n=n),
    ):
        with pytest.raises(OptionError, match=f"n is {n!r}; it is a whole number, 0 or more"):
            lists()
    assert len(made.recommend(212, n=np.int64(2))) == 2
