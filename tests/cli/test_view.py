"""`radfield view`: it hands a trained run to the observer that is named, and names mistakes before any work."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from radfield_core import LiveRun, ObservedRun, Observer, option
from radfield_core.cli.main import main
from radfield_core.plugin import component
from radfield_core.plugins.discovery import Plugin
from radfield_core.plugins.registry import Registry, get_registry

SHOWN: list[tuple[object, ...]] = []


@attrs.frozen(kw_only=True)
class ScreenConfig:
    """Options of a viewer."""

    port: int = option(1, help="a number", max=65535)
    host: str = option("here", help="a name")


class Screen(Observer):
    def show(self, run: ObservedRun, live: LiveRun) -> None:
        SHOWN.append((self.config, run.folder.name, live.step))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = ["--data", "synthetic", "data.resolution=8", "data.n_train=2", "data.n_val=1", "data.n_test=1"]
    words = ["train", "-q", "--method", "tiny-nerf", "--out", str(tmp_path / "run"), *data, "trainer.max_steps=1"]
    assert main([*words, "trainer.n_rays=8"]) == 0
    SHOWN.clear()
    part = component("observer", "screen", impl=f"{__name__}:Screen", config=f"{__name__}:ScreenConfig", summary="test")
    row = Plugin("acme", "acme", "0", __name__, "ok", components=(part._replace(distribution="acme", plugin="acme"),))
    found = get_registry()
    made = Registry([*found.plugins, row], found.hooks)
    monkeypatch.setattr("radfield_core.plugins.registry.get_registry", lambda: made)
    return tmp_path / "run"


def test_the_run_is_handed_to_the_viewer_with_its_options(run: Path) -> None:
    assert main(["view", str(run), "--with", "screen", "--port", "7", "host=there"]) == 0
    assert [(ScreenConfig(port=7, host="there"), "run", 1)] == SHOWN


def test_all_mistakes_are_named_before_the_run_is_opened(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(run.parent / "none"), "--with", "screen", "--port", "70000", "prot=1"]) == 2
    error = capsys.readouterr().err
    assert "none" in error and "70000" in error and "prot" in error and not SHOWN


def test_an_unknown_viewer_gets_the_nearest_name(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["view", str(run), "--with", "scren"]) == 2
    assert "screen" in capsys.readouterr().err
