from dataclasses import replace

import numpy as np
import pytest

from xlcollab.errors import FitError, OptionError, UnknownLabelError
from xlcollab.fitting import fit
from xlcollab.model import Model, link
from xlcollab.solvers.torch_network import Network

EXACT = [
    {"n_factors": 2, "biased": True, "penalty": 2.0},
    {"n_factors": 3, "penalty": 2.0},
    {"n_factors": 0, "biased": True, "penalty": 2.0},
]


def total(why):
    return why.base + why.because["share"].sum() + why.rest + why.gap


@pytest.fixture(scope="module")
def made(lesson_ratings):
    return fit(lesson_ratings, Model(2, biased=True), solver="scipy", penalty=2.0)


class TestExplain:
    @pytest.mark.parametrize("options", EXACT)
    def test_a_ridge_regression_is_its_base_and_its_shares(self, lesson_ratings, options):
        made = fit(lesson_ratings, solver="scipy", **options)
        why = made.explain(293, 49, n=100)
        assert why.base == pytest.approx(made.mean + made.item_bias[49])  # all that is left when a row shrinks to 0
        assert why.base + why.because["share"].sum() == pytest.approx(made.predict(293, 49, clip=False), abs=1e-5)
        assert abs(why.gap) < 1e-5
        assert why.rest == 0

    @pytest.mark.parametrize("solver", ["bayes", "torch", "scipy"])
    def test_the_parts_add_up_whatever_the_solver(self, lesson_ratings, solver):
        made = fit(lesson_ratings, solver=solver, seed=1)
        for n in (0, 3, 100):
            why = made.explain(293, 49, n=n)
            assert link(made.model, np.array(total(why))) == pytest.approx(made.predict(293, 49, clip=False))
            assert why.prediction == made.predict(293, 49, clip=False)

    @pytest.mark.parametrize("solver", ["bayes", "torch"])
    def test_the_regression_is_close_to_the_fit(self, lesson_ratings, solver):
        made = fit(lesson_ratings, solver=solver)
        gaps = [made.explain(user, item).gap for user in lesson_ratings.users for item in lesson_ratings.items[:3]]
        assert np.abs(gaps).max() < (0.002 if solver == "bayes" else 0.25)

    @pytest.mark.parametrize("solver", ["scipy", "bayes"])
    def test_a_share_is_what_the_prediction_moves_by_with_the_rating(self, lesson_ratings, solver):
        made = fit(lesson_ratings, solver=solver, **({"penalty": 2.0} if solver == "scipy" else {"n_factors": 2}))
        own = dict(zip([49, 57, 79, 89], [5.0, 2.0, 4.0, 3.0], strict=True))
        why = made.fold_in_user(own).explain(27)
        more = made.fold_in_user(own | {57: 3.0}).explain(27)
        share, other = (table.because.set_index("item")["share"][57] for table in (why, more))
        moved = made.fold_in_user(own | {57: 3.0}).predict(27, clip=False) - made.fold_in_user(own).predict(
            27, clip=False
        )
        if solver == "scipy":  # bayes takes another noise for other ratings, so that all shares change a little
            assert other - share == pytest.approx(moved)
        assert np.sign(other - share) == np.sign(moved)

    def test_lists_what_moves_it_most_first(self, made):
        why = made.explain(293, 49, n=4)
        assert list(why.because.columns) == ["item", "rating", "share"]
        assert len(why.because) == 4
        assert why.because["share"].abs().is_monotonic_decreasing
        rated = {item: rating for user, item, rating in made.ratings.to_frame().itertuples(index=False) if user == 293}
        assert all(
            rated[item] == rating for item, rating in zip(why.because["item"], why.because["rating"], strict=True)
        )
        every = made.explain(293, 49, n=100).because["share"]
        assert every.min() < 0 < every.max()
        assert every.abs().is_monotonic_decreasing

    def test_says_it_in_words(self, made):
        text = repr(made.explain(293, 49, n=1))
        assert text.startswith(f"<Explanation: {made.predict(293, 49, clip=False):.2f}, of which ")
        (item, rating, share), *_ = made.explain(293, 49, n=1).because.itertuples(index=False)
        assert f"\n  {share:+.2f} because {item} was rated {rating:g}\n" in text

    def test_says_it_with_the_names_that_there_are(self, lesson_ratings):
        named = lesson_ratings.with_names(item_names={89: "Vertigo"})
        why = fit(named, n_factors=2, biased=True, solver="scipy", penalty=2.0).explain(293, 49, n=15)
        assert list(why.because.columns) == ["item", "name", "rating", "share"]
        assert dict(why.because[["item", "name"]].to_numpy())[89] == "Vertigo"
        assert " because 89, Vertigo, was rated 3\n" in repr(why)
        assert " because 402 was rated 4.5\n" in repr(why)

    def test_in_a_range_the_parts_are_those_before_the_sigmoid(self, lesson_ratings):
        made = fit(lesson_ratings, solver="torch", epochs=2)
        why = made.explain(293, 49)
        assert link(made.model, np.array(total(why))) == pytest.approx(why.prediction)
        assert "before the sigmoid" in repr(why)

    @pytest.mark.parametrize("solver", ["als", "bayes", "torch"])
    @pytest.mark.filterwarnings("ignore::xlcollab.errors.UnratedLabelWarning")
    def test_who_has_rated_nothing_is_all_base(self, lesson_ratings, solver):
        made = fit(replace(lesson_ratings, users=(*lesson_ratings.users, 0)), solver=solver)
        why = made.explain(0, 49)
        assert len(why.because) == 0
        assert why.rest == 0
        assert link(made.model, np.array(why.base + why.gap)) == pytest.approx(made.predict(0, 49, clip=False))

    def test_names_an_unknown_label(self, made):
        with pytest.raises(UnknownLabelError, match="There is no user 0"):
            made.explain(0, 49)

    def test_is_asked_for_one_prediction_at_a_time(self, made):
        new = made.fold_in_user({49: 5})
        for kind, ask in (
            ("user", lambda: made.explain([293, 14], 49)),
            ("item", lambda: made.explain(293, [49, 27])),
            ("item", lambda: new.explain([49, 27])),
            ("item", lambda: new.linear([49, 27])),
        ):
            with pytest.raises(OptionError, match=f"about one {kind} at a time"):
                ask()

    def test_needs_factors(self, lesson_ratings):
        network = fit(lesson_ratings, solver="torch", network=Network(layers=(4,)), epochs=1)
        with pytest.raises(FitError, match="no factors"):
            network.explain(293, 49)


class TestNewcomer:
    def test_explains_a_prediction_by_the_few_ratings(self, made):
        new = made.fold_in_user({49: 5, 57: 2})
        why = new.explain(27)
        assert sorted(why.because["item"]) == [49, 57]
        assert why.gap == 0
        assert total(why) == pytest.approx(new.predict(27, clip=False))

    def test_item_is_explained_by_its_users(self, made):
        new = made.fold_in_item({293: 5, 14: 2})
        assert list(new.explain(212, n=1).because.columns) == ["user", "rating", "share"]
        assert total(new.explain(212)) == pytest.approx(new.predict(212, clip=False))
