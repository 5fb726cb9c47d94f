"""metric:chamfer and metric:point-to-mesh — measure distances between a field's surface and a reference.

Distances are in the unit of the data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import trimesh
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from radfield_core import DatasetError, Metric, Model, NoSurface, Scene, UsageError
from radfield_core.data import transform_points
from radfield_mesh import culling, distance
from radfield_mesh.cleaning import without_specks
from radfield_mesh.config import ChamferConfig, PointToMeshConfig, SurfaceConfig
from radfield_mesh.frames import to_data
from radfield_mesh.mesh import surface_of
from radfield_mesh.reading import read_mesh


class Chamfer(Metric):
    """Chamfer distance and F-scores. Points are sampled on both surfaces, and their distances to the other surface are
    exact."""

    config: ChamferConfig

    def measure(self, model: Model, scene: Scene, reference: Path | None, folder: Path) -> dict[str, Any]:
        """Return accuracy, completeness, the mean of both (the Chamfer distance) and F-scores.

        Accuracy is the distance from the surface to the reference, and completeness is the distance from the
        reference to the surface. If the radius of the reference is 0, metrics relative to this radius are left out.

        Raises:
            DatasetError: the reference is not usable, or the area of its faces is zero or not finite.
            NoSurface: the field has no surface, or culling leaves nothing to compare.
            UsageError: no reference is given and the scene has none, or there are no masks for culling.
        """
        config = self.config
        truth = _reference(reference, scene)
        surface = _surface(model, scene, config)
        points = np.asarray(truth.vertices) if not len(truth.faces) else _samples(truth, config)
        if config.cull_masks is not None:
            surface = culling.by_masks(surface, scene, config.cull_masks)
            points = points[culling.covered(points, scene, config.cull_masks)]
        if not len(surface.faces) or not len(points):
            raise NoSurface("nothing is left to compare after culling", hint="Set a larger cull_masks")
        ours = _samples(surface, config)
        to_truth = _distances_to(truth, ours)
        to_surface = distance.Triangles.of(surface.vertices, surface.faces).distance(points)
        radius = float(np.linalg.norm(points - points.mean(0), axis=1).max())
        thresholds = config.thresholds if radius else ()  # they are shares of the radius, which is 0 for a single point
        accuracy = distance.summary(to_truth, config.max_distance)
        completeness = distance.summary(to_surface, config.max_distance)
        return {
            "chamfer": (accuracy["mean"] + completeness["mean"]) / 2,
            "chamfer_over_radius": (accuracy["mean"] + completeness["mean"]) / 2 / radius if radius else None,
            "accuracy": accuracy,
            "completeness": completeness,
            "f_scores": {f"{t:g}": distance.f_score(to_truth, to_surface, t * radius) for t in thresholds},
            "reference_radius": radius,
            "unit": scene.unit,
            "components": int(surface.body_count),
            "watertight": bool(surface.is_watertight),
        }


class PointToMesh(Metric):
    """Distances from sparse points to the surface. Parts of the surface that are far from all points have no
    influence."""

    config: PointToMeshConfig

    def measure(self, model: Model, scene: Scene, reference: Path | None, folder: Path) -> dict[str, Any]:
        """Return the mean, median, percentiles and maximum of the distances, the number of points, and the unit."""
        if reference is None and scene.points is None:
            raise UsageError(
                "the data set has no sparse points", path="--reference", hint="Pass --reference points.ply"
            )
        if reference is not None:
            points = np.asarray(read_mesh(reference).vertices)
        else:
            points = transform_points(scene.to_data, cast(torch.Tensor, scene.points).double()).numpy()
        surface = _surface(model, scene, self.config)
        found = distance.Triangles.of(surface.vertices, surface.faces).distance(points)
        return {**distance.summary(found, None), "points": len(points), "unit": scene.unit}


def _surface(model: Model, scene: Scene, config: SurfaceConfig) -> trimesh.Trimesh:
    mesh = surface_of(model.queries(), scene, config)
    return to_data(without_specks(mesh, config.min_component), scene)


def _reference(path: Path | None, scene: Scene) -> trimesh.Trimesh:
    truth = read_mesh(path) if path is not None else ground_truth(scene)
    area = distance.area(truth.vertices, truth.faces)
    if len(truth.faces) and not 0 < area < np.inf:
        raise DatasetError(
            f"its faces have an area of {area:g}, which cannot be sampled", path=str(path or "the data's own surface"),
            hint="Pass a --reference with a surface, or with points only",
        )  # fmt: skip
    return truth


def _samples(mesh: trimesh.Trimesh, config: ChamferConfig) -> NDArray[np.float64]:
    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.faces)
    n = config.n_samples
    if config.spacing is not None:  # so many samples that thinning determines their density
        n = max(n, int(4 * distance.area(vertices, faces) / config.spacing**2))
    points = distance.sample_surface(vertices, faces, min(n, 20_000_000), config.seed)
    return points if config.spacing is None else distance.thin(points, config.spacing, config.seed)


def _distances_to(truth: trimesh.Trimesh, points: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(truth.faces):
        return distance.Triangles.of(truth.vertices, truth.faces).distance(points)
    distances: NDArray[np.float64] = cKDTree(np.asarray(truth.vertices)).query(points)[0]
    return distances


def ground_truth(scene: Scene) -> trimesh.Trimesh:
    """Return the ground-truth surface in data coordinates. Raises UsageError if there is none."""
    if scene.ground_truth is None:
        raise UsageError(
            "the data set has no ground-truth surface", path="--reference", hint="Pass --reference FILE.ply"
        )
    vertices = transform_points(scene.to_data, scene.ground_truth.vertices.double()).cpu().numpy()
    return trimesh.Trimesh(vertices, scene.ground_truth.faces.cpu().numpy(), process=False)
