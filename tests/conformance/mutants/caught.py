"""The law that must catch each planted fault."""

from __future__ import annotations

from typing import Any

CAUGHT_BY: dict[str, tuple[str, str, dict[str, Any]]] = {}
"""By the "module:attribute" of a fault: the part it is made from, the law that must catch it, changes of its
declaration."""


def caught_by(law: str, base: str, **changes: Any):
    """Decorator that registers a faulty part. `base`: the part it is made from; `changes`: of its declaration."""

    def remember(mutant: Any) -> Any:
        CAUGHT_BY[f"{mutant.__module__}:{mutant.__name__}"] = (base, law, changes)
        return mutant

    return remember
