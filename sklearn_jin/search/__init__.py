"""Loops over points, each algorithm once for every kind of points."""
