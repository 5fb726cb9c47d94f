"""Options of encoding:sh."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class SHConfig:
    """Real spherical harmonics."""

    degree: int = option(4, help="number of bands; gives degree² features", min=1, max=8)
