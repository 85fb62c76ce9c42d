"""Make the coefficients of the default policy from the development draws, and say what each kind of evidence is worth.

    python benchmarks/calibrate.py            # writes autoten/selection/calibrated.json and results/calibration.json
    python benchmarks/calibrate.py --compare  # results/calibration.json alone

Three sources count alike: named cases, random recipes, and components planted in what models of real tensors leave;
draws of many weak components count less.
Every form is judged by leaving out: a family of cases, a fifth of the recipes, or all that stems from one substance at
a time; fitted to the others, it answers what it has never seen. The reported draws are not read here, nor is the rank
of any real tensor.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import cases
import draws
import measure
import numpy as np
import plasmodes
import recipes
from numpy.typing import NDArray
from scipy.optimize import minimize

from autoten.selection import calibrated

COEFFICIENTS = Path(calibrated.__file__).with_name("calibrated.json")
SOLVERS = ("ALS", "HALS", "KL")
DIGITS = 4
N_PARTS = 5

# Ridge penalty for draws of unit weight in all: keeps a coefficient finite that separates its training draws. The same
# for other solvers than ALS, which have fewer draws: it draws their coefficients towards those of ALS.
RIDGE, TOWARDS = 1e-3, 0.03

# Paired standard errors.
SURELY = 3.0

# A draw counts so much if no model of its rank finds the components: left out altogether, they would teach that weak
# components do not exist.
UNFOUND = 0.03

# Draws of many weak components count so much beside the sources.
WEAK = 0.15

# Hold-outs that the coefficients were made for, and one for which they hold as well (`archive/holdouts.md`).
HOLDOUTS = ("RandomElements", "RandomFibres")

Array = NDArray[np.float64]


# May have either sign; evidence speaks for a component, or not at all.
FREE = "intercept"

DEFAULT = tuple(calibrated.EVIDENCE)


def but(*pieces: str) -> tuple[str, ...]:
    """Return the default without some pieces of evidence."""
    return tuple(name for name in DEFAULT if name not in pieces)


PREDICTION, INTERPRETABILITY = ("intercept", "contrast", "share"), ("trilinearity", "degeneracy")
HALVES, RESIDUALS = calibrated.NEEDS["halves"], calibrated.NEEDS["residuals"]

FORMS: Mapping[str, tuple[str, ...]] = {
    "all four (the default)": DEFAULT,
    "without what is left (the former evidence)": but(*RESIDUALS),
    "prediction only": PREDICTION,
    "core consistency only": ("intercept", "trilinearity"),
    "core consistency and degeneracy": ("intercept", *INTERPRETABILITY),
    "replicability only": ("intercept", "replicability", *HALVES),
    "what is left only": ("intercept", *RESIDUALS),
    "prediction and core consistency": (*PREDICTION, "trilinearity"),
    "prediction, core consistency and degeneracy": (*PREDICTION, *INTERPRETABILITY),
    "prediction and replicability": (*PREDICTION, "replicability", *HALVES),
    "prediction and what is left": (*PREDICTION, *RESIDUALS),
    "the default without prediction": but("contrast", "share"),
    "the default without core consistency": but("trilinearity"),
    "the default without degeneracy": but("degeneracy"),
    "the default without folds' replicability": but("replicability"),
    "the default without halves": but(*HALVES),
    "the default without strength and fall": but("strength", "fall"),
    "the default without likeness": but("likeness"),
}


# --- maximum likelihood ---

SUBSTANCES = {case.name: plasmodes.BY_NAME[case.family].file.split("_")[0] for case in draws.PLASMODES}
INDEPENDENT = ("White", "HeavyTailed", "Uneven", "Counted")
RECIPES = {recipe.name: recipe for recipe in recipes.RECIPES}


@dataclass(frozen=True, eq=False)
class Seen:
    """A draw's evidence: every piece, an entry for every rank above 0."""

    row: dict[str, Any]
    evidence: dict[str, Array]

    @classmethod
    def of(cls, row: dict[str, Any]) -> Seen:
        return cls(row, {name: look(row["table"]) for name, look in calibrated.EVIDENCE.items()})

    @property
    def case(self) -> str:
        return str(self.row["case"])

    @property
    def rank(self) -> int:
        """The true rank, which is the row of the table too: every rank is tried."""
        return int(self.row["rank"])

    @property
    def source(self) -> str:
        if self.case == recipes.WEAK.name:
            return "weak"
        return "plasmodes" if self.case in SUBSTANCES else "recipes" if self.case in RECIPES else "cases"

    @property
    def world(self) -> str:
        """Whether its noise is independent from cell to cell and nothing bends its components."""
        if self.source in ("cases", "weak"):
            return self.source
        used = self.row.get("ingredients", {"noise": "a real rest"})
        return "independent noise" if used["noise"] in INDEPENDENT and "misfit" not in used else "structured noise"

    @property
    def apart(self) -> str:
        """What it is left out with: a family, a substance, a part of the recipes."""
        if self.source == "recipes":
            return f"recipes {self.row['number'] % N_PARTS}"
        return SUBSTANCES[self.case] if self.source == "plasmodes" else self.family

    @property
    def family(self) -> str:
        return draws.CASES[self.case].family if self.source == "cases" else self.source

    @property
    def found(self) -> bool:
        """Whether the best model of the true rank has the components, or ALS keeps them where that is not known.

        Of weak components: whether the true rank predicts surely more than none.
        """
        if self.source == "weak":
            return bool(self.row["table"].gain(self.rank, 0).z >= SURELY)
        found = self.row.get("found")
        return bool(self.row["identifiable"]) if found is None else found >= cases.KEPT

    def shares(self, coefficients: Mapping[str, float]) -> Array:
        """Return the probability of every rank."""
        return calibrated.probabilities(sum(weight * self.evidence[name] for name, weight in coefficients.items()))


def weights_of(draws_seen: Sequence[Seen]) -> Array:
    """Return what every draw counts: the sources alike, in each the cases alike, draws that cannot be found less.

    Recipes count as one case, whatever their kind.
    """
    weights = np.array([1.0 if seen.found else UNFOUND for seen in draws_seen])
    for alike in (lambda seen: seen.source if seen.case in RECIPES else seen.case, lambda seen: seen.source):
        names = [alike(seen) for seen in draws_seen]
        sums = {name: sum(w for w, n in zip(weights, names, strict=True) if n == name) for name in set(names)}
        weights = weights / [sums[name] for name in names]
    weights = weights * [WEAK if seen.source == "weak" else 1.0 for seen in draws_seen]
    return weights / weights.sum()


def fitted(
    draws_seen: Sequence[Seen], names: Sequence[str], towards: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Return the coefficients of largest likelihood, a convex problem; a few draws' are drawn towards others'."""
    weights = weights_of(draws_seen)
    columns = [np.column_stack([seen.evidence[name] for name in names]) for seen in draws_seen]
    stacked = np.concatenate([np.vstack([np.zeros(len(names)), np.cumsum(c, axis=0)]) for c in columns])
    lengths = np.array([len(c) + 1 for c in columns])
    starts = np.cumsum(lengths) - lengths
    truths = starts + np.array([seen.rank for seen in draws_seen])
    size = np.concatenate(columns).std(axis=0)
    size[size == 0.0] = 1.0
    stacked /= size
    ridge, centre = RIDGE, np.zeros(len(names))
    if towards is not None:
        ridge, centre = TOWARDS, np.array([towards[name] for name in names]) * size

    def loss(coefficients: Array) -> tuple[float, Array]:
        off = coefficients - centre
        scores = stacked @ coefficients
        scores -= np.repeat(np.maximum.reduceat(scores, starts), lengths)
        totals = np.add.reduceat(np.exp(scores), starts)
        shares = np.exp(scores) / np.repeat(totals, lengths)
        expected = np.add.reduceat(shares[:, None] * stacked, starts, axis=0)
        value = -weights @ (scores[truths] - np.log(totals)) + ridge * off @ off
        return float(value), -weights @ (stacked[truths] - expected) + 2 * ridge * off

    bounds = [(None, None) if name == FREE else (0.0, None) for name in names]
    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000})
    return {name: round(float(value), DIGITS) for name, value in zip(names, found.x / size, strict=True)}


def without(
    draws_seen: Sequence[Seen],
    names: Sequence[str],
    parts: Iterable[str] | None = None,
    towards: Mapping[str, Mapping[str, float]] | None = None,
) -> dict[str, dict[str, float]]:
    """Return for all that is left out together, or some of it, the coefficients that are fitted to all else."""
    parts = dict.fromkeys(seen.apart for seen in draws_seen) if parts is None else parts
    return {
        part: fitted([seen for seen in draws_seen if seen.apart != part], names, towards and towards[part])
        for part in parts
    }


class Rates(NamedTuple):
    """How a form does on what it has not seen and what can be found of a source: exact share and mean log score."""

    exact: float
    log_score: float
    n_draws: int

    def __str__(self) -> str:
        return f"{100 * self.exact:.1f} % ({self.log_score:.2f})"


def rates_of(draws_seen: Sequence[Seen], shares: Sequence[Array]) -> Rates:
    """Return the rates of given probabilities; the answer is the most probable rank."""
    exact = [int(share.argmax()) == seen.rank for seen, share in zip(draws_seen, shares, strict=True)]
    scores = [np.log(max(share[seen.rank], 1e-12)) for seen, share in zip(draws_seen, shares, strict=True)]
    return Rates(float(np.mean(exact)), float(np.mean(scores)), len(exact))


def left_out(draws_seen: Sequence[Seen], names: Sequence[str]) -> dict[str, Rates]:
    """Return the rates of a form for every source, and in independent and structured noise apart."""
    coefficients = without(draws_seen, names)
    parts: dict[str, list[Seen]] = {}
    for seen in (seen for seen in draws_seen if seen.found):
        for name in dict.fromkeys((seen.source, seen.world)):
            parts.setdefault(name, []).append(seen)
    return {name: rates_of(some, [s.shares(coefficients[s.apart]) for s in some]) for name, some in parts.items()}


def development(solver: str = calibrated.OTHERWISE) -> list[Seen]:
    """Return all development draws by a solver."""
    rows = [row for row in draws.load("development") if (row["table"].solver or calibrated.OTHERWISE) == solver]
    return [Seen.of(row) for row in rows if row["rank"] in row["table"].ranks]


def coefficients_of(
    draws_seen: Sequence[Seen], towards: Mapping[str, Mapping[str, float]] | None = None
) -> dict[str, dict[str, float]]:
    """Return the coefficients of the default, and without the evidence that a table may lack."""
    made = {}
    for lacks in product(*((None, name) for name in calibrated.NEEDS)):
        unknown = [name for name in lacks if name]
        dropped = [piece for name in unknown for piece in calibrated.NEEDS[name]]
        name = calibrated.without(unknown)
        made[name] = fitted(draws_seen, but(*dropped), towards and towards[name])
    return made


def main() -> None:
    """Compare the forms and write the coefficients of the default."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", action="store_true", help="leave the package's coefficients alone")
    options = parser.parse_args()
    seen = {solver: development(solver) for solver in SOLVERS}
    forms = []
    for form, names in FORMS.items():
        rates = left_out(seen["ALS"], names)
        forms.append({"weighed": form, "parameters": len(names)} | {part: str(rate) for part, rate in rates.items()})
        print(forms[-1], flush=True)
    counted = {solver: Counter(each.source for each in some) for solver, some in seen.items()}
    measure.write(measure.RESULTS, "calibration", {"left-out": forms, "draws": counted})
    if options.compare:
        return
    of_als = coefficients_of(seen["ALS"])
    coefficients = {s: of_als if s == "ALS" else coefficients_of(some, of_als) for s, some in seen.items()}
    made = {"made_by": "python benchmarks/calibrate.py", "holdouts": HOLDOUTS, "coefficients": coefficients}
    COEFFICIENTS.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
