"""The parameters of codes: which quantizers they stand for, which rows are kept."""

from numbers import Real

from sklearn.base import clone
from sklearn.utils import check_random_state

from sklearn_jin._threads import count_threads
from sklearn_jin.metrics import TYPES
from sklearn_jin.neighbors._metrics import PRODUCTS
from sklearn_jin.quantizers._pca import PCAQuantizer
from sklearn_jin.quantizers._scalar import ScalarQuantizer


def store_of(index):
    """The form of rows that ``store_vectors`` stands for; None for codes alone."""
    forms = {True: "float32", False: None}
    return forms.get(index.store_vectors, index.store_vectors)


def keep_rows(index, metric, points, encoded):
    """What ``store_vectors`` keeps of the rows ``points``, and what decodes it."""
    from sklearn_jin.construction.codes import kept

    if encoded.quantizer is None:
        return points, None
    grid = ScalarQuantizer(8, range="feature")
    return kept(points, metric, store_of(index), encoded, grid)


def keep_learned(index, metric, points, encoded):
    """What is kept of the rows, and what was learned of their codes."""
    from sklearn_jin.search.index import Learned

    kept, decoder = keep_rows(index, metric, points, encoded)
    rerank = None if kept is encoded.codes else encoded.rerank
    learned = Learned(rerank, encoded.overestimate, decoder=decoder)
    return kept, learned._replace(least=encoded.least)


def tried(n_features, random_state):
    """Quantizers that "auto" tries on rows of so many features, besides none.

    At equal recall no other was the quickest on a graph.  Codes of planes of all
    features take 1.1 to 2.7 times as long: in microseconds a query, by 4 bits, 8 bits,
    RaBitQ(4), SAQ(4) and RaBitQ(1), of 128 features 16, 13, 28, 33 and never, of 960
    with a decaying spectrum 38, 52, 58, 68 and 61; by principal components 26.
    """
    from sklearn_jin.construction.codes import WIDE

    some = [ScalarQuantizer(4), ScalarQuantizer(8)]
    if n_features >= WIDE:
        some.append(PCAQuantizer(random_state=random_state))
    return some


def encode(index, metric, points, graph=None):
    """The rows, :class:`~sklearn_jin.construction.codes.Encoded` as ``index`` asks.

    ``graph`` leads to them, if any does.  Sets what is known of codes from then on:
    ``quantizer_`` and ``quantizer_trial_``.
    """
    from sklearn_jin.construction import choose, codes

    index.quantizer_trial_ = None
    quantizer = asked_for(index, metric)
    encoded = codes.NOT_ENCODED
    two_levels = codes.has_wider(points, store_of(index)) and not is_scanned(index)
    if quantizer is not None:
        rng = check_random_state(index.random_state)
        sample = codes.hold_rows(
            points, metric.width_, rng, count_threads(index.n_jobs)
        )
    if quantizer == "auto":
        if graph is None:
            course = choose.course_of_scan(points)
        else:
            course = choose.course_of_walks(graph, points, sample)
        must = store_of(index) is None
        some = tried(metric.width_, index.random_state)
        encoded, index.quantizer_trial_ = choose.choose_codes(
            points, metric, some, sample, course, must, some[1] if two_levels else None
        )
    elif quantizer is not None:
        quantizer = seeded(clone(quantizer), index.random_state)
        encoded = codes.encode_rows(points, metric, quantizer, sample)
    if two_levels and encoded.quantizer is not None:
        finer = ScalarQuantizer(8)
        encoded = codes.with_finer(encoded, points, metric, finer, sample)
    index.quantizer_ = encoded.quantizer
    return encoded


def asked_for(index, metric):
    """The parameter ``quantizer``, as the metric allows and ``store_vectors`` needs."""
    quantizer = wanted(index, metric, index.quantizer)
    if quantizer is None:
        refuse_without_codes(index)
    return quantizer


def is_scanned(index):
    """Whether the rows of a graph are so few that none is built."""
    return index.n_samples_fit_ <= getattr(index, "exact_threshold", 0)


def seeded(quantizer, random_state):
    """``quantizer`` with ``random_state``, unless it draws nothing or has its own."""
    if "random_state" in quantizer.get_params() and quantizer.random_state is None:
        quantizer.set_params(random_state=random_state)
    return quantizer


def wanted(index, metric, quantizer):
    """The ``quantizer``, or None where "auto" can not serve the metric."""
    if metric.space in PRODUCTS or quantizer is None:
        return quantizer
    if quantizer == "auto":
        return None
    raise ValueError(
        f"quantizer={quantizer} serves squared distances and inner products, "
        f"not metric={index.effective_metric_!r}: use quantizer=None or 'auto'"
    )


def refuse_without_codes(index):
    """Raise ValueError if less than the rows is to be kept, but there are no codes."""
    if store_of(index) in (None, "int8"):
        served = TYPES[index.effective_metric_].space in PRODUCTS
        raise ValueError(
            f"store_vectors={index.store_vectors!r} needs codes to be searched "
            f"instead, but quantizer={getattr(index, 'quantizer', None)!r} makes none "
            f"for metric={index.effective_metric_!r}: "
            + ("choose a quantizer" if served else "use store_vectors=True")
        )


def candidates_of(index, k, most):
    """Candidates that are scored exactly, ``most`` at most, and the overestimate."""
    from sklearn_jin.search.index import candidates_wanted

    rerank = index.rerank
    if rerank not in (None, "bound") and not (isinstance(rerank, Real) and rerank >= 1):
        raise ValueError(
            f"rerank={rerank!r} must be None, 'bound' or a number from 1 on"
        )
    return candidates_wanted(index.index_, k, rerank, most)
