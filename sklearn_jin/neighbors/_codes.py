"""The parameters of codes: which quantizers they stand for, which rows are kept."""

from numbers import Real

from sklearn.base import clone

from sklearn_jin._memory import LINE
from sklearn_jin._threads import count_threads
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


def encode(index, metric, points):
    """The rows, :class:`~sklearn_jin.construction.codes.Encoded` as ``index`` asks."""
    from sklearn_jin.construction import codes

    quantizer = wanted(index, metric, index.quantizer)
    if quantizer is None:
        refuse_without_codes(index)
        return codes.NOT_ENCODED
    trial = None
    if metric.space != "ip":
        trial = codes.hold_rows(points, count_threads(index.n_jobs))
    if quantizer != "auto":
        quantizer = seeded(clone(quantizer), index.random_state)
        encoded = codes.encode_rows(points, metric, quantizer, trial)
        if store_of(index) in (None, "int8") or is_scanned(index):
            return encoded
        return codes.with_finer(encoded, points, metric, ScalarQuantizer(8), trial)
    if trial is None:
        return codes.encode_rows(points, metric, ScalarQuantizer(8), None)
    # Codes of 4 bits save nothing where those of 8 bits fit a cache line.
    n_bits = [8] if metric.width_ <= LINE else [4, 8]
    quantizers = map(ScalarQuantizer, n_bits)
    must = store_of(index) is None
    return codes.choose_codes(points, metric, quantizers, trial, must)


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
    if metric.space in ("l2", "ip") or quantizer is None:
        return quantizer
    if quantizer == "auto":
        return None
    if not hasattr(index, "quantizer"):
        raise ValueError(
            f"codes of {type(index).__name__} serve squared distances and inner "
            f"products, not metric={index.effective_metric_!r}: use IVFNeighbors"
        )
    raise ValueError(
        f"quantizer={quantizer} serves squared distances and inner products, "
        f"not metric={index.effective_metric_!r}: use quantizer=None or 'auto'"
    )


def refuse_without_codes(index):
    """Raise ValueError if less than the rows is to be kept, but there are no codes."""
    if store_of(index) != "float32":
        raise ValueError(
            f"store_vectors={index.store_vectors!r} needs codes to be searched "
            f"instead, but quantizer={getattr(index, 'quantizer', None)!r} makes none "
            f"for metric={index.effective_metric_!r}: choose a quantizer"
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
