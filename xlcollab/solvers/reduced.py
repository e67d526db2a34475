"""The reduced cost of a large, sparse table of ratings: its value, its gradient, and products with its Hessian.

As in `varpro`, with the columns' parameters S = [V, c] fixed each row's best z = [u, a] is a small least-squares
problem, here with penalties::

    f(S) = Σ_r min_z ½ Σ_{j rated by r} (y_rj − c_j − z·A_j)² + ½ zᵀΛz + ½λ‖V‖² + ½λ_b‖c − mean(c)‖²,    A = [V, 1]

c holds μ, which has no penalty, as its mean. The Hessian is never formed. Its product with a direction T (n, q) follows
from differentiating the rows' normal equations, with residuals e and z̃ = [u, 1]::

    z'_r   = −G_r⁻¹ (Σ_j a_rj A_j − Σ_j e_rj T_j[:k]),    a_rj = z̃_r·T_j,    G_r = Σ_j A_j A_jᵀ + Λ
    (HT)_j = Σ_r (a_rj + A_j·z'_r) z̃_r − Σ_r e_rj z'_r[:k] + [λ T_j[:k], λ_b (T_jk − mean(T_k))]

and costs a few passes over the N ratings, O(N q).

Sources: Boumal & Absil, Linear Algebra Appl. 475 (2015) 200, §4; and those in `varpro`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from xlcollab.arrays import FloatArray, IndexArray

__all__ = ["Point", "Quadratic", "SparseTable", "evaluate"]

_FLOOR = 1e-12
"""Added to the diagonal of each row's normal matrix."""
_AT_ONCE = 1 << 12
"""Ratings whose rows and columns are gathered at a time."""
_BLOCK_FLOOR = 1e-3
"""Added to the diagonal of each column's block of the preconditioner, relative to the mean of all: a column may have
fewer ratings than parameters."""


@dataclass(frozen=True, eq=False)
class SparseTable:
    """N ratings sorted by row: ``rows``, ``columns``, ``ratings`` (N,); sizes m and n, k, biases or not, λ and λ_b."""

    rows: IndexArray
    columns: IndexArray
    ratings: FloatArray
    m: int
    n: int
    n_factors: int
    biased: bool
    penalty: float = 0.0
    bias_penalty: float = 0.0

    @classmethod
    def of(
        cls,
        rows: IndexArray,
        columns: IndexArray,
        ratings: FloatArray,
        shape: tuple[int, int],
        n_factors: int,
        biased: bool,
        penalty: float = 0.0,
        bias_penalty: float = 0.0,
    ) -> SparseTable:
        """The table of ratings in any order."""
        order = np.lexsort((columns, rows))
        return cls(rows[order], columns[order], ratings[order], *shape, n_factors, biased, penalty, bias_penalty)

    @property
    def width(self) -> int:
        """q, the number of parameters of a row."""
        return self.n_factors + self.biased

    @property
    def penalised(self) -> bool:
        """Whether anything holds the parameters back."""
        return self.penalty > 0 or self.bias_penalty > 0

    @property
    def ridge(self) -> FloatArray:
        """The diagonal of Λ (q,)."""
        return np.array([self.penalty] * self.n_factors + [self.bias_penalty] * self.biased) + _FLOOR

    def penalty_cost(self, V: FloatArray, c: FloatArray, z: FloatArray) -> float:
        """The penalties' part of f."""
        if not self.penalised:
            return 0.0
        columns = self.penalty * float(np.sum(V**2)) + self.bias_penalty * float(np.sum((c - c.mean()) ** 2))
        return 0.5 * (float(np.sum(z**2 @ self.ridge)) + columns)

    def penalty_gradient(self, S: FloatArray) -> FloatArray:
        """Their gradient in S (n, q): linear, so that it is their Hessian times S as well."""
        pull = self.penalty * S
        if self.biased:
            pull[:, -1] = self.bias_penalty * (S[:, -1] - S[:, -1].mean())
        return pull

    def by_rows(self, values: FloatArray) -> csr_array:
        """One value a rating, as an (m, n) matrix."""
        return csr_array((values, self.columns, self._row_ends), shape=(self.m, self.n))

    def by_columns(self, values: FloatArray) -> csr_array:
        """One value a rating, as an (n, m) matrix."""
        return csr_array((values[self._by_column], self._rows_by_column, self._column_ends), shape=(self.n, self.m))

    def products(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """X_r·Y_j for each rating (N,), from X (m, q) and Y (n, q); as many at a time as stay near the processor."""
        products = np.empty(len(self.ratings))
        for at in range(0, len(products), _AT_ONCE):
            some = slice(at, at + _AT_ONCE)
            x, y = X.take(self.rows[some], axis=0), Y.take(self.columns[some], axis=0)
            np.einsum("na,na->n", x, y, out=products[some])
        return products

    @cached_property
    def ones(self) -> FloatArray:
        """A one for each rating (N,)."""
        return np.ones(len(self.ratings))

    @cached_property
    def _by_column(self) -> npt.NDArray[np.intp]:
        return np.argsort(self.columns, kind="stable")

    @cached_property
    def _rows_by_column(self) -> IndexArray:
        return self.rows[self._by_column]

    @cached_property
    def _row_ends(self) -> IndexArray:
        return _ends(self.rows, self.m)

    @cached_property
    def _column_ends(self) -> IndexArray:
        return _ends(self.columns, self.n)


class Point(NamedTuple):
    """A place S = [V, c] and the rows' best answer to it."""

    V: FloatArray  # (n, k); orthonormal without a penalty
    c: FloatArray  # (n,); orthogonal to A without a penalty
    A: FloatArray  # (n, q)
    normal: FloatArray  # G (m, q, q)
    z: FloatArray  # (m, q)
    error: FloatArray  # e (N,)
    squares: float  # Σ e²
    cost: float


def evaluate(table: SparseTable, V: FloatArray, c: FloatArray) -> Point:
    """The value of f at (V, c), after bringing them into the gauge."""
    q = table.width
    if not table.penalised:
        V = np.linalg.qr(V - V.mean(axis=0) if table.biased else V)[0]
        c = c - c.mean()
        c = c - V @ (V.T @ c)
    A = np.hstack([V, np.ones((table.n, 1))]) if table.biased else V
    normal = (table.by_rows(table.ones) @ _outer(A, A)).reshape(table.m, q, q)
    normal[:, np.arange(q), np.arange(q)] += table.ridge
    target = table.ratings - c[table.columns] if table.biased else table.ratings
    z = np.linalg.solve(normal, (table.by_rows(target) @ A)[:, :, None])[:, :, 0]
    error = target - table.products(z, A)
    squares = float(error @ error)
    return Point(V, c, A, normal, z, error, squares, 0.5 * squares + table.penalty_cost(V, c, z))


class Quadratic:
    """The cost near a point, to second order, along directions T (n, q) that change it."""

    def __init__(self, table: SparseTable, point: Point) -> None:
        k, q = table.n_factors, table.width
        self._table, self._point = table, point
        self._z = np.hstack([point.z[:, :k], np.ones((table.m, 1))]) if table.biased else point.z  # z̃ (m, q)
        self._error_rows, self._error_columns = table.by_rows(point.error), table.by_columns(point.error)
        self._solve_rows = np.linalg.inv(point.normal)
        blocks = (table.by_columns(table.ones) @ _outer(self._z, self._z)).reshape(table.n, q, q)
        level = float(np.einsum("jaa->", blocks)) / (table.n * q)
        blocks[:, np.arange(q), np.arange(q)] += _BLOCK_FLOOR * level + table.ridge
        self._solve_blocks = np.linalg.inv(blocks)
        # Without a penalty the columns of A are orthogonal, and what lies along them changes nothing.
        self._idle = None if table.penalised else point.A / np.linalg.norm(point.A, axis=0)
        S = np.hstack([point.V, point.c[:, None]]) if table.biased else point.V
        self.gradient = table.penalty_gradient(S) - self._error_columns @ self._z  # (n, q)

    def horizontal(self, T: FloatArray) -> FloatArray:
        """T without what changes nothing."""
        return T if self._idle is None else T - self._idle @ (self._idle.T @ T)

    def precondition(self, R: FloatArray) -> FloatArray:
        """An approximate solution of H T = R: each column's block Σ_r z̃_r z̃_rᵀ alone."""
        return self.horizontal(np.einsum("jab,jb->ja", self._solve_blocks, R))

    def slope(self) -> float:
        """The length of the gradient in the norm that the preconditioner gives."""
        return float(np.sqrt(max(float(np.vdot(self.gradient, self.precondition(self.gradient))), 0.0)))

    def product(self, T: FloatArray) -> FloatArray:
        """H T (n, q)."""
        table, A, k = self._table, self._point.A, self._table.n_factors
        along = table.products(self._z, T)  # a (N,)
        pull = table.by_rows(along) @ A
        pull[:, :k] -= self._error_rows @ T[:, :k]
        answer = -np.einsum("rab,rb->ra", self._solve_rows, pull)  # z' (m, q)
        product = table.by_columns(along + table.products(answer, A)) @ self._z
        product[:, :k] -= self._error_columns @ answer[:, :k]
        return self.horizontal(product + table.penalty_gradient(T))


def _ends(index: IndexArray, size: int) -> IndexArray:
    """Where each row's entries end; of the index's own type, or SciPy would convert both each time."""
    return np.concatenate([[0], np.cumsum(np.bincount(index, minlength=size))]).astype(index.dtype)


def _outer(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Row by row the outer product of X (n, a) and Y (n, b), as (n, a·b)."""
    return (X[:, :, None] * Y[:, None, :]).reshape(X.shape[0], -1)
