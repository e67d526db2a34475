"""Native charts: lines, scatters and bars over cells, with the cells' values beside the references.

Written as XML of our own: a chart without its cached values stays empty in previewers and in Protected View. Colours
are those of Okabe and Ito (2008), told apart by colour-blind eyes; each series has a marker or dash of its own besides,
for printing in grey. Every chart has an alternative text.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.markup import DRAWING, OFFICE_REL, escape, escape_attribute

__all__ = ["OKABE_ITO", "Chart", "Series", "chart_xml", "drawing_xml"]

OKABE_ITO: Final = ("0072B2", "D55E00", "009E73", "CC79A7", "E69F00", "56B4E9", "000000", "F0E442")
_MARKERS: Final = ("circle", "square", "diamond", "triangle", "x", "plus", "star", "dash")
_DASHES: Final = ("solid", "dash", "sysDot", "dashDot", "lgDash", "sysDash", "lgDashDot", "solid")

CHART: Final = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_SHEET_DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_GREY, _INK = "D9D9D9", "404040"


@dataclass(frozen=True)
class Series:
    """One line, cloud or set of bars.

    ``y_ref`` and ``x_ref`` are references with a sheet, "Training!$C$2:$C$9"; ``y_cache`` and ``x_cache`` the values
    there (text is allowed as x of a line or bar chart; None or NaN is a gap). ``name_ref`` takes the name from a cell.
    ``label_refs`` name a cell for the label of each point, ``labels`` are the texts there.
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
    label_refs: Sequence[str] = ()
    labels: Sequence[str] = ()


@dataclass(frozen=True)
class Chart:
    """A chart: what it shows and how. ``line`` and ``marker`` of a series follow the kind where they are None.

    ``alt_text`` says in a sentence what can be seen, for those who cannot.
    """

    kind: Literal["line", "scatter", "bar"]
    title: str
    series: Sequence[Series]
    alt_text: str
    x_title: str = ""
    y_title: str = ""
    log_y: bool = False
    legend: Literal["bottom", "right", "top"] | None = "bottom"
    x_range: tuple[float | None, float | None] = (None, None)
    y_range: tuple[float | None, float | None] = (None, None)
    x_format: str = "General"
    y_format: str = "General"
    horizontal: bool = False
    cross_at_minimum: bool = True


def chart_xml(chart: Chart) -> bytes:
    """The chart part, elements in the order of CT_ChartSpace (ECMA-376 part 1, 21.2.2.29)."""
    legend = ""
    if chart.legend and len(chart.series) > 1:
        position = {"bottom": "b", "right": "r", "top": "t"}[chart.legend]
        legend = f'<c:legend><c:legendPos val="{position}"/><c:overlay val="0"/>{_text_properties(900)}</c:legend>'
    return (
        f'{_XML}<c:chartSpace xmlns:c="{CHART}" xmlns:a="{DRAWING}" xmlns:r="{OFFICE_REL}">'
        '<c:roundedCorners val="0"/><c:chart>'
        f'{_title(chart.title, 1200, bold=True)}<c:autoTitleDeleted val="0"/>'
        f"<c:plotArea><c:layout/>{_plot(chart)}{_axes(chart)}</c:plotArea>{legend}"
        '<c:plotVisOnly val="1"/><c:dispBlanksAs val="gap"/></c:chart>'
        f'<c:spPr><a:solidFill><a:srgbClr val="FFFFFF"/></a:solidFill>{_outline(_GREY, 9525)}</c:spPr>'
        "</c:chartSpace>"
    ).encode()


def drawing_xml(charts: Sequence[tuple[Area, Chart, str]]) -> bytes:
    """The drawing part that places charts over areas of cells; each comes with its relationship's id."""
    anchors = "".join(_anchor(number, *chart) for number, chart in enumerate(charts, 1))
    return (
        f'{_XML}<xdr:wsDr xmlns:xdr="{_SHEET_DRAWING}" xmlns:a="{DRAWING}" xmlns:r="{OFFICE_REL}" xmlns:c="{CHART}">'
        f"{anchors}</xdr:wsDr>"
    ).encode()


def _anchor(number: int, area: Area, chart: Chart, relationship: str) -> str:
    corners = (
        ("from", area.first_col - 1, area.first_row - 1),
        ("to", area.last_col, area.last_row),
    )
    places = "".join(
        f"<xdr:{tag}><xdr:col>{col}</xdr:col><xdr:colOff>0</xdr:colOff>"
        f"<xdr:row>{row}</xdr:row><xdr:rowOff>0</xdr:rowOff></xdr:{tag}>"
        for tag, col, row in corners
    )
    alt = f' descr="{escape_attribute(chart.alt_text)}"'
    return (
        f'<xdr:twoCellAnchor>{places}<xdr:graphicFrame macro=""><xdr:nvGraphicFramePr>'
        f'<xdr:cNvPr id="{number + 1}" name="Chart {number}"{alt}/><xdr:cNvGraphicFramePr/></xdr:nvGraphicFramePr>'
        '<xdr:xfrm><a:off x="0" y="0"/><a:ext cx="0" cy="0"/></xdr:xfrm>'
        f'<a:graphic><a:graphicData uri="{CHART}"><c:chart r:id="{relationship}"/></a:graphicData></a:graphic>'
        "</xdr:graphicFrame><xdr:clientData/></xdr:twoCellAnchor>"
    )


def _plot(chart: Chart) -> str:
    series = "".join(_series(chart, position, one) for position, one in enumerate(chart.series))
    axes = '<c:axId val="100"/><c:axId val="200"/>'
    if chart.kind == "scatter":
        return (
            f'<c:scatterChart><c:scatterStyle val="lineMarker"/><c:varyColors val="0"/>{series}{axes}</c:scatterChart>'
        )
    if chart.kind == "line":
        return (
            '<c:lineChart><c:grouping val="standard"/><c:varyColors val="0"/>'
            f'{series}<c:marker val="1"/>{axes}</c:lineChart>'
        )
    direction = "bar" if chart.horizontal else "col"
    return (
        f'<c:barChart><c:barDir val="{direction}"/><c:grouping val="clustered"/><c:varyColors val="0"/>'
        f'{series}<c:gapWidth val="60"/>{axes}</c:barChart>'
    )


def _series(chart: Chart, position: int, series: Series) -> str:
    color = series.color or OKABE_ITO[position % len(OKABE_ITO)]
    name = (
        f"<c:strRef><c:f>{escape(series.name_ref)}</c:f>{_text_cache([series.name])}</c:strRef>"
        if series.name_ref
        else f"<c:v>{escape(series.name)}</c:v>"
    )
    start = f'<c:ser><c:idx val="{position}"/><c:order val="{position}"/><c:tx>{name}</c:tx>'
    values = f"<c:numRef><c:f>{escape(series.y_ref)}</c:f>{_number_cache(series.y_cache)}</c:numRef>"
    if chart.kind == "bar":
        look = f'<c:spPr><a:solidFill><a:srgbClr val="{color}"/></a:solidFill></c:spPr><c:invertIfNegative val="0"/>'
        return f"{start}{look}{_labels(series)}{_categories(series, 'cat')}<c:val>{values}</c:val></c:ser>"
    has_line = chart.kind == "line" if series.line is None else series.line
    has_marker = chart.kind == "scatter" if series.marker is None else series.marker
    dash = series.dash or _DASHES[position % len(_DASHES)]
    line = _outline(color, 22225, dash) if has_line else '<a:ln w="19050"><a:noFill/></a:ln>'
    if has_marker:
        fill = f'<c:spPr><a:solidFill><a:srgbClr val="{color}"/></a:solidFill>{_outline("FFFFFF", 6350)}</c:spPr>'
        marker = f'<c:marker><c:symbol val="{_MARKERS[position % len(_MARKERS)]}"/><c:size val="7"/>{fill}</c:marker>'
    else:
        marker = '<c:marker><c:symbol val="none"/></c:marker>'
    look = f"<c:spPr>{line}</c:spPr>{marker}{_labels(series)}"
    x, y = ("xVal", "yVal") if chart.kind == "scatter" else ("cat", "val")
    return f'{start}{look}{_categories(series, x)}<c:{y}>{values}</c:{y}><c:smooth val="0"/></c:ser>'


def _categories(series: Series, tag: str) -> str:
    if series.x_ref is None:
        return ""
    if any(isinstance(x, str) for x in series.x_cache):
        cache = _text_cache(["" if x is None else str(x) for x in series.x_cache])
        kind = "str"
    else:
        cache = _number_cache([x for x in series.x_cache if not isinstance(x, str)])
        kind = "num"
    return f"<c:{tag}><c:{kind}Ref><c:f>{escape(series.x_ref)}</c:f>{cache}</c:{kind}Ref></c:{tag}>"


def _labels(series: Series) -> str:
    """A label for each point, live from its cell where there is one."""
    if not series.labels and not series.label_refs:
        return ""
    shows = (
        '<c:showLegendKey val="0"/><c:showVal val="{0}"/><c:showCatName val="0"/><c:showSerName val="0"/>'
        '<c:showPercent val="0"/><c:showBubbleSize val="0"/>'
    )
    points = []
    for index, text in enumerate(series.labels):
        if index < len(series.label_refs):
            reference = escape(series.label_refs[index])
            source = f"<c:strRef><c:f>{reference}</c:f>{_text_cache([text])}</c:strRef>"
        else:
            source = f"<c:rich><a:bodyPr/><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></c:rich>"
        points.append(
            f'<c:dLbl><c:idx val="{index}"/><c:layout/><c:tx>{source}</c:tx>'
            f'<c:dLblPos val="r"/>{shows.format(1)}</c:dLbl>'
        )
    return f"<c:dLbls>{''.join(points)}{_text_properties(800)}{shows.format(0)}</c:dLbls>"


def _axes(chart: Chart) -> str:
    below = "b" if not chart.horizontal else "l"
    left = "l" if not chart.horizontal else "b"
    numeric_x = chart.kind == "scatter"
    # Bars across are read from the top, as the table is; the values then stand at the far end of that axis, below.
    x_scale = _scaling(chart.x_range if numeric_x else (None, None), log=False, downwards=chart.horizontal)
    x = _axis_body(100, 200, below, chart.x_title, x_scale, chart.x_format, grid=numeric_x, rotated=chart.horizontal)
    y_scale = _scaling(chart.y_range, log=chart.log_y)
    y = _axis_body(200, 100, left, chart.y_title, y_scale, chart.y_format, grid=True, rotated=not chart.horizontal)
    crosses = f'<c:crosses val="{"min" if chart.cross_at_minimum else "autoZero"}"/>'
    if numeric_x:
        first = f'<c:valAx>{x}{crosses}<c:crossBetween val="midCat"/></c:valAx>'
    else:
        first = (
            f'<c:catAx>{x}{crosses}<c:auto val="0"/><c:lblAlgn val="ctr"/><c:lblOffset val="100"/>'
            '<c:noMultiLvlLbl val="1"/></c:catAx>'
        )
    between = "between" if chart.kind == "bar" else "midCat"
    if chart.horizontal:
        crosses = '<c:crosses val="max"/>'
    return f'{first}<c:valAx>{y}{crosses}<c:crossBetween val="{between}"/></c:valAx>'


def _axis_body(
    number: int, crossed: int, position: str, title: str, scaling: str, code: str, *, grid: bool, rotated: bool
) -> str:
    lines = f"<c:majorGridlines><c:spPr>{_outline(_GREY, 6350)}</c:spPr></c:majorGridlines>" if grid else ""
    return (
        f'<c:axId val="{number}"/>{scaling}<c:delete val="0"/><c:axPos val="{position}"/>{lines}'
        f"{_title(title, 900, rotated=rotated) if title else ''}"
        f'<c:numFmt formatCode="{escape_attribute(code)}" sourceLinked="0"/>'
        '<c:majorTickMark val="out"/><c:minorTickMark val="none"/><c:tickLblPos val="low"/>'
        f'<c:spPr>{_outline("A6A6A6", 9525)}</c:spPr>{_text_properties(900)}<c:crossAx val="{crossed}"/>'
    )


def _scaling(limits: tuple[float | None, float | None], *, log: bool, downwards: bool = False) -> str:
    lowest, highest = limits
    return (
        "<c:scaling>"
        + ('<c:logBase val="10"/>' if log else "")
        + f'<c:orientation val="{"maxMin" if downwards else "minMax"}"/>'
        + (f'<c:max val="{highest!r}"/>' if highest is not None else "")
        + (f'<c:min val="{lowest!r}"/>' if lowest is not None else "")
        + "</c:scaling>"
    )


def _title(text: str, size: int, *, bold: bool = False, rotated: bool = False) -> str:
    turn = ' rot="-5400000" vert="horz"' if rotated else ""
    look = f'sz="{size}" b="{int(bold)}"><a:solidFill><a:srgbClr val="{_INK}"/></a:solidFill>'
    return (
        f"<c:title><c:tx><c:rich><a:bodyPr{turn}/><a:p><a:pPr><a:defRPr {look}</a:defRPr></a:pPr>"
        f'<a:r><a:rPr lang="en-US" {look}</a:rPr><a:t>{escape(text)}</a:t></a:r></a:p></c:rich></c:tx>'
        '<c:overlay val="0"/></c:title>'
    )


def _text_properties(size: int) -> str:
    return (
        f'<c:txPr><a:bodyPr/><a:p><a:pPr><a:defRPr sz="{size}"><a:solidFill><a:srgbClr val="{_INK}"/></a:solidFill>'
        '</a:defRPr></a:pPr><a:endParaRPr lang="en-US"/></a:p></c:txPr>'
    )


def _outline(color: str, width: int, dash: str = "solid") -> str:
    return (
        f'<a:ln w="{width}"><a:solidFill><a:srgbClr val="{color}"/></a:solidFill><a:prstDash val="{dash}"/>'
        "<a:round/></a:ln>"
    )


def _number_cache(values: Sequence[float | None]) -> str:
    points = "".join(
        f'<c:pt idx="{index}"><c:v>{value!r}</c:v></c:pt>'
        for index, value in enumerate(float(v) if v is not None else None for v in values)
        if value is not None and math.isfinite(value)
    )
    return f'<c:numCache><c:formatCode>General</c:formatCode><c:ptCount val="{len(values)}"/>{points}</c:numCache>'


def _text_cache(texts: Sequence[str]) -> str:
    points = "".join(f'<c:pt idx="{index}"><c:v>{escape(text)}</c:v></c:pt>' for index, text in enumerate(texts))
    return f'<c:strCache><c:ptCount val="{len(texts)}"/>{points}</c:strCache>'
