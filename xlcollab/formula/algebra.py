"""Primitive operations of linear algebra: products over ranges, sums of squares, inverses, determinants."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula.ops import as_constant, degree_of, tape_of, value_of
from xlcollab.formula.tape import Op, Pull, Slot, Step, index_of, lean, selection

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Contraction", "SumSquares", "determinant", "inverse", "matmul", "product_sum", "sum_squares"]

Floats = NDArray[np.float64]
Degrees = NDArray[np.int8]


class Contraction(Op):
    """An Einstein sum of two factors: ``letters`` names the four axes of each and those of the result.

    Axes of length 1 are dropped first. Where the factors then share no axis but the summed ones (the rows of a block
    see one factor, its columns the other) the sum is one matrix product, which BLAS does; else `numpy.einsum` does it.
    """

    def __init__(self, letters: tuple[str, str, str], a: Any, b: Any) -> None:
        self.inputs = (as_constant(a), as_constant(b))
        self.letters = letters
        self.order = "".join(dict.fromkeys(letters[0] + letters[1]))
        self.sizes = dict.fromkeys(self.order, 1)
        for names, x in zip(letters, (a, b), strict=False):
            for name, n in zip(names, x.shape, strict=True):
                self.sizes[name] = max(self.sizes[name], n)
        self.shape = tuple(self.sizes[c] for c in letters[2]) + (1,) * (4 - len(letters[2]))
        shapes = (a.shape, b.shape, self.shape)
        self.names = [
            "".join(c for c, n in zip(names, shape, strict=False) if n > 1)
            for names, shape in zip(letters, shapes, strict=True)
        ]

    def degree(self) -> Degrees:
        """Affine where in each product one factor is constant and the other at most affine."""
        a, b = (self._spread(degree_of(x), k) for k, x in enumerate(self.inputs))
        summed = tuple(i for i, c in enumerate(self.order) if c not in self.letters[2])
        top = np.maximum.reduce(np.minimum(a + b, np.int8(2)), summed, keepdims=True)
        kept = [self.order.index(c) for c in self.letters[2]]
        top = top.transpose(*kept, *(i for i in range(top.ndim) if i not in kept))
        return top.reshape(*top.shape[: len(kept)], *(1,) * (4 - len(kept)))

    def _spread(self, array: NDArray[Any], k: int) -> NDArray[Any]:
        """``array``, with the axes of factor ``k`` (2: the result), as one with an axis for each letter."""
        names = self.letters[k]
        array = array.reshape(array.shape[: len(names)])
        array = array.transpose([names.index(c) for c in self.order if c in names])
        return array[tuple(slice(None) if c in names else None for c in self.order)]

    def product(self, k: int, m: int, result: int, a: NDArray[Any], b: NDArray[Any], out: NDArray[Any]) -> Step:
        """A closure for out = Σ a b, whose axes are those of ``k``, ``m`` and ``result`` (indices into ``names``)."""
        a, b, into = map(_squeezed, (a, b, out))
        rows = [c for c in self.names[k] if c not in self.names[m]]
        cols = [c for c in self.names[m] if c not in self.names[k]]
        both = [c for c in self.names[k] if c in self.names[m]]
        if both and not any(c in self.names[result] for c in both):
            left = _matrix(a, self.names[k], rows, both)
            right = _matrix(b, self.names[m], both, cols)
            target = _matrix(into, self.names[result], rows, cols)
            if left is not None and right is not None and target is not None:
                return partial(np.matmul, left, right, target)
        spec = f"{self.names[k]},{self.names[m]}->{self.names[result]}"
        return partial(np.einsum, spec, a, b, out=into)

    def forward(self) -> Step:
        """Out = Σ a b."""
        a, b = map(value_of, self.inputs)
        return self.product(0, 1, 2, a, b, self.out.value)

    def pull(self, to: Pull) -> Step:
        """∂a = Σ g b, ∂b = Σ g a, over what a or b lacks."""
        other = value_of(self.inputs[1 - to.k])
        into = to.target if to.first else np.empty(to.target.shape)
        product = self.product(2, 1 - to.k, to.k, to.g, other, into)
        if to.first:
            return product
        add = to.add(into)
        return lambda: (product(), add())

    def local(self, k: int) -> csr_array:
        """The other factor's elements, in the rows and columns that they belong to."""
        from scipy.sparse import coo_array

        shape = tuple(self.sizes[c] for c in self.order)
        rows = np.broadcast_to(self._spread(index_of(self.out.shape), 2), shape).ravel()
        cols = np.broadcast_to(self._spread(index_of(self.inputs[k].shape), k), shape).ravel()
        data = np.broadcast_to(self._spread(value_of(self.inputs[1 - k]), 1 - k), shape).ravel()
        kept = data != 0.0
        entries = (data[kept], (rows[kept], cols[kept]))
        return coo_array(entries, shape=(self.out.size, value_of(self.inputs[k]).size)).tocsr()


def _squeezed(array: NDArray[Any]) -> NDArray[Any]:
    """A view without axes of length 1; the '...' keeps it a view where none is left."""
    return array[(*(0 if n == 1 else slice(None) for n in array.shape), ...)]


def _matrix(array: NDArray[Any], names: str, rows: list[str], cols: list[str]) -> NDArray[Any] | None:
    """A matrix view with the axes ``rows`` down and ``cols`` across; None where memory does not allow one."""
    moved = array.transpose([names.index(c) for c in (*rows, *cols)]) if names else array
    height = int(np.prod(moved.shape[: len(rows)]))
    matrix = moved.reshape(height, -1)
    return matrix if np.shares_memory(matrix, array) else None


def _contract(letters: tuple[str, str, str], a: Any, b: Any) -> Any:
    op = Contraction(letters, a, b)
    tape = tape_of((a, b))
    out = np.zeros(op.shape)
    if tape is None:
        op.product(0, 1, 2, a, b, out)()
        return out
    return tape.emit(op, out, op.degree())


def matmul(a: Any, b: Any) -> Any:
    """The matrix product of the ranges that each cell sees: (R, C, p, k), (R, C, k, q) → (R, C, p, q)."""
    return _contract(("rcpk", "rckq", "rcpq"), a, b)


def product_sum(a: Any, b: Any) -> Any:
    """Σ aᵢⱼ bᵢⱼ over the ranges that each cell sees: (R, C, i, j) twice → (R, C, 1, 1)."""
    return _contract(("rcij", "rcij", "rc"), a, b)


class SumSquares(Op):
    """Σ x² over the range that each cell sees. Gauss-Newton looks for this operation: its input are the residuals."""

    def __init__(self, x: Slot) -> None:
        self.inputs = (x,)

    def forward(self) -> Step:
        """Out = Σ x²."""
        x, out = value_of(self.inputs[0]), self.out.value
        if self.out.size == 1 and x.flags.c_contiguous:
            row = x.reshape(-1)
            return partial(np.matmul, row, row, out.reshape(()))
        squares = np.empty(x.shape)
        return lambda: (np.multiply(x, x, squares), np.add.reduce(squares, (2, 3), out=out, keepdims=True))

    def pull(self, to: Pull) -> Step:
        """2 g x."""
        x = value_of(self.inputs[0])
        twice = np.empty(to.g.shape)
        double = partial(np.add, *lean(to.g, to.g, twice))
        brought = to.target if to.first else np.empty(x.shape)
        multiply = partial(np.multiply, *lean(x, twice, brought))
        if to.first:
            return lambda: (double(), multiply())
        add = to.add(brought)
        return lambda: (double(), multiply(), add())

    def local(self, k: int) -> csr_array:
        """2 x."""
        x = value_of(self.inputs[k])
        sums = selection(np.broadcast_to(index_of(self.out.shape), x.shape).ravel(), self.out.size)
        sums.data *= 2.0 * x.ravel()
        return sums.T.tocsr()


def sum_squares(x: Any) -> Any:
    """Σ x² over the range that each cell sees."""
    if not isinstance(x, Slot):
        return np.add.reduce(x * x, (2, 3), keepdims=True)
    top = np.maximum.reduce(np.broadcast_to(x.degree, x.shape), (2, 3), keepdims=True)
    return x.tape.emit(SumSquares(x), np.zeros((*x.shape[:2], 1, 1)), np.where(top > 0, np.int8(2), np.int8(0)))


class Inverse(Op):
    """a⁻¹; NaN where there is none."""

    def __init__(self, a: Slot) -> None:
        self.inputs = (a,)

    def forward(self) -> Step:
        """Out = a⁻¹."""
        a, out = value_of(self.inputs[0]), self.out.value
        return lambda: np.copyto(out, _inverse(a))

    def pull(self, to: Pull) -> Step:
        """-yᵀ g yᵀ with y = a⁻¹."""
        y = self.out.value.swapaxes(2, 3)
        return to.added(lambda: -(y @ to.g @ y))

    def local(self, k: int) -> csr_array:
        """∂y_ij/∂a_kl = -y_ik y_lj."""
        from scipy.sparse import block_diag, csr_array

        y = self.out.value.reshape(-1, *self.inputs[k].shape[2:])
        return csr_array(block_diag([-np.kron(one, one.T) for one in y], format="csr"))


def _inverse(a: Floats) -> Floats:
    out = np.full(a.shape, np.nan)
    for i, j in np.ndindex(a.shape[:2]):
        try:
            found = np.linalg.inv(a[i, j])
        except np.linalg.LinAlgError:
            continue
        if np.isfinite(found).all():
            out[i, j] = found
    return out


def inverse(a: Any) -> Any:
    """The inverse of the square matrix that each cell sees; NaN where there is none."""
    if not isinstance(a, Slot):
        return _inverse(a)
    return a.tape.emit(Inverse(a), np.empty(a.shape), _whole_matrix(a))


class Determinant(Op):
    """The determinant of a."""

    def __init__(self, a: Slot) -> None:
        self.inputs = (a,)

    def forward(self) -> Step:
        """Out = |a|."""
        a, out = value_of(self.inputs[0]), self.out.value
        return lambda: np.copyto(out, np.linalg.det(a)[..., None, None])

    def _cofactors(self) -> Floats:
        """|a| a⁻ᵀ, worked out from minors so that a singular matrix has it too."""
        a = value_of(self.inputs[0])
        n = a.shape[-1]
        found = np.ones(a.shape)
        for i, j in np.ndindex(n, n) if n > 1 else ():
            minor = np.delete(np.delete(a, i, 2), j, 3)
            found[:, :, i, j] = (-1) ** (i + j) * np.linalg.det(minor)
        return found

    def pull(self, to: Pull) -> Step:
        """G times the cofactors."""
        return to.added(lambda: to.g * self._cofactors())

    def local(self, k: int) -> csr_array:
        """The cofactors."""
        rows = np.broadcast_to(index_of(self.out.shape), self.inputs[k].shape).ravel()
        sums = selection(rows, self.out.size)
        sums.data *= self._cofactors().ravel()
        return sums.T.tocsr()


def determinant(a: Any) -> Any:
    """The determinant of the square matrix that each cell sees."""
    if not isinstance(a, Slot):
        return np.linalg.det(a)[..., None, None]
    return a.tape.emit(Determinant(a), np.empty((*a.shape[:2], 1, 1)), _whole_matrix(a))


def _whole_matrix(a: Slot) -> Degrees:
    return np.full((1, 1, 1, 1), 2 if a.degree.any() else 0, np.int8)
