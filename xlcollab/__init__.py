"""Collaborative filtering that lives in a spreadsheet.

::

    book.xlsx ─► Workbook ─► Crosstab ─► Ratings ─┐
        │            │                            ├─► fit(ratings, model, solver) ─► Fit ─► sheets ─┐
        │            │        Model (one formula) ┘      scipy │ torch │ bayes │ als                │
        │            └─► SolverModel ─► Program (the sheet's own formulas, with gradient)           │
        │                                   └─► solve ─► values of the changing cells ──────────────┤
        └──────────────────────────── the same Workbook, patched, nothing else touched ◄────────────┘

>>> import xlcollab as xc
>>> ratings = xc.read_excel("workbooks/movielens_15x15.xlsx")
>>> fit = xc.fit(ratings, n_factors=5, solver="scipy", seed=42)
>>> xc.write_report([fit], "result.xlsx")

Every public name is imported on its first use, so that ``import xlcollab`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from xlcollab._version import __version__

if TYPE_CHECKING:
    from xlcollab.errors import XlcollabError, XlcollabWarning
    from xlcollab.estimator import MatrixFactorization
    from xlcollab.evaluation import Evaluation, compare, cross_validate, evaluate, search
    from xlcollab.excel_solver.solve import solve
    from xlcollab.fitting import Fit, fit, load
    from xlcollab.model import Model
    from xlcollab.progress import Progress
    from xlcollab.rating_files import read_excel, read_ratings, write_ratings
    from xlcollab.ratings import Ratings
    from xlcollab.sheets.report import write_report
    from xlcollab.updating import update
    from xlcollab.xlsx.workbook import Workbook

_HOMES = {
    "Evaluation": "xlcollab.evaluation",
    "Fit": "xlcollab.fitting",
    "MatrixFactorization": "xlcollab.estimator",
    "Model": "xlcollab.model",
    "Progress": "xlcollab.progress",
    "Ratings": "xlcollab.ratings",
    "Workbook": "xlcollab.xlsx.workbook",
    "XlcollabError": "xlcollab.errors",
    "XlcollabWarning": "xlcollab.errors",
    "compare": "xlcollab.evaluation",
    "cross_validate": "xlcollab.evaluation",
    "evaluate": "xlcollab.evaluation",
    "fit": "xlcollab.fitting",
    "load": "xlcollab.fitting",
    "read_excel": "xlcollab.rating_files",
    "read_ratings": "xlcollab.rating_files",
    "search": "xlcollab.evaluation",
    "solve": "xlcollab.excel_solver.solve",
    "update": "xlcollab.updating",
    "write_ratings": "xlcollab.rating_files",
    "write_report": "xlcollab.sheets.report",
}

__all__ = [
    "Evaluation",
    "Fit",
    "MatrixFactorization",
    "Model",
    "Progress",
    "Ratings",
    "Workbook",
    "XlcollabError",
    "XlcollabWarning",
    "__version__",
    "compare",
    "cross_validate",
    "evaluate",
    "fit",
    "load",
    "read_excel",
    "read_ratings",
    "search",
    "solve",
    "update",
    "write_ratings",
    "write_report",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'xlcollab' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
