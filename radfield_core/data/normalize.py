"""How core prepares a scene of any format: normalizing into the unit sphere, and limits that the options override."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from radfield_core.data import placement
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, UsageError
from radfield_core.types import SceneBox

if TYPE_CHECKING:
    from radfield_core.config.run import SceneConfig


def prepare_scene(scene: Scene, config: SceneConfig, reference: Scene | None = None) -> Scene:
    """The scene with the options applied; `to_data` still leads to the data's own coordinates.

    reference: the split whose cameras decide where a normalized scene lies, if it is another one: all splits of a data
    set must agree. Raises UsageError for options that contradict each other or the scene.
    """
    if config.normalize == "unit_sphere":
        scene = moved(scene, *unit_sphere(reference or scene, config.normalize_margin))
        scene = dataclasses.replace(scene, box=SceneBox(torch.zeros(3), 1.0, "sphere", scene.box.measured))
    if config.radius is not None:
        scene = dataclasses.replace(scene, box=dataclasses.replace(scene.box, radius=config.radius))
    near = scene.near if config.near is None else config.near
    far = scene.far if config.far is None else config.far
    if not near < far:
        set_wrong = "scene.far" if config.near is None else "scene.near"
        raise UsageError(f"near is {near:g} and far is {far:g}", path=set_wrong, hint="near below far")
    return dataclasses.replace(scene, near=near, far=far)


def unit_sphere(scene: Scene, margin: float) -> tuple[Tensor, float]:
    """Center [3] and radius of the sphere that holds what the cameras look at.

    The center is the point nearest to all optical axes; the content is the sphere about it that fills the picture of
    the median camera; the radius is the content's times `margin`.
    """
    if scene.ndc:
        raise UsageError("a scene in NDC has its own frame", path="scene.normalize", hint="data.ndc=false")
    cameras, c2w = scene.cameras, scene.cameras.c2w.detach().to(torch.float64)
    if not len(cameras):
        raise DatasetError("there are no cameras to normalize the scene by", path="scene.normalize")
    center = torch.from_numpy(placement.focus_point(c2w.numpy()))
    half_views = torch.atan(cameras.sizes / (2.0 * cameras.intrinsics[:, :2])).amin(1)
    content = float(((c2w[:, :, 3] - center).norm(dim=-1) * half_views.sin()).median())
    if not content > 1e-9:
        raise DatasetError("the cameras do not look at one place from around it", path="scene.normalize",
                           hint="scene.normalize=none")  # fmt: skip
    return center, content * margin


def moved(scene: Scene, center: Tensor, radius: float) -> Scene:
    """The same scene in coordinates x -> (x − center) / radius; `to_data` undoes that first."""
    cameras, truth = scene.cameras, scene.ground_truth

    def move(x: Tensor) -> Tensor:
        return ((x.to(torch.float64) - center) / radius).to(x.dtype)

    back = torch.eye(4, dtype=torch.float64)
    back[:3, :3] *= radius
    back[:3, 3] = center

    def moved_poses(c2w: Tensor) -> Tensor:
        return torch.cat([c2w[:, :, :3], move(c2w[:, :, 3])[..., None]], -1)

    return dataclasses.replace(
        scene,
        cameras=dataclasses.replace(cameras, c2w=moved_poses(cameras.c2w)),
        near=scene.near / radius,
        far=scene.far / radius,
        box=dataclasses.replace(scene.box, center=move(scene.box.center), radius=scene.box.radius / radius),
        to_data=scene.to_data.to(torch.float64) @ back,
        points=None if scene.points is None else move(scene.points),
        render_path=None if scene.render_path is None else moved_poses(scene.render_path),
        ground_truth=None if truth is None else dataclasses.replace(truth, vertices=move(truth.vertices)),
        depths=None if scene.depths is None else _Scaled(scene.depths, 1.0 / radius),
    )


class _Scaled(Sequence[Tensor]):
    """Tensors times a factor, each worked out when it is asked for."""

    def __init__(self, tensors: Sequence[Tensor], factor: float):
        self.tensors, self.factor = tensors, factor

    def __len__(self) -> int:
        return len(self.tensors)

    def __getitem__(self, index: Any) -> Any:
        return self.tensors[index] * self.factor
