"""Is anything left but noise? The strongest component of the residual against that of copies with random signs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from autoten.model import khatri_rao

if TYPE_CHECKING:
    from autoten.fits import RankFits
    from autoten.tensors.tensor import Tensor

Array = NDArray[Any]

N_COPIES = 4
POWER_SWEEPS = 10

# Of a larger tensor a block is looked at, so that this evidence costs little beside the fits.
LARGEST_BLOCK = 2**17

# A residual below this share of the sum of squares is rounding.
ROUNDING = 1e-13


def residual_scores(tensor: Tensor, fits: RankFits) -> Mapping[str, Any]:
    r"""Return how the strongest component of the residual stands to noise, and to the components of the best model.

    residual_excess : what it explains against what one does of each copy of the residual with random signs
        .. math:: 2 \log \sigma(E) - 2 \log \sigma(E \circ S_k), \quad \sigma(E) = \max_{|u_n| = 1} \langle E, u_1 \circ
           \dots \circ u_N \rangle

        Parallel analysis (Horn 1965) of what each rank leaves, with signs S drawn anew (Hong, Sheng & Dobriban 2020,
        arXiv 2012.02985): a copy keeps the size of every cell, so also uneven variances and outliers, and loses all
        structure, a mean included. Near 0 where what is left is noise, independent from cell to cell and symmetric
        about zero, however weak the components were; above 0 where components are missing, or where the noise is
        structured. At rank 0 the residual is the data themselves.
    weakest_excess : the log of what the weakest component alone explains against what one explains of such copies
        What no combination of the other components could take over from it.
    residual_likeness : how much the strongest component is like one of the model in all modes but one, -1 to 1
        The product of their cosines in these modes, less that of the copies, which is large where modes are short. What
        bends a component (a shift, say) shares its other modes.

    Of counts the residual is Pearson's, (x - m) / sqrt(m). NaN where nothing is left.
    """
    nothing = dict.fromkeys(("residual_excess", "weakest_excess", "residual_likeness"), float("nan"))
    if tensor.norm_squared == 0.0:
        return nothing
    residual, terms = _residual(tensor, fits)
    size = float(np.linalg.norm(residual))
    if size**2 <= ROUNDING * tensor.norm_squared:
        return nothing
    # The shortest mode last, where the start costs least. Single precision is enough to compare, and twice as fast.
    shortest_last = np.argsort(residual.shape, kind="stable")[::-1]
    residual = np.ascontiguousarray(residual.transpose(shortest_last) / size, dtype=np.float32)
    # The same signs for every rank: what differs between ranks is the residual.
    rng = np.random.default_rng(0)
    copies = [_strongest(_with_random_signs(residual, rng)) for _ in range(N_COPIES)]
    strongest = _strongest(residual)
    model = fits.best.model.rows(_block(tensor)).unit_columns()
    factors = [model.factors[mode] for mode in shortest_last]
    explained, *by_chance = (np.log(norm**2 + ROUNDING) for _, norm in (strongest, *copies))
    alike, *alike_by_chance = (_likeness(vectors, factors) for vectors, _ in (strongest, *copies))
    return {
        "residual_excess": explained - np.array(by_chance),
        "weakest_excess": np.log(_weakest(terms) / size**2 + ROUNDING) - np.mean(by_chance),
        "residual_likeness": alike - np.mean(alike_by_chance),
    }


def _likeness(vectors: Sequence[Array], factors: Sequence[Array]) -> float:
    """Return the largest product of cosines of a component with one of a model in all modes but one; 0 for none."""
    cosines = [np.abs(vector @ factor) for vector, factor in zip(vectors, factors, strict=True)]
    return float(np.prod(np.sort(cosines, axis=0)[1:], axis=0).max(initial=0.0))


def _residual(tensor: Tensor, fits: RankFits) -> tuple[Array, Array]:
    """Return what the best model leaves of the tensor, or of a block of it, and the terms of the model, (cells, R).

    Both in units of the noise that the loss supposes, and 0 where nothing is observed.
    """
    indices = _block(tensor)
    block = tensor.sub(indices) if prod(tensor.shape) > LARGEST_BLOCK else tensor
    everywhere, model = np.arange(prod(block.shape)), fits.best.model.rows(indices)
    terms = khatri_rao([model.factors[0] * model.weights, *model.factors[1:]])
    modelled = terms.sum(axis=1)
    residual = block.values_at(everywhere)
    weights: Array | None = None if block.cell_weights is None else np.sqrt(block.cell_weights.reshape(-1))
    if fits.loss is not None:
        mean = tensor.total / tensor.n_observed
        modelled = np.maximum(modelled, fits.loss.floor * mean if model.rank else mean)
        weights = 1.0 / np.sqrt(modelled)
    residual -= modelled
    if weights is not None:
        residual *= weights
        terms *= weights[:, None]
    residual[block.hidden], terms[block.hidden] = 0.0, 0.0
    return residual.reshape(block.shape), terms


def _with_random_signs(residual: Array, rng: np.random.Generator) -> Array:
    bits = np.unpackbits(np.frombuffer(rng.bytes((residual.size + 7) // 8), dtype=np.uint8), count=residual.size)
    return np.where(bits.reshape(residual.shape), -residual, residual)


def _weakest(terms: Array) -> float:
    """Return the smallest sum of squares of a component that no combination of the others explains; NaN of none."""
    if not terms.shape[1]:
        return float("nan")
    gram = terms.T @ terms
    sizes = np.sqrt(np.diag(gram))
    if not sizes.all():
        return 0.0
    # One that others explain wholly has nothing of its own, but for rounding: that is what the limit stands for.
    values, vectors = np.linalg.eigh(gram / np.outer(sizes, sizes))
    return float((sizes**2 / (vectors**2 / np.maximum(values, ROUNDING)).sum(axis=1)).min())


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


def _strongest(residual: Array) -> tuple[Sequence[Array], float]:
    """Return the strongest component that power sweeps find from the spectral start: unit vectors and its norm."""
    vectors: Sequence[Array] = []
    rest = residual
    while rest.ndim > 1:
        rows = rest.reshape(-1, rest.shape[-1])
        vectors = [np.linalg.eigh(rows.T @ rows)[1][:, -1], *vectors]
        rest = rest @ vectors[0]
    vectors, norm = [rest, *vectors], 0.0
    for _ in range(POWER_SWEEPS):
        vectors, norm = _swept(residual, vectors)
    return vectors, norm


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
