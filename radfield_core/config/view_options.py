"""Options that every data format has. They select views, and reduce the size of the images.

In the config, they are in the table `data`, together with the options of the chosen dataparser. The dataparser does not
receive them: `radfield_core.interfaces.open_data_set` applies them to the scenes that the dataparser returns.
"""

from __future__ import annotations

from functools import cache
from typing import Any, get_type_hints

import attrs

from radfield_core.config.slots import option

_OURS = "radfield view option"
"""Metadata key of the view options. It distinguishes them from options of a dataparser with the same names."""


@attrs.frozen(kw_only=True)
class ViewOptions:
    """Options for the views of a data set of any format."""

    every: int = option(1, help="use every n-th view of each split, starting with the first; 1 uses all", min=1)
    views: int | str | tuple[int, ...] | None = option(
        None,
        help='training views to use, by number ("0,5,10-19") or name ("r_1*,r_7"); by default, all; other splits '
        "always keep all views",
    )
    downscale: float = option(
        1.0,
        help="reduce the width and the height of every image by this factor, by area averages; 1 keeps the full size",
        min=1.0,
        max=1000.0,
    )
    size: int | None = option(
        None,
        help="reduce each image so that its longer side has at most this many pixels; by default, no image is reduced",
        min=1,
    )
    max_gigapixels: float = option(
        100.0,
        help="largest total number of pixels of images and masks, in billions; a larger data set is refused, "
        "because decoding it would take hours",
        min=0,
        exclusive_min=True,
    )

    @size.validator
    def _one_size(self, attribute: Any, value: Any) -> None:
        if value is not None and getattr(self, "downscale", 1.0) != 1.0:
            raise ValueError("data.downscale and data.size exclude each other; set only one of them")


@cache
def with_view_options(config: Any) -> Any:
    """Return a class with the options of a dataparser and the view options.

    A view option is left out if the dataparser has an option of the same name.

    Args:
        config: the attrs class of the dataparser's options.
    """
    own, types = attrs.fields_dict(config), get_type_hints(ViewOptions)
    body: dict[str, Any] = {"__doc__": config.__doc__, "__module__": config.__module__, "__annotations__": {}}
    for field in attrs.fields(ViewOptions):
        if field.name not in own:
            body[field.name] = attrs.field(
                default=field.default, validator=field.validator, metadata={**field.metadata, _OURS: True}
            )
            body["__annotations__"][field.name] = types[field.name]
    return attrs.frozen(kw_only=True, slots=False)(type(config.__name__, (config,), body))


def divided(config: Any) -> tuple[Any, ViewOptions]:
    """Divide the options of a data set into the dataparser's own options and the view options.

    View options that are missing from the class of `config` get their defaults.

    Args:
        config: an instance of a class that `with_view_options` returned, or of a dataparser's own class.
    """
    fields = attrs.fields(type(config)) if attrs.has(type(config)) else ()
    ours = {field.name: getattr(config, field.name) for field in fields if _OURS in field.metadata}
    if not ours:
        return config, ViewOptions()
    own = type(config).__bases__[0]
    values = {field.alias: getattr(config, field.name) for field in attrs.fields(own) if field.init}
    return own(**values), ViewOptions(**ours)
