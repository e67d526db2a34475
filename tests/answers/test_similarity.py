import numpy as np
import pytest

from xlcollab.answers import ranking
from xlcollab.answers.similarity import most_similar
from xlcollab.errors import FitError, OptionError, UnknownLabelError
from xlcollab.fitting import fit
from xlcollab.model import Model


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(60, 4))


@pytest.fixture(scope="module")
def made(lesson_ratings):
    return fit(lesson_ratings, Model(3, biased=True), solver="scipy", penalty=2.0)


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def by_hand(vectors, row, n):
    others = [(cosine(vectors[row], vectors[at]), at) for at in range(len(vectors)) if at != row]
    return sorted(others, reverse=True)[:n]


class TestMostSimilar:
    def test_are_those_of_the_largest_cosines(self, vectors):
        positions, cosines = most_similar(vectors, 5)
        assert positions.shape == cosines.shape == (60, 5)
        for row in range(60):
            expected = by_hand(vectors, row, 5)
            assert positions[row].tolist() == [at for _, at in expected]
            np.testing.assert_allclose(cosines[row], [value for value, _ in expected])

    def test_do_not_depend_on_length(self, vectors):
        lengths = np.random.default_rng(1).uniform(0.1, 10, size=(60, 1))
        one, two = most_similar(vectors, 5), most_similar(vectors * lengths, 5)
        np.testing.assert_array_equal(one[0], two[0])
        np.testing.assert_allclose(one[1], two[1])

    def test_nobody_is_like_themselves(self, vectors):
        positions, _ = most_similar(vectors, 100)
        assert positions.shape == (60, 59)
        assert all(row not in positions[row] for row in range(60))

    def test_are_the_same_in_blocks_of_any_size(self, vectors, monkeypatch):
        whole = most_similar(vectors, 7)
        monkeypatch.setattr(ranking, "CELLS", 200)  # three rows a block
        positions, cosines = most_similar(vectors, 7)
        np.testing.assert_array_equal(positions, whole[0])
        np.testing.assert_allclose(cosines, whole[1])

    def test_of_some_rows_are_theirs(self, vectors):
        rows = np.array([7, 3], dtype=np.int32)
        whole = most_similar(vectors, 4)
        positions, cosines = most_similar(vectors, 4, rows)
        np.testing.assert_array_equal(positions, whole[0][rows])
        np.testing.assert_allclose(cosines, whole[1][rows])

    def test_of_equals_the_first_comes_first(self):
        positions, cosines = most_similar(np.array([[1.0], [2.0], [-1.0], [3.0]]), 3)
        assert positions.tolist() == [[1, 3, 2], [0, 3, 2], [0, 1, 3], [0, 1, 2]]
        assert cosines[0].tolist() == [1, 1, -1]

    def test_without_direction_are_like_nobody(self):
        _, cosines = most_similar(np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.1]]), 2)
        assert cosines[0].tolist() == [0, 0]

    @pytest.mark.parametrize("size", [1e-200, 1e200])
    def test_hold_for_factors_of_any_size(self, vectors, size):
        np.testing.assert_allclose(most_similar(vectors * size, 3)[1], most_similar(vectors, 3)[1])

    def test_none_are_asked_for(self, vectors):
        assert most_similar(vectors, 0)[0].shape == (60, 0)
        assert most_similar(vectors[:1], 5)[0].shape == (1, 0)


class TestOfAFit:
    def test_items_come_with_their_labels(self, made):
        table = made.similar_items(49, n=3)
        assert list(table.columns) == ["item", "similarity"]
        vectors = made.item_factors.to_numpy()
        expected = by_hand(vectors, made.ratings.items.index(49), 3)
        assert list(table["item"]) == [made.ratings.items[at] for _, at in expected]
        np.testing.assert_allclose(table["similarity"], [value for value, _ in expected])

    def test_users_come_with_their_labels(self, made):
        table = made.similar_users(293)
        assert list(table.columns) == ["user", "similarity"]
        assert len(table) == 10
        best = table["user"][0]
        assert table["similarity"][0] == pytest.approx(cosine(made.user_factors.loc[293], made.user_factors.loc[best]))
        assert 293 not in set(table["user"])

    def test_an_unknown_label_is_named(self, made):
        with pytest.raises(UnknownLabelError, match="There is no item 'x'"):
            made.similar_items("x")
        with pytest.raises(UnknownLabelError, match="There is no user 0"):
            made.similar_users(0)

    @pytest.mark.parametrize("several", [[49, 57], (49,), np.array([49, 57]), {49}])
    def test_are_asked_for_one_at_a_time(self, made, several):
        with pytest.raises(OptionError, match="about one item at a time: pass one label, not several"):
            made.similar_items(several)
        with pytest.raises(OptionError, match="about one user"):
            made.similar_users(several)

    def test_biases_alone_say_nothing_of_likeness(self, lesson_ratings):
        made = fit(lesson_ratings, Model(0, biased=True), solver="scipy", penalty=2.0)
        with pytest.raises(FitError, match="biases alone"):
            made.similar_items(49)
