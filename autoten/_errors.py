"""One sentence shape for every user error: what was expected, what was got, what to do.

Checks run once, at the public door; the layers inside trust their arguments.
"""

from __future__ import annotations

import numbers
import operator
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import numpy as np


class AutotenWarning(UserWarning):
    """The answer stands, but something about the data or the fits deserves a look."""


def refuse(what: str, expected: str, got: object, remedy: str = "", *, kind: type[Exception] = ValueError) -> NoReturn:
    """Raise `kind` with the package's one sentence shape: ``<what> must be <expected>. Got <got>. <remedy>``."""
    sentence = f"{what} must be {expected}. Got {_short(got)}."
    raise kind(f"{sentence} {remedy}".rstrip())


@contextmanager
def reading(path: Path, kind: str, *errors: type[Exception]) -> Iterator[None]:
    """Make one sentence of what a reader raises on a broken file."""
    try:
        yield
    except errors as error:
        message = f"{path.name} cannot be read as a {kind} file: {type(error).__name__}: {error}"
        raise ValueError(message.splitlines()[0]) from error


def to_be_written(path: str | Path, asker: str) -> Path:
    """Return the path of a file to write; refuse one in a folder that does not exist."""
    path = Path(path)
    if not path.parent.is_dir():
        what, remedy = f"the path of {asker}", f"Make the folder {path.parent} first."
        refuse(what, "in a folder that exists", str(path), remedy, kind=FileNotFoundError)
    return path


def imported(name: str, asker: str, install: str = "'autoten[labels]'") -> Any:
    """Return a package that may be absent, or say how to install it: most come with the extra for labels."""
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportError(f"{asker} needs {name}. Install it with `pip install {install}`.") from error


def counted(n: int, what: str) -> str:
    """Return a number of things in words: ``1 cell``, ``2 cells``."""
    return f"{n} {what}{'' if n == 1 else 's'}"


def is_number(text: str) -> bool:
    """Tell whether a text says a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_integer(value: object) -> bool:
    """Tell whether a value is a whole number, Python's or NumPy's, and no truth value."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _short(got: object) -> str:
    text = got if isinstance(got, str) else repr(got)
    return text if len(text) <= 80 else f"{text[:38]} ... {text[-38:]}"  # a path says most at its end


def check_integer(value: Any, what: str, *, minimum: int) -> int:
    """Return `value` as an int that is at least `minimum`."""
    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum:
        refuse(what, f"an integer >= {minimum}", repr(value), kind=TypeError if number is None else ValueError)
    return number


def check_real(value: Any, what: str, *, above: float, below: float, closed: bool = False) -> float:
    """Return `value` as a float strictly between `above` and `below`, or at `above` where that is closed."""
    expected = f"a number {'>=' if closed else 'above'} {above:g} and below {below:g}"
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        refuse(what, expected, repr(value), kind=TypeError)
    if not above < float(value) < below and not (closed and value == above):
        refuse(what, expected, value)
    return float(value)


def check_ranks(ranks: Any, what: str = "ranks of estimate_rank") -> Sequence[int]:
    """Return the candidate ranks as a strictly increasing sequence of positive integers; an integer n means 1 to n."""
    remedy = "Give a range such as range(1, 11), or its end alone; rank 0 (nothing beyond noise) is always added."
    if isinstance(ranks, np.ndarray):
        ranks = ranks.ravel() if ranks.ndim else ranks[()]
    if is_integer(ranks) and ranks > 0:
        ranks = range(1, int(ranks) + 1)
    if isinstance(ranks, range) and ranks and min(ranks[0], ranks[-1]) >= 1:
        return ranks if ranks.step > 0 else ranks[::-1]  # never listed: it may be far too long
    candidates = list(ranks) if isinstance(ranks, Iterable) and not isinstance(ranks, str) else [ranks]
    whole = all(map(is_integer, candidates))
    if not whole or min(candidates, default=0) < 1:
        refuse(what, "positive integers", repr(ranks), remedy, kind=ValueError if whole else TypeError)
    return tuple(sorted({int(rank) for rank in candidates}))


def check_mode(mode: Any, ndim: int, what: str, names: Sequence[str] = ()) -> int:
    """Return `mode` as an index in ``0 .. ndim - 1``: given by number (negative ones count from the end) or by name."""
    if isinstance(mode, str):
        if mode not in names:
            refuse(what, f"one of {list(names)}" if names else "a number, since X has no names of modes", repr(mode))
        return names.index(mode)
    number = check_integer(mode, what, minimum=-ndim)
    if number >= ndim:
        refuse(what, f"a mode of a tensor with {ndim} modes, 0 to {ndim - 1}", mode)
    return number % ndim


def check_modes_given(modes: Iterable[Any], what: str) -> None:
    """Refuse what can be a mode of no tensor: neither a number nor a name."""
    for mode in modes:
        if not isinstance(mode, str):
            check_integer(mode, what, minimum=-64)


def as_generator(random_state: int | np.random.Generator | np.random.RandomState | None) -> np.random.Generator:
    """Return a Generator from an int seed, a Generator, a RandomState (its next number) or None (fresh entropy)."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**63 - 1, dtype=np.int64))
    if random_state is not None and not is_integer(random_state):
        refuse("random_state", "an int, a Generator, RandomState or None", repr(random_state), kind=TypeError)
    if random_state is not None and random_state < 0:
        refuse("random_state", "a seed >= 0, a Generator, RandomState or None", random_state)
    return np.random.default_rng(random_state)
