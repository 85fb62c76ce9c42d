"""RankEstimate: the answer to "how many components?", and all that led to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from autoten import report, store
from autoten._errors import check_integer, refuse, to_be_written
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.selection import Alternative, Choice, Policy, apply_policy, choose_between
from autoten.selection.choice import beside
from autoten.table import RankTable
from autoten.warn import fit_warnings


@dataclass(frozen=True, eq=False)
class RankEstimate:
    """The answer to "how many components?", with its reason, its alternatives and all that led to it.

    Attributes
    ----------
    choice : Choice
        What the policy answered.
    table : RankTable
        Every score of every rank, all replicates.
    model : CPModel
        The fitted model of the chosen rank, in the units of X.
    models : mapping from rank to CPModel
        The best model of every rank in the table.
    probabilities : mapping from rank to float
        The policy's own (`choice.probabilities`): calibrated ones with the default. Of a policy that states none, how
        often it picks each rank when the folds are drawn again with replacement, which is no calibrated probability.
    warnings : tuple of str
        What deserves a look: degenerate or unconverged fits, ranks past what is surely unique, sparse rows.
    timings : mapping from part to seconds
        Where the time went.
    settings : mapping from name to str
        How the estimate was made, down to the seed.
    by_solver : mapping from name to RankEstimate
        With several solvers, the estimate by each of them; everything else is that of the chosen one. Else empty.
    """

    choice: Choice
    table: RankTable
    models: Mapping[int, CPModel]
    probabilities: Mapping[int, float]
    warnings: tuple[str, ...]
    timings: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)
    by_solver: Mapping[str, RankEstimate] = field(default_factory=dict)

    @property
    def rank(self) -> int:
        """The chosen rank; 0 means nothing beyond noise."""
        return self.choice.rank

    @property
    def reason(self) -> str:
        """Why this rank, in a sentence or two."""
        return self.choice.reason

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """Other ranks worth a look, and why."""
        return self.choice.alternatives

    @property
    def model(self) -> CPModel:
        """The fitted model of the chosen rank, in the units of X."""
        return self.models[self.rank]

    @property
    def labels(self) -> Labels | None:
        """Names of the modes and their indices; None if the data had none. Every model has them too."""
        return self.model.labels

    def at(self, rank: int) -> RankEstimate:
        """Return the same estimate with another rank taken: its model, and a report, pictures and a page that say so.

        Nothing is fitted again. With several solvers it is a rank of the chosen one; of another solver take
        ``estimate.by_solver[name].at(rank)``. ``at`` the rank that was estimated gives the estimate itself again.

        Parameters
        ----------
        rank : int
            One of the ranks in the table.

        Returns
        -------
        RankEstimate
            With `rank` taken, and all else as it was.

        Raises
        ------
        ValueError
            If the table has no such rank.

        Examples
        --------
        >>> from autoten import datasets, estimate_rank
        >>> estimate = estimate_rank(datasets.load_amino_acids().X, range(1, 5), n_starts=3, random_state=0)
        >>> estimate.at(2).model
        CPModel(rank=2, shape=(5, 201, 61))
        >>> print(estimate.at(2).report().splitlines()[0])
        Rank taken: 2. Estimated rank: 3
        """
        rank = check_integer(rank, "rank of at", minimum=0)
        if rank not in self.models:
            refuse("rank of at", f"one of {list(self.models)}, the ranks in the table", str(rank))
        # Of the warnings some are about the rank that was chosen; whichever it was, they are of no other.
        n_observed = self.settings.get("observed", prod(self.table.shape))
        of_ranks = {each: list(fit_warnings(self.table, n_observed, each)) for each in self.models}
        about_ranks = {warning for found in of_ranks.values() for warning in found}
        if not self.table.complete:  # with several solvers the table of the chosen one may have been
            of_chosen = replace(self.table, complete=True)
            about_ranks.update(*(fit_warnings(of_chosen, n_observed, each) for each in self.models))
        kept = [warning for warning in self.warnings if warning not in about_ranks]
        choice = self.choice.at(rank)
        if choice.in_place_of is not None:
            said = beside(self.table, rank, choice.in_place_of.rank)
            choice = replace(choice, reason=f"{choice.reason}{said}")
        return replace(self, choice=choice, warnings=(*kept, *of_ranks[rank]))

    def select(self, policy: Policy) -> Choice:
        """Return the choice of another policy from the same table, or tables; nothing is fitted again."""
        if not self.by_solver:
            return apply_policy(policy, self.table)
        return choose_between(policy, {name: each.table for name, each in self.by_solver.items()})[1]

    def report(self) -> str:
        """Return the whole answer as plain text: rank, reason, alternatives, table, warnings, settings."""
        return report.as_text(self)

    def to_frame(self) -> Any:
        """Return the table as a pandas data frame, one row per rank; with several solvers one per solver and rank."""
        if not self.by_solver:
            return self.table.to_frame()
        frames = {name: each.table.to_frame() for name, each in self.by_solver.items()}
        import pandas as pd

        return pd.concat(frames, names=["solver"])

    def to_html(self, path: str | Path) -> None:
        """Write the report to `path` as one self-contained web page: table, pictures, settings, versions."""
        report.write_page(self, path)

    def to_json(self, path: str | Path | None = None, *, factors: bool = False) -> str:
        """Return rank, reason, probabilities, table and settings as a JSON document (NaN becomes null).

        Parameters
        ----------
        path : str or Path, optional
            A file to write it to as well.
        factors : bool
            Whether it has the model, too: its weights, and the labels and the factor of each mode.

        Returns
        -------
        str
            The document, also where it is written to `path`.
        """
        text = json.dumps(report.as_plain(self, factors=factors), indent=2, allow_nan=False)
        if path is not None:
            to_be_written(path, "to_json").write_text(f"{text}\n", encoding="utf-8")
        return text

    def to_xarray(self) -> Any:
        """Return every score and the chosen model as an xarray ``Dataset``, which ``to_netcdf`` can write.

        Returns
        -------
        Dataset
            What `CPModel.to_xarray` gives of the model (nothing of one without components), and *scores* over *score*
            (its name), *rank* and *score_replicate*, filled up with NaN where a score has fewer replicates. Its
            attributes are the rank, and as text the reason, the warnings, and the settings in JSON.

        Raises
        ------
        ImportError
            If xarray is not installed (``pip install 'autoten[labels]'``).
        ValueError
            If two modes have the same name, or one has that of a variable or of another dimension.

        Examples
        --------
        >>> from autoten import datasets, estimate_rank
        >>> estimate = estimate_rank(datasets.load_amino_acids().X, range(1, 4), n_starts=3, random_state=0)
        >>> found = estimate.to_xarray()
        >>> dict(found.sizes)["score_replicate"], found["factor_mode 2"].shape
        (5, (61, 3))
        >>> float(found.scores.sel(score="fit", rank=3).mean()) > 0.99
        True
        """
        dims, names = ("score", "rank", "score_replicate"), self.model.named.names
        if taken := {*dims, "scores"}.intersection(names):
            refuse("the names of modes of to_xarray", f"none of scores, {', '.join(dims)}", ", ".join(sorted(taken)))
        found = self.model.to_xarray()
        if self.rank == 0:
            found = found.drop_dims("component")  # netCDF takes a dimension of length 0 for one without an end
        columns = self.table.replicates
        width = max((column.shape[1] for column in columns.values()), default=0)
        filled = [np.pad(c, ((0, 0), (0, width - c.shape[1])), constant_values=np.nan) for c in columns.values()]
        found = found.assign_coords(score=list(columns), rank=self.table.ranks)
        found["scores"] = dims, np.array(filled).reshape(len(filled), len(self.table), width)
        said = {
            "reason": self.reason,
            "warnings": "\n".join(self.warnings),
            "settings": json.dumps(dict(self.settings)),
        }
        return found.assign_attrs(rank=self.rank, **said)

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw the overview figure, write it to `path` if given, and return its Axes by panel name."""
        from autoten import plots

        panels = plots.plot_overview(self.table, self.choice)
        if path is not None:
            panels["fit"].figure.canvas.figure.savefig(to_be_written(path, "plot"), dpi=200)
        return panels

    def save(self, path: str | Path) -> None:
        """Write everything but X to `path` (``.npz``, no pickle); `autoten.load` reads it back."""
        store.write(self, path)

    def _repr_html_(self) -> str:
        return report.as_html(self)

    def __repr__(self) -> str:
        return f"RankEstimate(rank={self.rank}, ranks={self.table.ranks.tolist()}, warnings={len(self.warnings)})"


store.RECORDS[RankEstimate.__name__] = RankEstimate


def load(path: str | Path) -> RankEstimate:
    """Read an estimate that ``RankEstimate.save`` has written.

    Parameters
    ----------
    path : str or Path
        The ``.npz`` file; as `save` does, `load` adds a missing ``.npz``.

    Returns
    -------
    RankEstimate
        Equal to the saved one in every number; other policies and plots need no new fit.

    Raises
    ------
    ValueError
        If the file does not exist, is no saved estimate, or comes from a later version of the format.

    Examples
    --------
    >>> import tempfile
    >>> from autoten import datasets, estimate_rank, load
    >>> estimate = estimate_rank(datasets.load_amino_acids().X, range(1, 4), n_starts=3, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     estimate.save(f"{folder}/estimate.npz")
    ...     load(f"{folder}/estimate.npz").rank == estimate.rank
    True
    """
    estimate: RankEstimate = store.read(path)
    return estimate
