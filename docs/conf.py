"""How Sphinx builds the site: ``bash scripts/docs.sh``."""

import os

import eqsynth

project = "eqsynth"
author = "the eqsynth authors"
copyright = author  # noqa: A001 - the name that Sphinx reads
version = release = eqsynth.__version__
html_title = f"eqsynth {version}"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False

# Links between pages are those of GitHub: files, and headings in small letters.
myst_heading_anchors = 4

autodoc_member_order = "groupwise"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

# Names of other packages become links where the network is there to ask for them: EQSYNTH_DOCS_ONLINE=1.
intersphinx_mapping = (
    {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "sympy": ("https://docs.sympy.org/latest", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
    if os.environ.get("EQSYNTH_DOCS_ONLINE")
    else {}
)
