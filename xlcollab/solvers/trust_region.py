"""Variable projection for large, sparse ratings: the cost of `varpro` by a Riemannian trust region with truncated CG.

With the columns' parameters S = [V, c] fixed, each row's best z is a small least-squares problem, and

    f(S) = Σ_r min_z ½ Σ_{j rated by r} (y_rj − c_j − z·A_j)² + ½ zᵀΛz + ½λ‖V‖² + ½λ_b‖c − mean(c)‖²,    A = [V, 1].

The Hessian is never formed: its product with a direction T (n, q) costs a few passes over the N ratings,

    z'_r = −G_r⁻¹ (Σ_j a_rj A_j − Σ_j e_rj T_j[:k]),     a_rj = z̃_r·T_j,    G_r = Σ_j A_j A_jᵀ + Λ
    (HT)_j = Σ_r (a_rj + A_j·z'_r) z̃_r − Σ_r e_rj z'_r[:k] (+ penalty),

so that a step, found by conjugate gradients within the radius that the last step earned (Steihaug), takes O(N q) for
each product. The preconditioner is the block diagonal Σ_r z̃_r z̃_rᵀ of each column. Here the side with *fewer* ratings
a member is the one kept (columns), the opposite of the dense case: it leaves the well-determined problems to be
projected out. On MovieLens 100k with five factors this is below in a second what L-BFGS over all parameters reaches in
twenty.

Sources: Boumal & Absil, Linear Algebra Appl. 475 (2015) 200 (RTRMC); Steihaug, SIAM J. Numer. Anal. 20 (1983) 626;
Conn, Gould & Toint, Trust-Region Methods (2000), §7.5 (the norm that belongs to the preconditioner); and those in
`varpro`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from xlcollab.model import FloatArray, IntArray
from xlcollab.solvers.varpro import Report, Terms

__all__ = ["Minimum", "Point", "SparseTable", "evaluate", "minimise"]

_SLOW_STEPS = 5
_MOST_PRODUCTS = 60
"""Products with the Hessian for one step; the last steps near a minimum want more, those before it three or four."""


@dataclass(frozen=True, eq=False)
class SparseTable:
    """Ratings sorted by row: ``rows``, ``columns``, ``ratings`` (N,), the sizes m and n, and the terms."""

    rows: IntArray
    columns: IntArray
    ratings: FloatArray
    m: int
    n: int
    terms: Terms

    def __post_init__(self) -> None:
        order = np.lexsort((self.columns, self.rows))
        for name in ("rows", "columns", "ratings"):
            object.__setattr__(self, name, getattr(self, name)[order])
        by_column = np.argsort(self.columns, kind="stable")
        object.__setattr__(self, "_by_column", by_column)
        object.__setattr__(self, "_row_ends", np.r_[0, np.cumsum(np.bincount(self.rows, minlength=self.m))])
        object.__setattr__(self, "_column_ends", np.r_[0, np.cumsum(np.bincount(self.columns, minlength=self.n))])
        object.__setattr__(self, "_rows_by_column", self.rows[by_column])

    _by_column = _row_ends = _column_ends = _rows_by_column = np.empty(0, dtype=np.intp)

    def by_rows(self, values: FloatArray) -> csr_array:
        """One value a rating, as an (m, n) matrix."""
        return csr_array((values, self.columns, self._row_ends), shape=(self.m, self.n))

    def by_columns(self, values: FloatArray) -> csr_array:
        """One value a rating, as an (n, m) matrix."""
        return csr_array((values[self._by_column], self._rows_by_column, self._column_ends), shape=(self.n, self.m))

    def products(self, X: FloatArray, Y: FloatArray) -> FloatArray:
        """X_r·Y_j for each rating (N,), X (m, q), Y (n, q): column by column, half the time of gathering whole rows."""
        total = np.zeros(len(self.ratings))
        for x, y in zip(np.ascontiguousarray(X.T), np.ascontiguousarray(Y.T), strict=True):
            total += x[self.rows] * y[self.columns]
        return total


class Point(NamedTuple):
    """A place S = [V, c] and the rows' best answer to it."""

    V: FloatArray  # (n, k)
    c: FloatArray  # (n,)
    A: FloatArray  # (n, q)
    normal: FloatArray  # G (m, q, q)
    z: FloatArray  # (m, q)
    error: FloatArray  # e (N,)
    squares: float  # Σ e²
    cost: float


class Minimum(NamedTuple):
    """Where `minimise` ended."""

    point: Point
    converged: bool
    iterations: int
    slow: bool


def evaluate(table: SparseTable, V: FloatArray, c: FloatArray) -> Point:
    """The value of f at (V, c), after bringing them into the gauge."""
    terms, q = table.terms, table.terms.width
    if not terms.penalised:
        V = np.linalg.qr(V - V.mean(axis=0) if terms.biased else V)[0]
        c = c - c.mean()
        c = c - V @ (V.T @ c)
    A = np.hstack([V, np.ones((table.n, 1))]) if terms.biased else V
    normal = (table.by_rows(np.ones(len(table.ratings))) @ _outer(A, A)).reshape(table.m, q, q)
    normal[:, np.arange(q), np.arange(q)] += terms.ridge
    target = table.ratings - c[table.columns] if terms.biased else table.ratings
    z = np.linalg.solve(normal, (table.by_rows(target) @ A)[:, :, None])[:, :, 0]
    error = target - table.products(z, A)
    squares = float(error @ error)
    return Point(V, c, A, normal, z, error, squares, 0.5 * squares + terms.cost(V, c, z))


class _Quadratic:
    """f near a point, to second order, along directions T (n, q) that change it."""

    def __init__(self, table: SparseTable, point: Point) -> None:
        terms, q = table.terms, table.terms.width
        self.table, self.point = table, point
        ones = np.ones((table.m, 1))
        self.z = np.hstack([point.z[:, : terms.n_factors], ones]) if terms.biased else point.z  # z̃ (m, q)
        self.error_rows, self.error_columns = table.by_rows(point.error), table.by_columns(point.error)
        self.solve_rows = np.linalg.inv(point.normal)
        rated = table.by_columns(np.ones(len(table.ratings)))
        blocks = (rated @ _outer(self.z, self.z)).reshape(table.n, q, q)
        level = float(np.einsum("jaa->", blocks)) / (table.n * q)
        blocks[:, np.arange(q), np.arange(q)] += 1e-3 * level + terms.ridge
        self.solve_blocks = np.linalg.inv(blocks)
        # The columns of A are orthogonal, and what lies along them changes nothing.
        self.idle = None if terms.penalised else point.A / np.linalg.norm(point.A, axis=0)
        self.gradient = terms.pull(point.V, point.c) - self.error_columns @ self.z

    def horizontal(self, T: FloatArray) -> FloatArray:
        """T without what changes nothing."""
        return T if self.idle is None else T - self.idle @ (self.idle.T @ T)

    def precondition(self, R: FloatArray) -> FloatArray:
        """An approximate solution of H T = R."""
        return self.horizontal(np.einsum("jab,jb->ja", self.solve_blocks, R))

    def slope(self) -> float:
        """The length of the gradient in the norm that the preconditioner gives."""
        return float(np.sqrt(max(np.vdot(self.gradient, self.precondition(self.gradient)), 0.0)))

    def product(self, T: FloatArray) -> FloatArray:
        """H T."""
        table, A, k = self.table, self.point.A, self.table.terms.n_factors
        along = table.products(self.z, T)
        pull = table.by_rows(along) @ A
        pull[:, :k] -= self.error_rows @ T[:, :k]
        answer = -np.einsum("rab,rb->ra", self.solve_rows, pull)  # z' (m, q)
        product = table.by_columns(along + table.products(answer, A)) @ self.z
        product[:, :k] -= self.error_columns @ answer[:, :k]
        if table.terms.penalised:
            product += table.terms.pull(T[:, :k], T[:, -1])
        return self.horizontal(product)

    def step(self, radius: float, accuracy: float) -> tuple[FloatArray, float, float]:
        """Steihaug's truncated CG: the step, the fall in cost it promises, and its length in the preconditioner's norm.

        Lengths are measured by ‖T‖² = ⟨T, M T⟩, with M the inverse of `precondition`; the recurrences give it without
        M.
        """
        T, HT = np.zeros_like(self.gradient), np.zeros_like(self.gradient)
        residual = self.gradient
        towards = self.precondition(residual)
        direction = -towards
        slope = float(np.vdot(residual, towards))
        aim = accuracy**2 * slope
        length, along, stride = 0.0, 0.0, slope  # ⟨T,MT⟩, ⟨T,Md⟩, ⟨d,Md⟩
        for _ in range(_MOST_PRODUCTS):
            product = self.product(direction)
            bend = float(np.vdot(direction, product))
            reach = slope / bend if bend > 0 else np.inf
            beyond = length + 2 * reach * along + reach**2 * stride >= radius**2 if np.isfinite(reach) else True
            if beyond:
                reach = (-along + np.sqrt(along**2 + stride * (radius**2 - length))) / stride
            T, HT = T + reach * direction, HT + reach * product
            length += 2 * reach * along + reach**2 * stride
            if beyond:
                break
            residual = residual + reach * product
            towards = self.precondition(residual)
            previous, slope = slope, float(np.vdot(residual, towards))
            if slope <= aim:
                break
            ratio = slope / previous
            direction = ratio * direction - towards
            along = ratio * (along + reach * stride)
            stride = slope + ratio**2 * stride
        promised = -float(np.vdot(self.gradient, T)) - 0.5 * float(np.vdot(T, HT))
        return T, promised, float(np.sqrt(max(length, 0.0)))


def minimise(
    table: SparseTable,
    V: FloatArray,
    c: FloatArray,
    *,
    max_iterations: int = 100,
    tolerance: float = 1e-10,
    enough: float = 1e-6,
    report: Report | None = None,
) -> Minimum:
    """A local minimum of f near (V, c), or where ``max_iterations`` steps led to.

    Converged means that a step promised to lower the cost by less than the fraction ``tolerance``, or (``slow``) that
    `_SLOW_STEPS` steps in a row lowered it by less than the fraction ``enough`` each: without a penalty large tables
    tend to lie in a valley that falls on for ever, ever more slowly.
    ``report(cost, Σe²)`` is called after each step and stops the descent by returning True.
    """
    point = evaluate(table, V, c)
    quadratic = _Quadratic(table, point)
    first = radius = quadratic.slope()  # at first as far as the preconditioned gradient step goes
    k, slow = table.terms.n_factors, 0
    for iteration in range(1, max_iterations + 1):
        T, promised, length = quadratic.step(radius, min(0.1, quadratic.slope() / first))
        if promised <= tolerance * point.cost:
            return Minimum(point, True, iteration, slow=False)
        trial = evaluate(table, point.V + T[:, :k], point.c + T[:, k] if table.terms.biased else point.c)
        gain = point.cost - trial.cost
        if gain < 0.25 * promised:
            radius = 0.25 * length
        elif gain > 0.75 * promised and length > 0.99 * radius:
            radius *= 2.0
        if gain <= 0.01 * promised:
            continue
        slow = slow + 1 if gain <= enough * point.cost else 0
        point = trial
        if report is not None and report(point.cost, point.squares):
            break
        if slow == _SLOW_STEPS:
            return Minimum(point, True, iteration, slow=True)
        quadratic = _Quadratic(table, point)
    return Minimum(point, False, iteration, slow=False)


def _outer(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Row by row the outer product of X (n, a) and Y (n, b), as (n, a·b)."""
    return (X[:, :, None] * Y[:, None, :]).reshape(X.shape[0], -1)
