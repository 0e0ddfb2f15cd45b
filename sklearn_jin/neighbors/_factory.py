"""Indexes by short texts, as faiss has them."""

import re

from sklearn_jin.neighbors._dual import DualBranchHNSWNeighbors
from sklearn_jin.neighbors._flat import FlatNeighbors
from sklearn_jin.neighbors._hnsw import HNSWNeighbors
from sklearn_jin.neighbors._ivf import IVFNeighbors
from sklearn_jin.neighbors._ivfpca import IVFPCANeighbors
from sklearn_jin.neighbors._ivfpq import IVFPQNeighbors
from sklearn_jin.neighbors._nsw import NSWNeighbors
from sklearn_jin.neighbors._scann import ScaNNNeighbors
from sklearn_jin.neighbors._sng import SNGNeighbors
from sklearn_jin.neighbors._vamana import VamanaNeighbors
from sklearn_jin.quantizers._binary import BinaryQuantizer
from sklearn_jin.quantizers._pca import PCAQuantizer
from sklearn_jin.quantizers._product import OptimizedProductQuantizer, ProductQuantizer
from sklearn_jin.quantizers._rabitq import RaBitQ
from sklearn_jin.quantizers._saq import SAQ
from sklearn_jin.quantizers._scalar import ScalarQuantizer
from sklearn_jin.quantizers._ternary import TernaryQuantizer

# Indexes by name, and the parameter that a number behind the name is of.
INDEXES = {
    "Flat": (FlatNeighbors, None),
    "HNSW": (HNSWNeighbors, "M"),
    "NSW": (NSWNeighbors, "M"),
    "DualBranchHNSW": (DualBranchHNSWNeighbors, "M"),
    "Vamana": (VamanaNeighbors, "max_degree"),
    "SNG": (SNGNeighbors, "max_degree"),
    "IVF": (IVFNeighbors, "n_lists"),
    "IVFPCA": (IVFPCANeighbors, "n_lists"),
    "ScaNN": (ScaNNNeighbors, "n_lists"),
}
INDEX = re.compile(r"([A-Za-z]+?)(\d*)")


def _product(kind):
    def make(size, bits):
        return kind(int(size) if size else "auto", int(bits or 8))

    return make


# Codes by the form of their text, how messages call it, and what makes them.
CODES = [
    (r"SQ(8|4)", "SQ8, SQ4", lambda bits: ScalarQuantizer(int(bits))),
    (r"PQ(\d*)(?:x(4|8)(?:fs)?)?", "PQ16, PQ16x4", _product(ProductQuantizer)),
    (r"OPQ(\d*)(?:x(4|8))?", "OPQ16, OPQ16x4", _product(OptimizedProductQuantizer)),
    (r"RaBitQ(\d?)", "RaBitQ, RaBitQ4", lambda bits: RaBitQ(int(bits or 1))),
    (r"SAQ(\d+(?:\.\d+)?)?", "SAQ4", lambda bits: SAQ(float(bits or 4))),
    (
        r"PCA(\d*)(?:x(4|8))?",
        "PCA64, PCA64x4",
        lambda n, bits: PCAQuantizer(int(n) if n else "auto", n_bits=int(bits or 4)),
    ),
    (r"Binary", "Binary", BinaryQuantizer),
    (r"Ternary", "Ternary", TernaryQuantizer),
    (r"Auto", "Auto", lambda: "auto"),
    (r"Flat", "Flat", lambda: None),
]


def index_factory(description, **params):
    """An unfitted index, by a short text as faiss has them.

    Parameters
    ----------
    description : str
        An index; then, each after a comma, codes that it searches, and how candidates
        are scored.

        Indexes are ``"Flat"``, ``"HNSW32"``, ``"NSW32"``, ``"DualBranchHNSW32"``
        (a number is ``M``), ``"Vamana64"``, ``"SNG64"`` (``max_degree``),
        ``"IVF1024"``, ``"IVFPCA1024"`` and ``"ScaNN1024"`` (``n_lists``).  Without a
        number it is the default.

        Codes are ``"SQ8"``, ``"SQ4"``, ``"PQ16"`` (16 sub-vectors of 8 bits),
        ``"PQ16x4"`` (of 4), ``"OPQ16x4"``, ``"RaBitQ"``, ``"RaBitQ4"``, ``"SAQ4"``,
        ``"PCA64x4"``, ``"Binary"``, ``"Ternary"``, ``"Auto"``, and ``"Flat"`` for the
        rows themselves.  ``"SQfp16"`` keeps the rows as float16.

        ``"Rerank"``, or ``"RFlat"`` as faiss says, scores candidates exactly, which is
        what happens anyway, and ``"Rerank8"`` eight of them a neighbour.
    **params
        Other parameters of the index, as ``metric`` or ``target_recall``.

    Returns
    -------
    index : object
        The unfitted estimator.  Unlike faiss's it keeps the rows beside codes, so that
        distances are true; ``store_vectors`` says otherwise.

    Raises
    ------
    TypeError
        If ``description`` is no text, or a parameter is not one of the index.
    ValueError
        If a part of it is not understood.

    Examples
    --------
    >>> from sklearn_jin import index_factory
    >>> index_factory("HNSW32,SQ8", n_neighbors=10)
    HNSWNeighbors(M=32, n_neighbors=10, quantizer=ScalarQuantizer())
    >>> index_factory("IVF1024,PQ16x4,Rerank")
    IVFPQNeighbors(n_lists=1024, n_subvectors=16)
    """
    if not isinstance(description, str):
        raise TypeError(
            f"description={description!r} must be a text, such as 'HNSW32,SQ8'"
        )
    first, *others = (part.strip() for part in description.split(","))
    kind, given = _index(description, first)
    left = _reranked(description, others, given)
    codes = left.pop(0) if left else None
    if codes is not None:
        kind = _coded(description, first, codes, kind, given)
    if left:
        raise _refusal(description, left[0], "nothing but Rerank", codes)
    return kind(**{**given, **params})


def _index(description, part):
    """Class of the index that the first ``part`` names, and its parameters."""
    name, number = "", ""
    if match := INDEX.fullmatch(part):
        name, number = match.groups()
    if name not in INDEXES or (number and INDEXES[name][1] is None):
        known = [n if p is None else f"{n}32" for n, (_, p) in INDEXES.items()]
        raise _refusal(description, part, ", ".join(known))
    kind, parameter = INDEXES[name]
    return kind, {parameter: int(number)} if number else {}


def _reranked(description, parts, given):
    """The ``parts``, less the last one if it tells of candidates, as is ``given``."""
    if not parts or not (match := re.fullmatch(r"(?:Rerank(\d*)|RFlat)", parts[-1])):
        return parts
    if match.group(1):
        given["rerank"] = int(match.group(1))
    return parts[:-1]


def _coded(description, first, part, kind, given):
    """The class of an index on the codes that a ``part`` names, which are ``given``."""
    if part == "SQfp16":
        given["store_vectors"] = "float16"
        return kind
    takes = "quantizer" in kind().get_params()
    for form, _, make in CODES if takes else []:
        if match := re.fullmatch(form, part):
            codes = make(*match.groups())
            if kind is IVFNeighbors and type(codes) in PRODUCTS:
                given |= PRODUCTS[type(codes)]
                given |= {"n_subvectors": codes.n_subvectors, "n_bits": codes.n_bits}
                return IVFPQNeighbors
            given["quantizer"] = codes
            return kind
    known = [told for _, told, _ in CODES] if takes else []
    known += ["SQfp16", "Rerank at the end"]
    raise _refusal(description, part, ", ".join(known), first)


PRODUCTS = {ProductQuantizer: {}, OptimizedProductQuantizer: {"optimized": True}}


def _refusal(description, part, known, before=None):
    where = "first" if before is None else f"after {before!r}"
    return ValueError(
        f"index_factory({description!r}) has the part {part!r}, which is not "
        f"understood: {where} may stand {known}"
    )
