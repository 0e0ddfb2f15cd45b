"""Products with panels of columns."""

import numpy as np
import pytest
from helpers import normal
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_jin.points.panels import multiply, panels_of


def test_panels_hold_the_columns():
    A, X = normal(5, 70), normal(3, 5, seed=1)
    panels = panels_of(A)
    assert panels.shape == (2, 5, 64)
    products = multiply(X, panels)
    assert_allclose(products[:, :70], X @ A, rtol=1e-4, atol=1e-5)
    assert (products[:, 70:] == 0).all()


@pytest.mark.parametrize("n", [1, 5, 6, 7, 13])
def test_a_product_does_not_depend_on_the_batch(n):
    panels, X = panels_of(normal(37, 65)), normal(13, 37, seed=1)
    assert_array_equal(multiply(X, panels)[:n], multiply(X[:n], panels))


def test_no_columns_make_no_panels():
    assert panels_of(np.empty((0, 0), np.float32)).shape == (0, 0, 64)
