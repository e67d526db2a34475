from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from lxml import etree

from xlcollab.model import Factors, Model
from xlcollab.sheets import item_map
from xlcollab.sheets.point_labels import place_labels
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]


def charts(path: Any) -> list[etree._Element]:
    with ZipFile(path) as package:
        return [etree.fromstring(package.read(name)) for name in package.namelist() if "/charts/chart" in name]


def test_coordinates_are_the_first_two_principal_components(fit: Make, report: Make, table: Make) -> None:
    made = fit(model=Model(4, biased=True))
    found = table(report(made).path, "Map", "ratings")
    Q = made.factors.item_factors
    centred = Q - Q.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    for axis, column in (("axis 1", -1), ("axis 2", -2)):
        expected = centred @ vectors[:, column]
        ours = np.array([line[axis] for line in found])
        assert min(np.abs(ours - expected).max(), np.abs(ours + expected).max()) < 1e-9
        assert (ours**2).sum() == pytest.approx(values[column])
    assert [line["item"] for line in found] == list(made.ratings.items)
    assert [line["ratings"] for line in found] == made.ratings.item_counts.tolist()


def test_the_shares_of_the_spread_are_those_of_the_components(fit: Make, report: Make) -> None:
    made = fit(model=Model(4))
    cells = Workbook.open(report(made).path).sheet("Map").cells
    Q = made.factors.item_factors
    singular = np.linalg.svd(Q - Q.mean(axis=0), compute_uv=False)
    first, second = 100 * singular[:2] ** 2 / (singular**2).sum()
    assert cells[3, 1].value == f"axis 1: {round(first, 1):g}% of the spread"
    assert cells[3, 5].value == f"axis 2: {round(second, 1):g}% of the spread"


def test_the_titles_of_the_axes_follow_the_shares(fit: Make, report: Make, sdk_errors: Make) -> None:
    path = report(fit(model=Model(4))).path
    cells = Workbook.open(path).sheet("Map").cells
    [chart] = [chart for chart in charts(path) if b"datalabelsRange" in etree.tostring(chart)]
    titles = {
        title.findtext("./{*}tx/{*}strRef/{*}f"): "".join(title.itertext("{*}v"))
        for title in chart.iterfind(".//{*}valAx/{*}title")
    }
    assert titles == {"Map!$A$3": cells[3, 1].value, "Map!$E$3": cells[3, 5].value}
    assert sdk_errors(path) == ""


def test_everything_but_the_axes_is_live(fit: Make, report: Make, recalculated: Make) -> None:
    written = report(fit(model=Model(2)))
    before = recalculated(written.path)["Map"]
    book = Workbook.open(written.path)
    book.sheet("torch").patch({(19, 5): 9.0})
    book.save(written.path, force=True)
    after = recalculated(written.path)["Map"]
    moved = {at for at in before if before[at] != after[at]}
    axes = {f"{column}{row}" for column in "UV" for row in (7, 8)}
    places = {f"{column}{row}" for column in "OP" for row in range(7, 22)}
    assert axes <= before.keys()
    assert not moved & axes
    assert places | {"A3", "E3"} <= moved


def test_the_chart_labels_each_item_from_its_cell(fit: Make, ratings: Make, report: Make) -> None:
    bare = ratings()
    names = {label: f"Film {label}" for label in bare.items[:-1]} | {
        bare.items[-1]: "A film with a very long name indeed"
    }
    path = report(fit(bare.with_names(item_names=names), Model(2))).path
    [chart] = [chart for chart in charts(path) if b"datalabelsRange" in etree.tostring(chart)]
    texts = [text for text in chart.itertext() if text.startswith(("Film 1", "A film"))]
    assert set(texts) == {*(f"Film {label}" for label in bare.items[:-1]), "A film with a very long name…"}
    assert "Map!$N$7:$N$21" in list(chart.itertext())


def test_where_not_all_items_can_be_labelled_those_that_are_stand_first(
    fit: Make, ratings: Make, report: Make, table: Make
) -> None:
    known = ratings(8, 90, 200)
    path = report(fit(known, Model(2))).path
    [chart] = [chart for chart in charts(path) if b"datalabelsRange" in etree.tostring(chart)]
    [labels] = {text for text in chart.itertext() if text.startswith("Map!$M$7:")}
    n = int(labels.rpartition("$")[2]) - 6
    assert 20 < n <= 60
    counts = [line["ratings"] for line in table(path, "Map", "ratings")]
    assert sorted(counts) == sorted(known.item_counts.tolist())
    for part in (counts[:n], counts[n:]):
        assert part == sorted(part, reverse=True)
    assert f"Map!$O${7 + n}:$O$96" in set(chart.itertext())
    heading = Workbook.open(path).sheet("Map").cells[5, 13].value
    assert heading == "Where each item stands, those with a label first"


def test_of_many_items_the_most_rated_are_drawn_and_all_stand_in_the_table(
    fit: Make, ratings: Make, report: Make, table: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_map, "_MOST_POINTS", 70)
    known = ratings(8, 90, 200)
    path = report(fit(known, Model(2))).path
    [chart] = [chart for chart in charts(path) if b"datalabelsRange" in etree.tostring(chart)]
    assert "Items by their factors, the 70 most rated" in set(chart.itertext())
    drawn = [len(list(values.iter("{*}pt"))) for values in chart.iter("{*}yVal")]
    assert (len(drawn), sum(drawn)) == (2, 70)
    found = table(path, "Map", "ratings")
    assert len(found) == 90
    assert min(line["ratings"] for line in found[:70]) >= max(line["ratings"] for line in found[70:])


def test_labels_may_stand_on_points_that_get_none() -> None:
    places = np.array([[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], *[[0.5 + 0.05 * at, 0.5] for at in range(-6, 7)]])
    assert set(place_labels(places, ["a label"] * len(places), (420.0, 340.0), [0, 1, 2])) == {0, 1, 2}


@pytest.mark.parametrize(
    "Q",
    [np.zeros((15, 2)), np.outer(np.arange(15.0), [1.0, 2.0]) + 3.0],
    ids=["all in one place", "all on one line"],
)
def test_items_without_two_dimensions_are_not_mapped(fit: Make, report: Make, Q: Any) -> None:
    made = fit(model=Model(2))
    object.__setattr__(made, "factors", Factors(made.factors.user_factors, Q, np.zeros(15), np.zeros(15)))
    written = report(made)
    assert "Map" not in written.sheets
    assert "Map is left out: the items differ in fewer than two dimensions." in written.notes


def test_more_items_than_a_table_should_hold_are_not_mapped(
    fit: Make, report: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_map, "MOST_ITEMS", 14)
    written = report(fit(model=Model(2)))
    assert "Map" not in written.sheets
    assert "Map is left out: 15 items are more than a table should hold." in written.notes


def test_labels_keep_out_of_each_other_s_way() -> None:
    places = np.array([[0.0, 0.0], [0.05, 0.0], [1.0, 1.0]])
    sides = place_labels(places, ["left one", "right one", "far"], (420.0, 340.0), [2, 1, 0])
    assert sides[0] != "right"
    assert sides[1] == "right"
    assert set(sides) == {0, 1, 2}


def test_points_in_one_place_leave_room_for_few_labels_and_the_first_take_them() -> None:
    places = np.array([[1.0, 1.0], *[[0.5, 0.5]] * 9, [0.0, 0.0]])
    sides = place_labels(places, [*"abcdefghijk"], (420.0, 340.0), [*range(10, -1, -1)])
    assert set(sides) == {10, 9, 8, 7, 6, 0}
    assert {sides[at] for at in (9, 8, 7, 6)} == {"right", "left", "above", "below"}
