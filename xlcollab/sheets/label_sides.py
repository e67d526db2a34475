"""On which side of its point a chart's label stands, so that few labels cover each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from xlcollab.model import FloatArray
from xlcollab.sheets.theme import display_width
from xlcollab.xlsx.charts import Side

__all__ = ["label_sides"]

_SIGN, _LINE, _GAP = 5.2, 11.0, 6.0  # pixels: a sign of 8 points across, a line of it, from a point to its label


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: _Box) -> float:
        """The area that both share, in pixels²."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(0.0, width) * max(0.0, height)


def label_sides(places: FloatArray, labels: Sequence[str], size: tuple[float, float]) -> list[Side]:
    """A side for each label of the points ``places`` (n, 2), drawn on ``size`` pixels from the least to the greatest.

    One after the other, from left to right: each takes the side where it covers the least of the points and of the
    labels that stand already, and sticks out the least.
    """
    low, high = places.min(axis=0), places.max(axis=0)
    pixels = (places - low) / np.where(high > low, high - low, 1.0) * size  # (n, 2)
    markers = [_Box(x - _GAP, y - _GAP, x + _GAP, y + _GAP) for x, y in pixels.tolist()]
    paper = _Box(-4 * _GAP, -2 * _GAP, size[0] + 4 * _GAP, size[1] + 2 * _GAP)
    sides: dict[int, Side] = {}
    standing: list[_Box] = []
    for at in np.argsort(pixels[:, 0], kind="stable").tolist():
        others = [*standing, *(marker for number, marker in enumerate(markers) if number != at)]
        boxes = _candidates(pixels[at, 0], pixels[at, 1], _SIGN * display_width(labels[at]))
        cost = {
            side: sum(box.shared(other) for other in others) + _area(box) - box.shared(paper)
            for side, box in boxes.items()
        }
        sides[at] = min(cost, key=lambda side: cost[side])
        standing.append(boxes[sides[at]])
    return [sides[number] for number in range(len(labels))]


def _candidates(x: float, y: float, width: float) -> dict[Side, _Box]:
    half = _LINE / 2
    return {
        "right": _Box(x + _GAP, y - half, x + _GAP + width, y + half),
        "left": _Box(x - _GAP - width, y - half, x - _GAP, y + half),
        "above": _Box(x - width / 2, y + _GAP, x + width / 2, y + _GAP + _LINE),
        "below": _Box(x - width / 2, y - _GAP - _LINE, x + width / 2, y - _GAP),
    }


def _area(box: _Box) -> float:
    return (box.right - box.left) * (box.top - box.bottom)
