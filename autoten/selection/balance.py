"""The default policy: components that stand out in prediction and that core consistency does not refute."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten.selection.choice import Alternative, Choice
from autoten.selection.pareto import largest_uninformative_rank, score_of
from autoten.table import RankTable

Array = NDArray[np.float64]

# A ceiling below this means that the rank exceeds the length of a mode.
FULL_CEILING = 99.9


@dataclass(frozen=True, repr=False)
class Balance:
    r"""The largest rank whose components stand out in prediction and are not refuted by core consistency.

    *Prediction.* Component r gains :math:`g_r`, the paired drop of log held-out error from the rank before. White noise
    ends the gains at the true rank; structured residuals (scatter, drift, interactions) let them go on for ever,
    small and alike. So a rank qualifies only if its own component gains at least `n_errors` standard errors, and every
    one of its components at least `contrast` times what any of the next `window` ones gains significantly. Those are
    taken to gain `least_gain` at least, or `least_gain_at_end` where none of them gains more than that.

    *Interpretability.* A rank is refuted if its corrected core consistency is below zero: the core deviates from the
    superdiagonal by more than its own size and what noise explains. Collinear but true components are not held liable
    for the noise they amplify. Refuted ranks cannot be chosen, and the rank before one needs only
    `contrast_before_refuted`, because what the refuted components gain is no rival to be outdone.

    Some ranks have more to prove. Beyond the length of a mode the core cannot vouch for a component: there it must
    gain what is usual, a `contrast`-th of the median gain before it. Above a refuted rank, and at the end of the
    range, where no later component can be compared, the corrected core consistency must reach `respectable`; the last
    component must also gain the median of those before.

    Where no rank stands out, the largest with significant gain and a respectable core consistency is taken; where no
    component gains at all, the answer is 0.

    Notes
    -----
    The rule uses both axes of Zabir & Papalexakis (2017), who publish no rule. Its constants were set on synthetic
    development draws and on the tensors of the tests; ``benchmarks/bench_recovery.py`` judges it on draws of its own.
    Ranks 1 and 2 of a three-way tensor (1 of others) cannot be refuted: there core consistency is 100 for any data.

    Examples
    --------
    >>> scores = {"heldout": [[1.0, 1.0], [0.3, 0.31], [0.01, 0.011], [0.009, 0.0101], [0.0088, 0.0099]],
    ...           "core_consistency": [[np.nan], [100], [100], [20], [-900]],
    ...           "corrected_core_consistency": [[np.nan], [100], [100], [-23], [-500]]}
    >>> Balance()(RankTable([0, 1, 2, 3, 4], scores, (9, 9, 9))).rank
    2
    """

    contrast: float = 3.0
    contrast_before_refuted: float = 1.3
    n_errors: float = 1.5
    least_gain: float = 0.005
    least_gain_at_end: float = 0.002
    window: int = 3
    respectable: float = 80.0

    def __repr__(self) -> str:
        changed = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Balance({', '.join(changed)})"

    def __call__(self, table: RankTable) -> Choice:
        """Return the choice from the table."""
        evidence = self._evidence(table)
        standing_out = [row for row in range(len(evidence.gains)) if self._stands_out(evidence, row)]
        if standing_out:
            chosen = standing_out[-1]
        else:
            fine = evidence.significant & (evidence.gains >= self.least_gain) & evidence.vouched & ~evidence.refuted
            fine &= evidence.corrected >= self.respectable
            chosen = int(np.flatnonzero(fine)[-1]) if fine.any() else -1
        rank = int(evidence.ranks[chosen]) if chosen >= 0 else 0
        reason = self._reason(evidence, chosen, bool(standing_out))
        return Choice(rank, reason, self._alternatives(table, evidence, rank, standing_out))

    def _evidence(self, table: RankTable) -> _Evidence:
        """Return what the table says of every rank above 0."""
        ranks = table.ranks[1:]
        for name in ("core_consistency", "corrected_core_consistency", "heldout"):
            if name not in table:
                score_of(table, name, repr(self))  # refuses
        raw, corrected = (table.mean(name)[1:] for name in ("core_consistency", "corrected_core_consistency"))
        differences = [table.gain(int(rank)) for rank in ranks]
        gains = np.array([difference.mean for difference in differences])
        errors = np.array([difference.z for difference in differences])
        refuted = (ranks > largest_uninformative_rank(len(table.shape))) & (corrected < 0.0)
        vouched = table.mean("ceiling")[1:] > FULL_CEILING if "ceiling" in table else np.ones(len(ranks), dtype=bool)
        significant = (gains > 0) & (errors >= self.n_errors)
        return _Evidence(ranks, gains, significant, refuted, vouched, raw, corrected)

    def _stands_out(self, evidence: _Evidence, row: int) -> bool:
        if evidence.refuted[row] or not evidence.significant[row]:
            return False
        gains = evidence.gains[: row + 1]
        usual = float(np.median(gains[:-1])) if row else 0.0
        respected = bool(evidence.corrected[row] >= self.respectable)
        if row + 1 == len(evidence.gains) and not (respected and gains[-1] >= usual):
            # The last rank has nothing after it to stand out from.
            return False
        if not evidence.vouched[row] and gains[-1] < usual / self.contrast:
            return False
        if evidence.refuted[:row].any() and not respected:
            return False
        return bool(gains.min() >= self._needed(evidence, row) * self._rival(evidence, row))

    def _needed(self, evidence: _Evidence, row: int) -> float:
        refuted_next = row + 1 < len(evidence.gains) and evidence.refuted[row + 1]
        return self.contrast_before_refuted if refuted_next else self.contrast

    def _rival(self, evidence: _Evidence, row: int) -> float:
        """Return the largest gain that a kept component has to outdo."""
        later = slice(row + 1, row + 1 + self.window)
        rivals = evidence.gains[later]
        at_end = len(rivals) > 1 and bool((rivals <= self.least_gain_at_end).all())
        significant = np.where(evidence.significant[later], rivals, 0.0)
        return max(float(significant.max(initial=0.0)), self.least_gain_at_end if at_end else self.least_gain)

    def _reason(self, evidence: _Evidence, chosen: int, stands_out: bool) -> str:
        if chosen < 0 and evidence.significant.any():
            return (
                "Components lower the held-out error, but no rank stands out or keeps a respectable core consistency: "
                "what the data hold is not of PARAFAC's kind."
            )
        if chosen < 0:
            return "No component lowers the held-out error beyond its scatter over the folds: nothing beyond noise."
        rank = evidence.ranks[chosen]
        drop = 100.0 * -np.expm1(-evidence.gains[chosen])
        parts = [f"Component {rank} lowers the held-out error by {drop:.3g} %"]
        later = slice(chosen + 1, chosen + 1 + self.window)
        rest = np.where(evidence.significant[later], evidence.gains[later], 0.0)
        if not len(rest):
            parts.append("and no larger rank was tried")
        elif not rest.any():
            parts.append("the next ones by nothing that counts")
        else:
            parts.append(f"the next ones by {100.0 * -np.expm1(-rest.max()):.3g} % at most")
        if not stands_out:
            parts[-1] += " (no rank stands out clearly)"
        return f"{', '.join(parts)}. {self._interpretability(evidence, chosen)}"

    def _interpretability(self, evidence: _Evidence, chosen: int) -> str:
        here = f"Core consistency is {_points(evidence.raw[chosen])} at rank {evidence.ranks[chosen]}"
        if chosen + 1 == len(evidence.ranks):
            return f"{here}."
        after = f"{_points(evidence.raw[chosen + 1])} at rank {evidence.ranks[chosen + 1]}"
        if evidence.refuted[chosen + 1]:
            return f"{here} and {after}, which refutes that rank: noise does not explain it."
        return f"{here} and {after}."

    def _alternatives(
        self, table: RankTable, evidence: _Evidence, rank: int, standing_out: list[int]
    ) -> tuple[Alternative, ...]:
        others = [
            Alternative(int(evidence.ranks[row]), "its components stand out too, from those that follow")
            for row in reversed(standing_out)
            if evidence.ranks[row] != rank
        ][:1]
        predicts_best = int(table.ranks[int(np.nanargmin(table.mean("heldout")))])
        if predicts_best != rank:
            refuted = predicts_best in evidence.ranks[evidence.refuted]
            doubt = "core consistency refutes it" if refuted else "its last components add little"
            reason = f"smallest held-out error, but {doubt}" if predicts_best else "no gain"
            others.append(Alternative(predicts_best, reason))
        return tuple(others)


class _Evidence(NamedTuple):
    """One entry for every rank above 0."""

    ranks: NDArray[np.int64]
    gains: Array
    significant: NDArray[np.bool_]
    refuted: NDArray[np.bool_]
    vouched: NDArray[np.bool_]
    raw: Array
    corrected: Array


def _points(consistency: float) -> str:
    return "below -1000" if consistency < -1000.0 else f"{consistency:.1f}"


DEFAULT_POLICY = Balance()
