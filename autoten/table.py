"""RankTable: every score of every rank, with all replicates; what policies decide from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isinf, isnan, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._errors import imported, refuse
from autoten._typing import Array

# Share of replicates cut at each end before averaging, so that one exploded fold cannot decide.
TRIMMED_SHARE = 0.2

# Held-out errors below this share of the zero model's are rounding; their ratios mean nothing.
NEGLIGIBLE_ERROR = 1e-8

# A core consistency below this says no more than that: words and pictures stop there.
LOWEST_CONSISTENCY = -1000.0

# Core consistencies below this, in points, are low: components mix (Bro & Kiers 2003: about 50 is problematic).
LOW_CONSISTENCY = 50.0

# Scores whose replicates belong to folds; these are what resampling the folds resamples.
FOLD_SCORES = ("heldout", "heldout_squared", "stability_folds")


class Difference(NamedTuple):
    """A paired difference between two ranks: trimmed mean and its standard error over folds."""

    mean: float
    error: float

    @property
    def z(self) -> float:
        """The difference in standard errors.

        Infinite, or zero, when the folds agree to the last bit; NaN when there is one replicate only.
        """
        if self.error != 0:
            return self.mean / self.error
        return float(np.sign(self.mean)) * np.inf if self.mean else 0.0


@dataclass(frozen=True, eq=False)
class RankTable:
    """Scores of candidate ranks, one row per rank, every replicate kept.

    Parameters
    ----------
    ranks : array of int, shape (n_rows,)
        Strictly increasing; the first is 0, the model without components.
    replicates : mapping from score name to array of shape (n_rows, n_replicates)
        NaN where a score is not defined. Replicates are starts, folds, or the single value of the best fit.
    shape : tuple of int
        The shape of the tensor.
    complete : bool
        False when the run was interrupted or out of time: ranks asked for are absent, or lack scores, here or, in the
        table of an estimate by several solvers, in that of another one.
    constrained : bool
        Whether the models are least-squares ones under constraints, such as those of `HALS`; see `informative`.
    solver, holdout : str
        The names of the classes that fitted the models and chose what to hold out, "" if unknown.

    Notes
    -----
    The scores that `estimate_rank` writes:

    ============================  ==========  =====================================================================
    name                          replicates  meaning
    ============================  ==========  =====================================================================
    residual_excess               copies      log of what the strongest component of the residual explains over that of
                                              a copy of it with random signs: 0 = what is left is noise
    weakest_excess                1           the same of what the weakest component of the model alone explains
    residual_likeness             1           cosine of the strongest component of the residual and one of the model in
                                              all modes but one, the largest: near 1 = it bends that component
    fit                           1           explained share of the observed sum of squares, best start
    converged                     1           1 where the best start converged, else 0
    loss_starts                   starts      1 - fit of every start
    core_consistency              1           core consistency of the best start, <= 100
    core_consistency_starts       starts      the same for every start
    ceiling                       1           largest core consistency that these factors could reach
    noise_loss                    1           core consistency expected to be lost to white noise alone
    corrected_core_consistency    1           core consistency without that loss, in percent of the ceiling
    heldout                       folds       held-out squared error over that of the zero model; of KL, deviance over
                                              that of the mean
    cells_per_parameter           folds       observed training cells for each free parameter of the model
    stability_folds               folds       factor match score, full fit against the fit of the fold
    stability_starts              starts      factor match score, best start against the other good starts
    stability_halves              1           factor match score of the models of two halves of the longest mode, in the
                                              split in which they agree best
    stability_halves_splits       splits      the same in every split
    nonnegative_core_consistency  1           (HALS) core consistency with a core that is >= 0
    heldout_squared               folds       (KL) held-out squared error, to compare with other losses
    opposition                    1           smallest congruence of two components, near -1 = degenerate
    ============================  ==========  =====================================================================

    Examples
    --------
    >>> table = RankTable([0, 1, 2], {"heldout": [[1.0, 1.0], [0.2, 0.3], [0.2, 0.31]]}, (5, 6, 7))
    >>> table.mean("heldout")
    array([1.   , 0.25 , 0.255])
    >>> bool(table.gain(1).mean > 1.0), bool(table.gain(2).mean > 0)
    (True, False)
    """

    ranks: NDArray[np.int64]
    replicates: Mapping[str, Array]
    shape: tuple[int, ...]
    complete: bool = True
    constrained: bool = False
    solver: str = ""
    holdout: str = ""

    def __post_init__(self) -> None:
        ranks = np.asarray(self.ranks, dtype=np.int64)
        if ranks.size == 0 or ranks[0] != 0 or np.any(np.diff(ranks) <= 0):
            refuse("the ranks of a RankTable", "strictly increasing and begin with 0", ranks.tolist())
        columns = {}
        for name, values in self.replicates.items():
            column = np.atleast_2d(np.asarray(values, dtype=float))
            if len(column) != ranks.size:
                expected = f"one row for each of {ranks.size} ranks"
                refuse(f"the score {name!r} of a RankTable", expected, str(column.shape))
            columns[name] = column
        object.__setattr__(self, "ranks", ranks)
        object.__setattr__(self, "replicates", columns)
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))

    def __len__(self) -> int:
        return int(self.ranks.size)

    def __contains__(self, name: str) -> bool:
        return name in self.replicates

    def __getitem__(self, name: str) -> Array:
        """Return all replicates of a score, shape (n_rows, n_replicates)."""
        if name not in self.replicates:
            refuse("a score of this RankTable", f"one of {sorted(self.replicates)}", repr(name), kind=KeyError)
        return self.replicates[name]

    @property
    def informative(self) -> NDArray[np.bool_]:
        """At which rows core consistency says something, shape (n_rows,): where it is not 100 for any data.

        At a converged fit the residual's core is zero wherever all indices but one agree, whether cells are missing or
        weighted. With three modes that is every entry of a 1 x 1 x 1 and of a 2 x 2 x 2 core, with more modes only that
        of rank 1. A core that may not be negative, as of `KL`, has nothing to gain elsewhere under the same condition;
        but the unrestricted core of factors that may not be negative has, from rank 2 on.
        """
        return np.asarray(self.ranks > (2 if len(self.shape) == 3 and not self.constrained else 1))

    def row(self, rank: int) -> int:
        """Return the row of `rank`."""
        ranks: list[int] = self.ranks.tolist()
        if rank not in ranks:
            refuse("a rank of this RankTable", f"one of {ranks}", str(rank), kind=KeyError)
        return ranks.index(rank)

    def value(self, name: str, rank: int) -> float:
        """Return the trimmed mean of a score at `rank` (NaN if it is not defined there)."""
        return float(_trimmed(self[name][self.row(rank)]).mean)

    def mean(self, name: str) -> Array:
        """Return the trimmed mean of a score for every row, shape (n_rows,)."""
        return np.array([_trimmed(row).mean for row in self[name]])

    def known(self, name: str) -> Array:
        """Return the `mean` of a score, or NaN for every row if the table does not hold it."""
        return self.mean(name) if name in self else np.full(len(self), np.nan)

    def standard_error(self, name: str) -> Array:
        """Return the standard error of `mean` for every row (NaN for a single replicate), shape (n_rows,).

        Errors of levels: to compare two ranks use `difference`, which is paired and far sharper.
        """
        return np.array([_trimmed(row).error for row in self[name]])

    def difference(self, rank: int, reference: int, name: str = "heldout") -> Difference:
        """Return the paired difference ``score(rank) - score(reference)``, fold by fold."""
        return _paired(self[name][self.row(rank)], self[name][self.row(reference)])

    def gain(self, rank: int, earlier: int | None = None) -> Difference:
        """Return the paired drop of log held-out error from `earlier` (default: the row before) to `rank`.

        Errors below 1e-8 of the zero model's count as 1e-8: what is left there is rounding.
        """
        row = self.row(rank)
        if row == 0:
            refuse("the rank of a gain", "a rank with an earlier row", str(rank))
        before = row - 1 if earlier is None else self.row(earlier)
        logs = np.log(np.maximum(self["heldout"][[before, row]], NEGLIGIBLE_ERROR))
        return _paired(logs[0], logs[1])

    def restricted(self, ranks: Iterable[int]) -> RankTable:
        """Return the table with rank 0 and the given ranks only."""
        rows = [self.row(rank) for rank in sorted({0, *ranks})]
        columns = {name: column[rows] for name, column in self.replicates.items()}
        return replace(self, ranks=self.ranks[rows], replicates=columns)

    def resampled(self, rng: np.random.Generator) -> RankTable:
        """Return the table with its folds drawn again with replacement, the same draw for every rank and score."""
        of_folds = {name: column for name, column in self.replicates.items() if name in FOLD_SCORES}
        if not of_folds:
            return self
        n_folds = next(iter(of_folds.values())).shape[1]
        drawn = rng.integers(n_folds, size=n_folds)
        columns = {name: column[:, drawn] for name, column in of_folds.items()}
        return replace(self, replicates={**self.replicates, **columns})

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists: ``{"rank": [...], "<score>": [...], "<score>_replicates": [[...], ...]}``."""
        table: dict[str, Any] = {"rank": self.ranks.tolist()}
        for name, column in self.replicates.items():
            table[name] = self.mean(name).tolist()
            if column.shape[1] > 1:
                table[f"{name}_replicates"] = column.tolist()
        return table

    def to_frame(self) -> Any:
        """Return a pandas data frame, one row per rank: the mean of every score and, where replicated, its error.

        Raises
        ------
        ImportError
            If pandas is not installed (``pip install 'autoten[labels]'``).
        """
        pd = imported("pandas", "to_frame")
        columns: dict[str, Any] = {"rank": self.ranks}
        for name, column in self.replicates.items():
            columns[name] = self.mean(name)
            if column.shape[1] > 1:
                columns[f"{name}_se"] = self.standard_error(name)
        return pd.DataFrame(columns).set_index("rank")

    def __repr__(self) -> str:
        return f"RankTable(ranks={self.ranks.tolist()}, scores={sorted(self.replicates)})"


def put_together(tables: Sequence[RankTable], shape: tuple[int, ...]) -> RankTable:
    """Return one table from those of parts of a tensor of this shape: at ranks that all have, the replicates of all.

    What counts of halves is the split in which they agree best, of those of all parts.
    """
    ranks = sorted(set.intersection(*(set(table.ranks.tolist()) for table in tables)))
    same = [table.restricted(ranks) for table in tables]
    names = [name for name in same[0].replicates if all(name in table for table in same)]
    columns = {name: np.hstack([table[name] for table in same]) for name in names}
    if "stability_halves" in columns:
        columns["stability_halves"] = np.fmax.reduce(columns["stability_halves"], axis=1, keepdims=True)
    return replace(same[0], replicates=columns, shape=shape, complete=all(table.complete for table in tables))


def _paired(minuend: Array, subtrahend: Array) -> Difference:
    with np.errstate(invalid="ignore"):  # inf - inf of a fold that exploded twice: NaN, left out
        return _trimmed(minuend - subtrahend)


def _trimmed(replicates: Array) -> Difference:
    """Trimmed mean and its standard error by the winsorised variance (Tukey & McLaughlin 1963), NaN left out."""
    # Plain Python: a policy asks for hundreds of these, each of a handful of numbers.
    values = sorted(value for value in replicates.tolist() if not isnan(value))
    n = len(values)
    if n == 0:
        return Difference(np.nan, np.nan)
    cut = int(TRIMMED_SHARE * n)
    kept = values[cut : n - cut]
    mean = sum(kept) / len(kept)
    if n == 1 or isinf(values[0]) or isinf(values[-1]):
        return Difference(mean, np.nan)
    winsorised = [kept[0]] * cut + kept + [kept[-1]] * cut
    centre = sum(winsorised) / n
    variance = sum((value - centre) ** 2 for value in winsorised) / (n - 1)
    return Difference(mean, sqrt(variance) / ((1 - 2 * cut / n) * sqrt(n)))
