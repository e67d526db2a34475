"""The ratings as the Bayesian solver reads them: standardised, and in both orders, user by user and item by item.

Memory: 24 bytes a rating for the two orders together, an index and a value in each, and 8 more where there are tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from xlcollab.arrays import FloatArray, IndexArray

__all__ = ["Block", "Observations", "Order", "TableArray"]

ROWS = 512  # of a block, whose K × K systems then stay near the processor …
CELLS = 1 << 18  # … and the most ratings that it has, but for a single row
# A block is cut where what it reads of its columns would not stay near the processor: after so many columns, unless
# there are too few ratings in them to come back to any. From two tiles on, tables are in single precision: half as much
# to fetch, and sums right to six digits, of which the noise of the ratings leaves two or three.
TILE_COLUMNS, TILE_CELLS = 1024, 1 << 13
TableArray = npt.NDArray[np.float32 | np.float64]


class Tile(NamedTuple):
    """Some columns of a block: a 1 in each rated cell."""

    columns: slice
    filled: sp.csr_matrix


class Block(NamedTuple):
    """Some rows of an order: y in each rated cell, a view of the order's own arrays, and which these are, in tiles."""

    rows: slice
    tiles: tuple[Tile, ...]
    values: sp.csr_matrix

    def total(self, table: TableArray) -> FloatArray:
        """The sum of a table's rows (columns, T), of `Order.table_type`, over those that each row rated (B, T)."""
        first, *others = (tile.filled @ table[tile.columns] for tile in self.tiles)
        for other in others:
            first += other
        return np.asarray(first, dtype=float)

    @property
    def squares(self) -> sp.csr_matrix:
        """y² in each rated cell."""
        return _view(self.values.shape, self.values.data**2, self.values.indices, self.values.indptr)


@dataclass(frozen=True, eq=False)
class Order:
    """One side's ratings, row by row: the rows are users and the columns items, or the other way round.

    ``values`` (rows, columns) holds y = (r − μ) / σ in each rated cell.
    """

    values: sp.csr_matrix

    @property
    def n_rows(self) -> int:
        """How many users (or items) there are."""
        return int(self.values.shape[0])

    @cached_property
    def counts(self) -> FloatArray:
        """How many ratings each row has (rows,)."""
        return np.diff(self.values.indptr).astype(float)

    @property
    def table_type(self) -> type[np.float32 | np.float64]:
        """The type of the tables that `Block.total` reads."""
        return np.float32 if self.values.shape[1] >= 2 * TILE_COLUMNS else np.float64

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """All rows, some at a time."""
        indptr, columns = self.values.indptr, self.values.shape[1]
        bounds = list(_bounds(indptr))
        ones = np.ones(max((indptr[end] - indptr[at] for at, end in bounds), default=0), self.table_type)
        blocks = []
        for at, end in bounds:
            cells = slice(indptr[at], indptr[end])
            structure = self.values.indices[cells], indptr[at : end + 1] - indptr[at]
            values = _view((end - at, columns), self.values.data[cells], *structure)
            blocks.append(Block(slice(at, end), _tiles(values, ones), values))
        return tuple(blocks)


def _tiles(values: sp.csr_matrix, ones: TableArray) -> tuple[Tile, ...]:
    """A block's rated cells, some columns at a time; ``ones`` are shared by all."""
    columns = values.shape[1]
    count = max(1, min(columns // TILE_COLUMNS, values.nnz // TILE_CELLS))
    bounds = np.linspace(0, columns, count + 1).astype(int)
    parts = ((slice(at, end), values if count == 1 else values[:, at:end]) for at, end in pairwise(bounds))
    return tuple(Tile(at, _view(part.shape, ones[: part.nnz], part.indices, part.indptr)) for at, part in parts)


def _view(shape: tuple[int, int], data: npt.NDArray[Any], indices: IndexArray, indptr: IndexArray) -> sp.csr_matrix:
    """A matrix of these very arrays; SciPy's constructor copies those that are small parts of others."""
    matrix = sp.csr_matrix(shape)
    matrix.data, matrix.indices, matrix.indptr = data, indices, indptr
    return matrix


def _bounds(indptr: IndexArray) -> Iterator[tuple[int, int]]:
    """First row and end of each block."""
    at, n_rows = 0, len(indptr) - 1
    while at < n_rows:
        most = int(np.searchsorted(indptr, indptr[at] + CELLS, side="right")) - 1
        end = min(max(most, at + 1), at + ROWS, n_rows)
        yield at, end
        at = end


@dataclass(frozen=True, eq=False)
class Observations:
    """N ratings of m users and n items, standardised: y = (r − μ) / σ with their mean μ and standard deviation σ."""

    by_user: Order
    by_item: Order
    mean: float
    scale: float

    @classmethod
    def from_arrays(
        cls, user_idx: IndexArray, item_idx: IndexArray, values: FloatArray, n_users: int, n_items: int
    ) -> Observations:
        """Sort N triplets (positions from 0, each pair at most once, not all values equal) both ways."""
        mean, scale = float(np.mean(values)), float(np.std(values))
        by_user = sp.csr_matrix(((values - mean) / scale, (user_idx, item_idx)), shape=(n_users, n_items))
        return cls(Order(by_user), Order(by_user.T.tocsr()), mean, scale)

    @property
    def n_ratings(self) -> int:
        """N."""
        return int(self.by_user.values.nnz)
