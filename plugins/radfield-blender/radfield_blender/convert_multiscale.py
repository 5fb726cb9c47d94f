"""converter:multiscale — converts NeRF-synthetic folders to mip-NeRF's layout (Barron et al. 2021, section 4.1)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from radfield_blender.blender import BlenderParser
from radfield_blender.config import BlenderConfig, MultiscaleConversionConfig
from radfield_blender.multiscale import KEYS, METADATA
from radfield_core import Converter, DatasetError, ProgressCallback, Scene, plural
from radfield_core.files import atomic_path, require_empty, write_picture


class MultiscaleConverter(Converter):
    """Converter that writes every image at several scales: full size, half size, and so on.

    Each pixel is the mean of 2×2 pixels of the next larger scale.
    """

    config: MultiscaleConversionConfig

    def convert(self, source: Path, target: Path, progress: ProgressCallback | None = None) -> list[Path]:
        """Write images_{split}/{view}_d{scale}.png and metadata.json for every split in `source`. Return the files."""
        require_empty(target)
        parser = BlenderParser(BlenderConfig(root=str(source)))
        splits = [split for split in parser.splits if (source / f"transforms_{split}.json").is_file()]
        scenes = {split: parser.parse(split) for split in splits or parser.splits[:1]}
        for scene in scenes.values():
            self._check(scene, source)
        total, done = self.config.n_down * sum(len(scene.cameras) for scene in scenes.values()), 0
        with atomic_path(target) as folder:
            folder.mkdir()
            metadata: dict[str, dict[str, list[Any]]] = {}
            for split, scene in scenes.items():
                table = metadata[split] = {key: [] for key in KEYS}
                (folder / f"images_{split}").mkdir()
                for view in range(len(scene.cameras)):
                    for scale, pixels in enumerate(self.pyramid(scene.images[view].numpy())):
                        name = f"images_{split}/{view:03d}_d{scale}.png"
                        write_picture(folder / name, pixels)
                        for key, value in zip(KEYS, _row(scene, view, scale, name), strict=True):
                            table[key].append(value)
                        done += 1
                        if progress is not None:
                            progress(done, total)
            (folder / METADATA).write_text(json.dumps(metadata, indent=1))
        return [target / METADATA, *(target / name for table in metadata.values() for name in table["file_path"])]

    def pyramid(self, image: np.ndarray) -> list[np.ndarray]:
        """Return the uint8 image [H, W, C] at every scale. Each scale is computed from unrounded means."""
        scales = [image]
        if self.config.average == "published":  # float32 from 0 to 1, truncated, as in the published script
            single = image.astype(np.float32) / np.float32(255)
            for _ in range(self.config.n_down - 1):
                single = _mean(single)
                scales.append((single * np.float32(255)).astype(np.uint8))
            return scales
        exact = image.astype(np.float64)
        for _ in range(self.config.n_down - 1):
            exact = self._halved(exact)
            scales.append(np.round(exact).astype(np.uint8))
        return scales

    def _halved(self, image: np.ndarray) -> np.ndarray:
        """Return the 2×2 means of an image [H, W, C]. Colors are weighted by alpha if there is an alpha channel."""
        if image.shape[-1] != 4:
            return _mean(image)
        alpha = image[..., 3:]
        mean_alpha = _mean(alpha)
        color = np.divide(_mean(image[..., :3] * alpha), mean_alpha, out=_mean(image[..., :3]), where=mean_alpha > 0)
        return np.concatenate([color, mean_alpha], axis=-1)

    def _check(self, scene: Scene, source: Path) -> None:
        if scene.cameras.model != "pinhole":
            raise DatasetError(
                f"the lens {scene.cameras.model} cannot be written, because the layout has only pinhole cameras",
                path=str(source), hint="Undistort the images first",
            )  # fmt: skip
        halvings = self.config.n_down - 1
        factor = 2**halvings
        width, height = scene.cameras.sizes[0].tolist()
        if width % factor or height % factor:
            fits = next(
                n for n in range(self.config.n_down, 0, -1) if not (width % 2 ** (n - 1) or height % 2 ** (n - 1))
            )
            raise DatasetError(
                f"images of {width}×{height} cannot be halved {plural(halvings, 'time')}", path=str(source),
                hint=f"Set n_down={fits}",
            )  # fmt: skip


def _mean(image: np.ndarray) -> np.ndarray:
    height, width, channels = image.shape
    mean: np.ndarray = image.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))
    return mean


def _row(scene: Scene, view: int, scale: int, name: str) -> tuple[Any, ...]:
    """Return the metadata of one image, in the order of KEYS."""
    fx, fy, cx, cy = (value / 2**scale for value in scene.cameras.intrinsics[view].tolist())
    width, height = (value // 2**scale for value in scene.cameras.sizes[view].tolist())
    c2w = [*scene.cameras.c2w[view].tolist(), [0.0, 0.0, 0.0, 1.0]]
    pix2cam = [[1.0 / fx, 0.0, -cx / fx], [0.0, -1.0 / fy, cy / fy], [0.0, 0.0, -1.0]]
    return name, c2w, width, height, fx, scale, scene.near, scene.far, 4.0**scale, pix2cam
