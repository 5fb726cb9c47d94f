"""The choice of surface, preset and number of steps for an input of `radfield mesh`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.errors import DatasetError, UsageError

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice
    from radfield_core.plugins.registry import Registry

STEPS = {"draft": 0.3, "good": 1.0, "best": 3.0}
"""Quality -> number of training steps, as a multiple of the preset's."""

TEXELS = {"draft": 1024, "good": 2048, "best": 4096}
"""Quality -> texels along a side of the texture."""

CELLS = {"draft": 192, "good": 384, "best": 512}
"""Quality -> grid cells along the longest side of the surface."""

OBJECTS = ("object", "scan", "plain")
"""The kinds of data, of `config.about.CONTENTS`, that show one object."""

MAX_STEPS = "trainer.max_steps="
"""An override that replaces the number of steps of the quality."""

SURFACES = {"neus": ("neus-fast", "neus-fast-open"), "splat": ("splat-capture",), "tsdf": ("ngp-capture",)}
"""Surface -> presets. The second one of `neus` is for data without masks."""


@dataclass(frozen=True)
class Plan:
    """The choices with which a working folder was begun. A command continues only a folder whose plan equals its own.

    Attributes:
        data: path of the data set, or of a run.
        method: the preset.
        max_steps: number of training steps.
        exporter: the exporter of the surface.
        options: options of the exporter.
        overrides: options of the training.
        why: reason for the surface, for the user.
    """

    data: str
    method: str
    max_steps: int
    exporter: str
    options: tuple[str, ...]
    overrides: tuple[str, ...]
    why: str

    def keep(self, file: Path) -> None:
        """Write the plan into the working folder, or compare it with the plan that is there.

        Raises:
            UsageError: the folder holds another plan.
        """
        text = json.dumps(asdict(self), indent=2)
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        elif json.loads(file.read_text()) != json.loads(text):
            raise UsageError(
                f"{file.parent} holds the stages of other options", path="--work",
                hint="Repeat the options of the first command, or choose another folder with --work DIR",
            )  # fmt: skip


def plan_for(
    registry: Registry, data: Choice, source: str, what: str, surface: str, quality: str, overrides: tuple[str, ...]
) -> Plan:
    """Choose the preset, the exporter and the number of steps for a data set.

    Args:
        registry: the installed parts.
        data: the format of the data set, with its options.
        source: path of the data set.
        what: "object", "scene" or "auto".
        surface: a key of `SURFACES`, or "auto".
        quality: a key of `STEPS`.
        overrides: options of the training.

    Raises:
        UsageError: the preset is not installed.
        DatasetError: the data set cannot be read.
    """
    content, found, why = _shown(data)
    what = found if what == "auto" else what
    if surface == "auto":
        surface = "neus" if what == "object" else "splat"
        why = f"{why}, so its surface comes from {'a signed distance' if surface == 'neus' else 'depths of Gaussians'}"
    else:
        why = f"the surface {surface} was asked for"
    method = SURFACES[surface][-1 if content not in ("object", "scan") else 0]
    options = [f"resolution={CELLS[quality]}", f"texture_size={TEXELS[quality]}", "texture=photos"]
    if content not in ("object", "plain"):
        options.append("cull_unseen=true")
    exporter, steps = (
        "mesh" if surface == "neus" else "tsdf",
        max(1, round(STEPS[quality] * _steps_of(registry, method))),
    )
    chosen = [word for word in overrides if word.startswith(MAX_STEPS)]
    if chosen:
        steps = _number(chosen[-1])
    others = tuple(word for word in overrides if word not in chosen)
    return Plan(source, method, steps, exporter, tuple(options), others, why)


def seconds_of(registry: Registry, plan: Plan) -> float | None:
    """Return the expected time of the training on one core, in seconds.

    Return None if it is not known: the preset's steps were not timed, or they take whole photographs of any size.
    """
    from radfield_core.config.about import presets

    if plan.method in SURFACES["splat"]:
        return None
    for preset in presets(registry):
        if preset.name == plan.method:
            return None if preset.about.step_seconds is None else preset.about.step_seconds * plan.max_steps
    return None


def _number(word: str) -> int:
    """Return the number of steps that an override states. Raises UsageError if it states none."""
    value = word.removeprefix(MAX_STEPS)
    if not value.isdecimal() or not int(value):
        raise UsageError(f"{value!r} is not a number of steps", path="trainer.max_steps", hint=f"{MAX_STEPS}2000")
    return int(value)


def _steps_of(registry: Registry, method: str) -> int:
    """Return the number of training steps of a preset. Raises UsageError if it is not installed."""
    from radfield_core.config.about import presets

    for preset in presets(registry):
        if preset.name == method:
            return preset.max_steps or 1000
    raise UsageError(
        f"the preset {method} is not installed", path="--surface",
        hint="pip install radfield installs all methods; --surface chooses another one",
    )  # fmt: skip


def _shown(data: Choice) -> tuple[str, str, str]:
    """Return the kind of data, "object" or "scene", and how this is known."""
    from radfield_core.config.about import CONTENTS
    from radfield_core.data.region import object_sphere
    from radfield_core.interfaces.dataparser import open_data_set
    from radfield_core.train.suitability import content_of

    scene = open_data_set(data).parse("train")
    if not len(scene.cameras):
        raise DatasetError("the data set has no training views", path=str(data.name))
    content = content_of(data, scene)
    if content in OBJECTS:
        return content, "object", f"the data shows {CONTENTS[content]}"
    sphere = None if content == "forward" else object_sphere(scene.cameras, scene.points)
    if sphere is not None:
        return content, "object", f"the cameras go round an object ({sphere.how})"
    return content, "scene", "no object that all cameras look at was found"
