"""Exporters with one fault each, all made from an exporter of a folder with cameras, depths and points."""

from __future__ import annotations

import json

import numpy as np
import torch

from mutants.caught import caught_by
from radfield_core import Exporter
from radfield_core.plugin import Output
from radfield_core.testing import Exported

VIEWS = {
    "impl": f"{__name__}:Views",
    "writes": Output.folder(coordinates=["transforms.json", "depth/*.npy", "points.xyz"]),
    "read": f"{__name__}:read_views",
}
"""Declaration of the exporter without a fault, as changes of that of exporter:pointcloud."""


class Views(Exporter):
    """Writes the cameras, a depth image of each view, and the points that the first view sees."""

    def export(self, model, scene, path):
        c2w, scale = scene.cameras.c2w, float(scene.to_data[:3, :3].norm(dim=0)[0])
        cameras = torch.cat(
            [scene.to_data[:3, :3] / scale @ c2w[:, :, :3], scene.data_points(c2w[:, :, 3])[..., None]], -1
        )
        files = {path / "transforms.json": json.dumps([camera.tolist() for camera in cameras]).encode()}
        for number in range(len(c2w)):
            rendered = model.render(scene.cameras.view(number))
            size = (scene.cameras.view(number).camera.height, -1)
            files[path / f"depth/{number}.npy"] = scale * rendered.depth.view(size).cpu().numpy()
        files[path / "points.xyz"] = scene.data_points(scene.points).numpy()
        (path / "depth").mkdir()
        for file, content in files.items():
            self.write(file, content)
        return list(files)

    def write(self, file, content):
        if file.suffix == ".json":
            file.write_bytes(content)
        else:
            with file.open("wb") as opened:
                np.save(opened, content) if file.suffix == ".npy" else np.savetxt(opened, content)


def read_views(path):
    """The content of a file that `Views` wrote."""
    if path.suffix == ".json":
        return Exported(cameras=json.loads(path.read_text()))
    return Exported(depths=np.load(path)[None]) if path.suffix == ".npy" else Exported(vertices=np.loadtxt(path))


@caught_by("cameras_are_in_data_coordinates", "exporter:pointcloud", **VIEWS)
class WritesCamerasOfTheScene(Views):
    def export(self, model, scene, path):
        files = super().export(model, scene, path)
        cameras = torch.as_tensor(scene.cameras.c2w)
        (path / "transforms.json").write_text(json.dumps([camera.tolist() for camera in cameras]))
        return files


@caught_by("cameras_are_in_data_coordinates", "exporter:pointcloud", **VIEWS)
class MovesCamerasButDoesNotTurnThem(Views):
    def export(self, model, scene, path):
        files = super().export(model, scene, path)
        cameras = json.loads((path / "transforms.json").read_text())
        for camera, c2w in zip(cameras, scene.cameras.c2w.tolist(), strict=True):
            for row, unturned in zip(camera, c2w, strict=True):
                row[:3] = unturned[:3]
        (path / "transforms.json").write_text(json.dumps(cameras))
        return files


@caught_by("depths_are_in_the_data_unit", "exporter:pointcloud", **VIEWS)
class WritesDepthsInSceneUnits(Views):
    def write(self, file, content):
        super().write(file, content / 250.0 if file.suffix == ".npy" else content)


@caught_by("exports_are_in_data_coordinates", "exporter:pointcloud", **VIEWS)
class WritesPointsOfTheScene(Views):
    def export(self, model, scene, path):
        files = super().export(model, scene, path)
        self.write(path / "points.xyz", scene.points.numpy())
        return files


@caught_by("files_with_coordinates_can_be_read", "exporter:pointcloud", **{**VIEWS, "read": f"{__name__}:read_nothing"})
class IsReadByAFunctionThatReadsNothing(Views):
    pass


def read_nothing(path):
    return np.zeros((0, 3)), np.zeros((0, 3))


@caught_by("files_with_coordinates_can_be_read", "exporter:pointcloud", **{**VIEWS, "read": None})
class HasNoReader(Views):
    pass


@caught_by("files_with_coordinates_can_be_read", "exporter:pointcloud", **VIEWS)
class DeclaresFilesThatItDoesNotWrite(Views):
    def export(self, model, scene, path):
        path.joinpath("cameras.json").write_text("[]")
        return [path / "cameras.json"]
