"""Estimators: they validate, prepare, call kernels and finish."""
