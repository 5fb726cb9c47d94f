"""Laws of the coordinates that exporters write, checked on a sphere whose position in the data is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from radfield_core.runs.export_target import output_of, target_of
from radfield_core.testing.exported import CannotRead, Exported, files_with_coordinates, read_exported
from radfield_core.testing.law import LawBroken, expect, law
from radfield_core.testing.sphere import DATA_SCALE, SPHERE_CENTER, SPHERE_RADIUS, sphere_model
from radfield_core.testing.under_test import PartUnderTest

RADIUS = SPHERE_RADIUS * DATA_SCALE
"""Radius of the sphere in the data's own unit."""


def has_coordinates(tested: PartUnderTest) -> bool:
    """True if an exporter declares files that hold coordinates."""
    return bool(output_of(tested.choice).coordinates)


def export_target(tested: PartUnderTest, name: str) -> Path:
    """Return the path that core would hand to the exporter for an export into the new folder `name`."""
    folder = tested.folder / name
    folder.mkdir()
    return folder if output_of(tested.choice).is_folder else target_of(tested.choice, folder / "out")


def _files(tested: PartUnderTest) -> list[Path]:
    """The files with coordinates of an export of the sphere."""
    tested.build().export(*sphere_model(tested), export_target(tested, "exported"))
    return files_with_coordinates(tested.choice, tested.folder / "exported")


def _contents(tested: PartUnderTest) -> Iterator[tuple[Path, Exported]]:
    """The files with coordinates of an export of the sphere, and their contents. Files that cannot be read are left
    out, because another law is about them."""
    for file in _files(tested):
        try:
            yield file, read_exported(file, tested.read)
        except CannotRead:
            continue


@law("exporter", when=has_coordinates, fix="Pass read=, a function that returns what a file holds as an Exported.")
def files_with_coordinates_can_be_read(tested: PartUnderTest) -> None:
    """The export has at least one file that the exporter declares to hold coordinates. Each such file can be read, by
    trimesh or by the function read=, and holds vertices, cameras or depths. A read= that returns nothing would leave
    the coordinates untested."""
    files = _files(tested)
    patterns = ", ".join(output_of(tested.choice).coordinates)
    expect(files, f"no file was written that matches coordinates={patterns}")
    for file in files:
        try:
            content = read_exported(file, tested.read)
        except CannotRead as error:
            raise LawBroken(error.problems[0].message) from error
        reader = "read=" if tested.read is not None else "trimesh"
        expect(not content.is_empty, f"{reader} finds no vertices, cameras or depths in {file.name}")


@law(
    "exporter",
    when=has_coordinates,
    fix="Transform vertices with scene.data_points(vertices) or scene.to_data before writing them.",
)
def exports_are_in_data_coordinates(tested: PartUnderTest) -> None:
    """The exported vertices of a known sphere have its radius and center in the data's own coordinates and unit, not in
    normalized scene coordinates."""
    for file, content in _contents(tested):
        if not len(content.vertices):
            continue
        center = np.array(SPHERE_CENTER)
        if file.suffix == ".glb":  # the format prescribes y as the upward axis
            center = center[[0, 2, 1]] * (1, 1, -1)
        found = float(np.median(np.linalg.norm(content.vertices - center, axis=1)))
        message = f"{file.name}: vertices are {found:.4g} from the sphere's center, but its radius is {RADIUS:.4g}"
        expect(abs(found - RADIUS) < 0.05 * RADIUS, message)


@law(
    "exporter",
    when=has_coordinates,
    fix="Transform positions with scene.data_points, and rotate the axes with scene.to_data divided by its scale.",
)
def cameras_are_in_data_coordinates(tested: PartUnderTest) -> None:
    """Each exported camera is a camera of the scene in the data's own coordinates and unit. It has the same position
    and looks in the same direction. This law does not apply to files without cameras."""
    _, scene = sphere_model(tested)
    to_data, c2w = scene.to_data.numpy(), scene.cameras.c2w.numpy()
    centers = c2w[:, :, 3] @ to_data[:3, :3].T + to_data[:3, 3]
    axes = to_data[:3, :3] / DATA_SCALE @ c2w[:, :, :3]
    for file, content in _contents(tested):
        for number, camera in enumerate(content.cameras):
            distances = np.linalg.norm(centers - camera[:3, 3], axis=1)
            nearest = int(distances.argmin())
            message = f"{file.name}: camera {number} is {distances[nearest]:.4g} away from every camera of the data"
            expect(distances[nearest] < 0.01 * RADIUS, message)
            turned = float(np.abs(axes[nearest] - camera[:3, :3]).max())
            message = f"{file.name}: an axis of camera {number} differs by {turned:.3g} from that in the data"
            expect(turned < 1e-3, message)


@law("exporter", when=has_coordinates, fix="Multiply rendered depths by the scale of scene.to_data before writing.")
def depths_are_in_the_data_unit(tested: PartUnderTest) -> None:
    """In each exported depth image, the pixels at the center have the distance between the camera and the sphere in the
    data's own unit. This law does not apply to files without depths."""
    _, scene = sphere_model(tested)
    distance = DATA_SCALE * float(scene.cameras.c2w[0, :, 3].norm()) - RADIUS  # all cameras are equally far away
    for file, content in _contents(tested):
        for number, depth in enumerate(content.depths):
            rows, columns = (slice((size - 1) // 2, size // 2 + 1) for size in depth.shape)
            found = float(np.median(depth[rows, columns]))
            message = (
                f"{file.name}: at the center of depth image {number} the sphere is {found:.4g} away, but in the data's "
                f"unit it is {distance:.4g} away"
            )
            expect(abs(found - distance) < 0.05 * distance, message)


@law(
    "exporter",
    when=has_coordinates,
    fix="Evaluate the field on a grid that encloses the surface, and merge vertices of neighboring cells.",
)
def surfaces_are_watertight(tested: PartUnderTest) -> None:
    """In a file with faces, every edge belongs to exactly two faces. All faces point outward, and they enclose the
    volume of the sphere. This law does not apply to a point cloud, which has no faces."""
    for file, content in _contents(tested):
        vertices, faces = content.vertices, content.faces
        if not len(faces):
            continue
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        expect(bool((counts == 2).all()), f"{file.name}: {int((counts != 2).sum())} edges do not belong to two faces")
        corners = vertices[faces] - vertices.mean(0)
        enclosed = float(np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6)
        volume = 4 / 3 * math.pi * RADIUS**3
        message = f"{file.name} encloses a volume of {enclosed:.4g}, but the volume of the sphere is {volume:.4g}"
        expect(abs(enclosed / volume - 1) < 0.1, message)
