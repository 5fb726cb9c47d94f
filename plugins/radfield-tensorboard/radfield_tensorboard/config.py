"""Options of observer:tensorboard."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option

Kind = Literal["rendered", "truth", "error", "depth", "normals", "opacity"]


@attrs.frozen(kw_only=True)
class TensorBoardConfig:
    """Options of observer:tensorboard, which writes event files for TensorBoard."""

    folder: str = option("tensorboard", help="folder of the event files, in the run's folder")
    pictures: tuple[Kind, ...] = option(
        ("rendered", "truth", "error", "depth", "normals"),
        help="pictures of evaluated views to write; normals are left out if the field has none; [] writes no pictures",
    )
    views: int = option(
        4, help="largest number of views of which pictures are written in one evaluation", min=1, max=10_000
    )
    every: int = option(1, help="write pictures in every n-th evaluation during training", min=1)
