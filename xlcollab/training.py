"""What ``fit(ratings, solver="torch", …)`` takes beyond numbers, and the learning-rate finder: fastai's ``Learner``.

Each of fastai's ways has its place among the keywords of `xlcollab.fit`:

======================================== ==================================================================
fastai                                   xlcollab
======================================== ==================================================================
``collab_learner(dls, n_factors=50)``    ``fit(ratings, solver="torch", biased=True, n_factors=50)``
``use_nn=True, layers=[100, 50]``        ``network=Network(layers=(100, 50))``
``tabular_config(ps=0.1, embed_p=0.05)`` ``network=Network(dropout=0.1, embedding_dropout=0.05)``
``emb_szs={…}``                          ``network=Network(user_size=…, item_size=…)``
``fit_one_cycle(5, 5e-3, wd=0.1)``       ``epochs=5, lr=5e-3, weight_decay=0.1``
``fit(5, lr)``                           ``epochs=5, schedule=Constant(lr)``
``lr_find()``                            ``lr_find(ratings, …).suggestion``
``EarlyStoppingCallback(patience=3)``    ``patience=3``, or ``callbacks=(EarlyStopping(3, min_delta=0.01),)``
``SaveModelCallback()``                  ``keep_best=True``
``Callback``                             ``callbacks=(…,)`` of subclasses of `Callback`
``to_fp16()``                            ``mixed_precision=True``
the table of epochs                      ``fit.history``
``learn.model.bias(labels)``             ``fit.user_bias[labels]``, ``fit.item_bias[labels]``
``learn.model.weight(labels)``           ``fit.user_factors.loc[labels]``, ``fit.item_factors.loc[labels]``
======================================== ==================================================================
"""

from __future__ import annotations

from typing import Any, cast

from xlcollab.fitting import model_to_fit
from xlcollab.model import Model
from xlcollab.rating_files import Data, as_ratings
from xlcollab.solvers import make_solver
from xlcollab.solvers.torch_callbacks import Callback, EarlyStopping, KeepBest
from xlcollab.solvers.torch_lr_find import LearningRates
from xlcollab.solvers.torch_network import Network
from xlcollab.solvers.torch_schedule import Constant, OneCycle, Schedule
from xlcollab.solvers.torch_sgd import TorchSolver

__all__ = [
    "Callback",
    "Constant",
    "EarlyStopping",
    "KeepBest",
    "LearningRates",
    "Network",
    "OneCycle",
    "Schedule",
    "lr_find",
]


def lr_find(
    ratings: Data,
    model: Model | None = None,
    *,
    n_factors: int | None = None,
    biased: bool | None = None,
    y_range: tuple[float, float] | None = None,
    seed: int = 0,
    **options: Any,
) -> LearningRates:
    """Suggest a learning rate for what `xlcollab.fit` would train with the same model and options.

    A mock run of a hundred steps, whose rate grows from 1e-7 to 10 (`xlcollab.solvers.torch_lr_find`): the
    ``suggestion``, and the ``table`` of the smoothed loss at each rate. Raises what `xlcollab.fit` raises, and
    `FitError` where the loss grows without end before a rate can be read.
    """
    solver, ratings = cast("TorchSolver", make_solver("torch", **options)), as_ratings(ratings)
    model = model_to_fit(solver, ratings, model, n_factors=n_factors, biased=biased, y_range=y_range)
    return solver.lr_find(ratings, model, seed=seed)
