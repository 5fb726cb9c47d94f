"""A run starts from the Gaussians of a file: those of the file, in scene coordinates, reproducible and resumable."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from radfield_splat import Gaussians, read_splats, write_splats
from radfield_splat.config import SplatConfig
from radfield_splat.model import SplatModel
from splat_scenes import scene

from radfield_core import BuildContext, SceneBox, Step
from radfield_core.cli.main import main
from radfield_core.runs import checkpoint

TINY = [
    "--data", "synthetic", "data.resolution=16", "data.n_train=3", "data.n_val=1", "data.n_test=1",
    "trainer.device=cpu", "trainer.eval_views=0", "method.degree=2", "method.unseen_steps=0", "method.min_opacity=0",
]  # fmt: skip
SLOW = [f"method.lr_{name}=1e-12" for name in ("means", "scales", "quaternions", "opacities", "colors")]


@pytest.fixture
def file(tmp_path):
    """Gaussians around the middle of the synthetic scene, of degree 2."""
    means, scales, quaternions, logits, harmonics = scene(40, 2)
    middle = torch.tensor([0.0, 0.0, 4.0])
    write_splats(tmp_path / "first.ply", Gaussians(0.3 * (means + middle), scales, quaternions, logits, harmonics))
    return tmp_path / "first.ply"


@pytest.mark.parametrize("radius", ["3", "0.5"])
def test_a_run_starts_with_the_gaussians_of_the_file_in_scene_coordinates(radius, file, tmp_path):
    run = tmp_path / "run"
    words = ["--init-from", str(file), *TINY, *SLOW, "trainer.max_steps=1", f"scene.radius={radius}"]
    assert main(["train", "--method", "splat", "--out", str(run), "-q", *words, "method.max_gaussians=40"]) == 0
    assert main(["export", str(run), "--exporter", "splats", "--out", str(tmp_path / "again.ply")]) == 0
    to_data = torch.tensor(json.loads((run / "scene.json").read_text())["to_data"])
    assert (to_data[0, 0].item() != 1) == (radius == "0.5")
    found, expected = read_splats(tmp_path / "again.ply"), read_splats(file)
    for name in ("means", "log_scales", "opacity_logits", "harmonics"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), atol=2e-5, rtol=2e-5)
    assert json.loads((run / "origin.json").read_text()) == {
        "init_from": str(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }  # fmt: skip


def test_a_resumed_run_needs_no_file_and_equals_an_uninterrupted_one(file, tmp_path):
    words = [*TINY, "trainer.max_steps=8", "trainer.save_every=4", "trainer.keep_checkpoints=3", "trainer.seed=4"]
    words += ["method.relocate_every=2", "method.start_gaussians=45", "method.max_gaussians=60"]
    for name in ("whole", "other"):
        out = str(tmp_path / name)
        assert main(["train", "--method", "splat", "--out", out, "-q", *words, "--init-from", str(file)]) == 0
    file.unlink()
    assert main(["train", "--resume", str(tmp_path / "other" / "checkpoints" / "step-000000004"), "-q"]) == 0
    one, other = (checkpoint.load(tmp_path / name / "checkpoints" / "step-000000008") for name in ("whole", "other"))
    assert len(one.model["means"]) == 60
    assert all(torch.equal(tensor, other.model[name]) for name, tensor in one.model.items())
    assert int(one.model["first_degree"]) == 2


@pytest.mark.parametrize(("degree", "max_gaussians", "radius", "message"), [
    (1, 99, 9.0, "harmonics above degree 1 are left out; method.degree=2 keeps them"),
    (3, 20, 9.0, "has 40 Gaussians, more than method.max_gaussians=20"),
    (2, 99, 0.001, "only 0 of 40 Gaussians lie in the region"),
    (2, 99, 9.0, ""),
])  # fmt: skip
def test_what_surprises_is_said(degree, max_gaussians, radius, message, file, caplog):
    config = SplatConfig(degree=degree, max_gaussians=max_gaussians, start_gaussians=7)
    model = SplatModel(config, BuildContext(SceneBox(torch.zeros(3), radius=radius)))
    model.start_from(file, torch.eye(4))
    assert message in caplog.text and bool(message) == bool(caplog.text)
    model.begin_step(Step(0, 1000, 0))
    expected = read_splats(file).harmonics
    kept = min(9, (degree + 1) ** 2)
    assert model.degree == degree and model.gaussians().degree == degree
    assert torch.allclose(model.gaussians().harmonics[:, :kept], expected[:, :kept], atol=1e-5)
    assert not model.gaussians().harmonics[:, kept:].any()


def test_a_gaussian_too_large_to_be_drawn_is_made_smaller(file, tmp_path, capsys):
    found = read_splats(file)
    found.log_scales[3] = 29.0
    write_splats(tmp_path / "large.ply", found)
    words = [*TINY, "trainer.max_steps=2", "--init-from", str(tmp_path / "large.ply"), "--out", str(tmp_path / "run")]
    assert main(["train", "--method", "splat", "-q", *words]) == 0
    assert "1 of 40 Gaussians are larger than 1000 times" in capsys.readouterr().err
