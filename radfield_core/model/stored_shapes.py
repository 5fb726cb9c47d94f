"""Give a newly built model the shapes that its growing parameters have in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from radfield_core.interfaces import Model, TrainedParameters
from radfield_core.interfaces.parameters import may_become, rows_of, uneven


def take_shapes(model: Model, stored: Mapping[str, Tensor], optimizer: torch.optim.Optimizer | None = None) -> None:
    """Replace the parameters and buffers that parts name in `growing` by those of a checkpoint, if the shapes differ.

    All other tensors must have the shapes of the checkpoint; this function does not check them.

    Args:
        model: the model.
        stored: name -> parameter or buffer, as in the model's `state_dict`.
        optimizer: the optimizer of the model, if there is one. It loses its state of the replaced parameters.

    Raises:
        ValueError: a stored tensor has a shape that the part cannot have reached.
    """
    own, parameters = model.state_dict(), TrainedParameters(model, optimizer)
    for path, part in model.named_modules():
        prefix = f"{path}." if path else ""
        found = {name: stored[prefix + name] for name in getattr(part, "growing", ()) if prefix + name in stored}
        changed = {name: tensor for name, tensor in found.items() if tensor.shape != own[prefix + name].shape}
        for name, tensor in changed.items():
            if not may_become(own[prefix + name], tensor):
                here, there = list(own[prefix + name].shape), list(tensor.shape)
                raise ValueError(f"{prefix}{name} has the shape {there}, which cannot have grown from {here}")
        if fault := uneven(rows_of(part), {name: len(tensor) for name, tensor in found.items() if tensor.dim()}):
            raise ValueError(f"{path or type(part).__name__} has {fault}, which must be the same")
        for name, tensor in changed.items():
            parameters.replace(part, name, tensor)
