"""Is there anything but noise? The data against copies of themselves with random signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from autoten.fitting import RankFits
    from autoten.tensors.protocol import Tensor

# Shares of the data explained below this are rounding.
NO_SHARE = 1e-12


def null_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    """Return the log ratio of what a rank-one model explains of the data to what it explains of each copy.

    Parallel analysis (Horn 1965) with signs drawn anew (Hong, Sheng & Dobriban 2020, arXiv 2012.02985): a copy keeps
    the size of every cell, so also uneven variances and outliers, and loses all structure, a mean included. Near 0
    where the cells are noise, independent and symmetric about zero; noise that is correlated between cells looks like
    structure to it. Given at rank 0; NaN elsewhere and for a tensor of zeros.
    """
    if not fits.rank_one or tensor.norm_squared == 0.0:
        return {"null_excess": float("nan")}
    explained = np.maximum([1.0 - fit.loss for fit in fits.rank_one], NO_SHARE)
    return {"null_excess": np.log(explained[0] / explained[1:])}
