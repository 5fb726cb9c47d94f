"""Parts that correct captures, in every method: rays, color, appearance, added losses and the proposal sampler.

All combinations are too many to train. Those that are trained contain every pair of choices, and for each method the
combination of everything. A combination trains for three steps, or is refused in words before training starts.
"""

from __future__ import annotations

import json
import shutil
from itertools import combinations, product
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from radfield_core.cli.main import main
from radfield_core.config.fit import check
from radfield_core.config.layers import compose, compose_part
from radfield_core.errors import RadfieldError
from radfield_core.plugins.registry import get_registry
from radfield_core.runs import checkpoint
from radfield_core.runs.folder import RunFolder
from radfield_core.train.log import TrainingLog
from radfield_core.train.session import make_trainer
from radfield_core.train.setup import TrainingSetup

MLP = ("field.depth=2", "field.width=16", "field.skip_layer=none", "field.color_width=8")
HASH = ("field.encoding.n_levels=4", "field.encoding.log2_table_size=11")
SDF = ("field.n_layers=2", "field.skip_layer=none", "field.color_layers=1", "field.n_features=8")
METHODS = {
    "nerf": MLP,
    "tiny-nerf": ("field.width=16",),
    "mipnerf": MLP,
    "ngp": (*HASH, "field.width=16"),
    "neus": (*SDF, "field.width=32", "background=none"),
    "neus-fast": (*HASH, "field.width=16", "background=none"),
    "splat": ("method.start_gaussians=50", "method.max_gaussians=60"),
    "capture": (*HASH, "field.width=16"),
}
SAMPLERS = {
    "importance": ("sampler.n_samples=8", "sampler.n_importance=8"),
    "mip": ("sampler.n_samples=8",),
    "neus": ("sampler.n_samples=8", "sampler.n_importance=8", "sampler.n_rounds=2"),
    "occupancy": ("sampler.resolution=8", "sampler.num_samples=32"),
    "proposal": ("sampler.n_proposals=[12,8]", "sampler.n_samples=8", "sampler.encoding.log2_table_size=9"),
}
STEPS = ("trainer.max_steps=3", "trainer.n_rays=16", "trainer.target_samples=none", "trainer.device=cpu")
DATA = ("resolution=16", "n_train=4", "n_val=1", "n_test=1", "supersample=1")


class Capture(NamedTuple):
    """A method with choices for everything that corrects a capture, each as the words that a user types."""

    method: str
    rays: tuple[str, ...]
    color: tuple[str, ...]
    appearance: tuple[str, ...]
    losses: tuple[str, ...]
    sampler: tuple[str, ...]


def choices() -> list[list]:
    """What each place can hold, as far as it is installed: nothing first, everything last."""
    registry = get_registry()
    names = {kind: [part.name for part in registry.of_kind(kind)] for kind in ("rays", "color", "loss")}
    images = [part.name for part in registry.of_kind("encoding") if "images" in part.provides]
    color = [(f"color={name}", f"color.map={kind}") for name in names["color"] for kind in ("gain", "bilateral")]
    losses = [(f"losses.{name}={name}",) for name in names["loss"]]
    return [
        list(METHODS),
        [(), *((f"rays={name}",) for name in names["rays"])],
        [(), *color],
        [(), *((f"field.appearance_encoding={name}",) for name in images)],
        [(), *losses, ("losses.depth=depth", "losses.distortion=distortion")],
        [(), ("sampler=proposal",)],
    ]


def covering(found: list[list]) -> list[Capture]:
    """Few combinations in which every pair of choices occurs, and everything together for each method."""
    kept = [tuple([method, *(place[-1] for place in found[1:])]) for method in found[0]]
    missing = {(i, a, j, b) for i, j in combinations(range(len(found)), 2) for a in found[i] for b in found[j]}

    def pairs(row: tuple) -> set:
        return {(i, row[i], j, row[j]) for i, j in combinations(range(len(row)), 2)}

    for row in kept:
        missing -= pairs(row)
    every = list(product(*found))
    while missing:
        best = max(every, key=lambda row: len(pairs(row) & missing))
        kept.append(best)
        missing -= pairs(best)
    return [Capture(*row) for row in kept]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """The analytic scene with everything that it can offer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RADFIELD_CACHE", str(tmp_path_factory.mktemp("cache")))
        choice = compose_part(get_registry(), "dataparser", "synthetic", list(DATA))
        found = choice.load()(choice.config).parse("train")
        found.images.prepare(16)
        return found


def composed(mix: Capture):
    """The run of a mix with parts as small as they go. Raises RadfieldError if its parts do not fit."""
    data = [f"data.{word}" for word in ("type=synthetic", *DATA)]
    words = [*data, *(word for place in mix[1:] for word in place)]
    check(compose(get_registry(), method=mix.method, overrides=words).run, get_registry())
    sampler = compose(get_registry(), method=mix.method, overrides=words).run.sampler
    small = [*METHODS[mix.method], *(SAMPLERS[sampler.name] if sampler else ()), *STEPS]
    run = compose(get_registry(), method=mix.method, overrides=[*words, *small]).run
    check(run, get_registry())
    return run


def trainer_of(run, scene, folder):
    setup, run_folder = TrainingSetup.of(run, scene, torch.device("cpu")), RunFolder(folder)
    return make_trainer(setup, run_folder, TrainingLog(run_folder, run.trainer, quiet=True))[0]


def test_every_pair_of_choices_trains_or_is_refused_in_words_before_training(scene, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(checkpoint, "save", lambda *arguments: None)
    trained, refusals = 0, {}
    for number, mix in enumerate(covering(choices())):
        folder = tmp_path / str(number)
        folder.mkdir()
        try:
            trainer = trainer_of(composed(mix), scene, folder)
        except RadfieldError as error:
            refusals[mix] = str(error)
            continue
        except Exception as error:
            raise AssertionError(f"{mix} fails before training: {type(error).__name__}: {error}") from error
        try:
            assert trainer.train() == "max_steps" and trainer.counters.skipped == 0
        except Exception as error:
            raise AssertionError(f"{mix} fails in training: {type(error).__name__}: {error}") from error
        assert all(bool(parameter.isfinite().all()) for parameter in trainer.model.parameters()), mix
        trained += 1
    with capsys.disabled():
        print(f"\nmethod × rays × color × appearance × losses × sampler: {trained} trained, {len(refusals)} refused")
    assert trained > len(METHODS)
    for mix, reason in refusals.items():
        without_slot = bool(mix.appearance) and "appearance_encoding" in reason
        own_model = mix.method == "splat" and ("has no slot" in reason or "needs samples on rays" in reason)
        assert "does not provide" in reason or without_slot or own_model, (mix, reason)


def test_a_run_that_uses_everything_resumes_bit_for_bit(tmp_path):
    method, rays, color, appearance, _, sampler = (place[-1] for place in choices())
    assert rays and color and sampler
    words = [
        *(f"data.{word}" for word in ("type=synthetic", *DATA, "n_points=100")), *rays, *color, *appearance, *sampler,
        *METHODS[method], *SAMPLERS["proposal"], *STEPS[1:], "losses.depth=depth", "losses.distortion=distortion",
        "losses.depth.weight=[0.0, 0.1, 4]", 'losses.distortion.weight={curve="cosine", values=[0.01, 0.0]}',
        "observers.tb=tensorboard", "trainer.max_steps=6", "trainer.save_every=3", "trainer.log_every=1",
        "trainer.eval_every=2", "trainer.keep_checkpoints=3",
    ]  # fmt: skip
    train = ["train", "--quiet", "--method", method, "--out", str(tmp_path / "whole"), *words]
    assert main(train) == 0
    shutil.copytree(tmp_path / "whole", tmp_path / "half")
    assert main(["train", "--quiet", "--resume", str(tmp_path / "half" / "checkpoints" / "step-000000003")]) == 0
    for name in ("model", "optim", "rng"):
        files = [tmp_path / run / "checkpoints/step-000000006" / f"{name}.safetensors" for run in ("whole", "half")]
        assert files[0].read_bytes() == files[1].read_bytes(), name
    stored = load_file(tmp_path / "whole" / "checkpoints" / "step-000000006" / "model.safetensors")
    start = load_file(tmp_path / "whole" / "checkpoints" / "step-000000003" / "model.safetensors")
    for part in ("fields", "sampler", "color_map", "ray_transform"):
        moved = [name for name in stored if name.startswith(part) and not torch.equal(stored[name], start[name])]
        assert moved, f"nothing of {part} was trained"
    lines = [json.loads(line) for line in (tmp_path / "half" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4, 5, 6]
    assert {"loss/depth", "loss/distortion"} <= set(lines[0])
    events = EventAccumulator(str(tmp_path / "half" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3, 4, 5, 6]
