"""Links in the repository's Markdown work where it is read as it is: in a clone, on a host, and on a package index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
HOME = "https://github.com/radfield/radfield/"
RAW = "https://raw.githubusercontent.com/radfield/radfield/main/"
GENERATED = re.findall(r"^(docs/\S+)$", (ROOT / ".gitignore").read_text(encoding="utf-8"), re.MULTILINE)
"""Files and folders that the documentation's build writes."""


def markdown_files() -> list[Path]:
    """Every Markdown file that somebody wrote."""
    found = [*ROOT.glob("*.md"), *ROOT.glob(".github/**/*.md")]
    found += [path for top in ("docs", "plugins", "examples", "benchmarks") for path in ROOT.glob(f"{top}/**/*.md")]
    return sorted(path for path in found if not is_generated(path))


def is_generated(path: Path) -> bool:
    """True if the build of the documentation writes this file."""
    name = path.relative_to(ROOT).as_posix()
    return any(name == entry or (entry.endswith("/") and name.startswith(entry)) for entry in GENERATED)


def tokens_of(path: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(path.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def links(path: Path) -> list[str]:
    """Targets of the links and pictures of a file."""
    found = [token.attrGet("href") or token.attrGet("src") for token in tokens_of(path)]
    html = [token.content for token in tokens_of(path) if token.type in ("html_block", "html_inline")]
    found += [target for text in html for target in re.findall(r'(?:src|href)="([^"]+)"', text)]
    return [str(target) for target in found if target]


def anchors(path: Path) -> set[str]:
    """Names of a file's headings as links write them."""
    headings = re.findall(r"^#+ +(.*?) *$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def fault(path: Path, target: str) -> str | None:
    """What is wrong with a link, or None. Addresses of other projects are not looked up."""
    name, _, anchor = unquote(target).partition("#")
    own = re.fullmatch(rf"(?:{re.escape(HOME)}(?:blob|tree)/main/|{re.escape(RAW)})(.*)", name)
    if re.match(r"[a-z]+:", name) and not own:
        return None
    goal = ROOT / own[1] if own else (path.parent / name if name else path).resolve()
    if not goal.is_relative_to(ROOT):
        return "leaves the repository"
    if is_generated(goal):
        return None if path.is_relative_to(ROOT / "docs") and not own else "only exists once the docs are built"
    if not goal.exists():
        return "does not exist"
    if anchor and goal.suffix == ".md" and anchor not in anchors(goal):
        return "has no such heading"
    return None


@pytest.mark.parametrize("path", markdown_files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_leads_to_something(path: Path) -> None:
    found = [f"{target} {wrong}" for target in links(path) if (wrong := fault(path, target))]
    assert not found


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted(ROOT.glob("plugins/*/README.md"))], ids=lambda p: p.parent.name
)
def test_a_readme_that_a_package_index_shows_has_no_relative_links(path: Path) -> None:
    assert [target for target in links(path) if not target.startswith(("https://", "#"))] == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("LICENSE", None), ("docs/", None), ("https://example.org/nowhere", None), (f"{HOME}blob/main/LICENSE", None),
        (f"{RAW}docs/images/turntable.webp", None), ("#try-it", None), (f"{HOME}blob/main/README.md#try-it", None),
        ("LICENCE", "does not exist"), (f"{RAW}docs/images/none.png", "does not exist"),
        ("../elsewhere.md", "leaves the repository"), ("#no-such-heading", "has no such heading"),
        ("docs/authors/laws.md", "only exists once the docs are built"),
        ("docs/reference/options.md", "only exists once the docs are built"),
    ],
)  # fmt: skip
def test_a_dead_link_is_found(target: str, expected: str | None) -> None:
    assert fault(ROOT / "README.md", target) == expected


def test_links_are_found_in_paragraphs_tables_pictures_and_html(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '[a](one.md) ![b](two.png)\n\n| x |\n|---|\n| [c](three.md) |\n\n<img src="four.png">\n\n`[d](five.md)`\n\n'
        "[e][f]\n\n[f]: six.md\n"
    )
    assert sorted(links(page)) == ["four.png", "one.md", "six.md", "three.md", "two.png"]
