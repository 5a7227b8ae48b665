"""Sphinx: how the pages of this folder become the documentation. `make docs` builds it."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "fireforget"
author = "the authors of fireforget"
copyright = f"2026, {author}"  # noqa: A001 - Sphinx's name for it
release = version = installed("fireforget")

extensions = ["myst_parser", "toml_reference", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_click"]
exclude_patterns = ["_*"]
highlight_language = "text"
smartquotes = False  # what is quoted may be a command
default_role = "py:obj"

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_class_signature = "separated"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
napoleon_google_docstring = True
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"fireforget {release}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0f766e", "color-brand-content": "#0f766e"},
    "dark_css_variables": {"color-brand-primary": "#5eead4", "color-brand-content": "#5eead4"},
}


def _keep(_app: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]) -> None:
    """Remember what a property says: napoleon would take the words before a colon for its type."""
    if what == "property":
        _said[name] = list(lines)


def _restore(_app: Sphinx, what: str, name: str, _object: object, _options: object, lines: list[str]) -> None:
    if what == "property":
        lines[:] = _said.pop(name)


def _dash(_app: Sphinx, doctree: nodes.document) -> None:
    """Sphinx writes two hyphens after a parameter's name, and leaves the dash to the smart quotes."""
    for text in list(doctree.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" – "))


def _keep_quiet(_app: Sphinx, _context: object, lines: list[str]) -> None:
    """Of a command's arguments sphinx-click knows only whether they are required, which the usage shows."""
    lines.clear()


_said: dict[str, list[str]] = {}


def setup(app: Sphinx) -> None:
    """Go before napoleon and after it, and over what was read."""
    app.connect("autodoc-process-docstring", _keep, priority=400)
    app.connect("autodoc-process-docstring", _restore, priority=600)
    app.connect("doctree-read", _dash)
    app.connect("sphinx-click-process-arguments", _keep_quiet)
