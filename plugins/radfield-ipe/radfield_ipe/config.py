"""Options of encoding:ipe."""

from __future__ import annotations

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class IpeConfig:
    """Options of the integrated positional encoding (mip-NeRF, section 3.1)."""

    min_degree: int = option(0, help="exponent of the lowest frequency, 2^min_degree", min=-8, max=23)
    max_degree: int = option(
        16,
        help="exponent of the highest frequency, plus 1: the highest frequency is 2^(max_degree − 1)",
        min=-7,
        max=24,
    )
