"""Groups of the fitted rows: labels of any kind, kept as codes."""

import numpy as np

from sklearn_jin._memory import frozen


def keep_groups(index, groups, n):
    """Set ``groups_`` and ``group_labels_``, or forget them if there are none."""
    for name in ("groups_", "group_labels_"):
        vars(index).pop(name, None)
    if groups is not None:
        index.groups_, index.group_labels_ = codes_of(groups, n)


def codes_of(groups, n):
    """Codes (n,), int64, of the labels ``groups`` of ``n`` rows; and the labels."""
    labels = _column(groups, n, "groups", "rows")
    try:
        kinds, codes = np.unique(labels, return_inverse=True)
    except TypeError:  # labels that have no order
        numbers = {}
        codes = [numbers.setdefault(label, len(numbers)) for label in labels.tolist()]
        kinds = np.empty(len(numbers), object)
        kinds[:] = list(numbers)
    if kinds.dtype.kind == "U":
        kinds = kinds.astype(object)  # which is kept on disk, too
    return frozen(np.asarray(codes, np.int64)), kinds


def put_groups(index, groups, ids, n_ids):
    """Set the groups of the later rows ``ids``, of ``n_ids`` that were given by now.

    Rows that are replaced stay in theirs if none are given.
    """
    if getattr(index, "groups_", None) is None:
        if groups is not None:
            raise ValueError(
                "groups are given, but rows were fitted without: fit with groups, or "
                "give none"
            )
        return
    kept = np.full(n_ids, -1)
    kept[: len(index.groups_)] = index.groups_
    if groups is not None:
        codes, kinds = codes_of(groups, len(ids))
        known = index.group_labels_.tolist()
        numbers = {label: code for code, label in enumerate(known)}
        places = [numbers.setdefault(label, len(numbers)) for label in kinds.tolist()]
        kept[ids] = np.array(places, np.int64)[codes]
        if len(numbers) > len(known):
            index.group_labels_ = _array_of(list(numbers), index.group_labels_, kinds)
    if (kept < 0).any():
        raise ValueError(
            "rows were fitted with groups: give those of later rows by groups=..."
        )
    index.groups_ = frozen(kept)


def _array_of(labels, *likes):
    """``labels`` as an array of the type of those before, or else of objects."""
    kinds = {array.dtype.kind for array in likes}
    if len(kinds) == 1 and kinds != {"O"}:
        return np.array(labels, np.result_type(*likes))
    array = np.empty(len(labels), object)
    array[:] = labels
    return array


def _column(labels, n, name, what):
    """``labels`` as an array of ``n``, none of them missing."""
    given, labels = labels, np.asarray(labels)
    if labels.dtype.kind == "U" and not all(isinstance(x, str) for x in given):
        labels = np.array(given, object)  # of numbers and texts NumPy makes texts
    if labels.shape != (n,):
        raise ValueError(
            f"{name} has the shape {labels.shape}, and there are {n} {what}: give one "
            "label for each"
        )
    if labels.dtype.kind in "fcO" and any(_is_missing(x) for x in labels.tolist()):
        raise ValueError(f"{name} holds NaN, which is in no group: name a group for it")
    return labels


def _is_missing(label):
    try:
        return bool(label != label)
    except (TypeError, ValueError):  # as of pandas.NA
        return True


def codes_to_exclude(index, labels, n_queries, own):
    """Code of the group that each query leaves out, or -1."""
    if getattr(index, "groups_", None) is None:
        raise ValueError(
            "exclude_groups and max_per_group need the groups of the fitted rows: "
            "fit(X, groups=...)"
        )
    if labels is None or labels is False:
        return np.full(n_queries, -1)
    if labels is True:
        if not own:
            raise ValueError(
                "exclude_groups=True leaves out the groups of the fitted rows, which "
                "are asked for by X=None: give the label of each query"
            )
        return index.groups_[index.ids_]
    labels = _column(labels, n_queries, "exclude_groups", "queries")
    known = {label: code for code, label in enumerate(index.group_labels_.tolist())}
    return np.array([known.get(label, -1) for label in labels.tolist()], np.int64)
