"""Many starts at once: the descent of `xlcollab.solvers.varpro` with one leading dimension over starts, in float64.

What is minimised, and how, is said there: Newton's method over the columns' parameters S = [V, c], the rows' parameters
z projected out, V kept orthonormal, steps taken in a basis B of the complement of A = [V, 1]. Here it is without
penalties, and each quantity has a first dimension s: every start takes its own steps, with its own damping and its own
choice between the Gauss–Newton matrix and the exact Hessian, while one batched operation serves them all. Starts that
have ended leave the batch, so that the others need not carry them.

One start of a small table keeps no GPU busy; thousands of them do, and the least of thousands of minima is most likely
the least there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

__all__ = ["Minima", "Table", "bytes_per_start", "minimise"]

Report: TypeAlias = Callable[[float], bool]
"""Called after each iteration with the least Σe² so far in this batch; True stops."""

_FLOOR = 1e-12
"""Added to the diagonal of each row's normal matrix (whose diagonal is of order 1): a row may have too few ratings."""
_SLOW = 0.05
"""An iteration that lowers the cost by less than this fraction is near enough to a minimum for the exact Hessian."""
_LEAST_DAMPING, _MOST_DAMPING = 1e-12, 1e10


class Table(NamedTuple):
    """``weight`` (m, n) of 0 and 1, ``rating`` (m, n) with 0 where the weight is 0, and whether there are biases."""

    weight: Tensor
    rating: Tensor
    biased: bool


class Point(NamedTuple):
    """A place S = [V, c] for each of s starts, the directions that change the cost there, and the rows' best answer."""

    V: Tensor  # (s, n, k)
    c: Tensor  # (s, n), 0 without biases
    basis: Tensor  # B (s, n, d), d = n − q
    A: Tensor  # (s, n, q), q = k or k + 1
    inverse: Tensor  # L⁻¹ (s, m, q, q)
    z: Tensor  # (s, m, q)
    error: Tensor  # e (s, m, n), 0 where the weight is 0
    cost: Tensor  # ½ Σ e² (s,)

    def where(self, chosen: Tensor, other: Point) -> Point:
        """Itself for the starts that are ``chosen`` (s,), ``other`` for the rest."""
        pairs = zip(self, other, strict=True)
        return Point(*(torch.where(chosen.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs))

    def take(self, starts: Tensor) -> Point:
        """The point of some starts only."""
        return Point(*(part[starts] for part in self))


class Minima(NamedTuple):
    """Where each of s starts ended."""

    V: Tensor  # (s, n, k)
    c: Tensor  # (s, n)
    z: Tensor  # (s, m, q)
    squares: Tensor  # Σ e² (s,)
    converged: Tensor  # bool (s,)
    iterations: Tensor  # int64 (s,)

    @classmethod
    def begin(cls, point: Point) -> Minima:
        """What is known of a point before the first step."""
        converged = torch.zeros_like(point.cost, dtype=torch.bool)
        parts = (point.V, point.c, point.z, 2 * point.cost, converged, converged.long())
        return cls(*(part.clone() for part in parts))


def minimise(
    table: Table,
    V: Tensor,
    *,
    max_iterations: int = 200,
    tolerance: float = 1e-10,
    report: Report | None = None,
) -> Minima:
    """The local minima that damped Newton steps lead to from the starts V (s, n, k), whose biases start at 0.

    A start has converged when a step with the exact Hessian promised to lower its cost by less than the fraction
    ``tolerance``, or when it hits every rating.
    """
    s = V.shape[0]
    point = evaluate(table, V, V.new_zeros(V.shape[:2]))
    ended = Minima.begin(point)
    if point.basis.shape[2] == 0:  # as many parameters as columns: any V is as good as any other
        ended.converged.fill_(True)
        return ended
    negligible = 1e-20 * float((table.rating**2).sum())
    control = _Control.begin(point.cost)
    place = torch.arange(s, device=V.device)  # which start each row of the batch is
    for iteration in range(1, max_iterations + 1):
        step, promised, failed = _damped_step(*_derivatives(table, point, control.exact), control.damping)
        trial = evaluate(table, *_moved(table, point, step))
        gain = torch.where(failed, -torch.inf, (point.cost - trial.cost).nan_to_num(nan=-torch.inf))
        accepted = gain > 0
        last = (control.damping <= 1) & (promised <= tolerance * point.cost + negligible) & ~failed
        hit = accepted & (trial.cost <= negligible)
        done = last & (control.exact | ~accepted) | hit | (control.damping > _MOST_DAMPING)
        converged = last & control.exact | hit
        control = control.after(gain, promised, point.cost, failed)
        point = trial.where(accepted, point)
        stop = iteration == max_iterations or (report is not None and report(2 * float(point.cost.min())))
        if stop or bool(done.any()):
            _store(ended, place, point, converged, iteration)
            left = (~done).nonzero()[:, 0]
            if stop or len(left) == 0:
                break
            point, control, place = point.take(left), control.take(left), place[left]
    return ended


class _Control(NamedTuple):
    """What steers each start's steps: Nielsen's damping and its growth, and whether the Hessian is the exact one."""

    damping: Tensor
    growth: Tensor
    exact: Tensor

    @classmethod
    def begin(cls, like: Tensor) -> _Control:
        return cls(torch.full_like(like, 1e-2), torch.full_like(like, 2.0), torch.zeros_like(like, dtype=torch.bool))

    def after(self, gain: Tensor, promised: Tensor, cost: Tensor, failed: Tensor) -> _Control:
        """The control of the next step, given what this one gained against what it promised.

        A Hessian that was not positive definite falls back to Gauss–Newton under the same damping.
        """
        accepted, fell_back = gain > 0, failed & self.exact
        shrink = (1 - (2 * gain / promised - 1) ** 3).clamp(0.1, 2.0)
        larger = torch.where(fell_back, self.damping, self.damping * self.growth)
        damping = torch.where(accepted, (self.damping * shrink).clamp_min(_LEAST_DAMPING), larger)
        growth = torch.where(accepted, 2.0, torch.where(fell_back, self.growth, 2 * self.growth))
        exact = (self.exact & ~failed) | (accepted & (gain < _SLOW * cost))
        return _Control(damping, growth, exact)

    def take(self, starts: Tensor) -> _Control:
        return _Control(*(part[starts] for part in self))


def evaluate(table: Table, V: Tensor, c: Tensor) -> Point:
    """The cost at (V, c), after bringing them into the gauge, with each row's best z by a Cholesky factorisation."""
    (m, n), biased = table.weight.shape, table.biased
    s, q = V.shape[0], V.shape[2] + biased
    ones = V.new_ones(s, n, 1)
    # Householder's Q of [1, V]: the constant column, an orthonormal centred V, and the complement of both.
    frame = torch.linalg.qr(torch.cat([ones, V], dim=2) if biased else V, mode="complete")[0]
    V, basis = frame[..., int(biased) : q], frame[..., q:]
    if biased:
        c = (basis @ (basis.mT @ c.unsqueeze(2))).squeeze(2)
    A = torch.cat([V, ones], dim=2) if biased else V
    normal = (table.weight @ _outer(A, A)).view(s, m, q, q)
    normal.diagonal(dim1=2, dim2=3).add_(_FLOOR)
    lower = torch.linalg.cholesky_ex(normal)[0]
    eye = torch.eye(q, dtype=V.dtype, device=V.device)
    inverse = torch.linalg.solve_triangular(lower, eye.expand_as(lower), upper=False)
    target = table.rating - table.weight * c.unsqueeze(1)
    z = (inverse.mT @ (inverse @ (target @ A).unsqueeze(3))).squeeze(3)
    error = target - table.weight * (z @ A.mT)
    return Point(V, c, basis, A, inverse, z, error, 0.5 * error.square().sum(dim=(1, 2)))


def _derivatives(table: Table, point: Point, exact: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient (s, d q) and curvature (s, d q, d q) along ``point.basis``; the index of q runs faster."""
    B, biased = point.basis, table.biased
    (s, _, d), (m, q) = B.shape, point.z.shape[1:]
    k = q - biased
    z = torch.cat([point.z[..., :k], point.z.new_ones(s, m, 1)], dim=2) if biased else point.z
    mixed = (table.weight @ _outer(point.A, B)).view(s, m, q, d)  # Σ_j w_rj A_j B_j
    C = (point.inverse @ mixed).unsqueeze(4) * z[:, :, None, None, :]  # (s, m, q, d, q)
    along = (point.error @ B) * exact.view(-1, 1, 1)  # (s, m, d), 0 for Gauss–Newton
    C[..., :k] -= point.inverse[:, :, :, None, :k] * along[:, :, None, :, None]
    C = C.view(s, m * q, d * q)
    blocks = table.weight.T @ _outer(z, z)  # (s, n, q²)
    direct = (_outer(B, B).mT @ blocks).view(s, d, d, q, q).transpose(2, 3).reshape(s, d * q, d * q)
    curvature = torch.baddbmm(direct, C.mT, C, alpha=-1)
    gradient = -(B.mT @ (point.error.mT @ z)).reshape(s, d * q)
    return gradient, curvature


def _damped_step(gradient: Tensor, curvature: Tensor, damping: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The step −(H + μ t I)⁻¹ g (s, d q), t the mean of |diag H|; the fall in cost it promises; where it failed (s,).

    It fails where the matrix is not positive definite; the step is 0 there.
    """
    diagonal = curvature.diagonal(dim1=1, dim2=2)
    shift = damping * diagonal.abs().mean(dim=1)  # (s,)
    diagonal += shift.unsqueeze(1)
    lower, info = torch.linalg.cholesky_ex(curvature)
    failed = info != 0
    step = -torch.cholesky_solve(gradient.unsqueeze(2), lower).squeeze(2)
    step = torch.where(failed.unsqueeze(1), 0.0, step)
    promised = 0.5 * (shift * step.square().sum(dim=1) - (gradient * step).sum(dim=1))
    return step, promised, failed


def _moved(table: Table, point: Point, step: Tensor) -> tuple[Tensor, Tensor]:
    """(V, c) after the step (s, d q) along ``point.basis``."""
    (s, _, d), q = point.basis.shape, point.A.shape[2]
    change = point.basis @ step.view(s, d, q)  # (s, n, q)
    k = point.V.shape[2]
    return point.V + change[..., :k], point.c + change[..., k] if table.biased else point.c


def _store(ended: Minima, place: Tensor, point: Point, converged: Tensor, iteration: int) -> None:
    """Note where the starts at ``place`` are after ``iteration``."""
    ended.V[place], ended.c[place], ended.z[place] = point.V, point.c, point.z
    ended.squares[place], ended.converged[place], ended.iterations[place] = 2 * point.cost, converged, iteration


def _outer(X: Tensor, Y: Tensor) -> Tensor:
    """Row by row the outer product of X (s, n, a) and Y (s, n, b), as (s, n, a·b)."""
    return (X.unsqueeze(3) * Y.unsqueeze(2)).flatten(2)


def bytes_per_start(m: int, n: int, q: int) -> int:
    """Working memory of one start in float64: C twice, three times the Hessian, and what has the size of the table."""
    d = max(0, n - q)
    return 8 * (2 * m * q * d * q + 3 * (d * q) ** 2 + 6 * m * n + 4 * m * q * (q + d))
