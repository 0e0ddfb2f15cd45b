"""Progress of a fit, to scikit-learn's callbacks and to those who set ``verbose``."""

import sys
from time import perf_counter

EVERY = 5.0  # seconds between two printed lines


def watch(estimator, n_samples):
    """Return a function that passes batches ``(lo, hi)`` on and reports each."""

    def report(batches):
        context = _context(estimator, len(batches))
        start = told = perf_counter()
        for lo, hi in batches:
            step = context and context.subcontext(task_name=f"rows {lo} to {hi}")
            step and step.call_on_fit_task_begin(estimator=estimator)
            yield lo, hi
            step and step.call_on_fit_task_end(estimator=estimator)
            now = perf_counter()
            if estimator.verbose and (now - told > EVERY or hi == n_samples):
                told = now
                name, share = type(estimator).__name__, hi / n_samples
                print(
                    f"[{name}] {hi:,} of {n_samples:,} rows, {now - start:.1f} s"
                    + (
                        f", about {(now - start) * (1 / share - 1):.0f} s to go"
                        * (share < 1)
                    ),
                    file=sys.stderr,
                )
        context and context.call_on_fit_task_end(estimator=estimator)

    return report


def _context(estimator, n_steps):
    """Root context of scikit-learn 1.9's callbacks, or None where there is none."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    context = estimator._init_callback_context(max_subtasks=n_steps)
    context.call_on_fit_task_begin(estimator=estimator)
    return context
