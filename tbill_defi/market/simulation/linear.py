"""Small linear algebra that the models share."""

from __future__ import annotations

import numpy as np

from tbill_defi.market.simulation.shapes import Floats

SLOWEST = 0.9997
"""Largest eigenvalue of a day's transition: half of a distance to the mean is gone after nine years at most."""


def persistence(apart: Floats) -> Floats:
    """[n, n] matrix A of the regression apart[t + 1] = A apart[t], by least squares.

    Parameters
    ----------
    apart
        [n_days, n] distances to the mean.
    """
    return np.asarray(np.linalg.lstsq(apart[:-1], apart[1:], rcond=None)[0].T, dtype=np.float64)


def stationary(transition: Floats) -> Floats:
    """The transition with every eigenvalue's size at most `SLOWEST`: a sample's trend is not taken for a law."""
    values, vectors = np.linalg.eig(transition)
    size = np.abs(values)
    bounded = values * np.minimum(1.0, SLOWEST / np.maximum(size, 1e-12))
    found: Floats = np.real(vectors @ np.diag(bounded) @ np.linalg.inv(vectors))
    return found


def factor(covariance: Floats) -> Floats:
    """[n, n] matrix F with F F' = covariance, also where that is singular; each column's largest entry is positive."""
    values, vectors = np.linalg.eigh(covariance)
    found = vectors * np.sqrt(np.maximum(values, 0.0))
    largest = np.take_along_axis(found, np.abs(found).argmax(axis=0)[None], axis=0)
    signed: Floats = found * np.where(largest < 0, -1.0, 1.0)
    return signed


def nearest_covariance(matrix: Floats) -> Floats:
    """The covariance nearest to a symmetric matrix: negative eigenvalues become nothing."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2.0)
    found: Floats = (vectors * np.maximum(values, 0.0)) @ vectors.T
    return found
