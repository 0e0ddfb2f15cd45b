"""Sphinx: ``sphinx-build -b html doc doc/_build``."""

import os
import sys

sys.path.insert(0, os.path.abspath(".."))

from docutils import nodes

import sklearn_jin

project = "sklearn_jin"
author = "The sklearn_jin developers"
copyright = f"2026, {author}"
version = release = sklearn_jin.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
default_role = "py:obj"
html_theme = "alabaster"
html_theme_options = {
    "description": "Approximate nearest neighbours that feel like scikit-learn",
    "fixed_sidebar": True,
    "page_width": "62rem",
}

html_static_path = ["_static"]  # the theme reads custom.css
templates_path = ["_templates"]
autosummary_generate = True
numpydoc_show_class_members = False


def setup(app):
    app.connect("doctree-read", unlink_addresses)


def unlink_addresses(app, doctree):
    """Make plain text of what docutils takes for mail addresses, as recall@10."""
    for link in list(doctree.findall(nodes.reference)):
        if link.get("refuri", "").startswith("mailto:"):
            link.replace_self(link.children)


# Without a network the links to other projects are left out, with a warning each.
intersphinx_timeout = 5
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", None),
    "numpy": ("https://numpy.org/doc/stable", None),
    "scipy": ("https://docs.scipy.org/doc/scipy", None),
    "sklearn": ("https://scikit-learn.org/stable", None),
}

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"plot_",
    "show_memory": False,
}
