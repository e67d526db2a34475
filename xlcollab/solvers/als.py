"""``solver="als"``: alternating least squares, the users' ridge regressions and the items' in turn.

    cost = ½ Σ (r̂_ui − r_ui)² + ½ Σ_u (n_u^w λ ‖p_u‖² + λ_b b_u²) + ½ Σ_i (n_i^w λ ‖q_i‖² + λ_b b_i²)

over the ratings there are, n the number of ratings of a user or item. With w = 1 the penalty of the factors grows with
them (weighted-λ: Zhou, Wilkinson, Schreiber & Pan, *Large-scale parallel collaborative filtering for the Netflix
Prize*, 2008); with w = 0 the cost is that of the scipy solver. That of the biases never does: one that did would shrink
the bias of a single rating no more than that of a hundred, and what somebody once gave five stars would lead every
list. Given the other side each row has a closed form (Bell & Koren
2007; Hu, Koren & Volinsky 2008), p and b together, so that the cost falls with every half-sweep and there is no
learning rate to set. μ carries no penalty: a bias that all users share is moved into it, which changes no prediction
and lowers the cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from xlcollab.errors import OptionError
from xlcollab.model import Factors, Model, predict_pairs, principal, with_average_rows
from xlcollab.progress import OnProgress, Progress
from xlcollab.settings import true_or_false, whole_number
from xlcollab.solvers.base import Ridge, Solution, Status
from xlcollab.solvers.descents import Report
from xlcollab.solvers.penalty_choice import choose_penalty
from xlcollab.solvers.ridge_rows import RidgeRows

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["DEFAULT_PENALTIES", "AlsSolver"]

DEFAULT_PENALTIES = {True: (0.14, 4.0), False: (6.0, 4.0)}
"""(λ / σ, λ_b) by ``weighted``: what predicted best, about, on splits of the MovieLens sample and of a part of 100k.

λ_b is the variance of a rating around its prediction over that of the biases, 0.9² / 0.45² there. With 1.5 the error is
the same within 0.001, and lists are worse: items that a few people gave five stars lead them."""


@dataclass(frozen=True)
class AlsSolver:
    """Options of alternating least squares.

    Parameters
    ----------
    penalty, bias_penalty
        λ and, with biases, λ_b, above 0. None takes `DEFAULT_PENALTIES`, λ times the standard deviation of the ratings:
        factors are square roots of ratings and biases are ratings, so that other units give the same predictions. With
        ``penalty="auto"`` λ is what predicts ratings best that are held out for that (`penalty_choice`).
    weighted
        Multiply each row's λ by the number of its ratings (w = 1).
    tolerance
        The fit has settled when a sweep lowers the cost by less than this part of it. On MovieLens more sweeps than the
        default makes move the held-out error in the fourth digit.
    max_sweeps
        The most sweeps, each over the items and then the users.
    """

    penalty: float | Literal["auto"] | None = None
    bias_penalty: float | None = None
    weighted: bool = True
    tolerance: float = 1e-4
    max_sweeps: int = 100

    name: ClassVar[str] = "als"
    starts_warm: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for option in ("penalty", "bias_penalty"):
            value = getattr(self, option)
            if value is None or (option == "penalty" and isinstance(value, str) and value == "auto"):
                continue
            if isinstance(value, str) or not (np.isfinite(value) and value > 0):
                auto = ", or 'auto'" if option == "penalty" else ""
                raise OptionError(
                    f"{option} is {value!r}; als needs one above 0{auto}. Without a penalty choose scipy."
                )
        if not (np.isfinite(self.tolerance) and self.tolerance >= 0):
            raise OptionError(f"tolerance is {self.tolerance!r}; it is 0 or more (1e-4 is usual).")
        whole_number("max_sweeps", self.max_sweeps, 1)
        true_or_false("weighted", self.weighted)

    def ridge(self, ratings: Ratings) -> Ridge:
        """The penalties of every row."""
        factors, bias = DEFAULT_PENALTIES[self.weighted]
        return Ridge(
            factors * float(np.std(ratings.values)) if self.penalty is None else float(self.penalty),
            bias if self.bias_penalty is None else float(self.bias_penalty),
            self.weighted,
        )

    def default_model(self, ratings: Ratings) -> Model:
        """Biases and twenty factors, or a third of the users or items where those are few."""
        return Model(n_factors=min(20, max(1, min(ratings.n_users, ratings.n_items) // 3)), biased=True)

    def solve(
        self,
        ratings: Ratings,
        model: Model,
        *,
        valid: Ratings | None = None,
        seed: int = 0,
        on_progress: OnProgress | None = None,
        start: Factors | None = None,
    ) -> Solution:
        """Sweep until the cost hardly falls; ``valid`` is measured after each sweep, ``start`` is where to begin."""
        if model.y_range is not None:
            raise OptionError("Solver 'als' has no y_range: leave it out, or choose scipy or torch.")
        if self.bias_penalty is not None and not model.biased:
            raise OptionError("bias_penalty without biases would have no effect: leave it out, or pass biased=True.")
        if self.penalty == "auto":
            return self._solve_with_chosen_penalty(ratings, model, valid, seed, on_progress, start)
        first = first_factors(ratings, model, seed) if start is None else start
        run = _Run(self.ridge(ratings), ratings, model, first)
        if start is not None:
            run.update_users()  # so that new users are known before the items are regressed on them
        status = Status.LIMIT
        for sweep in range(1, self.max_sweeps + 1):
            run.sweep()
            run.record(valid)
            progress = Progress("fitting", sweep, self.max_sweeps, run.rmse)
            stop = on_progress is not None and on_progress(progress)
            if run.fall <= self.tolerance:
                status = Status.CONVERGED
            elif stop:
                status = Status.STOPPED
            if status is not Status.LIMIT:
                break
        return Solution(
            factors=principal(with_average_rows(run.factors, run.users.counts > 0, run.items.counts > 0)),
            status=status,
            message=_message(status, len(run.history)),
            iterations=len(run.history),
            history=run.history,
            penalised=True,
            ridge=run.ridge,
        )

    def _solve_with_chosen_penalty(
        self,
        ratings: Ratings,
        model: Model,
        valid: Ratings | None,
        seed: int,
        on_progress: OnProgress | None,
        start: Factors | None,
    ) -> Solution:
        rows = np.count_nonzero(ratings.user_counts) * np.count_nonzero(ratings.item_counts)
        each = len(ratings) / rows**0.5 if self.weighted else 1.0  # ratings of a row: λ is for one of them

        def fit_once(some: Ratings, penalty: float, _bias_penalty: float, report: Report) -> Factors:
            once = replace(self, penalty=penalty / each)  # λ_b stays as it is
            return once.solve(some, model, seed=seed, on_progress=lambda _: report(0.0, 0.0)).factors

        bias = replace(self, penalty=None).ridge(ratings).bias
        chosen = choose_penalty(fit_once, ratings, model, bias_penalty=bias, seed=seed, on_progress=on_progress)
        chosen = replace(chosen, penalty=chosen.penalty / each)
        final = replace(self, penalty=chosen.penalty)
        return chosen.solved(
            lambda report: final.solve(ratings, model, valid=valid, seed=seed, on_progress=report, start=start),
            on_progress,
        )


@dataclass(eq=False)
class _Run:
    """One fit on its way."""

    ridge: Ridge
    ratings: Ratings
    model: Model
    factors: Factors
    users: RidgeRows = field(init=False)
    items: RidgeRows = field(init=False)
    cost: float = np.inf
    fall: float = np.inf  # of the cost in the last sweep, as a part of it
    rmse: float = np.nan
    history: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        ratings, shape = self.ratings, (self.ratings.n_users, self.ratings.n_items)
        self.users = RidgeRows.of(ratings.user_idx, ratings.item_idx, ratings.values, shape)
        self.items = RidgeRows.of(ratings.item_idx, ratings.user_idx, ratings.values, shape[::-1])

    def sweep(self) -> None:
        """The items given the users, then the users given the items: at its end the users' rows are exact."""
        self._update(self.items, self.users, of_users=False)
        self.update_users()

    def update_users(self) -> None:
        """The users given the items; what it costs then."""
        squared_error = self._update(self.users, self.items, of_users=True)
        cost = 0.5 * (squared_error + self._penalty())
        self.fall, self.cost = (self.cost - cost) / max(cost, np.finfo(float).tiny), cost
        self.rmse = float(np.sqrt(max(squared_error, 0.0) / len(self.ratings)))

    def record(self, valid: Ratings | None) -> None:
        """Write a line of history."""
        line = {"sweep": len(self.history) + 1.0, "rmse": self.rmse, "cost": self.cost}
        if valid is not None and len(valid):
            predicted = predict_pairs(self.model, self.factors, valid.user_idx, valid.item_idx)
            line["valid_rmse"] = float(np.sqrt(np.mean((np.clip(predicted, *self.ratings.scale) - valid.values) ** 2)))
        self.history.append(line)

    def _update(self, own: RidgeRows, other: RidgeRows, *, of_users: bool) -> float:
        """Regress one side on the other, whose common bias goes into μ first; the sum of squared errors."""
        at = self.factors if of_users else self.factors.transposed()
        model, ridge = self.model, self.ridge
        z, penalties, none = at.item_factors, np.full(model.n_factors, ridge.factors), np.zeros(model.n_factors)
        penalties, by_count = (none, penalties) if ridge.by_count else (penalties, none)
        if model.biased:
            common = float(at.item_bias[other.counts > 0].mean())
            at = replace(at, item_bias=at.item_bias - common * (other.counts > 0), mean=at.mean + common)
            z = np.column_stack([z, np.ones(len(z))])
            penalties, by_count = np.append(penalties, ridge.bias), np.append(by_count, 0.0)
        found = own.solve(z, at.mean + at.item_bias, penalties, by_count)
        bias = found.x[:, -1] if model.biased else np.zeros(len(found.x))
        at = replace(at, user_factors=found.x[:, : model.n_factors], user_bias=bias)
        self.factors = at if of_users else at.transposed()
        return found.squared_error

    def _penalty(self) -> float:
        """What factors and biases cost; rows without a rating cost nothing."""
        ridge, total = self.ridge, 0.0
        for side, factors, bias in (
            (self.users, self.factors.user_factors, self.factors.user_bias),
            (self.items, self.factors.item_factors, self.factors.item_bias),
        ):
            rated = side.counts > 0
            weights = side.counts if ridge.by_count else rated
            total += ridge.factors * float(weights @ np.einsum("dk,dk->d", factors, factors))
            total += ridge.bias * float(rated @ bias**2)
        return total


def first_factors(ratings: Ratings, model: Model, seed: int) -> Factors:
    """Where to begin: users at random, as large as the ratings vary; without biases the first factor carries μ."""
    m, n, k = ratings.n_users, ratings.n_items, model.n_factors
    spread = float(np.sqrt(np.std(ratings.values)))
    P = np.random.default_rng(seed).normal(0.0, 0.3 * spread, (m, k))
    if not model.biased:
        P[:, 0] += np.sqrt(abs(ratings.mean))
    return Factors(P, np.zeros((n, k)), np.zeros(m), np.zeros(n), ratings.mean if model.biased else 0.0)


def _message(status: Status, sweeps: int) -> str:
    made = f"{sweeps} sweep{'' if sweeps == 1 else 's'}"
    return {
        Status.CONVERGED: f"Settled after {made}.",
        Status.LIMIT: f"Not settled within the limit of {made}.",
        Status.STOPPED: f"Stopped on request after {made}.",
    }[status]
