"""Broken plugins beside a run that trains: nothing of the run changes, and each is named."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAD = "from radfield_core.plugin import component, hookimpl\nRADFIELD_API = {api}\n"
OBSERVER = HEAD.format(api="(1, 0)") + "@hookimpl\ndef radfield_step_ended(step):\n    raise ValueError(f'at {step}')\n"
SHADOW = HEAD.format(api="(1, 0)") + (
    "@hookimpl\ndef radfield_components():\n"
    "    return [component('sampler', 'importance', impl='nowhere:A', config='nowhere:B', summary='another')]\n"
)
OTHER_MAJOR = HEAD.format(api="(2, 0)") + "raise_if_called = 1\n"


@pytest.fixture
def train(tmp_path, distribution):
    """Trains six steps with the default sampler in a process of its own, with one more plugin."""

    def run(source, code=0, **variables):
        environ = {**os.environ, "RADFIELD_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1", **variables}
        if source:
            environ["PYTHONPATH"] = str(distribution("acme-maze", source))
        out = tmp_path / ("with" if source else "without")
        words = ["--method", "tiny-nerf", "--data", "synthetic", "--out", str(out), "data.resolution=16"]
        words += [
            "data.n_train=4",
            "data.n_val=1",
            "data.n_test=1",
            "trainer.max_steps=6",
            "trainer.log_every=1",
            "trainer.n_rays=16",
        ]
        words += ["trainer.device=cpu", "field.width=16", "sampler=importance"]
        command = [sys.executable, "-m", "radfield_core.cli.main", "train", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        (model,) = (out / "checkpoints").glob("step-*/model.safetensors")
        return done, model.read_bytes()

    return run


@pytest.mark.parametrize(
    "source", [OBSERVER, SHADOW, OTHER_MAJOR], ids=["raises in a hook", "shadows core's part", "other major"]
)
def test_the_run_is_the_same_bit_for_bit_beside_a_plugin_that(source, train):
    beside, with_it = train(source)
    _, without = train("")
    assert with_it == without
    named = [line for line in beside.stderr.splitlines() if "failed in radfield_step_ended" in line]
    if source is OBSERVER:
        assert [f"ValueError: at {step}" in line for step, line in enumerate(named, 1)] == [True] * 3
        assert named[-1].endswith("it is not called any more") and "acme-maze" in named[0]
    else:
        assert not named


def test_strict_ends_the_run_at_an_observers_error_and_saves_it(train, tmp_path):
    done, _ = train(OBSERVER, code=69, RADFIELD_STRICT_PLUGINS="1")
    assert "plugin acme-maze:it failed in radfield_step_ended: ValueError: at 1" in done.stderr
    assert [path.name for path in (tmp_path / "with" / "checkpoints").glob("step-*")] == ["step-000000001"]
