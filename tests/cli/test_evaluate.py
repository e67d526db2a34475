"""``evaluate``: what it prints and with which exit code."""

from __future__ import annotations

import json

import pytest

from xlcollab.evaluation import KFold, compare
from xlcollab.evaluation import evaluate as measured
from xlcollab.fitting import fit
from xlcollab.rating_files import read_ratings

KEYS = {"solver", "rmse", "mae", "fit_seconds", "predict_seconds", "n_train", "n_test", "unknown"}


@pytest.fixture
def files(lesson, tmp_path):
    """The lesson's ratings as MovieLens' files, a fifth of them held out."""
    train, valid = read_ratings(lesson).split(0.2, seed=0)
    paths = tmp_path / "u1.base", tmp_path / "u1.test"
    for part, path in zip((train, valid), paths, strict=True):
        part.to_frame().to_csv(path, sep="\t", index=False, header=False)
    return paths


def test_two_files_give_the_held_out_error(run, files):
    result = run("evaluate", *files, "--solver", "bayes", "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    expected = measured(*files, solver="bayes", seed=42)
    assert set(document) >= KEYS
    assert document["solver"] == "bayes"
    assert (document["rmse"], document["mae"]) == (expected.rmse, expected.mae)
    assert (document["n_train"], document["n_test"]) == (165, 41)
    assert min(document["fit_seconds"], document["predict_seconds"]) > 0
    assert document["inside"] == expected.inside


def test_a_column_says_how_many_were_unknown_where_some_were(run, files):
    assert "unknown" not in run("evaluate", *files).stdout
    with files[1].open("a") as file:
        file.write("999\t49\t4\n")
    header, row = (line.split() for line in run("evaluate", *files).stdout.splitlines()[-2:])
    assert (header[-1], row[-1]) == ("unknown", "1")


def test_the_model_and_its_settings_reach_the_fit(run, files):
    flags = ["--solver", "scipy", "-k", "1", "--bias", "--penalty", "4", "--restarts", "1", "--seed", "3"]
    document = json.loads(run("evaluate", *files, *flags, "--json").stdout)
    expected = measured(*files, solver="scipy", n_factors=1, biased=True, penalty=4.0, restarts=1, seed=3)
    assert document["rmse"] == expected.rmse
    assert document["inside"] is None


def test_the_penalty_may_be_chosen_by_itself(run, files):
    document = json.loads(
        run("evaluate", *files, "--solver", "scipy", "-k", "1", "--bias", "--penalty", "auto", "--json").stdout
    )
    expected = measured(*files, solver="scipy", n_factors=1, biased=True, penalty="auto", seed=42)
    assert document["rmse"] == expected.rmse
    assert run("evaluate", *files, "--penalty", "most").exit_code == 2


def test_several_solvers_meet_the_same_folds_and_the_best_comes_first(run, lesson):
    flags = ["--folds", "3", "-k", "1", "--bias", "--penalty", "9", "-n", "5"]
    result = run("evaluate", lesson, "--solver", "scipy", "--solver", "bayes", *flags, "--json")
    rows = json.loads(result.stdout)["evaluations"]
    table = compare(
        read_ratings(lesson),
        {"scipy": {"solver": "scipy", "penalty": 9.0}, "bayes": {"solver": "bayes"}},
        splits=KFold(3, seed=42), seed=42, n_factors=1, biased=True, n=5,
    )  # fmt: skip
    assert [row["solver"] for row in rows] == table.index.tolist()
    for row in rows:
        for name in ("rmse", "rmse_sd", "behind", "behind_se", "ndcg", "map", "coverage"):
            assert row[name] == pytest.approx(table.loc[row["solver"], name], rel=1e-12), name
        assert row["splits"] == 3
    assert rows[0]["behind"] == 0 < rows[1]["behind"]


def test_a_table_shows_what_there_is_to_say(run, lesson, files):
    one = run("evaluate", *files).stdout.splitlines()
    assert one[0].split() == ["solver", "RMSE", "MAE", "inside", "80%", "fit", "s", "predict", "s", "train", "test"]
    assert one[1].split()[0] == "bayes"
    assert one[1].split()[-2:] == ["165", "41"]
    folds = run("evaluate", lesson, "-q").stdout.splitlines()
    assert folds[0] == "means of 5 splits"
    assert folds[1].split()[:5] == ["solver", "RMSE", "sd", "pooled", "MAE"]
    both = run("evaluate", *files, "--solver", "bayes", "--solver", "scipy", "-q").stdout.splitlines()
    assert both[0].split()[:3] == ["solver", "RMSE", "behind"]
    assert [line.split()[0] for line in both[1:]] == ["bayes", "scipy"]


def test_a_part_can_be_held_out(run, lesson):
    document = json.loads(run("evaluate", lesson, "--valid-pct", "0.5", "--json").stdout)
    assert (document["n_train"], document["n_test"], document["splits"]) == (103, 103, 1)


@pytest.mark.parametrize(
    "flags", [["--folds", "3", "--valid-pct", "0.2"], ["--relevant", "4"], ["--folds", "1"], ["--valid-pct", "1"]]
)
def test_flags_that_do_not_go_together_are_usage_errors(run, lesson, flags):
    assert run("evaluate", lesson, *flags).exit_code == 2


def test_a_saved_fit_is_measured_as_it_is(run, files, tmp_path):
    model = tmp_path / "model.xlc"
    fit(files[0], solver="als", n_factors=1).save(model)
    document = json.loads(run("evaluate", model, files[1], "-n", "5", "--json").stdout)
    expected = measured(*files, solver="als", n_factors=1, n=5)
    assert set(document) >= KEYS
    assert (document["solver"], document["rmse"], document["ndcg"]) == ("als", expected.rmse, expected.ndcg)
    assert run("evaluate", model, files[1]).stdout.splitlines()[-1].split()[:2] == ["als", f"{expected.rmse:.4f}"]


def test_a_saved_fit_alone_has_nothing_to_be_measured_on(run, files, tmp_path):
    model = tmp_path / "model.xlc"
    fit(files[0], solver="als", n_factors=1).save(model)
    result = run("evaluate", model)
    assert result.exit_code == 2
    assert "model.xlc is a saved fit: give TEST, the ratings to measure it on." in result.stderr


def test_a_test_file_leaves_nothing_to_hold_out(run, files):
    result = run("evaluate", *files, "--folds", "3")
    assert result.exit_code == 2
    assert "each says which ratings to hold out" in result.stderr


def test_errors_are_sentences(run, files):
    result = run("evaluate", *files, "--solver", "nope", "--json")
    assert result.exit_code == 1
    assert "no solver 'nope'" in json.loads(result.stdout)["error"]["message"]
    assert run("evaluate", files[0], "missing.csv").exit_code == 1
