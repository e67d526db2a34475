"""Ratings in files of text: dialects, long tables and crosstabs, what is wrong in them."""

from __future__ import annotations

import gzip

import pytest

from xlcollab.errors import (
    CellValueError,
    DamagedFileError,
    DuplicateError,
    FileError,
    NoCrosstabError,
    RatingsError,
    UnsupportedFormatError,
)
from xlcollab.rating_files import read_ratings
from xlcollab.reading.dialect import SAMPLE_BYTES, sniff

LONG = "userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n1,1029,3,1260759179\n7,31,4.0,851868750\n"
WIDE = "userId,27,49,57\n14,3,5,1\n29,4.5,,5\n72,,4,3\n"


@pytest.fixture
def file_of(tmp_path):
    """`file_of(text, name, encoding)`: a file of text."""

    def make(text, name="ratings.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return make


def facts(ratings):
    pairs = zip(ratings.user_idx.tolist(), ratings.item_idx.tolist(), ratings.values.tolist(), strict=True)
    return {(ratings.users[u], ratings.items[i]): value for u, i, value in pairs}


def test_a_long_csv_file_is_known_by_its_header(file_of):
    ratings = read_ratings(file_of(LONG))
    assert facts(ratings) == {(1, 31): 2.5, (1, 1029): 3, (7, 31): 4}
    assert ratings.timestamps.tolist() == [1260759144, 1260759179, 851868750]
    assert (ratings.user_title, ratings.item_title) == ("userId", "movieId")
    assert (ratings.source.kind, ratings.source.sheet, ratings.source.range) == ("long", None, None)


def test_a_crosstab_in_a_csv_file_keeps_the_order_of_its_lines_and_its_blanks(file_of):
    ratings = read_ratings(file_of("userId,57,27\n72,3,\n14,1,3\n"))
    assert (ratings.users, ratings.items) == ((72, 14), (57, 27))
    assert facts(ratings) == {(72, 57): 3, (14, 57): 1, (14, 27): 3}
    assert (ratings.source.kind, ratings.user_title) == ("crosstab", "userId")


@pytest.mark.parametrize("text", [LONG, WIDE])
@pytest.mark.parametrize(
    "spelled",
    [
        lambda text: text.replace(",", ";"),
        lambda text: text.replace(",", ";").replace(".", ","),
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", "\t").replace(".", ","),
        lambda text: text.replace(",", "|"),
        lambda text: "sep=;\n" + text.replace(",", ";").replace(".", ","),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n\n",
        lambda text: "\n\n" + text,
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("\n", "\r\r\n"),
        lambda text: text.replace("\n7,", "\n \n\n7,").replace("\n72,", "\n,,,\n72,"),
        lambda text: "Our films\n\n" + text,
        lambda text: (
            ",".join(f'"{field}"' for field in text.split("\n", 1)[0].split(",")) + "\n" + text.split("\n", 1)[1]
        ),
    ],
    ids=[
        "semicolon",
        "decimal comma",
        "tab",
        "tab and comma",
        "bar",
        "sep=",
        "BOM",
        "CRLF",
        "no end",
        "blank end",
        "blank start",
        "blank between",
        "CR CR LF",
        "blank before the last",
        "title and blank",
        "quoted",
    ],
)
def test_every_dialect_says_the_same(file_of, text, spelled):
    assert facts(read_ratings(file_of(spelled(text)))) == facts(read_ratings(file_of(text, "plain.csv")))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_every_encoding_says_the_same(file_of, encoding):
    long = "user;item;rating\nZoë;Amélie;4,5\nJörg;Amélie;3\n"
    wide = "user;Amélie;Das Boot\nZoë;4,5;2\nJörg;3;\n"
    expected = {("Zoë", "Amélie"): 4.5, ("Jörg", "Amélie"): 3}
    assert facts(read_ratings(file_of(long, encoding=encoding))) == expected
    assert facts(read_ratings(file_of(wide, encoding=encoding))) == expected | {("Zoë", "Das Boot"): 2}


@pytest.mark.parametrize("text", [LONG, WIDE, LONG + "".join(f"{u},31,3,1\n" for u in range(8, 30_000))])
def test_what_gzip_has_packed_is_read_whatever_its_name(file_of, text):
    plain = read_ratings(file_of(text))
    for name in ("ratings.csv.gz", "packed"):
        assert read_ratings(file_of(gzip.compress(text.encode()), name)).equals(plain)


def test_a_damaged_gzip_file_is_refused_by_name(file_of):
    packed = gzip.compress(LONG.encode())
    for data in (packed[:-20], packed[:12] + b"\xff\xff" + packed[14:]):
        with pytest.raises(DamagedFileError, match=r"ratings.csv.gz is a damaged gzip file"):
            read_ratings(file_of(data, "ratings.csv.gz"))


def test_a_letter_beyond_the_sample_that_is_no_utf_8_is_read_as_latin_1(file_of):
    lines = ["user,item,rating", *(f"u{row},i{row % 7},4" for row in range(SAMPLE_BYTES // 8)), "Zoë,i1,5"]
    assert "Zoë" in read_ratings(file_of("\n".join(lines), encoding="latin-1")).users


def test_movielens_files_are_read_as_they_are(file_of):
    u_data = file_of("196\t242\t3\t881250949\n186\t302\t3\t891717742\n22\t377\t1\t878887116\n", "u.data")
    assert facts(read_ratings(u_data)) == {(196, 242): 3, (186, 302): 3, (22, 377): 1}
    dat = file_of("1::1193::5::978300760\n1::661::3::978302109\n2::1193::4.5::978298413\n", "ratings.dat")
    ratings = read_ratings(dat)
    assert facts(ratings) == {(1, 1193): 5, (1, 661): 3, (2, 1193): 4.5}
    assert ratings.timestamps.tolist() == [978300760, 978302109, 978298413]


def test_ml_100k_is_read_whole(shared):
    ratings = read_ratings(shared / "data" / "ml-100k" / "u.data")
    assert (ratings.n_users, ratings.n_items, len(ratings), ratings.scale) == (943, 1682, 100_000, (1, 5))
    assert ratings.mean == pytest.approx(3.52986)
    names = read_ratings(
        shared / "data" / "ml-100k" / "u.data", item_names=shared / "data" / "ml-100k" / "u.item"
    ).item_names
    assert (len(names), names[1]) == (1682, "Toy Story (1995)")


def test_a_long_file_needs_neither_header_nor_numbers(file_of):
    assert facts(read_ratings(file_of("Ann,Heat,5\nAnn,Jaws,3\nBob,Heat,4\n"))) == {
        ("Ann", "Heat"): 5,
        ("Ann", "Jaws"): 3,
        ("Bob", "Heat"): 4,
    }


def test_a_header_of_unknown_words_is_no_rating(file_of):
    ratings = read_ratings(file_of("Wer;Was;Wie\nAnn;Heat;5\nAnn;Jaws;3,5\nBob;Heat;4\n"))
    assert facts(ratings) == {("Ann", "Heat"): 5, ("Ann", "Jaws"): 3.5, ("Bob", "Heat"): 4}


@pytest.mark.parametrize(
    ("labels", "users"),
    [
        (("007", "8"), ("007", "8")),
        (("7a", "8"), ("7a", "8")),
        (("7", "8"), (7, 8)),
        (("-7", "8"), (-7, 8)),
        (("NA", "nan"), ("NA", "nan")),
        (("2147483648", "9223372036854775807"), (2**31, 2**63 - 1)),
        (("1.5", "2.0"), ("1.5", "2.0")),
    ],
)
@pytest.mark.parametrize("form", ["long", "wide"])
def test_labels_are_numbers_only_if_all_are_written_so(file_of, labels, users, form):
    long = "user,item,rating\n" + "".join(f"{label},x,{at + 3}\n{label},y,4\n" for at, label in enumerate(labels))
    wide = "user,x,y\n" + "".join(f"{label},{at + 3},4\n" for at, label in enumerate(labels))
    found = read_ratings(file_of(long if form == "long" else wide)).users
    assert set(found) == set(users)
    assert {type(label) for label in found} == {type(label) for label in users}


@pytest.mark.parametrize(
    ("header", "order"),
    [
        ("Name,Film,Year,Rating", "uixr"),
        ("Person,Rating,Film,Year", "urix"),
        ("film,name,stars,x", "iurx"),
        ("a,b,c,Score", "uixr"),
    ],
)
def test_a_column_that_the_header_names_is_that_one_wherever_it_stands(file_of, header, order):
    lines = [{"u": f"p{u}", "i": f"f{i}", "x": 1990 + u, "r": 1 + (u + i) % 5} for u in range(4) for i in range(3)]
    ratings = read_ratings(file_of("\n".join([header, *(",".join(str(line[at]) for at in order) for line in lines)])))
    assert ratings.scale == (1, 5)
    assert ratings.timestamps is None
    assert facts(ratings)["p2", "f1"] == 4


def test_without_a_column_of_ratings_nothing_is_taken_for_them(file_of):
    with pytest.raises(RatingsError):
        read_ratings(file_of("user,item,time\n" + "".join(f"p{u},f{i},{u}\n" for u in range(3) for i in range(3))))


def test_a_column_of_ids_that_turns_to_text_far_down_is_text_throughout(file_of):
    lines = ["user,item,rating", *(f"{row},1,4" for row in range(40_000)), "guest,1,5"]
    users = read_ratings(file_of("\n".join(lines))).users
    assert len(users) == 40_001
    assert {type(user) for user in users} == {str}


def test_blanks_around_labels_make_no_others_however_far_down(file_of):
    lines = ["user,item,rating"] + [f"u{row % 300},i{row // 300},3" for row in range(9000)]
    ratings = read_ratings(file_of("\n".join([*lines, " u0 ,new,4", '"u1 ", new ,5', ""])))
    assert (ratings.n_users, ratings.n_items, len(ratings)) == (300, 31, 9002)
    assert facts(ratings)["u1", "new"] == 5


def test_titles_and_dates_with_commas_in_quotes_stay_together(file_of):
    text = 'user,movie,rating\n1,"Good, the Bad and the Ugly, The",5\n1,"say ""hi""",4\n'
    assert read_ratings(file_of(text)).items == ("Good, the Bad and the Ugly, The", 'say "hi"')


def test_a_title_line_above_a_crosstab_is_passed_over(file_of):
    assert facts(read_ratings(file_of("Our films,,,\n,,,\n" + WIDE))) == facts(read_ratings(file_of(WIDE, "b.csv")))


@pytest.mark.parametrize(
    "below",
    ["\n,100,101,102\n14,2,2,2\n", "\nuser,100,101,102\n15,2,2,2\n", "\nnobody rates this,,,\n", "\nmean,1,2,3\n"],
)
def test_what_stands_below_a_crosstab_and_a_blank_line_is_no_part_of_it(file_of, below):
    assert facts(read_ratings(file_of(WIDE + below))) == facts(read_ratings(file_of(WIDE, "b.csv")))


def test_a_large_crosstab_is_read_beyond_the_sample(file_of):
    header = "user," + ",".join(f"i{col}" for col in range(300))
    lines = [header, *(f"u{row}," + ",".join(str((row + col) % 5 + 1) for col in range(300)) for row in range(700))]
    ratings = read_ratings(file_of("\n".join(lines)))
    assert (ratings.n_users, ratings.n_items, len(ratings)) == (700, 300, 210_000)


def test_a_crosstab_of_two_items_is_no_long_table(file_of):
    assert facts(read_ratings(file_of("who,Heat,Jaws\nAnn,5,3\nBob,4,\n"))) == {
        ("Ann", "Heat"): 5,
        ("Ann", "Jaws"): 3,
        ("Bob", "Heat"): 4,
    }


def test_items_down_the_side_are_turned(file_of):
    ratings = read_ratings(file_of(WIDE), transpose=True)
    assert (ratings.users, ratings.items) == ((27, 49, 57), (14, 29, 72))


@pytest.mark.parametrize("marker", ["0", "n/a", "-"])
@pytest.mark.parametrize("text", [LONG, WIDE])
def test_markers_of_not_rated_are_no_ratings(file_of, text, marker):
    marked = text.replace(",3\n", f",{marker}\n").replace(",3,1260759179", f",{marker},1260759179")
    ratings = read_ratings(file_of(marked), blanks=(marker,))
    assert len(ratings) == len(read_ratings(file_of(text, "b.csv"))) - 1


def test_a_line_without_a_rating_is_left_out(file_of):
    assert facts(read_ratings(file_of("user,item,rating\n1,1,5\n1,2,\n2,1,3\n"))) == {(1, 1): 5, (2, 1): 3}


def test_iso_dates_are_timestamps(file_of):
    text = "user,item,rating,date\n1,1,5,1970-01-02\n1,2,4,1970-01-01T01:00:00\n"
    assert read_ratings(file_of(text)).timestamps.tolist() == [86400, 3600]


def test_timestamps_that_are_none_are_left_out(file_of):
    assert read_ratings(file_of("user,item,rating,time\n1,1,5,dawn\n1,2,4,dusk\n")).timestamps is None


# What is wrong


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("user,item,rating\n1,1,5\n1,2,good\n2,1,3\n", "line 3, column 3"),
        ("userId,27,49,57\n14,3,5,1\n29,good,,5\n72,,4,3\n", "line 3, column 2"),
        ("sep=;\nuser;item;rating\n1;1;5\n1;2;good\n2;1;3\n", "line 4, column 3"),
        ("user,item,rating\n\n1,1,5\n1,2,4\n\n\n1,2,good\n", "line 7, column 3"),
        ("sep=,\n\nuserId,27,49,57\n\n14,3,5,1\n\n29,good,,5\n\n72,,4,3\n", "line 7, column 2"),
        ("user,item,rating\n" + "1,1,5\n" * 60_000 + "1,2,good\n", "line 60002, column 3"),
    ],
)
def test_text_as_a_rating_names_line_and_column(file_of, text, place):
    with pytest.raises(CellValueError) as caught:
        read_ratings(file_of(text), duplicates="last")
    assert str(caught.value).endswith(
        f"ratings.csv, {place} holds 'good'; ratings are numbers or empty. "
        f"Empty the {'field' if 'item' in text else 'cell'}, or pass blanks=('good',)."
    )


def test_an_infinite_rating_is_refused(file_of):
    with pytest.raises(CellValueError, match="line 3, column 3 holds 'inf'"):
        read_ratings(file_of("user,item,rating\n1,1,5\n1,2,inf\n"))


def test_a_missing_user_names_its_line(file_of):
    with pytest.raises(RatingsError, match="line 3, column 1 is empty; a rating needs its user"):
        read_ratings(file_of("user,item,rating\n1,1,5\n,2,4\n2,1,3\n"))


def test_a_missing_item_far_down_among_texts_names_its_line(file_of):
    lines = ["user,item,rating"] + [f"u{row % 300},i{row // 300},3" for row in range(9000)]
    with pytest.raises(RatingsError, match=r"line 9002, column 2 is empty"):
        read_ratings(file_of("\n".join([*lines, 'u0," ",4', ""])))


def test_a_pair_that_stands_there_twice_names_both_lines(file_of):
    text = "user,item,rating\n1,1,5\n1,2,\n1,1,4\n"
    with pytest.raises(DuplicateError, match=r"line 2, column 3 and .*line 4, column 3 both rate item 1 for user 1"):
        read_ratings(file_of(text))
    assert facts(read_ratings(file_of(text), duplicates="mean")) == {(1, 1): 4.5}


def test_a_missing_label_of_a_crosstab_is_refused(file_of):
    with pytest.raises(RatingsError, match=r"line 3, column 1 is empty, but .*holds a number"):
        read_ratings(file_of("userId,27,49\n14,3,5\n,4,4\n"))


@pytest.mark.parametrize("text", ["hello\nworld\n", "a,b,c\nd,e,f\n", "name,age\nAnn,3\n"])
def test_a_file_without_ratings_says_what_it_takes(file_of, text):
    with pytest.raises(
        NoCrosstabError, match=r"no table of ratings\. It takes lines of user, item, rating, or a crosstab"
    ):
        read_ratings(file_of(text))


@pytest.mark.parametrize(("sign", "encoding"), [("…", "cp1252"), ("\u2028", "utf-8"), ("\x0b", "utf-8")])
def test_only_line_ends_end_a_line(tmp_path, sign, encoding):
    path = tmp_path / "ratings.csv"
    path.write_bytes(f"user,Wait{sign} what,Jaws\r\nAnn,3,4\r\nBob,5,1\r\n".encode(encoding))
    ratings = read_ratings(path)
    assert (ratings.items[1], ratings.values.tolist()) == ("Jaws", [3, 4, 5, 1])


@pytest.mark.parametrize(
    ("data", "item"),
    [("Schindler’s List".encode("cp1252"), "Schindler’s List"), (b"\x93\x81\x94", "\x93\x81\x94")],
    ids=["Windows", "no Windows"],
)
def test_what_is_no_utf_8_is_windows_text_unless_it_cannot_be(tmp_path, data, item):
    for table in (b"user,%s,Jaws\nAnn,3,4\nBob,5,1\n", b"user,item,rating\nAnn,%s,3\nAnn,Jaws,4\nBob,Jaws,1\n"):
        path = tmp_path / "ratings.csv"
        path.write_bytes(table % data)
        assert set(read_ratings(path).items) == {item, "Jaws"}


def test_a_field_beyond_all_length_is_an_error_that_names_the_file(file_of):
    path = file_of("user,item,rating\n" + "a" * 200_000 + ",x,3\nb,y,4\n")
    with pytest.raises(FileError, match=r"cannot be split into fields .*quotation mark"):
        read_ratings(path)


def test_an_empty_file_is_refused_by_name(file_of):
    with pytest.raises(NoCrosstabError, match=r"ratings.csv is empty"):
        read_ratings(file_of(""))


def test_a_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(FileError, match=r"nowhere.csv does not exist"):
        read_ratings(tmp_path / "nowhere.csv")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_ratings(tmp_path)


def test_what_is_no_text_is_refused(file_of):
    with pytest.raises(UnsupportedFormatError, match="no table of text"):
        read_ratings(file_of(bytes(range(256)) * 4))


def test_a_sheet_of_a_text_file_is_refused(file_of):
    with pytest.raises(RatingsError, match="is no workbook"):
        read_ratings(file_of(LONG), sheet="ratings")


@pytest.mark.parametrize("name", ["book.xlsx", "book.xls", "book.ods"])
def test_a_workbook_that_is_none_is_refused_as_one(file_of, name):
    with pytest.raises(FileError):
        read_ratings(file_of(LONG, name))


def test_a_workbook_is_known_by_its_content_whatever_its_name(book_of):
    path = book_of([["user", 1, 2], [1, 3, 4], [2, 5, 1]], name="book.csv.xlsx")
    path = path.rename(path.with_name("export.csv"))
    assert read_ratings(path).n_users == 2


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("a;b;c\n1;2;3,5\n", ";", ","),
        ("a;b;c\n1;2;3.5\n", ";", "."),
        ("a;b;c\n1.5;2;3,5\n", ";", "."),
        ('user,title,rating\n1,"a;b;c",4\n2,"d;e;f",3\n', ",", "."),
        ("1::2::3\n2::3::4\n", "::", "."),
        ("1 2 3\n4 5 6\n", " ", "."),
        ("user\ttitle\trating\n1\tGood, Bad\t4\n2\tOne, Two, Three\t3\n", "\t", "."),
    ],
)
def test_the_dialect_is_told_from_the_lines(text, delimiter, decimal):
    dialect = sniff(text.encode(), "x")
    assert (dialect.delimiter, dialect.decimal) == (delimiter, decimal)
