"""From the table of scores to a rank: the Pareto front, and the policies that choose on it."""

from autoten.selection.across import AutoTen2016 as AutoTen2016
from autoten.selection.across import BestLoss as BestLoss
from autoten.selection.across import choose_between as choose_between
from autoten.selection.calibrated import DEFAULT_POLICY as DEFAULT_POLICY
from autoten.selection.calibrated import Calibrated as Calibrated
from autoten.selection.choice import Alternative as Alternative
from autoten.selection.choice import Choice as Choice
from autoten.selection.choice import Policy as Policy
from autoten.selection.choice import apply_policy as apply_policy
from autoten.selection.choice import selection_frequency as selection_frequency
from autoten.selection.policies import CoreConsistencyThreshold as CoreConsistencyThreshold
from autoten.selection.policies import HarmonicMean as HarmonicMean
from autoten.selection.policies import HeldOutMinimum as HeldOutMinimum
from autoten.selection.policies import Knee as Knee
from autoten.selection.policies import OneStandardError as OneStandardError
from autoten.selection.policies import TradeOffPolicy as TradeOffPolicy
from autoten.selection.policies import pareto_front as pareto_front
