"""What a rank sweep has finished, on disk, so that a killed run goes on where it was: npz and JSON, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten._validation import refuse
from autoten.cp import CPModel

if TYPE_CHECKING:
    from autoten.tensors.protocol import Tensor

WHAT = "checkpoint of estimate_rank"
FORMAT = "autoten checkpoint"

# Raised as well whenever fits or scores come out with other numbers: old and new ones must not stand in one table.
VERSION = 3


@dataclass(frozen=True, eq=False)
class FinishedRank:
    """What the table and the next rank need of a rank: its best model, from which the next one grows, and its scores.

    No scores where the rank was not asked for, but only climbed over.
    """

    model: CPModel
    scores: Mapping[str, NDArray[Any]] | None = None


class Checkpoint:
    """A file of finished ranks, written whole and anew after each of them.

    Parameters
    ----------
    path : str or Path
        Where the file is, or shall be.

    Raises
    ------
    TypeError, ValueError
        If the path cannot be one of a checkpoint, or holds something else.
    """

    def __init__(self, path: Any) -> None:
        if not isinstance(path, (str, os.PathLike)):
            refuse(WHAT, "a path", path, kind=TypeError)
        self._path = Path(path)
        self.ranks: dict[int, FinishedRank] = {}
        self._run: Mapping[str, Any] = {}
        if self._path.exists():
            self._run, self.ranks = _read(self._path)

    @property
    def seed(self) -> int | None:
        """The seed of the run that wrote the file, None where there is no file yet."""
        return self._run.get("seed")

    def claim(self, run: Mapping[str, Any]) -> None:
        """Refuse a file of another run; begin a new one, so that an unsuitable path shows before the first fit."""
        other = [name for name in run if self._run and self._run.get(name) != run[name]]
        if other:
            *most, last = run
            same = f"a file of a run with the same {', '.join(most)} and {last}"
            refuse(WHAT, same, f"one with another {' and another '.join(other)}", "Give another path, or delete it.")
        if not self._run:
            self._run = run
            try:
                self._write()
            except OSError as error:
                refuse(WHAT, "a path that can be written", f"{self._path}: {error.strerror}")

    def add(self, rank: int, model: CPModel, scores: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Keep a finished rank."""
        self.ranks[rank] = FinishedRank(model, scores)
        self._write()

    def _write(self) -> None:
        """Replace the file at once: a process killed at any moment leaves the old file or the new one."""
        ranks = sorted(self.ranks.items())
        record = {
            "format": FORMAT,
            "version": VERSION,
            "run": dict(self._run),
            "ranks": [[rank, None if done.scores is None else list(done.scores)] for rank, done in ranks],
        }
        arrays = {"record": np.array(json.dumps(record))}
        for rank, done in ranks:
            arrays[f"weights_{rank}"] = done.model.weights
            arrays |= {f"factor_{rank}_{mode}": factor for mode, factor in enumerate(done.model.factors)}
            arrays |= {f"score_{rank}_{number}": values for number, values in enumerate((done.scores or {}).values())}
        # In the same folder, so that replacing is a renaming, and under a name that no other process uses.
        handle, part = tempfile.mkstemp(prefix=f"{self._path.name}.", suffix=".part", dir=self._path.absolute().parent)
        try:
            with os.fdopen(handle, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # the names are ours, none is `allow_pickle`
                file.flush()
                os.fsync(file.fileno())
            Path(part).replace(self._path)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise


def fingerprint(tensor: Tensor) -> str:
    """Return a hash of a tensor's every cell, taken block by block."""
    digest = hashlib.blake2b(repr((tensor.shape, tensor.scale)).encode(), digest_size=16)
    for piece in tensor.pieces():
        digest.update(repr((piece.dtype.str, piece.shape)).encode())
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[Mapping[str, Any], dict[int, FinishedRank]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(str(arrays["record"]))
        known, version = record["format"] == FORMAT, int(record["version"])
        ranks = {rank: _rank(arrays, rank, names) for rank, names in record["ranks"]} if version == VERSION else {}
    except Exception:  # noqa: BLE001 (a file of any other kind, or a damaged one, can fail in any way)
        known, version = False, VERSION
    if not known:
        refuse(WHAT, "a new path, or a file that an earlier run has written there", str(path))
    if version != VERSION:
        refuse("the format version of a checkpoint", f"{VERSION}", str(version), "Give another path, or delete it.")
    return record["run"], ranks


def _rank(arrays: Mapping[str, Any], rank: int, names: list[str] | None) -> FinishedRank:
    n_modes = sum(name.startswith(f"factor_{rank}_") for name in arrays)
    model = CPModel(arrays[f"weights_{rank}"], tuple(arrays[f"factor_{rank}_{mode}"] for mode in range(n_modes)))
    scores = None if names is None else {name: arrays[f"score_{rank}_{k}"] for k, name in enumerate(names)}
    return FinishedRank(model, scores)
