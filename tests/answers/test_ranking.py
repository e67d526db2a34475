import numpy as np
import pandas as pd
import pytest

from xlcollab.answers import ranking
from xlcollab.answers.ranking import Seen, best_unseen, largest
from xlcollab.errors import UnknownLabelError
from xlcollab.fitting import fit
from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.solvers.torch_network import Network


@pytest.fixture(scope="module")
def made(lesson_ratings):
    return fit(lesson_ratings, Model(3, biased=True), solver="scipy", penalty=2.0, valid_pct=0.3)


class TestLargest:
    @pytest.mark.parametrize("n", [0, 1, 4, 30, 99])
    def test_is_the_head_of_the_sorted_row(self, n):
        scores = np.random.default_rng(0).normal(size=(20, 30))
        np.testing.assert_array_equal(largest(scores, n), np.argsort(-scores, axis=1)[:, :n])

    def test_of_equals_the_first_comes_first(self):
        assert largest(np.array([[1.0, 3.0, 3.0, 2.0], [5.0, 5.0, 5.0, 5.0]]), 3).tolist() == [[1, 2, 3], [0, 1, 2]]

    @pytest.mark.parametrize("n", [1, 3, 50, 100])
    def test_of_many_equals_the_first_are_taken_in_their_order(self, n):
        scores = np.random.default_rng(0).integers(0, 3, size=(40, 100)).astype(float)
        scores[0], scores[1, 10:] = 7.0, -np.inf
        np.testing.assert_array_equal(largest(scores, n), np.argsort(-scores, axis=1, kind="stable")[:, :n])


class TestSeen:
    def test_lists_the_cells_of_some_users(self):
        g = np.random.default_rng(0)
        mask = g.random((9, 7)) < 0.4
        users, items = np.nonzero(mask)
        order = g.permutation(len(users))
        seen = Seen.of([(users[order], items[order])], 9)
        for some in ([3], [8, 0, 3], list(range(9)), [2, 2]):
            cells = np.zeros((len(some), 7), dtype=bool)
            cells[seen.cells(np.array(some))] = True
            np.testing.assert_array_equal(cells, mask[some])

    def test_leaves_out_who_is_not_known(self):
        seen = Seen.of([(np.array([0]), np.array([1])), (np.array([-1, 1]), np.array([0, -1]))], 2)
        assert [part.tolist() for part in seen.cells(np.array([0, 1]))] == [[0], [1]]


def test_best_unseen_is_the_same_in_blocks_of_any_size(monkeypatch):
    g = np.random.default_rng(0)
    table, mask = g.normal(size=(50, 12)), g.random((50, 12)) < 0.8
    seen, users = Seen.of([np.nonzero(mask)], 50), g.permutation(50)[:40]
    whole = best_unseen(lambda rows: table[rows], seen, users, 12, 4)
    monkeypatch.setattr(ranking, "CELLS", 36)
    for mine, other in zip(best_unseen(lambda rows: table[rows], seen, users, 12, 4), whole, strict=True):
        np.testing.assert_array_equal(mine, other)
    for row, user in enumerate(users):
        candidates = np.flatnonzero(~mask[user])
        expected = candidates[np.argsort(-table[user, candidates])][:4]
        assert whole[1][whole[0] == row].tolist() == expected.tolist()


class TestRecommend:
    def test_all_users_stand_in_one_table_each_as_alone(self, made):
        table = made.recommend(n=3)
        assert list(table.columns) == ["user", "rank", "item", "prediction", "low", "high"]
        for user in made.ratings.users:
            own = table[table["user"] == user].reset_index(drop=True)
            alone = made.recommend(user, n=3)
            pd.testing.assert_frame_equal(own[list(alone.columns)], alone, check_dtype=len(alone) > 0)
            assert list(own["rank"]) == list(range(1, len(alone) + 1))

    def test_some_users_stand_in_the_order_in_which_they_were_named(self, made):
        table = made.recommend([293, 212], n=1)
        assert list(table["user"]) == [293, 212]
        assert list(made.recommend(iter([293, 212]), n=1)["user"]) == [293, 212]
        assert list(made.recommend([212], n=2).columns)[:2] == ["user", "rank"]

    def test_nothing_rated_or_held_out_is_listed(self, made):
        rated = {(u, i) for part in (made.ratings, made.valid) for u, i, _ in part.to_frame().itertuples(index=False)}
        table = made.recommend(n=15)
        listed = set(zip(table["user"], table["item"], strict=True))
        assert not listed & rated
        assert len(listed | rated) == 15 * 15

    def test_seen_items_are_listed_on_request(self, made):
        table = made.recommend(212, n=15, include_seen=True)
        assert set(table["item"]) == set(made.ratings.items)
        assert table["prediction"].is_monotonic_decreasing

    def test_chooses_among_the_items_that_are_named(self, made):
        some = [99, 57, 49]  # 57 has been rated
        every = made.recommend(212, n=15)
        expected = every[every["item"].isin(some)].reset_index(drop=True)
        pd.testing.assert_frame_equal(made.recommend(212, among=iter(some)), expected)
        assert sorted(expected["item"]) == [49, 99]
        assert len(made.recommend(212, among=57)) == 0
        assert set(made.recommend(among=some, n=15, include_seen=True)["item"]) == set(some)
        with pytest.raises(UnknownLabelError, match="There is no item 'x'"):
            made.recommend(212, among=[49, "x"])

    def test_is_clipped_unless_told_otherwise(self, lesson_ratings):
        made = fit(lesson_ratings, Model(5, biased=True), solver="scipy")
        clipped, wild = (made.recommend(n=15, include_seen=True, clip=clip)["prediction"] for clip in (None, False))
        assert clipped.max() == 5 < wild.max()
        np.testing.assert_array_equal(clipped, wild.clip(1, 5))

    def test_an_unknown_one_among_many_is_named(self, made):
        with pytest.raises(UnknownLabelError, match="There is no user 'x'"):
            made.recommend(iter([212, "x"]))

    def test_held_out_ratings_with_labels_of_their_own_count(self):
        train = Ratings((1, 2), ("a", "b", "c"), [0, 0, 1, 1], [0, 1, 0, 2], [1.0, 5.0, 2.0, 3.0])
        valid = Ratings((2, 9), ("b", "z"), [0, 1], [0, 1], [4.0, 4.0])
        made = fit(train, Model(1), solver="scipy", penalty=1.0, valid=valid)
        assert list(made.recommend(2)["item"]) == []
        assert list(made.recommend(1)["item"]) == ["c"]

    def test_a_network_recommends_as_it_predicts(self, lesson_ratings):
        made = fit(lesson_ratings, solver="torch", network=Network(layers=(4,)), epochs=2, y_range=(0.5, 5.5))
        table = made.recommend(n=15)
        np.testing.assert_allclose(table["prediction"], made.predict(list(table["user"]), list(table["item"])))
        assert len(table) == 15 * 15 - 206


def test_names_stand_beside_the_items_where_there_are_names(lesson_ratings):
    named = lesson_ratings.with_names(item_names={49: "Vertigo", 505: "Rope"}, user_names={14: "Ann"})
    made = fit(named, n_factors=2, solver="als")
    assert fit(lesson_ratings, n_factors=2, solver="als").recommend(293).columns.tolist() == [
        "item", "prediction", "low", "high",
    ]  # fmt: skip
    best = made.recommend(293)
    assert best.columns.tolist() == ["item", "name", "prediction", "low", "high"]
    assert dict(zip(best["item"], best["name"], strict=True)) == {49: "Vertigo", 92: "", 505: "Rope"}
    assert made.recommend().columns.tolist()[:4] == ["user", "rank", "item", "name"]
    assert dict(made.similar_users(29, 14)[["user", "name"]].to_numpy().tolist())[14] == "Ann"
