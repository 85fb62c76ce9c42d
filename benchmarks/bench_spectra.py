"""Fluorescence whose cells below the excitation line are missing, against the same tensors complete.

python benchmarks/bench_spectra.py          # twenty mixtures of three to five fluorophores, into results/spectra.json
python benchmarks/bench_spectra.py --smoke
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from measure import write_result
from numpy.typing import NDArray

from autoten import estimate_rank

N_MIXTURES = 20


def mixture(seed: int) -> tuple[NDArray[Any], NDArray[np.bool_], int]:
    """Return a complete tensor (samples, emission, excitation), what is seen of it, and its number of fluorophores."""
    rng = np.random.default_rng([seed, 15])
    rank = int(rng.integers(3, 6))
    emission = np.arange(rng.uniform(270, 300), rng.uniform(500, 560), rng.choice([5.0, 9.0]))
    excitation = np.arange(rng.uniform(225, 245), rng.uniform(400, 480), rng.choice([5.0, 8.0]))
    peaks = np.sort(rng.uniform(emission[0] + 30, emission[-1] - 80, rank))
    peaks = peaks[0] + np.maximum.accumulate(peaks - peaks[0] + 22.0 * np.arange(rank)) * 0.8
    shifts, widths = rng.uniform(45, 85, rank), rng.uniform(12, 26, (2, rank))
    B = bands(emission, peaks, widths[0] + 8)
    C = bands(excitation, peaks - shifts, widths[1]) + rng.uniform(0.2, 0.5) * bands(
        excitation, peaks - shifts - rng.uniform(40, 70, rank), np.full(rank, 12.0)
    )
    amounts = rng.gamma(3.0, 1.0, (int(rng.integers(15, 30)), rank))
    signal = np.einsum("ir,jr,kr->ijk", amounts, B, C / C.max(axis=0))
    noise = rng.uniform(0.002, 0.006) * signal.max() * rng.standard_normal(signal.shape)
    seen = np.broadcast_to(emission[:, None] >= excitation + rng.uniform(8, 15), signal.shape)
    return signal + noise, seen, rank


def bands(at: NDArray[Any], middle: NDArray[Any], width: NDArray[Any]) -> NDArray[Any]:
    """Return Gaussian bands, shape (len(at), len(middle))."""
    return np.asarray(np.exp(-0.5 * ((at[:, None] - middle) / width) ** 2))


def main(smoke: bool) -> None:
    """Estimate the rank of every mixture twice."""
    rows = []
    for seed in range(1 if smoke else N_MIXTURES):
        X, seen, rank = mixture(seed)
        complete, masked = (
            estimate_rank(each, range(1, 4 if smoke else 8), random_state=0) for each in (X, np.where(seen, X, np.nan))
        )
        rows.append(
            {
                "seed": seed,
                "shape": X.shape,
                "rank": rank,
                "missing": round(1.0 - float(seen.mean()), 3),
                "complete": complete.rank,
                "masked": masked.rank,
                "probability": round(masked.probabilities[masked.rank], 3),
            }
        )
        print(rows[-1], flush=True)
    print(
        f"complete: {sum(row['complete'] == row['rank'] for row in rows)} of {len(rows)} right; "
        f"masked: {sum(row['masked'] == row['rank'] for row in rows)}"
    )
    if not smoke:
        write_result("spectra", {"mixtures": rows})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true")
    main(parser.parse_args().smoke)
