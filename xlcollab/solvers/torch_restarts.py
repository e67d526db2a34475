"""``TorchSolver(restarts=N)``: the sheet's own problem from N starts at once, in batches that suit the device.

The table goes to the device once, with the shorter side as the columns whose parameters are searched (`torch_newton`).
Starts are random subspaces, uniform over all there are, drawn on the CPU, so that a seed means the same starts on any
device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from xlcollab.errors import DeviceError, FitError, OptionError
from xlcollab.model import Factors, Model, canonical
from xlcollab.progress import OnProgress, Progress
from xlcollab.solvers.base import Solution, Status
from xlcollab.solvers.torch_device import starts_at_once
from xlcollab.solvers.torch_newton import Minima, Table, bytes_per_start, minimise

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["solve_restarts"]

_MOST_BYTES = 4 << 30
"""A table whose single start needs more than this is no table for this method."""
_SAME = 1e-6
"""Starts whose RMSE differs by less than this have found the same minimum."""


def solve_restarts(
    ratings: Ratings,
    model: Model,
    *,
    restarts: int,
    device: torch.device,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Solution:
    """The least RMSE that ``restarts`` starts lead to; one history row a start.

    `OptionError` for a model with a ``y_range``, `FitError` for a table too large, `DeviceError` for a device without
    float64.
    """
    _check(ratings, model, device)
    flipped = len(ratings.items) > len(ratings.users)
    table = _table(ratings, model, device, flipped)
    n = table.weight.shape[1]
    rank = min(model.n_factors, n - model.biased)  # with that many columns every rating is hit
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randn(restarts, n, rank, generator=generator, dtype=torch.float64)
    descent = _Descent(table, len(ratings), restarts, on_progress)
    at_once = starts_at_once(device, bytes_per_start(table.weight.shape[0], n, rank + model.biased))
    for batch in torch.split(starts, at_once):
        if descent.stopped:
            break
        descent.run(batch.to(device))
    return descent.solution(model, flipped, device)


class _Descent:
    """The batches done so far."""

    def __init__(self, table: Table, n_ratings: int, restarts: int, on_progress: OnProgress | None) -> None:
        self.table = table
        self.n_ratings = n_ratings
        self.restarts = restarts
        self.on_progress = on_progress
        self.done: list[Minima] = []
        self.least = float("inf")
        self.stopped = False

    def run(self, starts: Tensor) -> None:
        """Descend from one batch of starts (s, n, k)."""
        minima = minimise(self.table, starts, report=self._report)
        self.done.append(minima)
        self.least = min(self.least, self._rmse(float(minima.squares.min())))

    def _report(self, squares: float) -> bool:
        if self.on_progress is not None:
            finished = sum(len(batch.squares) for batch in self.done)
            value = min(self.least, self._rmse(squares))
            self.stopped = bool(self.on_progress(Progress("starts", finished, self.restarts, value)))
        return self.stopped

    def _rmse(self, squares: float) -> float:
        return float(np.sqrt(squares / self.n_ratings))

    def solution(self, model: Model, flipped: bool, device: torch.device) -> Solution:
        """The least of all minima, in its gauge, and what the others were."""
        V, c, z, squares, converged, iterations = (torch.cat(parts).cpu() for parts in zip(*self.done, strict=True))
        rmse = (squares / self.n_ratings).sqrt()
        best = int(rmse.argmin())
        agreeing = int((rmse < rmse[best] + _SAME).sum())
        found = len(rmse)
        if self.stopped:
            status, ending = Status.STOPPED, f"It was asked to stop after {found:,} of {self.restarts:,} starts."
        elif converged[best]:
            status = Status.CONVERGED
            ending = f"The least minimum of {found:,} starts, reached by {agreeing:,} of them."
        else:
            status, ending = (
                Status.LIMIT,
                f"The best of {found:,} starts had not reached a minimum when its steps ran out.",
            )
        rows = zip(rmse.tolist(), iterations.tolist(), converged.tolist(), strict=True)
        return Solution(
            factors=canonical(model, _factors(model, V[best], c[best], z[best], flipped)),
            status=status,
            message=ending,
            iterations=int(iterations.sum()),
            history=[
                {"start": start, "rmse": error, "iterations": steps, "converged": float(ended)}
                for start, (error, steps, ended) in enumerate(rows, start=1)
            ],
            device=str(device),
            penalised=False,
        )


def _check(ratings: Ratings, model: Model, device: torch.device) -> None:
    if model.y_range is not None:
        raise OptionError("restarts minimises models without a y_range; leave out one of the two.")
    if device.type == "mps":
        raise DeviceError("restarts computes in double precision, which the device mps lacks. Pass device='cpu'.")
    m, n = sorted((len(ratings.users), len(ratings.items)), reverse=True)
    if bytes_per_start(m, n, model.n_factors + model.biased) > _MOST_BYTES:
        raise FitError(f"A table of {m:,} × {n:,} is too large for restarts. Use solver='scipy', or fewer factors.")


def _table(ratings: Ratings, model: Model, device: torch.device, flipped: bool) -> Table:
    """The crosstab of weights and ratings on the device, users across when ``flipped``."""
    shape = (len(ratings.users), len(ratings.items))
    weight, rating = np.zeros(shape), np.zeros(shape)
    weight[ratings.user_idx, ratings.item_idx] = 1.0
    rating[ratings.user_idx, ratings.item_idx] = ratings.values
    if flipped:
        weight, rating = weight.T, rating.T
    return Table(torch.tensor(weight, device=device), torch.tensor(rating, device=device), model.biased)


def _factors(model: Model, V: Tensor, c: Tensor, z: Tensor, flipped: bool) -> Factors:
    """Columns' factors V (n, k) and biases c (n,), rows' z (m, q), as the model's factors."""
    missing = model.n_factors - V.shape[1]
    rows, columns = (np.pad(side.numpy(), ((0, 0), (0, missing))) for side in (z[:, : V.shape[1]], V))
    row_bias = z[:, -1].numpy() if model.biased else np.zeros(len(rows))
    if flipped:
        return Factors(columns, rows, c.numpy(), row_bias)
    return Factors(rows, columns, row_bias, c.numpy())
