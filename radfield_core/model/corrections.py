"""Corrected cameras: the rays of training images after the model's ray transform, and other cameras that fit to them.

Corrected training cameras may differ from the given ones by a similarity that all of them share. Images do not
determine it, because the whole scene can be moved with its cameras. The similarity is therefore estimated. Held-out
cameras, and everything else in scene coordinates, are moved by it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from radfield_core.cameras import Cameras
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_between, similarity_scale, transform_cameras, transform_points
from radfield_core.interfaces import Model
from radfield_core.types import Batch


@dataclass(frozen=True, eq=False)
class Corrections:
    """The corrections that a model's ray transform has learned.

    Attributes:
        given: the training cameras before the correction.
        corrected: the training cameras after the correction.
        similarity: [4, 4], the similarity that maps the given cameras to the corrected ones as closely as possible.
        focal: factor by which the focal lengths of the training cameras were multiplied, in the geometric mean.
    """

    given: Cameras
    corrected: Cameras
    similarity: Tensor
    focal: float

    @staticmethod
    def of(model: Model) -> Corrections | None:
        """Return the corrections of a model, or None if it has no ray transform."""
        given = model.training_cameras
        if model.ray_transform is None or given is None:
            return None
        corrected = corrected_cameras(model, given)
        found = similarity_between(given.c2w.double().numpy(), corrected.c2w.numpy())
        ratio = corrected.intrinsics[:, :2] / given.intrinsics[:, :2].double()
        return Corrections(given, corrected, torch.from_numpy(found), float(ratio.log().mean().exp()))

    def scene(self, model: Model, scene: Scene, split: str) -> Scene:
        """Return a split of the data with cameras that fit to the model.

        Training cameras are corrected. The cameras of other splits are moved by the similarity, and get the mean change
        of the focal length. Points, the true surface and `to_data` follow, so that exports stay in data coordinates.

        Args:
            model: the model.
            scene: the split as the data set states it.
            split: name of the split.
        """
        moved = self.similarity.numpy()
        if split == "train":
            cameras = corrected_cameras(model, scene.cameras)
        else:
            c2w = torch.from_numpy(transform_cameras(moved, scene.cameras.c2w.detach().double().numpy()))
            factors = torch.tensor([self.focal, self.focal, 1.0, 1.0], dtype=torch.float64)
            cameras = replace(scene.cameras, c2w=c2w, intrinsics=scene.cameras.intrinsics * factors)
        surface, path = scene.ground_truth, scene.render_path
        if surface is not None:
            surface = replace(surface, vertices=transform_points(self.similarity, surface.vertices))
        if path is not None:
            path = torch.from_numpy(transform_cameras(moved, path.double().numpy())).to(path)
        return replace(
            scene,
            cameras=cameras,
            points=None if scene.points is None else transform_points(self.similarity, scene.points),
            ground_truth=surface,
            render_path=path,
            to_data=scene.to_data.double() @ self.similarity.inverse(),
        )

    def described(self, to_data: Tensor) -> dict[str, Any]:
        """Return what `results.json` says about the corrections. Lengths are in the unit of the data.

        Args:
            to_data: [4, 4], the similarity from scene coordinates to data coordinates.
        """
        unit = similarity_scale(to_data.double().numpy())
        expected = torch.from_numpy(transform_cameras(self.similarity.numpy(), self.given.c2w.double().numpy()))
        center = expected[:, :, 3].mean(0)
        scale = similarity_scale(self.similarity.numpy())
        middle = self.given.c2w[:, :, 3].double().mean(0)
        return {
            "mean_rotation_degrees": float(_degrees(expected, self.corrected.c2w).mean()),
            "mean_shift": unit * float((expected - self.corrected.c2w)[:, :, 3].norm(dim=-1).mean()),
            "focal_factor": self.focal,
            "common": {
                "rotation_degrees": float(_degrees(self.similarity[None], torch.eye(4, dtype=torch.float64)[None])[0]),
                "scale": scale,
                "shift": unit * float((center - middle).norm()),
            },
            "held_out": "moved by the common similarity of the training cameras",
        }


def corrected_batch(model: Model, batch: Batch) -> Batch:
    """Return a training batch whose rays or view are corrected by the model's ray transform, if it has one."""
    transform = model.ray_transform
    if transform is None:
        return batch
    if batch.rays is not None:
        return replace(batch, rays=transform(batch.rays))
    return replace(batch, view=None if batch.view is None else transform.views([batch.view])[0])


@torch.no_grad()
def corrected_cameras(model: Model, cameras: Cameras) -> Cameras:
    """Return the training cameras after the correction by the model's ray transform, in float64 on the CPU.

    Args:
        model: a model with a ray transform.
        cameras: all training cameras, in the order of the training images.
    """
    assert model.ray_transform is not None
    given = [cameras.view(index, image_id=index) for index in range(len(cameras))]
    views = model.ray_transform.views(given)
    c2w = torch.stack([view.c2w.cpu().double() for view in views])
    return replace(cameras, c2w=c2w, intrinsics=torch.stack([view.camera.intrinsics for view in views]))


def corrected_scene(model: Model, scene: Scene, split: str) -> Scene:
    """Return a split with cameras that fit to the model. Without a ray transform, it is the split itself."""
    corrections = Corrections.of(model)
    return scene if corrections is None else corrections.scene(model, scene, split)


def _degrees(one: Tensor, other: Tensor) -> Tensor:
    """Return the angles [V] in degrees between rotations, the upper left parts of [V, 3 or 4, 4], up to a scale."""
    difference = one[:, :3, :3].transpose(1, 2) @ other[:, :3, :3]
    size = difference.det().abs().pow(1 / 3)[:, None, None]
    skew = difference / size - (difference / size).transpose(1, 2)
    sine = torch.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], -1).norm(dim=-1) / 2
    cosine = ((difference / size).diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
    return torch.atan2(sine, cosine).rad2deg()
