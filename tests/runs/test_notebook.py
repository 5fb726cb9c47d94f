"""The HTML of a run: curves at the right places, the last strip, and nothing that a name could inject."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from radfield_core.files.pictures import write_picture
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.notebook import HEIGHT, MARGIN, WIDTH, as_html, curve
from radfield_core.runs.trained import Trained


def test_a_curve_runs_from_corner_to_corner_and_leaves_out_what_is_no_number() -> None:
    values = [(0, 1.0), (10, 3.0), (20, float("nan")), (40, 5.0)]
    entries = [{"step": step, "loss": value} for step, value in values] + [{"step": 50, "eval": {}}, {"step": "x"}]
    svg = ET.fromstring(curve(entries, "loss", "<loss>"))
    points = [tuple(map(float, point.split(","))) for point in svg.find("polyline").get("points").split()]
    middle = MARGIN + 0.25 * (WIDTH - 2 * MARGIN), HEIGHT / 2
    assert points == [(MARGIN, HEIGHT - MARGIN), middle, (WIDTH - MARGIN, MARGIN)]
    assert svg.find("text").text == "<loss>: 5"
    assert curve(entries[:1], "loss", "loss") == "" and curve(entries, "psnr", "PSNR") == ""


def test_a_long_curve_keeps_its_last_point() -> None:
    entries = [{"step": step, "loss": 1.0 + step} for step in range(5001)]
    points = re.search('points="([^"]*)"', curve(entries, "loss", "loss"))[1].split()
    assert len(points) <= 402 and points[-1] == f"{WIDTH - MARGIN:.1f},{MARGIN:.1f}"


def test_names_are_escaped_and_the_last_strip_is_shown(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for step in (20, 100):
        write_picture(folder.pictures / f"step-{step:09d}.png", np.full((2, 8, 3), step, dtype=np.uint8))
    (folder.pictures / "step-000000200.png").write_text("<script>no picture</script>")
    assert "<img" not in as_html(folder, "x", {})
    (folder.pictures / "step-000000200.png").unlink()
    folder.metrics.write_text("".join(json.dumps({"step": n, "loss": 1.0 / n}) + "\n" for n in (1, 2)))
    page = as_html(folder, "<img onerror=alert(1)>", {"<b>": "\"'</td><script>"})
    root = ET.fromstring(f"<div>{page.replace('><figcaption', '/><figcaption')}</div>")
    assert root.find("h4").text == "<img onerror=alert(1)>" and root.find("table/tr/td").text == "\"'</td><script>"
    assert [element.tag for element in root.iter() if element.tag in ("script", "b")] == []
    (image,) = root.iter("img")
    data = base64.b64decode(image.get("src").removeprefix("data:image/png;base64,"))
    assert data == (folder.pictures / "step-000000100.png").read_bytes() and "step 100" in image.get("alt")


def test_an_open_run_shows_itself(trained: Trained) -> None:
    page = trained._repr_html_()
    assert str(trained.step) in page and trained.run.method.name in page and "<script" not in page
