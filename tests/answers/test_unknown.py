import numpy as np
import pytest

from xlcollab.answers import unknown
from xlcollab.answers.unknown import predicted_somehow
from xlcollab.fitting import fit
from xlcollab.solvers.torch_network import Network


class Table:
    """A predictor that is known beforehand."""

    def __init__(self, table):
        self.table = table

    def predict_pairs(self, user_idx, item_idx):
        return self.table[user_idx, item_idx]


@pytest.fixture
def table():
    return np.random.default_rng(0).normal(size=(5, 4))


def test_one_known_side_gives_its_mean(table):
    users, items = np.array([0, -1, 2, -1, -1, 3]), np.array([1, 2, -1, 2, -1, -1])
    values = predicted_somehow(Table(table), users, items, (5, 4), 3.5)
    expected = [table[0, 1], table[:, 2].mean(), table[2].mean(), table[:, 2].mean(), 3.5, table[3].mean()]
    np.testing.assert_allclose(values, expected)


def test_of_many_some_stand_for_all(table, monkeypatch):
    monkeypatch.setattr(unknown, "OTHERS", 2)
    values = predicted_somehow(Table(table), np.array([-1]), np.array([1]), (5, 4), 3.5)
    np.testing.assert_allclose(values, [table[[0, 4], 1].mean()])


def test_no_pairs_are_no_values(table):
    assert predicted_somehow(Table(table), np.zeros(0, int), np.zeros(0, int), (5, 4), 3.5).shape == (0,)


def test_a_network_tells_good_items_from_bad_ones_to_someone_unknown(lesson_ratings):
    made = fit(lesson_ratings, solver="torch", network=Network(layers=(8,)), epochs=40, y_range=(0.5, 5.5))
    values = made.predict("nobody", list(lesson_ratings.items), unknown="mean")
    np.testing.assert_allclose(values, made.predict_matrix(clip=False).mean(axis=0), rtol=1e-6)
    assert np.isnan(made.predict_interval("nobody", 49, unknown="mean")).all()
