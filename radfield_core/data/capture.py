"""A capture: photographs with solved cameras, as a parser has read them, on the way to one split of a scene."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from radfield_core.cameras import Cameras
from radfield_core.data.images import FileImages, Header, orientation_notes, read_headers
from radfield_core.data.placement import move_cameras, move_points, scale_of
from radfield_core.data.scene import Scene
from radfield_core.errors import DatasetError, NoSuchSplit, Problem, Problems
from radfield_core.files.untrusted import missing_files, shown
from radfield_core.ops.distortion import MODELS, widen
from radfield_core.types import SceneBox


@dataclass(frozen=True, eq=False)
class Capture:
    """V views in the data's own coordinates, sorted by name.

    c2w [V, 3, 4] OpenGL axes; intrinsics [V, 4] fx, fy, cx, cy with the middle of the first pixel at 0.5; sizes [V, 2]
    width, height that the intrinsics are for; model and distortion [V, K] as in `ops.distortion`. masks: V files whose
    black pixels are to be ignored, or None. points [P, 3]: of the surface.
    """

    root: Path
    names: list[str]
    images: list[Path]
    c2w: np.ndarray
    intrinsics: np.ndarray
    sizes: np.ndarray
    model: str = "pinhole"
    distortion: np.ndarray | None = None
    masks: list[Path] | None = None
    points: np.ndarray | None = None
    headers: tuple[Header, ...] = ()
    notes: tuple[str, ...] = ()

    def fitted(self, problems: Problems) -> Capture:
        """With the headers of all files read and the intrinsics scaled to them; what is amiss goes to `problems`.

        Files without a readable header are among it if something else is amiss or none can be read.

        A file that is an integer factor smaller than the cameras' size in both directions is a shrunken copy: its
        intrinsics shrink with it. Any other difference is a fault.
        """
        files = [*self.images, *(self.masks or ())]
        headers, faults = headers_of(files, self.root, problems)
        intrinsics, sizes = self.intrinsics.copy(), self.sizes.copy()
        factors = set()
        for i, path in enumerate(self.images):
            header = headers.get(path)
            if header is None or header.width == 0:
                continue
            name = shown(path, self.root)
            factor = shrink_factor(tuple(self.sizes[i]), (header.width, header.height))
            if factor is None:
                width, height = self.sizes[i]
                turned = (header.height, header.width) == (width, height)
                problems.add(
                    name, f"is {header.width}×{header.height}, its camera is for {width}×{height}",
                    "turning the image back" if turned else "the images that the cameras were solved for",
                )  # fmt: skip
                continue
            factors.add(factor)
            scale = np.array([header.width, header.height]) / self.sizes[i]
            intrinsics[i] *= np.concatenate([scale, scale])
            sizes[i] = header.width, header.height
            mask = headers.get(self.masks[i]) if self.masks is not None else None
            if self.masks is not None and mask is not None and mask.width and mask[:2] != header[:2]:
                problems.add(
                    shown(self.masks[i], self.root),
                    f"the mask is {mask.width}×{mask.height}, its image {header.width}×{header.height}",
                )
        if problems or len(faults) == len(headers):  # else what can be read is used, and the images name the others
            problems.found += faults
        used = tuple(headers.get(path, Header(0, 0, 3, 1)) for path in self.images)
        notes = list(orientation_notes(used))
        if factors - {1}:
            listed = ", ".join(f"1/{factor}" for factor in sorted(factors - {1}))
            notes.append(f"images are {listed} of the size in the file; intrinsics are scaled to match")
        return replace(self, intrinsics=intrinsics, sizes=sizes, headers=used, notes=(*self.notes, *notes))

    def cameras(self, to_scene: np.ndarray, chosen: Sequence[int]) -> Cameras:
        """The chosen cameras in scene coordinates."""
        rows = list(chosen)
        distortion = None if self.distortion is None else torch.from_numpy(self.distortion[rows])
        return Cameras(
            torch.from_numpy(move_cameras(to_scene, self.c2w[rows])), torch.from_numpy(self.intrinsics[rows]),
            torch.from_numpy(self.sizes[rows].astype(np.int64)), model=self.model, distortion=distortion,
        )  # fmt: skip

    def scene(
        self,
        chosen: Sequence[int],
        to_scene: np.ndarray,
        *,
        near: float,
        far: float,
        box: SceneBox,
        to_original: np.ndarray | None = None,
        notes: Sequence[str] = (),
    ) -> Scene:
        """The chosen views as a scene; near, far and box are in scene units, along the ray.

        to_original [4, 4]: from the coordinates of the poses as read to those that exports are to have.
        """
        headers = [self.headers[i] for i in chosen]
        channels = 4 if any(header.channels == 4 for header in headers) else 3
        back = np.linalg.inv(to_scene) if to_original is None else to_original @ np.linalg.inv(to_scene)
        return Scene(
            cameras=self.cameras(to_scene, chosen),
            images=FileImages([self.images[i] for i in chosen], channels, headers=headers),
            masks=None if self.masks is None else FileImages([self.masks[i] for i in chosen], 1), masks_mean="counted",
            near=near, far=far, box=box, to_data=torch.from_numpy(back),
            points=None if self.points is None else torch.from_numpy(move_points(to_scene, self.points)),
            names=[self.names[i] for i in chosen], notes=(*self.notes, *notes),
        )  # fmt: skip


def headers_of(paths: Sequence[Path], root: Path, problems: Problems) -> tuple[dict[Path, Header], list[Problem]]:
    """The headers of the files that are there, and what is wrong with those that have none, named relative to `root`;
    files that are not there go to `problems`."""
    once = list(dict.fromkeys(paths))
    absent = missing_files(once, root)
    problems.found += absent
    gone = {problem.path for problem in absent}
    there = [path for path in once if shown(path, root) not in gone]
    headers, faults = read_headers(there)
    named = [fault._replace(path=shown(Path(fault.path), root)) for fault in faults]
    return dict(zip(there, headers, strict=True)), named


def shrink_factor(size: tuple[int, ...], actual: tuple[int, int]) -> int | None:
    """The integer that a size (width, height) was divided by to give the actual one, either way rounded; None if there
    is no such."""
    factor = max(1, round(size[0] / actual[0])) if actual[0] else 1
    fits = all(have in (want // factor, -(-want // factor)) for want, have in zip(size, actual, strict=True))
    return factor if fits else None


def one_lens(lenses: Sequence[tuple[str, Sequence[float]]], root: Path) -> tuple[str, np.ndarray | None]:
    """The narrowest model that can express every view's lens, and its parameters [V, K]. DatasetError if none can.

    lenses: each view's model and parameters, as in `ops.distortion`.
    """
    for wider in sorted(MODELS, key=MODELS.__getitem__):
        rows = [widen(lens, torch.tensor(values, dtype=torch.float64), wider) for lens, values in lenses]
        if all(row is not None for row in rows):
            return wider, torch.stack(rows).numpy() if MODELS[wider] else None  # type: ignore[arg-type]
    used = ", ".join(sorted({lens for lens, _ in lenses}))
    raise DatasetError(
        f"cameras have lenses of models that no single model covers: {used}", path=str(root),
        hint="two captures, one camera model for all, or colmap image_undistorter",
    )  # fmt: skip


def held_out(n: int, every: int, root: Path, option: str = "holdout") -> dict[str, list[int]]:
    """Which of n views, sorted by name, make up each split: every `every`-th is for validation and testing, from the
    first on; 0 trains on all and tests on every 8th of them.

    DatasetError, which names the option, if there are none at all or none is left to train on.
    """
    if n == 0:
        raise DatasetError("there are no views", path=str(root), hint="a file that lists at least one frame")
    if every == 1 and n > 1:
        raise DatasetError(
            f"data.{option}=1 holds every view out: none is left to train on", path=str(root),
            hint=f"data.{option}=8, or 0 to train on all",
        )  # fmt: skip
    if n == 1:
        return {"train": [0], "val": [0], "test": [0]}
    held = list(range(0, n, every or 8))
    if every == 0:
        return {"train": list(range(n)), "val": held, "test": held}
    train = [i for i in range(n) if i % every]
    return {"train": train, "val": held, "test": held}


def split_notes(splits: dict[str, list[int]]) -> list[str]:
    """A remark if views are tested that were trained on."""
    if set(splits["train"]) & set(splits["test"]):
        return ["the test views are among the training views: figures say nothing about new views"]
    return []


def choose(splits: dict[str, list[int]], split: str, root: Path) -> list[int]:
    """The views of one split; DatasetError if it is empty or unknown."""
    chosen = splits.get(split, [])
    if not chosen:
        there = ", ".join(f"{name} ({len(rows)})" for name, rows in splits.items() if rows)
        raise NoSuchSplit(f"the {split} split is empty; there are {there or 'no others'}", path=str(root))
    return chosen


def box_of(center: np.ndarray, radius: float, to_scene: np.ndarray, measured: bool) -> SceneBox:
    """The scene box of a cube in the data's coordinates: moved and scaled with the scene, its sides along its axes."""
    middle = torch.from_numpy(move_points(to_scene, center[None])[0]).float()
    return SceneBox(middle, radius * scale_of(to_scene), measured=measured)
