"""Poses with other axes, inverted and mirrored poses: warned of in inspect and in train, and turned by an option."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig, MultiscaleConfig, MultiscaleConversionConfig, TinyNerfConfig
from radfield_blender.convert_multiscale import MultiscaleConverter
from radfield_blender.multiscale import MultiscaleParser
from radfield_blender.tiny_nerf import TinyNerfParser
from radfield_blender.writer import write_blender
from radfield_llff.config import LlffConfig
from radfield_llff.dataparser import Llff
from radfield_llff.writer import write as write_llff
from radfield_transforms.config import TransformsConfig
from radfield_transforms.dataparser import Transforms
from radfield_transforms.writer import write as write_transforms

from radfield_core import DatasetError, Scene
from radfield_core.cli.main import main
from radfield_core.data.poses import as_stored, to_opengl
from radfield_core.inspection.axes import viewing_axes
from radfield_core.testing.captures import toy_capture

SMALL = [
    "trainer.max_steps=1", "trainer.n_rays=16", "field.width=8", "field.depth=3", "field.skip_layer=2",
    "sampler.n_samples=4", "trainer.device=cpu",
]  # fmt: skip
SCENE = toy_capture(12, size=(32, 32))
FORMATS = {
    "blender": lambda root, **options: BlenderParser(BlenderConfig(root=str(root), **options)),
    "multiscale": lambda root, **options: MultiscaleParser(MultiscaleConfig(root=str(root), **options)),
    "tiny": lambda root, **options: TinyNerfParser(TinyNerfConfig(root=str(root / "tiny.npz"), n_train=12, **options)),
    "transforms": lambda root, **options: Transforms(TransformsConfig(root=str(root), holdout=0, **options)),
    "llff": lambda root, **options: Llff(LlffConfig(root=str(root), ndc=False, holdout=0, **options)),
}


def write(name: str, root: Path, change) -> Path:
    """Writes the scene in a format. `change` gets the poses [V, 3, 4] as the format stores them and returns others."""

    def rows(values) -> list:
        poses = change(np.array(values, np.float64)[:, :3])
        return [[*pose.tolist(), [0.0, 0.0, 0.0, 1.0]] for pose in poses]

    root.mkdir()
    if name == "tiny":
        images = np.stack([SCENE.images[i].numpy() for i in range(12)])
        np.savez(root / "tiny.npz", images=images, poses=np.array(rows(SCENE.cameras.c2w.tolist())), focal=32.0)
    elif name == "llff":
        write_llff({"train": SCENE}, root)
        table = np.load(root / "poses_bounds.npy")
        matrices = table[:, :15].reshape(-1, 3, 5)
        matrices[..., :4] = change(matrices[..., :4])
        np.save(root / "poses_bounds.npy", table)
    elif name == "multiscale":
        write_blender({"train": SCENE}, root / "source")
        MultiscaleConverter(MultiscaleConversionConfig(n_down=1)).convert(root / "source", root / "made")
        meta = json.loads((root / "made" / "metadata.json").read_text())
        meta["train"]["cam2world"] = rows(meta["train"]["cam2world"])
        (root / "made" / "metadata.json").write_text(json.dumps(meta))
        return root / "made"
    else:
        writer, file = {"blender": (write_blender, "transforms_train.json"),
                        "transforms": (write_transforms, "transforms.json")}[name]  # fmt: skip
        writer({"train": SCENE}, root)
        meta = json.loads((root / file).read_text())
        for frame, pose in zip(meta["frames"], rows([f["transform_matrix"] for f in meta["frames"]]), strict=True):
            frame["transform_matrix"] = pose
        (root / file).write_text(json.dumps(meta))
    return root


def places(scene: Scene) -> torch.Tensor:
    """The cameras in the data's own coordinates."""
    to_data = scene.to_data
    scale = torch.linalg.det(to_data[:3, :3]) ** (1 / 3)
    turned = to_data[:3, :3] / scale @ scene.cameras.c2w[:, :, :3]
    return torch.cat([turned, scene.data_points(scene.cameras.c2w[:, :, 3])[..., None]], -1)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("axes", "world_to_camera"), [("opencv", False), ("opengl", True), ("opencv", True), ("RUF", False), ("DRB", False)]
)
def test_the_options_of_every_format_undo_other_axes_and_inverses(tmp_path, name, axes, world_to_camera):
    letters = {"opencv": "RDF", "opengl": "RUB"}.get(axes, axes)

    def change(poses):
        plain = poses if name != "llff" else np.concatenate(
            [poses[:, :, 1:2], -poses[:, :, :1], poses[:, :, 2:]], -1)  # fmt: skip
        return as_stored(plain, letters, world_to_camera)

    root = write(name, tmp_path / "scene", change)
    scene = FORMATS[name](root, axes=axes, world_to_camera=world_to_camera).parse("train")
    torch.testing.assert_close(places(scene), SCENE.cameras.c2w, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", FORMATS)
def test_mirrored_poses_are_refused_with_the_option_to_set(tmp_path, name):
    def mirrored(poses):
        return poses * np.array([1.0, 1.0, -1.0, 1.0])

    root = write(name, tmp_path / "scene", mirrored)
    with pytest.raises(DatasetError, match="mirrored") as caught:
        FORMATS[name](root).parse("train")
    assert "data.axes=RUF" in caught.value.problems[0].hint


@pytest.mark.parametrize("name", ["blender", "transforms"])
@pytest.mark.parametrize(
    ("letters", "world_to_camera", "options"),
    [("RDF", False, "data.axes=opencv"), ("RUB", True, "data.world_to_camera=true")],
)
def test_inspect_and_train_name_the_cause_and_the_option(tmp_path, name, letters, world_to_camera, options, capsys):
    root = write(name, tmp_path / "scene", lambda poses: as_stored(poses, letters, world_to_camera))
    run = ["--method", "tiny-nerf", "--data", str(root), "-q", *SMALL]
    for verb in (["data", "inspect", str(root), "-q", "--out", str(tmp_path / "pictures")],
                 ["train", *run, "--out", str(tmp_path / "run")]):  # fmt: skip
        assert main(verb) == 0
        captured = capsys.readouterr()
        said = captured.out + captured.err
        assert "warning: the " in said and f"set {options}" in said
        assert main([*verb[:-1], str(tmp_path / f"{verb[0]}-2"), *options.split()]) == 0
        captured = capsys.readouterr()
        assert "set data." not in captured.out + captured.err


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("letters", "world_to_camera"), [("RDF", False), ("RUB", True), ("RDF", True)])
def test_every_format_warns_and_the_options_that_it_names_are_right(tmp_path, name, letters, world_to_camera):
    def change(poses):
        plain = poses if name != "llff" else to_opengl(poses, "DRB", False)
        own = as_stored(plain, letters, world_to_camera)
        return own if name != "llff" else _in_letters(plain, letters, world_to_camera)

    root = write(name, tmp_path / "scene", change)
    parser = FORMATS[name](root)
    (warning,) = viewing_axes(parser.parse("train"), parser.config)
    words = warning.partition("; set ")[2].partition(";")[0].partition(" or ")[0].split()
    chosen = dict(word.removeprefix("data.").split("=") for word in words)
    turned = FORMATS[name](root, axes=chosen.get("axes"), world_to_camera="world_to_camera" in chosen)
    torch.testing.assert_close(places(turned.parse("train")), SCENE.cameras.c2w, atol=1e-6, rtol=0)


def _in_letters(c2w, letters, world_to_camera):
    """LLFF's poses with a fault: half a turn about the camera's x axis, or inverse matrices, of its own axes."""
    own = "DRB" if letters == "RUB" else "URF"
    return as_stored(c2w, own, world_to_camera)
