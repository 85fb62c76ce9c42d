"""How many components? Rank estimation for PARAFAC/CP by core consistency and held-out error.

>>> import autoten
>>> X = autoten.datasets.load_amino_acids().X
>>> autoten.estimate_rank(X, range(1, 5), random_state=0).rank
3
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoten import datasets as datasets
    from autoten import plots as plots
    from autoten import preprocess as preprocess
    from autoten import selection as selection
    from autoten._errors import AutotenWarning as AutotenWarning
    from autoten.door import masked as masked
    from autoten.door import read_tensor as read_tensor
    from autoten.door import streamed as streamed
    from autoten.door import weighted as weighted
    from autoten.estimate import RankEstimate as RankEstimate
    from autoten.estimate import estimate_rank as estimate_rank
    from autoten.estimate import select_rank as select_rank
    from autoten.files import read_tns as read_tns
    from autoten.holdout import Blocks as Blocks
    from autoten.holdout import Centred as Centred
    from autoten.holdout import CountSplit as CountSplit
    from autoten.holdout import RandomElements as RandomElements
    from autoten.holdout import RandomFibres as RandomFibres
    from autoten.matching import factor_match_score as factor_match_score
    from autoten.matching import match_components as match_components
    from autoten.model import CPModel as CPModel
    from autoten.parafac import fit_parafac as fit_parafac
    from autoten.parafac import split_half as split_half
    from autoten.parafac import split_half_components as split_half_components
    from autoten.scores.core_consistency import core_consistency as core_consistency
    from autoten.scores.core_consistency import core_elements as core_elements
    from autoten.scores.core_consistency import corrected_core_consistency as corrected_core_consistency
    from autoten.scores.heldout import heldout_error as heldout_error
    from autoten.scores.nonnegative_cores import kl_core_consistency as kl_core_consistency
    from autoten.scores.nonnegative_cores import nonnegative_core_consistency as nonnegative_core_consistency
    from autoten.scores.samples import sample_influence as sample_influence
    from autoten.selection import Choice as Choice
    from autoten.selection import pareto_front as pareto_front
    from autoten.sklearn_api import CP as CP
    from autoten.sklearn_api import AutoTen as AutoTen
    from autoten.solvers.als import ALS as ALS
    from autoten.solvers.base import Fit as Fit
    from autoten.solvers.hals import HALS as HALS
    from autoten.solvers.kl import KL as KL
    from autoten.store import load as load
    from autoten.table import RankTable as RankTable

__version__ = "0.1.0"

# Public name -> where it lives. Loaded on first use (PEP 562), so that importing the package costs next to nothing.
_HOMES = {
    "ALS": "solvers.als",
    "AutoTen": "sklearn_api",
    "AutotenWarning": "_errors",
    "Blocks": "holdout",
    "CP": "sklearn_api",
    "CPModel": "model",
    "Centred": "holdout",
    "Choice": "selection",
    "CountSplit": "holdout",
    "Fit": "solvers.base",
    "HALS": "solvers.hals",
    "KL": "solvers.kl",
    "RandomElements": "holdout",
    "RandomFibres": "holdout",
    "RankEstimate": "estimate",
    "RankTable": "table",
    "core_consistency": "scores.core_consistency",
    "core_elements": "scores.core_consistency",
    "corrected_core_consistency": "scores.core_consistency",
    "estimate_rank": "estimate",
    "factor_match_score": "matching",
    "fit_parafac": "parafac",
    "heldout_error": "scores.heldout",
    "kl_core_consistency": "scores.nonnegative_cores",
    "load": "store",
    "masked": "door",
    "match_components": "matching",
    "nonnegative_core_consistency": "scores.nonnegative_cores",
    "pareto_front": "selection",
    "read_tensor": "door",
    "read_tns": "files",
    "sample_influence": "scores.samples",
    "select_rank": "estimate",
    "split_half": "parafac",
    "split_half_components": "parafac",
    "streamed": "door",
    "weighted": "door",
}
_MODULES = ("datasets", "plots", "preprocess", "selection")

__all__ = [*_HOMES, *_MODULES]  # noqa: PLE0604 (names are strings)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"autoten.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'autoten' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"autoten.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
