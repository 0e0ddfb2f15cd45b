"""Every public quantizer, for the tests of what all quantizers promise."""

import sklearn_jin


def classes():
    """Public estimators with ``inverse_transform``: tested once exported."""
    exported = (getattr(sklearn_jin, name) for name in sklearn_jin.__all__)
    return [c for c in exported if hasattr(c, "inverse_transform")]


def repeatable(quantizer):
    if "random_state" in quantizer.get_params():
        quantizer.set_params(random_state=0)
    return quantizer
