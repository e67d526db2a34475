"""Held-out RMSE and seconds of ``fit(ratings)`` beside the libraries that people would pick instead.

    XLCOLLAB_PEERS=PYTHON:PYTHON… python tests/benchmarks/bench_peers.py [--data FOLDER] [--only WORD]… [DATASET …]

``XLCOLLAB_PEERS`` names interpreters that have some of the peers (`peers.py`), beside the one that runs this; the peers
that none of them has are named as missing. The data sets, all of them where none is named:

    u1       ML-100k, the split that is published with it
    folds    ML-100k, five random folds (seed 20611)
    sample   fastai's movie_lens_sample, twenty random splits of 20% (seeds 501 to 520)

They are looked for in ``--data``, else in ../shared/data. Every peer gets the same splits, one thread, and settings
chosen on the training part of the first split; the folds take over those of u1 where it is measured in the same run.
Seconds are processor seconds of the fit, which other programs on the machine disturb less than a clock; predictions are
clipped to the scale. The difference is paired: a peer's RMSE less ours on each split, its mean and the standard error
of that mean.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from peers import PEERS

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from xlcollab.rating_files import read_ratings  # noqa: E402 - the checkout is put on the path first

WORKER = Path(__file__).with_name("peers.py")
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LK_NUM_THREADS"), "1"
)
FOLDS_SEED = 20611
SAMPLE_SEEDS = range(501, 521)


class Splits(NamedTuple):
    """Ratings (N, 3) of user, item and rating, and the test part of each split as a mask (splits, N)."""

    corpus: str
    title: str
    ratings: np.ndarray
    masks: np.ndarray


def u1(data: Path) -> Splits:
    """The published split."""
    base, test = (_triplets(data / "ml-100k" / f"u1.{part}") for part in ("base", "test"))
    mask = np.arange(len(base) + len(test)) >= len(base)
    return Splits("ml-100k", "ML-100k u1", np.vstack([base, test]), mask[None])


def folds(data: Path) -> Splits:
    """Five parts of all ratings, each the test part once."""
    ratings = _triplets(data / "ml-100k" / "u.data")
    fold = np.random.default_rng(FOLDS_SEED).permutation(len(ratings)) % 5
    return Splits("ml-100k", f"ML-100k, five folds of seed {FOLDS_SEED}", ratings, fold == np.arange(5)[:, None])


def sample(data: Path) -> Splits:
    """Twenty times a fifth."""
    ratings = _triplets(data / "movie_lens_sample.csv")
    masks = np.zeros((len(SAMPLE_SEEDS), len(ratings)), dtype=bool)
    for mask, seed in zip(masks, SAMPLE_SEEDS, strict=True):
        mask[np.random.default_rng(seed).permutation(len(ratings))[: len(ratings) // 5]] = True
    seeds = f"seeds {SAMPLE_SEEDS.start} to {SAMPLE_SEEDS.stop - 1}"
    return Splits("sample", f"movie_lens_sample, {len(masks)} splits of 20%, {seeds}", ratings, masks)


DATASETS = {"u1": u1, "folds": folds, "sample": sample}


def _triplets(path: Path) -> np.ndarray:
    ratings = read_ratings(path)
    users, items = np.array(ratings.users, dtype=float), np.array(ratings.items, dtype=float)
    return np.column_stack([users[ratings.user_idx], items[ratings.item_idx], ratings.values])


class Outcome(NamedTuple):
    """RMSE and seconds of each split, and the settings that were chosen."""

    rmse: np.ndarray
    seconds: np.ndarray
    settings: str


def measure(python: str, name: str, splits: Splits, settings: str | None) -> Outcome:
    """Run one peer on all splits in a process of its own, which chooses its settings where none are given."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "splits.npz"), Path(folder, "out.npz")
        np.savez(source, ratings=splits.ratings, masks=splits.masks)
        _worker(python, "run", name, str(source), str(target), *([settings] if settings else []))
        with np.load(target) as made:
            errors = [made[f"predicted{at}"] - splits.ratings[mask, 2] for at, mask in enumerate(splits.masks)]
            rmse = np.array([np.sqrt(np.mean(error**2)) for error in errors])
            return Outcome(rmse, made["seconds"], str(made["settings"]))


def _worker(python: str, *arguments: str) -> str:
    done = subprocess.run(
        [python, str(WORKER), *arguments], capture_output=True, text=True, env=os.environ | ONE_THREAD, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:2])}: {done.stderr.strip().splitlines()[-1]}")
    return done.stdout


def interpreters() -> dict[str, tuple[str, str]]:
    """Peer → (version, interpreter that has it), the first one that does."""
    pythons = [sys.executable, *filter(None, os.environ.get("XLCOLLAB_PEERS", "").split(":"))]
    found: dict[str, tuple[str, str]] = {}
    for python in pythons:
        for name, version in json.loads(_worker(python, "list")).items():
            if not name.startswith("xlcollab") or python == sys.executable:
                found.setdefault(name, (version, python))
    return found


def table(splits: Splits, found: dict[str, tuple[str, str]], chosen: dict[tuple[str, str], str]) -> None:
    """Measure all and print a line for each as it is done; ours come first, the others are compared with the first.

    ``chosen`` keeps each peer's settings for another table of the same corpus.
    """
    print(f"\n{splits.title}\n{'':38}{'RMSE':>8}{'less ours':>20}{'fit s':>9}{'× ours':>8}  settings", flush=True)
    first: Outcome | None = None
    for name in PEERS:
        if name not in found:
            continue
        version, python = found[name]
        try:
            made = measure(python, name, splits, chosen.get((splits.corpus, name)))
        except RuntimeError as error:
            print(f"{name} {version}: failed, {error}", flush=True)
            continue
        first = first or made
        chosen[splits.corpus, name] = made.settings
        difference = made.rmse - first.rmse
        spread = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else np.nan
        seconds, ratio = made.seconds.mean(), made.seconds.mean() / first.seconds.mean()
        paired = "" if made is first else f"{difference.mean():+.4f} ± {spread:.4f}".replace(" ± nan", "")
        print(
            f"{name + ' ' + version:38}{made.rmse.mean():8.4f}{paired:>20}{seconds:9.3f}{ratio:8.1f}  {made.settings}",
            flush=True,
        )


def main() -> None:
    """Print one table for each data set."""
    parser = argparse.ArgumentParser(description="xlcollab beside its peers")
    parser.add_argument("datasets", nargs="*", metavar="DATASET", help=", ".join(DATASETS))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder with the data")
    parser.add_argument("--only", action="append", default=[], help="only peers whose name has this in it (repeat)")
    arguments = parser.parse_args()
    found = interpreters()
    missing = [name for name in PEERS if name not in found]
    if missing:
        print(f"Not installed, and left out: {'; '.join(missing)}.")
    wanted = [word.lower() for word in ("xlcollab", *arguments.only)] if arguments.only else [""]
    found = {name: at for name, at in found.items() if any(word in name.lower() for word in wanted)}
    chosen: dict[tuple[str, str], str] = {}
    for name in arguments.datasets or DATASETS:
        try:
            splits = DATASETS[name](arguments.data)
        except FileNotFoundError as error:
            print(f"{name} is left out: {error}")
            continue
        table(splits, found, chosen)


if __name__ == "__main__":
    main()
