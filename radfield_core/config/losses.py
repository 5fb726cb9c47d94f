"""The option that all losses have. This module imports no torch."""

from __future__ import annotations

import attrs

from radfield_core.config.schedules import Schedule
from radfield_core.config.slots import option


@attrs.frozen(kw_only=True)
class LossConfig:
    """The option that every loss has. The options class of a loss must be derived from this class."""

    weight: Schedule = option(Schedule.of(1.0), help="weight of the loss", min=0)
