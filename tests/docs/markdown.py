"""Reads pages of the documentation for tests: their blocks of code, and their commands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def tokens(page: Path) -> list[Token]:
    """The blocks of a page, with the content of lines within them."""
    parsed = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    return [each for token in parsed for each in (token, *(token.children or ()))]


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block of code, in order."""
    return [(token.info, token.content) for token in tokens(page) if token.type == "fence"]


def commands(page: Path) -> Iterator[str]:
    """Every `radfield …` command of a page, from blocks without a language and from code within sentences.

    Comments are dropped. A command with an ellipsis is not complete, and is left out.
    """
    lines = [line for language, text in blocks(page) if not language for line in text.splitlines()]
    lines += [token.content for token in tokens(page) if token.type == "code_inline"]
    for line in lines:
        command = re.sub(r"\s+#.*", "", line.strip())
        if re.match(r"radfield [a-z]", command) and "…" not in command:
            yield command
