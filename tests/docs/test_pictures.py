"""Pictures of the documentation are shown, small, and described by the numbers of the runs that they show."""

from __future__ import annotations

import json
import re

from markdown import DOCS, ROOT, tokens

IMAGES = DOCS / "images"
PAGES = [ROOT / "README.md", *DOCS.rglob("*.md")]


def test_every_picture_is_shown_and_small() -> None:
    shown = {
        str(token.attrGet("src")).rpartition("/")[2]
        for page in PAGES
        for token in tokens(page)
        if token.type == "image"
    }
    pictures = [path for path in IMAGES.iterdir() if path.suffix != ".json"]
    assert {path.name for path in pictures} - shown == set()
    assert [path.name for path in pictures if path.stat().st_size > 250_000] == []
    assert sum(path.stat().st_size for path in pictures) <= 3_000_000


def test_captions_of_methods_state_the_numbers_of_their_runs() -> None:
    made = json.loads((IMAGES / "pictures.json").read_text(encoding="utf-8"))
    captions = 0
    for page in (DOCS / "methods").glob("*.md"):
        found = re.findall(r"\(\.\./images/([\w-]+\.webp)\)\n\n\*([^*]+)\*", page.read_text(encoding="utf-8"))
        for name, caption in found:
            if "steps" not in caption:
                continue
            run, captions = made[name]["run"], captions + 1
            assert f"{run['steps']:,} steps" in caption and f"{run['psnr']:.1f} dB" in caption, name
    assert captions >= 6
