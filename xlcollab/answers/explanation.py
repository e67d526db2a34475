"""Why a rating is predicted as it is: what each of the user's own ratings adds to it.

A user's row is a regression of the user's ratings on the items' factors, x = x₀ + Σ_j S z_j w_j (r_j − μ − b_j), and a
prediction is linear in it. So it falls into a base, which is what would be predicted without the ratings, and one share
for each rating (Hu, Koren & Volinsky, *Collaborative filtering for implicit feedback datasets*, ICDM 2008, section 5):

    μ + b_i + x·z_i = base + Σ_j share_j,        share_j = z_iᵀ S z_j w_j (r_j − μ − b_j)

S is the covariance of x, w_j the weight of rating j. With a ``y_range`` the parts are those of the linear predictor, as
linearised at the solution: they add up before the sigmoid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.settings import whole_number

if TYPE_CHECKING:
    import pandas as pd

    from xlcollab.solvers.base import NewRow

__all__ = ["Explanation", "explained"]


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """Because of what a rating is predicted as it is.

    ``because`` is a DataFrame of the ratings that move it most, largest first: item (its name, if any), rating, share.
    ``base`` is what would be predicted without any of the user's ratings, ``rest`` the sum of the shares that are not
    listed. ``gap`` is what the fit's own factors say beyond the regression: 0 where the solver's rows are regressions
    (als; scipy with a penalty, at its minimum), small for bayes, and a measure of how far the shares can be trusted for
    torch. Then

        prediction = base + Σ share + rest + gap

    before the sigmoid where there is a ``y_range``, and before clipping in any case.
    """

    prediction: float
    base: float
    rest: float
    gap: float
    because: pd.DataFrame

    def __repr__(self) -> str:
        total = self.base + float(self.because["share"].sum()) + self.rest + self.gap
        before = "" if np.isclose(total, self.prediction) else f"; before the sigmoid {total:.2f}"
        lines = [f"<Explanation: {self.prediction:.2f}{before}, of which {self.base:.2f} whatever was rated"]
        lines += [
            f"  {share:+.2f} because {label!r}{f', {name[0]},' if any(name) else ''} was rated {rating:g}"
            for label, *name, rating, share in self.because.itertuples(index=False)
        ]
        return "\n".join([*lines, f"  {self.rest + self.gap:+.2f} for the rest>"])


def explained(
    z: FloatArray,
    row: NewRow,
    prediction: float,
    linear: float,
    rated: Mapping[str, Sequence[Any] | FloatArray],
    n: int,
) -> Explanation:
    """The parts of ``prediction``, whose linear predictor is ``linear``, for an item with regressors ``z`` (K,).

    ``rated`` holds columns (N,) of what the ``row`` was folded in from: labels, their names if any, and ratings.
    """
    import pandas as pd

    n = whole_number("n", n, 0)
    shares = row.pulls @ z  # (N,)
    order = np.argsort(-np.abs(shares), kind="stable")
    return Explanation(
        prediction=prediction,
        base=linear - float(shares.sum()),
        rest=float(shares[order[n:]].sum()),
        gap=0.0,
        because=pd.DataFrame({**rated, "share": shares}).iloc[order[:n]].reset_index(drop=True),
    )
