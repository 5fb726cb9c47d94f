"""Observers as parts: what they are told and when, that they change nothing, and what happens if they fail."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch

from radfield_core import (
    Camera,
    LiveRun,
    ObservedRun,
    Observer,
    PluginError,
    UsageError,
    View,
    compose,
    get_registry,
    open_run,
    train_run,
)
from radfield_core.plugin import component
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry
from radfield_core.runs.observers import Observers
from radfield_core.testing.training import ToyMethod, toy_trainer

DATA = [f"data.{word}" for word in ("type=synthetic", "resolution=16", "n_train=3", "n_val=2", "n_test=1")]
WORDS = [*DATA, "trainer.max_steps=4", "trainer.n_rays=16", "trainer.eval_every=2"]
SMALL = ["field.width=8", "field.depth=2", "field.skip_layer=none", "trainer.eval_share=none"]
HEARD: list[tuple[Any, ...]] = []


@attrs.frozen(kw_only=True)
class NoOptions:
    """No options."""


class Listening(Observer):
    wants_pictures = True

    def started(self, run: ObservedRun) -> None:
        HEARD.append(("started", run.folder.is_dir(), run.config.method.name, len(run.scene.cameras), run.step))
        torch.manual_seed(5)
        np.random.seed(5)  # noqa: NPY002

    def step_ended(self, step, scalars) -> None:
        HEARD.append(("step", step, scalars["step"], "loss" in scalars))
        torch.rand(7)
        with pytest.raises(TypeError):
            scalars["loss"] = 0.0

    def evaluated(self, step, split, metrics, pictures) -> None:
        HEARD.append(
            ("evaluated", step, split, sorted(metrics), {name: dict(kinds) for name, kinds in pictures.items()})
        )

    def rolled_back(self, step) -> None:
        HEARD.append(("rolled back", step))

    def finished(self, step, reason) -> None:
        HEARD.append(("finished", step, reason))


class Deaf(Listening):
    wants_pictures = False


class Failing(Observer):
    def step_ended(self, step, scalars) -> None:
        raise SystemExit(3)


class Looking(Observer):
    """Looks after every second step, draws random numbers, and says how the model was."""

    def wants_look(self) -> bool:
        self.asked = getattr(self, "asked", 0) + 1
        return self.asked % 2 == 0

    def look(self, live: LiveRun) -> None:
        camera = Camera(4, 3, 5.0, 5.0, 2.0, 1.5)
        rendered = live.render(View(torch.eye(3, 4).double(), camera), (1.0, 0.0, 0.0), None)
        HEARD.append(("look", live.step, live.max_steps, tuple(rendered.rgb.shape), rendered.rgb.requires_grad))
        torch.rand(11)
        np.random.rand(3)  # noqa: NPY002


class Broken(Observer):
    def wants_look(self) -> bool:
        return True

    def look(self, live: LiveRun) -> None:
        HEARD.append(("broken look", live.step))
        raise ValueError("no\nlight")


class Impostor:
    def __init__(self, config):
        pass


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The installed parts and this module's observers."""
    HEARD.clear()
    found = get_registry()
    parts = tuple(
        component("observer", name.lower(), impl=f"{__name__}:{name}", config=f"{__name__}:NoOptions", summary="a test")
        ._replace(distribution="acme", plugin="acme")
        for name in ("Listening", "Deaf", "Failing", "Looking", "Broken", "Impostor")
    )  # fmt: skip
    row = Plugin("acme", "acme", "0", __name__, "ok", components=parts)
    made = Registry([*found.plugins, row], found.hooks)
    for module in ("radfield_core.train.session", "radfield_core.runs.trained", "radfield_core.runs.stored_run"):
        monkeypatch.setattr(f"{module}.get_registry", lambda: made, raising=False)
    return made


def trained(registry: Registry, out: Path, *words: str, every: int = 2) -> Path:
    run = compose(registry, method="tiny-nerf", overrides=[*WORDS, *SMALL, f"trainer.log_every={every}", *words]).run
    return train_run(run, out=out, quiet=True).folder


def test_observer_hears_the_start_each_entry_each_evaluation_and_the_end(registry: Registry, tmp_path: Path) -> None:
    trained(registry, tmp_path / "run", "observers.a=listening")
    kinds = [news[:3] for news in HEARD]
    assert kinds == [
        ("started", True, "tiny-nerf"),
        ("step", 2, 2),
        ("evaluated", 2, "val"),
        ("step", 4, 4),
        ("evaluated", 4, "val"),
        ("finished", 4, "max_steps"),
    ]
    assert HEARD[0][3:] == (3, 0) and HEARD[1][3] and "psnr" in HEARD[2][3]


def test_pictures_show_each_evaluated_view_its_truth_and_the_error(registry: Registry, tmp_path: Path) -> None:
    trained(registry, tmp_path / "run", "observers.a=listening")
    pictures = HEARD[-2][4]
    assert len(pictures) == 2
    for kinds in pictures.values():
        assert {"rendered", "truth", "error", "depth", "opacity"} <= set(kinds)
        assert all(picture.shape == (16, 16, 3) and picture.dtype == np.uint8 for picture in kinds.values())
        wrong = np.abs(kinds["rendered"].astype(int) - kinds["truth"].astype(int)).mean(-1)
        brightness = kinds["error"].astype(int).sum(-1)
        assert brightness[np.unravel_index(wrong.argmax(), wrong.shape)] > brightness[wrong == wrong.min()].max()


def test_without_the_wish_for_pictures_none_are_made(registry: Registry, tmp_path: Path) -> None:
    trained(registry, tmp_path / "run", "observers.a=deaf")
    assert HEARD[-2][4] == {}


def test_hyperparameters_are_the_options_of_the_config_file_by_their_dotted_names() -> None:
    run = compose(get_registry(), method="tiny-nerf", overrides=[*WORDS, "trainer.max_seconds=none"]).run
    values = ObservedRun(run, Path(), None, 0).hyperparameters  # type: ignore[arg-type]
    assert values["method.type"] == "tiny-nerf" and values["data.resolution"] == 16
    assert values["trainer.max_steps"] == 4 and values["trainer.max_seconds"] == "none"
    assert all(isinstance(value, (bool, int, float, str)) for value in values.values())


def test_observer_hears_that_training_returned_to_an_earlier_state(tmp_path: Path) -> None:
    method = ToyMethod(spoil=lambda step: 12 <= step.index < 15 and step.seed == 0)
    trainer = toy_trainer(tmp_path, method, max_steps=20, save_every=10, log_every=1, max_bad_steps=3, eval_every=1000)
    trainer.log.observers = Observers(get_registry(), {"a": Listening(NoOptions())})
    trainer.train()
    heard = [news[:2] for news in HEARD]
    assert heard.index(("rolled back", 10)) == heard.index(("step", 12)) + 1
    assert heard[heard.index(("rolled back", 10)) + 1] == ("step", 11) and heard[-1] == ("step", 20)


def test_an_observer_that_wants_to_looks_at_the_model_between_two_steps(registry: Registry, tmp_path: Path) -> None:
    trained(registry, tmp_path / "run", "observers.a=looking")
    assert HEARD == [("look", 2, 4, (12, 3), False), ("look", 4, 4, (12, 3), False)]


def test_one_whose_look_fails_is_dropped_after_three_times(registry: Registry, tmp_path: Path, caplog) -> None:
    run = open_run(trained(registry, tmp_path / "run", "observers.a=broken"))
    assert [("broken look", step) for step in (1, 2, 3)] == HEARD and run.step == 4
    messages = [record.getMessage() for record in caplog.records if "failed in look" in record.getMessage()]
    assert messages[0] == "observer a failed in look: ValueError: no light" and messages[-1].endswith(
        "not called any more"
    )


def test_a_look_that_fails_ends_a_strict_run(registry: Registry, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("RADFIELD_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="failed in look"):
        trained(registry, tmp_path / "run", "observers.a=broken")
    assert open_run(tmp_path / "run").step == 1, "the step is saved"


def test_an_observer_of_training_shows_no_trained_runs() -> None:
    with pytest.raises(UsageError, match="shows no trained runs"):
        Listening(NoOptions()).show(None, None)  # type: ignore[arg-type]


def test_observers_do_not_change_training(registry: Registry, tmp_path: Path) -> None:
    plain = open_run(trained(registry, tmp_path / "plain"))
    heard = open_run(
        trained(registry, tmp_path / "heard", "observers.a=listening", "observers.b=deaf", "observers.c=looking")
    )
    for one, other in zip(plain.model.parameters(), heard.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_observer_that_fails_is_named_and_training_goes_on(
    registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        trained(registry, tmp_path / "run", "observers.bad=failing", every=1)
    said = [record.getMessage() for record in caplog.records if "observer bad failed" in record.getMessage()]
    assert len(said) == 3 and "step_ended: SystemExit: 3" in said[0] and "not called any more" in said[2]


def test_strict_mode_ends_the_run_and_says_how_to_train_without_the_observer(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADFIELD_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=r"observer bad failed(.|\n)*observers\.bad=none"):
        trained(registry, tmp_path / "run", "observers.bad=failing")


def test_part_that_is_no_observer_is_a_fault_of_its_plugin(registry: Registry) -> None:
    run = compose(registry, method="tiny-nerf", overrides=[*WORDS, "observers.x=impostor"]).run
    with pytest.raises(PluginError, match=r"observer:impostor of acme builds Impostor"):
        Observers.of(run, registry)
