"""exporter:splats — writes the Gaussians of a model, in data coordinates, as a .ply, .splat or .spz file."""

from __future__ import annotations

import logging
from pathlib import Path

from radfield_core import Exporter, Model, PluginError, Scene
from radfield_splat.model import SplatModel
from radfield_splat.similarity import transformed
from radfield_splat.splat_files import write_splats

logger = logging.getLogger(__name__)


class SplatExporter(Exporter):
    """Exporter of Gaussians: means, scales, rotations and harmonics in data coordinates."""

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the Gaussians to `path`, whose ending decides the format. Return the file written.

        A warning says what the format leaves out or rounds.

        Raises:
            PluginError: the model does not consist of Gaussians.
        """
        answering = model.queries()
        if not isinstance(answering, SplatModel):
            raise PluginError(f"{type(model).__name__} has no Gaussians to export", hint="Train with method:splat")
        losses = write_splats(path, transformed(answering.gaussians(), scene.to_data))
        if losses:
            logger.warning(
                "%s holds less than the model: %s; a .ply file holds everything", path.name, "; ".join(losses)
            )
        return [path]
