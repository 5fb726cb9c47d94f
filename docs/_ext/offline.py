"""Every page can be read offline: a warning for each file that a built page would load from another server.

A formula that needs a script from the network is one such file. Formulas are written in Unicode, which needs none.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOADED = re.compile(
    r"<(?:script|link|img|iframe|source|video|object|embed)\b[^>]*?\b(?:src|href|data)=[\"'](?P<tag>(?:https?:)?//[^\"']+)"
    r"|(?:url\(|@import)\s*[\"']?(?P<style>(?:https?:)?//[^\"')\s;]+)"
)
"""A file that a page or a style sheet loads from another server. Links that a reader follows are not meant."""

logger = logging.getLogger(__name__)


def loaded_from_elsewhere(text: str) -> list[str]:
    """Return the addresses of the files that the text of a page or a style sheet loads from another server."""
    return [found["tag"] or found["style"] for found in LOADED.finditer(text)]


def check(app: Sphinx, error: Exception | None) -> None:
    """Warn of each file that a built page loads from another server."""
    if error is not None:
        return
    for path in sorted(path for path in Path(app.outdir).rglob("*") if path.suffix in (".html", ".css")):
        for address in loaded_from_elsewhere(path.read_text(encoding="utf-8")):
            logger.warning("%s cannot be read offline: it loads %s", path.relative_to(app.outdir), address)


def setup(app: Sphinx) -> dict[str, Any]:
    """Check the pages after each build."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
