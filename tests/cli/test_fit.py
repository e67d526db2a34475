"""``xlcollab fit``: what it prints, writes and refuses."""

from __future__ import annotations

import json

import openpyxl
import pytest


def test_the_table_names_the_least_rmse_known(run, lesson):
    result = run("fit", lesson, "--solver", "scipy")
    assert result.exit_code == 0, result.output
    assert "15 users × 15 items, 206 ratings" in result.stdout
    assert "0.392901" in result.stdout


def test_json_holds_the_promised_keys(run, lesson):
    result = run("fit", lesson, "--solver", "scipy", "--bias", "--json")
    document = json.loads(result.stdout)
    assert set(document) >= {"input", "output", "users", "items", "ratings", "fits"}
    (fit,) = document["fits"]
    assert set(fit) >= {
        "solver", "model", "n_factors", "rmse", "valid_rmse", "seconds", "iterations", "device", "status", "message",
    }  # fmt: skip
    assert fit["rmse"] == pytest.approx(0.31865497, abs=1e-7)
    assert fit["valid_rmse"] is None
    assert (document["users"], document["items"], document["ratings"]) == (15, 15, 206)


def test_plain_fit_shapes_the_lessons_fits_and_leaves_bayes_its_choice(run, lesson, tmp_path):
    target = tmp_path / "result.xlsx"
    result = run("fit", lesson, "-k", "3", "--y-range", "0.5", "5.5", "-o", target, "--json")
    assert result.exit_code == 0, result.output
    scipy, torch, bayes = json.loads(result.stdout)["fits"]
    assert (scipy["n_factors"], torch["n_factors"], bayes["n_factors"]) == (3, 3, 0)
    assert "range 0.5 to 5.5" in torch["model"]
    assert "range" not in bayes["model"]
    sheet = openpyxl.load_workbook(target)["Predictions"]
    assert sheet["A2"].value.startswith("Blanks filled by bayes")


def test_the_workbook_is_written_and_the_input_stays(run, lesson, tmp_path):
    before = lesson.read_bytes()
    result = run("fit", lesson, "--solver", "scipy", "-o", tmp_path / "result.xlsx")
    assert result.exit_code == 0, result.output
    assert lesson.read_bytes() == before
    sheets = openpyxl.load_workbook(tmp_path / "result.xlsx").sheetnames
    assert sheets[0] == "ratings"
    assert "Summary" in sheets


def test_an_existing_target_is_left_alone_without_force(run, lesson, tmp_path):
    target = tmp_path / "result.xlsx"
    target.write_text("mine")
    result = run("fit", lesson, "--solver", "scipy", "-o", target)
    assert result.exit_code == 1
    assert "--force" in result.stderr
    assert target.read_text() == "mine"


def test_writing_over_the_input_needs_in_place(run, lesson, tmp_path):
    book = tmp_path / "book.xlsx"
    book.write_bytes(lesson.read_bytes())
    refused = run("fit", book, "--solver", "scipy", "-o", book, "--force")
    assert refused.exit_code == 2
    assert "--in-place" in refused.stderr
    assert book.read_bytes() == lesson.read_bytes()
    assert run("fit", book, "--solver", "scipy", "--in-place").exit_code == 0
    once = openpyxl.load_workbook(book).sheetnames
    assert run("fit", book, "--solver", "scipy", "--in-place").exit_code == 0
    assert openpyxl.load_workbook(book).sheetnames == once


def test_a_saved_fit_replaces_neither_the_input_nor_the_result(run, lesson, tmp_path):
    book, target = tmp_path / "book.xlsx", tmp_path / "result.xlsx"
    book.write_bytes(lesson.read_bytes())
    for flags, words in (
        (("--save", book, "--force"), "book.xlsx is the input itself. Choose another name."),
        (("--save", book, "--in-place"), "book.xlsx is the input itself. Choose another name."),
        (("-o", target, "--save", target), "--output and --save both name"),
        (("-o", target, "--save", tmp_path / "." / "result.xlsx", "--force"), "--output and --save both name"),
    ):
        result = run("fit", book, "--solver", "als", *flags)
        assert result.exit_code == 2
        assert words in result.stderr
        assert book.read_bytes() == lesson.read_bytes()
        assert list(tmp_path.iterdir()) == [book]


def test_a_link_to_the_input_is_the_input(run, lesson, tmp_path):
    (tmp_path / "book.xlsx").write_bytes(lesson.read_bytes())
    (tmp_path / "link.xlc").symlink_to(tmp_path / "book.xlsx")
    result = run("fit", tmp_path / "book.xlsx", "--solver", "als", "--save", tmp_path / "link.xlc", "--force")
    assert result.exit_code == 2
    assert (tmp_path / "book.xlsx").read_bytes() == lesson.read_bytes()


def test_held_out_ratings_are_reported(run, lesson):
    result = run("fit", lesson, "--solver", "scipy", "-k", "1", "--bias", "--valid-pct", "0.2", "--json")
    (fit,) = json.loads(result.stdout)["fits"]
    assert fit["valid_rmse"] > fit["rmse"]


def test_an_error_is_one_sentence_and_leaves_no_file(run, tmp_path):
    (tmp_path / "bad.csv").write_text("user,item,rating\n1,2,3\n1,3,lots\n")
    result = run("fit", tmp_path / "bad.csv", "-o", tmp_path / "out.xlsx")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "lots" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out.xlsx").exists()


def test_an_error_under_json_is_an_object_with_sheet_and_cell(run, tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Ratings"
    for row in ([None, "a", "b", "c"], ["u", 1, 2, 5], ["v", 4, "lots", 2], ["w", 3, 1, 1]):
        book.active.append(row)
    book.save(tmp_path / "bad.xlsx")
    result = run("fit", tmp_path / "bad.xlsx", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)["error"]
    assert (error["sheet"], error["cell"]) == ("Ratings", "C3")
    assert "lots" in error["message"]


def test_an_unknown_solver_is_refused_with_the_choices(run, lesson):
    result = run("fit", lesson, "--solver", "excel")
    assert result.exit_code == 1
    assert "scipy" in result.stderr


def test_a_missing_file_is_named(run, tmp_path):
    result = run("fit", tmp_path / "nothing.xlsx")
    assert result.exit_code == 1
    assert "nothing.xlsx" in result.stderr


def test_the_quality_reaches_the_solver(run, lesson):
    good, best = (run("fit", lesson, "--solver", "bayes", "--quality", quality) for quality in ("good", "best"))
    assert "draws" not in good.stdout
    assert "distilled from 100 draws" in best.stdout


def test_cuda_asked_for_and_missing_is_an_error(run, lesson):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("needs a machine without CUDA")
    result = run("fit", lesson, "--solver", "torch", "--device", "cuda", "--epochs", "1")
    assert result.exit_code == 1
    assert "CUDA" in result.stderr


def test_a_flag_that_goes_with_none_of_the_named_solvers_is_refused(run, lesson):
    for command, solvers, flag, rest in (
        ("fit", ("scipy", "torch"), ("--quality", "best"), "scipy and torch: it is for bayes."),
        ("fit", ("bayes",), ("--epochs", "3"), "bayes: it is for torch."),
        ("evaluate", ("bayes",), ("--penalty", "2"), "bayes: it is for scipy, als."),
        ("recommend", ("als",), ("--lr", "0.1"), "als: it is for torch."),
    ):
        result = run(command, lesson, *[word for name in solvers for word in ("--solver", name)], *flag)
        assert result.exit_code == 2
        assert f"{flag[0]} does nothing with {rest}" in result.stderr


def test_a_flag_speaks_to_those_of_the_solvers_that_know_it(run, lesson):
    result = run("fit", lesson, "--solver", "bayes", "--solver", "als", "--penalty", "2", "--json")
    assert [fit["solver"] for fit in json.loads(result.stdout)["fits"]] == ["bayes", "als"]
