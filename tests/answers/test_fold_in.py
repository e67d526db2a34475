from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from xlcollab.answers.fold_in import RowPrior, _at, fold_in, rows_prior
from xlcollab.errors import FitError, OptionError, RatingsError, UnknownLabelError
from xlcollab.fitting import fit, load
from xlcollab.model import Factors, Model, link, predict_pairs
from xlcollab.ratings import Ratings
from xlcollab.solvers.torch_network import Network


def own_ratings(ratings, user):
    return {item: rating for who, item, rating in ratings.to_frame().itertuples(index=False) if who == user}


def of_item(ratings, item):
    return {user: rating for user, what, rating in ratings.to_frame().itertuples(index=False) if what == item}


@pytest.fixture(scope="module")
def made(two_factors):
    return fit(two_factors, Model(2, biased=True), solver="scipy", penalty=2.0)


class TestRegression:
    @pytest.fixture
    def side(self):
        g = np.random.default_rng(1)
        return Factors(g.normal(size=(9, 3)), g.normal(size=(12, 3)), g.normal(size=9), g.normal(size=12), 0.3)

    @pytest.mark.parametrize("y_range", [None, (-0.5, 5.5)])
    def test_is_the_minimum_of_errors_and_prior(self, side, y_range):
        model = Model(3, True, y_range)
        g = np.random.default_rng(2)
        positions, values = np.array([0, 3, 4, 7, 11]), np.array([1.0, 5.0, 3.0, 4.5, 2.0])
        half = g.normal(size=(4, 4))
        prior = RowPrior(g.normal(size=4), half @ half.T + np.eye(4), 0.7)
        z = np.column_stack([side.item_factors[positions], np.ones(5)])

        def cost(x):
            error = link(model, side.mean + side.item_bias[positions] + z @ x) - values
            return error @ error / 0.7 + (x - prior.centre) @ prior.precision @ (x - prior.centre)

        row = fold_in(model, side, prior, positions, values)
        np.testing.assert_allclose(row.mean, minimize(cost, np.zeros(4), tol=1e-12).x, atol=1e-4)

    def test_newtons_method_knows_both_derivatives_of_the_link(self):
        model, x, h = Model(3, True, (-0.5, 5.5)), np.linspace(-4, 4, 9), 1e-5
        _, slope, bend = _at(model, x, np.zeros(9))
        above, below = link(model, x + h), link(model, x - h)
        np.testing.assert_allclose(slope, (above - below) / (2 * h), rtol=1e-8)
        (_, ahead, _), (_, behind, _) = _at(model, x + h, np.zeros(9)), _at(model, x - h, np.zeros(9))
        np.testing.assert_allclose(bend, (ahead - behind) / (2 * h), rtol=1e-7, atol=1e-9)

    def test_of_extreme_ratings_in_a_range_ends(self, side):
        row = fold_in(
            Model(3, True, (0.5, 5.5)), side, RowPrior(np.zeros(4), 1e-6 * np.eye(4)), np.arange(12), np.full(12, 5.5)
        )
        assert np.isfinite(row.mean).all()

    def test_by_count_shrinks_as_many_times(self, side):
        positions, values = np.array([1, 2, 5]), np.array([1.0, 4.0, 3.0])
        one = fold_in(Model(3, True), side, RowPrior(np.zeros(4), np.eye(4), by_count=True), positions, values)
        three = np.diag([3.0, 3.0, 3.0, 1.0])  # the bias as ever
        two = fold_in(Model(3, True), side, RowPrior(np.zeros(4), three), positions, values)
        np.testing.assert_array_equal(one.mean, two.mean)

    def test_without_ratings_is_the_average_row(self, side):
        row = fold_in(Model(3, True), side, RowPrior(np.zeros(4), np.eye(4)), np.zeros(0, np.int32), np.zeros(0))
        np.testing.assert_allclose(row.mean, [*side.user_factors.mean(axis=0), side.user_bias.mean()])
        np.testing.assert_allclose(row.covariance[:3, :3], np.cov(side.user_factors.T, bias=True))

    def test_the_prior_of_rows_is_their_own_mean_and_covariance_with_the_noise_of_the_fit(self, side):
        model, every = Model(3, True, (-0.5, 5.0)), np.arange(9)
        values = predict_pairs(model, side, every, every) + np.array([0.5, -0.5, *[0.0] * 7])
        prior = rows_prior(model, side, every, every, values)
        rows = np.column_stack([side.user_factors, side.user_bias])
        np.testing.assert_allclose(prior.centre, rows.mean(axis=0))
        np.testing.assert_allclose(np.linalg.inv(prior.precision), np.cov(rows.T, bias=True), atol=1e-4)
        assert prior.noise == pytest.approx(0.5 / 9)

    def test_where_rows_do_not_differ_has_a_prior_all_the_same(self, side):
        same = Factors(np.ones((9, 3)), side.item_factors, np.zeros(9), side.item_bias)
        prior = rows_prior(Model(3, True), same, np.arange(9), np.arange(9), np.zeros(9))
        assert np.isfinite(prior.precision).all()
        row = fold_in(Model(3, True), same, prior, np.array([0]), np.array([9.0]))
        np.testing.assert_allclose(row.mean, [1, 1, 1, 0], atol=1e-3)


CASES = [
    ("scipy", {"n_factors": 2, "biased": True, "penalty": 2.0}, 1e-5),
    ("scipy", {"n_factors": 2, "penalty": 2.0}, 1e-5),
    ("scipy", {"n_factors": 0, "biased": True, "penalty": 2.0}, 1e-5),
    ("scipy", {"n_factors": 1, "biased": True, "penalty": 1.0, "bias_penalty": 3.0, "y_range": (-9, 12)}, 1e-3),
    ("bayes", {}, 0.02),
    ("torch", {"n_factors": 2, "y_range": None, "biased": True, "epochs": 30}, 0.5),  # of 1.9
    ("scipy", {"n_factors": 2, "biased": True}, 0.1),
]


class TestOwnRatings:
    @pytest.mark.parametrize(("solver", "options", "tolerance"), CASES)
    def test_of_a_user_give_the_predictions_that_the_user_had(self, two_factors, solver, options, tolerance):
        made = fit(two_factors, solver=solver, **options)
        items = list(two_factors.items)
        off = [
            made.fold_in_user(own_ratings(two_factors, user)).predict(items, clip=False)
            - made.predict(user, items, clip=False)
            for user in two_factors.users[:10]
        ]
        assert np.sqrt(np.mean(np.square(off))) < tolerance

    @pytest.mark.parametrize(("solver", "options", "tolerance"), CASES)
    def test_of_an_item_give_the_predictions_that_the_item_had(self, two_factors, solver, options, tolerance):
        made = fit(two_factors, solver=solver, **options)
        users = list(two_factors.users)
        off = [
            made.fold_in_item(of_item(two_factors, item)).predict(users, clip=False)
            - made.predict(users, item, clip=False)
            for item in two_factors.items[:10]
        ]
        assert np.sqrt(np.mean(np.square(off))) < tolerance


@pytest.mark.parametrize(
    ("solver", "options"), [("bayes", {}), ("scipy", {"n_factors": 2, "biased": True, "penalty": 2.0})]
)
def test_a_new_user_is_predicted_nearly_as_well_as_if_he_had_been_there(two_factors, solver, options):
    rest = replace(two_factors.select(two_factors.user_idx < 50), users=two_factors.users[:50])
    made, errors, plain = fit(rest, solver=solver, **options), [], []
    for user in range(50, 60):
        own = own_ratings(two_factors, user)
        told = dict(list(own.items())[::2])
        asked = [item for item in own if item not in told]
        actual = np.array([own[item] for item in asked])
        errors.append(made.fold_in_user(told).predict(asked) - actual)
        plain.append(made.predict("?", asked, unknown="mean") - actual)
    assert np.sqrt(np.mean(np.concatenate(errors) ** 2)) < 0.5 * np.sqrt(np.mean(np.concatenate(plain) ** 2))


class TestNewcomer:
    def test_answers_for_one_label_or_many(self, made):
        new = made.fold_in_user({"i0": 5.0, "i3": 2.0})
        assert type(new.predict("i7")) is float
        np.testing.assert_array_equal(new.predict(["i7", "i1"]), [new.predict("i7"), new.predict("i1")])
        assert new.predict(iter(["i7"])).shape == (1,)
        assert repr(new) == "<Newcomer: user from 2 ratings>"

    def test_keeps_within_the_scale_unless_told_otherwise(self, made):
        high = made.ratings.scale[1]
        new = made.fold_in_user(dict.fromkeys(made.ratings.items, high + 3))
        assert new.predict("i7") <= high < new.predict(list(made.ratings.items), clip=False).max()

    def test_has_intervals_where_the_solver_gives_them(self, two_factors, made):
        assert np.isnan(made.fold_in_user({"i0": 5.0}).predict_interval("i1")).all()
        sure = fit(two_factors)
        few, many = sure.fold_in_user({"i0": 5.0}), sure.fold_in_user(own_ratings(two_factors, 0))
        widths = []
        for new in (few, many):
            low, high = new.predict_interval(list(two_factors.items), clip=False)
            middle = new.predict(list(two_factors.items), clip=False)
            assert ((low < middle) & (middle < high)).all()
            widths.append(np.mean(high - low))
        assert widths[1] < widths[0]
        wide, narrow = (many.predict_interval("i1", level=level, clip=False) for level in (0.9, 0.5))
        assert wide[0] < narrow[0] < narrow[1] < wide[1]
        low, high = few.predict_interval(list(two_factors.items), level=0.99)
        assert low.min() >= two_factors.scale[0]
        assert high.max() == two_factors.scale[1]
        with pytest.raises(OptionError, match="level is 80"):
            many.predict_interval("i1", level=80)

    def test_is_recommended_what_he_has_not_rated(self, made):
        new = made.fold_in_user({"i0": 5.0, "i3": 2.0})
        table = new.recommend(50)
        assert list(table.columns) == ["item", "prediction", "low", "high"]
        assert set(table["item"]) == set(made.ratings.items) - {"i0", "i3"}
        assert table["prediction"].is_monotonic_decreasing
        np.testing.assert_array_equal(table["prediction"], new.predict(list(table["item"])))
        assert len(new.recommend(3)) == 3
        assert len(new.recommend(0)) == 0

    def test_is_recommended_the_best_among_some(self, made):
        new = made.fold_in_user({"i0": 5.0, "i3": 2.0})
        some = ["i0", "i9", "i7", "i2"]
        every = new.recommend(50)
        expected = every[every["item"].isin(some)].reset_index(drop=True)
        pd.testing.assert_frame_equal(new.recommend(among=some), expected)
        assert list(expected["item"]) != some[1:]
        with pytest.raises(UnknownLabelError, match="There is no item 'x'"):
            new.recommend(among=["i9", "x"])

    def test_is_recommended_as_a_known_user_is(self, lesson_ratings):
        named = lesson_ratings.with_names(item_names={49: "Vertigo"}, user_names={293: "Ann"})
        made = fit(named, Model(5, biased=True), solver="scipy", penalty=0.01)
        new = made.fold_in_user(own_ratings(named, 293))
        pd.testing.assert_frame_equal(new.recommend(), made.recommend(293), atol=1e-5)
        pleased = made.fold_in_user(dict.fromkeys(named.items[:8], 5.0))
        clipped, wild = (pleased.recommend(clip=clip)["prediction"] for clip in (None, False))
        assert clipped.max() == 5 < wild.max()
        np.testing.assert_array_equal(clipped, wild.clip(1, 5))
        assert dict(made.fold_in_item({29: 5}).recommend(15)[["user", "name"]].to_numpy())[293] == "Ann"

    def test_item_finds_the_users_who_would_like_it(self, made):
        table = made.fold_in_item({3: 5.0, 4: 1.0}).recommend(5)
        assert list(table.columns) == ["user", "prediction", "low", "high"]
        assert not set(table["user"]) & {3, 4}

    def test_without_ratings_is_the_average_one(self, two_factors, made):
        for some in (made, fit(two_factors)):
            items = list(two_factors.items)
            expected = some.predict("nobody", items, unknown="mean")
            np.testing.assert_allclose(some.fold_in_user({}).predict(items), expected)

    def test_a_series_does_as_well(self, made):
        ratings = {"i0": 5.0, "i3": 2.0}
        assert made.fold_in_user(pd.Series(ratings)).predict("i9") == made.fold_in_user(ratings).predict("i9")

    def test_pairs_and_decimals_do_as_well(self, made):
        expected = made.fold_in_user({"i0": 5.0, "i3": 2.0}).predict("i9")
        assert made.fold_in_user([("i0", 5), ("i3", Decimal("2.0"))]).predict("i9") == expected

    def test_a_frame_does_as_well_its_columns_by_name_or_in_their_order(self, made):
        expected = made.fold_in_user({"i0": 5.0, "i3": 2.0}).predict("i9")
        history = pd.DataFrame({"rating": [5, 2], "userId": [7, 7], "movieId": ["i0", "i3"], "timestamp": [9, 8]})
        for frame in (history, history[["movieId", "rating"]].set_axis(["which", "how much"], axis=1)):
            assert made.fold_in_user(frame).predict("i9") == expected

    @pytest.mark.parametrize("few", [None, 5, [49, 57], [("i0", 5, 1)], pd.DataFrame({"item": ["i0"]})])
    def test_refuses_what_is_no_pairs(self, made, few):
        with pytest.raises(RatingsError, match="a mapping, a Series, a DataFrame or pairs of item and rating"):
            made.fold_in_user(few)

    def test_refuses_a_series_that_rates_an_item_twice(self, made):
        with pytest.raises(RatingsError, match="The item 'i0' is rated twice. Leave one of the two out"):
            made.fold_in_user(pd.Series([5.0, 3.0, 2.0], index=["i0", "i3", "i0"]))
        with pytest.raises(RatingsError, match="The item 'i0' is rated twice"):
            made.fold_in_user({"i0": 3.0, "i0 ": 4.0})

    def test_moves_with_the_ratings(self, made):
        predictions = [made.fold_in_user({"i0": value}).predict("i0", clip=False) for value in (1, 2, 3)]
        assert predictions == sorted(set(predictions))

    def test_names_an_unknown_label(self, made):
        with pytest.raises(UnknownLabelError, match="There is no item 'x'"):
            made.fold_in_user({"x": 3})
        with pytest.raises(UnknownLabelError, match="There is no user 'x'"):
            made.fold_in_item({"x": 3})
        with pytest.raises(UnknownLabelError, match="There is no item 'x'"):
            made.fold_in_user({"i0": 3}).predict(["i1", "x"])

    @pytest.mark.parametrize("value", [np.nan, np.inf, "5", None])
    def test_refuses_what_is_no_rating(self, made, value):
        with pytest.raises(RatingsError, match="item 'i0' is"):
            made.fold_in_user({"i1": 3, "i0": value})

    def test_refuses_a_rating_outside_the_range_of_the_model(self, lesson_ratings):
        squeezed = fit(lesson_ratings, solver="torch", epochs=1)
        with pytest.raises(RatingsError, match="is 7; ratings are finite numbers from 0.5 to 5.5"):
            squeezed.fold_in_user({49: 7})

    def test_needs_factors(self, lesson_ratings):
        network = fit(lesson_ratings, solver="torch", network=Network(layers=(4,)), epochs=1)
        with pytest.raises(FitError, match="no factors"):
            network.fold_in_user({49: 5})

    @pytest.mark.parametrize("solver", ["scipy", "bayes"])
    def test_is_the_same_after_loading(self, two_factors, made, solver, tmp_path):
        some = made if solver == "scipy" else fit(two_factors)
        some.save(tmp_path / "m.xlc")
        again, items = load(tmp_path / "m.xlc"), list(two_factors.items)
        np.testing.assert_array_equal(
            again.fold_in_user({"i0": 5.0}).predict(items), some.fold_in_user({"i0": 5.0}).predict(items)
        )


@pytest.mark.parametrize(("solver", "options"), [("als", {}), ("bayes", {}), ("torch", {"epochs": 2})])
def test_one_user_alone_is_enough_to_fold_in_another(solver, options):
    ratings = Ratings((7,), ("a", "b", "c"), [0, 0, 0], [0, 1, 2], [1.0, 5.0, 2.0])
    made = fit(ratings, solver=solver, **options)
    assert 1 <= made.fold_in_user({"a": 3}).predict("b") <= 5
    assert 1 <= made.fold_in_item({7: 3}).predict(7) <= 5


def test_more_factors_than_the_ratings_have_are_folded_in_too(two_factors):
    made = fit(two_factors, n_factors=45)  # of 40 items: some factors die out, and their prior has no inverse
    own = own_ratings(two_factors, 0)
    folded, items = made.fold_in_user(own), list(two_factors.items)
    np.testing.assert_allclose(folded.predict(items, clip=False), made.predict(0, items, clip=False), atol=0.15)
    assert made.explain(0, "i0").because is not None


def test_a_newcomer_comes_as_a_mapping_a_series_or_pairs(made):
    first, second, third = made.ratings.items[:3]
    told = {first: 5.0, second: 2.0}
    predicted = made.fold_in_user(told).predict(third)
    assert made.fold_in_user(pd.Series(told)).predict(third) == predicted
    assert made.fold_in_user(list(told.items())).predict(third) == predicted
