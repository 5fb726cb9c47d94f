"""Pictures of a rendered view: false colors that can be read, and files that are whole or absent."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from radfield_core.render.image_metrics import ssim_map
from radfield_core.render.pictures import depth_range, make_pictures, save_pictures, similarity_picture
from radfield_core.types import Rendered


def test_pictures_show_near_as_red_far_as_blue_and_nothing_as_black() -> None:
    opacity = torch.ones(4, 6)
    opacity[0] = 0.0
    depth = torch.linspace(1.0, 3.0, 6).expand(4, 6) * opacity
    made = make_pictures(Rendered(torch.rand(24, 3), depth.flatten(), opacity.flatten(), torch.rand(24, 3)), 6, 4)
    assert set(made) == {"rgb", "depth", "opacity", "normals"}
    assert all(picture.shape == (4, 6, 3) and picture.dtype == np.uint8 for picture in made.values())
    assert not made["depth"][0].any() and not made["opacity"][0].any() and (made["opacity"][1:] == 255).all()
    near, far = made["depth"][1, 0].astype(int), made["depth"][1, -1].astype(int)
    assert near[0] > near[2] and far[2] > far[0]


def test_the_range_of_depths_is_what_the_colors_of_the_picture_stand_for() -> None:
    depth = torch.linspace(1.0, 3.0, 101)
    low, high = depth_range(Rendered(None, depth * 0.8, torch.full((101,), 0.8))) or (0.0, 0.0)
    assert low == pytest.approx(1.04) and high == pytest.approx(2.96), "the quantiles 0.02 and 0.98 of the mean depth"
    made = make_pictures(Rendered(None, depth, torch.ones(101)), 101, 1)["depth"][0]
    assert (made[:2] == made[0]).all() and (made[-2:] == made[-1]).all() and (made[2] != made[50]).any()
    assert depth_range(Rendered(None, depth, torch.zeros(101))) is None


def test_the_picture_of_similarity_is_black_where_images_are_alike() -> None:
    truth = np.random.default_rng(1).integers(0, 256, (24, 40, 3), dtype=np.uint8)
    rendered = truth.copy()
    rendered[:, 30:] = 255 - truth[:, 30:]
    made = similarity_picture(ssim_map(*(torch.from_numpy(image) / 255.0 for image in (rendered, truth))))
    assert made.shape == truth.shape and made.dtype == np.uint8
    assert made[:, :24].max() <= 5 and made[:, 36:].min(axis=(0, 1))[0] > 200, "inferno from black to yellow"


def test_normals_run_from_black_at_minus_one_to_white_at_one_times_opacity() -> None:
    normals = torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    made = make_pictures(Rendered(None, torch.ones(2), torch.tensor([1.0, 0.5]), normals), 2, 1)
    assert "rgb" not in made
    assert made["normals"].tolist() == [[[255, 128, 0], [64, 128, 64]]]


def test_a_view_of_nothing_has_a_black_depth() -> None:
    made = make_pictures(Rendered(None, torch.zeros(6), torch.zeros(6)), 3, 2)
    assert made["depth"].shape == (2, 3, 3) and not made["depth"].any()


def test_pictures_are_files_with_the_same_pixels(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    paths = save_pictures({"rgb": rgb, "depth": rgb[::-1]}, tmp_path / "new", "test-000")
    assert [path.name for path in paths] == ["test-000_rgb.png", "test-000_depth.png"]
    assert np.array_equal(iio.imread(paths[0]), rgb) and np.array_equal(iio.imread(paths[1]), rgb[::-1])


def test_pictures_that_find_no_room_leave_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> int:
        raise OSError(28, "No space left on device")

    (path,) = save_pictures({"rgb": np.zeros((8, 8, 3), dtype=np.uint8)}, tmp_path, "a")
    before = path.read_bytes()
    monkeypatch.setattr("os.write", full)
    with pytest.raises(OSError, match="No space"):
        save_pictures({"rgb": np.full((8, 8, 3), 9, dtype=np.uint8)}, tmp_path, "a")
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_transparent_picture_has_straight_alpha() -> None:
    premultiplied = torch.tensor([[0.5, 0.25, 0.0], [0.0, 0.0, 0.0], [0.2, 0.4, 1.0]])
    rendered = Rendered(premultiplied, torch.ones(3), torch.tensor([0.5, 0.0, 1.0]))
    made = make_pictures(rendered, 3, 1, transparent=True)
    assert made["rgb"].tolist() == [[[255, 128, 0, 128], [0, 0, 0, 0], [51, 102, 255, 255]]]
    assert made["depth"].shape == (1, 3, 3)
