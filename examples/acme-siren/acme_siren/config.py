"""Options of field:siren and method:siren; imports no torch."""

import attrs

from radfield_core import option


@attrs.frozen(kw_only=True)
class SirenConfig:
    """Options of field:siren."""

    width: int = option(64, help="units per hidden layer", min=1)
    depth: int = option(3, help="hidden layers", min=1)
    frequency: float = option(8.0, help="factor on the input of the first layer; larger: finer initial detail", min=0)


@attrs.frozen(kw_only=True)
class TrainSirenConfig:
    """Options of method:siren."""

    lr: float = option(1e-3, help="learning rate at the start", min=0, exclusive_min=True)
    lr_final: float = option(0.1, help="learning rate at the end, as a share of lr", min=0, exclusive_min=True)
