"""``inspect``, ``solve``, ``convert``, ``predict`` and ``recommend``: what they print and with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from xlcollab.cli.output import echo_table


def test_inspect_names_the_crosstab(run, lesson):
    document = json.loads(run("inspect", lesson, "--json").stdout)
    (crosstab,) = document["crosstabs"]
    assert crosstab == {
        "sheet": "ratings", "range": "A1:P16", "users": 15, "items": 15, "ratings": 206, "blanks": 19,
        "copies": [], "problem": None,
    }  # fmt: skip
    assert document["solver_models"] == []


def test_a_result_is_itself_a_solver_model_that_solve_solves_again(run, lesson, tmp_path):
    assert run("fit", lesson, "--solver", "scipy", "-o", tmp_path / "result.xlsx").exit_code == 0
    solved = run("solve", tmp_path / "result.xlsx", "-o", tmp_path / "solved.xlsx", "--json")
    assert solved.exit_code == 0, solved.output
    (model,) = json.loads(solved.stdout)["models"]
    assert set(model) >= {
        "sheet", "objective", "engine", "sense", "variables", "constraints", "start", "value", "saved", "code",
        "message", "seconds", "evaluations",
    }  # fmt: skip
    assert (model["sheet"], model["variables"], model["constraints"]) == ("scipy", 150, 0)
    assert model["value"] == pytest.approx(0.39290079, abs=1e-8)


def test_solve_without_a_model_says_so(run, lesson, tmp_path):
    result = run("solve", lesson, "-o", tmp_path / "out.xlsx")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert not (tmp_path / "out.xlsx").exists()


def test_convert_there_and_back_gives_the_same_ratings(run, lesson, tmp_path):
    assert run("convert", lesson, tmp_path / "long.csv").exit_code == 0
    back = run("convert", tmp_path / "long.csv", tmp_path / "back.xlsx", "--json")
    assert json.loads(back.stdout) == {
        "source": str(tmp_path / "long.csv"), "target": str(tmp_path / "back.xlsx"),
        "users": 15, "items": 15, "ratings": 206,
    }  # fmt: skip
    assert run("convert", tmp_path / "back.xlsx", tmp_path / "again.csv").exit_code == 0
    rows = [sorted((tmp_path / name).read_text().splitlines()) for name in ("long.csv", "again.csv")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize(
    ("target", "flags", "header"),
    [
        ("out.tsv", [], "user\titem\trating"),
        ("out.csv", [], "user,item,rating"),
        ("out.tsv", ["--to", "crosstab"], "user\t27\t49\t57"),
        ("out.csv", ["--items", "2"], "user,27,49"),
    ],
)
def test_convert_writes_text_long_unless_a_crosstab_is_asked_for(run, tmp_path, target, flags, header):
    source = tmp_path / "long.csv"
    source.write_text("user,item,rating\n14,27,3\n14,49,5\n29,27,4\n29,49,1\n29,57,2\n")
    assert run("convert", source, tmp_path / target, *flags).exit_code == 0
    assert (tmp_path / target).read_text().splitlines()[0] == header


def test_convert_writes_a_crosstab_into_a_workbook_unless_long_ratings_are_asked_for(run, lesson, tmp_path):
    assert run("convert", lesson, tmp_path / "same.xlsx").exit_code == 0
    assert run("convert", lesson, tmp_path / "long.xlsx", "--to", "long").exit_code == 0
    found = [
        json.loads(run("inspect", tmp_path / name, "--json").stdout)["crosstabs"] for name in ("same.xlsx", "long.xlsx")
    ]
    assert [[table["range"] for table in tables] for tables in found] == [["A1:P16"], ["A1:C207"]]


@pytest.mark.parametrize(
    ("sheet", "place", "home"),
    [("North", "South!A1:P16", "South"), ("North", "'Bob''s Sheet'!A1:P16", "Bob's Sheet"), ("North", "=a!A1", "a")],
)
def test_a_range_on_another_sheet_than_the_one_named_is_refused(run, lesson, sheet, place, home):
    for command in (("convert", lesson, "out.csv"), ("fit", lesson), ("recommend", lesson), ("evaluate", lesson)):
        result = run(*command, "--sheet", sheet, "--range", place)
        assert result.exit_code == 2
        assert f"--sheet is {sheet} and --range is on {home}. Leave one of the two out." in result.stderr


@pytest.mark.parametrize("place", ["A1:P16", "ratings!A1:P16", "Ratings!A1:P16", "'ratings'!A1:P16"])
def test_a_range_may_name_its_sheet_again(run, lesson, tmp_path, place):
    assert run("convert", lesson, tmp_path / "out.csv", "--sheet", "ratings", "--range", place).exit_code == 0


@pytest.mark.parametrize(
    ("command", "target"),
    [
        (("convert", "book.xlsx", "book.xlsx"), "book.xlsx"),
        (("convert", "book.xlsx", "names.csv", "--user-names", "names.csv"), "names.csv"),
        (("recommend", "book.xlsx", "-o", "book.xlsx"), "book.xlsx"),
        (("recommend", "book.xlsx", "-o", "names.csv", "--item-names", "names.csv"), "names.csv"),
        (("predict", "book.xlsx", "--pairs", "pairs.csv", "-o", "book.xlsx"), "book.xlsx"),
        (("predict", "book.xlsx", "--pairs", "pairs.csv", "-o", "pairs.csv"), "pairs.csv"),
    ],
)
def test_no_file_that_is_read_is_written_over_though_forced(run, lesson, tmp_path, monkeypatch, command, target):
    monkeypatch.chdir(tmp_path)
    files = {"book.xlsx": lesson.read_bytes(), "names.csv": b"id,name\n49,Vertigo\n", "pairs.csv": b"293,49\n"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    result = run(*command, "--force")
    assert result.exit_code == 2
    assert f"{target} is the input itself. Choose another name." in result.stderr
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_predict_answers_for_one_pair(run, lesson):
    result = run("predict", lesson, "--user", "293", "--item", "49", "--solver", "torch", "--json")
    document = json.loads(result.stdout)
    assert (document["user"], document["item"]) == (293, 49)
    assert 1 <= document["prediction"] <= 5


def test_predict_gives_an_interval_by_itself(run, lesson):
    document = json.loads(run("predict", lesson, "--user", "293", "--item", "49", "--json").stdout)
    assert document["prediction"] == pytest.approx(4.2, abs=0.1)
    assert document["low"] < document["prediction"] < document["high"]


def test_a_fit_that_is_none_to_predict_with_is_not_saved_and_nothing_is_written(run, lesson, tmp_path):
    result = run("fit", lesson, "--solver", "scipy", "-o", tmp_path / "out.xlsx", "--save", tmp_path / "model.xlc")
    assert result.exit_code == 2
    assert "scipy without --penalty is none" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_saved_fit_predicts_as_it_did(run, lesson, tmp_path):
    saved = tmp_path / "model.xlc"
    assert run("fit", lesson, "--solver", "torch", "--save", saved).exit_code == 0
    answers = [
        json.loads(run("predict", *source, "--user", "293", "--item", "49", "--json").stdout)["prediction"]
        for source in ([saved], [lesson, "--solver", "torch"])
    ]
    assert answers[0] == pytest.approx(answers[1], abs=1e-12)


def test_no_column_of_intervals_where_the_solver_gives_none(run, lesson):
    result = run("recommend", lesson, "--user", "293", "--solver", "torch")
    assert result.stdout.splitlines()[0].split() == ["item", "prediction"]
    assert len(result.stdout.splitlines()) == 4


def test_restarts_leave_torch_the_fit_to_predict_with(run, lesson):
    result = run("fit", lesson, "--restarts", "2", "--json")
    scipy, torch, _ = json.loads(result.stdout)["fits"]
    assert "2 starts" in scipy["message"]
    assert "Adam" in torch["message"]


def test_why_for_someone_unknown_is_the_average_without_a_reason(run, lesson):
    result = run("predict", lesson, "--user", "999", "--item", "49", "--why", "3")
    assert result.exit_code == 0, result.output
    assert "no" in result.stdout.splitlines()[1].split()
    assert "because" not in result.stdout


def test_inspect_finds_the_models_of_a_workbook_whatever_its_name(run, lesson, tmp_path):
    assert run("fit", lesson, "--solver", "scipy", "-o", tmp_path / "result.xlsx").exit_code == 0
    (tmp_path / "result.xlsx").rename(tmp_path / "download")
    assert json.loads(run("inspect", tmp_path / "download", "--json").stdout)["solver_models"]


@pytest.mark.parametrize("name", ["out.csv", "out.xls", "out", "out.xlsm"])
def test_a_workbook_is_not_written_under_a_name_that_excel_does_not_open(run, lesson, tmp_path, name):
    result = run("fit", lesson, "-o", tmp_path / name, "--solver", "scipy")
    assert result.exit_code == 1
    assert "Name it out.xlsx." in result.stderr
    assert list(tmp_path.glob("out*")) == []


def test_a_warning_that_each_fit_gives_is_shown_once(run, tmp_path):
    source = tmp_path / "ratings.csv"
    source.write_text("user,a,b,c\n1,5,3,\n2,4,1,\n3,,,\n4,2,5,\n")
    result = run("fit", source, "--solver", "scipy", "--solver", "bayes", "-k", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("User 3 has no rating") == 1


def test_ctrl_c_ends_with_130_and_leaves_no_file(run, lesson, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("xlcollab.fitting.fit", interrupted)
    result = run("fit", lesson, "-o", tmp_path / "out.xlsx")
    assert result.exit_code == 130
    assert result.stderr == "Aborted!\n"
    assert not (tmp_path / "out.xlsx").exists()


def test_an_unknown_number_stays_a_number_among_numbers(run, lesson):
    asked = json.loads(run("predict", lesson, "--user", "9999", "--item", "49", "--json").stdout)
    assert (asked["user"], asked["item"], asked["known"]) == (9999, 49, False)
    assert "There is no user 9999 among" in run("recommend", lesson, "--user", "9999").stderr


def test_the_last_column_is_wrapped_to_the_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    echo_table(["solver", "how it ended"], [["scipy", "Minimum found: the least of 6 starts, reached by 6."]])
    assert capsys.readouterr().out.splitlines() == [
        "solver  how it ended",
        "scipy   Minimum found: the least of 6",
        "        starts, reached by 6.",
    ]


def test_wide_signs_take_two_columns(capsys):
    echo_table(["item", "n"], [["千と", "1"], ["e\u0301", "2"]])
    assert capsys.readouterr().out.splitlines() == ["item  n", "千と  1", "e\u0301     2"]


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_code_page_without_some_sign_is_no_error(tmp_path, flags):
    (tmp_path / "ratings.csv").write_text("user,千,😀\nЯ,1,2\nB,3,\nC,2,5\n", encoding="utf-8")
    code = "from xlcollab.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, "recommend", tmp_path / "ratings.csv", *flags],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr.decode()
    assert "😀" in json.loads(ran.stdout)[1]["items"][0]["item"] if flags else b"\\U0001f600" in ran.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_behind_stdout_is_a_sentence(lesson):
    code = "from xlcollab.cli import main; main()"
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-c", code, "inspect", lesson]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ran.returncode == 1
    assert ran.stderr.decode().startswith("Error: The output cannot be written: the disk is full.")
