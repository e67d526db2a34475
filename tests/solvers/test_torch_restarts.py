"""The batched descents against the least minima known, autograd and each other."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from xlcollab.errors import DeviceError, FitError, OptionError
from xlcollab.model import Model, canonical, predict_all
from xlcollab.objective import rmse
from xlcollab.ratings import Ratings
from xlcollab.solvers.base import Status
from xlcollab.solvers.torch_newton import Table, bytes_per_start, evaluate, minimise
from xlcollab.solvers.torch_restarts import solve_restarts
from xlcollab.solvers.torch_sgd import TorchSolver

LEAST = {(1, False): 0.825774, (3, False): 0.592700, (5, False): 0.392901, (1, True): 0.711276, (5, True): 0.318655}


def planted(m: int, n: int, *, seed: int = 0, keep: float = 0.8) -> Ratings:
    """A table of rank 2 plus biases and a little noise, with blanks."""
    random = np.random.default_rng(seed)
    full = 3 + random.normal(size=(m, 2)) @ random.normal(size=(n, 2)).T + random.normal(size=(m, 1)) / 2
    full += random.normal(scale=0.1, size=(m, n))
    users, items = np.nonzero(random.random((m, n)) < keep)
    return Ratings.from_arrays(users, items, full[users, items])


def table_of(ratings: Ratings, biased: bool) -> Table:
    return Table(torch.tensor(ratings.mask()).double(), torch.tensor(np.nan_to_num(ratings.dense())), biased)


def starts(s: int, n: int, k: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(s, n, k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n_factors", "biased"), LEAST)
def test_the_least_rmse_known_on_the_lesson_is_found(lesson_ratings, n_factors, biased):
    model = Model(n_factors, biased)
    solution = TorchSolver(restarts=20).solve(lesson_ratings, model)
    assert rmse(model, solution.factors, lesson_ratings) == pytest.approx(LEAST[n_factors, biased], abs=1e-6)
    assert solution.status is Status.CONVERGED
    assert solution.message.startswith("The least minimum of 20 starts, reached by ")


def test_the_minimum_is_scipys(lesson_ratings):
    from xlcollab.solvers.scipy_minimise import ScipySolver

    model = Model(5, True)
    ours, theirs = (
        solver.solve(lesson_ratings, model, valid=None, seed=0, on_progress=None)
        for solver in (TorchSolver(restarts=20), ScipySolver())
    )
    errors = [rmse(model, solution.factors, lesson_ratings) for solution in (ours, theirs)]
    assert errors[0] == pytest.approx(errors[1], abs=1e-4)
    np.testing.assert_allclose(predict_all(model, ours.factors), predict_all(model, theirs.factors), atol=1e-3)


@pytest.mark.parametrize("biased", [False, True])
def test_the_gradient_is_zero_at_a_minimum(lesson_ratings, biased):
    table = table_of(lesson_ratings, biased)
    found = minimise(table, starts(4, 15, 3))
    z, V, c = (part.clone().requires_grad_() for part in (found.z, found.V, found.c))
    predicted = z[..., :3] @ V.mT + (z[..., 3:] + c.unsqueeze(1) if biased else 0)
    cost = (table.weight * (predicted - table.rating)).square().sum()
    gradients = torch.autograd.grad(cost, (z, V, c) if biased else (z, V))
    assert found.converged.all()
    assert max(gradient.abs().max().item() for gradient in gradients) < 1e-5


@pytest.mark.parametrize("biased", [False, True])
def test_a_batch_finds_what_each_start_finds_alone(lesson_ratings, biased):
    table, V = table_of(lesson_ratings, biased), starts(6, 15, 4)
    together = minimise(table, V)
    alone = [minimise(table, V[s : s + 1]) for s in range(6)]
    torch.testing.assert_close(together.squares, torch.cat([one.squares for one in alone]), rtol=1e-8, atol=0)
    assert together.iterations.tolist() == [int(one.iterations) for one in alone]


def test_the_cost_never_rises(lesson_ratings):
    costs = []
    minimise(table_of(lesson_ratings, True), starts(1, 15, 5), report=costs.append)
    assert len(costs) > 5
    assert all(later <= earlier for earlier, later in pairwise(costs))


def test_a_point_does_not_depend_on_the_basis_of_its_subspace(lesson_ratings):
    table, V = table_of(lesson_ratings, False), starts(1, 15, 3)
    turned = V @ torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 3.0], [1.0, 0.0, 1.0]], dtype=torch.float64)
    zero = torch.zeros(1, 15, dtype=torch.float64)
    torch.testing.assert_close(evaluate(table, V, zero).cost, evaluate(table, turned, zero).cost)


@pytest.mark.parametrize("shape", [(20, 7), (7, 20)])
@pytest.mark.parametrize("biased", [False, True])
def test_wide_and_tall_tables_are_solved_alike(shape, biased):
    ratings, model = planted(*shape), Model(3, biased)
    solution = TorchSolver(restarts=10).solve(ratings, model)
    assert solution.factors.user_factors.shape == (shape[0], 3)
    assert solution.factors.item_bias.shape == (shape[1],)
    assert rmse(model, solution.factors, ratings) < 0.1
    least = min(row["rmse"] for row in solution.history)
    assert rmse(model, solution.factors, ratings) == pytest.approx(least, rel=1e-9)


def test_the_factors_are_in_their_gauge(lesson_ratings):
    factors, model = TorchSolver(restarts=5).solve(lesson_ratings, Model(3, True)).factors, Model(3, True)
    np.testing.assert_allclose(factors.item_factors, canonical(model, factors).item_factors, atol=1e-9)


@pytest.mark.parametrize("n_factors", [14, 15, 20])
@pytest.mark.parametrize("biased", [False, True])
def test_with_a_factor_for_each_item_every_rating_is_hit(lesson_ratings, n_factors, biased):
    model = Model(n_factors, biased)
    solution = TorchSolver(restarts=3).solve(lesson_ratings, model)
    assert solution.factors.item_factors.shape == (15, n_factors)
    assert rmse(model, solution.factors, lesson_ratings) < 1e-6


def test_users_and_items_without_ratings_are_no_trouble(lesson_ratings):
    few = lesson_ratings.select((lesson_ratings.user_idx != 3) & (lesson_ratings.item_idx != 7))
    solution = TorchSolver(restarts=4).solve(few, Model(2, True))
    assert np.isfinite(predict_all(Model(2, True), solution.factors)).all()


def test_history_has_a_row_a_start(lesson_ratings):
    solution = TorchSolver(restarts=7).solve(lesson_ratings, Model(5, True))
    assert [row["start"] for row in solution.history] == [1, 2, 3, 4, 5, 6, 7]
    assert list(solution.history[0]) == ["start", "rmse", "iterations", "converged"]
    assert solution.iterations == sum(row["iterations"] for row in solution.history)
    assert not solution.penalised


def test_the_same_seed_gives_the_same_starts(lesson_ratings):
    rows = [TorchSolver(restarts=5).solve(lesson_ratings, Model(5, True), seed=seed).history for seed in (1, 1, 2)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_progress_stops_the_descent_with_the_best_so_far(lesson_ratings):
    solution = TorchSolver(restarts=5).solve(lesson_ratings, Model(5), on_progress=lambda progress: True)
    assert solution.status is Status.STOPPED
    assert np.isfinite(rmse(Model(5), solution.factors, lesson_ratings))


def test_steps_that_run_out_are_no_minimum(lesson_ratings):
    found = minimise(table_of(lesson_ratings, True), starts(3, 15, 5), max_iterations=2)
    assert not found.converged.any()
    assert found.iterations.tolist() == [2, 2, 2]


def test_restarts_without_a_range_are_the_lessons_sheet(lesson_ratings):
    assert TorchSolver(restarts=5).default_model(lesson_ratings) == Model(5)


def test_a_range_does_not_go_with_restarts(lesson_ratings):
    with pytest.raises(OptionError, match="without a y_range"):
        TorchSolver(restarts=5).solve(lesson_ratings, Model(5, y_range=(0, 6)))


def test_a_table_too_large_is_refused_before_memory_is_taken():
    huge = Ratings.from_arrays(np.arange(20_000), np.arange(20_000), np.arange(20_000) % 5 + 1.0)
    assert bytes_per_start(20_000, 20_000, 5) > 1 << 38
    with pytest.raises(FitError, match="20,000 × 20,000 is too large"):
        TorchSolver(restarts=5).solve(huge, Model(5))


def test_a_device_without_double_precision_is_refused(lesson_ratings):
    with pytest.raises(DeviceError, match="double precision"):
        solve_restarts(lesson_ratings, Model(5), restarts=1, device=torch.device("mps"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_finds_the_least_rmse_from_a_thousand_starts(lesson_ratings):
    solution = TorchSolver(restarts=1000, device="cuda").solve(lesson_ratings, Model(5, True))
    assert rmse(Model(5, True), solution.factors, lesson_ratings) == pytest.approx(0.31865497, abs=1e-6)
