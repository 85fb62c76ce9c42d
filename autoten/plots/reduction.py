"""From a table of scores to the numbers that pictures of it draw."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten.plots.common import Array
from autoten.selection.choice import Choice
from autoten.selection.policies import trade_off
from autoten.table import RankTable

# The zero model's held-out error is 1: at twice that a model is simply bad, below the other it is exact.
LARGEST_ERROR = 2.0
SMALLEST_ERROR = 1e-12

# Largest over smallest held-out error from which the axis is logarithmic.
LOG_SPREAD = 10.0


class OverviewData(NamedTuple):
    """What `plot_overview` draws, one row per rank of the table; NaN where the table has no value."""

    title: str
    ranks: NDArray[np.int64]
    # None without a choice.
    chosen: int | None
    # Explained share of the sum of squares in percent: best start, and every start, shape (n_rows, n_starts).
    explained: Array
    explained_starts: Array
    # Core consistency: of the best start, of every start, the largest attainable, corrected for noise and ceiling.
    raw: Array
    raw_starts: Array
    ceiling: Array
    corrected: Array
    # Ranks at which core consistency is 100 for any data.
    uninformative: tuple[int, ...]
    # Held-out error relative to the zero model, mean and folds; the error is that of the difference to rank `best`.
    heldout: Array
    heldout_folds: Array
    heldout_error: Array
    best: int | None
    # The front trades held-out error for interpretability: corrected core consistency as policies read it, 0 .. 100.
    interpretability: Array
    on_front: NDArray[np.bool_]
    # Factor match scores: of the best start with the folds and with the other good starts, and of halves; means.
    stability: Array
    stability_folds: Array
    stability_starts: Array
    stability_halves: Array
    # In times what one component explains of noise: the strongest of the residual, mean and by copy, and the weakest of
    # the model.
    leftover: Array
    leftover_copies: Array
    weakest: Array


class ErrorAxis(NamedTuple):
    """Limits and scale of an axis of held-out errors."""

    low: float
    high: float
    log: bool


def overview_data(table: RankTable, choice: Choice | None = None) -> OverviewData:
    """Return the numbers that `plot_overview` draws.

    Parameters
    ----------
    table : RankTable
        Scores that it does not hold come back as NaN.
    choice : Choice, optional
        The rank to mark; it must be one of the table's.

    Returns
    -------
    OverviewData

    Examples
    --------
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.21, 0.32]]}, (5, 6, 7))
    >>> data = overview_data(table, Choice(1))
    >>> data.best, data.uninformative, data.title
    (1, (1, 2), 'Rank 1 chosen for the 5 × 6 × 7 tensor')
    >>> data.heldout_error.round(3)  # of the differences to rank 1, so zero there
    array([0.05 , 0.   , 0.005])
    """
    if choice is not None:
        table.row(choice.rank)  # refuses a rank that the table does not hold
    heldout = _means(table, "heldout")
    best = int(table.ranks[np.nanargmin(heldout)]) if np.isfinite(heldout).any() else None
    interpretability, on_front = _front(table)
    with np.errstate(invalid="ignore"):  # infinite folds have no difference
        heldout_error = [np.nan if best is None else table.difference(rank, best).error for rank in table.ranks]
    return OverviewData(
        title=title_of(table, choice),
        ranks=table.ranks,
        chosen=None if choice is None else choice.rank,
        explained=100.0 * _means(table, "fit"),
        explained_starts=100.0 * (1.0 - _replicates(table, "loss_starts")),
        raw=_means(table, "core_consistency"),
        raw_starts=_replicates(table, "core_consistency_starts"),
        ceiling=_means(table, "ceiling"),
        corrected=_means(table, "corrected_core_consistency"),
        uninformative=tuple(int(rank) for rank in table.ranks[~table.informative] if rank),
        heldout=heldout,
        heldout_folds=_replicates(table, "heldout"),
        heldout_error=np.array(heldout_error),
        best=best,
        interpretability=interpretability,
        on_front=on_front,
        stability=_means(table, "stability_folds"),
        stability_folds=_replicates(table, "stability_folds"),
        stability_starts=_means(table, "stability_starts"),
        stability_halves=_means(table, "stability_halves"),
        leftover=np.exp(_means(table, "residual_excess")),
        leftover_copies=np.exp(_replicates(table, "residual_excess")),
        weakest=np.exp(_means(table, "weakest_excess")),
    )


def error_axis(errors: Array, margin: float = 0.06) -> ErrorAxis:
    """Return limits and scale for held-out errors; what is not finite, or beyond all interest, does not stretch them.

    Parameters
    ----------
    errors : array
        Held-out errors relative to the zero model.
    margin : float
        Free space at either end, as a share of the spread.

    Returns
    -------
    ErrorAxis
        Logarithmic when the errors spread over more than a factor of `LOG_SPREAD`.

    Examples
    --------
    >>> error_axis(np.array([1.0, 0.5, np.inf]), margin=0.1)
    ErrorAxis(low=0.45, high=1.05, log=False)
    >>> error_axis(np.array([1.0, 0.01]), margin=0.5)
    ErrorAxis(low=0.001, high=10.0, log=True)
    """
    drawable = np.clip(errors[np.isfinite(errors)], SMALLEST_ERROR, LARGEST_ERROR)
    if not drawable.size:
        return ErrorAxis(0.0, 1.0, log=False)
    low, high = float(drawable.min()), float(drawable.max())
    if high > LOG_SPREAD * low:
        pad = (high / low) ** margin
        return ErrorAxis(low / pad, high * pad, log=True)
    pad = margin * ((high - low) or high)
    return ErrorAxis(low - pad, high + pad, log=False)


def title_of(table: RankTable, choice: Choice | None) -> str:
    """Return the title of an overview."""
    tensor = " × ".join(map(str, table.shape)) + " tensor"
    title = tensor if choice is None else f"Rank {choice.rank} chosen for the {tensor}"
    return title if table.complete else f"{title} (interrupted: not all ranks tried)"


def _means(table: RankTable, name: str) -> Array:
    return table.mean(name) if name in table else np.full(len(table), np.nan)


def _replicates(table: RankTable, name: str) -> Array:
    return table[name] if name in table else np.full((len(table), 1), np.nan)


def _front(table: RankTable) -> tuple[Array, NDArray[np.bool_]]:
    """Return interpretability in percent, and what is on the front: nothing where a policy would refuse the table."""
    try:
        both = trade_off(table)
    except ValueError:
        return np.full(len(table), np.nan), np.zeros(len(table), dtype=bool)
    return 100.0 * both.interpretability, both.front


def without_outliers(replicates: Array) -> Array:
    """Return the replicates within Tukey's outer fences of their rank: one exploded fold stretches no axis."""
    kept = [np.empty(0)]
    for row in replicates:
        values = row[np.isfinite(row)]
        if values.size:
            low, high = np.quantile(values, (0.25, 0.75))
            kept.append(values[(values >= low - 3 * (high - low)) & (values <= high + 3 * (high - low))])
    return np.concatenate(kept)
