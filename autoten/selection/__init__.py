"""From the table of scores to a rank: the Pareto front, and the policies that choose on it."""

from autoten.selection.across import AutoTen2016, BestLoss, choose_between
from autoten.selection.calibrated import DEFAULT_POLICY, Calibrated
from autoten.selection.choice import Alternative, Choice, Policy, apply_policy, selection_frequency
from autoten.selection.policies import (
    CoreConsistencyThreshold,
    HarmonicMean,
    HeldOutMinimum,
    Knee,
    OneStandardError,
    TradeOffPolicy,
    pareto_front,
)

__all__ = [
    "DEFAULT_POLICY",
    "Alternative",
    "AutoTen2016",
    "BestLoss",
    "Calibrated",
    "Choice",
    "CoreConsistencyThreshold",
    "HarmonicMean",
    "HeldOutMinimum",
    "Knee",
    "OneStandardError",
    "Policy",
    "TradeOffPolicy",
    "apply_policy",
    "choose_between",
    "pareto_front",
    "selection_frequency",
]
