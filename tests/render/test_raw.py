"""Raw maps in data units, and the files that hold them, read by independent readers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from radfield_core.errors import UsageError
from radfield_core.render.raw import raw_maps, save_raw, write_raw
from radfield_core.testing.training import toy_scene
from radfield_core.types import Rendered


def moved_scene(scale: float):
    """A scene whose data are `scale` times as large, turned and shifted."""
    turn = torch.from_numpy(Rotation.from_euler("xyz", [20, -40, 70], degrees=True).as_matrix())
    to_data = torch.eye(4, dtype=torch.float64)
    to_data[:3, :3], to_data[:3, 3] = scale * turn, torch.tensor([5.0, -3.0, 2.0])
    return replace(toy_scene(1), to_data=to_data), turn.numpy()


def test_maps_are_in_the_units_and_along_the_axes_of_the_data() -> None:
    scene, turn = moved_scene(2.5)
    normals = torch.tensor([[0.0, 0.0, 0.5], [0.6, 0.8, 0.0], [0.0, 0.0, 0.0]])
    rendered = Rendered(
        None, torch.tensor([2.0, 1.5, 0.0]), torch.tensor([1.0, 0.5, 0.0]), normals,
        median_depth=torch.tensor([2.0, math.inf, math.inf]),
    )  # fmt: skip
    maps = raw_maps(rendered, scene, 3, 1)
    np.testing.assert_allclose(maps["depth"], [[5.0, 7.5, np.nan]], rtol=1e-6)  # of the mean distances 2 and 3
    np.testing.assert_allclose(maps["median-depth"], [[5.0, np.inf, np.inf]], rtol=1e-6)
    np.testing.assert_allclose(maps["opacity"], [[1.0, 0.5, 0.0]])
    expected = [turn @ [0, 0, 1], turn @ [0.6, 0.8, 0], [0, 0, 0]]
    np.testing.assert_allclose(maps["normals"], [expected], atol=1e-6)
    assert all(values.dtype == np.float32 for values in maps.values())


def test_a_depth_leads_from_the_camera_to_the_point_in_the_data() -> None:
    """The camera and a point at a distance along a ray, both taken to the data, are the depth apart."""
    scene, _ = moved_scene(0.4)
    origin, direction = torch.tensor([[1.0, 2.0, 3.0]]), torch.nn.functional.normalize(torch.tensor([[1.0, -2.0, 0.5]]))
    maps = raw_maps(Rendered(None, torch.tensor([1.7]), torch.tensor([1.0])), scene, 1, 1)
    ends = scene.data_points(torch.cat([origin, origin + 1.7 * direction]))
    assert float(maps["depth"][0, 0]) == pytest.approx(float((ends[1] - ends[0]).norm()), rel=1e-5)


def test_rays_in_ndc_have_no_maps() -> None:
    rendered = Rendered(None, torch.zeros(1), torch.zeros(1))
    with pytest.raises(UsageError, match="NDC"):
        raw_maps(rendered, replace(toy_scene(1), ndc=True), 1, 1)


def read_pfm(path: Path) -> np.ndarray:
    """Read a PFM file as its description says: three lines of text, then rows from the bottom to the top."""
    kind, size, scale, data = path.read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    order = "<" if float(scale) < 0 else ">"
    values = np.frombuffer(data, dtype=f"{order}f4")
    shape = (height, width) if kind == b"Pf" else (height, width, 3)
    return values.reshape(shape)[::-1]


@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 3)])
def test_npy_and_pfm_give_the_numbers_back(shape: tuple[int, ...], tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    values.flat[0], values.flat[1] = np.nan, np.inf
    for path in save_raw({"depth": values}, tmp_path, "test-003", "npy"):
        assert path.name == "test-003_depth.npy"
        np.testing.assert_array_equal(np.load(path), values)
    write_raw(tmp_path / "a.pfm", values)
    np.testing.assert_array_equal(read_pfm(tmp_path / "a.pfm"), values)


@pytest.mark.parametrize(
    ("name", "shape", "channels"),
    [("v_depth", (3, 5), "Z"), ("v_opacity", (3, 5), "A"), ("v_normals", (3, 5, 3), "XYZ")],
)
def test_exr_gives_the_numbers_back(name: str, shape: tuple[int, ...], channels: str, tmp_path: Path) -> None:
    exr = pytest.importorskip("OpenEXR", reason="EXR files are written by the package OpenEXR")
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    write_raw(tmp_path / f"{name}.exr", values)
    with exr.File(str(tmp_path / f"{name}.exr"), separate_channels=True) as file:
        planes = {channel: np.asarray(found.pixels) for channel, found in file.channels().items()}
    assert sorted(planes) == sorted(channels)
    found = np.stack([planes[channel] for channel in channels], -1)
    np.testing.assert_array_equal(found if values.ndim == 3 else found[..., 0], values)
    assert [path.name for path in tmp_path.iterdir()] == [f"{name}.exr"]
