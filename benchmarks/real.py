"""Real and published tensors with agreed ranks: what the selector is judged on beside the simulated draws.

None of them is used for tuning. Two tiers, never mixed: *laboratory*, where the rank is that of a mixture or of a
construction, and *opinion*, where it was published by people who looked at the data, often at their core consistency.
Where the ranks come from is documented beside the data; the files are read from ``$AUTOTEN_DATA``, else from
``shared/data`` in or beside the checkout, and passed over where they are absent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from autoten import ALS, HALS
from autoten.preprocess import center
from autoten.solvers.base import Solver

Array = NDArray[Any]


@dataclass(frozen=True)
class RealCase:
    """A tensor in the data folder: the ranks that count as right, how they are known, and the largest that is tried.

    Families count equally, however many variants they have. The solver is that of our fits, which the rules on our
    table read too; rules with fits of their own have none but least squares.
    """

    name: str
    family: str
    file: str
    accepted: frozenset[int]
    solver: Solver = ALS()  # noqa: RUF009 (a frozen value)
    prepare: Callable[[Array], Array] = np.asarray
    tier: Literal["laboratory", "opinion"] = "laboratory"
    largest: int = 10

    @property
    def is_there(self) -> bool:
        return path_of(self.file) is not None

    def draw(self, split: str, number: int) -> RealDraw:
        """Return the tensor; `number` is only the seed of the fits."""
        path = path_of(self.file)
        assert path is not None
        with np.load(path, allow_pickle=False) as arrays:
            return RealDraw(np.asarray(self.prepare(arrays["X"])), range(1, self.largest + 1))


@dataclass(frozen=True, eq=False)
class RealDraw:
    """A real tensor as a draw: no one rank is true, and nothing says whether it is identifiable."""

    X: Array
    ranks: range
    rank: None = None
    identifiable: None = None
    snr_db: float = float("nan")
    ingredients: Mapping[str, str] = field(default_factory=dict)


def data_folder() -> Path | None:
    """Return the folder of real tensors, None if there is none."""
    checkout = Path(__file__).resolve().parents[1]
    named = os.environ.get("AUTOTEN_DATA")
    candidates = [Path(named)] if named else [checkout / "shared/data", checkout.parent / "shared/data"]
    return next((folder for folder in candidates if folder.is_dir()), None)


def path_of(file: str) -> Path | None:
    """Return where a file of the data folder is, None if it is absent."""
    folder = data_folder()
    path = folder and folder / f"{file}.npz"
    return path if path and path.is_file() else None


def _samples(*numbers: int) -> Callable[[Array], Array]:
    return lambda X: X[list(numbers)]


def _centred(X: Array) -> Array:
    return np.asarray(center(X, 0).X)


TWO, THREE, TEN, THREE_OR_FOUR = frozenset({2}), frozenset({3}), frozenset({10}), frozenset({3, 4})
LABORATORY = (
    RealCase("amino acids", "amino acids", "amino_acids", THREE),
    RealCase("amino acids 0, 1", "amino acids", "amino_acids", TWO, prepare=_samples(0, 1)),
    RealCase("amino acids 0, 2", "amino acids", "amino_acids", TWO, prepare=_samples(0, 2)),
    RealCase("amino acids 1, 2", "amino acids", "amino_acids", TWO, prepare=_samples(1, 2)),
    RealCase("amino acids without scatter", "amino acids", "amino_acids_scatter_missing", THREE),
    RealCase("UV-vis kinetics", "UV-vis kinetics", "uvvis_two_step_kinetics_trilinear", THREE),
    RealCase("DOSY", "DOSY", "dosy_qgc_decra", THREE),
    RealCase("albatross", "albatross", "albatross_feems_sim", THREE),
    RealCase("NORMO stochastic", "NORMO", "normo_stochastic_50", TEN, largest=16),
)
OPINION = (
    ("covid serology", "covid serology", "covid19_serology", TWO),
    ("bread, centred", "bread", "bread_sensory", frozenset({2, 3}), ALS(), _centred),
    ("microbiome", "microbiome", "microbiome_fujita2023", frozenset({2, 3, 4})),
    ("sugar process", "sugar", "sugar_process", THREE_OR_FOUR),
    ("sugar process, nonnegative", "sugar", "sugar_process", THREE_OR_FOUR, HALS()),
    ("sugar with scatter, nonnegative", "sugar", "sugar_process_full", THREE_OR_FOUR, HALS(), lambda X: X[:, ::8]),
    ("milk", "milk", "milk_metabolomics", THREE),
    ("IL-2, nonnegative", "IL-2", "il2_response", THREE, HALS()),
)
REAL = (
    *LABORATORY,
    # One component of the kinetics is negative.
    *(
        replace(case, name=f"{case.name}, nonnegative", solver=HALS())
        for case in LABORATORY
        if case.name != "UV-vis kinetics"
    ),
    RealCase("NORMO randn", "NORMO", "normo_randn_50", TEN, largest=16),
    RealCase("NSVD synthetic", "NSVD", "nsvd_synth_small", frozenset({5}), largest=16),
    *(RealCase(*case, tier="opinion") for case in OPINION),
)
