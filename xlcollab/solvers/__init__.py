"""Ratings → factors: one file for each solver, one protocol (`base.Solver`), one registry of strings, loaded on use."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from typing import Any, cast

from xlcollab.errors import OptionError
from xlcollab.solvers.base import Solver

__all__ = ["SOLVERS", "make_solver", "solver_class", "solver_options"]

SOLVERS: dict[str, str] = {
    "scipy": "xlcollab.solvers.scipy_minimise:ScipySolver",
    "torch": "xlcollab.solvers.torch_sgd:TorchSolver",
    "bayes": "xlcollab.solvers.bayes:BayesSolver",
    "als": "xlcollab.solvers.als:AlsSolver",
}
"""Name → ``module:Class``. The module, and with it torch or SciPy, is imported when the solver is first made."""

_OF_FIT = ("n_factors", "biased", "y_range", "solver", "seed", "valid_pct", "on_progress", "clip", "start", "strict")
"""Words of `fitting.fit` itself, of which one may have been meant."""

_ELSEWHERE: dict[str, tuple[str, ...]] = {
    "random_state": ("seed",),
    "n_components": ("n_factors",),
    "factors": ("n_factors",),
    "n_epochs": ("epochs", "max_sweeps"),
    "iterations": ("max_sweeps", "max_iterations", "epochs"),
    "regularization": ("penalty", "weight_decay"),
    "reg_all": ("penalty", "weight_decay"),
    "lr_all": ("lr",),
    "wd": ("weight_decay",),
    "bs": ("batch_size",),
}
"""What scikit-learn, Surprise, implicit and fastai call it."""


def solver_class(name: str) -> type[Any]:
    """The class of the solver ``name``; `OptionError` lists the names there are."""
    if name not in SOLVERS:
        raise OptionError(f"There is no solver {name!r}; choose one of {', '.join(SOLVERS)}.")
    module, _, attribute = SOLVERS[name].partition(":")
    return cast("type[Any]", getattr(importlib.import_module(module), attribute))


def solver_options(name: str) -> dict[str, Any]:
    """The options of the solver ``name`` with their defaults."""
    return {option.name: option.default for option in dataclasses.fields(solver_class(name))}


def make_solver(name: str, **options: Any) -> Solver:
    """The solver ``name`` with its options set; `OptionError` names the choices where one does not exist."""
    known = solver_options(name)
    for option in options:
        if option not in known:
            choices = [*known, *_OF_FIT]
            close = [word for word in _ELSEWHERE.get(option, ()) if word in choices]
            close = close or difflib.get_close_matches(option, choices, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise OptionError(f"Solver {name!r} has no option {option!r}; it has {', '.join(known)}.{hint}")
    return cast("Solver", solver_class(name)(**options))
