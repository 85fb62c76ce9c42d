"""Make the coefficients of the default policy from the development draws, and compare the forms that were tried.

    python benchmarks/calibrate.py            # writes autoten/selection/calibrated.json and results/calibration.json
    python benchmarks/calibrate.py --compare  # prints the comparison of forms, writes nothing into the package

Every form is judged by leaving out one family of cases at a time: fitted to the others, it answers the draws of the one
it has never seen. The reported draws are not read here.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cases
import draws
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from autoten.selection import calibrated
from autoten.table import RankTable

HERE = Path(__file__).parent
COEFFICIENTS = HERE.parent / "autoten" / "selection" / "calibrated.json"
RESULTS = HERE / "results" / "calibration.json"
DIGITS = 4
N_PARTS = 5

# Ridge penalty per unit of weight: keeps a coefficient finite that separates its training draws.
RIDGE = 1e-3

Array = NDArray[np.float64]
Evidence = Callable[[RankTable], Array]


# --- evidence that was tried and is not in the default ---


def relative_share(table: RankTable) -> Array:
    """Return the log of what a component explains relative to the mean of those before it: 0 for the first one."""
    explained = np.exp(calibrated.share(table))
    earlier = np.cumsum(explained) - explained
    earlier = np.divide(earlier, np.arange(len(explained)).clip(1))
    earlier[0] = explained[0]
    return np.asarray(np.log(np.clip(explained / earlier, np.exp(calibrated.SMALLEST_SHARE), 1.0)))


def level(table: RankTable) -> Array:
    """Return minus the decades that a rank has lost: every further rank then pays for what was lost before."""
    return -calibrated.decades_lost(table)


def raw_trilinearity(table: RankTable) -> Array:
    """Return `trilinearity` of core consistency as it is, below its ceiling: noise counts against a component."""
    lost = (table.mean("ceiling") - table.mean("core_consistency"))[1:]
    return -np.diff(calibrated.decades(table, lost), prepend=0.0)


def noise_jump(table: RankTable) -> Array:
    """Return minus the decades by which the core consistency expected to be lost to noise rises."""
    decades = np.log10(np.clip(np.nan_to_num(table.mean("noise_loss")[1:], nan=1e4), 1e-4, 1e4))
    return -np.clip(np.diff(decades, prepend=decades[0]), -1.0, 3.0)


def significance(table: RankTable) -> Array:
    r"""Return :math:`\operatorname{asinh} z` of the paired drop of log held-out error, in standard errors."""
    scores = np.nan_to_num([table.gain(int(rank)).z for rank in table.ranks[1:]], nan=0.0)
    return np.arcsinh(np.clip(scores, -60.0, 60.0))


def signs(table: RankTable) -> Array:
    """Return, for the first component, its share against copies with random signs (`residual_excess`), else 0."""
    least = float(np.nan_to_num(table["residual_excess"][0], nan=0.0).min())
    return np.eye(1, len(table) - 1)[0] * np.clip(least / 0.1, -1.0, 4.0)


def fit_contrast(table: RankTable) -> Array:
    """Return DIFFIT's evidence: the log ratio of successive gains in log misfit over all cells."""
    drops = np.maximum(-np.diff(np.log(np.maximum(1.0 - table.mean("fit"), 1e-10))), 1e-4)
    later = np.array([*drops[1:], drops[-1]])
    return np.clip(np.log(drops / later), 0.0, calibrated.LARGEST_CONTRAST)


_MORE = (relative_share, level, raw_trilinearity, noise_jump, significance, signs, fit_contrast)
TRIED: Mapping[str, Evidence] = {**calibrated.EVIDENCE, **{look.__name__: look for look in _MORE}}

# May have either sign; evidence speaks for a component, or not at all.
FREE = "intercept"

DEFAULT = tuple(calibrated.EVIDENCE)
WITHOUT_HALVES = tuple(name for name in DEFAULT if name != "split_half")
PREDICTION = ("intercept", "contrast", "share")
INTERPRETABILITY = ("trilinearity", "degeneracy")

FORMS: Mapping[str, tuple[str, ...]] = {
    "prediction, interpretability, replicability (the default)": DEFAULT,
    "the former default: without halves": WITHOUT_HALVES,
    "halves in place of folds": tuple(name for name in DEFAULT if name != "replicability"),
    "prediction only": PREDICTION,
    "core consistency only": ("intercept", "trilinearity"),
    "core consistency only, raw": ("intercept", "raw_trilinearity"),
    "core consistency and degeneracy": ("intercept", *INTERPRETABILITY),
    "replicability only": ("intercept", "replicability", "split_half"),
    "prediction and core consistency": (*PREDICTION, "trilinearity"),
    "prediction and core consistency, raw": (*PREDICTION, "raw_trilinearity"),
    "prediction, core consistency and degeneracy": (*PREDICTION, *INTERPRETABILITY),
    "prediction and replicability": (*PREDICTION, "replicability", "split_half"),
    "core consistency, degeneracy and replicability": ("intercept", *INTERPRETABILITY, "replicability", "split_half"),
    "the default with raw core consistency": tuple(
        "raw_trilinearity" if name == "trilinearity" else name for name in DEFAULT
    ),
    "the default with levels of core consistency": tuple(
        "level" if name == "trilinearity" else name for name in DEFAULT
    ),
    "the default with shares of earlier components": tuple(
        "relative_share" if name == "share" else name for name in DEFAULT
    ),
    "the one before: both of these, without halves": (
        "intercept",
        "contrast",
        "relative_share",
        "level",
        "replicability",
        "degeneracy",
    ),
    "the default without contrast": tuple(name for name in DEFAULT if name != "contrast"),
    "the default without share": tuple(name for name in DEFAULT if name != "share"),
    "the default without core consistency": tuple(name for name in DEFAULT if name != "trilinearity"),
    "the default without degeneracy": tuple(name for name in DEFAULT if name != "degeneracy"),
    "the default and significance": (*DEFAULT, "significance"),
    "the default and random signs": (*DEFAULT, "signs"),
    "the default and jumps of the noise loss": (*DEFAULT, "noise_jump"),
    "the default and DIFFIT's evidence": (*DEFAULT, "fit_contrast"),
    "everything tried": tuple(TRIED),
}


# --- maximum likelihood ---


@dataclass(frozen=True, eq=False)
class Seen:
    """A draw's evidence: every piece that was tried, an entry for every rank above 0."""

    row: dict[str, Any]
    evidence: dict[str, Array]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Seen:
        """Look at a draw."""
        table = row["table"]
        return cls(row, {name: look(table) for name, look in TRIED.items()})

    @property
    def case(self) -> str:
        """The name of its case."""
        return str(self.row["case"])

    @property
    def family(self) -> str:
        """The family of its case."""
        return cases.BY_NAME[self.case].family

    @property
    def rank(self) -> int:
        """The true rank, which is the row of the table too: the suite tries every rank."""
        return int(self.row["rank"])

    def shares(self, coefficients: Mapping[str, float]) -> Array:
        """Return the probability of every rank."""
        return calibrated.probabilities(sum(weight * self.evidence[name] for name, weight in coefficients.items()))


def fitted(draws_seen: Sequence[Seen], names: Sequence[str]) -> dict[str, float]:
    """Return the coefficients of largest likelihood on identifiable draws, a convex problem."""
    draws_seen = [seen for seen in draws_seen if seen.row["identifiable"]]
    n_draws = Counter(seen.case for seen in draws_seen)
    weights = np.array([getattr(cases.BY_NAME[s.case], "counts_as", 1.0) / n_draws[s.case] for s in draws_seen])
    columns = [np.column_stack([seen.evidence[name] for name in names]) for seen in draws_seen]
    stacked = np.concatenate([np.vstack([np.zeros(len(names)), np.cumsum(c, axis=0)]) for c in columns])
    lengths = np.array([len(c) + 1 for c in columns])
    starts = np.cumsum(lengths) - lengths
    truths = starts + np.array([seen.rank for seen in draws_seen])

    def loss(coefficients: Array) -> tuple[float, Array]:
        scores = stacked @ coefficients
        scores -= np.repeat(np.maximum.reduceat(scores, starts), lengths)
        totals = np.add.reduceat(np.exp(scores), starts)
        shares = np.exp(scores) / np.repeat(totals, lengths)
        expected = np.add.reduceat(shares[:, None] * stacked, starts, axis=0)
        value = -weights @ (scores[truths] - np.log(totals)) + RIDGE * coefficients @ coefficients
        return float(value), -weights @ (stacked[truths] - expected) + 2 * RIDGE * coefficients

    bounds = [(None, None) if name == FREE else (0.0, None) for name in names]
    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    return {name: round(float(value), DIGITS) for name, value in zip(names, found.x, strict=True)}


def without(draws_seen: Sequence[Seen], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for every family the coefficients that are fitted to all others."""
    families = dict.fromkeys(seen.family for seen in draws_seen)
    return {family: fitted([seen for seen in draws_seen if seen.family != family], names) for family in families}


class Rates(NamedTuple):
    """How a form does on families it has not seen: exact share and mean log score of the truth; on unseen recipes."""

    exact: float
    log_score: float
    recipes: float
    n_draws: int


def on_mixtures(draws_seen: Sequence[Seen], names: Sequence[str]) -> float:
    """Return the exact share of a form on random recipes, each fifth of them answered by a fit to all else."""
    mixed = [seen for seen in draws_seen if seen.family == cases.MIXED]
    named = [seen for seen in draws_seen if seen.family != cases.MIXED]
    right = 0
    for part in range(N_PARTS):
        apart = mixed[part::N_PARTS]
        coefficients = fitted([*named, *(seen for seen in mixed if seen not in apart)], names)
        right += sum(calibrated.median(seen.shares(coefficients)) == seen.rank for seen in apart)
    return right / len(mixed) if mixed else float("nan")


def left_out(draws_seen: Sequence[Seen], names: Sequence[str]) -> Rates:
    """Return the rates of a form over the identifiable draws of cases that have names."""
    by_family = without(draws_seen, names)
    judged = [seen for seen in draws_seen if seen.row["identifiable"] and seen.family != cases.MIXED]
    shares = [seen.shares(by_family[seen.family]) for seen in judged]
    exact = np.mean([calibrated.median(share) == seen.rank for share, seen in zip(shares, judged, strict=True)])
    scores = [np.log(max(share[seen.rank], 1e-12)) for share, seen in zip(shares, judged, strict=True)]
    return Rates(float(exact), float(np.mean(scores)), on_mixtures(draws_seen, names), len(judged))


def development() -> list[Seen]:
    """Return all development draws."""
    return [Seen.of(row) for row in draws.load("development")]


def compared(draws_seen: Sequence[Seen], forms: Iterable[str] = FORMS) -> dict[str, Rates]:
    """Return the rates of forms on left-out families."""
    return {form: left_out(draws_seen, FORMS[form]) for form in forms}


def main() -> None:
    """Compare the forms and write the coefficients of the default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="leave the package's coefficients alone")
    options = parser.parse_args()
    seen = development()
    rates = compared(seen)
    for form, rate in rates.items():
        shown = f"{100 * rate.exact:5.1f} %  {rate.log_score:+.3f}  recipes {100 * rate.recipes:5.1f} %"
        print(f"{form:58s} {shown}  {len(FORMS[form])} parameters", flush=True)
    coefficients = fitted(seen, DEFAULT)
    print(json.dumps(coefficients, indent=1))
    if options.compare:
        return
    made = {
        "made_by": "python benchmarks/calibrate.py",
        "draws": len(seen),
        "cases": len({s.case for s in seen}),
        "coefficients": coefficients,
        "without_halves": fitted(seen, WITHOUT_HALVES),
    }
    COEFFICIENTS.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    forms = {form: {**rate._asdict(), "parameters": len(FORMS[form])} for form, rate in rates.items()}
    RESULTS.write_text(json.dumps({"forms": forms}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
