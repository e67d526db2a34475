from dataclasses import replace

import numpy as np
import pytest

from xlcollab.errors import OptionError, RatingsError
from xlcollab.evaluation import KFold, evaluate, rank, search
from xlcollab.fitting import fit, load
from xlcollab.model import Model
from xlcollab.ratings import Ratings

LINEAR = {"solver": "scipy", "n_factors": 2, "biased": True, "penalty": 2.0, "restarts": 1}


@pytest.fixture(scope="module")
def parts(planted):
    return planted.split(0.2, seed=1)


def parameters(made):
    f = made.factors
    return [*(part.tobytes() for part in (f.user_factors, f.item_factors, f.user_bias, f.item_bias)), f.mean]


class TestHeldOutRatings:
    """They never reach a fit: whatever stands in them, every bit of the fit is the same."""

    def others(self, valid):
        """The held-out part with other values, in another order, with other cells, and with strangers."""
        g = np.random.default_rng(0)
        yield replace(valid, values=1e3 - g.permutation(valid.values))
        moved = replace(valid, item_idx=(valid.item_idx + 7) % valid.n_items, users=tuple(range(100, 140)))
        yield moved.select(g.permutation(len(valid)))

    def test_never_reach_the_fit_of_any_solver(self, solver, parts):
        train, valid = parts
        alone = parameters(fit(train, **solver))
        for other in self.others(valid):
            assert parameters(evaluate(train, other, n=5, **solver).fit) == alone

    def test_never_reach_the_choice_of_settings(self, parts):
        train, valid = parts
        grid = {"penalty": [0.5, 8.0], "n_factors": [1, 2]}
        chosen = evaluate(train, valid, grid=grid, **LINEAR)
        for other in self.others(valid):
            again = evaluate(train, other, grid=grid, **LINEAR)
            assert again.fit.options == chosen.fit.options
            assert parameters(again.fit) == parameters(chosen.fit)

    def test_decide_the_error_all_the_same(self, solver, parts):
        train, valid = parts
        right = evaluate(train, valid, **solver)
        wrong = evaluate(train, replace(valid, values=1e3 - valid.values), **solver)
        assert right.rmse < 2 < wrong.rmse

    def test_do_not_reach_the_folds_that_they_are_not_in(self, planted):
        moved = planted.values.copy()
        _, (train, valid), *_ = KFold(4).split(planted)
        at = np.flatnonzero(np.isin(planted.user_idx * 30 + planted.item_idx, valid.user_idx * 30 + valid.item_idx))
        moved[at] = 1.0
        _, (same, _), *_ = KFold(4).split(replace(planted, values=moved))
        np.testing.assert_array_equal(same.values, train.values)


class TestEvaluation:
    def test_measures_the_predictions_of_the_fit(self, parts):
        train, valid = parts
        found = evaluate(train, valid, **LINEAR)
        users, items = valid.to_frame().iloc[:, :2].T.to_numpy(dtype=object)
        error = found.fit.predict(users, items) - valid.values
        assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
        assert found.mae == pytest.approx(np.mean(np.abs(error)), rel=1e-12)
        assert found.rmse == pytest.approx(fit(train, valid=valid, **LINEAR).valid_rmse, rel=1e-12)
        assert (found.n_train, found.n_test, found.unknown) == (560, 140, 0)
        assert found.fit_seconds > 0
        assert found.predict_seconds > 0
        assert (found.fit.solver, found.fit.model) == ("scipy", Model(2, biased=True))

    def test_refuses_parts_that_share_no_label(self, parts):
        train, valid = parts
        strangers = replace(valid, users=tuple(range(100, 140)), items=tuple(range(500, 500 + valid.n_items)))
        with pytest.raises(RatingsError, match=r"share no user and no item .*users 100, … and 0, …"):
            evaluate(train, strangers, **LINEAR)

    def test_counts_the_ratings_inside_the_intervals(self, parts):
        train, valid = parts
        found = evaluate(train, valid)
        low, high = found.fit.interval_positions(valid.user_idx, valid.item_idx)
        assert found.inside == pytest.approx(np.mean((low <= valid.values) & (valid.values <= high)))
        assert found.fit.solver == "bayes"
        assert repr(found).endswith(f", {found.inside:.1%} inside the 80% interval>")

    def test_has_no_share_inside_where_the_solver_has_no_intervals(self, parts):
        found = evaluate(*parts, **LINEAR)
        assert found.inside is None
        assert np.isnan(found.figures()["inside"])
        assert "inside" not in repr(found)

    def test_measures_lists_where_it_is_asked_to(self, parts):
        found = evaluate(*parts, n=5, relevant=4, **LINEAR)
        measures = found.precision, found.recall, found.ndcg, found.map, found.coverage
        assert found.ranking == rank(found.fit, parts[1], n=5, relevant=4)
        assert measures == tuple(found.figures()[name] for name in ("precision", "recall", "ndcg", "map", "coverage"))
        assert all(0 < measure <= 1 for measure in measures)
        without = evaluate(*parts, **LINEAR)
        assert without.ranking is without.precision is without.recall is without.ndcg is without.map is None
        assert without.coverage is None

    def test_files_and_frames_give_what_ratings_give(self, parts, tmp_path):
        paths = [tmp_path / "u1.base", tmp_path / "u1.test"]
        for part, path in zip(parts, paths, strict=True):
            part.to_frame().to_csv(path, sep="\t", index=False, header=False)
        expected = evaluate(*parts, **LINEAR)
        for given in (paths, [str(path) for path in paths], [part.to_frame() for part in parts]):
            found = evaluate(*given, **LINEAR)
            assert (found.rmse, found.mae) == pytest.approx((expected.rmse, expected.mae), abs=1e-6)

    def test_clips_unless_told_otherwise(self, parts):
        loose = {**LINEAR, "penalty": 0.2, "n_factors": 5}
        assert evaluate(*parts, **loose).rmse < evaluate(*parts, clip=False, **loose).rmse

    def test_the_model_and_its_settings_go_to_the_fit(self, parts):
        found = evaluate(*parts, Model(1, biased=True), solver="scipy", penalty=3.0, seed=5)
        assert (found.fit.model, found.fit.options, found.fit.seed) == (Model(1, biased=True), {"penalty": 3.0}, 5)

    def test_of_a_fit_that_is_there_fits_nothing(self, parts, tmp_path):
        train, valid = parts
        expected = evaluate(train, valid, n=5, **LINEAR)
        fit(train, **LINEAR).save(tmp_path / "model.xlc")
        made = load(tmp_path / "model.xlc")
        found = evaluate(made, valid, n=5)
        assert found.fit is made
        assert (found.rmse, found.ranking, found.fit_seconds) == (expected.rmse, expected.ranking, 0)
        assert (found.n_train, found.n_test) == (560, 140)

    @pytest.mark.parametrize("setting", [{"solver": "als"}, {"n_factors": 3}, {"grid": {"n_factors": [1]}}])
    def test_of_a_fit_refuses_settings(self, parts, setting):
        made = fit(parts[0], **LINEAR)
        with pytest.raises(OptionError, match=f"{next(iter(setting))} says how to fit, and the fit is there already"):
            evaluate(made, parts[1], **setting)

    def test_of_a_fit_refuses_the_ratings_it_was_fitted_to(self, parts):
        with pytest.raises(RatingsError, match="560 of 560 held-out ratings are training ratings too"):
            evaluate(fit(parts[0], **LINEAR), parts[0])


class TestUnknownLabels:
    def test_are_predicted_as_the_average_and_counted(self, solver):
        train = Ratings.from_arrays([1, 1, 2, 2, 3, 3, 3], list("abacabc"), [4, 2, 5, 3, 4, 1, 3])
        valid = Ratings.from_arrays([1, 9, 9], list("czc"), [3, 3, 5])
        settings = {**solver, "n_factors": 1}
        found = evaluate(train, valid, **settings)
        assert found.unknown == 2
        assert repr(found).endswith(", 2 of a user or item not rated in training>")
        expected = found.fit.predict([1, 9, 9], list("czc"), unknown="mean")
        assert found.mae == pytest.approx(np.mean(np.abs(expected - [3, 3, 5])))

    def test_a_user_whose_ratings_are_all_held_out_is_no_reason_to_warn(self, planted):
        train, valid = planted.select(planted.user_idx > 0), planted.select(planted.user_idx == 0)
        assert evaluate(train, valid, **LINEAR).unknown == len(valid)


def test_without_held_out_ratings_there_is_nothing_to_measure(planted):
    with pytest.raises(RatingsError, match="no held-out ratings"):
        evaluate(planted, planted.select([]))


def test_a_setting_that_no_solver_has_is_refused(parts):
    with pytest.raises(OptionError, match="no option 'penality'"):
        evaluate(*parts, solver="scipy", penality=2.0)


def test_a_rating_that_is_in_both_parts_is_refused(parts):
    train, valid = parts
    more = replace(
        valid,
        user_idx=np.append(valid.user_idx, train.user_idx[5]),
        item_idx=np.append(valid.item_idx, train.item_idx[5]),
        values=np.append(valid.values, 1.0),
        timestamps=None,
    )
    user, item = train.users[train.user_idx[5]], train.items[train.item_idx[5]]
    with pytest.raises(RatingsError, match=rf"1 of 141 held-out ratings .* of user {user} for item '{item}' first"):
        evaluate(train, more, **LINEAR)
    with pytest.raises(RatingsError, match="140 of 140"):
        evaluate(valid, valid)


def test_a_start_that_has_seen_the_held_out_ratings_is_refused(planted, parts):
    train, valid = parts
    seen, unseen = (fit(ratings, **LINEAR) for ratings in (planted, train))
    for measure in (
        lambda start: evaluate(train, valid, start=start, **LINEAR),
        lambda start: search(planted, {"penalty": [1.0, 2.0]}, start=start, **{**LINEAR, "penalty": 1.0}),
        lambda start: fit(train, valid=valid, start=start, **LINEAR),
    ):
        with pytest.raises(OptionError, match="start was fitted to"):
            measure(seen)
    assert evaluate(train, valid, start=unseen, **LINEAR).rmse < planted.values.std()


def test_what_a_fit_itself_holds_out_is_no_training_rating(parts):
    train, valid = parts
    found = evaluate(train, valid, valid_pct=0.2, **LINEAR)
    assert found.n_train == len(found.fit.ratings) < len(train)


def test_the_share_inside_is_over_unknown_users_too(parts):
    train, valid = parts
    stranger = replace(valid, users=tuple(f"new {n}" for n in range(valid.n_users)))
    found = evaluate(train, stranger, solver="bayes", max_sweeps=5)
    low, high = found.fit.predict_interval("nobody", [valid.items[at] for at in valid.item_idx], unknown="mean")
    assert found.unknown == len(valid)
    assert found.inside == np.mean((valid.values >= low) & (valid.values <= high))
