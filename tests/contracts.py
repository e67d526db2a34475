"""What has to hold for anything of a kind, whoever made it: helpers for the tests, reached through the fixtures.

Recalculation: a workbook's formulas are computed again by Gnumeric, an engine that shares no code with ours, after
every cached value has been overwritten, so that an engine that only hands caches on is found out. Nothing here uses
`xlcollab.xlsx`: a reader that misreads must not judge the writer beside it.

Solvers: `SolverContract`, from which the test file of each solver derives its first class.
"""

from __future__ import annotations

import math
import re
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from posixpath import join, normpath
from typing import Any, ClassVar

import numpy as np
import pytest
from lxml import etree

from xlcollab.errors import NotConvergedError, OptionError, UnratedLabelWarning
from xlcollab.fitting import Fit, fit
from xlcollab.model import Factors, Model
from xlcollab.progress import Progress
from xlcollab.ratings import Ratings
from xlcollab.solvers import make_solver, solver_options
from xlcollab.solvers.base import Status

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
POISON = "-98765.4321"

Value = float | str | None
Stored = dict[str, dict[str, tuple[Value, bool]]]


def recalculated(book: Path, folder: Path, ssconvert: str = "ssconvert") -> dict[str, dict[str, Value]]:
    """Every cell's value by sheet and address after Gnumeric computed the book anew: numbers, text, '#N/A' or None.

    TRUE and FALSE are 1.0 and 0.0. ``folder`` takes two working copies.
    """
    poisoned, again = folder / f"poisoned-{book.name}", folder / f"recalculated-{book.name}"
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(poisoned, "w", zipfile.ZIP_DEFLATED) as target:
        sheets = set(_sheet_parts(source).values())
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, _poison(data) if name in sheets else data)
    subprocess.run([ssconvert, "--recalc", poisoned, again], check=True, capture_output=True)
    return {sheet: {at: value for at, (value, _) in cells.items()} for sheet, cells in stored_values(again).items()}


def wrong_values(book: Path, folder: Path, ssconvert: str = "ssconvert", tolerance: float = 1e-9) -> list[str]:
    """The formula cells whose cached value is not what Gnumeric computes, in words; none where all is well."""
    computed = recalculated(book, folder, ssconvert)
    wrong = []
    for sheet, cells in stored_values(book).items():
        for at, (value, is_formula) in cells.items():
            other = computed.get(sheet, {}).get(at)
            if is_formula and not _same(value, other, tolerance):
                wrong.append(f"{sheet}!{at} holds {value!r}, and {other!r} is computed")
    return wrong


def stored_values(book: Path) -> Stored:
    """Each cell's value and whether a formula gives it, cells of array formulas included."""
    with zipfile.ZipFile(book) as source:
        tables = [
            etree.fromstring(source.read(name)) for name in source.namelist() if name.endswith("sharedStrings.xml")
        ]
        items = [item for table in tables for item in table.iterchildren(MAIN + "si")]
        strings = ["".join(text.text or "" for text in item.iter(MAIN + "t")) for item in items]
        return {
            sheet: _stored_cells(etree.fromstring(source.read(part)), strings)
            for sheet, part in _sheet_parts(source).items()
        }


def _sheet_parts(book: zipfile.ZipFile) -> dict[str, str]:
    rels = etree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    targets = {line.get("Id"): normpath(join("xl", line.get("Target"))).lstrip("/") for line in rels}
    lines = etree.fromstring(book.read("xl/workbook.xml")).find(MAIN + "sheets")
    return {
        line.get("name"): targets[line.get(RELATION)] for line in lines if "worksheets" in targets[line.get(RELATION)]
    }


def _poison(data: bytes) -> bytes:
    root = etree.fromstring(data)
    filled = {at for cell in root.iter(MAIN + "c") for at in _array_cells(cell)}
    for cell in root.iter(MAIN + "c"):
        stored = cell.find(MAIN + "v")
        if stored is not None and (cell.find(MAIN + "f") is not None or cell.get("r") in filled):
            stored.text = POISON
            cell.attrib.pop("t", None)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _stored_cells(root: etree._Element, strings: list[str]) -> dict[str, tuple[Value, bool]]:
    found: dict[str, tuple[Value, bool]] = {}
    filled: set[str] = set()
    for cell in root.iter(MAIN + "c"):
        filled.update(_array_cells(cell))
        text, kind = cell.findtext(MAIN + "v"), cell.get("t", "n")
        value: Value = text
        if kind == "inlineStr":
            value = "".join(cell.find(MAIN + "is").itertext())
        elif kind == "s" and text:
            value = strings[int(text)]
        elif kind in ("n", "b"):
            value = float(text) if text else None
        found[cell.get("r")] = (value, cell.find(MAIN + "f") is not None)
    return {at: (value, is_formula or at in filled) for at, (value, is_formula) in found.items()}


def _array_cells(cell: etree._Element) -> Iterator[str]:
    formula = cell.find(MAIN + "f")
    if formula is None or formula.get("t") != "array":
        return
    corners = [re.fullmatch(r"([A-Z]+)([0-9]+)", at) for at in formula.get("ref").split(":")]
    cols = [_column(corner[1]) for corner in corners]
    for row in range(int(corners[0][2]), int(corners[-1][2]) + 1):
        for col in range(cols[0], cols[-1] + 1):
            yield f"{_letters(col)}{row}"


def _column(letters: str) -> int:
    return 0 if not letters else _column(letters[:-1]) * 26 + ord(letters[-1]) - 64


def _letters(column: int) -> str:
    return "" if not column else _letters((column - 1) // 26) + chr(65 + (column - 1) % 26)


def _same(ours: Value, theirs: Value, tolerance: float) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=tolerance)
    return ours == theirs or (ours == "" and theirs is None)


# Solvers --------------------------------------------------------------------------------------------------------------


def some_ratings(m: int = 14, n: int = 12, fill: float = 0.85, seed: int = 0) -> Ratings:
    """Ratings in half stars with structure and noise; users are numbers, items text, one of them looks like a
    formula."""
    g = np.random.default_rng(seed)
    table = 3.4 + 0.5 * g.normal(size=(m, 1)) + 0.4 * g.normal(size=n) + g.normal(size=(m, 2)) @ g.normal(size=(2, n))
    table = np.clip(np.round(2 * (table + 0.4 * g.normal(size=(m, n)))) / 2, 0.5, 5)
    users, items = np.nonzero(g.random((m, n)) < fill)
    labels = ("=1+1", *(f"film {number}" for number in range(1, n)))
    return Ratings(tuple(range(100, 100 + m)), labels, users, items, table[users, items])


def planted(m: int = 120, n: int = 80, rank: int = 3, noise: float = 0.5, seed: int = 0) -> tuple[Ratings, Ratings]:
    """Ratings with a known structure: (those to fit, the others as they are without noise)."""
    g = np.random.default_rng(seed)
    table = 3 + 0.4 * g.normal(size=(m, 1)) + 0.4 * g.normal(size=n)
    table += g.normal(size=(m, rank)) @ g.normal(size=(rank, n)) * 0.6 / np.sqrt(max(rank, 1))
    filled = g.random((m, n)) < 0.35
    user_idx, item_idx = np.nonzero(filled)
    values = table[user_idx, item_idx] + noise * g.normal(size=len(user_idx))
    train = Ratings(tuple(range(m)), tuple(range(n)), user_idx, item_idx, values)
    user_idx, item_idx = np.nonzero(~filled)
    return train, replace(train, user_idx=user_idx, item_idx=item_idx, values=table[user_idx, item_idx])


class SolverContract:
    """What holds for every solver. A subclass named Test… says which one, and how each of its options is moved.

    ``quick`` are options that make a fit fast; ``models`` the models to try; ``settings`` gives for each option two
    sets of options between which result or report must differ; ``spread`` is how far the RMSE of a fit may move when
    users and items stand in another order, None where chance decides it.
    """

    solver: str
    quick: ClassVar[dict[str, Any]] = {}
    models: ClassVar[tuple[Model, ...]] = (Model(2), Model(2, biased=True), Model(2, True, (0.0, 5.5)))
    settings: ClassVar[dict[str, tuple[dict[str, Any], dict[str, Any]]]] = {}
    spread: float | None = 1e-6

    def fit(self, ratings: Ratings | None = None, model: Model | None = None, **options: Any) -> Fit:
        ratings = some_ratings() if ratings is None else ratings
        return fit(ratings, self.models[0] if model is None else model, solver=self.solver, **{**self.quick, **options})

    def test_answers_in_the_shapes_of_the_model(self) -> None:
        for model in self.models:
            made = self.fit(model=model)
            shapes = [part.shape for part in _parts(made.factors)]
            assert shapes == [(14, 2), (12, 2), (14,), (12,)], model.name
            assert all(part.dtype == np.float64 and np.isfinite(part).all() for part in _parts(made.factors))
            assert model.biased or not (made.factors.user_bias.any() or made.factors.item_bias.any())
            assert made.predictions(clip=False).shape == (14, 12)

    def test_learns_more_than_the_mean(self) -> None:
        ratings = some_ratings()
        for model in self.models:
            assert self.fit(ratings, model).rmse < ratings.values.std(), model.name

    def test_keeps_predictions_within_the_range_of_the_model(self) -> None:
        for model in self.models:
            if model.y_range is not None:
                table = self.fit(model=model).predict_matrix(clip=False)
                assert model.y_range[0] <= table.min() <= table.max() <= model.y_range[1]

    def test_reports_its_rmse_for_the_training_ratings(self) -> None:
        ratings = some_ratings()
        made = self.fit(ratings)
        error = made.predict_matrix(clip=False)[ratings.user_idx, ratings.item_idx] - ratings.values
        assert made.rmse == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-12)
        assert made.mae == pytest.approx(np.mean(np.abs(error)), rel=1e-12)

    def test_the_same_seed_gives_the_same_bits(self) -> None:
        for model in self.models:
            one, two = (self.fit(model=model, seed=3) for _ in range(2))
            for mine, other in zip(_parts(one.factors), _parts(two.factors), strict=True):
                np.testing.assert_array_equal(mine, other)
            assert (one.message, one.iterations, one.records) == (two.message, two.iterations, two.records) or any(
                "time" in key or "seconds" in key for row in one.records for key in row
            )

    def test_leaves_the_global_generator_alone(self) -> None:
        np.random.seed(5)  # noqa: NPY002 -- the legacy generator is the one that must not move
        before = np.random.get_state()[1].copy()  # noqa: NPY002
        self.fit()
        np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002

    def test_labels_and_ratings_are_left_as_they_were(self) -> None:
        ratings = some_ratings()
        before = (ratings.users, ratings.items, ratings.user_idx.copy(), ratings.item_idx.copy(), ratings.values.copy())
        made = self.fit(ratings)
        assert made.ratings is ratings
        assert (ratings.users, ratings.items) == before[:2]
        for now, then in zip((ratings.user_idx, ratings.item_idx, ratings.values), before[2:], strict=True):
            np.testing.assert_array_equal(now, then)
        assert list(made.user_factors.index) == list(ratings.users)
        assert list(made.item_bias.index) == list(ratings.items)

    def test_order_of_ratings_users_and_items_does_not_matter(self) -> None:
        if self.spread is None:
            pytest.skip("chance decides where this solver ends")
        ratings, g = some_ratings(), np.random.default_rng(1)
        users, items, order = g.permutation(14), g.permutation(12), g.permutation(len(ratings))
        shuffled = Ratings(
            tuple(ratings.users[at] for at in users),
            tuple(ratings.items[at] for at in items),
            np.argsort(users)[ratings.user_idx][order],
            np.argsort(items)[ratings.item_idx][order],
            ratings.values[order],
        )
        for model in self.models:
            one, two = self.fit(ratings, model), self.fit(shuffled, model)
            assert one.rmse == pytest.approx(two.rmse, abs=self.spread), model.name

    def test_held_out_ratings_never_reach_the_fit(self) -> None:
        train, valid = some_ratings().split(valid_pct=0.2, seed=1)
        wrong = replace(valid, values=np.full(len(valid), 1e6))
        alone, beside, misled = (self.fit(train, valid=held_out) for held_out in (None, valid, wrong))
        for made in (beside, misled):
            for mine, other in zip(_parts(made.factors), _parts(alone.factors), strict=True):
                np.testing.assert_array_equal(mine, other)
        assert alone.valid_rmse is None
        assert 0 < beside.valid_rmse < misled.valid_rmse

    def test_stops_when_told_and_keeps_what_it_has(self) -> None:
        for model in self.models:
            calls: list[Progress] = []

            def stop(progress: Progress, calls: list[Progress] = calls) -> bool:
                calls.append(progress)
                return True

            made = self.fit(model=model, on_progress=stop)
            assert len(calls) == 1, "it went on after it was told to stop"
            assert made.status is Status.STOPPED
            assert not made.converged
            assert all(np.isfinite(part).all() for part in _parts(made.factors))

    def test_strict_raises_where_it_stopped_before_its_end(self) -> None:
        with pytest.raises(NotConvergedError):
            self.fit(on_progress=lambda progress: True, strict=True)

    def test_progress_goes_forward(self) -> None:
        calls: list[Progress] = []
        self.fit(on_progress=lambda progress: calls.append(progress))  # noqa: PLW0108
        assert calls
        assert all(call.task and call.done >= 0 and call.total >= 0 for call in calls)
        assert [call.done for call in calls] == sorted(call.done for call in calls)
        assert all(call.value is None or np.isfinite(call.value) for call in calls)

    def test_says_in_a_sentence_how_it_ended(self) -> None:
        made = self.fit()
        assert not made.message[0].islower()
        assert made.message.endswith(".")
        assert isinstance(made.status, Status)
        assert made.iterations >= 0

    def test_history_is_a_table_of_finite_numbers(self) -> None:
        made = self.fit()
        assert made.records
        assert len({tuple(row) for row in made.records}) == 1
        assert all(np.isfinite(value) for row in made.records for value in row.values())
        assert len(made.history) == len(made.records)

    def test_every_option_moves_the_result_or_the_report(self) -> None:
        assert set(self.settings) == set(solver_options(self.solver)), "say in `settings` how each option is moved"
        for option, (before, after) in self.settings.items():
            one, two = self.fit(**before), self.fit(**after)
            assert _report(one) != _report(two), f"{option} moves nothing"

    def test_an_option_that_does_not_exist_is_refused_by_name(self) -> None:
        with pytest.raises(OptionError, match=rf"{self.solver}.*no_such_option"):
            self.fit(no_such_option=1)

    def test_a_solver_is_an_immutable_value_of_its_options(self) -> None:
        one, two = make_solver(self.solver, **self.quick), make_solver(self.solver, **self.quick)
        assert one == two
        for option in solver_options(self.solver):
            with pytest.raises(AttributeError):
                setattr(one, option, None)

    def test_names_a_model_of_its_own(self) -> None:
        assert isinstance(make_solver(self.solver).default_model(some_ratings()), Model)

    def test_who_has_no_rating_is_predicted_all_the_same(self) -> None:
        ratings = some_ratings()
        wider = replace(ratings, users=(*ratings.users, 999), items=(*ratings.items, "unseen"))
        for model in self.models:
            with pytest.warns(UnratedLabelWarning) as seen:
                made = self.fit(wider, model)
            assert len(seen) == 2
            table = made.predictions()
            assert np.isfinite(table.to_numpy()).all()
            low, high = ratings.scale
            assert low < table.loc[999, list(ratings.items)].mean() < high


def _parts(factors: Factors) -> tuple[Any, ...]:
    return factors.user_factors, factors.item_factors, factors.user_bias, factors.item_bias


def _report(made: Fit) -> tuple[Any, ...]:
    parts = _parts(made.factors) if made.predictor is None else tuple(made.predictor.arrays().values())
    numbers = b"".join(np.ascontiguousarray(part).tobytes() for part in parts)
    return numbers, made.rmse, made.message, made.iterations, made.device, len(made.records)
