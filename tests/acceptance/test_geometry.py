"""From images to a mesh in the coordinates of the data, and its error, by the command line; a few steps each."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import trimesh
from PIL import Image

from radfield_core.cli.main import main

PICTURES = ["data.resolution=24", "data.n_train=6", "data.n_val=1", "data.n_test=2", "data.supersample=1"]
FAST = [
    "field.encoding.n_levels=4",
    "field.encoding.log2_table_size=12",
    "field.encoding.finest_resolution=64",
    "field.encoding.start_levels=2",
    "field.encoding.steps_per_level=4",
    "sampler.resolution=16",
    "sampler.warmup_steps=4",
    "sampler.update_every=2",
    "trainer.target_samples=1024",
    "trainer.n_rays=32",
]


def train(method: str, out: Path, *words: str) -> int:
    return main(["train", "--method", method, "--out", str(out), "--quiet", "trainer.log_every=3", *words])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve steps of neus-fast on the synthetic scene."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert (
        train("neus-fast", out, "data=synthetic", *PICTURES, *FAST, "trainer.save_every=6", "trainer.max_steps=12") == 0
    )
    return out


def test_a_mesh_is_written_in_every_format_with_its_sidecar(run: Path, tmp_path: Path, capsys) -> None:
    ply = tmp_path / "mesh.ply"
    assert main(["export", str(run), "--resolution", "24", "--out", str(ply)]) == 0
    assert str(ply) in capsys.readouterr().out
    mesh = trimesh.load(ply)
    assert mesh.is_watertight and 0.1 < np.linalg.norm(mesh.vertices, axis=1).mean() < 1.0
    assert mesh.visual.vertex_colors.shape == (len(mesh.vertices), 4)
    sidecar = json.loads((tmp_path / "mesh.ply.json").read_text())
    assert sidecar["files"] == {"mesh.ply": {"frame": "the data's own", "up": "z"}}
    assert sidecar["step"] == 12 and len(sidecar["checkpoint_manifest_sha256"]) == 64
    glb = tmp_path / "mesh.glb"
    assert main(["export", str(run), "--resolution", "24", "--out", str(glb)]) == 0, "the ending names the format"
    turned = trimesh.load(glb).to_mesh().vertices
    upright = np.stack([mesh.vertices[:, 0], mesh.vertices[:, 2], -mesh.vertices[:, 1]], axis=1)
    assert json.loads((tmp_path / "mesh.glb.json").read_text())["files"]["mesh.glb"]["up"] == "y"
    assert json.loads((tmp_path / "mesh.ply.json").read_text()) == sidecar, "each file has its own"
    np.testing.assert_allclose(turned.min(0), upright.min(0), atol=1e-5)


def test_a_folder_is_written_into_and_an_ending_of_no_format_is_refused(run: Path, tmp_path: Path, capsys) -> None:
    words = ["export", str(run), "--resolution", "24", "--out"]
    for out in (str(tmp_path), f"{tmp_path}/new/"):
        assert main([*words, out]) == 0
        assert (Path(out) / "mesh.ply").is_file() and (Path(out) / "mesh.ply.json").is_file()
    capsys.readouterr()
    assert main([*words, str(tmp_path / "m.xyz")]) == 2
    error = capsys.readouterr().err
    assert "m.xyz" in error and "m.ply or m.obj or m.glb or m.stl" in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mesh.ply", "mesh.ply.json", "new"]


def test_the_surface_is_measured_against_the_data_s_surface_and_a_file(run: Path, tmp_path: Path) -> None:
    words = ["resolution=24", "n_samples=2000"]
    assert main(["eval", str(run), "--metric", "chamfer", *words]) == 0
    found = json.loads((run / "chamfer.json").read_text())
    assert found["step"] == 12 and 0.001 < found["chamfer_over_radius"] < 1.0
    assert found["chamfer"] == pytest.approx((found["accuracy"]["mean"] + found["completeness"]["mean"]) / 2)
    own = tmp_path / "own.ply"
    assert main(["export", str(run), "--resolution", "24", "--out", str(own)]) == 0
    assert main(["eval", str(run), "--metric", "chamfer", "--reference", str(own), *words]) == 0
    assert json.loads((run / "chamfer.json").read_text())["chamfer"] < 1e-4, "a surface is no distance from itself"
    points = ["eval", str(run), "--metric", "point-to-mesh", "--reference", str(own), "resolution=24"]
    assert main(points) == 0
    assert json.loads((run / "point-to-mesh.json").read_text())["median"] < 1e-4


def test_distances_that_cannot_be_written_are_printed_all_the_same(run: Path, monkeypatch, capsys) -> None:
    write = os.write

    def full(file: int, data: bytes) -> int:
        if data == b"radfield\n":  # the place is tried before the work, while there is still room
            return write(file, data)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", full)
    assert main(["eval", str(run), "--metric", "chamfer", "resolution=24", "n_samples=2000"]) == 74
    out, err = capsys.readouterr()
    assert "chamfer_over_radius" in out and "chamfer.json: cannot be written: No space left" in err


def test_a_run_keeps_its_sharpness_and_slices_of_its_distance(run: Path) -> None:
    entries = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert entries[0]["sharpness"] > 1 and 0 < entries[0]["weight_inside"] <= 1
    width, height = Image.open(run / "sdf-slices.png").size
    assert width > 3 * 384 and height > 384, "three planes and their labels"


def test_pictures_have_normals_beside_color_and_depth(run: Path, tmp_path: Path) -> None:
    assert main(["render", str(run), "--views", "1", "--video", "none", "--out", str(tmp_path), "--quiet"]) == 0
    kinds = {path.stem.rpartition("_")[2] for path in tmp_path.iterdir()}
    assert kinds == {"rgb", "depth", "opacity", "normals"}


def test_resuming_neus_fast_is_exact(run: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(run, half)
    checkpoints = sorted(path for path in (half / "checkpoints").iterdir() if path.is_dir())
    assert len(checkpoints) == 2
    shutil.rmtree(checkpoints[1])
    assert main(["train", "--resume", str(half), "--quiet"]) == 0
    whole = sorted(run.glob(f"checkpoints/{checkpoints[1].name}/*.safetensors"))
    assert whole
    for path in whole:
        again = safetensors.torch.load_file(half / path.relative_to(run))
        expected = safetensors.torch.load_file(path)
        assert again.keys() == expected.keys()
        assert all((again[name] == expected[name]).all() for name in expected), path.name


def test_a_scene_written_in_millimeters_gives_a_mesh_in_millimeters(tmp_path: Path) -> None:
    folder, out = tmp_path / "dtu", tmp_path / "run"
    assert main(["data", "make", str(folder), "--format", "dtu", "--quiet", *PICTURES]) == 0
    assert train("neus-fast", out, "--data", str(folder), *FAST, "data.apply_mask=true", "trainer.max_steps=3") == 0
    assert main(["export", str(out), "--resolution", "24"]) == 0
    (path,) = (out / "exports").glob("*.ply")
    truth, mesh = trimesh.load(folder / "ground_truth.ply"), trimesh.load(path)
    size = np.linalg.norm(np.ptp(truth.vertices, axis=0))
    assert size > 100 and np.linalg.norm(truth.vertices.mean(0)) > 300, "large and off-center"
    middle = (mesh.vertices.max(0) + mesh.vertices.min(0)) / 2
    assert np.linalg.norm(middle - (truth.vertices.max(0) + truth.vertices.min(0)) / 2) < 0.2 * size
    assert json.loads(path.with_name(f"{path.name}.json").read_text())["unit"] == "mm"


@pytest.mark.parametrize(
    ("preset", "words"),
    [
        ("neus", ["trainer.n_rays=8"]),
        (
            "neus-masks",
            ["trainer.n_rays=8", "field.encoding=hash", "field.encoding.log2_table_size=12", "field.width=64"],
        ),
        ("neus-fast-open", [*FAST, "background.field.encoding.log2_table_size=12"]),
        ("neus-fast", [*FAST, "field.normals=finite_differences", "field.curvature=0.001", "field.sparsity=0.01"]),
    ],
)
def test_every_preset_trains(preset: str, words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    steps = "trainer.max_steps=20" if preset == "neus" else "trainer.max_steps=3"
    assert train(preset, out, "data=synthetic", *PICTURES, *words, steps, "trainer.eval_views=1") == 0
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert np.isfinite(entries[-2]["loss"]) and entries[-2]["loss/eikonal"] > 0


def test_parts_that_do_not_fit_are_refused_by_name(run: Path, tmp_path: Path, capsys) -> None:
    code = train("ngp", tmp_path / "run", "data=synthetic", "sampler=neus")
    error = capsys.readouterr().err
    assert code == 2 and "sdf" in error and "sampler" in error and "Traceback" not in error
    code = main(["eval", str(run), "--metric", "point-to-mesh"])
    error = capsys.readouterr().err
    assert code != 0 and "--reference" in error
