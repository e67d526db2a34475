from __future__ import annotations

import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts import SolverContract, planted, some_ratings

from xlcollab.errors import FitError, OptionError, RatingsError
from xlcollab.fitting import Fit, fit, load
from xlcollab.model import Model
from xlcollab.progress import Progress
from xlcollab.rating_files import read_ratings
from xlcollab.ratings import Ratings
from xlcollab.solvers.base import Status


def bayes(ratings: Ratings, **options: Any) -> Fit:
    return fit(ratings, solver="bayes", **options)


def error(made: Fit, rest: Ratings) -> float:
    off = made.predict_positions(rest.user_idx, rest.item_idx, clip=False) - rest.values
    return float(np.sqrt(np.mean(off**2)))


class TestBayesSolver(SolverContract):
    solver = "bayes"
    models = (Model(2, biased=True),)
    settings = {  # noqa: RUF012 -- ClassVar by the contract
        "tolerance": ({"tolerance": 1e-2}, {"tolerance": 1e-5}),
        "max_sweeps": ({"max_sweeps": 3}, {"max_sweeps": 200}),
        "quality": ({"quality": "good"}, {"quality": "best"}),
    }
    spread = 0.05  # another order is another random start


# How well it predicts -------------------------------------------------------------------------------------------------


def test_predicts_planted_ratings_far_better_than_biases() -> None:
    train, rest = planted()
    assert error(bayes(train), rest) < 0.35 * np.std(rest.values)
    assert error(bayes(train), rest) < 0.6 * error(bayes(train, n_factors=0), rest)


@pytest.mark.parametrize("rank", [2, 4])
def test_finds_about_as_many_factors_as_were_planted(rank: int) -> None:
    fits = [bayes(planted(m=200, n=120, rank=rank, noise=0.3, seed=seed)[0]) for seed in range(3)]
    found = [made.model.n_factors for made in fits]
    assert min(found) >= rank
    assert np.median(found) <= rank + 2  # now and then two further ones, which are shrunk
    for made in fits:
        assert not made.model.at_most
        assert made.factors.user_factors.shape == (200, made.model.n_factors)


def test_factors_fitted_to_pure_noise_do_little_harm() -> None:
    train, rest = planted(m=200, n=120, rank=0, noise=0.3)
    assert error(bayes(train), rest) < 0.3 * 0.3


def test_a_number_of_factors_that_is_named_is_taken() -> None:
    assert bayes(planted()[0], n_factors=1).model.n_factors == 1


def test_at_most_is_the_highest_number_that_may_be_chosen() -> None:
    train, _ = planted(rank=6, noise=0.1)
    assert bayes(train, model=Model(2, biased=True, at_most=True)).model.n_factors == 2


def test_the_lessons_table_says_biases_alone(lesson_ratings: Ratings) -> None:
    made = bayes(lesson_ratings)
    assert made.model.n_factors == 0
    assert made.predict(293, 49) == pytest.approx(4.2, abs=0.1)
    low, high = made.predict_interval(293, 49)
    assert 3.0 < low < made.predict(293, 49) < high <= 5.0


def test_units_do_not_matter() -> None:
    train, rest = planted(m=60, n=40)
    hundredfold = replace(train, values=100 * train.values - 37)
    one, two = bayes(train, n_factors=3), bayes(hundredfold, n_factors=3)
    at = rest.user_idx[:50], rest.item_idx[:50]
    np.testing.assert_allclose(
        two.predict_positions(*at, clip=False), 100 * one.predict_positions(*at, clip=False) - 37, rtol=1e-6
    )
    users, items = at[0].tolist(), at[1].tolist()
    one_low, two_low = (made.predict_interval(users, items, clip=False)[0] for made in (one, two))
    np.testing.assert_allclose(two_low, 100 * one_low - 37, rtol=1e-6)


def test_biases_are_centred_and_mu_is_the_mean_prediction() -> None:
    made = bayes(planted()[0], n_factors=2)
    assert made.user_bias.mean() == pytest.approx(0, abs=1e-12)
    assert made.item_bias.mean() == pytest.approx(0, abs=1e-12)
    assert made.mean == pytest.approx(made.predict_matrix(clip=False).mean())


def test_movielens_is_predicted_as_well_as_promised(shared: Path) -> None:
    train, test = (read_ratings(shared / "data" / "ml-100k" / name) for name in ("u1.base", "u1.test"))
    made = bayes(train, valid=test)
    assert made.valid_rmse < 0.888
    low, high = made.predict_interval(
        [test.users[at] for at in test.user_idx], [test.items[at] for at in test.item_idx], unknown="mean"
    )
    assert 0.78 < np.mean((low <= test.values) & (test.values <= high)) < 0.82


# How sure it is -------------------------------------------------------------------------------------------------------


def test_eighty_per_cent_intervals_hold_eighty_per_cent_of_new_ratings() -> None:
    train, rest = planted(m=200, n=120, noise=0.5)
    new = rest.values + 0.5 * np.random.default_rng(9).normal(size=len(rest))
    made = bayes(train)
    low, high = made.predict_interval(rest.user_idx.tolist(), rest.item_idx.tolist(), clip=False)
    assert np.mean((low <= new) & (new <= high)) == pytest.approx(0.8, abs=0.02)


def test_intervals_are_wider_where_less_is_known() -> None:
    train, _ = planted()
    kept = (train.user_idx != 7) | (np.cumsum(train.user_idx == 7) <= 3)
    seventh, all_items = np.full(80, 7, np.int32), np.arange(80, dtype=np.int32)
    little, much = (bayes(ratings, n_factors=2) for ratings in (train.select(kept), train))
    assert little.uncertainty.sd(seventh, all_items).mean() > 1.03 * much.uncertainty.sd(seventh, all_items).mean()


def test_a_noisy_user_gets_wider_intervals() -> None:
    train, _ = planted(noise=0.3)
    loud = np.where(train.user_idx == 5, 2.0, 0.0) * np.random.default_rng(1).normal(size=len(train))
    made = bayes(replace(train, values=train.values + loud), n_factors=2)
    sd = made.uncertainty.sd(np.array([5, 6], np.int32), np.array([0, 0], np.int32))
    assert sd[0] > 1.5 * sd[1]


def test_intervals_widen_beyond_the_kept_quantiles_as_normal_ones_do() -> None:
    quantile = bayes(planted(m=30, n=20)[0], n_factors=1).uncertainty.quantile
    reach = [quantile(p) for p in (0.9, 0.99, 0.995, 0.9951, 0.999, 0.9999)]
    assert reach == sorted(set(reach))
    assert quantile(0.995 + 1e-9) == pytest.approx(quantile(0.995), abs=1e-6)
    assert quantile(0.999) - quantile(0.995) == pytest.approx(3.0902 - 2.5758, abs=1e-4)
    assert quantile(0.005) - quantile(0.001) == pytest.approx(3.0902 - 2.5758, abs=1e-4)


def test_a_surer_level_is_a_wider_interval() -> None:
    made = bayes(planted(m=30, n=20)[0], n_factors=1)
    lows, highs = zip(
        *(made.predict_interval(3, 4, level=level, clip=False) for level in (0.9, 0.99, 0.995, 0.999, 0.9999)),
        strict=True,
    )
    assert list(lows) == sorted(set(lows), reverse=True)
    assert list(highs) == sorted(set(highs))


def test_a_saved_fit_keeps_its_intervals(tmp_path: Path) -> None:
    made = bayes(planted(m=30, n=20)[0], n_factors=1)
    made.save(tmp_path / "model.xlc")
    again = load(tmp_path / "model.xlc")
    assert again.predict_interval(3, 4, level=0.5) == made.predict_interval(3, 4, level=0.5)


# Users and items of whom little is known ------------------------------------------------------------------------------


def test_the_unrated_are_predicted_as_the_unknown_with_the_widest_interval() -> None:
    train, _ = planted(m=30, n=20)
    wider = replace(train, users=(*train.users, "new"), items=(*train.items, "unseen"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = bayes(wider, n_factors=1)
    assert made.predict("new", 3) == pytest.approx(made.predictions().loc[list(range(30)), 3].mean(), abs=0.4)
    low, high = made.predict_interval("new", "unseen", clip=False)
    known_low, known_high = made.predict_interval(3, 4, clip=False)
    assert high - low > known_high - known_low
    without = bayes(train, n_factors=1)
    for user, item in (("new", 3), (3, "unseen"), ("new", "unseen")):
        assert made.predict(user, item) == pytest.approx(without.predict(user, item, unknown="mean"), abs=1e-9)
        for one, other in zip(
            made.predict_interval(user, item), without.predict_interval(user, item, unknown="mean"), strict=True
        ):
            assert one == pytest.approx(other, abs=1e-9)


def test_the_unrated_do_not_change_the_fit_of_the_others() -> None:
    train, _ = planted(m=30, n=20)
    wider = replace(train, users=("first", *train.users), user_idx=train.user_idx + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = bayes(train, n_factors=1), bayes(wider, n_factors=1)
    np.testing.assert_allclose(two.predict_matrix(clip=False)[1:], one.predict_matrix(clip=False), rtol=1e-9)


def test_a_user_with_one_rating_leans_on_the_others() -> None:
    train, _ = planted()
    kept = (train.user_idx != 7) | (np.cumsum(train.user_idx == 7) <= 1)
    table = bayes(train.select(kept)).predictions(clip=False)
    assert np.corrcoef(table.loc[7], table.drop(index=7).mean())[0, 1] > 0.5


def one_line(values: list[float], *, users: bool) -> Ratings:
    many, one = np.arange(len(values)), np.zeros(len(values), int)
    labels = tuple(f"é{at}" for at in many)
    return Ratings(labels, ("ß",), many, one, values) if users else Ratings(("ß",), labels, one, many, values)


@pytest.mark.parametrize("users", [True, False])
def test_one_user_or_one_item_is_answered_by_shrunken_biases(users: bool) -> None:
    made = bayes(one_line([1, 2, 3, 4, 5, 5, 4.5], users=users))
    assert made.model.n_factors == 0
    table = made.predict_matrix().ravel()
    assert np.isfinite(table).all()
    assert (np.diff(table[:5]) > 0).all()
    assert table[0] > 1


def test_two_ratings_are_enough() -> None:
    made = bayes(Ratings((1, 2), ("a", "b"), [0, 1], [0, 1], [2.0, 4.0]))
    assert 2 <= made.predict(1, "b") <= 4


def test_ids_beyond_32_bits_and_text_labels_are_fine() -> None:
    train, _ = planted(m=30, n=20)
    named = replace(train, users=tuple(2**40 + at for at in range(30)), items=tuple(f"Ünï {at}" for at in range(20)))
    assert bayes(named, n_factors=1).predict(2**40 + 3, "Ünï 4") == bayes(train, n_factors=1).predict(3, 4)


# What it refuses, and how it ends -------------------------------------------------------------------------------------


def test_all_ratings_equal_are_refused() -> None:
    with pytest.raises(FitError, match="3"):
        bayes(Ratings((1, 2), ("a",), [0, 1], [0, 0], [3.0, 3.0]))


def test_no_rating_is_refused() -> None:
    with pytest.raises(RatingsError):
        bayes(Ratings((1, 2), ("a",), [], [], []))


@pytest.mark.parametrize("model", [Model(2), Model(2, biased=True, y_range=(0, 6))])
def test_a_model_that_it_does_not_fit_is_refused(model: Model) -> None:
    with pytest.raises(OptionError, match="bayes"):
        fit(some_ratings(), model, solver="bayes")


@pytest.mark.parametrize("options", [{"tolerance": -1.0}, {"tolerance": float("nan")}, {"max_sweeps": 0}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        bayes(some_ratings(), **options)


def test_other_solvers_do_not_choose_the_number_of_factors() -> None:
    with pytest.raises(OptionError, match="at_most"):
        fit(some_ratings(), Model(2, at_most=True), solver="scipy")


def test_stopping_while_factors_are_chosen_keeps_the_best_so_far() -> None:
    seen: list[Progress] = []

    def stop_at_the_third(progress: Progress) -> bool:
        seen.append(progress)
        return len(seen) == 3

    made = bayes(planted(rank=6)[0], on_progress=stop_at_the_third)
    assert len(seen) == 3
    assert made.status is Status.STOPPED
    assert made.model.n_factors in (2, 4)


def test_the_limit_of_sweeps_is_reported() -> None:
    made = bayes(planted()[0], n_factors=2, max_sweeps=1)
    assert made.status is Status.LIMIT
    assert "limit" in made.message


def test_needs_neither_pandas_nor_torch() -> None:
    code = (
        "import sys, numpy as np; from xlcollab.ratings import Ratings; from xlcollab.fitting import fit;"
        "fit(Ratings((1, 2), ('a', 'b'), [0, 1, 1], [0, 1, 0], [2.0, 4.0, 3.0]), solver='bayes').predict(1, 'b');"
        "assert not {'pandas', 'torch', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# Tables of odd shapes -------------------------------------------------------------------------------------------------


def test_many_users_with_one_rating_each_are_answered_by_the_items() -> None:
    g = np.random.default_rng(0)
    item_idx, level = np.arange(5000) % 10, np.linspace(2, 4, 10)
    values = level[item_idx] + 0.5 * g.normal(size=5000)
    made = bayes(Ratings(tuple(range(5000)), tuple("abcdefghij"), np.arange(5000), item_idx, values))
    assert made.model.n_factors == 0
    table = made.predict_matrix(clip=False)
    np.testing.assert_allclose(table.mean(axis=0), level, atol=0.1)


def test_memory_grows_with_the_ratings_and_not_with_users_times_items() -> None:
    g = np.random.default_rng(0)
    n = 20_000
    ratings = Ratings(tuple(range(n)), tuple(range(n)), np.arange(n), g.permutation(n), g.normal(size=n))
    tracemalloc.start()
    bayes(ratings, max_sweeps=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * n


def test_a_user_who_rates_everything_the_same_is_predicted_so() -> None:
    train, _ = planted(noise=0.2)
    at = train.user_idx == 7
    table = bayes(replace(train, values=np.where(at, 4.5, train.values)), n_factors=3).predict_matrix(clip=False)
    assert table[7].mean() == pytest.approx(4.5, abs=0.2)
    assert table[7].std() < 0.7 * table.std(axis=1).mean()


def test_an_item_that_everyone_rates_the_same_is_predicted_so() -> None:
    train, _ = planted(noise=0.2)
    at = train.item_idx == 7
    table = bayes(replace(train, values=np.where(at, 1.5, train.values)), n_factors=3).predict_matrix(clip=False)
    assert table[:, 7].mean() == pytest.approx(1.5, abs=0.2)
    assert table[:, 7].std() < 0.7 * table.std(axis=0).mean()


@pytest.mark.parametrize(
    ("user_idx", "item_idx"),
    [([0], [0]), ([0, 0], [0, 1]), ([0, 1], [0, 0]), ([0, 1, 2], [2, 1, 0])],
    ids=["one rating", "one user", "one item", "a diagonal"],
)
def test_tables_too_small_to_learn_from_are_answered_or_refused_by_name(
    user_idx: list[int], item_idx: list[int]
) -> None:
    values = [1.0, 5.0, 3.0][: len(user_idx)]
    users, items = (tuple(range(max(idx) + 1)) for idx in (user_idx, item_idx))
    ratings = Ratings(users, items, user_idx, item_idx, values)
    if len(values) == 1:
        with pytest.raises(FitError, match="nothing to learn"):
            bayes(ratings)
        return
    made = bayes(ratings)
    low, high = made.predict_interval(0, 0, clip=False)
    assert low < made.predict(0, 0, clip=False) < high
    assert np.isfinite(made.predict_matrix()).all()
