"""Measures of predictions and of lists, on plain arrays.

Errors are in the units of the ratings, 0 and up, less is better. Measures of lists are between 0 and 1, more is better;
each function takes the lists of m users at once and gives one number a user (m,).

J. L. Herlocker, J. A. Konstan, L. G. Terveen & J. T. Riedl, Evaluating collaborative filtering recommender systems, ACM
TOIS 22 (2004) 5: MAE and RMSE, precision and recall with a threshold of relevance, coverage. K. Järvelin & J.
Kekäläinen, Cumulated gain-based evaluation of IR techniques, ACM TOIS 20 (2002) 422: nDCG. C. D. Manning, P. Raghavan &
H. Schütze, Introduction to Information Retrieval, Cambridge 2008, section 8.4: average precision.
"""

from __future__ import annotations

import numpy as np

from xlcollab.arrays import BoolArray, FloatArray, IntArray

__all__ = ["average_precision", "coverage", "mae", "ndcg", "precision", "recall", "rmse"]


def rmse(predicted: FloatArray, actual: FloatArray) -> float:
    """Root mean squared error √(Σ(r̂ − r)² / N); NaN without ratings."""
    return float(np.sqrt(np.mean((predicted - actual) ** 2))) if len(actual) else float("nan")


def mae(predicted: FloatArray, actual: FloatArray) -> float:
    """Mean absolute error Σ|r̂ − r| / N; NaN without ratings."""
    return float(np.mean(np.abs(predicted - actual))) if len(actual) else float("nan")


def precision(hits: BoolArray, lengths: IntArray) -> FloatArray:
    """Precision@n, relevant items in the list / length of the list.

    ``hits`` (m, n) says which places hold a relevant item; ``lengths`` (m,) is n but where fewer items were left.
    """
    shares: FloatArray = hits.sum(axis=1) / lengths
    return shares


def recall(hits: BoolArray, n_relevant: IntArray) -> FloatArray:
    """Recall@n, relevant items in the list / relevant items that there are, ``n_relevant`` (m,)."""
    shares: FloatArray = hits.sum(axis=1) / n_relevant
    return shares


def average_precision(hits: BoolArray, n_relevant: IntArray) -> FloatArray:
    """AP@n = Σ over the places of relevant items of the precision down to that place / min(n, n_relevant).

    Its mean over users is MAP@n.
    """
    places = np.arange(1, hits.shape[1] + 1)
    down_to = np.cumsum(hits, axis=1) / places  # (m, n)
    means: FloatArray = (down_to * hits).sum(axis=1) / np.minimum(n_relevant, hits.shape[1])
    return means


def ndcg(gains: FloatArray, ideal: FloatArray) -> FloatArray:
    """NDCG@n = DCG of the list / DCG of the best list, DCG = Σ gain / log₂(place + 1), places from 1.

    ``gains`` (m, n) are those of the listed items in their order, ``ideal`` (m, n) those of the best list there is. The
    discount of place 1 is log₂ 2, as has become usual (scikit-learn's ``ndcg_score``); Järvelin & Kekäläinen discount
    from place 3 on.
    """
    discount = np.log2(np.arange(2, gains.shape[1] + 2))
    shares: FloatArray = (gains / discount).sum(axis=1) / (ideal / discount).sum(axis=1)
    return shares


def coverage(listed: IntArray, n_items: int) -> float:
    """Catalogue coverage: the share of ``n_items`` items that stand in a list at all; −1 marks empty places."""
    return len(np.unique(listed[listed >= 0])) / n_items
