"""The package of a new workbook before it has sheets: types, theme, styles, properties."""

from __future__ import annotations

import datetime as dt
from typing import Final

from xlcollab.xlsx.markup import CONTENT_TYPES, DRAWING, MAIN, OFFICE_REL, PACKAGE_REL
from xlcollab.xlsx.package import Package
from xlcollab.xlsx.styles import EMPTY_STYLES

__all__ = ["blank_package"]

_XML: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_DOCUMENT: Final = "http://schemas.openxmlformats.org/officeDocument/2006"

_TYPES: Final = f"""<Types xmlns="{CONTENT_TYPES}">\
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>\
<Default Extension="xml" ContentType="application/xml"/>\
<Override PartName="/xl/workbook.xml" ContentType="{_OFFICE}.spreadsheetml.sheet.main+xml"/>\
<Override PartName="/xl/theme/theme1.xml" ContentType="{_OFFICE}.theme+xml"/>\
<Override PartName="/xl/styles.xml" ContentType="{_OFFICE}.spreadsheetml.styles+xml"/>\
<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>\
<Override PartName="/docProps/app.xml" ContentType="{_OFFICE}.extended-properties+xml"/></Types>"""

_ROOT_RELS: Final = f"""<Relationships xmlns="{PACKAGE_REL}">\
<Relationship Id="rId1" Type="{OFFICE_REL}/officeDocument" Target="xl/workbook.xml"/>\
<Relationship Id="rId2" Type="{PACKAGE_REL}/metadata/core-properties" Target="docProps/core.xml"/>\
<Relationship Id="rId3" Type="{OFFICE_REL}/extended-properties" Target="docProps/app.xml"/></Relationships>"""

_BOOK_RELS: Final = f"""<Relationships xmlns="{PACKAGE_REL}">\
<Relationship Id="rId1" Type="{OFFICE_REL}/theme" Target="theme/theme1.xml"/>\
<Relationship Id="rId2" Type="{OFFICE_REL}/styles" Target="styles.xml"/></Relationships>"""

_WORKBOOK: Final = f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE_REL}"><workbookPr/>\
<bookViews><workbookView xWindow="0" yWindow="0" windowWidth="24000" windowHeight="14000" tabRatio="800"/></bookViews>\
<sheets/><calcPr calcId="191029" fullCalcOnLoad="1"/></workbook>"""

_APP: Final = f"""<Properties xmlns="{_DOCUMENT}/extended-properties" xmlns:vt="{_DOCUMENT}/docPropsVTypes">\
<Application>Microsoft Excel</Application><DocSecurity>0</DocSecurity><AppVersion>16.0300</AppVersion></Properties>"""

_CORE: Final = """<cp:coreProperties \
xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" \
xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:creator>xlcollab</dc:creator>{dates}</cp:coreProperties>"""

# The colours of the Office theme of 2013; 'dk1' and 'lt1' follow the system.
_COLORS: Final = {
    "dk2": "44546A", "lt2": "E7E6E6", "accent1": "4472C4", "accent2": "ED7D31", "accent3": "A5A5A5",
    "accent4": "FFC000", "accent5": "5B9BD5", "accent6": "70AD47", "hlink": "0563C1", "folHlink": "954F72",
}  # fmt: skip


def blank_package(created: dt.datetime | None) -> Package:
    """A package that lacks nothing but a sheet. Without a date its bytes are the same whenever it is made."""
    stamp = ""
    if created is not None:
        moment = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        stamp = "".join(
            f'<dcterms:{tag} xsi:type="dcterms:W3CDTF">{moment}</dcterms:{tag}>' for tag in ("created", "modified")
        )
    package = Package()
    for part, text in (
        ("[Content_Types].xml", _TYPES),
        ("_rels/.rels", _ROOT_RELS),
        ("xl/workbook.xml", _WORKBOOK),
        ("xl/_rels/workbook.xml.rels", _BOOK_RELS),
        ("xl/theme/theme1.xml", _theme()),
        ("xl/styles.xml", EMPTY_STYLES.decode()),
        ("docProps/core.xml", _CORE.format(dates=stamp)),
        ("docProps/app.xml", _APP),
    ):
        package.write(part, (_XML + text).encode())
    return package


def _theme() -> str:
    """The smallest theme that Excel takes: CT_OfficeStyleSheet wants three of each kind of style."""
    colors = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in _COLORS.items())
    fonts = "".join(
        f'<a:{kind}><a:latin typeface="{face}"/><a:ea typeface=""/><a:cs typeface=""/></a:{kind}>'
        for kind, face in (("majorFont", "Calibri Light"), ("minorFont", "Calibri"))
    )
    solid = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'
    lines = "".join(f'<a:ln w="{width}">{solid}<a:prstDash val="solid"/></a:ln>' for width in (6350, 12700, 19050))
    effect = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    return (
        f'<a:theme xmlns:a="{DRAWING}" name="Office Theme"><a:themeElements><a:clrScheme name="Office">'
        '<a:dk1><a:sysClr val="windowText" lastClr="000000"/></a:dk1>'
        '<a:lt1><a:sysClr val="window" lastClr="FFFFFF"/></a:lt1>'
        f'{colors}</a:clrScheme><a:fontScheme name="Office">{fonts}</a:fontScheme><a:fmtScheme name="Office">'
        f"<a:fillStyleLst>{solid * 3}</a:fillStyleLst><a:lnStyleLst>{lines}</a:lnStyleLst>"
        f"<a:effectStyleLst>{effect * 3}</a:effectStyleLst><a:bgFillStyleLst>{solid * 3}</a:bgFillStyleLst>"
        "</a:fmtScheme></a:themeElements><a:objectDefaults/><a:extraClrSchemeLst/></a:theme>"
    )
