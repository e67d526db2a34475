"""The command line: ``xlcollab COMMAND …``, one file a command.

Results go to stdout, progress and warnings to stderr. Exit codes: 0 done, 1 a named error, 2 usage, 3 not converged
under ``--strict``, 4 some Solver models of a book could not be solved and the others were written. Only click is
imported before a command runs: ``--help`` answers at once.
"""

from __future__ import annotations

import click

from xlcollab._version import __version__
from xlcollab.cli.convert import convert
from xlcollab.cli.evaluate import evaluate
from xlcollab.cli.fit import fit
from xlcollab.cli.inspect import inspect
from xlcollab.cli.predict import predict, recommend
from xlcollab.cli.solve import solve

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="xlcollab")
def main() -> None:
    """Collaborative filtering that lives in a spreadsheet.

    Fit the ratings of a workbook with SciPy, PyTorch or Bayes and get a live workbook back, or solve the Solver models
    that are stored in it.
    """


for _command in (inspect, fit, solve, convert, evaluate, predict, recommend):
    main.add_command(_command)
