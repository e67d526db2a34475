"""Every textbook model ends at the optimum that its source gives, in a book that holds true afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import xlcollab as xc


def close(value: float, wanted: float, tolerance: float) -> bool:
    return abs(value - wanted) <= tolerance * max(1.0, abs(wanted))


def test_the_answer_is_the_one_of_the_textbook(textbook, write_models, stored_values, tmp_path) -> None:
    out = tmp_path / "solved.xlsx"
    (model,) = xc.solve(write_models(textbook), out).models
    assert model.code == textbook.code, model.message
    assert close(model.value, textbook.optimum, textbook.tolerance), (model.value, textbook.source)
    cells = stored_values(out)[textbook.sheet]
    for place, wanted in textbook.answer.items():
        assert close(cells[place][0], wanted, 10 * textbook.tolerance), (place, cells[place], wanted)
    # sums of many products may be added up in another order when cells are written than when they are optimised
    assert cells[textbook.objective][0] == pytest.approx(model.value, rel=1e-12)


def test_the_solved_book_agrees_with_gnumeric_and_meets_all_constraints(
    textbook, write_models, recalculated: Callable, wrong_values: Callable, tmp_path: Path, books
) -> None:
    out = tmp_path / "solved.xlsx"
    xc.solve(write_models(textbook), out)
    assert wrong_values(out) == []
    values = recalculated(out)[textbook.sheet]
    for left, relation, *right in textbook.constraints:
        for place, limit in pairs(left, right, values, textbook, books):
            value = values.get(place) or 0.0
            assert meets(value, relation, limit), (place, value, relation, limit)


def pairs(left: str, right: list[str], values: dict, textbook, books):
    places = cells_of(left)
    if not right:
        return [(place, 0.0) for place in places]
    text = right[0]
    if text.startswith("="):
        return [(place, _number(textbook.defined.get(text[1:], text[1:]))) for place in places]
    if not text[0].isalpha():
        return [(place, float(text)) for place in places]
    limits = cells_of(text)
    return [(place, values.get(limits[i % len(limits)]) or 0.0) for i, place in enumerate(places)]


def _number(formula: str) -> float:
    """A right side of numbers only, with Excel's power and percent."""
    return float(eval(formula.replace("^", "**").replace("%", "/100")))


def cells_of(text: str) -> list[str]:
    from xlcollab.xlsx.cells import Area, address

    return [address(*cell) for cell in Area.parse(text).cells()]


def meets(value: float, relation: str, limit: float) -> bool:
    slack = 1e-6 * max(1.0, abs(limit))
    return {
        "<=": value <= limit + slack,
        ">=": value >= limit - slack,
        "=": abs(value - limit) <= slack,
        "int": value == round(value),
        "bin": value in (0, 1),
    }[relation]
