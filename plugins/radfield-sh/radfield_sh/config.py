"""Options of encoding:sh."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class SHConfig:
    """Options of the spherical harmonics."""

    degree: int = option(
        4, help="number of bands of spherical harmonics; the encoding has degree² features", min=1, max=8
    )
