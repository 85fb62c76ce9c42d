"""Save and load an estimate: one .npz of plain arrays and a JSON text, no pickle, with a format version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from autoten._errors import refuse
from autoten.answer import RankEstimate
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.selection import Alternative, Choice
from autoten.table import RankTable

FORMAT = "autoten estimate"
VERSION = 1

# What a table knows of how its models were fitted.
FITTED_BY = ("constrained", "solver", "holdout")


def save(estimate: RankEstimate, path: str | Path) -> None:
    """Write the estimate to `path`; a missing ``.npz`` is added, as by numpy."""
    record, arrays = _taken_apart(estimate, "")
    parts = [_taken_apart(each, f"solver_{n}_") for n, each in enumerate(estimate.by_solver.values())]
    record |= {"format": FORMAT, "version": VERSION}
    record |= {"by_solver": {name: part for name, (part, _) in zip(estimate.by_solver, parts, strict=True)}}
    for _, part in parts:
        arrays |= part
    np.savez_compressed(path, record=np.array(json.dumps(record)), **arrays)


def _taken_apart(estimate: RankEstimate, prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what JSON can say of an estimate, and its arrays, their names with a prefix."""
    choice, table, labels = estimate.choice, estimate.table, estimate.labels
    record = {
        "choice": {"rank": choice.rank, "reason": choice.reason, "alternatives": choice.alternatives},
        "stated_probabilities": None if choice.probabilities is None else list(choice.probabilities.items()),
        "probabilities": list(estimate.probabilities.items()),
        "warnings": estimate.warnings,
        "timings": dict(estimate.timings),
        "settings": dict(estimate.settings),
        "shape": table.shape,
        "complete": table.complete,
        **{name: getattr(table, name) for name in FITTED_BY},
        "scores": list(table.replicates),
        "modes": None if labels is None else list(labels.names),
    }
    arrays: dict[str, Any] = {"ranks": table.ranks}
    arrays |= {f"score_{number}": table[name] for number, name in enumerate(table.replicates)}
    if labels is not None:
        arrays |= {f"labels_{mode}": names for mode, names in enumerate(labels.indices) if names is not None}
    for rank, model in estimate.models.items():
        arrays[f"weights_{rank}"] = model.weights
        arrays |= {f"factor_{rank}_{mode}": factor for mode, factor in enumerate(model.factors)}
        arrays |= {f"support_{rank}_{mode}": shares for mode, shares in enumerate(model.support or ())}
    return record, {f"{prefix}{name}": array for name, array in arrays.items()}


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
    path = Path(path)
    if not path.is_file() and Path(f"{path}.npz").is_file():
        path = Path(f"{path}.npz")
    if not path.is_file():
        refuse("the path of load", "an existing file written by RankEstimate.save", str(path))
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(str(arrays["record"]))
        known, version = record["format"] == FORMAT, int(record["version"])
        estimate = _rebuilt(record, arrays) if known and version <= VERSION else None
    except Exception:  # noqa: BLE001 (a file of any other kind, or a damaged one, can fail in any way)
        known, version, estimate = False, VERSION, None
    if not known:
        refuse("the path of load", "a file written by RankEstimate.save", str(path))
    if estimate is None:
        refuse("the format version of a saved estimate", f"at most {VERSION}", str(version), "Update autoten.")
    return estimate


def _rebuilt(record: dict[str, Any], archive: dict[str, Any], prefix: str = "") -> RankEstimate:
    arrays = {name.removeprefix(prefix): array for name, array in archive.items() if name.startswith(prefix)}
    replicates = {name: arrays[f"score_{number}"] for number, name in enumerate(record["scores"])}
    fitted_by = {name: record[name] for name in FITTED_BY if name in record}  # absent in files from before tables knew
    table = RankTable(arrays["ranks"], replicates, tuple(record["shape"]), record["complete"], **fitted_by)
    stated = record["stated_probabilities"]
    choice = Choice(
        record["choice"]["rank"],
        record["choice"]["reason"],
        tuple(Alternative(*alternative) for alternative in record["choice"]["alternatives"]),
        None if stated is None else _by_rank(stated),
    )
    modes = range(len(record["shape"]))
    names = record.get("modes")  # absent in files from before there were labels
    labels = None if names is None else Labels(tuple(names), tuple(arrays.get(f"labels_{mode}") for mode in modes))
    models = {
        int(rank): CPModel(
            arrays[f"weights_{rank}"],
            tuple(arrays[f"factor_{rank}_{mode}"] for mode in modes),
            labels,
            tuple(arrays[f"support_{rank}_{mode}"] for mode in modes) if f"support_{rank}_0" in arrays else None,
        )
        for rank in arrays["ranks"]
    }
    return RankEstimate(
        choice,
        table,
        models,
        _by_rank(record["probabilities"]),
        tuple(record["warnings"]),
        record["timings"],
        record["settings"],
        {
            name: _rebuilt(part, archive, f"solver_{n}_")
            for n, (name, part) in enumerate(record.get("by_solver", {}).items())
        },
    )


def _by_rank(pairs: list[list[float]]) -> dict[int, float]:
    return {int(rank): share for rank, share in pairs}
