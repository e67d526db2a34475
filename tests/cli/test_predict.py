"""``predict`` for whom the ratings do not know, ``recommend`` for one, several and all users."""

from __future__ import annotations

import csv
import json

import pytest

from xlcollab.cli.options import label


@pytest.fixture(scope="module")
def model(lesson, tmp_path_factory):
    from xlcollab.fitting import fit
    from xlcollab.rating_files import read_excel

    path = tmp_path_factory.mktemp("models") / "model.xlc"
    fit(read_excel(lesson), solver="scipy", penalty=2.0, n_factors=2, biased=True).save(path)
    return path


def test_who_is_not_known_is_predicted_as_the_average_one_and_marked(run, model):
    document = json.loads(run("predict", model, "--user", "999", "--item", "49", "--json").stdout)
    assert document["known"] is False
    assert 1 < document["prediction"] < 5
    assert json.loads(run("predict", model, "--user", "293", "--item", "49", "--json").stdout)["known"] is True


def test_a_table_has_a_column_of_who_is_known_only_where_somebody_is_not(run, model, tmp_path):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("user,item\n293,49\n999,49\n")
    header, known, unknown = (line.split() for line in run("predict", model, "--pairs", pairs).stdout.splitlines())
    assert header == ["user", "item", "prediction", "known"]
    assert (known[-1], unknown[-1]) == ("yes", "no")
    pairs.write_text("user,item\n293,49\n")
    assert run("predict", model, "--pairs", pairs).stdout.splitlines()[0].split() == ["user", "item", "prediction"]


def test_pairs_go_into_a_csv_with_the_mark(run, model, tmp_path):
    (tmp_path / "pairs.csv").write_text("user,item\n293,49\n999,49\n")
    result = run("predict", model, "--pairs", tmp_path / "pairs.csv", "-o", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [row["known"] for row in rows] == ["True", "False"]


@pytest.mark.parametrize(
    "flag",
    [
        ("--solver", "als"),
        ("-k", "3"),
        ("--bias",),
        ("--y-range", "1", "5"),
        ("--seed", "1"),
        ("--restarts", "2"),
        ("--quality", "best"),
        ("--penalty", "auto"),
        ("--epochs", "3"),
        ("--lr", "0.1"),
        ("--device", "cpu"),
    ],
)
def test_a_saved_fit_refuses_what_says_how_to_fit(run, model, flag):
    for command in (("predict", model, "--user", "293", "--item", "49"), ("recommend", model), ("evaluate", model)):
        result = run(*command, *flag)
        assert result.exit_code == 2
        assert f"model.xlc is a saved fit: {'--factors' if flag[0] == '-k' else flag[0]} does" in result.stderr


@pytest.mark.parametrize(
    "flag",
    [("--sheet", "North"), ("--range", "A1:P16"), ("--transpose",), ("--duplicates", "error"), ("--blanks", "0")],
)
def test_a_saved_fit_refuses_what_says_how_to_read_ratings(run, model, lesson, flag):
    for command in (("predict", model, "--user", "293", "--item", "49"), ("recommend", model)):
        result = run(*command, *flag)
        assert result.exit_code == 2
        assert f"model.xlc is a saved fit: {flag[0]} does nothing with it." in result.stderr
    assert "is a saved fit" not in run("evaluate", model, lesson, *flag).stderr


def test_a_saved_fit_takes_names(run, model, tmp_path):
    (tmp_path / "names.csv").write_text("id,name\n49,Vertigo\n505,Rope\n")
    flags = ("--user", "293", "--item-names", tmp_path / "names.csv")
    items = json.loads(run("recommend", model, *flags, "--json").stdout)["items"]
    assert {item["item"]: item["name"] for item in items}.items() >= {(49, "Vertigo")}
    missing = run("recommend", model, "--user", "293", "--user-names", tmp_path / "missing.csv")
    assert missing.exit_code == 1
    assert "missing.csv" in missing.stderr


def test_why_lists_the_ratings_that_move_a_prediction_most(run, model):
    arguments = ("predict", model, "--user", "293", "--item", "49", "--why", "3")
    because = json.loads(run(*arguments, "--json").stdout)["because"]
    assert [set(row) for row in because] == [{"item", "rating", "share"}] * 3
    assert abs(because[0]["share"]) >= abs(because[2]["share"]) > 0
    lines = run(*arguments).stdout.splitlines()
    assert lines[3].split() == ["because", "rated", "moves", "it", "by"]
    assert lines[4].split() == [str(because[0]["item"]), f"{because[0]['rating']:g}", f"{because[0]['share']:+.2f}"]
    assert "because" not in json.loads(run(*arguments[:-2], "--json").stdout)


def test_why_names_the_items_that_have_names(run, lesson, tmp_path):
    (tmp_path / "names.csv").write_text("id,name\n57,Vertigo\n")
    flags = ("--user", "293", "--item", "49", "--why", "15", "--item-names", tmp_path / "names.csv")
    assert "Vertigo" in {row["name"] for row in json.loads(run("predict", lesson, *flags, "--json").stdout)["because"]}
    lines = [line.split() for line in run("predict", lesson, *flags).stdout.splitlines()]
    assert lines[3][-1] == "name"
    assert [line[-1] for line in lines if line and line[0] == "57"] == ["Vertigo"]


def test_why_says_what_it_cannot_answer(run, model, tmp_path):
    stranger = run("predict", model, "--user", "999", "--item", "49", "--why", "3")
    assert "no rating moves this prediction" in stranger.stderr
    assert "because" not in stranger.stdout
    (tmp_path / "pairs.csv").write_text("user,item\n293,49\n")
    assert run("predict", model, "--pairs", tmp_path / "pairs.csv", "--why", "3").exit_code == 2


@pytest.mark.parametrize(
    "flags",
    [
        ("--user", "293"),
        ("--user", "293", "--user", "5", "--item", "57"),
        ("--user", "293", "--item", "57", "--item", "49"),
        ("--pairs", "pairs.csv", "--user", "293"),
        ("--pairs", "pairs.csv", "--item", "57"),
        ("--pairs", "pairs.csv", "--user", "293", "--item", "57"),
    ],
)
def test_predict_answers_for_one_user_and_one_item_or_for_pairs(run, model, flags):
    result = run("predict", model, *flags)
    assert result.exit_code == 2
    assert "Name one --user and one --item, or a file of --pairs." in result.stderr


def test_recommend_for_one_user_is_one_object(run, model):
    document = json.loads(run("recommend", model, "--user", "212", "-n", "2", "--json").stdout)
    assert document["user"] == 212
    assert [set(item) for item in document["items"]] == [{"item", "prediction", "low", "high"}] * 2


def test_recommend_for_several_users_is_a_list_in_their_order(run, model):
    document = json.loads(run("recommend", model, "--user", "212", "--user", "14", "--user", "293", "--json").stdout)
    assert [entry["user"] for entry in document] == [212, 14, 293]
    assert document[1]["items"] == []


def test_recommend_without_a_user_is_for_all(run, model, tmp_path):
    assert run("recommend", model, "-n", "1", "-o", tmp_path / "lists.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "lists.csv").read_text().splitlines()))
    assert list(rows[0]) == ["user", "rank", "item", "prediction", "low", "high"]
    assert len({row["user"] for row in rows}) == len(rows) > 5
    assert len(json.loads(run("recommend", model, "--json").stdout)) == 15
    assert run("recommend", model).stdout.splitlines()[0].split() == ["user", "rank", "item", "prediction"]


def test_recommend_replaces_no_file_unless_forced(run, model, tmp_path):
    target = tmp_path / "lists.csv"
    target.write_text("mine")
    assert run("recommend", model, "-o", target).exit_code == 1
    assert target.read_text() == "mine"
    assert run("recommend", model, "-o", target, "--force").exit_code == 0


def test_recommend_names_an_unknown_user(run, model):
    result = run("recommend", model, "--user", "212", "--user", "nobody")
    assert result.exit_code == 1
    assert "There is no user 'nobody'" in result.stderr


def test_recommend_writes_names_where_there_are_names(run, lesson, tmp_path):
    (tmp_path / "names.csv").write_text("id,name\n49,Vertigo\n505,Rope\n")
    flags = ("--user", "293", "--item-names", tmp_path / "names.csv")
    assert json.loads(run("recommend", lesson, *flags, "--json").stdout)["items"][0]["name"] == "Vertigo"
    assert "Vertigo" in run("recommend", lesson, *flags).stdout
    assert run("recommend", lesson, *flags, "-o", tmp_path / "best.csv").exit_code == 0
    assert (tmp_path / "best.csv").read_text().splitlines()[0] == "user,rank,item,name,prediction,low,high"


@pytest.fixture
def named(run, model, tmp_path):
    """The flags of a file of names of items, and of one of users; 293 and 49 have one, 505 and 14 none."""
    (tmp_path / "items.csv").write_text("id,name\n49,Vertigo\n57,Rope\n")
    (tmp_path / "users.csv").write_text("id,name\n293,Ann\n")
    return ("--item-names", tmp_path / "items.csv"), ("--user-names", tmp_path / "users.csv")


def test_predict_shows_the_names_that_there_are(run, model, named):
    pair = ("predict", model, "--user", "293", "--item", "49")
    for flags, names in (
        (named[0], {"name": "Vertigo"}),
        (named[1], {"user_name": "Ann"}),
        ((*named[0], *named[1]), {"name": "Vertigo", "user_name": "Ann"}),
    ):
        document = json.loads(run(*pair, *flags, "--json").stdout)
        assert {key: value for key, value in document.items() if "name" in key} == names
        header, line = (line.split() for line in run(*pair, *flags).stdout.splitlines())
        assert " ".join(header).startswith("user user name item" if "user_name" in names else "user item")
        assert (header[-1] == "name") == ("name" in names)
        assert set(names.values()) <= set(line)
    assert "name" not in run(*pair).stdout


def test_predictions_for_pairs_have_names_in_text_and_in_files(run, model, named, tmp_path):
    (tmp_path / "pairs.csv").write_text("user,item\n293,505\n14,49\n")
    command = ("predict", model, "--pairs", tmp_path / "pairs.csv", *named[0], *named[1])
    assert [line.split()[-1] for line in run(*command).stdout.splitlines()[::2]] == ["name", "Vertigo"]
    assert run(*command, "-o", tmp_path / "out.csv").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert list(rows[0]) == ["user", "user_name", "item", "name", "prediction", "low", "high", "known"]
    assert [(row["user_name"], row["name"]) for row in rows] == [("Ann", ""), ("", "Vertigo")]


def test_a_fit_saved_with_names_shows_them(run, lesson, named, tmp_path):
    saved = tmp_path / "named.xlc"
    assert run("fit", lesson, "--solver", "als", "--save", saved, *named[0], *named[1]).exit_code == 0
    document = json.loads(run("predict", saved, "--user", "293", "--item", "49", "--json").stdout)
    assert (document["user_name"], document["name"]) == ("Ann", "Vertigo")


def test_recommend_shows_the_names_of_users(run, model, named, tmp_path):
    one, several = ("recommend", model, *named[1], "--user", "293"), ("recommend", model, *named[1])
    assert json.loads(run(*one, "--json").stdout)["user_name"] == "Ann"
    assert run(*one).stdout.splitlines()[0] == "for 293, Ann"
    of_user = {entry["user"]: entry["user_name"] for entry in json.loads(run(*several, "--json").stdout)}
    assert (of_user[293], of_user[14]) == ("Ann", "")
    header, *lines = (line.split() for line in run(*several).stdout.splitlines())
    assert header == ["user", "user", "name", "rank", "item", "prediction"]
    assert {line[1] for line in lines if line[0] == "293"} == {"Ann"}
    assert run(*several, "-o", tmp_path / "lists.csv").exit_code == 0
    assert (tmp_path / "lists.csv").read_text().startswith("user,user_name,rank,item,prediction,low,high\n")
    unnamed = run("recommend", model, *named[1], "--user", "212")
    assert unnamed.stdout.splitlines()[0].split() == ["item", "prediction"]


def test_predictions_are_refused_under_a_suffix_of_another_kind(run, model, tmp_path):
    result = run("recommend", model, "-o", tmp_path / "out.xls")
    assert result.exit_code == 1
    assert "out.xls cannot be written" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("text", "read"), [("293", 293), ("999", 999), ("-4", -4), ("29_3", "29_3"), (" 293", " 293")])
def test_a_typed_label_is_a_number_only_where_it_is_written_as_one(text, read):
    assert label(text, (14, 293)) == read
