"""exporter:tsdf — writes a mesh that is fused from the rendered depths of a model, in data coordinates."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import trimesh
from scipy.spatial import cKDTree
from torch import Tensor

from radfield_core import Exporter, Model, NoSurface, Progress, Rendered, Scene, UsageError, View
from radfield_mesh.cleaning import simplified, without_specks
from radfield_mesh.config import TsdfConfig
from radfield_mesh.frames import to_data
from radfield_mesh.fusion import DepthView, Volume
from radfield_mesh.holes import closed
from radfield_mesh.mesh import write_mesh
from radfield_mesh.texture.export import write_textured

logger = logging.getLogger(__name__)


class TsdfExporter(Exporter):
    """Exporter of a mesh from depths.

    The training views are rendered, and their depths are fused. Any model that renders depths works.
    """

    config: TsdfConfig

    def export(self, model: Model, scene: Scene, path: Path) -> list[Path]:
        """Write the mesh to `path`, in the format that its ending names. Return the file written.

        Raises:
            NoSurface: the views show no surface in the scene's region.
            UsageError: the scene uses NDC, or the model renders no depths.
        """
        if scene.ndc:
            raise UsageError(
                "depths cannot be fused in a scene in NDC: its region is infinite", path="exporter:tsdf",
                hint="radfield export RUN --exporter mesh, or train with data.ndc=false",
            )  # fmt: skip
        mesh = to_data(self.surface(self.depths(model, scene), scene), scene)
        if self.config.texture == "none":
            return write_mesh(mesh, scene, path)
        return write_textured(mesh, scene, path, self.config)

    def depths(self, model: Model, scene: Scene) -> list[DepthView]:
        """Return the rendered depths and colors of the training views."""
        n, seen, mean_only = len(scene.cameras), [], False
        pixels = int(scene.cameras.sizes.prod(-1).sum())
        scale = min(1.0, (self.config.max_pixels / pixels) ** 0.5)
        if scale < 1:
            logger.info("depths are rendered at %.0f%% of the images' size; max_pixels allows more", 100 * scale)
        with Progress("depths", n) as bar:
            for index in range(n):
                view = _reduced(scene.cameras.view(index), scale)
                rendered = model.render(view, None, self.config.rays_per_chunk)
                mean_only |= rendered.median_depth is None
                seen.append(_depth_view(view, rendered, self.config.min_opacity))
                if bar.due():
                    bar.update(index + 1, f"{index + 1}/{n} views")
        if mean_only:
            logger.warning(
                "%s renders mean depths only: at edges and in haze they lie between surfaces", type(model).__name__
            )
        shown = torch.stack([torch.stack([view.depths.isfinite().any(), view.depths.isnan().any()]) for view in seen])
        if shown[:, 1].any() and not shown[:, 0].any():
            raise UsageError(
                f"{type(model).__name__} renders no depths", path="exporter:tsdf", hint="radfield plugins list"
            )
        return seen

    def surface(self, views: list[DepthView], scene: Scene) -> trimesh.Trimesh:
        """Return the surface in scene coordinates, with colors.

        Raises:
            NoSurface: the views show no surface in the scene's region.
        """
        config = self.config
        center, radius = scene.box.center.double().cpu().numpy(), scene.box.radius
        volume = Volume(views, center - radius, center + radius, config.resolution, config.truncation, config.min_views)
        with Progress("fusion", 1.0) as bar:

            def report(done: int, total: int) -> None:
                if bar.due():
                    bar.update(done / total, f"{done}/{total} regions")

            fused, faces = volume.surface(report)
        if not len(faces):
            raise NoSurface(
                f"no surface that {config.min_views} views show lies in the scene's region",
                hint="Set a smaller min_views or min_opacity, or train longer",
            )
        vertices = fused[:, :3].astype(np.float64)
        mesh = without_specks(trimesh.Trimesh(vertices, faces, process=False), config.min_component)
        if config.close_holes:
            mesh = trimesh.Trimesh(*closed(mesh.vertices, mesh.faces, config.close_holes), process=False)
        mesh = simplified(mesh, config.max_faces)
        _, nearest = cKDTree(vertices).query(np.asarray(mesh.vertices))
        colors = np.round(fused[nearest, 3:].clip(0, 255)).astype(np.uint8)
        return trimesh.Trimesh(
            mesh.vertices, mesh.faces, vertex_normals=mesh.vertex_normals, vertex_colors=colors, process=False
        )


def _reduced(view: View, scale: float) -> View:
    """Return a view whose image has `scale` times as many columns and rows, rounded."""
    camera = view.camera
    width, height = max(1, round(camera.width * scale)), max(1, round(camera.height * scale))
    x, y = width / camera.width, height / camera.height
    camera = replace(
        camera, width=width, height=height, fx=camera.fx * x, fy=camera.fy * y, cx=camera.cx * x, cy=camera.cy * y
    )
    return replace(view, camera=camera)


def _depth_view(view: View, rendered: Rendered, min_opacity: float) -> DepthView:
    """Return what a rendered view shows. A pixel with less opacity than `min_opacity` shows nothing."""
    shape = view.camera.height, view.camera.width
    opacity = rendered.opacity.float().cpu()
    depth: Tensor = rendered.depth if rendered.median_depth is None else rendered.median_depth
    depth = depth.float().cpu()
    if rendered.median_depth is None:
        depth = depth / opacity.clamp_min(1e-6)
    depth = torch.where(opacity < min_opacity, torch.inf, torch.where(depth > 0, depth, torch.nan))
    rgb = torch.zeros(len(depth), 3) if rendered.rgb is None else rendered.rgb.float().cpu()
    rgb = (255 * (rgb / opacity.clamp_min(1e-6)[:, None]).nan_to_num().clamp(0, 1)).round().to(torch.uint8)
    return DepthView(view, depth.view(shape), rgb.view(*shape, 3))
