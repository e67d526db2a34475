"""The model, r̂ = link(μ + b_u + b_i + p_u·q_i), written once for NumPy and torch alike.

``link`` is the identity, or with ``y_range=(low, high)`` the sigmoid low + (high − low) / (1 + e⁻ˣ), which squeezes
every prediction into the open interval. Without ``biased`` the terms b_u and b_i are left out.

The factors are not unique: for any invertible A the pairs (P, Q) and (P Aᵀ, Q A⁻¹) predict the same, and with biases a
constant added to all p_u or all q_i can be taken back in the biases. `canonical` picks one representative, so that
the same fit always puts the same numbers into the same cells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from xlcollab.arrays import BoolArray, FloatArray, IndexArray
from xlcollab.errors import OptionError
from xlcollab.settings import true_or_false, whole_number

__all__ = [
    "Factors",
    "Model",
    "canonical",
    "link",
    "predict_all",
    "predict_pairs",
    "predict_rows",
    "principal",
]

_GATHERED = 1 << 16
"""Numbers that are gathered from either side at a time: beyond half a megabyte each new array costs page faults."""


@dataclass(frozen=True)
class Model:
    """Which terms the model has: k factors, biases or not, and the range that a sigmoid squeezes predictions into.

    ``n_factors`` may be 0 where there are biases. ``y_range`` is (low, high) in the units of the ratings; None means
    that predictions are not squeezed. ``at_most`` asks a solver that can (bayes) to take as many of the ``n_factors``
    as predict best; the model that comes back names their number.
    """

    n_factors: int = 5
    biased: bool = False
    y_range: tuple[float, float] | None = None
    at_most: bool = False

    def __post_init__(self) -> None:
        k = whole_number("n_factors", self.n_factors, 0)
        for option in ("biased", "at_most"):
            object.__setattr__(self, option, true_or_false(option, getattr(self, option)))
        if k == 0 and not self.biased:
            raise OptionError("A model without factors needs biases: pass biased=True, or n_factors of 1 or more.")
        object.__setattr__(self, "n_factors", k)
        if self.y_range is not None:
            object.__setattr__(self, "y_range", _range(self.y_range))

    @property
    def name(self) -> str:
        """The model in a few words: ``dot, 5 factors`` or ``bias, 50 factors, range 0 to 5.5``."""
        words = ["bias" if self.biased else "dot", f"{self.n_factors} factor{'' if self.n_factors == 1 else 's'}"]
        if self.y_range is not None:
            words.append(f"range {self.y_range[0]:.10g} to {self.y_range[1]:.10g}")
        return ", ".join(words)

    def free_parameters(self, m: int, n: int) -> int:
        """How many numbers can be chosen freely for m users and n items, what changes no prediction not counted.

        k(m + n − k) for matrices of rank k; with biases the row and column means are m + n − 1 numbers of their own,
        and what is left over has m − 1 rows and n − 1 columns to choose.
        """
        rows, columns, means = (m - 1, n - 1, m + n - 1) if self.biased else (m, n, 0)
        k = min(self.n_factors, rows, columns)
        return k * (rows + columns - k) + means


def _range(given: object) -> tuple[float, float]:
    try:
        low, high = (float(end) for end in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise OptionError(f"y_range is {given!r}; it is two finite numbers, the lower one first.")
    return low, high


@dataclass(frozen=True, eq=False)
class Factors:
    """The parameters: P (m, k), Q (n, k), b_u (m,), b_i (n,) and μ.

    Float64 NumPy arrays wherever a caller sees them; inside the torch solver tensors stand in the same places. Leading
    dimensions (one for each start, say) are carried through by every function here except `canonical`. The
    biases are zeros where the model has none.
    """

    user_factors: FloatArray
    item_factors: FloatArray
    user_bias: FloatArray
    item_bias: FloatArray
    mean: float = 0.0

    def rows(self, user_idx: IndexArray, item_idx: IndexArray) -> Factors:
        """The rows that belong to N pairs: p (N, k), q (N, k), b_u (N,), b_i (N,)."""
        return Factors(
            self.user_factors[..., user_idx, :],
            self.item_factors[..., item_idx, :],
            self.user_bias[..., user_idx],
            self.item_bias[..., item_idx],
            self.mean,
        )

    def transposed(self) -> Factors:
        """Users and items in each other's place."""
        return Factors(self.item_factors, self.user_factors, self.item_bias, self.user_bias, self.mean)

    def folded(self) -> Factors:
        """The same predictions with μ = 0: μ goes into the item biases. Only for a model with biases."""
        return replace(self, item_bias=self.item_bias + self.mean, mean=0.0)


def link(model: Model, linear: FloatArray) -> FloatArray:
    """The prediction for a linear predictor of any shape: itself, or squeezed into ``y_range``.

    The sigmoid is written as ½(1 + tanh ½x), which overflows for no x.
    """
    if model.y_range is None:
        return linear
    low, high = model.y_range
    half = 0.5 * linear
    # Tensors have the method, arrays the function.
    squeezed = half.tanh() if hasattr(half, "tanh") else np.tanh(half)
    return low + 0.5 * (high - low) * (1.0 + squeezed)


def predict_rows(model: Model, rows: Factors) -> FloatArray:
    """r̂ (…, N) for the gathered rows of N pairs (`Factors.rows`)."""
    linear = (rows.user_factors * rows.item_factors).sum(-1)
    if model.biased:
        linear = linear + rows.user_bias + rows.item_bias
    return link(model, linear + rows.mean)


def predict_pairs(model: Model, factors: Factors, user_idx: IndexArray, item_idx: IndexArray) -> FloatArray:
    """r̂ (…, N) for the pairs (user_idx[n], item_idx[n]), positions from 0, in arrays: of many pairs some at a time."""
    n, size = len(user_idx), max(1, _GATHERED // max(1, model.n_factors))
    parts = [slice(at, at + size) for at in range(0, max(n, 1), size)]
    return np.concatenate([predict_rows(model, factors.rows(user_idx[at], item_idx[at])) for at in parts], axis=-1)


def predict_all(model: Model, factors: Factors) -> FloatArray:
    """r̂ (…, m, n) for every user and item."""
    linear = factors.user_factors @ factors.item_factors.swapaxes(-1, -2)
    if model.biased:
        linear = linear + factors.user_bias[..., :, None] + factors.item_bias[..., None, :]
    return link(model, linear + factors.mean)


def with_average_rows(factors: Factors, users: BoolArray, items: BoolArray) -> Factors:
    """The factors with each user and item outside the masks (m,) and (n,) replaced by the average of those inside.

    Whoever has no rating is thus predicted as the average user or item would be, in whatever gauge the factors stand.
    """
    if users.all() and items.all():
        return factors
    P, Q, b_u, b_i = (
        np.array(part) for part in (factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias)
    )
    P[~users], b_u[~users] = P[users].mean(axis=0), b_u[users].mean()
    Q[~items], b_i[~items] = Q[items].mean(axis=0), b_i[items].mean()
    return Factors(P, Q, b_u, b_i, factors.mean)


def canonical(model: Model, factors: Factors, *, centre: bool = True) -> Factors:
    """The one representative among all factors that predict the same.

    P·Qᵀ = U S Vᵀ (SVD, singular values falling), P = U √S, Q = V √S, and each column pair has the sign that makes the
    entry of largest magnitude in Q positive (the first of equals).

    With biases and ``centre`` the linear predictor X = μ + b_u + b_i + P·Qᵀ is split in the one way in which P and Q
    have column means 0: b_i is the mean of X over all users (an item's general level), b_u the mean of X over all items
    less the mean of all X (how far a user stands above or below the average one, so that Σ b_u = 0), and μ = 0.
    ``centre=False`` is for penalised fits, whose biases and μ are determined by the penalty and stay as they are.

    When two singular values are equal, the columns that belong to them are determined up to a rotation only.
    """
    P, Q = np.asarray(factors.user_factors, dtype=float), np.asarray(factors.item_factors, dtype=float)
    b_u, b_i = np.asarray(factors.user_bias, dtype=float), np.asarray(factors.item_bias, dtype=float)
    mean = float(factors.mean)
    if model.biased and centre:
        p_mean, q_mean = P.mean(axis=0), Q.mean(axis=0)  # (k,)
        P, Q = P - p_mean, Q - q_mean
        b_u = b_u + P @ q_mean  # P is centred by now, so that this adds nothing to the mean of b_u
        b_i = b_i + Q @ p_mean + (p_mean @ q_mean + mean + b_u.mean())
        b_u, mean = b_u - b_u.mean(), 0.0
    P, Q = _balanced(P, Q)
    return Factors(P, Q, b_u, b_i, mean)


def principal(factors: Factors) -> Factors:
    """The same predictions and the same lengths of p_u and q_i, with the axes turned: QᵀQ diagonal, falling.

    A rotation, which no penalty on ‖p‖² and ‖q‖² sees, so that rows that are ridge regressions stay so. Signs as in
    `canonical`, which gives the same axes at the minimum of such a cost.
    """
    Q = factors.item_factors
    _, _, turn = np.linalg.svd(Q, full_matrices=False) if len(Q) >= Q.shape[1] else np.linalg.svd(Q)
    P, Q = factors.user_factors @ turn.T, Q @ turn.T
    sign = _signs(Q)
    return replace(factors, user_factors=P * sign, item_factors=Q * sign)


def _signs(Q: FloatArray) -> FloatArray:
    """−1 for each column (k,) whose entry of largest magnitude, the first of equals, is negative, else 1."""
    largest = np.abs(Q).argmax(axis=0)
    return np.where(Q[largest, np.arange(Q.shape[1])] < 0, -1.0, 1.0)


def _balanced(P: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(U √S, V √S) of P·Qᵀ in (m, k) and (n, k), by way of two QR factorisations and the SVD of a k × k matrix."""
    k = P.shape[1]
    if k == 0:
        return P, Q
    p_basis, p_upper = np.linalg.qr(P)  # (m, r), (r, k) with r = min(m, k)
    q_basis, q_upper = np.linalg.qr(Q)
    left, singular, right = np.linalg.svd(p_upper @ q_upper.T, full_matrices=False)
    root = np.sqrt(singular)
    user, item = p_basis @ (left * root), q_basis @ (right.T * root)
    sign = _signs(item)
    user, item = user * sign, item * sign
    missing = k - root.size  # more factors than users or items: the further columns are zero
    if missing:
        user, item = np.pad(user, ((0, 0), (0, missing))), np.pad(item, ((0, 0), (0, missing)))
    return user, item
