"""Prepare a scene from any format: move or scale it, and apply the options `near`, `far` and `radius`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from attrs import evolve
from torch import Tensor

from radfield_core.data.placement import focus_point
from radfield_core.data.region import ObjectSphere, holds_cameras, object_sphere
from radfield_core.data.scene import Scene, is_known
from radfield_core.data.similarity import similarity_matrix, transform_points
from radfield_core.errors import DatasetError, UsageError
from radfield_core.types import SceneBox

if TYPE_CHECKING:
    from radfield_core.config.run import SceneConfig

MIN_CONTENT_RADIUS = 1e-9
"""Smallest radius of the content, in the data's own units, for which a scene can be normalized."""


SMALLEST_RADIUS = 0.8
"""A scene of unknown units keeps its size if the radius of its region is at least this and below ten times this."""


def prepare_scene(scene: Scene, config: SceneConfig, reference: Scene | None = None) -> Scene:
    """Apply the options in the config's table `scene` to a scene. Return the changed scene.

    If the scene coordinates change, `to_data` is updated, so that it still maps them to the data's own coordinates.

    Args:
        scene: the scene of a split, as returned by its dataparser.
        config: the options.
        reference: the scene whose cameras determine the normalization. The default is `scene` itself. Pass the same
            reference for all splits of a data set, so that all splits have the same coordinates.

    Raises:
        UsageError: the options contradict each other or do not suit the scene.
        DatasetError: the scene cannot be normalized from its cameras.
    """
    if config.normalize == "object":
        scene, placed = _about_the_object(scene, reference or scene, config.normalize_margin)
        if placed:
            config = evolve(config, normalize="none")
    if config.normalize == "unit_sphere":
        scene = normalized(scene, *content_sphere(reference or scene, config.normalize_margin))
        scene = dataclasses.replace(scene, box=SceneBox(torch.zeros(3), 1.0, "sphere", scene.box.measured))
    if config.radius is not None:
        scene = dataclasses.replace(scene, box=_with_radius(scene.box, config.radius))
    near = scene.near if config.near is None else config.near
    far = scene.far if config.far is None else config.far
    if not near < far:
        wrong = "scene.far" if config.near is None else "scene.near"
        raise UsageError(f"near is {near:g} and far is {far:g}", path=wrong, hint="Set near to less than far")
    scene = dataclasses.replace(scene, near=near, far=far)
    if config.normalize == "scale" and not scene.ndc:
        box = (reference or scene).box
        scene = rescaled(scene, box if config.radius is None else _with_radius(box, config.radius))
    return scene


def _about_the_object(scene: Scene, reference: Scene, margin: float) -> tuple[Scene, bool]:
    """Return the scene with the object in the unit sphere, and True, or the scene itself and False.

    A scene stays as it is if the data state where the object is: most cameras then lie outside of the region.
    """
    box, centers = reference.box, reference.cameras.c2w[:, :, 3].detach().double().numpy()
    if reference.ndc or not holds_cameras(box.center.double().numpy(), box.radius, box.shape == "sphere", centers):
        return scene, False
    found = object_sphere(reference.cameras, reference.points)
    if found is None:
        try:
            center, radius = content_sphere(reference, margin)
        except DatasetError:
            note = "the cameras do not look at a common point, so the region stays the box around cameras and points"
            return replace(scene, notes=(*scene.notes, note)), False
        found = ObjectSphere(center, radius, "the point that the cameras look at, and their pictures")
    scene = normalized(scene, found.center, found.radius)
    where = ", ".join(f"{value:.3g}" for value in found.center.tolist())
    line = f"region   sphere of radius {found.radius:.3g} at ({where}), measured from {found.how}"
    box = SceneBox(torch.zeros(3), 1.0, "sphere", box.measured)
    return replace(scene, box=box, chosen=(*scene.chosen, line)), True


def _with_radius(box: SceneBox, radius: float) -> SceneBox:
    return dataclasses.replace(box, radius=radius, usual_radius=None)


def rescaled(scene: Scene, box: SceneBox) -> Scene:
    """Return the scene in units in which published scenes have about the same size. Encodings and densities need this.

    If the format does not define such units, lengths are multiplied by the power of ten for which the radius of the
    region is at least 0.8 and less than 8. A power of ten leaves coordinates as readable as they are.

    Args:
        scene: the scene, not in NDC.
        box: region of the training split. It determines the units of all splits.
    """
    if box.usual_radius is not None:
        unit = box.radius / box.usual_radius
    else:
        unit = 10.0 ** math.floor(math.log10(box.radius / SMALLEST_RADIUS))
    if abs(unit - 1.0) < 1e-6:
        return scene
    note = f"lengths are multiplied by {1.0 / unit:.4g}, because the region has a radius of {box.radius:.3g}"
    scene = normalized(scene, torch.zeros(3, dtype=torch.float64), unit)
    return dataclasses.replace(scene, notes=(*scene.notes, note))


def content_sphere(scene: Scene, margin: float) -> tuple[Tensor, float]:
    """Return the center [3] and the radius of a sphere around the content that the cameras look at.

    The center is the point nearest to all optical axes. For each camera, take the largest sphere around this point that
    fits into the camera's image. The returned radius is the median radius of these spheres, times `margin`.

    Raises UsageError if the scene uses NDC (normalized device coordinates). Raises DatasetError if there are no
    cameras, or if the cameras do not look at a common point.
    """
    if scene.ndc:
        raise UsageError("a scene in NDC cannot be normalized", path="scene.normalize", hint="Set data.ndc=false")
    cameras, c2w = scene.cameras, scene.cameras.c2w.detach().to(torch.float64)
    if not len(cameras):
        raise DatasetError("the scene cannot be normalized, because it has no cameras", path="scene.normalize")
    center = torch.from_numpy(focus_point(c2w.numpy(), cameras.panoramic))
    half_views = torch.atan(cameras.sizes / (2.0 * cameras.intrinsics[:, :2])).amin(1)
    if cameras.panoramic:  # it shows the largest sphere that does not contain it
        half_views = torch.full_like(half_views, torch.pi / 2)
    content = float(((c2w[:, :, 3] - center).norm(dim=-1) * half_views.sin()).median())
    if not content > MIN_CONTENT_RADIUS:
        raise DatasetError(
            "the scene cannot be normalized, because its cameras do not look at a common point from different sides",
            path="scene.normalize",
            hint="Set scene.normalize=none",
        )
    return center, content * margin


def normalized(scene: Scene, center: Tensor, radius: float) -> Scene:
    """Return the same scene in the coordinates (x − center) / radius.

    Its `to_data` maps the new coordinates to the data's own coordinates.
    """
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
        observations=None if scene.observations is None else scene.observations.scaled(1.0 / radius),
    )


class _Scaled(Sequence[Tensor]):
    """A sequence whose tensors are multiplied by a factor. Each tensor is multiplied when it is accessed."""

    def __init__(self, tensors: Sequence[Tensor], factor: float):
        self._tensors, self._factor = tensors, factor

    def __len__(self) -> int:
        return len(self._tensors)

    def known(self, index: int) -> bool:
        """Return True if a view has a map."""
        return is_known(self._tensors, index)

    def __getitem__(self, index: Any) -> Any:
        return self._tensors[index] * self._factor
