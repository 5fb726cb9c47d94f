"""Exporters write files, in data coordinates, from a trained model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene
from radfield_core.interfaces.model import Model


class Exporter(ABC):
    """Writer of one kind of result, such as a mesh. Constructed as `Exporter(config)`.

    The declaration states what an exporter writes: `writes=Output.file("ply", "obj")` or `writes=Output.folder()`.

    Attributes:
        config: the exporter's options.

    Example:
        >>> class Thumbnail(Exporter):  # declared with writes=Output.file("rgb", coordinates=False)
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

        The path lies in a temporary folder. Core moves the files to their place when this method has returned, so an
        export that fails leaves no file behind and changes none. Core also writes the sidecar.

        Args:
            model: trained model. Use only its methods `queries`, `render` and `render_rays`.
            scene: training scene. `scene.data_points` transforms points to data coordinates. The scene's
                images and masks are read from the data set when they are first used. An exporter that uses neither also
                works if the data set is missing. The scene has no depths, normals or true surface.
            path: the file to write, with one of the endings that the exporter declares; or, if the exporter writes a
                folder, a folder that exists and is empty.

        Returns:
            The paths of the files that were written.
        """
