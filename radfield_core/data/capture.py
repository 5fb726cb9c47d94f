"""A capture is a set of photographs with known cameras. A dataparser reads a capture and makes one scene per split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.folds import fold_warnings
from radfield_core.data.image_files import ImageHeader, orientation_notes, read_headers
from radfield_core.data.images import FileImages
from radfield_core.data.map_files import SurfaceFiles
from radfield_core.data.mask_files import FileMasks
from radfield_core.data.observations import Observations
from radfield_core.data.placement import Orientation, upward
from radfield_core.data.scene import EstimatedUp, Scene
from radfield_core.data.similarity import Array, similarity_scale, transform_cameras, transform_points
from radfield_core.errors import DatasetError, Problems
from radfield_core.files.untrusted import NO_SUCH_FILE, absences, display_path
from radfield_core.ops.distortion import MODELS, PANORAMIC, widen
from radfield_core.types import SceneBox


@dataclass(frozen=True, eq=False)
class Capture:
    """A set of V views in the data's own coordinates, sorted by name.

    Attributes:
        root: folder of the data set, for messages.
        names: V names.
        images: V image files.
        c2w: [V, 3, 4] camera-to-world matrices; x right, y up, z backward (OpenGL).
        intrinsics: [V, 4], fx, fy, cx, cy in pixels. The center of the first pixel is at 0.5.
        sizes: [V, 2], width and height in pixels of the images for which the intrinsics hold.
        model: name of the lens model, one of those in `ops.distortion`.
        distortion: [V, K] parameters of the lens model, or None if the model has no parameters.
        masks: V mask files, or None. Pixels that are black in the mask are ignored in training.
        points: [P, 3], known points of the surface, or None.
        point_colors: [P, 3] uint8, sRGB colors of `points`, or None.
        observations: which view sees which of `points` at which pixel, or None. The sizes are those in `sizes`.
        surface: depth and normal images, or None.
        headers: V headers of the image files. The tuple is empty until `fitted` reads the headers.
        notes: messages for the user.
    """

    root: Path
    names: list[str]
    images: list[Path]
    c2w: Array
    intrinsics: Array
    sizes: np.ndarray
    model: str = "pinhole"
    distortion: Array | None = None
    masks: list[Path] | None = None
    points: Array | None = None
    point_colors: np.ndarray | None = None
    observations: Observations | None = None
    surface: SurfaceFiles | None = None
    headers: tuple[ImageHeader, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def panoramic(self) -> bool:
        """True if the images are panoramas, so that the cameras look in all directions."""
        return self.model in PANORAMIC

    def fitted(self, problems: Problems) -> Capture:
        """Return a copy with the headers of the images, and with intrinsics scaled to the sizes of the images.

        If an image is smaller than the size in `sizes` by the same integer factor in both directions, it counts as a
        reduced copy. Its intrinsics are then divided by the factor. Any other difference in size is a problem.

        Args:
            problems: collects the problems of the files. Missing images are not added. Unreadable images are added
                only in the cases that `add_unreadable` states. All others are reported before training.
        """
        headers = read_available_headers([*self.images, *(self.masks or ())], self.root)
        used = tuple(headers[path] for path in self.images)
        intrinsics, sizes, factors = self._scaled_cameras(used, problems)
        self._check_masks(used, headers, problems)
        add_unreadable(headers, self.root, problems)
        notes = list(orientation_notes(used))
        if factors - {1}:
            listed = ", ".join(f"1/{factor}" for factor in sorted(factors - {1}))
            notes.append(f"images have {listed} of the size for which the intrinsics hold; the intrinsics are scaled")
        if not problems:
            notes += fold_warnings(self.names, self.c2w, self.panoramic)
        old, new = (torch.from_numpy(each.astype(np.int64)) for each in (self.sizes, sizes))
        seen = self.observations and self.observations.resized(old, new)
        capture = replace(self, intrinsics=intrinsics, sizes=sizes, headers=used, observations=seen)
        if self.surface is not None and not problems:
            everything = range(len(self.names))
            notes += self.surface.notes(capture.cameras(np.eye(4), everything), np.eye(4))
        return replace(capture, notes=(*self.notes, *notes))

    def _scaled_cameras(self, headers: Sequence[ImageHeader], problems: Problems) -> tuple[Array, np.ndarray, set[int]]:
        """Scale the intrinsics and sizes of all views to their images.

        Return the scaled intrinsics, the scaled sizes, and the set of all factors by which images are reduced. A factor
        that is in the folder's name, such as 8 in images_8, is left out of the set: the user knows it already.
        """
        intrinsics, sizes = self.intrinsics.copy(), self.sizes.copy()
        factors = set()
        for i, header in enumerate(headers):
            if not header.width:
                continue
            actual = (header.width, header.height)
            factor = shrink_factor(tuple(self.sizes[i]), actual)
            if factor is None:
                self._add_size_problem(i, actual, problems)
                continue
            if self.images[i].parent.name != f"images_{factor}":
                factors.add(factor)
            intrinsics[i] *= np.tile(np.array(actual) / self.sizes[i], 2)
            sizes[i] = actual
        return intrinsics, sizes, factors

    def _add_size_problem(self, i: int, actual: tuple[int, int], problems: Problems) -> None:
        width, height = self.sizes[i]
        rotated = actual == (height, width)
        problems.add(
            display_path(self.images[i], self.root),
            f"the image is {actual[0]}×{actual[1]}, but its camera is for {width}×{height}",
            "Rotate the image back by 90°" if rotated else "Use the images that the cameras were estimated from",
        )

    def _check_masks(
        self, used: Sequence[ImageHeader], headers: Mapping[Path, ImageHeader], problems: Problems
    ) -> None:
        """Add a problem for each mask that is missing, or whose size differs from the size of its image."""
        for path, image in zip(self.masks or (), used, strict=False):
            mask = headers[path]
            if is_missing(mask) and not is_missing(image):
                problems.add(display_path(path, self.root), f"the mask is missing: {mask.fault}")
            elif mask.width and image.width and mask[:2] != image[:2]:
                problems.add(
                    display_path(path, self.root),
                    f"the mask is {mask.width}×{mask.height}, but its image is {image.width}×{image.height}",
                )

    def cameras(self, to_scene: Array, chosen: Sequence[int]) -> Cameras:
        """Return the cameras of the views with the numbers `chosen`, in scene coordinates.

        The similarity `to_scene` [4, 4] maps the capture's coordinates to scene coordinates.
        """
        rows = list(chosen)
        return Cameras(
            torch.from_numpy(transform_cameras(to_scene, self.c2w[rows])),
            torch.from_numpy(self.intrinsics[rows]),
            torch.from_numpy(self.sizes[rows].astype(np.int64)),
            model=self.model,
            distortion=None if self.distortion is None else torch.from_numpy(self.distortion[rows]),
        )

    def scene(
        self,
        chosen: Sequence[int],
        to_scene: Array,
        *,
        near: float,
        far: float,
        box: SceneBox,
        to_original: Array | None = None,
        orientation: Orientation = "none",
        notes: Sequence[str] = (),
    ) -> Scene:
        """Make a scene from the views with the numbers `chosen`.

        Args:
            chosen: numbers of the views.
            to_scene: [4, 4], the similarity that maps the capture's coordinates to scene coordinates.
            near: distance along a ray at which the content begins, in scene units.
            far: distance along a ray at which the content ends, in scene units.
            box: the region to model, in scene coordinates.
            to_original: [4, 4], the similarity that maps the capture's coordinates to the coordinates in which
                results are exported. By default, these are the capture's coordinates.
            orientation: how the upward direction was estimated, as in `normalizing_similarity`.
            notes: messages for the user, in addition to those of the capture.
        """
        headers = [self.headers[i] for i in chosen]
        channels = 4 if any(header.channels == 4 for header in headers) else 3
        back = np.linalg.inv(to_scene) if to_original is None else to_original @ np.linalg.inv(to_scene)
        cameras, seen = self.cameras(to_scene, chosen), self.observations
        depths, normals = (None, None) if self.surface is None else self.surface.maps(chosen, cameras, to_scene)
        return Scene(
            cameras=cameras,
            depths=depths,
            normals=normals,
            observations=seen and seen.only(chosen).scaled(similarity_scale(to_scene)),
            images=FileImages([self.images[i] for i in chosen], channels, headers=headers),
            masks=None if self.masks is None else FileMasks([self.masks[i] for i in chosen]),
            masks_mean="counted",
            near=near,
            far=far,
            box=box,
            to_data=torch.from_numpy(back),
            estimated_up=self._estimated_up(orientation, back @ to_scene),
            points=None if self.points is None else torch.from_numpy(transform_points(to_scene, self.points)),
            point_colors=None if self.point_colors is None else torch.from_numpy(self.point_colors),
            names=[self.names[i] for i in chosen],
            notes=(*self.notes, *notes),
        )

    def _estimated_up(self, orientation: Orientation, to_original: Array) -> EstimatedUp | None:
        """Return the estimate in the coordinates in which results are exported, or None if the data is not rotated."""
        if orientation == "none":
            return None
        direction, how = upward(self.c2w, orientation, self.points)
        x, y, z = to_original[:3, :3] @ direction / np.linalg.norm(to_original[:3, :3] @ direction)
        return EstimatedUp((float(x), float(y), float(z)), how)


def read_available_headers(paths: Sequence[Path], root: Path) -> dict[Path, ImageHeader]:
    """Read the headers of image files.

    A header that cannot be read is replaced by one of size 0×0, whose `fault` gives the reason. A missing file has the
    fault `NO_SUCH_FILE`, so that training can do without it. If a file has almost the same name, the fault names it.

    Args:
        paths: image files. A file that is listed twice is opened only once.
        root: folder of the data set. The faults show paths relative to this folder.

    Returns:
        A dictionary: file -> header.

    Example:
        >>> read_available_headers([Path("/nowhere/a.png")], Path("/nowhere"))[Path("/nowhere/a.png")].fault
        'there is no such file'
    """
    absent = absences(paths, root)
    there = [path for path in dict.fromkeys(paths) if path not in absent]
    found = dict(zip(there, read_headers(there)[0], strict=True))
    for path, absence in absent.items():
        fault = NO_SUCH_FILE
        if absence.renamed:
            exists = f"{NO_SUCH_FILE}, but {absence.renamed} exists"
            fault = exists if absence.problem.message.startswith(NO_SUCH_FILE) else absence.problem.message
        found[path] = ImageHeader(0, 0, 3, fault=fault)
    return found


def is_missing(header: ImageHeader) -> bool:
    """Return True if a header stands for a file that does not exist.

    Example:
        >>> is_missing(ImageHeader(0, 0, 3, fault="is empty")), is_missing(ImageHeader(4, 3, 3))
        (False, False)
    """
    return header.fault == NO_SUCH_FILE


def add_unreadable(headers: Mapping[Path, ImageHeader], root: Path, problems: Problems) -> None:
    """Add a problem for each file that exists but cannot be read.

    Do this only if there are other problems already, or if none of the existing files can be read. Otherwise, add
    nothing: `ImageSource.check` reports these files before training.

    Args:
        headers: file -> header, as returned by `read_available_headers`.
        root: folder of the data set. The problems show paths relative to this folder.
        problems: gets the new problems.

    Example:
        >>> problems = Problems()
        >>> add_unreadable({Path("/data/a.png"): ImageHeader(0, 0, 3, fault="is empty")}, Path("/data"), problems)
        >>> [str(problem) for problem in problems.found]
        ['a.png: is empty']
    """
    existing = {path: header for path, header in headers.items() if not is_missing(header)}
    if problems or all(header.fault for header in existing.values()):
        for path, header in existing.items():
            if header.fault:
                problems.add(display_path(path, root), header.fault)


def shrink_factor(size: tuple[int, ...], actual: tuple[int, int]) -> int | None:
    """Return the integer factor by which an image was reduced, or None if no integer fits both width and height.

    Args:
        size: width and height of the original image.
        actual: width and height of the reduced image. Each of the two may have been rounded up or down.

    Example:
        >>> shrink_factor((101, 80), (51, 40)), shrink_factor((100, 80), (100, 40))
        (2, None)
    """
    factor = max(1, round(size[0] / actual[0])) if actual[0] else 1
    fits = all(have in (want // factor, -(-want // factor)) for want, have in zip(size, actual, strict=True))
    return factor if fits else None


def common_lens(lenses: Sequence[tuple[str, Sequence[float]]], root: Path) -> tuple[str, Array | None]:
    """Find one lens model that can express the lenses of all views. If several can, choose that with fewest parameters.

    Args:
        lenses: V pairs: a lens model and its parameters, as in `ops.distortion`.
        root: folder of the data set, for the message.

    Returns:
        The name of the model, and the parameters [V, K] of all views. The second value is None if the model has no
        parameters.

    Raises:
        DatasetError: no single model can express all lenses.

    Example:
        >>> common_lens([("pinhole", ()), ("simple_radial", (0.1,))], Path("scene"))[0]
        'simple_radial'
    """
    for model in sorted(MODELS, key=MODELS.__getitem__):
        widened = [widen(lens, torch.tensor(values, dtype=torch.float64), model) for lens, values in lenses]
        rows = [row for row in widened if row is not None]
        if len(rows) == len(widened):
            return model, torch.stack(rows).numpy() if MODELS[model] else None
    used = ", ".join(sorted({lens for lens, _ in lenses}))
    raise DatasetError(
        f"no single lens model can express the lenses of all cameras: {used}",
        path=str(root),
        hint="Split the capture by lens, or undistort the images with colmap image_undistorter",
    )


def scene_box(center: Array, radius: float, to_scene: Array, measured: bool) -> SceneBox:
    """Return the region to model, in scene coordinates: a cube whose sides are parallel to the scene's axes.

    Args:
        center: [3], center of the cube in the data's own coordinates.
        radius: half the side of the cube, in the data's own units.
        to_scene: [4, 4], the similarity that maps the data's own coordinates to scene coordinates.
        measured: True if the region was computed from known points, False if the region is a guess.

    Example:
        >>> scene_box(np.ones(3), 0.5, np.eye(4), True).center.tolist()
        [1.0, 1.0, 1.0]
    """
    middle = torch.from_numpy(transform_points(to_scene, center[None])[0]).float()
    return SceneBox(middle, radius * similarity_scale(to_scene), measured=measured)
