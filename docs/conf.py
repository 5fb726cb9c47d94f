"""Sphinx: Markdown pages, and reference pages generated from the code before each build."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "radfield"
author = "the radfield authors"
extensions = ["myst_parser", "generated", "authors", "reference", "offline"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
smartquotes = False  # names and values are quoted as they are typed
html_theme = "furo"
html_title = "radfield"
exclude_patterns = ["_build", "_ext"]
