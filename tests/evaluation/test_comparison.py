import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import OptionError
from xlcollab.evaluation import (
    ByUser,
    GivenSplits,
    KFold,
    LeaveOneOut,
    ShuffleSplit,
    compare,
    cross_validate,
    evaluate,
    evaluate_each,
)
from xlcollab.model import Model

LINEAR = {"solver": "scipy", "n_factors": 2, "biased": True, "penalty": 2.0, "restarts": 1}
FIGURES = ["rmse", "mae", "inside", "fit_seconds", "predict_seconds", "n_train", "n_test", "unknown"]


class TestCrossValidate:
    def test_has_a_row_for_each_fold_then_mean_and_sd(self, planted):
        table = cross_validate(planted, k=3, seed=2, **LINEAR)
        errors = [evaluate(*pair, seed=2, **LINEAR).rmse for pair in KFold(3, seed=2).split(planted)]
        assert table.index.tolist() == [1, 2, 3, "mean", "sd", "pooled"]
        assert table.columns.tolist() == FIGURES
        assert table["rmse"].tolist() == pytest.approx(
            [
                *errors,
                np.mean(errors),
                np.std(errors, ddof=1),
                np.sqrt(np.average(np.square(errors), weights=[234, 233, 233])),
            ]
        )
        assert table["n_test"].tolist()[:3] == [234, 233, 233]
        assert table["inside"].isna().all()

    def test_takes_other_splits_and_measures_lists(self, planted):
        table = cross_validate(planted, splits=ByUser(n=2, k=2), n=5, relevant=4, **LINEAR)
        assert len(table) == 5
        assert set(table.columns) == {*FIGURES, "precision", "recall", "ndcg", "map", "coverage"}
        assert table.loc["mean", "recall"] > 0

    def test_searches_settings_within_each_fold(self, planted):
        free = {name: value for name, value in LINEAR.items() if name != "penalty"}
        grid = {"penalty": [0.5, 2.0]}
        table = cross_validate(planted, k=2, grid=grid, **free)
        expected = [evaluate(*pair, grid=grid, **free).rmse for pair in KFold(2).split(planted)]
        assert table["rmse"].tolist()[:2] == pytest.approx(expected)

    def test_pools_all_ratings_that_were_left_out_one_at_a_time(self, planted):
        few = planted.select(np.arange(60))
        settings = {"n_factors": 0, "biased": True, "solver": "als"}
        table = cross_validate(few, splits=LeaveOneOut(), **settings)
        errors = [evaluate(*pair, **settings).mae for pair in LeaveOneOut().split(few)]
        assert table.loc["pooled", "rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
        assert [table.loc["pooled", "mae"], table.loc["mean", "rmse"]] == pytest.approx([np.mean(errors)] * 2)
        assert table.loc["pooled", "n_test"] == 60
        assert compare(few, [settings], splits=LeaveOneOut())["pooled"].tolist() == [table.loc["pooled", "rmse"]]

    def test_pools_the_share_inside(self, planted):
        table = cross_validate(planted, k=3, max_sweeps=5)
        inside, sizes = table["inside"].iloc[:3], table["n_test"].iloc[:3]
        assert table.loc["pooled", "inside"] == pytest.approx(np.average(inside, weights=sizes))

    def test_one_split_has_no_spread(self, planted):
        table = cross_validate(planted, splits=ShuffleSplit(), **LINEAR)
        assert table.index.tolist() == [1, "mean", "sd", "pooled"]
        assert np.isnan(table.loc["sd", "rmse"])


@pytest.fixture(scope="module")
def table(planted):
    return compare(planted, {"firm": {**LINEAR, "penalty": 9.0}, "middling": LINEAR, "best": "bayes"}, splits=4, seed=1)


class TestCompare:
    def test_the_least_error_stands_first(self, table):
        assert table.index.name == "solver"
        assert table.index.tolist() == ["best", "middling", "firm"]
        assert table["rmse"].is_monotonic_increasing
        assert table.columns.tolist() == ["rmse", "rmse_sd", "behind", "behind_se", "pooled", *FIGURES[1:], "splits"]
        assert (table["splits"] == 4).all()

    def test_all_meet_the_same_splits(self, table, planted):
        errors = [evaluate(*pair, seed=1, **LINEAR).rmse for pair in KFold(4, seed=1).split(planted)]
        assert table.loc["middling", "rmse"] == pytest.approx(np.mean(errors))
        assert table.loc["middling", "rmse_sd"] == pytest.approx(np.std(errors, ddof=1))

    def test_differences_are_paired_and_their_error_allows_for_shared_training_ratings(self, table, planted):
        one, two = (
            np.array([evaluate(*pair, seed=1, **own).rmse for pair in KFold(4, seed=1).split(planted)])
            for own in (LINEAR, {})
        )
        assert table.loc["middling", "behind"] == pytest.approx(np.mean(one - two))
        assert table.loc["middling", "behind_se"] == pytest.approx(np.sqrt((1 / 4 + 1 / 3) * np.var(one - two, ddof=1)))
        assert table.iloc[0][["behind", "behind_se"]].tolist() == [0, 0]

    def test_one_split_gives_no_error_of_the_difference(self, planted):
        table = compare(planted, [LINEAR, {**LINEAR, "penalty": 5.0}], splits=ShuffleSplit())
        assert table["behind_se"].isna().all()
        assert set(table.index) == {
            "scipy, n_factors=2, biased=True, penalty=2.0, restarts=1",
            "scipy, n_factors=2, biased=True, penalty=5.0, restarts=1",
        }

    def test_settings_for_all_give_way_to_a_solvers_own(self, planted):
        shared = {name: value for name, value in LINEAR.items() if name != "solver"}
        table = compare(planted, ["scipy", {"solver": "scipy", "penalty": 9.0}], splits=2, n=5, **shared)
        alone = compare(planted, [{**LINEAR, "penalty": 9.0}], splits=2)
        assert table.loc["scipy, penalty=9.0", "rmse"] == pytest.approx(alone["rmse"].iloc[0])
        assert table["ndcg"].notna().all()

    def test_given_splits_need_no_other_ratings(self, planted, tmp_path):
        pairs = list(KFold(2).split(planted))
        files = []
        for number, pair in enumerate(pairs):
            paths = tmp_path / f"u{number}.base", tmp_path / f"u{number}.test"
            for part, path in zip(pair, paths, strict=True):
                part.to_frame().to_csv(path, sep="\t", index=False, header=False)
            files.append(paths)
        by_file = compare(None, [LINEAR], splits=GivenSplits(*files))
        assert by_file["rmse"].iloc[0] == pytest.approx(compare(planted, [LINEAR], splits=2)["rmse"].iloc[0], abs=1e-6)
        with pytest.raises(OptionError, match="Pass ratings to split"):
            compare(None, ["bayes"])

    @pytest.mark.parametrize(
        ("solvers", "words"),
        [
            ([], "give a list"),
            ("bayes", "give a list"),
            (5, "give a list"),
            (["bayes", "bayes"], "stands among the solvers twice"),
            ([Model(2)], "Model.* is no solver: give its name, or settings such as {'solver': 'als'}"),
            ({"mine": 5}, "5 is no solver"),
        ],
    )
    def test_what_cannot_be_compared_is_refused(self, solvers, words, planted):
        with pytest.raises(OptionError, match=words):
            compare(planted, solvers)


def test_each_split_and_solver_has_a_row(planted):
    rows = evaluate_each(planted, ["bayes", LINEAR], splits=KFold(2))
    assert isinstance(rows, pd.DataFrame)
    assert rows["split"].tolist() == [1, 1, 2, 2]
    assert rows["solver"].nunique() == 2
    assert rows.columns.tolist() == ["solver", "split", *FIGURES]


def test_a_number_of_folds_is_enough_everywhere(planted):
    one = cross_validate(planted, solver="als", n_factors=1, splits=np.int64(2))
    assert one.loc["pooled", "rmse"] == cross_validate(planted, solver="als", n_factors=1, k=2).loc["pooled", "rmse"]
