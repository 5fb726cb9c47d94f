"""A check that the model of a method can be queried for everything that the method's declaration provides."""

from __future__ import annotations

from radfield_core.errors import PluginError
from radfield_core.interfaces import HasColor, HasDensity, HasOccupancy, HasSDF, Model
from radfield_core.plugin import Component

QUERIES: dict[str, type] = {
    "density": HasDensity,
    "sdf": HasSDF,
    "occupancy": HasOccupancy,
    "point_color": HasColor,
}
"""Capability -> the interface that an object with this capability implements."""


def check_answers(model: Model, method: Component) -> None:
    """Check the object that `queries()` of a method's own model returns.

    Args:
        model: the model.
        method: declaration of its method. If it uses the slot "field", nothing is checked, because the field answers.

    Raises:
        PluginError: the declaration provides a capability that the object lacks.
    """
    if "field" in method.slots:
        return
    answering = model.queries()
    lacking = sorted(
        word for word, kind in QUERIES.items() if word in method.provides and not isinstance(answering, kind)
    )
    if lacking:
        raise PluginError(
            f"provides {' and '.join(lacking)}, but {type(model).__name__}.queries returns "
            f"{'None' if answering is None else type(answering).__name__}, which cannot be queried for it",
            path=f"{method.key} ({method.distribution})",
            hint=f"Return an object with {' and '.join(QUERIES[word].__name__ for word in lacking)} from queries, or "
            "remove the words from provides=",
        )
