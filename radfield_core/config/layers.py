"""Merge the options of a run from several layers.

A layer is a source of options. The layers are, in increasing priority: the method's preset, the config file,
`--method` and `--data`, and the `key=value` words of the command line. A layer overrides the layers with a lower
priority. The origin of every value is recorded. A slot is an option that names a part, such as the sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import attrs

from radfield_core.config.files import read_preset, read_table
from radfield_core.config.mistakes import Mistakes
from radfield_core.config.overrides import read_overrides
from radfield_core.config.run import RunConfig
from radfield_core.config.run_slots import part_in, run_options
from radfield_core.config.slots import Choice, Slot, slot
from radfield_core.config.sniff import reads_no_files, recognize
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.config.unknown_options import COMMAND_LINE
from radfield_core.errors import PluginError, RadfieldError, UsageError
from radfield_core.names import quoted
from radfield_core.plugin import MODEL_SLOTS
from radfield_core.plugins.registry import Registry


@attrs.frozen
class Composed:
    """The options of a run, and the origin of each option's value.

    Attributes:
        run: the options.
        origins: maps the path of each option to the origin of its value. An origin is "preset nerf", a file,
            "--method", "--data", "command line" or "default".
        remarks: messages for the user about automatic decisions, such as the recognized data format.
    """

    run: RunConfig
    origins: dict[str, str]
    remarks: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _DataOnly:
    data: Choice = slot("dataparser", help="format of the images and cameras")


class Layers(NamedTuple):
    """The layers of a run, in increasing priority. An attribute is None if its layer is missing or cannot be read."""

    preset: Entry | None = None
    file: Entry | None = None
    method: Entry | None = None
    data: Entry | None = None
    words: Entry | None = None

    def given(self) -> list[Entry]:
        """Return the layers that are not None, in increasing priority."""
        return [layer for layer in self if layer is not None]

    def part_in(self, slot: str) -> str | None:
        """Return the name of the part that the layers choose for a slot of the run. Return None if no layer names one.

        If several layers name a part, the layer with the highest priority decides.
        """
        return part_in(self.given(), slot)


def compose(
    registry: Registry,
    *,
    method: str | None = None,
    data: str | Path | None = None,
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    needs_data: bool = True,
) -> Composed:
    """Merge all layers into the options of a run, and check every option.

    Args:
        registry: the installed parts.
        method: name of a method, or of a preset of a method. The preset is the layer with the lowest priority.
        data: path of a data set. Its format is recognized from its files, unless `file` or an override sets the format.
        file: a config file in TOML.
        overrides: `key=value` words, each of which sets one option.
        needs_data: if False, `run.data` may be None. Use False to show or check options without a data set.

    Raises:
        UsageError, PluginError, DatasetError, StorageError: the options have mistakes. The error lists all of them.

    Example:
        >>> from radfield_core.plugins.registry import get_registry
        >>> words = ["trainer.max_steps=10"]
        >>> compose(get_registry(), method="nerf", overrides=words, needs_data=False).run.trainer.max_steps
        10
    """
    mistakes = Mistakes()
    layers = Layers(
        file=None if file is None else _file_layer(file, mistakes),
        method=None if method is None else Entry("--method", {"method": method}),
        words=Entry(COMMAND_LINE, read_overrides(overrides, mistakes)),
    )
    remarks: tuple[str, ...] = ()
    if data is not None:
        data_layer, remarks = _data_layer(registry, data, layers, mistakes)
        layers = layers._replace(data=data_layer)
    layers = layers._replace(preset=_preset_layer(registry, layers, mistakes))
    skipped = _unknown_slots(layers, file_given=file is not None, data_given=data is not None)
    if not needs_data and not any("data" in layer.value for layer in layers.given()):
        skipped.add("data")
    structurer = Structurer(registry, mistakes)
    run = run_options(structurer, layers.given(), skipped)
    structurer.suggest()
    mistakes.finish()
    assert run is not None
    return Composed(run, structurer.origins, (*remarks, *structurer.remarks))


def names_part(slot: str, *, file: str | Path | None = None, overrides: Sequence[str] = ()) -> bool:
    """Return True if a config file or `key=value` words choose a part for a slot of the run, such as "method"."""
    mistakes = Mistakes()  # reported by `compose`
    layers = Layers(
        file=None if file is None else _file_layer(file, mistakes),
        words=Entry(COMMAND_LINE, read_overrides(overrides, mistakes)),
    )
    return layers.part_in(slot) is not None


def compose_part(registry: Registry, kind: str, name: str, overrides: Sequence[str] = ()) -> Choice:
    """Choose a single part and build its options. Use this for a part that no slot of a run takes, such as an exporter.

    Args:
        registry: the installed parts.
        kind: kind of the part, such as "exporter".
        name: name of the part.
        overrides: `key=value` words that set options of the part.

    Raises:
        UsageError, PluginError: the options have mistakes. The error lists all of them.

    Example:
        >>> from radfield_core.plugins.registry import get_registry
        >>> compose_part(get_registry(), "sampler", "importance", ["n_samples=16"]).config.n_samples
        16
    """
    mistakes = Mistakes()
    entries = [Entry(COMMAND_LINE, {"type": name}), Entry(COMMAND_LINE, read_overrides(overrides, mistakes))]
    choice = Structurer(registry, mistakes).slot(Slot(kind, None, False), entries, "", Owner())
    mistakes.finish()
    assert choice is not None
    return choice


def compose_data(registry: Registry, data: str | Path, overrides: Sequence[str] = ()) -> tuple[Choice, tuple[str, ...]]:
    """Choose the dataparser for a data set, and build the dataparser's options.

    Return the dataparser with its options, and messages for the user about automatic decisions, such as the recognized
    format.

    Args:
        registry: the installed parts.
        data: path of a data set, or the name of a dataparser that reads no files.
        overrides: `data.key=value` words.

    Raises:
        UsageError, PluginError, DatasetError: the options have mistakes. The error lists all of them.
    """
    mistakes = Mistakes()
    layers = Layers(words=Entry(COMMAND_LINE, read_overrides(overrides, mistakes)))
    data_layer, remarks = _data_layer(registry, data, layers, mistakes)
    layers = layers._replace(data=data_layer)
    structurer = Structurer(registry, mistakes)
    only = structurer.table(_DataOnly, layers.given(), "", Owner(), () if data_layer is not None else ("data",))
    mistakes.finish()
    return only.data, (*remarks, *structurer.remarks)


def _unknown_slots(layers: Layers, *, file_given: bool, data_given: bool) -> set[str]:
    """Return the slots that may be empty without a mistake, because a layer that cannot be read might fill them."""
    slots = set()
    if layers.preset is None:
        slots |= set(MODEL_SLOTS)
    if file_given and layers.file is None:
        slots |= {"method", "data"}
    if data_given and layers.data is None:
        slots.add("data")
    return {name for name in slots if layers.part_in(name) is None}


def _file_layer(file: str | Path, mistakes: Mistakes) -> Entry | None:
    """Return the layer of a config file, or None if the file cannot be read."""
    try:
        return Entry(str(file), read_table(file))
    except RadfieldError as error:
        mistakes.take(error)
        return None


def _preset_layer(registry: Registry, layers: Layers, mistakes: Mistakes) -> Entry | None:
    """Return the layer of the method's preset. Return None if the method is unknown or its preset cannot be read."""
    name = layers.part_in("method")
    if name is None:
        return None
    try:
        component = registry.find("method", name)
    except (PluginError, UsageError):
        return None  # `Structurer.slot` reports this mistake later
    bare = name.rpartition(":")[2]
    try:
        table = read_preset(component, bare)
    except PluginError as error:
        mistakes.take(error)
        return None
    options = table.get("method", {})
    if isinstance(options, dict):  # store the method's name as the user wrote it
        table = {**table, "method": {**options, "type": name}}
    return Entry(f"preset {bare}", table, component.distribution)


def _data_layer(
    registry: Registry, data: str | Path, layers: Layers, mistakes: Mistakes
) -> tuple[Entry | None, tuple[str, ...]]:
    """Return the layer of `--data PATH`, and a message that names the recognized format.

    `data` can also be the name of a dataparser that reads no files. Otherwise, the layer is None if the path does not
    exist, if the data set's format is unknown or ambiguous, or if the chosen dataparser reads no files.
    """
    path = Path(data)
    if not path.exists() and reads_no_files(registry, str(path)):
        return Entry("--data", {"data": {"type": str(path)}}), ()
    table = {"root": str(path.absolute())}
    chosen = layers.part_in("data")
    if chosen is not None and path.exists() and not reads_no_files(registry, chosen):
        return Entry("--data", {"data": table}), ()
    try:
        found = recognize(registry, path)
    except RadfieldError as error:
        mistakes.take(error)
        return None, ()
    if chosen is not None:
        origin = next(layer.origin for layer in reversed(layers.given()) if "data" in layer.value)
        mistakes.add(
            "--data",
            f"{data} is in format {found.name} ({found.reason}), but the chosen format {chosen} ({origin}) reads no "
            "files",
            f"Use data={found.name} --data {quoted(data)}",
        )
        return None, ()
    return Entry("--data", {"data": {"type": found.name, **table}}), (f"data: {found}",)
