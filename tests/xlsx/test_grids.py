"""The quick way into tables has to give what the cells give, wherever it takes a sheet at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.xlsx.cells import Area, Cell, CellValue, address
from xlcollab.xlsx.grids import Grid, grids_of, read_grid
from xlcollab.xlsx.markup import MAIN
from xlcollab.xlsx.reading import CellReader, SheetCells, read_cells
from xlcollab.xlsx.workbook import Sheet

SheetOf = Callable[..., Sheet]
READER = CellReader("S", "p", lambda: ["zero", "one"], frozenset({7}))


def part(sheet_data: str) -> bytes:
    return f'<worksheet xmlns="{MAIN}"><sheetData>{sheet_data}</sheetData></worksheet>'.encode()


def values_in(grid: Grid, area: Area) -> list[list[CellValue]]:
    values: list[list[CellValue]] = [[None] * area.width for _ in range(area.height)]
    grid.copy_to(values, area)
    return values


def test_numbers_texts_and_gaps_are_laid_out_from_the_first_cell_to_the_last() -> None:
    grid = read_grid(
        part(
            '<row r="2"><c r="B2" t="s"><v>1</v></c><c r="C2"><v>3</v></c><c r="E2"><v>-4.5</v></c></row><row r="3"/>'
            '<row r="4"><c r="C4"><v>1</v></c><c r="D4"><v>2</v></c></row>'
        ),
        READER,
    )
    assert grid is not None
    assert grid.area == Area.parse("B2:E4")
    assert grid.rows == [["one", 3, None, -4.5], [None] * 4, [None, 1, 2, None]]


def test_what_is_used_leaves_blank_cells_with_a_style_out() -> None:
    grid = read_grid(
        part('<row r="1"><c r="A1" s="1"/><c r="C1"><v>3</v></c><c r="E1" s="1"/></row><row r="2"><c r="A2"/></row>'),
        READER,
    )
    assert grid is not None
    assert grid.area == Area.parse("A1:E2")
    assert grid.used == Area.parse("C1")


def test_formulas_are_known_by_their_place_and_show_their_values() -> None:
    grid = read_grid(
        part(
            '<row r="1"><c r="A1"><v>2</v></c><c r="B1" s="1"><f t="shared" ref="B1:B9" si="0">A1*1.5</f><v>3</v></c>'
            '<c r="C1" t="str"><f>"a"&amp;A1</f><v>a2</v></c></row>'
            '<row r="2"><c r="B2" s="1"><f t="shared" si="0"/><v>1.2E-5</v></c></row>'
            '<row r="3"><c r="A3"><v>7</v></c><c r="B3" s="1"><f t="shared" ca="1" si="0"/><v>4</v></c></row>'
            '<row r="4"><c r="B4"><f t="array" ref="B4:C5">A1:B2</f><v>5</v></c><c r="C4"><v>6</v></c></row>'
            '<row r="6"><c r="D6"><f>A1</f></c><c r="E6"><f>1.5</f></c></row>'
        ),
        READER,
    )
    assert grid is not None
    assert grid.rows[:4] == [
        [2, 3, "a2", None, None],
        [None, 1.2e-5, None, None, None],
        [7, 4, None, None, None],
        [None, 5, 6, None, None],
    ]
    assert sorted(grid.formulas) == [(1, 2), (1, 3), (2, 2), (3, 2), (4, 2), (6, 4), (6, 5)]
    assert grid.arrays == [Area.parse("B4:C5")]
    assert grid.used == Area.parse("A1:E6")


@pytest.mark.parametrize(
    "row",
    [
        "<c r='A1' t='s'><v>0</v></c>",
        '<c t="s" r="A1"><v>0</v></c>',
        "<c><v>1</v></c>",
        '<c r="A1" t="s"><v xml:space="preserve">0</v></c>',
        '<c r="A1"><v>1-2</v></c>',
        '<c r="A1" t="inlineStr"><is><r><t>a</t></r></is></c>',
        "",
    ],
)
def test_unusual_markup_is_left_to_the_cells(row: str) -> None:
    assert read_grid(part(f'<row r="1">{row}</row>'), READER) is None


@pytest.mark.parametrize(
    "row",
    [
        '<c r="C1"><v>1</v></c><c r="A1"><v>2</v></c><c r="B1"><v>3</v></c>',
        '<c r="B1"><v>1</v></c><c r="A1"><v>2</v></c><c r="F1"><v>3</v></c>',
        '<c r="A1" t="b"><v>1</v></c><c r="B1"><v>2</v></c>',
        '<c r="A1" s="7"><v>43890</v></c><c r="B1"><v>2</v></c>',
        '<c r="A1" t="inlineStr"><is><t>a &lt; b</t></is></c><c r="B1"><v>2</v></c>',
        '<c r="A1" t="e"><v>#N/A</v></c><c r="B1"><v>2</v></c>',
        '<c r="A1"><v>NaN</v></c><c r="B1"><v>1.5E-3</v></c>',
        '<c r="A1" t="n"><v>1</v></c><c r="B1" s="3" t="s"><v>1</v></c><c r="D1"><v/></c>',
    ],
)
def test_what_it_takes_is_what_the_cells_hold(row: str) -> None:
    data = part(f'<row r="1">{row}</row>')
    grid = read_grid(data, READER)
    assert grid is not None
    cells = read_cells(data, READER).cells
    assert {at: values_in(grid, Area(*at, *at))[0][0] for at in cells} == {at: cell.value for at, cell in cells.items()}


def test_a_sheet_whose_cells_are_dates_unless_a_style_says_otherwise_is_left_to_the_cells() -> None:
    data = part('<row r="1"><c r="A1"><v>43890</v></c><c r="B1" s="1"><v>2</v></c></row>')
    assert read_grid(data, READER) is not None
    assert read_grid(data, replace(READER, date_styles=frozenset({0}))) is None


CELLS = [
    's="1"><v>3</v></c>',
    "><v>-2</v></c>",
    "><v>2.5</v></c>",
    't="s"><v>1</v></c>',
    's="2"/>',
    't="b"><v>0</v></c>',
    's="1"><f>A1*1.5</f><v>1.2E-5</v></c>',
    "><f>A1</f></c>",
    't="str"><f>"5"</f><v>5</v></c>',
]


@given(
    st.dictionaries(st.tuples(st.integers(1, 5), st.integers(1, 5)), st.sampled_from(CELLS)),
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 5), st.integers(0, 5)),
)
def test_every_part_of_a_grid_is_what_the_cells_hold(
    cells: dict[tuple[int, int], str], corner: tuple[int, int, int, int]
) -> None:
    rows: dict[int, str] = {}
    for (row, col), xml in sorted(cells.items()):
        rows[row] = rows.get(row, "") + f'<c r="{address(row, col)}" {xml}'.replace(" >", ">")
    data = part("".join(f'<row r="{row}">{xml}</row>' for row, xml in rows.items()))
    grid = read_grid(data, READER)
    assert (grid is None) == (not cells)
    if grid is not None:
        row, col, height, width = corner
        area = Area(row, col, row + height, col + width)
        found = read_cells(data, READER).cells
        assert set(grid.formulas) == {at for at, cell in found.items() if cell.formula is not None}
        assert values_in(grid, area) == [
            [found[r, c].value if (r, c) in found else None for c in range(col, col + width + 1)]
            for r in range(row, row + height + 1)
        ]


def test_a_few_cells_at_the_far_corner_are_a_grid_of_their_own(sheet_of: SheetOf) -> None:
    rows = "".join(f'<row r="{r}"><c r="A{r}"><v>1</v></c></row>' for r in range(1, 4000))
    sheet = sheet_of(rows + '<row r="1048570"><c r="XFD1048570"><f>A1+1</f><v>2</v></c></row>')
    assert [grid.area for grid in sheet.grids] == [Area.parse("A1:A3999"), Area.parse("XFD1048570")]
    assert [grid.formulas for grid in sheet.grids] == [[], [(1048570, 16384)]]
    assert sheet.used == Area.parse("A1:XFD1048570")
    assert sheet.values(Area.parse("A3999:B4000")) == [[1, None], [None, None]]
    assert sheet.values(Area.parse("XFC1048570:XFD1048570")) == [[None, 2]]


def test_cells_that_are_far_from_each_other_are_parted_where_the_gaps_are_widest(sheet_of: SheetOf) -> None:
    places = [(row, col) for row in (1, 2, 500_000, 1_000_000) for col in (1, 2, 9000)]
    sheet = sheet_of(
        "".join(
            f'<row r="{row}">'
            + "".join(f'<c r="{address(row, c)}"><v>{c}</v></c>' for r, c in places if r == row)
            + "</row>"
            for row in sorted({row for row, _ in places})
        )
    )
    blocks = [
        Area(*corners) for corners in ((1, 1, 2, 9000), (500_000, 1, 500_000, 9000), (1_000_000, 1, 1_000_000, 9000))
    ]
    assert [grid.area for grid in sheet.grids] == blocks


def test_gaps_that_grow_and_grow_part_a_sheet_too() -> None:
    cells = {(n * (n + 1) // 2, n * 37 % 100 + 1): Cell(n) for n in range(1, 1448)}
    grids = grids_of(SheetCells(cells, []))
    found = {
        (grid.area.first_row + row, grid.area.first_col + col): value
        for grid in grids
        for row, values in enumerate(grid.rows)
        for col, value in enumerate(values)
        if value is not None
    }
    assert found == {place: cell.value for place, cell in cells.items()}
    assert [grid.area.first_row for grid in grids] == sorted(grid.area.first_row for grid in grids)


def test_a_patch_is_seen_by_whatever_was_read_before(sheet_of: SheetOf) -> None:
    sheet = sheet_of('<row r="1"><c r="A1"><v>1</v></c></row>')
    assert (sheet.used, sheet.values(Area.parse("A1"))) == (Area.parse("A1"), [[1]])
    sheet.patch({(1, 1): 2, (2, 2): 3})
    assert (sheet.used, sheet.values(Area.parse("A1"))) == (Area.parse("A1:B2"), [[2]])
    assert sheet.cells[2, 2].value == 3
