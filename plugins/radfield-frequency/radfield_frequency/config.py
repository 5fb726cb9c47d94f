"""Options of encoding:frequency."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class FrequencyConfig:
    """Options of the positional encoding (NeRF, equation 4)."""

    n_frequencies: int = option(10, help="number n of frequencies, which are 1, 2, 4, …, 2^(n−1)", min=0, max=24)
    include_input: bool = option(True, help="put the coordinates themselves before the sines and cosines")
    angular_scale: Literal["none", "pi"] = option(
        "none", help='factor of the frequencies: "pi", as in the paper, or "none", as in the paper\'s code'
    )
