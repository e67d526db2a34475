"""Which points of a chart get a label, and on which side of them, so that labels do not hide each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from xlcollab.arrays import FloatArray
from xlcollab.sheets.theme import display_width
from xlcollab.xlsx.charts import Side

__all__ = ["place_labels"]

_SIGN, _LINE, _GAP = 5.2, 11.0, 6.0  # pixels: a sign of 8 points across, a line of it, from a point to its label
_MOST_HIDDEN = 0.15  # of the area of a label


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    @property
    def area(self) -> float:
        """In pixels²."""
        return (self.right - self.left) * (self.top - self.bottom)

    def shared(self, other: _Box) -> float:
        """The area that both have in common, in pixels²."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)


def place_labels(
    places: FloatArray, labels: Sequence[str], size: tuple[float, float], order: Iterable[int]
) -> dict[int, Side]:
    """A side for the label of each of the points ``places`` (n, 2) that can have one, by position.

    The points are drawn on ``size`` pixels from the least to the greatest coordinate. One after the other in the given
    order, each takes the side where it shares the least area with the points of this order and with the labels that
    stand already, and sticks out of the paper the least; where that is more than a small part everywhere, it goes
    without. Points that are not in the order are a faint ground that labels may stand on.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    pixels = (places - low) / np.where(high > low, high - low, 1.0) * size  # (n, 2)
    order = list(order)
    corners = {at: (float(pixels[at, 0]), float(pixels[at, 1])) for at in order}
    markers = {at: _Box(x - _GAP, y - _GAP, x + _GAP, y + _GAP) for at, (x, y) in corners.items()}
    paper = _Box(-4 * _GAP, -2 * _GAP, size[0] + 4 * _GAP, size[1] + 2 * _GAP)
    sides: dict[int, Side] = {}
    standing: list[_Box] = []
    for at in order:
        boxes = _candidates(*corners[at], _SIGN * display_width(labels[at]))
        others = [*standing, *(marker for other, marker in markers.items() if other != at)]
        hidden = {
            side: sum(box.shared(other) for other in others) + box.area - box.shared(paper)
            for side, box in boxes.items()
        }
        best = min(hidden, key=lambda side: hidden[side])
        if hidden[best] <= _MOST_HIDDEN * boxes[best].area:
            sides[at] = best
            standing.append(boxes[best])
    return sides


def _candidates(x: float, y: float, width: float) -> dict[Side, _Box]:
    half = _LINE / 2
    return {
        "right": _Box(x + _GAP, y - half, x + _GAP + width, y + half),
        "left": _Box(x - _GAP - width, y - half, x - _GAP, y + half),
        "above": _Box(x - width / 2, y + _GAP, x + width / 2, y + _GAP + _LINE),
        "below": _Box(x - width / 2, y - _GAP - _LINE, x + width / 2, y - _GAP),
    }
