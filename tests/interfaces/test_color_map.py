"""The slot `color` in runs from the command line: what is trained, evaluated, listed, compared and refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from radfield_core import compose, get_registry, main, open_run, train_run
from radfield_core.config import fit
from radfield_core.errors import UsageError
from radfield_core.plugins.registry import Registry
from radfield_core.render.evaluation import evaluate_all
from radfield_core.testing.under_test import with_toys

WORDS = ("data=toy-ball", "data.size=24", "trainer.max_steps=2", "trainer.n_rays=16", "trainer.device=cpu",
         "sampler.n_samples=4", "sampler.n_importance=0", "field.width=4")  # fmt: skip


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the toy parts be found like those of an installed plugin."""
    found = with_toys()
    monkeypatch.setattr(Registry, "discover", lambda *args: found)
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()


def trained(out: Path, *words: str) -> Path:
    run = compose(get_registry(), method="toy", overrides=[*WORDS, *words]).run
    fit.check(run, get_registry())
    return train_run(run, out=out, quiet=True).folder


def test_fit_without_a_color_map_is_refused_before_training() -> None:
    run = compose(get_registry(), method="tiny-nerf", overrides=["data=synthetic", "eval.fit_color=half"]).run
    with pytest.raises(UsageError, match="no color map") as caught:
        fit.check(run, get_registry())
    assert "color=NAME" in caught.value.problems[0].hint


def test_slot_is_empty_unless_a_run_fills_it_and_none_empties_it(tmp_path: Path) -> None:
    assert compose(get_registry(), method="toy", overrides=WORDS).run.color is None
    run = compose(get_registry(), method="toy", overrides=[*WORDS, "color=toy", "color.rate=0.5"]).run
    assert run.color is not None and run.color.config.rate == 0.5
    file = tmp_path / "run.toml"
    file.write_text('color = "toy"\n')
    emptied = compose(get_registry(), method="toy", file=file, overrides=[*WORDS, "color=none"])
    assert emptied.run.color is None


def test_metrics_of_a_run_say_how_colors_were_treated_wherever_they_stand(tmp_path: Path, capsys) -> None:
    half = trained(tmp_path / "half", "color=toy", "eval.fit_color=half", "trainer.eval_share=none")
    log = [json.loads(line) for line in (half / "metrics.jsonl").read_text().splitlines()]
    assert [entry["fit_color"] for entry in log if "eval" in entry] == ["half"]
    capsys.readouterr()
    assert main(["runs", str(tmp_path)]) == 0
    assert "fitted colors" in capsys.readouterr().out
    run = open_run(half)
    found = evaluate_all(run.model, run.method, run.scenes.get("test"), 999, "x", quiet=True, fit_color="half")
    assert main(["eval", str(half), "-q"]) == 0
    said, results = capsys.readouterr().out, json.loads((half / "results.json").read_text())
    assert "right halves, colors fitted to the left halves: PSNR" in said
    assert results["fit_color"] == "half"
    assert results["per_image"][0]["psnr"] == pytest.approx(found[0].metrics["psnr"], abs=1e-6)
    neutral = trained(tmp_path / "neutral", "color=toy")
    assert main(["compare", str(half), str(neutral)]) == 0
    assert "colors were fitted to the images for some of the metrics only" in capsys.readouterr().out
    assert main(["eval", str(half), "-q", "--fit-color", "none"]) == 0
    assert "halves" not in capsys.readouterr().out
    assert json.loads((half / "results.json").read_text())["fit_color"] == "none"


def test_fit_of_a_run_without_a_color_map_is_refused_by_eval(tmp_path: Path, capsys) -> None:
    plain = trained(tmp_path / "plain")
    assert main(["eval", str(plain), "-q", "--fit-color", "half"]) == 2
    said = capsys.readouterr().err
    assert "no color map" in said and "--fit-color" in said
    assert not (plain / "results.json").exists()
