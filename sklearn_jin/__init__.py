"""Approximate nearest neighbours that feel like scikit-learn.

Indexes are estimators with ``fit`` and ``kneighbors``, and transformers for
pipelines; quantizers are transformers that make short codes, on which an index
can search.  Importing this package compiles nothing and does not import Numba.
"""

from sklearn_jin._version import __version__
from sklearn_jin._warmup import warmup
from sklearn_jin.graphs import (
    connect_components,
    duplicate_groups,
    rerank_diverse,
    symmetrize,
)
from sklearn_jin.lid import (
    LocalIntrinsicDimensionality,
    TwoNN,
    describe_difficulty,
    hubness,
    k_occurrence,
    relative_contrast,
)
from sklearn_jin.neighbors._auto import AutoNeighbors, AutoTransformer
from sklearn_jin.neighbors._dual import (
    DualBranchHNSWNeighbors,
    DualBranchHNSWTransformer,
)
from sklearn_jin.neighbors._factory import index_factory
from sklearn_jin.neighbors._flat import FlatNeighbors, FlatTransformer
from sklearn_jin.neighbors._hnsw import HNSWNeighbors, HNSWTransformer
from sklearn_jin.neighbors._ivf import IVFNeighbors, IVFTransformer
from sklearn_jin.neighbors._ivfpca import IVFPCANeighbors, IVFPCATransformer
from sklearn_jin.neighbors._ivfpq import IVFPQNeighbors, IVFPQTransformer
from sklearn_jin.neighbors._knn_graph import KNNGraphTransformer
from sklearn_jin.neighbors._metrics import valid_metrics
from sklearn_jin.neighbors._nsw import NSWNeighbors, NSWTransformer
from sklearn_jin.neighbors._scann import ScaNNNeighbors, ScaNNTransformer
from sklearn_jin.neighbors._sng import SNGNeighbors, SNGTransformer
from sklearn_jin.neighbors._vamana import VamanaNeighbors, VamanaTransformer
from sklearn_jin.quantizers._binary import BinaryQuantizer
from sklearn_jin.quantizers._pca import PCAQuantizer
from sklearn_jin.quantizers._product import (
    AnisotropicQuantizer,
    OptimizedProductQuantizer,
    ProductQuantizer,
)
from sklearn_jin.quantizers._rabitq import RaBitQ
from sklearn_jin.quantizers._saq import SAQ
from sklearn_jin.quantizers._scalar import ScalarQuantizer
from sklearn_jin.quantizers._ternary import TernaryQuantizer
from sklearn_jin.storage import load
from sklearn_jin.supervised._classify import ANNClassifier, ANNRadiusClassifier
from sklearn_jin.supervised._impute import ANNImputer
from sklearn_jin.supervised._regress import ANNRadiusRegressor, ANNRegressor

__all__ = [
    "SAQ",
    "ANNClassifier",
    "ANNImputer",
    "ANNRadiusClassifier",
    "ANNRadiusRegressor",
    "ANNRegressor",
    "AnisotropicQuantizer",
    "AutoNeighbors",
    "AutoTransformer",
    "BinaryQuantizer",
    "DualBranchHNSWNeighbors",
    "DualBranchHNSWTransformer",
    "FlatNeighbors",
    "FlatTransformer",
    "HNSWNeighbors",
    "HNSWTransformer",
    "IVFNeighbors",
    "IVFPCANeighbors",
    "IVFPCATransformer",
    "IVFPQNeighbors",
    "IVFPQTransformer",
    "IVFTransformer",
    "KNNGraphTransformer",
    "LocalIntrinsicDimensionality",
    "NSWNeighbors",
    "NSWTransformer",
    "OptimizedProductQuantizer",
    "PCAQuantizer",
    "ProductQuantizer",
    "RaBitQ",
    "SNGNeighbors",
    "SNGTransformer",
    "ScaNNNeighbors",
    "ScaNNTransformer",
    "ScalarQuantizer",
    "TernaryQuantizer",
    "TwoNN",
    "VamanaNeighbors",
    "VamanaTransformer",
    "__version__",
    "connect_components",
    "describe_difficulty",
    "duplicate_groups",
    "hubness",
    "index_factory",
    "k_occurrence",
    "load",
    "relative_contrast",
    "rerank_diverse",
    "symmetrize",
    "valid_metrics",
    "warmup",
]
