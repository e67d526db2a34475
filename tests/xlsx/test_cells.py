from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import XlcollabError
from xlcollab.xlsx.cells import (
    MAX_COL,
    MAX_ROW,
    Area,
    address,
    column_letters,
    column_number,
    count_cells,
    qualified,
    quote_sheet,
    rectangles,
)

rows, cols = st.integers(1, MAX_ROW), st.integers(1, MAX_COL)
areas = st.builds(lambda a, b, c, d: Area(min(a, b), min(c, d), max(a, b), max(c, d)), rows, rows, cols, cols)


@pytest.mark.parametrize(
    ("number", "letters"), [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (702, "ZZ"), (703, "AAA"), (16384, "XFD")]
)
def test_columns_count_as_excel_counts_them(number: int, letters: str) -> None:
    assert column_letters(number) == letters
    assert column_number(letters) == number
    assert column_number(letters.lower()) == number


@given(cols)
def test_column_letters_lead_back_to_the_number(col: int) -> None:
    assert column_number(column_letters(col)) == col


@given(rows, cols)
def test_an_address_is_read_back_as_its_cell(row: int, col: int) -> None:
    assert Area.parse(address(row, col)) == Area(row, col, row, col)


@given(areas)
def test_an_area_is_read_back_from_its_reference_with_and_without_dollars(area: Area) -> None:
    assert Area.parse(area.ref) == area
    assert Area.parse(area.absolute) == area


@pytest.mark.parametrize("col", [0, -1, MAX_COL + 1])
def test_columns_off_the_sheet_have_no_letters(col: int) -> None:
    with pytest.raises(ValueError, match="outside"):
        column_letters(col)


@pytest.mark.parametrize("letters", ["", "XFE", "AAAA", "A1", "É"])
def test_letters_that_are_no_column_have_no_number(letters: str) -> None:
    with pytest.raises(ValueError, match="column"):
        column_number(letters)


@pytest.mark.parametrize(
    ("text", "area"),
    [
        ("B2:D9", Area(2, 2, 9, 4)),
        ("$B$2:D9", Area(2, 2, 9, 4)),
        ("D9:B2", Area(2, 2, 9, 4)),
        ("b2", Area(2, 2, 2, 2)),
        ("$A$1", Area(1, 1, 1, 1)),
        ("A:C", Area(1, 1, MAX_ROW, 3)),
        ("$C:$A", Area(1, 1, MAX_ROW, 3)),
        ("3:7", Area(3, 1, 7, MAX_COL)),
        ("$3:$3", Area(3, 1, 3, MAX_COL)),
        (" B2:D9 ", Area(2, 2, 9, 4)),
    ],
)
def test_ranges_in_every_notation_are_read(text: str, area: Area) -> None:
    assert Area.parse(text) == area


@pytest.mark.parametrize(
    "text",
    ["", ":", "A", "7", "A1:", ":A1", "A0", "A1:B", "A:3", "A1:B2:C3", "XFE1", "A1048577", "0:5", "Sheet1!A1", "#REF!"],
)
def test_what_is_no_range_is_refused_with_the_way_to_write_one(text: str) -> None:
    with pytest.raises(XlcollabError, match="B2:P16"):
        Area.parse(text)


def test_an_area_knows_its_size_and_its_cells_row_by_row() -> None:
    area = Area.parse("B2:C4")
    assert (area.height, area.width) == (3, 2)
    assert list(area.cells()) == [(2, 2), (2, 3), (3, 2), (3, 3), (4, 2), (4, 3)]


@given(areas, areas)
def test_clipping_keeps_exactly_the_cells_in_both(one: Area, other: Area) -> None:
    both = one.clip(other)
    assert both == other.clip(one)
    if both is not None:
        for row, col in ((both.first_row, both.first_col), (both.last_row, both.last_col)):
            assert one.contains(row, col)
            assert other.contains(row, col)
    else:
        assert not other.contains(one.first_row, one.first_col)
        assert not one.contains(other.first_row, other.first_col)


def test_shifting_keeps_the_shape() -> None:
    assert Area.parse("B2:C4").shift(3, 1) == Area.parse("C5:D7")


@pytest.mark.parametrize("name", ["Ratings", "Sheet1", "Größe", "评分", "_x", "a.b", "Tabelle_2"])
def test_plain_sheet_names_need_no_quotes(name: str) -> None:
    assert quote_sheet(name) == name


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("My sheet", "'My sheet'"),
        ("Bob's", "'Bob''s'"),
        ("A1", "'A1'"),
        ("abc12", "'abc12'"),
        ("R1C1", "'R1C1'"),
        ("RC", "'RC'"),
        ("C", "'C'"),
        ("2024", "'2024'"),
        ("1st", "'1st'"),
        ("a-b", "'a-b'"),
        ("Summary (2)", "'Summary (2)'"),
        ("TRUE", "'TRUE'"),
        ("a!b", "'a!b'"),
        ("", "''"),
    ],
)
def test_names_that_a_formula_would_misread_are_quoted(name: str, quoted: str) -> None:
    assert quote_sheet(name) == quoted


def test_a_qualified_reference_is_absolute() -> None:
    assert qualified("My sheet", Area.parse("A1:B2")) == "'My sheet'!$A$1:$B$2"


@given(st.lists(st.builds(Area, *[st.integers(1, 6)] * 4).filter(lambda a: a.height > 0 < a.width), max_size=6))
def test_cells_of_overlapping_areas_count_once(some: list[Area]) -> None:
    assert count_cells(some) == len({cell for area in some for cell in area.cells()})


def test_the_cells_of_whole_columns_are_counted_without_a_look_at_them() -> None:
    assert count_cells([Area.parse("A:C"), Area.parse("B:XFD"), Area.parse("1:9")]) == MAX_ROW * MAX_COL


@given(st.sets(st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_rectangles_cover_every_cell_once(cells):
    covered = [cell for area in rectangles(sorted(cells)) for cell in area.cells()]
    assert sorted(covered) == sorted(cells)


@pytest.mark.parametrize(
    ("mask", "refs"),
    [
        ([[True, True], [True, True]], ["B3:C4"]),
        ([[True, True, False], [True, True, False], [True, True, True]], ["B3:C4", "B5:D5"]),
        ([[True, False, True], [True, False, True], [False, False, True]], ["B3:B4", "D3:D5"]),
        ([[False, False]], []),
    ],
)
def test_cells_are_covered_by_as_few_areas_as_line_up(mask: list[list[bool]], refs: list[str]) -> None:
    cells = [(row, col) for row, line in enumerate(mask, 3) for col, there in enumerate(line, 2) if there]
    assert [area.ref for area in rectangles(cells)] == refs
