"""Metrics measure a trained model. Image metrics such as PSNR need no such part, because core computes them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from radfield_core.data.scene import Scene
from radfield_core.interfaces.model import Model


class Metric(ABC):
    """One measurement of a trained model, such as its distance to a reference. Constructed as `Metric(config)`.

    Attributes:
        config: the metric's options.

    Example:
        >>> class MeanOpacity(Metric):
        ...     def measure(self, model, scene, reference, folder):
        ...         return {"opacity": float(model.render(scene.cameras.view(0)).opacity.mean())}
        >>> MeanOpacity(config=None).config is None
        True
    """

    def __init__(self, config: Any):
        self.config = config

    @abstractmethod
    def measure(self, model: Model, scene: Scene, reference: Path | None, folder: Path) -> dict[str, Any]:
        """Measure a model.

        Args:
            model: trained model. Use only its methods `queries`, `render` and `render_rays`.
            scene: scene to measure on.
            reference: file to compare with; None for the scene's own ground truth.
            folder: folder in which to write images and meshes that belong to the result.

        Returns:
            Numbers by name. They may be grouped in nested dicts. Lengths are in the unit of the data.

        Raises:
            UsageError: there is no reference, and the scene has no ground truth.
        """
