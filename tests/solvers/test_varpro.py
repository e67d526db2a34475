import numpy as np
import pytest

from xlcollab.solvers.varpro import Table, derivatives, evaluate, minimise

CASES = [(3, False), (2, True), (1, False), (0, True)]


def table(k, biased, m=9, n=7, seed=0):
    g = np.random.default_rng(seed)
    weight = (g.random((m, n)) < 0.8).astype(float)
    return Table(weight, weight * g.integers(2, 11, (m, n)) / 2, k, biased)


def place(t, seed=0):
    g = np.random.default_rng(seed)
    n = t.weight.shape[1]
    return evaluate(t, g.normal(size=(n, t.n_factors)), g.normal(size=n))


def along(t, point, step):
    """The cost after a step (d q,) along the basis at ``point``."""
    change = point.basis @ step.reshape(-1, t.width)
    c = point.c + change[:, t.n_factors] if t.biased else point.c
    return evaluate(t, point.V + change[:, : t.n_factors], c)


@pytest.mark.parametrize(("k", "biased"), CASES)
def test_gradient_is_that_of_central_differences(k, biased):
    t = table(k, biased)
    point = place(t)
    gradient = derivatives(t, point)[0]
    h = 1e-6
    slopes = [(along(t, point, h * e).cost - along(t, point, -h * e).cost) / (2 * h) for e in np.eye(len(gradient))]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("k", "biased"), CASES)
def test_curvature_is_that_of_second_differences(k, biased):
    t = table(k, biased)
    point = place(t)
    curvature = derivatives(t, point)[1]
    g = np.random.default_rng(1)
    h = 1e-4
    for _ in range(5):
        step = g.normal(size=len(curvature))
        bend = (along(t, point, h * step).cost - 2 * point.cost + along(t, point, -h * step).cost) / h**2
        assert step @ curvature @ step == pytest.approx(bend, rel=1e-4)


@pytest.mark.parametrize(("k", "biased"), CASES)
def test_gauss_newton_matrix_is_never_indefinite(k, biased):
    t = table(k, biased)
    for seed in range(5):
        values = np.linalg.eigvalsh(derivatives(t, place(t, seed), exact=False)[1])
        assert values.min() > -1e-9 * values.max()


@pytest.mark.parametrize("biased", [False, True])
def test_cost_does_not_change_along_the_gauge(biased):
    t = table(3, biased)
    g = np.random.default_rng(2)
    V, c, A = g.normal(size=(7, 3)), g.normal(size=7), g.normal(size=(3, 3))
    W, d = V @ A, c
    if biased:
        W, d = W + g.normal(size=3), c + V @ g.normal(size=3) + 1.7
    assert evaluate(t, W, d).cost == pytest.approx(evaluate(t, V, c).cost, rel=1e-10)


@pytest.mark.parametrize("biased", [False, True])
def test_rows_get_their_least_squares_answer(biased):
    t = table(2, biased)
    point = place(t)
    for row, (weight, rating) in enumerate(zip(t.weight, t.rating, strict=True)):
        known = weight > 0
        best = np.linalg.lstsq(point.A[known], rating[known] - point.c[known] * biased, rcond=None)[0]
        np.testing.assert_allclose(point.z[row], best, atol=1e-8)


def test_frame_is_orthonormal_and_centred():
    point = place(table(3, True))
    whole = np.hstack([point.V, np.full((7, 1), 7**-0.5), point.basis])
    np.testing.assert_allclose(whole.T @ whole, np.eye(7), atol=1e-12)
    np.testing.assert_allclose(point.A.T @ point.c, 0, atol=1e-12)


@pytest.mark.parametrize(("k", "biased"), CASES)
def test_ends_where_the_gradient_vanishes_and_the_curvature_is_positive(k, biased):
    t = table(k, biased)
    start = place(t)
    found = minimise(t, start.V, start.c)
    gradient, curvature = derivatives(t, found.point)
    assert found.converged
    assert np.abs(gradient).max() < 1e-5
    assert np.linalg.eigvalsh(curvature).min() > 0
    assert found.point.cost < start.cost


def test_a_saddle_is_not_taken_for_a_minimum():
    # Two columns that are alike, and V that tells them apart by nothing: by symmetry the gradient vanishes there.
    rating = np.array([[1.0, 3.0, 0.0], [3.0, 1.0, 0.0], [1.0, 3.0, 0.0], [3.0, 1.0, 0.0]])
    t = Table(np.ones((4, 3)), rating, 1, False)
    found = minimise(t, np.array([[1.0], [-1.0], [0.0]]), np.zeros(3))
    least = 0.5 * float(np.sum(np.linalg.svd(rating)[1][1:] ** 2))
    assert found.point.cost == pytest.approx(least) or not found.converged


def test_reports_each_iteration_and_stops_when_told():
    t = table(3, True)
    start = place(t)
    costs = []
    minimise(t, start.V, start.c, report=lambda cost, squares: bool(costs.append((cost, squares))))
    assert costs == sorted(costs, reverse=True)
    assert all(squares == 2 * cost for cost, squares in costs)
    stopped = minimise(t, start.V, start.c, report=lambda cost, squares: True)
    assert stopped.point.cost == costs[0][0]
    assert not stopped.converged


def test_keeps_to_the_iteration_limit():
    t = table(3, True)
    start = place(t)
    found = minimise(t, start.V, start.c, max_iterations=2)
    assert (found.converged, found.iterations) == (False, 2)


def test_with_as_many_parameters_as_columns_has_nothing_to_do():
    t = table(7, False)
    found = minimise(t, np.eye(7), np.zeros(7))
    assert found.converged
    assert found.point.cost == pytest.approx(0, abs=1e-12)
