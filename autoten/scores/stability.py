"""Stability: do refits find the same components?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autoten.cp import factor_match_score

if TYPE_CHECKING:
    from autoten.fitting import RankFits
    from autoten.tensors.protocol import Tensor

# A start is good, and its components worth comparing, when its loss is within this share of the best one's.
GOOD_LOSS = 0.01


def stability_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return factor match scores of the best start, against every fold and the other good starts, and between halves.

    NaN for a fold without a model, for a start that is not good, for the best start itself, and where there are no
    halves.
    """
    nan = float("nan")
    best = fits.best
    if best.model.rank == 0:
        return {"stability_folds": [nan] * len(fits.folds), "stability_starts": nan, "stability_halves": nan}
    limit = best.loss * (1.0 + GOOD_LOSS) + 1e-12
    return {
        "stability_folds": [
            nan if fold.model is None else factor_match_score(best.model, fold.model) for fold in fits.folds
        ],
        "stability_starts": [
            factor_match_score(best.model, fit.model) if fit is not best and fit.loss <= limit else nan
            for fit in fits.starts
        ],
        "stability_halves": [factor_match_score(*models) for models in fits.halves] or nan,
    }
