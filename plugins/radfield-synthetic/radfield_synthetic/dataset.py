"""dataparser:synthetic — the analytic scenes as data sets of cameras, images, depth, normals and mesh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor

from radfield_core import Cameras, DataParser, DatasetError, Mesh, ProgressCallback, Scene, SceneBox
from radfield_core.data import MemoryImages
from radfield_synthetic import orbit, views
from radfield_synthetic.cache import Kept
from radfield_synthetic.config import SyntheticConfig
from radfield_synthetic.mesh import surface_mesh
from radfield_synthetic.points import matte_colors, sparse_points
from radfield_synthetic.suite import world_of
from radfield_synthetic.worlds import STILL_LIFE, World

NEAREST = 0.02
"""Distance where rays start if cameras are inside the scene."""

_TOGETHER = 1 << 17
"""Number of pixels rendered together. It is so large that the fixed cost of a rendering step is negligible."""


class SyntheticParser(DataParser):
    """Parser that makes a data set of the analytic scene, with the splits train, val and test."""

    config: SyntheticConfig

    def parse(self, split: str) -> Scene:
        """Return the split "train", "val" or "test". Its images are rendered on first use and cached on disk."""
        config = self.config
        if split not in self.splits:
            raise DatasetError(f"no split {split!r}; there are {', '.join(self.splits)}", path="data.type=synthetic")
        world = world_of(config.scene, config.scene_seed)
        inside = self._layout(world) == "inside"
        cameras = orbit.cameras(self._poses(split, world), config.resolution, config.lens, inside)
        distance = orbit.distance(config.lens)
        which = {"scene": config.scene, "seed": config.scene_seed}
        mesh = Kept("mesh", which).get(lambda: dict(zip(("vertices", "faces"), surface_mesh(world=world), strict=True)))
        points, colors, seen = None, None, None
        if config.n_points:
            train = orbit.cameras(self._poses("train", world), config.resolution, config.lens, inside)
            given = (config.n_points, config.point_noise, config.seed, world)
            points, seen = sparse_points(train, mesh["vertices"], *given)
            colors = matte_colors(points, world)
        return Scene(
            cameras=cameras, images=RenderedImages(cameras, config, split, world),
            near=NEAREST if inside else distance - world.bound,
            far=2 * world.bound if inside else distance + world.bound,
            points=points, point_colors=colors, observations=seen if split == "train" else None,
            box=SceneBox(torch.zeros(3), world.bound), up="z", ground_truth=Mesh(mesh["vertices"], mesh["faces"]),
            depths=_PerView(cameras, partial(views.depth, world=world)),
            normals=_PerView(cameras, partial(views.normals, world=world)),
            names=[f"{split}/r_{i}" for i in range(len(cameras))],
        )  # fmt: skip

    def _layout(self, world: World) -> str:
        return world.layout if self.config.layout == "scene" else self.config.layout

    def _poses(self, split: str, world: World) -> Tensor:
        config, layout = self.config, self._layout(world)
        if layout == "forward" or (layout == "inside" and split != "test"):
            counts = {"train": config.n_train, "val": config.n_val, "test": config.n_test}
            place = orbit.side_by_side if layout == "forward" else orbit.within
            return place(counts[split], config.seed + 1_000_003 * self.splits.index(split))
        if split == "test":
            return orbit.round_trip(config.n_test) if layout == "round" else orbit.round_trip_within(config.n_test)
        if split == "train":
            return orbit.spread(config.n_train, config.seed, config.min_elevation)
        return orbit.spread(config.n_val, config.seed + 1_000_003, config.min_elevation)


class RenderedImages:
    """Uint8 images [H, W, 4] that are rendered on first use. Once all are rendered, they are cached on disk."""

    def __init__(
        self,
        cameras: Cameras,
        config: SyntheticConfig,
        split: str,
        world: World = STILL_LIFE,
        chosen: Sequence[int] | None = None,
    ):
        self.sizes, self.channels = cameras.sizes, 4
        self._cameras, self._config, self._split, self._chosen = cameras, config, split, chosen
        self._world = world
        self._supersample = config.supersample
        part = {} if chosen is None else {"views": list(chosen)}
        options = {name: value for name, value in attrs.asdict(config).items() if "point" not in name}
        self._kept = Kept("images", {"split": split, **options, **part})
        self._together = max(1, _TOGETHER // int(self.sizes[0].prod()))
        self._made: dict[int, Tensor] = {}
        self._whole: MemoryImages | None = None

    def __len__(self) -> int:
        return len(self._cameras)

    def __getitem__(self, index: int) -> Tensor:
        index %= len(self)
        whole = self._whole or self._read()
        if whole is not None:
            return whole[index]
        if index not in self._made:
            start = index - index % self._together
            self._render([range(start, min(start + self._together, len(self)))], None)
        return self._made[index] if self._whole is None else self._whole[index]

    def gather(self, images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the uint8 pixels [n, 4] at the given images, rows and columns, each [n]."""
        return self._all().gather(images, rows, columns)

    def path(self, index: int) -> Path | None:
        """Return None, because a rendered image has no file."""
        return None

    def check(self, progress: ProgressCallback | None = None) -> list[tuple[int, str]]:
        """Return an empty list of faults, because rendered images are never damaged."""
        return []

    def only(self, kept: Sequence[int]) -> MemoryImages | RenderedImages:
        """Return the images whose indices are in `kept`. If no images have been rendered, none are rendered now."""
        whole = self._whole or self._read()
        if whole is not None:
            return whole.only(kept)
        chosen = [index if self._chosen is None else self._chosen[index] for index in kept]
        return RenderedImages(self._cameras.only(kept), self._config, self._split, self._world, chosen)

    def prepare(self, cache_mb: int, progress: ProgressCallback | None = None) -> None:
        """Render all missing views. The arguments of `progress` are the number of finished views and of all views."""
        if self._whole is not None or self._read() is not None:
            return
        starts = [start for start in range(0, len(self), self._together) if start not in self._made]
        self._render([range(start, min(start + self._together, len(self))) for start in starts], progress)

    def _render(self, blocks: list[range], progress: ProgressCallback | None) -> None:
        """Render blocks of views in parallel, each block on one core, because a block is too small to be split between
        cores."""
        threads = torch.get_num_threads()
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                done = pool.map(
                    lambda block: views.render(self._cameras, block, self._supersample, self._world), blocks
                )
                for block, images in zip(blocks, done, strict=True):
                    self._made.update(zip(block, images, strict=True))
                    if progress is not None:
                        progress(len(self._made), len(self))
        finally:
            torch.set_num_threads(threads)
        if len(self._made) == len(self):
            images = torch.stack([self._made[index] for index in range(len(self))])
            self._kept.write({"images": images})
            self._whole = MemoryImages(images)
            self._made.clear()

    def _all(self) -> MemoryImages:
        if self._whole is None:
            self.prepare(0)
        assert self._whole is not None
        return self._whole

    def _read(self) -> MemoryImages | None:
        found = None if self._made else self._kept.read()
        if found is not None:
            self._whole = MemoryImages(found["images"])
        return self._whole


class _PerView(Sequence[Tensor]):
    """Sequence of the ground truth of all views (depth or normals). An entry is computed when it is accessed."""

    def __init__(self, cameras: Cameras, make: Callable[[Cameras, int], Tensor]):
        self._cameras, self._make = cameras, make

    def __len__(self) -> int:
        return len(self._cameras)

    def __getitem__(self, index: Any) -> Any:
        views = range(len(self))[index]
        return [self[i] for i in views] if isinstance(views, range) else self._make(self._cameras, views)
