"""Estimators that predict from neighbours which an index finds.

scikit-learn's own estimators count the votes, average and check the targets; they
are given neighbours of an index instead of those of their own search.
"""
