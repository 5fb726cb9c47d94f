"""What plugins test their parts with: `conformance` makes the tests; toys and captures are in the modules beside it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from radfield_core.testing.kit import conformance
    from radfield_core.testing.subject import Example

__all__ = ["Example", "conformance"]


def __getattr__(name: str) -> Any:
    """The two names above, imported when they are asked for: the toys alone need none of the laws."""
    from importlib import import_module

    homes = {"conformance": "kit", "Example": "subject"}
    if name not in homes:
        raise AttributeError(name)
    return getattr(import_module(f"radfield_core.testing.{homes[name]}"), name)
