"""Charts: valid for Microsoft's validator, values beside the references, labels from cells, bars from zero."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from lxml import etree

from xlcollab.xlsx.cells import Area
from xlcollab.xlsx.charts import Chart, Series
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import Workbook

C = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
C15 = "{http://schemas.microsoft.com/office/drawing/2012/chart}"
FILMS = ("Toy Story (1995)", "=Heat", "<Jumanji & co>")
X, Y = (-1.0, 0.5, 1.5), (0.25, None, -0.75)


def films(**options: object) -> Series:
    return Series("films", "Map!$C$2:$C$4", Y, "Map!$B$2:$B$4", X, **options)


def bars(**options: object) -> Series:
    return Series("films", "Map!$B$2:$B$4", X, "Map!$A$2:$A$4", FILMS, **options)


CHARTS = {
    "scatter": Chart("scatter", "Map", [films()], "Three films on a plane.", x_title="first", y_title="second"),
    "labelled": Chart("scatter", "Map", [films(label_ref="Map!$A$2:$A$4", labels=FILMS)], "Three films."),
    "texts": Chart("scatter", "Map", [films(labels=FILMS, label_sides=("left", "above", "below"))], "Three films."),
    "two": Chart("line", "Lines", [films(), films(marker=True)], "Two lines.", log_y=True, y_range=(0.1, 10)),
    "upright": Chart("bar", "Bars", [bars(name_ref="Map!$B$1")], "Three bars.", legend=None),
    "across": Chart("bar", "Bars", [bars(label_ref="Map!$A$2:$A$4", labels=FILMS)], "Bars.", horizontal=True),
}


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[[Sequence[Chart]], Path]:
    """`drawn(charts)`: a workbook with the three films on a sheet, and the charts below each other."""

    def draw(charts: Sequence[Chart]) -> Path:
        sheet = NewSheet("Map")
        sheet.block(1, 1, [["film", "x", "y"], *map(list, zip(FILMS, X, Y, strict=True))])
        for position, chart in enumerate(charts):
            sheet.chart(Area(1 + 20 * position, 5, 18 + 20 * position, 12), chart)
        book = Workbook.new()
        book.add(sheet)
        book.save(tmp_path / "drawn.xlsx")
        return tmp_path / "drawn.xlsx"

    return draw


def part(book: Path, name: str) -> etree._Element:
    with zipfile.ZipFile(book) as archive:
        return etree.fromstring(archive.read(name))


def texts(root: etree._Element, path: str) -> list[str | None]:
    return [element.text for element in root.iterfind(path)]


@pytest.mark.parametrize("name", CHARTS)
def test_microsofts_validator_accepts_the_chart(
    name: str, drawn: Callable[[Sequence[Chart]], Path], sdk_errors: Callable[[Path], str]
) -> None:
    assert sdk_errors(drawn([CHARTS[name]])) == ""


@pytest.mark.parametrize("name", CHARTS)
def test_references_come_with_the_values_of_their_cells(name: str, drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS[name]]), "xl/charts/chart1.xml")
    for series, made in zip(root.iter(f"{C}ser"), CHARTS[name].series, strict=True):
        y_tag, x_tag = ("yVal", "xVal") if CHARTS[name].kind == "scatter" else ("val", "cat")
        assert texts(series, f"{C}{y_tag}//{C}f") == [made.y_ref]
        assert texts(series, f"{C}{y_tag}//{C}v") == [repr(y) for y in made.y_cache if y is not None]
        assert texts(series, f"{C}{x_tag}//{C}f") == [made.x_ref]
        assert texts(series, f"{C}{x_tag}//{C}v") == [x if isinstance(x, str) else repr(x) for x in made.x_cache]
        counts = [int(count.get("val")) for count in series.iterfind(f".//{C}ptCount")]
        assert set(counts) <= {1, 3}  # a gap counts as a point; the name of a series is one


def test_labels_name_their_cells_once_and_carry_the_texts_there(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS["labelled"]]), "xl/charts/chart1.xml")
    (labels,) = root.iter(f"{C15}datalabelsRange")
    assert texts(labels, f"{C15}f") == ["Map!$A$2:$A$4"]
    assert texts(labels, f".//{C}v") == list(FILMS)
    fields = list(root.iter("{*}fld"))
    assert [field.findtext("{*}t") for field in fields] == list(FILMS)
    assert {field.get("type") for field in fields} == {"CELLRANGE"}
    assert len({field.get("id") for field in fields}) == len(FILMS)


def test_labels_without_cells_are_texts_of_the_chart(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS["texts"]]), "xl/charts/chart1.xml")
    assert [run.findtext("{*}t") for run in root.iterfind(f".//{C}dLbl//{{*}}r")] == list(FILMS)
    assert [side.get("val") for side in root.iterfind(f".//{C}dLbl/{C}dLblPos")] == ["l", "t", "b"]
    assert not list(root.iter(f"{C15}datalabelsRange"))


def test_bars_begin_at_zero_and_stand_in_the_order_of_the_table(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    book = drawn([CHARTS["upright"], CHARTS["across"]])
    for number, direction, order, values_at in ((1, "col", "minMax", "low"), (2, "bar", "maxMin", "nextTo")):
        root = part(book, f"xl/charts/chart{number}.xml")
        assert root.find(f".//{C}barDir").get("val") == direction
        assert root.find(f".//{C}catAx/{C}scaling/{C}orientation").get("val") == order
        assert root.find(f".//{C}catAx/{C}crosses").get("val") == "autoZero"  # of the axis of values
        assert root.find(f".//{C}valAx/{C}tickLblPos").get("val") == values_at


def test_the_labels_of_bars_stand_where_bars_may_have_them(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS["across"]]), "xl/charts/chart1.xml")
    assert {side.get("val") for side in root.iter(f"{C}dLblPos")} == {"outEnd"}  # Excel calls "r" damage there


def test_only_bars_lie_across() -> None:
    with pytest.raises(ValueError, match="bars"):
        Chart("line", "Lines", [films()], "A line.", horizontal=True)


def test_each_chart_has_its_place_and_its_alternative_text(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS["scatter"], CHARTS["upright"]]), "xl/drawings/drawing1.xml")
    assert [frame.get("descr") for frame in root.iter("{*}cNvPr")] == ["Three films on a plane.", "Three bars."]
    assert [(int(at.findtext("{*}col")), int(at.findtext("{*}row"))) for at in root.iter("{*}from")] == [
        (4, 0),
        (4, 20),
    ]


def test_a_legend_only_where_there_is_something_to_tell_apart(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    book = drawn([CHARTS["scatter"], CHARTS["two"]])
    assert part(book, "xl/charts/chart1.xml").find(f".//{C}legend") is None
    assert part(book, "xl/charts/chart2.xml").find(f".//{C}legend") is not None


def test_series_differ_in_more_than_colour(drawn: Callable[[Sequence[Chart]], Path]) -> None:
    root = part(drawn([CHARTS["two"]]), "xl/charts/chart1.xml")
    assert [dash.get("val") for dash in root.iterfind(f".//{C}ser/{C}spPr//{{*}}prstDash")] == ["solid", "dash"]
