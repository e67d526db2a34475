"""Every error and warning of xlcollab, and the exit code that the command line gives for it.

::

    XlcollabError                     exit code 1
    ├── FileError                     a file that cannot be read or written
    │   ├── UnsupportedFormatError      .xls, .xlsb, .ods, encrypted, signed, not a workbook at all
    │   ├── DamagedFileError            says that it is a workbook (or a model file), and is broken
    │   └── CannotWriteError            the target exists, is open elsewhere, is not writable, the disk is full
    ├── RatingsError                  a table that does not hold ratings
    │   ├── NoCrosstabError
    │   ├── SeveralCrosstabsError
    │   ├── CellValueError              text or an error value where a rating should be
    │   └── DuplicateError              a label or a rating that stands there twice
    ├── FitError                      ratings that this model or solver cannot be fitted to
    │   ├── OptionError                 a setting that does not exist or does not go with the others
    │   ├── DeviceError                 CUDA asked for and missing
    │   ├── NotConvergedError           exit code 3, only with ``strict``
    │   └── NotFittedError              an estimator asked before its ``fit``
    ├── UnknownLabelError             a user or item that the ratings do not hold
    ├── FormulaError                  a formula that cannot be compiled or does not give its cached value
    └── SolverModelError              a stored Solver model that is broken or not to be solved here
        └── SomeModelsError             exit code 4: the others were solved and written

    XlcollabWarning
    ├── FormulaWarning                formulas among the ratings, which are read as blanks
    ├── UnratedLabelWarning           a user or item without a rating: predicted by mean and bias
    └── TooManyFactorsWarning         more factors than the ratings can hold

Each message is one sentence or two that name the sheet, the cell and the way out.
"""

from __future__ import annotations

__all__ = [
    "CannotWriteError",
    "CellValueError",
    "DamagedFileError",
    "DeviceError",
    "DuplicateError",
    "FileError",
    "FitError",
    "FormulaError",
    "FormulaWarning",
    "NoCrosstabError",
    "NotConvergedError",
    "NotFittedError",
    "OptionError",
    "RatingsError",
    "SeveralCrosstabsError",
    "SolverModelError",
    "SomeModelsError",
    "TooManyFactorsWarning",
    "UnknownLabelError",
    "UnratedLabelWarning",
    "UnsupportedFormatError",
    "XlcollabError",
    "XlcollabWarning",
]


class XlcollabError(Exception):
    """The root of the tree: a sentence, and where in the workbook it applies.

    ``sheet`` and ``cell`` are None where the error is not about a cell; the message names them where they are given.
    """

    exit_code = 1

    def __init__(self, message: str, *, sheet: str | None = None, cell: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.sheet = sheet
        self.cell = cell


class FileError(XlcollabError):
    """A file that cannot be read or written."""


class UnsupportedFormatError(FileError):
    """A file of a kind that xlcollab does not read: .xls, .xlsb, .ods, encrypted, signed, or no workbook at all."""


class DamagedFileError(FileError):
    """A file that claims to be a workbook or a saved model and is broken."""


class CannotWriteError(FileError):
    """The target exists, is open elsewhere or not writable, or the disk is full; nothing was written."""


class RatingsError(XlcollabError):
    """A table that does not hold ratings."""


class NoCrosstabError(RatingsError):
    """No rectangle of ratings was found."""


class SeveralCrosstabsError(RatingsError):
    """More than one sheet holds ratings; the message lists the choices."""


class CellValueError(RatingsError):
    """Text or an error value where a rating should be."""


class DuplicateError(RatingsError):
    """A label, or the rating of one user for one item, that stands there twice."""


class FitError(XlcollabError):
    """Ratings that this model or solver cannot be fitted to."""


class OptionError(FitError, ValueError):
    """A setting that does not exist, has an impossible value, or does not go with the others."""


class DeviceError(FitError):
    """A device that was asked for and is missing."""


class NotConvergedError(FitError):
    """The fit did not converge, and ``strict`` was set."""

    exit_code = 3


class NotFittedError(FitError, ValueError, AttributeError):
    """An estimator was asked before its ``fit``: of the types that scikit-learn's error of this name has."""


class UnknownLabelError(XlcollabError, KeyError):
    """A user or item that the ratings do not hold."""

    __str__ = Exception.__str__  # KeyError would show the repr of the sentence


class FormulaError(XlcollabError):
    """A formula that cannot be compiled, or that does not give the value which the workbook holds for it."""


class SolverModelError(XlcollabError):
    """A stored Solver model that is broken, or of a kind that is not solved here."""


class SomeModelsError(SolverModelError):
    """Some Solver models of a workbook could not be solved; the others were solved and written."""

    exit_code = 4


class XlcollabWarning(UserWarning):
    """The root of the warnings."""


class FormulaWarning(XlcollabWarning):
    """Formulas stand among the ratings. They are read as blanks: predictions and averages are no ratings."""


class UnratedLabelWarning(XlcollabWarning):
    """A user or item without a rating: predicted by mean and bias alone."""


class TooManyFactorsWarning(XlcollabWarning):
    """More factors than the ratings can hold: the fit interpolates and says nothing about blank cells."""
