"""Preparation of a scene of any format: normalize it into the unit sphere, and apply the options near, far, radius."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_matrix, transform_points
from radfield_core.errors import DatasetError, UsageError
from radfield_core.types import SceneBox

if TYPE_CHECKING:
    from radfield_core.config.run import SceneConfig

MIN_CONTENT_RADIUS = 1e-9
"""A scene whose content is smaller than this, in the data's units, cannot be normalized."""


def prepare_scene(scene: Scene, config: SceneConfig, reference: Scene | None = None) -> Scene:
    """The scene with the options applied; `to_data` still maps scene coordinates to the data's own.

    Args:
        scene: a split as its dataparser returned it.
        config: the options.
        reference: the split whose cameras determine the normalization, by default `scene`. All splits of a data set
            must be normalized alike.

    Raises:
        UsageError: options contradict each other or the scene.
        DatasetError: the cameras do not determine a normalization.
    """
    if config.normalize == "unit_sphere":
        scene = normalized(scene, *content_sphere(reference or scene, config.normalize_margin))
        scene = dataclasses.replace(scene, box=SceneBox(torch.zeros(3), 1.0, "sphere", scene.box.measured))
    if config.radius is not None:
        scene = dataclasses.replace(scene, box=dataclasses.replace(scene.box, radius=config.radius))
    near = scene.near if config.near is None else config.near
    far = scene.far if config.far is None else config.far
    if not near < far:
        wrong = "scene.far" if config.near is None else "scene.near"
        raise UsageError(f"near is {near:g} and far is {far:g}", path=wrong, hint="Set near to less than far")
    return dataclasses.replace(scene, near=near, far=far)


def content_sphere(scene: Scene, margin: float) -> tuple[Tensor, float]:
    """Center [3] and radius of the sphere around what the cameras look at.

    The center is the point nearest to all optical axes. The content is the sphere about it that fills the image of the
    camera in the median; the radius is the radius of the content times `margin`.

    Raises UsageError for a scene in NDC, DatasetError if there are no cameras or they do not look at one point.
    """
    if scene.ndc:
        raise UsageError("a scene in NDC cannot be normalized", path="scene.normalize", hint="Set data.ndc=false")
    cameras, c2w = scene.cameras, scene.cameras.c2w.detach().to(torch.float64)
    if not len(cameras):
        raise DatasetError("there are no cameras to normalize the scene by", path="scene.normalize")
    center = torch.from_numpy(focus_point(c2w.numpy()))
    half_views = torch.atan(cameras.sizes / (2.0 * cameras.intrinsics[:, :2])).amin(1)
    content = float(((c2w[:, :, 3] - center).norm(dim=-1) * half_views.sin()).median())
    if not content > MIN_CONTENT_RADIUS:
        raise DatasetError(
            "the cameras do not look at one point from around it",
            path="scene.normalize",
            hint="Set scene.normalize=none",
        )
    return center, content * margin


def normalized(scene: Scene, center: Tensor, radius: float) -> Scene:
    """The same scene in coordinates (x − center) / radius; `to_data` is changed to match."""
    forward = torch.from_numpy(similarity_matrix(np.eye(3), center.double().numpy(), 1.0 / radius))
    backward = torch.eye(4, dtype=torch.float64)
    backward[:3, :3] *= radius
    backward[:3, 3] = center
    truth = scene.ground_truth

    def transform(points: Tensor) -> Tensor:
        return transform_points(forward, points)

    def transform_poses(c2w: Tensor) -> Tensor:
        return torch.cat([c2w[:, :, :3], transform(c2w[:, :, 3])[..., None]], -1)

    return dataclasses.replace(
        scene,
        cameras=dataclasses.replace(scene.cameras, c2w=transform_poses(scene.cameras.c2w)),
        near=scene.near / radius,
        far=scene.far / radius,
        box=dataclasses.replace(scene.box, center=transform(scene.box.center), radius=scene.box.radius / radius),
        to_data=scene.to_data.to(torch.float64) @ backward,
        points=None if scene.points is None else transform(scene.points),
        render_path=None if scene.render_path is None else transform_poses(scene.render_path),
        ground_truth=None if truth is None else dataclasses.replace(truth, vertices=transform(truth.vertices)),
        depths=None if scene.depths is None else _Scaled(scene.depths, 1.0 / radius),
    )


class _Scaled(Sequence[Tensor]):
    """Tensors times a factor, each multiplied when it is used."""

    def __init__(self, tensors: Sequence[Tensor], factor: float):
        self._tensors, self._factor = tensors, factor

    def __len__(self) -> int:
        return len(self._tensors)

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[index] * self._factor
