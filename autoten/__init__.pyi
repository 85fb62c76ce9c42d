"""The public names: where each one lives. The package reads this table when it is imported, type checkers as ever."""

from autoten import datasets as datasets
from autoten import fluorescence as fluorescence
from autoten import plots as plots
from autoten import preprocess as preprocess
from autoten import selection as selection
from autoten._errors import AutotenWarning as AutotenWarning
from autoten.answer import RankEstimate as RankEstimate
from autoten.answer import load as load
from autoten.door import labelled as labelled
from autoten.door import masked as masked
from autoten.door import streamed as streamed
from autoten.door import weighted as weighted
from autoten.estimate import estimate_rank as estimate_rank
from autoten.estimate import select_rank as select_rank
from autoten.files import read_tensor as read_tensor
from autoten.files import read_tns as read_tns
from autoten.frames import from_table as from_table
from autoten.holdout import Blocks as Blocks
from autoten.holdout import Centred as Centred
from autoten.holdout import CountSplit as CountSplit
from autoten.holdout import RandomElements as RandomElements
from autoten.holdout import RandomFibres as RandomFibres
from autoten.matching import factor_match_score as factor_match_score
from autoten.matching import match_components as match_components
from autoten.model import CPModel as CPModel
from autoten.parafac import fit_parafac as fit_parafac
from autoten.parafac import split_half as split_half
from autoten.parafac import split_half_components as split_half_components
from autoten.scores.core_consistency import core_consistency as core_consistency
from autoten.scores.core_consistency import core_elements as core_elements
from autoten.scores.core_consistency import corrected_core_consistency as corrected_core_consistency
from autoten.scores.heldout import heldout_error as heldout_error
from autoten.scores.nonnegative_cores import kl_core_consistency as kl_core_consistency
from autoten.scores.nonnegative_cores import nonnegative_core_consistency as nonnegative_core_consistency
from autoten.scores.residual import sample_influence as sample_influence
from autoten.selection import Choice as Choice
from autoten.selection import pareto_front as pareto_front
from autoten.sklearn_api import CP as CP
from autoten.sklearn_api import AutoTen as AutoTen
from autoten.solvers.als import ALS as ALS
from autoten.solvers.als import HALS as HALS
from autoten.solvers.base import Fit as Fit
from autoten.solvers.kl import KL as KL
from autoten.table import RankTable as RankTable

__version__: str
