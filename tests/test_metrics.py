import numpy as np
import pytest
from sklearn.metrics import ndcg_score, root_mean_squared_error

from xlcollab import metrics

# Two lists of five: relevant items at places 1, 3 and 4 of six that there are, and at place 5 of one.
HITS = np.array([[1, 0, 1, 1, 0], [0, 0, 0, 0, 1]], dtype=bool)
RELEVANT = np.array([6, 1])


def test_errors_by_hand():
    predicted, actual = np.array([1.0, 2.0, 5.0]), np.array([1.0, 4.0, 4.0])
    assert metrics.rmse(predicted, actual) == pytest.approx(np.sqrt(5 / 3))
    assert metrics.rmse(predicted, actual) == pytest.approx(root_mean_squared_error(actual, predicted))
    assert metrics.mae(predicted, actual) == pytest.approx(1.0)


def test_errors_of_nothing_are_not_a_number():
    assert np.isnan([metrics.rmse(np.array([]), np.array([])), metrics.mae(np.array([]), np.array([]))]).all()


def test_precision_and_recall_by_hand():
    np.testing.assert_allclose(metrics.precision(HITS, np.array([5, 5])), [3 / 5, 1 / 5])
    np.testing.assert_allclose(metrics.recall(HITS, RELEVANT), [3 / 6, 1])


def test_average_precision_by_hand():
    np.testing.assert_allclose(
        metrics.average_precision(HITS, RELEVANT), [(1 / 1 + 2 / 3 + 3 / 4) / 5, 1 / 5]
    )  # six relevant items cannot all stand among five


def test_average_precision_of_a_perfect_list_is_one():
    perfect = np.array([[1, 1, 0], [1, 1, 1]], dtype=bool)
    np.testing.assert_allclose(metrics.average_precision(perfect, np.array([2, 7])), [1, 1])


def test_ndcg_by_hand():
    """The gains 3, 2, 3, 0, 1, 2 of Järvelin & Kekäläinen's running example, their best order 3, 3, 2, 2, 1, 0."""
    gains, ideal = np.array([[3.0, 2, 3, 0, 1, 2]]), np.array([[3.0, 3, 2, 2, 1, 0]])
    dcg = 3 / 1 + 2 / 1.5849625 + 3 / 2 + 1 / 2.5849625 + 2 / 2.8073549
    best = 3 / 1 + 3 / 1.5849625 + 2 / 2 + 2 / 2.3219281 + 1 / 2.5849625
    assert metrics.ndcg(gains, ideal)[0] == pytest.approx(dcg / best, rel=1e-7)


@pytest.mark.parametrize("n", [1, 5, 10])
def test_ndcg_is_that_of_scikit_learn(n):
    g = np.random.default_rng(n)
    gains, scores = g.integers(0, 5, size=(50, 30)).astype(float), g.normal(size=(50, 30))
    listed = np.take_along_axis(gains, np.argsort(-scores, axis=1)[:, :n], axis=1)
    ideal = -np.sort(-gains, axis=1)[:, :n]
    assert metrics.ndcg(listed, ideal).mean() == pytest.approx(ndcg_score(gains, scores, k=n), rel=1e-12)


def test_coverage_counts_each_item_once_and_no_empty_place():
    assert metrics.coverage(np.array([[0, 3, 5], [3, -1, -1]]), 12) == 3 / 12
