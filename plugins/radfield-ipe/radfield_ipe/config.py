"""Options of encoding:ipe."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class IpeConfig:
    """Integrated positional encoding (mip-NeRF, section 3.1)."""

    min_degree: int = option(0, help="the lowest frequency is 2^min_degree", min=-8, max=23)
    max_degree: int = option(16, help="frequencies go up to, without, 2^max_degree", min=-7, max=24)
