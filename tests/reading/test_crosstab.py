"""Which rectangle of a sheet holds the ratings, and what is read from it."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlcollab.errors import CellValueError, FormulaWarning, NoCrosstabError, RatingsError, SeveralCrosstabsError
from xlcollab.rating_files import read_excel
from xlcollab.ratings import Ratings
from xlcollab.reading.crosstab import find_crosstabs, read_crosstab
from xlcollab.reading.grid import Blanks, Grid, Place
from xlcollab.reading.rectangles import find_layouts
from xlcollab.xlsx.newsheet import NewSheet
from xlcollab.xlsx.workbook import MARK, Workbook

WORKBOOKS = Path(__file__).parents[2] / "workbooks"
SMALL = [["userId", 27, 49, 57], [14, 3, 5, 1], [29, 4.5, None, 5], [72, None, 4, 3]]


def outline(table):
    return table.sheet, table.range, table.users, table.items


def test_a_crosstab_is_found_wherever_it_stands(found_in):
    (table,) = found_in(SMALL, at=(5, 7))
    assert outline(table) == ("Ratings", "G5:J8", (14, 29, 72), (27, 49, 57))
    assert [list(row) for row in table.values] == [[3, 5, 1], [4.5, None, 5], [None, 4, 3]]
    assert (table.n_ratings, table.n_blanks, table.kind) == (7, 2, "crosstab")


def test_the_corner_may_be_blank(read_from):
    assert outline(read_from([[None, *SMALL[0][1:]], *SMALL[1:]])) == ("Ratings", "A1:D4", (14, 29, 72), (27, 49, 57))


def test_labels_keep_their_types(read_from):
    moments = [dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 3, 18, 30)]
    table = read_from([[None, "27", 27, *moments], ["Ann", 1, 2, 3, 4], ["Bob", 2, 3, 4, 5], ["Cleo", 5, 4, 3, 2]])
    assert table.items[:2] == ("27", 27)
    assert [type(item) for item in table.items[:2]] == [str, int]
    assert table.items[2:] in ((moments[0].date(), moments[1]), tuple(moments))
    assert table.users == ("Ann", "Bob", "Cleo")


def test_labels_lose_the_blanks_around_them_and_whole_numbers_are_ints(read_from):
    table = read_from([[None, " Heat ", "Jaws"], [1.0, 1, 2], [2.0, 3, 4]])
    assert table.items == ("Heat", "Jaws")
    assert [type(user) for user in table.users] == [int, int]


def test_a_user_without_ratings_and_an_item_without_ratings_stay(read_from):
    table = read_from([["user", "a", "b", "c"], [1, 5, None, 4], [2, None, None, None], [3, 4, None, 3]])
    assert (table.users, table.items, table.n_ratings) == ((1, 2, 3), ("a", "b", "c"), 4)


def test_titles_above_notes_beside_and_a_note_below_are_passed_over(read_from):
    rows = [
        ["Ratings of the film club", None, None, None, None, None],
        ["collected in 2024", None, None, None, None, None],
        [None] * 6,
        ["viewer", "Heat", "Jaws", "Alien", None, "ask Bob again"],
        ["Ann", 5, 4, None, None, None],
        ["Bob", None, 3, 2, None, "see mail"],
        ["Cleo", 1, None, 5, None, None],
        [None] * 6,
        ["Stars from 1 to 5", None, None, None, None, None],
    ]
    table = read_from(rows)
    assert outline(table) == ("Ratings", "A4:D7", ("Ann", "Bob", "Cleo"), ("Heat", "Jaws", "Alien"))
    assert table.user_title == "viewer"


def test_a_corner_that_says_what_the_cells_hold_names_no_users(read_from):
    table = read_from([["Rating", "Heat", "Jaws"], ["Ann", 5, 4], ["Bob", None, 3]])
    assert (table.user_title, table.item_title) == ("user", "item")
    ratings = Ratings.from_table(table)
    assert Ratings.from_frame(ratings.to_frame()).equals(ratings)


def test_a_title_right_above_the_header_is_no_header(read_from):
    table = read_from([["Film club", "spring", None, None], *SMALL])
    assert outline(table) == ("Ratings", "A2:D5", (14, 29, 72), (27, 49, 57))


def test_the_words_for_users_and_items_may_stand_beside_and_above(read_from):
    rows = [[None, None, "movieId"], [None, None, 27, 49, 57], ["userId", 14, 3, 5, 1], [None, 29, 4, None, 5]]
    assert outline(read_from(rows)) == ("Ratings", "B2:E4", (14, 29), (27, 49, 57))


def test_names_beside_the_ids_are_no_items(read_from):
    rows = [["name", "userId", 27, 49], ["Ann", 14, 3, 5], ["Bob", 29, 4, None], ["Cleo", 72, None, 1]]
    assert outline(read_from(rows)) == ("Ratings", "B1:D4", (14, 29, 72), (27, 49))


def test_names_right_of_the_ids_are_the_labels_since_they_are_no_ratings(read_from):
    rows = [["ID", "Member", "Heat", "Jaws"], [14, "Ann", 3, 5], [29, "Bob", 4, None], [72, "Cleo", None, 1]]
    assert outline(read_from(rows)) == ("Ratings", "B1:D4", ("Ann", "Bob", "Cleo"), ("Heat", "Jaws"))


def test_texts_beside_the_labels_that_many_share_are_neither_labels_nor_ratings(read_from):
    rows = [["Name", "First name", "Maths", "Art"]]
    rows += [[f"Pupil {n}", ("Ann", "Bob")[n % 2], 1 + n % 6, None if n % 5 == 0 else 3] for n in range(12)]
    table = read_from(rows)
    assert table.range == "A1:D13"
    assert (table.users[:2], table.items, table.n_ratings) == (("Pupil 0", "Pupil 1"), ("Maths", "Art"), 21)


def test_genres_above_the_ids_are_no_items(read_from):
    rows = [[None, "Crime", "Horror", "Horror"], *SMALL]
    assert outline(read_from(rows)) == ("Ratings", "A2:D5", (14, 29, 72), (27, 49, 57))


@pytest.mark.parametrize(
    "word", ["Grand Total", "Total", "Average", "Avg.", "All", "Gesamtergebnis", "Total général", "총합계"]
)
def test_totals_at_the_end_are_left_out(read_from, word):
    rows = [[*SMALL[0], word], *([*row, 7] for row in SMALL[1:]), [word, 7.5, 9, 9, 25.5]]
    assert outline(read_from(rows)) == ("Ratings", "A1:D4", (14, 29, 72), (27, 49, 57))


def test_a_last_film_called_all_stays(read_from):
    assert read_from([["user", "Heat", "All"], ["Ann", 3, 5], ["Bob", 4, 2]]).items == ("Heat", "All")


def test_a_film_called_total_in_the_middle_stays(read_from):
    assert read_from([["user", "Total", "Heat"], ["Ann", 3, 5], ["Bob", 4, 2]]).items == ("Total", "Heat")


def test_rows_and_columns_of_formulas_are_left_out(read_from):
    rows = [[*SMALL[0], "liked"], *([*row, f"=COUNTIF(B{at}:D{at},5)"] for at, row in enumerate(SMALL[1:], 2))]
    rows.append(["best", "=MAX(B2:B4)", "=MAX(C2:C4)", "=MAX(D2:D4)"])
    assert outline(read_from(rows)) == ("Ratings", "A1:D4", (14, 29, 72), (27, 49, 57))


def test_a_column_of_remarks_is_left_out_and_one_of_markers_is_not_taken_for_ratings(read_from):
    rows = [[*SMALL[0], "remarks"], [*SMALL[1], "knows all"], [*SMALL[2], None], [*SMALL[3], "new"]]
    assert outline(read_from(rows)) == ("Ratings", "A1:D4", (14, 29, 72), (27, 49, 57))
    rows = [[*row[:-1], mark] for row, mark in zip(rows, ["505", "n/a", 4, "n/a"], strict=True)]
    with pytest.raises(CellValueError, match="Ratings!E2 holds 'n/a'"):
        read_from(rows)


def test_numbers_that_nobody_rates_with_are_no_ratings(found_in):
    assert found_in([["Name", "Value", "Increase"], ["x1", 3, 1e30], ["x2", 0.5, 1]]) == []


def test_what_cannot_be_read_and_may_well_be_no_table_is_passed_over(found_in):
    timetable = [
        [None, "Mon", "Tue", "Wed"],
        ["8:00", "Maths", "Bio", None],
        [9, None, "Bio", 101],
        ["10:00", None, 101, "Art"],
        [11, "Art", 101, 101],
    ]
    assert found_in(timetable) == []
    addresses = [["Name", "No", "City", "ZIP"], *([f"N {n}", n, f"City {n}", 8000 + n] for n in range(9))]
    assert found_in(addresses) == []
    dice = random.Random(1)
    junk = [
        [dice.choice([None, dice.randint(1, 99), f"entry {dice.randint(1, 99)}"]) for _ in range(12)] for _ in range(80)
    ]
    assert [table.range for table in found_in(junk) if table.problem] == []


def test_solvers_reports_hold_no_ratings_in_whatever_language(found_in):
    answer = [
        [None, "Célula", "Nome", "Valor Original", "Valor Final", "Número inteiro"],
        *([None, f"$B${row}", f"x{row} total", row, 2 * row, "Contin"] for row in (6, 7, 8)),
        [],
        [None, "Célula", "Nome", "Valor da Célula", "Fórmula", "Estado", "Margem"],
        *([None, f"$D${row}", f"r{row}", row, f"$D${row}<=$F${row}", "Enlace", 0] for row in (6, 7, 8, 9)),
    ]
    sensitivity = [
        [None, None, None, "Final", "Reduced", "Objective", "Allowable", "Allowable"],
        [None, "Cell", "Name", "Value", "Cost", "Coefficient", "Increase", "Decrease"],
        *([None, f"Plan!$B${row}", f"x{row} total", row, 0, 360, 1e30 if row == 6 else 9, 0] for row in (6, 7, 8)),
    ]
    limits = [
        [None, "Cell", "Name", "Value", None, "Limit", "Result", None, "Limit", "Result"],
        *([None, f"$B${row}", "ship", row, None, row, 2, None, row + 1, 3] for row in (6, 7, 8)),
    ]
    scenarios = [
        [None, None, "Current Values:", "low", "high"],
        *([None, f"$B${row}:$B$9", row, 1, 5] for row in (6, 7, 8)),
    ]
    reports = {"Relatório de Resposta 1": answer, "Sensitivity": sensitivity, "Limits": limits, "Scenarios": scenarios}
    assert found_in(reports) == []
    (table,) = found_in({**reports, "Ratings": SMALL})
    assert table.sheet == "Ratings"


def test_ratings_are_found_among_the_addresses_of_cells(found_in):
    rows = [
        [None, None, "a", "b", "c"],
        ["$B$6", "Ann", 5, 4, None],
        ["see $B$7", "Bob", 3, None, 2],
        [None, "Cy", 1, 2, 3],
    ]
    (table,) = found_in(rows)
    assert (table.range, table.users) == ("B1:E4", ("Ann", "Bob", "Cy"))


def test_a_formula_among_the_ratings_is_no_rating_and_is_told_of(read_from):
    rows = [list(row) for row in SMALL]
    rows[1][1] = "=9/2"
    with pytest.warns(FormulaWarning, match=r"1 in all, the first in \w+!B2.*paste them as values"):
        table = read_from(rows)
    assert table.values[0][0] is None
    assert table.n_ratings == 6


def test_formulas_among_the_ratings_of_a_long_table_are_told_of(read_from):
    rows = [
        ["user", "item", "rating"],
        *([f"u{at % 3}", f"i{at // 3}", at % 5 if at % 4 else "=2+2"] for at in range(9)),
    ]
    with pytest.warns(FormulaWarning, match=r"3 in all, the first in \w+!C2"):
        assert read_from(rows).n_ratings == 6


def test_a_row_and_column_of_means_by_formula_are_no_word_worth(read_from):
    rows = [[*SMALL[0], "mine"], *([*row, "=AVERAGE(B2:D2)"] for row in SMALL[1:])]
    assert read_from(rows).n_ratings == 7


def test_a_table_of_formulas_holds_no_ratings_and_the_error_says_how_to_make_them_some(book_of):
    rows = [["user", "a", "b"], [1, "=1+1", "=2+1"], [2, "=3+1", "=1+2"]]
    with pytest.raises(NoCrosstabError, match="pasted as values"):
        read_crosstab(Workbook.open(book_of(rows)))


def test_labels_may_be_formulas(shared):
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    (table,) = find_crosstabs(book, sheet="movielens_1hot")
    assert (table.kind, table.range, table.n_ratings) == ("long", "I2:M208", 206)


def test_a_label_that_is_a_formula_without_a_value_is_named_and_the_row_below_it_no_header(read_from):
    rows = [["user", 27, 49, 57], ["=A9", 1, 2, 3], ["Bob", 2.5, None, 4], ["Cy", 5, 4, 3]]
    with pytest.raises(RatingsError, match=r"Ratings!A2 is empty, but Ratings!B2 beside the ratings holds a number"):
        read_from(rows)
    with pytest.raises(RatingsError, match=r"Ratings!C1 is empty"):
        read_from([["user", 27, "=C9", 57], ["Al", 1, 2, 3], ["Bob", 2.5, None, 4], ["Cy", 5, 4, 3]])


def test_text_among_the_ratings_names_the_cell_and_both_ways_out(found_in, read_from):
    rows = [list(row) for row in SMALL]
    rows[2][2] = "n/a"
    with pytest.raises(CellValueError) as caught:
        read_from(rows)
    assert str(caught.value) == (
        "Ratings!C3 holds 'n/a'; ratings are numbers or empty. Empty the cell, or pass blanks=('n/a',)."
    )
    assert (caught.value.sheet, caught.value.cell) == ("Ratings", "C3")
    (table,) = found_in(rows)
    assert table.n_ratings == 7
    assert isinstance(table.problem, CellValueError)
    assert read_from(rows, blanks=("N/A",)).n_ratings == 7
    assert read_from(rows, blanks=("n/a", "-")).n_blanks == 2


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("#N/A", r"holds #N/A; .*blanks=\('#N/A',\)"),
        (True, "holds TRUE; .*type a number"),
        (dt.date(2024, 5, 1), "holds the date 2024-05-01; .*format it as a number"),
        ("4", "holds the text '4'; .*Turn it into a number"),
        ("4,5", "holds the text '4,5'; .*Turn it into a number"),
    ],
)
def test_whatever_is_no_number_is_named_with_a_way_out(read_from, value, said):
    rows = [list(row) for row in SMALL]
    rows[1][3] = value
    with pytest.raises(CellValueError, match=f"Ratings!D2 {said}"):
        read_from(rows)


def test_a_sheet_name_with_blanks_is_quoted_in_the_message(read_from):
    rows = [list(row) for row in SMALL]
    rows[1][3] = "?"
    with pytest.raises(CellValueError, match="'Bob''s films'!D2 holds"):
        read_from({"Bob's films": rows})


@pytest.mark.parametrize("marker", [0, "0", 0.0])
def test_a_number_can_mean_not_rated_and_still_be_a_label(read_from, marker):
    table = read_from([["user", 0, 1], [0, 5, 0], [1, 0, 3], [2, 4, 4]], blanks=(marker,))
    assert (table.users, table.items, table.n_ratings) == ((0, 1, 2), (0, 1), 4)


def test_cells_of_blanks_only_are_blank(read_from):
    rows = [list(row) for row in SMALL]
    rows[1][2] = "  "
    assert read_from(rows).n_ratings == 6


def test_a_row_of_numbers_without_a_user_is_not_dropped_silently(read_from):
    with pytest.raises(RatingsError, match=r"Ratings!A5 is empty, but Ratings!B5 beside .*--range"):
        read_from([*SMALL, [None, 5, 4, 3]])


def test_a_column_of_numbers_without_an_item_is_not_dropped_silently(read_from):
    with pytest.raises(RatingsError, match=r"Ratings!E1 is empty, but Ratings!E2 beside .*--range"):
        read_from([[*SMALL[0], None], *([*row, 5] for row in SMALL[1:])])


GAP = [None, None, None, None]
MORE = [[81, 4, 5, None], [90, 5, None, 3]]


def test_an_empty_row_with_more_ratings_below_is_refused_and_the_range_is_the_way_out(read_from):
    with pytest.raises(
        RatingsError, match=r"row of Ratings!A5 is empty, .* Ratings!A6 on .*Delete .*--range"
    ) as refused:
        read_from([*SMALL, GAP, *MORE])
    assert (refused.value.sheet, refused.value.cell) == ("Ratings", "A5")
    assert read_from([*SMALL, GAP, *MORE], range="A1:D4").users == (14, 29, 72)


@pytest.mark.parametrize(
    ("more", "blanks"),
    [
        pytest.param([[81, 4, 0, 5], [90, 5, 3, 0]], (0,), id="a number that marks no rating"),
        pytest.param([[81, 2.5, 4, None], [90, 5, None, 3.5]], (), id="half stars"),
    ],
)
def test_ratings_of_other_values_are_more_of_the_table_too(read_from, more, blanks):
    with pytest.raises(RatingsError, match="row of Ratings!A5 is empty"):
        read_from([*SMALL, GAP, *more], blanks=blanks)


def test_so_is_an_empty_column_with_more_ratings_beside_it(read_from):
    rows = [[*SMALL[0], None, 72, 79, 89], *([*row, None, 4, 3, 5] for row in SMALL[1:])]
    with pytest.raises(RatingsError, match=r"column of Ratings!E1 is empty, .* Ratings!F1 on .*Delete .*--range"):
        read_from(rows)
    assert read_from(rows, range="A1:D4").items == (27, 49, 57)
    for row in rows[1:]:
        row[5] = 17
    assert read_from(rows).items == (27, 49, 57)


@pytest.mark.parametrize(
    "below",
    [
        pytest.param([["n", 2, 2, 3]], id="one row of another kind"),
        pytest.param([[81, 4, 5, None]], id="one row alone may be anything"),
        pytest.param([[81, 17, 5, None], [90, 5, 23, 3]], id="numbers that are no ratings here"),
        pytest.param([[81, 2, None, None], [90, None, None, 3]], id="hardly filled"),
        pytest.param([["Anna", 4, 5, 3], ["Bob", 5, 5, 3]], id="texts below numbers"),
        pytest.param([[14, 4, 5, 3], [29, 5, 5, 3]], id="the same users again"),
        pytest.param([[None, 27, 49, 57], [81, 4, 5, None], [90, 5, None, 3]], id="another table with a header"),
        pytest.param([GAP, *MORE], id="further away"),
    ],
)
def test_what_is_not_more_of_the_table_may_stand_below_it(read_from, below):
    assert read_from([*SMALL, GAP, *below]).users == (14, 29, 72)


NAMED = [["userId", "Heat", "Jaws", "Up"], ["Ann", 3, 5, 1], ["Bob", 4, None, 5], ["Cleo", None, 4, 3]]


@pytest.mark.parametrize(
    "below",
    [
        pytest.param([["mean", 4, 5, 3], ["count", 2, 2, 3]], id="totals"),
        pytest.param([["Min", 3, 4, 1], ["Max", 4, 5, 5]], id="extremes"),
        pytest.param([["dislike", 1], ["like", 5]], id="a legend"),
        pytest.param([["Comedy", None, 1, 1], ["Drama", 1, None, 1]], id="genres"),
    ],
)
def test_nor_is_what_people_write_below_names(read_from, below):
    assert read_from([*NAMED, GAP, *below]).users == ("Ann", "Bob", "Cleo")


def test_what_else_is_known_of_users_may_stand_beside_the_table(read_from):
    beside = [["Group", "Visits"], [1, 3], [2, 2], [1, 5]]
    rows = [[*row, None, *more] for row, more in zip(NAMED, beside, strict=True)]
    assert read_from(rows).items == ("Heat", "Jaws", "Up")


@pytest.mark.parametrize("label", ["#REF!", True])
def test_a_label_that_is_none_does_not_cut_the_table_short(read_from, label):
    rows = [["userId", 27, label, 57], *SMALL[1:]]
    with pytest.raises(RatingsError, match=rf"Ratings!C1 holds {str(label).upper()}, which is no label"):
        read_from(rows)


def test_factors_below_and_beside_the_ratings_are_none(read_from):
    noise = [0.314159265, 1.4142135, 2.718281828]
    rows = [*SMALL, [None] * 4, ["Vocab", "e1", "e2", "e3"], *([word, *noise] for word in ("am", "and", "Sam"))]
    assert read_from(rows).range == "A1:D4"


def test_of_two_on_one_sheet_the_upper_left_wins(found_in, read_from):
    left = [[*a, None, *b] for a, b in zip(SMALL, [["who", "x", "y"], [1, 2, 2], [2, 5, 1], [3, 3, 3]], strict=True)]
    assert [table.range for table in found_in(left)] == ["A1:D4", "F1:H4"]
    assert read_from(left).range == "A1:D4"
    below = [["who", "x", "y"], [1, 2, 2], [2, 5, 1], [None], *SMALL]
    assert read_from(below).range == "A1:C3"


def test_different_ones_on_two_sheets_are_an_error_that_lists_the_choices(read_from):
    other = [["who", "x", "y"], [1, 2, 2], [2, 5, 1]]
    with pytest.raises(SeveralCrosstabsError) as caught:
        read_from({"2023": SMALL, "All films": other})
    assert '--sheet 2023 (A1:D4, 3 users × 3 items); --sheet "All films" (A1:C3, 2 users × 2 items)' in str(
        caught.value
    )
    assert read_from({"2023": SMALL, "All films": other}, sheet="all FILMS").sheet == "All films"


def test_the_same_ratings_on_several_sheets_count_once_as_crosstab_or_long_table(found_in, read_from):
    long = [["userId", "movieId", "rating"]]
    long += [[row[0], item, v] for row in SMALL[1:] for item, v in zip(SMALL[0][1:], row[1:], strict=True) if v]
    sheets = {"raw data": long, "wide": SMALL, "copy": SMALL}
    (table,) = found_in(sheets)
    assert (table.sheet, table.kind, table.copies) == ("raw data", "long", ("wide!A1:D4", "copy!A1:D4"))
    assert read_from(sheets).sheet == "raw data"


def test_a_sheet_that_xlcollab_wrote_is_read_only_if_it_is_named(book_of, tmp_path):
    book = Workbook.open(book_of({"Films": SMALL}))
    mine = NewSheet("Predictions")
    mine.block(1, 1, [["user", 1, 2], [1, 4, 4], [2, 3, 3]])
    book.add(mine)
    assert book.names.find(MARK, "Predictions").hidden
    assert [table.sheet for table in find_crosstabs(book)] == ["Films"]
    assert read_crosstab(book, sheet="Predictions").users == (1, 2)


def test_where_xlcollab_wrote_all_sheets_the_error_says_so():
    book = Workbook.new()
    mine = NewSheet("Predictions")
    mine.block(1, 1, [["user", 1, 2], [1, 4, 4], [2, 3, 3]])
    book.add(mine)
    with pytest.raises(NoCrosstabError, match=r"written by xlcollab.*--sheet"):
        read_crosstab(book)


def test_a_hidden_sheet_counts_only_where_no_visible_one_holds_ratings(book_of):
    other = [["who", "x", "y"], [1, 2, 2], [2, 5, 1]]
    path = book_of({"Old": other, "Films": SMALL, "Notes": [["hello"]]})
    book = openpyxl.load_workbook(path)
    book["Old"].sheet_state = "hidden"
    book.save(path)
    assert read_crosstab(Workbook.open(path)).sheet == "Films"
    assert read_crosstab(Workbook.open(path), sheet="Old").sheet == "Old"
    book["Films"].sheet_state = "veryHidden"
    book.remove(book["Old"])
    book.save(path)
    assert read_crosstab(Workbook.open(path)).sheet == "Films"


def test_transposed_users_stand_across_the_top(read_from):
    table = read_from(SMALL, transpose=True)
    assert (table.users, table.items) == ((27, 49, 57), (14, 29, 72))
    assert [list(row) for row in table.values] == [[3, 4.5, None], [5, None, 4], [1, 5, 3]]
    assert (table.range, table.n_ratings) == ("A1:D4", 7)


def test_hidden_rows_and_merged_titles_make_no_difference(book_of):
    path = book_of([[None, "Films", None, None], *SMALL])
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("B1:D1")
    book.active.row_dimensions[4].hidden = True
    book.active.column_dimensions["C"].hidden = True
    book.save(path)
    assert outline(read_crosstab(Workbook.open(path))) == ("Ratings", "A2:D5", (14, 29, 72), (27, 49, 57))


def test_one_user_or_one_item_needs_a_known_word_in_the_corner_or_a_range(found_in):
    assert found_in([["amount", "tax"], [3, 4]]) == []
    (one,) = found_in([["userId", "Heat", "Jaws"], ["Ann", 5, 3]])
    assert (one.users, one.items) == (("Ann",), ("Heat", "Jaws"))
    (named,) = found_in([["who", "Heat"], ["Ann", 5], ["Bob", 3]], range="A1:B3")
    assert (named.users, named.items) == (("Ann", "Bob"), ("Heat",))


def test_an_empty_workbook_holds_none(read_from):
    with pytest.raises(NoCrosstabError, match=r"no table of ratings on .*book.xlsx.*--range"):
        read_from([[None]])


# Pivot tables

PIVOT = [
    ["Genre", "(Alle)", None, None, None],
    [None] * 5,
    ["Summe von rating", "Spaltenbeschriftungen", None, None, None],
    ["Zeilenbeschriftungen", 27, 49, 57, "Alles"],
    [14, 3, 5, 1, 9],
    [29, 4.5, None, 5, 9.5],
    [72, None, 4, 3, 7],
    ["Alles", 7.5, 9, 9, 25.5],
]


def test_grand_totals_of_a_pivot_are_left_out_whatever_they_are_called(pivot_book):
    path = pivot_book(PIVOT, "A3:E8", [None, None, None, "grand"], [None, None, None, "grand"])
    table = read_crosstab(Workbook.open(path))
    assert outline(table) == ("Ratings", "A4:D7", (14, 29, 72), (27, 49, 57))
    assert table.n_ratings == 7


def test_subtotals_of_a_pivot_are_left_out(pivot_book):
    rows = [*PIVOT[:6], ["Zwischensumme", 7.5, 5, 6, 18.5], *PIVOT[6:]]
    path = pivot_book(rows, "A3:E9", [None, None, "default", None, "grand"], [None, None, None, "grand"])
    assert read_crosstab(Workbook.open(path)).users == (14, 29, 72)


def test_a_pivot_without_grand_totals_is_read_whole(pivot_book):
    rows = [row[:4] for row in PIVOT[:7]]
    path = pivot_book(rows, "A3:D7", [None, None, None], [None, None, None])
    assert outline(read_crosstab(Workbook.open(path))) == ("Ratings", "A4:D7", (14, 29, 72), (27, 49, 57))


# Long tables on sheets


def test_known_header_names_make_a_long_table_whatever_stands_between(read_from):
    rows = [
        ["no", "user_id", "title", "Movie ID", "Score", "timestamp"],
        [1, "Ann", "Heat", 27, 4.5, 881250949],
        [2, "Bob", "Jaws", 49, 3, 891717742],
        [3, "Ann", "Jaws", 49, None, 891717743],
    ]
    table = read_from(rows)
    assert (table.kind, table.range, table.n_ratings) == ("long", "B1:F4", 2)
    ratings = Ratings.from_table(table)
    assert (ratings.users, ratings.items) == (("Ann", "Bob"), (27, 49))
    assert ratings.values.tolist() == [4.5, 3]
    assert ratings.timestamps.tolist() == [881250949, 891717742]
    assert (ratings.user_title, ratings.item_title) == ("user_id", "Movie ID")


def test_repeats_in_the_first_of_three_columns_make_a_long_table(read_from):
    rows = [["Wer", "Was", "Wie"], ["Ann", "Heat", 5], ["Ann", "Jaws", 3], ["Bob", "Heat", 4]]
    table = read_from(rows)
    assert (table.kind, table.users, table.items, table.n_ratings) == ("long", ("Ann", "Bob"), ("Heat", "Jaws"), 3)


def test_a_long_table_needs_no_header(read_from):
    rows = [[196, 242, 3, 881250949], [186, 302, 3, 891717742], [196, 377, 1, 878887116], [22, 377, 2, 880606923]]
    table = read_from(rows, at=(2, 2))
    assert (table.kind, table.range, table.n_ratings, table.users) == ("long", "B2:E5", 4, (196, 186, 22))


def test_a_date_is_a_timestamp(read_from):
    rows = [["user", "item", "rating", "date"], [1, 1, 5, dt.date(1970, 1, 2)], [1, 2, 4, dt.datetime(1970, 1, 1, 1)]]
    assert Ratings.from_table(read_from(rows)).timestamps.tolist() == [86400, 3600]


def test_text_as_a_rating_of_a_long_table_names_its_cell(read_from):
    rows = [["user", "item", "rating"], [1, 1, 5], [1, 2, "good"], [2, 1, 3]]
    with pytest.raises(CellValueError, match=r"Ratings!C3 holds 'good'; .*blanks=\('good',\)"):
        read_from(rows)
    assert read_from(rows, blanks=("good",)).n_ratings == 2


def test_ratings_that_are_formulas_make_no_long_table(found_in):
    assert found_in([["user", "item", "rating"], [1, 1, "=2+3"], [1, 2, "=2+2"]]) == []


# The course's workbook


def test_the_course_workbook_holds_one_crosstab_four_times(shared):
    book = Workbook.open(shared / "data" / "collab_filter.xlsx")
    (table,) = find_crosstabs(book)
    assert (table.sheet, table.range, table.n_ratings, table.n_blanks) == ("dotprod", "G1:V16", 206, 19)
    assert table.copies == ("movielens_1hot!I2:M208", "movielens_emb!I2:K208", "bias!G1:V16")
    assert (table.user_title, table.item_title) == ("userId", "movieId")
    assert find_crosstabs(book, sheet="word_emb") == []


def test_the_shipped_workbook_holds_the_ratings_of_the_course(shared):
    shipped = read_excel(WORKBOOKS / "movielens_15x15.xlsx")
    course = read_excel(shared / "data" / "collab_filter.xlsx")
    assert shipped.equals(course)
    assert (shipped.users, shipped.items) == (course.users, course.items)


# Any crosstab, anywhere

LABELS = st.one_of(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=8, unique=True),
    st.lists(st.text("abcdefghij", min_size=4, max_size=8), min_size=2, max_size=8, unique=True),
)


@given(LABELS, LABELS, st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 5), st.sampled_from([None, "x 1", "q"]))
def test_any_crosstab_is_found_exactly(users, items, bits, top, left, corner):
    dice = random.Random(bits)
    body = [[dice.choice([None, 1, 2, 3, 3.5, 4, 5]) for _ in items] for _ in users]
    body[0][0] = body[-1][-1] = 4
    width = left + 1 + len(items)
    rows = [[None] * width for _ in range(top)]
    rows += [[None] * left + [corner, *items]]
    rows += [[None] * left + [user, *row] for user, row in zip(users, body, strict=True)]
    (layout,) = find_layouts(Grid.of(Place.on_sheet("S"), rows, blanks=Blanks()))
    assert layout.problem is None
    assert layout.corners == (top, left, top + len(users), left + len(items))
