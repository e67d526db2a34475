import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import OptionError
from xlcollab.model import (
    Factors,
    Model,
    canonical,
    link,
    predict_all,
    predict_pairs,
    predict_rows,
    principal,
    with_average_rows,
)

sizes = st.integers(1, 6)
seeds = st.integers(0, 2**31)
ranges = st.sampled_from([None, (0.5, 5.5), (-1.0, 3.0)])


def some_factors(m, n, k, seed, biased=True):
    g = np.random.default_rng(seed)
    b_u, b_i, mean = (
        (g.normal(size=m), g.normal(size=n), float(g.normal())) if biased else (np.zeros(m), np.zeros(n), 0.0)
    )
    return Factors(g.normal(size=(m, k)), g.normal(size=(n, k)), b_u, b_i, mean)


def by_hand(model, f, user, item):
    linear = f.mean + sum(f.user_factors[user, a] * f.item_factors[item, a] for a in range(model.n_factors))
    if model.biased:
        linear += f.user_bias[user] + f.item_bias[item]
    if model.y_range is None:
        return linear
    low, high = model.y_range
    return low + (high - low) / (1 + math.exp(-linear))


class TestPrediction:
    @given(sizes, sizes, st.integers(0, 4), st.booleans(), ranges, seeds)
    def test_is_the_formula_written_out(self, m, n, k, biased, y_range, seed):
        model = Model(k, biased or k == 0, y_range)
        f = some_factors(m, n, k, seed)
        expected = [[by_hand(model, f, user, item) for item in range(n)] for user in range(m)]
        np.testing.assert_allclose(predict_all(model, f), expected, rtol=1e-12, atol=1e-12)

    @given(sizes, sizes, ranges, seeds)
    def test_of_pairs_is_that_of_the_whole_table(self, m, n, y_range, seed):
        model, f = Model(3, True, y_range), some_factors(m, n, 3, seed)
        users, items = np.nonzero(np.ones((m, n)))
        np.testing.assert_allclose(predict_pairs(model, f, users, items), predict_all(model, f).ravel(), rtol=1e-13)

    @pytest.mark.parametrize("n", [0, 70_001])
    def test_of_none_or_very_many_pairs_is_one_for_each(self, n):
        model, f = Model(2), some_factors(4, 3, 2, 1, biased=False)
        users, items = np.arange(n) % 4, np.arange(n) % 3
        np.testing.assert_allclose(predict_pairs(model, f, users, items), predict_all(model, f)[users, items])

    @pytest.mark.parametrize("y_range", [None, (0.5, 5.5)])
    @pytest.mark.parametrize("biased", [False, True])
    def test_is_the_same_for_arrays_and_for_tensors(self, biased, y_range):
        model, f = Model(4, biased, y_range), some_factors(7, 5, 4, 1)
        tensors = Factors(
            *(torch.tensor(part) for part in (f.user_factors, f.item_factors, f.user_bias, f.item_bias)), f.mean
        )
        users, items = np.nonzero(np.ones((7, 5)))
        pairs = predict_rows(model, tensors.rows(torch.tensor(users), torch.tensor(items)))
        np.testing.assert_allclose(predict_all(model, tensors).numpy(), predict_all(model, f), rtol=1e-13)
        np.testing.assert_allclose(pairs.numpy(), predict_pairs(model, f, users, items), rtol=1e-13)

    def test_of_tensors_can_be_differentiated(self):
        model = Model(2, True, (0.5, 5.5))
        P = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
        rows = Factors(P, torch.randn(3, 2, dtype=torch.float64), torch.zeros(3), torch.zeros(3))
        assert torch.autograd.gradcheck(lambda p: predict_rows(model, Factors(p, *_parts(rows)[1:])), (P,))

    def test_carries_leading_dimensions_through(self):
        model, many = Model(2, True, (-0.5, 6)), [some_factors(4, 3, 2, seed) for seed in range(5)]
        stacked = Factors(*(np.stack(parts) for parts in zip(*(_parts(f) for f in many), strict=True)), 0.3)
        users, items = np.array([0, 3, 1]), np.array([2, 2, 0])
        for at, f in enumerate(many):
            one = Factors(*_parts(f), 0.3)
            np.testing.assert_allclose(predict_all(model, stacked)[at], predict_all(model, one))
            np.testing.assert_allclose(
                predict_pairs(model, stacked, users, items)[at], predict_pairs(model, one, users, items)
            )


def _parts(f):
    return f.user_factors, f.item_factors, f.user_bias, f.item_bias


class TestLink:
    def test_without_a_range_is_the_identity(self):
        x = np.array([-1e9, 0.0, 3.5])
        assert link(Model(), x) is x

    def test_stays_within_the_range_and_overflows_nowhere(self):
        squeezed = link(Model(y_range=(1, 5)), np.array([-1e300, -800.0, 0.0, 800.0, 1e300]))
        np.testing.assert_allclose(squeezed, [1, 1, 3, 5, 5])

    @given(st.floats(-30, 30))
    def test_is_the_sigmoid(self, x):
        assert link(Model(y_range=(2, 10)), np.array([x]))[0] == pytest.approx(2 + 8 / (1 + math.exp(-x)), rel=1e-13)


class TestModel:
    @pytest.mark.parametrize(
        ("model", "name"),
        [
            (Model(), "dot, 5 factors"),
            (Model(1), "dot, 1 factor"),
            (Model(50, True, (0, 5.5)), "bias, 50 factors, range 0 to 5.5"),
            (Model(0, biased=True), "bias, 0 factors"),
        ],
    )
    def test_has_a_name_in_a_few_words(self, model, name):
        assert model.name == name

    @pytest.mark.parametrize("n_factors", [-1, 2.5, True, "five", None])
    def test_refuses_what_is_no_number_of_factors(self, n_factors):
        with pytest.raises(OptionError, match="n_factors is"):
            Model(n_factors)

    @pytest.mark.parametrize("option", ["biased", "at_most"])
    @pytest.mark.parametrize("value", ["no", 1, None])
    def test_refuses_what_is_neither_true_nor_false(self, option, value):
        with pytest.raises(OptionError, match=f"{option} is {value!r}; it is True or False"):
            Model(**{option: value})

    def test_takes_the_truth_values_of_numpy(self):
        assert Model(biased=np.bool_(True)).biased is True

    def test_without_factors_needs_biases(self):
        with pytest.raises(OptionError, match="biased=True"):
            Model(0)

    @pytest.mark.parametrize("y_range", [(5, 1), (1, 1), (0, math.inf), (math.nan, 1), (1,), (1, 2, 3), 5, "ab"])
    def test_refuses_what_is_no_range(self, y_range):
        with pytest.raises(OptionError, match="y_range is"):
            Model(y_range=y_range)

    def test_takes_numpy_numbers_and_keeps_plain_ones(self):
        model = Model(np.int64(3), True, np.array([1, 5]))
        assert model == Model(3, True, (1.0, 5.0))
        assert type(model.n_factors) is int

    @given(sizes, sizes, st.integers(0, 4), st.booleans(), seeds)
    def test_counts_its_free_parameters_as_the_rank_of_its_derivative(self, m, n, k, biased, seed):
        model = Model(k, biased or k == 0)
        f = some_factors(m, n, k, seed, model.biased)
        columns = []
        for a in range(k):
            columns += [np.outer(e, f.item_factors[:, a]).ravel() for e in np.eye(m)]
            columns += [np.outer(f.user_factors[:, a], e).ravel() for e in np.eye(n)]
        if model.biased:
            columns += [np.outer(e, np.ones(n)).ravel() for e in np.eye(m)]
            columns += [np.outer(np.ones(m), e).ravel() for e in np.eye(n)]
        assert model.free_parameters(m, n) == np.linalg.matrix_rank(np.array(columns), tol=1e-9)


class TestGauge:
    @given(sizes, sizes, st.integers(0, 8), st.booleans(), st.booleans(), seeds)
    def test_changes_no_prediction(self, m, n, k, biased, centre, seed):
        model = Model(k, biased or k == 0)
        f = some_factors(m, n, k, seed, model.biased)
        same = canonical(model, f, centre=centre)
        np.testing.assert_allclose(predict_all(model, same), predict_all(model, f), atol=1e-11)
        assert same.user_factors.shape == (m, k)
        assert same.item_factors.shape == (n, k)

    @given(st.integers(4, 7), st.integers(4, 7), st.booleans(), seeds)
    def test_is_the_same_for_all_factors_that_predict_the_same(self, m, n, biased, seed):
        model, k = Model(3, biased), 3
        f = some_factors(m, n, k, seed, biased)
        g = np.random.default_rng(seed + 1)
        A = np.linalg.qr(g.normal(size=(k, k)))[0] * g.uniform(0.5, 2, k)
        P, Q = f.user_factors @ A, f.item_factors @ np.linalg.inv(A).T
        b_u, b_i, mean = f.user_bias, f.item_bias, f.mean
        if biased:
            p, q, shift = g.normal(size=k), g.normal(size=k), g.normal()
            b_u, b_i = b_u - P @ q + shift, b_i - Q @ p - p @ q
            P, Q, mean = P + p, Q + q, mean - shift
        one, two = canonical(model, f), canonical(model, Factors(P, Q, b_u, b_i, mean))
        np.testing.assert_allclose(two.user_factors, one.user_factors, atol=1e-7)
        np.testing.assert_allclose(two.item_factors, one.item_factors, atol=1e-7)
        np.testing.assert_allclose(two.user_bias, one.user_bias, atol=1e-9)
        np.testing.assert_allclose(two.item_bias, one.item_bias, atol=1e-9)
        assert two.mean == one.mean == 0 or not biased

    def test_shares_the_singular_values_and_makes_the_largest_item_entries_positive(self):
        f = canonical(Model(4), some_factors(9, 7, 4, 3, biased=False))
        of_users, of_items = f.user_factors.T @ f.user_factors, f.item_factors.T @ f.item_factors
        np.testing.assert_allclose(of_users, np.diag(np.diag(of_users)), atol=1e-12)
        np.testing.assert_allclose(of_users, of_items, atol=1e-12)
        assert (np.diff(np.diag(of_items)) < 0).all()
        largest = np.abs(f.item_factors).argmax(axis=0)
        assert (f.item_factors[largest, range(4)] > 0).all()

    def test_makes_item_biases_levels_and_user_biases_deviations(self):
        model, f = Model(3, biased=True), some_factors(6, 5, 3, 4)
        f = canonical(model, f)
        table = predict_all(model, f)
        np.testing.assert_allclose(f.item_bias, table.mean(axis=0))
        np.testing.assert_allclose(f.user_bias, table.mean(axis=1) - table.mean(), atol=1e-12)
        np.testing.assert_allclose(f.user_factors.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(f.item_factors.mean(axis=0), 0, atol=1e-12)

    def test_leaves_the_biases_of_a_penalised_fit_as_they_are(self):
        model, f = Model(3, biased=True), some_factors(6, 5, 3, 4)
        same = canonical(model, f, centre=False)
        assert same.mean == f.mean
        np.testing.assert_array_equal(same.user_bias, f.user_bias)
        np.testing.assert_array_equal(same.item_bias, f.item_bias)

    def test_given_twice_is_given_once(self):
        model, f = Model(3, biased=True), some_factors(6, 5, 3, 4)
        once = canonical(model, f)
        np.testing.assert_allclose(canonical(model, once).item_factors, once.item_factors, atol=1e-12)


class TestPrincipal:
    def test_finds_the_axes_of_canonical_again_after_any_turn(self):
        f = canonical(Model(4), some_factors(9, 7, 4, 3, biased=False))
        turn = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
        again = principal(replace(f, user_factors=f.user_factors @ turn, item_factors=f.item_factors @ turn))
        np.testing.assert_allclose(again.item_factors, f.item_factors, atol=1e-12)
        np.testing.assert_allclose(again.user_factors, f.user_factors, atol=1e-12)

    def test_of_more_factors_than_items_predicts_the_same_and_leaves_the_others_at_zero(self):
        model, f = Model(5, biased=True), some_factors(9, 3, 5, 3)
        turned = principal(f)
        np.testing.assert_allclose(predict_all(model, turned), predict_all(model, f))
        np.testing.assert_allclose(turned.item_factors[:, 3:], 0, atol=1e-12)


class TestFactors:
    def test_folded_hold_the_mean_in_the_item_biases(self):
        model, f = Model(2, biased=True), some_factors(4, 3, 2, 5)
        assert f.folded().mean == 0
        np.testing.assert_allclose(predict_all(model, f.folded()), predict_all(model, f))

    def test_transposed_predict_the_transposed_table(self):
        model, f = Model(2, True, (-0.5, 5)), some_factors(4, 3, 2, 5)
        np.testing.assert_allclose(predict_all(model, f.transposed()), predict_all(model, f).T)

    def test_of_the_unrated_can_be_the_average_of_the_others(self):
        model, f = Model(2, biased=True), some_factors(4, 3, 2, 5)
        users, items = np.array([True, False, True, True]), np.array([True, True, False])
        table = predict_all(model, with_average_rows(f, users, items))
        np.testing.assert_allclose(table[1], table[users].mean(axis=0))
        np.testing.assert_allclose(table[:, 2], table[:, items].mean(axis=1))
        np.testing.assert_allclose(table[users][:, items], predict_all(model, f)[users][:, items])


def test_the_name_says_the_range_to_the_cent():
    assert Model(2, y_range=(119.5, 900000.5)).name == "dot, 2 factors, range 119.5 to 900000.5"
