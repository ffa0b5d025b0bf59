"""Directions of the noise in which a generator's images change most."""

import math

import numpy as np

from ..generator import classes_of, draw_noise, with_labels
from ..layers import LabelEmbedding
from ..network import Sequential

SAMPLES = 1_000  # noise vectors; of long noise, MORE for each of its numbers
MORE = 4


def directions(G: Sequential, count: int, seed: int = 0) -> np.ndarray:
    """Unit vectors at right angles to each other, the one that moves the first layer most first.    (count, d), float64

    d numbers are in the noise; count is at most d, and is less where the layer has fewer outputs.

    y = z J + b     the outputs of the first layer that multiplies the noise by weights, by least squares over samples
    J = U S V^T     principal directions of y, if z has equal variances: the columns of V, with variances S^2
    u_k             column k of U: z + u_k moves y by S_k v_k, along one principal direction and no other

    After GANSpace (Haerkoenen et al. 2020, arXiv:2004.02546), which takes the principal directions of the
    samples' y, and then finds u_k by least squares. For a layer that is linear, as Dense and convolutions are, both are
    the same, but for the noise of the samples: the least squares come first here, and this is U of the weights.
    """
    z, y = _outputs(G, seed)
    J = np.linalg.pinv(z - z.mean(axis=0)) @ (y - y.mean(axis=0))
    U, S, _ = np.linalg.svd(J, full_matrices=False)
    rank = int((S / max(S[0], 1e-30) > 1e-6).sum())
    found = U[:, : min(rank, count)].T
    largest = found[np.arange(len(found)), abs(found).argmax(axis=1)]
    return found * np.sign(largest)[:, None]  # of two opposite ones, the SVD returns any


def _outputs(G: Sequential, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, and the outputs of the first layer with weights, for class 0 where there are classes.    (n, d), (n, k)"""
    n = max(SAMPLES, MORE * math.prod(G.input_shape))
    z = draw_noise(G, n, seed, "directions", 0)
    y = with_labels(G, z, np.zeros(n, int) if classes_of(G) else None)
    G.discard()
    G.workspace.begin_pass(keep=False)
    for layer in G.layers:
        y = layer.run_forward(y, False)
        if layer.learns and not isinstance(layer, LabelEmbedding):  # which passes the noise on as it is
            break
    host = G.backend.to_host
    return host(z).reshape(n, -1).astype(np.float64), host(y).reshape(n, -1).astype(np.float64)
