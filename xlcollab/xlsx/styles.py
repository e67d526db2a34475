"""Cell styles: asked for as a `Style`, appended to the workbook's styles part, never renumbered.

A cell names its style by position in ``cellXfs``, so that whatever is there has to stay where it is: new fonts, fills,
borders, number formats and formats go to the end of their lists, each in the order of elements that the schema wants.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

from lxml import etree

from xlcollab.xlsx.markup import MAIN, local_name, main, parse, whole_number
from xlcollab.xlsx.names import insert_in_order

__all__ = ["EMPTY_STYLES", "Style", "Styles"]

EMPTY_STYLES: Final = (
    f'<styleSheet xmlns="{MAIN}">'
    '<fonts count="1"><font><sz val="11"/><color theme="1"/><name val="Calibri"/><family val="2"/>'
    '<scheme val="minor"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    '<dxfs count="0"/>'
    '<tableStyles count="0" defaultTableStyle="TableStyleMedium2" defaultPivotStyle="PivotStyleLight16"/>'
    "</styleSheet>"
).encode()

_ORDER: Final = (
    "numFmts", "fonts", "fills", "borders", "cellStyleXfs", "cellXfs", "cellStyles", "dxfs", "tableStyles", "colors",
    "extLst",
)  # fmt: skip
# ECMA-376 part 1, 18.8.30: the formats that every program knows by number.
_BUILTIN_FORMATS: Final = {
    "General": 0, "0": 1, "0.00": 2, "#,##0": 3, "#,##0.00": 4, "0%": 9, "0.00%": 10, "0.00E+00": 11, "@": 49,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """How a cell looks. Colours are 'RRGGBB'; None leaves the workbook's default font, no fill, no border.

    ``top``, ``bottom``, ``left``, ``right`` are Excel's border styles ('thin', 'medium', 'hair' …). ``size`` is in
    points, ``indent`` in steps of about three spaces, ``rotation`` in degrees upwards.
    """

    bold: bool = False
    italic: bool = False
    underline: bool = False
    color: str | None = None
    size: float | None = None
    fill: str | None = None
    number_format: str | None = None
    align: str | None = None
    valign: str | None = None
    wrap: bool = False
    indent: int = 0
    rotation: int = 0
    top: str | None = None
    bottom: str | None = None
    left: str | None = None
    right: str | None = None
    border_color: str | None = None


@dataclass
class Styles:
    """The styles part of one workbook."""

    root: etree._Element
    touched: bool = False
    _known: dict[tuple[Style, bool], int] = field(default_factory=dict)
    _differential: dict[Style, int] = field(default_factory=dict)
    _positions: dict[str, dict[Hashable, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, part: str) -> Styles:
        """Parse a styles part."""
        return cls(parse(data, part))

    def cell_format(self, style: Style | None, *, text_prefix: bool = False) -> int:
        """The position of a style in ``cellXfs``, appended if need be; ``text_prefix`` keeps '=a' text when edited."""
        style = style or Style()
        if style == Style() and not text_prefix:
            return 0
        key = style, text_prefix
        if key not in self._known:
            self._known[key] = self._append("cellXfs", self._xf(style, text_prefix))
        return self._known[key]

    def differential_format(self, style: Style) -> int:
        """The position of a style in ``dxfs``, for conditional formats: only what it sets."""
        if style not in self._differential:
            dxf = etree.Element(main("dxf"))
            if style.bold or style.italic or style.color:
                font = etree.SubElement(dxf, main("font"))
                if style.bold:
                    etree.SubElement(font, main("b"))
                if style.italic:
                    etree.SubElement(font, main("i"))
                if style.color:
                    etree.SubElement(font, main("color")).set("rgb", f"FF{style.color}")
            if style.number_format:
                number, code = self._number_format(style.number_format), style.number_format
                etree.SubElement(dxf, main("numFmt"), numFmtId=str(number), formatCode=code)
            if style.fill:
                pattern = etree.SubElement(etree.SubElement(dxf, main("fill")), main("patternFill"))
                # In a differential format a solid fill is the background colour, in a cell's the foreground.
                etree.SubElement(pattern, main("bgColor")).set("rgb", f"FF{style.fill}")
            if _has_border(style):
                dxf.append(_border(style, diagonal=False))
            self._differential[style] = self._append("dxfs", dxf)
        return self._differential[style]

    def _xf(self, style: Style, text_prefix: bool) -> etree._Element:
        xf = etree.Element(main("xf"))
        number = self._number_format(style.number_format) if style.number_format else 0
        font = self._append("fonts", self._font(style)) if _has_font(style) else 0
        fill = self._append("fills", _fill(style.fill)) if style.fill else 0
        border = self._append("borders", _border(style)) if _has_border(style) else 0
        base = self.root.find(f"{main('cellXfs')}/{main('xf')}")
        if not font and base is not None:
            font = whole_number(base, "fontId")
        for name, value in (
            ("numFmtId", number),
            ("fontId", font),
            ("fillId", fill),
            ("borderId", border),
            ("xfId", 0),
        ):
            xf.set(name, str(value))
        if text_prefix:
            xf.set("quotePrefix", "1")
        for name, applies in (
            ("applyNumberFormat", number),
            ("applyFont", _has_font(style)),
            ("applyFill", fill),
            ("applyBorder", border),
        ):
            if applies:
                xf.set(name, "1")
        if style.align or style.valign or style.wrap or style.indent or style.rotation:
            xf.set("applyAlignment", "1")
            alignment = etree.SubElement(xf, main("alignment"))
            for name, setting in (
                ("horizontal", style.align or ("left" if style.indent else None)),
                ("vertical", style.valign),
                ("textRotation", style.rotation or None),
                ("wrapText", "1" if style.wrap else None),
                ("indent", style.indent or None),
            ):
                if setting is not None:
                    alignment.set(name, str(setting))
        return xf

    def _font(self, style: Style) -> etree._Element:
        """A font like the workbook's default one, with the style's differences, elements in the schema's order."""
        base: dict[str, etree._Element] = {}
        fonts = self.root.find(main("fonts"))
        first = self.root.find(f"{main('cellXfs')}/{main('xf')}")
        position = whole_number(first, "fontId") if first is not None else 0
        if fonts is not None and position < len(fonts):
            base = {local_name(e): e for e in fonts[position]}
        font = etree.Element(main("font"))
        for name, wanted in (("b", style.bold), ("i", style.italic), ("u", style.underline)):
            if wanted:
                etree.SubElement(font, main(name))
        size = style.size or float(base["sz"].get("val", "11") if "sz" in base else 11)
        etree.SubElement(font, main("sz")).set("val", f"{size:g}")
        if style.color:
            etree.SubElement(font, main("color")).set("rgb", f"FF{style.color}")
        elif "color" in base:
            _copied(font, base["color"])
        etree.SubElement(font, main("name")).set("val", base["name"].get("val", "") if "name" in base else "Calibri")
        for name in ("family", "charset", "scheme"):
            if name in base:
                _copied(font, base[name])
        return font

    def _number_format(self, code: str) -> int:
        if code in _BUILTIN_FORMATS:
            return _BUILTIN_FORMATS[code]
        highest = 163  # the numbers below belong to Excel
        for element in self.root.iterfind(f"{main('numFmts')}/{main('numFmt')}"):
            if element.get("formatCode") == code:
                return whole_number(element, "numFmtId")
            highest = max(highest, whole_number(element, "numFmtId"))
        self._append("numFmts", etree.Element(main("numFmt"), numFmtId=str(highest + 1), formatCode=code))
        return highest + 1

    def _append(self, container: str, element: etree._Element) -> int:
        """Put an element at the end of its list; an equal one that is there already serves as well."""
        parent = self.root.find(main(container))
        if parent is None:
            parent = etree.Element(main(container))
            insert_in_order(self.root, parent, _ORDER)
            if container in _FIRST_IN_LIST:
                for xml in _FIRST_IN_LIST[container]:
                    parent.append(etree.fromstring(f'<r xmlns="{MAIN}">{xml}</r>')[0])
        if container not in self._positions:
            self._positions[container] = {_canonical(other): n for n, other in reversed(list(enumerate(parent)))}
        positions = self._positions[container]
        position = positions.setdefault(_canonical(element), len(parent))
        if position == len(parent):
            parent.append(element)
            parent.set("count", str(len(parent)))
            self.touched = True
        return position


# Positions that mean something whoever wrote the list: no fill and gray125, the default font, border and format.
_FIRST_IN_LIST: Final = {
    "fonts": ('<font><sz val="11"/><name val="Calibri"/></font>',),
    "fills": (
        '<fill><patternFill patternType="none"/></fill>',
        '<fill><patternFill patternType="gray125"/></fill>',
    ),
    "borders": ("<border><left/><right/><top/><bottom/><diagonal/></border>",),
    "cellXfs": ('<xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>',),
}


def _copied(parent: etree._Element, element: etree._Element) -> None:
    """A child like ``element``, which has attributes only."""
    child = etree.SubElement(parent, element.tag)
    for name, value in element.attrib.items():
        child.set(name, value)


def _canonical(element: etree._Element) -> Hashable:
    """What an element says, whatever its prefixes and the order of its attributes."""
    return element.tag, frozenset(element.attrib.items()), tuple(_canonical(child) for child in element)


def _has_font(style: Style) -> bool:
    return bool(style.bold or style.italic or style.underline or style.color or style.size)


def _has_border(style: Style) -> bool:
    return bool(style.top or style.bottom or style.left or style.right)


def _fill(color: str) -> etree._Element:
    fill = etree.Element(main("fill"))
    pattern = etree.SubElement(fill, main("patternFill"), patternType="solid")
    etree.SubElement(pattern, main("fgColor")).set("rgb", f"FF{color}")
    etree.SubElement(pattern, main("bgColor")).set("indexed", "64")
    return fill


def _border(style: Style, *, diagonal: bool = True) -> etree._Element:
    border = etree.Element(main("border"))
    for side in ("left", "right", "top", "bottom"):
        line = etree.SubElement(border, main(side))
        kind = getattr(style, side)
        if kind:
            line.set("style", kind)
            color = etree.SubElement(line, main("color"))
            if style.border_color:
                color.set("rgb", f"FF{style.border_color}")
            else:
                color.set("auto", "1")
    if diagonal:
        etree.SubElement(border, main("diagonal"))
    return border
