"""rays:poses: learned corrections of the poses of training cameras, as in BARF (Lin et al. 2021).

A camera with rotation R and center c gets the rotation exp(ω) R and the center p + exp(ω) (c − p) + d v. Here ω is a
rotation vector and v a shift, both in scene axes, p is the pivot, and d is the mean distance of the cameras from the
middle of the scene.

The pivot is the middle of the scene. A rotation about it moves the image much less than a shift does, so an optimizer
such as Adam, which scales each parameter by its own gradients, finds both. Rotations about the camera's own center move
the image almost as shifts do, and their difference is found very slowly.

Symbols in shapes: R rays, V training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from radfield_capture.poses_config import PosesConfig
from radfield_core import (
    Batch,
    BuildContext,
    Cameras,
    ModelOutputs,
    ParameterGroup,
    RayBundle,
    RayTransform,
    Step,
    UsageError,
    View,
)


class Poses(RayTransform):
    """Learned corrections of camera poses, and of the focal length if the option `focal` is set.

    Movements that all cameras share change no image, if the scene moves with them. They are removed from the
    corrections, so that the scene stays where the data set has it.

    Raises:
        UsageError: focal lengths are to be learned for lenses with distortion, or by a method that trains on images.
    """

    common: Tensor
    arms: Tensor
    forward_axes: Tensor

    def __init__(self, config: PosesConfig, ctx: BuildContext):
        super().__init__()
        cameras = ctx.cameras
        if cameras is None:
            raise UsageError("rays:poses needs the training cameras, and this context has none", path="rays")
        if config.focal and cameras.model != "pinhole":
            message = (
                f"focal lengths can be learned for pinhole cameras only, and these have the lens {cameras.model!r}"
            )
            raise UsageError(message, path="rays.focal", hint="Set rays.focal=false")
        if config.focal and ctx.run is not None and ctx.run.method.load().batching == "images":
            message = f"method {ctx.run.method.name!r} trains on whole images, which give no gradient to focal lengths"
            raise UsageError(message, path="rays.focal", hint="Set rays.focal=false")
        self.config = config
        self.distance = camera_distance(cameras, ctx.bounds.center)
        self.limits_along = "ray" if ctx.space is None else ctx.space.limits_along
        self.twists = nn.Parameter(torch.zeros(len(cameras), 6))
        self.log_focal = nn.Parameter(torch.zeros(())) if config.focal else None
        self.extent = camera_extent(cameras)
        arms = cameras.c2w[:, :, 3].double() - ctx.bounds.center.double()
        arms = arms if config.pivot == "scene" else torch.zeros_like(arms)
        self.register_buffer("arms", arms.float(), persistent=False)
        self.register_buffer("common", common_movements(cameras).float(), persistent=False)
        self.register_buffer("forward_axes", -cameras.c2w[:, :, 2].float(), persistent=False)
        self.weight = 0.0

    def begin_step(self, step: Step) -> None:
        """Set the weight of the loss that pulls poses to the given ones."""
        self.weight = self.config.pull.value(step)

    def corrections(self) -> Tensor:
        """Return the rotation vector and the shift of each image [V, 6], without movements that all cameras share."""
        if not self.config.fix_common:
            return self.twists
        turns, shifts = self.twists[:, :3], self.twists[:, 3:]
        moved = torch.linalg.cross(turns, self.arms) + self.distance * shifts  # of the centers, to first order
        flat = torch.cat([turns, moved / self.extent], 1).flatten()
        free = (flat - self.common @ (self.common.T @ flat)).view_as(self.twists)
        turns, moved = free[:, :3], free[:, 3:]
        shifts = (self.extent * moved - torch.linalg.cross(turns, self.arms)) / self.distance
        return torch.cat([turns, shifts], 1)

    def motions(self) -> tuple[Tensor, Tensor]:
        """Return the rotations [V, 3, 3], and the shifts [V, 3] of the camera centers in scene units."""
        corrections = self.corrections()
        turns, shifts = corrections[:, :3], corrections[:, 3:]
        if self.config.motion == "se3":
            shifts = (screw_matrices(turns) @ shifts[:, :, None])[:, :, 0]
        turned = rotations(turns)
        return turned, (turned @ self.arms[:, :, None])[:, :, 0] - self.arms + self.distance * shifts

    def forward(self, rays: RayBundle) -> RayBundle:
        """Return the rays of the corrected cameras. Rays of unknown images are unchanged."""
        if rays.image_ids is None:
            return rays
        n = len(self.twists)
        known = (rays.image_ids >= 0) & (rays.image_ids < n)
        index = rays.image_ids.clamp(0, n - 1)
        turns, shifts = self.motions()
        moved = rays if self.log_focal is None else self._with_focal(rays, index, self.log_focal.exp())
        directions = (turns[index].to(rays.directions) @ moved.directions[:, :, None])[:, :, 0]
        directions = torch.where(known[:, None], directions, rays.directions)
        return replace(
            rays,
            origins=torch.where(known[:, None], rays.origins + shifts[index].to(rays.origins), rays.origins),
            directions=directions,
            viewdirs=directions,
            near=torch.where(known, moved.near, rays.near),
            far=torch.where(known, moved.far, rays.far),
            radii=torch.where(known, moved.radii, rays.radii),
        )

    def _with_focal(self, rays: RayBundle, index: Tensor, factor: Tensor) -> RayBundle:
        """Return the rays of cameras with other focal lengths.

        The part of a direction along the optical axis is multiplied by the factor. Limits that are depths, and the
        pixel's cone, follow the length of the direction.
        """
        axis = self.forward_axes[index].to(rays.directions)
        along = (rays.directions * axis).sum(-1, keepdim=True)
        stretched = rays.directions + (factor - 1.0).to(rays.directions) * along * axis
        length = stretched.norm(dim=-1)
        limits = length / factor.to(length) if self.limits_along == "axis" else torch.ones_like(length)
        return replace(
            rays,
            directions=stretched / length[:, None],
            near=rays.near * limits,
            far=rays.far * limits,
            radii=rays.radii / length,
        )

    def views(self, views: Sequence[View]) -> list[View]:
        """Return the corrected cameras, with gradients to the corrections. The focal length has no gradient."""
        turns, shifts = self.motions()
        focal = 1.0 if self.log_focal is None else float(self.log_focal.detach().exp())
        found = []
        for view in views:
            if view.image_id is not None and 0 <= view.image_id < len(self.twists):
                turn, shift = turns[view.image_id].to(view.c2w), shifts[view.image_id].to(view.c2w)
                c2w = torch.cat([turn @ view.c2w[:, :3], view.c2w[:, 3:] + shift[:, None]], 1)
                camera = replace(view.camera, fx=view.camera.fx * focal, fy=view.camera.fy * focal)
                view = replace(view, c2w=c2w, camera=camera)
            found.append(view)
        return found

    def parameter_groups(self) -> list[ParameterGroup]:
        """Return one group with all parameters. It has the learning rate of the options, and no weight decay."""
        return [ParameterGroup("poses", self.own_parameters(), lr=self.config.lr, weight_decay=0.0)]

    def losses(self, outputs: ModelOutputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the mean squared correction, if its weight is not 0."""
        return {} if self.weight == 0.0 else {"poses": self.weight * self.corrections().square().mean()}

    def scalars(self) -> dict[str, Tensor]:
        """Return the mean rotation in degrees, the mean shift in scene units, and the factor of the focal length."""
        turns, shifts = self.corrections().detach()[:, :3], self.motions()[1].detach()
        found = {"pose_degrees": turns.norm(dim=1).mean().rad2deg(), "pose_shift": shifts.norm(dim=1).mean()}
        return found if self.log_focal is None else {**found, "focal_factor": self.log_focal.detach().exp()}


def camera_distance(cameras: Cameras, center: Tensor) -> float:
    """Return the mean distance of the cameras from the middle of the scene, or 1 if they all stand there."""
    distance = float((cameras.c2w[:, :, 3].double() - center.double()).norm(dim=1).mean())
    return distance if distance > 0 else 1.0


def camera_extent(cameras: Cameras) -> float:
    """Return the root mean square distance of the cameras from their common center, or 1 if they all stand there."""
    centers = cameras.c2w[:, :, 3].double()
    extent = float((centers - centers.mean(0)).square().sum(-1).mean().sqrt())
    return extent if extent > 1e-9 * max(1e-30, float(centers.abs().max())) else 1.0


def common_movements(cameras: Cameras) -> Tensor:
    """Return an orthonormal basis [6 V, K] of the corrections that move all cameras alike.

    These are the translations, rotations and scalings of space, to first order. K is 7, or less if the cameras stand at
    one point. A correction is a rotation vector and a shift in units of `camera_extent`.
    """
    centers = cameras.c2w[:, :, 3].double()
    centers = (centers - centers.mean(0)) / camera_extent(cameras)
    none, movements = torch.zeros_like(centers), []
    for axis in torch.eye(3, dtype=torch.float64):
        every = axis.expand_as(centers)
        movements.append(torch.cat([none, every], 1))
        movements.append(torch.cat([every, torch.linalg.cross(every, centers)], 1))
    movements.append(torch.cat([none, centers], 1))
    columns = torch.stack([movement.flatten() for movement in movements], 1)
    basis, sizes, _ = torch.linalg.svd(columns, full_matrices=False)
    kept: Tensor = basis[:, sizes > 1e-9 * sizes.max()]
    return kept


def rotations(vectors: Tensor) -> Tensor:
    """Return the rotation matrices [V, 3, 3] of rotation vectors [V, 3] (Rodrigues' formula)."""
    angle = vectors.norm(dim=-1)[:, None, None]
    cross = _cross_matrices(vectors)
    first, second = torch.sinc(angle / torch.pi), 0.5 * torch.sinc(angle / (2 * torch.pi)).square()
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


def screw_matrices(vectors: Tensor) -> Tensor:
    """Return the matrices [V, 3, 3] that map the velocity of a screw motion to its translation.

    They are the integrals of the rotations by s·ω over s from 0 to 1, for rotation vectors ω [V, 3].
    """
    angle = vectors.norm(dim=-1)[:, None, None]
    cross, squared = _cross_matrices(vectors), angle.square()
    first, small = 0.5 * torch.sinc(angle / (2 * torch.pi)).square(), squared < 1e-4
    exact = (1.0 - torch.sinc(angle / torch.pi)) / torch.where(small, torch.ones_like(squared), squared)
    second = torch.where(small, 1.0 / 6.0 - squared / 120.0, exact)
    return torch.eye(3, dtype=vectors.dtype, device=vectors.device) + first * cross + second * (cross @ cross)


def _cross_matrices(vectors: Tensor) -> Tensor:
    """Return the matrices [V, 3, 3] whose product with x is the cross product of each vector [V, 3] and x."""
    x, y, z = vectors.unbind(-1)
    none = torch.zeros_like(x)
    return torch.stack([none, -z, y, z, none, -x, -y, x, none], -1).view(-1, 3, 3)
