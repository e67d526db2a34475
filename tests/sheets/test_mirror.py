"""The mirror: the lesson's sheet, live, and a complete Solver model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import openpyxl
import pytest

from xlcollab.excel_solver.model import Engine, Sense
from xlcollab.excel_solver.names import minimise_model, read_models, solver_names
from xlcollab.model import Model
from xlcollab.sheets import plan
from xlcollab.sheets.layout import MirrorLayout
from xlcollab.xlsx.cells import Area, address
from xlcollab.xlsx.workbook import Sheet, Workbook

Make = Callable[..., Any]

DOT, BIAS, SQUEEZED = Model(5), Model(5, biased=True), Model(5, biased=True, y_range=(0.5, 5.5))


@pytest.fixture
def mirror(report: Make) -> Make:
    """`mirror(fit)`: the sheet of a fit by torch."""
    return lambda made: Workbook.open(report(made).path).sheet("torch")


def block(sheet: Sheet, area: str) -> np.ndarray[Any, Any]:
    return np.array(sheet.values(Area.parse(area)), dtype=float)


def test_the_dot_model_stands_where_the_lesson_has_it(fit: Make, mirror: Make) -> None:
    made = fit(model=DOT)
    sheet = mirror(made)
    assert sheet.values(Area.parse("H1:V1")) == [list(made.ratings.items)]
    assert [row[0] for row in sheet.values(Area.parse("G2:G16"))] == list(made.ratings.users)
    np.testing.assert_array_equal(block(sheet, "H2:V16"), made.ratings.dense())
    np.testing.assert_array_equal(block(sheet, "H19:V23"), made.factors.item_factors.T)
    np.testing.assert_array_equal(block(sheet, "B25:F39"), made.factors.user_factors)
    assert sheet.values(Area.parse("H24:V24")) == [list(made.ratings.items)]
    assert sheet.cells[41, 22].value == made.rmse
    assert sheet.cells[25, 8].formula.text == 'IF(H2="",0,MMULT($B25:$F25,H$19:H$23))'
    assert sheet.cells[39, 22].formula.text == 'IF(V16="",0,MMULT($B39:$F39,V$19:V$23))'
    assert sheet.cells[41, 22].formula.text == "SQRT(SUMXMY2(H2:V16,H25:V39)/COUNT(H2:V16))"


def test_the_bias_model_stands_where_the_lesson_has_it(fit: Make, mirror: Make) -> None:
    made = fit(model=BIAS)
    sheet = mirror(made)
    np.testing.assert_array_equal(block(sheet, "H19:V19"), made.factors.item_bias[None])
    np.testing.assert_array_equal(block(sheet, "H20:V24"), made.factors.item_factors.T)
    np.testing.assert_array_equal(block(sheet, "A26:A40"), made.factors.user_bias[:, None])
    np.testing.assert_array_equal(block(sheet, "B26:F40"), made.factors.user_factors)
    assert sheet.values(Area.parse("H25:V25")) == [list(made.ratings.items)]
    assert sheet.cells[26, 8].formula.text == 'IF(H2="",0,MMULT($B26:$F26,H$20:H$24)+H$19+$A26)'
    assert sheet.cells[42, 22].formula.text == "SQRT(SUMXMY2(H2:V16,H26:V40)/COUNT(H2:V16))"


def test_range_and_mean_stand_in_cells_of_their_own(fit: Make, mirror: Make) -> None:
    sheet = mirror(fit(model=SQUEEZED, mean=0.25))
    assert [sheet.cells[row, 1].value for row in (17, 18, 19)] == [0.5, 5.5, 0.25]
    assert [sheet.cells[row, 2].value for row in (17, 18, 19)] == ["range from", "range to", "μ"]


@pytest.mark.parametrize(
    "model",
    [DOT, BIAS, SQUEEZED, Model(1), Model(0, biased=True), Model(2, y_range=(0.5, 5.5))],
    ids=lambda model: model.name,
)
@pytest.mark.parametrize("mean", [0.0, -0.4])
def test_recalculated_formulas_predict_what_the_fit_predicts(
    fit: Make, ratings: Make, report: Make, recalculated: Make, model: Model, mean: float
) -> None:
    known = ratings(6, 7, 9)
    made = fit(known, model, mean=mean)
    computed = recalculated(report(made).path)
    layout, mask = MirrorLayout(6, 7, model), known.mask()
    expected = np.where(mask, made.predict_matrix(clip=False), 0.0)
    ours = np.array([computed["torch"][address(*at)] for at in layout.predictions.cells()]).reshape(6, 7)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)
    assert computed["torch"][address(*layout.rmse)] == pytest.approx(made.rmse, abs=1e-9)
    filled = np.array([computed["Predictions"][address(row, col)] for row in range(8, 14) for col in range(2, 9)])
    clipped = made.predict([*np.repeat(known.users, 7)], [*known.items] * 6).reshape(6, 7)
    np.testing.assert_allclose(filled.reshape(6, 7), np.where(mask, known.dense(), clipped), rtol=0, atol=1e-9)


@pytest.mark.parametrize("model", [DOT, SQUEEZED], ids=lambda model: model.name)
def test_solver_s_names_are_complete_and_hidden(fit: Make, report: Make, model: Model) -> None:
    book = Workbook.open(report(fit(model=model)).path)
    layout = MirrorLayout(15, 15, model)
    stored = {name.name: name for name in book.names if name.sheet == "torch" and name.name.startswith("solver_")}
    expected = dict(solver_names(minimise_model("torch", address(*layout.rmse), layout.changing)))
    assert {name: entry.text for name, entry in stored.items()} == expected
    assert len(stored) == 27
    assert all(entry.hidden for entry in stored.values())


def test_the_stored_model_minimises_the_rmse_over_all_parameters(fit: Make, report: Make) -> None:
    [model] = read_models(Workbook.open(report(fit(model=BIAS)).path))
    assert (model.objective, model.sense, model.engine) == ("torch!$V$42", Sense.MIN, Engine.GRG)
    assert [area.ref for _, area in model.changing] == ["H19:V24", "A26:F40"]
    assert model.nonnegative is False
    assert model.constraints == ()


def test_a_sheet_whose_name_needs_quotes_is_quoted_in_solver_s_names(
    fit: Make, report: Make, wrong_values: Make
) -> None:
    written = report([fit(model=Model(2)), fit(model=Model(2))])
    assert "torch_dot2 (2)" in written.sheets
    models = {model.sheet: model for model in read_models(Workbook.open(written.path))}
    assert models["torch_dot2 (2)"].objective == "'torch_dot2 (2)'!$S$38"
    assert wrong_values(written.path) == []


def test_held_out_ratings_are_blank_in_the_mirror_and_the_note_says_so(fit: Make, ratings: Make, mirror: Make) -> None:
    train, valid = ratings().split(0.2, seed=1)
    sheet = mirror(fit(train, valid=valid, valid_rmse=1.0))
    for user, item in zip(valid.user_idx.tolist(), valid.item_idx.tolist(), strict=True):
        assert sheet.cells[2 + user, 8 + item].value is None
        assert sheet.cells[25 + user, 8 + item].value == 0.0
    assert "Held-out ratings are blank here." in notes(sheet)


def notes(sheet: Sheet) -> str:
    """What stands left of the ratings, lines joined."""
    return " ".join(str(cell.value) for (row, col), cell in sorted(sheet.cells.items()) if col == 1 and row < 17)


def test_a_penalised_fit_warns_of_what_solver_would_find(fit: Make, mirror: Make, report: Make) -> None:
    warning = "The fit was held back by a penalty. Solver is not: it finds a lower RMSE and worse predictions."
    assert warning in notes(mirror(fit()))
    free = Workbook.open(report(fit(solver="scipy", penalised=False)).path).sheet("scipy")
    assert warning not in notes(free)


def test_more_than_200_changing_cells_are_beyond_excel_s_own_solver(fit: Make, ratings: Make, report: Make) -> None:
    written = report(fit(ratings(30, 15, 40), DOT))
    assert "Excel's own Solver takes 200 such cells; xlcollab solve takes all 225." in notes(
        Workbook.open(written.path).sheet("torch")
    )
    assert any("torch (225)" in note and "xlcollab solve takes any number" in note for note in written.notes)
    assert not any("changing cells" in note for note in report(fit(model=DOT)).notes)


@pytest.mark.parametrize("kind", ["user", "item"])
def test_biases_that_run_far_off_have_room(fit: Make, report: Make, kind: str) -> None:
    made = fit(model=Model(2, biased=True))
    far = replace(made.factors, **{f"{kind}_bias": np.full(15, -381904478.5)})
    sheet = openpyxl.load_workbook(report(replace(made, factors=far)).path)["torch"]
    assert sheet.column_dimensions["A" if kind == "user" else "E"].width > len("-381904478.500")


@pytest.mark.parametrize(("n_factors", "frozen"), [(5, "H2"), (8, "K2"), (12, "A2")])
def test_factors_and_labels_stay_in_sight_while_they_leave_room_to_scroll(
    fit: Make, report: Make, n_factors: int, frozen: str
) -> None:
    path = report(fit(model=Model(n_factors))).path
    assert openpyxl.load_workbook(path)["torch"].freeze_panes == frozen


def test_above_the_live_size_predictions_are_values_and_the_rmse_still_a_formula(
    fit: Make, report: Make, recalculated: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "LIVE_CELLS", 200)
    made = fit(model=DOT)
    written = report(made)
    book = Workbook.open(written.path)
    sheet, layout = book.sheet("torch"), MirrorLayout(15, 15, DOT)
    known = made.ratings.mask()
    predicted = made.predict_matrix(clip=False)
    for at in layout.predictions.cells():
        user, item = at[0] - layout.first_user_row, at[1] - layout.first_column
        if known[user, item]:
            assert sheet.cells[at].value == predicted[user, item]
            assert sheet.cells[at].formula is None
        else:
            assert sheet.cells.get(at) is None or sheet.cells[at].value is None
    assert read_models(book) == []
    assert not any(cell.formula for cell in book.sheet("Predictions").cells.values())
    assert any("holds predictions as values: 225 cells" in note for note in written.notes)
    assert recalculated(written.path)["torch"]["V41"] == pytest.approx(made.rmse, abs=1e-9)


def test_a_fit_without_factors_has_no_mirror_but_its_predictions_are_shown(
    fit: Make, ratings: Make, report: Make, network: Any, wrong_values: Make
) -> None:
    train, valid = ratings().split(0.2, seed=1)
    made = fit(train, Model(5), predictor=network, valid=valid, valid_rmse=1.0)
    written = report(made)
    assert "torch" not in written.sheets
    assert "torch has no sheet: a network of 2 layers has no factors to put into cells." in written.notes
    assert {"Predictions", "Recommendations", "Compare", "Evaluation"} <= set(written.sheets)
    assert wrong_values(written.path) == []
    cells = Workbook.open(written.path).sheet("Evaluation").cells
    assert cells[7, 13].value == made.predict(cells[7, 10].value, cells[7, 11].value)


def test_parameters_that_run_far_off_are_no_error(fit: Make, ratings: Make, report: Make, recalculated: Make) -> None:
    model = Model(1, biased=True, y_range=(0.5, 5.5))
    made = fit(ratings(4, 5, 3), model)
    made.factors.item_bias[:] = [-2000.0, 2000.0, 0.0, 900.0, -900.0]
    path = report(made).path
    cells = Workbook.open(path).sheet("torch").cells
    computed = recalculated(path)["torch"]
    for at in MirrorLayout(4, 5, model).predictions.cells():
        assert cells[at].value == pytest.approx(computed[address(*at)], abs=1e-9)
        assert 0 <= cells[at].value <= 5.5
    assert "EXP(" not in cells[11, 4].formula.text
