"""Matrices: products, inverses, determinants."""

from __future__ import annotations

import numpy as np

from xlcollab.formula import algebra, moves
from xlcollab.formula.functions.declare import Table, combined, finish, first_error, known
from xlcollab.formula.values import NUM, NUMBER, VALUE, Kinds, Values, constant_error

TABLE = Table()


def not_numbers(values: Values) -> Kinds | None:
    """What stops a matrix function, for each cell: an error in the range, #VALUE! for anything else but numbers."""
    if not known(values.kind):
        return None
    kinds = values.kinds
    if not kinds.any():
        return None
    first = first_error(kinds)
    odd = (kinds != NUMBER).any((2, 3), keepdims=True)
    return np.where(first != 0, first, np.where(odd, np.int8(VALUE), np.int8(0)))


def _value_error() -> Values:
    return constant_error(VALUE)


@TABLE.add("MMULT", "AA")
def mmult(a: Values, b: Values) -> Values:
    """The matrix product; #VALUE! where the sizes do not fit or a cell is empty or holds a text."""
    if a.shape[3] != b.shape[2]:
        return _value_error()
    errors = combined((not_numbers(a), not_numbers(b)))
    product = algebra.matmul(a.num, b.num)
    if errors is not None:
        errors = np.broadcast_to(
            errors, (*np.broadcast_shapes(errors.shape[:2], product.shape[:2]), *product.shape[2:])
        )
    return finish(product, errors)


@TABLE.add("MINVERSE", "A")
def minverse(a: Values) -> Values:
    """The inverse; #NUM! of a singular matrix."""
    if a.shape[2] != a.shape[3]:
        return _value_error()
    inverse = algebra.inverse(a.num)
    errors = not_numbers(a)
    return finish(inverse, None if errors is None else np.broadcast_to(errors, inverse.shape), NUM)


@TABLE.add("MDETERM", "A")
def mdeterm(a: Values) -> Values:
    """The determinant."""
    if a.shape[2] != a.shape[3]:
        return _value_error()
    return finish(algebra.determinant(a.num), not_numbers(a))


@TABLE.add("TRANSPOSE", "A")
def transpose(a: Values) -> Values:
    """Rows as columns."""
    turned = a.map(lambda part: moves.permute(part, (0, 1, 3, 2)))
    return Values(turned.num, turned.kind, turned.text)


@TABLE.add("MUNIT", "V", stepwise=True)
def munit(n: Values) -> Values:
    """The unit matrix of size n."""
    return Values(np.eye(int(n.num.flat[0]))[None, None])  # type: ignore[union-attr]
