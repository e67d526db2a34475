"""Native charts: lines, scatters and bars over cells, described. `chartxml` writes them.

Colours are those of Okabe and Ito (2008), told apart by colour-blind eyes; each series has a marker or dash of its own
besides, for printing in grey. Every chart has an alternative text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

__all__ = ["OKABE_ITO", "Chart", "Series", "Side"]

OKABE_ITO: Final = ("0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000", "F0E442")

Side = Literal["right", "left", "above", "below"]


@dataclass(frozen=True)
class Series:
    """One line, cloud or set of bars.

    ``y_ref`` and ``x_ref`` are references with a sheet, "Training!$C$2:$C$9"; ``y_cache`` and ``x_cache`` the values
    there (text is allowed as x of a line or bar chart; None or NaN is a gap). ``name_ref`` takes the name from a cell.
    ``label_ref`` names the cells that label the points, "Map!$A$2:$A$9", ``labels`` are the texts there; without a
    reference the texts stand in the chart alone. ``label_sides`` says where each label stands, to the right where it
    says nothing; beside a bar it is always its end.
    """

    name: str
    y_ref: str
    y_cache: Sequence[float | None]
    x_ref: str | None = None
    x_cache: Sequence[float | str | None] = ()
    name_ref: str | None = None
    color: str | None = None
    line: bool | None = None
    marker: bool | None = None
    dash: str | None = None
    label_ref: str | None = None
    labels: Sequence[str] = ()
    label_sides: Sequence[Side] = ()


@dataclass(frozen=True)
class Chart:
    """A chart: what it shows and how. ``line`` and ``marker`` of a series follow the kind where they are None.

    ``alt_text`` says in a sentence what can be seen, for those who cannot. ``x_title_ref`` and ``y_title_ref`` name the
    cells that the titles of the axes are taken from, "Map!$A$3"; the titles are then the texts there.
    """

    kind: Literal["line", "scatter", "bar"]
    title: str
    series: Sequence[Series]
    alt_text: str
    x_title: str = ""
    y_title: str = ""
    x_title_ref: str | None = None
    y_title_ref: str | None = None
    log_y: bool = False
    legend: Literal["bottom", "right", "top"] | None = "bottom"
    x_range: tuple[float | None, float | None] = (None, None)
    y_range: tuple[float | None, float | None] = (None, None)
    x_format: str = "General"
    y_format: str = "General"
    horizontal: bool = False
    cross_at_minimum: bool = True

    def __post_init__(self) -> None:
        if self.horizontal and self.kind != "bar":
            raise ValueError("only bars can lie across")
