"""Camera paths for videos: c2w [n, 3, 4] float64 in scene coordinates, OpenGL axes, closed so that a video can loop."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from radfield_core.data.placement import focus_point
from radfield_core.data.scene import Scene
from radfield_core.errors import UsageError

PATHS = ("auto", "turntable", "spiral")


def check_name(name: str) -> None:
    """Raise UsageError unless there is a path of this name."""
    if name not in PATHS:
        raise UsageError(f"unknown camera path {name!r}", path="--path", hint=" or ".join([*PATHS, "none"]))


def camera_path(scene: Scene, name: str, n: int) -> tuple[str, Tensor]:
    """The path of a name, and which one `auto` means: the data's own if there is one, else a turntable if the cameras
    surround the scene, else a spiral."""
    check_name(name)
    if name == "auto" and scene.render_path is not None:
        return "path", scene.render_path[torch.arange(n) * len(scene.render_path) // n]
    if name == "auto":
        name = "turntable" if not scene.ndc and surrounds(scene) else "spiral"
    return name, turntable(scene, n) if name == "turntable" else spiral(scene, n)


def surrounds(scene: Scene) -> bool:
    """Whether the cameras look from all around: their viewing directions cancel out at least by half."""
    return bool(_axes(scene).mean(0).norm() < 0.7)


def turntable(scene: Scene, n: int) -> Tensor:
    """A circle around what the cameras look at, about their mean upward axis, at their median height and distance."""
    up, places = _mean_up(scene), _places(scene)
    center = _focus(scene)
    offsets = places - center
    height = (offsets @ up).median()
    radius = (offsets - (offsets @ up)[:, None] * up).norm(dim=-1).median()
    first = offsets[0] - (offsets[0] @ up) * up
    first = functional.normalize(first, dim=0) if float(first.norm()) > 1e-9 else _any_across(up)
    second = torch.linalg.cross(up, first)
    angles = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    circle = torch.cos(angles)[:, None] * first + torch.sin(angles)[:, None] * second
    return look_at(center + radius * circle + height * up, center, up)


def spiral(scene: Scene, n: int) -> Tensor:
    """A small loop about the mean camera, within the spread of the cameras, always facing the same point: what the
    cameras look at, or, if they look at nothing in common, a point in depth."""
    places, up = _places(scene), _mean_up(scene)
    axis = functional.normalize(_axes(scene).mean(0), dim=0)
    right = functional.normalize(torch.linalg.cross(axis, up), dim=0)
    up = torch.linalg.cross(right, axis)
    mean = places.mean(0)
    offsets = (places - mean) @ torch.stack([right, up, axis], dim=-1)
    reach = 0.5 * offsets.abs().quantile(0.9, dim=0)
    angles = torch.arange(n, dtype=torch.float64) * (2 * math.pi / n)
    loop = torch.stack([torch.cos(angles), torch.sin(angles), torch.sin(2 * angles)], dim=-1) * reach
    origins = mean + loop @ torch.stack([right, up, axis])
    target = _focus(scene) if _converge(scene) else mean + axis * _depth(scene)
    return look_at(origins, target, up)


def look_at(origins: Tensor, target: Tensor, up: Tensor) -> Tensor:
    """c2w [n, 3, 4] of cameras at origins [n, 3] that look at a target [3]."""
    back = functional.normalize(origins - target, dim=-1)
    right = functional.normalize(torch.linalg.cross(up.expand_as(back), back), dim=-1)
    return torch.stack([right, torch.linalg.cross(back, right), back, origins], dim=-1)


def _places(scene: Scene) -> Tensor:
    return scene.cameras.c2w[:, :, 3].to(torch.float64)


def _axes(scene: Scene) -> Tensor:
    """Viewing directions [V, 3]."""
    return -scene.cameras.c2w[:, :, 2].to(torch.float64)


def _focus(scene: Scene) -> Tensor:
    return torch.from_numpy(focus_point(scene.cameras.c2w.detach().double().numpy()))


def _converge(scene: Scene) -> bool:
    """Whether what the cameras look at lies between near and far before most of them. Axes that are all but parallel
    meet anywhere, also behind the cameras; under NDC they are, and near and far are no distances."""
    depths = ((_focus(scene) - _places(scene)) * _axes(scene)).sum(-1)
    return not scene.ndc and scene.near < float(depths.median()) < scene.far


def _mean_up(scene: Scene) -> Tensor:
    up = scene.cameras.c2w[:, :, 1].to(torch.float64).mean(0)
    return functional.normalize(up, dim=0) if float(up.norm()) > 1e-6 else up.new_tensor([0.0, 0.0, 1.0])


def _depth(scene: Scene) -> float:
    """How far the loop's cameras look: between near and far, nearer to near as perspective has it."""
    if scene.ndc:
        return 4.0  # cameras are scaled so that the nearest content is a little beyond depth 1
    near, far = max(scene.near, 1e-3), max(scene.far, 2e-3)
    return 1.0 / (0.75 / near + 0.25 / far)


def _any_across(up: Tensor) -> Tensor:
    other = torch.eye(3, dtype=torch.float64)[int(up.abs().argmin())]
    return functional.normalize(torch.linalg.cross(up, other), dim=0)
