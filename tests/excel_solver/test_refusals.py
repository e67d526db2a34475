"""What ``xc.solve`` refuses: each by a sentence of its own that names the place and the way out, the book untouched."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

import xlcollab as xc
from xlcollab.errors import FileError, UnsupportedFormatError
from xlcollab.excel_solver.names import read_models
from xlcollab.excel_solver.words import obstacle
from xlcollab.xlsx.workbook import Workbook

CELLS = {"A1": 1, "A2": 2, "B1": "=(A1-3)^2+A2^2+C1", "C1": 4}
MODEL = {"objective": "B1", "changing": "A1:A2"}


def rewritten(path: Path, change: Callable[[str, bytes], bytes | None], name: str) -> Path:
    """A copy of a workbook with each part as ``change`` makes it; parts that become None are left out."""
    copy = path.with_name(name)
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED) as after:
        for info in before.infolist():
            if (content := change(info.filename, before.read(info))) is not None:
                after.writestr(info, content)
    return copy


def signed(part: str, content: bytes) -> bytes:
    origin = b"http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/origin"
    line = b'<Relationship Id="rId9" Type="%s" Target="_xmlsignatures/origin.sigs"/></Relationships>' % origin
    return content.replace(b"</Relationships>", line) if part == "_rels/.rels" else content


def binary(part: str, content: bytes) -> bytes:
    main = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
    return content.replace(main, b"application/vnd.ms-excel.sheet.binary.macroEnabled.main")


def strict(part: str, content: bytes) -> bytes:
    old = b"http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return content.replace(old, b"http://purl.oclc.org/ooxml/spreadsheetml/main")


def old_format(book: Path) -> Path:
    path = book.with_name("book.xls")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "Workbook".encode("utf-16-le") + bytes(500))
    return path


def encrypted(book: Path) -> Path:
    path = book.with_name("encrypted.xlsx")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le"))
    return path


def opendocument(book: Path) -> Path:
    path = book.with_name("book.ods")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", "<x/>")
    return path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda book: rewritten(book, signed, "signed.xlsx"), "digitally signed"),
        (lambda book: rewritten(book, binary, "book.xlsb"), ".xlsb"),
        (lambda book: rewritten(book, strict, "strict.xlsx"), "Strict Open XML"),
        (old_format, "old .xls file"),
        (encrypted, "password"),
        (opendocument, ".ods"),
    ],
    ids=["signed", "xlsb", "strict", "xls", "encrypted", "ods"],
)
def test_files_that_cannot_be_kept_whole_are_refused_by_name(solver_book, tmp_path: Path, make, says: str) -> None:
    path = make(solver_book(CELLS, **MODEL))
    before = path.read_bytes()
    with pytest.raises(UnsupportedFormatError, match=says):
        xc.solve(path, in_place=True)
    assert path.read_bytes() == before


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"gone\.xlsx"):
        xc.solve(tmp_path / "gone.xlsx", in_place=True)


BROKEN: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "objective deleted": ({"names": {"solver_opt": "Model!#REF!"}}, ("objective", "#REF!", "Solver dialog")),
    "changing cell deleted": ({"names": {"solver_adj": "Model!$A$1,Model!#REF!"}}, ("changing cells", "#REF!")),
    "constraint deleted": (
        {"names": {"solver_num": "1", "solver_lhs1": "Model!#REF!", "solver_rel1": "1", "solver_rhs1": "4"}},
        ("Constraint 1", "#REF!"),
    ),
    "the whole sheet to change": ({"names": {"solver_adj": "Model!$1:$1048576"}}, ("17,179,869,184 cells",)),
    "a constraint on no cell": (
        {"names": {"solver_num": "1", "solver_lhs1": "gone", "solver_rel1": "1", "solver_rhs1": "4"}},
        ("left side of constraint 1 names gone",),
    ),
    "a constraint on empty brackets": (
        {"names": {"solver_num": "1", "solver_lhs1": "()", "solver_rel1": "1", "solver_rhs1": "4"}},
        ("left side of constraint 1 reads '()', which is no cell",),
    ),
    "an objective of empty brackets": (
        {"names": {"solver_opt": "()"}}, ("the objective reads '()', which is no cell",),
    ),
    "changing cells of empty brackets": (
        {"names": {"solver_adj": "()"}}, ("the changing cells reads '()', which is no cell",),
    ),
    "the whole sheet constrained": (
        {"names": {"solver_num": "1", "solver_lhs1": "Model!$A:$XFD", "solver_rel1": "4", "solver_rhs1": "integer"}},
        ("left side of constraint 1", "17,179,869,184 cells"),
    ),
    "a target without end": ({"sense": "value", "names": {"solver_val": "1E400"}}, ("'1E400', not a number",)),
    "a formula nested beyond reason": (
        {"cells": {**CELLS, "B1": "=" + "ABS(" * 400 + "A1" + ")" * 400}}, ("Model!B1", "nested too deeply"),
    ),
    "no objective": ({"objective": None}, ("no objective cell",)),
    "no variables": ({"changing": None}, ("no changing cells",)),
    "evolutionary": ({"engine": "evolutionary"}, ("Evolutionary", "--engine grg")),
    "alldifferent": ({"constraints": [("A1:A2", "dif")]}, ("$A$1:$A$2 = AllDifferent",)),
    "locked cells": ({"protected": True}, ("Model!$A$1 is locked", "Unprotect")),
    "one of two locked": ({"protected": True, "unlocked": ["A1:A1"]}, ("Model!$A$2 is locked",)),
    "a formula to change": ({"changing": "A1:B1"}, ("Model!$B$1 holds a formula",)),
    "a text to change": ({"cells": {**CELLS, "A2": "two"}}, ("Model!$A$2 holds a text",)),
    "a constant objective": ({"cells": {**CELLS, "D1": "=C1+1"}, "objective": "D1"}, ("does not depend",)),
    "no formula": ({"objective": "C1"}, ("Model!$C$1 holds no formula",)),
    "a text as objective": ({"cells": {**CELLS, "B1": '=A1&" kg"'}}, ("Model!$B$1", "the text '1 kg'")),
    "a text in a constraint": (
        {"cells": {**CELLS, "C1": "n/a", "B1": "=A1^2+A2^2"}, "constraints": [("A1", "<=", "C1")]},
        ("Model!$C$1", "the text 'n/a'"),
    ),
    "a text from a formula in a constraint": (
        {"cells": {**CELLS, "D1": '=IF(A1>0,"yes",1)'}, "constraints": [("D1", "<=", "1")]},
        ("Model!$D$1", "the text 'yes'"),
    ),
    "an error in the objective": ({"cells": {**CELLS, "B1": "=A2/(A1-1)"}}, ("$B$1", "error value")),
    "an error in a constraint": ({"cells": {**CELLS, "D1": "=LN(-A1)"}, "constraints": [("D1", ">=", "0")]}, ("$D$1",)),
    "a circle": ({"cells": {**CELLS, "B1": "=(A1-D1)^2", "D1": "=B1/2"}}, ("Circular", "Model!B1", "Model!D1")),
    "a random number": ({"cells": {**CELLS, "C1": "=RAND()"}}, ("Model!C1 uses RAND",)),
    "today": ({"cells": {**CELLS, "B1": "=(A1-TODAY())^2"}}, ("Model!B1 uses TODAY",)),
    "a function that is not there": ({"cells": {**CELLS, "B1": "=BESSELJ(A1,1)"}}, ("Model!B1", "BESSELJ")),
    "a constant that nothing computes": (
        {"cells": {**CELLS, "C1": "=BESSELJ(1,1)"}}, ("Model!C1", "BESSELJ", "save the workbook in Excel"),
    ),
    "another workbook": ({"cells": {**CELLS, "B1": "=(A1-[1]Sheet1!A1)^2"}}, ("Model!B1", "another workbook")),
    "OFFSET by a changing cell": ({"cells": {**CELLS, "B1": "=OFFSET(C1,A1,0)+A2^2"}}, ("Model!B1 uses OFFSET",)),
}  # fmt: skip
UNSEEN = {"a text as objective", "a text from a formula in a constraint", "an error in the objective",
          "an error in a constraint", "a text in a constraint", "OFFSET by a changing cell",
          "a constant that nothing computes"}  # fmt: skip
"""What only computing shows, which `inspect` does not do."""


@pytest.mark.parametrize("name", BROKEN)
def test_a_model_that_cannot_be_solved_says_why_and_the_book_stays(solver_book, name: str) -> None:
    changes, says = BROKEN[name]
    path = solver_book(**{"cells": CELLS, **MODEL, **changes})
    before = path.read_bytes()
    report = xc.solve(path, in_place=True)
    (model,) = report.models
    for text in says:
        assert text in model.message
    assert not model.written
    assert model.code in (None, 9, 13)
    assert (report.output, report.exit_code) == (None, 1)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", BROKEN)
def test_inspect_says_so_without_computing(solver_book, stored_model, name: str) -> None:
    path = solver_book(**{"cells": CELLS, **MODEL, **BROKEN[name][0]})
    reason = obstacle(Workbook.open(path), stored_model(path))
    assert (reason is None) == (name in UNSEEN), reason


def test_nothing_stands_in_the_way_of_a_model_that_can_be_solved(textbook, write_models) -> None:
    book = Workbook.open(write_models(textbook))
    (model,) = read_models(book)
    assert obstacle(book, model) is None


def test_a_foreign_engines_model_is_solved_by_one_of_ours(solver_book) -> None:
    (model,) = xc.solve(solver_book(CELLS, **MODEL, names={"solver_eng": "6", "solver_ver": "16"})).models
    assert model.engine == "an engine of another add-in"
    assert model.value == pytest.approx(4)


@pytest.mark.parametrize(("cell", "says"), [("B1", "Model!B1 is 12"), ("D1", "Model!D1 is 3")])
def test_a_cached_value_that_disagrees_names_the_cell_and_both_values(solver_book, cell: str, says: str) -> None:
    path = solver_book({**CELLS, "B1": "=(A1-3)^2+A2^2+C1+D1-3", "D1": "=A1+A2"}, **MODEL)
    book = Workbook.open(path)
    row_col = {"B1": (1, 2), "D1": (1, 4)}[cell]
    book.sheet("Model").patch({row_col: 12.5})
    book.save(path, force=True)
    before = path.read_bytes()
    (model,) = xc.solve(path, in_place=True).models
    assert says in model.message
    assert "holds 12.5" in model.message
    assert path.read_bytes() == before


def test_a_formula_outside_the_cone_may_hold_what_it_likes(solver_book, tmp_path: Path) -> None:
    cells = {**CELLS, "F1": "=RAND()", "F2": "=BESSELJ(C1,1)", "F3": "=1/0"}
    assert xc.solve(solver_book(cells, **MODEL), tmp_path / "out.xlsx").models[0].written


def test_three_dimensional_references_are_computed(write_models, books, tmp_path: Path, wrong_values) -> None:
    cells = {"A1": 1, "B1": "=SUM(Model:Last!A1)^2"}
    others = [books.Model(cells={"A1": k}, sheet=name, names=dict.fromkeys(books.Model({}).stored()))
              for k, name in ((3, "Between"), (4, "Last"))]  # fmt: skip
    out = tmp_path / "out.xlsx"
    (model,) = xc.solve(write_models(books.Model(cells=cells, objective="B1", changing="A1"), *others), out).models
    assert model.value == pytest.approx(0, abs=1e-9)
    assert wrong_values(out) == []
