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

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from xlcollab.errors import OptionError
from xlcollab.model import Factors, FloatArray, IntArray, Model, canonical, with_average_rows
from xlcollab.objective import overshoot
from xlcollab.progress import OnProgress
from xlcollab.solvers.base import Solution
from xlcollab.solvers.descents import LBFGS, Descent, Projected, Way, suits_newton
from xlcollab.solvers.multistart import Effort, Search
from xlcollab.solvers.peel import Peeled, peel, put_back
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
        ``penalty``. 0 is the sheet's own problem.
    max_iterations
        For one start; None is 200, for L-BFGS-B 500.
    method
        One of `METHODS`.
    """

    name: ClassVar[str] = "scipy"

    restarts: int | None = None
    penalty: float = 0.0
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
    ) -> Solution:
        """The least minimum found."""
        self._check(model)
        task = _Task.of(self, ratings, model)
        search = Search(task.way, task.first, task.effort, ratings, seed, on_progress)
        search.run()
        factors = task.answer(search.best)
        beyond = 0.0 if self.penalty else overshoot(model, factors, ratings)
        status, message = search.ending(beyond, proved=task.proved)
        return Solution(factors, status, message, search.iterations, search.history, penalised=self.penalty > 0)

    def _check(self, model: Model) -> None:
        if self.method not in METHODS:
            raise OptionError(f"method is {self.method!r}; choose one of {', '.join(METHODS)}.")
        if model.y_range is not None and self.method in {"newton", "trust-region"}:
            raise OptionError(f"Method {self.method!r} has no y_range; choose 'l-bfgs-b' or 'auto'.")
        for option in ("restarts", "max_iterations"):
            value = getattr(self, option)
            if value is not None and (int(value) != value or value < 1):
                raise OptionError(f"{option} is {value!r}; it is a whole number, 1 or more.")
        for option in ("penalty", "bias_penalty"):
            value = getattr(self, option)
            if value is not None and not (np.isfinite(value) and value >= 0):
                raise OptionError(f"{option} is {value!r}; it is a number, 0 or more.")
        if self.bias_penalty and not self.penalty:
            raise OptionError("bias_penalty without penalty: free factors would take the biases' place. Pass both.")


@dataclass(frozen=True, eq=False)
class _Task:
    """One table and one model: the way down, what is known about it beforehand, and the way back to all members."""

    model: Model
    way: Way
    pairs: tuple[IntArray, IntArray, FloatArray]  # the ratings that are fitted, positions counted within ``shape``
    shape: tuple[int, int]
    effort: Effort
    ratings: Ratings
    peeled: Peeled | None  # where some members were set aside
    penalised: bool
    proved: bool  # no blanks, so that the first start is the global minimum

    @classmethod
    def of(cls, options: ScipySolver, ratings: Ratings, model: Model) -> _Task:
        penalty = options.penalty
        bias_penalty = penalty if options.bias_penalty is None else options.bias_penalty
        pairs = (ratings.user_idx, ratings.item_idx, ratings.values)
        shape = (ratings.n_users, ratings.n_items)
        width = model.n_factors + model.biased
        projected = model.y_range is None and options.method != "l-bfgs-b"
        peeled = None
        if projected and penalty == 0:
            peeled = peel(pairs[0], pairs[1], shape, width)
            if not peeled.ratings.any():  # every rating can be hit: fit them all, and set aside who has none
                peeled = peel(pairs[0], pairs[1], shape, 0)
            pairs, shape = _core(pairs, peeled)
        newton = options.method == "newton" or (options.method == "auto" and suits_newton(model, shape))
        limit = options.max_iterations or (200 if projected else 500)
        way: Way
        if projected:
            way = Projected(
                model, pairs, shape, newton=newton, penalty=penalty, bias_penalty=bias_penalty, max_iterations=limit
            )
        else:
            way = LBFGS(ratings, model, penalty=penalty, bias_penalty=bias_penalty, max_iterations=limit)
        proved = projected and penalty == 0 and len(pairs[2]) == shape[0] * shape[1]
        effort = _effort(options, len(pairs[2]), newton=projected and newton, proved=proved)
        return cls(model, way, pairs, shape, effort, ratings, peeled, penalty > 0, proved)

    def first(self, generator: np.random.Generator, spread: float) -> Factors:
        """Factors to start from."""
        return first_factors(self.model, *self.pairs, self.shape, generator, spread)

    def answer(self, found: Descent) -> Factors:
        """Factors of all users and items, in the one gauge."""
        ratings = self.ratings
        factors = canonical(self.model, found.factors, centre=not self.penalised)
        if self.peeled is not None:
            if all(self.peeled.users) and all(self.peeled.items):
                return factors
            factors = put_back(self.model, factors, self.peeled, ratings.user_idx, ratings.item_idx, ratings.values)
        else:
            factors = with_average_rows(factors, ratings.user_counts > 0, ratings.item_counts > 0)
        return canonical(self.model, factors, centre=not self.penalised)


def _core(
    pairs: tuple[IntArray, IntArray, FloatArray], peeled: Peeled
) -> tuple[tuple[IntArray, IntArray, FloatArray], tuple[int, int]]:
    """The ratings of the core, their positions counted within it, and its shape."""
    keep = peeled.ratings
    users, items = np.cumsum(peeled.users) - 1, np.cumsum(peeled.items) - 1
    core = users[pairs[0][keep]].astype(np.int32), items[pairs[1][keep]].astype(np.int32), pairs[2][keep]
    return core, (int(peeled.users.sum()), int(peeled.items.sum()))


def _effort(options: ScipySolver, n_ratings: int, *, newton: bool, proved: bool) -> Effort:
    """Starts cost milliseconds on a small table and seconds on a large one."""
    if options.restarts is not None:
        return Effort(options.restarts, options.restarts, options.restarts)
    if proved or n_ratings > 1_000_000:
        return Effort(1, 1, 1)
    if newton:
        return Effort(6, 64, 3)
    return Effort(3, 12, 2) if n_ratings <= 20_000 else Effort(2, 2, 1)
