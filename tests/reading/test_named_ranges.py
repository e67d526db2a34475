"""A range that the user names: references, defined names and tables."""

from __future__ import annotations

import openpyxl
import pytest
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.table import Table

from xlcollab.errors import CellValueError, NoCrosstabError, RatingsError, XlcollabError
from xlcollab.reading.crosstab import read_crosstab
from xlcollab.xlsx.workbook import Workbook

SMALL = [["userId", 27, 49], [14, 3, 5], [29, 4.5, None], [72, None, 4]]
OTHER = [["who", "a", "b"], [1, 1, 2], [2, 2, 1]]


@pytest.fixture
def two_sheets(book_of):
    path = book_of({"Ours": SMALL, "Bob's": OTHER})
    book = openpyxl.load_workbook(path)
    book.defined_names["everything"] = DefinedName("everything", attr_text="Ours!$A$1:$C$4")
    book.defined_names["total"] = DefinedName("total", attr_text="SUM(Ours!$B$2:$C$4)")
    book["Bob's"].defined_names["local"] = DefinedName("local", attr_text="'Bob''s'!$A$1:$C$3")
    book.save(path)
    return Workbook.open(path)


@pytest.mark.parametrize(
    ("text", "sheet", "users"),
    [
        ("A1:C4", "ours", (14, 29, 72)),
        ("Ours!A1:C4", None, (14, 29, 72)),
        ("=Ours!$A$1:$C$4", None, (14, 29, 72)),
        ("'Bob''s'!A1:C3", None, (1, 2)),
        ("A:C", "Ours", (14, 29, 72)),
        ("1:3", "Ours", (14, 29)),
        ("everything", None, (14, 29, 72)),
        ("EVERYTHING", None, (14, 29, 72)),
        ("local", "Bob's", (1, 2)),
        ("local", None, (1, 2)),
    ],
)
def test_a_range_is_a_reference_or_a_name(two_sheets, text, sheet, users):
    assert read_crosstab(two_sheets, sheet=sheet, range=text).users == users


def test_a_table_is_named_without_its_totals_row(book_of):
    path = book_of([["Wer", "Heat", "Jaws"], ["Ann", 3, 5], ["Bob", 4, 2], ["alles", 7, 7]], at=(3, 2))
    book = openpyxl.load_workbook(path)
    table = Table(displayName="Votes", ref="B3:D6", totalsRowCount=1)
    book.active.add_table(table)
    book.save(path)
    found = read_crosstab(Workbook.open(path), range="votes")
    assert (found.range, found.users) == ("B3:D5", ("Ann", "Bob"))


def test_a_reference_without_a_sheet_is_on_the_only_one(read_from):
    assert read_from(SMALL, range="A1:B4").items == (27,)


def test_a_reference_without_a_sheet_is_refused_where_there_are_two(two_sheets):
    with pytest.raises(RatingsError, match=r"Which sheet is A1:C4 on\?.*Ours, Bob's"):
        read_crosstab(two_sheets, range="A1:C4")


def test_an_unknown_sheet_is_refused_with_the_names_there_are(two_sheets):
    with pytest.raises(XlcollabError, match=r"no sheet 'Theirs'.*Ours, Bob's"):
        read_crosstab(two_sheets, range="Theirs!A1:C4")


def test_what_is_no_range_is_refused_with_the_names_there_are(two_sheets):
    with pytest.raises(RatingsError, match=r"'nowhere' is no range of cells.*names: everything, total"):
        read_crosstab(two_sheets, range="nowhere")


def test_a_name_for_a_formula_is_refused(two_sheets):
    with pytest.raises(RatingsError, match=r"The name total stands for SUM\(.*no range of cells"):
        read_crosstab(two_sheets, range="total")


def test_a_named_range_may_hold_any_numbers(read_from):
    rows = [["word", "e1", "e2"], ["am", 0.123456789, 0.987654321], ["Sam", 0.192837465, -0.5647382910]]
    table = read_from({"S": rows}, range="S!A1:C3")
    assert table.values[0] == [0.123456789, 0.987654321]


def test_blank_margins_of_a_range_are_cut_off_and_titles_passed_over(read_from):
    rows = [["Our films", None, None], [None, None, None], *SMALL]
    assert read_from(rows, at=(3, 3), range="A1:Z99").range == "C5:E8"


def test_a_range_may_hold_a_long_table(read_from):
    rows = [["user", "item", "rating"], [1, 1, 5], [1, 2, 4], [2, 1, 3]]
    assert read_from(rows, range="A1:C3").n_ratings == 2


def test_a_range_can_be_transposed(read_from):
    assert read_from(SMALL, range="A1:C4", transpose=True).users == (27, 49)


def test_text_in_a_range_is_an_error_as_everywhere(read_from):
    with pytest.raises(CellValueError, match="Ratings!B2 holds 'x'"):
        read_from([["userId", 27, 49], [14, "x", 5], [29, 4.5, None]], range="A1:C3")


def test_a_range_of_formulas_is_refused_with_the_way_out(read_from):
    rows = [["u", "a", "b"], [1, "=1+1", "=1+2"], [2, "=2+2", "=2+3"]]
    with pytest.raises(NoCrosstabError, match=r"Ratings!A1:C3 is no table of ratings\. .*paste them as values"):
        read_from(rows, range="A1:C3")


def test_an_empty_range_is_refused_by_name(read_from):
    with pytest.raises(NoCrosstabError, match=r"Ratings!F1:H9 is no table of ratings"):
        read_from(SMALL, range="F1:H9")
