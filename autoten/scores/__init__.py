"""Scores: pure functions of a tensor and the fits of one rank.

A scorer returns a dict from score name to one number or a sequence of replicates; anyone can write one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from autoten.fits import RankFits
from autoten.scores.core_consistency import core_consistency_scores
from autoten.scores.fit import fit_scores, stability_scores
from autoten.scores.heldout import heldout_scores
from autoten.scores.nonnegative_cores import nonnegative_core_scores
from autoten.scores.residual import residual_scores
from autoten.tensors.tensor import Tensor

Scorer = Callable[[Tensor, RankFits], Mapping[str, Any]]

DEFAULT_SCORERS: tuple[Scorer, ...] = (
    residual_scores,
    fit_scores,
    core_consistency_scores,
    nonnegative_core_scores,
    heldout_scores,
    stability_scores,
)

__all__ = [
    "DEFAULT_SCORERS",
    "core_consistency_scores",
    "fit_scores",
    "heldout_scores",
    "nonnegative_core_scores",
    "residual_scores",
    "stability_scores",
]
