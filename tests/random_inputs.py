"""Random inputs of every kind, and what may come of them: a finite answer, or one sentence that refuses them.

    python tests/random_inputs.py --n 10000 --seed 0    # prints each failure, and how to repeat it
    python tests/random_inputs.py --seed 0 --only 1234  # that one alone

`drawn` makes the input of a seed and a number, `failure` says what is wrong with what the package makes of it.
"""

import argparse
import json
import sys
import tempfile
import traceback
import warnings
from inspect import isabstract
from math import prod
from pathlib import Path
from typing import NamedTuple

import dask.array as da
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import scipy.sparse
import xarray as xr

import autoten
from autoten import preprocess, selection

mpl.use("Agg")

PACKAGE = str(Path(autoten.__file__).parent)

# A long mode leaves room for few cells of the others: an input is judged in a fraction of a second.
LONG, MOST_CELLS = (65, 200), 1500

# Every so many-th answer is drawn and written as a web page, which takes longer than the estimate.
DRAWN = 40


class Drawn(NamedTuple):
    """An input: how X is made (which may be refused, too), the arguments beside it, and both in words."""

    X: object
    arguments: dict
    words: str


# ------------------------------------------------------------------------------------------------------------- tensors


def random_shape(rng):
    """Return two to five modes of up to nine, one of them long now and then; too short ones are rare."""
    n_modes = int(rng.choice([2, 3, 4, 5], p=[0.02, 0.6, 0.28, 0.1]))
    shape = [int(rng.choice([1, rng.integers(2, 10)], p=[0.01, 0.99])) for _ in range(n_modes)]
    if rng.random() < 0.15:
        shape[rng.integers(n_modes)] = int(rng.integers(*LONG))
    while prod(shape) > MOST_CELLS:
        short = [mode for mode in range(n_modes) if 2 < shape[mode] < LONG[0]] or range(n_modes)
        shape[max(short, key=lambda mode: shape[mode])] //= 2
    return tuple(shape)


def components(rng, shape):
    factor = rng.gamma if rng.random() < 0.5 else lambda _, size: rng.standard_normal(size)
    X = np.zeros(shape)
    for _ in range(rng.integers(1, 5)):
        component = np.ones(())
        for length in shape:
            component = np.multiply.outer(component, factor(1.0, length))
        X += component
    return X


def noisy(rng, shape):
    return components(rng, shape) + 10.0 ** rng.uniform(-6, 0) * rng.standard_normal(shape)


def one_cell(rng, shape):
    X = np.zeros(shape)
    X.flat[rng.integers(X.size)] = 10.0 ** rng.uniform(-5, 5)
    return X


def outliers(rng, shape):
    X = noisy(rng, shape)
    X.flat[rng.integers(X.size, size=3)] *= 10.0 ** rng.uniform(1, 9)
    return X


def duplicates(rng, shape):
    mode = int(rng.integers(len(shape)))
    return np.take(noisy(rng, shape), rng.integers(shape[mode], size=shape[mode]), axis=mode)


def integers(rng, shape):
    dtype = np.dtype(str(rng.choice(["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])))
    largest = np.iinfo(dtype).max if rng.random() < 0.3 else min(100, np.iinfo(dtype).max)
    lowest = 0 if dtype.kind == "u" or rng.random() < 0.7 else -largest
    return rng.integers(lowest, largest, size=shape, dtype=dtype, endpoint=True)


def extreme(rng, shape):
    with np.errstate(over="ignore"):
        return noisy(rng, shape) * 10.0 ** float(rng.choice([-308, -300, -200, -160, 150, 200, 300, 307]))


KINDS = {
    "noise": lambda rng, shape: rng.standard_normal(shape),
    "noisy components": noisy,
    "positive": lambda rng, shape: np.abs(noisy(rng, shape)),
    "negative": lambda rng, shape: -np.abs(noisy(rng, shape)),
    "exact components": components,
    "offset": lambda rng, shape: noisy(rng, shape) + 10.0 ** rng.uniform(1, 8),
    "zeros": lambda rng, shape: np.zeros(shape),
    "a constant": lambda rng, shape: np.full(shape, 10.0 ** rng.uniform(-3, 3)),
    "a ramp": lambda rng, shape: np.arange(float(prod(shape))).reshape(shape),
    "one cell": one_cell,
    "outliers": outliers,
    "duplicates": duplicates,
    "counts": lambda rng, shape: rng.poisson(10.0 ** rng.uniform(-2, 2) * np.abs(components(rng, shape))),
    "integers": integers,
    "booleans": lambda rng, shape: rng.random(shape) < rng.choice([0.05, 0.5, 0.95]),
    "half precision": lambda rng, shape: noisy(rng, shape).astype("f2"),
    "single precision": lambda rng, shape: noisy(rng, shape).astype("f4"),
    "extreme": extreme,
    # Magnitudes over many decades in one tensor.
    "spread": lambda rng, shape: rng.choice([-1.0, 1.0], shape) * 10.0 ** rng.uniform(-30, 30, shape),
    "complex": lambda rng, shape: noisy(rng, shape) + 1j,
}
WEIGHTS = {"noisy components": 6, "positive": 3, "counts": 3, "complex": 0.2}


def with_gaps(rng, X):
    """Return X with NaN: scattered cells, nearly all, fibres, a slab, the ends of trials, all beyond a diagonal."""
    kinds = ["scattered", "most", "fibres", "slab", "ragged", "triangle"]
    kind = str(rng.choice(kinds, p=[0.4, 0.2, 0.15, 0.05, 0.1, 0.1]))
    missing = rng.random(X.shape) < (rng.uniform(0.7, 0.97) if kind == "most" else rng.uniform(0.0, 0.7))
    mode = int(rng.integers(X.ndim))
    if kind == "fibres":
        missing = np.take(missing, [0], axis=mode)
    elif kind == "slab":
        missing[(slice(None),) * mode + (int(rng.integers(X.shape[mode])),)] = True
    elif kind == "ragged":
        ends = rng.integers(1, X.shape[-1] + 1, X.shape[0]).reshape((-1,) + (1,) * (X.ndim - 1))
        missing = np.arange(X.shape[-1]) >= ends
    elif kind == "triangle":
        one, other = (np.arange(length) / length for length in X.shape[-2:])
        missing = one[:, None] < other - rng.uniform(0, 0.7)
    return np.where(missing, np.nan, X), f"NaN ({kind}, {missing.mean():.0%})"


def with_infinity(rng, X):
    X = X.astype(float)
    X.flat[rng.integers(X.size)] = float(rng.choice([np.inf, -np.inf]))
    return X, "an infinity"


def read_only(X):
    X.setflags(write=False)
    return X


LAYOUTS = {
    "reversed": lambda X: X[::-1],
    "Fortran": np.asfortranarray,
    "every other": lambda X: np.repeat(X, 2, axis=0)[::2],
    "big-endian": lambda X: X.astype(X.dtype.newbyteorder(">")),
    "transposed": np.transpose,
    "broadcast": lambda X: np.broadcast_to(X[:1], X.shape),
    "read-only": read_only,
}


def laid_out(rng, X):
    kind = str(rng.choice(list(LAYOUTS)))
    return LAYOUTS[kind](X), kind


def sparse_of(X):
    return scipy.sparse.coo_array(np.asarray(X, dtype=X.dtype.newbyteorder("=")))


def data_array(X):
    coords = {"mode_1": [f"sample {n}" for n in range(X.shape[1])], "mode_0": np.arange(X.shape[0]) / 7}
    return xr.DataArray(X, dims=[f"mode_{n}" for n in range(X.ndim)], coords=coords)


def series(X):
    index = pd.MultiIndex.from_product([range(length) for length in X.shape], names=[f"m{n}" for n in range(X.ndim)])
    return pd.Series(X.astype(X.dtype.newbyteorder("=")).ravel(), index=index).dropna()


def wrapped(rng, X):
    """Return how X is given (what the package takes in place of an array), in words, and across what it is centred."""
    mode = int(rng.integers(X.ndim))
    modes = (mode,) if rng.random() < 0.5 else tuple({mode, int(rng.integers(X.ndim))})
    observed = rng.random(X.shape) < 0.8
    noise = 10.0 ** rng.uniform(-1, 1, [length if n == mode else 1 for n, length in enumerate(X.shape)])
    kept = np.where(rng.random(X.shape) < rng.uniform(0.02, 1.0), X, 0) if X.dtype.kind == "f" else X
    forms = {
        "array": (0.5, lambda: X),
        "masked": (0.05, lambda: autoten.masked(X, observed)),
        "weighted": (0.1, lambda: autoten.weighted(X, noise)),
        "centred": (0.06, lambda: preprocess.center(X, modes)),
        "scaled": (0.06, lambda: preprocess.scale(X, modes)),
        "DataArray": (0.06, lambda: data_array(X)),
        "list": (0.02, X.tolist),
        "dask": (0.06, lambda: da.from_array(X, chunks=int(rng.integers(1, 9)))),
    }
    if X.dtype.kind != "c" and X.dtype.itemsize > 2:
        forms["sparse"] = 0.1, lambda: sparse_of(kept)
    if X.dtype.kind in "fiu" and X.dtype.itemsize > 2:
        forms["Series"] = 0.05, lambda: series(X)
    shares = np.array([share for share, _ in forms.values()])
    kind = str(rng.choice(list(forms), p=shares / shares.sum()))
    said = f"{kind} {modes}" if kind in ("centred", "scaled") else kind
    return forms[kind][1], said, modes if kind == "centred" else ()


# ------------------------------------------------------------------------------------------------------------- options


def random_solver(rng, ndim, nonnegative):
    def one(name):
        options = {"max_iter": int(rng.choice([1, 2, 5, 15, 40]))}
        if rng.random() < 0.2:
            options["tol"] = float(rng.choice([1e-12, 1e-3, 0.5]))
        if name == "HALS" and rng.random() < 0.3:
            options["nonnegative"] = tuple(sorted({int(mode) for mode in rng.integers(ndim, size=2)}))
        return getattr(autoten, name)(**options)

    names = rng.choice(["ALS", "HALS", "KL"], size=3, p=[0.6, 0.31, 0.09] if nonnegative else [0.7, 0.27, 0.03])
    if rng.random() < 0.9:
        return one(str(names[0]))
    return tuple(one(str(name)) for name in names[: rng.integers(1, 4)])


def random_holdout(rng, ndim, counts, centred):
    share = float(rng.choice([0.01, 0.1, 0.3, 0.5]))
    simple = [autoten.RandomElements(share), autoten.RandomFibres(int(rng.integers(-ndim, ndim)), share)]
    blocks = autoten.Blocks(share, contiguous=bool(rng.random() < 0.5))
    inside = autoten.Centred(simple[rng.integers(2)], centred or int(rng.integers(ndim)))
    chances = np.array([0.4, 0.2, 0.2, 0.3 if counts else 0.01, 0.5 if centred else 0.01])
    return [*simple, blocks, autoten.CountSplit(share), inside][rng.choice(5, p=chances / chances.sum())]


def random_ranks(rng):
    kind = rng.choice(["range", "int", "list", "default"], p=[0.62, 0.15, 0.2, 0.03])
    if kind == "int":
        return int(rng.integers(1, 5))
    if kind == "list":
        return sorted({int(rank) for rank in rng.integers(1, 8, size=3)})
    return range(1, int(rng.integers(2, 6))) if kind == "range" else None


RULES = [rule for rule in vars(selection).values() if isinstance(rule, type) and "__call__" in dir(rule)]
POLICIES = [rule for rule in RULES if not isabstract(rule)]


def random_arguments(rng, X, centred):
    """Return the other arguments; what does not suit X is rare, so that most inputs get an answer."""
    seen = X[np.isfinite(X)]
    nonnegative = X.dtype.kind != "c" and bool((seen >= 0).all()) and not centred
    arguments = {
        "solver": random_solver(rng, X.ndim, nonnegative),
        "holdout": random_holdout(rng, X.ndim, nonnegative and bool((seen == np.round(seen)).all()), centred),
        "n_starts": int(rng.integers(1, 3)),
        "n_folds": int(rng.integers(2, 4)),
        "random_state": int(rng.integers(1000)),
        "ranks": random_ranks(rng),
    }
    if rng.random() < 0.3:
        arguments["policy"] = POLICIES[rng.integers(len(POLICIES))]()
    if rng.random() < 0.15:
        arguments["parts"] = autoten.Parts(10.0 ** rng.uniform(-4, -1.8), int(rng.integers(3)))
    return arguments


def drawn(seed, number):
    """Return an input; the same one for the same seed and number."""
    rng = np.random.default_rng([seed, number])
    shape = random_shape(rng)
    weights = np.array([WEIGHTS.get(name, 1.0) for name in KINDS])
    kind = str(rng.choice(list(KINDS), p=weights / weights.sum()))
    X, words = KINDS[kind](rng, shape), [f"{kind} {shape}"]
    changes = [with_gaps] * bool(rng.random() < 0.35 and X.dtype.kind in "fiub")
    changes += [with_infinity] * bool(rng.random() < 0.01 and X.dtype.kind in "fiub")
    changes += [laid_out] * bool(rng.random() < 0.2)
    for change in changes:
        X, said = change(rng, X)
        words.append(said)
    made, said, centred = wrapped(rng, X)
    arguments = random_arguments(rng, X, centred)
    words += [said, ", ".join(f"{name}={value!r}" for name, value in arguments.items())]
    return Drawn(made, arguments, "; ".join(words))


# --------------------------------------------------------------------------------------------------------------- judge


def failure(one, *, shown=False):
    """Return what is wrong with what comes of an input, None if nothing is; `shown`: draw it and write a page, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = wrong_answer(autoten.estimate_rank(one.X(), **one.arguments), shown)
        except (ValueError, TypeError) as refusal:
            found = wrong_refusal(refusal)
        except Exception as error:  # noqa: BLE001 (whatever it is, it should not be)
            found = in_words(error)
    stray = [w for w in caught if not issubclass(w.category, autoten.AutotenWarning)]
    if found is None and stray:
        return f"{stray[0].category.__name__}: {stray[0].message} ({stray[0].filename}:{stray[0].lineno})"
    return found


def wrong_refusal(refusal):
    """Return what is wrong with a refusal; ours say ``<what> must be <expected>. Got <got>. <remedy>``."""
    raised_in = traceback.extract_tb(refusal.__traceback__)[-1].filename
    sentence = str(refusal)
    ours = raised_in.startswith(PACKAGE) and " must be " in sentence and ". Got " in sentence
    return None if ours and "\n" not in sentence else in_words(refusal)


def in_words(error):
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(PACKAGE)]
    where = " < ".join(f"{Path(frame.filename).stem}:{frame.lineno}" for frame in reversed(frames[-3:]))
    return f"{type(error).__name__}: {error} ({where})"


def wrong_answer(estimate, shown):
    for each in (estimate, *estimate.by_solver.values()):
        for name, is_right in CHECKS.items():
            if not is_right(each):
                return f"{name}: rank {each.rank} of {each.table.ranks.tolist()}, {dict(each.probabilities)}"
    if shown:
        with tempfile.TemporaryDirectory() as folder:
            estimate.plot(Path(folder) / "overview.png")
            estimate.to_html(Path(folder) / "page.html")
        plt.close("all")
    return None


def parts(models):
    return (part for model in models.values() for part in (model.weights, *model.factors))


CHECKS = {
    "a rank outside the table": lambda e: e.rank in e.table.ranks and e.table.complete,
    "probabilities that do not add up to 1": lambda e: abs(sum(e.probabilities.values()) - 1.0) < 1e-9,
    "a negative probability": lambda e: min(e.probabilities.values()) >= 0.0,
    "a model that is not finite": lambda e: all(np.isfinite(part).all() for part in parts(e.models)),
    "an infinite score": lambda e: not any(np.isinf(e.table[name]).any() for name in e.table.replicates),
    "a warning that is no sentence": lambda e: all(
        text[0].isupper() and text.endswith((".", ".)")) and "\n" not in text for text in e.warnings
    ),
    "nan in the words": lambda e: " nan" not in f"{e.reason} {e.warnings}",
    "an empty report": lambda e: e.report().startswith(f"Estimated rank: {e.rank}"),
    "broken JSON": lambda e: bool(json.loads(e.to_json())),
}


# -------------------------------------------------------------------------------------------------------- command line


def main():
    """Judge many inputs; the exit status is 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1000, help="how many inputs")
    parser.add_argument("--first", type=int, default=0, help="the number of the first of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="NUMBER", help="this input alone, always drawn")
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.n) if options.only is None else [options.only]
    failed = 0
    for number in numbers:
        one = drawn(options.seed, number)
        found = failure(one, shown=number % DRAWN == 0 or options.only is not None)
        if found is not None or options.only is not None:
            print(f"--seed {options.seed} --only {number}: {found}\n    {one.words}", flush=True)
        failed += found is not None
    print(f"{len(numbers)} inputs, {failed} failures")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
