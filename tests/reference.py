"""Slow, obvious, independent definitions: what the fast code must agree with.

Nothing here imports autoten. Tensors are dense arrays in which NaN marks an unobserved cell; a CP model is a list of
factor matrices (weights folded in, or given apart). Unfoldings are in C order: of the remaining modes the last index
runs fastest, and Khatri-Rao and Kronecker products are ordered alike.
"""

import itertools
import string

import numpy as np
import scipy.optimize

# ---------------------------------------------------------------------------------------------------- products


def unfold(X, mode):
    """Return the matrix whose rows are the entries with a given index of `mode`, shape (I_mode, product of others)."""
    others = [range(length) for n, length in enumerate(X.shape) if n != mode]
    matrix = np.empty((X.shape[mode], int(np.prod([len(other) for other in others]))))
    for i in range(X.shape[mode]):
        for column, rest in enumerate(itertools.product(*others)):
            matrix[i, column] = X[(*rest[:mode], i, *rest[mode:])]
    return matrix


def kronecker(matrices):
    """Return the Kronecker product, entry by entry."""
    rows = list(itertools.product(*(range(len(matrix)) for matrix in matrices)))
    columns = list(itertools.product(*(range(matrix.shape[1]) for matrix in matrices)))
    product = np.empty((len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            product[i, j] = np.prod(
                [matrix[index] for matrix, index in zip(matrices, zip(row, column, strict=True), strict=True)]
            )
    return product


def khatri_rao(matrices):
    """Return the column-wise Kronecker product."""
    rank = matrices[0].shape[1]
    return np.hstack([kronecker([matrix[:, [r]] for matrix in matrices]) for r in range(rank)])


def cp_tensor(factors, weights=None):
    """Return the tensor of a CP model as a sum of outer products."""
    rank = factors[0].shape[1]
    X = np.zeros([len(factor) for factor in factors])
    for r in range(rank):
        term = np.array(1.0 if weights is None else weights[r], dtype=float)
        for factor in factors:
            term = np.multiply.outer(term, factor[:, r])
        X += term
    return X


def tucker_tensor(core, factors):
    """Return the tensor of a Tucker model by one einsum."""
    small, large = string.ascii_lowercase[: core.ndim], string.ascii_uppercase[: core.ndim]
    pairs = ",".join(f"{i}{r}" for i, r in zip(large, small, strict=True))
    return np.einsum(f"{small},{pairs}->{large}", core, *factors)


# ------------------------------------------------------------------------------------- what solvers are made of


def mttkrp(X, factors, mode):
    """Return the matricised tensor times Khatri-Rao product over observed cells, shape (I_mode, R), by one einsum."""
    letters = string.ascii_lowercase[: X.ndim]
    others = [n for n in range(X.ndim) if n != mode]
    terms = ",".join([letters, *(f"{letters[n]}z" for n in others)])
    return np.einsum(f"{terms}->{letters[mode]}z", np.where(np.isnan(X), 0.0, X), *(factors[n] for n in others))


def normal_equations(X, factors, mode, cell_weights=None):
    """Return for each row of factor `mode` its Gram matrix (I, R, R) and right-hand side (I, R), cell by cell."""
    cell_weights = np.ones(X.shape) if cell_weights is None else cell_weights
    rank = factors[0].shape[1]
    grams = np.zeros((X.shape[mode], rank, rank))
    right = np.zeros((X.shape[mode], rank))
    for cell in np.argwhere(~np.isnan(X)):
        row = np.ones(rank)
        for n, factor in enumerate(factors):
            if n != mode:
                row = row * factor[cell[n]]
        grams[cell[mode]] += cell_weights[tuple(cell)] * np.outer(row, row)
        right[cell[mode]] += cell_weights[tuple(cell)] * X[tuple(cell)] * row
    return grams, right


def loss(X, factors, weights=None, cell_weights=None):
    """Return the (weighted) sum of squared residuals over observed cells."""
    model = cp_tensor(factors, weights)
    cell_weights = np.ones(X.shape) if cell_weights is None else cell_weights
    cells = map(tuple, np.argwhere(~np.isnan(X)))
    return float(sum(cell_weights[cell] * (X[cell] - model[cell]) ** 2 for cell in cells))


def deviance(X, factors, weights=None):
    """Return the Poisson deviance of the observed cells, cell by cell."""
    model = cp_tensor(factors, weights)
    total = 0.0
    for cell in map(tuple, np.argwhere(~np.isnan(X))):
        x, m = X[cell], model[cell]
        total += 2 * (m - x + (x * np.log(x / m) if x else 0.0))
    return float(total)


def null_deviance(X):
    """Return the Poisson deviance of the observed cells from their mean."""
    constant = [np.ones((length, 1)) for length in X.shape]
    return deviance(X, constant, [np.nanmean(X)])


def als(X, start, n_sweeps):
    """Return factors after `n_sweeps` of alternating least squares from `start`, and the loss after each sweep.

    Every row is the least-squares regression of its observed cells on the rows of the Khatri-Rao product of the other
    factors: with nothing missing the textbook algorithm, and exact with missing cells too.
    """
    factors = [np.array(factor, dtype=float) for factor in start]
    losses = []
    for _ in range(n_sweeps):
        for mode in range(X.ndim):
            design = khatri_rao([factor for n, factor in enumerate(factors) if n != mode])
            for i, row in enumerate(unfold(X, mode)):
                seen = ~np.isnan(row)
                factors[mode][i] = np.linalg.lstsq(design[seen], row[seen])[0]
        losses.append(loss(X, factors))
    return factors, losses


def poisson_sweep(X, start):
    """Return factors after one sweep of row-wise Newton steps: each to the nonnegative minimum of the quadratic model.

    Where the deviance would rise, the row takes a multiplicative step (Chi & Kolda 2012).
    """
    factors = [np.array(factor, dtype=float) for factor in start]
    for mode in range(X.ndim):
        design = khatri_rao([factor for n, factor in enumerate(factors) if n != mode])
        for i, cells in enumerate(unfold(X, mode)):
            seen = ~np.isnan(cells)
            factors[mode][i] = poisson_row(cells[seen], design[seen], factors[mode][i])
    return factors


def poisson_row(counts, design, row):
    """Return one row after its step."""

    hit = counts > 0

    def loss(row):
        rates = design @ row
        return np.inf if (rates[hit] <= 0).any() else rates.sum() - counts[hit] @ np.log(rates[hit])

    rates, sums = design[hit] @ row, design.sum(axis=0)
    slopes = design[hit].T @ (counts[hit] / rates)
    curvatures = (design[hit] * (counts[hit] / rates**2)[:, None]).T @ design[hit]
    # a' H a / 2 - b' a is |L' a - L^-1 b|^2 / 2 with H = L L'.
    lower = np.linalg.cholesky(curvatures)
    moved, _ = scipy.optimize.nnls(lower.T, np.linalg.solve(lower, curvatures @ row + slopes - sums))
    return moved if loss(moved) <= loss(row) else row * slopes / sums


# ----------------------------------------------------------------------------------------------- core consistency


def least_squares_core(X, factors, cell_weights=None, of_model=0.0):
    """Return the (smallest) core that fits the observed cells best, by least squares on the Kronecker product.

    In every cell, what the model says counts beside X as `of_model` times the share of observed cells.
    """
    rank = factors[0].shape[1]
    observed = ~np.isnan(X).ravel()
    roots = np.sqrt(np.ones(X.shape) if cell_weights is None else cell_weights).ravel()[observed]
    design, kept = kronecker(factors), np.sqrt(of_model * observed.mean())
    model = design @ superdiagonal(rank, X.ndim).ravel()
    rows = np.vstack([roots[:, None] * design[observed], kept * design])
    core = np.linalg.lstsq(rows, np.concatenate([roots * X.ravel()[observed], kept * model]))[0]
    return core.reshape((rank,) * X.ndim)


def superdiagonal(rank, ndim):
    """Return the core of a CP model: ones where all indices agree, zeros elsewhere."""
    core = np.zeros((rank,) * ndim)
    for r in range(rank):
        core[(r,) * ndim] = 1.0
    return core


def core_consistency(X, factors, weights=None):
    """Return 100 (1 - |G - T|^2 / F) (Bro & Kiers 2003)."""
    rank = factors[0].shape[1]
    folded = [factors[0] * (1.0 if weights is None else weights), *factors[1:]]
    core = least_squares_core(X, folded, of_model=1e-3 if np.isnan(X).any() else 0.0)
    return float(100 * (1 - np.sum((core - superdiagonal(rank, X.ndim)) ** 2) / rank))


def nonnegative_core(X, factors):
    """Return the nonnegative core that fits the observed cells best, by scipy on the Kronecker product."""
    observed = ~np.isnan(X).ravel()
    core, _ = scipy.optimize.nnls(kronecker(factors)[observed], X.ravel()[observed])
    return core.reshape((factors[0].shape[1],) * X.ndim)


def kl_core(X, factors, start, n_steps, *, divide_once=False):
    """Return the core after multiplicative steps on the Kronecker product over observed cells.

    `divide_once` is the published recipe: it leaves out the division by the column sums until after the last step.
    """
    observed = ~np.isnan(X).ravel()
    design, counts, core = kronecker(factors)[observed], X.ravel()[observed], start.ravel().copy()
    sums = design.sum(axis=0)
    for _ in range(n_steps):
        core = core * (design.T @ (counts / (design @ core)))
        if not divide_once:
            core = core / sums
    return (core / sums if divide_once else core).reshape(start.shape)


def attainable_core_consistency(factors):
    """Return the ceiling: the core consistency of a tensor that these factors model without error."""
    return core_consistency(cp_tensor(factors), factors)


# ----------------------------------------------------------------------------------------------- comparing


def factor_match_score(a, b):
    """Return the best mean product of absolute cosines, trying every matching of the smaller model's components."""
    if a[0].shape[1] > b[0].shape[1]:
        a, b = b, a
    scores = []
    for chosen in itertools.permutations(range(b[0].shape[1]), a[0].shape[1]):
        products = []
        for r, s in enumerate(chosen):
            cosines = [
                abs(left[:, r] @ right[:, s]) / (np.linalg.norm(left[:, r]) * np.linalg.norm(right[:, s]))
                for left, right in zip(a, b, strict=True)
            ]
            products.append(np.prod(cosines))
        scores.append(np.mean(products))
    return float(max(scores))


# --------------------------------------------------------------------------------------- tensors of known rank


def matrix_multiplication_tensor():
    """Return the tensor of 2 x 2 matrix multiplication, 4 x 4 x 4, of rank 7 (Winograd 1971), border rank 7.

    ``sum_{ab} X[a, b, c] A.ravel()[a] B.ravel()[b] = (A @ B).ravel()[c]``.
    """
    X = np.zeros((4, 4, 4))
    for i, j, k in itertools.product(range(2), repeat=3):
        X[2 * i + j, 2 * j + k, 2 * i + k] = 1.0
    return X


def strassen_factors():
    """Return an exact rank-7 decomposition of `matrix_multiplication_tensor` (Strassen 1969): one column a product.

    Columns: (a11+a22)(b11+b22), (a21+a22)b11, a11(b12-b22), a22(b21-b11), (a11+a12)b22, (a21-a11)(b11+b12),
    (a12-a22)(b21+b22); rows: the entries 11, 12, 21, 22 of A, of B and of their product.
    """
    a = [[1, 0, 1, 0, 1, -1, 0], [0, 0, 0, 0, 1, 0, 1], [0, 1, 0, 0, 0, 1, 0], [1, 1, 0, 1, 0, 0, -1]]
    b = [[1, 1, 0, -1, 0, 1, 0], [0, 0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0, 1], [1, 0, -1, 0, 1, 0, 1]]
    c = [[1, 0, 0, 1, -1, 0, 1], [0, 0, 1, 0, 1, 0, 0], [0, 1, 0, 1, 0, 0, 0], [1, -1, 1, 0, 0, 1, 0]]
    return [np.array(matrix, dtype=float) for matrix in (a, b, c)]


def w_tensor():
    """Return the W state, 2 x 2 x 2: rank 3, but tensors of rank 2 come as close to it as one likes (border rank 2)."""
    X = np.zeros((2, 2, 2))
    X[0, 0, 1] = X[0, 1, 0] = X[1, 0, 0] = 1.0
    return X


def w_approximation(n):
    """Return factors of a rank-2 tensor at distance O(1/n) of `w_tensor`: a degenerate pair when n is large.

    ``n (e0 + e1/n)^{x3} - n e0^{x3}``.
    """
    plus, minus = np.array([1.0, 1 / n]), np.array([1.0, 0.0])
    both = np.column_stack([plus, minus])
    return [both * np.array([n, -n]), both, both]
