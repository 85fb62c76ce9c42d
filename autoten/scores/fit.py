"""How much of the data a rank explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autoten.matching import Seen, most_opposed_pair

if TYPE_CHECKING:
    from autoten.fits import RankFits
    from autoten.tensors.tensor import Tensor


def fit_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return explained share, convergence of the best and of every start, losses, and the most opposed components."""
    return {
        "fit": 1.0 - fits.best.loss,
        "converged": fits.best.converged,
        "loss_starts": [fit.loss for fit in fits.starts],
        "converged_starts": [fit.converged for fit in fits.starts],
        "opposition": most_opposed_pair(fits.best.model, Seen.of(tensor))[0],
    }
