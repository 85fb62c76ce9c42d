"""What a rank sweep has finished, on disk, so that a killed run goes on where it was: npz and JSON, no pickle."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten._errors import refuse
from autoten.fits import FoldModel, fit_fold
from autoten.model import CPModel
from autoten.solvers.base import Fit

if TYPE_CHECKING:
    from autoten.tensors.tensor import Tensor

WHAT = "checkpoint of estimate_rank"
FORMAT = "autoten checkpoint"

# Raised as well whenever fits or scores come out with other numbers: old and new ones must not stand in one table.
VERSION = 4

# Between ranks the file is written when something was finished and so many seconds have passed since, but writing never
# takes more than this share of the time.
SECONDS_BETWEEN = 5.0
WRITING_SHARE = 0.05


@dataclass(frozen=True, eq=False)
class FinishedRank:
    """What the table and the next rank need of a rank: its best model, from which the next one grows, and its scores.

    No scores where the rank was not asked for, but only climbed over.
    """

    model: CPModel
    scores: Mapping[str, NDArray[Any]] | None = None


class _Fits(dict[Any, Any]):
    """Finished fits of unfinished ranks; tells of each one that is added."""

    def __init__(self, kept: Mapping[Any, Any], added: Callable[[], None]) -> None:
        super().__init__(kept)
        self._added = added

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self._added()


class Checkpoint:
    """A file of finished ranks, and finished fits of the others, written whole and anew.

    Ranks come by `add`, fits by putting them into ``fits``, the memory of `fit_ranks`.

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
        kept: Mapping[Any, Any] = {}
        if self._path.exists():
            self._run, self.ranks, kept = _read(self._path)
        self.fits = _Fits(kept, self._added)
        self._unwritten, self._next = False, time.monotonic() + SECONDS_BETWEEN

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
        """Keep a finished rank, in place of its fits, but for those of the folds, from which the next rank's grow."""
        self.ranks[rank] = FinishedRank(model, scores)
        for key in [key for key in self.fits if key[0] < rank or (key[0] == rank and key[1] != fit_fold.__name__)]:
            del self.fits[key]
        self._write()

    def flush(self) -> None:
        """Write what was finished since the file was last written."""
        if self._unwritten:
            self._write()

    def _added(self) -> None:
        self._unwritten = True
        if time.monotonic() >= self._next:
            self._write()

    def _write(self) -> None:
        """Replace the file at once: a process killed at any moment leaves the old file or the new one."""
        began = time.monotonic()
        values: list[NDArray[Any]] = []
        record = {
            "format": FORMAT,
            "version": VERSION,
            "run": dict(self._run),
            "ranks": [[rank, _packed(self.ranks[rank], values)] for rank in sorted(self.ranks)],
            "fits": [[*key, _packed(result, values)] for key, result in self.fits.items()],
        }
        arrays = {"record": np.array(json.dumps(record))} | {f"array_{n}": array for n, array in enumerate(values)}
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
        now = time.monotonic()
        self._unwritten, self._next = False, now + max(SECONDS_BETWEEN, (now - began) / WRITING_SHARE)


def fingerprint(tensor: Tensor) -> str:
    """Return a hash of a tensor's every cell, taken block by block."""
    digest = hashlib.blake2b(repr((tensor.shape, tensor.scale)).encode(), digest_size=16)
    for piece in tensor.pieces():
        digest.update(repr((piece.dtype.str, piece.shape)).encode())
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[Mapping[str, Any], dict[int, FinishedRank], dict[Any, Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = json.loads(str(arrays["record"]))
        known, version = record["format"] == FORMAT, int(record["version"])
        current = version == VERSION
        ranks = {rank: _unpacked(done, arrays) for rank, done in record["ranks"]} if current else {}
        # Functions that make single fits had private names when the format was made.
        kept = record["fits"] if current else ()
        fits = {(rank, kind.lstrip("_"), n): _unpacked(result, arrays) for rank, kind, n, result in kept}
    except Exception:  # noqa: BLE001 (a file of any other kind, or a damaged one, can fail in any way)
        known, version = False, VERSION
    if not known:
        refuse(WHAT, "a new path, or a file that an earlier run has written there", str(path))
    if version != VERSION:
        refuse("the format version of a checkpoint", f"{VERSION}", str(version), "Give another path, or delete it.")
    return record["run"], ranks, fits


_RECORDS = {record.__name__: record for record in (CPModel, Fit, FoldModel, FinishedRank)}


def _packed(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """Return a value as JSON can say it, its arrays put aside."""
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if is_dataclass(value):
        parts = {field.name: _packed(getattr(value, field.name), arrays) for field in fields(value)}
        return {"record": type(value).__name__, "parts": parts}
    if isinstance(value, Mapping):
        return {"parts": {name: _packed(part, arrays) for name, part in value.items()}}
    if isinstance(value, tuple):
        return [_packed(part, arrays) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _unpacked(value: Any, arrays: Mapping[str, Any]) -> Any:
    """Return what `_packed` was given."""
    if isinstance(value, list):
        return tuple(_unpacked(part, arrays) for part in value)
    if not isinstance(value, dict):
        return value
    if "array" in value:
        return arrays[f"array_{value['array']}"]
    parts = {name: _unpacked(part, arrays) for name, part in value["parts"].items()}
    return _RECORDS[value["record"]](**parts) if "record" in value else parts
