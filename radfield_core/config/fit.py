"""What parts need and give, as a closed vocabulary, and the check that the chosen parts fit. No torch.

A need is a slot and words that the part in it must provide; "points|gaussians" is satisfied by either. A third party's
own words are namespaced ("acme.fisheye") and mean what the third party says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.errors import Problems
    from radfield_core.plugins.registry import Registry


def lacking(needs: Collection[str], provides: Collection[str]) -> list[str]:
    """The needs that a part does not meet; "points|gaussians" is met by either word."""
    return sorted(need for need in needs if not any(word in provides for word in need.split("|")))


def capabilities_of(choice: Choice) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
    """What a chosen part provides and requires: what it declares, and what its options add.

    Raises PluginError if the part's own function fails.
    """
    from radfield_core.errors import PluginError
    from radfield_core.plugin import load_of

    component = choice.component
    if component.capabilities is None:
        return component.provides, component.requires
    function = load_of(component, component.capabilities)
    try:
        more, needs = function(choice.config)
        slots = {*component.requires, *needs}
        requires = {slot: component.requires.get(slot, frozenset()) | frozenset(needs.get(slot, ())) for slot in slots}
        return component.provides | frozenset(more), requires
    except Exception as error:  # another's code
        message = f"{component.capabilities} of {component.distribution} failed: {type(error).__name__}: {error}"
        raise PluginError(message, hint="radfield plugins doctor") from error


def check(run: RunConfig, registry: Registry) -> None:
    """Make sure that the parts of a run fit. Raises UsageError that says of every misfit who lacks what, and which
    installed parts would do."""
    from radfield_core.errors import Problems, UsageError

    problems = Problems()
    stack = _slots(run, "")
    for name in ("method", "data", "field", "sampler", "renderer"):
        if name in stack:
            _check_part(stack[name], stack, registry, problems)
    if run.background is not None:
        behind = {**stack, **_slots(run.background, "background.")}
        for name in ("field", "sampler", "renderer"):  # the foreground's renderer draws the background too
            _check_part(behind[name], behind, registry, problems)
        if "opaque_far" in capabilities_of(run.renderer)[0]:
            message = f"renderer {run.renderer.name!r} makes the far end opaque, which leaves nothing to a background"
            problems.add("renderer", message, "renderer.opaque_far=false or background=none")
    problems.raise_as(UsageError)


def check_part(choice: Choice, run: RunConfig, registry: Registry) -> None:
    """Make sure that a part beside the run, such as an exporter, finds in the run what it needs. Raises UsageError."""
    from radfield_core.errors import Problems, UsageError

    problems = Problems()
    _check_part(_Placed(choice.kind, choice), _slots(run, ""), registry, problems)
    problems.raise_as(UsageError)


class _Placed(NamedTuple):
    """A chosen part and where it is chosen."""

    path: str
    choice: Choice


def _slots(options: Any, prefix: str) -> dict[str, _Placed]:
    """The filled slots of an option class, by name."""
    from radfield_core.config.slots import Choice

    values = {name: getattr(options, name) for name in _names(options)}
    return {name: _Placed(prefix + name, value) for name, value in values.items() if isinstance(value, Choice)}


def _names(options: Any) -> list[str]:
    return [attribute.name for attribute in getattr(type(options), "__attrs_attrs__", ())]


def _check_part(part: _Placed, stack: Mapping[str, _Placed], registry: Registry, problems: Problems) -> None:
    """Check a part's needs, in its own slots first and then in its stack's, and the parts in its own slots."""
    own = _slots(part.choice.config, f"{part.path}.")
    who = f"{part.choice.kind} {part.choice.name!r}"
    for slot, needs in sorted(capabilities_of(part.choice)[1].items()):
        if slot in own or slot in stack:
            _check_needs(who, needs, own.get(slot) or stack[slot], registry, problems)
        elif slot not in (*_names(part.choice.config), "data"):
            problems.add(part.path, f"{who} requires something of a slot {slot!r} that neither it nor the run has")
    for child in own.values():
        _check_part(child, stack, registry, problems)


def _check_needs(who: str, needs: Collection[str], other: _Placed, registry: Registry, problems: Problems) -> None:
    missing = lacking(needs, capabilities_of(other.choice)[0])
    if not missing:
        return
    words = " and ".join(need.replace("|", " or ") for need in missing)
    fit = list(_fitting(needs, other, registry))
    hint = " or ".join(f"{other.path}={name}" for name in fit)
    kind = other.choice.kind
    message = f"{kind} {other.choice.name!r} does not provide {words}, which {who} needs"
    problems.add(other.path, message, hint or f"radfield plugins list; no installed {kind} provides it")


def _fitting(needs: Collection[str], other: _Placed, registry: Registry) -> Iterator[str]:
    """Installed parts of the same kind that declare what is needed."""
    for component in registry.of_kind(other.choice.kind):
        if component != other.choice.component and not lacking(needs, component.provides):
            yield registry.spelling(component, component.name)
