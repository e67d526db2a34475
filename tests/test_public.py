"""What users see first holds: the public names, and every command and line of Python in README."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

import xlcollab as xc

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(set(xc.__all__) - {"__version__"}))
def test_a_public_name_is_there_and_documented(name):
    public = getattr(xc, name)
    assert inspect.getdoc(public), name
    assert name in dir(xc)


def test_every_public_name_has_a_home_and_no_other_has():
    assert set(xc._HOMES) | {"__version__"} == set(xc.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        xc.fitt  # noqa: B018


def test_readmes_python_runs_as_it_stands(tmp_path, monkeypatch):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    shutil.copytree(ROOT / "workbooks", tmp_path / "workbooks")
    monkeypatch.chdir(tmp_path)
    xc.write_report(xc.fit("workbooks/movielens_15x15.xlsx", solver="scipy"), "book.xlsx")
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)  # noqa: S102
    assert (tmp_path / "result.xlsx").stat().st_size > 10_000
    assert (tmp_path / "solved.xlsx").stat().st_size > 10_000


def test_readmes_table_lists_every_command():
    from xlcollab.cli import main

    listed = set(re.findall(r"^\| `xlcollab (\w+)", README, flags=re.MULTILINE))
    assert listed == set(main.list_commands(None))


def test_the_package_imports_what_it_declares_to_need_and_nothing_else():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = {"matplotlib", "pyarrow", "sklearn"}
    through_pandas = {"openpyxl"}
    imported = set()
    for path in (ROOT / "xlcollab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"xlcollab"} - optional
    assert others | through_pandas == {need.partition(">")[0] for need in project["dependencies"]}


def test_the_project_speaks_of_itself_alone():
    """No paths of one machine in anything that is shipped."""
    for path in [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.txt"), *ROOT.glob("xlcollab/**/*.py")]:
        assert not re.search(r"(?<![\w.])/(?:work|tmp|home|root)/", path.read_text(encoding="utf-8")), path
