"""Whole runs on CUDA: what trains on a CPU trains there, and learns the same scene."""

from __future__ import annotations

import json

import pytest
import torch

from radfield_core.cli.main import main


@pytest.mark.parametrize("method", ["ngp-small", "ngp"])
def test_a_run_learns_and_its_result_is_evaluated(method, device, test_data, tmp_path):
    data, out = str(test_data / "tiny_nerf/tiny_nerf_lego.npz"), tmp_path / "run"
    words = ["trainer.max_steps=1000", "trainer.eval_views=1", f"trainer.device={device.type}"]
    assert main(["train", "--method", method, "--data", data, "--out", str(out), "-q", *words]) == 0
    assert main(["eval", str(out), "-q"]) == 0
    assert json.loads((out / "results.json").read_text())["metrics"]["psnr"] > 24.0


def test_a_model_trained_there_renders_the_same_on_a_cpu(device, test_data, tmp_path):
    data, out = str(test_data / "tiny_nerf/tiny_nerf_lego.npz"), tmp_path / "run"
    words = ["trainer.max_steps=300", "trainer.eval_views=1", f"trainer.device={device.type}"]
    assert main(["train", "--method", "ngp-small", "--data", data, "--out", str(out), "-q", *words]) == 0
    found = {}
    for name in (device.type, "cpu"):
        assert main(["eval", str(out), "--device", name, "-q"]) == 0
        found[name] = json.loads((out / "results.json").read_text())["metrics"]["psnr"]
    assert found[device.type] == pytest.approx(found["cpu"], abs=0.05)
    assert torch.cuda.max_memory_allocated() > 0
