"""Texts that stand for indexes."""

import numpy as np
import pytest

from sklearn_jin import (
    FlatNeighbors,
    HNSWNeighbors,
    IVFNeighbors,
    IVFPCANeighbors,
    IVFPQNeighbors,
    NSWNeighbors,
    OptimizedProductQuantizer,
    PCAQuantizer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
    ScaNNNeighbors,
    VamanaNeighbors,
    index_factory,
)


@pytest.mark.parametrize(
    "text, index",
    [
        ("Flat", FlatNeighbors()),
        ("Flat,SQ4", FlatNeighbors(quantizer=ScalarQuantizer(4))),
        ("HNSW", HNSWNeighbors()),
        ("HNSW32", HNSWNeighbors(M=32)),
        ("HNSW32,Flat", HNSWNeighbors(M=32)),
        ("HNSW32,SQ8", HNSWNeighbors(M=32, quantizer=ScalarQuantizer(8))),
        ("HNSW16, PQ8x4", HNSWNeighbors(M=16, quantizer=ProductQuantizer(8, 4))),
        ("NSW32,Auto", NSWNeighbors(M=32, quantizer="auto")),
        ("Vamana64,RaBitQ4", VamanaNeighbors(max_degree=64, quantizer=RaBitQ(4))),
        (
            "Vamana,OPQ8",
            VamanaNeighbors(quantizer=OptimizedProductQuantizer(8, 8)),
        ),
        ("HNSW,PCA64", HNSWNeighbors(quantizer=PCAQuantizer(64))),
        (
            "IVF1024,PQ16x4,Rerank",
            IVFPQNeighbors(n_lists=1024, n_subvectors=16, n_bits=4),
        ),
        ("IVF,PQ16", IVFPQNeighbors(n_subvectors=16, n_bits=8)),
        ("IVF9,OPQ4x4", IVFPQNeighbors(n_lists=9, n_subvectors=4, optimized=True)),
        ("IVF1024,Flat", IVFNeighbors(n_lists=1024, quantizer=None)),
        ("IVF,SQ8,Rerank8", IVFNeighbors(quantizer=ScalarQuantizer(8), rerank=8)),
        ("IVFPCA", IVFPCANeighbors()),
        ("IVFPCA100,SQfp16", IVFPCANeighbors(n_lists=100, store_vectors="float16")),
        ("ScaNN,RFlat", ScaNNNeighbors()),
    ],
)  # fmt: skip
def test_a_text_stands_for_an_index(text, index):
    assert repr(index_factory(text)) == repr(index)


def test_other_parameters_are_given_by_name():
    index = index_factory("HNSW8", metric="cosine", n_neighbors=3)
    assert (
        index.get_params()
        == HNSWNeighbors(M=8, metric="cosine", n_neighbors=3).get_params()
    )
    assert index.fit(np.eye(5)).kneighbors(np.eye(5))[1].shape == (5, 3)
    with pytest.raises(TypeError, match="colour"):
        index_factory("Flat", colour=1)


@pytest.mark.parametrize(
    "text, part, known",
    [
        ("", "''", "first may stand Flat, HNSW32"),
        ("hnsw32", "'hnsw32'", "HNSW32"),
        ("Flat32", "'Flat32'", "IVF32"),
        ("HNSW32,Foo", "'Foo'", "after 'HNSW32' may stand SQ8, SQ4"),
        ("HNSW32,SQ6", "'SQ6'", "SQ8"),
        ("IVFPCA,SQ8", "'SQ8'", "after 'IVFPCA' may stand SQfp16, Rerank at the end"),
        ("HNSW,SQ8,SQ4", "'SQ4'", "after 'SQ8' may stand nothing but Rerank"),
        ("IVF10,Rerank,SQ8", "'Rerank'", "Rerank at the end"),
    ],
)
def test_what_is_not_understood_is_named(text, part, known):
    with pytest.raises(ValueError, match="index_factory") as error:
        index_factory(text)
    assert part in str(error.value) and known in str(error.value)


def test_what_is_no_text_is_refused():
    with pytest.raises(TypeError, match="description=3"):
        index_factory(3)
