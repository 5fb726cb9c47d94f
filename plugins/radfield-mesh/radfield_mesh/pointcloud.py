"""exporter:pointcloud — writes points on the surfaces that the views see, in data coordinates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import trimesh
from torch import Tensor

from radfield_core import Exporter, Model, NoSurface, Progress, RayBundle, Scene, pixel_rays
from radfield_core.ops import device_of
from radfield_mesh.config import POINTS_AT_ONCE, PointCloudConfig
from radfield_mesh.evaluation import inward
from radfield_mesh.frames import has_place, to_data


class PointCloudExporter(Exporter):
    """Exporter of points on surfaces.

    Rays are rendered through a regular grid of pixels in every view. Each ray gives a point at its mean depth.
    """

    config: PointCloudConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the points to `path` as PLY. Return the file written.

        Raises:
            NoSurface: no pixel is opaque enough.
        """
        points, colors = self.points(model, scene)
        normals = -inward(model.queries(), points.numpy(), POINTS_AT_ONCE)
        cloud = trimesh.Trimesh(
            points.numpy(), np.zeros((0, 3), int), vertex_normals=normals,
            vertex_colors=np.round(colors.numpy().clip(0, 1) * 255).astype(np.uint8), process=False,
        )  # fmt: skip
        to_data(cloud, scene).export(path, file_type="ply", vertex_normal=True)
        return [path]

    def points(self, model: Model, scene: Scene) -> tuple[Tensor, Tensor]:
        """Return points [P, 3] in field space and the rendered colors [P, 3] of their pixels."""
        pixels = int((scene.cameras.sizes[:, 0] * scene.cameras.sizes[:, 1]).sum())
        stride = max(1, round((pixels / self.config.n_points) ** 0.5))
        points, colors, device = [], [], device_of(model)
        with Progress("points", len(scene.cameras)) as bar:
            for view in range(len(scene.cameras)):
                rays = _grid_rays(scene, view, stride, device)
                rendered = model.render_rays(rays, None, self.config.rays_per_chunk)
                opacity = rendered.opacity.clamp_min(1e-6)[:, None]
                seen = rays.origins + rays.directions * rendered.depth[:, None] / opacity
                kept = (rendered.opacity >= self.config.min_opacity).cpu().numpy()
                kept &= has_place(seen.double().cpu().numpy(), scene)
                assert rendered.rgb is not None
                points.append(seen.cpu()[kept])
                colors.append((rendered.rgb / opacity).cpu()[kept])
                if bar.due():
                    bar.update(view + 1, f"{view + 1}/{len(scene.cameras)} views")
        if not sum(map(len, points)):
            raise NoSurface(
                f"no pixel has an opacity of {self.config.min_opacity:g} or more",
                hint="Set a smaller min_opacity, or train longer",
            )
        return torch.cat(points), torch.cat(colors)


def _grid_rays(scene: Scene, view: int, stride: int, device: torch.device) -> RayBundle:
    width, height = scene.cameras.sizes[view].tolist()
    rows, columns = (torch.arange(stride // 2, size, stride, device=device) for size in (height, width))
    grid = torch.cartesian_prod(rows, columns)
    return pixel_rays(scene, torch.full((len(grid),), view, device=device), grid[:, 0], grid[:, 1])
