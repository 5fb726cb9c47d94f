"""The documentation can be read offline: what a page loads from another server is found."""

from __future__ import annotations

import sys

import pytest
from markdown import DOCS

pytest.importorskip("sphinx", reason="the documentation's own requirements are not installed")
sys.path.insert(0, str(DOCS / "_ext"))
from offline import loaded_from_elsewhere


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<script async src="https://cdn.example/mathjax.js"></script>', ["https://cdn.example/mathjax.js"]),
        ('<link rel="stylesheet" href="//cdn.example/a.css"/>', ["//cdn.example/a.css"]),
        ("<img alt='x' src='http://example/a.png'>", ["http://example/a.png"]),
        ("@import url(https://fonts.example/css);", ["https://fonts.example/css"]),
        ('body { background: url("//example/b.png") }', ["//example/b.png"]),
        ('<a href="https://example.org">read</a> <script src="_static/x.js"></script>', []),
        ('<link href="../_static/a.css"><img src="images/a.png"> url(data:image/png;base64,x)', []),
    ],
)
def test_files_from_other_servers_are_found_and_links_are_not(text: str, found: list[str]) -> None:
    assert loaded_from_elsewhere(text) == found
