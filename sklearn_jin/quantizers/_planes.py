"""Quantizers whose codes are planes of numbers, then float32 factors of the row."""

import numpy as np

from sklearn_jin._arrays import Float32
from sklearn_jin.quantizers._base import Quantizer

FLOAT = 4  # bytes


class PlanesQuantizer(Quantizer):
    """A quantizer with ``_segments``, pairs (numbers, bits), and ``center_``.

    The rest of a code, ``n_bytes_`` less the planes, is factors.
    """

    _learned = {"center_": Float32[1]}

    @property
    def _n_planes_bytes(self):
        from sklearn_jin.points.packing import plane_bytes

        return sum(plane_bytes(d, bits) for d, bits in self._segments)

    def _join(self, numbers, factors):
        """Codes of numbers (n, D), uint8, and factors (n, n_factors), float32."""
        from sklearn_jin.points.packing import pack_planes

        parts, start = [], 0
        for d, bits in self._segments:
            parts.append(pack_planes(numbers[:, start : start + d], bits))
            start += d
        factors = np.ascontiguousarray(factors, np.float32)
        return np.hstack([*parts, factors.view(np.uint8)])

    def _split(self, codes):
        """What ``_join`` was given."""
        from sklearn_jin.points.packing import plane_bytes, unpack_planes

        parts, at = [], 0
        for d, bits in self._segments:
            size = plane_bytes(d, bits)
            parts.append(unpack_planes(codes[:, at : at + size], bits, d))
            at += size
        return np.hstack(parts), np.ascontiguousarray(codes[:, at:]).view(np.float32)

    def _record(self, codes, space, n_scales=1, err=False, **learned):
        """The record of codes whose factors are add, scales and perhaps err.

        Factors are those of the squared distance: the inner product needs no
        ``add``, and half of the others.
        """
        from sklearn_jin.points.planes import planes

        half, at = space == "ip", self._n_planes_bytes
        return planes(
            codes,
            self._segments,
            self.center_,
            space,
            factors=(
                -1 if half else at,
                at + FLOAT,
                at + FLOAT * (1 + n_scales) if err else -1,
            ),
            scales=np.full(n_scales, 0.5 if half else 1.0),
            **learned,
        )


def center_of(X):
    """Means of the columns, float32; of a constant one that very number."""
    return X.mean(axis=0, dtype=np.float64).astype(np.float32)


def middle_of(bits):
    """What is taken from a number of ``bits`` bits, so that the mean is 0."""
    return ((1 << bits) - 1) / 2
