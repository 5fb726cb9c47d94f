"""exporter:splats — writes the Gaussians of a model, in data coordinates, as a PLY file of 3DGS."""

from __future__ import annotations

from pathlib import Path

from radfield_core import Exporter, Model, PluginError, Scene
from radfield_splat.model import SplatModel
from radfield_splat.ply import write_ply
from radfield_splat.similarity import transformed


class SplatExporter(Exporter):
    """Exporter of Gaussians: means, scales, rotations and harmonics in data coordinates."""

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the Gaussians to `path`. Return the file written.

        Raises:
            PluginError: the model does not consist of Gaussians.
        """
        answering = model.queries()
        if not isinstance(answering, SplatModel):
            raise PluginError(f"{type(model).__name__} has no Gaussians to export", hint="Train with method:splat")
        write_ply(path, transformed(answering.gaussians(), scene.to_data))
        return [path]
