import pickle
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_regressor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from xlcollab.errors import CellValueError, DuplicateError, FitError, OptionError, RatingsError
from xlcollab.estimator import MatrixFactorization, Prediction
from xlcollab.fitting import fit

LINEAR = {"solver": "scipy", "n_factors": 2, "biased": True, "penalty": 5.0, "restarts": 1}


@pytest.fixture(scope="module")
def frame(lesson_ratings):
    """The lesson's ratings, one a row."""
    return lesson_ratings.to_frame().set_axis(["user", "item", "rating"], axis=1)


@pytest.fixture(scope="module")
def made(frame):
    return MatrixFactorization(**LINEAR).fit(frame[["user", "item"]], frame["rating"])


class TestFit:
    def test_gives_the_fit_of_the_library(self, made, frame, lesson_ratings):
        expected = fit(lesson_ratings, **LINEAR)
        pairs = frame[["user", "item"]]
        np.testing.assert_allclose(made.predict(pairs), expected.predict(pairs["user"], pairs["item"]), atol=1e-6)
        assert (made.n_factors_, made.n_features_in_, made.fit_.solver) == (2, 2, "scipy")

    def test_takes_ratings_in_one_column_of_a_table(self, made, frame):
        again = MatrixFactorization(**LINEAR).fit(frame[["user", "item"]], frame[["rating"]])
        np.testing.assert_array_equal(again.predict(frame[["user", "item"]]), made.predict(frame[["user", "item"]]))
        assert again.score(frame[["user", "item"]], frame[["rating"]]) == made.score(
            frame[["user", "item"]], frame["rating"]
        )
        with pytest.raises(RatingsError, match=r"206 pairs and y ratings of shape \(205,\)"):
            made.score(frame[["user", "item"]], frame["rating"][1:])

    def test_takes_pairs_in_any_form(self, made, frame):
        X, y = frame[["user", "item"]], frame["rating"]
        turned = frame[["rating", "item", "user"]]
        forms = [
            (X.to_numpy(), y.to_numpy()),
            (X.to_numpy(dtype=float), y.tolist()),
            (X.to_numpy().tolist(), y.tolist()),
            (X.set_axis(["x", "z"], axis=1), y),
            (turned, y.to_numpy(dtype=np.float32)),
            (X.astype("category"), y),
            (X.sample(frac=1, random_state=0).sort_index(), y),
        ]
        for given, ratings in forms:
            again = MatrixFactorization(**LINEAR).fit(given, ratings)
            assert again.fit_.ratings.equals(made.fit_.ratings)
            np.testing.assert_allclose(again.predict(given), made.predict(X), atol=1e-9)

    def test_takes_ratings_in_any_form_without_y(self, made, frame, lesson_ratings, tmp_path):
        path = tmp_path / "ratings.csv"
        frame.to_csv(path, index=False)
        for given in (lesson_ratings, frame, frame.to_numpy(), lesson_ratings.crosstab_frame(), path, str(path)):
            assert MatrixFactorization(**LINEAR).fit(given).fit_.ratings.equals(made.fit_.ratings)

    def test_labels_keep_their_types(self):
        rows = [(1, "a"), (1, "b"), ("x", "a"), ("x", "c"), (2, "b"), (2, "c")]
        again = MatrixFactorization(**{**LINEAR, "n_factors": 1}).fit(rows, [1, 2, 3, 4, 5, 4])
        assert set(again.fit_.ratings.users) == {1, 2, "x"}
        assert again.known([(1, "a"), ("1", "a"), ("x", "c")]).tolist() == [True, False, True]

    def test_forgets_what_it_was_fitted_to_before(self, frame, made):
        X, y = frame[["user", "item"]], frame["rating"]
        again = MatrixFactorization(**LINEAR).fit(X[:150], y[:150]).fit(X, y)
        np.testing.assert_array_equal(again.predict(X), made.predict(X))

    @pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
    def test_refuses_ratings_that_are_not_finite(self, wrong, frame):
        y = frame["rating"].to_numpy().copy()
        y[3] = wrong
        with pytest.raises(CellValueError, match=rf"Row 3 .* holds {wrong} as a rating"):
            MatrixFactorization().fit(frame[["user", "item"]], y)

    @pytest.mark.parametrize(
        ("X", "y", "words"),
        [
            ([(1, 2), (3, 4)], [1.0], "2 pairs and y ratings of shape"),
            ([(1, 2), (3, 4)], [[1.0, 2.0], [2.0, 3.0]], r"shape \(2, 2\)"),
            ([1, 2], [1.0, 2.0], r"list of shape \(2,\) is no table"),
            ([[1], [2]], [1.0, 2.0], "X has 1 column"),
            ([(1, 2), (3, 4)], None, "X holds no ratings"),
            (pd.DataFrame({"user": [1, None], "item": [1, 2]}), [1.0, 2.0], "Row 1 of the DataFrame has no user"),
        ],
    )
    def test_refuses_what_are_no_ratings(self, X, y, words):
        with pytest.raises(RatingsError, match=words):
            MatrixFactorization().fit(X, y)

    def test_says_what_to_do_with_pairs_that_repeat(self, frame):
        twice = pd.concat([frame, frame.assign(rating=3.0)])
        with pytest.raises(DuplicateError, match="both rate item"):
            MatrixFactorization(**LINEAR).fit(twice)
        again = MatrixFactorization(duplicates="last", **LINEAR)
        with pytest.raises(FitError, match="All 206 ratings are 3"):
            again.fit(twice)

    def test_validates_what_the_constructor_stored(self, frame):
        for wrong, words in (({"penality": 1.0}, "penality"), ({"seed": -1}, "seed is -1"), ({"solver": "x"}, "'x'")):
            with pytest.raises(OptionError, match=words):
                MatrixFactorization(**{**LINEAR, **wrong}).fit(frame)


class TestPredict:
    def test_answers_for_unknown_labels_by_the_best_that_is_known(self, made):
        pairs = [(293, 49), (293, "no such film"), (-1, 49), (-1, "no such film")]
        assert made.known(pairs).tolist() == [True, False, False, False]
        predicted = made.predict(pairs)
        users, items = [293, 293, -1, -1], [49, "no such film", 49, "no such film"]
        np.testing.assert_array_equal(predicted, made.fit_.predict(users, items, unknown="mean"))
        assert len(set(predicted)) == 4

    def test_knows_all_that_it_was_fitted_to_blanks_around_labels_or_not(self, frame, made):
        X, y = frame[["user", "item"]].map("{} ".format), frame["rating"]
        spaced = MatrixFactorization(**LINEAR).fit(X, y)
        assert spaced.known(X).all()
        assert spaced.score(X, y) == pytest.approx(made.score(frame[["user", "item"]], y), abs=1e-6)
        assert spaced.fit_.predict(" 293", "49 ") == spaced.fit_.predict("293", "49")

    def test_keeps_to_the_scale_unless_told_otherwise(self, frame):
        X, y = frame[["user", "item"]], frame["rating"]
        loose = {**LINEAR, "n_factors": 5, "penalty": 0.1}
        grid = [(u, i) for u in frame["user"].unique() for i in frame["item"].unique()]
        assert MatrixFactorization(**loose).fit(X, y).predict(grid).max() == 5
        assert MatrixFactorization(clip=False, **loose).fit(X, y).predict(grid).max() > 5

    def test_scores_as_every_regressor_does(self, made, frame):
        X, y = frame[["user", "item"]], frame["rating"]
        assert made.score(X, y) == pytest.approx(r2_score(y, made.predict(X)), rel=1e-12)
        assert np.isnan(made.score(X, np.full(len(X), 3.0)))

    def test_knows_how_sure_it_is(self, made, frame):
        X = frame[["user", "item"]]
        assert np.isnan(made.predict_interval(X)[0]).all()
        low, high = MatrixFactorization().fit(frame).predict_interval(X, level=0.5)
        assert (low <= high).all()
        assert 0.3 < np.mean((low <= frame["rating"]) & (frame["rating"] <= high)) < 0.9

    def test_before_fit_says_so(self, frame):
        for method in ("predict", "known", "predict_interval", "test"):
            with pytest.raises(FitError, match="has not been fitted yet. Call fit first") as caught:
                getattr(MatrixFactorization(), method)(frame)
            assert isinstance(caught.value, ValueError)
            assert isinstance(caught.value, AttributeError)


class TestSurpriseHabits:
    def test_tests_rows_of_user_item_and_rating(self, made, frame):
        for given in (list(frame[:5].itertuples(index=False, name=None)), frame[:5], frame[:5].to_numpy(dtype=object)):
            answers = made.test(given)
            assert [(one.uid, one.iid, one.r_ui) for one in answers] == list(
                frame[:5].itertuples(index=False, name=None)
            )
            assert [one.est for one in answers] == made.predict(frame[:5]).tolist()
            assert all(one.details == {"was_impossible": False} for one in answers)

    def test_flags_what_it_does_not_know(self, made):
        (answer,) = made.test([(293, "no such film", 4.0)])
        assert answer == Prediction(293, "no such film", 4.0, answer.est, {"was_impossible": True})
        assert 1 <= answer.est <= 5

    def test_tests_ratings(self, made, lesson_ratings):
        answers = made.test(lesson_ratings)
        error = [answer.est - answer.r_ui for answer in answers]
        assert np.sqrt(np.mean(np.square(error))) == pytest.approx(made.fit_.rmse, rel=1e-9)


class TestScikitLearn:
    def test_clones_it(self):
        one = MatrixFactorization(n_factors=3, y_range=(0, 6), solver="scipy", penalty=2.0)
        two = clone(one)
        assert two.get_params() == one.get_params()
        assert two.get_params()["penalty"] == 2.0
        assert repr(two) == "MatrixFactorization(n_factors=3, y_range=(0, 6), solver='scipy', penalty=2.0)"
        assert repr(MatrixFactorization(y_range=np.array([0, 6]))) == "MatrixFactorization(y_range=array([0, 6]))"

    def test_takes_it_for_a_regressor(self):
        assert is_regressor(MatrixFactorization())

    def test_tells_it_that_columns_hold_labels_of_any_kind(self):
        tags = MatrixFactorization().__sklearn_tags__().input_tags
        assert tags.categorical
        assert tags.string

    def test_searches_over_its_settings(self, frame):
        X, y = frame[["user", "item"]], frame["rating"]
        folds = KFold(3, shuffle=True, random_state=0)
        search = GridSearchCV(
            MatrixFactorization(**LINEAR),
            {"penalty": [0.5, 5.0], "n_factors": [1, 2]},
            scoring="neg_root_mean_squared_error",
            cv=folds,
        )
        search.fit(X, y)
        by_hand = {
            (k, penalty): -np.mean(
                [
                    np.sqrt(np.mean((self.fold(X, y, train, penalty, k).predict(X.iloc[test]) - y.iloc[test]) ** 2))
                    for train, test in folds.split(X)
                ]
            )
            for k in (1, 2)
            for penalty in (0.5, 5.0)
        }
        best = max(by_hand, key=by_hand.get)
        assert (search.best_params_["n_factors"], search.best_params_["penalty"]) == best
        assert search.best_score_ == pytest.approx(by_hand[best], rel=1e-9)
        assert search.best_estimator_.fit_.options["penalty"] == best[1]
        assert search.predict(X).shape == (206,)

    def fold(self, X, y, train, penalty, k):
        settings = {**LINEAR, "penalty": penalty, "n_factors": k}
        return MatrixFactorization(**settings).fit(X.iloc[train], y.iloc[train])

    def test_searches_over_solvers(self, frame):
        search = GridSearchCV(MatrixFactorization(), {"solver": ["bayes", "scipy"], "n_factors": [1]}, cv=3)
        search.fit(frame[["user", "item"]].to_numpy(), frame["rating"].to_numpy())
        assert search.cv_results_["mean_test_score"].shape == (2,)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_cross_validates_with_folds_that_miss_a_label(self, frame):
        by_user = frame.sort_values("user")  # each third holds users whom the others do not know
        scores = cross_val_score(
            MatrixFactorization(**LINEAR),
            by_user[["user", "item"]],
            by_user["rating"],
            cv=3,
            scoring="neg_mean_absolute_error",
            error_score="raise",
        )
        assert (scores > -2).all()
        several = cross_validate(
            MatrixFactorization(**LINEAR),
            frame[["user", "item"]],
            frame["rating"],
            cv=2,
            scoring=("r2", "neg_max_error"),
        )
        assert {"test_r2", "test_neg_max_error", "fit_time"} <= several.keys()

    def test_ends_a_pipeline(self, frame, made):
        pipeline = make_pipeline(FunctionTransformer(lambda df: df[["user", "item"]]), MatrixFactorization(**LINEAR))
        pipeline.fit(frame, frame["rating"])
        np.testing.assert_array_equal(pipeline.predict(frame), made.predict(frame))
        pipeline.set_params(matrixfactorization__penalty=9.0)
        assert pipeline.get_params()["matrixfactorization__penalty"] == 9.0
        assert pipeline.score(frame, frame["rating"]) == made.score(frame, frame["rating"])

    @pytest.mark.parametrize(
        "check",
        [
            "check_estimator_cloneable",
            "check_estimator_repr",
            "check_estimator_tags_renamed",
            "check_get_params_invariance",
            "check_no_attributes_set_in_init",
            "check_parameters_default_constructible",
            "check_set_params",
            "check_valid_tag_types",
        ],
    )
    def test_has_nothing_against_its_parameters(self, check):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scikit-learn's own
            getattr(estimator_checks, check)("MatrixFactorization", MatrixFactorization(solver="scipy", n_factors=2))

    def test_fit_changes_no_parameter_and_names_what_it_adds(self, frame):
        one = MatrixFactorization(**LINEAR)
        before = one.get_params()
        assert one.fit(frame) is one
        assert one.get_params() == before
        assert {name for name in vars(one) if name not in before} == {"fit_", "n_factors_", "n_features_in_"}

    @pytest.mark.parametrize("name", ["start", "valid"])
    def test_cannot_bring_ratings_into_every_fold(self, name, lesson_ratings):
        given = {"start": fit(lesson_ratings, solver="als"), "valid": lesson_ratings}[name]
        for give in (
            lambda: MatrixFactorization(**{name: given}),
            lambda: MatrixFactorization().set_params(**{name: given}),
        ):
            with pytest.raises(OptionError, match=f"'{name}' cannot be .* would be known in the folds"):
                give()

    def test_its_names_cannot_be_taken(self):
        for name in ("fit", "fit_", "_private"):
            with pytest.raises(OptionError, match=f"'{name}' cannot be a parameter"):
                MatrixFactorization().set_params(**{name: 1})

    def test_travels_to_another_process(self, made, frame):
        again = pickle.loads(pickle.dumps(made))
        np.testing.assert_array_equal(again.predict(frame), made.predict(frame))

    def test_is_not_needed(self):
        code = (
            "import sys; sys.modules['sklearn'] = None\n"
            "from xlcollab.estimator import MatrixFactorization\n"
            "one = MatrixFactorization(solver='scipy', n_factors=1, biased=True, penalty=1.0)\n"
            "one.fit([(1, 1), (1, 2), (2, 1), (2, 2)], [1, 2, 3, 5])\n"
            "print(one, one.predict([(2, 2)]).round(0))"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith("MatrixFactorization(n_factors=1")


def test_duplicates_in_a_file_are_merged_as_in_a_frame(tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("user,item,rating\n1,a,2\n1,a,4\n1,b,3\n2,a,5\n2,b,1\n")
    made = MatrixFactorization(solver="als", n_factors=1, duplicates="last").fit(path)
    assert len(made.fit_.ratings) == 4
    assert made.fit_.ratings.scale == (1, 5)
