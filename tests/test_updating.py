import numpy as np
import pandas as pd
import pytest

from xlcollab.errors import OptionError, RatingsError
from xlcollab.fitting import fit
from xlcollab.model import Model
from xlcollab.ratings import Ratings, Source
from xlcollab.updating import joined, update

WARM = [
    ("als", {"weighted": False, "penalty": 3.0, "tolerance": 1e-9, "max_sweeps": 2000}),
    ("als", {"penalty": 0.1, "bias_penalty": 0.05, "tolerance": 1e-9, "max_sweeps": 2000}),
    ("scipy", {"penalty": 3.0, "restarts": 1}),
    ("scipy", {"penalty": 3.0, "restarts": 1, "method": "l-bfgs-b"}),
]


@pytest.fixture(scope="module")
def parts(two_factors):
    """(before, new): before without users 57 to 59 and item i39; new holds them and a twentieth of the rest."""
    g = np.random.default_rng(1)
    new = (two_factors.user_idx >= 57) | (two_factors.item_idx == 39) | (g.random(len(two_factors)) < 0.05)
    users, items, values = (np.array(column, dtype=object) for column in two_factors.to_frame().to_numpy().T)
    before, after = (
        Ratings.from_arrays(users[at].tolist(), items[at].tolist(), values[at].astype(float)) for at in (~new, new)
    )
    return before, after


class TestJoined:
    def test_holds_the_ratings_of_both(self, two_factors, parts):
        before, new = parts
        both = joined(before, new)
        assert both.equals(two_factors)
        assert both.users[: before.n_users] == before.users
        np.testing.assert_array_equal(both.user_idx[: len(before)], before.user_idx)

    def test_replaces_what_is_rated_anew(self):
        source = Source("old.xlsx", "S", "A1:C3", "crosstab")
        old = Ratings((1, 2), ("a", "b"), [0, 1], [0, 1], [1.0, 2.0], user_names={1: "Ann"}, source=source)
        new = Ratings((2, 3), ("b", "c"), [0, 1], [0, 1], [5.0, 4.0], user_names={3: "Cay"})
        both = joined(old, new)
        assert both.equals(Ratings((1, 2, 3), ("a", "b", "c"), [0, 1, 2], [0, 1, 2], [1.0, 5.0, 4.0]))
        assert both.user_names == {1: "Ann", 3: "Cay"}
        assert both.source is None

    def test_keeps_times_only_where_all_are_known(self):
        old = Ratings((1,), ("a",), [0], [0], [1.0], timestamps=np.array([7]))
        new = Ratings((1,), ("b",), [0], [0], [2.0], timestamps=np.array([9]))
        assert joined(old, new).timestamps.tolist() == [7, 9]
        assert joined(old, Ratings((1,), ("b",), [0], [0], [2.0])).timestamps is None

    def test_refuses_the_same_people_by_labels_of_another_type(self):
        old = Ratings.from_arrays([0, 1, 1], ["a", "a", "b"], [1.0, 2.0, 3.0])
        with pytest.raises(RatingsError, match="New user '0' is 0 in the training .* users of both the same type"):
            joined(old, Ratings.from_arrays(["0", "new"], ["a", "b"], [4.0, 5.0]))
        swapped = Ratings.from_arrays(["a", "a"], [0, 1], [1.0, 2.0])
        with pytest.raises(RatingsError, match="New item '1' is 1 in the training .* other item of the new ratings"):
            joined(swapped, Ratings.from_arrays(["a"], ["1"], [4.0]))

    def test_welcomes_labels_that_nobody_had(self):
        old = Ratings.from_arrays([0, 1], ["a", "b"], [1.0, 2.0])
        assert joined(old, Ratings.from_arrays([2], ["c"], [4.0])).users == (0, 1, 2)
        assert joined(old, Ratings.from_arrays(["Ann"], ["a"], [4.0])).users == (0, 1, "Ann")


class TestUpdate:
    @pytest.mark.parametrize(("solver", "options"), WARM)
    def test_ends_where_a_fit_from_scratch_ends_after_fewer_iterations(self, parts, two_factors, solver, options):
        before, new = parts
        made = update(fit(before, Model(2, biased=True), solver=solver, **options), new)
        scratch = fit(two_factors, Model(2, biased=True), solver=solver, **options)
        assert made.converged
        assert scratch.converged
        items = list(two_factors.items)
        for user in (0, 30, 59):
            np.testing.assert_allclose(made.predict(user, items), scratch.predict(user, items), atol=0.01)
        assert made.rmse == pytest.approx(scratch.rmse, abs=1e-4)
        fewer = made.iterations < scratch.iterations
        assert fewer or (options.get("method") is None and solver == "scipy" and made.iterations == scratch.iterations)
        assert made.options == options

    @pytest.mark.parametrize(("solver", "options"), [("bayes", {}), ("torch", {"epochs": 3})])
    def test_fits_anew_where_the_solver_cannot_start_warm(self, parts, two_factors, solver, options):
        before, new = parts
        model = Model(2, biased=True) if solver == "torch" else None  # its own has a range that new ratings may leave
        first = fit(before, model, solver=solver, seed=3, **options)
        made = update(first, new)
        assert made.ratings.equals(two_factors)
        assert (made.solver, made.seed, made.options, made.model) == (solver, 3, options, first.model)
        again = fit(made.ratings, first.model, solver=solver, seed=3, **options)
        np.testing.assert_array_equal(made.predict_matrix(), again.predict_matrix())

    def test_takes_a_frame(self, parts):
        made = fit(parts[0], Model(1, biased=True), solver="als")
        more = update(made, pd.DataFrame({"user": ["new"], "item": ["i3"], "rating": [4.0]}))
        assert more.ratings.users[-1] == "new"
        assert len(more.ratings) == len(made.ratings) + 1
        assert "new" not in made.ratings.users

    def test_refuses_users_of_another_type(self, lesson_ratings):
        made = fit(lesson_ratings, Model(1, biased=True), solver="als")
        with pytest.raises(RatingsError, match="New user '293' is 293 .* Give the users of both the same type"):
            update(made, pd.DataFrame({"user": ["293"], "item": [49], "rating": [4.0]}))

    def test_what_was_held_out_stays_so_unless_it_is_rated_now(self, two_factors):
        made = fit(two_factors, Model(1, biased=True), solver="als", valid_pct=0.2)
        one = made.valid.select([0]).to_frame()
        more = update(made, one)
        assert len(more.valid) == len(made.valid) - 1
        assert len(more.ratings) == len(made.ratings) + 1
        assert more.valid_rmse is not None

    def test_stops_when_told(self, parts):
        made = update(fit(parts[0], solver="als"), parts[1], on_progress=lambda progress: True)
        assert not made.converged


class TestStart:
    def test_from_a_minimum_is_there_at_once(self, two_factors):
        options = {"penalty": 3.0, "restarts": 1}
        made = fit(two_factors, Model(2, biased=True), solver="scipy", **options)
        again = fit(two_factors, start=made)
        assert again.options == options
        assert again.iterations <= 2 < made.iterations
        np.testing.assert_allclose(again.predict_matrix(), made.predict_matrix(), atol=1e-6)

    def test_an_unpenalised_minimum_is_one_too(self, lesson_ratings):
        made = fit(lesson_ratings, Model(3), solver="scipy")
        again = fit(lesson_ratings, start=made)
        assert again.rmse == pytest.approx(made.rmse, abs=1e-9)
        assert again.iterations < made.iterations

    def test_may_come_from_another_solver(self, two_factors):
        made = fit(two_factors, Model(2, biased=True), solver="bayes")
        again = fit(two_factors, solver="als", start=made, weighted=False, penalty=0.5)
        assert again.solver == "als"
        assert again.options == {"weighted": False, "penalty": 0.5}
        assert again.iterations < fit(two_factors, made.model, solver="als", weighted=False, penalty=0.5).iterations

    def test_must_be_of_the_same_model(self, two_factors):
        made = fit(two_factors, Model(2, biased=True), solver="als")
        with pytest.raises(
            OptionError, match="start is a model of bias, 2 factors, which is no start for bias, 3 factors"
        ):
            fit(two_factors, n_factors=3, start=made)

    def test_must_not_have_seen_what_is_held_out(self, two_factors):
        made = fit(two_factors, Model(2, biased=True), solver="als")
        train, valid = two_factors.split(0.1)
        words = f"start was fitted to {len(valid)} of the {len(valid)} ratings that are held out"
        with pytest.raises(OptionError, match=words):
            fit(train, start=made, valid=valid)
        with pytest.raises(OptionError, match=words):
            fit(two_factors, start=made, valid_pct=0.1, seed=42)

    @pytest.mark.parametrize("solver", ["bayes", "torch"])
    def test_is_refused_by_solvers_that_cannot(self, two_factors, solver):
        made = fit(two_factors, Model(2, biased=True), solver="als")
        with pytest.raises(OptionError, match=f"Solver '{solver}' cannot start from another fit"):
            fit(two_factors, solver=solver, start=made)
