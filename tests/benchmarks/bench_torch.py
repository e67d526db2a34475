"""The torch solver beside fastai's ``collab_learner`` on the same splits in one run, and its restarts on the 15×15.

    python tests/benchmarks/bench_torch.py [MOVIE_LENS_SAMPLE.csv]

Prints mean held-out loss, seconds and their ratio over eleven splits of 20%: 50 factors, range 0 to 5.5, three epochs
at 5e-3, weight decay 0.1, batches of 64, one thread. Without fastai installed a line says that it is left out.
"""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from xlcollab.model import Model  # noqa: E402 - the checkout is put on the path first
from xlcollab.objective import rmse  # noqa: E402
from xlcollab.rating_files import read_ratings  # noqa: E402
from xlcollab.ratings import Ratings  # noqa: E402
from xlcollab.solvers.torch_sgd import TorchSolver  # noqa: E402

SPLITS = 11
MODEL = Model(50, biased=True, y_range=(0.0, 5.5))


def ours(train: Ratings, valid: Ratings, seed: int, *, centred: bool) -> tuple[float, float]:
    """(held-out loss, seconds) of the torch solver."""
    solver = TorchSolver(epochs=3, lr=5e-3, weight_decay=0.1, batch_size=64, centred=centred, device="cpu")
    start = time.perf_counter()
    solution = solver.solve(train, MODEL, valid=valid, seed=seed)
    return solution.history[-1]["valid_loss"], time.perf_counter() - start


def fastais(train: Ratings, valid: Ratings, seed: int) -> tuple[float, float]:
    """(held-out loss, seconds) of fastai's learner; its data loaders are made outside the clock."""
    import pandas as pd
    from fastai.collab import TabularCollab, collab_learner
    from fastai.data.transforms import IndexSplitter
    from fastai.tabular.all import Categorify, TransformBlock, set_seed

    frame = pd.concat([part.to_frame().iloc[:, :3] for part in (train, valid)], ignore_index=True)
    user, item, rating = frame.columns
    splits = IndexSplitter(range(len(train), len(frame)))(frame)
    table = TabularCollab(frame, [Categorify], [user, item], y_names=[rating], y_block=TransformBlock(), splits=splits)
    set_seed(seed)
    learner = collab_learner(table.dataloaders(bs=64), n_factors=50, y_range=(0, 5.5))
    start = time.perf_counter()
    with learner.no_bar(), learner.no_logging():
        learner.fit_one_cycle(3, 5e-3, wd=0.1)
    return learner.recorder.values[-1][1], time.perf_counter() - start


def compare(path: Path) -> None:
    """Print the table of held-out loss and seconds."""
    ratings = read_ratings(path)
    splits = [ratings.split(valid_pct=0.2, seed=seed) for seed in range(SPLITS)]
    ways = {
        "xlcollab, fastai's start": lambda *split: ours(*split, centred=False),
        "xlcollab, centred": lambda *split: ours(*split, centred=True),
    }
    if importlib.util.find_spec("fastai") is None:
        print("fastai is not installed, so that there is nothing to compare with.")
    else:
        ways["fastai"] = fastais
    seconds = {}
    for name, way in ways.items():
        way(*splits[0], 0)  # the first call of each imports and allocates
        results = np.array([way(*split, seed) for seed, split in enumerate(splits)])
        seconds[name] = results[:, 1].mean()
        print(f"{name:26} valid loss {results[:, 0].mean():.4f} ± {results[:, 0].std():.4f}  {seconds[name]:.3f} s")
    if "fastai" in seconds:
        for name in list(ways)[:2]:
            print(f"{name:26} takes 1/{seconds['fastai'] / seconds[name]:.1f} of fastai's time")


def restarts() -> None:
    """Print the least RMSE and the seconds of a thousand starts on the lesson's 15×15."""
    ratings = read_ratings(ROOT / "workbooks" / "movielens_15x15.csv")
    TorchSolver(restarts=2, device="cpu").solve(ratings, Model(2))
    for model in (Model(5), Model(5, biased=True)):
        start = time.perf_counter()
        solution = TorchSolver(restarts=1000, device="cpu").solve(ratings, model)
        took = time.perf_counter() - start
        print(f"{model.name:26} RMSE {rmse(model, solution.factors, ratings):.8f}  1,000 starts in {took:.2f} s")


if __name__ == "__main__":
    torch.set_num_threads(1)
    sample = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT.parent / "shared" / "data" / "movie_lens_sample.csv"
    if sample.is_file():
        compare(sample)
    else:
        print(f"{sample.name} is not there, so that there is nothing to compare on.")
    restarts()
