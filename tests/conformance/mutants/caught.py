"""Which law must catch which fault."""

from __future__ import annotations

from typing import Any

CAUGHT_BY: dict[str, tuple[str, str, dict[str, Any]]] = {}
"""By "module:attribute": the part it is made from, the law that must catch it, and changes of the declaration."""


def caught_by(law: str, base: str, **changes: Any):
    def remember(mutant: Any) -> Any:
        CAUGHT_BY[f"{mutant.__module__}:{mutant.__name__}"] = (base, law, changes)
        return mutant

    return remember
