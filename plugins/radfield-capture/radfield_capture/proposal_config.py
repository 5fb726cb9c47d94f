"""Options of sampler:proposal."""

from __future__ import annotations

from typing import Literal

import attrs

from radfield_core import Choice, Schedule, option, slot


@attrs.frozen(kw_only=True)
class ProposalConfig:
    """Options of proposal sampling (mip-NeRF 360, sections 3 and 5)."""

    n_proposals: tuple[int, ...] = option(
        (64, 32), help="number of samples per ray on each proposal level, from the first to the last", min=1, max=4096
    )
    n_samples: int = option(32, help="number of samples per ray on the last level", min=1, max=4096)
    encoding: Choice = slot(
        "encoding",
        default={
            "type": "hash", "n_levels": 5, "log2_table_size": 16, "base_resolution": 16, "finest_resolution": 256
        },
        help="encoding of positions in the density network of each proposal level",
    )  # fmt: skip
    width: int = option(16, help="units of the hidden layer of each density network", min=1, max=1024)
    density_bias: float = option(-1.0, help="constant added to the raw density before the exponential")
    contraction: Literal["none", "sphere"] = option(
        "none",
        help='contraction of space in the density networks; "sphere" maps everything outside the scene\'s sphere into '
        "a shell around it, except in NDC, which are bounded",
    )
    spacing: Literal["linear", "disparity", "log", "contraction"] = option(
        "linear",
        help='quantity in which the first level is evenly spaced: distance ("linear"), its inverse ("disparity"), its '
        'logarithm ("log"), or "contraction": distance up to the radius of the scene, and its inverse beyond; '
        "in NDC always distance",
    )
    padding: float = option(
        0.01, help="added to the weight of every interval before new intervals are drawn", min=0, max=1
    )
    blur: bool = option(
        False, help="widen the peaks of the weights before new intervals are drawn, as mip-NeRF does (equation 18)"
    )
    annealing: float = option(
        10.0,
        help="weights are raised to the power a·x / ((a − 1)·x + 1) before new intervals are drawn, where a is this "
        "number and x the share of the annealing that is done; 0 turns annealing off",
        min=0,
    )
    annealing_end: float = option(
        1.0, help="share of the run after which the power stays 1", min=0, max=1, exclusive_min=True
    )
    loss: Schedule = option(Schedule.of(1.0), help="weight of the interlevel loss", min=0)
    update_every: int = option(
        1,
        help="the density networks are trained in every step of the warm-up, and later once in this many steps",
        min=1,
    )
    update_warmup_steps: int = option(500, help="number of steps in the warm-up of update_every", min=0)
    lr: Schedule | None = option(
        None, help='learning rate of the density networks; "none" uses the rate of the method', min=0
    )
