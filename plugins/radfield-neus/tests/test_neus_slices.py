"""exporter:sdf-slices: the content of the picture, and the files that are written."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_neus.config import SlicesConfig
from radfield_neus.slices import BOTTOM, LEFT, PLANES, RIGHT, TOP, SdfSlices, labeled, slice_of

from radfield_core import SceneBox, StorageError, compose, compose_part, export, get_registry


class Ball(torch.nn.Module):
    """A ball of radius 0.6 around (0.5, 0, 0)."""

    def __init__(self) -> None:
        super().__init__()
        self.center = torch.nn.Parameter(torch.tensor([0.5, 0.0, 0.0]))

    def sdf(self, x):
        return (x - self.center).norm(dim=-1) - 0.6

    def gradient(self, x):
        return torch.nn.functional.normalize(x - self.center, dim=-1)


def test_slices_show_the_distance_on_three_planes(tmp_path) -> None:
    scene = SimpleNamespace(ndc=True, box=SceneBox(torch.tensor([0.5, 0.0, 0.0]), 2.0))
    values = slice_of(Ball(), scene, PLANES[0], 101)
    np.testing.assert_allclose([values[50, 50], values[50, 100], values[0, 50]], [-0.6, 1.4, 1.4], atol=1e-6)
    scene.box = SceneBox(torch.zeros(3), 2.0)
    model = SimpleNamespace(queries=Ball)
    (path,) = SdfSlices(SlicesConfig(resolution=101)).export(model, scene, tmp_path / "slices.png")
    whole = np.asarray(Image.open(path).convert("RGB")).astype(int)
    assert whole.shape == (TOP + 101 + BOTTOM, 3 * (LEFT + 101 + RIGHT), 3)
    picture = whole[TOP : TOP + 101, LEFT : LEFT + 101]
    inside, outside = picture[50, 62], picture[50, 2]  # the xy plane: x to the right
    assert inside[2] > inside[0] and outside[0] > outside[2]
    assert outside.sum() < picture[50, 98].sum(), "the ball lies to the right: the left border is farther, and darker"


def test_planes_keep_their_pixels_and_are_titled(monkeypatch) -> None:
    from matplotlib.figure import Figure

    figures, savefig = [], Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (figures.append(figure), savefig(figure, *a, **k)))
    noise = [np.random.default_rng(i).integers(0, 256, (100, 100, 3)).astype(np.uint8) for i in range(3)]
    scene = SimpleNamespace(ndc=True, box=SceneBox(torch.tensor([3.0, -1.0, 0.25]), 2.0))
    whole = np.asarray(Image.open(BytesIO(labeled(noise, scene))).convert("RGB"))
    for index, picture in enumerate(noise):
        left = index * (LEFT + 100 + RIGHT) + LEFT
        inside = whole[TOP + 2 : TOP + 98, left + 2 : left + 98]  # within the frame
        assert np.array_equal(inside, picture[2:98, 2:98])
    first, second, third = figures[0].axes
    assert [axes.get_title() for axes in (first, second, third)] == [
        "xy plane, z = 0.25",
        "xz plane, y = -1",
        "yz plane, x = 3",
    ]
    assert (second.get_xlabel(), second.get_ylabel()) == ("x", "z")
    assert first.get_xlim() == pytest.approx((1.0, 5.0), abs=0.03) and second.get_ylim()[1] == pytest.approx(
        2.25, abs=0.03
    )
    assert "a line every 0.2" in figures[0].texts[0].get_text()


def trained() -> Any:
    """The attributes of a run that `export` reads, with the ball as the field."""
    run = compose(get_registry(), method="neus", needs_data=False).run
    scene = SimpleNamespace(ndc=True, box=SceneBox(torch.zeros(3), 2.0))
    return SimpleNamespace(
        run=run, model=SimpleNamespace(queries=Ball), scenes=SimpleNamespace(views=lambda split: scene)
    )


def test_slices_have_no_sidecar_about_data_coordinates(tmp_path) -> None:
    slices = compose_part(get_registry(), "exporter", "sdf-slices", ["resolution=16"])
    assert export(trained(), slices, tmp_path / "new" / "slices") == [tmp_path / "new" / "slices.png"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["slices.png"]
    assert Image.open(tmp_path / "new" / "slices.png").size == (3 * (LEFT + 16 + RIGHT), TOP + 16 + BOTTOM)


def test_slices_that_cannot_be_written_leave_no_file_behind(tmp_path, monkeypatch) -> None:
    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", refuse)
    slices = compose_part(get_registry(), "exporter", "sdf-slices", ["resolution=16"])
    with pytest.raises(StorageError, match="No space left"):
        export(trained(), slices, tmp_path / "slices")
    assert list(tmp_path.iterdir()) == []
