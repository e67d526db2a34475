import numpy as np
import pytest

from xlcollab.errors import OptionError
from xlcollab.evaluation import KFold, ShuffleSplit, evaluate, search
from xlcollab.fitting import fit
from xlcollab.model import Model

LINEAR = {"solver": "scipy", "biased": True, "restarts": 1}


def test_the_least_error_over_the_splits_wins(planted):
    grid = {"penalty": [0.5, 3.0, 100.0], "n_factors": [1, 2]}
    found = search(planted, grid, splits=2, seed=4, **LINEAR)
    errors = {
        (penalty, k): np.mean(
            [
                evaluate(*pair, penalty=penalty, n_factors=k, seed=4, **LINEAR).rmse
                for pair in KFold(2, 4).split(planted)
            ]
        )
        for penalty in grid["penalty"]
        for k in grid["n_factors"]
    }
    penalty, k = min(errors, key=errors.get)
    assert found.settings == {"penalty": penalty, "n_factors": k}
    assert found.rmse == pytest.approx(min(errors.values()))
    assert found.table["rmse"].tolist() == pytest.approx(sorted(errors.values()))
    assert (found.table["rmse_sd"] > 0).all()
    assert repr(found).startswith(f"<Found: penalty={penalty}, n_factors={k}; RMSE ")


def test_what_was_found_is_what_fit_takes(planted):
    found = search(planted, {"n_factors": [1, 2], "solver": ["scipy"]}, splits=ShuffleSplit(), biased=True, penalty=2.0)
    made = fit(planted, biased=True, penalty=2.0, **found.settings)
    assert (made.solver, made.model.n_factors) == ("scipy", found.settings["n_factors"])
    assert found.table["rmse_sd"].isna().all()


def test_of_equals_the_first_wins(planted):
    found = search(planted, {"max_iterations": [500, 600]}, splits=2, n_factors=1, penalty=5.0, **LINEAR)
    assert found.settings == {"max_iterations": 500}


def test_the_settings_are_those_that_evaluate_uses_for_its_fit(planted):
    train, valid = planted.split(0.2, seed=1)
    grid = {"penalty": [0.5, 3.0, 100.0]}
    found = evaluate(train, valid, grid=grid, n_factors=2, **LINEAR)
    best = search(train, grid, n_factors=2, **LINEAR).settings["penalty"]
    assert found.fit.options["penalty"] == best
    assert found.rmse == evaluate(train, valid, penalty=best, n_factors=2, **LINEAR).rmse


def test_whole_models_may_be_searched(planted):
    models = [Model(1, biased=True), Model(2, biased=True)]
    grid = {"solver": "scipy", "restarts": 1, "penalty": 3.0, "splits": 2}
    found = search(planted, {"model": models}, **grid)
    assert found.rmse == search(planted, {"n_factors": [1, 2]}, biased=True, **grid).rmse
    assert found.settings["model"] in models
    train, valid = planted.split(0.2)
    measured = evaluate(train, valid, grid={"model": models}, solver="scipy", restarts=1, penalty=3.0)
    assert measured.fit.model in models


@pytest.mark.parametrize("grid", [["als"], "als", 5])
def test_a_grid_names_its_choices(grid, planted):
    with pytest.raises(OptionError, match="The grid is .*; give choices by name, such as {'n_factors'"):
        search(planted, grid)


@pytest.mark.parametrize("choices", [5, "bayes", []])
def test_choices_are_a_list(choices, planted):
    with pytest.raises(OptionError, match="give a list of choices"):
        search(planted, {"n_factors": choices})
