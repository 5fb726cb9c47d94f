"""`radfield demo`: one command from nothing to pictures, a result and a video."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from radfield_core.cli.demo import METHOD
from radfield_core.cli.main import main
from radfield_core.runs import reports
from radfield_core.runs.reports import render_path


def test_the_demo_leaves_a_result_pictures_and_a_video(tmp_path, capsys, monkeypatch):
    assert METHOD == "ngp-small"
    monkeypatch.setattr(
        reports, "render_path", lambda run, path, n, out, **more: render_path(run, path, 3, out, **more)
    )
    out = tmp_path / "demo"
    assert main(["demo", "--seconds", "4", "--out", str(out), "-q"]) == 0
    results = json.loads((out / "results.json").read_text())
    assert results["split"] == "test" and len(results["per_image"]) == 20
    white = 11.0  # dB, roughly that of empty pictures on this scene
    assert results["metrics"]["psnr"] > white
    pictures = sorted((out / "images").glob("test-*_rgb.png"))
    assert len(pictures) == 3
    assert np.asarray(Image.open(pictures[0])).std() > 20, "something is to be seen"
    assert (out / "images" / "turntable.mp4").stat().st_size > 1000
    assert str(out / "images") in capsys.readouterr().out


@pytest.mark.parametrize("seconds", ["0", "-3", "nan"])
def test_the_demo_needs_time(seconds, capsys):
    assert main(["demo", "--seconds", seconds]) == 2
    assert capsys.readouterr().err.startswith("error: --seconds: ")
