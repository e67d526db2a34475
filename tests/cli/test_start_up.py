"""Start-up is a budget: which modules a command may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"numpy", "scipy", "pandas", "torch", "openpyxl", "python_calamine", "tqdm", "sklearn", "matplotlib", "pyarrow"}


def loaded_after(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after running ``code``."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(ran.stdout.split())


def after_command(*arguments: str) -> set[str]:
    return loaded_after(
        f"from xlcollab.cli import main\nimport os, sys\nout, sys.stdout = sys.stdout, open(os.devnull, 'w')\n"
        f"main({list(arguments)!r}, standalone_mode=False)\nsys.stdout = out"
    )


def test_importing_the_package_loads_nothing_heavy():
    assert not loaded_after("import xlcollab") & (HEAVY | {"lxml", "click"})


def test_importing_the_command_line_loads_click_and_nothing_heavy():
    assert not loaded_after("import xlcollab.cli") & (HEAVY | {"lxml"})


def test_inspect_reads_a_workbook_without_numpy():
    loaded = after_command("inspect", "workbooks/movielens_15x15.xlsx")
    assert "lxml" in loaded
    assert not loaded & HEAVY


def test_inspect_loads_what_reads_formulas_only_for_solver_models(shared):
    without_model = after_command("inspect", "workbooks/movielens_15x15.xlsx")
    with_model = after_command("inspect", str(shared / "data" / "collab_filter.xlsx"))
    assert "xlcollab.formula.parse" in with_model
    assert not {name for name in without_model if name.startswith("xlcollab.formula.")}
    assert not with_model & HEAVY
    for loaded in (without_model, with_model):
        assert not {"xlcollab.xlsx.patching", "xlcollab.xlsx.sheetxml", "xlcollab.xlsx.styles"} & loaded


def test_fitting_with_scipy_loads_neither_torch_nor_pandas(tmp_path):
    out = str(tmp_path / "result.xlsx")
    loaded = after_command("fit", "workbooks/movielens_15x15.xlsx", "--solver", "scipy", "-o", out)
    assert "numpy" in loaded
    assert not loaded & {"torch", "pandas", "sklearn", "matplotlib"}
    assert Path(out).exists()


@pytest.mark.parametrize("name", sorted(set(__import__("xlcollab").__all__)))
def test_every_public_name_can_be_imported(name):
    import xlcollab

    assert getattr(xlcollab, name) is not None
