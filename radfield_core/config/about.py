"""The table `[about]` of a preset. It tells the user which data the preset fits, and how long training takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import attrs

from radfield_core.config.files import read_preset_file
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.slots import option
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.errors import BrokenPlugin, PluginError
from radfield_core.plugin import Component
from radfield_core.plugins.registry import Registry
from radfield_core.runtime.progress import roughly

CONTENTS = {
    "object": "an object on a transparent backdrop",
    "plain": "an object on a backdrop of a known color",
    "backdrop": "an object on a backdrop of unknown color",
    "scan": "an object with masks",
    "forward": "forward-facing photographs",
    "capture": "photographs of a place",
}
"""Short name of a kind of data -> its description. A preset lists the short names of the kinds of data that it fits."""


@attrs.frozen(kw_only=True)
class About:
    """The table `[about]` of a preset."""

    fits: tuple[str, ...] = option(
        (), help=f"the kinds of data that the preset fits: any of {', '.join(CONTENTS)}; empty if unknown"
    )
    best_for: tuple[str, ...] = option(
        (), help="the kinds of data for which the preset is a good first choice on a CPU"
    )
    why: str = option("", help="the reason to choose the preset, as a short phrase")
    step_seconds: float | None = option(
        None, help="CPU time of a training step on one core, in seconds", min=0, exclusive_min=True
    )
    measured_on: str = option("", help="the processor on which step_seconds was measured")


class Preset(NamedTuple):
    """A preset of an installed method.

    Attributes:
        name: the name to type after `--method`.
        about: the preset's table `[about]`.
        max_steps: number of training steps; None if the preset does not set it.
    """

    name: str
    about: About
    max_steps: int | None

    @property
    def seconds(self) -> float | None:
        """The expected training time on one core in seconds, or None if the time is unknown."""
        step = self.about.step_seconds
        return None if step is None or self.max_steps is None else step * self.max_steps


def preset_of(registry: Registry, component: Component, name: str) -> Preset:
    """Return a preset of a method. If the preset has no table `[about]`, the table's defaults are used.

    Raises:
        BrokenPlugin: the preset cannot be read, or its table has mistakes.
    """
    content = read_preset_file(component, name)
    origin = f"preset {name} of {component.distribution}"
    mistakes = Mistakes()
    entries = [Entry(origin, content.get("about", {}))]
    about = Structurer(registry, mistakes).table(About, entries, "about", Owner())
    unknown = {*about.fits, *about.best_for} - CONTENTS.keys() if about is not None else set()
    for word in sorted(unknown):
        mistakes.add("about.fits", f"unknown word {word!r}; the words are {', '.join(CONTENTS)} ({origin})")
    if mistakes.problems:
        raise BrokenPlugin(problems=mistakes.problems)
    trainer = content.get("trainer")
    steps = trainer.get("max_steps") if isinstance(trainer, dict) else None
    return Preset(registry.spelling(component, name), about, steps if type(steps) is int else None)


def presets(registry: Registry) -> Iterator[Preset]:
    """Yield the presets of all installed methods. Leave out those that cannot be read."""
    for component in registry.of_kind("method"):
        for name in component.preset:
            try:
                yield preset_of(registry, component, name)
            except PluginError:
                continue


def fitting(registry: Registry, content: str) -> list[Preset]:
    """Return the presets that fit a kind of data. Good first choices come first, and faster presets before slower ones.

    Args:
        registry: the installed parts.
        content: the kind of data, as a key of `CONTENTS`.
    """

    def order(preset: Preset) -> tuple[bool, float]:
        return content not in preset.about.best_for, float("inf") if preset.seconds is None else preset.seconds

    return sorted((each for each in presets(registry) if content in each.about.fits), key=order)


def table(presets: Sequence[Preset]) -> list[str]:
    """Return a table of presets as lines of text, with the reason to choose each preset and its training time."""
    width = max((len(preset.name) for preset in presets), default=0)
    why = max((len(preset.about.why) for preset in presets), default=0)
    lines = [f"{preset.name:<{width}}  {preset.about.why:<{why}}  {_time(preset)}".rstrip() for preset in presets]
    processors = sorted({preset.about.measured_on for preset in presets if preset.about.measured_on})
    note = f"Times are estimates for one core of {' or '.join(processors)}."
    return [*lines, note] if processors else lines


def _time(preset: Preset) -> str:
    steps = "" if preset.max_steps is None else f"{preset.max_steps:,} steps"
    return steps if preset.seconds is None else f"{steps}, about {roughly(preset.seconds)}"
