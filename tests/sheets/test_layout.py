from __future__ import annotations

import pytest

from xlcollab.model import Model
from xlcollab.sheets.layout import MirrorLayout, TableLayout
from xlcollab.xlsx.cells import address


def test_the_dot_mirror_has_the_lessons_coordinates() -> None:
    layout = MirrorLayout(15, 15, Model(5))
    assert layout.crosstab.ref == "G1:V16"
    assert layout.ratings.ref == "H2:V16"
    assert layout.item_block.ref == "H19:V23"
    assert layout.user_block.ref == "B25:F39"
    assert layout.predictions.ref == "H25:V39"
    assert address(*layout.rmse) == "V41"
    assert layout.n_changing == 150


def test_the_bias_mirror_has_the_lessons_coordinates() -> None:
    layout = MirrorLayout(15, 15, Model(5, biased=True))
    assert layout.crosstab.ref == "G1:V16"
    assert layout.item_block.ref == "H19:V24"
    assert layout.item_factors_row == 20
    assert layout.lower_label_row == 25
    assert layout.user_block.ref == "A26:F40"
    assert layout.predictions.ref == "H26:V40"
    assert address(*layout.rmse) == "V42"
    assert address(*layout.mean) == "A19"
    assert layout.n_changing == 180


@pytest.mark.parametrize(("m", "n", "k", "biased"), [(1, 1, 1, False), (3, 7, 0, True), (40, 2, 12, True)])
def test_the_general_rule_of_the_layout_holds(m: int, n: int, k: int, biased: bool) -> None:
    layout, b = MirrorLayout(m, n, Model(k, biased=biased)), int(biased)
    assert layout.item_row == m + 4
    assert layout.lower_label_row == m + 4 + k + b
    assert layout.first_user_row == m + 5 + k + b
    assert layout.rmse[0] == 2 * m + 6 + k + b
    assert layout.label_column == k + 2
    assert (layout.first_column, layout.last_column) == (k + 3, k + 2 + n)


@pytest.mark.parametrize(
    ("m", "n", "k", "biased"), [(1, 1, 1, False), (1, 1, 0, True), (3, 7, 2, True), (4, 4, 3, False)]
)
def test_no_two_blocks_of_a_mirror_share_a_cell(m: int, n: int, k: int, biased: bool) -> None:
    layout = MirrorLayout(m, n, Model(k, biased=biased, y_range=(0, 1)))
    areas = [layout.crosstab, layout.item_block, layout.user_block, layout.user_labels, layout.item_labels]
    cells = [cell for area in [*areas, layout.predictions] for cell in area.cells()]
    cells += [layout.mean, layout.range_low, layout.range_high, layout.rmse]
    cells += [(layout.item_names_row, column) for column in range(layout.first_column, layout.last_column + 1)]
    assert len(cells) == len(set(cells))


def test_a_mirror_wider_than_a_sheet_is_known_not_to_fit() -> None:
    assert MirrorLayout(10, 16_000, Model(5)).fits_a_sheet
    assert not MirrorLayout(10, 16_384, Model(5)).fits_a_sheet
    assert not MirrorLayout(600_000, 10, Model(5)).fits_a_sheet


def test_a_table_makes_room_for_names_beside_its_labels() -> None:
    bare, named = TableLayout(15, 15, 5), TableLayout(15, 15, 5, user_names=True, item_names=True)
    assert (bare.label_row, bare.values.ref) == (6, "B7:P21")
    assert (named.label_row, named.values.ref) == (7, "C8:Q22")


def test_a_companion_table_stands_below_in_the_same_columns() -> None:
    table = TableLayout(15, 15, 5, user_names=True, item_names=True)
    companion = table.below(gap=2)
    assert companion.label_row == table.values.last_row + 3
    assert companion.values.first_col == table.values.first_col
