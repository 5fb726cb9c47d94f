"""Check that the chosen parts of a run fit together: each part must provide the capabilities that others require.

A slot is an option that names a part, such as the sampler. A part can require capabilities of the part in another
slot. The requirement "points|gaussians" is met by a part that provides "points" or "gaussians".
`radfield_core.plugins.vocabulary` lists all capabilities. This module imports no torch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from radfield_core.errors import BrokenPlugin, Problems, UsageError
from radfield_core.plugin import load_of

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.plugins.registry import Registry

RUN_SLOTS = ("method", "data", "field", "sampler", "renderer", "rays", "color")
BACKGROUND_SLOTS = ("field", "sampler", "renderer")
"""The slots whose parts are checked for a background. A background has no slot "renderer" of its own, because the
foreground's renderer also renders the background."""


class SlotPath(NamedTuple):
    """A chosen part, and the path of the part's slot in the config."""

    path: str
    choice: Choice


def lacking(needs: Collection[str], provides: Collection[str]) -> list[str]:
    """Return the capabilities in `needs` that `provides` lacks. Either "points" or "gaussians" meets the need
    "points|gaussians"."""
    return sorted(need for need in needs if not any(word in provides for word in need.split("|")))


def capabilities_of(choice: Choice) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """Return the capabilities that a chosen part provides and requires.

    A part declares its capabilities. It can also declare a function that adds capabilities, depending on the part's
    options.

    Args:
        choice: the part with its options.

    Returns:
        The capabilities that the part provides, and a mapping from the name of each slot to the capabilities that the
        part in that slot must have.

    Raises:
        BrokenPlugin: the function that adds capabilities fails.

    Example:
        >>> from radfield_core.config.layers import compose_part
        >>> from radfield_core.plugins.registry import get_registry
        >>> sampler = compose_part(get_registry(), "sampler", "importance", ["n_importance=0"])
        >>> sorted(capabilities_of(sampler)[0])
        ['dense']
    """
    component = choice.component
    if component.capabilities is None:
        return component.provides, component.requires
    function = load_of(component, component.capabilities)
    try:
        more, needs = function(choice.config)
        slots = {*component.requires, *needs}
        requires = {slot: component.requires.get(slot, frozenset()) | frozenset(needs.get(slot, ())) for slot in slots}
        return component.provides | frozenset(more), requires
    except Exception as error:  # the plugin's code may raise anything
        message = f"{component.capabilities} of {component.distribution} failed: {type(error).__name__}: {error}"
        raise BrokenPlugin(message, hint="radfield plugins doctor") from error


def check(run: RunConfig, registry: Registry) -> None:
    """Check that the parts of a run fit together.

    Raises:
        UsageError: some parts do not fit together. Each problem names the part that lacks a capability, the part that
            needs the capability, and the installed parts that provide it.
    """
    problems = Problems()
    stack = _stack(run)
    for name in RUN_SLOTS:
        if name in stack and stack[name].path == name:
            _check_part(stack[name], stack, registry, problems)
    for table in ("losses", "observers"):
        for name, choice in getattr(run, table).items():
            _check_part(SlotPath(f"{table}.{name}", choice), stack, registry, problems)
    if run.eval.fit_color != "none" and run.color is None:
        message = "the run has no color map that could be fitted to a half of each image"
        problems.add("eval.fit_color", message, "Set eval.fit_color=none, or choose a color map: color=NAME")
    if run.background is not None:
        behind = {**stack, **_filled_slots(run.background, "background.")}
        for name in BACKGROUND_SLOTS:
            if name in behind:
                _check_part(behind[name], behind, registry, problems)
        if run.renderer is not None and "opaque_far" in capabilities_of(run.renderer)[0]:
            message = f"renderer {run.renderer.name!r} makes the far end of each ray opaque, which hides the background"
            problems.add("renderer", message, "Set renderer.opaque_far=false or background=none")
    problems.raise_as(UsageError)


def check_part(choice: Choice, run: RunConfig, registry: Registry) -> None:
    """Check that a run meets the requirements of a part that does not belong to the run, such as an exporter.

    Raises UsageError if a capability is missing.
    """
    problems = Problems()
    _check_part(SlotPath(choice.kind, choice), _stack(run), registry, problems)
    problems.raise_as(UsageError)


def _stack(run: RunConfig) -> dict[str, SlotPath]:
    """Return a dictionary: name of a slot of a run -> the part in this slot.

    If the method brings its own model, it takes the place of the field, because it provides what this model provides.
    """
    stack = _filled_slots(run, "")
    if "field" not in stack and "field" in run.unused_slots:
        stack["field"] = stack["method"]
    return stack


def _filled_slots(options: Any, prefix: str) -> dict[str, SlotPath]:
    """Return a dictionary: name of a slot of an options object -> the part in this slot. Empty slots are left out."""
    from radfield_core.config.slots import Choice

    values = {name: getattr(options, name) for name in _option_names(options)}
    return {name: SlotPath(prefix + name, value) for name, value in values.items() if isinstance(value, Choice)}


def _option_names(options: Any) -> list[str]:
    return [attribute.name for attribute in getattr(type(options), "__attrs_attrs__", ())]


def _check_part(part: SlotPath, stack: Mapping[str, SlotPath], registry: Registry, problems: Problems) -> None:
    """Check the requirements of a part and of the parts in its own slots.

    Each requirement names a slot. If the part has a slot of that name, the part in that slot must meet the requirement.
    Otherwise, the part in the run's slot must meet it. `stack` contains the run's slots.
    """
    own = _filled_slots(part.choice.config, f"{part.path}.")
    user = f"{part.choice.kind} {part.choice.name!r}"
    for slot, needs in sorted(capabilities_of(part.choice)[1].items()):
        if slot in own or slot in stack:
            _check_needs(part, needs, own.get(slot) or stack[slot], registry, problems)
        elif slot not in (*_option_names(part.choice.config), "data"):
            problems.add(part.path, f"{user} requires a slot {slot!r}, but neither the part nor the run has one")
    for child in own.values():
        _check_part(child, stack, registry, problems)


def _check_needs(
    part: SlotPath, needs: Collection[str], other: SlotPath, registry: Registry, problems: Problems
) -> None:
    missing = lacking(needs, capabilities_of(other.choice)[0])
    if not missing:
        return
    words = " and ".join(need.replace("|", " or ") for need in missing)
    kind, user = other.choice.kind, f"{part.choice.kind} {part.choice.name!r}"
    if kind == "method":
        message = f"the model of method {other.choice.name!r} does not provide {words}, which {user} needs"
        problems.add(other.path, message, _instead(part, other, registry))
        return
    message = f"{kind} {other.choice.name!r} does not provide {words}, which {user} needs"
    fitting = " or ".join(f"{other.path}={name}" for name in _fitting(needs, other, registry))
    if not fitting:
        message += f"; no installed {kind} provides it"
    problems.add(other.path, message, f"Use {fitting}" if fitting else "radfield plugins list")


def _instead(part: SlotPath, model: SlotPath, registry: Registry) -> str:
    """Return a hint what to do with a part that does not fit the model of a method."""
    kind, provides = part.choice.kind, capabilities_of(model.choice)[0]
    if part.path != kind:
        return f"Remove {part.path}"
    fitting = [each for each in registry.of_kind(kind) if not lacking(each.requires.get("field", ()), provides)]
    words = " or ".join(f"--{kind} {registry.spelling(each, each.name)}" for each in fitting)
    return f"Use {words}" if words else "radfield plugins list"


def _fitting(needs: Collection[str], other: SlotPath, registry: Registry) -> Iterator[str]:
    """Yield the names of installed parts that can replace the part `other` and declare all capabilities in `needs`."""
    for component in registry.of_kind(other.choice.kind):
        if component != other.choice.component and not lacking(needs, component.provides):
            yield registry.spelling(component, component.name)
