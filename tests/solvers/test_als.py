from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from contracts import SolverContract, planted, some_ratings

from xlcollab.errors import OptionError
from xlcollab.fitting import Fit, fit
from xlcollab.model import Model
from xlcollab.objective import Objective
from xlcollab.ratings import Ratings
from xlcollab.solvers import ridge_rows
from xlcollab.solvers.base import Status
from xlcollab.solvers.ridge_rows import RidgeRows

MODELS = (Model(2), Model(2, biased=True))


def als(ratings: Ratings, model: Model | None = None, **options: Any) -> Fit:
    return fit(ratings, model, solver="als", **options)


class TestContract(SolverContract):
    solver = "als"
    quick = {"tolerance": 1e-9, "max_sweeps": 1000}  # noqa: RUF012 -- ClassVar by the contract
    models = MODELS
    settings = {  # noqa: RUF012
        "penalty": ({"penalty": 0.1}, {"penalty": 0.2}),
        "bias_penalty": ({"bias_penalty": 0.1}, {"bias_penalty": 0.2}),
        "weighted": ({"weighted": True}, {"weighted": False}),
        "tolerance": ({"tolerance": 1e-2}, {"tolerance": 1e-5}),
        "max_sweeps": ({"max_sweeps": 3}, {"max_sweeps": 200}),
    }
    spread = 1e-3

    def fit(self, ratings: Ratings | None = None, model: Model | None = None, **options: Any) -> Fit:
        if "bias_penalty" in options:  # which says nothing of a model without biases
            model = MODELS[1]
        return super().fit(ratings, model, **options)


class TestRidgeRows:
    @pytest.mark.parametrize("cells", [1, 50, 10_000])
    def test_are_each_row_alone(self, monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
        monkeypatch.setattr(ridge_rows, "CELLS", cells)
        g = np.random.default_rng(0)
        mask = g.random((40, 25)) < g.random((40, 1))
        mask[7] = False
        mask[8] = True
        rows, columns = np.nonzero(mask)
        order = g.permutation(len(rows))
        rows, columns = rows[order], columns[order]
        values, z, offset = g.normal(size=len(rows)), g.normal(size=(25, 9)), g.normal(size=25)
        penalties = np.linspace(0.2, 0.6, 9)  # nine regressors, and rows of fewer and of more ratings
        by_count = np.linspace(0.0, 0.1, 9)
        found = RidgeRows.of(rows, columns, values, (40, 25)).solve(z, offset, penalties, by_count)
        total = 0.0
        for row in range(40):
            at = np.flatnonzero(rows == row)
            zr, y = z[columns[at]], values[at] - offset[columns[at]]
            ridge = np.diag(penalties + len(at) * by_count)
            x = np.linalg.solve(zr.T @ zr + ridge, zr.T @ y) if len(at) else np.zeros(9)
            np.testing.assert_allclose(found.x[row], x, atol=1e-12)
            total += np.sum((y - zr @ x) ** 2)
        assert found.squared_error == pytest.approx(total)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_cost_falls_with_every_sweep_to_the_minimum(model: Model, weighted: bool) -> None:
    made = als(some_ratings(), model, weighted=weighted, tolerance=1e-12, max_sweeps=5000)
    costs = made.history["cost"].to_numpy()
    assert (np.diff(costs) <= 1e-12 * costs[0]).all()
    assert made.status is Status.CONVERGED
    assert "Settled" in made.message


@pytest.mark.parametrize("weighted", [False, True])
def test_history_is_what_the_factors_cost(weighted: bool) -> None:
    ratings = some_ratings()
    made = als(ratings, MODELS[1], weighted=weighted, penalty=0.2, bias_penalty=0.1, max_sweeps=3)
    f, cost = made.factors, 0.5 * len(ratings) * made.rmse**2
    sides = ((f.user_factors, f.user_bias, ratings.user_counts), (f.item_factors, f.item_bias, ratings.item_counts))
    for factors, bias, counts in sides:
        weights = counts if weighted else np.ones(len(counts))
        cost += 0.5 * (0.2 * weights @ (factors**2).sum(axis=1) + 0.1 * bias @ bias)
    assert made.history["cost"].iloc[-1] == pytest.approx(cost)
    assert made.history["rmse"].iloc[-1] == pytest.approx(made.rmse)


@pytest.mark.parametrize("model", MODELS)
def test_ends_at_the_minimum_that_scipy_finds(model: Model) -> None:
    ratings = some_ratings()
    options: dict[str, Any] = {"weighted": False, "tolerance": 1e-14, "max_sweeps": 20_000}
    penalties = {"penalty": 3.0, "bias_penalty": 2.0 if model.biased else None}
    made = als(ratings, model, **penalties, **options)
    other = fit(ratings, model, solver="scipy", **penalties)
    objective = Objective(ratings, model, penalty=3.0, bias_penalty=2.0)
    costs = [objective.cost(objective.pack(some.factors)) for some in (made, other)]
    assert costs[0] == pytest.approx(costs[1], rel=1e-7)
    np.testing.assert_allclose(made.predict_matrix(clip=False), other.predict_matrix(clip=False), atol=1e-3)
    assert np.abs(objective.value_and_gradient(objective.pack(made.factors))[1]).max() < 1e-3


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_the_rows_of_users_are_regressions_wherever_it_stops(model: Model, weighted: bool) -> None:
    ratings = some_ratings()
    made = als(ratings, model, weighted=weighted, max_sweeps=2)
    assert made.status is Status.LIMIT
    for user in ratings.users[:5]:
        own = {item: rating for who, item, rating in ratings.to_frame().itertuples(index=False) if who == user}
        items = list(ratings.items)
        again = made.fold_in_user(own).predict(items, clip=False)
        np.testing.assert_allclose(again, made.predict(user, items, clip=False), atol=1e-10)
        why = made.explain(user, items[0])
        assert why.base == pytest.approx(made.mean + made.item_bias[items[0]])
        assert abs(why.gap) < 1e-10


def test_one_rating_moves_a_bias_less_than_many() -> None:
    """Or what somebody once gave five stars would lead every list."""
    users = np.arange(60, dtype=np.int32)
    item_idx = np.repeat(np.array([0, 1, 2], np.int32), [60, 60, 1])
    values = np.array([3.0, 5.0, 5.0])[item_idx]
    ratings = Ratings(tuple(range(60)), ("plain", "liked", "once"), np.append(np.tile(users, 2), 7), item_idx, values)
    plain, liked, once = als(ratings, Model(0, biased=True)).predict(3, ["plain", "liked", "once"])
    assert plain + 0.1 * (liked - plain) < once < plain + 0.8 * (liked - plain)


def test_three_who_give_all_stars_do_not_outweigh_sixty_who_give_nearly_all() -> None:
    rows = [(user, item, 3.0) for user in range(60) for item in ("plain", "usual")]
    rows += [(user, "loved", 4.4) for user in range(60)] + [(user, "rare", 5.0) for user in range(3)]
    made = als(Ratings.from_arrays(*zip(*rows, strict=True)), Model(0, biased=True))
    assert made.item_bias["loved"] > made.item_bias["rare"] > made.item_bias["plain"]


def test_predicts_planted_ratings_far_better_than_biases() -> None:
    train, rest = planted(m=150, n=100, noise=0.3)

    def error(made: Fit) -> float:
        return float(np.sqrt(np.mean((made.predict_positions(rest.user_idx, rest.item_idx) - rest.values) ** 2)))

    options: dict[str, Any] = {"weighted": False, "penalty": 1.0}
    assert error(als(train, n_factors=3, **options)) < 0.5 * error(als(train, n_factors=0, **options))
    assert error(als(train)) < error(als(train, n_factors=0))


@pytest.mark.parametrize("weighted", [False, True])
def test_other_units_of_the_ratings_give_the_same_predictions(weighted: bool) -> None:
    ratings = some_ratings()
    made, tenfold = (
        als(replace(ratings, values=unit * ratings.values), n_factors=2, weighted=weighted, tolerance=1e-9)
        for unit in (1, 10)
    )
    np.testing.assert_allclose(tenfold.predict_matrix(), 10 * made.predict_matrix(), rtol=1e-3)


class TestAuto:
    @pytest.fixture(scope="class")
    @staticmethod
    def parts() -> tuple[Ratings, Ratings]:
        ratings = some_ratings(30, 20, fill=0.5, seed=3)
        noise = np.random.default_rng(0).normal(0, 0.7, len(ratings))
        return replace(ratings, values=np.clip(ratings.values + noise, 0.5, 5)).split(0.25, seed=0)

    @pytest.mark.parametrize("weighted", [False, True])
    def test_predicts_nearly_as_well_as_the_best(self, parts: tuple[Ratings, Ratings], weighted: bool) -> None:
        train, valid = parts
        options: dict[str, Any] = {"n_factors": 3, "valid": valid, "weighted": weighted}
        several = (0.01, 0.1, 0.5) if weighted else (0.1, 1.0, 5.0)
        errors = [als(train, penalty=penalty, bias_penalty=penalty, **options).valid_rmse for penalty in several]
        made = als(train, penalty="auto", **options)
        assert made.valid_rmse < 1.06 * min(errors)
        assert made.valid_rmse < 0.97 * max(errors)
        assert f"The penalty {made.ridge.factors:.3g} was chosen by a held-out RMSE of " in made.message
        assert made.options["penalty"] == "auto"

    def test_is_the_fit_of_all_ratings_under_what_was_chosen(self, parts: tuple[Ratings, Ratings]) -> None:
        made = als(parts[0], n_factors=2, penalty="auto", bias_penalty=0.1)
        again = als(parts[0], n_factors=2, penalty=made.ridge.factors, bias_penalty=0.1)
        np.testing.assert_array_equal(made.predict_matrix(), again.predict_matrix())
        assert made.ridge.bias == pytest.approx(0.1)

    def test_stops_while_choosing(self, parts: tuple[Ratings, Ratings]) -> None:
        calls: list[str] = []
        made = als(parts[0], penalty="auto", on_progress=lambda progress: calls.append(progress.task) or True)
        assert calls == ["choosing the penalty"]
        assert made.status is Status.STOPPED


def test_biases_alone_are_a_model() -> None:
    made = als(some_ratings(), n_factors=0)
    assert made.model == Model(0, biased=True)
    assert made.converged
    assert made.user_bias.std() > 0 < made.item_bias.std()


def test_more_factors_than_items_are_no_trouble() -> None:
    made = als(some_ratings(), n_factors=30)
    assert made.item_factors.shape == (12, 30)
    assert np.isfinite(made.predict_matrix()).all()


def test_axes_are_those_of_the_items_largest_first() -> None:
    made = als(some_ratings(), n_factors=3)
    gram = made.item_factors.to_numpy().T @ made.item_factors.to_numpy()
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-10)
    assert (np.diff(np.diag(gram)) <= 0).all()


def test_each_seed_starts_elsewhere_and_ends_alike() -> None:
    ratings = planted(m=150, n=100, noise=0.3)[0]
    one, two = (als(ratings, n_factors=3, weighted=False, penalty=2.0, seed=seed, tolerance=1e-9) for seed in (1, 2))
    assert one.records[0]["cost"] != two.records[0]["cost"]
    np.testing.assert_allclose(one.predict_matrix(clip=False), two.predict_matrix(clip=False), atol=0.02)


def test_held_out_error_is_in_the_history() -> None:
    train, valid = some_ratings().split(0.2, seed=1)
    made = als(train, MODELS[1], valid=valid)
    assert made.history["valid_rmse"].iloc[-1] == pytest.approx(made.valid_rmse)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"penalty": 0}, "penalty is 0; als needs one above 0, or 'auto'"),
        ({"penalty": "none"}, "penalty is 'none'"),
        ({"bias_penalty": "auto"}, "bias_penalty is 'auto'"),
        ({"penalty": np.nan}, "penalty is nan"),
        ({"bias_penalty": -1.0}, "bias_penalty is -1.0"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"max_sweeps": 0}, "max_sweeps is 0"),
        ({"max_sweeps": 1.5}, "max_sweeps is 1.5"),
        ({"bias_penalty": 2.0, "biased": False}, "bias_penalty without biases would have no effect: leave it out"),
        ({"weighted": "no"}, "weighted is 'no'; it is True or False"),
        ({"y_range": (0, 5.5)}, "'als' has no y_range"),
    ],
)
def test_refuses_what_cannot_be(options: dict[str, Any], named: str) -> None:
    with pytest.raises(OptionError, match=named):
        als(some_ratings(), **options)
