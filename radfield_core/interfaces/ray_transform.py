"""Ray transforms correct the rays of training images, for example by learned camera poses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from radfield_core.cameras import View
from radfield_core.interfaces.part import Part
from radfield_core.types import RayBundle


class RayTransform(Part):
    """A learned correction of the training cameras. Constructed as `RayTransform(config, ctx)`.

    Core corrects rays before the model gets them: the rays or the view of every training batch, and the cameras of the
    training scene that evaluation, metrics and exporters use. A model, a field or a sampler only ever sees corrected
    rays, also if a method builds its own model. The correction must not change rays of unknown images.

    `ctx.cameras` holds the training cameras as the data set states them. Rays in NDC cannot be corrected.

    Example:
        >>> import torch
        >>> from dataclasses import replace
        >>> class Shift(RayTransform):
        ...     def __init__(self, n_images):
        ...         super().__init__()
        ...         self.shifts = torch.nn.Parameter(torch.zeros(n_images, 3))
        ...
        ...     def forward(self, rays):
        ...         if rays.image_ids is None:
        ...             return rays
        ...         return replace(rays, origins=rays.origins + self.shifts[rays.image_ids])
        ...
        ...     def views(self, views):
        ...         moved = []
        ...         for view in views:
        ...             if view.image_id is not None:
        ...                 c2w = torch.cat([view.c2w[:, :3], view.c2w[:, 3:] + self.shifts[view.image_id, :, None]], 1)
        ...                 view = replace(view, c2w=c2w)
        ...             moved.append(view)
        ...         return moved
        >>> from radfield_core import Camera
        >>> view = View(torch.eye(4)[:3], Camera(4, 3, 5.0, 5.0, 2.0, 1.5), image_id=1)
        >>> Shift(n_images=2).views([view])[0].c2w.requires_grad
        True
    """

    @abstractmethod
    def forward(self, rays: RayBundle) -> RayBundle:
        """Return the corrected rays, with gradients to the part's parameters.

        Each ray must depend only on its own image, so that a batch can be split. Directions keep unit length. A ray is
        unchanged if `image_ids` is None, or if its number is not that of a training image.

        Args:
            rays: R rays in scene coordinates.
        """

    @abstractmethod
    def views(self, views: Sequence[View]) -> list[View]:
        """Return the corrected cameras of views. The rays of a corrected view equal the corrected rays of the view.

        A method that trains on whole images gets such views, so `c2w` must have gradients to the part's parameters. A
        view is unchanged if its `image_id` is None, or is not the number of a training image.

        Args:
            views: cameras and poses in scene coordinates. `image_id` is the number of the training image.
        """
