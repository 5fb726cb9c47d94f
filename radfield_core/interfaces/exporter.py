"""Exporters: a trained model -> files in the data's own coordinates."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene
from radfield_core.interfaces.model import Model


class Exporter(ABC):
    """Writes one kind of file. Subclasses take their options as `Exporter(config)`."""

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write into folder or file `path`; returns the files written. Coordinates are `scene.to_data` applied."""
