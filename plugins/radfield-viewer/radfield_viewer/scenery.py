"""Objects that the viewer draws beside the model: cameras with thumbnails, points, exported meshes and the crop box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import trimesh
import viser

from radfield_core import DatasetError, Scene, angle_across
from radfield_core.data import similarity_scale, transform_points
from radfield_viewer.exports import read_export
from radfield_viewer.poses import Array, place, wxyz_of

MOST_CAMERAS = 200
THUMBNAIL_SIDE = 64
MOST_POINTS = 50_000
CAMERA_SIZE = 0.04
"""Size of a camera, as a share of the size of the scene."""


class Scenery:
    """The cameras, the points, the box and exported meshes of a scene, on a server.

    Attributes:
        numbers: numbers of the views whose cameras are shown.
        waiting: numbers of the views whose thumbnails are not shown yet.
    """

    def __init__(self, server: viser.ViserServer, scene: Scene):
        self._server, self._scene = server, scene
        n = len(scene.cameras)
        self.numbers = [round(i) for i in np.linspace(0, n - 1, min(n, MOST_CAMERAS))]
        self._size = float(scene.box.radius)
        self._to_data = scene.to_data.double().cpu().numpy()
        self._frustums: dict[int, Any] = {}
        self._centers = np.stack([self.c2w(number)[:, 3] for number in self.numbers])  # every moved camera needs them
        self.waiting = list(self.numbers)
        self._points: Any = None
        self.show_cameras(True)

    def c2w(self, number: int) -> Array:
        """Return the pose [3, 4] of a view."""
        return self._scene.cameras.c2w[number].detach().cpu().double().numpy()

    def fov(self, number: int) -> float:
        """Return the angle in degrees from the top edge to the bottom edge of a view; 60 for panoramas."""
        camera = self._scene.cameras.camera(number)
        return 60.0 if camera.panoramic else float(np.degrees(2 * np.arctan(camera.height / (2 * camera.fy))))

    def show_cameras(self, visible: bool) -> None:
        """Show or hide the cameras."""
        self._visible = visible
        for number in self.numbers:
            if number not in self._frustums and visible:
                self._frustums[number] = self._frustum(number, None)
            elif number in self._frustums:
                self._frustums[number].visible = visible

    def make_way(self, position: Array) -> None:
        """Hide the cameras that would stand in the way of a visitor at a position [3], and show the others."""
        near = np.linalg.norm(self._centers - position, axis=-1) < 2 * CAMERA_SIZE * self._size
        for number, is_near in zip(self.numbers, near.tolist(), strict=True):
            frustum, shown = self._frustums.get(number), self._visible and not is_near
            if frustum is not None and frustum.visible != shown:
                frustum.visible = shown

    def add_thumbnail(self) -> bool:
        """Add the image of one camera to the page. Return False if all have theirs.

        An image that cannot be read is left out.
        """
        if not self.waiting:
            return False
        number = self.waiting.pop(0)
        try:
            image = thumbnail(self._scene.images[number])
        except (DatasetError, OSError):
            return True
        if number in self._frustums and self._frustums[number].visible:
            self._frustums[number] = self._frustum(number, image)
        return True

    def show_points(self, visible: bool) -> None:
        """Show or hide the known points."""
        points = self._scene.points
        if points is None:
            return
        if self._points is None:
            kept = torch.linspace(0, len(points) - 1, min(len(points), MOST_POINTS)).long()
            colors = self._scene.point_colors
            self._points = self._server.scene.add_point_cloud(
                "/points",
                points[kept].cpu().float().numpy(),
                (200, 200, 200) if colors is None else colors[kept].cpu().numpy(),
                point_size=self._size * 0.004,
            )
        self._points.visible = visible

    def show_export(self, file: Path | None) -> None:
        """Show the mesh or the points of a PLY file over the picture, or none.

        Raises:
            UsageError: the file cannot be read, or is too large.
        """
        found = None if file is None else read_export(file, np.linalg.inv(self._to_data))
        self._server.scene.remove_by_name("/export")
        if isinstance(found, trimesh.Trimesh):
            self._server.scene.add_mesh_trimesh("/export", found)
        elif found is not None:
            colors = np.asarray(found.colors)[:, :3]
            points = np.asarray(found.vertices, np.float32)
            self._server.scene.add_point_cloud("/export", points, colors, point_size=self._size * 0.004)

    def box(self) -> tuple[float, ...]:
        """Return the smallest and the largest corner of the scene's region, in the data's coordinates."""
        center, radius = self._scene.box.center.double().cpu().numpy(), self._size
        corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * radius + center
        moved = transform_points(self._to_data, corners)
        return (*moved.min(0).tolist(), *moved.max(0).tolist())

    def show_box(self, box: tuple[float, ...] | None) -> None:
        """Draw a box that is given in the data's coordinates, or none."""
        if box is None:
            self._server.scene.remove_by_name("/crop")
            return
        to_scene = np.linalg.inv(self._to_data)
        low, high, scale = np.array(box[:3]), np.array(box[3:]), similarity_scale(to_scene)
        rotation = np.column_stack([to_scene[:3, :3] / scale, np.zeros(3)])
        self._server.scene.add_box(
            "/crop",
            (255, 200, 0),
            tuple((high - low) * scale),
            wireframe=True,
            wxyz=wxyz_of(rotation @ np.diag([1.0, -1.0, -1.0, 1.0])),
            position=transform_points(to_scene, (low + high) / 2),
        )

    def _frustum(self, number: int, image: np.ndarray | None) -> Any:
        camera = self._scene.cameras.camera(number)
        c2w = self.c2w(number)
        across = 1.0 if camera.panoramic else min(angle_across(camera), 2.5)
        handle = self._server.scene.add_camera_frustum(
            f"/cameras/{number}",
            fov=2 * np.arctan(np.tan(across / 2) * camera.height / camera.width),
            aspect=camera.width / camera.height,
            scale=self._size * CAMERA_SIZE,
            thickness=self._size * 0.002,
            image=image,
            format="jpeg",
            wxyz=wxyz_of(c2w),
            position=c2w[:, 3],
        )
        handle.on_click(self._jump(number))
        return handle

    def _jump(self, number: int) -> Callable[[Any], None]:
        def jump(event: Any) -> None:
            if event.client is not None:
                place(event.client.camera, self.c2w(number), self.fov(number))

        return jump


def start_at(camera: Any, c2w: Array, scene: Scene) -> None:
    """Let new visitors begin at a pose [3, 4]. They turn around the point in front of it that is nearest to the middle
    of the scene."""
    forward = -c2w[:, 2]
    distance = max(
        float(forward @ (scene.box.center.double().cpu().numpy() - c2w[:, 3])), 0.1 * float(scene.box.radius)
    )
    camera.position = c2w[:, 3]
    camera.look_at = c2w[:, 3] + distance * forward
    camera.up = c2w[:, 1]


def thumbnail(image: torch.Tensor) -> np.ndarray:
    """Return a small picture [H, W, 3] uint8 of an image [H, W, C] uint8 with 1, 3 or 4 channels, on white.

    Example:
        >>> thumbnail(torch.zeros(480, 640, 1, dtype=torch.uint8)).shape
        (60, 80, 3)
    """
    step = max(1, min(image.shape[:2]) // THUMBNAIL_SIDE + 1)
    small = image[::step, ::step].cpu().numpy()
    if small.shape[-1] == 1:
        return np.ascontiguousarray(np.repeat(small, 3, axis=-1))
    alpha = small[..., 3:] / 255.0 if small.shape[-1] == 4 else 1.0
    return np.ascontiguousarray(np.round(small[..., :3] * alpha + 255 * (1.0 - alpha)).astype(np.uint8))
