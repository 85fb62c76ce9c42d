"""How much of the data a rank explains, and whether refits find the same components."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from autoten.fits import RankFits
from autoten.holdout import longest_mode
from autoten.matching import Seen, match_score, most_opposed_pair
from autoten.tensors.tensor import Tensor

# A start is good, and its components worth comparing, when its loss is within this share of the best one's.
GOOD_LOSS = 0.01


def fit_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return explained share and convergence of the best start, losses of all, and the most opposed components."""
    return {
        "fit": 1.0 - fits.best.loss,
        "converged": fits.best.converged,
        "loss_starts": [fit.loss for fit in fits.starts],
        "opposition": most_opposed_pair(fits.best.model, Seen.of(tensor))[0],
    }


def stability_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return factor match scores of the best start, against every fold and the other good starts, and between halves.

    Over observed cells: what these say nothing of is not compared. NaN for a fold without a model, for a start that is
    not good, for the best start itself, and where there are no halves.
    """
    nan = float("nan")
    best = fits.best
    if best.model.rank == 0:
        names = ("stability_starts", "stability_halves", "stability_halves_splits")
        return {"stability_folds": [nan] * len(fits.folds), **dict.fromkeys(names, nan)}
    seen = Seen.of(tensor)
    limit = best.loss * (1.0 + GOOD_LOSS) + 1e-12
    in_halves = seen.without(longest_mode(tensor.shape)) if fits.halves else seen
    splits = [match_score(*models, in_halves) for models in fits.halves]
    of_folds = [nan if fold.model is None else match_score(best.model, fold.model, seen) for fold in fits.folds]
    return {
        "stability_folds": of_folds,
        "stability_starts": [
            match_score(best.model, fit.model, seen) if fit is not best and fit.loss <= limit else nan
            for fit in fits.starts
        ],
        # One half that a local minimum has caught, or in which one solution is as good as another, spoils its split.
        "stability_halves": max(splits, default=nan),
        "stability_halves_splits": splits or nan,
    }
