"""Estimators on disk: folders of plain arrays that are replaced whole or not at all."""

from sklearn_jin.storage.kept import Kept, load
from sklearn_jin.storage.places import fetched, state_to_pickle

__all__ = ["Kept", "fetched", "load", "state_to_pickle"]
