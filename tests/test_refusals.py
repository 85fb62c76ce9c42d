"""One sentence for each wrong input: what is called, what it raises, and what the sentence says."""

import math
import re
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import dask.array as da
import numpy as np
import pandas as pd
import polars as pl
import pytest
import pyttb
import scipy.sparse
import sparse
import xarray
from sklearn.base import clone

from autoten import (
    ALS,
    CP,
    HALS,
    KL,
    AutoTen,
    Blocks,
    CenterAcross,
    Centred,
    Choice,
    CountSplit,
    Parts,
    RandomElements,
    RandomFibres,
    RankTable,
    ScaleWithin,
    core_consistency,
    core_elements,
    corrected_core_consistency,
    estimate_rank,
    factor_match_score,
    fit_parafac,
    from_table,
    heldout_error,
    kl_core_consistency,
    labelled,
    masked,
    pareto_front,
    plots,
    read_tensor,
    read_tns,
    sample_influence,
    selection,
    split_half,
    split_half_components,
    weighted,
)
from autoten.datasets import (
    collinear_factors,
    gamma_factors,
    gaussian_factors,
    make_count_tensor,
    make_cp_tensor,
    smooth_spectra,
    structured_noise,
    white_noise,
)
from autoten.door import as_tensor
from autoten.fluorescence import maxima, read_eems, write_openfluor
from autoten.labels import Labels
from autoten.model import CPModel, as_cp, empty_model
from autoten.preprocess import (
    center,
    correct_inner_filter,
    drop_empty_slabs,
    interpolate_scatter,
    mask_scatter,
    scale,
)
from autoten.selection import Calibrated, apply_policy

# Rows: a name, a call without arguments, the kind of error, a pattern of the sentence. One section for each part.

TABLE = RankTable([0, 1, 3], {"heldout": [[1.0], [0.5], [0.2]], "fit": [[0.0], [0.5], [0.8]]}, (5, 6, 7))
MODEL = (None, [np.ones((4, 2)), np.ones((5, 2)), np.ones((6, 2))])
CUBE = np.arange(120.0).reshape(4, 5, 6)
SPLIT = {"rank": 2, "mode": 0}


def of_shape(*shape, weights=None, fill=1.0):
    return weights, [np.full((length, 2), fill) for length in shape]


def answering(answer):
    def oracle(table):
        return answer

    return lambda: apply_policy(oracle, TABLE)


def choosing(policy, *names):
    """Return the policy's choice from a table with these scores, by which nothing is known of any rank."""
    return lambda: policy(RankTable([0, 1, 2], dict.fromkeys(names, np.full((3, 1), np.nan)), (5, 6, 7)))


ADD = "Add the scorer that computes it to `scorers` of estimate_rank, or choose another policy."
SEE = "See the warnings of the estimate for why it could not be computed, or choose another policy."

# What is called without arguments, and the whole sentence: errors of value, of type, of key.
OF_VALUE = [
    *(
        (
            lambda n=n: selection.OneStandardError(n),
            f"n_errors of OneStandardError must be a number above 0 and below inf. Got {n!r}.",
        )
        for n in (0, -1.0, math.nan, math.inf)
    ),
    *(
        (
            lambda t=t: selection.CoreConsistencyThreshold(t),
            f"threshold of CoreConsistencyThreshold must be a number above 0 and below 100. Got {t!r}.",
        )
        for t in (0, 100, math.nan)
    ),
    (
        lambda: selection.AutoTen2016()(TABLE.restricted([1])),
        "the ranks for AutoTen2016() must be such that one is 2 at least. Got [0, 1]. The published rule returns no "
        "smaller one: ask for more ranks, or choose another policy.",
    ),
    *(
        (answering(answer), f"the answer of oracle must be a Choice or a rank out of [0, 1, 3]. Got {answer!r}.")
        for answer in (2, -1, None, "3", True, 2.0)
    ),
    *(
        (
            choosing(policy, *known),
            f"the table for {policy!r} must be one with the score {name!r}. Got only {held}. {ADD}",
        )
        for policy, name, known, held in (
            (selection.HeldOutMinimum(), "heldout", (), "ranks"),
            (selection.Knee(), "heldout", ("fit", "ceiling"), "ceiling, fit"),
            (selection.AutoTen2016(), "core_consistency", ("heldout",), "heldout"),
            (Calibrated(), "heldout", ("core_consistency",), "core_consistency"),
        )
    ),
    *(
        (choosing(policy, name), f"the score {name!r} for {policy!r} must be known for {ranks}. Got NaN. {SEE}")
        for policy, name, ranks in (
            (selection.OneStandardError(), "heldout", "one of ranks 1 to 2 at least"),
            (selection.CoreConsistencyThreshold(), "core_consistency", "one of ranks 1 to 2 at least"),
            (selection.AutoTen2016(), "core_consistency", "rank 2"),
        )
    ),
    (
        lambda: pareto_front([1.0, 2.0]),
        "points of pareto_front must be a matrix, one row per point. Got an array of shape (2,).",
    ),
    *(
        (
            lambda r=r: RankTable(r, {}, (5, 6, 7)),
            f"the ranks of a RankTable must be strictly increasing and begin with 0. Got {r}.",
        )
        for r in ([], [1, 2], [0, 2, 1], [0, 1, 1])
    ),
    (
        lambda: RankTable([0, 1, 2], {"fit": [[0.0], [1.0]]}, (5, 6, 7)),
        "the score 'fit' of a RankTable must be one row for each of 3 ranks. Got (2, 1).",
    ),
    (lambda: TABLE.gain(0), "the rank of a gain must be a rank with an earlier row. Got 0."),
    (
        lambda: heldout_error(CUBE, MODEL, np.ones((4, 5), bool)),
        "heldout must be a boolean array of X's shape (4, 5, 6). Got bool of shape (4, 5).",
    ),
    (
        lambda: heldout_error(CUBE, MODEL, np.ones((4, 5, 6))),
        "heldout must be a boolean array of X's shape (4, 5, 6). Got float64 of shape (4, 5, 6).",
    ),
    *(
        (lambda h=h: heldout_error(h[0], MODEL, h[1]), "heldout must be True at one observed cell at least. Got none.")
        for h in ((CUBE, np.zeros(CUBE.shape, bool)), (np.where(CUBE < 6, np.nan, CUBE), CUBE < 6))
    ),
    *(
        (lambda m=m: core_consistency(CUBE, m), "the CP model must be finite. Got NaN or infinite entries.")
        for m in (of_shape(4, 5, 6, weights=[1.0, np.nan]), of_shape(4, 5, 6, fill=np.inf))
    ),
    (
        lambda: heldout_error(CUBE, of_shape(4, 5, 6, fill=np.nan), CUBE > 6),
        "the CP model must be finite. Got NaN or infinite entries.",
    ),
    (
        lambda: corrected_core_consistency(CUBE, of_shape(4, 5, 7)),
        "the CP model must be of the tensor's shape (4, 5, 6). Got shape (4, 5, 7).",
    ),
    (
        lambda: core_consistency(CUBE, of_shape(4, 5, 6, 2)),
        "the CP model must be of the tensor's shape (4, 5, 6). Got shape (4, 5, 6, 2).",
    ),
    (
        lambda: core_consistency(CUBE, of_shape(4, 5, 6, weights=np.ones(3))),
        "factor 0 of a CP model must be a matrix with 3 columns, one for each weight. Got shape (4, 2).",
    ),
    (
        lambda: kl_core_consistency(-CUBE, MODEL),
        "X of kl_core_consistency must be counts or other amounts >= 0. Got negative cells.",
    ),
    (
        lambda: kl_core_consistency(CUBE, of_shape(4, 5, 6, fill=-1.0)),
        "a CP model of counts must be nonnegative. Got negative entries.",
    ),
    (
        lambda: factor_match_score(MODEL, MODEL, np.zeros((5, 5, 6))),
        "X of the CP models must be of their shape (4, 5, 6). Got shape (5, 5, 6).",
    ),
    *(
        (lambda split=split, wrong=wrong: split(CUBE[:3], **SPLIT | wrong), sentence)
        for split in (split_half, split_half_components)
        for wrong, sentence in (
            ({}, "the mode to split must be of length >= 4. Got length 3."),
            ({"mode": 3}, "mode of split_half must be a mode of a tensor with 3 modes, 0 to 2. Got 3."),
            ({"rank": 0, "mode": 1}, "rank of split_half must be an integer >= 1. Got 0."),
            ({"rank": 1, "mode": 1, "n_splits": 0}, "n_splits must be an integer >= 1. Got 0."),
        )
    ),
]
OF_TYPE = [
    *(
        (lambda n=n: selection.OneStandardError(n), "n_errors of OneStandardError must be a number above 0")
        for n in ("1", True)
    ),
    (
        lambda: selection.CoreConsistencyThreshold("80"),
        "threshold of CoreConsistencyThreshold must be a number above 0",
    ),
    (
        lambda: selection.BestLoss("knee"),
        "policy of BestLoss must be a function from a RankTable to a Choice, such as Knee()",
    ),
    *(
        (
            lambda m=m: core_consistency(CUBE, m),
            f"a CP model must be a CPModel or a pair (weights, factors). Got {name}.",
        )
        for m, name in ((3, "int"), (None, "NoneType"))
    ),
]
OF_KEY = [
    (lambda: TABLE["ceiling"], "a score of this RankTable must be one of ['fit', 'heldout']. Got 'ceiling'."),
    (lambda: TABLE.row(2), "a rank of this RankTable must be one of [0, 1, 3]. Got 2."),
    (lambda: TABLE.restricted([-1]), "a rank of this RankTable must be one of [0, 1, 3]. Got -1."),
]
SELECTION_AND_SCORES = [
    (f"{number} {kind.__name__} {sentence[:40]}", call, kind, re.escape(sentence))
    for kind, rows in ((ValueError, OF_VALUE), (TypeError, OF_TYPE), (KeyError, OF_KEY))
    for number, (call, sentence) in enumerate(rows)
]

# ---

FACTORS_TO_DRAW = [np.ones((n, 2)) for n in (5, 6, 7)]
TO_DRAW, EMPTY = CPModel(np.ones(2), FACTORS_TO_DRAW), CPModel(np.ones(0), [part[:, :0] for part in FACTORS_TO_DRAW])
LABELS_TO_DRAW = "the labels of a CP model must be one name per mode and one label per index of shape (5, 6, 7). Got"
AS_MODES = "must be one for each of 3 modes. Got 1."
OF_THE_SHAPE = "the CP model must be of the tensor's shape (5, 6, 7). Got shape (5, 6, 8)."
EXPLAINED = RankTable([0, 1], {"fit": [[0.0], [0.5]]}, (5, 6, 7))

# What is drawn, and what is said of it.
DRAWINGS = [
    (lambda: plots.plot_components(TO_DRAW, labels=[None]), f"{LABELS_TO_DRAW} 3 names and [None] labels."),
    (
        lambda: plots.plot_components(TO_DRAW, labels=[None, "ab", None]),
        f"{LABELS_TO_DRAW} 3 names and [None, 1, None]",
    ),
    (lambda: plots.plot_mode(TO_DRAW, 1, labels=["a", "b"]), f"{LABELS_TO_DRAW} 3 names and [None, 2, None] labels."),
    (lambda: plots.plot_mode(TO_DRAW, "year"), "mode must be one of"),
    (lambda: plots.plot_components(TO_DRAW, axes=[None]), f"axes of plot_components {AS_MODES}"),
    (lambda: plots.plot_components(TO_DRAW, draw=[None]), f"draw of plot_components {AS_MODES}"),
    (
        lambda: plots.plot_comparison(TO_DRAW, TO_DRAW, axes=[None] * 3),
        "axes of plot_comparison must be an array of shape (2, 3). Got shape (3,).",
    ),
    (
        lambda: plots.plot_top(TO_DRAW, axes=[None]),
        "axes of plot_top must be an array of shape (2, 3). Got shape (1,).",
    ),
    (lambda: plots.plot_top(TO_DRAW, 0), "n of plot_top must be an integer >= 1. Got 0."),
    (lambda: plots.plot_top(EMPTY), "the model of plot_top must be of at least one component. Got rank 0."),
    (
        lambda: plots.plot_comparison(TO_DRAW, EMPTY),
        "the models of plot_comparison must be of at least one component each. Got ranks 2 and 0.",
    ),
    (lambda: plots.plot_comparison(TO_DRAW, [None, [*FACTORS_TO_DRAW[:2], np.ones((8, 2))]]), OF_THE_SHAPE),
    (
        lambda: plots.plot_core_elements(np.ones((2, 3, 3))),
        "the core of plot_core_elements must be an array of shape (F, ..., F). Got shape (2, 3, 3).",
    ),
    (
        lambda: plots.plot_influence(([0.1, 0.2], [1.0, 2.0, 3.0])),
        "leverage, residual and labels of plot_influence must be of one length. Got (2,), (3,) and (2,).",
    ),
    (lambda: plots.plot_landscape(np.ones((2, 3)), 0), "X of plot_landscape must be a tensor or model of three modes."),
    (lambda: plots.plot_landscape(CUBE, 4), "index of plot_landscape must be a number below 4, the length of mode 0."),
    (
        lambda: plots.plot_landscape(CUBE, "4"),
        "index of plot_landscape must be a label of mode 0, such as 0, 1, 2. Got",
    ),
    (lambda: plots.plot_landscape(CUBE, 0, mode="sample"), "mode of plot_landscape must be one of ['mode 0', '"),
    (
        lambda: core_elements(TO_DRAW.to_tensor(), EMPTY),
        "the model of core_elements must be a model of at least one component",
    ),
    (
        lambda: sample_influence(TO_DRAW.to_tensor(), TO_DRAW, 3),
        "mode of sample_influence must be a mode of a tensor with 3 modes",
    ),
    (lambda: sample_influence(np.ones((5, 6, 8)), TO_DRAW), "the CP model must be of the tensor's shape (5, 6, 8)."),
]
PLOTS = [
    *((said, call, ValueError, f"^{re.escape(said)}") for call, said in DRAWINGS),
    (
        "a rank without a row",
        lambda: plots.plot_fit(EXPLAINED, Choice(9)),
        KeyError,
        "a rank of this RankTable must be",
    ),
]

# ---

X0 = np.random.default_rng(0).standard_normal((3, 4, 5))
NOISE = r"^noise of weighted must be "
LAZY = da.from_array(CUBE, chunks=2)
HUGE = da.zeros((1024, 256, 256), chunks=256)
FACTORS_OF_HUGE = [np.ones((length, 1)) for length in HUGE.shape]
TOO_LARGE = r"^X must be a dask array of at most 256 MiB\. Got 512 MiB\. Use estimate_rank, which takes it by parts"


def with_modes(modes):
    return xarray.DataArray(np.ones((3, 3, 3)), dims=list(modes))


def by_parts(X, **options):
    return lambda: estimate_rank(X, 1, parts=Parts(0.001), n_starts=1, random_state=0, **options)


def of_unknown_length():
    unknown = da.ones((6, 4, 4), chunks=2)
    return as_tensor(unknown[unknown[:, 0, 0] > 0])


# Data, their noise, and what `weighted` says of them.
WEIGHTED = [
    (ValueError, X0, np.ones(4), NOISE + r"of X's shape \(3, 4, 5\), or broadcast to it\. Got shape \(4,\)"),
    (ValueError, X0, np.ones((2, 3, 4, 5)), NOISE + r"of X's shape .* Got shape \(2, 3, 4, 5\)"),
    (ValueError, X0, 0.0, NOISE + r"positive and finite at every observed cell\. Got 0\. Mark a cell that"),
    *((ValueError, X0, noise, NOISE + f"positive .* Got {noise}") for noise in (-1, np.inf, np.nan)),
    (ValueError, with_modes("abc"), with_modes("bac"), NOISE + r"labelled as X is\. Got modes \('b', 'a', 'c'\)"),
    (TypeError, scipy.sparse.coo_array(X0), 1.0, r"^X of weighted must be a dense tensor in memory\. Got coo_array\."),
    (TypeError, LAZY, 1.0, r"^X of weighted must be a dense tensor in memory\. Got Array\."),
    (TypeError, np.full((2, 2, 2), "a"), 1.0, r"^X of weighted must be an array of real numbers\. Got dtype <U1"),
]

TENSORS = [
    *((f"weighted {n}", partial(weighted, *row[1:3]), row[0], row[3]) for n, row in enumerate(WEIGHTED)),
    (
        "weights are not preprocessed",
        lambda: center(weighted(X0, 1.0), 0),
        ValueError,
        r"^X of center must be a tensor without weights\. Got a weighted one",
    ),
    (
        "weights for KL",
        lambda: fit_parafac(weighted(np.abs(X0), 1.0 + np.abs(X0)), 1, solver=KL()),
        ValueError,
        r"^X for the solver KL must be counts without weights\. Got weights of",
    ),
    (
        "weights for a core of counts",
        lambda: kl_core_consistency(weighted(np.abs(X0), 1.0), (None, [np.ones((n, 1)) for n in X0.shape])),
        ValueError,
        r"^X of kl_core_consistency must be counts without weights\.",
    ),
    ("chunks of unknown length", of_unknown_length, ValueError, r"^X must be a dask array of known shape\."),
    ("infinite chunks", by_parts(da.where(LAZY > 118, np.inf, LAZY)), ValueError, r"^X must be finite.* infinite"),
    ("complex chunks", by_parts(LAZY * 1j), TypeError, r"^X must be an array of real numbers\. Got complex"),
    ("chunks of a matrix", by_parts(LAZY[0]), ValueError, r"^X must be a tensor with at least 3 modes\."),
    ("chunks of nothing", by_parts(LAZY[:, :0]), ValueError, r"^X must be a tensor with at least one cell\."),
    *(
        (f"{missing} in {kind}", by_parts(X), ValueError, f"^X must be a tensor with observed cells.* Got {missing}")
        for kind, whole in (("chunks", LAZY), ("parts", CUBE))
        for missing, X in (
            ("only missing cells", whole * np.nan),
            ("no observed cell at index 0 of mode 0", np.where(whole < 30, np.nan, whole)),
        )
    ),
    *(
        (f"{call.__name__} of more than memory", partial(call, HUGE, 1), ValueError, TOO_LARGE)
        for call in (fit_parafac, split_half, split_half_components)
    ),
    ("core of more than memory", lambda: core_consistency(HUGE, (None, FACTORS_OF_HUGE)), ValueError, TOO_LARGE),
    ("CP of more than memory", lambda: CP(1).fit(HUGE), ValueError, TOO_LARGE),
]

# ---

SEVERAL = "solver of estimate_rank must be one solver, or several different ones."
SWEPT = "tol of {} must be a number >= 0 and below 1. Got {}."
WHOLE = "max_iter of {} must be an integer >= 1. Got {}."
HALF = "share of {} must be a number above 0 and below {}. Got {}."
SHAPE = (4, 5, 6)
BESIDE_OFFSETS = np.add.outer(np.zeros(4), np.arange(30.0).reshape(5, 6))
CENTRED = center(np.random.default_rng(0).standard_normal(SHAPE), 0)
SIGNED, FRACTIONS = np.full(SHAPE, 2.0), np.full(SHAPE, 0.5)
SIGNED[1, 2, 3] = -1.5


def folds_of(holdout, X=SIGNED):
    return lambda: holdout.folds(as_tensor(X), 2, np.random.default_rng(0))


def model_of(weights, *factors):
    return partial(CPModel, np.ones(weights), [np.ones(shape) for shape in factors])


# Calls, and how the sentence begins that each of them raises.
REFUSED = [
    *((partial(ALS, max_iter=value), WHOLE.format("ALS", value)) for value in (0, 2.5, True)),
    *((partial(ALS, tol=value), SWEPT.format("ALS", repr(value))) for value in (-1e-9, 1, "small", np.nan)),
    (partial(HALS, max_iter=0), WHOLE.format("HALS", 0)),
    (partial(HALS, tol=1), SWEPT.format("HALS", 1)),
    *(
        (partial(HALS, value), f"nonnegative of HALS must be True or a tuple of modes such as (1, 2). Got {value}.")
        for value in (False, ())
    ),
    (partial(HALS, (0.5,)), "a mode in nonnegative of HALS must be an integer >= -64. Got 0.5."),
    (
        lambda: fit_parafac(SIGNED, 1, solver=HALS(nonnegative=(3,))),
        "a mode in nonnegative of HALS must be a mode of a tensor with 3 modes, 0 to 2. Got 3.",
    ),
    (partial(KL, max_iter=0), WHOLE.format("KL", 0)),
    (partial(KL, tol=1), SWEPT.format("KL", 1)),
    (partial(KL, floor=0.0), "floor of KL must be a number above 0 and below 1. Got 0.0."),
    *(
        (
            partial(run, SIGNED, 1, solver=KL()),
            "X for the solver KL must be counts or other amounts >= 0. Got -1.5 as the smallest cell. "
            "Use ALS() for data with negative values.",
        )
        for run in (fit_parafac, estimate_rank)
    ),
    *(
        (partial(fit_parafac, SIGNED, rank), f"rank of fit_parafac must be an integer >= 1. Got {rank!r}.")
        for rank in (0, -1, 2.0, "2")
    ),
    (
        partial(fit_parafac, SIGNED, 21),
        "rank of fit_parafac must be at most 20, the largest rank that a tensor of shape (4, 5, 6) can have. Got 21. "
        "Ask for fewer components.",
    ),
    (partial(fit_parafac, SIGNED, 2, n_starts=0), "n_starts must be an integer >= 1. Got 0."),
    (
        partial(fit_parafac, SIGNED, 2, random_state=-1),
        "random_state must be a seed >= 0, a Generator, RandomState or None. Got -1.",
    ),
    (
        partial(fit_parafac, SIGNED, 2, random_state="0"),
        "random_state must be an int, a Generator, RandomState or None. Got '0'.",
    ),
    *((partial(estimate_rank, SIGNED, [1], solver=solvers), SEVERAL) for solvers in ((), (ALS(), ALS()))),
    (
        partial(estimate_rank, SIGNED, [1], solver=(KL(),)),
        "solver of estimate_rank must be such that one at least suits X. Got none.",
    ),
    *(
        (partial(Parts, value), f"megabytes of Parts must be a number above 0 and below inf. Got {value!r}.")
        for value in (0, -1, math.nan, math.inf, "1")
    ),
    *((partial(Parts, 1, value), f"refine of Parts must be an integer >= 0. Got {value!r}.") for value in (-1, 1.5)),
    *(
        (by_parts(SIGNED, **options), said)
        for options, said in (
            ({"checkpoint": 5}, "checkpoint of estimate_rank must be a path. Got 5."),
            ({"solver": KL()}, "X for the solver KL must be counts or other amounts >= 0. Got -1.5 as the smallest"),
            ({"holdout": RandomFibres(3)}, "mode of RandomFibres must be a mode of a tensor with 3 modes, 0 to 2."),
            ({"holdout": Centred(RandomElements(), 0)}, "X for the hold-out Centred must be centred across the same"),
            ({"scorers": ()}, "the table for Calibrated() must be one with the score 'heldout'. Got only ranks."),
        )
    ),
    *((partial(RandomElements, value), HALF.format("RandomElements", 0.5, repr(value))) for value in (0, 0.6, "a")),
    (partial(RandomElements, np.nan), HALF.format("RandomElements", 0.5, "nan")),
    (partial(RandomFibres, 0, 0.7), HALF.format("RandomFibres", 0.5, 0.7)),
    (partial(RandomFibres, 0.5), "mode of RandomFibres must be an integer >= -64. Got 0.5."),
    *((partial(Blocks, value), HALF.format("Blocks", 0.75, value)) for value in (0.8, True)),
    (folds_of(RandomFibres(3)), "mode of RandomFibres must be a mode of a tensor with 3 modes, 0 to 2. Got 3."),
    (folds_of(RandomFibres(-4)), "mode of RandomFibres must be an integer >= -3. Got -4."),
    (
        partial(estimate_rank, FRACTIONS, [1], solver=KL(), holdout=CountSplit()),
        "X for the hold-out CountSplit must be whole numbers >= 0 and below 2**63. Got 0.5 in a cell. "
        "Hold out cells with RandomElements(0.1) where data are no counts.",
    ),
    *(
        (folds_of(CountSplit(), given(np.full(SHAPE, largest))), "X for the hold-out CountSplit must be whole numbers")
        for given in (np.asarray, scipy.sparse.coo_array)
        for largest in (2.0**63, 1e300)
    ),
    (partial(Centred, Blocks(), 0), "holdout of Centred must be RandomElements(share) or RandomFibres(mode)."),
    (partial(Centred, RandomElements(), ()), "modes of Centred must be one mode or several. Got ()"),
    (partial(Centred, RandomElements(), 0.5), "modes of Centred must be an integer"),
    (
        folds_of(Centred(RandomElements(), 3), CENTRED),
        "modes of Centred must be a mode of a tensor with 3 modes, 0 to 2. Got 3",
    ),
    (
        folds_of(Centred(RandomElements(), 0), BESIDE_OFFSETS),
        "X for the hold-out Centred must be centred across the same modes. Got means that are not zero.",
    ),
    (
        folds_of(Centred(RandomFibres(0), 0), CENTRED),
        "the hold-out of Centred must be one that leaves cells in every fibre. Got RandomFibres(mode=0",
    ),
    (
        folds_of(Centred(RandomElements(), 0), scipy.sparse.coo_array(SIGNED)),
        "X for the hold-out Centred must be a dense tensor in memory.",
    ),
    (
        model_of(2, (4, 2), (5, 3), (6, 2)),
        "factor 1 of a CP model must be a matrix with 2 columns, one for each weight. Got shape (5, 3).",
    ),
    (model_of(1, (4,), (5, 1), (6, 1)), "factor 0 of a CP model must be a matrix with 1 columns"),
    (
        model_of((1, 2), (4, 2), (5, 2), (6, 2)),
        "the weights of a CP model must be a vector, one entry for each component. Got shape (1, 2).",
    ),
    (model_of(2), "the factors of a CP model must be one matrix for each mode. Got none."),
    *(
        (partial(as_cp, nonsense), "a CP model must be a CPModel or a pair (weights, factors). Got")
        for nonsense in (3, None, "factors", np.ones((3, 4)), (np.ones(2),), (None, []), (None, [np.ones(3)]))
    ),
    (
        partial(as_cp, model_of(1, (4, 1), (5, 1), (6, 1))(), (4, 5, 7)),
        "the CP model must be of the tensor's shape (4, 5, 7). Got shape (4, 5, 6).",
    ),
    (
        partial(factor_match_score, model_of(1, (6, 1), (5, 1))(), model_of(1, (5, 1), (6, 1))()),
        "the CP model must be of the tensor's shape (6, 5). Got shape (5, 6).",
    ),
]
SOLVERS_AND_HOLDOUTS = [(said, call, (TypeError, ValueError), f"^{re.escape(said)}") for call, said in REFUSED]

# ---

SHARE = "missing of make_cp_tensor must be a number >= 0 and below 1. Got "
WEIGHTS = "weights of make_cp_tensor must be 2 finite numbers, one for each component. Got "
FACTORS = "factors of make_cp_tensor must be a callable such as gaussian_factors, or one for each of the 3 modes. Got "
RESULT = "the result of factors of make_cp_tensor must be of shape"
TOO_SHORT = "a mode with collinear_factors must be at least as long as the rank"
ADDED = "the result of noise of make_cp_tensor must be of the signal's shape"
COSINE = "correlation of collinear_factors must be a number >= 0 and below 1. Got "
SNR = "snr_db of white_noise must be a number above -inf and below inf. Got "

# Arguments of make_cp_tensor, and what it says of them.
DRAWN = [
    (ValueError, {"shape": 5}, "shape of make_cp_tensor must be the lengths of three modes or more. Got 5."),
    (ValueError, {"shape": (5, 6)}, "shape of make_cp_tensor must be the lengths of three modes or more. Got (5, 6)."),
    (ValueError, {"shape": (5, 0, 6)}, "each length in shape of make_cp_tensor must be an integer >= 1. Got 0."),
    (TypeError, {"shape": (5, 2.5, 6)}, "each length in shape of make_cp_tensor must be an integer >= 1. Got 2.5."),
    (ValueError, {"rank": -1}, "rank of make_cp_tensor must be an integer >= 0. Got -1."),
    (TypeError, {"rank": 2.0}, "rank of make_cp_tensor must be an integer >= 0. Got 2.0."),
    (ValueError, {"missing": 1.0}, f"{SHARE}1.0."),
    (ValueError, {"missing": -0.1}, f"{SHARE}-0.1."),
    (TypeError, {"missing": "half"}, f"{SHARE}'half'."),
    (ValueError, {"missing": math.nan}, f"{SHARE}nan."),
    (ValueError, {"weights": [1.0]}, f"{WEIGHTS}[1.0]."),
    (ValueError, {"weights": [1.0, math.inf]}, f"{WEIGHTS}[1.0, inf]."),
    (ValueError, {"weights": ["a", "b"]}, f"{WEIGHTS}['a', 'b']."),
    (ValueError, {"factors": "gaussian"}, f"{FACTORS}'gaussian'."),
    (ValueError, {"factors": 5}, f"{FACTORS}5."),
    (ValueError, {"factors": [gaussian_factors]}, f"{FACTORS}[<function gaussian_factors at "),
    (ValueError, {"factors": lambda length, rank, rng: np.ones((rank, length))}, f"{RESULT} (6, 2). Got shape (2, 6)."),
    (ValueError, {"factors": collinear_factors(0.5), "rank": 7}, f"{TOO_SHORT}, 7. Got length 6."),
    (ValueError, {"noise": lambda signal, rng: signal[0]}, f"{ADDED} (6, 7, 8). Got shape (7, 8)."),
    (ValueError, {"random_state": -1}, "random_state must be a seed >= 0, a Generator, RandomState or None. Got -1."),
    (TypeError, {"random_state": "luck"}, "random_state must be an int, a Generator, RandomState or None. Got 'luck'."),
]
OF_RANK_2 = {"shape": (6, 7, 8), "rank": 2}

INGREDIENTS = [
    (TypeError, lambda: white_noise("20 dB"), f"{SNR}'20 dB'."),
    (ValueError, lambda: white_noise(math.nan), f"{SNR}nan."),
    (ValueError, lambda: structured_noise(0), "ratio of structured_noise must be a number above 0 and below inf. Got"),
    (ValueError, lambda: structured_noise(1, 0), "n_terms of structured_noise must be an integer >= 1. Got 0."),
    (ValueError, lambda: collinear_factors(1.0), f"{COSINE}1.0."),
    (TypeError, lambda: collinear_factors("high"), f"{COSINE}'high'."),
    (ValueError, lambda: gamma_factors(-1), "concentration of gamma_factors must be a number above 0 and below inf. "),
    (ValueError, lambda: smooth_spectra(0), "width of smooth_spectra must be a number above 0 and below 1. Got 0."),
    (ValueError, lambda: smooth_spectra(0.1, 0), "n_bands of smooth_spectra must be an integer >= 1. Got 0."),
]

COUNTS = [
    ((4, 5), 2, 10, "shape of make_count_tensor must be the lengths of three modes or more. Got (4, 5)."),
    ((4, 5, 6), 0, 10, "rank of make_count_tensor must be an integer >= 1. Got 0."),
    ((4, 5, 6), 2, 0, "events of make_count_tensor must be a number above 0 and below inf. Got 0."),
    ((4, 5, 6), 21, 10, "smallest_share of make_count_tensor must be at most 0.0476, one over the rank. Got 0.05."),
]

STORE_AND_COMMAND = [
    *((said, partial(make_cp_tensor, **(OF_RANK_2 | given)), kind, re.escape(said)) for kind, given, said in DRAWN),
    *((said, call, kind, re.escape(said)) for kind, call, said in INGREDIENTS),
    *((said, partial(make_count_tensor, *given), ValueError, re.escape(said)) for *given, said in COUNTS),
    (
        "factors of make_count_tensor",
        lambda: make_count_tensor((4, 5, 6), 2, 10, factors=gaussian_factors, random_state=0),
        ValueError,
        "^the factors of make_count_tensor must be nonnegative, with something in every column",
    ),
]

# ---

X = np.random.default_rng(0).standard_normal((8, 7, 6))

# An argument of estimate_rank, what it must be, values out of range, and values of another type.
ARGUMENTS = [
    (
        "ranks",
        "ranks of estimate_rank must be positive integers. Got {!r}. Give a range such as range(1, 11), or its end "
        "alone; rank 0 (nothing beyond noise) is always added.",
        [0, [0, 1, 2], -3, [2, -1]],
        [2.0, [1, 2.5], [np.float64(1.0)], True, [True, 2], "1:10", ["1"], [[1, 2]]],
    ),
    (
        "ranks",
        "the largest of the ranks of estimate_rank must be at most 42, the largest rank that a tensor of shape "
        "(8, 7, 6) can have. Got {!r}. Ask for fewer components.",
        [43, 10**30],
        [],
    ),
    ("n_starts", "n_starts of estimate_rank must be an integer >= 1. Got {!r}.", [0], [2.5, True, "10"]),
    ("n_folds", "n_folds of estimate_rank must be an integer >= 2. Got {!r}.", [1], [None]),
    ("n_splits", "n_splits of estimate_rank must be an integer >= 0. Got {!r}.", [-1], []),
    (
        "solver",
        "solver of estimate_rank must be a Solver such as ALS(), with fit and compress. Got {!r}.",
        [],
        [ALS, "als", 0],
    ),
    (
        "policy",
        "policy of estimate_rank must be a function from a RankTable to a Choice, such as Knee(). Got {!r}.",
        [],
        [None, "knee", Calibrated],
    ),
    (
        "holdout",
        "holdout of estimate_rank must be a hold-out such as RandomElements(0.1). Got {!r}.",
        [],
        [0.1, None, RandomElements],
    ),
    (
        "holdout",
        "holdout of estimate_rank must be a hold-out such as RandomElements(0.1). Got {!r}. Estimate once with each of "
        "several.",
        [],
        [(1, 2)],
    ),
    (
        "scorers",
        "scorers of estimate_rank must be a sequence of functions of a tensor and the fits of a rank. Got {!r}.",
        [],
        [None, [1], "fit"],
    ),
    ("max_time", "max_time must be a number above 0 and below inf. Got {!r}.", [0, -1.5, math.inf, math.nan], ["1"]),
    ("random_state", "random_state must be an int, a Generator, RandomState or None. Got {!r}.", [], ["a", 1.5, True]),
    ("random_state", "random_state must be a seed >= 0, a Generator, RandomState or None. Got {!r}.", [-1], []),
    (
        "n_jobs",
        "n_jobs of estimate_rank must be a number of workers, or -1 for all cores. Got {!r}.",
        [0, "two", 1.5, True],
        [],
    ),
    ("parts", "parts of estimate_rank must be Parts(), or None. Got {!r}.", [], [5, Parts, "Parts()"]),
]


EIGHT = np.ones((2, 2, 2))
ITEMS = pd.MultiIndex.from_product([["s0", "s1"], [1, 2], [5, 6, 7]], names=["sample", "time", "sensor"])
LISTED = pd.Series(np.arange(12.0), ITEMS)
TABLES = [pd.DataFrame(X[0]), pd.DataFrame(X[1]).iloc[::-1]]
FRAME = (
    r"^X must be an array or a labelled tensor\. Got a data frame\. Of a long table, .*from_table\(X, .*X\.stack\(\)"
)

POLARS = pl.DataFrame({"airline": ["UA", "B6"], "hour": [1, 2], "day": [1, 2], "n": [1.0, 2.0]})
POLARS_FRAME = (
    r"^X must be an array or a labelled tensor\. Got a data frame\. .*from_table\(X, .* its columns\..*X\.unpivot\("
)

# What from_table says of a frame, names of modes, of values, and of what is not listed.
LONG = POLARS.to_dict(as_series=False)
EVENT = ["airline", "hour", "day"]
COLUMNS = "out of the columns airline, hour, day, n. Got"
NO_TABLES = [
    ({"frame": LONG}, "the frame of from_table must be a data frame. Got dict."),
    (
        {"frame": "calls.csv"},
        "the frame of from_table must be a data frame. Got str. Read a file by autoten.read_tensor",
    ),
    ({"frame": POLARS["n"]}, "the frame of from_table must be a data frame. Got Series."),
    (
        {"frame": LISTED},
        "the frame of from_table must be a data frame. Got Series. Make columns of the levels of its index",
    ),
    (
        {"frame": LISTED.to_frame("n")},
        "modes of from_table must be out of the columns n. Got 'airline'. Make columns of",
    ),
    ({"frame": POLARS[:0]}, "the frame must be a table with at least one row. Got none."),
    (
        {"frame": pd.DataFrame(X[0][:2, :2], columns=list("aa"))},
        "the columns of the frame must be called by names that",
    ),
    ({"modes": "airline"}, "modes of from_table must be a list of names of columns. Got 'airline'."),
    ({"modes": 3}, "modes of from_table must be a list of names of columns. Got 3."),
    ({"modes": [*EVENT, "week"]}, f"modes of from_table must be {COLUMNS} 'week'."),
    ({"modes": [0, 1, 2]}, f"modes of from_table must be {COLUMNS} 0."),
    ({"modes": [["hour"], "day", "n"]}, f"modes of from_table must be {COLUMNS} ['hour']."),
    ({"modes": ["airline", "hour", pl.col("day")]}, "modes of from_table must be said by names of columns. Got Expr."),
    ({"values": POLARS["n"]}, "values of from_table must be said by names of columns. Got Series."),
    ({"modes": EVENT[:2]}, "modes of from_table must be at least three columns. Got ['airline', 'hour']. A matrix has"),
    ({"modes": []}, "modes of from_table must be at least three columns. Got []. "),
    (
        {"modes": [*EVENT, "day"]},
        "modes and values of from_table must be columns that differ. Got airline, hour, day, day.",
    ),
    ({"values": "day"}, "modes and values of from_table must be columns that differ. Got airline, hour, day, day."),
    ({"values": "count"}, f"values of from_table must be {COLUMNS} 'count'."),
    (
        {"modes": ["n", "hour", "day"], "values": "airline", "unlisted": "zero"},
        "the column airline in the frame must be nu",
    ),
    ({"values": "n"}, "unlisted of from_table must be 'zero' or 'missing', since not every combination of labels is "),
    ({"values": "n", "unlisted": "nan"}, "unlisted of from_table must be 'zero' or 'missing'. Got 'nan'."),
    (
        {"unlisted": "missing"},
        "unlisted of from_table must be 'zero' where rows are counted. Got 'missing'. A combinat",
    ),
    (
        {"frame": pl.DataFrame(LONG | {"day": [[1], [2]]})},
        "the column day in the frame must be labels: numbers, texts, ",
    ),
    (
        {"frame": pl.DataFrame(LONG | {"day": [1, None]})},
        "the column day in the frame must be labelled in every row. Got",
    ),
]
BY_NAME = {"a": None, "b": None, "c": None}
NO_LABELS = [
    (
        (EIGHT, list("abc")),
        "labels of labelled must be a mapping from the name of each mode to its labels, or to None. Got",
    ),
    ((EIGHT, {"a": None}), "labels of labelled must be a name for each mode of shape (2, 2, 2). Got 1: a."),
    ((EIGHT, BY_NAME | {"b": [1, 2, 3]}), "the labels of b must be 2, one for each index. Got shape (3,)."),
    ((EIGHT, BY_NAME | {"b": 5}), "the labels of b must be 2, one for each index. Got shape ()."),
    ((POLARS, BY_NAME), "X of labelled must be an array or a labelled tensor. Got a data frame."),
    (("X.npy", BY_NAME), "X of labelled must be an array of real numbers. Got 'X.npy'. Read a file first:"),
    (
        ([np.ones((2, 2)), np.ones((2, 3))], BY_NAME),
        "X of labelled must be an array, or equal ones to stack. Got 2 arr",
    ),
]

NO_LABELLED_TENSORS = {
    "a cell listed twice": (
        pd.concat([LISTED, LISTED.iloc[:2]]),
        r"^X must be a Series that lists each cell once\. Got 2 ",
    ),
    "a frame": (LISTED.to_frame(), FRAME),
    "a long frame": (LISTED.rename("value").reset_index(), FRAME),
    "a wide frame": (TABLES[0], FRAME),
    "a polars frame": (POLARS, POLARS_FRAME),
    "a lazy frame": (POLARS.lazy(), POLARS_FRAME),
    "a frame of one column": (POLARS.select("hour"), POLARS_FRAME),
    "two levels": (LISTED["s0"], r"^X must be a tensor with at least 3 modes"),
    "no label": (LISTED.rename({"s0": np.nan}), r"^the index of X must be complete\. Got 6 rows without a label"),
    "texts": (LISTED.astype(str), r"^X must be an array of real numbers\. Got dtype object"),
    "a dataset": (
        LISTED.to_xarray().to_dataset(name="rate").assign(depth=1.0),
        r"^X must be an array of real numbers\. Got an xarray Dataset\. Give one of its .*: 'rate' \([^()]*\)\.$",
    ),
    "an empty dataset": (LISTED.to_xarray().to_dataset(name="a").drop_vars("a"), r"as X\[name\]: it has none\.$"),
    "two modes": (LISTED["s0"].to_xarray(), r"^X must be a tensor with at least 3 modes\. Got shape \(2, 3\)"),
    "too large": (
        pd.Series(np.ones(2000), pd.MultiIndex.from_arrays([np.arange(2000)] * 3)),
        r"span at most 2147483648 cells\. Got shape .*from_table\(\.\.\., unlisted='zero'\)\.$",
    ),
    "tables": (TABLES, r"^X must be tables with the same rows and columns, .*pandas\.concat\("),
}


def of_labels(*labels):
    return lambda: CPModel(np.ones(1), [np.ones((3, 1)), np.ones((4, 1))], Labels(*labels))


# What center and scale say of modes that X does not have, of their data, and mask_scatter of its arguments.
NO_MODES = [
    (3, "must be a mode of a tensor with 3 modes, 0 to 2. Got 3."),
    *((wrong, f"must be an integer >= -3. Got {wrong}.") for wrong in (-4, 1.5, True)),
    *((wrong, f"must be one mode or several different ones. Got {wrong}.") for wrong in ([], [0, 0], [0, -3])),
    ("0", "must be a number, since X has no names of modes. Got '0'."),
]
NO_NUMBERS = [
    (X[0], "must be a tensor with at least 3 modes. Got shape (7, 6)."),
    (X * 1j, "must be an array of real numbers. Got complex numbers (complex128)."),
    (np.full((2, 2, 2), "a"), "must be an array of real numbers. Got dtype <U1."),
    (None, "must be an array of real numbers. Got dtype object."),
    ("data.npz", "must be an array of real numbers. Got 'data.npz'. Read a file first: autoten.read_tensor"),
    (
        scipy.sparse.coo_array(X),
        "must be a dense array. Got coo_array. Give X.toarray() or X.todense(), if it fits into",
    ),
    (np.where(X > 1, np.inf, X), "must be finite. Got an infinite entry. Mark a missing cell with"),
    (
        TABLES[0],
        "must be an array or a labelled tensor. Got a data frame. Of a long table, a row for each cell or event,",
    ),
]
SCATTERED = {"X": X, "emission": np.arange(300.0, 307.0), "excitation": np.arange(250.0, 256.0), "width": 5.0}
NO_FLUORESCENCE = [
    ({"emission": np.arange(300, 306)}, "emission of mask_scatter must be 7 wavelengths in nm"),
    ({"excitation": np.arange(6)}, "excitation of mask_scatter must be positive and finite, in nm. Got 0"),
    ({"emission": np.full(7, np.nan)}, "emission of mask_scatter must be positive and fin"),
    (
        {"emission": 15},
        "emission of mask_scatter must be an array of wavelengths in nm. Got 15. The width of the bands",
    ),
    ({"width": 0}, "width of mask_scatter must be a number above 0"),
    ({"orders": [3]}, "orders of mask_scatter must be 1, 2 or both. Got (3,)"),
    ({"orders": []}, "orders of mask_scatter must be 1, 2 or both"),
    ({"modes": (1, 1)}, "modes of mask_scatter must be two different ones, of emission and of excitation. Got (1, 1)"),
    ({"modes": 1}, "modes of mask_scatter must be two different ones, of emission and of excitation. Got 1."),
    ({"emission": None}, "emission of mask_scatter must be the wavelengths of its mode in nm where X is not labelled"),
    ({"excitation": list("abcdef")}, "excitation of mask_scatter must be 6 wavelengths in nm"),
    ({"raman_shift": 1e5}, "raman_shift of mask_scatter must be a number above 0 and below"),
    ({"X": np.where(X > 1, np.inf, X)}, "X of mask_scatter must be finite"),
]

ABSORBING = {**SCATTERED, "absorbance": np.zeros((8, 3)), "wavelengths": [200.0, 300.0, 400.0]}
del ABSORBING["width"]
NO_ABSORBANCE = [
    (
        {"absorbance": np.zeros((7, 3))},
        "absorbance of correct_inner_filter must be of shape (8, 3), a row for each sam",
    ),
    ({"absorbance": np.full((8, 3), np.nan)}, "absorbance of correct_inner_filter must be finite and at most 10,"),
    (
        {"absorbance": np.full((8, 3), 99.5)},
        "absorbance of correct_inner_filter must be finite and at most 10, decadic, in",
    ),
    ({"wavelengths": [260, 300, 400]}, "wavelengths of correct_inner_filter must be from 250 to 306 nm at least, as X"),
    ({"wavelengths": [0, 300, 400]}, "wavelengths of correct_inner_filter must be positive and finite, in nm. Got 0"),
    ({"wavelengths": "blue"}, "wavelengths of correct_inner_filter must be 1 wavelengths in nm"),
]

HERE = Path(__file__).parent

# Landscapes in a file, and what is said of it.
PLAIN = ",250,260\n300,1,2\n310,3,4\n"
NO_LANDSCAPES = [
    (
        "nothing in it",
        {"a": ""},
        "^a\\.csv is no landscape \\(EEM\\), which must be a text file: a .*read_eems\\(folder, pattern\\)\\.$",
    ),
    ("no wavelengths", {"a": "1,2,3\n4,5,6\n7,8,9\n"}, "Got no line of rising or falling wavelengths above rows"),
    ("an index of pandas", {"a": ",250,260\n0,1,2\n1,3,4\n"}, "Got no line of rising or falling wavelengths"),
    (
        "a picture",
        {"a": bytes(range(256)) * 9},
        r"a\.csv is no landscape \(EEM\), which must be a text file: a matrix of intensities",
    ),
    (
        "a word",
        {"a": PLAIN.replace("3,4", "high,4")},
        "line 3 of a.csv must be numbers, or blank where missing. Got high",
    ),
    ("a line cut off", {"a": PLAIN + "320,5\n330,1,2\n"}, "line 4 of a.csv must be a wavelength and an intensity for"),
    ("twice", {"a": PLAIN + "300,5,6\n"}, "the wavelengths of a.csv must be different ones. Got 300 nm twice"),
    (
        "other wavelengths",
        {"a": PLAIN + "320,5,6\n", "b": PLAIN.replace("310", "315")},
        "b.csv must be of emission wavelengths among those of the file with the most, 3 from 300 to 320 nm. Got 2",
    ),
    ("pairs", {"a": "s_EX_250.00,,s_EX_260.00,\n300,low,300,2\n"}, "the columns 300 of a.csv must be a wavelength and"),
]
UNLABELLED = (None, [np.ones((4, 1)), np.ones((5, 1)), np.ones((6, 1))])


def landscapes(texts):
    def read():
        with TemporaryDirectory() as folder:
            for name, text in texts.items():
                Path(folder, f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
            read_eems(folder)

    return read


ESTIMATORS = [CP(2, n_starts=1), AutoTen([2], policy=lambda table: 2, n_starts=1, n_folds=2, n_splits=0)]
NO_SAMPLES = [
    (
        lambda it: it.transform(X[:, :6]),
        "X of {}.transform must be of shape (any, 7, 6), as fitted. Got shape (8, 6, 6).",
    ),
    (lambda it: it.score(X[..., None].repeat(2, 3)), "X of {}.score must be of shape (any, 7, 6)"),
    (lambda it: it.transform(X[0]), "X must be a tensor with at least 3 modes. Got shape (7, 6)"),
    (
        lambda it: it.transform(X[:2] * [[[1.0]], [[np.nan]]]),
        "X must be a tensor with observed cells in every slab. Got no observed cell at index 1 of mode 0. Drop it",
    ),
    (lambda it: it.inverse_transform(X[0]), "X of {}.inverse_transform must be amounts of 2 components"),
    (
        lambda it: clone(it).set_params(heldout_share=0.9).fit(X).score(X),
        "heldout_share of {} must be a number above 0 and below 0.5. Got 0.9.",
    ),
    (lambda it: clone(it).transform(X), "This {} instance is not fitted yet"),
    (lambda it: clone(it).score(X), "This {} instance is not fitted yet"),
]


NO_STEPS = [
    (
        lambda: CenterAcross(0).fit(X).transform(X[:, :6]),
        "X of CenterAcross.transform must be of shape (any, 7, 6), as",
    ),
    (
        lambda: ScaleWithin(1).fit(X).transform(X[0]),
        "X of ScaleWithin.transform must be of shape (any, 7, 6), as fitted.",
    ),
    (
        lambda: CenterAcross(0).fit(X).inverse_transform(X[0]),
        "X of CenterAcross.inverse_transform must be of shape (any,",
    ),
    (
        lambda: CenterAcross((0, 1)).fit(X).inverse_transform(X),
        "modes of CenterAcross must be 0 alone for inverse_transform. Got (0, 1). What was taken from each sample by "
        "itself is not kept.",
    ),
    (
        lambda: ScaleWithin(0).fit(X).inverse_transform(X),
        "modes of ScaleWithin must be without 0 for inverse_transform. Got (0,). What was taken from each sample by",
    ),
    (
        lambda: ScaleWithin("time").fit(X),
        "modes of ScaleWithin must be a number, since X has no names of modes. Got 'time'",
    ),
    (lambda: CenterAcross([]).fit(X), "modes of CenterAcross must be one mode or several different ones. Got []."),
    (lambda: CenterAcross(3).fit(X), "modes of CenterAcross must be a mode of a tensor with 3 modes, 0 to 2. Got 3."),
    (lambda: CenterAcross(0).fit(X[0]), "X of CenterAcross must be a tensor with at least 3 modes. Got shape (7, 6)."),
    (lambda: CenterAcross(0).transform(X), "This CenterAcross instance is not fitted yet"),
    (
        lambda: CenterAcross(0).fit(X).transform(scipy.sparse.coo_array(X)),
        "X of CenterAcross must be a dense array. Got coo_array. Give X.toarray() or X.todense(), if",
    ),
    (
        lambda: ScaleWithin(1).fit(X[:0]),
        "X of ScaleWithin must be a tensor with at least one cell. Got shape (0, 7, 6).",
    ),
    (lambda: center(X[:, :0], 0), "X of center must be a tensor with at least one cell. Got shape (8, 0, 6)."),
]


def refused(name, call, kind, sentence, *, whole=False):
    """Return a row: the sentence as it is, or as it begins."""
    return name, call, kind, f"^{re.escape(sentence)}{'$' if whole else ''}"


def estimating(X=X, **wrong):
    return lambda: estimate_rank(X, **wrong)


MASKED = np.ma.masked_array(np.ones((3, 4)))


class Unwilling:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("can't convert cuda:0 device type tensor to numpy")


def sparsely(values, shape=(2, 2, 2), coords=((0, 1), (0, 1), (0, 1))):
    return scipy.sparse.coo_array((values, coords), shape=shape)


def pyttb_of(subs):
    """Return a tensor of pyttb with these subscripts, unchecked."""
    tensor = pyttb.tensor(EIGHT).to_sptensor()
    tensor.subs = subs
    return tensor


MATRIX = (
    "X must be a tensor with at least 3 modes. Got shape {}. A matrix has no unique CP decomposition: use a matrix "
)
SHORT = "X must be a tensor whose modes all have length >= 2. Got shape {}. Drop mode {} with numpy.squeeze."
FLAT = "X must be a tensor whose modes all have length >= 2. Got shape {}. Several indices are needed in each of three"
ALL_MISSING = "X must be a tensor with observed cells. Got only missing cells."
FINITE = "X must be finite, with NaN for missing cells. Got {}. Set them to NaN if they are missing."
IN_EVERY_SLAB = "X must be a tensor with observed cells in every slab. Got no observed cell at "
NUMBERS = "X must be an array of real numbers. Got "
COMPLEX = f"{NUMBERS}complex numbers (complex128). Analyse its real and imaginary parts, or its magnitude."
STACKED = "X must be an array, or equal ones to stack. Got 3 arrays of shapes (3, 4), (3, 5). "
LARGE = "X must be a tensor with fewer than 2**63 cells. Got shape (2097152, 2097152, 2097152). Leave out modes, or"

# What is no tensor, and how the sentence begins.
OF_NO_USE = [
    (np.ones((3, 4)), MATRIX.format((3, 4))),
    (np.float64(3), MATRIX.format(())),
    (scipy.sparse.csr_array(np.eye(4)), MATRIX.format((4, 4))),
    (np.ones((3, 0, 4)), "X must be a tensor with at least one cell. Got shape (3, 0, 4)."),
    (np.ones((3, 1, 4, 2)), SHORT.format((3, 1, 4, 2), 1)),
    (np.ones((1, 3, 4)), FLAT.format((1, 3, 4))),
    (sparsely([1.0, 2.0], (2, 2, 1), ((0, 1), (0, 1), (0, 0))), FLAT.format((2, 2, 1))),
    *(
        (nothing, ALL_MISSING)
        for nothing in (EIGHT * np.nan, np.ma.masked_array(EIGHT, True), np.full((2, 2, 2), None))
    ),
    (
        np.where(np.isin(np.arange(7), [2, 3])[:, None], np.nan, X),
        f"{IN_EVERY_SLAB}indices 2, 3 of mode 1. Leave such slabs out: autoten.preprocess.drop_empty_slabs(X).",
    ),
    (
        sparsely([np.nan] * 4, coords=((0, 0, 1, 1), (1, 1, 1, 1), (0, 1, 0, 1))),
        f"{IN_EVERY_SLAB}index 1 of mode 1. Leave this slab out.",
    ),
    (np.where(X > 1, np.inf, 1.0), FINITE.format(f"{(X > 1).sum()} infinite cells")),
    (np.array([[[-np.inf, np.nan], [1, 1]], [[1, 1], [1, 1]]]), FINITE.format("1 infinite cell")),
    (sparsely([np.inf, 2.0]), FINITE.format("1 infinite cell")),
    ([[[10**400, 1], [1, 1]]] * 3, f"{NUMBERS}an integer beyond the range of float64. "),
    ([np.ones((3, 4)), np.ones((3, 5)), np.ones((3, 4))], f"{STACKED}Pad the shorter "),
    ([MASKED, np.ones((3, 5)), [[1.0, 2.0], [3.0]]], STACKED),
    (
        sparse.COO(np.array([[0], [1], [1]]), [1.0], shape=(2, 2, 2), fill_value=1.0),
        "X must be a sparse tensor whose unlisted cells are zero. Got fill_value 1.0.",
    ),
    (
        pyttb_of(np.argwhere(EIGHT) * [1, 1, 2]),
        "the coordinates of X must be inside its shape (2, 2, 2). Got index 2 in mode 2. They count from zero.",
    ),
    (sparsely([1.0, 2.0], (2**21, 2**21, 2**21)), LARGE),
]
OF_ANOTHER_TYPE = [
    (X + 1j, COMPLEX),
    (sparsely([1j, 2.0]), COMPLEX),
    (np.full((2, 2, 2), "a"), f"{NUMBERS}dtype <U1. Give a NumPy array, or anything that converts to one."),
    ("data.npy", f"{NUMBERS}'data.npy'. Read a file first: autoten.read_tensor("),
    (Path("data.npy"), f"{NUMBERS}{Path('data.npy')!r}. Read a file first: "),
    (np.array([1.5, "2"] * 4, object).reshape(2, 2, 2), f"{NUMBERS}dtype object, with cells of type str. Give a NumPy"),
    ([scipy.sparse.csr_array(np.eye(3))] * 2, f"{NUMBERS}dtype object, with cells of type csr_array. Give a NumPy"),
    (None, f"{NUMBERS}dtype object. Give a NumPy array"),
    (np.zeros((2, 2, 2), "M8[s]"), f"{NUMBERS}dtype datetime64[s]. Give a NumPy"),
    ([[[1, 2], [3]]], f"{NUMBERS}list. Give a NumPy array"),
    (Unwilling(), f"{NUMBERS}Unwilling. Give a NumPy array"),
    (
        pyttb_of(np.argwhere(EIGHT).astype(float)),
        "the coordinates of X must be integers. Got dtype float64 in mode 0.",
    ),
]

DOOR_AND_ESTIMATE = [
    *(
        refused(f"{name}={value!r}", estimating(**by | {name: value}), kind, must.format(value), whole=True)
        for by in ({}, {"parts": Parts(0.01)})
        for name, must, out_of_range, of_another_type in ARGUMENTS
        for kind, values in ((ValueError, out_of_range), (TypeError, of_another_type))
        for value in values
    ),
    *(
        refused("no ranks", estimating(ranks=none), ValueError, "ranks of estimate_rank must be positive integers. Got")
        for none in ([], range(0))
    ),
    *(
        refused(sentence, call, (ValueError, TypeError), sentence)
        for call, sentence in [
            (
                estimating(X[:4, :4, :4], ranks=[7]),
                "ranks of estimate_rank must be such that 64 observed cells determine one: 6 or less. Got 7.",
            ),
            (estimating(ranks=range(10**30, 0, -1)), "the largest of the ranks of estimate_rank must be at most 42, "),
            (
                estimating(holdout=RandomFibres(3)),
                "mode of RandomFibres must be a mode of a tensor with 3 modes, 0 to 2.",
            ),
            (estimating(X[0]), "X must be a tensor with at least 3 modes."),
            (lambda: core_consistency(X + 1j, None), f"{NUMBERS}complex numbers"),
            (lambda: drop_empty_slabs(X * np.nan), "X of drop_empty_slabs must be a tensor with observed cells"),
            (lambda: CP(0).fit(X), "rank of fit_parafac must be an integer >= 1. Got 0"),
        ]
    ),
    (
        "a policy that misses its scores",
        estimating(ranks=[1], scorers=()),
        ValueError,
        r"must be one with the score '\w+'\. Got only ranks\. Add the scorer",
    ),
    *(
        refused(sentence[:60], lambda X=X: fit_parafac(X, 2), kind, sentence)
        for kind, table in ((ValueError, OF_NO_USE), (TypeError, OF_ANOTHER_TYPE))
        for X, sentence in table
    ),
    *(
        refused("observed", lambda observed=observed: masked(X, observed), ValueError, f"observed must be {sentence}")
        for observed, sentence in [
            (X[0] > 0, "an array of X's shape (8, 7, 6). Got shape (7, 6)."),
            (X.T > 0, "an array of X's shape (8, 7, 6). Got shape (6, 7, 8)."),
            (True, "an array of X's shape (8, 7, 6). Got shape ()."),
            (X, "boolean, True for an observed cell. Got dtype float64."),
            (np.full(X.shape, "yes"), "boolean, True for an observed cell. Got dtype <U3."),
        ]
    ),
    *(
        refused("no file", lambda read=read, name=name: read(name), ValueError, f"the file must be {sentence}")
        for read, name, sentence in [
            (read_tensor, "a.xlsx", "one of .npy, .npz, .mat, .tns, .tns.gz, .nc, .csv, .parquet. Got a.xlsx."),
            (read_tensor, "absent.npy", "an existing file. Got absent.npy."),
            (read_tensor, "absent", "an existing file. Got absent."),
            (read_tns, "absent.tns", "an existing file. Got absent.tns."),
        ]
    ),
    (
        "an absent file of a long path",
        lambda: read_tensor(f"{'folder' * 15}/absent.npy"),
        ValueError,
        r"^the file must be an existing file\. Got .*absent\.npy\.$",
    ),
    *(
        (name, estimating(wrong, ranks=[1]), (ValueError, TypeError), sentence)
        for name, (wrong, sentence) in NO_LABELLED_TENSORS.items()
    ),
    *(
        refused(
            sentence,
            partial(from_table, **{"frame": POLARS, "modes": EVENT, **wrong}),
            (ValueError, TypeError),
            sentence,
        )
        for wrong, sentence in NO_TABLES
    ),
    *(refused(sentence, partial(labelled, *wrong), (ValueError, TypeError), sentence) for wrong, sentence in NO_LABELS),
    (
        "labels of another length",
        of_labels(("a", "b"), (np.arange(2), None)),
        ValueError,
        r"^the labels of a CP model must be .* of shape \(3, 4\)\. Got 2 names",
    ),
    ("too few labels", of_labels(("a",), (None,)), ValueError, "Got 1 names"),
    *(
        refused(what, partial(verb, *wrong), (ValueError, TypeError), f"{what} {sentence}")
        for verb in (center, scale)
        for what, wrong, sentence in [
            *((f"modes of {verb.__name__}", (X, modes), sentence) for modes, sentence in NO_MODES),
            *((f"X of {verb.__name__}", (data, 0), sentence) for data, sentence in NO_NUMBERS),
        ]
    ),
    *(
        refused(str([*wrong]), partial(mask_scatter, **{**SCATTERED, **wrong}), (ValueError, TypeError), sentence)
        for wrong, sentence in NO_FLUORESCENCE
    ),
    *(
        refused(
            str([*wrong]), partial(correct_inner_filter, **{**ABSORBING, **wrong}), (ValueError, TypeError), sentence
        )
        for wrong, sentence in NO_ABSORBANCE
    ),
    *((f"a landscape: {name}", landscapes(texts), ValueError, said) for name, texts, said in NO_LANDSCAPES),
    (
        "a folder that is not there",
        lambda: read_eems("eems"),
        ValueError,
        r"Got eems\. There is none of this name in .+\.$",
    ),
    ("a path that is not there", lambda: read_eems(HERE / "eems"), ValueError, r"eems\. It does not exist\.$"),
    (
        "a file as folder",
        lambda: read_eems(__file__),
        ValueError,
        r"give its folder, and pattern='test_refusals\.py'\.$",
    ),
    *(
        refused(sentence, call, (ValueError, TypeError), sentence)
        for call, sentence in [
            (
                lambda: read_eems(["a.csv"]),
                "folder of read_eems must be the path of one folder. Got a list. To read some",
            ),
            (
                lambda: read_eems(HERE, "*.eem"),
                "folder of read_eems must be a folder with files named *.",
            ),
            (
                lambda: interpolate_scatter(X, np.full(7, 300)),
                "emission of interpolate_scatter must be wavelengths that differ. Got 300 nm twice",
            ),
            (lambda: maxima((None, [np.ones((4, 2)), np.ones((5, 2))])), "modes of maxima must be a mode of a tensor"),
            (
                lambda: maxima(UNLABELLED, modes=("emission", 1)),
                "modes of maxima must be a number, since X has no names",
            ),
            (
                lambda: write_openfluor(UNLABELLED, "x.txt", name="x"),
                "emission of write_openfluor must be the wavelengths of its mode in nm where X is not labelled",
            ),
            (
                lambda: write_openfluor(UNLABELLED, "x.txt", name="x", Doi="1"),
                "a field of write_openfluor must be one of",
            ),
            (
                lambda: write_openfluor(empty_model((4, 5, 6)), "x.txt", name="x"),
                "model of write_openfluor must be a model of at least one component",
            ),
        ]
    ),
    *(
        refused(
            sentence.format(type(estimator).__name__),
            lambda call=call, estimator=estimator: call(estimator.fit(X)),
            ValueError,
            sentence.format(type(estimator).__name__),
        )
        for call, sentence in NO_SAMPLES
        for estimator in ESTIMATORS
    ),
    *(refused(sentence, call, (ValueError, TypeError), sentence) for call, sentence in NO_STEPS),
    *(
        refused(sentence, lambda model=model: core_consistency(X, model), (ValueError, TypeError), sentence, whole=True)
        for model, sentence in [
            (X, "a CP model must be a CPModel or a pair (weights, factors). Got ndarray."),
            (3, "a CP model must be a CPModel or a pair (weights, factors). Got int."),
            (
                (None, [np.ones((8, 2)), np.ones((7, 2)), np.ones((5, 2))]),
                "the CP model must be of the tensor's shape (8, 7, 6). Got shape (8, 7, 5).",
            ),
            (
                (np.ones(3), [np.ones((8, 2)), np.ones((7, 2)), np.ones((6, 2))]),
                "factor 0 of a CP model must be a matrix with 3 columns, one for each weight. Got shape (8, 2).",
            ),
        ]
    ),
    ("a second positional argument", lambda: estimate_rank(X, [1], ALS()), TypeError, "positional"),
]

# ---

REFUSALS = [
    *SELECTION_AND_SCORES,
    *PLOTS,
    *TENSORS,
    *SOLVERS_AND_HOLDOUTS,
    *STORE_AND_COMMAND,
    *DOOR_AND_ESTIMATE,
]


@pytest.mark.parametrize(("call", "kind", "sentence"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS])
def test_a_wrong_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
