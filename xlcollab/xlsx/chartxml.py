"""A `Chart` as the XML of a chart part and of the drawing that places it.

Written here, because a chart without its cached values stays empty in previewers and in Protected View. Elements stand
in the order of CT_ChartSpace and its children (ECMA-376 part 1, 21.2.2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.charts import OKABE_ITO, Chart, Series, Side
from xlcollab.xlsx.markup import DRAWING, OFFICE_REL, escape, escape_attribute

__all__ = ["chart_xml", "drawing_xml"]

CHART: Final = "http://schemas.openxmlformats.org/drawingml/2006/chart"
_CHART_2012: Final = "http://schemas.microsoft.com/office/drawing/2012/chart"
_SHEET_DRAWING: Final = "http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing"
_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_GREY, _INK = "D9D9D9", "404040"
_UPWARDS: Final = ' rot="-5400000" vert="horz"'
_MARKERS: Final = ("circle", "square", "diamond", "triangle", "x", "plus", "star", "dash")
_DASHES: Final = ("solid", "dash", "sysDot", "dashDot", "lgDash", "sysDash", "lgDashDot", "solid")
_SIDES: Final[dict[Side, str]] = {"right": "r", "left": "l", "above": "t", "below": "b"}


def chart_xml(chart: Chart) -> bytes:
    """The chart part."""
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
    labels = _labels(chart, position, series)
    if chart.kind == "bar":
        look = f'<c:spPr><a:solidFill><a:srgbClr val="{color}"/></a:solidFill></c:spPr><c:invertIfNegative val="0"/>'
        return f"{start}{look}{labels}{_categories(series, 'cat')}<c:val>{values}</c:val>{_label_range(series)}</c:ser>"
    has_line = chart.kind == "line" if series.line is None else series.line
    has_marker = chart.kind == "scatter" if series.marker is None else series.marker
    dash = series.dash or _DASHES[position % len(_DASHES)]
    line = _outline(color, 22225, dash) if has_line else '<a:ln w="19050"><a:noFill/></a:ln>'
    if has_marker:
        fill = f'<c:spPr><a:solidFill><a:srgbClr val="{color}"/></a:solidFill>{_outline("FFFFFF", 6350)}</c:spPr>'
        marker = f'<c:marker><c:symbol val="{_MARKERS[position % len(_MARKERS)]}"/><c:size val="7"/>{fill}</c:marker>'
    else:
        marker = '<c:marker><c:symbol val="none"/></c:marker>'
    look = f"<c:spPr>{line}</c:spPr>{marker}{labels}"
    x, y = ("xVal", "yVal") if chart.kind == "scatter" else ("cat", "val")
    points = f"{_categories(series, x)}<c:{y}>{values}</c:{y}>"
    return f'{start}{look}{points}<c:smooth val="0"/>{_label_range(series)}</c:ser>'


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


def _labels(chart: Chart, position: int, series: Series) -> str:
    """A label for each point. Excel reads it from its cell; what knows no such labels shows the text as it was."""
    if not series.labels:
        return ""
    shows = "".join(
        f'<c:show{what} val="0"/>' for what in ("LegendKey", "Val", "CatName", "SerName", "Percent", "BubbleSize")
    )
    if series.label_ref:
        shows += _extension("CE6537A1-D6FC-4f65-9D91-7224C49458BB", '<c15:showDataLabelsRange val="1"/>')
    look = f'sz="800"><a:solidFill><a:srgbClr val="{_INK}"/></a:solidFill>'
    points = []
    for index, text in enumerate(series.labels):
        run = f'<a:rPr lang="en-US" {look}</a:rPr>'
        if series.label_ref:
            number = f"{{{position:08X}-0000-4000-8000-{index:012X}}}"  # any, as long as no other field has it
            run = f'<a:fld id="{number}" type="CELLRANGE">{run}<a:pPr/><a:t>{escape(text)}</a:t></a:fld>'
        else:
            run = f"<a:r>{run}<a:t>{escape(text)}</a:t></a:r>"
        side = _SIDES[series.label_sides[index]] if index < len(series.label_sides) else "r"
        points.append(
            f'<c:dLbl><c:idx val="{index}"/><c:tx><c:rich><a:bodyPr/><a:p>{run}</a:p></c:rich></c:tx>'
            f'<c:dLblPos val="{"outEnd" if chart.kind == "bar" else side}"/>{shows}</c:dLbl>'
        )
    return f"<c:dLbls>{''.join(points)}{_text_properties(800)}{shows}</c:dLbls>"


def _label_range(series: Series) -> str:
    """Where the labels stand: one reference for all, an extension of Excel 2013 ([MS-ODRAWXML] 2.24.3)."""
    if not series.label_ref or not series.labels:
        return ""
    cache = _text_points(series.labels)
    return _extension(
        "02D57815-91ED-43cb-92C2-25804820EDAC",
        f"<c15:datalabelsRange><c15:f>{escape(series.label_ref)}</c15:f>"
        f"<c15:dlblRangeCache>{cache}</c15:dlblRangeCache></c15:datalabelsRange>",
    )


def _extension(uri: str, inner: str) -> str:
    return f'<c:extLst><c:ext uri="{{{uri}}}" xmlns:c15="{_CHART_2012}">{inner}</c:ext></c:extLst>'


def _axes(chart: Chart) -> str:
    below = "b" if not chart.horizontal else "l"
    left = "l" if not chart.horizontal else "b"
    numeric_x = chart.kind == "scatter"
    # Bars across are read from the top, as the table is; the values then stand at the far end of that axis, below.
    x_scale = _scaling(chart.x_range if numeric_x else (None, None), log=False, downwards=chart.horizontal)
    x_title = _axis_title(chart.x_title, chart.x_title_ref, rotated=chart.horizontal)
    x = _axis_body(100, 200, below, x_title, x_scale, chart.x_format, grid=numeric_x)
    y_scale = _scaling(chart.y_range, log=chart.log_y)
    y_title = _axis_title(chart.y_title, chart.y_title_ref, rotated=not chart.horizontal)
    y = _axis_body(
        200, 100, left, y_title, y_scale, chart.y_format, grid=True,
        labels="nextTo" if chart.horizontal else "low",  # "low" would be beside the first category, above
    )  # fmt: skip
    # A bar's length is its value, so that bars begin at zero; "low" keeps their labels out of those below it.
    crosses = "min" if chart.cross_at_minimum and chart.kind != "bar" else "autoZero"
    if numeric_x:
        first = f'<c:valAx>{x}<c:crosses val="{crosses}"/><c:crossBetween val="midCat"/></c:valAx>'
    else:
        first = (
            f'<c:catAx>{x}<c:crosses val="{crosses}"/><c:auto val="0"/><c:lblAlgn val="ctr"/>'
            '<c:lblOffset val="100"/><c:noMultiLvlLbl val="1"/></c:catAx>'
        )
    between = "between" if chart.kind == "bar" else "midCat"
    crosses = "max" if chart.horizontal else "min" if chart.cross_at_minimum else "autoZero"
    return f'{first}<c:valAx>{y}<c:crosses val="{crosses}"/><c:crossBetween val="{between}"/></c:valAx>'


def _axis_body(
    number: int,
    crossed: int,
    position: str,
    title: str,
    scaling: str,
    code: str,
    *,
    grid: bool,
    labels: str = "low",
) -> str:
    lines = f"<c:majorGridlines><c:spPr>{_outline(_GREY, 6350)}</c:spPr></c:majorGridlines>" if grid else ""
    return (
        f'<c:axId val="{number}"/>{scaling}<c:delete val="0"/><c:axPos val="{position}"/>{lines}'
        f"{title}"
        f'<c:numFmt formatCode="{escape_attribute(code)}" sourceLinked="0"/>'
        f'<c:majorTickMark val="out"/><c:minorTickMark val="none"/><c:tickLblPos val="{labels}"/>'
        f'<c:spPr>{_outline("A6A6A6", 9525)}</c:spPr>{_text_properties(900)}<c:crossAx val="{crossed}"/>'
    )


def _axis_title(text: str, reference: str | None, *, rotated: bool) -> str:
    """Nothing without a text; ``reference`` is the cell that it stands in, if it is to follow one."""
    if not text:
        return ""
    if reference is None:
        return _title(text, 900, rotated=rotated)
    return (
        f"<c:title><c:tx><c:strRef><c:f>{escape(reference)}</c:f>{_text_cache([text])}</c:strRef></c:tx>"
        f'<c:overlay val="0"/>{_text_properties(900, rotated=rotated)}</c:title>'
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
    turn = _UPWARDS if rotated else ""
    look = f'sz="{size}" b="{int(bold)}"><a:solidFill><a:srgbClr val="{_INK}"/></a:solidFill>'
    return (
        f"<c:title><c:tx><c:rich><a:bodyPr{turn}/><a:p><a:pPr><a:defRPr {look}</a:defRPr></a:pPr>"
        f'<a:r><a:rPr lang="en-US" {look}</a:rPr><a:t>{escape(text)}</a:t></a:r></a:p></c:rich></c:tx>'
        '<c:overlay val="0"/></c:title>'
    )


def _text_properties(size: int, *, rotated: bool = False) -> str:
    turn = _UPWARDS if rotated else ""
    return (
        f'<c:txPr><a:bodyPr{turn}/><a:p><a:pPr><a:defRPr sz="{size}" b="0"><a:solidFill><a:srgbClr val="{_INK}"/>'
        '</a:solidFill></a:defRPr></a:pPr><a:endParaRPr lang="en-US"/></a:p></c:txPr>'
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
    return f"<c:strCache>{_text_points(texts)}</c:strCache>"


def _text_points(texts: Sequence[str]) -> str:
    points = "".join(f'<c:pt idx="{index}"><c:v>{escape(text)}</c:v></c:pt>' for index, text in enumerate(texts))
    return f'<c:ptCount val="{len(texts)}"/>{points}'
