"""The part under test: its declaration, its options, and functions that build the part and train it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from radfield_core.config.run_slots import run_options
from radfield_core.config.slots import Choice, Slot
from radfield_core.config.structure import Entry, Owner, Structurer, options_of
from radfield_core.errors import UsageError
from radfield_core.plugin import Component
from radfield_core.plugins.registry import Registry, get_registry
from radfield_core.runs.folder import RunFolder
from radfield_core.runs.scenes import Scenes
from radfield_core.runtime import randomness
from radfield_core.testing.exported import ReadExported
from radfield_core.testing.toy_parts import toy_plugin
from radfield_core.testing.toys import N_TOY_VIEWS, toy_context
from radfield_core.train import session
from radfield_core.train.log import TrainingLog
from radfield_core.train.setup import TrainingSetup
from radfield_core.train.trainer import Trainer
from radfield_core.types import SceneBox

Table = dict[str, Any]
BUILT_WITH_CONTEXT = ("encoding", "field", "sampler", "renderer", "rays", "color", "loss")
"""Parts of these kinds are built from a config and a build context. Parts of other kinds need only a config."""

TESTED = "tested"
"""A run lists its losses and observers by name. A loss or observer under test gets this name."""

EVEN_SAMPLES: Table = {"type": "importance", "n_samples": 16, "n_importance": 0}
"""The sampler that is used in a run if the part under test is not a sampler."""


class ExampleMissing(UsageError):
    """A law needs something of the test that it does not supply: a data set, because the part reads files, or options
    with which the shapes of parameters change."""


@dataclass(frozen=True)
class Example:
    """A small data set for a dataparser or converter under test. The color and the ray of one pixel may be known.

    Attributes:
        root: folder or file of the data set.
        pixel: (view, row, column) of the known pixel in the training split.
        color: RGB or RGBA values of the known pixel, from 0 to 255 each; empty if unknown.
        origin: origin of the known pixel's ray in the data's own coordinates; None if unknown.
        direction: unit direction of this ray in the data's own coordinates; None if unknown.
    """

    root: Path
    pixel: tuple[int, int, int] = (0, 0, 0)
    color: tuple[int, ...] = ()
    origin: tuple[float, float, float] | None = None
    direction: tuple[float, float, float] | None = None


MakeExample = Callable[[Path], Example]
"""Function that writes a small data set into an empty folder, and returns it as an `Example`."""


@dataclass
class PartUnderTest:
    """A part with its options, and everything that is needed to build the part and to train it.

    A slot is an option that names a part, such as the sampler.

    Attributes:
        component: declaration of the part.
        registry: the parts that can be chosen for the other slots, including the toy parts.
        options: options of the part that differ from their defaults.
        run: options of the run's other parts that differ from their defaults.
        example: function that writes a data set for a dataparser or converter into an empty folder.
        read: function that reads the files of an exporter; None to read them with trimesh.
        folder: an empty folder, which the check of a law may use. Each law gets a different folder.
    """

    component: Component
    registry: Registry
    options: Table = field(default_factory=dict)
    run: Table = field(default_factory=dict)
    example: MakeExample | None = None
    read: ReadExported | None = None
    folder: Path = Path(".")

    @property
    def kind(self) -> str:
        """The kind of the part."""
        return self.component.kind

    @cached_property
    def choice(self) -> Choice:
        """The part and its options, in the form in which the config of a run holds a chosen part."""
        return self.choose(self.component, self.options)

    @cached_property
    def provides(self) -> frozenset[str]:
        """The capabilities that the part provides with these options."""
        return capabilities_of(self.choice)[0]

    @cached_property
    def requires(self) -> Mapping[str, frozenset[str]]:
        """Dictionary: slot -> the capabilities that the part in this slot must provide, given these options."""
        return capabilities_of(self.choice)[1]

    def choose(self, component: Component, options: Table) -> Choice:
        """Return a part and its options, in the form in which the config of a run holds a chosen part.

        Raises:
            UsageError, PluginError: the options have mistakes. The error reports all mistakes.
        """
        mistakes = Mistakes()
        slot = Slot(component.kind, None, False)
        entry = Entry("the test", self._table(component, options))
        choice = Structurer(self.registry, mistakes).slot(slot, [entry], "", Owner())
        mistakes.finish()
        assert choice is not None
        return choice

    def build(self, seed: int = 0, bounds: SceneBox | None = None, **sizes: Any) -> Any:
        """Build the part with the build context that `toy_context` returns, and with a seeded random initialization.

        Args:
            seed: seed of the initialization. The global random generators are restored afterward.
            bounds: region of the scene; None for the region of the toy context.
            sizes: further arguments for the part's constructor, such as `in_dim` of an encoding.
        """
        with randomness.undisturbed():
            randomness.seed_everything(seed)
            implementation = self.choice.load()
            if self.kind not in BUILT_WITH_CONTEXT:
                return implementation(self.choice.config)
            if self.kind == "encoding":
                sizes = {"in_dim": self.in_dim, **sizes}
            return implementation(self.choice.config, toy_context(bounds=bounds), **sizes)

    @property
    def in_dim(self) -> int:
        """Number of coordinates of one input of an encoding: 1 if it encodes the numbers of images, and 3 otherwise."""
        return 1 if "images" in self.provides else 3

    def inputs(self, n: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
        """Return inputs [n, 3] for an encoding: points inside the bounds.

        If the encoding encodes only directions, return unit directions instead. If it encodes images, return numbers of
        images [n].
        """
        if "images" in self.provides:
            return torch.randint(N_TOY_VIEWS, (n,), generator=torch.Generator().manual_seed(seed))
        x = 2.8 * torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 1.4
        if not self.provides & {"points", "gaussians"}:
            x = torch.nn.functional.normalize(x, dim=-1)
        return x.to(dtype)

    def run_config(self, max_steps: int = 3, trainer: Table | None = None) -> RunConfig:
        """Return the config of a run on the toy ball. It uses the part under test, and toy parts for the other slots.

        Args:
            max_steps: number of optimizer steps.
            trainer: further options of the trainer.

        Raises:
            UsageError: the parts do not fit together.
        """
        steps: Table = {
            "max_steps": max_steps,
            "save_every": max_steps,
            "n_rays": 32,
            "device": "cpu",
            "target_samples": "none",
        }
        entries = [Entry("the test", table) for table in (self._slots(), self.run, {"trainer": steps})]
        entries.append(Entry("the test", {"trainer": trainer or {}}))
        if self.kind == "method":
            preset = read_preset(self.component, self.component.name)
            entries.insert(0, Entry("preset", preset, self.component.distribution))
        mistakes = Mistakes()
        run = run_options(Structurer(self.registry, mistakes), entries)
        mistakes.finish()
        assert run is not None
        check(run, self.registry)
        return run

    def trainer(self, run: RunConfig, name: str) -> Trainer:
        """Check the model of a run in a dry run. Then make the run's trainer, which writes into the subfolder
        `name`."""
        return make_trainer(run, self.folder / name)

    def _slots(self) -> Table:
        """Return a config table that puts the part under test into its slot, and toy parts into the other slots."""
        part = self._table(self.component, self.options)
        if self.kind == "method":
            return {"method": part, "data": "toy-ball"}
        slots: Table = {"method": "toy", "field": "toy", "sampler": EVEN_SAMPLES, "data": "toy-ball"}
        if self.kind == "encoding":
            known = {"images": "appearance_encoding", "points": "encoding", "gaussians": "encoding"}
            name = next((slot for word, slot in known.items() if word in self.provides), "direction_encoding")
            slots["field"] = {"type": "toy", name: part}
        else:
            slots["field"] = self._toy_field(self.requires.get("field", frozenset()))
            tables = {"loss": "losses", "observer": "observers"}
            slots |= {tables[self.kind]: {TESTED: part}} if self.kind in tables else {self.kind: part}
        return slots

    def _table(self, component: Component, options: Table) -> Table:
        """Return a part's table, as in a config file. A toy part replaces each default part that is not installed."""
        table = {**options, "type": qualified_name(component)}
        for attribute in attrs.fields(options_of(component)):
            if attribute.name == "root" and attribute.default is attrs.NOTHING:
                table.setdefault("root", ".")
            slot: Slot | None = attribute.metadata.get("slot")
            if slot is None or attribute.name in table or (slot.default is None and slot.optional):
                continue
            name = slot.default if isinstance(slot.default, str) else (slot.default or {}).get("type", "")
            if not self.registry.candidates(slot.kind, name):
                table[attribute.name] = "toy"
        return table

    @staticmethod
    def _toy_field(needs: frozenset[str]) -> str:
        """Return the name of a toy field that provides the capabilities `needs`, or "toy" if there is no such field."""
        fields = [component for component in toy_plugin().components if component.kind == "field"]
        return next((component.name for component in fields if not lacking(needs, component.provides)), "toy")


def qualified_name(component: Component) -> str:
    """Return the unambiguous name of a part, which is `distribution:name`."""
    return f"{component.distribution}:{component.name}"


def make_trainer(run: RunConfig, folder: Path) -> Trainer:
    """Check the model in a dry run, as `radfield train` does, and make the trainer of a run.

    The trainer runs on the CPU and evaluates nothing.
    """
    setup = TrainingSetup.of(run, Scenes(run).get("train"), torch.device("cpu"))
    run_folder = RunFolder(folder)
    run_folder.check_writable()
    trainer, _ = session.make_trainer(setup, run_folder, TrainingLog(run_folder, run.trainer, quiet=True))
    return trainer


def with_toys(registry: Registry | None = None) -> Registry:
    """Return a registry that offers the toy parts and the parts of `registry`.

    By default, `registry` offers all installed parts.
    """
    found = registry or get_registry()
    toys = toy_plugin()
    others = [plugin for plugin in found.plugins if plugin.distribution != toys.distribution]
    return Registry([*others, toys], found.hooks)
