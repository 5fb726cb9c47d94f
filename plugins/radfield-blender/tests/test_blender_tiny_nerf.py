"""Tiny NeRF files: the real file is read as documented, and one error reports all unusable arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from radfield_blender import sniff
from radfield_blender.config import TinyNerfConfig
from radfield_blender.tiny_nerf import TinyNerfParser

from radfield_core import DatasetError, NoSuchSplit


def _parse(path, split="train", **options):
    return TinyNerfParser(TinyNerfConfig(root=str(path), **options)).parse(split)


def _write(path, n=5, **changes):
    arrays = {
        "images": np.linspace(0, 1, n * 6 * 8 * 3, dtype=np.float32).reshape(n, 6, 8, 3),
        "poses": np.tile(np.eye(4, dtype=np.float32), (n, 1, 1)),
        "focal": np.array(11.0),
    }
    np.savez(path, **{**arrays, **changes})
    return path


def test_the_real_file_has_its_views(test_data):
    path = test_data / "tiny_nerf" / "tiny_nerf_lego.npz"
    assert sniff.tiny_nerf(path)
    arrays = np.load(path)
    for split, chosen in (("train", slice(0, 100)), ("val", slice(100, 106)), ("test", slice(100, 106))):
        scene = _parse(path, split)
        n = chosen.stop - chosen.start
        assert len(scene.cameras) == len(scene.images) == len(scene.names) == n
        assert np.abs(scene.cameras.c2w.numpy() - arrays["poses"][chosen, :3]).max() < 1e-6
        assert scene.cameras.camera(0).fx == pytest.approx(138.8889, abs=1e-4)
        assert (scene.near, scene.far, scene.limits_along) == (2.0, 6.0, "axis")
        for i in (0, n - 1):
            stored = arrays["images"][chosen][i]
            assert np.abs(scene.images[i].numpy() / 255 - stored).max() <= 0.5 / 255 + 1e-6


def test_the_first_views_train_and_the_rest_are_held_out(tmp_path):
    path = _write(tmp_path / "x.npz")
    assert _parse(path, "train", n_train=3).names == ["view 0", "view 1", "view 2"]
    assert _parse(path, "test", n_train=3).names == _parse(path, "val", n_train=3).names == ["view 3", "view 4"]
    with pytest.raises(NoSuchSplit, match="5 views"):
        _parse(path, "test")


def test_bytes_are_taken_as_they_are(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), dtype=np.uint8)
    scene = _parse(_write(tmp_path / "x.npz", images=images))
    assert (scene.images[4].numpy() == images[4]).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"images": np.zeros((5, 6, 8))}, ["images"]),
        ({"images": np.full((5, 6, 8, 3), 2.0)}, ["between 2 and 2"]),
        ({"images": np.full((5, 6, 8, 3), np.nan)}, ["images"]),
        ({"images": np.zeros((0, 6, 8, 3))}, ["images", "poses"]),
        ({"images": np.zeros((5, 6, 8, 3), dtype=np.int64)}, ["int64"]),
        (
            {"images": np.zeros((5, 6, 8)), "poses": np.zeros((4, 4)), "focal": np.array(-1.0)},
            ["images", "poses", "focal"],
        ),
        ({"poses": np.zeros((4, 4, 4))}, ["poses"]),
        ({"poses": np.zeros((5, 4, 4))}, ["view 0", "view 4"]),
        ({"focal": np.array([1.0, 2.0])}, ["focal"]),
        ({"focal": np.array(np.nan)}, ["focal"]),
        ({"focal": np.array("wide")}, ["focal"]),
    ],
)
def test_arrays_that_do_not_fit_are_all_named(tmp_path, changes, says):
    with pytest.raises(DatasetError) as caught:
        _parse(_write(tmp_path / "x.npz", **changes))
    assert all(word in str(caught.value) for word in says)


def test_a_missing_array_or_file_is_named(tmp_path):
    np.savez(tmp_path / "x.npz", images=np.zeros((1, 2, 2, 3)))
    with pytest.raises(DatasetError, match="poses, focal"):
        _parse(tmp_path / "x.npz")
    with pytest.raises(DatasetError) as caught:
        _parse(tmp_path / "X.npz")
    assert "x.npz" in caught.value.problems[0].hint
    assert sniff.tiny_nerf(tmp_path / "x.npz") is None


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_to_the_bytes_parses_or_is_a_dataset_error(tmp_path_factory, data):
    path = _write(tmp_path_factory.mktemp("f") / "x.npz", n=2)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    sniff.tiny_nerf(path)
    try:
        _parse(path, n_train=1)
    except DatasetError:
        return
