"""Cameras that lie inside the surface of a model: the surface has then grown around them instead of the object."""

from __future__ import annotations

import torch

from radfield_core.data.scene import Scene
from radfield_core.interfaces import HasSDF, Model
from radfield_core.names import plural
from radfield_core.ops.backend import device_of


@torch.no_grad()
def enclosed_cameras(model: Model, scene: Scene) -> list[int]:
    """Return the numbers of the cameras that lie in the region of a scene, and inside the surface of a model.

    The list is empty for models without a signed distance, and for scenes in NDC.

    Args:
        model: the model.
        scene: the scene whose cameras are tested.
    """
    field = model.queries()
    if not isinstance(field, HasSDF) or scene.ndc:
        return []
    centers = scene.cameras.c2w[:, :, 3].detach().float()
    offsets = centers - scene.box.center.to(centers)
    distances = offsets.norm(dim=-1) if scene.box.shape == "sphere" else offsets.abs().amax(-1)
    inside = (distances < scene.box.radius).nonzero()[:, 0]
    if not len(inside):
        return []
    sdf = field.sdf(centers[inside].to(device_of(field))).reshape(len(inside)).cpu()
    found: list[int] = inside[sdf < 0].tolist()
    return found


def enclosed_warnings(model: Model, scene: Scene) -> list[str]:
    """Return a list with one warning if the surface of a model encloses cameras. Otherwise, return []."""
    views = enclosed_cameras(model, scene)
    if not views:
        return []
    listed = ", ".join(map(scene.name, views[:5])) + (" …" if len(views) > 5 else "")
    return [
        f"the surface encloses {plural(len(views), 'camera')} of {len(scene.cameras)} ({listed}), so it is no surface "
        "that they see: the region holds the cameras. Train again with scene.normalize=object, or with a smaller "
        "scene.radius"
    ]
