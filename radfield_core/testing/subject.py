"""The part that is tested: its declaration, its options, and everything it takes to build and train it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from radfield_core.config.files import read_preset
from radfield_core.config.fit import capabilities_of, check, lacking
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.config.slots import Choice, Slot
from radfield_core.config.structure import Entry, Owner, Structurer, options_of
from radfield_core.errors import UsageError
from radfield_core.plugin import Component
from radfield_core.plugins.registry import Registry, get_registry
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.scenes import Scenes
from radfield_core.runtime import randomness
from radfield_core.testing.toy_parts import toy_plugin
from radfield_core.testing.toys import toy_context
from radfield_core.train import session
from radfield_core.train.log import TrainingLog
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer

Table = dict[str, Any]


class NeedsExample(UsageError):
    """A part reads files, and nobody supplied any."""


@dataclass(frozen=True)
class Example:
    """A small data set that a dataparser or converter under test reads, and what is known about it.

    root: the folder or file. pixel: (view, row, column) -> rgb or rgba as bytes, of the training split. origin,
    direction: the ray of that pixel in the data's own coordinates, unit; None where it is not known.
    """

    root: Path
    pixel: tuple[int, int, int] = (0, 0, 0)
    color: tuple[int, ...] = ()
    origin: tuple[float, float, float] | None = None
    direction: tuple[float, float, float] | None = None


@dataclass
class Subject:
    """A part under test. options: values that differ from the defaults. run: the same for the rest of the run.

    example: makes the data set of a dataparser or converter in an empty folder. read: file -> vertices [V, 3] and
    faces [F, 3], for exporters whose format trimesh does not know. folder: an empty one for each law.
    """

    component: Component
    registry: Registry
    options: Table = field(default_factory=dict)
    run: Table = field(default_factory=dict)
    example: Callable[[Path], Example] | None = None
    read: Callable[[Path], tuple[Any, Any]] | None = None
    folder: Path = Path(".")

    @cached_property
    def choice(self) -> Choice:
        """The part with its options, toys in the slots whose default is not installed."""
        return self.choose(self.component, self.options)

    @property
    def kind(self) -> str:
        """Kind of the part."""
        return self.component.kind

    @cached_property
    def provides(self) -> frozenset[str]:
        """What the part provides under these options."""
        return capabilities_of(self.choice)[0]

    @cached_property
    def requires(self) -> Mapping[str, frozenset[str]]:
        """What the part needs under these options."""
        return capabilities_of(self.choice)[1]

    def table(self) -> Table:
        """The part as a run writes it."""
        return {**self.filled(self.component, self.options), "type": self.name_of(self.component)}

    @staticmethod
    def name_of(component: Component) -> str:
        """A name that means this part whatever else is installed."""
        return f"{component.distribution}:{component.name}"

    def filled(self, component: Component, options: Table) -> Table:
        """The options, a toy for every slot whose default is not installed, and some root where one is needed."""
        found = dict(options)
        for attribute in attrs.fields(options_of(component)):
            if attribute.name == "root" and attribute.default is attrs.NOTHING:
                found.setdefault("root", ".")
            place: Slot | None = attribute.metadata.get("slot")
            if place is None or attribute.name in found or (place.default is None and place.optional):
                continue
            name = place.default if isinstance(place.default, str) else (place.default or {}).get("type", "")
            if not self.registry.candidates(place.kind, name):
                found[attribute.name] = "toy"
        return found

    def choose(self, component: Component, options: Table) -> Choice:
        """A part with its options. Raises UsageError or PluginError with every mistake."""
        mistakes = Mistakes()
        table = {**self.filled(component, options), "type": self.name_of(component)}
        slot = Slot(component.kind, None, False)
        choice = Structurer(self.registry, mistakes).slot(slot, [Entry("the test", table)], "", Owner())
        mistakes.finish()
        assert choice is not None
        return choice

    # Building the part alone

    def build(self, seed: int = 0, **sizes: Any) -> Any:
        """The part, built in a cube of half side 1.5, its random numbers decided by the seed."""
        with randomness.undisturbed():
            randomness.seed_everything(seed)
            implementation = self.choice.load()
            if self.kind in ("encoding", "field", "sampler", "renderer"):
                if self.kind == "encoding":
                    sizes = {"in_dim": 3, **sizes}
                return implementation(self.choice.config, toy_context(), **sizes)
            return implementation(self.choice.config)

    def inputs(self, n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Inputs [n, 3] of an encoding: points of the cube, or unit directions if it takes no points."""
        x = 2.8 * torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1.4
        if not self.provides & {"points", "gaussians"}:
            x = torch.nn.functional.normalize(x, dim=-1)
        return x.to(dtype)

    # Training it

    def run_config(self, max_steps: int = 3, trainer: Table | None = None) -> RunConfig:
        """A run on the ball with the part in its slot, toys elsewhere; its parts fit, or UsageError says why not."""
        tables: Table = {"method": "toy", "field": "toy", "sampler": _EVEN, "data": "toy-ball"}
        layers = []
        if self.kind == "method":
            preset = read_preset(self.component, self.component.name)
            layers.append(Entry("preset", preset, self.component.distribution))
            tables = {"method": self.table(), "data": "toy-ball"}
        elif self.kind == "encoding":
            place = "encoding" if self.provides & {"points", "gaussians"} else "direction_encoding"
            tables["field"] = {"type": "toy", place: self.table()}
        else:
            tables["field"] = self._field_for(self.requires.get("field", frozenset()))
            tables[self.kind] = self.table()
        steps = {
            "max_steps": max_steps,
            "n_rays": 32,
            "device": "cpu",
            "save_every": max_steps,
            "target_samples": "none",
        }
        mistakes = Mistakes()
        entries = [
            *layers,
            Entry("the test", tables),
            Entry("the test", self.run),
            Entry("the test", {"trainer": steps}),
        ]
        entries.append(Entry("the test", {"trainer": trainer or {}}))
        run = Structurer(self.registry, mistakes).table(RunConfig, entries, "", Owner())
        mistakes.finish()
        check(run, self.registry)
        return run

    def _field_for(self, needs: frozenset[str]) -> str:
        fields = [c for c in toy_plugin().components if c.kind == "field"]
        return next((c.name for c in fields if not lacking(needs, c.provides)), "toy")

    def trainer(self, run: RunConfig, name: str) -> Trainer:
        """A trainer of a run, checked after building, in a folder of its own."""
        return make_trainer(run, self.folder / name)


_EVEN = {"type": "importance", "n_samples": 16, "n_importance": 0}


def make_trainer(run: RunConfig, folder: Path) -> Trainer:
    """The trainer of a run on the CPU, checked in a dry run as `radfield train` does, without evaluation."""
    setup = TrainingSetup.of(run, Scenes(run).get("train"), torch.device("cpu"))
    run_folder = RunFolder(folder)
    run_folder.check_writable()
    trainer, _ = session.make_trainer(setup, run_folder, TrainingLog(run_folder, run.trainer, quiet=True))
    return trainer


def with_toys(registry: Registry | None = None) -> Registry:
    """A registry that offers the toys beside everything installed."""
    found = registry or get_registry()
    return Registry([*found.plugins, toy_plugin()], found.hooks)


def presets_of(component: Component) -> Iterator[str]:
    """The names of a method's presets."""
    yield from component.preset or (component.name,)
