"""Do folds know what they hold out? Their held-out errors past the true rank, against fits from starts of their own.

    python benchmarks/bench_leak.py             # 96 tensors, about half an hour, writes results/leak.json
    python benchmarks/bench_leak.py --smoke

Every fold is fitted four ways: as `estimate_rank` does it (*ours*); from the full fit, which has seen the held-out
cells (*warm*, as versions before this study did); and twice from five starts of its own, run to the end. A movement is
the mean over folds of the log of the held-out error, less the mean of those two, in paired standard errors: that over
folds of the step in log error that a rank makes, pooled over the tensors of a row. *chance* is how far the second of
the two lies from the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import measure
import numpy as np
from numpy.typing import NDArray

from autoten import ALS, RandomElements
from autoten.datasets import make_cp_tensor, structured_noise, white_noise
from autoten.door import as_tensor
from autoten.fits import DRAW_FOLDS, Plan, best_of
from autoten.model import CPModel
from autoten.scores.heldout import relative_error
from autoten.solvers.starts import make_start
from autoten.solvers.subspaces import Subspaces
from autoten.sweep import fit_ranks
from autoten.tensors.tensor import Tensor

TRUTH = 3
SURPLUS = 3
N_FOLDS = 5
COLD_STARTS = 5
TO_THE_END = ALS(max_iter=3000, tol=1e-8)


class Setting(NamedTuple):
    """A kind of tensor."""

    noise: str
    shape: tuple[int, ...]
    missing: float


SETTINGS = [
    Setting(noise, shape, missing)
    for noise in ("white", "structured")
    for shape in ((8, 9, 10), (24, 25, 26))
    for missing in (0.0, 0.2, 0.5)
]


def draw(setting: Setting, seed: int) -> Tensor:
    """Return a tensor of rank 3 with noise of about 5 dB, some of its cells missing."""
    noise = white_noise(5.0) if setting.noise == "white" else structured_noise(0.5)
    X = make_cp_tensor(setting.shape, TRUTH, noise=noise, random_state=seed).X
    X[np.random.default_rng([seed, 1]).random(X.shape) < setting.missing] = np.nan
    return as_tensor(X)


def log_errors(tensor: Tensor, seed: int, largest: int) -> Mapping[str, NDArray[Any]]:
    """Return the log held-out error of each way, rank and fold."""
    plan = Plan(ALS(), RandomElements(0.1), 10, N_FOLDS, seed)
    folds = plan.holdout.folds(tensor, N_FOLDS, plan.rng(DRAW_FOLDS))
    errors: dict[str, list[list[float]]] = {way: [] for way in ("ours", "warm", "cold", "again")}
    for fits in fit_ranks(tensor, range(1, largest + 1), plan):
        if fits.rank == 0:
            continue
        for way in errors:
            errors[way].append([])
        for number, (fold, ours) in enumerate(zip(folds, fits.folds, strict=True)):
            training = fold.training(tensor)
            cold = [
                best_of([TO_THE_END.fit(training, start) for start in starts(training, fits.rank, [seed, number, k])])
                for k in (0, 1)
            ]
            warm = plan.solver.fit(training, fits.best.model)
            models = {"ours": ours.model, "warm": warm.model, "cold": cold[0].model, "again": cold[1].model}
            for way, model in models.items():
                errors[way][-1].append(np.nan if model is None else relative_error(tensor, model, fold.cells))
    return {way: np.log(rows) for way, rows in errors.items()}


def starts(training: Tensor, rank: int, seed: list[int]) -> Iterator[CPModel]:
    """Yield spectral, Gaussian and nonnegative starts; those of other seeds differ."""
    bases = Subspaces(training).bases(rank)
    nothing = CPModel(np.zeros(0), tuple(np.zeros((length, 0)) for length in training.shape))
    rng = np.random.default_rng([*seed, rank])
    for number in range(1 + seed[-1], 1 + seed[-1] + COLD_STARTS):
        yield make_start(number, bases, rank, nothing, rng)


def moved(of_tensors: list[Mapping[str, NDArray[Any]]]) -> Iterator[dict[str, Any]]:
    """Yield, for every rank, by how many standard errors each way moves the mean from that of the cold fits."""
    for row in range(len(of_tensors[0]["cold"])):
        steps = [np.diff(errors["cold"], axis=0, prepend=0.0)[row] for errors in of_tensors]
        unit = np.sqrt(np.mean([np.var(step, ddof=1) / N_FOLDS for step in steps]))
        ours, warm, cold, again = (
            np.array([errors[way][row].mean() for errors in of_tensors]) for way in ("ours", "warm", "cold", "again")
        )
        told = {"ours": ours - (cold + again) / 2, "warm": warm - (cold + again) / 2, "chance": again - cold}
        yield {"rank": row + 1, **{name: round(float(by.mean() / unit), 2) for name, by in told.items()}}


class Sizes(NamedTuple):
    """How much is measured."""

    settings: list[Setting]
    n_tensors: int
    largest: int


def run(sizes: Sizes) -> dict[str, Any]:
    """Measure every setting."""
    rows = []
    for setting in sizes.settings:
        of_tensors = [log_errors(draw(setting, seed), seed, sizes.largest) for seed in range(sizes.n_tensors)]
        for row in moved(of_tensors):
            rows.append({**setting._asdict(), "tensors": sizes.n_tensors, **row})
            measure.say(rows[-1])
    return {"rows": rows}


FULL = Sizes(SETTINGS, 8, TRUTH + SURPLUS)
SMOKE = Sizes(SETTINGS[:1], 1, 2)


if __name__ == "__main__":
    measure.main("leak", __doc__, run, FULL, SMOKE)
