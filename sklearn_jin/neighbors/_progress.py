"""Progress of a fit, to scikit-learn's callbacks and to those who set ``verbose``."""

import sys
from contextlib import contextmanager, nullcontext
from time import perf_counter

EVERY = 5.0  # seconds between two printed lines


@contextmanager
def watch(estimator, n_steps, in_fit=True):
    """Give a function that tells all who listen that one of ``n_steps`` is done.

    Callbacks listen to ``fit`` alone.
    """
    context = _context(estimator, n_steps) if in_fit else None
    start = told = perf_counter()
    done = 0

    def step():
        nonlocal done, told
        done += 1
        if context is not None:
            task = context.subcontext(task_name="batch")
            task.call_on_fit_task_begin(estimator=estimator)
            task.call_on_fit_task_end(estimator=estimator)
        now = perf_counter()
        if estimator.verbose and (now - told > EVERY or done == n_steps):
            told = now
            _tell(type(estimator).__name__, done, n_steps, now - start)

    yield step
    if context is not None:
        context.call_on_fit_task_end(estimator=estimator)


def told_of_compiling(estimator):
    """A context in which those who set ``verbose`` are told what is compiled."""
    if not getattr(estimator, "verbose", 0):  # an index of the user's may have none
        return nullcontext()
    from sklearn_jin._told import compilations

    return compilations.told(type(estimator).__name__)


def _tell(name, done, n_steps, seconds):
    left = seconds * (n_steps / done - 1)
    rest = f", about {left:.0f} s to go" if done < n_steps else ""
    print(
        f"[{name}] {done} of {n_steps} batches, {seconds:.1f} s{rest}", file=sys.stderr
    )


def _context(estimator, n_steps):
    """Root context of scikit-learn 1.9's callbacks, or None where there is none."""
    if not hasattr(estimator, "_init_callback_context"):
        return None
    context = estimator._init_callback_context(max_subtasks=n_steps)
    context.call_on_fit_task_begin(estimator=estimator)
    return context
