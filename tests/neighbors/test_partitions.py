"""What indexes of lists promise beyond what every index does."""

import pickle

import indexes
import joblib
import naive
import numpy as np
import probed
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_jin import (
    AnisotropicQuantizer,
    FlatNeighbors,
    IVFNeighbors,
    IVFPQNeighbors,
    IVFPQTransformer,
    IVFTransformer,
    OptimizedProductQuantizer,
    ProductQuantizer,
    RaBitQ,
    ScalarQuantizer,
    ScaNNNeighbors,
    ScaNNTransformer,
)
from sklearn_jin.construction import lists_of_codes

# Slow as plain Python, for which the parts are tested by themselves.
pytestmark = pytest.mark.jit

CLASSES = [IVFNeighbors, IVFPQNeighbors, ScaNNNeighbors]
TRANSFORMERS = [IVFTransformer, IVFPQTransformer, ScaNNTransformer]
KEPT = [True, "float32", "float16", "int8"]

every_class = pytest.mark.parametrize("c", CLASSES, ids=lambda c: c.__name__)


def listed(c, X, **params):
    return c(**{"exact_threshold": 0, "random_state": 0, **params}).fit(X)


def split(make, n=3000, n_queries=200):
    """Rows and queries of one kind, float32."""
    X = make(np.random.default_rng(0), n + n_queries).astype(np.float32)
    order = np.random.default_rng(1).permutation(len(X))
    return X[order[n_queries:]], X[order[:n_queries]]


def recall(index, X, Q, k=10):
    distances, _ = index.kneighbors(Q, k)
    exact = naive.nearest_distances(X, Q, k, index.effective_metric_)
    return np.mean(distances <= exact[:, -1:] + 1e-6 * np.abs(exact[:, -1:]))


# Cells.


def tight_and_wide(rng, n):
    """Clusters whose spread and whose distance from zero differ."""
    X = make_blobs(
        n,
        6,
        centers=rng.normal(0, 20, (12, 6)),
        cluster_std=np.geomspace(0.1, 5, 12),
        random_state=0,
    )[0]
    return X + 50


@every_class
def test_cells_are_as_good_as_those_of_scikit_learn(c):
    X = tight_and_wide(np.random.default_rng(0), 600)
    index = listed(c, X, n_lists=24)
    gaps = naive.distances(probed.centers_of(index), probed.rows_of(index)) ** 2
    means = KMeans(24, init="random", n_init=1, random_state=0, max_iter=10)
    assert gaps.min(axis=1).sum() < 1.2 * means.fit(probed.rows_of(index)).inertia_


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
def test_a_row_is_in_the_list_of_the_nearest_centre(metric):
    X = tight_and_wide(np.random.default_rng(0), 400)
    index = listed(IVFNeighbors, X, metric=metric, n_lists=20)
    rows = probed.rows_of(index)[index.index_.route.ids]
    gaps = naive.distances(probed.centers_of(index), rows)
    assert_array_equal(probed.labels_of(index), gaps.argmin(axis=1))


def test_long_centres_attract_no_query():
    X = np.repeat([[1.0, 0.0], [100.0, 1.0]], 30, axis=0)
    X += np.random.default_rng(0).normal(0, 0.01, X.shape)
    index = listed(IVFNeighbors, X, n_lists=2, n_probes=1)
    ids = index.kneighbors([[1.0, 0.0], [100.0, 1.0]], 30)[1]
    assert_array_equal(np.sort(ids), np.arange(60).reshape(2, 30))


@every_class
@pytest.mark.parametrize("n_probes", [1, 11, 29])
def test_as_many_lists_are_probed_as_asked_for(c, n_probes):
    X = indexes.rows(90)
    index = listed(c, X, n_lists=30, n_probes=n_probes, adaptive=False)
    assert {len(lists) for lists in probed.lists_of(index, X)} == {n_probes}


@every_class
def test_probes_are_changed_without_building_again(c):
    X, Q = indexes.rows(120), indexes.rows(30, seed=1)
    index = listed(c, X, n_lists=24, n_probes=1)
    lists, few = index.index_, index.kneighbors(Q)[0]
    many = index.set_params(n_probes=24).kneighbors(Q)[0]
    assert index.index_ is lists
    assert (many <= few).all() and (many < few).any()


def test_lists_are_counted_and_measured():
    X = indexes.rows(100)
    index = listed(IVFNeighbors, X, n_lists=9)
    assert index.n_lists_ == len(index.list_sizes_) == 9
    assert index.list_sizes_.sum() == 100 and index.list_sizes_.dtype == np.int64
    share = index.list_sizes_ / 100
    assert_allclose(index.imbalance_, 9 * (share**2).sum())
    assert type(index.n_lists_) is int and type(index.imbalance_) is float


@pytest.mark.parametrize("sizes", [(50, 50), (90, 10)])
def test_imbalance_is_one_where_lists_are_equal(sizes):
    X = np.repeat([[0.0], [9.0]], sizes, axis=0) + indexes.rows(100, 1) / 9
    index = listed(IVFNeighbors, X, n_lists=2)
    assert_array_equal(np.sort(index.list_sizes_), np.sort(sizes))
    assert_allclose(index.imbalance_, 2 * (np.array(sizes) ** 2).sum() / 100**2)


@every_class
def test_few_rows_have_no_lists(c):
    index = c().fit(indexes.rows(60))
    assert index.n_lists_ == 0 and index.index_.route == ()
    assert index.list_sizes_.shape == (0,) and np.isnan(index.imbalance_)


@pytest.mark.parametrize("n, n_lists", [(60, 15), (100, 20), (1, 1), (2, 2)])
def test_lists_are_twice_the_root_of_the_rows(n, n_lists):
    assert listed(IVFNeighbors, indexes.rows(n)).n_lists_ == n_lists


@every_class
def test_there_are_no_more_lists_than_rows(c):
    index = listed(c, indexes.rows(7), n_lists=50)
    assert index.n_lists_ == 7
    assert_array_equal(
        np.sort(index.kneighbors(n_neighbors=6)[1], axis=1)[0], range(1, 7)
    )


@pytest.mark.parametrize("n_lists", [1, 7])
def test_spilled_rows_are_in_two_lists_if_there_are_two(n_lists):
    index = listed(ScaNNNeighbors, indexes.rows(60), spill=True, n_lists=n_lists)
    assert index.list_sizes_.sum() == (60 if n_lists == 1 else 120)


def test_learning_from_fewer_rows_is_a_choice():
    X = indexes.rows(300)
    few, every = (listed(IVFNeighbors, X, max_train=n) for n in (40, "auto"))
    assert not np.array_equal(few.index_.route.cells.X, every.index_.route.cells.X)
    assert recall(few, X, X[:20]) == recall(every, X, X[:20]) == 1


# Answers.


@every_class
@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
@pytest.mark.parametrize("n_probes", [1, 20])
def test_distances_are_those_of_the_rows(c, metric, n_probes):
    X, Q = indexes.rows(150, 12) + 3, indexes.rows(20, 12, seed=1) + 3
    index = listed(c, X, metric=metric, n_lists=20, n_probes=n_probes, rerank=1)
    distances, ids = index.kneighbors(Q, 4)
    every = naive.distances(X, Q, metric)
    expected = np.take_along_axis(every, ids, axis=1)
    assert_allclose(distances, expected, rtol=1e-4, atol=1e-5)
    assert (np.diff(distances) >= 0).all()


@every_class
def test_ids_are_numbers_of_rows_and_not_places_in_lists(c):
    X = indexes.rows(150)
    index = listed(c, X)
    assert (index.index_.route.ids != np.arange(150)).any()
    assert_array_equal(index.kneighbors(X, 1)[1][:, 0], np.arange(150))


@every_class
@pytest.mark.parametrize("d", [1, 2, 5, 13])
def test_any_number_of_features_is_coded(c, d):
    X, Q = indexes.rows(100, d), indexes.rows(9, d, seed=1)
    index = listed(c, X, n_probes=20, rerank=100)
    assert_array_equal(index.kneighbors(Q)[1], naive.nearest(X, Q, 5))


@pytest.mark.parametrize("c", CLASSES[1:], ids=lambda c: c.__name__)
@pytest.mark.parametrize("n_subvectors", [1, 3, 5, 7, 11])
def test_sub_vectors_need_not_be_of_one_length(c, n_subvectors):
    X, Q = indexes.rows(100, 11), indexes.rows(9, 11, seed=1)
    index = listed(c, X, n_subvectors=n_subvectors, n_probes=20, rerank=100)
    assert index.quantizer_.n_subvectors_ == n_subvectors
    assert_array_equal(index.kneighbors(Q)[1], naive.nearest(X, Q, 5))


# Codes.


def test_product_codes_are_those_asked_for():
    X = indexes.rows(100, 12)
    index = listed(IVFPQNeighbors, X, n_bits=8, n_subvectors=3)
    assert type(index.quantizer_) is ProductQuantizer
    assert (index.quantizer_.n_bits, index.quantizer_.n_subvectors_) == (8, 3)
    index = listed(IVFPQNeighbors, X, optimized=True)
    assert type(index.quantizer_) is OptimizedProductQuantizer
    assert index.quantizer_.n_bits == 4


def along(index):
    """Mean squared error of codes along the rows."""
    X, (centers, residuals) = probed.rows_of(index), probed.coded(index)
    errors = ((X - centers - residuals) * X).sum(axis=1)
    return np.mean(errors**2 / (X**2).sum(axis=1))


@pytest.mark.parametrize("n_lists", [1, 40])
def test_anisotropic_codes_err_less_along_the_rows(n_lists):
    X = indexes.rows(1000, 48)
    params = {"metric": "cosine", "n_lists": n_lists, "n_subvectors": 12}
    plain = listed(IVFPQNeighbors, X, **params)
    index = listed(ScaNNNeighbors, X, **params)
    assert type(index.quantizer_) is AnisotropicQuantizer
    assert along(index) < 0.6 * along(plain)


def test_the_threshold_of_anisotropic_codes_is_a_choice():
    X = indexes.rows(800, 12)
    low, high = (
        along(listed(ScaNNNeighbors, X, metric="cosine", n_lists=8, threshold=T))
        for T in (0.1, 0.6)
    )
    assert high < low


def test_a_rotation_lowers_the_error_of_features_that_correlate():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((12, 12)))[0]
    X = (rng.standard_normal((800, 12)) * np.geomspace(5, 0.1, 12)) @ axes
    errors = []
    for optimized in (False, True):
        index = listed(IVFPQNeighbors, X, optimized=optimized, n_lists=4)
        error = probed.rows_of(index) - np.add(*probed.coded(index))
        errors.append((error**2).sum())
    assert errors[1] < 0.9 * errors[0]


def test_auto_takes_codes_of_4_bits_where_these_find_neighbours():
    index = listed(IVFNeighbors, indexes.rows(500, 6))
    assert type(index.quantizer_) is ProductQuantizer
    assert index.quantizer_.n_bits == 4
    assert 1 < index.index_.learned.overestimate < np.inf


@pytest.mark.parametrize(
    ("metric", "kind"),
    [("cosine", AnisotropicQuantizer), ("inner_product", ProductQuantizer)],
)
def test_auto_takes_codes_for_the_metric(metric, kind):
    index = listed(IVFNeighbors, indexes.rows(300), metric=metric)
    assert type(index.quantizer_) is kind


def test_codes_of_inner_products_are_tried_on_directions_unlike_the_rows():
    X = indexes.rows(300, 10) + 9  # rows that point in one direction, nearly
    index = listed(IVFNeighbors, X, metric="inner_product").index_
    coding = lists_of_codes.Coding(index.metric, index.points, None, 1, 1)
    asked, own = lists_of_codes._queries(coding, np.random.RandomState(0))
    assert own == 0 and (asked[:, 10:] == 0).all()
    assert_allclose(np.linalg.norm(asked, axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(asked.mean(axis=0)) < 0.5


@pytest.mark.parametrize("metric", ["euclidean", "cosine", "inner_product"])
def test_auto_takes_the_first_codes_by_which_enough_is_found(monkeypatch, metric):
    tried = []

    def code(coding, quantizer, rng):
        tried.append(quantizer)
        held = 0.9 if len(tried) < enough else 0.96
        return original(coding, quantizer, rng)._replace(held=held)

    original = lists_of_codes.code_lists
    monkeypatch.setattr(lists_of_codes, "code_lists", code)
    for enough in (1, 2, 3):
        tried.clear()
        listed(IVFNeighbors, indexes.rows(80), metric=metric)
        assert len(tried) == enough
    assert type(tried[1]) is RaBitQ and tried[2] is None


@pytest.mark.parametrize("metric", ["manhattan", "chebyshev"])
def test_auto_takes_no_codes_for_metrics_without_any(metric):
    index = listed(IVFNeighbors, indexes.rows(100), metric=metric)
    assert index.quantizer_ is None and index.index_.codes is None


def test_auto_takes_longer_codes_or_none_where_short_ones_miss_neighbours():
    X = indexes.rows(2000, 960)
    index = listed(IVFNeighbors, X)
    assert index.quantizer_ is None or type(index.quantizer_) is RaBitQ
    index.set_params(n_probes=index.n_lists_)
    assert recall(index, X, X[::50]) >= 0.95


def test_the_quantizer_is_copied_and_not_fitted():
    quantizer = RaBitQ(3)
    index = listed(IVFNeighbors, indexes.rows(80), quantizer=quantizer)
    assert not hasattr(quantizer, "n_bytes_") and index.quantizer is quantizer
    assert type(index.quantizer_) is RaBitQ and index.quantizer_.n_bits == 3


def test_the_seed_of_the_index_is_that_of_its_quantizer():
    X = indexes.rows(80)
    signs = [
        listed(IVFNeighbors, X, quantizer=RaBitQ(), random_state=s).quantizer_.signs_
        for s in (1, 1, 2)
    ]
    assert_array_equal(signs[0], signs[1])
    assert (signs[0] != signs[2]).any()
    own = listed(IVFNeighbors, X, quantizer=RaBitQ(random_state=5)).quantizer_
    assert own.random_state == 5


# What is kept.


@every_class
@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_rows_are_kept_as_asked_for(c, kept, metric):
    X, Q = indexes.rows(120, 16), indexes.rows(9, 16, seed=1)
    index = listed(c, X, store_vectors=kept, metric=metric, rerank=120)
    size = {"float16": 2, "int8": 1}.get(kept, 4)
    assert 120 * 16 * size <= index.memory_usage()["points"] < 120 * 16 * size + 8192
    distances, ids = index.kneighbors(Q, 120)
    every = naive.distances(X, Q, metric)
    expected = np.take_along_axis(every, ids, axis=1)
    error = 1e-5 if size == 4 else 0.02
    assert_allclose(distances, expected, rtol=0, atol=error * np.abs(every).max())


@every_class
@pytest.mark.parametrize("kept", KEPT[1:])
@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_rounded_rows_are_found_as_well(c, kept, metric):
    X, Q = split(lambda rng, n: rng.random((n, 9)))
    params = {"metric": metric, "n_probes": 40, "random_state": 0}
    whole, rounded = (
        c(store_vectors=stored, **params).fit(X).kneighbors(Q, 10)[1]
        for stored in (True, kept)
    )
    true = FlatNeighbors(metric=metric).fit(X).kneighbors(Q, 10)[1][:, :, None]
    shares = [(true == ids[:, None]).any(axis=2).mean() for ids in (whole, rounded)]
    assert shares[1] >= shares[0] - 0.02


@every_class
def test_rows_are_not_dropped(c):
    with pytest.raises(ValueError, match=f"store_vectors=False.*{c.__name__}.*'int8'"):
        listed(c, indexes.rows(60), store_vectors=False)


@pytest.mark.parametrize(
    "params, way_out",
    [
        ({"quantizer": None}, "choose a quantizer"),
        ({"metric": "manhattan"}, "use store_vectors=True"),  # no codes serve it
    ],
)
def test_rows_are_no_codes_without_a_quantizer(params, way_out):
    message = f"store_vectors='int8' needs codes.*{way_out}"
    with pytest.raises(ValueError, match=message):
        listed(IVFNeighbors, indexes.rows(60), store_vectors="int8", **params)


COPIED = {
    "auto": IVFNeighbors(),
    "rows": IVFNeighbors(quantizer=None),
    "factors": IVFNeighbors(quantizer=RaBitQ(2)),
    "scalar": IVFNeighbors(quantizer=ScalarQuantizer(8)),
    "bytes": IVFPQNeighbors(n_bits=8, store_vectors="int8"),
    "half": IVFPQNeighbors(store_vectors="float16"),
    "spill": ScaNNNeighbors(spill=1.5, metric="inner_product"),
    "scan": ScaNNNeighbors(exact_threshold=1000),
}


@pytest.mark.parametrize("name", COPIED)
def test_copies_answer_alike(name, tmp_path):
    X = indexes.rows(80)
    index = COPIED[name]
    if name != "scan":
        index.set_params(exact_threshold=0)
    expected = index.set_params(random_state=0).fit(X).kneighbors(X)
    joblib.dump(index, tmp_path / "index")
    mapped = joblib.load(tmp_path / "index", mmap_mode="r")
    for twin in (pickle.loads(pickle.dumps(index)), mapped):
        assert twin.memory_usage() == index.memory_usage()
        for found, wanted in zip(twin.kneighbors(X), expected):
            assert_array_equal(found, wanted)


# What is found.


@every_class
def test_queries_unlike_the_rows_find_the_largest_inner_products(c):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((4000, 24)) * rng.lognormal(0, 1, (4000, 1))
    Q = rng.standard_normal((100, 24)) @ rng.standard_normal((24, 24)) + 2
    index = c(metric="inner_product", random_state=0).fit(X)
    assert recall(index, X, Q) >= 0.9


def two_islands(rng, n):
    return rng.random((n, 8)) + np.repeat([0, 1000], n // 2)[:, None]


def many_islands(rng, n):
    return rng.random((n, 8)) + 100 * rng.integers(0, 300, (n, 1))


@every_class
@pytest.mark.parametrize("make", [two_islands, many_islands])
def test_neighbours_are_found_in_clusters(c, make):
    X, Q = split(make)
    assert recall(c(random_state=0).fit(X), X, Q) >= 0.99


def test_neighbours_are_found_in_tight_clusters_beside_wide_ones():
    X, Q = split(tight_and_wide)
    assert recall(IVFNeighbors(random_state=0).fit(X), X, Q) >= 0.99


@every_class
def test_a_few_far_rows_do_not_spoil_the_codes_of_others(c):
    X, Q = split(lambda rng, n: rng.random((n, 8)))
    X[:3] = 1000 * X[:3]
    assert recall(c(random_state=0).fit(X), X, Q) >= 0.97


@pytest.mark.parametrize("n_bits", [4, 8])
@pytest.mark.parametrize("optimized", [False, True])
def test_product_codes_find_neighbours_in_clusters(n_bits, optimized):
    X, Q = split(two_islands)
    index = IVFPQNeighbors(n_bits=n_bits, optimized=optimized, random_state=0).fit(X)
    assert recall(index, X, Q) >= 0.99


@pytest.mark.parametrize("metric", ["euclidean", "inner_product"])
def test_a_second_list_finds_more_with_as_many_probes(metric):
    X, Q = split(lambda rng, n: rng.standard_normal((n, 16)))
    params = {"metric": metric, "n_probes": 4, "adaptive": False}
    once, soar, second = (
        recall(ScaNNNeighbors(spill=s, random_state=0, **params).fit(X), X, Q)
        for s in (False, True, 0)
    )
    assert soar > once + 0.05 and second > once


# Parameters.


REFUSED = {
    "n_lists": (CLASSES, 0),
    "n_probes": (CLASSES, 0),
    "adaptive": (CLASSES, "yes"),
    "rerank": (CLASSES, 0.5),
    "store_vectors": (CLASSES, "int4"),
    "max_train": (CLASSES, 0),
    "exact_threshold": (CLASSES, -1),
    "quantizer": ([IVFNeighbors], "best"),
    "n_subvectors": (CLASSES[1:], 0),
    "n_bits": ([IVFPQNeighbors], 9),
    "optimized": ([IVFPQNeighbors], "no"),
    "threshold": ([ScaNNNeighbors], 1.5),
    "spill": ([ScaNNNeighbors], -1),
}
CASES = [(c, name, value) for name, (cs, value) in REFUSED.items() for c in cs]


@pytest.mark.parametrize("c, name, value", CASES)
def test_wrong_parameters_are_refused(c, name, value):
    with pytest.raises(
        InvalidParameterError, match=f"'{name}' parameter of {c.__name__}"
    ):
        c(**{name: value}).fit(indexes.rows(9))


@pytest.mark.parametrize("n_bits", [1, 5, 9, 12])
def test_codes_of_other_lengths_are_refused(n_bits):
    with pytest.raises(InvalidParameterError, match=f"'n_bits'.*{n_bits}"):
        IVFPQNeighbors(n_bits=n_bits).fit(indexes.rows(9))


@pytest.mark.parametrize("exact_threshold", [0, 1000])
@pytest.mark.parametrize("metric", ["manhattan", "chebyshev", "canberra", "jaccard"])
@pytest.mark.parametrize("c", CLASSES[1:], ids=lambda c: c.__name__)
def test_codes_are_refused_by_metrics_without_any(c, metric, exact_threshold):
    index = c(metric=metric, exact_threshold=exact_threshold)
    with pytest.raises(
        ValueError, match=f"{metric}' is not served by {c.__name__}"
    ) as caught:
        index.fit(indexes.rows(60))
    assert "HNSWNeighbors" in str(caught.value)
    assert "quantizer=" not in str(caught.value)  # which is no parameter of these


@pytest.mark.parametrize("c", TRANSFORMERS, ids=lambda c: c.__name__)
def test_probes_are_searched_over_in_a_pipeline(c):
    X, y = make_blobs(120, 4, centers=4, random_state=0)
    index = c(exact_threshold=0, n_lists=20, random_state=0)
    model = make_pipeline(index, KNeighborsClassifier(metric="precomputed"))
    grid = {f"{c.__name__.lower()}__n_probes": [1, 4, 20]}
    found = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    assert (found.cv_results_["mean_test_score"] > 0.8).all()
