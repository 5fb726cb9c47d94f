"""Metrics: a trained model -> numbers, beside the image metrics that core computes itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene
from radfield_core.interfaces.model import Model


class Metric(ABC):
    """Measures one thing, such as a distance from a reference. Subclasses take their options as `Metric(config)`."""

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def measure(self, model: Model, scene: Scene, reference: Path | None, folder: Path) -> dict[str, Any]:
        """Numbers by name, nested as JSON may be; lengths are in the data's own unit.

        reference: a file to compare with; None is the scene's own ground truth, a UsageError where it has none.
        folder: where pictures and meshes that belong to the measurement are written.
        """
