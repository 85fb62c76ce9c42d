"""How many components? Rank estimation for PARAFAC/CP by core consistency and held-out error.

>>> import autoten
>>> X = autoten.datasets.load_amino_acids().X
>>> autoten.estimate_rank(X, range(1, 5), random_state=0).rank
3
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# Public name -> where it lives, from the one table of them, which is also what type checkers read. They are loaded on
# first use (PEP 562), so that importing the package costs next to nothing.
_LINES = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8").splitlines()
_HOMES = {line.split()[3]: line.split()[1] for line in _LINES if line.startswith("from ")}

__all__ = [*_HOMES]  # noqa: PLE0604 (names are strings)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'autoten' has no attribute {name!r}")
    home = _HOMES[name]
    value = import_module(f"autoten.{name}") if home == "autoten" else getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
