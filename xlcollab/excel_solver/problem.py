"""A Solver model as arrays: what every engine works on.

    minimise, maximise or reach     f(x)
    with                            lower ≤ x ≤ upper,   x_j integer where integer_j
    and, for each row i,            low_i ≤ c_i(x) ≤ high_i,   c_i(x) = out[left_i](x) − out[right_i](x)

``out(x)`` are the outputs of the compiled sheet; output 0 is the objective cell. A constraint over a range becomes as
many rows as it has cells. A constraint of changing cells against a constant is no row but a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from xlcollab.excel_solver.model import Sense, SolverModel, short
from xlcollab.xlsx.cells import Area, qualified

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["NONE", "NONNEGATIVE", "Floats", "Functions", "Problem", "Residuals", "Rows"]

Floats = NDArray[np.float64]
NONE, NONNEGATIVE = -1, -2
"""Where a bound comes from that is no constraint of the model: nowhere; "Make Unconstrained Variables Non-Negative"."""


class Residuals(Protocol):
    """A sum of squares inside the objective: the objective cell grows with ‖r(x)‖² and with nothing else."""

    def value_and_gradient(self, x: Floats) -> tuple[float, Floats]:
        """½‖r(x)‖² and its gradient (n,)."""

    def values(self, x: Floats) -> Floats:
        """r(x), (N,)."""

    def jacobian(self, x: Floats) -> Floats | csr_array:
        """∂r/∂x, (N, n)."""


class Functions(Protocol):
    """The compiled sheet: the part of `xlcollab.formula.program.Program` that engines use."""

    @property
    def start(self) -> Floats:
        """The changing cells as the book holds them, (n,)."""

    @property
    def size(self) -> int:
        """How many cells are computed at each point."""

    @property
    def smooth(self) -> bool:
        """Whether no formula has a kink or a jump."""

    @property
    def linear(self) -> Sequence[bool]:
        """For each output, whether it is proved to be affine in the changing cells."""

    @property
    def residuals(self) -> Residuals | None:
        """The sum of squares that output 0 grows with, where it is one."""

    def values(self, x: Floats) -> Floats:
        """All outputs, (m,); NaN where a cell is an error."""

    def value_and_gradient(self, x: Floats, weights: Floats) -> tuple[float, Floats]:
        """weights·out(x) and its gradient (n,)."""

    def jacobian(self, x: Floats) -> Floats | csr_array:
        """∂out/∂x, (m, n)."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The constraints that are no bounds, one row a cell; all arrays (p,).

    ``left`` and ``right`` are positions among the outputs, ``right`` is −1 where the right side is a number and so part
    of ``low`` and ``high``. ``source`` is the position of the constraint in the model; ``labels`` name each row as
    Excel's dialog would: ``$P$60 = 56``.
    """

    left: NDArray[np.intp]
    right: NDArray[np.intp]
    low: Floats
    high: Floats
    source: NDArray[np.intp]
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.left)

    def values(self, outputs: Floats) -> Floats:
        """From the outputs (m,) to c (p,)."""
        left = outputs[self.left]
        both = self.right >= 0
        left[both] -= outputs[self.right[both]]
        return left

    def jacobian(self, outputs: Floats | csr_array) -> Any:
        """∂c/∂x (p, n) from ∂out/∂x (m, n), dense or sparse as that is."""
        left = outputs[self.left]
        both = np.flatnonzero(self.right >= 0)
        if both.size == 0:
            return left
        if isinstance(outputs, np.ndarray):
            left[both] -= outputs[self.right[both]]
            return left
        from scipy.sparse import csr_array

        spread = csr_array((np.ones(both.size), (both, np.arange(both.size))), shape=(len(self), both.size))
        return left - spread @ outputs[self.right[both]]

    @classmethod
    def none(cls) -> Rows:
        """No constraints."""
        nothing = np.zeros(0, np.intp)
        return cls(nothing, nothing, np.zeros(0), np.zeros(0), nothing)


@dataclass(frozen=True, eq=False)
class Problem:
    """See the module's docstring. ``cells`` (sheet, row, column) says which cell each x_j is.

    ``lower_source`` and ``upper_source`` (n,) say which constraint of the model gave each bound; `NONE` and
    `NONNEGATIVE` where it was none of them.
    """

    model: SolverModel
    program: Functions
    cells: tuple[tuple[str, int, int], ...]
    lower: Floats
    upper: Floats
    lower_source: NDArray[np.intp]
    upper_source: NDArray[np.intp]
    integer: NDArray[np.bool_]
    rows: Rows

    @property
    def n(self) -> int:
        """The number of variables."""
        return len(self.lower)

    @property
    def sign(self) -> float:
        """+1 where the engines minimise the objective cell, −1 where it is to be maximised."""
        return -1.0 if self.model.sense is Sense.MAX else 1.0

    def variable_name(self, j: int) -> str:
        """A changing cell as the dialog names it: ``$B$6``."""
        sheet, row, col = self.cells[j]
        return short(qualified(sheet, Area(row, col, row, col)), self.model.sheet)

    def merit(self, value: float) -> float:
        """What is to be minimised, for a value of the objective cell; 0 where that only has to be reached."""
        return 0.0 if self.model.sense is Sense.VALUE else self.sign * value

    @property
    def objective_name(self) -> str:
        """The objective cell as the dialog names it."""
        return short(self.model.objective or "", self.model.sheet)

    @property
    def residuals(self) -> Residuals | None:
        """The sum of squares to be made small, where that is what the model asks for."""
        return self.program.residuals if self.model.sense is Sense.MIN else None

    @cached_property
    def area(self) -> NDArray[np.intp]:
        """Which area of the model's changing cells each variable lies in, (n,)."""
        areas = self.model.changing
        return np.array(
            [
                next((k for k, (home, area) in enumerate(areas) if home == sheet and area.contains(row, col)), 0)
                for sheet, row, col in self.cells
            ],
            dtype=np.intp,
        )

    @cached_property
    def start(self) -> Floats:
        """The changing cells as the book holds them, moved into their bounds, (n,)."""
        return np.clip(self.program.start, self.lower, self.upper)

    @cached_property
    def linear(self) -> bool:
        """Whether objective and constraints are all proved to be affine."""
        used = {0, *self.rows.left.tolist(), *self.rows.right[self.rows.right >= 0].tolist()}
        return all(self.program.linear[output] for output in used)

    @property
    def bounded(self) -> bool:
        """Whether every variable has both bounds."""
        return bool(np.isfinite(self.lower).all() and np.isfinite(self.upper).all())

    def excess(self, outputs: Floats) -> Floats:
        """By how much each row is missed, (p,), 0 where it holds; NaN where a cell is an error."""
        c = self.rows.values(outputs)
        return np.maximum(np.maximum(self.rows.low - c, c - self.rows.high), 0.0)

    def holds(self, outputs: Floats) -> bool:
        """Whether all rows hold within ``solver_pre``.

        As in Excel the precision is relative to the right side where that is larger than 1.
        """
        if len(self.rows) == 0:
            return True
        low, high = self.rows.low, self.rows.high
        size = np.maximum(np.where(np.isfinite(low), np.abs(low), 0.0), np.where(np.isfinite(high), np.abs(high), 0.0))
        both = self.rows.right >= 0
        size[both] = np.maximum(size[both], np.abs(outputs[self.rows.right[both]]))
        return bool((self.excess(outputs) <= self.model.options.precision * np.maximum(1.0, size)).all())
