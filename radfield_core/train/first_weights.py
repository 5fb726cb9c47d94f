"""Weights of a trained run that a new run starts with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.errors import StorageError, UsageError
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.interfaces import BuildContext, Model
from radfield_core.model.stored_shapes import take_shapes
from radfield_core.names import Lines, plural
from radfield_core.runs.folder import RunFolder, find_run, load_state
from radfield_core.runs.known_data import KnownData

SHOWN = 8
"""Number of tensors that a message names."""


@dataclass(frozen=True, eq=False)
class FirstWeights:
    """The weights of a checkpoint.

    Attributes:
        folder: folder of the run that the checkpoint belongs to.
        checkpoint: the checkpoint.
        step: number of steps that it was trained for.
        tensors: name -> parameter or buffer.
    """

    folder: RunFolder
    checkpoint: Path
    step: int
    tensors: Mapping[str, Tensor]

    def set_in(self, model: Model) -> None:
        """Set all parameters and buffers of a model.

        Raises:
            UsageError: the model has other tensors. The error names them.
        """
        lines = []
        try:
            take_shapes(model, self.tensors)
        except ValueError as error:
            lines.append(f"  {error}")
        wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}
        lines += [f"  {name} is missing" for name in wanted.keys() - given.keys()]
        lines += [f"  {name} does not exist here" for name in given.keys() - wanted.keys()]
        lines += [
            f"  {name} has the shape {list(given[name])} there and {list(shape)} here"
            for name, shape in wanted.items()
            if given.get(name, shape) != shape
        ]
        if lines:
            shown = sorted(lines)[:SHOWN] + ([f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])
            raise UsageError(
                Lines.of(f"{plural(len(lines), 'tensor')} of {self.folder.path} do not fit this model:", *shown),
                path="--init-from",
                hint=f"Take the options of that run: radfield config show -c {self.folder.config}",
            )
        model.load_state_dict(dict(self.tensors))

    def warnings(self, context: BuildContext) -> list[str]:
        """Return a warning if the region in which the weights were trained differs from the region of the new run."""
        stored = KnownData.read(self.folder).views.get("train")
        if stored is None or context.ndc or stored.ndc:
            return []
        here, there = context.bounds, stored.box
        same = torch.allclose(here.center.double(), there.center.double(), atol=1e-4 * here.radius)
        if same and abs(here.radius - there.radius) <= 1e-4 * here.radius:
            return []
        return [
            f"the weights of {self.folder.path} were trained for another region: center "
            f"{_rounded(there.center)}, radius {there.radius:.4g}; here: center {_rounded(here.center)}, "
            f"radius {here.radius:.4g}"
        ]

    def record(self, folder: RunFolder) -> None:
        """Write origin.json, which names the checkpoint, to the folder of the new run."""
        origin = {"init_from": str(self.checkpoint.absolute()), "step": self.step}
        write_durably(folder.origin, dump_json(origin, indent=2) + "\n")


def first_weights(path: Path) -> FirstWeights:
    """Read the weights of a trained run, or of one of its checkpoints.

    Raises:
        UsageError: there is no run at the path.
        StorageError: no checkpoint can be loaded.
    """
    try:
        folder, chosen = find_run(path)
    except UsageError as error:
        raise UsageError(
            problems=[problem._replace(path=f"--init-from {path}") for problem in error.problems]
        ) from None
    state, checkpoint, _ = load_state(folder, chosen)
    if not state.model:
        raise StorageError("has no weights", path=str(checkpoint))
    return FirstWeights(folder, checkpoint, state.step, state.model)


def _rounded(center: Tensor) -> str:
    return ", ".join(f"{value:.4g}" for value in center.tolist())
