"""The synthetic scene written in a format and read back is the same; inspecting says what is there, and what not."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig
from radfield_synthetic.config import SyntheticConfig
from radfield_synthetic.dataset import SyntheticParser

from radfield_core.cli.main import main
from radfield_core.rays import view_rays

OPTIONS = {"resolution": 24, "n_train": 5, "n_val": 2, "n_test": 3}
WORDS = [f"data.{key}={value}" for key, value in OPTIONS.items()]


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def folder(tmp_path, capsys):
    """The synthetic scene as a Blender folder."""
    assert main(["data", "make", str(tmp_path / "scene"), "--format", "blender", "-q", *WORDS]) == 0
    output = capsys.readouterr().out
    assert "synthetic as blender" in output and "train: 5 views, val: 2 views, test: 3 views" in output
    return tmp_path / "scene"


def test_rays_and_pixels_of_the_folder_are_those_of_the_scene(folder):
    for split, n in (("train", 5), ("val", 2), ("test", 3)):
        ours = SyntheticParser(SyntheticConfig(**OPTIONS)).parse(split)
        theirs = BlenderParser(BlenderConfig(root=str(folder))).parse(split)
        assert len(theirs.cameras) == n and theirs.names == ours.names
        for i in range(n):
            a, b = view_rays(ours, ours.cameras.view(i)), view_rays(theirs, theirs.cameras.view(i))
            assert (a.origins - b.origins).abs().max() < 1e-5 and (a.directions - b.directions).abs().max() < 1e-5
            assert torch.equal(ours.images[i], theirs.images[i])


def test_inspecting_a_good_folder_tells_and_draws(folder, tmp_path, capsys):
    assert main(["data", "inspect", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 0
    said = capsys.readouterr().out
    assert "scene: blender" in said and "views    5" in said and "24×24" in said and "straight alpha" in said
    for name in ("cameras.png", "images.png"):
        with Image.open(tmp_path / "out" / name) as picture:
            assert np.asarray(picture.convert("RGB")).std() > 10


def test_inspecting_a_bad_folder_names_every_fault_and_ends_with_65(folder, tmp_path, capsys):
    (folder / "train" / "r_1.png").write_bytes((folder / "train" / "r_1.png").read_bytes()[:-300])
    (folder / "test" / "r_2.png").unlink()
    meta = json.loads((folder / "transforms_val.json").read_text())
    meta["frames"][1]["transform_matrix"][0][0] += 0.5
    (folder / "transforms_val.json").write_text(json.dumps(meta))
    assert main(["data", "inspect", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 65
    out, said = capsys.readouterr()
    assert "train/r_1.png" in said and "not rigid" in said
    assert "warning: 1 of 3 images is missing and is left out: test/r_2" in out
    assert said.count("error: ") == 2 and "Traceback" not in said


def test_pictures_that_cannot_be_written_hide_no_fault(folder, tmp_path, capsys):
    (tmp_path / "file").touch()
    argv = ["data", "inspect", str(folder), "--out", str(tmp_path / "file"), "-q"]
    assert main(argv) == 74
    assert "file: cannot be written" in capsys.readouterr().err
    (folder / "test" / "r_2.png").write_bytes(b"")
    assert main(argv) == 65
    said = capsys.readouterr().err
    assert "test/r_2.png: is empty" in said and "file: cannot be written" in said


def test_a_split_that_is_not_there_is_no_fault(folder, tmp_path, capsys):
    (folder / "transforms_val.json").unlink()
    assert main(["data", "inspect", str(folder), "--out", str(tmp_path / "out"), "-q"]) == 0
    assert "val: none" in capsys.readouterr().out


def test_a_folder_that_is_not_empty_is_left_alone(folder, capsys):
    before = sorted(path.name for path in folder.rglob("*"))
    assert main(["data", "make", str(folder), "--format", "blender", "-q", *WORDS]) == 2
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert "not an empty folder" in capsys.readouterr().err


def test_formats_that_cannot_be_written_name_those_that_can(tmp_path, capsys):
    assert main(["data", "make", str(tmp_path / "x"), "--format", "tiny-nerf"]) == 2
    assert "blender" in capsys.readouterr().err and not (tmp_path / "x").exists()
    assert main(["data", "make", str(tmp_path / "x"), "--format", "blendr"]) == 2
    assert "blender" in capsys.readouterr().err


def test_a_mistyped_conversion_lists_converters_formats_and_other_mistakes(tmp_path, capsys):
    assert main(["data", "convert", "trnsforms", str(tmp_path / "absent"), str(tmp_path / "x")]) == 2
    said = capsys.readouterr().err
    assert "multiscale" in said and "blender" in said and "try: Use transforms\n" in said
    assert "absent: there is no such file" in said
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    argv = ["data", "convert", "tiny-nerf", str(tmp_path / "absent"), str(tmp_path / "full"), "data.n=3", ".=3"]
    assert main(argv) == 2
    said = capsys.readouterr().err
    for words in (
        "can be read but not written",
        "absent: there is no such file",
        "not an empty folder",
        "'.=3' is not key=value",
    ):
        assert words in said


def test_any_data_can_be_written_in_another_format(folder, tmp_path, capsys):
    assert main(["data", "make", str(tmp_path / "copy"), "--format", "blender", "--data", str(folder), "-q"]) == 0
    a = BlenderParser(BlenderConfig(root=str(folder))).parse("train")
    b = BlenderParser(BlenderConfig(root=str(tmp_path / "copy"))).parse("train")
    assert torch.allclose(a.cameras.c2w, b.cameras.c2w)
    assert all(torch.equal(a.images[i], b.images[i]) for i in range(5))


def test_unknown_options_of_the_data_are_named(tmp_path, capsys):
    assert (
        main(["data", "make", str(tmp_path / "x"), "--format", "blender", "data.resolutoin=3", "data.n_train=0"]) == 2
    )
    said = capsys.readouterr().err
    assert "resolution" in said and "n_train" in said
