"""How sure a prediction is: its standard deviation from the posterior, its quantiles from the training ratings.

The variance of a rating not seen yet is that of b_u + b_i + p_u·q_i under the factorised posterior, plus the noise of
that user and that item. The shape is not assumed: how far ratings lie from their predictions, in standard deviations,
is taken from the left-out training ratings (`leave_one_out`), so that an 80% interval is one that holds 80% of those.
Only beyond the 99% interval, where too few ratings lie, the tails go on as those of a normal distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.solvers.bayes.fold_in import Gaussians, Row, Rows, fold_in

__all__ = ["PROBABILITIES", "BayesUncertainty", "moments"]

PROBABILITIES = np.linspace(0.005, 0.995, 199)  # of the quantiles that are kept
BLOCK = 512  # pairs whose K × K covariances are in memory at a time, and stay near the processor


def moments(
    users: Gaussians, items: Gaussians, user_idx: IndexArray, item_idx: IndexArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (N,) of b_u + b_i + p_u·q_i for N pairs, users and items independent, without the noise.

    Var(p·q) = qᵀ S_u q + pᵀ S_i p + tr(S_u S_i) at the means p and q, with the biases as one more entry on each side.
    """
    k = users.mean.shape[1] - 1
    mean, variance = np.empty(len(user_idx)), np.empty(len(user_idx))
    for block in _blocks(len(user_idx)):
        u, i = user_idx[block], item_idx[block]
        p, q = users.mean[u], items.mean[i]  # (block, K), copies
        S_u, S_i = users.covariance[u], items.covariance[i]  # (block, K, K), copies
        mean[block] = p[:, k] + q[:, k] + np.einsum("nk,nk->n", p[:, :k], q[:, :k])
        p[:, k] = q[:, k] = 1.0  # from here on each is what the other's x is multiplied by
        seen = np.einsum("nk,nk->n", q, (S_u @ q[:, :, None])[:, :, 0])
        seen += np.einsum("nk,nk->n", p, (S_i @ p[:, :, None])[:, :, 0])
        S_u[:, k] = S_u[:, :, k] = 0.0  # no part of the trace; in large units it would drown what is
        seen += np.einsum("nab,nab->n", S_u, S_i)
        variance[block] = seen
    return mean, variance


def _blocks(n: int) -> Iterator[slice]:
    return (slice(at, min(at + BLOCK, n)) for at in range(0, n, BLOCK))


@dataclass(frozen=True, eq=False)
class BayesUncertainty:
    """The predictive distribution of every pair, in the gauge of the fit's factors and the units of the ratings.

    ``level`` is μ; ``quantiles`` (199,) are those of (r − r̂) / sd at `PROBABILITIES`.
    """

    users: Rows
    items: Rows
    level: float
    quantiles: FloatArray

    def sd(self, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
        """Standard deviation of the predictive distribution, noise included, (N,).

        Position −1 is someone who was not there: anyone like those who were.
        """
        users, items = self._with_average
        _, variance = moments(users.gaussians, items.gaussians, user_idx, item_idx)
        return np.sqrt(variance + users.noise[user_idx] * items.noise[item_idx])

    def quantile(self, probability: float) -> float:
        """How many standard deviations above its prediction a rating lies at most, with that probability.

        Beyond the kept probabilities a standard deviation more for each that a normal variable would lie further out.
        """
        kept = np.clip(probability, PROBABILITIES[0], PROBABILITIES[-1])
        return float(np.interp(kept, PROBABILITIES, self.quantiles) + (ndtri(probability) - ndtri(kept)))

    def fold_in_user(self, item_idx: IndexArray, values: FloatArray) -> Row:
        """A new user, from ratings ``values`` (N,) of the items ``item_idx`` (N,), each at most once."""
        return fold_in(self.users, self.items, self.level, item_idx, values)

    def fold_in_item(self, user_idx: IndexArray, values: FloatArray) -> Row:
        """A new item, from ratings ``values`` (N,) by the users ``user_idx`` (N,), each once at most."""
        return fold_in(self.items, self.users, self.level, user_idx, values)

    def sd_of_user(self, user: Row, item_idx: IndexArray) -> FloatArray:
        """Standard deviations (N,) of the ratings that a folded-in user would give; −1 is an unknown item."""
        return _sd_of(user, self._with_average[1], item_idx)

    def sd_of_item(self, item: Row, user_idx: IndexArray) -> FloatArray:
        """Standard deviations (N,) of the ratings that a folded-in item would get; −1 is an unknown user."""
        return _sd_of(item, self._with_average[0], user_idx)

    @cached_property
    def _with_average(self) -> tuple[Rows, Rows]:
        """Both sides with the average row appended, where position −1 finds it."""
        return self.users.with_row(self.users.average), self.items.with_row(self.items.average)

    def arrays(self) -> Mapping[str, FloatArray]:
        """What a model file must hold; `from_arrays` is the way back."""
        arrays = {"quantiles": self.quantiles, "level": np.array([self.level])}
        for name, rows in (("users", self.users), ("items", self.items)):
            arrays |= {f"{name}/{part}": array for part, array in rows.arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, FloatArray]) -> BayesUncertainty:
        """From what `arrays` gave."""
        users, items = (
            Rows.from_arrays({part: arrays[f"{name}/{part}"] for part in Rows.PARTS}) for name in ("users", "items")
        )
        return cls(users, items, float(arrays["level"][0]), arrays["quantiles"])


def _sd_of(row: Row, others: Rows, positions: IndexArray) -> FloatArray:
    one = Gaussians(row.mean[None], row.covariance[None])
    _, variance = moments(one, others.gaussians, np.zeros(len(positions), np.int32), positions)
    return np.sqrt(variance + row.noise * others.noise[positions])
