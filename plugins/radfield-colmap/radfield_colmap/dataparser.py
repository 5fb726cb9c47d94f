"""dataparser:colmap — photographs with their COLMAP reconstruction."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from radfield_colmap.config import ColmapConfig
from radfield_colmap.model import SparseModel, camera_to_world, choose_model
from radfield_colmap.observed import observations
from radfield_colmap.reading import read_model
from radfield_colmap.sniff import sniff
from radfield_core import DataParser, DatasetError, Problems, Scene
from radfield_core.data import (
    IMAGE_SUFFIXES,
    Capture,
    SurfaceFiles,
    camera_box,
    choose_split,
    common_lens,
    content_box,
    find_maps,
    holdout_splits,
    near_far_limits,
    normalizing_similarity,
    scene_box,
    similarity_scale,
    split_notes,
)
from radfield_core.files import missing_files, safe_join


class Colmap(DataParser):
    """Parser of COLMAP reconstructions. Only registered images, whose pose COLMAP found, are used.

    The near and far limits are computed from the points that the images observe, and the scene box from the points and
    the cameras.
    """

    config: ColmapConfig
    sniff = staticmethod(sniff)

    def parse(self, split: str) -> Scene:
        """Return one split, rotated, centered and scaled as the options say.

        Raises:
            DatasetError: the files have faults. The error lists all of them.
        """
        config, root = self.config, Path(self.config.root)
        if config.model is None:
            folder, notes = choose_model(root)
        else:
            folder, notes = safe_join(root, config.model), []
        model = read_model(folder)
        splits = holdout_splits(len(model.images), config.holdout, root)
        chosen = choose_split(splits, split, root)
        problems = Problems()
        capture = self._capture(model, root, problems).fitted(problems)
        problems.raise_as(DatasetError)
        to_scene = normalizing_similarity(
            capture.c2w, config.orientation, config.center, config.auto_scale, capture.points, capture.panoramic
        )
        measured = len(model.points) >= 10
        centers = capture.c2w[:, :, 3]
        box = content_box(model.points, centers) if measured else camera_box(capture.c2w, capture.panoramic)
        found = near_far_limits(visible_distances(model)) or (0.05 * box[1], 4.0 * box[1])
        near, far = (similarity_scale(to_scene) * limit for limit in found)
        scene = capture.scene(
            chosen, to_scene, near=near, far=far, box=scene_box(*box, to_scene, measured=measured),
            orientation=config.orientation, notes=[*notes, *model.notes, *split_notes(splits)],
        )  # fmt: skip
        return replace(scene, unit=config.unit)

    def _capture(self, model: SparseModel, root: Path, problems: Problems) -> Capture:
        names = [image.name for image in model.images]
        cameras = [model.cameras[image.camera_id] for image in model.images]
        lens, distortion = common_lens([(camera.lens, camera.distortion) for camera in cameras], root)
        images, folder = [], safe_join(root, self.config.images)
        for name in names:
            try:
                images.append(safe_join(folder, name))
            except DatasetError as error:
                problems.found.extend(error.problems)
        problems.raise_as(DatasetError)
        masks, notes = self._masks(names, images, root, problems)
        config = self.config
        depths, normals = (find_maps(root, folder, names) for folder in (config.depths, config.normals))
        return Capture(
            root=root.resolve(), names=names, images=images,
            c2w=np.stack([camera_to_world(image) for image in model.images]),
            intrinsics=np.array([camera.intrinsics for camera in cameras]),
            sizes=np.array([(camera.width, camera.height) for camera in cameras]),
            model=lens, distortion=distortion, masks=masks,
            points=model.points if len(model.points) else None,
            point_colors=model.colors if len(model.points) else None, observations=observations(model),
            surface=SurfaceFiles(config, depths, normals) if depths or normals else None, notes=notes,
        )  # fmt: skip

    def _masks(
        self, names: list[str], images: list[Path], root: Path, problems: Problems
    ) -> tuple[list[Path] | None, tuple[str, ...]]:
        """Return two values: the mask of every image (or None if there are no masks), and notes for the user.

        The mask of images/a.jpg is masks/a.jpg.png (COLMAP's name) or masks/a.png.
        """
        folder = safe_join(root, self.config.masks)
        if not folder.is_dir():
            return None, ()
        paths = []
        for name in names:
            whole = safe_join(folder, f"{name}.png")
            paths.append(whole if whole.is_file() else safe_join(folder, str(Path(name).with_suffix(".png"))))
        if not any(path.is_file() for path in paths):
            return None, _unmatched(folder, names[0])
        needed = [path for path, image in zip(paths, images, strict=True) if image.is_file()]
        missing = missing_files(needed, root.resolve())
        for problem in missing:
            problems.add(problem.path, "this image has no mask, but others have one", problem.hint)
        return None if missing else paths, ()


def _unmatched(folder: Path, name: str) -> tuple[str, ...]:
    """Return a note for the user if the mask folder has images. Call this only if none of them is the mask of an
    image."""
    if not any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.rglob("*")):
        return ()
    return (f"no file in {folder.name}/ has the name of a mask, such as {name}.png: no masks are used",)


def visible_distances(model: SparseModel) -> np.ndarray:
    """Return the distance [M] from camera to point for every observation, in the units of the reconstruction.

    Near and far are distances along rays. At the border of a wide image, such a distance is larger than the depth along
    the optical axis, so a far limit computed from depths would be too small.
    """
    order = np.argsort(model.point_ids)
    ids, points = model.point_ids[order], model.points[order]
    distances = [np.zeros(0)]
    for image in model.images:
        if len(ids) == 0:
            break
        rows = np.searchsorted(ids, image.point_ids).clip(max=len(ids) - 1)
        seen = rows[ids[rows] == image.point_ids]
        distances.append(np.linalg.norm(points[seen] - camera_to_world(image)[:, 3], axis=-1))
    return np.concatenate(distances)
