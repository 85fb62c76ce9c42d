"""From the table of scores to a rank: the Pareto front, and the policies that choose on it."""

from autoten.selection.across import BestLoss, choose_between
from autoten.selection.calibrated import DEFAULT_POLICY, Calibrated
from autoten.selection.choice import Alternative, Choice, Policy, apply_policy, selection_frequency
from autoten.selection.pareto import pareto_front
from autoten.selection.policies import (
    DIFFIT,
    AutoTen2016,
    CoreConsistencyThreshold,
    ExchangeRate,
    HarmonicMean,
    HeldOutMinimum,
    IdealPoint,
    Knee,
    OneStandardError,
)

__all__ = [
    "DEFAULT_POLICY",
    "DIFFIT",
    "Alternative",
    "AutoTen2016",
    "BestLoss",
    "Calibrated",
    "Choice",
    "CoreConsistencyThreshold",
    "ExchangeRate",
    "HarmonicMean",
    "HeldOutMinimum",
    "IdealPoint",
    "Knee",
    "OneStandardError",
    "Policy",
    "apply_policy",
    "choose_between",
    "pareto_front",
    "selection_frequency",
]
