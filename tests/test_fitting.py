import re
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import (
    FitError,
    NotConvergedError,
    OptionError,
    RatingsError,
    TooManyFactorsWarning,
    UnratedLabelWarning,
)
from xlcollab.fitting import fit, shown_fit
from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.solvers import SOLVERS, make_solver, solver_options


def ratings_of(values, users=3):
    at = np.arange(len(values))
    return Ratings(tuple(range(users)), tuple("abcdef"), at % users, at // users, values)


class TestInput:
    def test_may_be_ratings_a_long_frame_a_crosstab_or_a_path(self, lesson_ratings, tmp_path):
        path = tmp_path / "ratings.csv"
        lesson_ratings.to_frame().to_csv(path, index=False)
        inputs = (lesson_ratings, lesson_ratings.to_frame(), lesson_ratings.crosstab_frame(), path, str(path))
        errors = [fit(given, solver="scipy").rmse for given in inputs]
        assert errors == pytest.approx([errors[0]] * 5, abs=1e-9)

    def test_may_be_rows_of_user_item_and_rating(self, lesson_ratings):
        frame = lesson_ratings.to_frame()
        expected = fit(frame, solver="als")
        assert fit(frame.to_numpy(), solver="als").ratings.equals(lesson_ratings)
        assert fit(frame.to_numpy().tolist(), solver="als").rmse == expected.rmse
        named = fit([("Ann", "Up", 4.0), ("Ann", "Big", 2.0), ("Bob", "Up", 5.0)], solver="als")
        assert named.ratings.users == ("Ann", "Bob")

    @pytest.mark.parametrize("wrong", [None, 3, [1.0, 2.0], np.zeros(3), np.zeros((2, 2))])
    def test_that_is_no_table_is_refused(self, wrong):
        with pytest.raises(RatingsError, match="is no table of ratings|ratings need three"):
            fit(wrong)

    def test_a_solver_in_the_models_place_is_refused_with_the_way_out(self, lesson_ratings):
        with pytest.raises(OptionError, match="model is 'scipy'; it is a Model, and a solver is named as solver=…"):
            fit(lesson_ratings, "scipy")

    def test_the_model_may_be_given_whole_in_parts_or_mended(self, lesson_ratings):
        whole = fit(lesson_ratings, Model(3, biased=True), solver="scipy")
        parts = fit(lesson_ratings, n_factors=3, biased=True, solver="scipy")
        mended = fit(lesson_ratings, Model(4, biased=True), n_factors=3, solver="scipy")
        assert whole.model == parts.model == mended.model
        assert whole.rmse == parts.rmse == mended.rmse

    def test_a_range_may_come_alone(self, lesson_ratings):
        made = fit(lesson_ratings, y_range=(0, 6), solver="scipy", penalty=1.0, restarts=1)
        assert made.model == Model(5, y_range=(0.0, 6.0))

    def test_without_ratings_is_refused(self):
        with pytest.raises(RatingsError, match="no ratings"):
            fit(Ratings((1,), (2,), [], [], []), solver="scipy")

    def test_of_equal_ratings_is_refused(self):
        with pytest.raises(FitError, match="All 6 ratings are 4"):
            fit(ratings_of([4.0] * 6), solver="scipy")

    def test_ratings_outside_the_range_are_named(self):
        with pytest.raises(OptionError, match=r"User 1 rated item 'b' 5.5, outside the y_range 0 to 5. Widen it"):
            fit(ratings_of([1, 2, 3, 4, 5.5, 5]), y_range=(0, 5), solver="scipy")

    @pytest.mark.parametrize("seed", [-1, 1.5, True, "one", None])
    def test_a_seed_is_a_whole_number(self, lesson_ratings, seed):
        with pytest.raises(OptionError, match="seed is"):
            fit(lesson_ratings, solver="scipy", seed=seed)

    @pytest.mark.parametrize("option", ["biased", "clip", "strict"])
    def test_what_is_neither_true_nor_false_is_refused(self, lesson_ratings, option):
        with pytest.raises(OptionError, match=f"{option} is 'no'; it is True or False"):
            fit(lesson_ratings, solver="scipy", **{option: "no"})


class TestSolvers:
    def test_that_do_not_exist_are_refused_with_the_choices(self, lesson_ratings):
        with pytest.raises(OptionError, match="no solver 'spark'; choose one of scipy, torch"):
            fit(lesson_ratings, solver="spark")

    def test_options_are_refused_with_the_choices_and_the_nearest(self, lesson_ratings):
        with pytest.raises(
            OptionError, match=r"no option 'penality'; it has restarts, penalty.*Did you mean penalty\?"
        ):
            fit(lesson_ratings, solver="scipy", penality=1)

    def test_options_are_their_fields(self):
        assert list(solver_options("scipy")) == ["restarts", "penalty", "bias_penalty", "max_iterations", "method"]
        assert make_solver("scipy", restarts=3).restarts == 3

    def test_are_registered_by_a_string_each(self):
        assert all(":" in place for place in SOLVERS.values())


class TestHoldingOut:
    def test_a_fraction_is_split_off_by_the_seed(self, lesson_ratings):
        one, same, other = (
            fit(lesson_ratings, Model(1), solver="scipy", valid_pct=0.2, seed=seed) for seed in (1, 1, 2)
        )
        assert (len(one.ratings), len(one.valid)) == (165, 41)
        np.testing.assert_array_equal(one.valid.values, same.valid.values)
        assert one.valid_rmse == same.valid_rmse != other.valid_rmse

    def test_the_error_is_that_of_the_clipped_predictions(self, lesson_ratings):
        train, valid = lesson_ratings.split(valid_pct=0.2, seed=1)
        users, items = [valid.users[at] for at in valid.user_idx], [valid.items[at] for at in valid.item_idx]
        for clip in (True, False):
            made = fit(train, Model(3), solver="scipy", valid=valid, clip=clip)
            error = made.predict(users, items) - valid.values
            assert made.valid_rmse == pytest.approx(np.sqrt(np.mean(error**2)))
        assert fit(train, Model(3), solver="scipy", valid=valid).valid_rmse < made.valid_rmse

    def test_held_out_ratings_may_come_in_any_form_too(self, lesson_ratings, tmp_path):
        train, valid = lesson_ratings.split()
        valid.to_frame().to_csv(tmp_path / "valid.csv", index=False)
        expected = fit(train, solver="als", valid=valid).valid_rmse
        for some in (valid.to_frame(), tmp_path / "valid.csv", valid.crosstab_frame()):
            assert fit(train, solver="als", valid=some).valid_rmse == pytest.approx(expected, rel=1e-12)

    def test_nothing_held_out_has_no_error(self, lesson_ratings):
        assert fit(lesson_ratings, solver="scipy").valid_rmse is None

    def test_is_by_ratings_or_by_fraction_not_both(self, lesson_ratings):
        train, valid = lesson_ratings.split()
        with pytest.raises(OptionError, match="not both"):
            fit(train, solver="scipy", valid=valid, valid_pct=0.1)

    def test_held_out_ratings_that_are_fitted_to_are_refused(self, lesson_ratings):
        _, valid = lesson_ratings.split(0.2, seed=0)
        with pytest.raises(RatingsError, match="41 of 41 held-out ratings are training ratings too"):
            fit(lesson_ratings, solver="scipy", valid=valid)

    @pytest.mark.parametrize(
        ("users", "items", "named"), [(str, int, "user '293' is 293"), (int, str, "item '49' is 49")]
    )
    def test_labels_of_another_type_are_refused(self, lesson_ratings, users, items, named):
        valid = Ratings.from_arrays([users(293), users(7)], [items(49), items(57)], [4.0, 3.0])
        with pytest.raises(RatingsError, match=f"Held-out {named} in the training ratings.*the same type"):
            fit(lesson_ratings, solver="als", valid=valid)

    def test_others_labels_are_matched_and_unknown_ones_predicted_as_the_average(self, lesson_ratings):
        valid = Ratings.from_arrays([293, 546, 10**6], [49, 27, 27], [4.0, 3.0, 2.0])
        made = fit(lesson_ratings, Model(2, biased=True), solver="scipy", penalty=3.0, valid=valid)
        known = made.predict([293, 546], [49, 27])
        unknown = made.predict(10**6, 27, unknown="mean")
        error = np.append(known, unknown) - [4.0, 3.0, 2.0]
        assert made.valid_rmse == pytest.approx(np.sqrt(np.mean(error**2)))

    def test_the_solver_sees_others_labels_matched_and_none_that_are_unknown(self, lesson_ratings):
        valid = Ratings.from_arrays([293, 546, 10**6], [49, 27, 27], [4.0, 3.0, 2.0])
        made = fit(lesson_ratings, Model(2, biased=True), solver="als", valid=valid)
        error = made.predict([293, 546], [49, 27]) - [4.0, 3.0]
        assert made.history["valid_rmse"].iloc[-1] == pytest.approx(np.sqrt(np.mean(error**2)))


class TestEnding:
    def test_strict_raises_with_the_sentence_of_the_fit(self, lesson_ratings):
        with pytest.raises(NotConvergedError, match="The iteration limit came before a minimum") as caught:
            fit(lesson_ratings, solver="scipy", max_iterations=1, strict=True)
        assert caught.value.exit_code == 3

    def test_otherwise_it_is_a_status(self, lesson_ratings):
        made = fit(lesson_ratings, solver="scipy", max_iterations=1, restarts=1)
        assert not made.converged
        assert made.status.value == "limit"


@pytest.mark.filterwarnings("ignore::xlcollab.errors.UnratedLabelWarning")
@pytest.mark.parametrize(("solver", "options"), [("als", {}), ("scipy", {"penalty": 2.0}), ("scipy", {})])
@pytest.mark.parametrize("biased", [True, False])
def test_the_unrated_are_the_average_of_those_who_are_rated(lesson_ratings, solver, options, biased):
    known = (lesson_ratings.user_idx != 3) & (lesson_ratings.item_idx != 5)
    table = fit(lesson_ratings.select(known), Model(2, biased), solver=solver, **options).predict_matrix(clip=False)
    np.testing.assert_allclose(table[3], np.delete(table, 3, axis=0).mean(axis=0))
    np.testing.assert_allclose(table[:, 5], np.delete(table, 5, axis=1).mean(axis=1))


class TestWarnings:
    def test_name_users_and_items_without_a_rating(self):
        ratings = Ratings(
            (1, 2, 3, 4, 5, 6), ("a", "b", "c"), [0, 0, 1, 1, 1], [0, 1, 0, 1, 1][:5], [1, 2, 3, 4, 5]
        ).select([0, 1, 2, 3])
        with pytest.warns(UnratedLabelWarning) as seen:
            fit(ratings, Model(0, True), solver="scipy", penalty=0.1)
        assert [str(warning.message) for warning in seen] == [
            "4 users have no rating (3, 4, 5, …) and can only be predicted by mean and bias.",
            "Item 'c' has no rating and can only be predicted by mean and bias.",
        ]

    def test_count_more_parameters_than_ratings(self, lesson_ratings):
        few = lesson_ratings.select(np.arange(80))
        with pytest.warns() as seen:
            fit(few, Model(5), solver="scipy")
        (message,) = (str(w.message) for w in seen if w.category is TooManyFactorsWarning)
        assert "free parameters for 80 ratings" in message

    def test_tell_of_blank_cells_predicted_far_off_the_scale(self, lesson_ratings):
        with pytest.warns(TooManyFactorsWarning, match="predicts some blank cells") as seen:
            fit(lesson_ratings, Model(8), solver="scipy", restarts=1)
        assert 5 < int(re.search(r"(\d+) widths of the rating scale", str(seen[0].message))[1]) < 50

    def test_are_not_given_under_a_penalty(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            made = fit(ratings_of([1, 2, 3, 4, 5, 5], users=1), Model(5), solver="scipy", penalty=1.0)
        assert made.penalised
        assert seen == []


class TestShownFit:
    def test_is_never_an_unpenalised_minimum(self, lesson_ratings):
        sheet = fit(lesson_ratings, solver="scipy")
        assert shown_fit([sheet]) is None

    def test_is_the_last_penalised_one(self, lesson_ratings):
        sheet = fit(lesson_ratings, solver="scipy")
        one, two = (fit(lesson_ratings, solver="scipy", penalty=penalty) for penalty in (1.0, 2.0))
        assert shown_fit([one, two, sheet]) is two

    def test_is_one_that_knows_how_sure_it_is_where_there_is_one(self, lesson_ratings):
        first, last = (fit(lesson_ratings, solver="als") for _ in range(2))
        sure = fit(lesson_ratings, solver="bayes")
        assert shown_fit([first, sure, last]) is sure


def test_frames_come_by_label_with_types_kept():
    frame = pd.DataFrame({"user": [27, 27, 8], "item": ["x", "y", "x"], "rating": [1, 2, 4.5]})
    made = fit(frame, Model(1, biased=True), solver="scipy", penalty=0.5)
    assert list(made.user_factors.index) == [8, 27]
    assert all(type(label) is int for label in made.user_factors.index)
    assert list(made.item_bias.index) == ["x", "y"]
    assert made.predictions().loc[27, "y"] == made.predict(27, "y")


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import xlcollab.fitting", {"scipy", "torch", "pandas", "openpyxl"}),
        (
            "from xlcollab.fitting import fit; from xlcollab.ratings import Ratings;"
            " fit(Ratings((1, 2), (1, 2), [0, 0, 1, 1], [0, 1, 0, 1], [1, 2, 3, 5]), n_factors=1, solver='scipy')",
            {"torch", "pandas", "scipy.optimize", "scipy.sparse"},
        ),
    ],
)
def test_loads_no_more_than_it_needs(code, absent):
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not absent & set(done.stdout.split())


def test_blas_has_one_thread_during_a_fit_and_all_of_them_again_after_it(lesson_ratings):
    from threadpoolctl import threadpool_info, threadpool_limits

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen = []
    with threadpool_limits(limits=2, user_api="blas"):
        fit(lesson_ratings, solver="als", on_progress=lambda _: seen.append(threads()))
        after = threads()
    assert seen
    assert all(during == {1} for during in seen)
    assert after == {2}


def test_a_slip_in_a_word_of_fit_itself_is_guessed():
    with pytest.raises(OptionError, match=r"no option 'n_factor'; .* Did you mean n_factors\?"):
        fit([(1, 1, 3.0), (1, 2, 4.0)], n_factor=2)


@pytest.mark.parametrize(
    ("solver", "theirs", "ours"),
    [("bayes", "random_state", "seed"), ("als", "iterations", "max_sweeps"), ("torch", "wd", "weight_decay")],
)
def test_the_words_of_other_libraries_are_understood_in_errors(solver, theirs, ours):
    with pytest.raises(OptionError, match=rf"no option '{theirs}'; .* Did you mean {ours}\?"):
        fit([(1, 1, 3.0), (1, 2, 4.0)], solver=solver, **{theirs: 1})
