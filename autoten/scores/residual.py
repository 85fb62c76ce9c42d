"""Is anything left but noise? The strongest component of the residual against that of copies with random signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.cp import CPModel
from autoten.losses import LEAST_SQUARES, loss_of

if TYPE_CHECKING:
    from autoten.fitting import RankFits
    from autoten.tensors.protocol import Tensor

Array = NDArray[Any]

N_COPIES = 4
POWER_SWEEPS = 10

# Of a larger tensor a block is looked at, so that this evidence costs little beside the fits.
LARGEST_BLOCK = 2**17

# A residual below this share of the sum of squares is rounding.
ROUNDING = 1e-13


def residual_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    r"""Return the log ratio of what a component would explain of the residual to what it would of each copy of it.

    .. math:: 2 \log \sigma(E) - 2 \log \sigma(E \circ S_k), \quad \sigma(E) = \max_{|u_n| = 1} \langle E, u_1 \circ
       \dots \circ u_N \rangle

    Parallel analysis (Horn 1965) of what each rank leaves, with signs S drawn anew (Hong, Sheng & Dobriban 2020, arXiv
    2012.02985): a copy keeps the size of every cell, so also uneven variances and outliers, and loses all structure, a
    mean included. Near 0 where what is left is noise, independent from cell to cell and symmetric about zero, however
    weak the components were; above 0 where components are missing, or where the noise is structured. At rank 0 the
    residual is the data themselves. Of counts it is Pearson's, (x - m) / sqrt(m). NaN where nothing is left.
    """
    residual = _residual(tensor, fits)
    size = float(np.linalg.norm(residual))
    if not size**2 > ROUNDING * tensor.norm_squared:
        return {"residual_excess": float("nan")}
    # The shortest mode last, where the start costs least. Single precision is enough to compare, and twice as fast.
    shortest_last = np.argsort(residual.shape, kind="stable")[::-1]
    residual = np.ascontiguousarray(residual.transpose(shortest_last) / size, dtype=np.float32)
    # The same signs for every rank: what differs between ranks is the residual.
    rng = np.random.default_rng(0)
    copies = [
        np.where(rng.integers(2, size=residual.shape, dtype=np.int8), residual, -residual) for _ in range(N_COPIES)
    ]
    strongest, *by_chance = (2.0 * np.log(max(_strongest(each), ROUNDING)) for each in (residual, *copies))
    return {"residual_excess": strongest - np.array(by_chance)}


def _residual(tensor: Tensor, fits: RankFits) -> Array:
    """Return what the best model leaves of the tensor, or of a block of it; 0 where nothing is observed."""
    indices = _block(tensor)
    block = tensor.sub(indices) if prod(tensor.shape) > LARGEST_BLOCK else tensor
    observed = np.delete(np.arange(prod(block.shape)), block.hidden)
    model = fits.best.model.rows(indices)
    poisson = loss_of(fits.solver) != LEAST_SQUARES
    if poisson and model.rank == 0:
        model = CPModel(np.array([tensor.total / tensor.n_observed]), tuple(np.ones((n, 1)) for n in block.shape))
    modelled = model.to_tensor()
    residual = np.zeros(block.shape)
    residual.flat[observed] = block.values_at(observed) - modelled.flat[observed]
    if poisson:
        least = fits.solver.floor * tensor.total / tensor.n_observed  # type: ignore[attr-defined]
        residual /= np.sqrt(np.maximum(modelled, least))
    if block.cell_weights is not None:
        residual *= np.sqrt(block.cell_weights)
    return residual


def _block(tensor: Tensor) -> list[NDArray[np.int64]]:
    """Return the indices of a block of every mode: the longest is halved until it is small enough.

    At random; where zeros are not listed, the slabs with most nonzeros.
    """
    rng, lengths = np.random.default_rng(0), list(tensor.shape)
    while prod(lengths) > LARGEST_BLOCK:
        longest = int(np.argmax(lengths))
        lengths[longest] = -(-lengths[longest] // 2)
    chances = [rng.random(length) for length in tensor.shape]
    if tensor.listed is not None:
        coordinates = np.unravel_index(tensor.listed, tensor.shape)
        chances = [
            np.bincount(at, minlength=n) + c for at, n, c in zip(coordinates, tensor.shape, chances, strict=True)
        ]
    return [np.sort(np.argsort(-chance)[:kept]) for chance, kept in zip(chances, lengths, strict=True)]


def _strongest(residual: Array) -> float:
    """Return the norm of the strongest component that power sweeps find, from the spectral start."""
    vectors: list[Array] = []
    rest = residual
    while rest.ndim > 1:
        rows = rest.reshape(-1, rest.shape[-1])
        vectors.insert(0, np.linalg.eigh(rows.T @ rows)[1][:, -1])
        rest = rest @ vectors[0]
    vectors.insert(0, rest)
    norm = 0.0
    for _ in range(POWER_SWEEPS):
        vectors, norm = _swept(residual, vectors)
    return norm


def _swept(residual: Array, vectors: Sequence[Array]) -> tuple[list[Array], float]:
    """Return unit vectors after one step in every mode, the first mode first, and the norm of their component."""
    if residual.ndim == 1:
        norm = float(np.linalg.norm(residual))
        return [residual / (norm or 1.0)], norm
    others, _ = _swept(residual @ vectors[-1], vectors[:-1])
    weights = others[0]
    for vector in others[1:]:
        weights = np.multiply.outer(weights, vector).ravel()
    last = weights @ residual.reshape(-1, residual.shape[-1])
    norm = float(np.linalg.norm(last))
    return [*others, last / (norm or 1.0)], norm
