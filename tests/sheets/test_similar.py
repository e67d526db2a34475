from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from xlcollab.model import Factors, Model
from xlcollab.sheets import similar
from xlcollab.xlsx.workbook import Workbook

Make = Callable[..., Any]
Table = list[dict[str, Any]]


@pytest.mark.parametrize("kind", ["item", "user"])
def test_the_list_is_the_fit_s_own(fit: Make, report: Make, table: Make, kind: str) -> None:
    made = fit(model=Model(3, biased=True))
    found = table(report(made).path, "Similar", f"similar {kind}")
    own = made.similar_items if kind == "item" else made.similar_users
    for label in made.ratings.items if kind == "item" else made.ratings.users:
        expected = own(label, n=similar.N_SIMILAR)
        lines = [line for line in found if line[kind] == label]
        assert [line["rank"] for line in lines] == [1, 2, 3, 4, 5]
        assert [line[f"similar {kind}"] for line in lines] == expected[kind].tolist()
        assert [line["similarity"] for line in lines] == pytest.approx(expected["similarity"].tolist(), abs=1e-12)


def test_each_cosine_is_a_formula_over_the_factor_cells_of_the_mirror(fit: Make, report: Make) -> None:
    book = Workbook.open(report(fit(model=Model(5, biased=True))).path)
    cells = book.sheet("Similar").cells
    items = {101 + n: f"torch!${'HIJKLMNOPQRSTUV'[n]}$20:${'HIJKLMNOPQRSTUV'[n]}$24" for n in range(15)}
    one, other = items[cells[8, 1].value], items[cells[8, 3].value]
    assert cells[8, 4].formula.text == f"SUMPRODUCT({one},{other})/SQRT(SUMSQ({one})*SUMSQ({other}))"
    users = {11 + n: f"torch!$B${26 + n}:$F${26 + n}" for n in range(15)}
    one, other = users[cells[8, 6].value], users[cells[8, 8].value]
    assert cells[8, 9].formula.text == f"SUMPRODUCT({one},{other})/SQRT(SUMSQ({one})*SUMSQ({other}))"


def test_a_changed_factor_cell_changes_the_cosine(fit: Make, report: Make, recalculated: Make) -> None:
    made = fit(model=Model(2))
    written = report(made)
    book = Workbook.open(written.path)
    book.sheet("torch").patch({(19, 5): 5.0, (20, 5): 0.0})
    book.save(written.path, force=True)
    Q = made.factors.item_factors
    line = {key: recalculated(written.path)["Similar"][f"{key}8"] for key in "ACD"}
    other = Q[made.ratings.items.index(int(line["C"]))]
    assert line["A"] == 101
    assert line["D"] == pytest.approx(other[0] / np.hypot(*other), abs=1e-9)


def test_who_has_no_rating_or_no_direction_is_not_listed(fit: Make, ratings: Make, report: Make, table: Make) -> None:
    known = ratings()
    known = known.select((known.user_idx != 4) & (known.item_idx != 2))
    made = fit(known, Model(2))
    Q = made.factors.item_factors.copy()
    Q[5] = 0.0
    P = np.abs(made.factors.user_factors)
    factors = Factors(P, Q, made.factors.user_bias, made.factors.item_bias)
    path = report(replace(made, factors=factors)).path
    items = {line[key] for line in table(path, "Similar", "similar item") for key in ("item", "similar item")}
    users = {line[key] for line in table(path, "Similar", "similar user") for key in ("user", "similar user")}
    assert items == set(known.items) - {known.items[2], known.items[5]}
    assert users == set(known.users) - {known.users[4]}


def test_opposites_and_those_with_nothing_in_common_are_not_called_similar(
    fit: Make, report: Make, table: Make
) -> None:
    made = fit(model=Model(2))
    Q = np.tile([1.0, 2.0], (15, 1))
    Q[0], Q[1], Q[2], Q[3:6] = [0.0, 3.0], [3.0, 0.0], [-1.0, 0.0], [-1.0, 0.5]
    factors = Factors(made.factors.user_factors, Q, made.factors.user_bias, made.factors.item_bias)
    found = table(report(replace(made, factors=factors)).path, "Similar", "similar item")
    neighbours = {item: [line["similar item"] for line in found if line["item"] == item] for item in (101, 102, 103)}
    assert neighbours[103] == [104, 105, 106]
    assert 102 not in neighbours[101]
    assert 103 not in neighbours[102]
    assert min(line["similarity"] for line in found) > 0


def test_where_nobody_is_alike_the_sheet_says_so(fit: Make, ratings: Make, report: Make) -> None:
    cells = Workbook.open(report(fit(ratings(1, 7, 0), Model(2))).path).sheet("Similar").cells
    assert "Users: none are alike" in {cell.value for cell in cells.values()}


def test_long_lists_end_at_a_whole_item(fit: Make, report: Make, table: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "MOST_ROWS", 23)
    path = report(fit(model=Model(2))).path
    assert [line["item"] for line in table(path, "Similar", "similar item")] == [
        n for n in range(101, 105) for _ in range(5)
    ]
    assert Workbook.open(path).sheet("Similar").cells[6, 1].value == "Items, the first 4 of 15"


def test_a_fit_without_two_factors_gives_way_to_a_penalised_one_that_has_them(fit: Make, report: Make) -> None:
    flat = fit(model=Model(0, biased=True), solver="bayes")
    unpenalised = fit(model=Model(4), solver="scipy", penalised=False)
    written = report([unpenalised, fit(model=Model(2)), flat])
    cells = Workbook.open(written.path).sheet("Similar").cells
    assert cells[2, 1].value == "torch: dot, 2 factors"
    shown = str(Workbook.open(written.path).sheet("Predictions").cells[2, 1].value)
    assert shown.startswith("Blanks filled by bayes: bias, 0 factors. ")
    assert "Similar and Map show torch: the fit in Predictions has fewer than two factors to compare." in written.notes


def test_of_several_the_one_with_the_least_held_out_error_is_taken(fit: Make, ratings: Make, report: Make) -> None:
    train, valid = ratings().split(0.2, seed=0)
    fits = [
        fit(train, Model(2), solver="als", valid=valid, valid_rmse=0.9),
        fit(train, Model(3), valid=valid, valid_rmse=1.0),
        fit(train, Model(1, biased=True), solver="bayes", valid=valid, valid_rmse=0.8),
    ]
    assert Workbook.open(report(fits).path).sheet("Similar").cells[2, 1].value == "als: dot, 2 factors"


def test_without_such_a_fit_similar_and_map_are_left_out_with_a_note(fit: Make, report: Make) -> None:
    written = report([fit(model=Model(5), solver="scipy", penalised=False), fit(model=Model(1))])
    assert not {"Similar", "Map"} & set(written.sheets)
    assert "Similar and Map are left out: no penalised fit has two factors or more to compare." in written.notes
