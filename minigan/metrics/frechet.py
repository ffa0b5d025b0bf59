"""The Frechet distance between two clouds of features, taken as Gaussians."""

from typing import Any

import numpy as np

from .rows import both


def frechet_distance(real: Any, fake: Any) -> float:
    r"""d^2 = |m - m'|^2 + tr(S + S' - 2 (S^1/2 S' S^1/2)^1/2),  means m, m' and covariances S, S' (divided by n - 1).

    real: (n, d)   fake: (n', d), features; further axes are flattened

    The squared 2-Wasserstein distance between the Gaussians of these means and covariances (Dowson and Landau 1982),
    which Heusel et al. 2017 (arXiv:1706.08500) took of Inception's features. It is biased: with fewer samples it is
    larger, by about 1 / n. So compare numbers of the same n, and beside them that of two halves of the real samples;
    n should be ten times d at least.

    With roots R and R' of the covariances, symmetric, by `eigh`, the last trace is the sum of the singular values of
    R R'. Eigenvalues below 0, which rounding makes, count as 0.
    Raises DataError for fewer than two samples, different features, and numbers that are not finite.
    """
    x, y = both(real, fake)
    covariances = [np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (x, y)]
    root, other = (_root(covariance) for covariance in covariances)
    middle = np.linalg.svd(root @ other, compute_uv=False).sum()
    difference = x.mean(axis=0) - y.mean(axis=0)
    return float(difference @ difference + sum(map(np.trace, covariances)) - 2 * middle)


def _root(covariance: np.ndarray) -> np.ndarray:
    """The symmetric matrix whose square it is."""
    values, vectors = np.linalg.eigh(covariance)
    root: np.ndarray = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return root
