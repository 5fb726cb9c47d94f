"""Exporters write files, in data coordinates, from a trained model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene
from radfield_core.interfaces.model import Model


class Exporter(ABC):
    """Writer of one kind of result, such as a mesh. Constructed as `Exporter(config)`.

    Attributes:
        config: the exporter's options.

    Example:
        >>> class Thumbnail(Exporter):
        ...     def export(self, model, scene, path):
        ...         rendered = model.render(scene.cameras.view(0))
        ...         path.write_bytes((255 * rendered.rgb).byte().numpy().tobytes())
        ...         return [path]
        >>> Thumbnail(config={"size": 64}).config
        {'size': 64}
    """

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Export a model.

        Args:
            model: trained model. Use only its methods `queries`, `render` and `render_rays`.
            scene: training scene. `scene.data_points` transforms points to data coordinates. The scene's
                images and masks are read from the data set when they are first used. An exporter that uses neither also
                works if the data set is missing. The scene has no depths, normals or true surface.
            path: file or folder to write.

        Returns:
            The paths of the files that were written.
        """
