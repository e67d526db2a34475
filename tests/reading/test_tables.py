"""Writing ratings and reading them again, parquet, names and pairs."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xlcollab.errors import CannotWriteError, DuplicateError, FileError, NoCrosstabError, OptionError, RatingsError
from xlcollab.rating_files import read_excel, read_names, read_ratings, write_ratings
from xlcollab.ratings import Ratings
from xlcollab.reading.tables import read_pairs
from xlcollab.table_writing import write_rows
from xlcollab.xlsx.workbook import Workbook

KINDS = [".csv", ".tsv", ".xlsx", ".parquet"]


@pytest.fixture
def ratings():
    return Ratings.from_arrays([14, 14, 29, 72], [27, 49, 27, 57], [3, 4.5, 5, 1], [10, 20, 30, 40])


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("form", ["crosstab", "long"])
def test_every_kind_and_form_is_read_as_it_was_written(ratings, tmp_path, suffix, form):
    path = tmp_path / f"out{suffix}"
    write_ratings(ratings, path, form=form)
    back = read_ratings(path)
    assert back.equals(ratings)
    assert (back.users, back.items, back.source.kind) == (ratings.users, ratings.items, form)
    assert [type(label) for label in back.users + back.items] == [int] * 6
    if form == "long":
        assert back.timestamps.tolist() == [10, 20, 30, 40]


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("form", ["crosstab", "long"])
def test_texts_in_any_script_are_read_as_they_were_written(tmp_path, suffix, form):
    ratings = Ratings.from_arrays(["Zoë", "李雷"], ['say "hi", Amélie', "Das\tBoot; 2"], [4.25, 3])
    path = tmp_path / f"out{suffix}"
    write_ratings(ratings, path, form=form)
    assert read_ratings(path).equals(ratings)


@pytest.mark.parametrize("form", ["crosstab", "long"])
def test_a_workbook_keeps_every_type_of_label_and_takes_none_for_a_formula(tmp_path, form):
    users = ["=1+1", "+49", "@home", "27", 27, dt.date(2024, 1, 2)]
    ratings = Ratings.from_arrays(users, ["a"] * 3 + ["b"] * 3, [1, 2, 3, 4, 5, 1])
    path = tmp_path / "out.xlsx"
    write_ratings(ratings, path, form=form)
    back = read_excel(path)
    assert back.equals(ratings)
    assert [type(label) for label in back.users] == [type(label) for label in ratings.users]


def test_the_title_of_the_users_stands_in_the_corner(tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("userId,27,49\n14,3,5\n29,4.5,\n")
    write_ratings(read_ratings(source), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == source.read_text()


def test_whole_ratings_are_written_without_a_decimal_point(ratings, tmp_path):
    write_ratings(ratings, tmp_path / "out.csv", form="long")
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "user,item,rating,timestamp", "14,27,3,10", "14,49,4.5,20", "29,27,5,30", "72,57,1,40",
    ]  # fmt: skip


def test_dates_are_written_to_text_as_iso_8601_has_them(tmp_path):
    users = [dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 3, 4, 5)]
    write_ratings(Ratings.from_arrays(users, ["a", "b"], [1, 2]), tmp_path / "out.csv", form="long")
    assert (tmp_path / "out.csv").read_text().splitlines()[1:] == ["2024-01-02,a,1", "2024-01-02 03:04:05,b,2"]


def test_a_written_workbook_is_one_that_a_person_would_keep(ratings, tmp_path):
    write_ratings(ratings, tmp_path / "out.xlsx")
    book = openpyxl.load_workbook(tmp_path / "out.xlsx")
    sheet = book.active
    assert (book.sheetnames, sheet.freeze_panes, sheet.print_title_rows) == (["ratings"], "B2", "$1:$1")
    assert (sheet["A1"].value, sheet["B1"].value, sheet["A2"].value) == ("user", 27, 14)
    assert sheet["B1"].font.bold
    assert sheet["B1"].fill.fgColor.rgb.endswith("EEF1F4")
    assert [sheet[cell].number_format for cell in ("B2", "C4")] == ["0.0", "0.0"]
    assert (sheet["C3"].value, sheet["C4"].value) == (None, None)
    assert sheet.column_dimensions["A"].width > 5


def test_a_written_crosstab_is_found_in_its_workbook_by_itself(ratings, tmp_path):
    write_ratings(ratings, tmp_path / "out.xlsx")
    assert read_excel(tmp_path / "out.xlsx").source.range == "A1:D4"


def test_the_same_ratings_give_the_same_bytes(ratings, tmp_path):
    for name in ("a.xlsx", "b.xlsx"):
        write_ratings(ratings, tmp_path / name)
    assert (tmp_path / "a.xlsx").read_bytes() == (tmp_path / "b.xlsx").read_bytes()


def test_nothing_is_replaced_without_force(ratings, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("precious")
    with pytest.raises(CannotWriteError, match="exists already"):
        write_ratings(ratings, path)
    assert path.read_text() == "precious"
    write_ratings(ratings, path, force=True)
    assert read_ratings(path).equals(ratings)


@pytest.mark.parametrize("name", ["out.xls", "out.ods", "out", "out.json"])
def test_an_unknown_suffix_is_refused_and_leaves_no_file(ratings, tmp_path, name):
    with pytest.raises(CannotWriteError, match=r"Use \.csv, \.tsv, \.txt, \.xlsx or \.parquet"):
        write_ratings(ratings, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_form_is_refused(ratings, tmp_path):
    with pytest.raises(OptionError, match="'crosstab' or 'long'"):
        write_ratings(ratings, tmp_path / "out.csv", form="wide")


def test_a_table_that_is_too_large_for_a_sheet_is_refused_with_the_way_out(tmp_path):
    n = 17_000
    ratings = Ratings.from_arrays(np.zeros(n, dtype=int), np.arange(n), np.ones(n))
    with pytest.raises(CannotWriteError, match=r"17,001 columns, a sheet at most 1,048,576 and 16,384. Keep fewer"):
        write_ratings(ratings, tmp_path / "out.xlsx")
    write_ratings(ratings, tmp_path / "out.xlsx", form="long")


def test_labels_of_several_types_do_not_go_into_parquet(tmp_path):
    with pytest.raises(CannotWriteError, match="one type"):
        write_ratings(Ratings.from_arrays([1, "x"], [1, 1], [1, 2]), tmp_path / "out.parquet", form="long")
    assert list(tmp_path.iterdir()) == []


LABELS = st.one_of(
    st.lists(st.integers(-(10**9), 10**9), min_size=2, max_size=6, unique=True),
    st.lists(
        st.text("abcäöß xyz", min_size=2).map(str.strip).filter(lambda s: len(s) > 3),
        min_size=2,
        max_size=6,
        unique=True,
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(users=LABELS, items=LABELS, dice=st.randoms(use_true_random=False), suffix=st.sampled_from([".csv", ".xlsx"]))
def test_any_ratings_survive_both_forms(tmp_path, users, items, dice, suffix):
    pairs = [(user, item) for user in users for item in items if dice.random() < 0.7] or [(users[0], items[0])]
    ratings = Ratings.from_arrays(*zip(*pairs, strict=True), [dice.randint(1, 10) / 2 for _ in pairs])
    for form in ("crosstab", "long"):
        if form == "crosstab" and min(ratings.n_users, ratings.n_items) < 2:
            continue
        path = tmp_path / f"out{suffix}"
        write_ratings(ratings, path, form=form, force=True)
        assert read_ratings(path).equals(ratings)


# Parquet that others wrote


def test_a_frame_that_pandas_saved_as_parquet_is_read(tmp_path):
    path = tmp_path / "ratings.parquet"
    df = pd.DataFrame({"userId": [1, 1, 2], "movieId": ["a", "b", "a"], "rating": [3, None, 4.5]})
    df.to_parquet(path)
    ratings = read_ratings(path)
    assert (ratings.users, ratings.items, ratings.values.tolist()) == ((1, 2), ("a",), [3, 4.5])
    df.pivot(index="userId", columns="movieId", values="rating").to_parquet(path)
    crosstab = read_ratings(path)
    assert (crosstab.users, crosstab.items, crosstab.values.tolist()) == ((1, 2), ("a", "b"), [3, 4.5])


def test_rows_of_parquet_are_counted_with_those_that_hold_no_rating(tmp_path):
    path = tmp_path / "ratings.parquet"
    pd.DataFrame({"user": [1, 2, 2], "item": [1, 1, 1], "rating": [None, 3, 5]}).to_parquet(path)
    with pytest.raises(DuplicateError, match=r"line 2, column 3 and .*line 3, column 3 both rate"):
        read_ratings(path)


def test_damaged_parquet_is_refused_by_name(tmp_path):
    path = tmp_path / "ratings.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(FileError, match=r"ratings.parquet is a damaged parquet file"):
        read_ratings(path)


def test_without_pyarrow_the_error_names_the_extra(tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "import pathlib, xlcollab as xc\n"
        "path = pathlib.Path(sys.argv[1]); path.write_bytes(b'PAR1....PAR1')\n"
        "made = xc.Ratings.from_arrays([1], [1], [1])\n"
        "for act in (lambda: xc.read_ratings(path), lambda: xc.write_ratings(made, path, force=True)):\n"
        "    try: act()\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "x.parquet"], capture_output=True, text=True, check=True
    )
    first, second = ran.stdout.splitlines()
    assert first.startswith("RatingsError Reading")
    assert second.startswith("CannotWriteError Writing")
    assert first.endswith(second[-35:])
    assert "pip install 'xlcollab[parquet]'" in first


# Names and pairs


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("1|Toy Story (1995)|01-Jan-1995||http://x|0|1\n2|Amélie|01-Jan-2001||http://y|1|0\n", "latin-1"),
        ("1::Toy Story (1995)::Animation|Comedy\n2::Amélie::Romance\n", "latin-1"),
        ('movieId,title,genres\n1,Toy Story (1995),Animation|Comedy\n2,"Amélie",Romance\n', "utf-8"),
        ("id;year;name\n1;1995;Toy Story (1995)\n2;2001;Amélie\n", "utf-8-sig"),
        ("1\tToy Story (1995)\n2\tAmélie\n", "utf-16"),
    ],
    ids=["u.item", "movies.dat", "movies.csv", "by header", "tab"],
)
def test_names_are_read_as_movielens_and_people_write_them(tmp_path, text, encoding):
    path = tmp_path / "names"
    path.write_bytes(text.encode(encoding))
    assert read_names(path) == {1: "Toy Story (1995)", 2: "Amélie"}


def test_names_may_stand_in_a_workbook(book_of):
    assert read_names(book_of([["movieId", "title"], [1, "Heat"], [2, "Jaws"]])) == {1: "Heat", 2: "Jaws"}


def test_names_by_texts_stay_texts(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("a,Heat\nb,Jaws\n")
    assert read_names(path) == {"a": "Heat", "b": "Jaws"}


def test_a_book_without_worksheets_holds_no_names(tmp_path):
    Workbook.new().save(tmp_path / "names.xlsx")
    with pytest.raises(FileError, match="holds no names"):
        read_names(tmp_path / "names.xlsx")


def test_a_file_of_one_column_holds_no_names(tmp_path):
    path = tmp_path / "names.csv"
    path.write_text("Heat\nJaws\n")
    with pytest.raises(FileError, match="two columns"):
        read_names(path)


@pytest.mark.parametrize("text", ["item,user\n27,14\n49,29\n", "14,27\n29,49\n", "user;item;note\n14;27;x\n29;49;y\n"])
def test_pairs_are_two_columns_by_header_or_position(tmp_path, text):
    path = tmp_path / "pairs.csv"
    path.write_text(text)
    assert read_pairs(path) == ([14, 29], [27, 49])


def test_rows_are_written_as_text_with_dates_as_iso(tmp_path):
    write_rows(tmp_path / "out.tsv", ["a", "b"], [[dt.date(2024, 1, 2), 0.1], [None, "x"]])
    assert (tmp_path / "out.tsv").read_text() == "a\tb\n2024-01-02\t0.1\n\tx\n"


def test_a_file_with_neither_is_refused(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("\n")
    with pytest.raises((RatingsError, FileError)):
        read_ratings(path)


def test_predictions_go_into_a_workbook_as_numbers_that_are_no_ratings(tmp_path):
    write_rows(tmp_path / "out.xlsx", ["user", "item", "prediction"], [["Ann", 7, 4.256], ["Bo", 8, 3.0]])
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["predictions"]
    assert list(sheet.values) == [("user", "item", "prediction"), ("Ann", 7, 4.256), ("Bo", 8, 3)]
    assert sheet["C2"].number_format == "0.00"
    with pytest.raises(NoCrosstabError, match="written by xlcollab"):
        read_ratings(tmp_path / "out.xlsx")


def test_a_written_crosstab_hides_no_decimals(tmp_path):
    made = Ratings.from_frame(pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [0.25, 4.0, 3.125]}))
    write_ratings(made, tmp_path / "out.xlsx")
    assert openpyxl.load_workbook(tmp_path / "out.xlsx")["ratings"]["B2"].number_format == "0.0##"
