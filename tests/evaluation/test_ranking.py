from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from xlcollab.errors import OptionError
from xlcollab.evaluation import Ranking, rank
from xlcollab.fitting import fit
from xlcollab.model import Factors, Model
from xlcollab.ratings import Ratings


@pytest.fixture(scope="module")
def parts(planted):
    return planted.split(0.3, seed=0)


@pytest.fixture(scope="module")
def made(parts):
    return fit(parts[0], solver="scipy", n_factors=2, biased=True, penalty=2.0, restarts=1)


@pytest.fixture(scope="module")
def by_hand(made):
    """Two users and five items with scores 5 to 1 for both; user 1 has rated a, user 2 has rated b, d and e."""
    train = Ratings((1, 2), tuple("abcde"), [0, 1, 1, 1], [0, 3, 4, 1], [5.0, 1.0, 3.0, 2.0])
    factors = Factors(np.zeros((2, 0)), np.zeros((5, 0)), np.zeros(2), np.arange(5.0, 0.0, -1.0))
    return replace(made, ratings=train, model=Model(0, biased=True), factors=factors)


def test_the_measures_by_hand(by_hand):
    """User 1 is shown b and c, user 2 a and c.

    Held out are b (4) and e (5) for user 1, a (5) and c (5) for user 2; the gains above the lowest rating are 3 and 4,
    4 and 4.
    """
    valid = Ratings((1, 2), tuple("abcde"), [0, 0, 1, 1], [1, 4, 0, 2], [4.0, 5.0, 5.0, 5.0])
    found = rank(by_hand, valid, n=2)
    assert found == Ranking(
        n=2,
        relevant=4.0,
        users=2,
        precision=pytest.approx((1 / 2 + 2 / 2) / 2),
        recall=pytest.approx((1 / 2 + 2 / 2) / 2),
        ndcg=pytest.approx((3 / (4 + 3 / np.log2(3)) + 1) / 2),
        map=pytest.approx((1 / 2 + 1) / 2),
        coverage=3 / 5,
    )


def test_what_is_not_relevant_takes_no_part(by_hand):
    valid = Ratings((1, 2), tuple("abcde"), [0, 0], [1, 4], [4.0, 3.5])
    found = rank(by_hand, valid, n=2)
    assert (found.users, found.recall, found.ndcg, found.map) == (1, 1.0, 1.0, 1.0)
    assert rank(by_hand, valid, n=2, relevant=3.5).recall == 0.5
    assert rank(by_hand, valid, n=2, relevant=4.5).users == 0
    assert np.isnan(rank(by_hand, valid, n=2, relevant=4.5).precision)


def test_lists_are_those_that_the_fit_recommends(made, parts):
    train, valid = parts
    threshold = 0.5 + 0.75 * 4.5
    hits = []
    for user in range(train.n_users):
        mine = valid.select((valid.user_idx == user) & (valid.values >= threshold))
        if len(mine):
            listed = made.recommend(train.users[user], n=5)["item"]
            hits.append(np.mean([item in {valid.items[at] for at in mine.item_idx} for item in listed]))
    found = rank(made, valid, n=5)
    assert found.relevant == threshold
    assert (found.users, found.precision) == (len(hits), pytest.approx(np.mean(hits)))


def test_ndcg_is_that_of_scikit_learn(made, parts):
    train, valid = parts
    low, threshold = 0.5, 3.5
    table, values = made.predict_matrix(clip=False), []
    for user in range(train.n_users):
        mine = valid.select((valid.user_idx == user) & (valid.values >= threshold))
        if len(mine):
            gains = np.zeros(train.n_items)
            gains[mine.item_idx] = mine.values - low
            left = np.setdiff1d(np.arange(train.n_items), train.item_idx[train.user_idx == user])
            values.append(ndcg_score([gains[left]], [table[user, left]], k=5))
    assert rank(made, valid, n=5, relevant=threshold).ndcg == pytest.approx(np.mean(values))


def test_what_the_fit_does_not_know_is_missed(by_hand):
    known = Ratings((1, 2), tuple("abz"), [0, 0], [1, 2], [5.0, 5.0])
    assert (rank(by_hand, known, n=2).recall, rank(by_hand, known, n=2).precision) == (0.5, 0.5)
    unknown = known.select([1])
    assert (rank(by_hand, unknown, n=2).users, rank(by_hand, unknown, n=2).ndcg) == (1, 0.0)


def test_a_list_with_empty_places_is_measured_by_what_stands_in_it(by_hand):
    valid = Ratings((1, 2), tuple("abcde"), [1], [2], [5.0])
    found = rank(by_hand, valid, n=4)  # user 2 can only be shown a and c
    assert (found.precision, found.recall, found.map) == (0.5, 1.0, 0.5)


def test_users_without_a_training_rating_get_no_list(made, parts):
    valid = parts[1]
    stranger = replace(valid, users=(*valid.users, "new"), user_idx=np.full(len(valid), 40))
    assert rank(made, stranger).users == 0


def test_a_longer_list_than_there_are_items_is_as_long_as_can_be(made, parts):
    found = rank(made, parts[1], n=1000)
    assert found.recall == 1
    assert found.coverage == 1


@pytest.mark.parametrize("n", [0, 1.5, True, "ten"])
def test_the_length_of_a_list_is_a_whole_number(n, made, parts):
    with pytest.raises(OptionError, match="n is"):
        rank(made, parts[1], n=n)


def test_what_the_fit_itself_held_out_can_be_found(planted):
    made = fit(planted, solver="als", n_factors=2, valid_pct=0.3, seed=0)
    apart = fit(made.ratings, solver="als", n_factors=2, seed=0)
    assert rank(made, made.valid, n=5) == rank(apart, made.valid, n=5)
    assert rank(made, made.valid, n=5).recall > 0
