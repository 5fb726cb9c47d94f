"""Options of dataparser:dtu."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class DtuConfig:
    """A scene in the layout of IDR and NeuS."""

    root: str = option(help="folder with cameras_sphere.npz (or cameras.npz), image/ and mask/")
    cameras: str | None = option(
        None, help="file with the cameras, if it is neither cameras_sphere.npz nor cameras.npz"
    )
    apply_mask: bool = option(
        False, help="make what the masks leave out transparent: the background of the method shows"
    )
    hold_every: int = option(
        0, help="hold every n-th view out for testing; 0 trains on all, as published, and tests on every 8th",
        min=0,
    )  # fmt: skip
    unit: str | None = option("mm", help="unit of the data's own coordinates, for exports")
