"""``xc.solve``: what it writes, and that nothing else in the file changes by a byte."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from openpyxl import Workbook as OpenpyxlBook
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.formatting.rule import ColorScaleRule
from openpyxl.styles import Font, PatternFill
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.formula import ArrayFormula

import xlcollab as xc
from xlcollab.errors import CannotWriteError, FormulaError, OptionError, SolverModelError, TooManyFactorsWarning
from xlcollab.excel_solver.solve import check_gradient
from xlcollab.ratings import Ratings
from xlcollab.sheets.report import write_report
from xlcollab.xlsx.workbook import Workbook

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
MODEL_SHEET = "xl/worksheets/sheet1.xml"


NO_MODEL = dict.fromkeys(f"solver_{name}" for name in ("typ", "num", "val", "neg", "eng", "ver"))


@pytest.fixture
def rich_book(tmp_path: Path, books) -> Path:
    """Least squares on sheet Model, read from two other sheets; styles, a chart, comments, foreign parts around it.

    x is asked for with (x-3)² + (y+2)² + (x·w - 6)² where w stands on Data; the minimum is 0 at (3, -2).
    """
    book = OpenpyxlBook()
    model, follows, data = book.active, book.create_sheet("Follows"), book.create_sheet("Data")
    model.title = "Model"
    for place, value in {"A1": "x", "A2": "y", "B1": 1, "B2": 1, "D1": "note", "D2": "=1+1", "D3": 7}.items():
        model[place] = value
    for row, formula in enumerate(("=B1-3", "=B2+2", "=B1*Data!A1-6"), 4):
        model[f"B{row}"] = formula
    model["B8"] = "=SUMSQ(B4:B6)"
    model["E4"] = ArrayFormula("E4:E6", "=B4:B6*2")
    for row in range(1, 4):
        model[f"F{row}"] = f"=$B$1+ROW(F{row})"  # made a shared formula below
    model["B1"].font, model["B1"].fill = Font(bold=True, color="FF0000"), PatternFill("solid", "FFFF00")
    model["B8"].number_format = "0.000"
    model["D3"].comment = Comment("keep me", "somebody")
    model.conditional_formatting.add("B4:B6", ColorScaleRule("min", "3", "FF0000", "max", "3", "00FF00"))
    chart = BarChart()
    chart.add_data(Reference(model, 2, 4, 2, 6))
    model.add_chart(chart, "H2")
    follows["A1"], follows["A2"], follows["A3"] = "=Model!B8+1", '=IF(Model!B1>2,"large","small")', "=Data!A1*2"
    data["A1"] = 2
    data["B1"] = "=A1*5"
    stored = books.Model(cells={}, objective="B8", changing="B1:B2").stored()
    for name, text in stored.items():
        model.defined_names[name] = DefinedName(name, attr_text=text, hidden=True)
    plain = tmp_path / "plain.xlsx"
    book.save(plain)
    shared = (
        (b'<c r="F1"><f>$B$1+ROW(F1)</f>', b'<c r="F1"><f t="shared" ref="F1:F3" si="0">$B$1+ROW(F1)</f>'),
        (b'<c r="F2"><f>$B$1+ROW(F2)</f>', b'<c r="F2"><f t="shared" si="0"/>'),
        (b'<c r="F3"><f>$B$1+ROW(F3)</f>', b'<c r="F3"><f t="shared" si="0"/>'),
    )
    path = tmp_path / "rich.xlsx"
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename == MODEL_SHEET:
                for old, new in shared:
                    assert old in content
                    content = content.replace(old, new)
            after.writestr(info, content, compresslevel=1)  # not the level that we would write with
        after.writestr("customXml/item1.xml", b"<mine  xmlns='urn:x'/>", compresslevel=9)
        after.writestr("xl/printerSettings/printerSettings1.bin", bytes(range(256)) * 9, zipfile.ZIP_STORED)
    books.fill_caches(path)
    return path


def compressed(path: Path) -> dict[str, bytes]:
    """The bytes of each part as they lie in the file, still compressed."""
    found = {}
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name_length = int.from_bytes(data[info.header_offset + 26 : info.header_offset + 28], "little")
            extra_length = int.from_bytes(data[info.header_offset + 28 : info.header_offset + 30], "little")
            start = info.header_offset + 30 + name_length + extra_length
            found[info.filename] = data[start : start + info.compress_size]
    return found


def cells(path: Path, part: str) -> dict[str, tuple[str | None, str | None, str, str | None]]:
    """Each cell's style, type, formula with its attributes, and value."""
    with zipfile.ZipFile(path) as archive:
        root = etree.fromstring(archive.read(part))
    found = {}
    for cell in root.iter(MAIN + "c"):
        formula = cell.find(MAIN + "f")
        text = "" if formula is None else f"{formula.text} {sorted(formula.attrib.items())}"
        found[cell.get("r")] = (cell.get("s"), cell.get("t"), text, cell.findtext(MAIN + "v"))
    return found


def changed_sheets(before: Path, after: Path) -> set[int]:
    """The numbers of the sheet parts that changed; nothing else may, except the settings in workbook.xml."""
    one, two = compressed(before), compressed(after)
    assert list(one) == list(two)
    changed = {name for name in one if one[name] != two[name]} - {"xl/workbook.xml"}
    assert all(name.startswith("xl/worksheets/sheet") for name in changed), changed
    return {int(name.removeprefix("xl/worksheets/sheet").removesuffix(".xml")) for name in changed}


def test_parts_without_a_changed_cell_keep_even_their_compressed_bytes(rich_book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    (model,) = xc.solve(rich_book, out).models
    assert model.value == pytest.approx(0, abs=1e-12)
    assert changed_sheets(rich_book, out) == {1, 2}


def test_only_changing_cells_and_what_depends_on_them_change_on_any_sheet(rich_book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    xc.solve(rich_book, out)
    expected = {1: "B1 B2 B4 B5 B6 B8 E4 E5 E6 F1 F2 F3", 2: "A1 A2", 3: ""}
    for number, places in expected.items():
        part = f"xl/worksheets/sheet{number}.xml"
        before, after = cells(rich_book, part), cells(out, part)
        assert list(before) == list(after)
        assert {at for at in before if before[at] != after[at]} == set(places.split())


def test_formulas_and_styles_stay_as_they_were(rich_book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    xc.solve(rich_book, out)
    for number in (1, 2):
        part = f"xl/worksheets/sheet{number}.xml"
        before, after = cells(rich_book, part), cells(out, part)
        for at in before:
            assert (before[at][0], before[at][2]) == (after[at][0], after[at][2]), at


def test_the_whole_book_agrees_with_gnumeric_and_with_the_validator(
    rich_book: Path, tmp_path: Path, wrong_values, sdk_errors
) -> None:
    out = tmp_path / "out.xlsx"
    xc.solve(rich_book, out)
    assert wrong_values(out) == []
    # openpyxl's styles have errors of their own
    assert sdk_errors(out).replace(str(out), "") == sdk_errors(rich_book).replace(str(rich_book), "")


def test_excel_is_asked_to_calculate_everything_on_load(rich_book: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.xlsx"
    xc.solve(rich_book, out)
    with zipfile.ZipFile(out) as archive:
        settings = etree.fromstring(archive.read("xl/workbook.xml")).find(MAIN + "calcPr")
    assert settings.get("fullCalcOnLoad") == "1"


def test_a_book_with_macros_keeps_them(rich_book: Path, tmp_path: Path) -> None:
    macros = tmp_path / "macros.xlsm"
    project = b"\xd0\xcf\x11\xe0 a vbaProject, which nobody here looks into" + bytes(500)
    with zipfile.ZipFile(rich_book) as before, zipfile.ZipFile(macros, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename == "[Content_Types].xml":
                content = content.replace(b"spreadsheetml.sheet.main+xml", b"MACRO").replace(
                    b"application/vnd.openxmlformats-officedocument.MACRO",
                    b"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
                )
                content = content.replace(
                    b"</Types>",
                    b'<Override PartName="/xl/vbaProject.bin" '
                    b'ContentType="application/vnd.ms-office.vbaProject"/></Types>',
                )
            if info.filename == "xl/_rels/workbook.xml.rels":
                kind = b"http://schemas.microsoft.com/office/2006/relationships/vbaProject"
                content = content.replace(
                    b"</Relationships>",
                    b'<Relationship Id="rIdVba" Type="%s" Target="vbaProject.bin"/></Relationships>' % kind,
                )
            after.writestr(info, content)
        after.writestr("xl/vbaProject.bin", project)
    out = tmp_path / "out.xlsm"
    xc.solve(macros, out)
    assert changed_sheets(macros, out) == {1, 2}
    with zipfile.ZipFile(out) as archive:
        assert archive.read("xl/vbaProject.bin") == project
        assert b"macroEnabled" in archive.read("[Content_Types].xml")


def test_without_an_output_nothing_is_written_and_a_passed_workbook_holds_the_answer(rich_book: Path) -> None:
    before = rich_book.read_bytes()
    book = Workbook.open(rich_book)
    report = xc.solve(book)
    assert report.output is None
    assert rich_book.read_bytes() == before
    assert book.sheet("Model").cells[1, 2].value == pytest.approx(3, abs=1e-7)
    assert Workbook.open(rich_book).sheet("Model").cells[1, 2].value == 1


def test_in_place_replaces_the_book_and_keeps_its_mode(rich_book: Path, tmp_path: Path) -> None:
    rich_book.chmod(0o640)
    report = xc.solve(rich_book, in_place=True)
    assert report.output == rich_book
    assert stat.S_IMODE(rich_book.stat().st_mode) == 0o640
    assert Workbook.open(rich_book).sheet("Model").cells[1, 2].value == pytest.approx(3, abs=1e-7)
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_in_place_and_an_output_contradict_each_other(rich_book: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="in_place"):
        xc.solve(rich_book, tmp_path / "out.xlsx", in_place=True)


KILLED = """
import sys
import xlcollab as xc
xc.solve(sys.argv[1])
print("ready", flush=True)
while True:
    xc.solve(sys.argv[2], in_place=True)
"""


def test_a_kill_at_any_moment_leaves_the_book_as_it_was_or_solved(rich_book: Path, tmp_path: Path) -> None:
    book = tmp_path / "victim.xlsx"
    found = []
    for moment in range(2):
        shutil.copy(rich_book, book)
        victim = subprocess.Popen([sys.executable, "-c", KILLED, rich_book, book], stdout=subprocess.PIPE)
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        time.sleep(0.02 + 0.1 * moment)
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        with zipfile.ZipFile(book) as archive:
            assert archive.testzip() is None
        found.append(Workbook.open(book).sheet("Model").cells[1, 2].value)
    assert all(value == 1 or abs(value - 3) < 1e-6 for value in found), found


# The characters that Excel allows in a sheet's name and that a reference has to quote, double or escape.
AWKWARD = [
    "It's", "a!b", "R1C1", "RC", "A1", "XFD1048576", "TRUE", "2024", "a,b", "Müller & Söhne", "two  spaces", "(x)",
    "a;b", "#REF", "日本語", "€uro", "a.b", "{x}", '"quoted"', "a=b", "+x", "-x", "<tag>", "&amp;", "50%", "^~@",
    "$A$1", "|", "_x0041_", "é\u0301", "x" * 31, "😀",
]  # fmt: skip


def test_models_on_sheets_with_every_awkward_name_are_read_solved_and_written(
    write_models, books, tmp_path: Path, wrong_values, stored_values
) -> None:
    models = []
    for k, name in enumerate(AWKWARD):
        home = "'" + name.replace("'", "''") + "'"
        cells = {"A1": 0, "A2": k, "B1": f"=(A1-{home}!A2)^2+1", "B2": "=A1"}
        if k:
            before = "'" + AWKWARD[k - 1].replace("'", "''") + "'"
            cells["C1"] = f"={before}!A1+A1"
        models.append(
            books.Model(cells=cells, objective="B1", changing="A1", constraints=[("B2", ">=", "A2")], sheet=name)
        )
    out = tmp_path / "out.xlsx"
    report = xc.solve(write_models(*models), out, restarts=1)
    assert [model.sheet for model in report.models] == AWKWARD
    assert {model.code for model in report.models} == {0}
    values = stored_values(out)
    for k, name in enumerate(AWKWARD):
        assert values[name]["A1"][0] == pytest.approx(k, abs=1e-5), name
        if k:
            assert values[name]["C1"][0] == pytest.approx(2 * k - 1, abs=1e-4), name
    # Gnumeric 1.12 does not read a formula that names a sheet with an apostrophe in it, doubled as it has to be.
    assert [line for line in wrong_values(out) if "s\\'!A" not in line] == []


def test_a_model_builds_on_the_answer_of_an_earlier_sheet(write_models, books, tmp_path: Path, stored_values) -> None:
    first = books.Model(cells={"A1": 0, "B1": "=(A1-3)^2"}, objective="B1", changing="A1", sheet="First")
    second = books.Model(
        cells={"A1": 0, "B1": "=(A1-2*First!A1)^2"}, objective="B1", changing="A1", sheet="Second", state="hidden"
    )
    out = tmp_path / "out.xlsx"
    xc.solve(write_models(first, second), out)
    assert stored_values(out)["Second"]["A1"][0] == pytest.approx(6, abs=1e-6)


def test_a_sum_of_a_thousand_terms_is_no_deeper_than_one(solver_book) -> None:
    terms = "+".join(f"(A{1 + n % 3}-{n % 3})^2" for n in range(600))
    chained = {f"C{n}": f"=C{n - 1}+(A{1 + n % 3}-{n % 3})^2" for n in range(2, 401)}
    cells = {"A1": 5, "A2": 5, "A3": 5, "B1": f"={terms}+C400", "C1": 0, **chained}
    (model,) = xc.solve(solver_book(cells, objective="B1", changing="A1:A3")).models
    assert model.value == pytest.approx(0, abs=1e-9)


def test_one_sheet_can_be_asked_for_whatever_its_capitals(write_models, books, tmp_path: Path) -> None:
    models = [
        books.Model(cells={"A1": 0, "B1": "=(A1-3)^2"}, objective="B1", changing="A1", sheet=name)
        for name in ("One", "Two")
    ]
    path = write_models(*models)
    report = xc.solve(path, tmp_path / "out.xlsx", sheet="two")
    assert [model.sheet for model in report.models] == ["Two"]
    assert changed_sheets(path, report.output) == {2}
    with pytest.raises(SolverModelError, match="holds no Solver model"):
        xc.solve(_without_names(path, tmp_path / "bare.xlsx"))


def _without_names(path: Path, bare: Path) -> Path:
    from openpyxl import load_workbook

    book = load_workbook(path)
    for sheet in book:
        sheet.defined_names.clear()
    book.save(bare)
    return bare


def test_changing_cells_on_another_sheet_and_without_a_cell_of_their_own_are_written(
    write_models, books, tmp_path: Path, stored_values
) -> None:
    first = books.Model(
        cells={"B1": "=(Inputs!C3-3)^2+(Inputs!D9+1)^2"}, objective="B1", changing="Inputs!$C$3,Inputs!$D$9"
    )
    inputs = books.Model(
        cells={"A1": "nothing below"},
        sheet="Inputs",
        names=NO_MODEL,
    )
    out = tmp_path / "out.xlsx"
    report = xc.solve(write_models(first, inputs), out)
    assert [model.sheet for model in report.models] == ["Model"]
    found = stored_values(out)["Inputs"]
    assert (found["C3"][0], found["D9"][0]) == pytest.approx((3, -1), abs=1e-6)


def test_a_book_without_cached_values_is_computed_whole_and_says_so(
    tmp_path: Path, books, wrong_values: Callable[[Path], list[str]]
) -> None:
    path, out = tmp_path / "book.xlsx", tmp_path / "out.xlsx"
    cells = {"A1": 1, "B1": "=(A1-3)^2+C1", "C1": "=2*2", "E1": '=LEN("unrelated")'}
    books.write(path, [books.Model(cells=cells, objective="B1", changing="A1")], cached=False)
    report = xc.solve(path, out)
    assert any("nothing to check" in note for note in report.notes)
    assert report.models[0].value == pytest.approx(4)
    assert wrong_values(out) == []


def test_a_dependent_that_cannot_be_computed_keeps_its_formula_loses_its_value_and_is_named(
    solver_book, tmp_path: Path, stored_values
) -> None:
    from openpyxl import load_workbook

    path = solver_book(
        {"A1": 1, "B1": "=(A1-3)^2", "D1": "=BESSELJ(A1,1)", "D2": "=D1+1"}, objective="B1", changing="A1"
    )
    out = tmp_path / "out.xlsx"
    report = xc.solve(path, out)
    assert report.models[0].written
    (note,) = report.notes
    assert "Model!$D$1" in note
    assert "BESSELJ" in note
    found = stored_values(out)["Model"]
    assert (found["D1"], found["D2"]) == ((None, True), (None, True))
    assert load_workbook(out)["Model"]["D1"].value == "=BESSELJ(A1,1)"


def test_the_output_is_never_overwritten_without_force(rich_book: Path, tmp_path: Path) -> None:
    taken = tmp_path / "taken.xlsx"
    taken.write_bytes(b"mine")
    with pytest.raises(CannotWriteError, match="--force"):
        xc.solve(rich_book, taken)
    assert taken.read_bytes() == b"mine"
    assert xc.solve(rich_book, taken, force=True).output == taken
    assert changed_sheets(rich_book, taken) == {1, 2}


def test_a_fit_that_hits_every_rating_is_solved_where_its_rmse_has_a_kink(tmp_path: Path) -> None:
    ratings = Ratings.from_arrays(*np.indices((4, 3)).reshape(2, -1), [3, 5, 1, 4, 2, 5, 5, 1, 4, 2, 3, 3])
    with pytest.warns(TooManyFactorsWarning):
        fit = xc.fit(ratings, solver="scipy", n_factors=3)
    write_report([fit], tmp_path / "exact.xlsx")
    (solved,) = xc.solve(tmp_path / "exact.xlsx", output=tmp_path / "solved.xlsx").models
    assert solved.code == 0
    assert solved.value == pytest.approx(0.0, abs=1e-9)


def test_a_gradient_that_is_wrong_away_from_kinks_is_found_out() -> None:
    class Wrong:
        smooth, start, linear = True, np.array([1.0, 2.0]), (False,)

        def __init__(self, slope: float) -> None:
            self.slope = slope

        def values(self, x: np.ndarray) -> np.ndarray:
            return np.array([float(x @ x)])

        def value_and_gradient(self, x: np.ndarray, _: np.ndarray) -> tuple[float, np.ndarray]:
            return float(x @ x), self.slope * x

    check_gradient(Wrong(2.0))
    with pytest.raises(FormulaError, match="does not agree with its formulas"):
        check_gradient(Wrong(2.1))
