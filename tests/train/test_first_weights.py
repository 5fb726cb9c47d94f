"""A run that starts from another's weights: it has them, starts at step 0, and refuses what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from radfield_core.cli.main import main
from radfield_core.runs import checkpoint

TINY = [
    "data.type=synthetic", "data.resolution=12", "data.n_train=3", "data.n_val=1", "data.n_test=1",
    "trainer.n_rays=8", "trainer.device=cpu", "field.width=16", "sampler.n_samples=8", "trainer.eval_views=0",
]  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps with a checkpoint after each."""
    out = tmp_path_factory.mktemp("runs") / "source"
    words = ["--method", "tiny-nerf", "--out", str(out), "-q", *TINY, "trainer.max_steps=2", "trainer.save_every=1"]
    assert main(["train", *words]) == 0
    return out


def train(out: Path, init: Path, *words: str) -> int:
    first = ["--method", "tiny-nerf", "--out", str(out), "--init-from", str(init), "-q"]
    options = [option for option in TINY if option.partition("=")[0] not in {word.partition("=")[0] for word in words}]
    return main(["train", *first, *options, "trainer.max_steps=1", "method.lr=0.000000001", *words])


@pytest.mark.parametrize(("step", "name"), [(2, "."), (1, "checkpoints/step-000000001")])
def test_a_new_run_starts_with_the_weights_of_another_at_step_0(
    step: int, name: str, source: Path, tmp_path: Path
) -> None:
    assert train(tmp_path / "new", source / name, "trainer.seed=5") == 0
    wanted = checkpoint.load(source / "checkpoints" / f"step-00000000{step}")
    got = checkpoint.load(tmp_path / "new" / "checkpoints" / "step-000000001")
    assert got.step == 1 and got.progress["counters"]["step"] == 1
    for name, tensor in wanted.model.items():
        torch.testing.assert_close(got.model[name], tensor, atol=1e-7, rtol=0)
    origin = json.loads((tmp_path / "new" / "origin.json").read_text())
    assert origin == {"init_from": str(source / "checkpoints" / f"step-00000000{step}"), "step": step}
    assert not (source / "origin.json").exists()


def test_tensors_that_do_not_fit_are_named_and_nothing_is_left(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "new", source, "field.width=24") == 2
    error = capsys.readouterr().err
    assert "do not fit this model" in error and "[16]" in error and "[24]" in error and "config show -c" in error
    assert not (tmp_path / "new").exists()


def test_weights_of_another_region_are_warned_of(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "new", source, "scene.radius=7") == 0
    error = capsys.readouterr().err
    assert "were trained for another region" in error and "radius 7" in error
    assert train(tmp_path / "same", source) == 0
    assert "another region" not in capsys.readouterr().err


def test_a_path_without_a_run_and_a_resumed_run_are_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path / "new", tmp_path / "nothing") == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["train", "--resume", str(source), "--init-from", str(source)]) == 2
    assert "a resumed run has weights already" in capsys.readouterr().err


def test_a_roll_back_to_the_start_returns_to_the_first_weights(source: Path, tmp_path: Path) -> None:
    from radfield_core.runs.folder import RunFolder
    from radfield_core.testing.training import ToyMethod, toy_setup, toy_trainer
    from radfield_core.train.first_weights import FirstWeights

    state = {name: torch.full_like(t, 0.25) for name, t in toy_setup().build(0).model.state_dict().items()}
    trainer = toy_trainer(tmp_path, ToyMethod(spoil=lambda step: step.index == 0), max_steps=1, max_bad_steps=1)
    object.__setattr__(trainer._setup, "weights", FirstWeights(RunFolder(tmp_path), tmp_path, 3, state))
    trainer._roll_back()
    for name, tensor in trainer.model.state_dict().items():
        assert torch.equal(tensor, state[name]), name


def test_a_file_is_handed_to_the_model_and_named_in_the_run(tmp_path: Path) -> None:
    from radfield_core.errors import UsageError
    from radfield_core.interfaces import Model
    from radfield_core.runs.folder import RunFolder
    from radfield_core.train.first_weights import FirstFile, first_weights

    class Reader(Model):
        forward = render = None  # type: ignore[assignment]

        def start_from(self, path: Path, to_data: torch.Tensor) -> None:
            self.text, self.to_data = path.read_text(), to_data
            if self.text == "changes":
                path.write_text("others")

    path, model, to_data = tmp_path / "a.ply", Reader(), torch.eye(4)
    path.write_text("abc")
    first = first_weights(path)
    assert isinstance(first, FirstFile)
    first.set_in(model, to_data)
    first.record(RunFolder(tmp_path))
    assert model.text == "abc" and model.to_data is to_data
    assert json.loads((tmp_path / "origin.json").read_text()) == {
        "init_from": str(path),
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",  # of abc, FIPS 180-2
    }
    path.write_text("changes")
    with pytest.raises(UsageError, match="has changed while it was read"):
        FirstFile.of(path).set_in(model, to_data)


def test_a_file_is_refused_by_a_model_that_reads_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.ply").write_text("ply")
    assert train(tmp_path / "new", tmp_path / "a.ply") == 2
    assert "start from runs only, not from files" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
