"""What a model leaves: is it noise, by copies with random signs? And of which samples?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autoten._errors import check_mode
from autoten._typing import Array
from autoten.door import data_of, model_of
from autoten.fits import RankFits
from autoten.labels import names_of
from autoten.model import khatri_rao
from autoten.scores.core_consistency import RANK_CUTOFF
from autoten.tensors.tensor import Tensor

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
    """Return what the best model leaves of a block and its terms, in units of noise, 0 where nothing is observed."""
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
    """Return the indices of a small enough block: at random, or the slabs with most of the nonzeros that are listed."""
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


class SampleInfluence(NamedTuple):
    """Leverage and residual of every sample: what `sample_influence` returns.

    Attributes
    ----------
    leverage : array of shape (I,)
        In [0, 1]; the sum is the number of (linearly independent) components. A sample with a leverage near 1 has a
        component to itself.
    residual : array of shape (I,)
        Root mean square of the residuals at a sample's observed cells, in the units of X. Of `weighted` data each
        square counts by its weight, so that samples of precise cells are judged more strictly.
    """

    leverage: Array
    residual: Array


def sample_influence(X: Any, cp: Any, mode: int | str = 0) -> SampleInfluence:
    r"""Return the leverage and the residual of every sample, to be looked at together.

    .. math:: h_i = [A (A^T A)^+ A^T]_{ii}, \qquad e_i = \sqrt{\frac{1}{n_i} \sum_{jk} (x_{ijk} - m_{ijk})^2}

    with A the factor of the sample mode and :math:`n_i` the number of observed cells of sample i. A large residual with
    a small leverage is a sample that the model does not describe; a large leverage with a small residual one that the
    model bends to; both large: look at it first.

    Parameters
    ----------
    X : array_like of shape (I_1, ..., I_N)
        The data; missing cells take no part.
    cp : CP model of the same shape
    mode : int or str
        The mode of the samples, by number, or by name if X or the model is labelled.

    Returns
    -------
    SampleInfluence
        ``leverage`` and ``residual``, one entry per sample.

    Raises
    ------
    ValueError
        If the model has another shape than X, or X no such mode.

    References
    ----------
    Bro (1997), Chemometrics and Intelligent Laboratory Systems 38, 149-171; Cook & Weisberg (1982), Residuals and
    Influence in Regression (leverage).

    Examples
    --------
    >>> from autoten import fit_parafac
    >>> from autoten.datasets import load_amino_acids
    >>> X = load_amino_acids().X
    >>> influence = sample_influence(X, fit_parafac(X, 3, random_state=0).model)
    >>> influence.leverage.round(1).tolist()  # three pure substances, two mixtures
    [0.8, 0.9, 0.8, 0.3, 0.2]
    """
    data = data_of(X)
    tensor, labels = data.tensor, data.labels
    model = model_of(tensor, cp)
    mode = check_mode(mode, len(tensor.shape), "mode of sample_influence", names_of(labels or model.labels))
    residual = np.empty(tensor.shape[mode])
    for sample in range(tensor.shape[mode]):
        slab = [np.array([sample]) if n == mode else np.arange(length) for n, length in enumerate(tensor.shape)]
        part = tensor.sub(slab)
        squared_error = part.squared_error(model.rows(slab).folded())
        residual[sample] = np.sqrt(max(squared_error, 0.0) / part.n_observed)
    return SampleInfluence(_leverage(model.factors[mode]), residual * tensor.scale)


def _leverage(factor: Array) -> Array:
    if not factor.shape[1]:
        return np.zeros(len(factor))
    u, s, _ = np.linalg.svd(factor, full_matrices=False)
    return np.asarray(np.square(u[:, s > RANK_CUTOFF * s[0]]).sum(axis=1))
