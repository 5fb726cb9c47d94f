"""Declaration of the parts for imperfect captures."""

from radfield_core.plugin import Component, hookimpl

RADFIELD_API = (1, 0)


@hookimpl
def radfield_components() -> list[Component]:
    """Components that this distribution provides."""
    return []
