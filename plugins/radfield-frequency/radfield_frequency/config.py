"""Options of encoding:frequency."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class FrequencyConfig:
    """Options of the positional encoding (NeRF, equation 4)."""

    n_frequencies: int = option(10, help="number n of frequencies, from 1 to 2^(n−1)", min=0, max=24)
    spacing: Literal["log", "linear"] = option(
        "log", help='"log" doubles the frequency from one to the next; "linear" spaces frequencies evenly'
    )
    include_input: bool = option(True, help="put the coordinates themselves before the sines and cosines")
    angular_scale: Literal["none", "pi"] = option(
        "none", help='factor of the frequencies: "pi", as in the paper, or "none", as in the paper\'s code'
    )
    fade_in_steps: int = option(
        0,
        help="number of training steps in which the frequencies fade in, from low to high (Nerfies, equation 8); "
        "0 uses all from the start",
        min=0,
        max=10**9,
    )
