"""The slots of a run that its method uses. A method that brings its own model may use few of them, or none."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from radfield_core.config.mistakes import Mistakes
from radfield_core.config.run import RunConfig
from radfield_core.config.structure import Entry, Owner, Structurer
from radfield_core.config.unknown_options import COMMAND_LINE
from radfield_core.errors import PluginError, UsageError
from radfield_core.plugin import MODEL_SLOTS, Component
from radfield_core.plugins.registry import Registry


def part_in(layers: Sequence[Entry], slot: str) -> str | None:
    """Return the name of the part that layers choose for a slot of the run. Return None if no layer names one.

    Args:
        layers: tables of a run's options, in increasing priority. The last one that names a part decides.
        slot: name of the slot, such as "method".
    """
    for layer in reversed(layers):
        value = layer.value.get(slot)
        name = value.get("type") if isinstance(value, dict) else value
        if isinstance(name, str):
            return name
    return None


def run_options(structurer: Structurer, layers: Sequence[Entry], skip: Collection[str] = ()) -> RunConfig | None:
    """Build the options of a run. The slots that its method does not use stay empty, and it is a mistake to fill them.

    Args:
        structurer: the object that builds options. It collects all mistakes.
        layers: tables of the run's options, in increasing priority.
        skip: names of options that are not read from the layers. They become None.

    Returns:
        The options, or None if there is a mistake.
    """
    unused: list[str] = []
    method = _method(structurer.registry, layers)
    if method is not None:
        unused = [slot for slot in MODEL_SLOTS if slot not in method.slots]
        for slot in unused:
            _report_filled(structurer.mistakes, layers, slot, method)
        layers = [layer._replace(value={k: v for k, v in layer.value.items() if k not in unused}) for layer in layers]
    run: RunConfig | None = structurer.table(RunConfig, layers, "", Owner(), {*skip, *unused})
    return run


def _method(registry: Registry, layers: Sequence[Entry]) -> Component | None:
    """Return the declaration of the chosen method. Return None if it is unknown, which is reported elsewhere."""
    name = part_in(layers, "method")
    try:
        return None if name is None else registry.find("method", name)
    except (PluginError, UsageError):
        return None


def _report_filled(mistakes: Mistakes, layers: Sequence[Entry], slot: str, method: Component) -> None:
    """Add a mistake if a layer fills a slot that the method does not use."""
    given = [layer for layer in layers if layer.value.get(slot, "none") != "none"]
    if not given:
        return
    uses = f"uses only {' and '.join(method.slots)}" if method.slots else "brings its own model"
    origin = given[-1].origin
    hint = f"Remove {slot}=…" if origin == COMMAND_LINE else f"Remove the table [{slot}] from {origin}"
    mistakes.add(slot, f"method {method.name!r} has no slot {slot!r}, because it {uses} ({origin})", hint)
