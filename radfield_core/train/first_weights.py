"""What a new run starts with instead of random weights: the weights of a trained run, or a file of another program."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from radfield_core.errors import StorageError, UsageError
from radfield_core.files.durable import write_durably
from radfield_core.files.json_files import dump_json
from radfield_core.files.regular import open_regular
from radfield_core.interfaces import BuildContext, Model
from radfield_core.model.stored_shapes import take_shapes
from radfield_core.names import Lines, plural
from radfield_core.runs.folder import RunFolder, find_run, is_other_file, load_state
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

    def set_in(self, model: Model, to_data: Tensor) -> None:
        """Set all parameters and buffers of a model. `to_data` has no effect: both runs must have the same region.

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


@dataclass(frozen=True)
class FirstFile:
    """A file of another program, such as Gaussians in a PLY file.

    Attributes:
        path: the file.
        sha256: hash of its content.
    """

    path: Path
    sha256: str

    def set_in(self, model: Model, to_data: Tensor) -> None:
        """Let a model take the content of the file.

        Args:
            model: the model.
            to_data: similarity [4, 4] from scene to data coordinates.

        Raises:
            UsageError: models of this method cannot start from a file, or the file has changed since it was opened.
            DatasetError: the file cannot be read.
        """
        model.start_from(self.path, to_data)
        if FirstFile.of(self.path) != self:
            raise UsageError("has changed while it was read", path=f"--init-from {self.path}", hint="Start again")

    def warnings(self, context: BuildContext) -> list[str]:
        """Return no warnings: the model gives its own."""
        return []

    def record(self, folder: RunFolder) -> None:
        """Write origin.json, which names the file, to the folder of the new run."""
        origin = {"init_from": str(self.path.absolute()), "sha256": self.sha256}
        write_durably(folder.origin, dump_json(origin, indent=2) + "\n")

    @staticmethod
    def of(path: Path) -> FirstFile:
        """Return the file at a path.

        Raises:
            UsageError: the file cannot be read.
        """
        try:
            with open_regular(path, follow_links=True) as stream:
                digest = hashlib.sha256()
                for block in iter(lambda: stream.read(1 << 20), b""):
                    digest.update(block)
                return FirstFile(path, digest.hexdigest())
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror}", path=f"--init-from {path}") from None


def first_weights(path: Path) -> FirstWeights | FirstFile:
    """Return what a new run starts with: the weights of a trained run or of one of its checkpoints, or a file.

    Raises:
        UsageError: there is neither a run nor a file at the path.
        StorageError: no checkpoint can be loaded.
    """
    if is_other_file(path):
        return FirstFile.of(path)
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
