"""Losses of a model. A run adds these losses to the losses of its method."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor

from radfield_core.interfaces.part import Part
from radfield_core.types import Batch, ModelOutputs, Step

if TYPE_CHECKING:
    from radfield_core.interfaces.model import Model


class Loss(Part):
    """A loss of the whole model, such as the error of its depth. Constructed as `Loss(config, ctx)`.

    A run lists its losses by name: `[losses.depth]` in a config file, or `losses.depth=depth` on the command line. They
    are added to the losses of the method. Core multiplies each loss by its option `weight`. A loss may have parameters,
    which are trained with the model.

    Example:
        >>> import torch
        >>> class Dark(Loss):
        ...     def __init__(self, config, ctx):
        ...         super().__init__()
        ...
        ...     def forward(self, outputs, batch, model, step):
        ...         return outputs.rendered.rgb.square().mean(-1)
        >>> from radfield_core import LossConfig, Rendered
        >>> gray = Rendered(torch.full((4, 3), 0.5), torch.ones(4), torch.ones(4))
        >>> Dark(LossConfig(), None)(ModelOutputs(gray, (), None, 0), None, None, None)
        tensor([0.2500, 0.2500, 0.2500, 0.2500])

    The class of its options derives from `LossConfig`, which has the option `weight`.

    A loss that compares the model with depths or normals of the data requires them in its declaration, for example by
    `requires={"data": {"depths"}}`. They are then in `batch.extras`, one row per ray, NaN where nothing is known. The
    weights of each kind are 0 where nothing is known, and their mean is 1:

        depths            "depth": distance t along the ray; "depth_weights"; "depth_cosines": cosine of the angle
                          between the ray and the camera's axis
        normals           "normals": unit vectors [R, 3] in scene axes; "normals_weights"
        observations or sparse_points
                          "point_depth": distance t; "point_sigma": its standard deviation; "point_weights"
    """

    @staticmethod
    def ray_shares(config: Any) -> Mapping[str, float]:
        """Return a dictionary: word -> share of the rays of each step to draw at pixels where such data are known.

        By default, it is empty. The words are among those that the loss requires of the data. Random pixels rarely show
        one of the sparse points, so a loss that needs "observations" asks for a share. All losses see these rays.

        Args:
            config: options of the loss.
        """
        return {}

    @abstractmethod
    def forward(self, outputs: ModelOutputs, batch: Batch, model: Model, step: Step) -> Tensor:
        """Return the loss of a batch, without its weight.

        Args:
            outputs: outputs of the model for the batch.
            batch: the rays, or the whole view, of the training step.
            model: the model. `model.queries()` can evaluate it at further points.
            step: the training step. Draw random numbers only from `step.generator`.

        Returns:
            The losses of all rays or pixels, as a tensor of any shape, or their mean. If the batch is empty, the result
            must be empty or 0.
        """
