"""The cells of one sheet that a program computes or reads: buffers that a tape's operations write to and look into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlcollab.formula import moves, ops
from xlcollab.formula.grid import Grid, strided
from xlcollab.formula.ranges import Range
from xlcollab.formula.tape import Slot, Tape
from xlcollab.formula.values import NUMBER, Values
from xlcollab.formula.windows import Copy, Leaf, Window, window_slot
from xlcollab.xlsx.cells import Area

__all__ = ["Outside", "Page"]

Ints = NDArray[np.int64]


class Outside(Exception):  # noqa: N818 — asks the compiler for a larger page
    """A range reaches beyond the rows and columns that the page was made for."""

    def __init__(self, found: Range) -> None:
        super().__init__(found)
        self.found = found


@dataclass(slots=True)
class _Stored:
    """What stands in an area: its slot, (height, width, 1, 1), and the copy of it on the page once one is needed."""

    area: Area
    slot: Slot
    copy: Slot | None = None


class Page(Grid):
    """Part of a sheet as a program sees it: what blocks give is stored in its cells, and windows on them are slots."""

    def __init__(self, sheet: str, rows: Ints, cols: Ints, source: Grid, tape: Tape) -> None:
        super().__init__(rows, cols)
        self.sheet = sheet
        self.tape = tape
        self._fill_from(source)
        self.degree = np.zeros(self.num.shape, np.int8)
        self.dynamic = np.zeros(self.num.shape, bool)
        self.slot = tape.emit(Leaf(), self.num, self.degree)
        self.slot.adjoint = np.zeros(self.num.shape)
        self.slot.shared = True
        self.stored: dict[Area, _Stored] = {}
        self._standing: list[_Stored] = []
        self._owner = np.full(self.num.shape, -1, np.int32)  # which of them stands in a cell
        self._kinds = tape.emit(Leaf(), self.kind, self.degree)
        self._seen: dict[tuple[Any, ...], Slot] = {}

    def _fill_from(self, source: Grid) -> None:
        i, j = source.rows.positions(self.rows.held), source.cols.positions(self.cols.held)
        rows, cols = np.flatnonzero(i < len(source.rows)), np.flatnonzero(j < len(source.cols))
        into, out_of = np.ix_(rows, cols), np.ix_(i[rows], j[cols])
        self.num[into] = source.num[out_of]
        self.kind[into] = source.kind[out_of]
        if source.text is not None:
            self._texts()[into] = source.text[out_of]

    def put_inputs(self, area: Area, values: NDArray[np.float64], adjoint: NDArray[np.float64]) -> None:
        """Make the cells of an area changing cells: numbers, whatever stands there, in the buffers (h·w,) given."""
        at = self.slices(area)
        now = self.num[at]
        self.num[at] = np.where(np.isfinite(now), now, 0.0)
        self.kind[at] = NUMBER
        self.degree[at] = 1
        shape = (area.height, area.width, 1, 1)
        values[...] = self.num[at].ravel()
        slot = self.tape.emit(Leaf(), values.reshape(shape), np.ones((1, 1, 1, 1), np.int8))
        slot.adjoint = adjoint.reshape(shape)
        self._stand(area, slot)

    def _stand(self, area: Area, slot: Slot) -> None:
        self.stored[area] = _Stored(area, slot)
        self._owner[self.slices(area)] = len(self._standing)
        self._standing.append(self.stored[area])

    def read(self, found: Range) -> Values:
        """What a frame sees through a range; constants where nothing in it depends on the changing cells."""
        window = self.window(found)
        if window is None:
            return self._scattered(found)
        if not strided(self.degree, *window).any():
            return super().read(found).map(np.array)
        key = ("numbers", *window)
        if key not in self._seen:
            self._seen[key] = self._whole(found, window) or window_slot(
                self.tape, self.slot, window, self.degree, self._copies(strided(self._owner, *window))
            )
        num = self._seen[key]
        kind, text = strided(self.kind, *window), None if self.text is None else strided(self.text, *window)
        if strided(self.dynamic, *window).any():
            kinds = ops.opaque(lambda kinds: strided(kinds, *window), self._kinds)
            return Values(num, kinds, None if text is None else ops.opaque(lambda _: text, kinds), from_range=True)
        if not kind.any():
            return Values(num, from_range=True)
        return Values(num, kind.copy(), None if text is None else text.copy(), from_range=True)

    def _whole(self, found: Range, window: Window) -> Slot | None:
        """What a block gave, itself, where the range shows just that: no copy, and no detour over the page."""
        stored = self.stored.get(found.hull)
        if stored is None or stored.slot.shape[2:] != (1, 1):
            return None
        (_, down), (_, across), shape = window
        if (down and shape[2] > 1) or (across and shape[3] > 1):
            return None
        axes = (0 if down else 2, 1 if across else 3, 2 if down else 0, 3 if across else 1)
        return stored.slot if axes == (0, 1, 2, 3) else moves.permute(stored.slot, axes)

    def _copies(self, owners: NDArray[np.int32]) -> tuple[Slot, ...]:
        """Copy to the page what stands in the cells that a range may show; returns the copies."""
        copies = []
        for owner in np.unique(owners).tolist():
            if owner < 0:
                continue
            stored = self._standing[owner]
            if stored.copy is None:
                at = self.slices(stored.area)
                assert self.slot.adjoint is not None
                view = self.num[at][:, :, None, None]
                stored.copy = self.tape.emit(Copy(stored.slot), view, stored.slot.degree)
                stored.copy.adjoint = self.slot.adjoint[at][:, :, None, None]
                stored.copy.base = self.slot
            copies.append(stored.copy)
        return tuple(copies)

    def _scattered(self, found: Range) -> Values:
        """Cells at scattered places, as OFFSET and INDEX point to them."""
        i, j, valid = self.positions(found)
        if ((i >= len(self.rows)) | (j >= len(self.cols)))[valid].any():
            raise Outside(found)
        i, j = np.where(valid, i, 0), np.where(valid, j, 0)
        if not self.degree[i, j].any():
            return super().read(found)
        flat = i * len(self.cols) + j
        copies = self._copies(self._owner[i, j])
        num = moves.gather(self.slot, flat)
        num.op.through = copies
        kind = self.kind[i, j]
        if self.dynamic[i, j].any():
            return Values(num, ops.opaque(lambda kinds: kinds[i, j], self._kinds), None, from_range=True)
        if not valid.all():
            num = ops.select(valid, num, ops.full(np.nan))
        text = None if self.text is None else self.text[i, j]
        return Values(num, kind if kind.any() else None, text, from_range=True)

    def keep(self, area: Area, values: Values) -> None:
        """Store what a block gave in its cells."""
        at = self.slices(area)
        if values.known:
            self.store(area, values)
            self.degree[at] = 0
            return
        shape = (area.height, area.width, 1, 1)
        num = values.num
        if isinstance(num, np.ndarray):
            self.num[at] = np.broadcast_to(num, shape)[:, :, 0, 0]
        else:
            if num.shape[:2] == (1, 1) and num.shape[2:] == shape[:2]:  # an array formula that fills an area
                num = moves.permute(num, (2, 3, 0, 1))
            num = moves.broadcast(num, shape)
            self._stand(area, num)
            self.degree[at] = np.broadcast_to(num.degree, shape)[:, :, 0, 0]
        self._keep_kinds(values, at, shape)

    def settle(self) -> None:
        """Bring the cells up to what was last computed: not all of it is copied to the page at each run."""
        for stored in self.stored.values():
            self.num[self.slices(stored.area)] = stored.slot.value[:, :, 0, 0]

    def _keep_kinds(self, values: Values, at: tuple[slice, slice], shape: tuple[int, ...]) -> None:
        if values.kind is None or isinstance(values.kind, np.ndarray):
            self.kind[at] = NUMBER if values.kind is None else np.broadcast_to(values.kind, shape)[:, :, 0, 0]
            if values.text is not None and isinstance(values.text, np.ndarray):
                self._texts()[at] = np.broadcast_to(values.text, shape)[:, :, 0, 0]
            return
        self.dynamic[at] = True
        view = self.kind[at]

        def put(kinds: NDArray[np.int8]) -> NDArray[np.int8]:
            view[...] = np.broadcast_to(kinds, shape)[:, :, 0, 0]
            return kinds

        ops.opaque(put, values.kind)
        if values.text is not None:
            texts = self._texts()[at]

            def put_text(text: Any) -> Any:
                texts[...] = np.broadcast_to(text, shape)[:, :, 0, 0]
                return text

            if isinstance(values.text, np.ndarray):
                put_text(values.text)
            else:
                ops.opaque(put_text, values.text)
