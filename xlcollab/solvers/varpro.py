"""Variable projection: a small table with blanks factorised by Newton's method in the columns' parameters alone.

Rows r and columns j of a table stand for users and items, or the other way round, whichever makes n smaller. Given the
columns' parameters S = [V, c] (factors V (n, k), biases c (n,)), the best parameters z = [u, a] of each row are a
linear least-squares problem of their own, so that the cost is a function of S alone::

    f(S) = Σ_r min_z ½‖w_r ∘ (y_r − c − A z)‖² + ½ zᵀΛz + ½λ‖V‖² + ½λ_b‖c − mean(c)‖²,    A = [V, 1],  w_r in {0, 1}ⁿ

The trailing columns of A, S and z are there with biases only; q = k, or k + 1 with them. With residuals e_r and z̃ =
[u, 1]:

    gradient  ∂f/∂S_j   = −Σ_r e_rj z̃_r (+ penalty)
    curvature H         = blockdiag_j(Σ_r w_rj z̃_r z̃_rᵀ) − Σ_r C_rᵀ C_r (+ penalty)
              C_r[:, j] = L_r⁻¹ (w_rj A_j z̃_rᵀ − e_rj [I_k, 0]),    L_r L_rᵀ = Aᵀ diag(w_r) A + Λ

H is the exact Hessian; without the term in e it is Kaufman's Gauss–Newton matrix, which is never indefinite.

Without a penalty f does not change when A is multiplied from the right, nor when a column of A is added to c: it is a
function on the Grassmann manifold. V is therefore kept orthonormal (and centred, with biases), and steps are taken in
an orthonormal basis B (n, n − q) of the complement of A, where H is the Riemannian Hessian, since VᵀE = 0 at every
point.

Sources: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413 (variable projection); Kaufman, BIT 15 (1975) 49; Okatani &
Deguchi, Int. J. Comput. Vision 72 (2007) 329 (factorisation with missing data); Chen, IJCV 80 (2008) 125 (on
subspaces); Edelman, Arias & Smith, SIAM J. Matrix Anal. Appl. 20 (1998) 303 (the Hessian there); Nielsen,
IMM-REP-1999-05 (damping).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from xlcollab.model import FloatArray

__all__ = ["Minimum", "Point", "Report", "Table", "Terms", "evaluate", "minimise"]

Report: TypeAlias = Callable[[float, float], bool]
"""Called with the cost and Σe² after each iteration; True stops."""

_FLOOR = 1e-12
"""Added to the diagonal of each row's normal matrix (whose diagonal is of order 1): a row may have too few ratings."""
_SLOW = 0.05
"""An iteration that lowers the cost by less than this fraction is near enough to a minimum for the exact Hessian."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e10


@dataclass(frozen=True)
class Terms:
    """What a row's and a column's parameters are, and what holds them back: k, biases or not, λ and λ_b."""

    n_factors: int
    biased: bool
    penalty: float = 0.0
    bias_penalty: float = 0.0

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

    def cost(self, V: FloatArray, c: FloatArray, z: FloatArray) -> float:
        """The penalty's part of f."""
        if not self.penalised:
            return 0.0
        columns = self.penalty * float(np.sum(V**2)) + self.bias_penalty * float(np.sum((c - c.mean()) ** 2))
        return 0.5 * (float(np.sum(z**2 @ self.ridge)) + columns)

    def pull(self, V: FloatArray, c: FloatArray) -> FloatArray:
        """The penalty's gradient in S = [V, c], (n, q): linear, so that it is also its Hessian times [V, c]."""
        factors = self.penalty * V
        return np.column_stack([factors, self.bias_penalty * (c - c.mean())]) if self.biased else factors


@dataclass(frozen=True, eq=False)
class Table:
    """What is minimised: ``weight`` (m, n) of 0 and 1, ``rating`` (m, n), 0 where the weight is 0, and the terms."""

    weight: FloatArray
    rating: FloatArray
    terms: Terms


class Point(NamedTuple):
    """A place S = [V, c], the directions that change f there, and the rows' best answer to it."""

    V: FloatArray  # (n, k)
    c: FloatArray  # (n,)
    basis: FloatArray  # B (n, d): d = n − q, or n under a penalty
    A: FloatArray  # (n, q)
    inverse: FloatArray  # L⁻¹ (m, q, q)
    z: FloatArray  # (m, q)
    error: FloatArray  # e (m, n), 0 where the weight is 0
    squares: float  # Σ e²
    cost: float


class Minimum(NamedTuple):
    """Where `minimise` ended."""

    point: Point
    converged: bool
    iterations: int
    slow: bool = False


def minimise(
    table: Table,
    V: FloatArray,
    c: FloatArray,
    *,
    max_iterations: int = 200,
    tolerance: float = 1e-10,
    report: Report | None = None,
) -> Minimum:
    """The local minimum of f that damped Newton steps from (V, c) lead to.

    Far from it the Gauss–Newton matrix is used, and the exact one once progress is slow, for as long as it is positive
    definite. Converged means that a step with the exact Hessian promised to lower the cost by less than the fraction
    ``tolerance``, and was taken: convergence being quadratic, what is left is of the order of its square.
    ``report(cost, Σe²)`` is called after each iteration and stops the descent by returning True.
    """
    point = evaluate(table, V, c)
    if point.basis.shape[1] == 0:  # as many parameters as columns: any V is as good as any other
        return Minimum(point, True, 0)
    negligible = 1e-20 * float(np.sum(table.rating**2))  # every rating is hit; nothing is left to be a fraction of
    damping, growth, exact = 1e-2, 2.0, False
    gradient, curvature = _derivatives(table, point, exact=exact)
    for iteration in range(1, max_iterations + 1):
        step, promised = _damped_step(curvature, gradient, damping)
        if step is None:
            if exact:
                exact = False
                gradient, curvature = _derivatives(table, point, exact=exact)
            else:
                damping, growth = damping * growth, 2 * growth
            continue
        trial = evaluate(table, *_moved(table, point, step))
        gain = point.cost - trial.cost
        last = damping <= 1 and promised <= tolerance * point.cost + negligible
        if gain <= 0:
            if last:
                return Minimum(point, exact, iteration)
            damping, growth = damping * growth, 2 * growth
            if damping > _MOST_DAMPING:
                break
            continue
        damping = max(damping * min(2.0, max(0.1, 1 - (2 * gain / promised - 1) ** 3)), _LEAST_DAMPING)
        growth = 2.0
        if (last and exact) or trial.cost <= negligible:
            return Minimum(trial, True, iteration)
        exact = exact or gain < _SLOW * point.cost
        point = trial
        if report is not None and report(point.cost, point.squares):
            break
        gradient, curvature = _derivatives(table, point, exact=exact)
    return Minimum(point, False, iteration)


def evaluate(table: Table, V: FloatArray, c: FloatArray) -> Point:
    """The value of f at (V, c), after bringing them into the gauge, with each row's best z by Cholesky."""
    terms = table.terms
    (m, n), q = table.weight.shape, terms.width
    ones = np.ones((n, 1))
    if terms.penalised:
        basis = np.eye(n)
    else:
        # Householder's Q of [1, V]: the constant column, an orthonormal centred V, and the complement of both.
        frame = np.linalg.qr(np.hstack([ones, V]) if terms.biased else V, mode="complete")[0]
        V, basis = frame[:, int(terms.biased) : q], frame[:, q:]
        c = basis @ (basis.T @ c)
    A = np.hstack([V, ones]) if terms.biased else V
    normal = (table.weight @ _outer(A, A)).reshape(m, q, q)
    normal[:, np.arange(q), np.arange(q)] += terms.ridge
    inverse = np.linalg.inv(np.linalg.cholesky(normal))
    target = table.rating - table.weight * c
    z = (inverse.swapaxes(1, 2) @ (inverse @ (target @ A)[:, :, None]))[:, :, 0]
    error = target - table.weight * (z @ A.T)
    squares = float(np.sum(error**2))
    return Point(V, c, basis, A, inverse, z, error, squares, 0.5 * squares + terms.cost(V, c, z))


def _derivatives(table: Table, point: Point, *, exact: bool) -> tuple[FloatArray, FloatArray]:
    """Gradient (d q,) and curvature (d q, d q) of f along ``point.basis``; the index of q runs faster."""
    terms, B = table.terms, point.basis
    (m, n), k, q, d = table.weight.shape, terms.n_factors, terms.width, B.shape[1]
    z = np.hstack([point.z[:, :k], np.ones((m, 1))]) if terms.biased else point.z  # z̃ (m, q)
    mixed = (table.weight @ _outer(point.A, B)).reshape(m, q, d)  # Σ_j w_rj A_j B_j
    C = (point.inverse @ mixed)[:, :, :, None] * z[:, None, None, :]  # (m, q, d, q)
    if exact:
        C[..., :k] -= point.inverse[:, :, None, :k] * (point.error @ B)[:, None, :, None]
    C = C.reshape(m * q, d * q)
    blocks = table.weight.T @ _outer(z, z)  # (n, q²)
    direct = (_outer(B, B).T @ blocks).reshape(d, d, q, q).transpose(0, 2, 1, 3).reshape(d * q, d * q)
    curvature = direct - C.T @ C
    gradient = -(B.T @ (point.error.T @ z))  # (d, q)
    if terms.penalised:  # B is the identity
        gradient += terms.pull(point.V, point.c)
        by_column = curvature.reshape(n, q, n, q)
        for a in range(k):
            by_column[np.arange(n), a, np.arange(n), a] += terms.penalty
        if terms.biased:
            by_column[:, k, :, k] += terms.bias_penalty * (np.eye(n) - 1.0 / n)
    return gradient.ravel(), curvature


def _damped_step(curvature: FloatArray, gradient: FloatArray, damping: float) -> tuple[FloatArray | None, float]:
    """The step −(H + μ s I)⁻¹ g, s the mean of |diag H|, and the fall in cost that the quadratic model promises for it.

    (None, 0) where the matrix is not positive definite.
    """
    shift = damping * float(np.mean(np.abs(np.diagonal(curvature))))
    damped = curvature.copy()
    damped.flat[:: damped.shape[0] + 1] += shift
    lower, info = dpotrf(damped, lower=1, overwrite_a=1)
    if info != 0:
        return None, 0.0
    step = -dpotrs(lower, gradient, lower=1)[0]
    return step, 0.5 * (shift * float(step @ step) - float(gradient @ step))


def _moved(table: Table, point: Point, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(V, c) after the step (d q,) along ``point.basis``."""
    k = table.terms.n_factors
    change = point.basis @ step.reshape(-1, table.terms.width)  # (n, q)
    c = point.c + change[:, k] if table.terms.biased else point.c
    return point.V + change[:, :k], c


def _outer(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Row by row the outer product of X (n, a) and Y (n, b), as (n, a·b)."""
    return (X[:, :, None] * Y[:, None, :]).reshape(X.shape[0], -1)
