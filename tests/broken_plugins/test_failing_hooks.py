"""An exception in any hook of a plugin's part is one line that names part, distribution and hook, and exit code 69.

The parts are those of the conformance kit, each in a subclass whose methods can be told to fail.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from radfield_core.cli.main import main
from radfield_core.plugins.registry import get_registry

HOOKS = {
    "dataparser": ("toy_parts:ToyBallParser", ["__init__", "parse"]),
    "encoding": ("toy_parts:ToyEncoding", ["__init__", "forward"]),
    "field": (
        "toy_parts:ToyMlp",
        ["__init__", "parameter_groups", "begin_step", "forward", "losses", "scalars", "adapt", "density"],
    ),
    "sampler": ("toys:Importance", ["__init__", "extent", "refresh", "propose"]),
    "renderer": ("toys:Volume", ["__init__", "weights", "composite"]),
    "rays": ("toy_parts:ToyShift", ["__init__", "forward", "views"]),
    "color": ("toy_parts:Gains", ["__init__", "forward", "fit"]),
    "loss": ("toys:Nothing", ["__init__", "ray_shares", "forward"]),
    "observer": ("toys:Arming", ["__init__", "started", "step_ended", "evaluated", "finished"]),
    "method": (
        "toy_parts:SquaredError",
        ["__init__", "build", "background", "losses", "param_groups", "lr_scale", "after_step"],
    ),
    "exporter": ("toys:Note", ["__init__", "export"]),
    "metric": ("toys:Zero", ["__init__", "measure"]),
    "converter": ("toys:Copy", ["__init__", "convert"]),
}
"""Kind -> its base class, and the hooks that can be told to fail."""

HEAD = """
from radfield_core.builtin.importance import Importance
from radfield_core.builtin.volume import Volume
from radfield_core.interfaces import Converter, Exporter, Loss, Metric, Observer
from radfield_core.model import LevelLoop
from radfield_core.testing import toy_parts

FAULTY = ARMED = ""  # the hook that fails; the hook that fails from the third step on

class Nothing(Loss):
    def __init__(self, config, ctx):
        super().__init__()
    @staticmethod
    def ray_shares(config):
        return {}
    def forward(self, outputs, batch, model, step):
        return outputs.rendered.rgb.sum() * 0.0

class Arming(Observer):
    def step_ended(self, step, scalars):
        global FAULTY
        if step == 2 and ARMED:
            FAULTY = ARMED

class Note(Exporter):
    def export(self, model, scene, path):
        path.write_text("note")
        return [path]

class Zero(Metric):
    def measure(self, model, scene, reference, folder):
        return {"zero": 0.0}

class Copy(Converter):
    def convert(self, source, target, progress=None):
        target.mkdir()
        return []

class OwnLoop(LevelLoop):
    def refresh(self, step):
        fail("model.refresh")
        super().refresh(step)
    def adapt(self, step, parameters):
        fail("model.adapt")
        super().adapt(step, parameters)
    def render(self, *args, **kwargs):
        fail("model.render")
        return super().render(*args, **kwargs)

def fail(hook):
    if hook == FAULTY:
        raise RuntimeError("planted\\nhere")
"""

DECLARATION = """
from radfield_core.plugin import Output, component, hookimpl

RADFIELD_API = (1, 0)
PARTS = "acme_plant_parts"
PROVIDES = {"field": {"density", "rgb", "occupancy", "point_color"}, "rays": {"poses"},
            "dataparser": {"images", "bounded", "depths"}, "sampler": {"dense"},
            "encoding": {"points", "gaussians", "directions", "any_dim", "grad", "grad2"}}
REQUIRES = {"loss": {"data": {"depths"}}}

@hookimpl
def radfield_components():
    found = []
    for kind, config in CONFIGS.items():
        more = {"writes": Output.file("txt", coordinates=False)} if kind == "exporter" else {}
        found.append(component(kind, "plant", impl=f"{PARTS}:{kind.title()}", config=config, summary="fails",
                               provides=PROVIDES.get(kind, set()), requires=REQUIRES.get(kind, {}), **more))
    return found
"""

OPTIONS = {
    "dataparser": "ToyBallConfig", "encoding": "ToyEncodingConfig", "field": "ToyFieldConfig", "rays": "ToyShiftConfig",
    "color": "ToyColorConfig", "method": "ToyMethodConfig",
}  # fmt: skip

OF_TRAINING = [kind for kind in HOOKS if kind not in ("exporter", "metric", "converter")]

LATER = ["density", "fit", "views", "lr_scale", "after_step", "scalars"]
"""Hooks that training does not call before its first step."""

CHANGING = ["refresh", "adapt", "lr_scale", "after_step"]
"""Hooks that are called while a step changes the run. What they leave is not saved."""

RUN = [
    "--method", "plant", "data.type=plant", "data.size=12", "data.n_views=2", "field.type=plant",
    "field.encoding.type=plant", "field.direction_encoding=none", "sampler.type=plant", "sampler.n_samples=8",
    "sampler.n_importance=0", "renderer.type=plant", "rays=plant", "color=plant", "losses.mine=plant",
    "losses.mine.weight=1", "observers.mine=plant", "trainer.max_steps=4", "trainer.n_rays=8", "trainer.log_every=1",
    "trainer.target_samples=none", "trainer.device=cpu",
]  # fmt: skip
STORED = {
    "eval": [
        ("field", "__init__"), ("field", "begin_step"), ("field", "forward"), ("encoding", "forward"),
        ("sampler", "propose"), ("renderer", "composite"), ("rays", "views"), ("color", "__init__"),
        ("color", "fit"), ("method", "background"), ("method", "build"), ("model", "render"), ("dataparser", "parse"),
    ],
    "render": [("field", "forward"), ("method", "background"), ("model", "render")],
    "export": [("exporter", "__init__"), ("exporter", "export"), ("field", "__init__")],
    "measure": [("metric", "__init__"), ("metric", "measure")],
    "points": [("field", "density")],
}  # fmt: skip
"""Verb -> hooks that it calls, each of which fails while the verb runs on a stored run."""


def source() -> str:
    """The module of the parts: each hook fails if it is told to, and otherwise does what its base class does."""
    lines = [HEAD]
    for kind, (base, hooks) in HOOKS.items():
        module, name = base.split(":")
        lines.append(f"class {kind.title()}({'toy_parts.' if module == 'toy_parts' else ''}{name}):")
        for hook in hooks:
            if hook == "ray_shares":
                lines += ["    @staticmethod", f"    def {hook}(config):", f"        fail({f'{kind}.{hook}'!r})"]
                lines += ["        return {}"]
                continue
            lines += [f"    def {hook}(self, *args, **kwargs):", f"        fail({f'{kind}.{hook}'!r})"]
            lines += [f"        found = super().{hook}(*args, **kwargs)"]
            lines += ["        found.__class__ = OwnLoop" if hook == "build" else "        # unchanged"]
            lines += ["        return found"]
    return "\n".join(lines)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The module of the parts of the plugin acme-plant, which is installed for these tests."""
    site = tmp_path_factory.mktemp("site")
    info = site / "acme_plant-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plant\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[radfield.plugins]\nplant = acme_plant_plugin\n")
    configs = {kind: f"radfield_core.testing.toy_parts:{name}" for kind, name in OPTIONS.items()}
    builtin = "radfield_core.builtin.config"
    configs |= {"sampler": f"{builtin}:ImportanceConfig", "renderer": f"{builtin}:VolumeConfig"}
    (site / "acme_plant_config.py").write_text(
        "import attrs\nfrom radfield_core.config.losses import LossConfig\n"
        "@attrs.frozen\nclass Weighted(LossConfig):\n    pass\n@attrs.frozen\nclass Empty:\n    pass\n"
    )
    configs |= {"loss": "acme_plant_config:Weighted"}
    configs |= {kind: configs.get(kind, "acme_plant_config:Empty") for kind in HOOKS}
    (site / "acme_plant_plugin.py").write_text(f"CONFIGS = {configs!r}\n{DECLARATION}")
    (site / "acme_plant_parts.py").write_text(source())
    sys.path.insert(0, str(site))
    get_registry.cache_clear()
    import acme_plant_parts

    yield acme_plant_parts
    sys.path.remove(str(site))
    get_registry.cache_clear()


@pytest.fixture(scope="module")
def trained(parts: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained while all hooks worked."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    assert main(["train", *RUN, "--out", str(folder), "-q"]) == 0
    return folder


def one_line(err: str, kind: str, hook: str) -> str:
    """The line of the error, after a look at what it says."""
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    owner = "method:plant" if kind == "model" else f"{kind}:plant"
    assert f"{owner} (acme-plant): " in line and f"in {hook}: RuntimeError: planted here" in line
    assert "RADFIELD_DEBUG=1" in err and "Traceback" not in err
    return line


@pytest.mark.parametrize(
    ("kind", "hook"),
    [
        *((kind, hook) for kind in HOOKS if kind in OF_TRAINING for hook in HOOKS[kind][1] if hook not in LATER),
        *(("model", hook) for hook in ("refresh", "adapt")),
    ],
)
def test_before_training(
    kind: str, hook: str, parts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(parts, "FAULTY", f"{kind}.{hook}")
    code = main(["train", *RUN, "--out", str(tmp_path / "run"), "-q"])
    err = capsys.readouterr().err
    if kind == "observer" and hook != "__init__":
        assert code == 0 and f"observer mine failed in {hook}: RuntimeError: planted here" in err
        return
    assert code == 69
    one_line(err, kind, hook)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "hook"),
    [
        ("field", "begin_step"), ("field", "forward"), ("field", "losses"), ("field", "scalars"), ("field", "adapt"),
        ("encoding", "forward"), ("sampler", "extent"), ("sampler", "refresh"), ("sampler", "propose"),
        ("renderer", "weights"), ("rays", "forward"), ("color", "forward"), ("loss", "forward"),
        ("method", "background"), ("method", "losses"), ("method", "lr_scale"), ("method", "after_step"),
        ("model", "refresh"), ("model", "adapt"),
    ],
)  # fmt: skip
def test_while_training_and_the_run_is_kept(
    kind: str, hook: str, parts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "run"
    monkeypatch.setattr(parts, "FAULTY", "")
    monkeypatch.setattr(parts, "ARMED", f"{kind}.{hook}")
    changing = hook in CHANGING
    more = ["trainer.save_every=1"] if changing else []
    assert main(["train", *RUN, *more, "--out", str(folder), "-q"]) == 69
    err = capsys.readouterr().err
    one_line(err, kind, hook)
    step = 3 if hook == "scalars" else 2  # scalars are asked for after the step
    saved = [path.name for path in (folder / "checkpoints").glob("step-*")]
    assert f"step-{step:09d}" in saved and "step-000000003" not in saved[: 3 - step]
    state = f"the last checkpoint is step-{step:09d}" if changing else f"saved after step {step}"
    assert f"training stops: {state}; to resume: radfield train --resume {folder}" in err
    monkeypatch.setattr(parts, "ARMED", "")
    monkeypatch.setattr(parts, "FAULTY", "")
    if hook in ("adapt", "losses"):
        assert main(["train", "--resume", str(folder), "-q"]) == 0


@pytest.mark.parametrize(("verb", "kind", "hook"), [(verb, *hook) for verb, hooks in STORED.items() for hook in hooks])
def test_with_a_stored_run(
    verb: str, kind: str, hook: str, parts: ModuleType, trained: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    words = {
        "eval": ["eval", str(trained), "--fit-color", "half", "-q"],
        "render": ["render", str(trained), "--views", "1", "--video", "none", "-q", "--out", str(tmp_path / "out")],
        "export": ["export", str(trained), "--exporter", "plant", "--out", str(tmp_path / "note.txt")],
        "points": ["export", str(trained), "--exporter", "pointcloud", "--out", str(tmp_path / "note.ply")],
        "measure": ["eval", str(trained), "--metric", "plant"],
    }[verb]
    before = sorted(path.name for path in trained.iterdir())
    monkeypatch.setattr(parts, "FAULTY", f"{kind}.{hook}")
    assert main(words) == 69
    one_line(capsys.readouterr().err, kind, hook)
    assert sorted(path.name for path in trained.iterdir()) == before and not (tmp_path / "note.txt").exists()


@pytest.mark.parametrize("hook", ["__init__", "convert"])
def test_with_a_converter(
    hook: str, parts: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos").mkdir()
    monkeypatch.setattr(parts, "FAULTY", f"converter.{hook}")
    words = ["data", "convert", "plant", str(tmp_path / "photos"), str(tmp_path / "made")]
    assert main(words) == 69
    one_line(capsys.readouterr().err, "converter", hook)
