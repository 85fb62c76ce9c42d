"""What is kept on disk, estimates and checkpoints of runs: one .npz of plain arrays and a JSON text, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

import numpy as np

from autoten._errors import refuse, to_be_written
from autoten._typing import Array
from autoten.fits import FoldModel, fit_fold
from autoten.labels import Labels
from autoten.model import CPModel
from autoten.selection import Alternative, Choice
from autoten.solvers.base import Fit
from autoten.table import RankTable
from autoten.tensors.tensor import Tensor

# Arrays put aside, each once, by their identity: numbers and arrays.
Arrays = dict[int, tuple[int, Array]]

# Between ranks a checkpoint is written when something was finished and so many seconds have passed since, but writing
# never takes more than this share of the time.
SECONDS_BETWEEN = 5.0
WRITING_SHARE = 0.05


class Kind(NamedTuple):
    """A kind of file: the versions of its format that are read, of which the last is written; what others are told."""

    format: str
    versions: tuple[int, ...]
    what: str
    expected: str
    remedy: str


# The version of checkpoints is raised as well, and no older one read, whenever fits or scores come out with other
# numbers: old and new ones must not stand in one table.
ESTIMATE = Kind(
    "autoten estimate", (1, 2), "the path of load", "a file written by RankEstimate.save", "Update autoten."
)
CHECKPOINT = Kind(
    "autoten checkpoint",
    (4,),
    "checkpoint of estimate_rank",
    "a new path, or a file that an earlier run has written there",
    "Give another path, or delete it.",
)


def write(estimate: Any, path: str | Path) -> None:
    """Write the estimate to `path`; a missing ``.npz`` is added, as by numpy."""
    arrays: Arrays = {}
    record = {"estimate": _packed(estimate, arrays)}
    path = to_be_written(path if str(path).endswith(".npz") else f"{path}.npz", "save")
    _write(path, ESTIMATE, record, arrays, np.savez_compressed)


def read(path: str | Path) -> Any:
    """Return the estimate in a file; see `autoten.load`."""
    file = next((each for each in (Path(path), Path(f"{path}.npz")) if each.is_file()), None)
    if file is None:
        refuse("the path of load", "an existing file written by RankEstimate.save", str(path))
    return _read(file, ESTIMATE, _estimate_of)


@dataclass(frozen=True, eq=False)
class FinishedRank:
    """What the table and the next rank need of a rank: its best model, from which the next one grows, and its scores.

    No scores where the rank was not asked for, but only climbed over.
    """

    model: CPModel
    scores: Mapping[str, Array] | None = None


class Checkpoint(dict[tuple[int, str, int], Any]):
    """A file of finished ranks, and finished fits of the others, written whole and anew.

    Ranks come by `add`; of the fits it is itself a mapping, the memory of `fit_ranks`. Refuses what cannot be the path
    of a checkpoint, and a file of another kind.
    """

    def __init__(self, path: Any) -> None:
        super().__init__()
        if not isinstance(path, (str, os.PathLike)):
            refuse(CHECKPOINT.what, "a path", path, kind=TypeError)
        self._path = Path(path)
        self.ranks: dict[int, FinishedRank] = {}
        self.run: Mapping[str, Any] = {}
        if self._path.exists():
            self.run, self.ranks, fits = _read(self._path, CHECKPOINT, _run_of)
            self.update(fits)
        self._unwritten, self._next = False, time.monotonic() + SECONDS_BETWEEN

    def claim(self, run: Mapping[str, Any]) -> None:
        """Refuse a file of another run; begin a new one, so that an unsuitable path shows before the first fit."""
        other = [name for name in run if self.run and self.run.get(name) != run[name]]
        if other:
            *most, last = run
            same = f"a file of a run with the same {', '.join(most)} and {last}"
            refuse(CHECKPOINT.what, same, f"one with another {' and another '.join(other)}", CHECKPOINT.remedy)
        if not self.run:
            self.run = run
            try:
                self._write()
            except OSError as error:
                refuse(CHECKPOINT.what, "a path that can be written", f"{self._path}: {error.strerror}")

    def add(self, rank: int, model: CPModel, scores: Mapping[str, Array] | None = None) -> None:
        """Keep a finished rank, in place of its fits, but for those of the folds, from which the next rank's grow."""
        self.ranks[rank] = FinishedRank(model, scores)
        for key in [key for key in self if key[0] < rank or (key[0] == rank and key[1] != fit_fold.__name__)]:
            del self[key]
        self._write()

    def __setitem__(self, key: tuple[int, str, int], result: Any) -> None:
        super().__setitem__(key, result)
        self._unwritten = True
        if time.monotonic() >= self._next:
            self._write()

    def flush(self) -> None:
        """Write what was finished since the file was last written."""
        if self._unwritten:
            self._write()

    def _write(self) -> None:
        began = time.monotonic()
        arrays: Arrays = {}
        ranks = _packed(tuple(sorted(self.ranks.items())), arrays)
        fits = _packed(tuple((*key, result) for key, result in self.items()), arrays)
        _write(self._path, CHECKPOINT, {"run": dict(self.run), "ranks": ranks, "fits": fits}, arrays)
        now = time.monotonic()
        self._unwritten, self._next = False, now + max(SECONDS_BETWEEN, (now - began) / WRITING_SHARE)


def fingerprint(tensor: Tensor) -> str:
    """Return a hash of a tensor's every cell, taken block by block."""
    digest = hashlib.blake2b(repr((tensor.shape, tensor.scale)).encode(), digest_size=16)
    for piece in tensor.pieces():
        digest.update(repr((piece.dtype.str, piece.shape)).encode())
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _write(path: Path, kind: Kind, record: dict[str, Any], arrays: Arrays, savez: Any = np.savez) -> None:
    """Replace the file at once: a process killed at any moment leaves the old file or the new one."""
    text = json.dumps(record | {"format": kind.format, "version": kind.versions[-1]})
    named = {"record": np.array(text)} | {f"array_{n}": array for n, array in arrays.values()}
    path = path.resolve()  # a link stays one
    # In the same folder, so that replacing is a renaming, and under a name that no other process uses.
    part = path.with_name(f"{path.name}.{token_hex(8)}.part")
    try:
        with part.open("xb") as file:
            savez(file, **named)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _read(path: Path, kind: Kind, made_of: Callable[[dict[str, Any], Mapping[str, Any]], Any]) -> Any:
    """Return what a function makes of a file's record and arrays; refuse a file of another kind or version."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        record = json.loads(str(arrays["record"]))
        known, version = record["format"] == kind.format, int(record["version"])
        made = made_of(record, arrays) if known and version in kind.versions else None
    except Exception:  # noqa: BLE001 (a file of any other kind, or a damaged one, can fail in any way)
        known = False
    if not known:
        refuse(kind.what, kind.expected, str(path))
    if version not in kind.versions:
        expected = " or ".join(map(str, kind.versions))
        refuse(f"the format version of an {kind.format}", expected, str(version), kind.remedy)
    return made


# What may stand in a file, by name. `answer` adds the record of an estimate, which is written by a method of its own.
RECORDS: dict[str, Any] = {
    record.__name__: record
    for record in (RankTable, Choice, Alternative, CPModel, Labels, Fit, FoldModel, FinishedRank)
}


def _packed(value: Any, arrays: Arrays) -> Any:
    """Return a value as JSON can say it, its arrays put aside."""
    packed = partial(_packed, arrays=arrays)
    if isinstance(value, np.ndarray):
        number, _ = arrays.setdefault(id(value), (len(arrays), value))
        return {"array": number}
    for name, record in RECORDS.items():
        if isinstance(value, record):
            parts = {part: packed(getattr(value, part)) for part in record.__match_args__}
            return {"record": name, "parts": parts}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"parts": {key: packed(part) for key, part in value.items()}}
    if isinstance(value, Mapping):
        return {"pairs": [[key, packed(part)] for key, part in value.items()]}
    if isinstance(value, list):
        return {"list": [packed(part) for part in value]}
    if isinstance(value, tuple):
        return [packed(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    """Return what `_packed` was given."""
    unpacked = partial(_unpacked, arrays=arrays)
    match value:
        case list():
            return tuple(unpacked(part) for part in value)
        case {"array": number}:
            return arrays[f"array_{number}"]
        case {"list": parts}:
            return [unpacked(part) for part in parts]
        case {"pairs": pairs}:
            return {key: unpacked(part) for key, part in pairs}
        case {"parts": parts}:
            made = {name: unpacked(part) for name, part in parts.items()}
            return RECORDS[value["record"]](**made) if "record" in value else made
    return value


def _run_of(record: dict[str, Any], arrays: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the run of a checkpoint, its ranks and its fits."""
    # Functions that make single fits had private names when the format was made.
    fits = {(rank, kind.lstrip("_"), n): fit for rank, kind, n, fit in _unpacked(record["fits"], arrays)}
    return record["run"], dict(_unpacked(record["ranks"], arrays)), fits


def _estimate_of(record: dict[str, Any], arrays: Mapping[str, Any], prefix: str = "") -> Any:
    """Return a saved estimate; version 1 had an array of its own name for every one of its parts."""
    if "estimate" in record:
        return _unpacked(record["estimate"], arrays)
    named = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    scores = {name: named[f"score_{n}"] for n, name in enumerate(record["scores"])}
    made_by = {name: record[name] for name in ("constrained", "solver", "holdout") if name in record}
    table = RankTable(named["ranks"], scores, record["shape"], record["complete"], **made_by)
    modes, names = range(len(table.shape)), record.get("modes")
    labels = names and Labels(tuple(names), tuple(named.get(f"labels_{mode}") for mode in modes))
    models = {}
    for rank in map(int, table.ranks):
        factors = tuple(named[f"factor_{rank}_{mode}"] for mode in modes)
        support = tuple(named[f"support_{rank}_{mode}"] for mode in modes if f"support_{rank}_{mode}" in named)
        models[rank] = CPModel(named[f"weights_{rank}"], factors, labels, support or None)
    said, stated = record["choice"], record["stated_probabilities"]
    alternatives = tuple(Alternative(*each) for each in said["alternatives"])
    choice = Choice(said["rank"], said["reason"], alternatives, None if stated is None else dict(stated))
    others = record.get("by_solver", {}).items()
    by_solver = {name: _estimate_of(part, arrays, f"solver_{n}_") for n, (name, part) in enumerate(others)}
    probabilities, warnings = dict(record["probabilities"]), tuple(record["warnings"])
    return RECORDS["RankEstimate"](
        choice, table, models, probabilities, warnings, record["timings"], record["settings"], by_solver
    )
