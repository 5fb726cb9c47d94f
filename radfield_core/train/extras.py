"""Extras: data of pixels other than colors, such as depths, that parts of a run compare the model with.

A part requires them by a word in its declaration, for example `requires={"data": {"depths"}}`. If no part of a run
requires them, nothing is read and the batches hold no extras.

| word | entries of `Batch.extras` |
|---|---|
| depths | "depth" [R]: t of the surface on the ray; NaN if unknown, infinite if the ray hits nothing |
| depths | "depth_cosines" [R]: cosine of the angle between the ray and the optical axis |
| normals | "normals" [R, 3]: unit normal of the surface; NaN if unknown |
| positions | "pixels" [R, 2]: position in the image, in shares of the width and the height |
| observations | "point_depth" and "point_sigma" [R]: t of an observed point on the ray, and its standard deviation |
| sparse_points | the same, for points of which it is estimated which views see them |

Positions are there whenever a run has a color map. t is measured in the coordinates of the rays, as in
`RaySamples.t_eval`. The other words also bring "depth_weights", "normals_weights" or "point_weights" [R]. These are 0
where the data are unknown, and have a mean of 1 over the whole step. The plain mean of weighted losses is then the mean
over the known data, even in micro-batches.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from radfield_core.config.fit import capabilities_of
from radfield_core.config.run import RunConfig
from radfield_core.data.observations import estimated
from radfield_core.data.pixel_maps import PixelMaps
from radfield_core.data.resized import resized
from radfield_core.data.scene import Scene, known_maps
from radfield_core.errors import Problems, UsageError
from radfield_core.interfaces import Loss
from radfield_core.model.colors import PIXELS, pixel_positions
from radfield_core.names import plural
from radfield_core.rays import RaySpace
from radfield_core.runs.record import parts_of
from radfield_core.types import RayBundle, Step

logger = logging.getLogger(__name__)

LARGEST_SHARE = 0.9
"""Largest share of a step's rays that losses may ask for. The others are drawn from all pixels."""


ViewRays = Callable[[], RayBundle]
"""Returns the rays of all pixels of a view. With a distorted lens they take longer than a training step, and not every
source needs them."""


class Drawn(NamedTuple):
    """Pixels to look up: the number of the view, the row and the column of each, and their rays.

    Attributes:
        images, rows, columns: [R] int64 on the CPU.
        rays: the R rays.
        own: name of a source -> slice of the pixels that the source has drawn, and the numbers of their data.
    """

    images: Tensor
    rows: Tensor
    columns: Tensor
    rays: RayBundle
    own: Mapping[str, tuple[slice, Tensor]]


class Source(ABC):
    """One kind of extras of a scene."""

    def __init__(self, scene: Scene, cache_mb: int):
        self.scene, self.space, self.cache_mb = scene, RaySpace.of(scene), cache_mb

    def reduced(self, sizes: Tensor) -> Source:
        """Return the same source for images that are reduced to the given sizes [V, 2]."""
        return type(self)(resized(self.scene, sizes), self.cache_mb)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw the numbers [n] of data at whose pixels rays are wanted. Only sources with a share of the rays draw."""
        raise NotImplementedError

    def pixels(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the view, the row and the column of data with the given numbers."""
        raise NotImplementedError

    @abstractmethod
    def of(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return the extras of pixels by name, on the CPU."""

    @abstractmethod
    def of_view(self, index: int, rays: ViewRays) -> dict[str, Tensor]:
        """Return the extras of all pixels of a view by name, in the shape [H·W, ...]."""

    def t(self, images: Tensor, rays: RayBundle, distances: Tensor) -> Tensor:
        """Convert distances [R] in the scene to t [R] on the rays."""
        centers = self.scene.cameras.c2w[images, :, 3]
        return self.space.parameters(centers, rays, distances.to(rays.origins.device))


class Depths(Source):
    """The depth images of a scene."""

    def __init__(self, scene: Scene, cache_mb: int):
        super().__init__(scene, cache_mb)
        assert scene.depths is not None
        names = [f"the depth image of {scene.name(view)}" for view in range(len(scene.cameras))]
        self.maps = PixelMaps(scene.depths, scene.cameras.sizes, None, names, cache_mb)

    def of(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return "depth", "depth_weights" and "depth_cosines" [R]."""
        distances = self.maps.values(drawn.images, drawn.rows, drawn.columns)
        return self._named(drawn.images, drawn.rays, distances)

    def of_view(self, index: int, rays: ViewRays) -> dict[str, Tensor]:
        """Return "depth", "depth_weights" and "depth_cosines" [H·W]."""
        distances = self.maps.values_of(index).flatten()
        return self._named(torch.full((len(distances),), index), rays(), distances)

    def _named(self, images: Tensor, rays: RayBundle, distances: Tensor) -> dict[str, Tensor]:
        weights = of_mean_one(distances.isfinite().double()).float()
        axes = self.scene.cameras.c2w[images, :, 2].to(rays.viewdirs)
        cosines = -(rays.viewdirs * axes).sum(-1)
        return {"depth": self.t(images, rays, distances), "depth_weights": weights, "depth_cosines": cosines}


class Normals(Source):
    """The normal images of a scene."""

    def __init__(self, scene: Scene, cache_mb: int):
        super().__init__(scene, cache_mb)
        assert scene.normals is not None
        names = [f"the normal image of {scene.name(view)}" for view in range(len(scene.cameras))]
        self.maps = PixelMaps(scene.normals, scene.cameras.sizes, 3, names, cache_mb)

    def of(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return "normals" [R, 3] and "normals_weights" [R]."""
        return self._named(self.maps.values(drawn.images, drawn.rows, drawn.columns))

    def of_view(self, index: int, rays: ViewRays) -> dict[str, Tensor]:
        """Return "normals" [H·W, 3] and "normals_weights" [H·W]."""
        return self._named(self.maps.values_of(index).flatten(0, 1))

    def _named(self, normals: Tensor) -> dict[str, Tensor]:
        known = (normals != 0).any(-1)
        unknown = torch.full_like(normals, torch.nan)
        weights = of_mean_one(known.double()).float()
        return {"normals": torch.where(known[:, None], normals, unknown), "normals_weights": weights}


class PointDepths(Source):
    """The observations of the points of a scene. Only pixels that were drawn for them have a depth."""

    word = "observations"

    def __init__(self, scene: Scene, cache_mb: int):
        super().__init__(scene, cache_mb)
        assert scene.observations is not None and scene.points is not None
        seen, views = scene.observations, scene.observations.views
        rows_columns = seen.pixels.round().long().flip(-1)
        offsets = scene.points.double()[seen.points] - scene.cameras.c2w.double()[views, :, 3]
        inside = ((rows_columns >= 0) & (rows_columns < scene.cameras.sizes[views].flip(-1))).all(-1)
        usable = inside & seen.sigmas.isfinite() & (offsets.norm(dim=-1) > 0)
        self.views, self.rows_columns = views[usable], rows_columns[usable]
        self.distances, self.sigmas = offsets.norm(dim=-1)[usable], seen.sigmas[usable]

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n observations uniformly, with replacement. Return their numbers."""
        return torch.randint(len(self.views), (n,), generator=generator)

    def pixels(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the views, rows and columns [n] of the pixels that contain the observed points."""
        rows, columns = self.rows_columns[numbers].unbind(-1)
        return self.views[numbers], rows, columns

    def of(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return "point_depth", "point_sigma" and "point_weights" [R]."""
        part, numbers = drawn.own.get(self.word, (slice(0, 0), torch.zeros(0, dtype=torch.int64)))
        everywhere = torch.arange(len(drawn.images))[part]
        return self._named(drawn.images, drawn.rays, everywhere, numbers)

    def of_view(self, index: int, rays: ViewRays) -> dict[str, Tensor]:
        """Return "point_depth", "point_sigma" and "point_weights" [H·W]."""
        numbers = (self.views == index).nonzero()[:, 0]
        width, height = self.scene.cameras.sizes[index].tolist()
        rows, columns = self.rows_columns[numbers].unbind(-1)
        return self._named(torch.full((width * height,), index), rays(), rows * width + columns, numbers)

    def _named(self, images: Tensor, rays: RayBundle, places: Tensor, numbers: Tensor) -> dict[str, Tensor]:
        distances, sigmas = (torch.full((len(rays),), torch.nan, dtype=torch.float64) for _ in range(2))
        distances[places], sigmas[places] = self.distances[numbers], self.sigmas[numbers]
        weights = of_mean_one(distances.isfinite().double()).float()
        t, nearer, farther = (
            self.t(images, rays, (distances + shift * sigmas).clamp_min(0.0).float()) for shift in (0.0, -0.5, 0.5)
        )
        return {"point_depth": t, "point_sigma": farther - nearer, "point_weights": weights}


class Positions(Source):
    """The positions of pixels in their images."""

    def of(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return "pixels" [R, 2]."""
        centers = torch.stack([drawn.columns, drawn.rows], -1) + 0.5
        return {PIXELS: centers / self.scene.cameras.sizes[drawn.images]}

    def of_view(self, index: int, rays: ViewRays) -> dict[str, Tensor]:
        """Return "pixels" [H·W, 2]."""
        width, height = self.scene.cameras.sizes[index].tolist()
        return {PIXELS: pixel_positions(width, height)}


class EstimatedPointDepths(PointDepths):
    """The points of a scene that does not know which views see them. This is estimated, and the user is told."""

    word = "sparse_points"

    def __init__(self, scene: Scene, cache_mb: int):
        assert scene.points is not None
        seen = estimated(scene.cameras, scene.points)
        super().__init__(replace(scene, observations=seen), cache_mb)
        logger.warning(
            "the data do not say which views see which of the %s; a view is taken to see a point unless a nearer point "
            "projects close to it", plural(len(scene.points), "sparse point"),
        )  # fmt: skip

    def reduced(self, sizes: Tensor) -> Source:
        """Return a source for reduced images, without estimating again which views see which points."""
        return PointDepths(resized(self.scene, sizes), self.cache_mb)


SOURCES: Mapping[str, type[Source]] = {
    "positions": Positions,
    "depths": Depths,
    "normals": Normals,
    "observations": PointDepths,
    "sparse_points": EstimatedPointDepths,
}
"""Word -> source. A part requires a word of its data to get the entries of the source in its batches."""

_ABSENT = {
    "depths": "depth images",
    "normals": "normal images",
    "observations": "sparse points and the views that see them",
    "sparse_points": "sparse points",
}


class Extras:
    """The extras of a run's batches.

    Args:
        scene: the training split.
        shares: word -> share of the rays of a step to draw where such data are known.
        cache_mb: memory for each kind of image, in MiB.
    """

    def __init__(self, scene: Scene, shares: Mapping[str, float], cache_mb: int = 1024):
        self.sources: dict[str, Source] = {word: SOURCES[word](scene, cache_mb) for word in shares}
        self.shares = shares

    def reduced(self, sizes: Tensor) -> Extras:
        """Return the same extras of images that are reduced to the given sizes [V, 2]."""
        found = copy(self)
        found.sources = {word: source.reduced(sizes) for word, source in self.sources.items()}
        return found

    @staticmethod
    def of(run: RunConfig, scene: Scene) -> Extras | None:
        """Return the extras that the parts of a run require, or None if they require none.

        Raises:
            UsageError: the data do not have what a part requires, or the losses ask for too many of the rays.
        """
        shares: dict[str, float] = {} if run.color is None else {"positions": 0.0}
        problems = Problems()
        for part in parts_of(run):
            needs = capabilities_of(part)[1].get("data", frozenset())
            wanted = _wanted(needs, scene, f"{part.kind} {part.name!r}", problems)
            loss: type[Loss] | None = part.load() if part.kind == "loss" and wanted else None
            own = {} if loss is None else loss.ray_shares(part.config)
            shares |= {word: max(own.get(word, 0.0), shares.get(word, 0.0)) for word in wanted}
        problems.raise_as(UsageError)
        if sum(shares.values()) > LARGEST_SHARE:
            raise UsageError(
                f"the losses ask for {sum(shares.values()):.0%} of the rays; at most {LARGEST_SHARE:.0%} are possible",
                path="losses",
                hint="Lower the option share of the losses",
            )
        return Extras(scene, shares, run.scene.image_cache_mb) if shares else None

    def draw(self, step: Step, n: int) -> dict[str, Tensor]:
        """Return word -> numbers of data that are drawn for a step with n rays."""
        found = {}
        for word, share in self.shares.items():
            if share > 0:
                found[word] = self.sources[word].draw(round(share * n), step.generator(f"pixels of {word}"))
        return found

    def with_own(
        self, pixels: tuple[Tensor, Tensor, Tensor], own: Mapping[str, Tensor]
    ) -> tuple[tuple[Tensor, Tensor, Tensor], dict[str, tuple[slice, Tensor]]]:
        """Append the pixels of the drawn data to `pixels`. Also return the slice and the numbers of each word."""
        parts, slices, start = [pixels], {}, len(pixels[0])
        for word, numbers in own.items():
            parts.append(self.sources[word].pixels(numbers))
            slices[word] = (slice(start, start + len(numbers)), numbers)
            start += len(numbers)
        images, rows, columns = (torch.cat(columns) for columns in zip(*parts, strict=True))
        return (images, rows, columns), slices

    def of_pixels(self, drawn: Drawn) -> dict[str, Tensor]:
        """Return the extras of drawn pixels by name, on the device of their rays."""
        device = drawn.rays.origins.device
        found: dict[str, Tensor] = {}
        for source in self.sources.values():
            found |= source.of(drawn)
        return {name: values.to(device) for name, values in found.items()}

    def of_view(self, index: int, rays: ViewRays, device: torch.device) -> dict[str, Tensor]:
        """Return the extras of all pixels of a view by name. `rays` returns the rays of the pixels, on the device."""
        found: dict[str, Tensor] = {}
        rays = cache(rays)
        for source in self.sources.values():
            found |= source.of_view(index, rays)
        return {name: values.to(device) for name, values in found.items()}


def _wanted(needs: Collection[str], scene: Scene, user: str, problems: Problems) -> list[str]:
    """Return the words of extras that a part needs. Of alternatives, take the first that the scene has.

    If the scene has none of them, add a problem. If a need has alternatives that are no extras, the part also works
    without extras.
    """
    wanted = []
    for need in sorted(needs):
        alternatives = need.split("|")
        words = [word for word in alternatives if word in SOURCES]
        faults = {word: _fault(word, scene) for word in words}
        there = [word for word, fault in faults.items() if fault is None]
        wanted += there[:1]
        if words and not there and len(words) == len(alternatives):
            shown = [word for word in words if word != "observations" or "sparse_points" not in words]
            what = " or ".join(_ABSENT[word] for word in shown)
            message, hint = next(fault for fault in faults.values() if fault is not None)
            problems.add(user, f"needs {what}, but {message}", hint)
    return wanted


def _fault(word: str, scene: Scene) -> tuple[str, str] | None:
    """Return why a scene lacks the data of a word, and a hint, or None if it has them."""
    if word == "normals" and scene.ndc:
        return "its rays are in NDC, where normals have no meaning", "Set data.ndc=false"
    there = {
        "positions": True,
        "depths": known_maps(scene.depths) > 0,
        "normals": known_maps(scene.normals) > 0,
        "observations": scene.observations is not None and len(scene.observations) > 0,
        "sparse_points": scene.points is not None and len(scene.points) > 0,
    }
    return None if there[word] else ("this data set has none", "radfield data inspect, to see what it has")


def of_mean_one(weights: Tensor) -> Tensor:
    """Divide weights by their mean. The plain mean of the weighted losses is then the weighted mean of the losses.

    If all weights are 0, return them unchanged.
    """
    total = weights.sum()
    return weights * (weights.numel() / total) if total > 0 else weights
