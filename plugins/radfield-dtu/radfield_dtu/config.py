"""Options of dataparser:dtu."""

from __future__ import annotations

from typing import ClassVar

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class DtuConfig:
    """Options for a scene in the layout of IDR and NeuS."""

    own_axes: ClassVar[str] = "RDF"
    own_world_to_camera: ClassVar[bool] = True

    root: str = option(help="folder with cameras_sphere.npz (or cameras.npz), image/ and mask/")
    cameras: str | None = option(
        None, help="cameras file, relative to root; by default, cameras_sphere.npz, or cameras.npz if that is missing"
    )
    apply_mask: bool = option(
        False, help="make pixels outside the masks transparent, so that they show the method's background"
    )
    hold_every: int = option(
        0, help="hold out every n-th view for testing; 0 trains on all, as in the papers, and tests on every 8th",
        min=0,
    )  # fmt: skip
    unit: str | None = option("mm", help="unit of the data coordinates, for exports and distances")
