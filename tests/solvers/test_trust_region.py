import numpy as np
import pytest

from xlcollab.model import Model
from xlcollab.objective import Objective
from xlcollab.ratings import Ratings
from xlcollab.solvers import varpro
from xlcollab.solvers.descents import LBFGS, Projected
from xlcollab.solvers.reduced import Quadratic, SparseTable, evaluate
from xlcollab.solvers.trust_region import minimise, truncated_step

CASES = [(3, False, 0.0), (2, True, 0.0), (3, False, 0.5), (2, True, 0.5), (0, True, 0.0), (0, True, 1.0)]


def triplets(m=9, n=7, seed=0, fill=0.8):
    g = np.random.default_rng(seed)
    rows, columns = np.nonzero(g.random((m, n)) < fill)
    order = g.permutation(len(rows))
    return rows[order].astype(np.int32), columns[order].astype(np.int32), g.integers(2, 11, len(rows)) / 2


def table(k, biased, penalty=0.0, **size):
    rows, columns, values = triplets(**size)
    m, n = size.get("m", 9), size.get("n", 7)
    return SparseTable.of(rows, columns, values, (m, n), k, biased, penalty, 2 * penalty)


def place(t, seed=0):
    g = np.random.default_rng(seed)
    return evaluate(t, g.normal(size=(t.n, t.n_factors)), g.normal(size=t.n))


def along(t, point, T):
    return evaluate(t, point.V + T[:, : t.n_factors], point.c + T[:, -1] if t.biased else point.c)


@pytest.mark.parametrize(("k", "biased", "penalty"), CASES)
def test_gradient_and_hessian_products_are_those_of_central_differences(k, biased, penalty):
    t = table(k, biased, penalty)
    point = place(t)
    near = Quadratic(t, point)
    g = np.random.default_rng(1)
    for _ in range(3):
        T = near.horizontal(g.normal(size=(t.n, t.width)))
        h = 1e-5
        slope = (along(t, point, h * T).cost - along(t, point, -h * T).cost) / (2 * h)
        assert np.vdot(near.gradient, T) == pytest.approx(slope, rel=1e-6)
        h = 1e-4
        bend = (along(t, point, h * T).cost - 2 * point.cost + along(t, point, -h * T).cost) / h**2
        assert np.vdot(T, near.product(T)) == pytest.approx(bend, rel=1e-4)


@pytest.mark.parametrize(("k", "biased", "penalty"), CASES)
def test_hessian_is_symmetric(k, biased, penalty):
    t = table(k, biased, penalty)
    near = Quadratic(t, place(t))
    g = np.random.default_rng(1)
    S, T = (near.horizontal(g.normal(size=(t.n, t.width))) for _ in range(2))
    assert np.vdot(S, near.product(T)) == pytest.approx(np.vdot(T, near.product(S)))
    assert np.vdot(S, near.precondition(T)) == pytest.approx(np.vdot(T, near.precondition(S)))


@pytest.mark.parametrize(("k", "biased"), [(3, False), (2, True)])
def test_cost_and_curvature_are_those_of_the_dense_table(k, biased):
    rows, columns, values = triplets()
    weight, rating = np.zeros((9, 7)), np.zeros((9, 7))
    weight[rows, columns], rating[rows, columns] = 1, values
    dense, sparse = varpro.Table(weight, rating, k, biased), table(k, biased)
    there = place(sparse)
    here = varpro.evaluate(dense, there.V, there.c)
    assert there.cost == pytest.approx(here.cost, rel=1e-12)
    # QR may turn columns of V round; expressed in the dense frame the two must agree.
    there = evaluate(sparse, here.V, here.c)
    turn = there.V.T @ here.V
    curvature = varpro.derivatives(dense, here)[1]
    step = np.random.default_rng(3).normal(size=len(curvature))
    T = here.basis @ step.reshape(-1, sparse.width)
    T[:, :k] = T[:, :k] @ turn.T
    assert np.vdot(T, Quadratic(sparse, there).product(T)) == pytest.approx(step @ curvature @ step, rel=1e-9)


@pytest.mark.parametrize(("k", "biased", "penalty"), CASES)
def test_step_keeps_to_its_radius_and_promises_what_the_model_says(k, biased, penalty):
    t = table(k, biased, penalty)
    near = Quadratic(t, place(t))
    for radius in (1e-3, 0.1, 1e3):
        step = truncated_step(near, radius, 1e-3)
        assert step.length <= radius * (1 + 1e-9)
        promised = -np.vdot(near.gradient, step.T) - 0.5 * np.vdot(step.T, near.product(step.T))
        assert step.promised == pytest.approx(promised)
        assert step.promised > 0


@pytest.mark.parametrize(("k", "biased", "penalty"), CASES)
def test_ends_where_the_gradient_vanishes(k, biased, penalty):
    t = table(k, biased, penalty, m=30, n=20)
    start = place(t)
    found = minimise(t, start.V, start.c)
    assert found.converged
    assert not found.slow
    assert np.abs(Quadratic(t, found.point).gradient).max() < 1e-3
    assert found.point.cost < start.cost


@pytest.mark.parametrize(("k", "biased"), [(3, False), (2, True), (0, True)])
def test_finds_the_penalised_minimum_that_lbfgs_finds_over_all_parameters(k, biased):
    rows, columns, values = triplets(m=12, n=8)
    ratings, model = Ratings(tuple(range(12)), tuple(range(8)), rows, columns, values), Model(k, biased)
    g = np.random.default_rng(0)
    first = Objective(ratings, model, 1.0, 2.0).unpack(g.normal(size=Objective(ratings, model, 1.0, 2.0).size))
    pairs = (rows, columns, values)
    settings = {"penalty": 1.0, "bias_penalty": 2.0, "max_iterations": 1000}
    one = Projected(model, pairs, (12, 8), newton=False, **settings).descend(first, lambda cost, squares: False)
    two = LBFGS(ratings, model, **settings).descend(first, lambda cost, squares: False)
    assert one.cost == pytest.approx(two.cost, rel=1e-9)
    objective = Objective(ratings, model, 1.0, 2.0)
    assert one.cost == pytest.approx(objective.cost(objective.pack(one.factors)), rel=1e-10)


def test_a_valley_without_end_is_not_taken_for_a_minimum():
    t = table(3, False)
    start = place(t)
    found = minimise(t, start.V, start.c, enough=0.0)
    assert np.abs(Quadratic(t, found.point).gradient).max() > 1
    assert not found.converged


def test_gives_up_when_steps_gain_next_to_nothing():
    t = table(3, True, m=40, n=30, fill=0.3)
    start = place(t)
    assert minimise(t, start.V, start.c, enough=0.5).slow


def test_reports_each_step_and_stops_when_told():
    t = table(3, True, 0.5)
    start = place(t)
    seen = []
    minimise(t, start.V, start.c, report=lambda cost, squares: bool(seen.append((cost, squares))))
    assert [cost for cost, _ in seen] == sorted((cost for cost, _ in seen), reverse=True)
    assert all(squares < 2 * cost for cost, squares in seen)
    assert minimise(t, start.V, start.c, report=lambda cost, squares: True).point.cost == seen[0][0]


def test_order_of_the_ratings_does_not_matter():
    rows, columns, values = triplets()
    one = SparseTable.of(rows, columns, values, (9, 7), 2, True)
    two = SparseTable.of(rows[::-1], columns[::-1], values[::-1], (9, 7), 2, True)
    V, c = np.random.default_rng(0).normal(size=(7, 2)), np.zeros(7)
    assert evaluate(one, V, c).cost == evaluate(two, V, c).cost
