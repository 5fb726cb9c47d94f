"""Options of encoding:frequency."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class FrequencyConfig:
    """Positional encoding (NeRF, equation 4)."""

    n_frequencies: int = option(10, help="number of frequencies: 1, 2, 4, … 2^(n−1)", min=0, max=24)
    include_input: bool = option(True, help="put the coordinates themselves before the sines and cosines")
    angular_scale: Literal["none", "pi"] = option(
        "none", help="pi multiplies the frequencies by π: the paper writes it, its code leaves it out"
    )
