"""Helpers that make pages from code: Markdown tables, and files that are written only if their text changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

Row = tuple[str, ...]


def table(header: Row, rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines) + "\n"


def write(folder: Path, pages: Mapping[str, Callable[[], str]]) -> None:
    """Write each page, named without its suffix, into a folder; one that has not changed is not built again."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in pages.items():
        path, text = folder / f"{name}.md", make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
