"""Where the documentation of estimators is, for their representation as HTML."""

from functools import cache
from importlib.metadata import PackageNotFoundError, metadata


@cache
def address():
    """Where the documentation is, as the package's metadata have it, or a blank."""
    try:
        urls = metadata("sklearn-jin").get_all("Project-URL") or []
    except PackageNotFoundError:  # from a folder that was not installed
        return ""
    pairs = (url.partition(",") for url in urls)
    found = [url.strip() for name, _, url in pairs if name == "Documentation"]
    return found[0].rstrip("/") + "/" if found else ""


class Linked:
    """Mixed into an estimator, it links to the estimator's page of the documentation.

    scikit-learn asks for the link, and shows none for a blank.
    """

    def _get_doc_link(self):
        if type(self).__module__.partition(".")[0] != "sklearn_jin" or not address():
            return ""
        return f"{address()}generated/sklearn_jin.{type(self).__name__}.html"
