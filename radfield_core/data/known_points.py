"""Points that were triangulated for a data set that has none. They are kept in the cache folder.

The file says which views the points were made from, with their cameras. The points are used only if all of these views
are training views with the same cameras, so that held-out views have no part in them.

Symbols in shapes: M observations, P points, V views.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import attrs
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from radfield_core.data.observations import Observations
from radfield_core.data.placement import MAX_DISTANCE
from radfield_core.data.scene import Scene
from radfield_core.data.similarity import similarity_scale, transform_cameras, transform_points
from radfield_core.errors import DatasetError
from radfield_core.files.cache import cache_dir
from radfield_core.files.durable import write_durably
from radfield_core.files.untrusted import read_limited
from radfield_core.names import plural

FOLDER = "points"
MAX_BYTES = 2**31
_TENSORS = ("c2w", "shares", "points", "colors", "views", "numbers", "pixels", "sigmas")


@dataclass(frozen=True, eq=False)
class KnownPoints:
    """Points in the data's own coordinates, and the views that they were made from.

    Attributes:
        names: V names of the views.
        c2w: [V, 3, 4], camera-to-world matrices in the data's own coordinates.
        shares: [V, 4], fx, fy, cx and cy as shares of the image's width and height.
        points: [P, 3].
        colors: [P, 3] uint8, sRGB.
        views: number of the view of each observation [M].
        numbers: number of the point of each observation [M].
        pixels: column and row of each observation as shares of the image's width and height [M, 2].
        sigmas: standard deviation of the distance of each observation [M], in the data's own unit.
        made_with: the program that made the points, with its version.
    """

    names: list[str]
    c2w: Tensor
    shares: Tensor
    points: Tensor
    colors: Tensor
    views: Tensor
    numbers: Tensor
    pixels: Tensor
    sigmas: Tensor
    made_with: str

    @staticmethod
    def of(scene: Scene, made_with: str) -> KnownPoints:
        """Return the points of a scene that has points with colors and observations."""
        seen = scene.observations
        assert scene.points is not None and scene.point_colors is not None and seen is not None
        c2w, shares, scale = *_cameras(scene), similarity_scale(scene.to_data.double().numpy())
        pixels = (seen.pixels + scene.cameras.pixel_center) / scene.cameras.sizes[seen.views]
        return KnownPoints(
            [scene.name(view) for view in range(len(scene.cameras))], c2w, shares,
            transform_points(scene.to_data, scene.points.double()), scene.point_colors, seen.views, seen.points,
            pixels, seen.sigmas * scale, made_with,
        )  # fmt: skip

    def write(self, path: Path) -> None:
        """Write the points to a file. Raises StorageError if the file cannot be written."""
        tensors = {name: getattr(self, name).contiguous() for name in _TENSORS}
        facts = {"names": json.dumps(self.names), "made_with": self.made_with}
        tensors["facts"] = torch.frombuffer(bytearray(json.dumps(facts).encode()), dtype=torch.uint8)
        write_durably(path, save(tensors))

    @staticmethod
    def read(path: Path) -> KnownPoints:
        """Read a file that `write` has written. Raises DatasetError if it is damaged."""
        try:
            tensors = load(read_limited(path, MAX_BYTES))
            facts = json.loads(bytes(tensors.pop("facts").numpy()))
            found = KnownPoints(json.loads(facts["names"]), **tensors, made_with=str(facts["made_with"]))
            found._check()
            return found
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise DatasetError(f"is damaged: {error!s:.200}", path=str(path)) from None

    def _check(self) -> None:
        """Raise ValueError unless all shapes fit, and all values are possible."""
        v, p, m = len(self.names), len(self.points), len(self.views)
        shapes = {
            "c2w": (v, 3, 4), "shares": (v, 4), "points": (p, 3), "colors": (p, 3), "views": (m,), "numbers": (m,),
            "pixels": (m, 2), "sigmas": (m,),
        }  # fmt: skip
        if any(tuple(getattr(self, name).shape) != shape for name, shape in shapes.items()):
            raise ValueError("the tensors have other shapes than they should")
        if self.colors.dtype != torch.uint8 or {self.views.dtype, self.numbers.dtype} != {torch.int64}:
            raise ValueError("the tensors have other types than they should")
        if not bool((self.points.abs() <= MAX_DISTANCE).all()) or bool(self.sigmas.isnan().any()):
            raise ValueError("a point is not finite")
        for indices, size in ((self.views, v), (self.numbers, p)):
            if m and not 0 <= int(indices.min()) <= int(indices.max()) < size:
                raise ValueError("an observation has no view or no point")

    def applied(self, scene: Scene) -> Scene:
        """Return a training split with the points.

        Raises:
            DatasetError: the points were made from views that are not in the split, or from other cameras.
        """
        rows = {scene.name(view): view for view in range(len(scene.cameras))}
        others = [name for name in self.names if name not in rows]
        if others:
            raise DatasetError(f"they were made from {plural(len(others), 'view')} not used for training, {others[0]}")
        used = torch.tensor([rows[name] for name in self.names])
        c2w, shares = (tensor[used] for tensor in _cameras(scene))
        reach = max(1.0, float(c2w[:, :, 3].abs().max()))
        same = torch.allclose(c2w, self.c2w, rtol=0, atol=1e-5 * reach)
        # Images may have been reduced to sizes that were rounded.
        if not same or not torch.allclose(shares, self.shares, rtol=0, atol=2.0 / float(scene.cameras.sizes.min())):
            raise DatasetError("they were made with other cameras")
        to_scene, views = scene.to_data.double().inverse(), used[self.views]
        pixels = self.pixels * scene.cameras.sizes[views] - scene.cameras.pixel_center
        sigmas = self.sigmas * similarity_scale(to_scene.numpy())
        note = (
            f"{plural(len(self.points), 'point')}, triangulated from {plural(len(self.names), 'training view')} with "
            f"{self.made_with}, are used"
        )
        return replace(
            scene, points=transform_points(to_scene, self.points), point_colors=self.colors,
            observations=Observations(views, self.numbers, pixels, sigmas), chosen=(*scene.chosen, note),
        )  # fmt: skip


def _cameras(scene: Scene) -> tuple[Tensor, Tensor]:
    """Return the poses [V, 3, 4] in data coordinates, and the intrinsics [V, 4] as shares of the image size."""
    c2w = transform_cameras(scene.to_data.double().numpy(), scene.cameras.c2w.detach().double().numpy())
    intrinsics = scene.cameras.intrinsics.double().clone()
    intrinsics[:, 2:] += 0.5 - scene.cameras.pixel_center
    return torch.from_numpy(c2w), intrinsics / scene.cameras.sizes.repeat(1, 2)


def points_file(format_name: str, config: Any) -> Path:
    """Return the file in the cache folder that holds the points of a data set. The file need not exist.

    Data sets are told apart by their format and their path or, if they have no path, by their options.

    Args:
        format_name: name of the dataparser.
        config: the dataparser's options.

    Raises:
        OSError: the cache folder cannot be used.
    """
    root = getattr(config, "root", None)
    what: Any = str(Path(root).resolve()) if root is not None else attrs.asdict(config)
    digest = hashlib.sha256(json.dumps([format_name, what], sort_keys=True, default=str).encode()).hexdigest()
    return cache_dir(FOLDER) / f"{digest[:24]}.safetensors"


def with_known_points(scene: Scene, format_name: str, config: Any) -> Scene:
    """Return a training split with the points that were triangulated for it, if it has no points of its own.

    If there are such points, but they cannot be used, the scene gets a note that says why.
    """
    if scene.points is not None:
        return scene
    try:
        path = points_file(format_name, config)
        if not path.is_file():
            return scene
        return KnownPoints.read(path).applied(scene)
    except OSError:
        return scene
    except DatasetError as error:
        reason = error.problems[0].message
        return replace(
            scene,
            notes=(*scene.notes, f"the triangulated points are not used: {reason}; run radfield data points again"),
        )
