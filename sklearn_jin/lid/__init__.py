"""How hard data are to search: intrinsic dimension, hubness, relative contrast.

Dimensions and contrast are those of Euclidean distances, never squared, for squares
would halve every dimension.  All depends on ratios of distances or on counts, so that
scaling the data by a power of two, within float32, changes no digit.  A distance of
zero, which is that of an exact duplicate, tells nothing of a dimension and is left out.
"""

from sklearn_jin.construction.lid import (
    dimensions,
    first_ratios,
    gamma_intervals,
    log_ratios,
    log_sums,
    pool,
    slope,
)
from sklearn_jin.lid._advice import Difficulty, describe_difficulty
from sklearn_jin.lid._estimators import LocalIntrinsicDimensionality, TwoNN
from sklearn_jin.lid._reports import (
    Hubness,
    hubness,
    k_occurrence,
    relative_contrast,
)

__all__ = [
    "Difficulty",
    "Hubness",
    "LocalIntrinsicDimensionality",
    "TwoNN",
    "describe_difficulty",
    "dimensions",
    "first_ratios",
    "gamma_intervals",
    "hubness",
    "k_occurrence",
    "log_ratios",
    "log_sums",
    "pool",
    "relative_contrast",
    "slope",
]
