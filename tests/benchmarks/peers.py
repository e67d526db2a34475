"""The libraries that people would pick instead, each as one function; `bench_peers.py` runs this file for each of them.

    PYTHON tests/benchmarks/peers.py list
    PYTHON tests/benchmarks/peers.py run NAME SPLITS.npz OUT.npz [SETTINGS]

Their pins of NumPy and torch exclude each other, so that a peer runs in a process of its own, by whichever interpreter
has it. ``list`` prints the peers that this interpreter has, as JSON. ``run`` fits one of them to each split and writes
its predictions and the processor seconds of each fit.

A peer's settings are the one of its ``settings`` that does best on ratings held out from the first split's training
part, so that none is judged by defaults that its authors would not use; the time of that search is not counted.
SETTINGS, as JSON, spares it. One fit to a quarter of the ratings goes before, so that no time is that of imports.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SEED = 0
Predict = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Train(NamedTuple):
    """Training ratings: positions of users and items from 0, each rated at least once, and the ratings (N,)."""

    user: np.ndarray
    item: np.ndarray
    rating: np.ndarray
    n_users: int
    n_items: int

    def frame(self, user: str = "user", item: str = "item") -> Any:
        """The same as a DataFrame."""
        import pandas as pd

        return pd.DataFrame({user: self.user, item: self.item, "rating": self.rating})


@dataclass(frozen=True)
class Peer:
    """A way to fit: the distribution it comes in, the function, and the settings to choose from."""

    package: str
    fit: Callable[..., Predict]
    settings: tuple[dict[str, Any], ...] = ({},)


def choices(base: dict[str, Any], *others: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """``base``, and ``base`` with each of ``others`` over it."""
    return base, *(base | other for other in others)


# The peers ------------------------------------------------------------------------------------------------------------


def ours(train: Train, **options: Any) -> Predict:
    """Xlcollab as ``fit(ratings)`` is, or with options."""
    from xlcollab import Ratings, fit

    ratings = Ratings(tuple(range(train.n_users)), tuple(range(train.n_items)), train.user, train.item, train.rating)
    return fit(ratings, seed=SEED, **options).predict_positions


def surprise_svdpp(train: Train, **settings: Any) -> Predict:
    """Surprise's SVD++, by stochastic gradient descent."""
    from surprise import Dataset, Reader, SVDpp

    reader = Reader(rating_scale=(train.rating.min(), train.rating.max()))
    data = Dataset.load_from_df(train.frame(), reader).build_full_trainset()
    algorithm = SVDpp(random_state=SEED, cache_ratings=True, **settings).fit(data)
    user = np.array([data.to_inner_uid(at) for at in range(train.n_users)])
    item = np.array([data.to_inner_iid(at) for at in range(train.n_items)])
    return lambda users, items: np.array(
        [algorithm.estimate(user[u], item[i]) for u, i in zip(users, items, strict=True)]
    )


def cmfrec_implicit(train: Train, **settings: Any) -> Predict:
    """Cmfrec's factorisation that also factorises which cells are filled."""
    from cmfrec import CMF

    model = CMF(add_implicit_features=True, nthreads=1, verbose=False, random_state=SEED + 1, **settings)
    model.fit(train.frame("UserId", "ItemId").rename(columns={"rating": "Rating"}))
    return model.predict


def cornac_mf(train: Train, **settings: Any) -> Predict:
    """Cornac's biased matrix factorisation, by stochastic gradient descent."""
    from cornac.data import Dataset
    from cornac.models import MF

    data = Dataset.build(list(zip(*(column.tolist() for column in train[:3]), strict=True)), seed=SEED)
    model = MF(use_bias=True, early_stop=False, num_threads=1, seed=SEED, verbose=False, **settings).fit(data)
    user = np.array([data.uid_map[at] for at in range(train.n_users)])
    item = np.array([data.iid_map[at] for at in range(train.n_items)])

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        u, i = user[users], item[items]
        return (
            model.global_mean + model.u_biases[u] + model.i_biases[i] + (model.u_factors[u] * model.i_factors[i]).sum(1)
        )

    return predict


def lenskit_biased_mf(train: Train, **settings: Any) -> Predict:
    """LensKit's factors by alternating least squares on what biases leave."""
    from lenskit.als import BiasedMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    data = from_interactions_df(train.frame("user_id", "item_id"))
    model = BiasedMFScorer(**settings)
    model.train(data, TrainingOptions(rng=SEED))
    user, item = (ids.numbers(np.arange(n)) for ids, n in ((model.users, train.n_users), (model.items, train.n_items)))
    P, Q, bias = model.user_embeddings, model.item_embeddings, model.bias

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        u, i = user[users], item[items]
        return bias.global_bias + bias.user_biases[u] + bias.item_biases[i] + (P[u] * Q[i]).sum(1)

    return predict


def fastai_recipe(train: Train, *, epochs: int, rate: float, decay: float, n_factors: int) -> Predict:
    """Fastai's ``collab_learner``, dot product and biases, one cycle."""
    import torch
    from fastai.collab import CollabDataLoaders, collab_learner, set_seed

    set_seed(SEED)
    loaders = CollabDataLoaders.from_df(train.frame(), valid_pct=0.0, seed=SEED, bs=64)
    low, high = train.rating.min(), train.rating.max()
    learner = collab_learner(loaders, n_factors=n_factors, y_range=(max(0, low - 0.5), high + 0.5))
    learner.recorder.train_metrics = False
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(epochs, rate, wd=decay)
    model = learner.model.eval()
    user, item = (
        np.array([loaders.classes[name].o2i[at] for at in range(n)])
        for name, n in (("user", train.n_users), ("item", train.n_items))
    )

    def predict(users: np.ndarray, items: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.as_tensor(np.column_stack([user[users], item[items]]))).numpy()

    return predict


def _myfm_blocks(train: Train) -> tuple[Callable[[np.ndarray, np.ndarray], list[Any]], list[int]]:
    """Users and items with which items and users they have rated and been rated by: Rendle's Bayesian SVD++ flipped."""
    import myfm
    from scipy.sparse import csr_matrix, diags, eye, hstack

    filled = csr_matrix((np.ones(len(train.user)), (train.user, train.item)), (train.n_users, train.n_items))
    blocks = []
    for cells in (filled, filled.T.tocsr()):
        count = np.asarray(cells.sum(axis=1)).ravel()
        blocks.append(csr_matrix(hstack([eye(cells.shape[0]), diags(1 / np.sqrt(count)) @ cells])))
    shapes = [train.n_users, train.n_items, train.n_items, train.n_users]
    return (lambda *at: [myfm.RelationBlock(list(a), block) for a, block in zip(at, blocks, strict=True)]), shapes


def myfm_flipped(train: Train, *, rank: int, n_iter: int) -> Predict:
    """MyFM's Gibbs sampler, normal noise."""
    import myfm

    blocks, shapes = _myfm_blocks(train)
    model = myfm.MyFMRegressor(rank=rank, random_seed=SEED)
    model.fit(None, train.rating, X_rel=blocks(train.user, train.item), n_iter=n_iter, group_shapes=shapes)
    return lambda users, items: model.predict(None, blocks(users, items))


def myfm_ordinal(train: Train, *, rank: int, n_iter: int) -> Predict:
    """MyFM's Gibbs sampler, ratings as ordered classes; the prediction is their expectation."""
    import myfm

    blocks, shapes = _myfm_blocks(train)
    levels, classes = np.unique(train.rating, return_inverse=True)
    model = myfm.MyFMOrderedProbit(rank=rank, random_seed=SEED)
    model.fit(None, classes, X_rel=blocks(train.user, train.item), n_iter=n_iter, group_shapes=shapes)
    return lambda users, items: model.predict_proba(None, blocks(users, items)) @ levels


MYFM = choices({"rank": 10, "n_iter": 200}, {"rank": 4}, {"n_iter": 500})

PEERS: dict[str, Peer] = {
    "xlcollab": Peer("xlcollab", ours),
    "xlcollab, quality='best'": Peer("xlcollab", ours, ({"quality": "best"},)),
    "Surprise SVD++, default": Peer("scikit-surprise", surprise_svdpp),
    "Surprise SVD++, tuned": Peer(
        "scikit-surprise",
        surprise_svdpp,
        choices(
            {"n_factors": 20, "n_epochs": 50, "lr_all": 0.01, "reg_all": 0.1},
            {"n_epochs": 30},
            {"n_epochs": 30, "lr_all": 0.005, "reg_all": 0.05},
        ),
    ),
    "cmfrec, implicit features": Peer(
        "cmfrec",
        cmfrec_implicit,
        choices(
            {"k": 40, "lambda_": 10.0, "w_implicit": 0.5},
            {"lambda_": 5.0},
            {"lambda_": 3.0},
            {"lambda_": 5.0, "w_implicit": 1.0},
            {"lambda_": 20.0},
            {"k": 10},
            {"k": 10, "lambda_": 5.0},
            {"w_implicit": 2.0},
            {"lambda_": 20.0, "w_implicit": 2.0},
            {"lambda_": 20.0, "w_implicit": 5.0},
        ),
    ),
    "cornac MF, tuned": Peer(
        "cornac",
        cornac_mf,
        choices(
            {"k": 10, "max_iter": 100, "learning_rate": 0.01, "lambda_reg": 0.1},
            {"lambda_reg": 0.05},
            {"k": 40},
            {"k": 40, "lambda_reg": 0.05},
            {"max_iter": 50, "lambda_reg": 0.05},
            {"k": 100, "max_iter": 200},
        ),
    ),
    "LensKit BiasedMF, tuned": Peer(
        "lenskit",
        lenskit_biased_mf,
        choices(
            {"embedding_size": 20, "epochs": 20, "regularization": 0.1},
            {"regularization": 0.2},
            {"embedding_size": 5},
            {"embedding_size": 5, "regularization": 0.05},
            {"embedding_size": 50},
            {"embedding_size": 50, "regularization": 0.15},
            {"embedding_size": 50, "regularization": 0.2},
        ),
    ),
    "fastai collab_learner": Peer(
        "fastai", fastai_recipe, choices({"epochs": 5, "rate": 5e-3, "decay": 0.1, "n_factors": 50}, {"epochs": 3})
    ),
    "myFM SVD++ flipped": Peer("myfm", myfm_flipped, MYFM),
    "myFM SVD++ flipped, 200 times": Peer("myfm", myfm_flipped, ({"rank": 10, "n_iter": 200},)),
    "myFM SVD++ ordinal": Peer("myfm", myfm_ordinal, MYFM),
}


# One run --------------------------------------------------------------------------------------------------------------


def installed() -> dict[str, str]:
    """Name → version of each peer that this interpreter can import."""
    found = {}
    for name, peer in PEERS.items():
        try:
            found[name] = importlib.metadata.version(peer.package)
        except importlib.metadata.PackageNotFoundError:
            if peer.package == "xlcollab" and importlib.util.find_spec("xlcollab"):
                found[name] = "this checkout"
    return found


def fit_and_predict(peer: Peer, ratings: np.ndarray, test: np.ndarray, settings: dict[str, Any]) -> tuple[Any, float]:
    """(predictions for the ratings under the mask ``test``, processor seconds of the fit to the others).

    A rating of a user or an item that the training part lacks is predicted by mean and bias, for all peers alike.
    """
    user, item, rating = ratings[~test].T
    (users, u), (items, i) = (np.unique(column, return_inverse=True) for column in (user, item))
    train = Train(u.astype(np.int32), i.astype(np.int32), rating.copy(), len(users), len(items))
    began = time.process_time()
    predict = peer.fit(train, **settings)
    seconds = time.process_time() - began
    at_user, at_item = _positions(users, ratings[test, 0]), _positions(items, ratings[test, 1])
    known = (at_user >= 0) & (at_item >= 0)
    predicted = _by_bias(train, at_user, at_item)
    predicted[known] = predict(at_user[known], at_item[known])
    return np.clip(predicted, rating.min(), rating.max()), seconds


def _positions(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    at = np.searchsorted(labels, wanted).clip(max=len(labels) - 1)
    return np.where(labels[at] == wanted, at, -1).astype(np.int32)


def _by_bias(train: Train, at_user: np.ndarray, at_item: np.ndarray) -> np.ndarray:
    """The mean and the shrunken bias of whichever side is known."""
    residual = train.rating - train.rating.mean()
    predicted = np.full(len(at_user), train.rating.mean())
    for rows, at in ((train.user, at_user), (train.item, at_item)):
        bias = np.bincount(rows, residual) / (np.bincount(rows) + 10)
        predicted += np.where(at >= 0, bias[at], 0.0)
    return predicted


def inner_masks(n: int) -> Iterable[np.ndarray]:
    """Parts of a tenth to choose settings by, until 5,000 ratings have been held out."""
    rng = np.random.default_rng(SEED)
    size = max(1, n // 10)
    for _ in range(max(1, round(5000 / size))):
        mask = np.zeros(n, dtype=bool)
        mask[rng.permutation(n)[:size]] = True
        yield mask


def chosen_settings(peer: Peer, ratings: np.ndarray) -> dict[str, Any]:
    """Those of the peer's settings with the least mean squared error on parts held out from ``ratings``."""
    if len(peer.settings) == 1:
        return peer.settings[0]
    masks = list(inner_masks(len(ratings)))

    def error(settings: dict[str, Any]) -> float:
        errors = (fit_and_predict(peer, ratings, mask, settings)[0] - ratings[mask, 2] for mask in masks)
        return float(np.mean([np.mean(part**2) for part in errors]))

    return min(peer.settings, key=error)


def run(name: str, source: Path, target: Path, given_settings: str = "") -> None:
    """Fit the peer ``name`` to every split of ``source``: ratings (N, 3) and masks of the test parts (splits, N)."""
    peer = PEERS[name]
    with np.load(source) as given:
        ratings, masks = given["ratings"], given["masks"]
    settings = json.loads(given_settings) if given_settings else chosen_settings(peer, ratings[~masks[0]])
    fit_and_predict(peer, ratings[::4], masks[0, ::4], settings)  # imports and compiles what the others need not
    made = [fit_and_predict(peer, ratings, mask, settings) for mask in masks]
    results = {f"predicted{at}": predicted for at, (predicted, _) in enumerate(made)}
    np.savez(target, seconds=[seconds for _, seconds in made], settings=json.dumps(settings), **results)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.argv[1] == "list":
        print(json.dumps(installed()))
    else:
        run(sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]), *sys.argv[5:])
