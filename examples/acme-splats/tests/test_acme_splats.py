"""Both parts keep the laws of their kinds, and a run goes through every command, also across a change of number."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file

from radfield_core import main
from radfield_core.testing import conformance

test_method_conforms = conformance("method:splats", options={"n_start": 20, "n_splats": 40})
test_exporter_conforms = conformance("exporter:depth-points")

TINY = ["data.resolution=24", "data.n_train=8", "data.n_val=2", "data.n_test=2", "trainer.device=cpu"]
GROWING = ["method.n_start=40", "method.n_splats=80", "method.lr=0.03", "trainer.max_steps=80"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on the synthetic scene, with a checkpoint from before and from after a round of growth."""
    out = tmp_path_factory.mktemp("splats") / "run"
    words = [*TINY, *GROWING, "trainer.save_every=15", "trainer.log_every=10", "trainer.keep_checkpoints=9"]
    assert main(["train", "--method", "splats", "--data", "synthetic", "--out", str(out), "-q", *words]) == 0
    return out


def splats(run: Path, step: int) -> int:
    """Number of Gaussians in a checkpoint."""
    return len(load_file(run / f"checkpoints/step-{step:09d}/model.safetensors")["centers"])


def test_the_splats_learn_the_scene_and_grow_to_the_number_asked_for(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.8 * losses[0]
    assert splats(run, 15) == 40 < splats(run, 30) < splats(run, 45) < splats(run, 80) <= 80


@pytest.mark.parametrize("step", [15, 30])
def test_a_resumed_run_is_equal_bit_for_bit_across_a_change_of_number(run: Path, step: int, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in [path for path in run.rglob("*") if path.is_file() and path.name != "lock"]:
        (copy / path.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
        (copy / path.relative_to(run)).write_bytes(path.read_bytes())
    assert main(["train", "--resume", str(copy / f"checkpoints/step-{step:09d}"), "-q"]) == 0
    for name in ("model", "optim", "rng"):
        end = f"checkpoints/step-000000080/{name}.safetensors"
        assert (copy / end).read_bytes() == (run / end).read_bytes()


def test_it_is_evaluated_rendered_and_exported(run: Path, tmp_path: Path) -> None:
    assert main(["eval", str(run), "-q"]) == 0
    assert json.loads((run / "results.json").read_text())["metrics"]["psnr"] > 13.0
    assert main(["render", str(run), "--views", "0", "--out", str(tmp_path / "views"), "-q"]) == 0
    assert main(["export", str(run), "--exporter", "depth-points", "--out", str(tmp_path / "points.ply")]) == 0
    assert (tmp_path / "points.ply").read_text().startswith("ply\n")


def test_a_mesh_is_refused_in_words_before_any_work(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run)]) == 2
    said = capsys.readouterr().err
    assert "the model of method 'splats' does not provide sdf or density, which exporter 'mesh' needs" in said
    assert "--exporter depth-points" in said


def test_a_field_is_refused_because_the_method_has_no_such_slot(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--method", "splats", "--data", "synthetic", "field=nerf"]) == 2
    assert "method 'splats' has no slot 'field', because it brings its own model" in capsys.readouterr().err
