"""The version of what is installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sklearn-jin")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"
