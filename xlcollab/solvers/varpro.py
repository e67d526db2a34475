"""Variable projection: a small table with blanks factorised by Newton's method in the columns' parameters alone.

Rows r and columns j of a table stand for users and items, or the other way round, whichever makes n smaller. Given
the columns' parameters S = [V, c] (factors V (n, k), biases c (n,)), the best parameters z = [u, a] of each row are a
linear least-squares problem of their own, so that the cost is a function of S alone::

    f(S) = Σ_r min_z ½‖w_r ∘ (y_r − c − A z)‖²,    A = [V, 1],    w_r in {0, 1}ⁿ

The last column of A, S and z is there with biases only; q = k, or k + 1 with them. With residuals e_r and z̃ = [u, 1]::

    gradient   ∂f/∂S_j  = −Σ_r e_rj z̃_r
    curvature  H        = blockdiag_j(Σ_r w_rj z̃_r z̃_rᵀ) − Σ_r C_rᵀ C_r
               C_r[:,j] = L_r⁻¹ (w_rj A_j z̃_rᵀ − e_rj [I_k, 0]),    L_r L_rᵀ = Aᵀ diag(w_r) A

H is the exact Hessian; without the term in e it is Kaufman's Gauss–Newton matrix, which is never indefinite.

f does not change when A is multiplied from the right, nor when a column of A is added to c: it is a function on the
Grassmann manifold. V is therefore kept orthonormal (and centred, with biases), and steps are taken in an orthonormal
basis B (n, d), d = n − q, of the complement of A, where H is the Riemannian Hessian, since AᵀEᵀ = 0 at every point.

Sources: Golub & Pereyra, SIAM J. Numer. Anal. 10 (1973) 413 (variable projection); Kaufman, BIT 15 (1975) 49; Okatani
& Deguchi, Int. J. Comput. Vision 72 (2007) 329 (factorisation with missing data); Chen, IJCV 80 (2008) 125 (on
subspaces); Edelman, Arias & Smith, SIAM J. Matrix Anal. Appl. 20 (1998) 303 (the Hessian there); Nielsen,
IMM-REP-1999-05 (damping).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from xlcollab.arrays import FloatArray

__all__ = ["Minimum", "Point", "Table", "derivatives", "evaluate", "minimise"]

_FLOOR = 1e-12
"""Added to the diagonal of each row's normal matrix, which is of order 1: a row may have too few ratings."""
_SLOW = 0.05
"""An iteration that lowers the cost by less than this fraction is near enough to a minimum for the exact Hessian."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e10


@dataclass(frozen=True, eq=False)
class Table:
    """What is minimised: ``weight`` (m, n) of 0 and 1, ``rating`` (m, n), 0 where the weight is 0, k, biases or not."""

    weight: FloatArray
    rating: FloatArray
    n_factors: int
    biased: bool

    @property
    def width(self) -> int:
        """q, the number of parameters of a row."""
        return self.n_factors + self.biased


class Point(NamedTuple):
    """A place S = [V, c], the directions that change f there, and the rows' best answer to it."""

    V: FloatArray  # (n, k), orthonormal
    c: FloatArray  # (n,), orthogonal to A
    basis: FloatArray  # B (n, d)
    A: FloatArray  # (n, q)
    inverse: FloatArray  # L⁻¹ (m, q, q)
    z: FloatArray  # (m, q)
    error: FloatArray  # e (m, n), 0 where the weight is 0
    cost: float  # ½ Σ e²


class Minimum(NamedTuple):
    """Where `minimise` ended."""

    point: Point
    converged: bool
    iterations: int
    slow: bool = False
    """Whether it ended for lack of progress; Newton's method does not."""


def minimise(
    table: Table,
    V: FloatArray,
    c: FloatArray,
    *,
    max_iterations: int = 200,
    tolerance: float = 1e-10,
    report: Callable[[float, float], bool] | None = None,
) -> Minimum:
    """The local minimum of f that damped Newton steps from (V, c) lead to.

    Far from it the Gauss–Newton matrix is used, and the exact one once progress is slow, for as long as it is positive
    definite. Converged means that a step with the exact Hessian promised to lower the cost by less than the fraction
    ``tolerance``, and was taken: convergence being quadratic, what is left is of the order of its square.
    ``report(cost, Σe²)`` is called after each iteration and stops the descent by returning True.
    """
    point = evaluate(table, V, c)
    if point.basis.shape[1] == 0:  # as many parameters as columns: any V is as good as any other
        return Minimum(point, converged=True, iterations=0)
    negligible = 1e-20 * float(np.sum(table.rating**2))  # every rating is hit; nothing is left to be a fraction of
    damping, growth = 1e-2, 2.0
    exact = indefinite = False
    gradient, curvature = derivatives(table, point, exact=exact)
    for iteration in range(1, max_iterations + 1):
        step, promised = _damped_step(curvature, gradient, damping)
        last = damping <= 1 and promised <= tolerance * point.cost + negligible
        if step is None and exact:
            exact, indefinite = False, True
        elif step is not None and last and not exact and not indefinite:
            exact = True  # only the exact Hessian tells a minimum from a saddle
        elif step is None:
            damping, growth = damping * growth, 2 * growth
            continue
        else:
            trial = evaluate(table, *_moved(table, point, step))
            gain = point.cost - trial.cost
            if gain > 0:
                point, indefinite = trial, False
                ratio = gain / promised
                damping = max(damping * min(2.0, max(0.1, 1 - (2 * ratio - 1) ** 3)), _LEAST_DAMPING)
                growth = 2.0
                stop = report is not None and report(point.cost, 2 * point.cost)
                if last or stop or point.cost <= negligible:
                    return Minimum(point, (last and exact) or point.cost <= negligible, iteration)
                exact = exact or gain < _SLOW * (point.cost + gain)
            elif last or damping > _MOST_DAMPING:
                return Minimum(point, last and exact, iteration)
            else:
                damping, growth = damping * growth, 2 * growth
                continue
        gradient, curvature = derivatives(table, point, exact=exact)
    return Minimum(point, converged=False, iterations=max_iterations)


def evaluate(table: Table, V: FloatArray, c: FloatArray) -> Point:
    """The value of f at (V, c), after bringing them into the gauge, with each row's best z by Cholesky."""
    (m, n), q = table.weight.shape, table.width
    ones = np.ones((n, 1))
    # Householder's Q of [1, V]: the constant column, an orthonormal centred V, and the complement of both.
    frame = np.linalg.qr(np.hstack([ones, V]) if table.biased else V, mode="complete")[0]
    V, basis = frame[:, int(table.biased) : q], frame[:, q:]
    c = basis @ (basis.T @ c) if table.biased else np.zeros(n)
    A = np.hstack([V, ones]) if table.biased else V
    normal = (table.weight @ _outer(A, A)).reshape(m, q, q)
    normal[:, np.arange(q), np.arange(q)] += _FLOOR
    inverse = np.linalg.inv(np.linalg.cholesky(normal))
    target = table.rating - table.weight * c
    z = (inverse.swapaxes(1, 2) @ (inverse @ (target @ A)[:, :, None]))[:, :, 0]
    error = target - table.weight * (z @ A.T)
    return Point(V, c, basis, A, inverse, z, error, 0.5 * float(np.sum(error**2)))


def derivatives(table: Table, point: Point, *, exact: bool = True) -> tuple[FloatArray, FloatArray]:
    """Gradient (d q,) and curvature (d q, d q) of f along ``point.basis``; the index of q runs faster."""
    m, k, q = len(table.weight), table.n_factors, table.width
    B, d = point.basis, point.basis.shape[1]
    z = np.hstack([point.z[:, :k], np.ones((m, 1))]) if table.biased else point.z  # z̃ (m, q)
    mixed = (table.weight @ _outer(point.A, B)).reshape(m, q, d)  # Σ_j w_rj A_j B_j
    C = (point.inverse @ mixed)[:, :, :, None] * z[:, None, None, :]  # (m, q, d, q)
    if exact:
        C[..., :k] -= point.inverse[:, :, None, :k] * (point.error @ B)[:, None, :, None]
    C = C.reshape(m * q, d * q)
    blocks = table.weight.T @ _outer(z, z)  # (n, q²)
    direct = (_outer(B, B).T @ blocks).reshape(d, d, q, q).transpose(0, 2, 1, 3).reshape(d * q, d * q)
    gradient = -(B.T @ (point.error.T @ z))  # (d, q)
    return gradient.ravel(), direct - C.T @ C


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
    k = table.n_factors
    change = point.basis @ step.reshape(-1, table.width)  # (n, q)
    c = point.c + change[:, k] if table.biased else point.c
    return point.V + change[:, :k], c


def _outer(X: FloatArray, Y: FloatArray) -> FloatArray:
    """Row by row the outer product of X (n, a) and Y (n, b), as (n, a·b)."""
    return (X[:, :, None] * Y[:, None, :]).reshape(X.shape[0], -1)
