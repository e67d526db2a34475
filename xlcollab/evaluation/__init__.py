"""How well ratings are predicted that no fit has seen.

::

    ratings ─► splits ─► (train, valid) ─► held_out ─► Evaluation ─► comparison ─► tables
                             │             fit, metrics,             folds, solvers
                             └─► tuning    ranking
                                 settings, by splits within train

Only ``train`` goes into a fit; ``valid`` meets its predictions when it is over.
"""

from xlcollab.evaluation.comparison import compare, cross_validate, evaluate_each
from xlcollab.evaluation.held_out import Evaluation, evaluate
from xlcollab.evaluation.ranking import Ranking, rank
from xlcollab.evaluation.splits import (
    ByTime,
    ByUser,
    GivenSplits,
    KFold,
    LeaveOneOut,
    ShuffleSplit,
    Splits,
)
from xlcollab.evaluation.tuning import Found, search

__all__ = [
    "ByTime",
    "ByUser",
    "Evaluation",
    "Found",
    "GivenSplits",
    "KFold",
    "LeaveOneOut",
    "Ranking",
    "ShuffleSplit",
    "Splits",
    "compare",
    "cross_validate",
    "evaluate",
    "evaluate_each",
    "rank",
    "search",
]
