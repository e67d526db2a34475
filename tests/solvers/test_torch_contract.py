"""What holds for every solver holds for torch."""

from __future__ import annotations

from typing import Any

from contracts import SolverContract

from xlcollab.fitting import Fit
from xlcollab.model import Model
from xlcollab.ratings import Ratings
from xlcollab.solvers.torch_callbacks import EarlyStopping
from xlcollab.solvers.torch_network import Network
from xlcollab.solvers.torch_schedule import Constant


class TestContract(SolverContract):
    solver = "torch"
    quick = {"epochs": 25, "lr": 0.1, "weight_decay": 0.1, "device": "cpu"}  # noqa: RUF012 -- ClassVar by the contract
    settings = {  # noqa: RUF012
        "epochs": ({"epochs": 2}, {"epochs": 3}),
        "lr": ({"lr": 0.01}, {"lr": 0.02}),
        "batch_size": ({"batch_size": 16}, {"batch_size": 64}),
        "weight_decay": ({"weight_decay": 0.0}, {"weight_decay": 0.5}),
        "device": ({"device": "cpu"}, {"device": "cpu:0"}),
        "centred": ({"centred": True}, {"centred": False}),
        "schedule": ({"schedule": None}, {"schedule": Constant(0.01)}),
        "network": ({"network": None}, {"network": Network(layers=(4,))}),
        "patience": ({"lr": 0.5, "patience": None}, {"lr": 0.5, "patience": 1}),
        "keep_best": ({"schedule": Constant(0.5), "keep_best": False}, {"schedule": Constant(0.5), "keep_best": True}),
        "callbacks": ({"lr": 0.5, "callbacks": ()}, {"lr": 0.5, "callbacks": (EarlyStopping(1),)}),
        "mixed_precision": (
            {"network": Network(layers=(4,)), "mixed_precision": False},
            {"network": Network(layers=(4,)), "mixed_precision": True},
        ),
        "restarts": ({"restarts": None}, {"restarts": 2, "epochs": None, "lr": 5e-3, "weight_decay": None}),
    }
    spread = None

    def fit(self, ratings: Ratings | None = None, model: Model | None = None, **options: Any) -> Fit:
        if "centred" in options:  # which says nothing of a model without biases
            model = self.models[1]
        return super().fit(ratings, model, **options)
