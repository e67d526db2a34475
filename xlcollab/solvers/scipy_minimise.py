"""``solver="scipy"``: the stand-in for Excel's Solver. It minimises exactly what the mirror sheet's RMSE cell shows.

Three ways down from a start, all with the exact gradient, chosen by the model and the size of the table:

``newton``         variable projection, Newton's method with the exact Hessian (`varpro`): small tables
``trust-region``   variable projection, truncated CG on products with the exact Hessian (`trust_region`): the others
``l-bfgs-b``       `scipy.optimize.minimize` over all parameters: models with a ``y_range``, or on request

The cost has several minima, so several seeded starts are run (`starts`), and the least of them is the answer. On a
small table starts go on until the least has been reached three times, and for six at least. A table without blanks
needs one start: there the truncated SVD is the global minimum (Eckart & Young, Psychometrika 1 (1936) 211), with biases
after centring rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from xlcollab.arrays import FloatArray, IndexArray
from xlcollab.errors import OptionError
from xlcollab.model import Factors, Model, canonical, with_average_rows
from xlcollab.objective import overshoot, rmse
from xlcollab.progress import OnProgress
from xlcollab.settings import whole_number
from xlcollab.solvers.base import Ridge, Solution, Status
from xlcollab.solvers.descents import LARGE, LBFGS, Projected, Report, Way, best_method
from xlcollab.solvers.multistart import EXACT, Effort, Search
from xlcollab.solvers.peel import Peeled, average, peel, put_back
from xlcollab.solvers.penalty_choice import choose_penalty
from xlcollab.solvers.starts import first_factors

if TYPE_CHECKING:
    from xlcollab.ratings import Ratings

__all__ = ["METHODS", "ScipySolver"]

METHODS = ("auto", "newton", "trust-region", "l-bfgs-b")


@dataclass(frozen=True)
class ScipySolver:
    """Minimise the squared error, plus penalties, to the least minimum that several starts lead to.

    Parameters
    ----------
    restarts
        How many starts; None decides by the size of the table and by how often the least was reached.
    penalty, bias_penalty
        λ on the squared factors and λ_b on the squared biases (`objective`); ``bias_penalty`` None is the same as
        ``penalty``. 0 is the sheet's own problem. ``penalty="auto"`` takes what predicts ratings best that are held out
        within those that are fitted (`penalty_choice`), then fits all of them.
    max_iterations
        For one start; None is 200, for L-BFGS-B 300.
    method
        One of `METHODS`.
    """

    name: ClassVar[str] = "scipy"
    starts_warm: ClassVar[bool] = True

    restarts: int | None = None
    penalty: float | Literal["auto"] = 0.0
    bias_penalty: float | None = None
    max_iterations: int | None = None
    method: str = "auto"

    def default_model(self, ratings: Ratings) -> Model:  # noqa: ARG002 -- part of the protocol
        """The lesson's sheet: a dot product of five factors."""
        return Model(n_factors=5)

    def solve(
        self,
        ratings: Ratings,
        model: Model,
        *,
        valid: Ratings | None = None,  # noqa: ARG002 -- part of the protocol; never looked at
        seed: int = 0,
        on_progress: OnProgress | None = None,
        start: Factors | None = None,
    ) -> Solution:
        """The least minimum found; with ``start`` the one that it leads to."""
        self._check(model)
        if self.penalty == "auto":
            return self._solve_with_chosen_penalty(ratings, model, seed, on_progress, start)
        penalty, bias_penalty = self._penalties
        if penalty == 0 and model.y_range is None and self.method != "l-bfgs-b":
            factors = _interpolated(ratings, model)
            if factors is not None:
                return Solution(factors, Status.CONVERGED, EXACT, 0, [])
        task = _Task.of(self, ratings, model)
        if start is not None:
            task = replace(task, start=start, effort=Effort(1, 1, 1))
        search = Search(task.way, task.first, task.effort, ratings, seed, on_progress)
        search.run()
        factors = task.answer(search.best.factors)
        beyond = 0.0 if penalty else overshoot(model, factors, ratings)
        status, message = search.ending(beyond, proof=task.proof)
        return Solution(
            factors,
            status,
            message,
            search.iterations,
            search.history,
            penalised=penalty > 0,
            ridge=Ridge(penalty, bias_penalty) if penalty > 0 else None,
        )

    @property
    def _penalties(self) -> tuple[float, float]:
        """λ and λ_b, where ``penalty`` is a number."""
        penalty = float(self.penalty)
        return penalty, penalty if self.bias_penalty is None else float(self.bias_penalty)

    def _solve_with_chosen_penalty(
        self, ratings: Ratings, model: Model, seed: int, on_progress: OnProgress | None, start: Factors | None
    ) -> Solution:
        def fit_once(some: Ratings, penalty: float, bias_penalty: float, report: Report) -> Factors:
            task = _Task.of(replace(self, penalty=penalty, bias_penalty=bias_penalty), some, model)
            return task.answer(task.way.descend(task.first(np.random.default_rng(seed), 0.0), report).factors)

        chosen = choose_penalty(
            fit_once, ratings, model, bias_penalty=self.bias_penalty, seed=seed, on_progress=on_progress
        )
        bias_penalty = chosen.bias_penalty if model.biased else None
        final = replace(self, penalty=chosen.penalty, bias_penalty=bias_penalty)
        return chosen.solved(
            lambda report: final.solve(ratings, model, seed=seed, on_progress=report, start=start), on_progress
        )

    def _check(self, model: Model) -> None:
        if self.method not in METHODS:
            raise OptionError(f"method is {self.method!r}; choose one of {', '.join(METHODS)}.")
        if model.y_range is not None and self.method in {"newton", "trust-region"}:
            raise OptionError(f"Method {self.method!r} has no y_range; choose 'l-bfgs-b' or 'auto'.")
        for option in ("restarts", "max_iterations"):
            value = getattr(self, option)
            if value is not None:
                whole_number(option, value, 1)
        if isinstance(self.penalty, str) and self.penalty != "auto":
            raise OptionError(f"penalty is {self.penalty!r}; it is a number, 0 or more, or 'auto'.")
        for option in ("penalty", "bias_penalty"):
            value = getattr(self, option)
            if value is not None and value != "auto" and not (np.isfinite(value) and value >= 0):
                raise OptionError(f"{option} is {value!r}; it is a number, 0 or more.")
        if self.method == "newton" and self.penalty != 0:
            raise OptionError("Method 'newton' has no penalty; choose 'trust-region' or 'auto'.")
        if self.bias_penalty and not self.penalty:
            raise OptionError("bias_penalty without penalty: free factors would take the biases' place. Pass both.")
        if self.bias_penalty and not model.biased:
            raise OptionError("bias_penalty without biases would have no effect: leave it out, or pass biased=True.")


@dataclass(frozen=True, eq=False)
class _Task:
    """One table and one model: the way down, what is known about it beforehand, and the way back to all members."""

    model: Model
    ratings: Ratings
    way: Way
    effort: Effort
    pairs: tuple[IndexArray, IndexArray, FloatArray]  # the ratings that are fitted, positions counted within ``shape``
    shape: tuple[int, int]
    peeled: Peeled | None  # who was set aside; None under a penalty and for L-BFGS, which take everybody
    proof: str  # why the first start is the global minimum; empty where that is not known
    start: Factors | None = None  # of all members, where a caller names one

    @classmethod
    def of(cls, options: ScipySolver, ratings: Ratings, model: Model) -> _Task:
        """The task that the options make of these ratings."""
        penalty, bias_penalty = options._penalties
        pairs = (ratings.user_idx, ratings.item_idx, ratings.values)
        shape = (ratings.n_users, ratings.n_items)
        method = options.method
        if method == "auto":
            method = best_method(model, shape, penalised=penalty > 0)
        limit = options.max_iterations or (300 if method == "l-bfgs-b" else 200)
        if method == "l-bfgs-b":
            way: Way = LBFGS(ratings, model, penalty=penalty, bias_penalty=bias_penalty, max_iterations=limit)
            return cls(model, ratings, way, _effort(options, method, len(ratings)), pairs, shape, None, "")
        peeled = None
        if penalty == 0:
            peeled = peel(pairs[0], pairs[1], shape, model.n_factors + model.biased)
            if not peeled.ratings.any():  # every rating can be hit: fit them all, but for those who have none
                peeled = peel(pairs[0], pairs[1], shape, 0)
            pairs, shape = _core(pairs, peeled)
            if options.method == "auto":  # the core may be small enough
                method = best_method(model, shape, penalised=False)
        way = Projected(
            model,
            pairs,
            shape,
            newton=method == "newton",
            penalty=penalty,
            bias_penalty=bias_penalty,
            max_iterations=limit,
        )
        proof = ""
        if penalty == 0 and len(pairs[2]) == shape[0] * shape[1]:
            whole = shape == (ratings.n_users, ratings.n_items)
            proof = "the table has no blanks" if whole else "without those who are hit exactly the table has no blanks"
        effort = _effort(options, method, 0 if proof else len(pairs[2]))
        return cls(model, ratings, way, effort, pairs, shape, peeled, proof)

    def first(self, generator: np.random.Generator, spread: float) -> Factors:
        """Factors to start from."""
        if self.start is not None:
            keep = (self.peeled.users, self.peeled.items) if self.peeled is not None else (slice(None), slice(None))
            return self.start.rows(*keep)
        return first_factors(self.model, *self.pairs, self.shape, generator, spread)

    def answer(self, found: Factors) -> Factors:
        """Factors of all users and items, in the one gauge."""
        ratings = self.ratings
        if self.peeled is None:
            whole = with_average_rows(found, ratings.user_counts > 0, ratings.item_counts > 0)
            return canonical(self.model, whole, centre=False)
        core = canonical(self.model, found)
        if self.peeled.users.all() and self.peeled.items.all():
            return core
        whole = average(core, self.peeled)
        whole = put_back(self.model, whole, self.peeled, ratings.user_idx, ratings.item_idx, ratings.values)
        return canonical(self.model, whole)


def _interpolated(ratings: Ratings, model: Model) -> Factors | None:
    """Factors that hit every rating, of all such the nearest to row and column means; None where that cannot be seen.

    Where peeling leaves nobody, fitting one member after the other in the reverse order hits all ratings, but for
    accidents: two members with proportional factors who want different things.
    """
    pairs = (ratings.user_idx, ratings.item_idx, ratings.values)
    shape = (ratings.n_users, ratings.n_items)
    peeled = peel(pairs[0], pairs[1], shape, model.n_factors + model.biased)
    if peeled.ratings.any():
        return None
    start = first_factors(model, *pairs, shape, np.random.default_rng(0), 0.0)
    factors = put_back(model, start.folded() if model.biased else start, peeled, *pairs)
    hit = rmse(model, factors, ratings) <= 1e-7 * float(np.abs(ratings.values).max())
    return canonical(model, factors) if hit else None


def _core(
    pairs: tuple[IndexArray, IndexArray, FloatArray], peeled: Peeled
) -> tuple[tuple[IndexArray, IndexArray, FloatArray], tuple[int, int]]:
    """The ratings of the core, their positions counted within it, and its shape."""
    keep = peeled.ratings
    users, items = np.cumsum(peeled.users) - 1, np.cumsum(peeled.items) - 1
    core = users[pairs[0][keep]].astype(np.int32), items[pairs[1][keep]].astype(np.int32), pairs[2][keep]
    return core, (int(peeled.users.sum()), int(peeled.items.sum()))


def _effort(options: ScipySolver, method: str, n_ratings: int) -> Effort:
    """Starts cost milliseconds on a small table, seconds on a large one. 0 ratings: the first start is the answer."""
    if options.restarts is not None:
        return Effort(options.restarts, options.restarts, options.restarts)
    if n_ratings == 0 or n_ratings > 1_000_000:
        return Effort(1, 1, 1)
    if method == "newton":
        return Effort(6, 64, 3)
    return Effort(3, 6, 2) if n_ratings <= LARGE else Effort(2, 2, 1)
