"""Merge the options of a run from several layers.

The layers are, in increasing priority: the method's preset, the config file, `--method` and `--data`, and the
`key=value` words of the command line. Later layers override earlier ones. The origin of every value is recorded.
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
from radfield_core.config.slots import Choice, Slot, slot
from radfield_core.config.sniff import reads_no_files, recognize
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.errors import PluginError, RadfieldError, UsageError
from radfield_core.names import quoted
from radfield_core.plugins.registry import Registry

COMMAND_LINE = "command line"


@attrs.frozen
class Composed:
    """A run's options and the origin of each.

    Attributes:
        run: the options.
        origins: path of an option -> "preset nerf", a file, "--method", "--data", "command line" or "default".
        remarks: messages for the user about automatic decisions, such as the recognized data format.
    """

    run: RunConfig
    origins: dict[str, str]
    remarks: tuple[str, ...]


@attrs.frozen(kw_only=True)
class _DataOnly:
    data: Choice = slot("dataparser", help="format of the images and cameras")


class Layers(NamedTuple):
    """The layers of a run, in increasing priority. A layer that was not given or cannot be read is None."""

    preset: Entry | None = None
    file: Entry | None = None
    method: Entry | None = None
    data: Entry | None = None
    words: Entry | None = None

    def given(self) -> list[Entry]:
        """The layers that are not None, in increasing priority."""
        return [layer for layer in self if layer is not None]

    def part_in(self, slot: str) -> str | None:
        """The name of the part for a slot of the run, from the layer with the highest priority that names one."""
        for layer in reversed(self.given()):
            value = layer.value.get(slot)
            name = value.get("type") if isinstance(value, dict) else value
            if isinstance(name, str):
                return name
        return None


def compose(
    registry: Registry,
    *,
    method: str | None = None,
    data: str | Path | None = None,
    file: str | Path | None = None,
    overrides: Sequence[str] = (),
    needs_data: bool = True,
) -> Composed:
    """Compose the options of a run from all layers.

    Args:
        registry: the installed parts.
        method: name of a method or of one of its presets. A preset is the layer with the lowest priority.
        data: path of a data set. Its format is recognized from its files unless `file` or an override sets it.
        file: a config file in TOML.
        overrides: `key=value` words.
        needs_data: if False, `run.data` may be None. Use this to show or check options without a data set.

    Raises:
        UsageError, PluginError, DatasetError, StorageError: the error lists every mistake that was found.

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
    run = structurer.table(RunConfig, layers.given(), "", Owner(), skipped)
    mistakes.finish()
    return Composed(run, structurer.origins, (*remarks, *structurer.remarks))


def compose_part(registry: Registry, kind: str, name: str, overrides: Sequence[str] = ()) -> Choice:
    """Compose the options of a single part that is not in a slot of a run, such as an exporter.

    Args:
        registry: the installed parts.
        kind: kind of the part, such as "exporter".
        name: name of the part.
        overrides: `key=value` words that set options of the part.

    Raises:
        UsageError, PluginError: the error lists every mistake that was found.

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
    """Choose the dataparser for a data set, with its options.

    The second result is a tuple of messages for the user about automatic decisions, such as the recognized format.

    Args:
        registry: the installed parts.
        data: path of a data set, or the name of a dataparser that reads no files.
        overrides: `data.key=value` words.

    Raises:
        UsageError, PluginError, DatasetError: the error lists every mistake that was found.
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
    """The empty slots of the run that must not be reported, because a layer that cannot be read might fill them."""
    slots = set()
    if layers.preset is None:
        slots |= {"field", "sampler", "renderer", "background"}
    if file_given and layers.file is None:
        slots |= {"method", "data"}
    if data_given and layers.data is None:
        slots.add("data")
    return {name for name in slots if layers.part_in(name) is None}


def _file_layer(file: str | Path, mistakes: Mistakes) -> Entry | None:
    """The layer of a config file, or None if the file cannot be read."""
    try:
        return Entry(str(file), read_table(file))
    except RadfieldError as error:
        mistakes.take(error)
        return None


def _preset_layer(registry: Registry, layers: Layers, mistakes: Mistakes) -> Entry | None:
    """The layer of the method's preset, or None if the method is unknown or its preset cannot be read."""
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
    if isinstance(options, dict):  # the options apply to the method under the name that the user wrote
        table = {**table, "method": {**options, "type": name}}
    return Entry(f"preset {bare}", table, component.distribution)


def _data_layer(
    registry: Registry, data: str | Path, layers: Layers, mistakes: Mistakes
) -> tuple[Entry | None, tuple[str, ...]]:
    """The layer of `--data PATH`, and a message that names the recognized format.

    The layer is None if the path does not exist, or if its format is unknown or ambiguous. If the path does not exist,
    it may instead be the name of a dataparser that reads no files.
    """
    path = Path(data)
    if not path.exists() and reads_no_files(registry, str(path)):
        return Entry("--data", {"data": {"type": str(path)}}), ()
    table = {"root": str(path.absolute())}
    chosen = layers.part_in("data")
    if chosen is not None and not reads_no_files(registry, chosen):
        return Entry("--data", {"data": table}), ()
    try:
        name, reason = recognize(registry, path)
    except RadfieldError as error:
        mistakes.take(error)
        return None, ()
    if chosen is not None:
        origin = next(layer.origin for layer in reversed(layers.given()) if "data" in layer.value)
        mistakes.add(
            "--data",
            f"{data} is in format {name} ({reason}), but the chosen format {chosen} ({origin}) reads no files",
            f"Use data={name} --data {quoted(data)}",
        )
        return None, ()
    return Entry("--data", {"data": {"type": name, **table}}), (f"data: {name} ({reason})",)
