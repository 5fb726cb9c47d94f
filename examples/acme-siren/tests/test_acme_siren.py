"""Both parts keep the laws of their kinds, and training on the synthetic scene lowers the loss."""

import json
from pathlib import Path

import pytest

from radfield_core import main
from radfield_core.testing import conformance

test_field_conforms = conformance("field:siren")
test_method_conforms = conformance("method:siren")

TINY = ["data.resolution=32", "data.n_train=12", "data.n_val=2", "data.n_test=2", "trainer.device=cpu"]


@pytest.mark.parametrize(
    "words", [["--method", "siren"], ["--method", "siren", "field.depth=2", "sampler.n_samples=24"]]
)
def test_training_halves_the_loss(words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADFIELD_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "run"
    steps = ["trainer.max_steps=150", "trainer.log_every=10", "trainer.n_rays=128"]
    assert main(["train", *words, "--data", "synthetic", "--out", str(out), "-q", *TINY, *steps]) == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < 0.5 * losses[0]
