"""A fit as a model file (`model_file`): which of its fields go where, and what is checked on the way back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from xlcollab.arrays import FloatArray
from xlcollab.errors import XlcollabError
from xlcollab.model import Factors, Model
from xlcollab.model_file import coded_labels, damaged, labels_from, read_model_file, write_model_file
from xlcollab.ratings import Ratings, Source
from xlcollab.solvers import solver_class
from xlcollab.solvers.base import NoFactors, Predictor, Ridge, Status, Uncertainty
from xlcollab.solvers.saved_options import options_from_json, options_to_json

__all__ = ["read_fit_fields", "write_fit_fields"]

_RATING_ARRAYS = ("user_idx", "item_idx", "values", "timestamps")
_FACTOR_ARRAYS = ("user_factors", "item_factors", "user_bias", "item_bias")
_PLAIN = (
    *("solver", "seed", "message", "iterations", "seconds", "rmse", "mae", "valid_rmse", "device"),
    *("penalised", "clip", "records"),
)

_NOT_AS_WRITTEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, ImportError, XlcollabError)


def write_fit_fields(path: str | os.PathLike[str], fields: Mapping[str, Any], *, force: bool) -> None:
    """Write the fields of a `Fit`, by name; `read_fit_fields` gives them back.

    Of the solver's options callbacks are left out: they are code.
    """
    ratings, factors, predictor = fields["ratings"], fields["factors"], fields["predictor"]
    arrays = _rating_arrays("ratings", ratings)
    header = {name: fields[name] for name in _PLAIN}
    header |= {"status": fields["status"].value, "options": options_to_json(fields["options"])}
    header |= {"model": asdict(fields["model"]), "ratings": _rating_header(ratings)}
    header["ridge"] = fields["ridge"]
    if predictor is None:
        arrays |= {name: getattr(factors, name) for name in _FACTOR_ARRAYS}
        header["mean"] = float(factors.mean)
    else:
        arrays |= {f"predictor/{name}": array for name, array in predictor.arrays().items()}
        header["predictor"] = predictor.header()
    if fields["valid"] is not None:
        arrays |= _rating_arrays("valid", fields["valid"])
        header["valid"] = _rating_header(fields["valid"])
    if fields["uncertainty"] is not None:
        arrays |= {f"uncertainty/{name}": array for name, array in fields["uncertainty"].arrays().items()}
    write_model_file(path, header, arrays, force=force)


def read_fit_fields(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The fields of the `Fit` in the file, by name, each checked against the others.

    Raises `DamagedFileError` for a file that is not one, or not whole, and `UnsupportedFormatError` for one of a later
    version.
    """
    header, arrays = read_model_file(path)
    try:
        fields = {name: header[name] for name in _PLAIN}
        fields["options"] = options_from_json(header["options"])
        fields["status"] = Status(header["status"])
        fields["model"] = model = Model(**header["model"])
        fields["ridge"] = None if header["ridge"] is None else Ridge(*header["ridge"])
        fields["ratings"] = ratings = _ratings_from(header["ratings"], arrays, "ratings")
        fields["valid"] = _ratings_from(header["valid"], arrays, "valid") if "valid" in header else None
        fields["predictor"] = predictor = _predictor_from(header, model, ratings, _under("predictor/", arrays))
        fields["factors"] = (
            _factors_from(arrays, float(header["mean"]), model, ratings) if predictor is None
            else NoFactors(predictor.name)
        )  # fmt: skip
        fields["uncertainty"] = _uncertainty_from(header["solver"], ratings, _under("uncertainty/", arrays))
    except _NOT_AS_WRITTEN as error:
        raise damaged(path, "a part of it is missing or changed") from error
    return fields


def _rating_arrays(prefix: str, ratings: Ratings) -> dict[str, npt.NDArray[Any]]:
    arrays = {f"{prefix}/{name}": getattr(ratings, name) for name in _RATING_ARRAYS}
    return {name: array for name, array in arrays.items() if array is not None}


def _rating_header(ratings: Ratings) -> dict[str, Any]:
    header: dict[str, Any] = {"users": coded_labels(ratings.users), "items": coded_labels(ratings.items)}
    for names in ("user_names", "item_names"):
        given = getattr(ratings, names)
        header[names] = [coded_labels(given), list(given.values())]
    header |= {"user_title": ratings.user_title, "item_title": ratings.item_title}
    header["source"] = None if ratings.source is None else asdict(ratings.source)
    return header


def _ratings_from(header: Mapping[str, Any], arrays: Mapping[str, Any], prefix: str) -> Ratings:
    user_names, item_names = (
        dict(zip(labels_from(header[names][0]), header[names][1], strict=True))
        for names in ("user_names", "item_names")
    )
    ratings = Ratings(
        users=labels_from(header["users"]),
        items=labels_from(header["items"]),
        user_idx=arrays[f"{prefix}/user_idx"],
        item_idx=arrays[f"{prefix}/item_idx"],
        values=arrays[f"{prefix}/values"],
        timestamps=arrays.get(f"{prefix}/timestamps"),
        user_names=user_names,
        item_names=item_names,
        user_title=header["user_title"],
        item_title=header["item_title"],
        source=None if header["source"] is None else Source(**header["source"]),
    )
    columns = (getattr(ratings, name) for name in _RATING_ARRAYS)
    if {column.shape for column in columns if column is not None} != {(len(ratings),)}:
        raise ValueError("columns of different lengths")
    for idx, labels in ((ratings.user_idx, ratings.users), (ratings.item_idx, ratings.items)):
        if not ((idx >= 0).all() and (idx < len(labels)).all() and len(set(labels)) == len(labels)):
            raise ValueError("ratings that point outside their users and items")
    if not np.isfinite(ratings.values).all():
        raise ValueError("ratings that are no numbers")
    return ratings


def _factors_from(arrays: Mapping[str, Any], mean: float, model: Model, ratings: Ratings) -> Factors:
    m, n, k = ratings.n_users, ratings.n_items, model.n_factors
    P, Q, b_u, b_i = (np.asarray(arrays[name], dtype=np.float64) for name in _FACTOR_ARRAYS)
    if [part.shape for part in (P, Q, b_u, b_i)] != [(m, k), (n, k), (m,), (n,)]:
        raise ValueError("factors that do not fit the users and items")
    if not all(np.isfinite(part).all() for part in (P, Q, b_u, b_i, np.array(mean))):
        raise ValueError("factors that are no numbers")
    return Factors(P, Q, b_u, b_i, mean)


def _predictor_from(
    header: Mapping[str, Any], model: Model, ratings: Ratings, own: Mapping[str, FloatArray]
) -> Predictor | None:
    if "predictor" not in header:
        return None
    restore = solver_class(header["solver"]).restore_predictor
    predictor: Predictor = restore(header["predictor"], model, ratings.n_users, ratings.n_items, own)
    return predictor


def _uncertainty_from(solver: str, ratings: Ratings, own: Mapping[str, FloatArray]) -> Uncertainty | None:
    if not own:
        return None
    uncertainty: Uncertainty = solver_class(solver).restore_uncertainty(own)
    corners = (np.array([0, size - 1], dtype=np.int32) for size in (ratings.n_users, ratings.n_items))
    if not np.isfinite(uncertainty.sd(*corners)).all():
        raise ValueError("intervals that do not fit the users and items")
    return uncertainty


def _under(prefix: str, arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The arrays whose names begin so, without that; `ValueError` where one of them is not finite."""
    own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    if not all(np.isfinite(array).all() for array in own.values()):
        raise ValueError(f"{prefix} holds what is no number")
    return own
