from __future__ import annotations

from xlcollab.model import Model
from xlcollab.sheets.formulas import ModelFormulas, clipped
from xlcollab.sheets.layout import MirrorLayout


def formulas(model: Model, *, has_mean: bool = False, sheet: str | None = None) -> ModelFormulas:
    return ModelFormulas(MirrorLayout(15, 15, model), has_mean, sheet)


def test_the_dot_prediction_and_rmse_are_the_lessons_own_formulas() -> None:
    dot = formulas(Model(5))
    assert next(dot.guarded_row(0)) == 'IF(H2="",0,MMULT($B25:$F25,H$19:H$23))'
    assert list(dot.guarded_row(14))[-1] == 'IF(V16="",0,MMULT($B39:$F39,V$19:V$23))'
    assert dot.rmse() == "SQRT(SUMXMY2(H2:V16,H25:V39)/COUNT(H2:V16))"


def test_with_biases_the_whole_sum_stands_inside_the_if() -> None:
    bias = formulas(Model(5, biased=True))
    assert next(bias.guarded_row(0)) == 'IF(H2="",0,MMULT($B26:$F26,H$20:H$24)+H$19+$A26)'
    assert bias.rmse() == "SQRT(SUMXMY2(H2:V16,H26:V40)/COUNT(H2:V16))"


def test_a_range_is_a_sigmoid_between_two_cells() -> None:
    squeezed = formulas(Model(5, biased=True, y_range=(0.5, 5.5)))
    assert list(squeezed.row(0, [0])) == ["$A$17+($A$18-$A$17)*(1+TANH((MMULT($B26:$F26,H$20:H$24)+H$19+$A26)/2))/2"]


def test_the_mean_is_added_only_where_there_is_one() -> None:
    assert list(formulas(Model(5, biased=True), has_mean=True).row(1, [2])) == [
        "MMULT($B27:$F27,J$20:J$24)+J$19+$A27+$A$19"
    ]


def test_one_factor_is_a_plain_product_and_none_leaves_the_biases() -> None:
    assert list(formulas(Model(1)).row(0, [0, 1])) == ["$B21*D$19", "$B21*E$19"]
    assert list(formulas(Model(0, biased=True)).row(0, [0])) == ["C$19+$A21"]


def test_from_another_sheet_every_reference_names_the_mirror() -> None:
    assert list(formulas(Model(5, biased=True), sheet="torch").row(0, [1])) == [
        "MMULT(torch!$B26:$F26,torch!I$20:I$24)+torch!I$19+torch!$A26"
    ]
    assert formulas(Model(5), sheet="torch (2)").rating(3, 0) == "'torch (2)'!H5"


def test_where_rows_may_be_sorted_references_are_absolute() -> None:
    other = formulas(Model(5, biased=True), has_mean=True, sheet="torch")
    assert other.prediction(0, 1) == ("MMULT(torch!$B$26:$F$26,torch!$I$20:$I$24)+torch!$I$19+torch!$A$26+torch!$A$19")
    assert other.user_vector(2) == "torch!$B$28:$F$28"
    assert other.item_vector(2) == "torch!$J$20:$J$24"


def test_clipping_is_max_and_min_over_the_scale_cells() -> None:
    assert clipped("A1*2", "$B$4", "$D$4") == "MAX($B$4,MIN($D$4,A1*2))"
